"""Curves, budgets and priced placements against every stock there is; bounds that no plan beats; clashes by name."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.planning.fleets import small, three_tiers
from tests.rooms.planning.oracles import best_by_count, every_stock, negbin_law, short, vari_metric
from waystation.kernel.refusals import BadInput
from waystation.planning.rules.attainment import attainment, bound_at, lower_hull, within_budget
from waystation.planning.rules.columns import Limit, at_customers, constrained, money
from waystation.planning.rules.curves import curves, place
from waystation.planning.rules.echelons import customers_wait, evaluate, two_echelons
from waystation.planning.rules.exact import exact
from waystation.planning.rules.fleet import Fleet, fleet, seen, shortage, waiting
from waystation.planning.rules.prices import Prices, priced

demands = st.lists(st.floats(0.2, 3.0), min_size=1, max_size=3)


def _wait(given: Fleet, part: int, stock: tuple[int, ...]) -> float:
    """Waiting of one part by the plain recursion."""
    rows = given.parent, given.pipeline[part].tolist(), given.share[part].tolist()
    ebo = vari_metric(*rows, stock, float(given.ratio[part]))
    return sum(ebo[leaf] for leaf in given.leaves)


@settings(max_examples=25)
@given(demands, st.floats(1.0, 2.5))
def test_the_curve_of_a_part_is_the_best_of_every_placement(rates: list[float], ratio: float) -> None:
    """For each count of units, no vector of stocks waits less; and the placement reaches the curve."""
    one = small([rates], [100.0], ratio=ratio)
    curve = curves(one)[0]
    caps = [int(c) for c in one.caps[0]]
    if np.prod([c + 1 for c in caps]) > 600:
        caps = [min(c, 3) for c in caps]
    oracle = best_by_count(lambda stock: _wait(one, 0, stock), caps)
    for count in range(min(4, len(oracle))):
        assert curve.least[0, count] == pytest.approx(oracle[count], abs=1e-7)
        stock = place(one, np.array([0]), np.array([count]))[0]
        assert _wait(one, 0, tuple(stock.tolist())) == pytest.approx(curve.least[0, count], abs=1e-7)


def test_three_tiers_and_own_customers_of_a_region_are_placed_as_enumeration_places_them() -> None:
    """A tree of three tiers with demand at the region too; all vectors up to two units a node."""
    demand = np.array([[0.0, 2.0, 3.0, 1.0]])
    one = fleet([-1, 0, 1, 1], [0.2, 0.1, 0.05, 0.1], demand, np.ones(1), np.array([50.0]))
    assert one.of == (0, 1, 2, 3, 1)
    assert one.holds == (True, True, True, True, False)
    oracle = best_by_count(lambda stock: _wait(one, 0, stock), [3, 3, 3, 3, 0])
    curve = curves(one)[0].least[0]
    assert curve[:4] == pytest.approx(oracle[:4], abs=1e-9)


@settings(max_examples=30)
@given(demands, st.floats(0.0, 2.0))
def test_the_arrays_say_what_the_laws_of_single_trees_say(rates: list[float], own: float) -> None:
    """VARI-METRIC and the exact law over many parts equal the same laws asked one by one."""
    many = small([rates, [r / 2 for r in rates]], [10.0, 20.0])
    rng = np.random.default_rng(3)
    stock = rng.integers(0, 4, (2, len(rates) + 1))
    for part, scale in ((0, 1.0), (1, 0.5)):
        tree = two_echelons([r * scale for r in rates], 0.3, [0.05 * (n + 1) for n in range(len(rates))])
        for method, law in (("varimetric", seen), ("exact", exact)):
            told = law(many, np.arange(2), stock)
            one = evaluate(tree, stock[part].tolist(), method)  # type: ignore[arg-type]
            assert told.ebo[part] == pytest.approx([n.ebo for n in one], abs=1e-8)
            assert told.fill[part] == pytest.approx([n.fill for n in one], abs=1e-8)
            assert waiting(many, told.ebo)[part] == pytest.approx(customers_wait(tree, one), abs=1e-8)


@settings(max_examples=25)
@given(st.lists(demands.filter(lambda d: len(d) == 2), min_size=1, max_size=2), st.integers(0, 900))
def test_siz_12_no_plan_within_the_budget_beats_the_bound_and_the_plan_stays_within_it(
    rates: list[list[float]], budget: int
) -> None:
    """Every combination of counts within the budget is tried against bound and plan."""
    many = small(rates, [130.0, 210.0][: len(rates)])
    found = curves(many)
    merged = attainment(found, many.unit_cost)
    chosen = within_budget(merged, found, many.unit_cost, float(budget))
    values = {int(p): c.least[n] for c in found for n, p in enumerate(c.parts)}
    options = [
        [(n * float(many.unit_cost[p]), float(v)) for n, v in enumerate(row)] for p, row in sorted(values.items())
    ]
    best = min(sum(v for _, v in c) for c in itertools.product(*options) if sum(m for m, _ in c) <= budget)
    assert chosen.bound <= best + 1e-9
    assert best <= chosen.waiting + 1e-9
    assert chosen.capital <= budget + 1e-9
    assert chosen.capital == pytest.approx(float(chosen.counts @ many.unit_cost))


def test_more_money_never_buys_more_waiting() -> None:
    """The bound and the plan both fall along the curve."""
    many = three_tiers(30)
    found = curves(many)
    merged = attainment(found, many.unit_cost)
    plans = [within_budget(merged, found, many.unit_cost, b) for b in np.linspace(0, float(merged.capital[-1]), 25)]
    assert all(a.waiting >= b.waiting - 1e-9 for a, b in itertools.pairwise(plans))
    assert all(a.bound >= b.bound - 1e-9 for a, b in itertools.pairwise(plans))
    assert bound_at(merged, 0.0) == pytest.approx(float(merged.waiting[0]))


def test_siz_12_a_hundred_parts_are_planned_within_two_thousandths_of_the_bound() -> None:
    """One budget, three tiers of 25 nodes; what was placed waits what the plan says."""
    many = three_tiers(100)
    found = curves(many)
    merged = attainment(found, many.unit_cost)
    for part in (0.1, 0.3, 0.6):
        chosen = within_budget(merged, found, many.unit_cost, part * float(merged.capital[-1]))
        assert chosen.gap <= 0.002
        stock = place(many, np.arange(100), chosen.counts)
        assert (stock.sum(axis=1) == chosen.counts).all()
        assert waiting(many, seen(many, np.arange(100), stock).ebo).sum() == pytest.approx(chosen.waiting, rel=1e-9)


@given(st.lists(st.floats(0, 10), min_size=1, max_size=12))
def test_the_lower_hull_is_convex_and_below_every_point(values: list[float]) -> None:
    """Slopes rise, and no value lies under the chord."""
    falling = np.minimum.accumulate(np.array(values))
    corners = lower_hull(falling)
    slopes = [(falling[b] - falling[a]) / (b - a) for a, b in itertools.pairwise(corners)]
    assert all(one < two + 1e-12 for one, two in itertools.pairwise(slopes))
    line = np.interp(np.arange(len(falling)), corners, falling[corners])
    assert (falling >= line - 1e-9).all()


@settings(max_examples=20)
@given(demands, st.floats(1.0, 400.0), st.floats(0.0, 200.0), st.floats(0.0, 30.0))
def test_the_priced_placement_is_the_cheapest_of_all(
    rates: list[float], unit: float, charge: float, reward: float
) -> None:
    """Units, waiting and fill charged at once; every vector up to the caps is tried."""
    one = small([rates], [unit], own=0.4)
    prices = Prices(money(one), at_customers(one) * charge, at_customers(one) * reward)
    told = priced(one, prices)
    caps = [int(c) for c in one.caps[0]]
    if np.prod([c + 1 for c in caps]) > 1_500:
        caps = [min(c, 3) for c in caps]
    vectors = np.array(list(every_stock(caps)))
    at = seen(one, np.zeros(len(vectors), dtype=np.int64), vectors)
    leaves = list(one.leaves)
    values = vectors.sum(axis=1) * unit + charge * at.ebo[:, leaves].sum(axis=1)
    values -= reward * at.fill[:, leaves].sum(axis=1)
    assert told.least[0] <= values.min() + 1e-7
    own = seen(one, np.array([0]), told.stock)
    reached = told.stock.sum() * unit + charge * own.ebo[:, leaves].sum() - reward * own.fill[:, leaves].sum()
    assert told.least[0] == pytest.approx(reached, abs=1e-7)


def _waiting_limit(many: Fleet, node: int, most: float) -> Limit:
    charge = np.zeros_like(many.pipeline)
    charge[:, node] = 1.0
    zero = np.zeros_like(charge)
    return Limit(f"node {node}", zero, charge, zero, most)


def test_hub_05_targets_by_hub_are_met_at_a_proven_gap_and_by_the_cheapest_of_small_plans() -> None:
    """Two parts, two hubs: the plan's money is between the bound and the best of all vectors, or equal to it."""
    many = small([[1.5, 0.8], [0.5, 1.0]], [100.0, 260.0])
    limits = [_waiting_limit(many, 1, 0.02), _waiting_limit(many, 2, 0.03)]
    found = constrained(many, "money", limits)
    assert found.stock is not None
    at = seen(many, np.arange(2), found.stock)
    assert all(limit.used(found.stock, at.ebo, at.fill).sum() <= limit.most + 1e-7 for limit in limits)
    vectors = np.array(list(every_stock([3, 2, 2])))
    both = [seen(many, np.full(len(vectors), p), vectors).ebo for p in range(2)]
    cheapest = min(
        float(vectors[a].sum() * 100 + vectors[b].sum() * 260)
        for a in range(len(vectors))
        for b in range(len(vectors))
        if both[0][a, 1] + both[1][b, 1] <= 0.02 and both[0][a, 2] + both[1][b, 2] <= 0.03
    )
    assert found.bound <= cheapest + 1e-6
    assert cheapest <= found.value + 1e-6
    assert found.value <= 1.15 * cheapest


