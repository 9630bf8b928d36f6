"""What devices write to a broker, as they write it: our own topics, Sparkplug B, ChirpStack v4, The Things Stack v3."""

from __future__ import annotations

import json
import struct
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SHARED
from waystation import wiring
from waystation.adapters.envelope.lorawan.envelope import ChirpStackEnvelope, ThingsStackEnvelope
from waystation.adapters.envelope.plain.envelope import PlainEnvelope
from waystation.adapters.envelope.sparkplug.envelope import SparkplugEnvelope, rebirth
from waystation.telemetry.actions.messages import fits
from waystation.telemetry.rules.mapping import value_of
from waystation.telemetry.rules.messages import instant_us

NOW_US = 1_795_000_000_000_000
UPLINKS = SHARED / "protocol_fixtures" / "lorawan" / "uplinks.json"
SPARKPLUG = SHARED / "protocol_fixtures" / "sparkplug_b" / "spec_examples.json"
TYPES = {"int8": 1, "int16": 2, "int32": 3, "int64": 4, "uint8": 5, "uint16": 6, "uint32": 7, "uint64": 8}
TYPES |= {"float": 9, "double": 10, "boolean": 11, "string": 12, "datetime": 13, "dataset": 16, "template": 19}


def _varint(value: int) -> bytes:
    found = bytearray()
    while True:
        found.append(value & 127 | (128 if value > 127 else 0))
        value >>= 7
        if not value:
            return bytes(found)


def _member(number: int, value: Any) -> bytes:
    """A protobuf member, from the wire format's description."""
    if isinstance(value, bytes):
        return _varint(number << 3 | 2) + _varint(len(value)) + value
    return _varint(number << 3) + _varint(int(value))


def _metric(name: str | None, kind: str, value: Any, *, alias: int | None = None, at_ms: int | None = None) -> bytes:
    made = _member(1, name.encode()) if name is not None else b""
    made += _member(2, alias) if alias is not None else b""
    made += _member(3, at_ms) if at_ms is not None else b""
    made += _member(4, TYPES[kind])
    if value is None:
        return made + _member(7, 1)
    if kind == "boolean":
        return made + _member(14, int(value))
    if kind == "float":
        return made + _varint(12 << 3 | 5) + struct.pack("<f", value)
    if kind == "double":
        return made + _varint(13 << 3 | 1) + struct.pack("<d", value)
    if kind == "string":
        return made + _member(15, str(value).encode())
    bits = 64 if kind in ("int64", "uint64", "datetime") else 32
    return made + _member(11 if bits == 64 else 10, int(value) % (1 << bits))


