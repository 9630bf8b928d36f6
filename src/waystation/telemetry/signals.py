"""When a two-state signal of a site changed: doors, mains, circuits, compressors, heartbeats."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from waystation.registry.models import Sensor
from waystation.telemetry import reader
from waystation.telemetry.live import NORMAL

MARGIN_US = 3_600_000_000
TWO_STATE = (*NORMAL, "compressor", "defrost", "generator")


@dataclass(frozen=True, slots=True)
class SignalChange:
    """A reading that differs from the one before it, with the batch that brought it."""

    at: datetime
    sensor: str
    name: str
    quantity: str
    space: str
    space_code: str
    value: float
    boot: int
    seq: int


def signal_changes(site_id: UUID, start: datetime, end: datetime) -> list[SignalChange]:
    """The changes in [start, end), oldest first; the reading before the period tells what changed at its beginning."""
    rows = Sensor.objects.filter(site_id=site_id, quantity__in=TWO_STATE).select_related("space")
    sensors = {s.code: s for s in rows}
    first_us = int(start.timestamp() * 1e6)
    stored = reader.readings(site_id, list(sensors), first_us - MARGIN_US, int(end.timestamp() * 1e6))
    last: dict[str, float] = {}
    found = []
    for row in stored:
        if row.value is None:
            continue
        before, last[row.sensor] = last.get(row.sensor), row.value
        if row.observed_us >= first_us and before is not None and before != row.value:
            sensor = sensors[row.sensor]
            at = datetime.fromtimestamp(row.observed_us / 1e6, UTC)
            place = (sensor.space.name, sensor.space.code) if sensor.space else ("", "")
            found.append(
                SignalChange(at, sensor.code, sensor.name, sensor.quantity, *place, row.value, row.boot, row.seq)
            )
    return sorted(found, key=lambda c: (c.at, c.sensor))
