"""Alarms by API: the same verbs as everywhere, acknowledge by POST only, refusals in the one shape."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from tests.conftest import START
from tests.rooms.alarms.scenes import Scene, condition
from tests.samples import a_space
from waystation.access.models import Person
from waystation.alarms.models import Alarm
from waystation.alarms.rules.shipped_matrix import SHIPPED_MATRIX
from waystation.kernel.clock import FastClock

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
JSON = "application/json"


@pytest.fixture
def alarm(person: Callable[..., Person], clock: FastClock) -> Alarm:
    """An excursion of a fridge that paged an operator and a site contact."""
    scene = Scene(person)
    scene.staff(Ana="operator", Bo="site_contact")
    return scene.round([condition("excursion", scene.site.pk, a_space("cordoba", "fridge-1").pk)]).raised[0]


def test_active_alarms_show_their_reasons(alarm: Alarm, signed_in: SignedIn) -> None:
    """With facts, state and each stage's word."""
    seen = signed_in("operator").get("/api/v1/alarms/active").json()
    assert [(a["id"], a["state"]) for a in seen] == [(str(alarm.pk), "active_unacked")]
    assert [r["stage"] for r in seen[0]["reasons"]][:2] == ["quality", "lifecycle"]


def test_acknowledging_is_a_post_and_reading_it_changes_nothing(alarm: Alarm, signed_in: SignedIn) -> None:
    """A link that is merely followed acknowledges nothing."""
    client, address = signed_in("operator"), f"/api/v1/alarms/alarms/{alarm.pk}/acknowledge"
    assert client.get(address).status_code == 405
    assert Alarm.objects.get().acked_at is None
    assert client.post(address).json()["state"] == "active_acked"
    assert client.post(address).json()["acked_at"] == "2026-11-17T06:00:00Z"


def test_who_was_paged_and_why(alarm: Alarm, signed_in: SignedIn) -> None:
    """One answer for each pair of alarm and person."""
    client = signed_in("operator")
    paged = client.get(f"/api/v1/alarms/alarms/{alarm.pk}/paged").json()
    assert len(paged) == 2
    for name, expected in (("Ana", True), ("operator", False)):
        key = Person.objects.get(name=name).pk
        assert client.get(f"/api/v1/alarms/alarms/{alarm.pk}/why/{key}").json()["paged"] is expected
    assert client.get(f"/api/v1/alarms/alarms/{alarm.pk}/children").json() == []


def test_quiet_is_previewed_set_listed_and_ended(alarm: Alarm, signed_in: SignedIn, clock: FastClock) -> None:
    """And refused without a reason, naming the field."""
    client = signed_in("operator")
    body = {"site_id": str(alarm.site_id), "kind": "silence", "reason": "", "rules": ["excursion"]}
    refused = client.post("/api/v1/alarms/suppressions", body, content_type=JSON)
    assert (refused.status_code, refused.json()["field"]) == (422, "reason")
    preview = client.post("/api/v1/alarms/suppressions/preview", body, content_type=JSON).json()
    assert [a["id"] for a in preview] == [str(alarm.pk)]
    made = client.post("/api/v1/alarms/suppressions", body | {"reason": "defrost"}, content_type=JSON)
    assert (made.status_code, made.json()["ends_at"]) == (201, "2026-11-17T10:00:00Z")
    assert len(client.get("/api/v1/alarms/suppressions").json()) == 1
    clock.advance_to(START + timedelta(minutes=1))
    ended = client.post(f"/api/v1/alarms/suppressions/{made.json()['id']}/end").json()
    assert ended["ends_at"] == "2026-11-17T06:01:00Z"


def test_alr_01_the_matrix_is_read_previewed_and_edited(alarm: Alarm, signed_in: SignedIn) -> None:
    """By supervisors; a bad row names its field; an operator is refused."""
    client = signed_in("supervisor")
    assert client.get("/api/v1/alarms/matrix").json()["number"] == 0
    body = {"rows": list(SHIPPED_MATRIX), "base_number": 0, "reason": "first"}
    seen = client.post("/api/v1/alarms/matrix/preview", body, content_type=JSON).json()
    assert seen["before"] == seen["after"]
    assert client.post("/api/v1/alarms/matrix", body, content_type=JSON).json() == {"number": 1}
    bad = {**body, "base_number": 1, "rows": [{**SHIPPED_MATRIX[0], "owner": ""}]}
    assert client.post("/api/v1/alarms/matrix", bad, content_type=JSON).json()["field"] == "owner"
    assert signed_in("operator").post("/api/v1/alarms/matrix", body, content_type=JSON).status_code == 403


def test_alr_07_on_call_is_planned_overridden_and_seen(alarm: Alarm, signed_in: SignedIn) -> None:
    """Who is on call now, by rotation and by override, and the next gap."""
    client, site = signed_in("supervisor"), alarm.site_id
    ana = str(Person.objects.get(name="Ana").pk)
    rota = {"name": "ops", "role": "operator", "zone": "Europe/Madrid", "people": [ana], "first_day": "2026-11-16"}
    made = client.post("/api/v1/alarms/rotations", rota, content_type=JSON)
    assert made.status_code == 201
    seen = client.get(f"/api/v1/alarms/sites/{site}/on_call/operator").json()
    assert (seen["people"], seen["next_gap"]) == ([{"person_id": ana, "source": "rotation"}], None)
    cover = {"person_id": ana, "starts_at": "2026-11-17T06:00:00Z", "ends_at": "2026-11-17T07:00:00Z"}
    key = made.json()["id"]
    assert client.post(f"/api/v1/alarms/rotations/{key}/overrides", cover, content_type=JSON).status_code == 201
    again = client.get(f"/api/v1/alarms/sites/{site}/on_call/operator").json()
    assert again["people"][0]["source"] == "override"
    assert client.post(f"/api/v1/alarms/rotations/{key}/end").status_code == 200
    levels = {"levels": [{"roles": ["operator"], "wait_s": 300}]}
    assert client.post("/api/v1/alarms/policies", levels, content_type=JSON).status_code == 201


def test_alr_10_a_route_is_tested_and_confirmed(alarm: Alarm, signed_in: SignedIn) -> None:
    """By those who received it."""
    boss = signed_in("supervisor")
    made = boss.post(f"/api/v1/alarms/sites/{alarm.site_id}/route_test")
    assert (made.status_code, made.json()["missing"]) == (201, [])
    assert boss.post(f"/api/v1/alarms/route_tests/{made.json()['id']}/confirm").status_code == 403
    ana = Client()
    ana.force_login(Person.objects.get(name="Ana"), backend="allauth.account.auth_backends.AuthenticationBackend")
    assert len(ana.post(f"/api/v1/alarms/route_tests/{made.json()['id']}/confirm").json()["received"]) == 1
    assert len(boss.get("/api/v1/alarms/route_tests").json()) == 1


def test_wan_07_the_cause_is_told(alarm: Alarm, signed_in: SignedIn) -> None:
    """No data are missing here, so there is none."""
    assert signed_in("operator").get(f"/api/v1/alarms/sites/{alarm.site_id}/cause").json()["verdict"] == "none"
