"""Writes by API that no other suite makes: people and machines, preferences, links of incidents, webhooks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.conftest import START
from tests.doors.pages import trouble
from tests.doors.surface import writes
from tests.doors.witness import READING, UNPROVED
from tests.samples import a_device, a_space
from waystation.access.models import Grant, Machine, Person
from waystation.kernel.clock import FastClock
from waystation.product.models import Move

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]

MOST_UNPROVED = 25


def _send(client: Client, path: str, body: Any = None, status: int = 200, verb: str = "post") -> Any:
    reply = getattr(client, verb)(f"/api/v1{path}", body or {}, content_type="application/json")
    assert reply.status_code == status, (path, reply.content)
    return reply.json()


def test_evd_08_the_writes_that_no_suite_compares_are_listed_and_get_fewer() -> None:
    """A new operation is compared around its tables, or the list grows and this fails."""
    assert set(writes()) >= UNPROVED | READING
    assert len(UNPROVED) <= MOST_UNPROVED
    print(f"{len(writes()) - len(UNPROVED | READING)} of {len(writes())} writes are compared with their entries")


def test_sec_06_people_and_machines_are_made_granted_and_ended(signed_in: SignedIn, clock: FastClock) -> None:
    """By an administrator; each act leaves its entry, and what was ended no longer works."""
    client = signed_in("administrator")
    bo = _send(client, "/access/people", {"email": "bo@example.org", "name": "Bo Berg"}, 201)["id"]
    grant = _send(client, f"/access/people/{bo}/grants", {"role": "operator"}, 201)["id"]
    assert _send(client, f"/access/people/{bo}/grants", {"role": "king"}, 422)["code"] == "access.role_unknown"
    _send(client, f"/access/grants/{grant}/end", {"reason": "left"})
    assert Grant.objects.get(pk=grant).until == START
    made = _send(client, "/access/machines", {"name": "erp", "role": "integrator"}, 201)
    erp = Client(headers={"Authorization": f"Bearer {made['token']}"})
    assert erp.get("/api/v1/access/me").json()["roles"] == ["integrator"]
    _send(client, f"/access/machines/{made['id']}/revoke", {"reason": "lost"})
    assert Machine.objects.get(pk=made["id"]).revoked_at == START
    assert erp.get("/api/v1/access/me").json()["code"] == "access.revoked"
    for path in ("/access/people", "/access/machines"):
        assert signed_in("operator").post(f"/api/v1{path}", {}, content_type="application/json").status_code in (
            403,
            422,
        )


def test_int_09_everybody_keeps_their_own_preferences(signed_in: SignedIn, clock: FastClock) -> None:
    """What is not given stays; what cannot be is refused."""
    client = signed_in("vendor")
    kept = _send(client, "/access/me/preferences", {"temperature_unit": "f", "theme": "dark"})
    assert kept == {"temperature_unit": "f", "hours": "24", "theme": "dark"}
    assert _send(client, "/access/me/preferences", {"hours": "12"}) == {**kept, "hours": "12"}
    assert _send(client, "/access/me/preferences", {"hours": "13"}, 422)["code"] == "access.preference"
    assert Person.objects.get(name="vendor").temperature_unit == "f"


def test_int_09_an_incident_is_linked_and_mitigated(signed_in: SignedIn, clock: FastClock) -> None:
    """As the page does it after a move."""
    _, incident = trouble()
    client, space, beside = signed_in("operator"), a_space("cordoba", "fridge-1"), a_space("cordoba", "beside")
    move = str(Move.objects.create(from_space=space, to_space=beside, started_at=START, started_by=uuid4()).pk)
    first = _send(client, f"/incidents/{incident.name}/links", {"kind": "move", "object_id": move}, 201)
    assert _send(client, f"/incidents/{incident.name}/links", {"kind": "move", "object_id": move}, 201) == first
    assert (
        _send(client, f"/incidents/{incident.name}/links", {"kind": "hat", "object_id": move}, 422)["field"] == "kind"
    )
    assert _send(client, f"/incidents/{incident.name}/mitigated", {"how": "moved"})["state"] == "mitigated"
    body = {"how": "moved"}
    assert (
        _send(signed_in("vendor"), f"/incidents/{incident.name}/mitigated", body, 403)["code"] == "access.not_allowed"
    )


def test_int_09_a_swap_without_a_reserved_unit_is_refused(signed_in: SignedIn, clock: FastClock) -> None:
    """By API as on the page: nothing is half done."""
    _, incident = trouble()
    device = a_device()
    body = {"unit_id": str(uuid4())}
    reply = signed_in("supervisor").post(
        f"/api/v1/incidents/{incident.name}/swap", body, content_type="application/json"
    )
    assert 400 <= reply.status_code < 500
    assert set(reply.json()) >= {"code", "message", "next_step"}
    device.refresh_from_db()
    assert device.unit_id is None


def test_registry_records_are_made_and_changed(signed_in: SignedIn, clock: FastClock) -> None:
    """A space by IT; the profile is approved by QA alone."""
    client, space = signed_in("it"), a_space()
    changed = _send(client, f"/registry/space/{space.pk}", {"values": {"name": "Fridge one"}}, verb="patch")
    assert changed["id"] == str(space.pk)
    space.refresh_from_db()
    assert space.name == "Fridge one"


def test_webhooks_are_paused_replayed_and_ended(signed_in: SignedIn, clock: FastClock) -> None:
    """Each act is one entry with the row that it changed."""
    client = signed_in("integrator")
    key = _send(client, "/webhooks", {"url": "https://example.org/x", "kinds": ["*"]}, 201)["id"]
    assert _send(client, "/webhooks", {"url": "http://10.0.0.1/", "kinds": ["*"]}, 422)["field"] == "url"
    _send(client, f"/webhooks/{key}/pause", {"reason": "moving"})
    assert _send(client, f"/webhooks/{key}/pause", {"reason": "again"}, 409)["code"] == "state.refused"
    _send(client, f"/webhooks/{key}/resume")
    _send(client, f"/webhooks/{key}/replay", {"after": 0})
    assert _send(client, f"/webhooks/{key}/end", {"reason": "moved"})["state"] == "ended"
