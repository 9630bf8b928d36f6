"""What a chart of a space shows: lines that break at gaps, lanes of events, the verdict and its reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from waystation.registry.models import Sensor, Space
from waystation.telemetry import proving, reader
from waystation.telemetry.models import Calibration
from waystation.telemetry.setup import hold_of, judging_profile

LANES = ("door", "compressor", "defrost", "power")


@dataclass(frozen=True, slots=True)
class Line:
    """A sensor's readings as unbroken pieces of (Unix seconds, degrees Celsius)."""

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


def chart_of(space: Space, start: datetime, end: datetime) -> Chart:
    """The chart of a space over [start, end]; gaps stay gaps."""
    sensors = [s for s in space.sensors.filter(removed_at=None).select_related("space__profile") if s.unit]
    begin_us, end_us = int(start.timestamp() * 1e6), int(end.timestamp() * 1e6) + 1
    rows = reader.readings(space.site_id, [s.code for s in sensors], begin_us, end_us)
    points: dict[str, list[tuple[float, float]]] = {s.code: [] for s in sensors}
    for row in rows:
        if row.value is not None:
            points[row.sensor].append((row.observed_us / 1e6, row.value))
    lines = tuple(_line(s, points[s.code]) for s in sensors if s.quantity == "temperature" and s.role != "ambient")
    lanes = tuple(_lane(s, points[s.code], end.timestamp()) for name in LANES for s in sensors if s.quantity == name)
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
    )


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


def _line(sensor: Sensor, points: Sequence[tuple[float, float]]) -> Line:
    hold_s = hold_of(sensor)
    pieces: list[list[tuple[float, float]]] = []
    for point in points:
        if pieces and point[0] - pieces[-1][-1][0] <= hold_s:
            pieces[-1].append(point)
        else:
            pieces.append([point])
    return Line(sensor.name, judging_profile(sensor) is not None, tuple(tuple(p) for p in pieces))


def _lane(sensor: Sensor, points: Sequence[tuple[float, float]], end_s: float) -> Lane:
    hold_s, found = hold_of(sensor), list[tuple[float, float]]()
    for number, (at_s, value) in enumerate(points):
        if not value:
            continue
        until = min(at_s + hold_s, points[number + 1][0] if number + 1 < len(points) else end_s)
        if found and at_s <= found[-1][1]:
            found[-1] = (found[-1][0], until)
        else:
            found.append((at_s, until))
    return Lane(sensor.name, tuple(found))


def recent(codes: Mapping[UUID, Sequence[str]], start: datetime, end: datetime) -> dict[str, list[tuple[float, float]]]:
    """Corrected values of some sensors, by code, as (Unix seconds, value) in order; `codes` by site.

    One pass over the log's tail for all sites, so that a list of many places stays cheap.
    """
    wanted = {code for some in codes.values() for code in some}
    begin_us, end_us = int(start.timestamp() * 1e6), int(end.timestamp() * 1e6) + 1
    bound = Calibration.objects.filter(sensor__code__in=wanted, unbound_at=None)
    offsets: dict[str, float] = dict(bound.values_list("sensor__code", "offset_c"))
    found: dict[str, list[tuple[float, float]]] = {code: [] for code in wanted}
    for row in reader.readings_of_sites(codes, begin_us, end_us):
        if row.value is not None:
            found[row.sensor].append((row.observed_us / 1e6, row.value + offsets.get(row.sensor, 0.0)))
    return found
