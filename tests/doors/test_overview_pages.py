"""Overview, class change and onboarding as pages and by API: the same numbers at every door, roles refused."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.samples import a_service_class, a_site
from waystation.fleet.models import Drift, Onboarding
from waystation.journeys.overview import overview
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.registry.models import Site, Template
from waystation.telemetry import stores

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    yield
    stores._log.cache_clear()


def test_sla_05_page_api_and_journey_say_the_same_numbers(
    signed_in: SignedIn, system: Authority, clock: FastClock
) -> None:
    """Each figure of the journey stands on the page with a link to its records, and in the reply."""
    a_site("cordoba")
    client = signed_in("leadership")
    found = overview(system, "month", now=clock.now())
    page = client.get("/overview/").content.decode()
    reply = client.get("/api/v1/service_levels/questions").json()
    assert 1 <= len(found.numbers) <= 8
    for number in found.numbers:
        assert f'<a href="/overview/{number.opens}/?period=month"><b>{number.value}</b>' in page
        assert reply["numbers"][number.key] == number.value
    for question in ("sla", "excursions", "circuits", "vendors"):
        assert client.get(f"/overview/{question}/").status_code == 200


def test_overview_is_for_those_who_may_and_refuses_what_it_does_not_know(signed_in: SignedIn, clock: FastClock) -> None:
    """A vendor and a hub technician see none; an empty network has answers too."""
    assert signed_in("vendor").get("/overview/").status_code == 403
    assert signed_in("hub_technician").get("/overview/").status_code == 403
    client = signed_in("leadership")
    assert "There is no critical site" in client.get("/overview/").content.decode()
    assert client.get("/overview/?period=decade").status_code == 422
    assert client.get("/overview/weather/").status_code == 404


def test_sla_03_a_class_change_is_previewed_and_applied_by_a_service_manager_alone(
    signed_in: SignedIn, clock: FastClock
) -> None:
    """The preview changes nothing; an operator may look and not apply; the manager's change stands."""
    a_site("cordoba", service_class=a_service_class("B", page_delay_s=1800, cover_probability=0.85))
    a_service_class("A")
    asked = "/sites/cordoba/class/?then=A&criticality=vaccine&commitments=none&volume_per_month=10"
    page = signed_in("operator").get(asked).content.decode()
    for words in ("Page after", "30 min", "10 min", "Spares at hand when needed", "A service manager may."):
        assert words in page
    body = {
        "then": "A",
        "criticality": "vaccine",
        "commitments": "none",
        "volume_per_month": "10",
        "reason": "vaccines",
    }
    assert signed_in("operator").post("/sites/cordoba/class/", body).status_code == 403
    assert Site.objects.get().service_class.code == "B"
    signed_in("service_manager").post("/sites/cordoba/class/", body)
    moved = Site.objects.get()
    assert (moved.service_class.code, moved.tier_inputs["criticality"]) == ("A", "vaccine")


def test_jnt_01_the_preview_is_an_operation_of_the_api(signed_in: SignedIn, clock: FastClock) -> None:
    """Alarm and stock targets in one reply."""
    a_site("cordoba", service_class=a_service_class("B", page_delay_s=1800, cover_probability=0.85))
    a_service_class("A")
    client = signed_in("service_manager")
    reply = client.get("/api/v1/service_levels/sites/cordoba/class/A").json()
    assert {c["kind"] for c in reply["changes"]} == {"alarm", "stock"}
    body = {"code": "A", "inputs": {"criticality": "vaccine"}, "reason": "vaccines"}
    set_it = client.post("/api/v1/service_levels/sites/cordoba/class", body, content_type="application/json")
    assert set_it.json() == reply
    assert Site.objects.get().service_class.code == "A"


def _onboarded(client: Client) -> None:
    items = [{"key": "wan_test", "words": "WAN test", "mandatory": True, "fail_action": "call the vendor"}]
    a_site("huelva", state="planned")
    Template.objects.update(checklist=items, dependencies=["backup_power"])
    client.post("/onboarding/huelva/start/")


def test_onb_01_checks_are_recorded_on_the_page_with_evidence(signed_in: SignedIn, clock: FastClock) -> None:
    """Started by IT, a check passes with what shows it; the gate still names what is open, and stays shut."""
    client = signed_in("it")
    assert "No site is being onboarded" in client.get("/onboarding/").content.decode()
    _onboarded(client)
    assert "1 of 1 open" in client.get("/onboarding/").content.decode()
    page = client.get("/onboarding/huelva/").content.decode()
    assert "Not ready" in page
    assert "If it fails: call the vendor." in page
    body = {"result": "passed", "evidence": "38 ms and 61 ms"}
    page = client.post("/onboarding/huelva/checks/wan_test/", body, follow=True).content.decode()
    assert "38 ms and 61 ms" in page
    assert "backup power has no owner" in page
    assert client.post("/onboarding/huelva/open/").status_code == 403
    assert signed_in("supervisor").post("/onboarding/huelva/open/").status_code in (409, 425, 503)
    assert Onboarding.objects.get().opened_at is None


def test_arc_08_who_may_not_onboard_sees_the_gate_and_changes_nothing(signed_in: SignedIn, clock: FastClock) -> None:
    """An operator reads; a GET of a verb is refused; the API answers the same obstacles."""
    _onboarded(signed_in("it"))
    client = signed_in("operator")
    page = client.get("/onboarding/huelva/").content.decode()
    assert "Record it" not in page
    assert client.post("/onboarding/huelva/checks/wan_test/", {"evidence": "x"}).status_code == 403
    assert client.get("/onboarding/huelva/start/").status_code == 405
    gate = client.get("/api/v1/fleet/sites/huelva/gate").json()
    assert gate["ready"] is False
    assert {o["condition"] for o in gate["obstacles"]} == {"inventoried", "monitored"}
    assert client.get("/onboarding/nowhere/").status_code == 404
    a_site("cordoba")
    assert "opened without an onboarding" in client.get("/onboarding/cordoba/").content.decode()


def test_onb_04_a_failed_check_says_what_follows_at_every_door(signed_in: SignedIn, clock: FastClock) -> None:
    """On the page after recording it, and in the reply of the API."""
    client = signed_in("it")
    _onboarded(client)
    body = {"passed": False, "evidence": "no backup path"}
    reply = client.post("/api/v1/fleet/sites/huelva/checks/wan_test", json.dumps(body), content_type="application/json")
    assert (reply.json()["state"], reply.json()["fail_action"]) == ("failed", "call the vendor")
    form = {"result": "failed", "evidence": "no backup path"}
    page = client.post("/onboarding/huelva/checks/wan_test/", form, follow=True).content.decode()
    assert "Now: call the vendor." in page


def test_drf_04_drift_is_read_and_settled_by_api(signed_in: SignedIn, clock: FastClock) -> None:
    """Listed at the sites that one sees; waived with an end, by who may."""
    site = a_site("cordoba")
    row = Drift.objects.create(site=site, kind="firmware", expected="4.2", actual="4.1", seen_at=clock.now())
    assert [d["kind"] for d in signed_in("operator").get("/api/v1/fleet/drift?site=cordoba").json()] == ["firmware"]
    body = {"resolution": "waived", "reason": "window on Monday", "until": "2026-12-01T00:00:00Z"}
    address = f"/api/v1/fleet/drift/{row.pk}/resolve"
    assert signed_in("operator").post(address, body, content_type="application/json").status_code == 403
    assert signed_in("it").post(address, body, content_type="application/json").json()["resolution"] == "waived"
    assert signed_in("operator").get("/api/v1/fleet/drift").json() == []
