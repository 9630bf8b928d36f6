"""Small networks in which hubs lend, as a fleet and as a play; and a larger one as a problem. Seeded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from waystation.planning.rules.fleet import Fleet, Whole, fleet
from waystation.planning.rules.laterals.overflow import families, lent
from waystation.planning.rules.living.playing import OTHER, OWN, Asked, Group, Source, play

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
    at = lent(of, np.arange(1), stock, families(of))
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
