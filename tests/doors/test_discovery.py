"""The discovery list: an agent that nobody set up is heard; its series become sensors with their past, or go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from tests.conftest import START
from tests.doors.lines import AT_S, a_fridge, an_agent, frames, judged, stored
from tests.samples import a_sensor
from waystation.api import line_pages
from waystation.evidence.models import LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.registry.models import MappingRule
from waystation.telemetry import discovery, stores
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Excursion, Series
from waystation.telemetry.names import MOST_WAITING

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
JSON = {"content_type": "application/json"}


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Any, settings: Any, clock: FastClock) -> Any:
    settings.DATA = tmp_path
    line_pages._names.cache_clear()
    yield
    stores._log.cache_clear()
    line_pages._names.cache_clear()


def _dying(work: Callable[[], object]) -> None:
    """Do it in a transaction that never commits."""
    with transaction.atomic():
        work()
        transaction.set_rollback(True)


def _listed(client: Client) -> list[dict[str, Any]]:
    reply = client.get("/api/v1/discovery/sites/cordoba")
    assert reply.status_code == 200, reply.content
    return list(reply.json())


def test_int_12_an_existing_telegraf_becomes_sensors_with_their_history(signed_in: SignedIn) -> None:
    """Heard for ten minutes, listed, adopted: the past is judged, its excursion found, and what follows is live."""
    space, probe = a_fridge()
    agent, it = an_agent(space.site), signed_in("it")
    lines = [f"w1,host=gw,id=28-0a temp={21 if n == 5 else 5} {AT_S + 60 * n}" for n in range(10)]
    assert agent.write("\n".join(lines)).status_code == 204
    judged()
    (one,) = _listed(it)
    assert (one["measurement"], one["tags"], one["field"]) == ("w1", {"host": "gw", "id": "28-0a"}, "temp")
    assert (one["readings"], one["last_value"]) == (10, 5.0)
    assert Excursion.objects.count() == 0
    reply = it.post(f"/api/v1/discovery/series/{one['id']}/adopt", {"sensor_id": str(probe.pk)}, **JSON)
    assert (reply.status_code, reply.json()) == (200, {"readings": 10})
    judged()
    assert [row[2] for row in stored(space.site_id, probe.code)] == [5.0] * 5 + [21.0] + [5.0] * 4
    assert int(Excursion.objects.get().started_at.timestamp()) == AT_S + 300
    assert _listed(it) == []
    agent.write(f"w1,host=gw,id=28-0a temp=6 {AT_S + 600}")
    assert stored(space.site_id, probe.code)[-1] == (probe.code, AT_S + 600, 6.0)


def test_int_12_the_past_keeps_who_sent_it_and_when_it_came(signed_in: SignedIn, clock: FastClock) -> None:
    """An adopted reading is as old as it was, of the machine and source class that brought it; an entry says so."""
    space, probe = a_fridge()
    agent, it = an_agent(space.site), signed_in("it")
    agent.write(f"w1 temp=5 {AT_S}")
    judged()
    clock.advance(3 * 86400)
    it.post(f"/api/v1/discovery/series/{_listed(it)[0]['id']}/adopt", {"sensor_id": str(probe.pk)}, **JSON)
    before, after = frames()
    assert after.head["sensors"] == [probe.code]
    for name in ("machine", "source_class", "received_us", "site"):
        assert after.head[name] == before.head[name]
    entry = LogEntry.objects.get(kind="telemetry.series_given")
    assert entry.at == clock.now()


def test_int_12_readings_wait_fourteen_days_and_not_longer(signed_in: SignedIn, clock: FastClock) -> None:
    """On the last day they are adopted; what came before is adopted no more, and a series not heard leaves the list."""
    space, probe = a_fridge()
    agent, it = an_agent(space.site), signed_in("it")
    agent.write(f"w1 temp=4 {AT_S}")
    clock.advance(10 * 86400)
    agent.write(f"w1 temp=5 {AT_S + 864000}")
    judged(clock.now())
    clock.advance(10 * 86400)
    (one,) = _listed(it)
    it.post(f"/api/v1/discovery/series/{one['id']}/adopt", {"sensor_id": str(probe.pk)}, **JSON)
    assert [row[2] for row in stored(space.site_id, probe.code)] == [5.0]
    agent.write(f"other temp=5 {AT_S + 864000}")
    judged(clock.now())
    assert len(_listed(it)) == 1
    clock.advance(14 * 86400)
    assert _listed(it) == []


def test_int_12_what_is_ignored_is_dropped_until_the_rule_ends(signed_in: SignedIn) -> None:
    """By a rule with a reason; ended, the series is listed again."""
    space, _ = a_fridge()
    agent, it = an_agent(space.site), signed_in("it")
    agent.write(f"cpu,host=gw usage=5 {AT_S}")
    judged()
    key = _listed(it)[0]["id"]
    refused = it.post(f"/api/v1/discovery/series/{key}/ignore", {"reason": " "}, **JSON)
    assert (refused.status_code, refused.json()["field"]) == (422, "reason")
    rule = it.post(f"/api/v1/discovery/series/{key}/ignore", {"reason": "load of the gateway"}, **JSON).json()["rule"]
    assert _listed(it) == []
    assert agent.write(f"cpu,host=gw usage=6 {AT_S + 10}").status_code == 204
    assert len(list(frames())) == 1
    it.patch(f"/api/v1/registry/mapping_rule/{rule}", {"values": {"is_live": False}}, **JSON)
    agent.write(f"cpu,host=gw usage=7 {AT_S + 20}")
    judged()
    assert _listed(it)[0]["last_value"] == 7.0


def test_int_12_a_rule_by_tag_adopts_every_series_that_names_a_sensor(signed_in: SignedIn, system: Authority) -> None:
    """Seen before it is made; made, it gives each series to its own sensor, and leaves what names nobody."""
    space, probe = a_fridge()
    second = a_sensor(space, "probe-2")
    agent, it = an_agent(space.site), signed_in("it")
    for name, value in ((probe.code, 5), (second.code, 6), ("unheard", 7)):
        agent.write(f"mqtt,topic={name} v={value} {AT_S}")
    judged()
    rule = {"measurement": "mqtt", "sensor_tag": "topic"}
    seen = it.post("/api/v1/discovery/sites/cordoba/preview", rule, **JSON).json()
    assert sorted(s["sensor"] for s in seen) == sorted([probe.code, second.code])
    assert MappingRule.objects.count() == 0
    made = it.post("/api/v1/registry/mapping_rule", {"values": rule | {"site_id": str(space.site_id)}}, **JSON)
    assert made.status_code == 201
    assert discovery.copy_due(system, now=START) == 2
    assert discovery.copy_due(system, now=START) == 0
    assert stored(space.site_id, probe.code, second.code) == [(probe.code, AT_S, 5.0), (second.code, AT_S, 6.0)]
    assert [s["tags"]["topic"] for s in _listed(it)] == ["unheard"]


def test_int_12_a_preview_of_a_rule_that_ignores_says_what_would_be_dropped(signed_in: SignedIn) -> None:
    """Without a sensor each; nothing is changed by looking."""
    space, _ = a_fridge()
    agent, it = an_agent(space.site), signed_in("it")
    agent.write(f"cpu,host=a usage=5 {AT_S}\ncpu,host=b usage=5 {AT_S}\nmem,host=a used=5 {AT_S}")
    judged()
    seen = it.post("/api/v1/discovery/sites/cordoba/preview", {"measurement": "cpu"}, **JSON).json()
    assert [s["sensor"] for s in seen] == ["", ""]
    assert len(_listed(it)) == 3


def test_int_12_a_death_between_rule_and_past_loses_nothing(signed_in: SignedIn, system: Authority) -> None:
    """The rule is made and the process dies: the worker's next round gives the past; twice is as once."""
    from waystation.registry.actions import create

    space, probe = a_fridge()
    an_agent(space.site).write(f"w1 temp=21 {AT_S}")
    judged()
    row = Series.objects.get()
    words = {"site": space.site, "measurement": "w1", "field": "temp", "sensor": probe, "tags": {}}
    create(system, "mapping_rule", words, now=START)
    _dying(lambda: discovery.copy_due(system, now=START))
    row.refresh_from_db()
    assert row.uncopied_since_us is not None
    assert discovery.copy_due(system, now=START) == 1
    assert stored(space.site_id, probe.code) == [(probe.code, AT_S, 21.0)]


