"""Reorder points, newsvendors and serial systems against enumeration, Markov chains and seeded play."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.planning.rules import newsvendor, reorder, serial
from waystation.planning.rules.counts import at_base_stock, poisson

rates = st.floats(0.2, 6.0)
leads = st.floats(0.1, 2.0)
costs = st.floats(0.2, 20.0)


def _played_s_q(rate: float, lead: float, point: int, quantity: int, demands: int) -> tuple[float, float]:
    """Share met at once and mean on hand of one long history, event by event."""
    rng = np.random.default_rng(7)
    at = np.cumsum(rng.exponential(1.0 / rate, demands))
    net, position, pending = point + quantity, point + quantity, list[float]()
    met, held, before = 0, 0.0, 0.0
    for now in at:
        while pending and pending[0] <= now:
            arrival = pending.pop(0)
            held, before, net = held + max(net, 0) * (arrival - before), arrival, net + quantity
        held, before = held + max(net, 0) * (now - before), now
        met += net > 0
        net, position = net - 1, position - 1
        if position <= point:
            position += quantity
            pending.append(now + lead)
    return met / demands, held / before


@pytest.mark.parametrize(
    ("rate", "lead", "point", "quantity"), [(3.0, 0.7, 2, 4), (1.0, 1.5, 0, 1), (5.0, 0.5, 4, 7), (2.0, 1.0, -1, 3)]
)
def test_an_s_q_policy_is_what_its_history_shows(rate: float, lead: float, point: int, quantity: int) -> None:
    """Fill and stock on hand of sixty thousand demands, within what such a run can tell."""
    told = reorder.s_q(rate, lead, point, quantity)
    fill, on_hand = _played_s_q(rate, lead, point, quantity, 60_000)
    assert told.fill == pytest.approx(fill, abs=0.012)
    assert told.eoh == pytest.approx(on_hand, rel=0.03, abs=0.02)
    assert told.orders == pytest.approx(rate / quantity)


@given(rates, leads, st.integers(-2, 12))
def test_one_unit_a_time_is_base_stock(rate: float, lead: float, point: int) -> None:
    """(s, 1) keeps the position at s + 1."""
    told, law = reorder.s_q(rate, lead, point, 1), poisson(rate * lead)
    if point + 1 >= 0:
        seen = at_base_stock(law, point + 1)
        assert told.fill == pytest.approx(seen.fill, abs=1e-9)
        assert told.ebo == pytest.approx(seen.ebo, abs=1e-9)
        assert told.eoh == pytest.approx(seen.eoh, abs=1e-8)


@settings(max_examples=25)
@given(costs, costs, st.floats(0.0, 30.0), st.floats(0.3, 4.0), st.floats(0.2, 1.5))
def test_the_best_r_q_is_the_cheapest_of_all(
    holding: float, backorder: float, fixed: float, rate: float, lead: float
) -> None:
    """Every reorder point and quantity in reach, priced by what the policy does."""
    best = reorder.best_r_q(holding, backorder, fixed, rate, lead)

    def cost(point: int, quantity: int) -> float:
        does = reorder.s_q(rate, lead, point, quantity)
        return holding * does.eoh + backorder * does.ebo + fixed * does.orders

    assert best.cost == pytest.approx(cost(int(best.low), int(best.high)), rel=1e-9)
    around = range(int(best.low) - 4, int(best.low) + 5)
    widths = {*range(1, 12), *range(max(1, int(best.high) - 3), int(best.high) + 4)}
    assert best.cost <= min(cost(point, width) for point in around for width in widths) + 1e-9


def _average(law: np.ndarray, low: int, high: int, cost: list[float], fixed: float) -> float:
    """The long-run cost of (s,S) by the stationary law of the level after ordering, found by repeated steps."""
    levels = list(range(low + 1, high + 1))
    move = np.zeros((len(levels), len(levels)))
    orders = np.zeros(len(levels))
    for row, level in enumerate(levels):
        for demand, chance in enumerate(law):
            left = level - demand
            if left > low:
                move[row, left - low - 1] += chance
            else:
                move[row, high - low - 1] += chance
                orders[row] += chance
    stands = np.full(len(levels), 1.0 / len(levels))
    for _ in range(3000):
        stands = 0.5 * stands + 0.5 * stands @ move
    return float(sum(p * (cost[level + 60] + fixed * o) for p, level, o in zip(stands, levels, orders, strict=True)))


@pytest.mark.parametrize(
    ("holding", "backorder", "fixed", "mean"), [(1.0, 9.0, 8.0, 2.0), (1.0, 4.0, 0.0, 1.5), (0.5, 6.0, 20.0, 3.0)]
)
def test_the_best_s_s_is_the_cheapest_of_all(holding: float, backorder: float, fixed: float, mean: float) -> None:
    """Against the stationary law of every pair near it."""
    law = poisson(mean)
    counts = np.arange(len(law))
    cost = [
        float(holding * np.maximum(y - counts, 0) @ law + backorder * np.maximum(counts - y, 0) @ law)
        for y in range(-60, 80)
    ]
    best = reorder.best_s_s(holding, backorder, fixed, mean)
    assert best.cost == pytest.approx(_average(law, int(best.low), int(best.high), cost, fixed), rel=1e-6)
    others = [
        _average(law, low, high, cost, fixed)
        for low in range(int(best.low) - 3, int(best.low) + 4)
        for high in range(int(best.high) - 3, int(best.high) + 4)
        if high > low
    ]
    assert best.cost <= min(others) + 1e-7


@given(costs, costs, st.floats(0.1, 25.0))
def test_a_whole_newsvendor_orders_the_cheapest_number(holding: float, stockout: float, mean: float) -> None:
    """One more and one fewer cost as much or more."""
    told, law = newsvendor.discrete(holding, stockout, mean), poisson(mean)

    def cost(units: int) -> float:
        seen = at_base_stock(law, units)
        return holding * seen.eoh + stockout * seen.ebo

    assert told.cost == pytest.approx(cost(int(told.stock)), rel=1e-9)
    assert told.cost <= min(cost(int(told.stock) + 1), cost(max(0, int(told.stock) - 1))) + 1e-9


@given(costs, costs, st.floats(5.0, 90.0), st.floats(0.5, 20.0), st.floats(-3.0, 3.0))
def test_a_normal_newsvendor_is_nowhere_beaten(
    holding: float, stockout: float, mean: float, sd: float, off: float
) -> None:
    """The expected cost at any other order, integrated by its own formula, is not lower."""
    told = newsvendor.normal(holding, stockout, mean, sd)

    def cost(order: float) -> float:
        z = (order - mean) / sd
        short = sd * newsvendor.normal_loss(z)[0]
        return holding * (order - mean + short) + stockout * short

    assert told.cost == pytest.approx(cost(told.stock), rel=1e-6, abs=1e-9)
    assert told.cost <= cost(told.stock + off * sd) + 1e-9


def test_one_stage_of_a_serial_system_is_a_newsvendor() -> None:
    """Its holding cost and stock-out cost over its own lead time, to the grid."""
    told = serial.serial_base_stocks([2.0], [4.0], 18.0, 5.0, 1.0)
    alone = newsvendor.normal(2.0, 18.0, 20.0, 2.0)
    assert told.echelon_base_stock[0] == pytest.approx(alone.stock, abs=0.05)
    assert told.cost == pytest.approx(alone.cost, rel=5e-3)


def test_a_dearer_stage_below_never_lowers_the_cost() -> None:
    """More stages, more cost; base stocks of echelons grow with what they hold."""
    two = serial.serial_base_stocks([2.0, 1.0], [1.0, 1.0], 20.0, 5.0, 1.0)
    three = serial.serial_base_stocks([2.0, 1.0, 0.5], [1.0, 1.0, 1.0], 20.0, 5.0, 1.0)
    assert three.cost > two.cost
    assert list(three.echelon_base_stock) == sorted(three.echelon_base_stock)


@pytest.mark.parametrize(
    ("call", "field"),
    [
        (lambda: reorder.s_q(0.0, 1.0, 1, 1), "rate"),
        (lambda: reorder.s_q(1.0, 1.0, 1, 0), "Q"),
        (lambda: reorder.s_q(1.0, math.nan, 1, 1), "lead_time"),
        (lambda: reorder.r_s(1.0, 0.0, 1.0, 3), "review"),
        (lambda: reorder.r_s(1.0, 1.0, 1.0, -1), "S"),
        (lambda: reorder.best_r_q(0.0, 1.0, 1.0, 1.0, 1.0), "holding_cost"),
        (lambda: reorder.best_s_s(1.0, 1.0, -1.0, 2.0), "fixed"),
        (lambda: newsvendor.normal(1.0, 1.0, 5.0, 0.0), "demand_sd"),
        (lambda: serial.serial_base_stocks([1.0], [1.0, 2.0], 5.0, 5.0, 1.0), "lead_times"),
    ],
)
def test_what_no_law_can_be_made_of_is_refused_by_field(call: object, field: str) -> None:
    """With a next step, never a number."""
    with pytest.raises(BadInput) as refused:
        call()  # type: ignore[operator]
    assert refused.value.field == field
    assert refused.value.next_step
