"""LoRaWAN network servers: ChirpStack v4 and The Things Stack v3, with what their codecs decoded."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from waystation.telemetry.rules.messages import instant_us, written
from waystation.telemetry.rules.points import Point

MOST_FIELDS = 200


class ChirpStackEnvelope:
    """`application/<id>/device/<dev_eui>/event/up` as JSON. A device tag `site` names the site."""

    name = "ChirpStack v4"
    filters = ("application/+/device/+/event/up",)

    def read(self, topic: str, payload: bytes, now_us: int) -> list[Point]:
        """Every number and truth that the codec decoded."""
        told = _object(json.loads(payload), "message")
        info = _object(told.get("deviceInfo"), "deviceInfo")
        tags = {str(k): str(v) for k, v in _object(info.get("tags") or {}, "tags").items() if v != ""}
        tags |= {"dev_eui": str(info.get("devEui") or topic.split("/")[3]).lower()}
        if name := str(info.get("deviceName") or ""):
            tags["device"] = name
        at_us = instant_us(told["time"]) if told.get("time") else now_us
        return _points("chirpstack", tags, _object(told.get("object") or {}, "object"), at_us)


class ThingsStackEnvelope:
    """`v3/<application>@<tenant>/devices/<device>/up` as JSON."""

    name = "The Things Stack v3"
    filters = ("v3/+/devices/+/up",)

    def read(self, topic: str, payload: bytes, now_us: int) -> list[Point]:
        """Every number and truth that the codec decoded."""
        told = _object(json.loads(payload), "message")
        ids = _object(told.get("end_device_ids"), "end_device_ids")
        uplink = _object(told.get("uplink_message"), "uplink_message")
        attributes = _object(uplink.get("attributes") or {}, "attributes")
        tags = {"device": str(ids.get("device_id") or topic.split("/")[3])}
        if eui := str(ids.get("dev_eui") or "").lower():
            tags["dev_eui"] = eui
        if site := str(attributes.get("site") or ""):
            tags["site"] = site
        stamp = uplink.get("received_at") or told.get("received_at")
        at_us = instant_us(stamp) if stamp else now_us
        return _points("things_stack", tags, _object(uplink.get("decoded_payload") or {}, "decoded_payload"), at_us)


def _points(measurement: str, tags: dict[str, str], decoded: Mapping[str, Any], at_us: int) -> list[Point]:
    fields = dict(_leaves(decoded))
    if len(fields) > MOST_FIELDS:
        raise ValueError(f"the codec gave {len(fields)} values")
    return [Point(0, measurement, tags, fields, at_us)] if fields else []


def _leaves(decoded: Mapping[str, Any], lead: str = "") -> Iterator[tuple[str, str]]:
    """Nested members by their path; texts and lists are no readings."""
    for key, value in decoded.items():
        name = f"{lead}{key}"
        if isinstance(value, dict) and lead.count(".") < 4:
            yield from _leaves(value, f"{name}.")
        elif value is None or isinstance(value, int | float):
            yield name, written(value)


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no object")
    return value
