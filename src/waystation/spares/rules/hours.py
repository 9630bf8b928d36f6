"""Opening hours: weekly, in a named zone, with dated exceptions; right over changes of daylight-saving time.

Wall-clock times are turned into instants by one rule that never runs backwards, so that a day without
closing has neither hole nor overlap: a wall time that occurs twice means its first occurrence, one that
is left out means the instant of the change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from waystation.kernel.refusals import BadInput

DAY_MIN = 1440
HORIZON_DAYS = 21


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
class WeeklyHours:
    """When something is open or somebody works: a hub's staffing, an access window, a shift."""

    zone: str
    spans: tuple[Span, ...]
    exceptions: tuple[DatedHours, ...] = ()


@dataclass(frozen=True, slots=True)
class Pickups:
    """Moments of a week at which a courier takes what is ready: (weekday, minute after local midnight)."""

    zone: str
    moments: tuple[tuple[int, int], ...]
    closed_on: frozenset[date] = frozenset()


@dataclass(frozen=True, slots=True)
class Interval:
    """Half-open time between two instants in UTC."""

    start: datetime
    end: datetime


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


@lru_cache(maxsize=8192)
def _opened_on(hours: WeeklyHours, day: date) -> tuple[Interval, ...]:
    """The intervals that start on the local date `day`."""
    dated = [e for e in hours.exceptions if e.on == day]
    pairs = (
        [pair for e in dated for pair in e.spans_min]
        if dated
        else [(s.opens_min, s.closes_min) for s in hours.spans if s.weekday == day.weekday()]
    )
    found = (Interval(instant_of(hours.zone, day, a), instant_of(hours.zone, day, b)) for a, b in sorted(pairs))
    return tuple(i for i in found if i.start < i.end)


def _pieces(hours: WeeklyHours, at: datetime, days: int) -> Iterator[Interval]:
    """Open time from the day before `at`, in order; a piece that touches the one before carries its start."""
    first = at.astimezone(zone_of(hours.zone)).date() - timedelta(days=1)
    last: Interval | None = None
    for offset in range(days + 2):
        for piece in _opened_on(hours, first + timedelta(days=offset)):
            touches = last is not None and piece.start <= last.end
            last = Interval(last.start, max(last.end, piece.end)) if last is not None and touches else piece
            yield last


def open_between(hours: WeeklyHours, start: datetime, end: datetime) -> tuple[Interval, ...]:
    """Open time inside [start, end), touching intervals joined, in order."""
    if start >= end:
        return ()
    runs: dict[datetime, Interval] = {}
    for piece in _pieces(hours, start, (end - start).days + 2):
        if piece.start < end and piece.end > start:
            runs[piece.start] = Interval(max(piece.start, start), min(piece.end, end))
    return tuple(runs.values())


def is_open(hours: WeeklyHours, at: datetime) -> bool:
    """True when `at` lies inside the hours; the closing instant does not."""
    return next_open(hours, at, days=0) == at


def next_open(hours: WeeklyHours, at: datetime, need_s: float = 0.0, days: int = HORIZON_DAYS) -> datetime | None:
    """The first instant at or after `at` from which it stays open for `need_s` seconds.

    None when there is none within `days`. More need or a later `at` never gives an earlier answer.
    """
    need = timedelta(seconds=need_s)
    bound = at + timedelta(days=days)
    for run in _pieces(hours, at, days + need.days + 1):
        begin = max(run.start, at)
        if begin > bound:
            return None
        if begin < run.end and begin + need <= run.end:
            return begin.astimezone(UTC)
    return None


def next_pickup(pickups: Pickups, at: datetime, days: int = HORIZON_DAYS) -> datetime | None:
    """The first pick-up at or after `at`; what is ready at the very instant is taken. None within `days`."""
    first = at.astimezone(zone_of(pickups.zone)).date()
    for offset in range(days + 1):
        day = first + timedelta(days=offset)
        if day in pickups.closed_on:
            continue
        for weekday, minute in sorted(pickups.moments):
            if weekday == day.weekday() and (found := instant_of(pickups.zone, day, minute)) >= at:
                return found
    return None


def local_words(at: datetime, zone: str, seen_from: datetime | None = None) -> str:
    """`07:30` in the zone, led by the weekday when `seen_from` falls on another local date."""
    here = at.astimezone(zone_of(zone))
    if seen_from is None or seen_from.astimezone(zone_of(zone)).date() == here.date():
        return here.strftime("%H:%M")
    return f"{_DAYS[here.weekday()]} {here:%H:%M}" if (at - seen_from).days < 6 else f"{here.day} {here:%b %H:%M}"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
