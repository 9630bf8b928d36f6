"""LoRaWAN by webhook: the uplink of a device becomes readings of its sensors, once, with the network's time marked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests.conftest import START
from tests.doors.lines import Agent, a_fridge, an_agent, frames, stored
from waystation.access.queries import system_authority
from waystation.api import uplinks
from waystation.kernel.clock import FastClock
from waystation.registry.models import MappingRule, Sensor, Site
from waystation.telemetry import stores, taken
from waystation.telemetry.actions.messages import Message, take
from waystation.telemetry.models import Uplink
from waystation.telemetry.names import Names
from waystation.wiring import envelopes

pytestmark = pytest.mark.django_db
AT = "2026-11-17T05:59:00Z"
COLD = "CBF60B0D0376010ADD7FFF"  # 27.81 °C at the probe
NO_PROBE = "CBF60B0D0376017FFF7FFF"


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Any, settings: Any, clock: FastClock) -> Iterator[None]:
    settings.DATA = tmp_path
    uplinks._names.cache_clear()
    yield
    stores._log.cache_clear()
    uplinks._names.cache_clear()


def _uplink(count: int = 7, frame: str = COLD, at: str | None = AT, **more: Any) -> dict[str, Any]:
    tags = {"codec": "dragino-lht65", "sensor": ""}
    body = {
        "deviceInfo": {"devEui": "A84041FFFF1822F4", "deviceName": "fridge", "tags": tags}, "devAddr": "01aabbcc",
        "fCnt": count, "fPort": 2, "data": base64.b64encode(bytes.fromhex(frame)).decode(),
    }  # fmt: skip
    return body | ({"time": at} if at else {}) | more


def _post(agent: Agent, body: Any, path: str = "chirpstack", query: str = "") -> Any:
    client = Client(headers={"Authorization": f"Bearer {agent.token}"})
    data = body if isinstance(body, str) else json.dumps(body)
    return client.post(f"/api/v1/telemetry/uplinks/{path}{query}", data, content_type="application/json")


def _mapped() -> tuple[Agent, Any, Any]:
    """A fridge's site with an agent, and the rule that gives the device's probe to its sensor."""
    space, probe = a_fridge()
    tags = {"dev_eui": "a84041ffff1822f4", "device": "fridge"}
    for measurement in ("chirpstack", "things_stack"):
        MappingRule.objects.create(site=space.site, measurement=measurement, tags=tags, field="TempC_DS", sensor=probe)
    return an_agent(space.site), space, probe


def test_int_05_an_uplink_by_webhook_is_a_reading_marked_with_the_network_s_time() -> None:
    """202 with the counts; the probe's value stands at the network's instant, of source class network time."""
    agent, space, probe = _mapped()
    reply = _post(agent, _uplink())
    assert (reply.status_code, reply.json()["readings"]) == (202, 1)
    assert [(at, v) for _, at, v in stored(space.site_id, probe.code)] == [(int(START.timestamp()) - 60, 27.81)]
    assert {frame.head["source_class"] for frame in frames()} == {"network_time"}


def test_int_05_a_missing_probe_is_no_measurement_and_an_unmapped_field_waits() -> None:
    """Nothing at the probe, never 327.67; the device's other fields stand in the discovery list."""
    agent, space, probe = _mapped()
    reply = _post(agent, _uplink(frame=NO_PROBE))
    assert reply.json() == {"readings": 1, "waiting": 4, "ignored": 0}
    assert [v for *_, v in stored(space.site_id, probe.code)] == [None]


@pytest.mark.parametrize("at", [AT, None])
def test_int_05_the_same_uplink_by_webhook_and_broker_counts_once(at: str | None, clock: FastClock) -> None:
    """Told by device, session and count, also where no time was given; the next count is another uplink."""
    agent, space, probe = _mapped()
    assert _post(agent, _uplink(at=at)).json()["readings"] == 1
    clock.advance_to(START + timedelta(seconds=30))
    again = _post(agent, _uplink(at=at))
    assert (again.status_code, again.json()["readings"]) == (202, 0)
    message = Message("application/1/device/a84041ffff1822f4/event/up", json.dumps(_uplink(at=at)).encode())
    by, more = system_authority("mqtt"), {"source_class": "authenticated_connection", "now": clock.now()}
    assert take(by, [message, message], envelopes(), Names(), **more).readings == 0  # type: ignore[arg-type]
    assert len(stored(space.site_id, probe.code)) == 1
    assert _post(agent, _uplink(8, at=None)).json()["readings"] == 1
    assert Uplink.objects.count() == 2
    assert taken.forget(clock.now() + timedelta(days=31)) == 2


