"""Incidents by API: opened once, worked, ended by two clocks, the watch signed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.conftest import START
from tests.samples import a_site, a_space
from waystation.access.queries import system_authority
from waystation.incidents import actions
from waystation.kernel.clock import FastClock

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
JSON, BASE = "application/json", "/api/v1/incidents"


def opened(client: Client) -> dict[str, Any]:
    space = a_space("cordoba", "fridge-1")
    body = {
        "cause": "compressor_fault",
        "site_id": str(a_site("cordoba").pk),
        "space_id": str(space.pk),
        "title": "Warm",
    }
    reply = client.post(f"{BASE}/", body, content_type=JSON)
    assert reply.status_code == 201, reply.content
    found: dict[str, Any] = reply.json()
    return found


def test_an_incident_is_opened_once_and_worked(signed_in: SignedIn, clock: FastClock) -> None:
    """Opening again joins; acknowledging twice changes nothing; the timeline is the log."""
    client = signed_in("operator")
    first = opened(client)
    assert opened(client)["id"] == first["id"]
    assert client.get(f"{BASE}/INC-1").json()["id"] == first["id"]
    for _ in range(2):
        assert client.post(f"{BASE}/INC-1/acknowledge").json()["state"] == "acknowledged"
    note = {"text": "the fan stands", "standing": "reported"}
    assert client.post(f"{BASE}/INC-1/notes", note, content_type=JSON).status_code == 201
    kinds = [m["kind"] for m in client.get(f"{BASE}/INC-1/timeline").json()]
    assert kinds == ["incidents.opened", "incidents.acknowledged", "incidents.noted"]
    assert [i["name"] for i in client.get(f"{BASE}/open").json()] == ["INC-1"]
    assert client.get(f"{BASE}/INC-2").json()["code"] == "incidents.unknown"


def test_qal_10_it_resolves_only_after_both_clocks(signed_in: SignedIn, clock: FastClock) -> None:
    """The refusal names what is missing; a sensor fault cannot be claimed through this door by an operator."""
    client = signed_in("operator")
    row = opened(client)
    client.post(f"{BASE}/INC-1/acknowledge")
    body = {"outcome": "part_replaced"}
    refused = client.post(f"{BASE}/INC-1/resolve", body, content_type=JSON)
    assert (refused.status_code, refused.json()["code"]) == (409, "incidents.not_resolved_service")
    by = system_authority("test")
    for mark in (actions.mark_service_restored, actions.mark_product_safe):
        mark(by, row["id"], at=START, now=START, source="test")
    excused = client.post(f"{BASE}/INC-1/resolve", {"outcome": "sensor_failed"}, content_type=JSON)
    assert excused.json()["code"] == "incidents.not_resolved_reading"
    assert client.post(f"{BASE}/INC-1/resolve", body, content_type=JSON).json()["state"] == "resolved"
    period = "start=2026-11-17T00:00:00Z&end=2026-11-18T00:00:00Z"
    assert client.get(f"{BASE}/outcomes?{period}").json() == {"part_replaced": 1}


def test_qal_09_the_watch_is_handed_over(signed_in: SignedIn, clock: FastClock) -> None:
    """Left by one, signed by another on what they read."""
    parts: dict[str, Any] = {"open": [], "suppressed": [], "unmonitored": [], "waiting": []}
    left = signed_in("operator").post(f"{BASE}/hand_overs", {"snapshot": parts}, content_type=JSON)
    address = f"{BASE}/hand_overs/{left.json()['id']}/take?digest={left.json()['digest']}"
    assert signed_in("operator").post(address).status_code == 403
    assert signed_in("supervisor").post(address).status_code == 200


def test_quality_closes_its_own_task(signed_in: SignedIn, clock: FastClock) -> None:
    """Nobody else may."""
    opened(signed_in("operator"))
    address = f"{BASE}/INC-1/quality?decision=fine"
    assert signed_in("operator").post(address).status_code == 403
    assert signed_in("quality").post(address).status_code == 200
