"""Known-answer cases as they stand in files: which there are, what each asks, and why one cannot be asked.

Three shapes of file: `{"family": F, "cases": [{"id", "input"}]}`; `{"cases": [{"id", "kind", "inputs"}]}`; and for
transparency logs `{F: [{"id", ...}]}` with what the families share beside them. What a case expects is never read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waystation.cli.qualifying import keeping, logs, planning, telemetry
from waystation.kernel.refusals import BadInput, Refusal

KNOWN = Path(__file__).parent / "known"
MOST_BYTES = 64_000_000
PLAIN: Mapping[str, Callable[[Mapping[str, Any]], Any]] = {
    **telemetry.FAMILIES,
    **keeping.FAMILIES,
    **planning.FAMILIES,
}
NOTES = frozenset({"expect", "expected", "desc", "source", "scored"})  # of a case that stands among its inputs
FAMILIES = tuple(sorted({*PLAIN, *logs.FAMILIES}))
# what a malformed case makes the rules raise; anything else is a fault of the product and is not hidden
MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, ArithmeticError, RecursionError)


@dataclass(frozen=True, slots=True)
class Case:
    """One question: its family, its id, what is given, and what its set says for all of them."""

    family: str
    id: str
    given: Mapping[str, Any]
    context: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Answers:
    """What was computed by case id, and why a case was refused; `families` counts the answered ones."""

    answers: dict[str, Any] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    families: dict[str, int] = field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """`waystation.answers/1`."""
        return {"schema": "waystation.answers/1", "answers": self.answers, "refused": self.refused}


def files_of(paths: Sequence[Path]) -> list[Path]:
    """The files named, and the JSON files of folders named; the built-in set when none is named."""
    found: list[Path] = []
    for path in paths or [KNOWN]:
        inside = sorted(p for p in path.glob("*.json") if not p.name.lower().startswith("readme"))
        found += inside if path.is_dir() else [path]
    return found


def answer(files: Sequence[Path], on_file: Callable[[Path], None] = lambda path: None) -> Answers:
    """Ask every case of the files. A case that cannot be asked is refused by name; the others still run."""
    made = Answers()
    for path in files:
        on_file(path)
        try:
            document = _read(path)
        except BadInput as refusal:
            made.refused[path.name] = refusal.message
            continue
        for name, case in _cases(document, path.name):
            _ask(made, name, case)
    return made


def _read(path: Path) -> Any:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise BadInput("qualify.file", f"{path.name} has more than {MOST_BYTES} bytes.", "Split it.", field="cases")
        return json.loads(path.read_bytes())
    except OSError as error:
        said = f"{path}: {error.strerror}."
        raise BadInput("qualify.file", said, "Name a file of cases.", field="cases") from None
    except (ValueError, RecursionError) as error:
        raise BadInput("qualify.file", f"{path.name} is no JSON: {error}", "Save it again.", field="cases") from None


def _cases(document: Any, file: str) -> Iterator[tuple[str, Case | str]]:
    """Each case by its id, or why it is none."""
    if isinstance(document, Mapping) and isinstance(document.get("cases"), list):
        for number, row in enumerate(document["cases"]):
            yield _case(row, document.get("family"), f"{file}[{number}]")
        return
    if not isinstance(document, Mapping):
        yield file, "the file holds no set of cases"
        return
    context = {name: value for name, value in document.items() if not isinstance(value, list)}
    for family, rows in document.items():
        for number, row in enumerate(rows if isinstance(rows, list) else ()):
            yield _case(row, family, f"{file}/{family}[{number}]", context)


def _case(row: Any, family: Any, place: str, context: Mapping[str, Any] | None = None) -> tuple[str, Case | str]:
    if not isinstance(row, Mapping) or not isinstance(row.get("id"), str):
        return place, "the case has no id"
    own = row.get("kind", family)
    given = row if context is not None else row.get("input", row.get("inputs"))
    if not isinstance(given, Mapping):
        return row["id"], "the case has no input"
    asked = {name: value for name, value in given.items() if context is None or name not in NOTES}
    return row["id"], Case(str(own), row["id"], asked, context or {})


def _ask(made: Answers, name: str, case: Case | str) -> None:
    if name in made.answers or name in made.refused:
        made.refused[f"{name} (again)"] = "another case has this id"
    elif isinstance(case, str):
        made.refused[name] = case
    else:
        try:
            found = _answer(case)
            json.dumps(found, allow_nan=False)
            made.answers[name] = found
            made.families[case.family] = made.families.get(case.family, 0) + 1
        except Refusal as refusal:
            made.refused[name] = f"{refusal.message} {refusal.next_step}".strip()
        except MALFORMED as error:
            made.refused[name] = f"the case is malformed: {type(error).__name__} {error}"


def _answer(case: Case) -> Any:
    if case.family in PLAIN:
        return PLAIN[case.family](case.given)
    if case.family in logs.FAMILIES:
        return logs.FAMILIES[case.family](case.given, case.context)
    raise BadInput("qualify.family", f"There is no family {case.family!r}.", "", field="family")
