"""Shared stock, hub places, installed base and bad actors against enumeration and their definitions."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.planning.rules import bad_actors, installed_base, location, pooling
from waystation.planning.rules.emergency import erlang_loss


@given(st.floats(0.05, 4.0), st.floats(0.2, 6.0), st.integers(0, 5))
def test_hub_03_one_hub_alone_is_erlangs_loss(demand: float, rate: float, stock: int) -> None:
    """Nobody to borrow from: local or emergency."""
    told = pooling.pooled([demand], rate, [stock], [[0]])
    assert told.hubs[0].lateral == 0.0
    assert told.emergency == pytest.approx(erlang_loss(stock, demand / rate), abs=1e-9)


@settings(max_examples=30)
@given(
    st.lists(st.floats(0.1, 3.0), min_size=2, max_size=2),
    st.floats(0.5, 4.0),
    st.lists(st.integers(0, 3), min_size=2, max_size=2),
)
def test_hub_03_hubs_that_share_lose_what_one_shelf_of_all_would_lose(
    demand: list[float], rate: float, stock: list[int]
) -> None:
    """Whoever has a unit gives it: together they are one shelf; each hub's shares add up to one."""
    told = pooling.pooled(demand, rate, stock, [[0, 1], [1, 0]])
    assert told.emergency == pytest.approx(erlang_loss(sum(stock), sum(demand) / rate), abs=1e-9)
    for hub in told.hubs:
        assert hub.local + hub.lateral + hub.emergency == pytest.approx(1.0, abs=1e-9)


@settings(max_examples=25)
@given(st.lists(st.floats(0.0, 5.0), min_size=2, max_size=2), st.integers(0, 900), st.floats(0.0, 400.0))
def test_hub_05_the_best_places_are_the_cheapest_of_all_within_the_budget(
    demand: list[float], budget: int, penalty: float
) -> None:
    """Every stock of both parts at both hubs, priced one by one."""
    parts = [
        location.Part(100.0, 0.25, 50.0 + penalty, tuple(demand)),
        location.Part(250.0, 0.25, 400.0, tuple(reversed(demand))),
    ]
    network = location.Network((0.1, 0.2), (4.0, 2.0), ((1.0, 3.0), (5.0, 1.0)))
    found = location.locate(parts, network, budget, 2)
    cheapest = math.inf
    for stocks in product(product(range(3), repeat=2), repeat=2):
        capital = sum(sum(s) * p.unit_cost for p, s in zip(parts, stocks, strict=True))
        if capital <= budget + 1e-9:
            cost = sum(
                sum(s) * p.unit_cost * p.holding_rate + p.penalty * (sum(p.demand) - location.served(p, network, s))
                for p, s in zip(parts, stocks, strict=True)
            )
            cheapest = min(cheapest, cost)
    assert found.capital <= budget + 1e-9
    assert found.cost == pytest.approx(cheapest, rel=1e-9, abs=1e-9)


def test_hub_03_a_site_beyond_every_radius_is_served_by_nobody() -> None:
    """However much lies there."""
    network = location.Network((0.1,), (0.5,), ((1.0,),))
    assert network.source(0, [9]) is None
    assert location.served(location.Part(1.0, 0.1, 1.0, (5.0,)), network, (9,)) == 0.0


@settings(max_examples=40)
@given(
    st.integers(-60, 6), st.integers(1, 40), st.floats(1, 50), st.integers(0, 30), st.floats(0.5, 3.0), st.floats(5, 80)
)
def test_dem_01_a_cohort_fails_as_its_hazard_says_month_by_month(
    begin: int, life: int, quantity: float, warranty: int, shape: float, scale: float
) -> None:
    """The rise of the cumulative hazard over each month in the field; none before it came or after it went."""
    cohort = installed_base.Cohort("m", begin, begin + life, quantity, warranty)
    told = installed_base.forecast([cohort], [installed_base.Mode("wear", shape, scale)], 12)
    for month in range(12):
        age = month - begin
        inside = age >= 0 and month < begin + life
        expected = quantity * (((age + 1) / scale) ** shape - (age / scale) ** shape) if inside else 0.0
        assert told.mean[month] == pytest.approx(expected, rel=1e-9, abs=1e-12)
        assert told.in_warranty[month] == pytest.approx(expected if inside and age < warranty else 0.0, abs=1e-9)
    assert told.by_mode["wear"] == pytest.approx(told.mean)


