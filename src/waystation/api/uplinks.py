"""Uplinks of LoRaWAN network servers by webhook: what they would write to a broker, as a POST of the same JSON."""

from __future__ import annotations

import json
from functools import lru_cache

from django.http import HttpRequest
from ninja import Router, Schema, Status

from waystation import wiring
from waystation.api.auth import by
from waystation.kernel.refusals import BadInput
from waystation.telemetry.actions.lines import SOURCE_CLASS, too_large
from waystation.telemetry.actions.messages import Message, take
from waystation.telemetry.names import Names
from waystation.telemetry.rules.batch import MOST_BYTES

router = Router()


class TakenOut(Schema):
    """What became of an uplink: readings of sensors, readings that wait in the discovery list, ignored by rule."""

    readings: int
    waiting: int
    ignored: int


@router.post("/uplinks/chirpstack", response={202: TakenOut})
def chirpstack(request: HttpRequest, event: str = "up") -> Status[TakenOut]:
    """ChirpStack's HTTP integration (JSON). Events other than uplinks are taken note of by nobody."""
    device = _member(request.body, "deviceInfo", "devEui")
    return _taken(request, f"application/0/device/{device}/event/{event}") if event == "up" else _nothing()


@router.post("/uplinks/the-things-stack", response={202: TakenOut})
def the_things_stack(request: HttpRequest) -> Status[TakenOut]:
    """A webhook of The Things Stack for uplink messages (JSON)."""
    device = _member(request.body, "end_device_ids", "device_id")
    return _taken(request, f"v3/webhook/devices/{device}/up")


def _taken(request: HttpRequest, topic: str) -> Status[TakenOut]:
    if len(request.body) > MOST_BYTES:
        raise too_large(len(request.body))
    message = Message(topic, request.body)
    written = take(
        by(request), [message], wiring.envelopes(), _names(), source_class=SOURCE_CLASS, now=wiring.clock().now()
    )
    written.demand_whole()
    return Status(202, TakenOut(readings=written.readings, waiting=written.waiting, ignored=written.ignored))


def _nothing() -> Status[TakenOut]:
    return Status(202, TakenOut(readings=0, waiting=0, ignored=0))


def _member(body: bytes, group: str, name: str) -> str:
    """The device that a message is of, for the topic that it would have had."""
    try:
        found = json.loads(body)[group][name]
    except (ValueError, KeyError, TypeError, RecursionError):
        found = None
    if not isinstance(found, str) or not found or "/" in found:
        raise BadInput(
            "telemetry.uplink", f"The message has no {group}.{name}.", "Send the network server's JSON.", field=name
        )
    return found


@lru_cache(maxsize=1)
def _names() -> Names:
    return Names()
