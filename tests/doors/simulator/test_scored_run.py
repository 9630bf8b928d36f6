"""A run against the product's own telemetry, scored against the truth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from django.db import transaction

from tests.conftest import ROOT
from waystation.access.queries import system_authority
from waystation.kernel.refusals import Refusal
from waystation.simulator import events as e
from waystation.simulator.gateways import Answer, Batch
from waystation.simulator.network import load
from waystation.simulator.setup import Built, build
from waystation.simulator.world import Delivery, World
from waystation.telemetry import stores
from waystation.telemetry.actions import ingest
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import DeviceHead, Excursion

CORDOBA = load(ROOT / "scenarios" / "iberia" / "network.json").only("cordoba")


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Log and segments go to the test's own folder."""
    settings.DATA = tmp_path
    yield tmp_path
    stores._log.cache_clear()


class Direct:
    """The product's ingest without HTTP between: the same action that the API calls."""

    def __init__(self, now: datetime) -> None:
        self.now, self.unknown = now, set[str]()

    def post(self, machine: str, batch: Batch) -> Answer:
        """What the product says of the batch."""
        try:
            _, accepted = ingest.signed_batch(UUID(machine), batch.body, batch.signature, now=self.now)
        except Refusal as refusal:
            return Answer(refusal.status)
        self.unknown |= set(accepted.unknown)
        return Answer(202)


def run(world: World, until: datetime) -> tuple[Direct, Engine]:
    """Live to `until`: each delivery is taken in and judged at its instant."""
    uplink, engine, by = Direct(world.now), Engine(), system_authority("test")
    for due in world.step(until):
        if isinstance(due, Delivery):
            uplink.now = due.at
            assert due.send(uplink).is_accepted
            while waiting := engine.waiting():
                with transaction.atomic():
                    engine.judge(by, waiting, now=due.at)
    return uplink, engine


def world_of(now: datetime, *script: e.Event) -> tuple[World, Built]:
    """Córdoba in the product and alive, its gateway enrolled."""
    built = build(CORDOBA, now=now, seed=7)
    world = World(CORDOBA, seed=7, start=now)
    world.enrol(built.machines)
    world.script(*script)
    return world, built


def test_jnt_10_what_the_product_finds_is_what_happened(db: None, now: datetime) -> None:
    """A controller fails: telemetry finds that excursion within minutes of its true begin, and no other."""
    failed = e.compressor_controller_failed("cordoba", "fridge-2", now + timedelta(minutes=5))
    mended = e.controller_replaced("cordoba", "fridge-2", now + timedelta(hours=3))
    world, built = world_of(now, failed, mended)
    until = now + timedelta(hours=7)
    uplink, _ = run(world, until)
    (true,) = world.truth("cordoba/fridge-2", now, until)
    found = list(Excursion.objects.filter(superseded_at=None).order_by("started_at"))
    assert {x.space_id for x in found} == {built.spaces["cordoba/fridge-2"]}
    assert {x.direction for x in found} == {"high"}
    began = datetime.fromtimestamp(true.begin_min * 60, tz=now.tzinfo)
    assert abs((found[0].started_at - began).total_seconds()) <= 15 * 60
    assert max(x.peak_c for x in found) == pytest.approx(true.peak_c, abs=0.3)
    ended = [x.ended_at for x in found if x.ended_at is not None]
    assert len(ended) == len(found)
    assert abs((max(ended) - began).total_seconds() - 60 * true.minutes) <= 15 * 60
    assert sum(x.measured_s for x in found if x.sensor == found[0].sensor) == pytest.approx(60 * true.minutes, rel=0.15)
    assert uplink.unknown == set()


def test_tel_06_a_cut_leaves_no_break_in_the_sequence(db: None, now: datetime) -> None:
    """After an hour without WAN the product has every number, and finds nothing wrong with the spaces."""
    world, built = world_of(now, e.wan_cut("cordoba", now + timedelta(minutes=20), now + timedelta(minutes=80)))
    run(world, now + timedelta(minutes=110))
    head = DeviceHead.objects.get(machine_id=built.machines["cordoba"])
    assert head.breaks == []
    assert head.boot == 1
    assert head.seq > 110 * 20
    assert not Excursion.objects.exists()
