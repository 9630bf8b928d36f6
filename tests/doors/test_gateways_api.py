"""The doors of site agents: enrolment, keys, what they tell, and what they are told back."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.rooms.telemetry.samples import a_monitored_space
from tests.samples import a_device, a_sensor, a_site, a_space
from waystation.access import actions as access
from waystation.access.models import Enrolment, Machine
from waystation.access.queries import system_authority
from waystation.alarms.models import Alarm
from waystation.edge.config import watch_of
from waystation.evidence.models import Event, LogEntry
from waystation.evidence.rules.signing import public_of, signer
from waystation.kernel.clock import FastClock
from waystation.registry.models import ProductProfile, Sensor
from waystation.telemetry import stores
from waystation.telemetry.models import Calibration, Gateway
from waystation.telemetry.rules.limits import digest_of
from waystation.telemetry.store.log import Position

pytestmark = pytest.mark.django_db
SEED, NEXT = b"\x01" * 32, b"\x02" * 32


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Log and segments go to the test's own folder."""
    settings.DATA = tmp_path
    yield tmp_path
    stores._log.cache_clear()


def b64(body: bytes, seed: bytes) -> str:
    """A signature as the header carries it."""
    return base64.b64encode(signer(seed)(body)).decode()


def a_token(signed_in: Callable[..., Client], name: str = "agent cordoba") -> str:
    """A token by the door."""
    body = {"name": name, "site_id": str(a_site().pk)}
    reply = signed_in("administrator").post("/api/v1/gateways/enrolments", body, content_type="application/json")
    assert reply.status_code == 201, reply.content
    return str(reply.json()["token"])


def bring(token: str, seed: bytes = SEED, signed_by: bytes | None = None, key: str = "") -> HttpResponse:
    """Use a token."""
    said = {"token": token, "public_key": key or public_of(seed).hex()}
    body = json.dumps(said).encode()
    headers = {"X-Waystation-Signature": b64(body, signed_by or seed)}
    return Client().post("/api/v1/gateways/enrol", body, content_type="application/json", headers=headers)


def send(machine: str, seed: bytes = SEED, **members: Any) -> HttpResponse:
    """A signed batch."""
    document = {"schema": "waystation.batch/1", "boot": 1, "previous": "", "readings": []} | members
    body = json.dumps(document).encode()
    headers = {"X-Waystation-Machine": machine, "X-Waystation-Signature": b64(body, seed)}
    return Client().post("/api/v1/telemetry/batches", body, content_type="application/json", headers=headers)


def rotate(machine: str, seed: bytes = SEED, following: bytes = NEXT, proof: bytes | None = None) -> HttpResponse:
    """Bring the next key."""
    body = f"{machine} {public_of(following).hex()}".encode()
    headers = {"X-Waystation-Machine": machine, "X-Waystation-Signature": b64(body, seed)}
    headers["X-Waystation-Next-Signature"] = b64(body, proof or following)
    return Client().post("/api/v1/gateways/key", body, content_type="text/plain", headers=headers)


@pytest.fixture
def machine(signed_in: Callable[..., Client], clock: FastClock) -> str:
    """An enrolled agent of Córdoba."""
    return str(bring(a_token(signed_in)).json()["machine"])


def codes(reply: HttpResponse) -> tuple[int, str]:
    """Status and code of a refusal."""
    return reply.status_code, str(json.loads(reply.content).get("code", ""))


