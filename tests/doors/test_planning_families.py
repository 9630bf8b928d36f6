"""Every family of planning cases with inputs taken away and scaled: refused in words, or answered rightly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from waystation.cli.planning.as_text import plan_text
from waystation.cli.qualifying import cases
from waystation.cli.qualifying.cases import KNOWN
from waystation.cli.qualifying.planning import FAMILIES

CASES = json.loads((KNOWN / "planning.json").read_text())["cases"]
FIRST = {case["kind"]: case for case in reversed(CASES)}
for _sku in FIRST["budget_two_echelon"]["inputs"]["skus"]:
    _sku["max_units"] = 2  # small enough to be asked a hundred times
OPTIONAL = {"base_repair_fraction", "base_repair_time", "order"}


def _asked(kind: str, inputs: Any) -> cases.Answers:
    made = cases.Answers()
    cases._ask(made, "x", cases.Case(kind, "x", inputs, {}))
    return made


@pytest.mark.parametrize("kind", sorted(FAMILIES))
def test_an_input_that_is_missing_is_told_by_its_name(kind: str) -> None:
    """Each one in turn; the two repair inputs have defaults, a lead time of none is none."""
    for name in FIRST[kind]["inputs"]:
        inputs = {k: v for k, v in FIRST[kind]["inputs"].items() if k != name}
        made = _asked(kind, inputs)
        if name in OPTIONAL or (kind, name) == ("sS_poisson_table", "lead_time"):
            assert made.answers
        else:
            assert name in made.refused["x"], made.refused


SCALES = [
    ("single_site_poisson", {"annual_demand": 2.0, "lead_time_years": 0.5}),
    ("sQ_poisson", {"rate": 2.0, "lead_time": 0.5}),
    ("RS_poisson", {"rate": 4.0, "review": 0.25, "lead_time": 0.25}),
]


@pytest.mark.parametrize(("kind", "scale"), SCALES, ids=lambda v: str(v))
def test_the_unit_of_time_does_not_matter(kind: str, scale: dict[str, float]) -> None:
    """Twice the rate over half the time: the same shares and backorders."""
    inputs = FIRST[kind]["inputs"]
    before = _asked(kind, inputs).answers["x"]
    after = _asked(kind, {k: v * scale[k] if k in scale else v for k, v in inputs.items()}).answers["x"]
    rows = before.get("rows", [before]), after.get("rows", [after])
    for one, two in zip(*rows, strict=True):
        assert one["fill"] == pytest.approx(two["fill"], abs=1e-9)
        assert one["ebo"] == pytest.approx(two["ebo"], abs=1e-9)


def test_the_unit_of_money_does_not_matter() -> None:
    """Ten times every cost: the same stock, ten times the money."""
    inputs = FIRST["emergency_break_even"]["inputs"]
    dear = inputs | {k: inputs[k] * 10 for k in ("unit", "courier", "downtime_per_h")}
    one, ten = (_asked("emergency_break_even", given).answers["x"] for given in (inputs, dear))
    assert one["best_S"] == ten["best_S"]
    assert ten["annual_cost"] == pytest.approx(10 * one["annual_cost"])
    assert ten["break_even_rate_first_unit"] == pytest.approx(one["break_even_rate_first_unit"])


def test_hubs_may_be_numbered_in_any_order() -> None:
    """The lateral case read backwards gives the shares backwards."""
    inputs = FIRST["lateral"]["inputs"]
    last = len(inputs["stock"]) - 1
    turned = {
        "demand": inputs["demand"][::-1],
        "stock": inputs["stock"][::-1],
        "replenishment_rate": inputs["replenishment_rate"],
        "preference": [[last - hub for hub in order] for order in inputs["preference"][::-1]],
    }
    one, two = (_asked("lateral", given).answers["x"] for given in (inputs, turned))
    for hub, other in zip(one["hubs"], two["hubs"][::-1], strict=True):
        assert hub == pytest.approx(other)


def _told(**more: Any) -> dict[str, Any]:
    """A plan's document with every line that the text can have."""
    return {
        "units": 3,
        "capital": 1234.0,
        "holding_per_year": 300.0,
        "backorders": 0.5,
        "mean_wait_h": 4.0,
        "fill_rate": 0.9,
        "objective": "capital",
        "lower_bound": 1200.0,
        "gap": 0.0283,
        "status": "optimal_within_gap",
        "certificate": {
            "parts": 2,
            "backorders": 0.51,
            "difference_of_model": -0.02,
            "not_covered": ["fan"],
            "why_not": "variance to mean above 1",
        },
        "played": {"by_own_node": 0.9, "by_a_lender": 0.05, "in_time": 0.95, "in_time_error": 0.01},
        "targets": [{"target": "fill rate of at least 0.9 for everything", "met": False, "reached": 0.8}],
        "sites": [
            {"id": "a", "within_limit": False, "source": None, "travel_h": None, "max_restore_h": 4.0, "lenders": []},
            {"id": "b", "within_limit": False, "source": "n", "travel_h": 6.0, "max_restore_h": 4.0, "lenders": []},
            {"id": "c", "within_limit": True, "source": "n", "travel_h": 1.0, "max_restore_h": 4.0, "lenders": []},
        ],
        "stock": [
            {"part": f"p{n}", "node": "n", "units": 1, "gain_per_money": float(n), "reason": f"reason {n}"}
            for n in range(20)
        ],
    } | more


def test_the_text_says_what_is_missed_unproven_and_out_of_reach_before_the_stock() -> None:
    """In that order, and the best fifteen places with the number of the others."""
    lines = plan_text(_told()).split("\n")
    assert lines[0] == "3 units, capital 1,234, holding 300 a year"
    assert lines[2] == "capital: lower bound 1200, gap 2.830% (optimal_within_gap)"
    assert "MISSED: fill rate of at least 0.9 for everything, reached 0.8" in lines
    assert "not certified: 1 parts, variance to mean above 1" in lines
    assert "played: 90.0% met by the own node, 5.0% by a lender; 95.0% ± 2.0% in time" in lines
    assert "site a: no travel time to any node; nothing is proven in 4 h" in lines
    assert "site b is out of reach: 6 h from n, 4 h tolerable" in lines
    assert not any("site c" in line for line in lines)
    assert lines[-2] == "  p5 at n: 1; reason 5"
    assert lines[-1] == "  and 5 more places: --json FILE"


def test_without_demand_and_without_a_plan_the_text_says_so() -> None:
    """No rate that would be a division by nothing; what clashes, one line each; what to do when time was short."""
    assert "there is no demand" in plan_text(_told(mean_wait_h=None, fill_rate=None))
    assert "gap not known: nothing above 0 was proven" in plan_text(_told(gap=None, lower_bound=0.0))
    assert "played" not in plan_text(_told(played=None))
    clash = plan_text({"capital": None, "status": "infeasible", "conflict": ["budget of 5", "wait of 1 h"]})
    assert clash.split("\n")[1:] == ["  budget of 5", "  wait of 1 h"]
    short = plan_text({"capital": None, "status": "none_found", "conflict": []})
    assert "raise time_limit_s" in short
