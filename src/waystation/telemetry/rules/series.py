"""A sensor's readings as judging sees them: usable values, one moment per instant, how long one may hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from math import isfinite
from typing import NamedTuple

SHORTEST_DEFAULT_HOLD_S = 900.0
LONGEST_DEFAULT_HOLD_S = 7200.0


class Reading(NamedTuple):
    """One reading: Unix seconds, and degrees Celsius or None where the sensor measured nothing."""

    at_s: float
    value_c: float | None


class Moment(NamedTuple):
    """All usable values of one instant. Judging needs only the outermost two."""

    at_s: float
    coldest_c: float
    hottest_c: float


def is_usable(value_c: float | None) -> bool:
    """True for a finite number. None, NaN and infinities are no measurement: never zero, never carried."""
    return value_c is not None and isfinite(value_c)


def in_order(readings: Iterable[Reading]) -> list[Reading]:
    """The readings by instant; order of arrival does not matter."""
    return sorted(readings, key=lambda reading: reading[0])


def moments(readings: Iterable[Reading]) -> list[Moment]:
    """The usable readings as moments in order of time; several values of one instant become one moment."""
    found: list[Moment] = []
    last_at: float | None = None
    for at_s, value in in_order(readings):
        if value is None or not isfinite(value):
            continue
        if at_s == last_at:
            before = found[-1]
            found[-1] = Moment(at_s, min(before.coldest_c, value), max(before.hottest_c, value))
        else:
            found.append(Moment(at_s, value, value))
            last_at = at_s
    return found


def median_interval_s(instants: Sequence[float]) -> float | None:
    """The median difference of neighbouring distinct instants (ascending); None for fewer than two."""
    gaps = sorted(b - a for a, b in pairwise(instants))
    if not gaps:
        return None
    middle = len(gaps) // 2
    return gaps[middle] if len(gaps) % 2 else (gaps[middle - 1] + gaps[middle]) / 2


def default_hold_s(instants: Sequence[float]) -> float:
    """How long a reading may stand for the time after it: twice the median interval, from 900 s to 7200 s."""
    median = median_interval_s(instants)
    if median is None:
        return SHORTEST_DEFAULT_HOLD_S
    return min(max(SHORTEST_DEFAULT_HOLD_S, 2 * median), LONGEST_DEFAULT_HOLD_S)