def test_hub_05_many_parts_under_targets_at_every_local_hub_come_within_one_percent() -> None:
    """Sixty parts, six locals with targets of their own; the gap is proven, the limits hold."""
    many = three_tiers(60, regions=2, locals_=3)
    limits = [
        _waiting_limit(many, leaf, float(many.rate[:, leaf].sum()) * 10 * (1 + leaf % 3) / 8760) for leaf in many.leaves
    ]
    found = constrained(many, "money", limits)
    assert found.stock is not None
    assert found.status == "optimal_within_gap"
    assert found.gap <= 0.01
    at = seen(many, np.arange(60), found.stock)
    assert all(limit.used(found.stock, at.ebo, at.fill).sum() <= limit.most * (1 + 1e-6) for limit in limits)


def test_a_clash_is_named_by_the_smallest_set_that_clashes() -> None:
    """A budget that cannot pay one target clashes with that target; the lenient one is not blamed."""
    many = small([[1.5, 0.8]], [100.0])
    zero = np.zeros_like(many.pipeline)
    budget = Limit("budget of 100", money(many), zero, zero, 100.0)
    limits = [budget, _waiting_limit(many, 1, 0.001), _waiting_limit(many, 2, 5.0)]
    found = constrained(many, "waiting", limits)
    assert found.status == "infeasible"
    assert found.stock is None
    assert found.conflict == ("budget of 100", "node 1")


