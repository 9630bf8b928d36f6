"""Whether units fail more, or less, as they grow older, and how many average units a base of such ages is worth.

Failures of a family in a month = rate x sum over units of h(age), h(a) = (a+1)^shape - a^shape with a in months
(Weibull, minimal repair; Barlow and Proschan 1965), scaled so that a unit on record is worth 1 on average. A unit whose
age nobody knows is worth 1. The shape is read off a grid by likelihood and believed only when it explains the past
beyond what one more figure would by luck (Bayesian information criterion on the dispersion-adjusted Poisson likelihood)
and the past holds a year and ten failures or more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.counts import Array
from waystation.planning.rules.demand.field import SHAPES

OLDEST = 480  # months; a unit older than that counts as that old
LEAST_FAILURES, LEAST_MONTHS = 10, 12


@dataclass(frozen=True, slots=True)
class Ages:
    """Units of one place: `dated` (months, ages) by age in months, `undated` (months) of unknown age."""

    dated: Array
    undated: Array

    @property
    def units(self) -> Array:
        """Units in each month, whatever their age."""
        found: Array = self.dated.sum(axis=1) + self.undated
        return found


@dataclass(frozen=True, slots=True)
class Ageing:
    """How a family fails by age: below a shape of 1 early, at 1 by chance, above it by wear. 1 when not believed.

    `scale` (ages) is how many average units one of an age is worth.
    """

    shape: float
    believed: bool
    scale: Array
    words: str

    def worth(self, ages: Ages) -> Array:
        """How many average units the units of each month are worth (months)."""
        found: Array = ages.dated @ self.scale[: ages.dated.shape[1]] + ages.undated
        return found

    def factor(self, months_old: Sequence[float], undated: float, ahead: float) -> float:
        """What units of these ages are worth `ahead` months from now, for each of them; 1 without any."""
        old = np.minimum((np.asarray(months_old, dtype=float) + ahead).astype(int), len(self.scale) - 1)
        units = len(months_old) + undated
        return (float(self.scale[old].sum()) + undated) / units if units > 0.0 else 1.0


def ageing(counts: Sequence[Array], ages: Sequence[Ages]) -> Ageing:
    """The ageing of a family from failures (months) and units by age of each place, oldest month first."""
    if len(counts) != len(ages) or any(len(c) != len(a.units) for c, a in zip(counts, ages, strict=False)):
        raise BadInput(
            "planning.history",
            "Failures and units by age are not of the same places and months.",
            "Give both for each place, month by month.",
            field="ages",
        )
    failures, months = sum(float(c.sum()) for c in counts), max((len(c) for c in counts), default=0)
    dated = sum(float(a.dated.sum()) for a in ages)
    if dated == 0.0:
        return _none("not judged: no unit says when it was put in")
    if failures < LEAST_FAILURES or months < LEAST_MONTHS:
        words = f"not judged: {failures:.0f} failures in {months} months, {LEAST_FAILURES} in {LEAST_MONTHS} are needed"
        return _none(words)
    came = np.concatenate(list(counts))
    even = np.concatenate([a.units for a in ages])
    seen = even > 0.0
    told = {s: np.concatenate([_scaled(s, ages).worth(a) for a in ages]) for s in SHAPES}
    gains = {s: _gain(came[seen], worth[seen], even[seen]) for s, worth in told.items()}
    best = max(gains, key=lambda s: gains[s])
    if 2.0 * gains[best] / _spread(came[seen], told[best][seen]) <= np.log(float(seen.sum())):
        return _none("no ageing shown: old and new units do not differ beyond chance")
    return _scaled(best, ages)


def _scaled(shape: float, ages: Sequence[Ages]) -> Ageing:
    months_old = np.arange(OLDEST + 1.0)
    hazard = np.diff(months_old**shape)
    units = np.zeros(OLDEST)
    for one in ages:
        units[: one.dated.shape[1]] += one.dated.sum(axis=0)
    scale = hazard * units.sum() / float(units @ hazard)
    words = f"units of five years fail {scale[60] / scale[6]:.2g} times as often as those of half a year"
    return Ageing(shape, True, scale, words)


def _gain(counts: Array, worth: Array, even: Array) -> float:
    """What the ages add to the log-likelihood, at the rate that fits each best."""
    mine, plain = worth * counts.sum() / worth.sum(), even * counts.sum() / even.sum()
    return float((counts * np.log(mine / plain)).sum())


def _spread(counts: Array, worth: Array) -> float:
    means = worth * counts.sum() / worth.sum()
    return max(1.0, float(((counts - means) ** 2 / means).sum()) / max(1, len(counts) - 1))


def _none(words: str) -> Ageing:
    return Ageing(1.0, False, np.ones(OLDEST), words)
