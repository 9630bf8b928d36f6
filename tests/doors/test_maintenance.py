"""Maintenance through the real doors: planned by API, worked off on the pages, read as list, CSV and page."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.conftest import START
from tests.samples import a_device, a_site
from waystation.evidence.models import LogEntry
from waystation.fleet.models import MaintenanceOrder
from waystation.kernel.clock import FastClock
from waystation.registry.models import Vendor

pytestmark = pytest.mark.django_db
Signed = Callable[..., Client]
API = "/api/v1/maintenance"
HOUR = timedelta(hours=1)


def asked(**changes: Any) -> dict[str, Any]:
    """A battery to be replaced this morning by a vendor, twice a year."""
    Vendor.objects.get_or_create(code="friotec", defaults={"name": "Friotec", "kind": "repair"})
    return {
        "device_id": str(a_device().pk),
        "category": "preventive",
        "activity": "replace",
        "what": "UPS battery",
        "start": START.isoformat(),
        "end": (START + 4 * HOUR).isoformat(),
        "vendor": "friotec",
        "every_months": 6,
    } | changes


def send(client: Client, path: str, **body: Any) -> HttpResponse:
    """A write by API."""
    return client.post(f"{API}{path}", json.dumps(body), content_type="application/json")


def planned(client: Client, **changes: Any) -> dict[str, Any]:
    """The order that the API answers with."""
    reply = send(client, "/orders", **asked(**changes))
    assert reply.status_code == 201, reply.content
    return dict(reply.json())


def test_evd_11_by_api_an_order_goes_from_its_plan_to_its_next_one(signed_in: Signed, clock: FastClock) -> None:
    """Plan, start, finish; the next order is in the list with its own window, and each names the other."""
    client = signed_in("facilities")
    made = planned(client)
    assert (made["standing"], made["vendor"], made["device_serial"]) == ("due", "Friotec", "SN-cordoba-gw-1")
    clock.advance(3600)
    begun = send(client, f"/orders/{made['id']}/start", person="Luis").json()
    assert (begun["standing"], begun["person"], begun["started_at"]) == ("underway", "Luis", "2026-11-17T07:00:00Z")
    papers = [{"name": "r.pdf", "sha256": "ab" * 32}]
    ended = send(
        client, f"/orders/{made['id']}/finish", outcome="done", found="Cell 3", other_parts=["12 V"], attachments=papers
    )
    told = ended.json()
    assert (told["state"], told["parts"], told["attachments"]) == ("done", [{"text": "12 V"}], papers)
    listed = client.get(f"{API}/").json()
    assert listed["found"] == 2
    newest, old = listed["orders"]
    assert (newest["follows_id"], old["next_due"]) == (made["id"], newest["planned_end"])
    assert client.get(f"{API}/orders/{newest['id']}").json() == newest


def test_evd_11_by_api_filters_are_an_address_and_the_csv_obeys_them(signed_in: Signed, clock: FastClock) -> None:
    """Vendor, device, standing, period, page; the CSV holds the same orders."""
    client = signed_in("facilities")
    one = planned(client)
    planned(client, device_id=str(a_device("jaen", "gw-2").pk), vendor="", what="Filter")
    for query, found in (
        ("", 2),
        ("?vendor=friotec", 1),
        (f"?device={one['device_id']}", 1),
        ("?site=jaen", 1),
        ("?standing=due", 2),
        ("?standing=overdue", 0),
        ("?from=2026-11-18T00:00:00Z", 0),
        ("?part=cell", 0),
    ):
        assert client.get(f"{API}/{query}").json()["found"] == found, query
        lines = csv.DictReader(io.StringIO(client.get(f"{API}/orders.csv{query}").content.decode()))
        assert len(list(lines)) == found, query
    assert len(client.get(f"{API}/?first=1").json()["orders"]) == 1
    assert client.get(f"{API}/?standing=lost").status_code == 422
    assert client.get(f"{API}/?from=2026-11-18T00:00:00").status_code == 422


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"start": "2026-11-17T06:00:00"}, 422),
        ({"category": "wish"}, 422),
        ({"what": "x" * 161}, 422),
        ({"incident": "INC-9"}, 404),
        ({"vendor": "nobody"}, 404),
    ],
)
def test_evd_11_by_api_what_cannot_be_planned_is_refused(
    body: dict[str, Any], status: int, signed_in: Signed, clock: FastClock
) -> None:
    """An instant without its offset too; nothing is written."""
    assert send(signed_in("facilities"), "/orders", **asked(**body)).status_code == status
    assert not MaintenanceOrder.objects.exists()


def test_evd_11_by_api_an_ended_order_stays_as_it_is(signed_in: Signed, clock: FastClock) -> None:
    """Neither cancelled nor begun again, by nobody."""
    client = signed_in("facilities")
    made = planned(client)
    assert send(client, f"/orders/{made['id']}/cancel", reason="Device goes").json()["state"] == "cancelled"
    for verb, body in (("start", {}), ("cancel", {"reason": "again"}), ("finish", {"outcome": "done"})):
        reply = send(client, f"/orders/{made['id']}/{verb}", **body)
        assert (reply.status_code, reply.json()["code"]) == (409, "state.refused")
    assert send(signed_in("operator"), f"/orders/{made['id']}/cancel", reason="x").status_code == 403


def test_evd_11_on_the_pages_work_is_planned_begun_and_ended(signed_in: Signed, clock: FastClock) -> None:
    """The forms do what the operations do; overdue work stands in the head of the list and on its site's page."""
    client = signed_in("facilities")
    form = asked(device=asked()["device_id"], start="2026-11-17T06:00", end="2026-11-17T10:00")
    made = client.post("/maintenance/plan/", form)
    assert made.status_code == 302, made.content
    page = client.get(made["Location"]).content.decode()
    assert "UPS battery" in page
    assert "It begins now" in page
    assert client.post(f"{made['Location']}start/", {"person": "Luis"}).status_code == 302
    clock.advance(5 * 3600)
    assert "1 overdue" in client.get("/maintenance/").content.decode()
    assert "overdue" in client.get("/sites/cordoba/").content.decode()
    ended = {"outcome": "done_with_remarks", "found": "Cell 3", "other_parts": "12 V\r\n\r\nGrease"}
    ended |= {"attachments": f"{'ab' * 32} *report 7.pdf", "next_due": "2027-01-01T00:00"}
    reply = client.post(f"{made['Location']}finish/", ended, follow=True)
    assert "due again until 2027-01-01 00:00 UTC" in reply.content.decode()
    row = MaintenanceOrder.objects.get(state="done_with_remarks")
    assert [p["text"] for p in row.parts] == ["12 V", "Grease"]
    assert row.attachments == [{"name": "report 7.pdf", "sha256": "ab" * 32}]
    assert "the next one" in client.get(made["Location"]).content.decode()


