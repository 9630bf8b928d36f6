"""Cohorts beside each other: by age, model, region or batch, each rate with its exact interval.

A difference is said only when the interval of the ratio to all the others leaves 1 out, with the intervals widened
for the number of cohorts that are compared (Bonferroni), so that looking at many does not find one by luck.
The ratio's interval is exact: given the sum, one cohort's failures are binomial (Przyborowski and Wilenski 1940).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.bad_actors import garwood
from waystation.planning.rules.checks import above_zero, at_least_zero

CONFIDENCE = 0.95
SIGNAL, NOISE, LITTLE = "differs", "no difference shown", "too little seen"


@dataclass(frozen=True, slots=True)
class Seen:
    """A cohort: its unit-months in the field and its failures."""

    name: str
    unit_months: float
    failures: int


@dataclass(frozen=True, slots=True)
class Compared:
    """Failures of 100 units in a year with the interval, the ratio to all others with its interval, and the word.

    `high_ratio` is infinite when the others never failed.
    """

    name: str
    failures: int
    rate: float
    low: float
    high: float
    low_ratio: float
    high_ratio: float
    verdict: str


def compare(seen: Sequence[Seen]) -> tuple[Compared, ...]:
    """Every cohort against all others, highest rate first. Fewer than two are refused."""
    if len(seen) < 2:
        raise BadInput(
            "planning.cohorts", f"{len(seen)} cohort compares with nothing.", "Give two or more.", field="cohorts"
        )
    for one in seen:
        above_zero(f"{one.name}.unit_months", one.unit_months), at_least_zero(f"{one.name}.failures", one.failures)
    failures, months = sum(s.failures for s in seen), sum(s.unit_months for s in seen)
    sure = 1.0 - (1.0 - CONFIDENCE) / len(seen)
    found = [_against(one, failures - one.failures, months - one.unit_months, sure) for one in seen]
    return tuple(sorted(found, key=lambda c: (-c.rate, c.name)))


def _against(one: Seen, others: int, months: float, sure: float) -> Compared:
    low, high = garwood(one.failures, sure)
    yearly = 1200.0 / one.unit_months
    share_low, share_high = clopper_pearson(one.failures, one.failures + others, sure)
    odds = months / one.unit_months
    low_ratio = odds * share_low / (1.0 - share_low) if share_low < 1.0 else math.inf
    high_ratio = odds * share_high / (1.0 - share_high) if share_high < 1.0 else math.inf
    verdict = SIGNAL if low_ratio > 1.0 or high_ratio < 1.0 else LITTLE if high_ratio > 4.0 * low_ratio else NOISE
    rate = one.failures * yearly
    return Compared(one.name, one.failures, rate, low * yearly, high * yearly, low_ratio, high_ratio, verdict)


def clopper_pearson(hits: int, of: int, confidence: float) -> tuple[float, float]:
    """The exact interval of a share of which `hits` in `of` were seen; 0 to 1 when nothing was."""
    half = (1.0 - confidence) / 2.0
    low = 0.0 if hits == 0 else _root(lambda p: _at_least(hits, of, p) < half)
    high = 1.0 if hits == of else _root(lambda p: 1.0 - _at_least(hits + 1, of, p) > half)
    return low, high


def _root(below: Callable[[float], bool]) -> float:
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2.0
        low, high = (middle, high) if below(middle) else (low, middle)
    return (low + high) / 2.0


def _at_least(hits: int, of: int, share: float) -> float:
    """P(Binomial(of, share) >= hits)."""
    if share <= 0.0 or hits > of:
        return 1.0 if hits <= 0 else 0.0
    if share >= 1.0:
        return 1.0
    logs = (
        math.lgamma(of + 1)
        - math.lgamma(k + 1)
        - math.lgamma(of - k + 1)
        + k * math.log(share)
        + (of - k) * math.log1p(-share)
        for k in range(max(0, hits), of + 1)
    )
    return min(1.0, math.fsum(math.exp(log) for log in logs))
