"""Line protocol through the doors: what agents and clients of both versions send, as they send it."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.conftest import START
from tests.doors.lines import AT_S, a_fridge, an_agent, frames, judged, stored
from tests.samples import a_sensor, a_site
from waystation.access import actions as access
from waystation.access.queries import system_authority
from waystation.api import line_pages
from waystation.kernel.clock import FastClock
from waystation.registry.actions import create
from waystation.telemetry import reader, stores
from waystation.telemetry.actions import lines
from waystation.telemetry.models import Excursion, Series
from waystation.telemetry.names import Names
from waystation.telemetry.rules.batch import MOST_BYTES

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Any, settings: Any, clock: FastClock) -> Any:
    settings.DATA = tmp_path
    line_pages._names.cache_clear()
    yield
    stores._log.cache_clear()
    line_pages._names.cache_clear()


def test_int_05_a_written_line_is_a_reading_of_its_sensor() -> None:
    """By code and by id, 204 without a body, in the log before the answer, of class authenticated connection."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    reply = agent.write(f"temp,sensor={probe.code} value=5.1 {AT_S}\ntemp,sensor={probe.pk} value=5.2 {AT_S + 60}")
    assert (reply.status_code, reply.content) == (204, b"")
    assert stored(space.site_id, probe.code) == [(probe.code, AT_S, 5.1), (probe.code, AT_S + 60, 5.2)]
    (frame,) = frames()
    assert frame.head["source_class"] == "authenticated_connection"
    assert frame.head["machine"] == str(agent.machine_id)
    assert frame.head["received_us"] == round(START.timestamp() * 1e6)


@pytest.mark.parametrize("path", ["/api/v2/write", "/write"])
@pytest.mark.parametrize("spelling", ["Token", "Bearer", "Basic"])
def test_int_05_every_spelling_of_the_token_opens_both_doors(path: str, spelling: str) -> None:
    """Basic takes the token as the password, whatever the user's name."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    agent.path = path
    basic = base64.b64encode(f"anybody:{agent.token}".encode()).decode()
    said = f"Basic {basic}" if spelling == "Basic" else f"{spelling} {agent.token}"
    assert agent.write(f"t,sensor={probe.code} value=5 {AT_S}", Authorization=said).status_code == 204
    assert len(stored(space.site_id, probe.code)) == 1


def test_int_05_the_older_protocol_may_carry_the_token_in_the_address() -> None:
    """`u` and `p`, as its clients write them."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    path = f"/write?db=telegraf&precision=s&u=x&p={agent.token}"
    reply = Client().generic("POST", path, f"t,sensor={probe.code} value=5 {AT_S}", content_type="text/plain")
    assert reply.status_code == 204
    assert len(stored(space.site_id, probe.code)) == 1


def test_int_05_telegraf_s_own_bytes_are_taken_unchanged() -> None:
    """What its output `influxdb_v2` sends: gzip, nanoseconds, several fields to a line, its own headers."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    agent.words = "bucket=cold&org=clinic"
    body = (
        f"modbus,host=gw-1,name=fridge,sensor={probe.code} value=4.8,status=0i {AT_S}000000000\n"
        f"modbus,host=gw-1,name=fridge,sensor={probe.code} value=4.9,status=0i {AT_S + 10}000000000\n"
    )
    reply = agent.write(
        gzip.compress(body.encode()), **{"Content-Encoding": "gzip", "User-Agent": "Telegraf/1.31.0 Go/1.22.4"}
    )
    assert reply.status_code == 204
    assert stored(space.site_id, probe.code) == [(probe.code, AT_S, 4.8), (probe.code, AT_S + 10, 4.9)]
    judged()
    assert list(Series.objects.values_list("field", "readings")) == [("status", 2)]


def test_int_05_a_broken_line_is_named_and_the_others_are_kept() -> None:
    """400 with line and reason for people and machines, in both versions' member; the good lines are durable."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    body = (
        f"t,sensor={probe.code} value=5 {AT_S}\nt,sensor={probe.code} value=\nt,sensor={probe.code} value=6 {AT_S + 9}"
    )
    reply = agent.write(body)
    told = reply.json()
    assert reply.status_code == 400
    assert told["code"] == "telemetry.lines"
    assert [line["line"] for line in told["lines"]] == [2]
    assert "line 2" in told["message"]
    assert told["error"] == told["message"]
    assert [row[2] for row in stored(space.site_id, probe.code)] == [5.0, 6.0]


