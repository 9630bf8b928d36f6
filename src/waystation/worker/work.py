"""Which loops there are."""

from __future__ import annotations

from datetime import datetime

from waystation import wiring
from waystation.access.queries import system_authority
from waystation.evidence import outbox, sequencer
from waystation.telemetry.actions.seal import seal
from waystation.worker.loops import Loop


def all_loops() -> list[Loop]:
    """Every loop of the platform, in the order in which a round runs them."""
    return [
        Loop("outbox", 1.0, deliver),
        Loop("sequencer", 2.0, sequencer.run),
        Loop("sealer", 3600.0, seal_readings),
    ]


def deliver(now: datetime) -> int:
    """Hand due messages to their transports."""
    return outbox.deliver(now, wiring.transport)


def seal_readings(now: datetime) -> int:
    """Seal the log files that are judged."""
    return seal(system_authority("sealer"), now=now)
