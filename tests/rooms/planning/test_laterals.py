"""Hubs that lend: the law against needs played one by one and against enumeration, the bound against every stock."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.planning.lending import bound_case, by_play, centre, met, spread_out, sums, units
from waystation.kernel.refusals import BadInput
from waystation.planning.rules.columns import Constrained, at_customers, money
from waystation.planning.rules.emergency import erlang_loss, erlang_losses
from waystation.planning.rules.exact import exact
from waystation.planning.rules.explain import at_nodes, at_sites, held
from waystation.planning.rules.fleet import waiting
from waystation.planning.rules.laterals.overflow import lent, most_units, pooling_groups
from waystation.planning.rules.laterals.played import played
from waystation.planning.rules.laterals.relaxed import Relaxed
from waystation.planning.rules.laterals.search import Lending, look
from waystation.planning.rules.living.playing import OTHER, OWN
from waystation.planning.rules.planner import Plan, lay, plan, reached
from waystation.planning.rules.prices import Prices
from waystation.planning.rules.problem import Problem, read

ALL = {1: (2, 3), 2: (1, 3), 3: (1, 2)}


@pytest.mark.parametrize("held", [(0, 1, 1, 1), (2, 1, 1, 1), (1, 1, 0, 1), (3, 0, 1, 0), (0, 2, 0, 0), (4, 0, 0, 2)])
def test_siz_12_hubs_that_all_lend_to_each_other_are_what_playing_them_says(held: tuple[int, ...]) -> None:
    """Three hubs alike, one centre: shelves empty together and in each other's place."""
    rates = (0.0, 4.0, 4.0, 4.0)
    seen, error = by_play(rates, ALL, held)
    of = centre(rates, ALL)
    assert met(of, units(of, held)) == pytest.approx(seen, abs=3.0 * error + 0.006)


@pytest.mark.parametrize("held", [(0, 1, 1, 1), (2, 1, 1, 1), (1, 2, 0, 0), (0, 2, 0, 0), (1, 2, 1, 0), (3, 0, 1, 0)])
def test_siz_12_a_hub_that_only_lends_is_what_playing_it_says(held: tuple[int, ...]) -> None:
    """The largest hub lends to two others, and borrows of nobody."""
    rates, lenders = (0.0, 6.0, 3.0, 1.0), {2: (1,), 3: (1,)}
    seen, error = by_play(rates, lenders, held)
    of = centre(rates, lenders)
    assert met(of, units(of, held)) == pytest.approx(seen, abs=3.0 * error + 0.006)


@pytest.mark.parametrize("held", [(0, 1, 1, 1), (2, 1, 1, 1), (3, 0, 0, 0), (4, 1, 1, 0), (2, 0, 1, 0)])
def test_siz_12_a_centre_that_lends_straight_to_sites_is_what_playing_it_says(held: tuple[int, ...]) -> None:
    """A hub is empty because of orders that the centre has met just now: it is the emptier for them."""
    rates, lenders = (0.0, 6.0, 3.0, 1.0), {1: (0,), 2: (1, 0), 3: (1, 0)}
    seen, error = by_play(rates, lenders, held, 5.0, 30.0)
    of = centre(rates, lenders, 5.0, 30.0)
    assert met(of, units(of, held)) == pytest.approx(seen, abs=3.0 * error + 0.006)


@pytest.mark.parametrize("held", [(0, 1, 1, 1), (1, 1, 1, 1), (2, 2, 0, 0)])
def test_siz_12_customers_of_the_centre_that_hubs_lend_to_are_what_playing_them_says(held: tuple[int, ...]) -> None:
    """They do not wait at the centre while a hub has a unit."""
    rates, lenders = (6.0, 2.0, 2.0, 2.0), {0: (1, 2, 3)}
    seen, error = by_play(rates, lenders, held, 5.0, 30.0)
    of = centre(rates, lenders, 5.0, 30.0)
    assert met(of, units(of, held)) == pytest.approx(seen, abs=3.0 * error + 0.006)


rate = st.floats(0.2, 8.0)


