"""Reorder policies, laterals, hub places, installed base and bad actors against separate reckonings."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.planning.oracles import poisson_law, short
from waystation.kernel.refusals import BadInput
from waystation.planning.rules import bad_actors, emergency, installed_base, location, pooling, reorder, serial


@given(st.floats(0.1, 3), st.floats(0.2, 3), st.integers(0, 6), st.integers(1, 5))
def test_s_q_is_the_mean_over_its_positions(rate: float, lead: float, point: int, quantity: int) -> None:
    """The position is uniform on s+1 .. s+Q; one unit more on the point is never worse."""
    law = poisson_law(rate * lead)
    told = reorder.s_q(rate, lead, point, quantity)
    levels = range(point + 1, point + quantity + 1)
    assert told.ebo == pytest.approx(sum(short(law, y)[0] for y in levels) / quantity, abs=1e-8)
    assert told.fill == pytest.approx(sum(sum(law[:y]) for y in levels) / quantity, abs=1e-8)
    assert reorder.s_q(rate, lead, point + 1, quantity).ebo <= told.ebo


@settings(max_examples=20)
@given(st.floats(0.2, 2), st.floats(0.2, 3), st.floats(0.1, 3), st.integers(0, 9))
def test_r_s_is_the_mean_over_time_between_reviews(rate: float, review: float, lead: float, level: int) -> None:
    """Integrated over time by the midpoint rule."""
    told = reorder.r_s(rate, review, lead, level)
    steps = [lead + review * (n + 0.5) / 400 for n in range(400)]
    laws = [poisson_law(rate * t) for t in steps]
    assert told.ebo == pytest.approx(sum(short(law, level)[0] for law in laws) / 400, abs=1e-4)
    assert told.fill == pytest.approx(sum(sum(law[:level]) for law in laws) / 400, abs=1e-4)


def _cost(law: list[float], mean: float, holding: float, backorder: float, level: int) -> float:
    ebo = sum(max(0, k - level) * p for k, p in enumerate(law))
    return holding * (level - mean + ebo) + backorder * ebo


@settings(max_examples=20)
@given(st.floats(0.2, 3), st.floats(1, 30), st.floats(5, 200), st.floats(0.5, 60))
def test_no_other_r_q_costs_less(mean: float, holding: float, backorder: float, fixed: float) -> None:
    """All points and quantities around are tried."""
    told = reorder.best_r_q(holding, backorder, fixed, mean, 1.0)
    law = poisson_law(mean)
    cost = {y: _cost(law, mean, holding, backorder, y) for y in range(-8, 40)}
    others = [
        (fixed * mean + sum(cost[y] for y in range(r + 1, r + q + 1))) / q for r in range(-8, 12) for q in range(1, 25)
    ]
    assert told.cost <= min(others) + 1e-7


@settings(max_examples=8)
@given(st.integers(2, 7), st.floats(1, 12), st.floats(1, 40))
def test_no_other_s_s_costs_less(mean: int, backorder: float, fixed: float) -> None:
    """All pairs around are played through their renewal equations."""
    told = reorder.best_s_s(1.0, backorder, fixed, float(mean))
    law = poisson_law(mean)
    cost = {y: _cost(law, mean, 1.0, backorder, y) for y in range(-10, 45)}
    visits = [1 / (1 - law[0])]
    for n in range(1, 40):
        visits.append(sum(visits[n - k] * law[k] for k in range(1, n + 1)) / (1 - law[0]))
    others = [
        (fixed + sum(visits[j] * cost[high - j] for j in range(high - low))) / sum(visits[: high - low])
        for low in range(-4, 14)
        for high in range(low + 1, 34)
    ]
    assert told.cost == pytest.approx(min(others), abs=1e-6)


@settings(max_examples=25)
@given(st.lists(st.floats(0.05, 2), min_size=1, max_size=3), st.data())
def test_shares_of_a_pool_add_up_and_laterals_help_the_whole(demand: list[float], data: st.DataObject) -> None:
    """Every hub's three shares are one; full sharing never sends more to the courier than none."""
    hubs = len(demand)
    stock = data.draw(st.lists(st.integers(0, 2), min_size=hubs, max_size=hubs))
    alone = pooling.pooled(demand, 1.0, stock, [[n] for n in range(hubs)])
    shared = pooling.pooled(demand, 1.0, stock, [[n, *(m for m in range(hubs) if m != n)] for n in range(hubs)])
    for hub, held, rate in zip(alone.hubs, stock, demand, strict=True):
        assert hub.emergency == pytest.approx(emergency.erlang_loss(held, rate), abs=1e-9)
    assert all(h.local + h.lateral + h.emergency == pytest.approx(1.0) for h in shared.hubs)
    assert shared.emergency <= alone.emergency + 1e-9


