"""Wall-clock times of a file, and local days of 23, 24 and 25 hours."""

from __future__ import annotations

from datetime import date, datetime, timedelta, tzinfo


def choose_instant(candidates: tuple[float, ...], row_before_s: float | None) -> float:
    """Of a time that occurs twice the earlier, unless that is not later than the row before: then the later."""
    earlier, later = candidates[0], candidates[-1]
    return later if row_before_s is not None and earlier <= row_before_s else earlier


def day_of(at_s: float, zone: tzinfo) -> date:
    """The local date of an instant."""
    return datetime.fromtimestamp(at_s, zone).date()


def day_start_s(day: date, zone: tzinfo) -> float:
    """The instant at which a local day begins; where midnight does not exist, the first instant after it."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).timestamp()


def day_bounds_s(day: date, zone: tzinfo) -> tuple[float, float]:
    """The half-open period of a local day as Unix seconds: 23, 24 or 25 hours long, elapsed time."""
    return day_start_s(day, zone), day_start_s(day + timedelta(days=1), zone)


def days_between(from_s: float, to_s: float, zone: tzinfo) -> list[tuple[date, float, float]]:
    """Every local day that touches [from_s, to_s], each with its own start and end."""
    day, last = day_of(from_s, zone), day_of(to_s, zone)
    found = []
    while day <= last:
        found.append((day, *day_bounds_s(day, zone)))
        day += timedelta(days=1)
    return found