def test_int_12_what_arrives_while_it_is_adopted_follows(signed_in: SignedIn, system: Authority) -> None:
    """A reading that was placed by names read before the rule is given when it is judged."""
    space, probe = a_fridge()
    agent, it = an_agent(space.site), signed_in("it")
    agent.write(f"w1 temp=5 {AT_S}")
    judged()
    (first,) = frames()
    it.post(f"/api/v1/discovery/series/{_listed(it)[0]['id']}/adopt", {"sensor_id": str(probe.pk)}, **JSON)
    stores.log().append([type(first)(first.head, first.sensor, [first.at_us[0] + 60_000_000], [21.0], [0])])
    judged()
    assert discovery.copy_due(system, now=START) == 2
    assert [row[2] for row in stored(space.site_id, probe.code)] == [5.0, 21.0]


def test_int_12_a_sealed_series_is_adopted_like_a_fresh_one(signed_in: SignedIn, system: Authority) -> None:
    """From the segment, when the log file is gone."""
    space, probe = a_fridge()
    agent, it = an_agent(space.site), signed_in("it")
    agent.write(f"w1 temp=5 {AT_S}\nw1 temp=6 {AT_S + 60}")
    judged()
    assert seal(system, now=START) == 1
    assert list(frames()) == []
    it.post(f"/api/v1/discovery/series/{_listed(it)[0]['id']}/adopt", {"sensor_id": str(probe.pk)}, **JSON)
    assert [row[2] for row in stored(space.site_id, probe.code)] == [5.0, 6.0]