def test_int_05_another_site_s_sensor_is_refused_by_line() -> None:
    """Neither its code nor its id nor its alias opens it; the token's own line beside it is kept."""
    space, probe = a_fridge()
    _, foreign = a_fridge("sevilla")
    agent = an_agent(space.site)
    for name in (foreign.code, str(foreign.pk)):
        reply = agent.write(f"t,sensor={name} value=50 {AT_S}\nt,sensor={probe.code} value=5 {AT_S}")
        assert reply.status_code == 400
        assert "at no site where this token may write" in reply.json()["lines"][0]["reason"]
    assert stored(foreign.site_id, foreign.code) == []
    assert len(stored(space.site_id, probe.code)) == 1
    assert Series.objects.count() == 0


def test_int_05_who_writes_for_every_site_writes_to_the_sensor_s_own(system: Any) -> None:
    """The sensor says the site; a series that no sensor has needs the tag `site`, and is refused without it."""
    space, probe = a_fridge()
    other, foreign = a_fridge("sevilla")
    names = Names()
    body = f"t,sensor={probe.code} value=5 {AT_S}\nt,sensor={foreign.code} value=6 {AT_S}\nnew,site=sevilla v=1 {AT_S}"
    assert not lines.write(system, body.encode(), names, precision="s", now=START).refused
    assert len(stored(space.site_id, probe.code)) == len(stored(other.site_id, foreign.code)) == 1
    (homeless,) = lines.write(system, f"new v=1 {AT_S}".encode(), names, precision="s", now=START).refused
    assert "none of its sites" in homeless.reason
    judged()
    assert [s.site_id for s in Series.objects.all()] == [other.site_id]


@pytest.mark.parametrize("path", ["/api/v2/write", "/write"])
def test_int_05_nobody_writes_without_a_token_that_may(path: str, signed_in: SignedIn) -> None:
    """401 for none and for a wrong one, 403 for one that may not; a person's session writes nothing here."""
    space, probe = a_fridge()
    line = f"t,sensor={probe.code} value=5 {AT_S}"
    reader = an_agent(name="auditor", role="auditor")
    for agent, status in ((an_agent(space.site), 401), (reader, 403)):
        agent.path = path
        if status == 401:
            agent.token = "wst_wrong"
        reply = agent.write(line)
        assert reply.status_code == status
        assert set(reply.json()) >= {"code", "message", "next_step"}
    for client in (Client(), signed_in("administrator")):
        assert client.generic("POST", path, line, content_type="text/plain").status_code == 401
    assert list(frames()) == []