def test_dem_02_a_defect_raises_its_own_model_and_mode_in_its_window_only() -> None:
    """Three times as many between the ages; the other model and the other ages stay."""
    cohorts = [installed_base.Cohort(m, 0, 99, 10.0, 0) for m in ("bad", "good")]
    modes = [installed_base.Mode("power", 1.0, 50.0)]
    plain = installed_base.forecast(cohorts, modes, 12)
    defect = installed_base.forecast(cohorts, modes, 12, installed_base.Defect("bad", "power", 3, 6, 3.0))
    for month in range(12):
        factor = 2.0 if 3 <= month < 6 else 1.0  # half of the units fail three times as often
        assert defect.mean[month] == pytest.approx(plain.mean[month] * factor)


@given(st.integers(0, 40), st.floats(0.05, 60.0))
def test_lrn_01_a_tail_is_the_sum_of_its_probabilities(count: int, mean: float) -> None:
    """Summed from the other side, in logarithms."""
    below = sum(math.exp(k * math.log(mean) - mean - math.lgamma(k + 1)) for k in range(count))
    assert bad_actors.poisson_tail(count, mean) == pytest.approx(1.0 - below, abs=1e-9)


@given(st.integers(0, 60), st.floats(0.5, 0.999))
def test_lrn_01_an_exact_interval_leaves_half_of_the_rest_on_each_side(count: int, confidence: float) -> None:
    """Garwood: the mean below which the count would be a surprise, and the one above."""
    low, high = bad_actors.garwood(count, confidence)
    half = (1.0 - confidence) / 2.0
    assert low <= count <= high
    assert bad_actors.poisson_tail(count + 1, high) == pytest.approx(1.0 - half, abs=1e-6)
    if count:
        assert bad_actors.poisson_tail(count, low) == pytest.approx(half, abs=1e-6)


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=30), st.floats(0.01, 0.3))
def test_lrn_01_false_alarms_are_bounded_as_benjamini_and_hochberg_say(tails: list[float], fdr: float) -> None:
    """The largest k whose k-th smallest tail is at most fdr k / n; the k smallest are flagged, and no other."""
    flags = bad_actors.benjamini_hochberg(tails, fdr)
    ranked = sorted(tails)
    most = max((k for k in range(1, len(tails) + 1) if ranked[k - 1] <= fdr * k / len(tails)), default=0)
    assert sum(flags) == most
    if 0 < most < len(tails):
        assert max(t for t, f in zip(tails, flags, strict=True) if f) <= min(
            t for t, f in zip(tails, flags, strict=True) if not f
        )


def test_lrn_01_a_model_that_fails_three_times_as_often_is_found_and_its_peers_are_not() -> None:
    """Twenty models over ten thousand unit-days each, one of them bad; a thin one is not accused."""
    rng = np.random.default_rng(3)
    table = [bad_actors.Exposure(f"m{n}", 36_525.0, int(rng.poisson(20))) for n in range(19)]
    table += [bad_actors.Exposure("bad", 36_525.0, 62), bad_actors.Exposure("thin", 40.0, 1)]
    found = {f.model: f for f in bad_actors.bad_actors(table)}
    assert [m for m, f in found.items() if f.flagged] == ["bad"]
    assert found["bad"].low <= found["bad"].rate <= found["bad"].high
    assert found["bad"].ratio == pytest.approx(3.0, rel=0.25)