def test_hub_07_the_located_stock_is_the_cheapest_of_all_and_more_budget_never_costs_more() -> None:
    """Two parts, two hubs, every stock up to two: tried one by one."""
    parts = [location.Part(180, 0.25, 5100, (1.0, 0.5)), location.Part(1200, 0.25, 2700, (0.4, 0.3))]
    network = location.Network((0.05, 0.03), (2.0, 4.0), ((1.0, 3.0), (3.0, 1.0)))
    every = list(itertools.product(range(3), repeat=2))
    costs = []
    for budget in (0.0, 500.0, 1_500.0, 4_000.0):
        told = location.locate(parts, network, budget, 2)
        oracle = min(
            sum(
                sum(s) * p.unit_cost * p.holding_rate + p.penalty * (sum(p.demand) - location.served(p, network, s))
                for p, s in zip(parts, pair, strict=True)
            )
            for pair in itertools.product(every, repeat=2)
            if sum(sum(s) * p.unit_cost for p, s in zip(parts, pair, strict=True)) <= budget
        )
        assert told.cost == pytest.approx(oracle, abs=1e-9)
        costs.append(told.cost)
    assert costs == sorted(costs, reverse=True)


def test_hub_03_a_site_is_served_by_the_nearest_stocked_hub_inside_its_radius_only() -> None:
    """Near but empty does not count; stocked but beyond the limit does not count."""
    network = location.Network((0.1, 0.1), (2.0,), ((1.0,), (3.0,)))
    assert network.source(0, (1, 1)) == 0
    assert network.source(0, (0, 1)) is None
    part = location.Part(10, 0.2, 100, (1.0,))
    assert location.served(part, network, (0, 5)) == 0.0


def _cohort(**more: object) -> installed_base.Cohort:
    given = {"model": "A", "install_month": 0, "retire_month": 24, "quantity": 100.0, "warranty_months": 6}
    return installed_base.Cohort(**(given | more))  # type: ignore[arg-type]


def test_dem_11_ten_more_sites_raise_the_forecast_before_any_failure() -> None:
    """Twice the base, twice the mean; before it is installed nothing."""
    mode = installed_base.Mode("random", 1.0, 900.0)
    one, two = (installed_base.forecast([_cohort(quantity=q)], [mode], 12) for q in (100, 200))
    assert two.mean == pytest.approx([2 * m for m in one.mean])
    late = installed_base.forecast([_cohort(install_month=5)], [mode], 12)
    assert (late.mean[:5], late.mean[5]) == ((0.0,) * 5, pytest.approx(100 / 900))


def test_dem_10_a_defect_lifts_the_affected_model_between_its_ages_only() -> None:
    """Five times from month 3 to month 5, for model A and mode random."""
    modes = [installed_base.Mode("random", 1.0, 900.0), installed_base.Mode("wear", 3.0, 160.0)]
    defect = installed_base.Defect("A", "random", 3, 5, 5.0)
    plain, hit = (installed_base.forecast([_cohort()], modes, 8, d) for d in (None, defect))
    ratio = [b / a for a, b in zip(plain.by_mode["random"], hit.by_mode["random"], strict=True)]
    assert ratio == pytest.approx([1, 1, 1, 5, 5, 1, 1, 1])
    assert plain.by_mode["wear"] == hit.by_mode["wear"]
    other = installed_base.forecast([_cohort(model="B")], modes, 8, defect)
    assert other.mean == plain.mean


def test_dem_02_modes_and_warranty_say_what_each_contributes() -> None:
    """The modes add up to the mean, the warranty ends after its months, retired units fail no more."""
    modes = [installed_base.Mode("random", 1.0, 900.0), installed_base.Mode("wear", 3.0, 160.0)]
    told = installed_base.forecast([_cohort(retire_month=9)], modes, 12)
    assert [sum(m) for m in zip(*told.by_mode.values(), strict=True)] == pytest.approx(told.mean)
    assert told.in_warranty[:6] == pytest.approx(told.mean[:6])
    assert set(told.in_warranty[6:]) == {0.0}
    assert told.mean[9:] == (0.0, 0.0, 0.0)
    assert told.lead_time_mean(3)[0] == pytest.approx(sum(told.mean[:3]))


@given(st.integers(0, 60))
def test_dem_12_the_exact_interval_leaves_a_fortieth_on_either_side(count: int) -> None:
    """Tails by plain sums."""
    low, high = bad_actors.garwood(count, 0.95)
    below = sum(math.exp(-high + k * math.log(high) - math.lgamma(k + 1)) for k in range(count + 1))
    assert below == pytest.approx(0.025, abs=1e-9)
    if count:
        above = 1 - sum(math.exp(-low + k * math.log(low) - math.lgamma(k + 1)) for k in range(count))
        assert above == pytest.approx(0.025, abs=1e-9)
    else:
        assert low == 0.0


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12), st.floats(0.01, 0.3))
def test_false_alarms_are_bounded_by_the_largest_rank_that_holds(tails: list[float], fdr: float) -> None:
    """Benjamini and Hochberg: reject all up to the last rank under the line."""
    ordered = sorted(tails)
    ranks = [n for n, p in enumerate(ordered, 1) if p <= fdr * n / len(tails)]
    assert sum(bad_actors.benjamini_hochberg(tails, fdr)) == (max(ranks) if ranks else 0)


