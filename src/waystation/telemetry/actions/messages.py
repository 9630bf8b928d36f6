"""Messages of a broker in: read by the envelope of their topic, placed as lines are, durable when this returns."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from waystation.kernel.authority import Authority
from waystation.telemetry import stores, taken
from waystation.telemetry.actions.lines import Written, placed
from waystation.telemetry.names import Names
from waystation.telemetry.ports import Envelope
from waystation.telemetry.rules.messages import demand_instant
from waystation.telemetry.rules.points import LineError, Point

NETWORK_TIME = "network_time"  # the source class of a connection that proved itself, with the network's times
NETWORK = ("network", "authenticated_connection")
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
    by.require_somewhere("telemetry.ingest")
    now_us = round(now.timestamp() * 1e6)
    points: dict[str, list[Point]] = {}
    errors: list[LineError] = []
    for number, message in enumerate(messages, start=1):
        try:
            clock, found = _points(number, message, envelopes, now_us)
            points.setdefault(NETWORK_TIME if (clock, source_class) == NETWORK else source_class, []).extend(found)
        except (ValueError, RecursionError) as error:
            errors.append(LineError(number, str(error)))
    fresh = taken.fresh(point.once for some in points.values() for point in some if point.once)
    seen = set[str]()
    made = [
        placed(by, list(_first(some, fresh, seen)), names, source_class=name, now=now) for name, some in points.items()
    ]
    if frames := [frame for one in made for frame in one.frames]:
        stores.log().append(frames)
    written = _together([one.written for one in made], errors)
    refused_lines = {error.line for error in written.refused}
    taken.remember(fresh - {p.once for some in points.values() for p in some if p.line in refused_lines}, now)
    for refused in written.refused:
        log.warning("message on %r was not taken: %s", messages[refused.line - 1].topic[:120], refused.reason)
    return written


def _first(points: Sequence[Point], fresh: set[str], seen: set[str]) -> Iterator[Point]:
    """The points that nobody took before, here or elsewhere; `seen` grows."""
    for point in points:
        if not point.once:
            yield point
        elif point.once in fresh and point.once not in seen:
            seen.add(point.once)
            yield point


def _together(parts: Sequence[Written], errors: Sequence[LineError]) -> Written:
    refused = sorted([*errors, *(one for part in parts for one in part.refused)], key=lambda e: e.line)
    return Written(
        sum(part.readings for part in parts),
        sum(part.waiting for part in parts),
        sum(part.ignored for part in parts),
        tuple(refused),
    )


def _points(
    number: int, message: Message, envelopes: Sequence[Envelope], now_us: int
) -> tuple[Literal["device", "network"], list[Point]]:
    for envelope in envelopes:
        if any(fits(wanted, message.topic) for wanted in envelope.filters):
            found = envelope.read(message.topic, message.payload, now_us)
            for point in found:
                demand_instant(point)
            return envelope.clock, [replace(p, line=number) for p in found]
    raise ValueError("no envelope has this topic")


def fits(wanted: str, topic: str) -> bool:
    """Whether a topic is one of those that a subscription names (`+` one level, `#` all that follow)."""
    levels, mine = wanted.split("/"), topic.split("/")
    if levels[-1] == "#":
        levels, mine = levels[:-1], mine[: len(levels) - 1]
    return len(levels) == len(mine) and all(a in ("+", b) for a, b in zip(levels, mine, strict=True))