def test_qal_12_a_revoked_token_writes_nothing_from_that_instant(clock: FastClock) -> None:
    """The next write is refused; what it wrote before stands."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    assert agent.write(f"t,sensor={probe.code} value=5 {AT_S}").status_code == 204
    access.revoke_machine(system_authority("test"), agent.machine_id, now=clock.now(), reason="stolen")
    reply = agent.write(f"t,sensor={probe.code} value=5 {AT_S + 60}")
    assert (reply.status_code, reply.json()["code"]) == (401, "access.revoked")
    assert len(stored(space.site_id, probe.code)) == 1


def test_int_05_a_body_past_the_limit_is_413_packed_or_not() -> None:
    """Eight megabytes unpacked; a small gzip that unpacks to more is no way around, and nothing of it is kept."""
    space, _ = a_fridge()
    agent = an_agent(space.site)
    large = b"#" * (MOST_BYTES + 1)
    for body, coding in ((large, "identity"), (gzip.compress(large), "gzip")):
        reply = agent.write(body, **{"Content-Encoding": coding})
        assert (reply.status_code, reply.json()["code"]) == (413, "telemetry.too_large")
    assert list(frames()) == []


@pytest.mark.parametrize(
    ("body", "coding"), [(b"no gzip", "gzip"), (gzip.compress(b"t v=1", mtime=0)[:-9], "gzip"), (b"t v=1", "br")]
)
def test_int_05_a_packing_that_cannot_be_read_is_refused(body: bytes, coding: str) -> None:
    """400 in the one shape: no gzip, half a gzip, another packing."""
    space, _ = a_fridge()
    reply = an_agent(space.site).write(body, **{"Content-Encoding": coding})
    assert (reply.status_code, reply.json()["code"]) == (400, "telemetry.coding")


def test_int_05_a_gzip_of_several_members_is_one_body() -> None:
    """As agents that append to a buffer send it."""
    space, probe = a_fridge()
    body = b"".join(gzip.compress(f"t,sensor={probe.code} value=5 {AT_S + n}\n".encode()) for n in range(3))
    assert an_agent(space.site).write(body, **{"Content-Encoding": "gzip"}).status_code == 204
    assert len(stored(space.site_id, probe.code)) == 3


def test_int_05_a_precision_that_is_none_is_named() -> None:
    """With those that there are; nothing is kept under a guess."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    agent.words = "precision=fortnight"
    reply = agent.write(f"t,sensor={probe.code} value=5 {AT_S}")
    assert (reply.status_code, reply.json()["field"]) == (422, "precision")
    assert list(frames()) == []


def test_int_05_a_log_that_takes_nothing_is_503_with_a_time_to_come_again() -> None:
    """Nothing is acknowledged; once a sync failed, `/health` says so too."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    stores.log()._broken = "Input/output error"  # as a failed sync leaves it
    reply = agent.write(f"t,sensor={probe.code} value=5 {AT_S}")
    assert (reply.status_code, reply["Retry-After"]) == (503, "30")
    assert reply.json()["code"] == "telemetry.cannot_store"
    ill = Client().get("/health")
    assert (ill.status_code, ill.json()["status"]) == (503, "fail")


def test_int_05_ping_and_health_answer_as_clients_ask() -> None:
    """Open, without anything that a stranger could use."""
    for verb in ("get", "head"):
        reply = getattr(Client(), verb)("/ping")
        assert (reply.status_code, reply.content, reply["X-Influxdb-Version"]) == (204, b"", "waystation")
    told = Client().get("/health").json()
    assert (told["status"], told["name"]) == ("pass", "waystation")
    assert Client().get("/write").status_code == 400


def test_int_05_an_alias_is_the_sensor_until_it_is_ended(signed_in: SignedIn, system: Any) -> None:
    """Registered through the API; afterwards its lines wait like any other."""
    space, probe = a_fridge()
    agent, it = an_agent(space.site), signed_in("it")
    values = {"site_id": str(space.site_id), "alias": "28-00000a", "sensor_id": str(probe.pk)}
    made = it.post("/api/v1/registry/sensor_alias", {"values": values}, content_type="application/json")
    assert made.status_code == 201, made.content
    assert agent.write(f"w1,sensor=28-00000a value=5 {AT_S}").status_code == 204
    assert len(stored(space.site_id, probe.code)) == 1
    path = f"/api/v1/registry/sensor_alias/{made.json()['id']}"
    ended = it.patch(path, {"values": {"is_live": False}}, content_type="application/json")
    assert ended.status_code == 200
    assert agent.write(f"w1,sensor=28-00000a value=6 {AT_S + 60}").status_code == 204
    assert len(stored(space.site_id, probe.code)) == 1
    judged()
    assert Series.objects.get().tags == {"sensor": "28-00000a"}


def test_tel_02_a_reading_in_fahrenheit_is_judged_in_celsius(system: Any) -> None:
    """By the sensor's record: 46.4 degF is 8.0 degC and in range, 46.5 is out; a field that differs is refused."""
    space, probe = a_fridge()
    create_in_f = a_sensor(space, "probe-f", unit="°F")
    agent = an_agent(space.site)
    agent.write(f"t,sensor={create_in_f.code} value=46.4 {AT_S}\nt,sensor={create_in_f.code} value=46.5 {AT_S + 60}")
    values = [row[2] for row in stored(space.site_id, create_in_f.code)]
    assert values[0] == 8.0
    assert values[1] == pytest.approx(8.0556, abs=1e-4)
    refused = agent.write(f"t,sensor={probe.code} temp_f=41 {AT_S}")
    assert "names another unit" in refused.json()["lines"][0]["reason"]
    judged()
    assert [e.sensor_id for e in Excursion.objects.all()] == [create_in_f.pk]


