"""Stock by API: the same verbs, the same refusals, the papers as files."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.conftest import START
from tests.rooms.spares.network import ALWAYS, a_part, the_site
from waystation.access import actions, queries
from waystation.kernel.clock import FastClock

pytestmark = pytest.mark.django_db
API = "/api/v1/spares"


def _token(role: str) -> Client:
    _, token = actions.create_machine(queries.system_authority("test"), name=f"m-{role}", role=role, now=START)
    return Client(headers={"Authorization": f"Bearer {token}"})


def _post(client: Client, path: str, body: Any = None) -> Any:
    reply = client.post(f"{API}{path}", body if body is not None else {}, content_type="application/json")
    assert reply.status_code in (200, 201), (path, reply.content)
    return reply.json()


@pytest.fixture
def people(signed_in: Callable[..., Client], clock: FastClock) -> dict[str, Client]:
    """One signed-in client per role."""
    roles = ("stock_controller", "planner", "hub_technician", "supervisor", "wiper", "operator")
    return {role: signed_in(role) for role in roles}


def _shelf(people: dict[str, Client]) -> str:
    """A hub with a lane and one checked unit; returns the hub's id."""
    hub = {"code": "sevilla", "name": "Sevilla", "tier": "regional", "zone": "Europe/Madrid", "staffing": ALWAYS}
    made: str = _post(people["planner"], "/set-up/hub", {"values": hub})["id"]
    lane = {"hub_id": made, "site_id": str(the_site().pk), "mode": "drive", "quantiles": [[0.5, 5400], [0.9, 7200]]}
    _post(people["planner"], "/set-up/lane", {"values": lane})
    unit = {"part_id": str(a_part().pk), "serial": "S-1", "hub_id": made}
    received = _post(people["stock_controller"], "/units", unit)
    _post(people["hub_technician"], f"/units/{received['id']}/check", {"passed": True})
    return made


def _need() -> dict[str, str]:
    return {
        "incident_id": str(uuid4()),
        "site_id": str(the_site().pk),
        "part_id": str(a_part().pk),
        "limit_at": "2026-11-17T20:00:00Z",
        "incident_name": "INC-1",
    }


def test_jnt_03_a_unit_goes_through_its_life_by_api(people: dict[str, Client]) -> None:
    """Source, label, sheet, pick, ship, the courier's word, install, return, wipe, release: each by who may."""
    hub, need = _shelf(people), _need()
    found = _post(people["operator"], "/source", need)
    assert (found["candidates"][0]["outcome"], found["move_first"]) == ("chosen", False)
    sent, unit = found["dispatch"], found["reservation"]["unit_id"]
    candidates = people["operator"].get(f"{API}/incidents/{need['incident_id']}/candidates").json()
    assert candidates == found["candidates"]
    label = people["hub_technician"].get(f"{API}/dispatches/{sent['id']}/label")
    assert b"hub label" in label.content
    assert people["hub_technician"].get(f"{API}/dispatches/{sent['id']}/job-sheet").content.startswith(b"%PDF")
    _post(people["hub_technician"], f"/dispatches/{sent['id']}/pick")
    _post(people["hub_technician"], f"/dispatches/{sent['id']}/ship", {"carrier": "seur", "number": "SR1"})
    word = {
        "carrier": "seur",
        "event_id": "1",
        "label": "SR1",
        "kind": "delivered",
        "observed_at": "2026-11-17T06:00:00Z",
    }
    carrier = _token("integrator")
    assert _post(carrier, "/courier-events", word)["outcome"] == "moved to delivered"
    assert _post(carrier, "/courier-events", word)["repeats"] == 1
    assert _post(people["supervisor"], f"/units/{unit}/install")["state"] == "installed"
    _post(people["supervisor"], f"/units/{unit}/failed", {"reason": "Fan stuck"})
    assert _post(people["supervisor"], f"/units/{unit}/return", {})["review"]["closest_hub"] == "sevilla"
    intake = _post(people["hub_technician"], f"/units/{unit}/return/receive", {"hub_id": hub})["intake"]
    assert intake["credentials"] == "no credentials are on record"
    _post(people["wiper"], f"/units/{unit}/wipe", {"reason": "W-1"})
    _post(people["hub_technician"], f"/units/{unit}/repair", {"reason": "new fan"})
    refused = people["wiper"].post(f"{API}/units/{unit}/release", {"reason": "x"}, content_type="application/json")
    assert refused.status_code == 403
    assert _post(people["stock_controller"], f"/units/{unit}/release", {"reason": "good"})["state"] == "stocked"
    life = people["operator"].get(f"{API}/units/S-1/timeline").json()
    assert [row["state"] for row in life][-1] == "stocked"
    assert len(life) == 13


