"""Which models fail more than the rest: exact intervals, one-sided tails, and a bound on false alarms.

Rates are failures per unit-year. Sources: Garwood, Biometrika 28 (1936); Benjamini and Hochberg, JRSS B 57 (1995).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, at_least_zero, share

DAYS_PER_YEAR = 365.0


@dataclass(frozen=True, slots=True)
class Exposure:
    """A model's days in the field, all units together, and its failures."""

    model: str
    unit_days: float
    failures: int


@dataclass(frozen=True, slots=True)
class Finding:
    """A model's rate per year with its exact 95 % interval, its ratio to all others, the tail, and the flag.

    `p_one_sided` = P(at least as many failures | the pooled rate of all others). `ratio` is infinite when the others
    never failed.
    """

    model: str
    rate: float
    low: float
    high: float
    ratio: float
    p_one_sided: float
    flagged: bool


def bad_actors(
    table: Sequence[Exposure], fdr: float = 0.05, min_ratio: float = 1.5, days_per_year: float = DAYS_PER_YEAR
) -> list[Finding]:
    """Each model against all others. Flagged: by Benjamini-Hochberg at `fdr` and a ratio of `min_ratio` or more."""
    if len(table) < 2:
        raise BadInput(
            "planning.models", f"{len(table)} model compares with nothing.", "Give two or more.", field="table"
        )
    for row in table:
        above_zero(f"{row.model}.unit_days", row.unit_days), at_least_zero(f"{row.model}.failures", row.failures)
    days, failures = sum(r.unit_days for r in table), sum(r.failures for r in table)
    tails, ratios = [], []
    for row in table:
        rest = (failures - row.failures) / max(days - row.unit_days, 1e-12)
        tails.append(poisson_tail(row.failures, rest * row.unit_days))
        ratios.append(row.failures / row.unit_days / rest if rest > 0.0 else math.inf)
    hits = benjamini_hochberg(tails, fdr)
    found = []
    for row, tail, ratio, hit in zip(table, tails, ratios, hits, strict=True):
        years = row.unit_days / days_per_year
        low, high = garwood(row.failures, 0.95)
        flagged = hit and ratio >= min_ratio and row.failures > 0
        found.append(Finding(row.model, row.failures / years, low / years, high / years, ratio, tail, flagged))
    return found


def poisson_tail(count: int, mean: float) -> float:
    """P(Poisson of `mean` >= count), summed on its smaller side, so that small tails keep their digits."""
    if count <= 0:
        return 1.0
    if mean <= 0.0:
        return 0.0
    if count > mean:
        last = int(count + 12.0 * math.sqrt(count) + 60)
        return min(1.0, _mass(count, last, mean))
    return max(0.0, 1.0 - _mass(max(0, int(mean - 40.0 * math.sqrt(mean) - 60)), count - 1, mean))


def _mass(first: int, last: int, mean: float) -> float:
    k = np.arange(first, last + 1, dtype=float)
    start = first * math.log(mean) - mean - math.lgamma(first + 1.0)
    logs = start + np.concatenate(([0.0], np.cumsum(math.log(mean) - np.log(k[1:]))))
    return float(np.exp(logs).sum())


def garwood(count: int, confidence: float) -> tuple[float, float]:
    """The exact interval of a Poisson mean of which `count` was seen."""
    half = (1.0 - share("confidence", confidence)) / 2.0
    top = count + 20.0 * math.sqrt(count + 1.0) + 40.0
    low = 0.0 if count == 0 else _where(lambda m: poisson_tail(count, m) < half, 0.0, float(count))
    high = _where(lambda m: 1.0 - poisson_tail(count + 1, m) > half, float(count), top)
    return low, high


def _where(below: Callable[[float], bool], low: float, high: float) -> float:
    for _ in range(80):
        middle = (low + high) / 2.0
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2.0


def benjamini_hochberg(tails: Sequence[float], fdr: float) -> list[bool]:
    """Which tails are rejected at false discovery rate `fdr`, in the order given."""
    share("fdr", fdr)
    order = sorted(range(len(tails)), key=lambda n: tails[n])
    last = max((rank for rank, n in enumerate(order, 1) if tails[n] <= fdr * rank / len(tails)), default=0)
    return [n in set(order[:last]) for n in range(len(tails))]
