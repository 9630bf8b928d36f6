"""A second source beside the probes of a space: hand readings, a backup logger's file. It may cover a silence.

It never hides what a probe says: only time that no reading of a probe covers can be covered, and only by a reading
that itself proves. A reading out of range counts, whatever else is known of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.verdict import Kind, SensorJudgement, Stretch

USUAL_HOLD_S = 1800.0
LONGEST_HOLD_S = 7200.0
WITHIN_MEMORY_S = 1.0  # a memory out of range stands this long before the instant at which it was read
OUT = (Kind.LOW, Kind.HIGH)


@dataclass(frozen=True, slots=True)
class SecondReading:
    """A temperature at an instant. `certified`: the instrument's certificate was valid then. `words` say whose."""

    at_s: float
    value_c: float
    certified: bool
    words: str


@dataclass(frozen=True, slots=True)
class Piece:
    """The part of the period for which the readings of one instant stand; of no length when they only count."""

    start_s: float
    end_s: float
    proves: bool
    reading: SecondReading


def values_of(
    at_s: float, value_c: float, memory: tuple[float, float, float] | None, hold_s: float, profile: Profile
) -> list[tuple[float, float]]:
    """The readings that a hand reading stands for, as (instant, value): the value, and what the instrument remembers.

    `memory` is (since, lowest, highest). In range it covers the time since then, at most `hold_s` back. Out of range
    it says that the space was out, not when: its extremes stand in the last second before, and no time is covered.
    """
    found = [(at_s, value_c)]
    if memory is not None:
        since_s, *extremes = memory
        outside = [value for value in extremes if profile.is_outside(value)]
        begin_s = at_s - WITHIN_MEMORY_S if outside else max(since_s, at_s - hold_s)
        found += [(begin_s, value) for value in outside or extremes]
    return found


def pieces(
    readings: Sequence[SecondReading], profile: Profile, hold_s: float, period: tuple[float, float], *, allowed: bool,
    closed: bool,
) -> list[Piece]:  # fmt: skip
    """What the readings cover inside the period, in order. `closed`: the last reading of all covers nothing.

    Where one instant has several readings all of them must prove; the one furthest out speaks.
    """
    begin_s, end_s = period
    ordered = sorted(readings, key=lambda r: r.at_s)
    moments = [(at_s, list(found)) for at_s, found in groupby(ordered, key=lambda r: r.at_s)]
    found = []
    for number, (at_s, held) in enumerate(moments):
        following = moments[number + 1][0] if number + 1 < len(moments) else at_s if closed else end_s
        start_s, until_s = max(at_s, begin_s), min(at_s + hold_s, max(following, at_s), end_s)
        if until_s > start_s or begin_s <= at_s <= end_s:
            worst = max(held, key=lambda r: max(profile.low_c - r.value_c, r.value_c - profile.high_c))
            proves = allowed and all(r.certified and _is_provable(profile, r.value_c) for r in held)
            found.append(Piece(start_s, max(until_s, start_s), proves, worst))
    return found


def _is_provable(profile: Profile, value_c: float) -> bool:
    return profile.band_low_c <= value_c <= profile.band_high_c


def silences(sensors: Iterable[SensorJudgement]) -> list[tuple[float, float]]:
    """When at least one sensor was silent, without overlaps."""
    return union((g.start_s, g.end_s) for sensor in sensors for g in sensor.gaps)


def covered(timeline: Sequence[Stretch], proven: Sequence[tuple[float, float]]) -> tuple[Stretch, ...]:
    """A sensor's timeline in which gaps are proven where a second source proves them; nothing else changes."""
    found: list[Stretch] = []
    for stretch in timeline:
        if stretch.kind != Kind.GAP:
            found.append(stretch)
            continue
        at_s = stretch.start_s
        for start_s, end_s in overlaps((stretch.start_s, stretch.end_s), proven):
            if start_s > at_s:
                found.append(Stretch(at_s, start_s, Kind.GAP))
            found.append(Stretch(start_s, end_s, Kind.PROVEN))
            at_s = end_s
        if at_s < stretch.end_s:
            found.append(Stretch(at_s, stretch.end_s, Kind.GAP))
    return tuple(found)


def union(spans: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Spans in order, joined where they touch; those of no length are left out."""
    found: list[tuple[float, float]] = []
    for start_s, end_s in sorted(spans):
        if end_s <= start_s:
            continue
        if found and start_s <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end_s))
        else:
            found.append((start_s, end_s))
    return found


def overlaps(span: tuple[float, float], others: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The parts of a span that lie in the others; those are in order and do not overlap."""
    for start_s, end_s in others:
        if start_s < span[1] and end_s > span[0]:
            yield max(start_s, span[0]), min(end_s, span[1])


def without(span: tuple[float, float], others: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The parts of a span that lie in none of the others; those are in order and do not overlap."""
    at_s = span[0]
    for start_s, end_s in overlaps(span, others):
        if start_s > at_s:
            yield at_s, start_s
        at_s = end_s
    if at_s < span[1]:
        yield at_s, span[1]
