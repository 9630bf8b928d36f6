"""A monitored fridge for tests: readings by the minute, judged by an engine."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import transaction

from tests.samples import a_sensor, a_space
from waystation.access.queries import system_authority
from waystation.registry.models import Sensor, Space
from waystation.telemetry import stores
from waystation.telemetry.actions.ingest import frame_of
from waystation.telemetry.actions.probes import bind_probe
from waystation.telemetry.engine import Engine
from waystation.telemetry.rules.batch import BatchReading


def a_monitored_space(
    now: datetime, probes: int = 1, code: str = "fridge-1", **changes: Any
) -> tuple[Space, list[Sensor]]:
    """A fridge with approved profile, mapping and certified product probes."""
    space = a_space(code=code, **changes)
    assert space.profile is not None
    if space.mapping_due is None:
        space.mapping_due, space.mapping_report = date(2027, 6, 30), "MAP-1"
        space.save()
    if space.profile.approved_at is None:
        space.profile.approved_at = now - timedelta(days=30)
        space.profile.save()
    sensors = [a_sensor(space, f"probe-{n + 1}") for n in range(probes)]
    for number, sensor in enumerate(sensors):
        bind_probe(
            system_authority("test"),
            sensor.pk,
            probe_serial=f"TP-{code}-{number}",
            certificate=f"C-{code}-{number}",
            laboratory="Lab",
            valid_from=now - timedelta(days=100),
            valid_until=now + timedelta(days=265),
            now=now - timedelta(days=2),
        )
    return space, sensors


def minutes(sensor: Sensor, start: datetime, values: Iterable[float | None], *, step_s: int = 60) -> list[BatchReading]:
    """One reading a minute from `start`."""
    begin = round(start.timestamp() * 1e6)
    return [BatchReading(sensor.code, begin + i * step_s * 1_000_000, v, i + 1) for i, v in enumerate(values)]


def deliver(space: Space, readings: list[BatchReading], now: datetime, source_class: str = "signed_batch") -> None:
    """Put readings into the log as one batch."""
    head = {"boot": 1, "digest": "", "previous": ""}
    machine = "00000000-0000-7000-8000-00000000000a"
    received = round(now.timestamp() * 1e6)
    stores.log().append([frame_of(space.site_id, readings, received, source_class, machine, head)])


def judge(engine: Engine, now: datetime) -> int:
    """Judge what waits, each frame in a transaction of its own; returns how many."""
    done = 0
    while waiting := engine.waiting(100):
        for one in waiting:
            with transaction.atomic():
                engine.judge(system_authority("test"), [one], now=now)
            done += 1
    return done