def test_int_12_judging_twice_counts_once(system: Authority) -> None:
    """A transaction that does not commit leaves the list as it was; the next one counts each reading once."""
    space, _ = a_fridge()
    an_agent(space.site).write(f"w1 temp=5 {AT_S}\nw1 temp=6 {AT_S + 60}")
    engine = Engine()
    _dying(lambda: discovery.note((frame for frame, _ in engine.waiting()), now=START))
    assert Series.objects.count() == 0
    judged()
    judged()
    assert Series.objects.get().readings == 2


def test_tel_02_a_unit_in_doubt_keeps_a_series_waiting(signed_in: SignedIn, system: Authority) -> None:
    """A field in degF is not adopted by a sensor recorded in degC; a rule that would do it is shown with its reason."""
    space, probe = a_fridge()
    agent, it = an_agent(space.site), signed_in("it")
    agent.write(f"w1 temp_f=41 {AT_S}")
    judged()
    (one,) = _listed(it)
    reply = it.post(f"/api/v1/discovery/series/{one['id']}/adopt", {"sensor_id": str(probe.pk)}, **JSON)
    assert (reply.status_code, reply.json()["code"]) == (422, "telemetry.series_unit")
    values = {"site_id": str(space.site_id), "measurement": "w1", "field": "temp_f", "sensor_id": str(probe.pk)}
    assert it.post("/api/v1/registry/mapping_rule", {"values": values}, **JSON).status_code == 201
    assert discovery.copy_due(system, now=START) == 0
    assert "another unit" in _listed(it)[0]["doubt"]
    in_f = a_sensor(space, "probe-f", unit="degF")
    values |= {"tags": {}, "sensor_id": str(in_f.pk)}
    rule = MappingRule.objects.get()
    it.patch(f"/api/v1/registry/mapping_rule/{rule.pk}", {"values": {"sensor_id": str(in_f.pk)}}, **JSON)
    assert discovery.copy_due(system, now=START) == 1
    assert stored(space.site_id, in_f.code) == [(in_f.code, AT_S, 5.0)]


