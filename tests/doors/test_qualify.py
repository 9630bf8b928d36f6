"""`waystation qualify`: known answers come out of the product's own functions; what they expect is never read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SHARED
from waystation.cli.main import main
from waystation.cli.qualifying import cases
from waystation.cli.qualifying.cases import FAMILIES, KNOWN, answer, files_of

PLANNING = KNOWN / "planning.json"
COUNTS = {
    "mkt-equal": 13,
    "mkt-time": 5,
    "usp-window": 10,
    "alarm-single": 11,
    "alarm-cumulative": 4,
    "alarm-gaps": 8,
    "dst": 6,
    "guard-band": 30,
    "calibration": 4,
    "continuity": 9,
    "alarm-forwarding": 7,
    "sanitisation": 7,
    "custody": 5,
    "retention": 7,
}


def _expected(path: Path) -> Iterator[tuple[str, str, Any]]:
    """(id, family, what is expected) of every scored case of a file."""
    document = json.loads(path.read_text())
    if "cases" in document and "family" in document:
        yield from ((c["id"], document["family"], c["expect"]) for c in document["cases"])
        return
    for family, rows in document.items():
        for row in rows if isinstance(rows, list) else ():
            if not row.get("scored", True):
                continue
            shapes = {"roots": lambda r: r["root"], "tiles": lambda r: {k: r[k] for k in ("tiles", "entry_bundles")}}
            shapes["witness_protocol"] = lambda r: [step["status"] for step in r["steps"]]
            yield row["id"], family, shapes.get(family, lambda r: r["expect"])(row)


def _differs(expected: Any, found: Any) -> list[str]:
    """The members that are answered otherwise, within the case's own tolerance."""
    if not isinstance(expected, dict):
        return [] if expected == found else [f"{found} for {expected}"]
    near = expected.get("tol_c", 0.0)
    wrong = []
    for name, value in expected.items():
        if name.startswith(("tol_", "wrong_")):
            continue
        if name.endswith("_c") and isinstance(value, float) and isinstance(found.get(name), float):
            wrong += [name] if abs(value - found[name]) > near else []
        elif name not in found or found[name] != value:
            wrong.append(f"{name}: {found.get(name)} for {value}")
    return wrong


def _sets() -> list[Path]:
    shared = [SHARED / name for name in ("compliance-cases", "tlog-vectors")]
    every = files_of([KNOWN, *(p for p in shared if p.is_dir())])
    return [
        p for p in every if p.name != PLANNING.name
    ]  # answers within tolerances: tests/doors/test_qualify_planning.py


@pytest.mark.parametrize("path", _sets(), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_every_known_answer_is_given(path: Path) -> None:
    """Each scored case of the file, within its tolerance; none is refused."""
    made = answer([path])
    assert made.refused == {}
    wrong = {key: _differs(expected, made.answers[key]) for key, _, expected in _expected(path)}
    assert {key: found for key, found in wrong.items() if found} == {}


def test_the_built_in_set_is_whole() -> None:
    """A set that lost cases would qualify for nothing."""
    made = answer(files_of([]))
    assert {f: n for f, n in made.families.items() if f in COUNTS} == COUNTS
    assert sum(made.families.values()) == sum(COUNTS.values()) + 144 + 49
    assert set(made.families) <= set(FAMILIES)


def test_the_expected_part_is_never_read(tmp_path: Path) -> None:
    """Without it, and with a wrong one, the answers are the same."""
    lies = (lambda c, k: c.pop(k), lambda c, k: c.update({k: {"verdict": "lie"}}))
    for number, change in enumerate(lies):
        for path in KNOWN.glob("*.json"):
            document = json.loads(path.read_text())
            rows = document["cases"] if "cases" in document else [r for v in document.values() for r in v if r]
            for row in rows:
                for name in ("expect", "expected"):
                    if isinstance(row, dict) and name in row:
                        change(row, name)
            folder = tmp_path / str(number)
            folder.mkdir(exist_ok=True)
            (folder / path.name).write_text(json.dumps(document))
        assert answer(files_of([tmp_path / str(number)])).answers == answer(files_of([])).answers


@pytest.mark.parametrize(
    ("document", "name", "words"),
    [
        ({"family": "dance", "cases": [{"id": "a", "input": {}}]}, "a", "no family 'dance'"),
        ({"family": "retention", "cases": [{"id": "a", "input": {}}]}, "a", "malformed: KeyError"),
        ({"family": "retention", "cases": [{"id": "a"}]}, "a", "has no input"),
        ({"family": "retention", "cases": [{"input": {}}]}, "bad.json[0]", "has no id"),
        ({"family": "retention", "cases": [7]}, "bad.json[0]", "has no id"),
        ({"roots": [{"id": "a", "size": 3}]}, "a", "no tag"),
        ({"tag": "x", "roots": [{"id": "a", "size": 10**9}]}, "a", "is no size"),
        ([1], "bad.json", "no set of cases"),
    ],
)
def test_a_case_that_cannot_be_asked_is_refused_by_name_and_the_others_run(
    tmp_path: Path, document: Any, name: str, words: str
) -> None:
    """Beside a good set, which is answered whole."""
    path = tmp_path / "bad.json"
    path.write_text(json.dumps(document))
    made = answer([path, KNOWN / "retention.json"])
    assert words in made.refused[name]
    assert made.families["retention"] == COUNTS["retention"]


def test_one_id_twice_is_refused_the_second_time() -> None:
    """Which of two answers would count is nobody's guess."""
    made = answer([KNOWN / "retention.json", KNOWN / "retention.json"])
    assert len(made.answers) == len(made.refused) == COUNTS["retention"]
    assert all(name.endswith("(again)") for name in made.refused)


def test_the_command_writes_answers_and_says_what_was_refused(tmp_path: Path, capsys: Any) -> None:
    """0 when all were answered, 1 when one was refused; no traceback for a file that is none."""
    out = tmp_path / "answers.json"
    assert main(["qualify", "--answers", str(out)]) == 0
    document = json.loads(out.read_text())
    assert document["schema"] == "waystation.answers/1"
    assert document["refused"] == {}
    (tmp_path / "torn.json").write_text("{")
    assert main(["qualify", "--cases", str(tmp_path / "torn.json")]) == 1
    assert "torn.json is no JSON" in capsys.readouterr().out
    assert main(["qualify", "--cases", str(tmp_path / "absent.json")]) == 1
    empty = tmp_path / "empty"
    empty.mkdir()
    assert main(["qualify", "--cases", str(empty)]) == 1
    assert main(["qualify", "--answers", str(tmp_path / "no" / "such" / "place")]) == 1
    assert "Name another file" in capsys.readouterr().err


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.floats() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=6,
)
MEMBERS = sorted(
    {
        name
        for path in KNOWN.glob("*.json")
        for case in json.loads(path.read_text()).get("cases", [{}])
        for name in case.get("input", case.get("inputs", {}))
    }
)


@given(st.sampled_from(FAMILIES), st.dictionaries(st.sampled_from(MEMBERS), JSON, max_size=6))
def test_whatever_a_case_holds_it_is_answered_or_refused(family: str, held: dict[str, Any]) -> None:
    """Never anything else: a malformed case is told by name."""
    made = cases.Answers()
    cases._ask(made, "x", cases.Case(family, "x", held, {"tag": "t"}))
    assert ("x" in made.answers) != ("x" in made.refused)
