"""Simulated trees and pools against the exact laws within three standard errors; the same seed, the same bits."""

from __future__ import annotations

import heapq
import itertools

import numpy as np
import pytest

from tests.rooms.planning.fleets import small
from waystation.kernel.refusals import BadInput
from waystation.planning.rules.curves import curves
from waystation.planning.rules.emergency import erlang_loss
from waystation.planning.rules.exact import exact
from waystation.planning.rules.fleet import Fleet, fleet, seen
from waystation.planning.rules.pooling import pooled
from waystation.planning.rules.simulation import Estimate, simulate_pool, simulate_tree

ORDERS = 400_000


def _three() -> tuple[Fleet, list[float], list[int]]:
    """The known three-tier case: years as units of time, stock as given there."""
    parent, years = [-1, 0, 0, 1, 1, 2, 2], [10.0, 2.0, 3.0, 0.5, 0.5, 0.25, 1.0]
    rate = np.array([[0, 0, 0, 0.1, 0.05, 0.12, 0.03]])
    return fleet(parent, years, rate, np.ones(1), np.ones(1)), years, [2, 1, 1, 1, 0, 1, 1]


def test_a_simulated_tree_agrees_with_the_exact_law_within_three_standard_errors() -> None:
    """Backorders and fill at every local of three tiers; the error is small enough to say something."""
    many, years, stock = _three()
    told = simulate_tree(many, 0, stock, years, ORDERS, seed=11)
    law = exact(many, np.array([0]), np.array([stock]))
    for leaf in many.leaves:
        assert told.ebo[leaf].holds(law.ebo[0, leaf])
        assert told.fill[leaf].holds(law.fill[0, leaf])
    assert told.waiting.holds(float(law.ebo[0, list(many.leaves)].sum()))
    assert told.waiting.error < 0.02 * told.waiting.mean
    assert told.events == 6 * ORDERS


def test_a_wrong_law_is_found_out() -> None:
    """One unit less at the centre lies far outside three standard errors: the comparison can fail."""
    many, years, stock = _three()
    told = simulate_tree(many, 0, stock, years, ORDERS, seed=11)
    other = exact(many, np.array([0]), np.array([[stock[0] - 1, *stock[1:]]]))
    assert not told.waiting.holds(float(other.ebo[0, list(many.leaves)].sum()))


def test_each_demand_waits_as_an_event_list_says() -> None:
    """One depot, two bases, 3 000 demands played one by one with a calendar of arrivals: the mean wait is the same."""
    many, years = small([[1.0, 2.0]], [1.0]), [0.3, 0.05, 0.1]
    told = simulate_tree(many, 0, [1, 1, 1], years, 4_000, seed=5)
    rng = np.random.Generator(np.random.PCG64(5))
    at = np.cumsum(rng.exponential(1 / 3.0, 4_000))
    leaf = rng.choice(3, size=4_000, p=[0, 1 / 3, 2 / 3])
    waits = _played(at.tolist(), leaf.tolist(), years, [1, 1, 1])
    begin = int(4_000 * 0.05)
    for node in (1, 2):
        batches = [
            np.mean([waits[n] for n in rows if leaf[n] == node] or [0.0])
            for rows in np.array_split(np.arange(begin, 4_000), 40)
        ]
        assert told.ebo[node].mean == pytest.approx(float(np.mean(batches)) * many.rate[0, node], rel=1e-9)


def _played(at: list[float], leaf: list[int], years: list[float], stock: list[int]) -> list[float]:
    """The wait of each demand: shelves, queues and arrivals, one event after the other."""
    shelf, queues = list(stock), [list[int](), list[int](), list[int]()]
    number = itertools.count()
    events: list[tuple[float, int, str, int]] = [(t, next(number), "demand", n) for n, t in enumerate(at)]
    heapq.heapify(events)
    waits = [0.0] * len(at)

    def depot(now: float, base: int) -> None:
        heapq.heappush(events, (now + years[base], next(number), "base", base))

    while events:
        now, _, what, which = heapq.heappop(events)
        if what == "demand":
            base = leaf[which]
            if shelf[base]:
                shelf[base] -= 1
            else:
                queues[base].append(which)
            heapq.heappush(events, (now + years[0], next(number), "depot", 0))
            if shelf[0]:
                shelf[0] -= 1
                depot(now, base)
            else:
                queues[0].append(base)
        elif what == "depot":
            if queues[0]:
                depot(now, queues[0].pop(0))
            else:
                shelf[0] += 1
        elif queues[which]:
            demand = queues[which].pop(0)
            waits[demand] = now - at[demand]
        else:
            shelf[which] += 1
    return waits


def test_batches_are_simulated_as_negative_binomial_demand() -> None:
    """One node, variance to mean of 2.5: backorders agree with the law of its lead-time demand."""
    one = fleet([-1], [1.0], np.array([[2.0]]), np.array([2.5]), np.ones(1))
    told = simulate_tree(one, 0, [4], [1.0], ORDERS, seed=3)
    law = seen(one, np.array([0]), np.array([[4]]))
    assert told.ebo[0].holds(law.ebo[0, 0])
    assert curves(one)[0].least[0, 4] == pytest.approx(law.ebo[0, 0])


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    """Trees and pools."""
    many, years, stock = _three()
    one, two, other = (simulate_tree(many, 0, stock, years, 10_000, seed=s).waiting.mean for s in (1, 1, 2))
    assert one == two != other
    pools = [simulate_pool([1.0, 1.0], 1.0, [1, 1], [[0, 1], [1, 0]], 40_000, seed=s) for s in (1, 1, 2)]
    assert pools[0] == pools[1] != pools[2]


POOLS = [
    ([1.0, 1.0], 1.0, [1, 1], [[0, 1], [1, 0]]),
    ([0.8, 0.3], 2.0, [2, 1], [[0], [1, 0]]),
    ([0.4, 0.2, 0.3], 1 / 0.6, [2, 1, 1], [[0], [1, 0], [2, 0]]),
]


@pytest.mark.parametrize(("demand", "lead", "stock", "preference"), POOLS)
def test_lateral_shares_are_those_of_the_markov_chain(
    demand: list[float], lead: float, stock: list[int], preference: list[list[int]]
) -> None:
    """Within three standard errors, and within 0.01."""
    told = simulate_pool(demand, lead, stock, preference, 400_000, seed=9)
    chain = pooled(demand, 1 / lead, stock, preference)
    for n, hub in enumerate(chain.hubs):
        for estimate, share in (
            (told.local[n], hub.local),
            (told.lateral[n], hub.lateral),
            (told.emergency[n], hub.emergency),
        ):
            assert estimate.holds(share, 3.5)
            assert abs(estimate.mean - share) < 0.01
    assert told.all_emergency.holds(chain.emergency, 3.5)


def test_without_laterals_a_hub_loses_what_erlang_says_whatever_the_law_of_its_lead_time() -> None:
    """Fixed and exponential lead times: the same loss."""
    for fixed in (False, True):
        told = simulate_pool([0.8], 2.0, [2], [[0]], 400_000, seed=4, fixed_lead_time=fixed)
        assert told.emergency[0].holds(erlang_loss(2, 1.6))


def test_too_few_customers_to_say_anything_are_refused() -> None:
    """And an estimate says when a value lies outside."""
    many, years, stock = _three()
    with pytest.raises(BadInput, match="too few or too many"):
        simulate_tree(many, 0, stock, years, 100, seed=1)
    assert Estimate(1.0, 0.1).holds(1.29)
    assert not Estimate(1.0, 0.1).holds(1.31)
