"""The hub desk as a page: what is due stands there, a scan acts once, a clash waits for a person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client

from tests.rooms.spares.network import a_hub, a_unit, held_unit
from waystation.kernel.clock import FastClock
from waystation.spares import models as m
from waystation.spares.actions import setup, travel

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]


def _planned(clock: FastClock) -> tuple[m.Unit, m.Dispatch]:
    """A reserved unit at Sevilla with a dispatch to pick."""
    unit, held = held_unit()
    sent = m.Dispatch.objects.create(
        unit=unit,
        reservation=held,
        from_hub=a_hub(),
        to_site=held.site,
        label="HL-1",
        planned_at=clock.now(),
        incident_id=held.incident_id,
    )
    return unit, sent


def _scan(client: Client, verb: str, code: str, client_id: str = "1") -> str:
    body = {"verb": verb, "code": code, "client_id": client_id}
    return client.post("/desk/sevilla/scan/", body, follow=True).content.decode()


def test_off_03_a_scan_picks_what_is_due_and_is_taken_once(signed_in: SignedIn, clock: FastClock) -> None:
    """The unit's serial alone picks it; the same scan again changes nothing."""
    unit, sent = _planned(clock)
    client = signed_in("hub_technician")
    page = client.get("/desk/sevilla/").content.decode()
    assert "Pick for INC-1, Cordoba" in page
    assert "0 of 1 scanned" in page
    clock.advance_to(clock.now() + timedelta(minutes=5))
    assert "1 of 1 scanned" in _scan(client, "due", unit.serial)
    _scan(client, "due", unit.serial)
    sent.refresh_from_db()
    assert sent.state == "picked"
    assert m.Scan.objects.count() == 1


def test_a_second_scan_of_a_picked_unit_does_not_ship_it(signed_in: SignedIn, clock: FastClock) -> None:
    """What more than picking follows must be said; the scan is kept as a clash."""
    unit, sent = _planned(clock)
    client = signed_in("hub_technician")
    clock.advance_to(clock.now() + timedelta(minutes=5))
    _scan(client, "due", unit.serial, "1")
    clock.advance_to(clock.now() + timedelta(minutes=1))
    assert "Not done" in _scan(client, "due", unit.serial, "2")
    sent.refresh_from_db()
    assert sent.state == "picked"


def test_a_clash_is_shown_with_both_records_and_stays_until_a_person_decides(
    signed_in: SignedIn, clock: FastClock
) -> None:
    """Unknown code: shown, resolved with words, gone from the list and kept in the books."""
    a_hub()
    client = signed_in("hub_technician")
    assert "no unit or label NOPE is known" in _scan(client, "pick", "NOPE")
    row = m.Scan.objects.get()
    address = f"/desk/sevilla/scans/{row.pk}/resolve/"
    page = client.post(address, {"resolution": "Label of another hub"}, follow=True).content.decode()
    assert "No clash" in page
    row.refresh_from_db()
    assert (row.outcome, row.resolution) == ("resolved", "Label of another hub")


def test_others_read_the_desk_and_scan_nothing(signed_in: SignedIn, clock: FastClock) -> None:
    """An operator sees who scans; a vendor sees no desk; a scan by the operator changes nothing."""
    unit, sent = _planned(clock)
    page = signed_in("operator").get("/desk/sevilla/").content.decode()
    assert "A hub technician scans here." in page
    assert 'name="code"' not in page
    assert signed_in("vendor").get("/desk/sevilla/").status_code == 403
    clock.advance_to(clock.now() + timedelta(minutes=5))
    _scan(signed_in("operator"), "pick", unit.serial)
    sent.refresh_from_db()
    assert sent.state == "planned"


def test_siz_13_minimums_are_shown_for_this_hub_alone(signed_in: SignedIn, clock: FastClock) -> None:
    """Another hub's plenty does not cover this one's shortage."""
    sevilla, madrid = a_hub("sevilla"), a_hub("madrid")
    for number in range(3):
        a_unit(f"M-{number}", madrid)
    from tests.rooms.spares.network import system

    setup.set_up(system(), "target", {"hub": sevilla, "group": "controller", "minimum": 2}, now=clock.now())
    client = signed_in("hub_technician")
    assert "0 ready, 2 wanted" in client.get("/desk/sevilla/").content.decode()
    assert "Below the minimum" not in client.get("/desk/madrid/").content.decode()
    hubs = client.get("/desk/").content.decode()
    assert "1 group" in hubs
    assert "Madrid" in hubs


def test_empty_desk_says_what_comes_next_and_looking_changes_nothing(signed_in: SignedIn, clock: FastClock) -> None:
    """No hub, then one empty hub that opens at once; a GET of a verb is refused."""
    client = signed_in("hub_technician")
    assert "There is no hub yet" in client.get("/desk/").content.decode()
    a_hub()
    page = client.get("/desk/", follow=True).content.decode()
    for words in ("Nothing to pick", "Everything is sent", "No clash", "Nothing lies here"):
        assert words in page
    assert client.get("/desk/sevilla/scan/").status_code == 405
    assert client.get("/desk/nowhere/").status_code == 404


def test_the_desk_may_work_without_a_signal(signed_in: SignedIn, clock: FastClock) -> None:
    """Its worker is served for the desk alone, and the page runs no inline script."""
    a_hub()
    client = signed_in("hub_technician")
    worker = client.get("/desk/worker.js")
    assert worker["Service-Worker-Allowed"] == "/desk/"
    assert worker["Content-Type"] == "text/javascript"
    page = client.get("/desk/sevilla/").content.decode()
    assert "style=" not in page
    assert "<script>" not in page


def test_what_travels_and_what_comes_back_stand_on_the_desk(signed_in: SignedIn, clock: FastClock) -> None:
    """Shipped units leave the pick list and are listed on the way."""
    unit, sent = _planned(clock)
    from tests.rooms.spares.network import system

    travel.pick(system(), sent.pk, now=clock.now())
    travel.ship(system(), sent.pk, now=clock.now())
    page = signed_in("operator").get("/desk/sevilla/").content.decode()
    assert "On the way" in page
    assert "Nothing to pick" in page
    assert unit.serial in page