def test_tel_09_an_excursion_that_was_written_by_line_is_one_like_any_other(clock: FastClock) -> None:
    """Ten minutes at 21 degC: judged, opened, with its start and peak."""
    space, probe = a_fridge()
    lines = [f"t,sensor={probe.code} value={21 if n >= 5 else 5} {AT_S + 60 * n}" for n in range(10)]
    assert an_agent(space.site).write("\n".join(lines)).status_code == 204
    judged()
    row = Excursion.objects.get()
    assert (row.direction, row.peak_c, int(row.started_at.timestamp())) == ("high", 21.0, AT_S + 300)


def test_int_05_sent_again_it_is_one_reading() -> None:
    """An agent that heard no answer sends the same lines again: the same readings, judged once."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    for _ in range(3):
        assert agent.write(f"t,sensor={probe.code} value=5.5 {AT_S}").status_code == 204
    assert stored(space.site_id, probe.code) == [(probe.code, AT_S, 5.5)]


def test_int_05_true_and_false_are_states_of_a_door() -> None:
    """As agents write them."""
    space, _ = a_fridge()
    door = a_sensor(space, "door", quantity="door", unit="open", role="")
    agent = an_agent(space.site)
    agent.write(f"d,sensor={door.code} open=true {AT_S}\nd,sensor={door.code} open=F {AT_S + 5}")
    assert [row[2] for row in stored(space.site_id, door.code)] == [1.0, 0.0]


@pytest.mark.parametrize(
    ("kind", "values", "field"),
    [
        ("sensor_alias", {"alias": "x", "sensor_id": "foreign"}, "sensor"),
        ("sensor_alias", {"alias": "own-code", "sensor_id": "own"}, "alias"),
        ("mapping_rule", {"measurement": "m", "field": "v", "sensor_id": "foreign"}, "sensor"),
        ("mapping_rule", {"measurement": "m", "sensor_id": "own"}, "field"),
        ("mapping_rule", {"field": "v", "sensor_id": "own"}, "measurement"),
        ("mapping_rule", {"measurement": "m", "field": "v", "sensor_id": "own", "sensor_tag": "id"}, "sensor_tag"),
        ("mapping_rule", {"measurement": "m"}, "reason"),
        ("mapping_rule", {"reason": "everything"}, "measurement"),
        ("mapping_rule", {"measurement": "m", "tags": {"a": 1}, "reason": "x"}, "tags"),
        ("mapping_rule", {"measurement": "m", "tags": ["a"], "reason": "x"}, "tags"),
    ],
)
def test_int_12_a_name_or_rule_that_could_mix_sensors_is_refused(
    kind: str, values: dict[str, Any], field: str, signed_in: SignedIn
) -> None:
    """Another site's sensor, another's code, a rule that would merge series, one that ignores without a reason."""
    space, probe = a_fridge()
    _, foreign = a_fridge("sevilla")
    other = a_sensor(space, "probe-2")
    meant = {"own": str(probe.pk), "foreign": str(foreign.pk), "own-code": other.code}
    said = {k: meant.get(v, v) if isinstance(v, str) else v for k, v in values.items()}
    body = {"values": said | {"site_id": str(space.site_id)}}
    reply = signed_in("it").post(f"/api/v1/registry/{kind}", json.dumps(body), content_type="application/json")
    assert reply.status_code == 422, reply.content
    assert reply.json()["field"] == field


def test_int_05_lines_of_a_wrong_clock_are_kept_at_their_receipt_and_marked(clock: FastClock) -> None:
    """Five minutes ahead are borne and a week late is a reading; hours ahead and 1970 stand where they came, marked."""
    space, probe = a_fridge()
    agent, now_s = an_agent(space.site), int(clock.now().timestamp())
    said = [now_s - 7 * 86400, now_s + 240, now_s + 7200, now_s + 7260, 5000]
    lines = [f"t,sensor={probe.code} value={n} {at_s}" for n, at_s in enumerate(said)]
    assert agent.write("\n".join(lines)).status_code == 204
    assert agent.write("\n".join(lines)).status_code == 204  # sent again within the minute
    held = reader.readings(space.site_id, [probe.code], 0, 2**62)
    assert {(r.value, (r.observed_us + r.ahead_us) // 10**6) for r in held} == set(enumerate(said))
    placed = {r.value: (r.source_class, r.observed_us // 10**6 - now_s) for r in held}
    assert placed == {
        0: ("authenticated_connection", -7 * 86400),
        1: ("authenticated_connection", 240),
        2: ("receipt_time", -60),
        3: ("receipt_time", 0),
        4: ("receipt_time", placed[4][1]),
    }
    assert -60 < placed[4][1] <= 0
    assert len(held) == 5


def test_int_05_a_write_to_a_site_nobody_set_up_waits(system: Any) -> None:
    """A site without a sensor takes lines all the same: they are its discovery list."""
    site = a_site("granada")
    assert an_agent(site).write(f"t,host=a value=5 {AT_S}").status_code == 204
    judged()
    assert Series.objects.get().site_id == site.pk


def test_int_05_series_with_long_names_are_spread_over_frames_that_a_reader_takes(system: Any) -> None:
    """Six bytes for each letter where the log keeps them: more than one frame holds, and the next write is read too."""
    site = a_site("granada")
    agent, name = an_agent(site), "é" * 3900
    body = "\n".join(f"t{n:04},a={name} value={n} {AT_S}" for n in range(800))
    assert agent.write(body).status_code == 204
    assert agent.write(f"last value=1 {AT_S}").status_code == 204
    found = list(frames())
    assert sum(len(frame.value) for frame in found) == 801
    assert len({code for frame in found for code in frame.head["series"]}) == 801


def test_int_05_a_series_whose_name_is_beyond_reason_is_refused_by_line() -> None:
    """Named with its size; a sensor's own line is taken, however much stands beside its name."""
    space, probe = a_fridge()
    agent, long = an_agent(space.site), "x" * 4000
    reply = agent.write(f"t,a={long} value=5 {AT_S}\nt,sensor={probe.code},a={long} value=5 {AT_S}")
    assert (reply.status_code, "the series' name has 4,007 characters" in reply.json()["message"]) == (400, True)
    assert len(stored(space.site_id, probe.code)) == 1


def test_int_05_what_cannot_be_appended_is_told_to_those_who_sent_readings(tmp_path: Path) -> None:
    """Who sent nothing that was to be kept hears of their own mistake instead; mended, it goes on by itself."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    (tmp_path / "telemetry").mkdir()
    in_the_way = tmp_path / "telemetry" / "log"
    in_the_way.write_text("no folder can be made here")
    full = agent.write(f"t,sensor={probe.code} value=5 {AT_S}")
    wrong = agent.write("t,sensor=x value=")
    assert (full.status_code, wrong.status_code) == (503, 400)
    in_the_way.unlink()
    assert agent.write(f"t,sensor={probe.code} value=5 {AT_S}").status_code == 204
    assert len(stored(space.site_id, probe.code)) == 1


def test_evd_08_aliases_and_rules_leave_their_entries(system: Any) -> None:
    """Made through the registry's one verb, so that each is in the log."""
    space, _ = a_fridge()
    made = create(system, "mapping_rule", {"site": space.site, "sensor_tag": "id"}, now=START)
    from waystation.evidence.models import LogEntry

    assert LogEntry.objects.filter(kind="registry.mapping_rule_created", object_id=str(made.pk)).count() == 1
