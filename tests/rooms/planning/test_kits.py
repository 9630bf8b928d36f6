"""Parts that are needed together: met only when every line is there, and sized jointly."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.planning.oracles import poisson_law
from waystation.kernel.refusals import BadInput
from waystation.planning.rules.explain import at_nodes, at_sites, of_all
from waystation.planning.rules.fleet import seen
from waystation.planning.rules.planner import lay, plan, reached
from waystation.planning.rules.problem import HOURS_PER_YEAR, Problem, read

PARTS, LEAD_H, MOST = ("fan", "board"), 480.0, 6
PRICES = {"fan": 40.0, "board": 70.0}


def document(kits: float, fan: float = 0.0, board: float = 0.0, target: float = 0.9, **more: Any) -> dict[str, Any]:
    """One shelf twenty days from supply and one site; needs a year of both together, and of each alone."""
    return {
        "nodes": [{"id": "hub", "parent": None, "lead_time_h": LEAD_H}],
        "parts": [{"id": p, "unit_cost": PRICES[p], "holding_rate_per_year": 0.2} for p in PARTS],
        "demand": [{"part": p, "node": "clinic", "per_year": r} for p, r in zip(PARTS, (fan, board), strict=True)],
        "kits": [{"parts": list(PARTS), "node": "clinic", "per_year": kits}],
        "sites": [{"id": "clinic", "max_restore_h": 4, "service_class": "gold"}],
        "travel_h": {"hub": {"clinic": 1}},
        "service_targets": {"gold": target},
    } | more


def exact(kits: float, fan: float, board: float, stock: tuple[int, ...]) -> tuple[float, float, float]:
    """Shares met at once of kits and of each part alone: what is outstanding is what came within the lead time."""
    years = LEAD_H / HOURS_PER_YEAR
    weight = [poisson_law(kits * years)[k] for k in range(max(stock) + 1)]
    free = [
        [sum(poisson_law(r * years)[: max(0, units - k)]) for k in range(len(weight))]
        for units, r in zip(stock, (fan, board), strict=True)
    ]
    both, one, other = (
        math.fsum(map(math.prod, zip(weight, *some, strict=True))) for some in (free, free[:1], free[1:])
    )
    return both, one, other


def share(kits: float, fan: float, board: float, stock: tuple[int, ...]) -> float:
    """Of all needs, met at once with every line."""
    both, one, other = exact(kits, fan, board, stock)
    return (kits * both + fan * one + board * other) / (kits + fan + board)


rates = st.floats(0.2, 20.0)


@settings(max_examples=30, deadline=None)
@given(kits=rates, fan=rates, board=rates, target=st.sampled_from([0.5, 0.8, 0.9]))
def test_siz_12_a_class_is_kept_with_every_line_of_a_kit_by_the_exact_law(
    kits: float, fan: float, board: float, target: float
) -> None:
    """The class is kept by the exact joint law, no more is said than that, and the bound is below every stock tried."""
    problem = read(document(kits, fan, board, target))
    found = plan(problem)
    assert found.stock is not None
    stock = tuple(int(n) for n in found.stock[:, 0])
    told = reached(found, problem, problem.targets[0])
    assert of_all(found, problem, "fill_rate") == pytest.approx(told)
    assert target - 1e-9 <= told <= share(kits, fan, board, stock) + 1e-9
    tried = []
    given_ = lay(problem).fleet
    for units in itertools.product(range(MOST + 1), repeat=2):
        fill = seen(given_, np.arange(2), np.array([[n] for n in units], dtype=np.int64)).fill[:, 0]
        met = kits * (fill.sum() - 1.0) + fan * fill[0] + board * fill[1]
        if met >= target * (kits + fan + board) - 1e-9:
            tried.append(40.0 * units[0] + 70.0 * units[1])
    assert max(stock) <= MOST
    assert found.bound - 1e-6 <= min(tried) <= found.value + 1e-6
    assert found.value <= min(tried) + sum(PRICES.values())  # whole units of two parts


def test_siz_12_lines_sized_each_for_the_share_do_not_keep_it_together() -> None:
    """Nine in ten of each line is not nine in ten of both: jointly more is held, and it is enough."""
    apart = read(document(0.0, 12.0, 12.0))
    joint = read(document(12.0))
    held = [tuple(int(n) for n in p.stock[:, 0]) for p in map(plan, (apart, joint)) if p.stock is not None]
    assert exact(12.0, 0.0, 0.0, held[0])[0] < 0.9 <= exact(12.0, 0.0, 0.0, held[1])[0]


def test_siz_12_a_missing_line_fails_the_kit_at_its_node_and_its_site() -> None:
    """No board anywhere: not one kit is met, though every fan is there; each alone is."""
    dear = document(6.0, 6.0, service_targets=[], budget=200.0)
    dear["parts"][1]["unit_cost"] = 900.0
    problem = read(dear)
    found = plan(problem)
    assert found.stock is not None
    assert tuple(found.stock[:, 0]) == (5, 0)
    met = 6.0 * exact(6.0, 6.0, 0.0, (5, 0))[1]
    assert at_sites(found, problem)[0].in_time == pytest.approx(max(0.0, (2.0 * met - 6.0) / 12.0), abs=1e-6)
    assert at_nodes(found, problem)[0].fill == pytest.approx(max(0.0, (2.0 * met - 6.0) / 12.0), abs=1e-6)


def test_siz_12_a_target_about_a_part_asks_about_its_line_alone() -> None:
    """The fan's own share, whatever becomes of the board."""
    problem = read(document(12.0, service_targets=[{"measure": "fill_rate", "value": 0.9, "part": "fan"}]))
    found = plan(problem)
    assert found.stock is not None
    assert int(found.stock[1, 0]) == 0
    assert reached(found, problem, problem.targets[0]) == pytest.approx(
        exact(12.0, 0.0, 0.0, (int(found.stock[0, 0]), 0))[1]
    )


def test_siz_12_a_kit_may_stand_at_a_node_and_counts_for_all() -> None:
    """Without a class it is in the share of everything."""
    told = document(12.0, service_targets=[{"measure": "fill_rate", "value": 0.9}])
    told["kits"][0]["node"] = "hub"
    problem: Problem = read(told)
    found = plan(problem)
    assert found.stock is not None
    assert exact(12.0, 0.0, 0.0, tuple(int(n) for n in found.stock[:, 0]))[0] >= 0.9


@pytest.mark.parametrize(
    ("kit", "field"),
    [
        ({"parts": ["fan"], "node": "clinic", "per_year": 1}, "kits[0].parts"),
        ({"parts": ["fan", "fan"], "node": "clinic", "per_year": 1}, "kits[0].parts"),
        ({"parts": ["fan", "valve"], "node": "clinic", "per_year": 1}, "kits[0].parts"),
        ({"parts": ["fan", ["board"]], "node": "clinic", "per_year": 1}, "kits[0].parts"),
        ({"parts": ["fan", "board"], "node": "moon", "per_year": 1}, "kits[0].node"),
        ({"parts": ["fan", "board"], "node": "clinic", "per_year": -1}, "kits[0].per_year"),
        ({"parts": ["fan", "board"], "node": "clinic", "per_year": 1, "colour": "red"}, "kits[0].colour"),
    ],
)
def test_siz_12_a_kit_that_is_none_is_refused_by_field(kit: dict[str, Any], field: str) -> None:
    """Which row, and what to give."""
    with pytest.raises(BadInput) as refused:
        read(document(0.0, 1.0) | {"kits": [kit]})
    assert refused.value.field == field
