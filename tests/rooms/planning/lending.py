"""Small networks in which hubs lend, as a fleet and as a play; and a larger one as a problem. Seeded."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from waystation.planning.rules.columns import at_customers, money
from waystation.planning.rules.counts import Array
from waystation.planning.rules.fleet import Fleet, Whole, fleet
from waystation.planning.rules.laterals.overflow import lent, pooling_groups
from waystation.planning.rules.laterals.relaxed import Relaxed
from waystation.planning.rules.laterals.search import Lending, look
from waystation.planning.rules.living.playing import OTHER, OWN, Asked, Group, Source, play
from waystation.planning.rules.prices import Prices

DAYS = 365.25


def centre(
    rates: Sequence[float], lenders: Mapping[int, tuple[int, ...]], days: float = 2.0, supply: float = 16.0
) -> Fleet:
    """A centre (node 0, its own customers first in `rates`) and hubs; who lends to the customers of each node."""
    nodes, doors = len(rates), sorted(lenders)
    demand = [0.0 if n in lenders else rate for n, rate in enumerate(rates)] + [rates[n] for n in doors]
    return fleet(
        [-1] + [0] * (nodes - 1) + doors,
        [supply / DAYS] + [days / DAYS] * (nodes - 1) + [0.0] * len(doors),
        np.array([demand]),
        np.ones(1),
        np.array([100.0]),
        lenders={nodes + n: lenders[node] for n, node in enumerate(doors)},
        shelves=nodes,
    )


def units(of: Fleet, held: Sequence[int]) -> Whole:
    """One part's stock over all nodes."""
    found = np.zeros((1, len(of.parent)), dtype=np.int64)
    found[0, : len(held)] = held
    return found


def met(of: Fleet, stock: Whole) -> float:
    """The share of all needs met at once, by its own hub or a lender."""
    at = lent(of, np.arange(1), stock, pooling_groups(of))
    return float((of.rate * at.fill).sum() / of.rate.sum())


def by_play(
    rates: Sequence[float],
    lenders: Mapping[int, tuple[int, ...]],
    held: Sequence[int],
    days: float = 2.0,
    supply: float = 16.0,
) -> tuple[float, float]:
    """The same, need by need; with the standard error."""
    asked = [
        Asked(f"s{n}", "p", rate, 1, str(n), 4.0, tuple(Source(str(k), (1.0,)) for k in (n, *lenders.get(n, ()))))
        for n, rate in enumerate(rates)
        if rate > 0.0
    ]
    ways = {str(n): days for n in range(1, len(rates))}
    stock = {(str(n), "p"): count for n, count in enumerate(held)}
    told = play(asked, [Group("p", (supply,))], "0", ways, {"it": stock}, seed=5)[0]
    return told.how[OWN] + told.how[OTHER], told.in_time.error


def some_lenders(rng: np.random.Generator, rates: Sequence[float], most: int) -> dict[int, tuple[int, ...]]:
    """Up to `most` lenders for seven in ten of the nodes with needs; never none at all."""
    found: dict[int, tuple[int, ...]] = {}
    while not found:
        for node, rate in enumerate(rates):
            if rate > 0.0 and rng.random() < 0.7:
                others = rng.permutation([n for n in range(len(rates)) if n != node])
                found[node] = tuple(int(n) for n in others[: rng.integers(1, most + 1)])
    return found


def sums(of: Fleet, prices: Prices, stock: Whole) -> Array:
    """The priced sum of each stock of the only part."""
    at, leaves = look(of, np.zeros(len(stock), dtype=np.int64), stock), list(of.leaves)
    value = (prices.unit[0] * stock).sum(axis=1) + (prices.charge[0] * at.ebo)[:, leaves].sum(axis=1)
    return np.asarray(value - (prices.reward[0] * at.fill)[:, leaves].sum(axis=1))


def priced_case(seed: int) -> tuple[float, float, float]:
    """A centre and two or three hubs at random prices: the best of every stock of up to four units a shelf, what the
    walk finds, and the bound."""
    rng = np.random.default_rng(seed)
    rates = [float(rng.choice([0.0, rng.uniform(0.0, 3.0)])), *rng.uniform(0.1, 6.0, rng.integers(2, 4)).tolist()]
    days, supply = float(rng.choice([1.0, 4.0])), float(rng.choice([10.0, 30.0, 60.0]))
    of = centre(rates, some_lenders(rng, rates, 2), days, supply)
    reward = 10.0 ** rng.uniform(0.5, 2.7) * of.rate * rng.uniform(0.3, 2.0, of.rate.shape)
    prices = Prices(money(of), float(rng.choice([0.0, 200.0, 2000.0])) * at_customers(of), reward)
    every = np.zeros((5 ** len(rates), len(of.parent)), dtype=np.int64)
    every[:, : len(rates)] = list(itertools.product(range(5), repeat=len(rates)))
    best, found = float(sums(of, prices, every).min()), Lending(of, lambda: True).priced(prices)
    return best, float(found.value[0]), float(Relaxed(of).least(prices)[0])


def bound_case(seed: int) -> None:
    """No stock of such a network is below its bound."""
    best, walked, bound = priced_case(seed)
    assert bound <= min(best, walked) + 1e-6 * max(1.0, abs(best)), (seed, best, walked, bound)


def spread_out(parts: int, hubs: int, seed: int, *, laterals: bool, scale: float = 0.5) -> dict[str, Any]:
    """A problem: a centre, hubs in a square, two sites for each; half of them have four hours, half twelve."""
    rng = np.random.default_rng(seed)
    at, sites, rows = rng.random((hubs, 2)) * 6.0, [], []
    travel: dict[str, dict[str, float]] = {f"h{h}": {} for h in range(hubs)}
    for n in range(2 * hubs):
        where = rng.random(2) * 6.0
        sites.append({"id": f"s{n}", "max_restore_h": (4.0, 12.0)[n % 2], "service_class": "AB"[n % 2]})
        for h in range(hubs):
            travel[f"h{h}"][f"s{n}"] = 1.0 + 2.0 * float(np.hypot(*(where - at[h])))
    costs = np.exp(rng.normal(np.log(400.0), 1.0, parts)).round() + 10.0
    for part in range(parts):
        base = float(np.exp(rng.normal(np.log(scale), 1.0)))
        each = base * rng.gamma(2.0, 0.5, 2 * hubs)
        rows += [{"part": f"p{part}", "node": f"s{n}", "per_year": float(r)} for n, r in enumerate(each)]
    return {
        "nodes": [
            {"id": "c", "parent": None, "lead_time_h": 720},
            *({"id": f"h{h}", "parent": "c", "lead_time_h": 48} for h in range(hubs)),
        ],
        "parts": [{"id": f"p{n}", "unit_cost": float(c)} for n, c in enumerate(costs)],
        "demand": rows,
        "sites": sites,
        "travel_h": travel,
        "laterals": laterals,
        "service_targets": {"A": 0.97, "B": 0.95},
    }