def test_a_model_that_fails_three_times_as_often_is_flagged_and_a_quiet_one_is_not() -> None:
    """With exposure enough; a ratio below the least asked is not flagged however sure it is."""
    table = [bad_actors.Exposure(m, 365_000, f) for m, f in (("a", 100), ("b", 110), ("c", 320))]
    assert [f.flagged for f in bad_actors.bad_actors(table)] == [False, False, True]
    assert not any(f.flagged for f in bad_actors.bad_actors(table, min_ratio=4.0))
    found = bad_actors.bad_actors(table)[2]
    assert found.low < found.rate < found.high
    assert found.ratio == pytest.approx(320 / 105)


def test_siz_04_central_only_costs_what_every_courier_and_hour_costs() -> None:
    """By hand; and a shelf at the site saves."""
    sites = [emergency.LocalSite(2.0, 0.02, 1, 2.0)]
    costs = emergency.Costs(22.0, 300.0, 1200.0, 0.25, 180.0)
    assert emergency.central_only(sites, costs).cost == pytest.approx(2 * (300 + 22 * 1200))
    assert emergency.with_shelves(sites, costs).cost < emergency.central_only(sites, costs).cost / 5
    assert emergency.availability(10, [(1, 20.0)]) == 0.0


def test_a_serial_system_of_one_stage_is_the_newsvendor() -> None:
    """One stage, lead time 4: mean 20, sd 2, critical ratio 0.9."""
    told = serial.serial_base_stocks([1.0], [4.0], 9.0, 5.0, 1.0)
    assert told.echelon_base_stock[0] == pytest.approx(20 + 1.2816 * 2, abs=0.05)
    assert told.cost == pytest.approx(10 * 2 * 0.17550, rel=5e-3)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda: reorder.s_q(1.0, 1.0, 1, 0), "planning.whole"),
        (lambda: reorder.r_s(0.0, 1.0, 1.0, 1), "planning.not_positive"),
        (lambda: reorder.r_q_expected_level(reorder.Normal(100, 0.01, 8, 10, 1, 1)), "planning.no_reorder_point"),
        (lambda: reorder.r_q_loss(reorder.Normal(0, 1, 8, 10, 1, 1)), "planning.not_positive"),
        (lambda: pooling.pooled([1.0], 1.0, [1, 1], [[0]]), "planning.hubs"),
        (lambda: pooling.pooled([1.0], 1.0, [1], [[1]]), "planning.preference"),
        (lambda: pooling.pooled([1.0] * 8, 1.0, [4] * 8, [[0]] * 8), "planning.too_many_states"),
        (lambda: location.locate([], location.Network((), (), ()), 1.0, 1), "planning.travel"),
        (
            lambda: location.locate(
                [location.Part(1, 0.1, 1, (1.0, 2.0))], location.Network((0.1,), (1.0,), ((1.0,),)), 1, 1
            ),
            "planning.site_demand",
        ),
        (lambda: installed_base.forecast([], [], 2_000), "planning.months"),
        (
            lambda: installed_base.forecast([], [], 5, installed_base.Defect("A", "x", 0, 1, 2.0)),
            "planning.defect_mode",
        ),
        (lambda: bad_actors.bad_actors([bad_actors.Exposure("a", 1, 1)]), "planning.models"),
        (lambda: serial.serial_base_stocks([1.0], [1.0, 2.0], 1.0, 1.0, 1.0), "planning.stages"),
    ],
)
def test_a_question_without_an_answer_is_refused(ask: object, code: str) -> None:
    """With its code, a field and a next step."""
    assert callable(ask)
    with pytest.raises(BadInput) as said:
        ask()
    assert (said.value.code, bool(said.value.next_step)) == (code, True)


def test_normal_reorder_points_satisfy_their_own_conditions() -> None:
    """Loss-function approximation: n(r) = hQ/(h+p); backorder approximation: equal cost rates at r and r + Q."""
    given_ = reorder.Normal(0.3, 6.0, 10.0, 900.0, 90.0, 0.1)
    loss = reorder.r_q_loss(given_)
    z = (loss.low - given_.lead_mean) / given_.lead_sd
    draws = np.random.default_rng(1).normal(size=2_000_000)
    assert given_.lead_sd * np.maximum(draws - z, 0).mean() == pytest.approx(0.3 * loss.high / 6.3, rel=0.02)
    even = reorder.r_q_economic_backorders(given_)
    rates = [
        0.3 * (y - given_.lead_mean)
        + 6.3 * given_.lead_sd * float(np.maximum(draws - (y - given_.lead_mean) / given_.lead_sd, 0).mean())
        for y in (even.low, even.low + even.high)
    ]
    assert rates[0] == pytest.approx(rates[1], rel=0.01)
