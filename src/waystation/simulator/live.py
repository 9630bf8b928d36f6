"""A demo that goes on: gateways send over HTTP at the machine's pace, and the platform's loops run."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import FrameType

from django.conf import settings

from waystation import wiring
from waystation.access import queries as principals
from waystation.alarms import actions as alarms
from waystation.evidence import beats, outbox, sequencer, stream
from waystation.journeys import runs, webhooks
from waystation.journeys.reading import Rounds
from waystation.simulator.gateways import HttpUplink, Pace
from waystation.simulator.network import load
from waystation.simulator.setup import known_machines
from waystation.simulator.world import Delivery, World
from waystation.telemetry.hours import Hours


def live(scenario: Path, *, url: str, seed: int, boots: Mapping[str, int]) -> None:
    """Live on until SIGTERM from where `boots` of the day of `seed` ended. The clock is the demo's, by its offset."""
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    clock = wiring.clock()
    began = clock.now().replace(second=0, microsecond=0)
    network = load(scenario)
    world = World(network, seed=seed + 1, start=began, pace=Pace(), key_seed=seed, boots=boots)
    world.enrol(known_machines())
    uplink, rounds, system = HttpUplink(base_url=url), Rounds(), principals.system_authority("live")
    hours = Hours()
    ticked = checked = datetime.min.replace(tzinfo=UTC)
    while not stop.is_set():
        now = clock.now()
        for due in world.step(now):
            if isinstance(due, Delivery):
                due.send(uplink)
        rounds.judge_waiting(now)
        stream.order()
        if now - ticked >= timedelta(seconds=30):
            ticked = now
            rounds.tick(now)
            alarms.due(system, now=now)
            runs.advance(system, wiring.actuator(), now=now)
            outbox.deliver(now, wiring.transport)
            _send_webhooks(now)
            _keep_hours(hours, now)
        if now - checked >= timedelta(seconds=10):
            checked = now
            sequencer.run(now)
            if beats.lease("live", "demo", now, timedelta(minutes=1)):
                beats.beat("live", "demo", now, timedelta(minutes=1))
        time.sleep(0.5)


def _send_webhooks(now: datetime) -> None:
    begin = time.monotonic()
    days = timedelta(days=settings.WEBHOOK_PAUSE_DAYS)
    webhooks.send_out(now, wiring.webhook, days, lambda: time.monotonic() - begin > 2)


def _keep_hours(hours: Hours, now: datetime) -> None:
    begin = time.monotonic()
    hours.keep(principals.system_authority("hours"), now, lambda: time.monotonic() - begin > 2)
