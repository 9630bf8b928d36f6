"""The hours of a verdict: how much of each UTC hour of a space was proven, was out; the rest is not proven.

A set of hours of a day is an integer, bit 0 for the hour from 00:00 UTC. The hours of a day's spaces are plain values
that a database keeps: `{space: [set of judged hours, {hour: [proven, out]}]}` in microseconds, where an hour that is
judged and not named was proven whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from waystation.telemetry.rules.verdict import Kind, Stretch

HOUR_US = 3_600_000_000
DAY_HOURS = 24
ALL_DAY = (1 << DAY_HOURS) - 1
_OUT = (Kind.LOW, Kind.HIGH)

Kept = dict[str, tuple[int, dict[str, list[int]]]]


class Split(NamedTuple):
    """One hour of one space: microseconds proven in range, and out of range; the rest of the hour is not proven."""

    proven_us: int
    out_us: int

    @property
    def unproven_us(self) -> int:
        """What is left of the hour."""
        return HOUR_US - self.proven_us - self.out_us


class Sums(NamedTuple):
    """Judged hours of spaces added up: how many, and microseconds by verdict; the rest of them is not proven."""

    space_hours: int = 0
    proven_us: int = 0
    out_us: int = 0

    @property
    def unproven_us(self) -> int:
        """What is left of the hours."""
        return self.space_hours * HOUR_US - self.proven_us - self.out_us

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(*(a + b for a, b in zip(self, other, strict=True)))

    def minus(self, other: Sums) -> Sums:
        """This without the other, which is part of it."""
        return Sums(*(a - b for a, b in zip(self, other, strict=True)))


WHOLE = Split(HOUR_US, 0)


def between(first: int, last: int) -> int:
    """The set of the hours first to last of a day, the last one left out; what lies outside the day is cut off."""
    first, last = max(first, 0), min(last, DAY_HOURS)
    return ((1 << (last - first)) - 1) << first if last > first else 0


def members(hours: int) -> list[int]:
    """The hours of a set in order."""
    return [hour for hour in range(DAY_HOURS) if hours >> hour & 1]


def runs(hours: int) -> list[tuple[int, int]]:
    """A set as unbroken runs (first, behind the last)."""
    found: list[tuple[int, int]] = []
    for hour in members(hours):
        if found and found[-1][1] == hour:
            found[-1] = (found[-1][0], hour + 1)
        else:
            found.append((hour, hour + 1))
    return found


def cut(timeline: Iterable[Stretch], start_us: int, hours: int) -> list[Split]:
    """A timeline that covers `hours` full hours from `start_us` on, hour by hour. Nothing is rounded up to proven."""
    proven, out = [0] * hours, [0] * hours
    for begin_s, end_s, kind in timeline:
        into = proven if kind is Kind.PROVEN else out if kind in _OUT else None
        at, end = round(begin_s * 1e6), round(end_s * 1e6)
        while into is not None and at < end:
            number = (at - start_us) // HOUR_US
            until = min(end, start_us + (number + 1) * HOUR_US)
            into[number] += until - at
            at = until
    return [Split(a, b) for a, b in zip(proven, out, strict=True)]


def with_hours(kept: Kept, hours: int, found: Mapping[str, Mapping[int, Split]]) -> Kept:
    """What is kept after these hours were judged; a space that `found` does not name had no judging sensor in them."""
    left = without_hours(kept, hours)
    for space, splits in found.items():
        judged, odd = left.get(space, (0, {}))
        for hour, split in splits.items():
            judged |= 1 << hour
            if split != WHOLE:
                odd = odd | {str(hour): [split.proven_us, split.out_us]}
        if judged:
            left[space] = (judged, odd)
    return left


def without_hours(kept: Kept, hours: int) -> Kept:
    """What is kept when these hours are no longer believed."""
    gone = {str(hour) for hour in members(hours)}
    left = {s: (judged & ~hours, {h: v for h, v in odd.items() if h not in gone}) for s, (judged, odd) in kept.items()}
    return {space: (judged, odd) for space, (judged, odd) in left.items() if judged}


def sums(kept: Kept, hours: int = ALL_DAY) -> Sums:
    """The sums of those hours over all spaces."""
    count, proven, out = 0, 0, 0
    for judged, odd in kept.values():
        inside = (judged & hours).bit_count()
        count += inside
        proven += inside * HOUR_US
        for hour, (proven_us, out_us) in odd.items():
            if judged & hours & 1 << int(hour):
                proven += proven_us - HOUR_US
                out += out_us
    return Sums(count, proven, out)


def split_of(judged: int, odd: Mapping[str, list[int]], hour: int) -> Split | None:
    """One hour of a space; None where no sensor judged it, or it is not kept."""
    if not judged >> hour & 1:
        return None
    held = odd.get(str(hour))
    return WHOLE if held is None else Split(*held)
