"""Figures by month: shares, means and counts of named things, with a gap where a month has nothing to say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from waystation.planning.rules.demand.needs import MONTH


@dataclass(frozen=True, slots=True)
class Trend:
    """A figure over months, oldest first. A point is None in a month without `inputs`; `whole` is over all."""

    name: str
    unit: str
    points: tuple[float | None, ...]
    inputs: tuple[int, ...]
    whole: float | None

    @property
    def last(self) -> float | None:
        """The newest month that has a value."""
        return next((p for p in reversed(self.points) if p is not None), None)


def month_of(at: datetime, now: datetime, months: int) -> int | None:
    """Which of the last `months` months an instant falls in, 0 the oldest; None outside."""
    back = math.floor((now - at) / MONTH)
    return months - 1 - back if at <= now and 0 <= back < months else None


def mean_of(name: str, unit: str, told: Sequence[tuple[datetime, float]], now: datetime, months: int) -> Trend:
    """The mean of values by month; a share is the mean of 0 and 1."""
    by_month: list[list[float]] = [[] for _ in range(months)]
    for at, value in told:
        if (n := month_of(at, now, months)) is not None:
            by_month[n].append(value)
    points = tuple(math.fsum(v) / len(v) if v else None for v in by_month)
    flat = [v for month in by_month for v in month]
    return Trend(name, unit, points, tuple(map(len, by_month)), math.fsum(flat) / len(flat) if flat else None)


def count_of(name: str, unit: str, at: Sequence[datetime], now: datetime, months: int, since: datetime | None) -> Trend:
    """How many by month. Before `since`, when nothing was recorded yet, a month has no value: it is not 0."""
    counts = [0] * months
    for one in at:
        if (n := month_of(one, now, months)) is not None:
            counts[n] += 1
    first = None if since is None else month_of(max(since, now - MONTH * months * 0.999), now, months)
    points = tuple(float(c) if first is not None and n >= first else None for n, c in enumerate(counts))
    whole = None if first is None else float(sum(counts))
    return Trend(name, unit, points, tuple(counts), whole)
