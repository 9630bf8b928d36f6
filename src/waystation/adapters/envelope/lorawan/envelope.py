"""LoRaWAN network servers: ChirpStack v4 and The Things Stack v3.

Where a codec of ours knows the device, it reads the frame itself, because makers' codecs give a number also where the
device says that it has no probe. Else what the network server's codec decoded is taken. Times are the network's, and
an uplink that comes twice is told by its device, session and frame count.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Literal

from waystation.adapters.envelope.lorawan.codecs.known import codec_of, decoded
from waystation.telemetry.rules.messages import instant_us, written
from waystation.telemetry.rules.points import Point

MOST_FIELDS = 200


class ChirpStackEnvelope:
    """`application/<id>/device/<dev_eui>/event/up` as JSON. A device tag `site` names the site, `codec` the codec."""

    name = "ChirpStack v4"
    filters = ("application/+/device/+/event/up",)
    clock: Literal["device", "network"] = "network"

    def read(self, topic: str, payload: bytes, now_us: int) -> list[Point]:
        """Every number and truth of the uplink."""
        told = _object(json.loads(payload), "message")
        info = _object(told.get("deviceInfo"), "deviceInfo")
        tags = {str(k): str(v) for k, v in _object(info.get("tags") or {}, "tags").items() if v != ""}
        tags |= {"dev_eui": str(info.get("devEui") or topic.split("/")[3]).lower()}
        if name := str(info.get("deviceName") or ""):
            tags["device"] = name
        at_us = instant_us(told["time"]) if told.get("time") else now_us
        decode = codec_of(tags.pop("codec", ""), str(info.get("deviceProfileName") or ""))
        if decode is not None and told.get("data"):
            values = decoded(decode, told.get("fPort"), told["data"])
        else:
            values = _object(told.get("object") or {}, "object")
        once = _once(tags["dev_eui"], told.get("devAddr"), told.get("fCnt"))
        return _points("chirpstack", tags, values, at_us, once)


class ThingsStackEnvelope:
    """`v3/<application>@<tenant>/devices/<device>/up` as JSON. Attributes `site` and `codec` name site and codec."""

    name = "The Things Stack v3"
    filters = ("v3/+/devices/+/up",)
    clock: Literal["device", "network"] = "network"

    def read(self, topic: str, payload: bytes, now_us: int) -> list[Point]:
        """Every number and truth of the uplink."""
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
        made = _object(uplink.get("version_ids") or {}, "version_ids")
        decode = codec_of(str(attributes.get("codec") or ""), f"{made.get('brand_id', '')}-{made.get('model_id', '')}")
        if decode is not None and uplink.get("frm_payload"):
            values = decoded(decode, uplink.get("f_port"), uplink["frm_payload"])
        else:
            values = _object(uplink.get("decoded_payload") or {}, "decoded_payload")
        session = uplink.get("session_key_id") or ids.get("dev_addr")
        once = _once(eui or tags["device"], session, uplink.get("f_cnt", 0 if session else None))
        return _points("things_stack", tags, values, at_us, once)


def _once(device: str, session: object, count: object) -> str:
    """What tells an uplink from every other one; empty when the message does not say."""
    known = isinstance(count, int) and not isinstance(count, bool) and isinstance(session, str) and session
    return f"{device}/{session}/{count}"[:200] if known else ""


def _points(measurement: str, tags: dict[str, str], values: Mapping[str, Any], at_us: int, once: str) -> list[Point]:
    fields = dict(_leaves(values))
    if len(fields) > MOST_FIELDS:
        raise ValueError(f"the codec gave {len(fields)} values")
    return [Point(0, measurement, tags, fields, at_us, once)] if fields else []


def _leaves(values: Mapping[str, Any], lead: str = "") -> Iterator[tuple[str, str]]:
    """Nested members by their path; texts and lists are no readings."""
    for key, value in values.items():
        name = f"{lead}{key}"
        if isinstance(value, dict) and lead.count(".") < 4:
            yield from _leaves(value, f"{name}.")
        elif value is None or isinstance(value, int | float):
            yield name, written(value)


def _object(value: object, name: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no object")
    return value