@settings(max_examples=30, deadline=None)
@given(rates=st.tuples(rate, rate, rate), own=st.floats(0.0, 6.0), held=st.tuples(*[st.integers(0, 3)] * 4))
def test_siz_12_what_nobody_can_lend_to_is_met_as_the_exact_law_says(
    rates: tuple[float, float, float], own: float, held: tuple[int, int, int, int]
) -> None:
    """A lender that holds nothing and is asked for nothing changes no share; the law is then that of Graves."""
    of = centre((own, *rates, 0.0), {1: (4,)})
    stock = units(of, (*held, 0))
    model, law = lent(of, np.arange(1), stock, pooling_groups(of)), exact(of, np.arange(1), stock)
    assert model.fill[0] == pytest.approx(law.fill[0], abs=2e-3)
    assert waiting(of, model.ebo)[0] == pytest.approx(waiting(of, law.ebo)[0], rel=0.01, abs=2e-3)


@settings(max_examples=40, deadline=None)
@given(rates=st.tuples(rate, rate, rate), held=st.tuples(*[st.integers(0, 3)] * 4), more=st.integers(0, 3))
def test_siz_12_a_unit_more_never_meets_fewer_needs_and_lending_never_meets_fewer_than_none(
    rates: tuple[float, float, float], held: tuple[int, ...], more: int
) -> None:
    """Wherever it lies; all shares are shares, and nothing waits less than nothing."""
    of, alone = centre((0.0, *rates), ALL), centre((0.0, *rates), {})
    stock = units(of, held)
    at = lent(of, np.arange(1), stock, pooling_groups(of))
    assert np.all((at.fill >= 0.0) & (at.fill <= 1.0) & (at.ebo >= 0.0))
    plus = stock.copy()
    plus[0, more] += 1
    assert met(of, plus) >= met(of, stock) - 2e-3
    law = exact(alone, np.arange(1), units(alone, held))
    assert met(of, stock) >= float((alone.rate * law.fill).sum() / alone.rate.sum()) - 2e-3


@settings(max_examples=25, deadline=None)
@given(
    rates=st.tuples(st.floats(0.0, 3.0), rate, rate),
    reward=st.floats(50.0, 2000.0),
    charge=st.sampled_from([0.0, 300.0]),
    lenders=st.sampled_from([{1: (2,)}, {1: (2,), 2: (1,)}, {2: (1, 0)}, {0: (1,), 1: (0,)}]),
    floor=st.integers(0, 1),
)
def test_siz_12_the_walk_ends_at_the_best_of_every_stock_and_none_is_below_the_bound(
    rates: tuple[float, float, float],
    reward: float,
    charge: float,
    lenders: dict[int, tuple[int, ...]],
    floor: int,
) -> None:
    """A centre and two hubs, every stock of up to five units a shelf, at prices that are random."""
    free = centre(rates, lenders)
    least = np.zeros_like(free.least)
    least[0, 1] = floor
    of = replace(free, least=least)
    prices = Prices(money(of), charge * at_customers(of), reward * of.rate / 10.0)
    every = np.zeros((6**3, len(of.parent)), dtype=np.int64)
    every[:, :3] = list(itertools.product(range(6), repeat=3))
    best = float(sums(of, prices, every[every[:, 1] >= floor]).min())
    found = Lending(of, lambda: True).priced(prices)
    assert found.value[0] == pytest.approx(float(sums(of, prices, found.stock)[0]))
    assert found.value[0] <= best + 0.01 * abs(best) + 1e-6
    assert Relaxed(of).least(prices)[0] <= best + 1e-6
    assert found.stock[0, 1] >= floor


@pytest.mark.parametrize("seed", range(40))
def test_siz_12_no_stock_of_a_network_that_lends_is_below_its_bound(seed: int) -> None:
    """Drawn by seed; the soak plays thousands."""
    bound_case(seed)


@settings(max_examples=15, deadline=None)
@given(rates=st.tuples(rate, rate), paid=st.floats(50.0, 400.0), reward=st.floats(50.0, 1000.0))
def test_siz_12_the_bound_holds_also_where_a_limit_pays_for_units(
    rates: tuple[float, float], paid: float, reward: float
) -> None:
    """Shelves that have to hold so many units make each worth having, up to the most that is looked at."""
    of = centre((0.0, *rates), {1: (2,)})
    unit = money(of) - 100.0 - paid
    prices = Prices(unit, np.zeros_like(unit), reward * of.rate / 10.0)
    most = int(most_units(of)[0])
    every = np.zeros(((most + 1) ** 3, len(of.parent)), dtype=np.int64)
    every[:, :3] = list(itertools.product(range(most + 1), repeat=3))
    assert Relaxed(of).least(prices)[0] <= float(sums(of, prices, every).min()) + 1e-6