def test_ful_10_a_taken_unit_is_refused_with_the_one_error_shape(people: dict[str, Client]) -> None:
    """409, the code, who has it, and the next step."""
    _shelf(people)
    unit = people["operator"].get(f"{API}/units?state=stocked").json()[0]["id"]
    body = {"incident_id": str(uuid4()), "site_id": str(the_site().pk), "name": "INC-1"}
    held = _post(people["operator"], f"/units/{unit}/reserve", body)
    assert _post(people["operator"], f"/units/{unit}/reserve", body) == held
    other = body | {"incident_id": str(uuid4())}
    reply = people["operator"].post(f"{API}/units/{unit}/reserve", other, content_type="application/json")
    assert (reply.status_code, reply.json()["code"]) == (409, "spares.taken")
    assert "INC-1" in reply.json()["message"]
    taken = _post(people["operator"], f"/reservations/{held['id']}/take-over", other | {"reason": "P1"})
    assert _post(people["operator"], f"/reservations/{taken['id']}/release", {"reason": "done"})["state"] == "released"


def test_off_03_the_phone_sends_its_scans_as_one_list(people: dict[str, Client]) -> None:
    """Merged or in conflict, each by its own id; the desk shows the conflict until it is resolved."""
    hub = _shelf(people)
    scans = [
        {"client_id": "1", "verb": "check_ok", "code": "S-1", "scanned_at": "2026-11-17T06:00:00Z", "hub_id": hub},
        {"client_id": "2", "verb": "pick", "code": "NOPE", "scanned_at": "2026-11-17T05:59:00Z", "hub_id": hub},
    ]
    found = {s["client_id"]: s for s in _post(people["hub_technician"], "/scans", scans)}
    assert (found["1"]["outcome"], found["2"]["outcome"]) == ("merged", "conflict")
    desk = people["hub_technician"].get(f"{API}/hubs/sevilla/desk").json()
    assert [c["id"] for c in desk["conflicts"]] == [found["2"]["id"]]
    _post(people["hub_technician"], f"/scans/{found['2']['id']}/resolve", {"reason": "Another hub's label"})
    assert people["hub_technician"].get(f"{API}/hubs/sevilla/desk").json()["conflicts"] == []


def test_siz_13_stock_and_alerts_are_read_by_hub(people: dict[str, Client]) -> None:
    """One ready, two wanted: short by one, at that hub."""
    hub = _shelf(people)
    _post(people["planner"], "/set-up/target", {"values": {"hub_id": hub, "group": "controller", "minimum": 2}})
    assert [s["ready"] for s in people["operator"].get(f"{API}/stock").json()] == [1]
    assert [(a["place"], a["short"]) for a in people["operator"].get(f"{API}/alerts").json()] == [("Sevilla", 1)]
    assert [h["code"] for h in people["operator"].get(f"{API}/hubs").json()] == ["sevilla"]


def test_every_read_of_stock_asks_for_the_permission(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """A vendor's account sees no stock."""
    vendor = signed_in("vendor")
    for path in ("/hubs", "/units", "/stock", "/alerts", f"/incidents/{uuid4()}/candidates"):
        assert vendor.get(API + path).status_code == 403, path
