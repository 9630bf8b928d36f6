"""Messages of a broker in: read by the envelope of their topic, placed as lines are, durable when this returns."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from waystation.kernel.authority import Authority
from waystation.telemetry import stores
from waystation.telemetry.actions.lines import Written, placed
from waystation.telemetry.names import Names
from waystation.telemetry.ports import Envelope
from waystation.telemetry.rules.messages import demand_instant
from waystation.telemetry.rules.points import LineError, Point

log = logging.getLogger("waystation.mqtt")


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came."""

    topic: str
    payload: bytes


def take(
    by: Authority,
    messages: Sequence[Message],
    envelopes: Sequence[Envelope],
    names: Names,
    *,
    source_class: str,
    now: datetime,
) -> Written:
    """Take a group of messages with one append. A message that cannot be read is named in the process's log.

    Raises Unavailable when nothing can be stored: then none of them may be acknowledged.
    """
    by.require("telemetry.ingest")
    now_us = round(now.timestamp() * 1e6)
    points: list[Point] = []
    errors: list[LineError] = []
    for number, message in enumerate(messages, start=1):
        try:
            points += _points(number, message, envelopes, now_us)
        except (ValueError, RecursionError) as error:
            errors.append(LineError(number, str(error)))
    made = placed(by, points, errors, names, source_class=source_class, now=now)
    if made.frames:
        stores.log().append(made.frames)
    for refused in made.written.refused:
        log.warning("message on %r was not taken: %s", messages[refused.line - 1].topic[:120], refused.reason)
    return made.written


def _points(number: int, message: Message, envelopes: Sequence[Envelope], now_us: int) -> list[Point]:
    for envelope in envelopes:
        if any(fits(wanted, message.topic) for wanted in envelope.filters):
            found = envelope.read(message.topic, message.payload, now_us)
            for point in found:
                demand_instant(point, now_us)
            return [Point(number, p.measurement, p.tags, p.fields, p.at_us) for p in found]
    raise ValueError("no envelope has this topic")


def fits(wanted: str, topic: str) -> bool:
    """Whether a topic is one of those that a subscription names (`+` one level, `#` all that follow)."""
    levels, mine = wanted.split("/"), topic.split("/")
    if levels[-1] == "#":
        levels, mine = levels[:-1], mine[: len(levels) - 1]
    return len(levels) == len(mine) and all(a in ("+", b) for a, b in zip(levels, mine, strict=True))
