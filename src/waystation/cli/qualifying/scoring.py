"""Answers held against what the cases expect: read only here, after every answer was computed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from waystation.cli.qualifying.cases import Answers

ABOUT = ("budget", "mean", "total", "model", "S")  # by which a row of a table is found


@dataclass
class Score:
    """A family's cases: how many were asked, how many were answered as expected, and where the others differ."""

    asked: int = 0
    agreed: int = 0
    differing: list[str] = field(default_factory=list)


def score(files: Sequence[Path], made: Answers) -> dict[str, Score]:
    """Each family's score over the files' cases that say what they expect."""
    found: dict[str, Score] = {}
    for path in files:
        for name, family, expected, near in _expected(json.loads(path.read_bytes())):
            one = found.setdefault(family, Score())
            one.asked += 1
            if name in made.answers and _agrees(expected, made.answers[name], near):
                one.agreed += 1
            else:
                one.differing.append(name)
    return found


def _expected(document: Any) -> Iterator[tuple[str, str, Any, float]]:
    """Id, family, what is expected and the tolerance of every scored case of a file."""
    if isinstance(document.get("cases"), list):
        for case in document["cases"]:
            expected = case.get("expect", case.get("expected"))
            if expected is not None:
                near = case.get("tolerance", expected.get("tol_c", 0.0) if isinstance(expected, Mapping) else 0.0)
                yield case["id"], str(case.get("kind", document.get("family"))), expected, float(near)
        return
    for family, rows in document.items():
        for row in rows if isinstance(rows, list) else ():
            if row.get("scored", True) and (expected := _of_log(family, row)) is not None:
                yield row["id"], family, expected, 0.0


def _of_log(family: str, row: Mapping[str, Any]) -> Any:
    if family == "roots":
        return row["root"]
    if family == "tiles":
        return {name: row[name] for name in ("tiles", "entry_bundles")}
    if family == "witness_protocol":
        return [step["status"] for step in row["steps"]]
    return row.get("expect")


def _agrees(expected: Any, found: Any, near: float) -> bool:
    """Every member that is expected is answered, numbers within the tolerance; more may be answered."""
    if isinstance(expected, Mapping):
        wanted = {k: v for k, v in expected.items() if not k.startswith(("tol_", "wrong_"))}
        return isinstance(found, Mapping) and all(k in found and _agrees(v, found[k], near) for k, v in wanted.items())
    if isinstance(expected, list):
        return isinstance(found, list) and _rows_agree(expected, found, near)
    if isinstance(expected, float | int) and not isinstance(expected, bool):
        return isinstance(found, float | int) and abs(expected - found) <= near
    return bool(expected == found)


def _rows_agree(expected: list[Any], found: list[Any], near: float) -> bool:
    key = next((k for k in ABOUT if expected and isinstance(expected[0], Mapping) and k in expected[0]), None)
    if key is None:
        return len(found) >= len(expected) and all(_agrees(e, f, near) for e, f in zip(expected, found, strict=False))
    by_key = {row.get(key): row for row in found if isinstance(row, Mapping)}
    return all(row[key] in by_key and _agrees(row, by_key[row[key]], near) for row in expected)