def test_stopped_by_the_clock_it_gives_the_best_so_far_with_its_own_gap() -> None:
    """After one round there is a plan that holds, and a bound that is wider than with time."""
    many = small([[1.5, 0.8], [0.5, 1.0]], [100.0, 260.0])
    limits = [_waiting_limit(many, 1, 0.02), _waiting_limit(many, 2, 0.03)]
    hasty, patient = constrained(many, "money", limits, lambda: False), constrained(many, "money", limits)
    assert hasty.status == "stopped"
    assert hasty.stock is not None
    assert hasty.value >= patient.value
    assert hasty.bound <= patient.bound + 1e-6
    at = seen(many, np.arange(2), hasty.stock)
    assert all(limit.used(hasty.stock, at.ebo, at.fill).sum() <= limit.most + 1e-7 for limit in limits)


def test_the_same_problem_gives_the_same_bits() -> None:
    """Curves, plan and columns twice."""
    one, two = ([curves(three_tiers(20)), three_tiers(20)] for _ in range(2))
    assert all((a.least == b.least).all() for a, b in zip(one[0], two[0], strict=True))  # type: ignore[arg-type]
    many = three_tiers(12, regions=2, locals_=2)
    limits = [_waiting_limit(many, leaf, 0.01) for leaf in many.leaves]
    first, second = constrained(many, "money", limits), constrained(many, "money", limits)
    assert first.stock is not None
    assert second.stock is not None
    assert (first.stock == second.stock).all()
    assert (first.value, first.bound) == (second.value, second.bound)