@given(load=st.floats(0.0, 60.0), most=st.integers(0, 20))
def test_siz_12_many_losses_at_once_are_those_of_each(load: float, most: int) -> None:
    """Erlang's loss in arrays, and of one load and stock."""
    many = erlang_losses(np.array([load]), most)[0]
    assert many.tolist() == pytest.approx([erlang_loss(units_, load) for units_ in range(most + 1)])


def document(**more: Any) -> dict[str, Any]:
    """A centre and two hubs an hour apart; each serves a site, and reaches the other's within four hours."""
    return {
        "nodes": [
            {"id": "madrid", "parent": None, "lead_time_h": 720},
            {"id": "sevilla", "parent": "madrid", "lead_time_h": 48},
            {"id": "cordoba", "parent": "madrid", "lead_time_h": 48},
        ],
        "parts": [{"id": "fan", "unit_cost": 180}, {"id": "board", "unit_cost": 700}],
        "demand": [
            {"part": "fan", "node": "clinic", "per_year": 6},
            {"part": "fan", "node": "school", "per_year": 3},
            {"part": "board", "node": "clinic", "per_year": 1.5},
            {"part": "board", "node": "school", "per_year": 2.5},
        ],
        "sites": [
            {"id": "clinic", "max_restore_h": 4, "service_class": "gold"},
            {"id": "school", "max_restore_h": 4, "service_class": "gold"},
        ],
        "travel_h": {"sevilla": {"clinic": 2.5, "school": 3.5}, "cordoba": {"clinic": 3, "school": 1}},
        "laterals": True,
        "service_targets": {"gold": 0.97},
    } | more


def both(**more: Any) -> tuple[Plan, Plan]:
    """The plan with laterals and the one without."""
    return plan(read(document(**more))), plan(read(document(**more, laterals=False)))


def test_siz_12_what_is_lent_is_not_bought() -> None:
    """Fewer units keep the same target, and the bound is below both."""
    lending, alone = both()
    assert lending.stock is not None
    assert alone.stock is not None
    assert lending.stock.sum() < alone.stock.sum()
    assert lending.bound <= lending.value < alone.value
    problem = read(document())
    assert reached(lending, problem, problem.targets[0]) >= 0.97 - 1e-9


@settings(max_examples=8, deadline=None)
@given(near=st.floats(0.5, 6.0), far=st.floats(0.5, 6.0), share=st.sampled_from([0.8, 0.9, 0.97]))
def test_siz_12_the_plan_with_laterals_costs_what_the_cheapest_of_every_stock_costs(
    near: float, far: float, share: float
) -> None:
    """One part: no stock of up to four units a shelf keeps the target for less."""
    rows = [{"part": "fan", "node": n, "per_year": r} for n, r in (("clinic", near), ("school", far))]
    problem = read(document(demand=rows, parts=[{"id": "fan", "unit_cost": 180}], service_targets={"gold": share}))
    found = plan(problem)
    of = found.laid.fleet
    every = np.zeros((5**3, len(of.parent)), dtype=np.int64)
    every[:, :3] = list(itertools.product(range(5), repeat=3))
    at = look(of, np.zeros(len(every), dtype=np.int64), every)
    fits = (of.rate * at.fill).sum(axis=1) / of.rate.sum() >= share - 1e-9
    assert found.value == pytest.approx(180.0 * every[fits].sum(axis=1).min())
    assert found.bound <= found.value + 1e-6


def test_siz_12_with_a_budget_the_least_waiting_with_laterals_is_sought() -> None:
    """The same money waits less when hubs lend, and the bound of it is below."""
    lending, alone = both(service_targets=[], budget=1500)
    assert lending.seen is not None
    assert alone.seen is not None
    assert lending.objective == "waiting"
    assert lending.value <= alone.value
    assert lending.bound <= lending.value


