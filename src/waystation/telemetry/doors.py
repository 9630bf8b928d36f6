"""What the doors of a space did, read from the log: openings, what probes rose by, the excursions they explain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.db.models import Q

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.registry.models import Sensor, Space
from waystation.telemetry import proving, reader
from waystation.telemetry.models import Excursion
from waystation.telemetry.rules import doors as rules
from waystation.telemetry.rules.doors import Effect, Opening
from waystation.telemetry.setup import hold_of, judging_profile

DOOR = "door open"
LOOK_BACK, LOOK_ON = timedelta(hours=2), timedelta(hours=1)
LONGEST_LOOK = timedelta(days=8)


@dataclass(frozen=True, slots=True)
class DoorActivity:
    """Openings of a space over a period with their effects; `coupling` is the correlation of length and rise."""

    has_door: bool
    effects: tuple[Effect, ...]
    coupling: float | None

    @property
    def open_s(self) -> float:
        """Seconds that a door stood open."""
        return sum(e.opening.open_s for e in self.effects)


@dataclass(frozen=True, slots=True)
class _Read:
    doors: tuple[Opening, ...]
    probes: dict[str, list[tuple[float, float]]]
    other: tuple[tuple[float, float], ...]
    has_door: bool


def door_activity(space: Space, start: datetime, end: datetime) -> DoorActivity:
    """The doors of a space over [start, end), of at most the last eight days of it."""
    start = max(start, end - LONGEST_LOOK)
    found = _read(space, start, end)
    told = rules.effects(found.doors, list(found.probes.values()))
    return DoorActivity(found.has_door, tuple(told), rules.coupling(told))


def door_openings_behind(row: Excursion) -> list[Opening]:
    """The openings that explain an excursion, by the readings that are here now; none when they do not."""
    if row.direction != "high" or row.sensor is None:
        return []
    end = row.started_at + LOOK_ON
    found = _read(row.space, row.started_at - LOOK_BACK, end)
    points = found.probes.get(row.sensor.code, [])
    return rules.explains(row.started_at.timestamp(), row.limit_c, points, found.doors, found.other)


def label(by: Authority, row: Excursion, *, now: datetime) -> bool:
    """Name the doors as cause of an excursion, or take that back; True when it was written. Nothing else changes.

    A cause that a person or another rule named stays.
    """
    if row.cause not in ("", DOOR):
        return False
    by.require("platform.operate", row.site_id)
    doors = door_openings_behind(row)
    cause = DOOR if doors else ""
    if cause == row.cause:
        return False
    row.cause = cause
    facts = {"cause": cause, "openings": [[_at(o.start_s), round(o.open_s)] for o in doors]}
    entry = NewEntry("telemetry.excursion_explained", row.pk, by, now, row.site_id, facts=facts)
    record([row], [NewEvent(data=facts)], entry=entry)
    return True


def _read(space: Space, start: datetime, end: datetime) -> _Read:
    mine = Q(space=space, quantity__in=("door", "compressor_fault", "temperature")) | Q(
        site_id=space.site_id, space=None, quantity="power"
    )
    sensors = list(Sensor.objects.filter(mine, site_id=space.site_id, removed_at=None).select_related("space__profile"))
    longest_s = max((hold_of(s) for s in sensors), default=0.0)
    begin_us = int((start.timestamp() - longest_s) * 1e6)
    points = _points(space, sensors, begin_us, int(end.timestamp() * 1e6))
    doors = [s for s in sensors if s.quantity == "door"]
    spans = (start.timestamp(), end.timestamp())
    opened = [o for s in doors for o in rules.openings(points[s.code], hold_of(s), *spans)]
    other = [
        (o.start_s, o.end_s)
        for s in sensors
        if s.quantity in ("compressor_fault", "power")
        for o in rules.openings(_bad(s, points[s.code]), hold_of(s), *spans)
    ]
    judging = {s.code: points[s.code] for s in sensors if judging_profile(s) is not None}
    return _Read(tuple(sorted(opened, key=lambda o: o.start_s)), judging, tuple(other), bool(doors))


def _bad(sensor: Sensor, points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """1 while another cause is there: a fault that is told, or mains that are lost."""
    return [(at, float(not v)) if sensor.quantity == "power" else (at, v) for at, v in points]


def _points(space: Space, sensors: Sequence[Sensor], from_us: int, to_us: int) -> dict[str, list[tuple[float, float]]]:
    added = proving.corrections([s for s in sensors if s.quantity == "temperature"])
    found: dict[str, list[tuple[float, float]]] = {s.code: [] for s in sensors}
    for one in reader.readings(space.site_id, list(found), from_us, to_us):
        if one.value is not None:
            at_s = one.observed_us / 1e6
            add = added[one.sensor].at(at_s) if one.sensor in added else 0.0
            found[one.sensor].append((at_s, one.value + add))
    return found


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
