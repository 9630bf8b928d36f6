"""Small and larger fleets for the planning tests, seeded."""

from __future__ import annotations

import numpy as np

from waystation.planning.rules.fleet import Fleet, fleet


def small(
    rates: list[list[float]], costs: list[float], *, ratio: float = 1.0, own: float = 0.0, resupply: float = 0.3
) -> Fleet:
    """A centre and one base for each rate; `own` is demand of the centre's own customers."""
    bases = len(rates[0])
    demand = np.array([[own, *row] for row in rates])
    times = [resupply, *(0.05 * (n + 1) for n in range(bases))]
    return fleet([-1] + [0] * bases, times, demand, np.full(len(rates), ratio), np.array(costs))


def three_tiers(parts: int, seed: int = 1, regions: int = 4, locals_: int = 5, scale: float = 0.3) -> Fleet:
    """One centre, regions, locals below each; slow movers of log-normal demand and price."""
    rng = np.random.default_rng(seed)
    parent = [-1] + [0] * regions + [1 + r for r in range(regions) for _ in range(locals_)]
    years = [30 / 365] + [3 / 365] * regions + [1 / 365] * (regions * locals_)
    demand = np.zeros((parts, len(parent)))
    base = np.exp(rng.normal(np.log(scale), 1.0, parts))
    demand[:, 1 + regions :] = base[:, None] * rng.gamma(2, 0.5, (parts, regions * locals_))
    costs = np.exp(rng.normal(np.log(400), 1.2, parts)).round(0) + 10
    return fleet(parent, years, demand, np.ones(parts), costs)