def test_siz_12_floors_and_shelves_hold_with_laterals_and_what_clashes_is_named() -> None:
    """Cordoba holds one unit at most; then none at all, with two units for all of ten thousand needs."""
    tight = document()
    tight["nodes"][2]["capacity_units"] = 1
    found = plan(read(tight))
    assert found.stock is not None
    assert found.stock[:, 2].sum() <= 1
    tight["service_targets"] = [{"measure": "units", "value": 2, "node": "cordoba"}]
    clash = plan(read(tight))
    assert clash.stock is None
    assert set(clash.conflict) == {"shelf of 1 unit at cordoba", "at least 2 units for node cordoba"}


def test_siz_12_a_plan_with_laterals_says_who_lends_and_is_played() -> None:
    """Each site names its lender; what its own node meets is less than what is met; playing it agrees."""
    problem = read(document())
    found = plan(problem)
    clinic, school = at_sites(found, problem)
    assert (clinic.lenders, school.lenders) == (("cordoba",), ("sevilla",))
    assert clinic.own is not None
    assert clinic.in_time is not None
    assert clinic.own < clinic.in_time
    nodes = {n.node: n for n in at_nodes(found, problem)}
    assert nodes["sevilla"].fill == pytest.approx(clinic.in_time)
    assert all(unit.gain > 0.0 for unit in held(found, problem))
    told = played(found, problem)
    assert told is not None
    model = reached(found, problem, problem.targets[0])
    assert told.how[OWN] + told.how[OTHER] == pytest.approx(model, abs=3.0 * told.in_time.error + 0.005)
    assert told == played(found, problem)


def test_siz_12_what_is_not_lent_or_has_more_tiers_is_not_played() -> None:
    """A plan without laterals has its exact law; a region between is not in the play."""
    _, alone = both()
    assert played(alone, read(document(laterals=False))) is None
    deep = document()
    deep["nodes"] += [{"id": "huelva", "parent": "sevilla", "lead_time_h": 24}]
    deep["travel_h"]["huelva"] = {"clinic": 9}
    problem = read(deep)
    assert played(plan(problem), problem) is None


def test_siz_12_only_hubs_that_the_same_node_feeds_lend_to_each_other() -> None:
    """Huelva hangs below Sevilla: Sevilla lends to it, and Cordoba, which another node feeds, does not."""
    deep = document()
    deep["nodes"] += [
        {"id": "huelva", "parent": "sevilla", "lead_time_h": 24},
        {"id": "jerez", "parent": "sevilla", "lead_time_h": 24},
    ]
    deep["sites"] += [{"id": "museum", "max_restore_h": 4, "service_class": "gold"}]
    deep["demand"] += [{"part": "fan", "node": "museum", "per_year": 2}]
    for node, hours in (("huelva", 1), ("jerez", 2), ("sevilla", 3), ("cordoba", 3.5)):
        deep["travel_h"].setdefault(node, {})["museum"] = hours
    problem = read(deep)
    assert problem.lenders["museum"] == ("huelva", "jerez", "sevilla", "cordoba")
    of = lay(problem).fleet
    named = {problem.nodes[of.of[door]].id: tuple(problem.nodes[n].id for n in to) for door, to in of.lenders.items()}
    assert named["huelva"] == ("jerez", "sevilla")
    assert "sevilla" not in named  # it feeds hubs of its own, so it is no hub of the centre's family
    found = plan(problem)
    assert found.bound <= found.value + 1e-6
    assert reached(found, problem, problem.targets[0]) >= 0.97 - 1e-9


def test_siz_12_a_search_that_is_stopped_at_once_claims_no_gap() -> None:
    """Nothing was proven: the bound is 0, and how far the plan is from the best is not known, never nothing."""
    found = plan(read(spread_out(5, 4, 3, laterals=True)), lambda: False)
    assert found.stock is None or (found.bound >= 0.0 and (found.gap > 0.0 or found.value <= found.bound + 1e-6))
    bare = Constrained("stopped", None, 100.0, 0.0)
    assert bare.gap == np.inf
    assert Constrained("stopped", None, 0.0, 0.0).gap == 0.0


def test_siz_12_a_node_as_near_as_the_own_one_lends_too() -> None:
    """Both are two hours away; the first given serves the clinic, the other lends to it, and the play agrees."""
    tie = document()
    tie["travel_h"] = {"sevilla": {"clinic": 2, "school": 3.5}, "cordoba": {"clinic": 2, "school": 1}}
    problem = read(tie)
    found = plan(problem)
    clinic = at_sites(found, problem)[0]
    assert (clinic.source, clinic.lenders) == ("sevilla", ("cordoba",))
    told = played(found, problem)
    assert told is not None
    assert told.how[OTHER] > 0.0