def test_evd_11_on_the_pages_the_list_says_what_was_used_and_by_whom(signed_in: Signed, clock: FastClock) -> None:
    """Part, finding and vendor in the line of the order; the CSV of the same address; an empty list says what next."""
    client = signed_in("facilities")
    assert "Plan the first one below" in client.get("/maintenance/").content.decode()
    made = planned(client, person="Luis")
    body = {"outcome": "done", "found": "Cell <3>", "other_parts": ["12 V"], "started_at": START.isoformat()}
    assert send(client, f"/orders/{made['id']}/finish", **body).status_code == 200
    page = client.get("/maintenance/?part=12&standing=done").content.decode()
    for words in ("12 V", "Cell &lt;3&gt;", "Friotec", "Luis", "orders.csv?part=12&amp;standing=done"):
        assert words in page
    reply = client.get("/maintenance/orders.csv?part=12&standing=done")
    assert reply["Content-Disposition"].startswith("attachment")
    assert reply.content.decode().count("\n") == 2


def test_evd_11_on_the_pages_who_may_not_maintain_sees_no_form(signed_in: Signed, clock: FastClock) -> None:
    """The list and the order are read by everybody who sees the site; a form sent all the same is refused."""
    made = planned(signed_in("facilities"))
    reader = signed_in("leadership")
    for address in ("/maintenance/", f"/maintenance/{made['id']}/"):
        page = reader.get(address)
        assert page.status_code == 200
        assert "UPS battery" in page.content.decode()
        assert 'action="/maintenance/' not in page.content.decode()
    before = LogEntry.objects.count()
    assert reader.post(f"/maintenance/{made['id']}/cancel/", {"reason": "x"}).status_code == 403
    assert LogEntry.objects.count() == before


def test_evd_11_on_the_pages_an_order_is_cancelled_with_its_reason(signed_in: Signed, clock: FastClock) -> None:
    """And the page of its device leads to it."""
    client = signed_in("facilities")
    made = planned(client)
    assert client.post(f"/maintenance/{made['id']}/cancel/", {"reason": ""}).status_code == 422
    done = client.post(f"/maintenance/{made['id']}/cancel/", {"reason": "Device goes"}, follow=True)
    assert "Device goes" in done.content.decode()
    link = f"/maintenance/?device={made['device_id']}"
    assert link in client.get(f"/devices/{made['device_id']}/reach/").content.decode()
    assert "Device goes" in client.get(link).content.decode()
    assert a_site().code == made["site"]
