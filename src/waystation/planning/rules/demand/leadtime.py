"""Demand over a lead time as a whole law, with what each input adds to its mean.

Days, not months: a month has 30.4375. Random failures are negative binomial with the rate of their part group; dated
work (a calibration exchange, a battery change, an expiring certificate) is added as it is dated, each unit needing a
part with its own chance. A lead time is a set of equally likely durations, and the law of demand is the even mixture
over them: a slow courier widens the law, it does not only move its mean.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, at_least_zero, mean_demand, share
from waystation.planning.rules.counts import Array, binomials, convolved, negative_binomial, trimmed

DAYS_PER_MONTH = 365.25 / 12.0
POINTS = 16
MOST_DATED = 200

Kind = Literal["installed base", "rollout", "refresh", "season", "context", "defect window", "dated work", "history"]


@dataclass(frozen=True, slots=True)
class Dated:
    """Work known by date: `units` that each need a part with probability `chance`, `day` days from now."""

    name: str
    day: float
    units: int
    chance: float = 1.0


@dataclass(frozen=True, slots=True)
class Change:
    """What changes the rate between two days from now (half-open): `factor` times, for `part` (0 to 1) of the base.

    A rollout that doubles the base is a factor of 2; a defect window is its multiplier for the share affected.
    """

    kind: Kind
    name: str
    from_day: float
    to_day: float
    factor: float
    part: float = 1.0


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one input adds to mean demand over the lead time, in units; negative where it takes away."""

    kind: Kind
    name: str
    units: float
    words: str


@dataclass(frozen=True, slots=True)
class LeadTimeDemand:
    """The law (law[k] = P(N = k)), its mean, the contributions that add up to the mean, and the lead times used."""

    law: Array
    mean: float
    contributions: tuple[Contribution, ...]
    lead_time_days: tuple[float, ...]


def lead_times(quantiles: Sequence[tuple[float, float]], points: int = POINTS) -> tuple[float, ...]:
    """Equally likely durations out of (probability, duration) pairs that rise; beyond the ends the ends hold."""
    if not quantiles:
        raise BadInput(
            "planning.lead_time", "No lead time is known.", "Give measured or reported quantiles.", field="lead_time"
        )
    shares = [share("lead_time.probability", p) for p, _ in quantiles]
    days = [at_least_zero("lead_time.duration", d) for _, d in quantiles]
    if shares != sorted(shares) or days != sorted(days):
        raise BadInput(
            "planning.lead_time",
            "Quantiles of a lead time have to rise in probability and in duration.",
            "Sort them, or correct the one that falls.",
            field="lead_time",
        )
    middles = (np.arange(points) + 0.5) / points
    return tuple(float(d) for d in np.interp(middles, shares, days))


def measured(durations: Sequence[float], points: int = POINTS) -> tuple[float, ...]:
    """Equally likely durations out of measured ones; each is used as it was."""
    if not durations:
        raise BadInput("planning.lead_time", "No lead time was measured.", "Give one or more.", field="lead_time")
    held = sorted(above_zero("lead_time", d) for d in durations)
    middles = (np.arange(points) + 0.5) / points
    return tuple(held[min(len(held) - 1, int(m * len(held)))] for m in middles)


def lead_time_demand(
    per_day: float,
    dispersion: float,
    lead_time_days: Sequence[float],
    *,
    doubt: float = 0.0,
    changes: Sequence[Change] = (),
    dated: Sequence[Dated] = (),
) -> LeadTimeDemand:
    """The law of demand over a lead time that starts now.

    `per_day` units a day before changes, `dispersion` their variance to mean (1 or more); `doubt` is the squared
    coefficient of variation of the rate itself, which widens a long lead time more than a short one.
    """
    at_least_zero("per_day", per_day), at_least_zero("doubt", doubt)
    days = tuple(at_least_zero("lead_time_days", d) for d in lead_time_days)
    if not days:
        raise BadInput("planning.lead_time", "No lead time is known.", "Give one or more.", field="lead_time_days")
    if sum(d.units for d in dated) > MOST_DATED:
        raise BadInput(
            "planning.dated",
            f"More than {MOST_DATED} dated units in one lead time are no spare parts business.",
            "Order them as the project that they are.",
            field="dated",
        )
    parts = [_base(per_day, days), *(_added(per_day, change, days) for change in changes)]
    parts += [_dated(one, days) for one in dated]
    laws = [_law(per_day, dispersion, doubt, day, changes, dated) for day in days]
    longest = max(len(law) for law in laws)
    mixed = np.zeros(longest)
    for law in laws:
        mixed[: len(law)] += law / len(laws)
    return LeadTimeDemand(trimmed(mixed), math.fsum(p.units for p in parts), tuple(parts), days)


def _base(per_day: float, days: Sequence[float]) -> Contribution:
    mean = math.fsum(days) / len(days)
    words = f"{per_day * DAYS_PER_MONTH:.3g} a month over {mean:.3g} days"
    return Contribution("installed base", "failures", per_day * mean, words)


def _added(per_day: float, change: Change, days: Sequence[float]) -> Contribution:
    over = math.fsum(_overlap(change, day) for day in days) / len(days)
    units = per_day * (change.factor - 1.0) * share("part", change.part) * over
    whose = f"{change.part:.0%} of the base" if change.part < 1.0 else "the whole base"
    return Contribution(
        change.kind, change.name, units, f"{change.factor:g} times for {whose} over {over:.3g} days of it"
    )


def _dated(one: Dated, days: Sequence[float]) -> Contribution:
    reached = sum(day > one.day >= 0.0 for day in days) / len(days)
    needs = f"{one.units} units in {one.day:.3g} days, {share('chance', one.chance):.0%} each"
    words = f"{needs}; {reached:.0%} of lead times reach it"
    return Contribution("dated work", one.name, one.units * one.chance * reached, words)


def _overlap(change: Change, day: float) -> float:
    at_least_zero(f"{change.name}.factor", change.factor)
    return max(0.0, min(change.to_day, day) - max(change.from_day, 0.0))


def _law(
    per_day: float, dispersion: float, doubt: float, day: float, changes: Sequence[Change], dated: Sequence[Dated]
) -> Array:
    rate = per_day * day + math.fsum(
        per_day * (c.factor - 1.0) * share("part", c.part) * _overlap(c, day) for c in changes
    )
    mean = mean_demand("lead-time demand", max(0.0, rate))
    law = negative_binomial(mean, dispersion + doubt * mean)
    for one in dated:
        if day > one.day >= 0.0 and one.units > 0:
            law = convolved(law, binomials(one.units + 1, np.array([one.chance]))[0][one.units])
    return law