def test_int_05_twice_in_one_group_counts_once_and_a_new_session_anew() -> None:
    """A device that joined again counts from 0: the same number in another session is another uplink."""
    _, space, _ = _mapped()
    topic = "application/1/device/a84041ffff1822f4/event/up"
    bodies = [_uplink(), _uplink(), _uplink(devAddr="01ffffff")]
    messages = [Message(topic, json.dumps(b | {"deviceInfo": b["deviceInfo"] | {"tags": {
        "codec": "dragino-lht65", "site": space.site.code}}}).encode()) for b in bodies]  # fmt: skip
    written = take(system_authority("mqtt"), messages, envelopes(), Names(), source_class="open_broker", now=START)
    assert written.readings + written.waiting == 10
    assert {frame.head["source_class"] for frame in frames()} == {"open_broker"}


def test_int_05_an_uplink_that_was_not_stored_is_taken_when_it_comes_again() -> None:
    """The sensor's record named no unit that anybody can read; mended, the same uplink is its reading."""
    agent, space, probe = _mapped()
    Sensor.objects.filter(pk=probe.pk).update(unit="grad")
    refused = _post(agent, _uplink())
    assert (refused.status_code, Uplink.objects.count()) == (400, 0)
    tags = {"codec": "dragino-lht65", "site": space.site.code}
    body = _uplink(deviceInfo=_uplink()["deviceInfo"] | {"tags": tags})
    message = Message("application/1/device/a84041ffff1822f4/event/up", json.dumps(body).encode())
    rule = {"dev_eui": "a84041ffff1822f4", "device": "fridge", "site": space.site.code}
    MappingRule.objects.create(site=space.site, measurement="chirpstack", tags=rule, field="TempC_DS", sensor=probe)
    take(system_authority("mqtt"), [message] * 2, envelopes(), Names(), source_class="open_broker", now=START)
    assert Uplink.objects.count() == 0
    Sensor.objects.filter(pk=probe.pk).update(unit="degC")
    uplinks._names.cache_clear()
    assert _post(agent, _uplink()).json()["readings"] == 1
    assert _post(agent, _uplink()).json()["readings"] == 0
    assert len(stored(space.site_id, probe.code)) == 1


def test_int_05_the_things_stack_by_webhook() -> None:
    """Its JSON, its version ids, the same reading."""
    agent, space, probe = _mapped()
    uplink = {
        "version_ids": {"brand_id": "dragino", "model_id": "lht65"}, "session_key_id": "k", "f_cnt": 1, "f_port": 2,
        "frm_payload": base64.b64encode(bytes.fromhex(COLD)).decode(), "received_at": AT,
    }  # fmt: skip
    ids = {"device_id": "fridge", "dev_eui": "A84041FFFF1822F4"}
    reply = _post(agent, {"end_device_ids": ids, "uplink_message": uplink}, "the-things-stack")
    assert reply.json()["readings"] == 1
    assert [v for *_, v in stored(space.site_id, probe.code)] == [27.81]


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ("{", 422, "has no deviceInfo.devEui"),
        ({"deviceInfo": {}}, 422, "has no deviceInfo.devEui"),
        ({"deviceInfo": {"devEui": "a/b"}}, 422, "has no deviceInfo.devEui"),
        (_uplink(fPort=42), 400, "port 42 carries no measurement"),
        (_uplink(data="???"), 400, "no base64"),
        (_uplink(time="yesterday"), 400, "is not RFC 3339"),
        (_uplink(time="1960-01-01T00:00:00Z"), 400, "outside the years 1970 to 9999"),
    ],
)
def test_int_05_an_uplink_that_cannot_be_read_is_refused_with_its_reason(body: Any, status: int, said: str) -> None:
    """To the network server, so that somebody sees it there; nothing is stored."""
    agent, _, _ = _mapped()
    reply = _post(agent, body)
    assert (reply.status_code, said in reply.json()["message"]) == (status, True)
    assert list(frames()) == []


def test_int_05_other_events_and_other_tokens_bring_nothing() -> None:
    """A join is answered and kept by nobody; without a token 401; a token of another site puts it there, not here."""
    agent, space, probe = _mapped()
    assert _post(agent, _uplink(), query="?event=join").json()["readings"] == 0
    assert (
        Client().post("/api/v1/telemetry/uplinks/chirpstack", "{}", content_type="application/json").status_code == 401
    )
    a_fridge("faro")
    other = an_agent(Site.objects.get(code="faro"), name="other")
    assert _post(other, _uplink()).json() == {"readings": 0, "waiting": 5, "ignored": 0}
    assert stored(space.site_id, probe.code) == []
    reader = an_agent(name="reader", role="auditor")
    assert _post(reader, _uplink()).status_code == 403
