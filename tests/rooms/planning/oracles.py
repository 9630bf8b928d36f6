"""Answers by brute force, written apart from the product: plain sums over plain probabilities, no arrays."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence

LAST = 90


def poisson_law(mean: float) -> list[float]:
    """P(N = k), term by term."""
    return [math.exp(-mean + k * math.log(mean) - math.lgamma(k + 1)) if mean else float(k == 0) for k in range(LAST)]


def negbin_law(mean: float, variance: float) -> list[float]:
    """P(N = k) of a negative binomial by its gamma functions; Poisson when the variance is the mean."""
    if variance <= mean * (1 + 1e-9):
        return poisson_law(mean)
    p, r = mean / variance, mean * mean / (variance - mean)
    return [
        math.exp(math.lgamma(r + k) - math.lgamma(r) - math.lgamma(k + 1) + r * math.log(p) + k * math.log1p(-p))
        for k in range(LAST)
    ]


def short(law: Sequence[float], stock: int) -> tuple[float, float]:
    """Mean and variance of (N - stock)+."""
    mean = sum(max(0, k - stock) * p for k, p in enumerate(law))
    return mean, sum(max(0, k - stock) ** 2 * p for k, p in enumerate(law)) - mean**2


def exact_bases(
    rates: Sequence[float], depot_mean: float, transit: Sequence[float], stock: Sequence[int]
) -> list[float]:
    """Backorders at each base by counting who each backordered unit of the depot is for."""
    total = sum(rates)
    outstanding = poisson_law(depot_mean)
    found = []
    for rate, way, held in zip(rates, transit, stock[1:], strict=True):
        share, moving, ebo = rate / total, poisson_law(rate * way), 0.0
        for n, chance in enumerate(outstanding):
            waiting = max(0, n - stock[0])
            for mine in range(waiting + 1):
                odds = math.comb(waiting, mine) * share**mine * (1 - share) ** (waiting - mine)
                if chance * odds > 1e-14:
                    ebo += chance * odds * sum(max(0, mine + k - held) * p for k, p in enumerate(moving))
        found.append(ebo)
    return found


def vari_metric(
    parent: Sequence[int], pipeline: Sequence[float], share: Sequence[float], stock: Sequence[int], ratio: float = 1.0
) -> list[float]:
    """Backorders at every node by the two-moment recursion."""
    moments: list[tuple[float, float]] = []
    for node, above in enumerate(parent):
        mean, variance = pipeline[node], pipeline[node] * ratio
        if above >= 0:
            ebo, vbo = moments[above]
            mean += share[node] * ebo
            variance += share[node] * (1 - share[node]) * ebo + share[node] ** 2 * vbo
        moments.append(short(negbin_law(mean, variance), stock[node]))
    return [ebo for ebo, _ in moments]


def every_stock(caps: Sequence[int]) -> itertools.product[tuple[int, ...]]:
    """Every vector of units up to the caps."""
    return itertools.product(*(range(cap + 1) for cap in caps))


def best_by_count(value: Callable[[tuple[int, ...]], float], caps: Sequence[int]) -> list[float]:
    """The least value of each number of units, and of fewer."""
    best = [math.inf] * (sum(caps) + 1)
    for stock in every_stock(caps):
        best[sum(stock)] = min(best[sum(stock)], value(stock))
    return [min(best[: n + 1]) for n in range(len(best))]
