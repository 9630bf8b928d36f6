"""What a chart of a space shows: lines that break at gaps, lanes of events, the verdict and its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from waystation.registry.models import Sensor, Space
from waystation.telemetry import proving, reader, retention
from waystation.telemetry.rules.thinning import BUCKET_US
from waystation.telemetry.setup import hold_of, judging_profile

LANES = ("door", "compressor", "defrost", "power")
AT_FULL_RATE = timedelta(hours=48)  # a longer chart is drawn by five minutes
BUCKET_S = BUCKET_US / 1e6


@dataclass(frozen=True, slots=True)
class Line:
    """A sensor's readings as unbroken pieces of (Unix seconds, degrees Celsius).

    Drawn by five minutes, a bucket is its lowest and its highest value; then only a silence of five minutes breaks it.
    """

    label: str
    judges: bool
    pieces: tuple[tuple[tuple[float, float], ...], ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """When a state held: door open, compressor running, defrost, power lost."""

    label: str
    stretches: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """A reading of a second source at Unix seconds, degrees Celsius; `is_out` of range."""

    at_s: float
    value_c: float
    is_out: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """Everything that the page of a space draws for a period."""

    start_s: float
    end_s: float
    low_c: float | None
    high_c: float | None
    lines: tuple[Line, ...]
    lanes: tuple[Lane, ...]
    second: tuple[Mark, ...]
    proof: proving.Proof | None
    removed: tuple[str, ...] = ()  # what retention took of what is drawn, in words
    by_buckets: bool = False  # drawn by five minutes, lowest and highest


def chart_of(space: Space, start: datetime, end: datetime) -> Chart:
    """The chart of a space over [start, end]; gaps stay gaps."""
    sensors = [s for s in space.sensors.filter(removed_at=None).select_related("space__profile") if s.unit]
    begin_us, end_us = int(start.timestamp() * 1e6), int(end.timestamp() * 1e6) + 1
    by_buckets = end - start > AT_FULL_RATE
    drawn = _drawn(space.site_id, sensors, begin_us, end_us, by_buckets)
    lines = tuple(_line(s, drawn[s.code]) for s in sensors if s.quantity == "temperature" and s.role != "ambient")
    lanes = tuple(_lane(s, drawn[s.code], end.timestamp()) for name in LANES for s in sensors if s.quantity == name)
    profile, proof = space.profile, proving.prove(space, start, end)
    return Chart(
        start.timestamp(),
        end.timestamp(),
        profile.low_c if profile else None,
        profile.high_c if profile else None,
        tuple(sorted(lines, key=lambda one: not one.judges)),
        lanes,
        _marks(proof, start.timestamp(), end.timestamp()),
        proof,
        _removed(sensors, begin_us, end_us),
        by_buckets,
    )


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A value, corrected, and the Unix seconds from which and (a reading: equal) to which it was measured."""

    start_s: float
    end_s: float
    low: float
    high: float


def _drawn(
    site_id: UUID, sensors: Sequence[Sensor], begin_us: int, end_us: int, by_buckets: bool
) -> dict[str, list[_Stretch]]:
    """What there is of each sensor, in order: readings, or buckets; of a signal that was reduced only buckets."""
    codes, added = [s.code for s in sensors], proving.corrections(sensors)
    found: dict[str, list[_Stretch]] = {code: [] for code in codes}
    if by_buckets:
        buckets = reader.by_buckets(site_id, codes, begin_us, end_us)
    else:
        buckets = reader.reduced_buckets(site_id, codes, begin_us, end_us)
        for row in reader.readings(site_id, codes, begin_us, end_us):
            if row.value is not None:
                at_s = row.observed_us / 1e6
                value = row.value + added[row.sensor].at(at_s)
                found[row.sensor].append(_Stretch(at_s, at_s, value, value))
    for one in buckets:
        if one.low is not None and one.high is not None:
            at_s = one.start_us / 1e6
            more = added[one.sensor].at(at_s)
            found[one.sensor].append(_Stretch(at_s, at_s + BUCKET_S, one.low + more, one.high + more))
    for some in found.values():
        some.sort(key=lambda stretch: stretch.start_s)
    return found


def _removed(sensors: Sequence[Sensor], begin_us: int, end_us: int) -> tuple[str, ...]:
    """One line for each sensor and decision of retention."""
    names = {s.code: s.name for s in sensors}
    found = retention.gone(sensors[0].site_id, list(names), begin_us, end_us) if sensors else []
    return tuple(dict.fromkeys(f"{names[g.sensor]}: {g.words}" for g in found))


def _marks(proof: proving.Proof | None, start_s: float, end_s: float) -> tuple[Mark, ...]:
    if proof is None:
        return ()
    return tuple(
        Mark(reading.at_s, reading.value_c, is_out(proof, reading.value_c))
        for source in proof.second
        for reading in source.series.readings
        if start_s <= reading.at_s <= end_s
    )


def is_out(proof: proving.Proof, value_c: float) -> bool:
    """True when a value is outside the limits that the proof was judged by."""
    return not proof.limits_c[0] <= value_c <= proof.limits_c[1]


def _line(sensor: Sensor, drawn: Sequence[_Stretch]) -> Line:
    hold_s = hold_of(sensor)
    pieces: list[list[tuple[float, float]]] = []
    until_s = float("-inf")
    for one in drawn:
        if one.start_s - until_s > hold_s:
            pieces.append([])
        pieces[-1] += _points(one)
        until_s = one.end_s
    return Line(sensor.name, judging_profile(sensor) is not None, tuple(tuple(p) for p in pieces))


def _points(one: _Stretch) -> list[tuple[float, float]]:
    """One point, or two in the order of time: lowest, then highest, a quarter from each end."""
    length_s = one.end_s - one.start_s
    if one.low == one.high:
        return [(one.start_s + length_s / 2, one.low)]
    return [(one.start_s + length_s / 4, one.low), (one.end_s - length_s / 4, one.high)]


def _lane(sensor: Sensor, drawn: Sequence[_Stretch], end_s: float) -> Lane:
    """When the state held; drawn by five minutes, all five in which it did."""
    hold_s, found = hold_of(sensor), list[tuple[float, float]]()
    for number, one in enumerate(drawn):
        if not one.high:
            continue
        following_s = drawn[number + 1].start_s if number + 1 < len(drawn) else end_s
        until = one.end_s if one.end_s > one.start_s else min(one.end_s + hold_s, following_s)
        if found and one.start_s <= found[-1][1]:
            found[-1] = (found[-1][0], until)
        else:
            found.append((one.start_s, until))
    return Lane(sensor.name, tuple(found))


def recent(codes: Mapping[UUID, Sequence[str]], start: datetime, end: datetime) -> dict[str, list[tuple[float, float]]]:
    """Corrected values of some sensors, by code, as (Unix seconds, value) in order; `codes` by site.

    One pass over the log's tail for all sites, so that a list of many places stays cheap.
    """
    wanted = {code for some in codes.values() for code in some}
    begin_us, end_us = int(start.timestamp() * 1e6), int(end.timestamp() * 1e6) + 1
    added = proving.corrections(list(Sensor.objects.filter(code__in=wanted)))
    found: dict[str, list[tuple[float, float]]] = {code: [] for code in wanted}
    for row in reader.readings_of_sites(codes, begin_us, end_us):
        if row.value is not None:
            at_s = row.observed_us / 1e6
            found[row.sensor].append((at_s, row.value + added[row.sensor].at(at_s)))
    return found