def test_int_12_who_may_not_map_adopts_and_ignores_nothing(signed_in: SignedIn) -> None:
    """403 for an operator, and for IT of another site; the series stays in the list that the operator sees."""
    space, probe = a_fridge()
    an_agent(space.site).write(f"w1 temp=5 {AT_S}")
    judged()
    operator = signed_in("operator")
    key = _listed(operator)[0]["id"]
    for path, body in (("adopt", {"sensor_id": str(probe.pk)}), ("ignore", {"reason": "x"})):
        assert operator.post(f"/api/v1/discovery/series/{key}/{path}", body, **JSON).status_code == 403
        assert operator.post(f"/series/{key}/{path}/", body).status_code == 403
    assert MappingRule.objects.count() == 0
    assert len(_listed(operator)) == 1


def test_int_12_a_series_that_nobody_wrote_is_not_there(signed_in: SignedIn) -> None:
    """404 with a next step."""
    _, probe = a_fridge()
    path = f"/api/v1/discovery/series/{probe.pk}/adopt"
    reply = signed_in("it").post(path, {"sensor_id": str(probe.pk)}, **JSON)
    assert (reply.status_code, reply.json()["code"]) == (404, "telemetry.series_unknown")


def test_int_12_a_flood_of_series_is_stopped_by_line(signed_in: SignedIn) -> None:
    """At the limit further series are refused and named; those that wait already go on, and so do sensors."""
    space, probe = a_fridge()
    agent = an_agent(space.site)
    body = "\n".join(f"m,n={n} v=1 {AT_S}" for n in range(MOST_WAITING))
    assert agent.write(body).status_code == 204
    more = f"m,n=1 v=2 {AT_S}\nm,n=new v=2 {AT_S}\nt,sensor={probe.code} value=5 {AT_S}"
    reply = agent.write(more)
    assert reply.status_code == 400
    assert [line["line"] for line in reply.json()["lines"]] == [2]
    assert len(stored(space.site_id, probe.code)) == 1


def test_int_12_the_site_s_page_shows_the_list_and_takes_both_answers(signed_in: SignedIn) -> None:
    """Measurement, tags, newest value and age; afterwards the list is empty and the card is gone."""
    space, probe = a_fridge()
    agent, it = an_agent(space.site), signed_in("it")
    assert "no sensor has" not in it.get("/sites/cordoba/").content.decode()
    agent.write(f"w1,host=<b>gw</b> temp=5.25 {AT_S}\ncpu usage=3 {AT_S}")
    judged()
    page = it.get("/sites/cordoba/").content.decode()
    assert "Series that no sensor has" in page
    assert "5.25" in page
    assert "&lt;b&gt;gw" in page
    assert "<b>gw" not in page
    assert probe.code in page
    keys = {s["measurement"]: s["id"] for s in _listed(it)}
    missing = it.post(f"/series/{keys['w1']}/adopt/", {"sensor_id": ""})
    assert missing.status_code == 422
    assert it.post(f"/series/{keys['w1']}/adopt/", {"sensor_id": str(probe.pk)})["Location"] == "/sites/cordoba/"
    assert it.post(f"/series/{keys['cpu']}/ignore/", {"reason": "load"}).status_code == 302
    assert "Series that no sensor has" not in it.get("/sites/cordoba/").content.decode()
    assert stored(space.site_id, probe.code) == [(probe.code, AT_S, 5.25)]
