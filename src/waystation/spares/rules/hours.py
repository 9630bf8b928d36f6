"""Opening hours: weekly, in a named zone, with dated exceptions; right over changes of daylight-saving time.

Wall-clock times are turned into instants by one rule that never runs backwards, so that a day without
closing has neither hole nor overlap: a wall time that occurs twice means its first occurrence, one that
is left out means the instant of the change.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from waystation.kernel.refusals import BadInput

Array = NDArray[np.float64]
DAY_MIN = 1440
DAY_S = 86400.0
HORIZON_DAYS = 21
NEVER = float("inf")
AHEAD_DAYS, KEPT_DAYS = 30, 400


@dataclass(frozen=True, slots=True)
class Span:
    """Open on `weekday` (Monday is 0) from `opens_min` to `closes_min`, minutes after local midnight.

    A night shift closes past 1 440: 22:00 to 06:00 is 1 320 to 1 800. It belongs to the day on which it starts.
    """

    weekday: int
    opens_min: int
    closes_min: int

    def __post_init__(self) -> None:
        if not 0 <= self.weekday <= 6:
            raise BadInput(
                "spares.weekday", f"Weekday {self.weekday} is none.", "Use 0 (Monday) to 6.", field="weekday"
            )
        if not 0 <= self.opens_min < DAY_MIN or not self.opens_min < self.closes_min <= self.opens_min + DAY_MIN:
            raise BadInput(
                "spares.span",
                f"Minutes {self.opens_min} to {self.closes_min} are no opening.",
                "Open within the day and close later, at most 24 hours on.",
                field="closes_min",
                value=self.closes_min,
            )


@dataclass(frozen=True, slots=True)
class DatedHours:
    """The hours of one local date, in place of the week's; no spans means closed. `name` is said in reasons."""

    on: date
    spans_min: tuple[tuple[int, int], ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Drawn:
    """A calendar drawn out over local days, good from `first_s` to `last_s`: runs in Unix seconds, rising."""

    first_s: float
    last_s: float
    starts: list[float]
    ends: list[float]


@dataclass(frozen=True, slots=True)
class WeeklyHours:
    """When something is open or somebody works: a hub's staffing, an access window, a shift."""

    zone: str
    spans: tuple[Span, ...]
    exceptions: tuple[DatedHours, ...] = ()
    _drawn: list[_Drawn] = field(default_factory=list, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Pickups:
    """Moments of a week at which a courier takes what is ready: (weekday, minute after local midnight)."""

    zone: str
    moments: tuple[tuple[int, int], ...]
    closed_on: frozenset[date] = frozenset()
    _drawn: list[_Drawn] = field(default_factory=list, init=False, repr=False, compare=False)


@dataclass(frozen=True, slots=True)
class Interval:
    """Half-open time between two instants in UTC."""

    start: datetime
    end: datetime


@lru_cache(maxsize=64)
def always(zone: str = "UTC") -> WeeklyHours:
    """Open at every instant."""
    return WeeklyHours(zone, tuple(Span(day, 0, DAY_MIN) for day in range(7)))


def weekdays(zone: str, opens_min: int, closes_min: int, days: tuple[int, ...] = (0, 1, 2, 3, 4)) -> WeeklyHours:
    """The same hours on each of `days`."""
    return WeeklyHours(zone, tuple(Span(day, opens_min, closes_min) for day in days))


@lru_cache(maxsize=64)
def zone_of(name: str) -> ZoneInfo:
    """The IANA zone called `name`; BadInput when there is none."""
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError) as missing:
        raise BadInput(
            "spares.zone",
            f"{name!r} is no time zone.",
            "Use an IANA name such as Europe/Madrid.",
            field="zone",
            value=name,
        ) from missing


def instant_of(zone: str, day: date, minute: int) -> datetime:
    """The instant in UTC of `minute` after local midnight of `day`; minutes past 1 440 fall on the next day."""
    there = zone_of(zone)
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    at = wall.replace(tzinfo=there).astimezone(UTC)
    if at.astimezone(there).replace(tzinfo=None) == wall:
        return at
    before = wall.replace(tzinfo=there, fold=1).astimezone(UTC)
    return _change_between(there, before, at)


def _change_between(there: ZoneInfo, low: datetime, high: datetime) -> datetime:
    """The instant in (low, high] at which the zone's offset changes, to the second."""
    old = low.astimezone(there).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + timedelta(seconds=(high - low).total_seconds() // 2)
        if middle.astimezone(there).utcoffset() == old:
            low = middle
        else:
            high = middle
    return high


def _over(hours: WeeklyHours | Pickups, at_s: float, end_s: float) -> _Drawn:
    """The calendar over [at_s, end_s]; drawn once and kept, further out when somebody asks."""
    kept = hours._drawn
    if kept and kept[0].first_s <= at_s and end_s <= kept[0].last_s:
        return kept[0]
    first_s, last_s = at_s - DAY_S, end_s + AHEAD_DAYS * DAY_S
    if kept and max(last_s, kept[0].last_s) - min(first_s, kept[0].first_s) < KEPT_DAYS * DAY_S:
        first_s, last_s = min(first_s, kept[0].first_s), max(last_s, kept[0].last_s)
    drawn = _draw(hours, first_s, last_s)
    kept[:] = [drawn]
    return drawn


def _draw(hours: WeeklyHours | Pickups, first_s: float, last_s: float) -> _Drawn:
    """Two days wider than asked: a shift belongs to the day on which it starts, and lasts up to a day."""
    zone = zone_of(hours.zone)
    first = datetime.fromtimestamp(first_s, zone).date() - timedelta(days=2)
    count = (datetime.fromtimestamp(last_s, zone).date() - first).days + 3
    days = [first + timedelta(days=offset) for offset in range(count)]
    if isinstance(hours, Pickups):
        moments = sorted({at_s for day in days for at_s in _picked_up_on(hours, day)})
        return _Drawn(first_s, last_s, moments, moments)
    starts, ends = list[float](), list[float]()
    for start_s, end_s in (run for day in days for run in _opened_on(hours, day)):
        if ends and start_s <= ends[-1]:
            ends[-1] = max(ends[-1], end_s)
        elif start_s < end_s:
            starts.append(start_s)
            ends.append(end_s)
    return _Drawn(first_s, last_s, starts, ends)


def _picked_up_on(pickups: Pickups, day: date) -> list[float]:
    if day in pickups.closed_on:
        return []
    return [instant_of(pickups.zone, day, m).timestamp() for weekday, m in pickups.moments if weekday == day.weekday()]


def _opened_on(hours: WeeklyHours, day: date) -> list[tuple[float, float]]:
    """The runs that start on the local date `day`, in order."""
    dated = [e for e in hours.exceptions if e.on == day]
    if dated:
        pairs = [pair for e in dated for pair in e.spans_min]
    else:
        pairs = [(s.opens_min, s.closes_min) for s in hours.spans if s.weekday == day.weekday()]
    zone = hours.zone
    return [(instant_of(zone, day, a).timestamp(), instant_of(zone, day, b).timestamp()) for a, b in sorted(pairs)]


def open_between(hours: WeeklyHours, start: datetime, end: datetime) -> tuple[Interval, ...]:
    """Open time inside [start, end), touching intervals joined, in order."""
    if start >= end:
        return ()
    low, high = start.timestamp(), end.timestamp()
    drawn = _over(hours, low, high)
    runs = zip(drawn.starts, drawn.ends, strict=True)
    return tuple(Interval(_at(max(a, low)), _at(min(b, high))) for a, b in runs if a < high and b > low)


def _at(unix_s: float) -> datetime:
    return datetime.fromtimestamp(unix_s, UTC)


def is_open(hours: WeeklyHours, at: datetime) -> bool:
    """True when `at` lies inside the hours; the closing instant does not."""
    at_s = at.timestamp()
    return next_open_s(hours, at_s, days=0) == at_s


def next_open(hours: WeeklyHours, at: datetime, need_s: float = 0.0, days: int = HORIZON_DAYS) -> datetime | None:
    """The first instant at or after `at` from which it stays open for `need_s` seconds.

    None when there is none within `days`. More need or a later `at` never gives an earlier answer.
    """
    return _answer(at, next_open_s(hours, at.timestamp(), need_s, days))


def next_open_s(hours: WeeklyHours, at_s: float, need_s: float = 0.0, days: int = HORIZON_DAYS) -> float:
    """`next_open` in Unix seconds; `NEVER` where there is none."""
    bound_s = at_s + days * DAY_S
    drawn = _over(hours, at_s, bound_s + need_s)
    for number in range(bisect_right(drawn.ends, at_s), len(drawn.ends)):
        begin_s = max(drawn.starts[number], at_s)
        if begin_s > bound_s:
            return NEVER
        if begin_s + need_s <= drawn.ends[number]:
            return begin_s
    return NEVER


def next_pickup(pickups: Pickups, at: datetime, days: int = HORIZON_DAYS) -> datetime | None:
    """The first pick-up at or after `at`; what is ready at the very instant is taken. None within `days`."""
    return _answer(at, next_pickup_s(pickups, at.timestamp(), days))


def next_pickup_s(pickups: Pickups, at_s: float, days: int = HORIZON_DAYS) -> float:
    """`next_pickup` in Unix seconds; `NEVER` where there is none."""
    bound_s = at_s + days * DAY_S
    drawn = _over(pickups, at_s, bound_s)
    number = bisect_left(drawn.starts, at_s)
    return drawn.starts[number] if number < len(drawn.starts) and drawn.starts[number] <= bound_s else NEVER


def next_opens(hours: WeeklyHours, at_s: Array, need_s: Array) -> Array:
    """`next_open_s` of many instants at once, each with its own need; all (K,), and `NEVER` stays so."""
    found = np.full(len(at_s), NEVER)
    left = np.flatnonzero(at_s < NEVER)
    if not len(left):
        return found
    bound_s = at_s + HORIZON_DAYS * DAY_S
    drawn = _over(hours, float(at_s[left].min()), float(bound_s[left].max() + need_s[left].max()))
    starts, ends = np.array(drawn.starts), np.array(drawn.ends)
    number = np.searchsorted(ends, at_s[left], side="right")
    while len(left):
        kept = number < len(ends)
        left, number = left[kept], number[kept]
        begin_s = np.maximum(starts[number], at_s[left])
        soon = begin_s <= bound_s[left]
        fits = soon & (begin_s + need_s[left] <= ends[number])
        found[left[fits]] = begin_s[fits]
        left, number = left[soon & ~fits], number[soon & ~fits] + 1
    return found


def next_pickups(pickups: Pickups, at_s: Array) -> Array:
    """`next_pickup_s` of many instants at once, (K,); `NEVER` stays so."""
    found = np.full(len(at_s), NEVER)
    some = np.flatnonzero(at_s < NEVER)
    if not len(some):
        return found
    bound_s = at_s[some] + HORIZON_DAYS * DAY_S
    moments = np.array([*_over(pickups, float(at_s[some].min()), float(bound_s.max())).starts, NEVER])
    then_s = moments[np.searchsorted(moments, at_s[some])]
    found[some] = np.where(then_s <= bound_s, then_s, NEVER)
    return found


def _answer(at: datetime, found_s: float) -> datetime | None:
    if found_s == NEVER:
        return None
    return at.astimezone(UTC) if found_s == at.timestamp() else _at(found_s)


def local_words(at: datetime, zone: str, seen_from: datetime | None = None) -> str:
    """`07:30` in the zone, led by the weekday when `seen_from` falls on another local date."""
    here = at.astimezone(zone_of(zone))
    if seen_from is None or seen_from.astimezone(zone_of(zone)).date() == here.date():
        return here.strftime("%H:%M")
    return f"{_DAYS[here.weekday()]} {here:%H:%M}" if (at - seen_from).days < 6 else f"{here.day} {here:%b %H:%M}"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