def test_qal_12_a_token_enrols_one_key_once(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """The same key again is the same machine; another key is refused; the log names key, token and who opened it."""
    token = a_token(signed_in)
    first = bring(token)
    assert (first.status_code, first.json()["site"]) == (201, "cordoba")
    assert bring(token).json() == first.json()
    assert codes(bring(token, NEXT)) == (401, "access.enrol_used")
    made = Machine.objects.get(pk=first.json()["machine"])
    assert (made.role, made.public_key) == ("gateway", public_of(SEED).hex())
    entry = LogEntry.objects.get(kind="access.machine_enrolled")
    facts = json.loads(bytes(entry.leaf))["facts"]
    opened = Enrolment.objects.get()
    assert facts == {"key": made.public_key, "opened_by": str(opened.opened_by), "enrolment": str(opened.pk)}
    assert Machine.objects.count() == 1


def test_qal_12_a_token_lasts_three_days(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """To the second."""
    token = a_token(signed_in)
    clock.advance(3 * 86_400)
    assert codes(bring(token)) == (401, "access.enrol_expired")


@pytest.mark.parametrize(
    ("how", "code"),
    [
        ({"token": "wse_none"}, "access.enrol_token"),
        ({"signed_by": NEXT}, "access.enrol_signature"),
        ({"key": "zz" * 32}, "access.enrol_signature"),
        ({"key": public_of(SEED).hex().upper()}, "access.enrol_signature"),
        ({"key": "00"}, "access.enrol_signature"),
    ],
)
def test_an_enrolment_needs_the_token_and_the_key_itself(
    how: dict[str, Any], code: str, signed_in: Callable[..., Client], clock: FastClock
) -> None:
    """A made-up token, somebody else's key, a key that is none; the token stays good."""
    token = a_token(signed_in)
    assert codes(bring(**({"token": token} | how))) == (401, code)
    assert Machine.objects.count() == 0
    assert bring(token).status_code == 201


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'"x"', b"[" * 3000])
def test_a_body_that_is_no_enrolment_is_refused(body: bytes, clock: FastClock) -> None:
    """401 in the one shape."""
    reply = Client().post("/api/v1/gateways/enrol", body, content_type="application/json")
    assert codes(reply) == (401, "access.enrol_token")
    headers = {"X-Waystation-Signature": "no base64!"}
    reply = Client().post("/api/v1/gateways/enrol", b"{}", content_type="application/json", headers=headers)
    assert codes(reply) == (401, "access.signature_header")