def _payload(*metrics: bytes, at_ms: int = NOW_US // 1000) -> bytes:
    return _member(1, at_ms) + b"".join(_member(2, one) for one in metrics) + _member(3, 0)


def _found(points: list[Any]) -> dict[str, float | None]:
    return {field: value_of(text, "c") for p in points for field, text in p.fields.items()}


def test_int_05_our_own_topic_is_a_reading_of_its_sensor() -> None:
    """Site and sensor from the topic, instant and value from the message; null is nothing measured."""
    envelope = PlainEnvelope()
    body = json.dumps({"t": "2026-11-17T06:00:00.123456789+01:00", "v": 4.25, "seq": 7}).encode()
    (point,) = envelope.read("waystation/cordoba/fridge.probe", body, NOW_US)
    assert point.tags == {"site": "cordoba", "sensor": "fridge.probe"}
    assert point.at_us == instant_us("2026-11-17T05:00:00.123456Z")
    assert _found([point]) == {"value": 4.25}
    assert _found(envelope.read("waystation/a/b", b'{"v": null}', NOW_US)) == {"value": None}
    assert envelope.read("waystation/a/b", b'{"v": true}', NOW_US)[0].at_us == NOW_US


@pytest.mark.parametrize(
    "body", [b"", b"5", b"{}", b'{"v": "warm"}', b'{"v": 5, "t": "noon"}', b'{"v": 5, "t": "2026-11-17T06:00:00"}']
)
def test_int_05_a_message_that_is_none_says_why(body: bytes) -> None:
    """No JSON, no object, no value, a text, a time that is none or has no offset."""
    with pytest.raises(ValueError, match=r".+"):
        PlainEnvelope().read("waystation/a/b", body, NOW_US)


@pytest.mark.parametrize("source", ["chirpstack", "things_stack"])
def test_int_05_what_a_network_server_s_codec_decoded_is_read(source: str) -> None:
    """The published uplinks of five devices in both servers' envelopes: every number is a field of its device."""
    if not UPLINKS.is_file():
        sys.stdout.write(f"did not run: {UPLINKS} is absent\n")
        return
    counted = 0
    for uplink in json.loads(UPLINKS.read_text()):
        decoded = uplink["expected"].get("data") or {}
        numbers = {k: float(v) for k, v in decoded.items() if isinstance(v, int | float)}
        points = _wrapped(source, decoded)
        assert _found(points) == numbers, uplink["device"]
        assert all(p.tags["dev_eui"] == "a84041ffff1822f4" for p in points)
        assert all(p.at_us == instant_us("2026-11-17T06:00:00Z") for p in points)
        counted += len(numbers)
    assert counted > 10


def _wrapped(source: str, decoded: dict[str, Any]) -> list[Any]:
    if source == "chirpstack":
        body = {
            "deduplicationId": "3ac7e3c4",
            "time": "2026-11-17T06:00:00.000000000+00:00",
            "deviceInfo": {"tenantName": "t", "deviceName": "fridge", "devEui": "A84041FFFF1822F4", "tags": {}},
            "fCnt": 12,
            "object": decoded,
        }
        topic = "application/1/device/a84041ffff1822f4/event/up"
        return ChirpStackEnvelope().read(topic, json.dumps(body).encode(), NOW_US)
    body = {
        "end_device_ids": {"device_id": "fridge", "dev_eui": "A84041FFFF1822F4"},
        "received_at": "2026-11-17T06:00:01Z",
        "uplink_message": {"f_cnt": 12, "decoded_payload": decoded, "received_at": "2026-11-17T06:00:00Z"},
    }
    return ThingsStackEnvelope().read("v3/app@t/devices/fridge/up", json.dumps(body).encode(), NOW_US)


def test_int_05_nested_values_keep_their_path_and_texts_are_none() -> None:
    """A codec that nests its channels; a device's tag says the site."""
    info = {"devEui": "01", "tags": {"site": "cordoba"}}
    body = {"deviceInfo": info, "object": {"probe": {"1": {"temp": 4.5}}, "name": "x", "list": [1], "open": False}}
    (point,) = ChirpStackEnvelope().read("application/1/device/01/event/up", json.dumps(body).encode(), NOW_US)
    assert _found([point]) == {"probe.1.temp": 4.5, "open": 0.0}
    assert (point.tags["site"], point.at_us) == ("cordoba", NOW_US)
    assert ThingsStackEnvelope().read("v3/a/devices/d/up", b'{"end_device_ids": {}, "uplink_message": {}}', 1) == []
    for broken in (b"[]", b'{"deviceInfo": 5}', b'{"deviceInfo": {}, "object": 5}'):
        with pytest.raises(ValueError, match="no object"):
            ChirpStackEnvelope().read("application/1/device/01/event/up", broken, NOW_US)


def test_int_05_the_specification_s_sparkplug_messages_are_read() -> None:
    """All eight, encoded here from the specification's own JSON: numbers and truths of births and data, no commands."""
    if not SPARKPLUG.is_file():
        sys.stdout.write(f"did not run: {SPARKPLUG} is absent\n")
        return
    envelope, counted = SparkplugEnvelope(), 0
    for message in json.loads(SPARKPLUG.read_text()):
        told = message["payload"]
        metrics = [m for m in told.get("metrics", ()) if (m.get("dataType") or "").lower() in TYPES]
        plain = [m for m in metrics if isinstance(m["value"], int | float)]
        body = _payload(
            *(_metric(m["name"], m["dataType"].lower(), m["value"], at_ms=m.get("timestamp")) for m in metrics),
            at_ms=told.get("timestamp", 1),
        )
        points = envelope.read(message["topic"], body, NOW_US)
        if message["topic"].split("/")[2] in ("NBIRTH", "DBIRTH", "NDATA", "DDATA"):
            assert [next(iter(p.fields)) for p in points] == [m["name"] for m in plain], message["topic"]
            assert list(_found(points).values()) == pytest.approx([float(m["value"]) for m in plain], abs=1e-4)
            counted += len(points)
        else:
            assert points == []
    assert counted > 5


def test_int_05_an_alias_is_the_name_that_its_birth_gave_it() -> None:
    """Of its own edge and device alone; without a birth the reading waits under the alias."""
    envelope = SparkplugEnvelope()
    born = _payload(_metric("Temp", "float", 4.5, alias=7), _metric("Door", "boolean", True, alias=8))
    assert _found(envelope.read("spBv1.0/cordoba/DBIRTH/gw/fridge", born, NOW_US)) == {"Temp": 4.5, "Door": 1.0}
    later = _payload(_metric(None, "float", 5.5, alias=7, at_ms=NOW_US // 1000 - 60_000))
    (point,) = envelope.read("spBv1.0/cordoba/DDATA/gw/fridge", later, NOW_US)
    assert (_found([point]), point.at_us) == ({"Temp": 5.5}, NOW_US - 60_000_000)
    assert point.tags == {"site": "cordoba", "group": "cordoba", "edge": "gw", "device": "fridge"}
    assert _found(envelope.read("spBv1.0/cordoba/DDATA/gw/other", later, NOW_US)) == {"alias 7": 5.5}
    assert _found(SparkplugEnvelope().read("spBv1.0/cordoba/DDATA/gw/fridge", later, NOW_US)) == {"alias 7": 5.5}


@given(
    st.sampled_from(["int8", "int16", "int32", "int64", "uint8", "uint32", "uint64"]),
    st.integers(-(2**63), 2**64 - 1),
)
def test_int_05_every_whole_number_of_sparkplug_comes_back(kind: str, value: int) -> None:
    """Negative ones too, which protobuf carries as large positive ones."""
    bits = int(kind.lstrip("uint"))
    low, high = (0, 2**bits - 1) if kind[0] == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    value = min(max(value, low), high)
    body = _payload(_metric("n", kind, value))
    assert _found(SparkplugEnvelope().read("spBv1.0/g/NDATA/e", body, NOW_US)) == {"n": float(value)}


def test_int_05_a_null_of_sparkplug_is_nothing_measured_and_a_text_no_reading() -> None:
    """A metric that is null, and one that is a text."""
    body = _payload(_metric("t", "float", None), _metric("s", "string", "warm"), _metric("d", "double", 4.25))
    assert _found(SparkplugEnvelope().read("spBv1.0/g/NDATA/e", body, NOW_US)) == {"t": None, "d": 4.25}


@given(st.binary(max_size=200), st.sampled_from(["NBIRTH", "DDATA", "NDEATH", "STATE"]))
def test_int_05_no_bytes_break_an_envelope(payload: bytes, kind: str) -> None:
    """Points or a reason, whatever comes."""
    topics = ("waystation/a/b", f"spBv1.0/g/{kind}/e", "application/1/device/2/event/up", "v3/a/devices/d/up")
    for envelope, topic in zip(wiring.envelopes(), topics, strict=True):
        try:
            points = envelope.read(topic, payload, NOW_US)
        except (ValueError, RecursionError) as error:
            assert str(error)
        else:
            assert all(p.fields for p in points)


@pytest.mark.parametrize(
    ("wanted", "topic", "is_meant"),
    [
        ("waystation/+/+", "waystation/a/b", True),
        ("waystation/+/+", "waystation/a", False),
        ("waystation/+/+", "waystation/a/b/c", False),
        ("spBv1.0/+/+/#", "spBv1.0/g/NDATA/e", True),
        ("spBv1.0/+/+/#", "spBv1.0/g/DDATA/e/d", True),
        ("spBv1.0/+/+/#", "other/g/DDATA/e/d", False),
        ("v3/+/devices/+/up", "v3/a@t/devices/d/up", True),
        ("v3/+/devices/+/up", "v3/a@t/devices/d/down", False),
    ],
)
def test_int_05_a_topic_belongs_to_its_envelope_alone(wanted: str, topic: str, is_meant: bool) -> None:
    """As a broker reads a subscription."""
    assert fits(wanted, topic) == is_meant


@pytest.mark.parametrize("text", ["", "5", "2026-11-17", "2026-11-17T06:00:00", "2026-11-17T06:00:00.5", "yesterday"])
def test_int_05_an_instant_needs_its_offset(text: str) -> None:
    """A wall clock says nothing across sites."""
    with pytest.raises(ValueError, match="time"):
        instant_us(text)


def _numbered(number: int | None, *metrics: bytes) -> bytes:
    made = _member(1, NOW_US // 1000) + b"".join(_member(2, one) for one in metrics)
    return made if number is None else made + _member(3, number)


def _says(envelope: SparkplugEnvelope, kind: str, number: int | None, *metrics: bytes, after_s: int = 0) -> list[str]:
    envelope.read(f"spBv1.0/cordoba/{kind}/edge", _numbered(number, *metrics), NOW_US + after_s * 1_000_000)
    return [topic for topic, _ in envelope.replies()]


def test_int_05_an_edge_whose_birth_was_not_heard_is_asked_to_be_born_again() -> None:
    """Data first: asked at once, not again within a minute, and quiet once it was born and counts on."""
    it, ask = SparkplugEnvelope(), ["spBv1.0/cordoba/NCMD/edge"]
    assert _says(it, "NDATA", 7, _metric(None, "double", 1.0, alias=3)) == ask
    assert _says(it, "NDATA", 8, _metric(None, "double", 1.0, alias=3), after_s=59) == []
    assert _says(it, "NDATA", 9, _metric(None, "double", 1.0, alias=3), after_s=60) == ask
    assert _says(it, "NBIRTH", 0, _metric("temperature", "double", 1.0, alias=3), after_s=200) == []
    for number in range(1, 300):
        assert _says(it, "DDATA", number % 256, _metric(None, "double", 1.0, alias=3), after_s=200 + number) == []


@pytest.mark.parametrize("skipped", [1, 5, 254])
def test_int_05_a_skipped_number_asks_for_a_birth_and_a_death_does_not(skipped: int) -> None:
    """A message that was lost is noticed by the next one; after a death a birth is expected, and none is asked for."""
    it = SparkplugEnvelope()
    _says(it, "NBIRTH", 0, _metric("temperature", "double", 1.0, alias=3))
    assert _says(it, "NDATA", (1 + skipped) % 256, _metric(None, "double", 1.0, alias=3)) == [
        "spBv1.0/cordoba/NCMD/edge"
    ]
    assert _says(it, "NDEATH", None, after_s=100) == []
    assert _says(it, "NBIRTH", 0, _metric("temperature", "double", 1.0, alias=3), after_s=101) == []
    assert _says(it, "DDEATH", 1, after_s=102) == []
    assert _says(it, "NDATA", 2, _metric(None, "double", 1.0, alias=3), after_s=103) == []


def test_int_05_the_request_is_the_specification_s_command() -> None:
    """One metric, `Node Control/Rebirth`, a boolean that is true, with its time; it reads as any other payload."""
    made = rebirth(NOW_US // 1000)
    assert made == _member(1, NOW_US // 1000) + _member(
        2, _metric("Node Control/Rebirth", "boolean", True, at_ms=NOW_US // 1000)
    )
