"""The 49 known planning answers, each within its own tolerance; rows are found by what they are about."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waystation.cli.qualifying.cases import KNOWN, answer
from waystation.cli.qualifying.planning import FAMILIES

CASES = json.loads((KNOWN / "planning.json").read_text())["cases"]
KEYS = ("budget", "mean", "total", "model", "S")  # what a row is about


def _differs(expected: Any, found: Any, near: float, at: str = "") -> list[str]:
    """Where an answer lies outside the tolerance, or lacks a member."""
    if isinstance(expected, dict):
        lost = [f"{at}/{k} is missing" for k in expected if k not in found]
        return lost + [d for k in expected if k in found for d in _differs(expected[k], found[k], near, f"{at}/{k}")]
    if isinstance(expected, list):
        return _rows_differ(expected, found, near, at)
    if isinstance(expected, int | float) and not isinstance(expected, bool):
        return [] if abs(expected - found) <= near else [f"{at}: {found} for {expected}"]
    return [] if expected == found else [f"{at}: {found} for {expected}"]


def _rows_differ(expected: list[Any], found: list[Any], near: float, at: str) -> list[str]:
    key = next((k for k in KEYS if expected and isinstance(expected[0], dict) and k in expected[0]), None)
    if key is None:
        short = [f"{at} has {len(found)} of {len(expected)}"] if len(found) < len(expected) else []
        pairs = enumerate(zip(expected, found, strict=False))
        return short + [d for n, (e, f) in pairs for d in _differs(e, f, near, f"{at}[{n}]")]
    by_key = {row[key]: row for row in found}
    lost = [f"{at}[{row[key]}] is missing" for row in expected if row[key] not in by_key]
    kept = [row for row in expected if row[key] in by_key]
    return lost + [d for row in kept for d in _differs(row, by_key[row[key]], near, f"{at}[{row[key]}]")]


@pytest.fixture(scope="module")
def answers() -> dict[str, Any]:
    """What the product answers to the built-in set, asked without what is expected."""
    made = answer([KNOWN / "planning.json"])
    assert made.refused == {}
    return made.answers


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["id"])
def test_a_known_planning_answer_is_given_within_its_tolerance(case: dict[str, Any], answers: dict[str, Any]) -> None:
    """Every member that the case expects, and no other way of asking than through the library."""
    assert _differs(case["expected"], answers[case["id"]], case["tolerance"]) == []


def test_the_set_is_whole_and_every_kind_has_a_case() -> None:
    """49 cases; a family without a case would be proven by nothing."""
    assert len(CASES) == 49
    assert {case["kind"] for case in CASES} == set(FAMILIES)


def test_the_comparison_itself_can_fail() -> None:
    """A value outside the tolerance, a lost row, a short list and a lost member are each seen."""
    assert _differs({"rows": [{"S": 1, "ebo": 0.5}]}, {"rows": [{"S": 1, "ebo": 0.51}]}, 1e-3) != []
    assert _differs({"rows": [{"S": 1, "ebo": 0.5}]}, {"rows": [{"S": 2, "ebo": 0.5}]}, 1e-3) != []
    assert _differs({"stock": [1, 2]}, {"stock": [1]}, 0.1) != []
    assert _differs({"a": 1}, {}, 0.1) != []
    assert _differs({"a": [1.0, 2.0]}, {"a": [1.0, 2.0, 3.0]}, 0.0) == []


def test_budgets_and_means_that_a_case_names_are_the_ones_answered(tmp_path: Any) -> None:
    """Named ones replace the ladder of round ones."""
    items = [{"annual_demand": 10, "lead_time_years": 0.1, "unit_cost": 7.25}]
    costs = {"holding": 1, "backorder": 9, "fixed": 64, "lead_time": 0}
    asked = [
        {"id": "b", "kind": "budget_single_site", "inputs": {"items": items, "budgets": [14.5]}},
        {"id": "m", "kind": "sS_poisson_table", "inputs": costs | {"means": [12.5]}},
        {"id": "late", "kind": "sS_poisson_table", "inputs": costs | {"lead_time": 2}},
    ]
    path = tmp_path / "asked.json"
    path.write_text(json.dumps({"cases": asked}))
    made = answer([path])
    assert [row["stock"] for row in made.answers["b"]["exact"]] == [[2]]
    assert [row["mean"] for row in made.answers["m"]["rows"]] == [12.5]
    assert "lead time is not carried" in made.refused["late"]
