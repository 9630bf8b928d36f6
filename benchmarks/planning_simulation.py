"""Simulated events per second, against the same three-tier network played in SimPy in the same run.

An event is a demand at a node or an arrival there. Both are checked against the exact law before a figure counts.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import simpy

from benchmarks.harness import Report, median_of, seconds
from waystation.planning.rules.exact import exact
from waystation.planning.rules.fleet import Fleet, fleet
from waystation.planning.rules.pooling import pooled
from waystation.planning.rules.simulation import Simulated, simulate_pool, simulate_tree

PARENT, YEARS = [-1, 0, 0, 1, 1, 2, 2], [10.0, 2.0, 3.0, 0.5, 0.5, 0.25, 1.0]
RATES, STOCK = [0, 0, 0, 0.1, 0.05, 0.12, 0.03], [2, 1, 1, 1, 0, 1, 1]
ORDERS, PEER_ORDERS = 1_000_000, 20_000


def main() -> None:
    """Check, time, judge."""
    report = Report("planning_simulation", "no database")
    many = fleet(PARENT, YEARS, np.array([RATES]), np.ones(1), np.ones(1))
    told: list[Simulated] = []
    took = median_of(lambda: told.append(simulate_tree(many, 0, STOCK, YEARS, ORDERS, seed=1)), 3)
    truth = float(exact(many, np.array([0]), np.array([STOCK])).ebo[0, list(many.leaves)].sum())
    report.add("events_per_s", told[0].events / took)
    report.add("standard_errors_from_the_exact_law", abs(told[0].waiting.mean - truth) / told[0].waiting.error)
    report.judge("within 3 standard errors of the exact law", told[0].waiting.holds(truth))
    report.judge(">= 1 M events/s", told[0].events / took >= 1e6)
    played: list[float] = []
    peer = seconds(lambda: played.append(_played(many)))
    report.add("peer_simpy_events_per_s", 6 * PEER_ORDERS / peer)
    report.add("peer_simpy_waiting_to_exact", played[0] / truth)
    ratio = (told[0].events / took) / (6 * PEER_ORDERS / peer)
    report.add("times_simpy", ratio)
    report.judge(">= 50 x SimPy", ratio >= 50)
    _pools(report)
    report.keep()


def _pools(report: Report) -> None:
    asked = ([0.4, 0.2, 0.3], [2, 1, 1], [[0], [1, 0], [2, 0]])
    chain = pooled(asked[0], 0.6, asked[1], asked[2])
    found: list[Any] = []
    took = seconds(lambda: found.append(simulate_pool(asked[0], 1 / 0.6, asked[1], asked[2], 1_000_000, seed=1)))
    off = max(abs(found[0].lateral[n].mean - hub.lateral) for n, hub in enumerate(chain.hubs))
    report.add("pool_events_per_s", found[0].events / took)
    report.add("lateral_share_worst_difference", off)
    report.judge("lateral shares within 0.01 of the Markov chain", off <= 0.01)


def _played(many: Fleet) -> float:
    """The same network with a store per node, in SimPy; mean units waiting at the locals."""
    env, rng = simpy.Environment(), np.random.default_rng(1)
    shelves = [simpy.Store(env) for _ in PARENT]
    for shelf, held in zip(shelves, STOCK, strict=True):
        shelf.items.extend([1] * held)
    waits = [0.0, 0.0]

    def supply(node: int) -> Any:
        if PARENT[node] >= 0:
            yield shelves[PARENT[node]].get()
        yield env.timeout(YEARS[node])
        yield shelves[node].put(1)

    def order(node: int) -> None:
        env.process(supply(node))
        if PARENT[node] >= 0:
            order(PARENT[node])

    def customer(node: int) -> Any:
        begin = env.now
        order(node)
        yield shelves[node].get()
        waits[0] += env.now - begin

    def arrivals() -> Any:
        total = sum(RATES)
        leaves = rng.choice(len(RATES), size=PEER_ORDERS, p=np.array(RATES) / total)
        for leaf in leaves.tolist():
            yield env.timeout(rng.exponential(1 / total))
            env.process(customer(leaf))
        waits[1] = env.now

    env.process(arrivals())
    env.run()
    return waits[0] / waits[1]


if __name__ == "__main__":
    main()
