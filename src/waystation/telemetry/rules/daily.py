"""A space's days: extremes from the day's own readings, minutes cut at local midnight."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, tzinfo
from itertools import islice, zip_longest

from waystation.telemetry.rules.local_time import days_between
from waystation.telemetry.rules.mkt import MktSum
from waystation.telemetry.rules.series import Moment
from waystation.telemetry.rules.space import SpaceJudgement, side_timeline
from waystation.telemetry.rules.verdict import Kind, Stretch


@dataclass(slots=True)
class Day:
    """One local day, or the part of it inside the period."""

    date: date
    start_s: float
    end_s: float
    min_c: float | None = None
    max_c: float | None = None
    below_s: float = 0.0
    above_s: float = 0.0
    readings: int = 0
    kinetic: MktSum = field(default_factory=MktSum)

    @property
    def mean_c(self) -> float | None:
        """The mean, each reading weighted by the seconds it covers within the day."""
        return self.kinetic.mean_c()

    def see(self, moment: Moment) -> None:
        """Count a moment of this day."""
        self.readings += 1
        self.min_c = moment.coldest_c if self.min_c is None else min(self.min_c, moment.coldest_c)
        self.max_c = moment.hottest_c if self.max_c is None else max(self.max_c, moment.hottest_c)


def daily(space: SpaceJudgement, sensors: Sequence[Sequence[Moment]], zone: tzinfo) -> list[Day]:
    """The local days of the period; `sensors` holds each sensor's moments in the order of `space.sensors`."""
    from_s, to_s = space.from_s, space.to_s
    days = [Day(day, max(a, from_s), min(b, to_s)) for day, a, b in days_between(from_s, to_s, zone)]
    for judged, moments in zip(space.sensors, sensors, strict=True):
        _readings(days, moments, judged.hold_s, from_s, to_s)
    timelines = [judged.timeline for judged in space.sensors]
    for day, seconds in _cut(days, side_timeline(timelines, Kind.LOW)):
        day.below_s += seconds
    for day, seconds in _cut(days, side_timeline(timelines, Kind.HIGH)):
        day.above_s += seconds
    return [day for day in days if day.end_s > day.start_s or day.readings]


def _readings(days: list[Day], moments: Sequence[Moment], hold_s: float, from_s: float, to_s: float) -> None:
    index = 0
    for here, after in zip_longest(moments, islice(moments, 1, None)):
        if here.at_s > to_s:
            break
        until = min(here.at_s + hold_s, to_s if after is None else min(after.at_s, to_s))
        if here.at_s < from_s and until <= from_s:
            continue
        while index + 1 < len(days) and here.at_s >= days[index + 1].start_s:
            index += 1
        if here.at_s >= from_s:
            days[index].see(here)
        at = index
        while at < len(days) and days[at].start_s < until:
            seconds = min(until, days[at].end_s) - max(here.at_s, days[at].start_s)
            days[at].kinetic.add(here.hottest_c, seconds)
            at += 1


def _cut(days: list[Day], stretches: Iterable[Stretch]) -> Iterable[tuple[Day, float]]:
    index = 0
    for start_s, end_s, _ in stretches:
        while index + 1 < len(days) and days[index].end_s <= start_s:
            index += 1
        at = index
        while at < len(days) and days[at].start_s < end_s:
            seconds = min(end_s, days[at].end_s) - max(start_s, days[at].start_s)
            if seconds > 0:
                yield days[at], seconds
            at += 1
