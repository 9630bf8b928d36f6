"""What an average hides: months of the year that always ask for more, and single months that stand out.

A season is believed when it explains the past beyond what its eleven more figures would by luck (Bayesian
information criterion on the dispersion-adjusted Poisson likelihood) and the past holds two whole years or more.
Its factors are drawn towards 1 by one month's worth of the mean. A month stands out when the law that the other
months follow gives as much, or more, less than once in a thousand months.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from waystation.planning.rules.checks import share
from waystation.planning.rules.counts import Array, negative_binomial

YEAR = 12
RARE = 0.001


@dataclass(frozen=True, slots=True)
class Season:
    """Twelve factors around 1, January first, and whether they are believed (all 1 when not)."""

    factors: tuple[float, ...]
    believed: bool
    words: str

    def at(self, month: int) -> float:
        """The factor of a month of the year, 1 to 12."""
        return self.factors[(month - 1) % YEAR]


@dataclass(frozen=True, slots=True)
class Spike:
    """A month (its place in the history) with what came, what is usual, and how rare that is."""

    month: int
    units: float
    usual: float
    probability: float


def season(counts: Array, first_month: int) -> Season:
    """The season of a history of months whose first is `first_month` (1 to 12)."""
    if len(counts) < 2 * YEAR:
        return _none(f"not judged: {len(counts)} months on record, {2 * YEAR} are needed")
    place = (np.arange(len(counts)) + first_month - 1) % YEAR
    mean = float(counts.mean())
    if mean <= 0.0:
        return _none("not judged: nothing came")
    years = np.bincount(place, minlength=YEAR)
    monthly = np.bincount(place, weights=counts, minlength=YEAR)
    factors = (monthly + mean) / (mean * (years + 1.0))
    fitted = np.maximum(monthly / years, 1e-9)[place]
    spread = max(1.0, float(((counts - fitted) ** 2 / fitted).sum()) / max(1, len(counts) - YEAR))
    gain = _likelihood(counts, fitted) - _likelihood(counts, np.full(len(counts), mean))
    if 2.0 * gain / spread <= (YEAR - 1) * np.log(len(counts)):
        return _none("no season shown: the months of the year do not differ beyond chance")
    factors = factors / factors.mean()
    high, low = int(factors.argmax()) + 1, int(factors.argmin()) + 1
    words = f"month {high} asks {factors.max():.2f} times the mean, month {low} {factors.min():.2f} times"
    return Season(tuple(float(f) for f in factors), True, words)


def spikes(counts: Array, rare: float = RARE) -> tuple[Spike, ...]:
    """The months that the others make unlikely, each judged by a law without it."""
    share("rare", rare)
    found = []
    for month, units in enumerate(counts):
        others = np.delete(counts, month)
        if units <= 1.0 or len(others) < YEAR:
            continue
        usual = float((others.sum() + 0.5) / len(others))
        spread = max(1.0, float(others.var(ddof=1)) / usual)
        law = negative_binomial(usual, spread)
        tail = float(law[int(units) :].sum())
        if tail < rare:
            found.append(Spike(month, float(units), usual, tail))
    return tuple(found)


def _likelihood(counts: Array, means: Array) -> float:
    return float((counts * np.log(means) - means).sum())


def _none(words: str) -> Season:
    return Season((1.0,) * YEAR, False, words)
