"""Codecs of LoRaWAN devices, against published frames; and an uplink that comes twice."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SHARED
from waystation.adapters.envelope.lorawan.codecs.known import CODECS, codec_of, decoded
from waystation.adapters.envelope.lorawan.envelope import ChirpStackEnvelope, ThingsStackEnvelope
from waystation.telemetry.rules.mapping import value_of

UPLINKS = json.loads((SHARED / "protocol_fixtures" / "lorawan" / "uplinks.json").read_text())
NOW_US = 1_795_000_000_000_000
WORDS = {"open": 1.0, "close": 0.0, "no": 0.0, "yes": 1.0}
CUT = {"LAST_DOOR_OPEN_DURATION", "ALARM"}  # read by the reference out of bytes that a cut frame does not have


def _name(uplink: dict[str, Any]) -> str:
    return f"{uplink['vendor']}-{uplink['device']}"


@pytest.mark.parametrize("uplink", UPLINKS, ids=lambda u: f"{_name(u)}-{u['fPort']}-{u['bytes_hex'][:6]}")
def test_int_05_a_codec_reads_what_the_maker_publishes(uplink: dict[str, Any]) -> None:
    """Each published frame gives its published numbers; where an error is published, a reason and no number."""
    decode = codec_of(_name(uplink))
    assert decode is not None
    raw = bytes.fromhex(uplink["bytes_hex"])
    if "errors" in uplink["expected"]:
        with pytest.raises(ValueError, match="port 42"):
            decode(uplink["fPort"], raw)
        return
    expected = {k: WORDS.get(v, v) for k, v in uplink["expected"]["data"].items() if k != "Ext_sensor"}
    if "truncated" in uplink["note"]:
        expected = {k: v for k, v in expected.items() if k not in CUT}
    assert decode(uplink["fPort"], raw) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("name", "port", "frame", "field", "around"),
    [
        ("dragino-lht65", 2, "CBF60B0D0376017FFF7FFF", "TempC_DS", {"TempC_SHT": 28.29}),
        ("dragino-lht65", 2, "CBF67FFF0376010ADD7FFF", "TempC_SHT", {"TempC_DS": 27.81}),
        ("milesight-em300-th", 1, "0367FF7F04683C", "temperature", {"humidity": 30.0}),
        ("milesight-em300-th", 1, "0367C8000468FF", "humidity", {"temperature": 20.0}),
    ],
)
def test_int_05_a_code_that_means_no_probe_becomes_no_measurement(
    name: str, port: int, frame: str, field: str, around: dict[str, float]
) -> None:
    """Never 327.67 °C: the field is there, with nothing measured; its neighbours are read."""
    found = CODECS[name](port, bytes.fromhex(frame))
    assert found[field] is None
    assert {k: found[k] for k in around} == around


def test_int_05_minus_is_minus_in_every_codec() -> None:
    """-20.5 °C in each device's own bytes."""
    assert CODECS["dragino-lht65"](2, bytes.fromhex("CBF6F7FE037601F7FE7FFF"))["TempC_DS"] == -20.5
    assert CODECS["milesight-em300-th"](1, bytes.fromhex("036733FF"))["temperature"] == -20.5


@given(st.sampled_from(sorted(CODECS)), st.integers(0, 255), st.binary(max_size=40))
def test_int_05_no_frame_breaks_a_codec(name: str, port: int, raw: bytes) -> None:
    """Any bytes give numbers or a reason."""
    try:
        found = CODECS[name](port, raw)
    except ValueError as error:
        assert str(error)
        return
    assert all(v is None or isinstance(v, float) for v in found.values())


@given(st.integers(0, 20), st.binary(max_size=20))
def test_int_05_an_item_after_an_unknown_one_is_never_guessed(cut: int, tail: bytes) -> None:
    """Milesight: a frame whose rest cannot be told apart says nothing at all."""
    raw = bytes.fromhex("0367C800") + b"\xee\xee" + tail
    with pytest.raises(ValueError, match="byte 4 begins no item"):
        CODECS["milesight-em300-th"](1, raw)
    whole = bytes.fromhex("0367C80004683C")
    if cut in (1, 2, 3, 5, 6):
        with pytest.raises(ValueError, match="begins no item"):
            CODECS["milesight-em300-th"](1, whole[:cut])


def _chirpstack(frame: str, *, port: int = 2, **more: Any) -> dict[str, float | None]:
    body = {
        "deviceInfo": {"devEui": "A84041FFFF1822F4", "deviceProfileName": "Dragino LHT65", "tags": {}},
        "devAddr": "01aabbcc", "fCnt": 7, "fPort": port, "data": base64.b64encode(bytes.fromhex(frame)).decode(),
        "object": {"TempC_DS": 327.67},
    } | more  # fmt: skip
    points = ChirpStackEnvelope().read("application/1/device/a84041ffff1822f4/event/up", json.dumps(body).encode(), 1)
    return {field: value_of(text, "c") for p in points for field, text in p.fields.items()}


def test_int_05_our_codec_is_believed_before_the_network_server_s() -> None:
    """The server's codec says 327.67 for the missing probe; ours says that nothing was measured. Else the server's."""
    assert _chirpstack("CBF60B0D0376017FFF7FFF")["TempC_DS"] is None
    assert _chirpstack("00", deviceInfo={"devEui": "a8", "tags": {}})["TempC_DS"] == 327.67
    tagged = {"devEui": "a8", "tags": {"codec": "dragino-lht65"}}
    assert _chirpstack("CBF60B0D0376010ADD7FFF", deviceInfo=tagged)["TempC_DS"] == 27.81
    with pytest.raises(ValueError, match="port 42"):
        _chirpstack("CBF60B0D0376010ADD7FFF", port=42)
    with pytest.raises(ValueError, match="no base64"):
        _chirpstack("00", data="???")


def test_int_05_the_things_stack_names_maker_and_model() -> None:
    """Its version ids choose the codec, and what tells the uplink apart is its session key and count."""
    uplink = {
        "version_ids": {"brand_id": "milesight-iot", "model_id": "em300-th"}, "session_key_id": "AXcc==", "f_cnt": 9,
        "f_port": 1, "frm_payload": base64.b64encode(bytes.fromhex("0175320367C80004683C")).decode(),
        "decoded_payload": {"battVolt": 50}, "received_at": "2026-11-17T06:00:00Z",
    }  # fmt: skip
    body = {"end_device_ids": {"device_id": "fridge", "dev_eui": "24E124136B502217"}, "uplink_message": uplink}
    (point,) = ThingsStackEnvelope().read("v3/a@t/devices/fridge/up", json.dumps(body).encode(), NOW_US)
    assert dict(point.fields) == {"battery": "50.0", "temperature": "20.0", "humidity": "30.0"}
    assert point.once == "24e124136b502217/AXcc==/9"
    del uplink["session_key_id"]
    (point,) = ThingsStackEnvelope().read("v3/a@t/devices/fridge/up", json.dumps(body).encode(), NOW_US)
    assert point.once == ""


def test_int_05_a_frame_without_port_or_data_says_so() -> None:
    """Both are needed; a truth is no port."""
    for port, data in ((None, "AA=="), (True, "AA=="), (2, None)):
        with pytest.raises(ValueError, match="no port or no data"):
            decoded(CODECS["milesight-ws301"], port, data)