def test_siz_12_the_four_quickest_lend() -> None:
    """Six hubs reach the clinic in time: its own, and the four that are nearest of the others."""
    wide = document()
    wide["nodes"] += [{"id": f"h{n}", "parent": "madrid", "lead_time_h": 48} for n in range(5)]
    wide["travel_h"] |= {f"h{n}": {"clinic": 3.9 - n / 10} for n in range(5)}
    problem = read(wide)
    of = lay(problem).fleet
    named = {problem.nodes[of.of[door]].id: [problem.nodes[n].id for n in to] for door, to in of.lenders.items()}
    assert named["sevilla"] == ["cordoba", "h4", "h3", "h2"]


def test_siz_12_sites_beyond_their_limit_are_lent_nothing_and_a_wrong_word_is_refused() -> None:
    """Cordoba reaches the clinic in three hours: at a limit of two it does not lend to it."""
    short = document()
    short["sites"][0]["max_restore_h"] = 2.75
    assert read(short).lenders == {"clinic": ("sevilla",), "school": ("cordoba", "sevilla")}
    of = lay(read(short)).fleet
    assert [of.of[door] for door in of.lenders] == [2]  # of the two hubs only Córdoba's site is lent to
    with pytest.raises(BadInput, match="neither true nor false"):
        read(document(laterals="yes"))


def test_siz_12_kits_are_lent_line_by_line_and_the_plan_is_the_same_bit_for_bit() -> None:
    """Both lines of a need, each from where it is; twice the same."""
    kits = [{"parts": ["fan", "board"], "node": "clinic", "per_year": 2}]
    problem = read(document(kits=kits))
    one, two = plan(problem), plan(problem)
    assert reached(one, problem, problem.targets[0]) >= 0.97 - 1e-9
    assert one.stock is not None
    assert two.stock is not None
    assert one.stock.tolist() == two.stock.tolist()
    assert (one.value, one.bound) == (two.value, two.bound)
    told = played(one, problem)
    assert told is not None
    assert told.how[OWN] + told.how[OTHER] >= reached(one, problem, problem.targets[0]) - 0.02


def test_siz_12_many_parts_with_laterals_stop_at_their_time_and_still_carry_a_bound() -> None:
    """The time is over at once: the plan of what was seen so far, called stopped, above its bound."""
    rng = np.random.default_rng(3)
    parts = [{"id": f"p{n}", "unit_cost": float(rng.integers(50, 900))} for n in range(30)]
    rows = [
        {"part": p["id"], "node": site, "per_year": float(rng.gamma(2, 1.0))}
        for p in parts
        for site in ("clinic", "school")
    ]
    asked = iter([True] * 8)
    found = plan(read(document(parts=parts, demand=rows)), lambda: next(asked, False))
    assert found.status == "stopped"
    assert found.stock is not None
    assert 0.0 < found.bound <= found.value


def test_siz_12_erratic_needs_are_lent_too() -> None:
    """A variance to mean of two: more is held than for Poisson needs, and the target is kept."""
    rows = [row | {"variance_to_mean": 2} for row in document()["demand"]]
    problem = read(document(demand=rows))
    wild, calm = plan(problem), plan(read(document()))
    assert reached(wild, problem, problem.targets[0]) >= 0.97 - 1e-9
    assert wild.value > calm.value


def test_siz_12_an_unused_problem_has_no_lenders() -> None:
    """Without the word nothing is lent, and the fleet has no leaf more than before."""
    problem: Problem = read(document(laterals=False))
    assert problem.lenders == {}
    assert len(lay(problem).fleet.parent) == 3


def test_siz_12_a_time_that_is_over_still_gives_no_worse_a_plan_than_without_laterals() -> None:
    """What is good without laterals is where the search begins."""
    asked = iter([True] * 30)
    hasty = plan(read(spread_out(20, 5, 3, laterals=True)), lambda: next(asked, False))
    alone = plan(read(spread_out(20, 5, 3, laterals=False)))
    assert hasty.stock is not None
    assert hasty.value <= alone.value * 1.001