def test_an_enrolment_needs_a_free_name_and_a_site(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """Taken, empty, unknown; a name that is taken meanwhile, and a key that is a machine's, are refused at its use."""
    first, second = a_token(signed_in), a_token(signed_in)
    third = a_token(signed_in, "agent two")
    assert bring(first).status_code == 201
    assert codes(bring(second, NEXT)) == (409, "access.machine_taken")
    assert codes(bring(third)) == (409, "access.machine_taken")
    ask, site = signed_in("administrator"), str(a_site().pk)
    for body, code in (
        ({"name": "agent cordoba", "site_id": site}, "access.machine_taken"),
        ({"name": "  ", "site_id": site}, "access.machine_name"),
    ):
        reply = ask.post("/api/v1/gateways/enrolments", body, content_type="application/json")
        assert codes(reply)[1] == code
    body = {"name": "agent", "site_id": str(uuid4())}
    assert ask.post("/api/v1/gateways/enrolments", body, content_type="application/json").status_code == 404
    body = {"name": "agent", "site_id": site}
    assert signed_in("it").post("/api/v1/gateways/enrolments", body, content_type="application/json").status_code == 403


def test_qal_12_a_key_is_rotated_by_both_keys(machine: str, clock: FastClock) -> None:
    """From then on the new key alone is trusted; sent again it changes nothing; the log names both."""
    assert rotate(machine).json() == {"public_key": public_of(NEXT).hex()}
    assert rotate(machine).status_code == 200
    assert LogEntry.objects.filter(kind="access.key_rotated").count() == 1
    assert codes(send(machine)) == (401, "telemetry.signature")
    assert send(machine, NEXT).status_code == 202


def test_an_old_rotation_cannot_be_played_again(machine: str, clock: FastClock) -> None:
    """First key to second, second to third: the first request brings nothing back."""
    rotate(machine)
    assert rotate(machine, NEXT, b"\x03" * 32).status_code == 200
    assert codes(rotate(machine)) == (401, "access.key_present")


@pytest.mark.parametrize(
    ("how", "code"),
    [({"seed": b"\x09" * 32}, "access.key_present"), ({"proof": b"\x09" * 32}, "access.key_next")],
)
def test_a_rotation_without_one_of_the_signatures_is_refused(
    how: dict[str, bytes], code: str, machine: str, clock: FastClock
) -> None:
    """Nobody who lacks the present key, and nobody who lacks the next one."""
    assert codes(rotate(machine, **how)) == (401, code)
    assert send(machine).status_code == 202


def test_a_rotation_of_an_unknown_or_revoked_machine_is_refused(machine: str, clock: FastClock) -> None:
    """Not enrolled, no id at all, revoked."""
    assert codes(rotate(str(uuid4()))) == (401, "access.key_machine")
    assert codes(rotate("x")) == (401, "access.key_machine")
    access.revoke_machine(system_authority("test"), Machine.objects.get().pk, reason="stolen", now=clock.now())
    assert codes(rotate(machine)) == (401, "access.revoked")


def test_a_key_of_another_machine_is_refused(machine: str, signed_in: Callable[..., Client], clock: FastClock) -> None:
    """One key, one machine."""
    assert bring(a_token(signed_in, "agent two"), NEXT).status_code == 201
    assert codes(rotate(machine)) == (409, "access.key_taken")


def test_qal_12_a_revoked_agent_is_trusted_from_that_instant_on_no_more(machine: str, clock: FastClock) -> None:
    """Batches, enrolment and rotation alike; nothing of it is stored."""
    access.revoke_machine(system_authority("test"), Machine.objects.get().pk, reason="stolen", now=clock.now())
    at_us = round(clock.now().timestamp() * 1e6)
    assert codes(send(machine, readings=[["x", at_us, 5.0, 1]])) == (401, "access.revoked")
    assert list(stores.log().read(Position(1, 0))) == []


NOTE = {"kind": "shutdown_step", "step": "backlog", "number": 1, "at_us": 5, "why": "on battery for 60 s"}
GAP = {"boot": 1, "first": 3, "last": 9, "count": 7, "cause": "spool_full", "from_us": 1, "until_us": 2}


def test_tel_12_what_an_agent_tells_is_kept_once(machine: str, clock: FastClock) -> None:
    """Notes, gaps and alarms become events of their own kinds; the same batch again adds none."""
    members = {"notes": [NOTE], "gaps": [GAP], "alarms": [{"rule": "excursion", "sensor": "p", "raised_at": "now"}]}
    for _ in range(2):
        assert send(machine, **members).status_code == 202
    found = dict(Event.objects.filter(kind__startswith="telemetry.").values_list("kind", "data"))
    assert found["telemetry.shutdown_step"] == NOTE
    assert found["telemetry.gap_stated"] == GAP
    assert found["telemetry.agent_alarm"]["sensor"] == "p"
    assert Event.objects.filter(kind__in=found).count() == 3


def test_a_thousand_notes_fit(machine: str, clock: FastClock) -> None:
    """More than one entry holds; each event is there once."""
    notes = [NOTE | {"number": n} for n in range(1000)]
    for _ in range(2):
        assert send(machine, notes=notes).status_code == 202
    kept = Event.objects.filter(kind="telemetry.shutdown_step").values_list("data__number", flat=True)
    assert sorted(kept) == list(range(1000))


@pytest.mark.parametrize(
    ("members", "field"),
    [
        ({"notes": [{"kind": "gossip"}]}, "notes[0].kind"),
        ({"notes": ["x"]}, "notes[0]"),
        ({"notes": {}}, "notes"),
        ({"notes": [NOTE | {"deep": {"x": 1}}]}, "notes[0]"),
        ({"notes": [NOTE | {"long": "x" * 201}]}, "notes[0]"),
        ({"notes": [NOTE] * 1001}, "notes"),
        ({"gaps": [{"boot": 1}]}, "gaps[0]"),
        ({"gaps": [GAP | {"first": -1}]}, "gaps[0]"),
        ({"gaps": [GAP | {"cause": 7}]}, "gaps[0]"),
        ({"state": []}, "state"),
        ({"state": {"boot": "first"}}, "state.boot"),
        ({"notes": [NOTE | {"cause": "a\x00b"}]}, "notes[0]"),
        ({"notes": [NOTE | {"cause": "\ud800"}]}, "notes[0]"),
        ({"notes": [NOTE | {"x" * 201: 1}]}, "notes[0]"),
        ({"alarms": [{"sensor": {"deep": 1}}]}, "alarms[0]"),
        ({"alarms": [{"sensor": "x" * 201}]}, "alarms[0]"),
        ({"state": {"asks": "x"}}, "state.asks"),
        ({"state": {"asks": [1]}}, "state.asks"),
        ({"span": [2, 1]}, "span"),
        ({"span": [1]}, "span"),
        ({"span": [True, 2]}, "span"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(
    members: dict[str, Any], field: str, machine: str, clock: FastClock
) -> None:
    """Before anything of the batch is stored."""
    at_us = round(clock.now().timestamp() * 1e6)
    reply = send(machine, readings=[["x", at_us, 5.0, 1]], **members)
    assert (reply.status_code, json.loads(reply.content)["field"]) == (422, field)
    assert list(stores.log().read(Position(1, 0))) == []


def a_state(**changes: Any) -> dict[str, Any]:
    """What a heartbeat says."""
    said: dict[str, Any] = {"boot": 1, "version": "0.1.0", "spool": "recording", "key": "ab", "trouble": ""}
    said |= {"clock": {"state": "agrees", "steps": 0}, "sounding": 0, "paths": [{"name": "fibre", "is_down": False}]}
    return said | changes


def test_a_heartbeat_writes_only_what_changed(machine: str, signed_in: Callable[..., Client], clock: FastClock) -> None:
    """A hundred beats alike are one entry; a clock in doubt or a spool that thins is another; an old boot is none."""
    for second in range(100):
        assert send(machine, state=a_state(at_us=second, used_pct=second)).status_code == 202
    assert LogEntry.objects.filter(kind="telemetry.gateway_changed").count() == 1
    clock.advance(60)
    send(machine, state=a_state(boot=2, spool="thinning", clock={"state": "in_doubt"}, sounding=2))
    send(machine, state=a_state())
    assert LogEntry.objects.filter(kind="telemetry.gateway_changed").count() == 2
    (told,) = signed_in("operator").get("/api/v1/gateways/").json()
    assert (told["name"], told["site"], told["machine"]) == ("agent cordoba", "cordoba", machine)
    shown = {"boot": "2", "version": "0.1.0", "spool": "thinning", "key": "ab", "trouble": ""}
    assert told["state"] == shown | {"clock": "in_doubt", "is_sounding": "true", "uplinks_down": ""}
    assert Gateway.objects.get().since == clock.now()


def test_a_word_that_nobody_knows_is_kept_with_a_mark(machine: str, clock: FastClock) -> None:
    """Of how a boot ended, of a version, of a spool: bounded, and never taken for one that means something."""
    note = {"kind": "started", "at_us": 1, "boot": 1, "ended": "<b>by magic</b>", "version": "x" * 150}
    state = a_state(version="0.1.0 evil", spool="\ud800", key="ab", clock={"state": "a\x00b"}, limits="AB")
    assert send(machine, notes=[note], state=state).status_code == 202
    told = Event.objects.get(kind="telemetry.agent_started").data
    assert told["ended"] == "not understood: <b>by magic</b>"
    assert told["version"] == f"not understood: {'x' * 60}"
    held = Gateway.objects.get().state
    assert (held["version"], held["spool"]) == ("not understood: 0.1.0 evil", "not understood: ?")
    assert (held["key"], held["clock"], held["limits"]) == ("ab", "a?b", "not understood: AB")
    assert send(machine, notes=[note | {"ended": "power", "version": "0.1.0"}]).status_code == 202
    (good,) = (e.data for e in Event.objects.filter(kind="telemetry.agent_started") if e.data["ended"] == "power")
    assert good["version"] == "0.1.0"


def test_a_boot_that_an_agent_said_in_words_once_holds_up_no_later_beat(machine: str, clock: FastClock) -> None:
    """What was kept of it before counts as none."""
    send(machine, state=a_state())
    Gateway.objects.update(state={"boot": "first"})
    assert send(machine, state=a_state(boot=2)).status_code == 202
    assert Gateway.objects.get().state["boot"] == "2"


def an_alarm(sensor: Sensor, clock: FastClock, rule: str = "excursion", **changes: Any) -> Alarm:
    """An alarm of the sensor's space."""
    values: dict[str, Any] = {"rule": rule, "site": sensor.site, "object_kind": "space", "object_id": sensor.space_id}
    values |= {"space_id": sensor.space_id, "severity": "high", "row_slug": "x", "started_at": clock.now()}
    return Alarm.objects.create(**values | {"facts_at": clock.now(), "raised_at": clock.now()} | changes)


def test_tel_12_the_agent_is_told_whether_somebody_answered(machine: str, clock: FastClock) -> None:
    """Not while no alarm stands or one of the space is open; yes once each is acknowledged or dealt with."""
    probe, other = a_sensor(a_space()), a_sensor(a_space(code="fridge-2"))
    asks = a_state(asks=[probe.code, other.code, "nobody"])

    def answered() -> dict[str, bool]:
        return {a["sensor"]: a["answered"] for a in send(machine, state=asks).json()["alarms"]}

    assert answered() == {probe.code: False, other.code: False}
    first = an_alarm(probe, clock)
    assert answered()[probe.code] is False
    first.acked_at, first.state = clock.now(), "active_acked"
    first.save()
    assert answered() == {probe.code: True, other.code: False}
    second = an_alarm(probe, clock, started_at=clock.now() + timedelta(seconds=1))
    assert answered()[probe.code] is False
    second.state = "shelved"
    second.save()
    assert answered()[probe.code] is True
    for alarm in (first, second):
        alarm.cleared_at = clock.now()
        alarm.save()
    assert answered()[probe.code] is False


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("excursion", (True, False)),
        ("sensor_silent", (False, True)),
        ("device_unreachable", (False, False)),
        ("power_lost", (False, False)),
        ("door_open", (False, False)),
        ("rising", (False, False)),
    ],
)
def test_tel_12_an_answer_to_another_alarm_of_the_space_quiets_nothing(
    rule: str, told: tuple[bool, bool], machine: str, clock: FastClock
) -> None:
    """Out of range is answered by an alarm of a reading, silence by one of the probe or of its own device."""
    probe = a_sensor(a_space())
    about = probe.pk if rule == "sensor_silent" else probe.space_id
    an_alarm(probe, clock, rule, object_id=about, acked_at=clock.now(), state="active_acked")
    (said,) = send(machine, state=a_state(asks=[probe.code])).json()["alarms"]
    assert (said["answered"], said["silent_answered"]) == told


def test_tel_12_silence_of_one_probe_answers_nothing_of_its_neighbour(machine: str, clock: FastClock) -> None:
    """Two probes of one fridge: each is dealt with by itself; that their common device is silent counts for both."""
    device = a_device()
    probe, beside = (a_sensor(a_space(), code, device=device) for code in ("one", "two"))
    asks = a_state(asks=[probe.code, beside.code])

    def silent() -> list[bool]:
        return [a["silent_answered"] for a in send(machine, state=asks).json()["alarms"]]

    an_alarm(probe, clock, "sensor_silent", object_id=probe.pk, acked_at=clock.now())
    assert silent() == [True, False]
    an_alarm(probe, clock, "device_unreachable", object_id=device.pk, acked_at=clock.now())
    assert silent() == [True, True]


def test_tel_03_an_agent_is_told_the_limits_of_its_site_until_it_judges_by_them(machine: str, clock: FastClock) -> None:
    """Approved profiles only, as the probe reads: without its correction, in its unit; an older agent is told none."""
    space, (probe, warm) = a_monitored_space(clock.now(), probes=2)
    assert space.profile is not None
    a_monitored_space(clock.now(), code="far", site="malaga")
    Calibration.objects.filter(sensor=probe).update(offset_c=0.5)
    Sensor.objects.filter(pk=warm.pk).update(unit="degF")
    assert send(machine, state=a_state()).json()["limits"] is None

    def told(known: str) -> dict[str, Any] | None:
        found: dict[str, Any] | None = send(machine, state=a_state(limits=known)).json()["limits"]
        return found

    first = told("file")
    assert first is not None
    rows = {row["code"]: row for row in first["sensors"]}
    assert set(rows) == {probe.code, warm.code}
    assert (rows[probe.code]["low"], rows[probe.code]["high"]) == (1.5, 7.5)
    assert (rows[warm.code]["low"], rows[warm.code]["high"]) == (35.6, 46.4)
    assert rows[probe.code]["delay_s"] == space.site.service_class.page_delay_s
    assert first["digest"] == digest_of(first["sensors"])
    assert told(first["digest"]) is None
    assert all(watch_of({k: v for k, v in row.items() if k != "edition"}, "r") for row in first["sensors"])
    ProductProfile.objects.filter(pk=space.profile_id).update(high_c=7.0)
    second = told(first["digest"])
    assert second is not None
    assert second["digest"] != first["digest"]
    ProductProfile.objects.update(approved_at=None)
    assert told("file") is None
    emptied = told(second["digest"])
    assert emptied is not None
    assert emptied["sensors"] == []


def test_an_agent_is_told_nothing_of_another_site(machine: str, clock: FastClock) -> None:
    """A code of another site is not known here."""
    elsewhere = a_sensor(a_space("malaga"))
    an_alarm(elsewhere, clock, acked_at=clock.now())
    assert send(machine, state=a_state(asks=[elsewhere.code])).json()["alarms"] == []


def test_a_certificate_s_last_day_is_checked_in(machine: str, clock: FastClock) -> None:
    """Beside serial and firmware; a member that nobody knows is left out."""
    device = a_device()
    said = {"device": "gw-1", "serial": "SN-1", "certificate_until": "2027-01-31", "mood": "good"}
    assert send(machine, check_ins=[said]).status_code == 202
    device.refresh_from_db()
    assert device.observed == {"serial": "SN-1", "certificate_until": "2027-01-31"}


def test_the_digest_of_the_answer_is_the_body_s(machine: str, clock: FastClock) -> None:
    """By it the agent knows that this centre had these bytes."""
    document = {"schema": "waystation.batch/1", "boot": 1, "previous": "", "readings": []}
    reply = send(machine)
    assert reply.json()["digest"] == hashlib.sha256(json.dumps(document).encode()).hexdigest()


def test_a_token_by_the_command_line_is_the_same(clock: FastClock) -> None:
    """What `waystation access token enrol` prints enrols."""
    from waystation.cli.access import open_enrolment

    a_site()
    token = open_enrolment("agent cordoba", "cordoba", clock.now() - timedelta(hours=1))
    assert bring(token).status_code == 201