def test_how_many_parts_are_looked_at_at_once_changes_no_bit() -> None:
    """All parts of a chunk in one pass, and each by itself."""
    many = three_tiers(30, regions=2, locals_=3)
    whole, each = curves(many, pass_cells=10**12), curves(many, pass_cells=1)
    for one, other in zip(whole, each, strict=True):
        assert (one.parts == other.parts).all()
        assert (one.least == other.least).all()


def test_backorders_of_every_stock_are_those_of_the_law_term_by_term() -> None:
    """Mean and variance for arrays of means, Poisson and wider, nothing asked for among them."""
    mean = np.array([[0.0, 0.4], [3.0, 11.5]])
    variance = mean * np.array([[1.0, 1.0], [1.8, 2.5]])
    ebo, vbo = shortage(mean, variance, 14)
    assert ebo.shape == vbo.shape == (2, 2, 15)
    for at in np.ndindex(mean.shape):
        law = negbin_law(float(mean[at]), float(variance[at]))
        for stock in range(15):
            assert (ebo[at][stock], vbo[at][stock]) == pytest.approx(short(law, stock), abs=1e-7)


def test_vari_metric_against_the_exact_law_on_three_tiers() -> None:
    """Plans of many budgets on 150 parts: the mean error is within 1 %, the worst within 6 %."""
    many = three_tiers(150, seed=7)
    found = curves(many)
    merged = attainment(found, many.unit_cost)
    errors = []
    for part in (0.05, 0.15, 0.3):
        chosen = within_budget(merged, found, many.unit_cost, part * float(merged.capital[-1]))
        stock = place(many, np.arange(150), chosen.counts)
        model, law = (w(many, np.arange(150), stock) for w in (seen, exact))
        errors.append(waiting(many, model.ebo).sum() / waiting(many, law.ebo).sum() - 1)
    assert abs(float(np.mean(errors))) <= 0.01
    assert max(abs(e) for e in errors) <= 0.06


def test_a_part_that_is_no_slow_mover_is_refused() -> None:
    """More units under way than the laws carry."""
    with pytest.raises(BadInput, match="under way"):
        fleet([-1], [1.0], np.array([[600.0]]), np.ones(1), np.array([5.0]))


def test_one_hub_one_part_and_no_demand_are_plans_too() -> None:
    """The smallest trees there are."""
    alone = fleet([-1], [0.1], np.array([[3.0]]), np.ones(1), np.array([5.0]))
    curve = curves(alone)[0].least[0]
    assert curve[0] == pytest.approx(0.3)
    assert place(alone, np.array([0]), np.array([2])).tolist() == [[2]]
    idle = fleet([-1, 0], [0.1, 0.1], np.zeros((1, 2)), np.ones(1), np.array([5.0]))
    found = curves(idle)
    chosen = within_budget(attainment(found, idle.unit_cost), found, idle.unit_cost, 100.0)
    assert (chosen.capital, chosen.waiting, chosen.gap) == (0.0, 0.0, 0.0)


def test_the_search_for_whole_columns_ends_at_the_limit_with_a_plan_that_holds_and_its_gap() -> None:
    """Priced to the end and stopped inside the last search: limits and bound hold, and it says stopped."""
    many = three_tiers(40, regions=2, locals_=3)
    limits = [_waiting_limit(many, leaf, 0.004) for leaf in many.leaves]
    calls = 0

    def counted() -> bool:
        nonlocal calls
        calls += 1
        return True

    patient = constrained(many, "money", limits, counted)
    asked_while_pricing = patient.rounds
    assert calls > asked_while_pricing, "the search for whole columns never asked"
    left = calls - 1

    def until_the_last() -> bool:
        nonlocal left
        left -= 1
        return left > 0

    hasty = constrained(many, "money", limits, until_the_last)
    assert hasty.status == "stopped"
    assert hasty.stock is not None
    assert hasty.bound == pytest.approx(patient.bound)
    assert hasty.value >= patient.bound * (1 - 1e-9)
    assert hasty.gap >= 0.0
    at = seen(many, np.arange(many.parts), hasty.stock)
    assert all(limit.used(hasty.stock, at.ebo, at.fill).sum() <= limit.most * (1 + 1e-6) for limit in limits)
