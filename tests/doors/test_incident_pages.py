"""Pages of incidents: clocks side by side, what is first, what may not be done stays visible, forms act once."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from tests.conftest import START
from tests.doors.pages import a_lot, trouble
from tests.rooms.spares.network import a_hub, a_lane, a_need, a_part, a_unit, system
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_site, a_space
from waystation.evidence.models import LogEntry
from waystation.incidents import actions as incidents
from waystation.incidents.models import Incident
from waystation.kernel.clock import FastClock
from waystation.product.actions import moves
from waystation.product.models import Move, Presence
from waystation.runbooks import actions as runbooks
from waystation.runbooks.models import Approval
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
PAGE = "/incidents/INC-1/"


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    stores._log.cache_clear()
    yield
    stores._log.cache_clear()


def a_warming_fridge() -> None:
    """Fridge-1 rises from 5 to 7 °C within an hour; fridge-2 is its proven backup."""
    for code, values in (
        ("fridge-1", [5 + i / 30 for i in range(60)]),
        ("fridge-2", [5 + 0.1 * (i % 3) for i in range(60)]),
    ):
        space, (probe,) = a_monitored_space(START, code=code)
        deliver(space, minutes(probe, START - timedelta(minutes=60), values), START)
    judge(Engine(), START)
    here, there = a_space("cordoba", "fridge-1"), a_space("cordoba", "fridge-2")
    legs = {"pack_min": (5, 9), "travel_min": (1, 3), "unpack_min": (5, 8)}
    moves.name_backup(system(), here.pk, there.pk, **legs, source="reported", now=START)


def test_no_incident_is_an_answer_with_a_link(signed_in: SignedIn, clock: FastClock) -> None:
    """Open and closed lists say what is true."""
    client = signed_in("operator")
    assert "No incidents are open." in client.get("/incidents/").content.decode()
    assert "No incident is closed yet." in client.get("/incidents/?state=closed").content.decode()
    assert client.get("/incidents/INC-9/").status_code == 404


def test_every_filter_is_an_address(signed_in: SignedIn, clock: FastClock) -> None:
    """Priority and site narrow the list."""
    trouble()
    client = signed_in("operator")
    assert "INC-1" in client.get("/incidents/?priority=P1").content.decode()
    assert "INC-1" not in client.get("/incidents/?priority=P2").content.decode()
    assert "INC-1" not in client.get("/incidents/?site=badajoz").content.decode()


def test_inc_03_the_clocks_stand_side_by_side_with_sources(signed_in: SignedIn, clock: FastClock) -> None:
    """Limit in the worst and likely case, moving in time or too late, each with how it is known."""
    a_lot()
    a_warming_fridge()
    trouble()
    page = signed_in("operator").get(PAGE).content.decode()
    for title in ("Time to limit, worst case", "Time to restore, 9 of 10 cases", "Product safe by moving"):
        assert title in page
    assert "measured" in page
    assert "assumed" in page
    assert "in time by" in page or "too late" in page
    assert "Move the product first." in page
    assert "Start the move to Fridge-2" in page
    assert page.count("btn first") == 1


def test_prd_05_the_move_starts_once_and_arrives_with_its_temperature(signed_in: SignedIn, clock: FastClock) -> None:
    """The lots leave, the page asks for the arrival, and the arrival mitigates."""
    a_lot()
    a_warming_fridge()
    _, incident = trouble()
    client, lot = signed_in("operator"), Presence.objects.get().consignment_id
    to = a_space("cordoba", "fridge-2")
    for _ in range(2):
        assert client.post(f"{PAGE}move/", {"to": str(to.pk), "lot": [str(lot)]}).status_code == 302
    assert Move.objects.count() == 1
    page = client.get(PAGE).content.decode()
    assert "The product is on its way." in page
    refused = client.post(f"{PAGE}arrive/", {"move": str(Move.objects.get().pk), "arrival_c": "warm"})
    assert refused.status_code == 422
    client.post(f"{PAGE}arrive/", {"move": str(Move.objects.get().pk), "arrival_c": "5,4"})
    assert Move.objects.get().arrival_c == 5.4
    incident.refresh_from_db()
    assert incident.state == "mitigated"
    assert "arrived to Cordoba, Fridge-2 at 5.4" in client.get(PAGE).content.decode()


def test_who_may_not_move_sees_the_button_off(signed_in: SignedIn, clock: FastClock) -> None:
    """Visible, off, with who may; posting is refused and nothing moves."""
    a_lot()
    a_warming_fridge()
    trouble()
    client = signed_in("leadership")
    page = client.get(PAGE).content.decode()
    assert 'aria-disabled="true">Start the move to Fridge-2' in page
    assert "starts the move" in page
    to, lot = a_space("cordoba", "fridge-2"), Presence.objects.get().consignment_id
    assert client.post(f"{PAGE}move/", {"to": str(to.pk), "lot": [str(lot)]}).status_code == 403
    assert not Move.objects.exists()


def test_notes_keep_how_they_are_known(signed_in: SignedIn, clock: FastClock) -> None:
    """A reported note stands under reported, with its line in the timeline linked to its entry."""
    trouble()
    client = signed_in("operator")
    client.post(f"{PAGE}note/", {"text": "Relay clicks <b>", "standing": "reported"})
    page = client.get(PAGE).content.decode()
    assert "Relay clicks &lt;b&gt;" in page
    assert "/evidence/entry/" not in page
    auditor = signed_in("auditor").get(PAGE).content.decode()
    address = "/evidence/entry/" + auditor.split("/evidence/entry/")[1].split('"')[0]
    assert signed_in("auditor").get(address).status_code in (200, 302, 409)
    assert client.post(f"{PAGE}note/", {"text": " ", "standing": "reported"}).status_code == 422


def test_qal_10_resolving_needs_both_facts(signed_in: SignedIn, clock: FastClock) -> None:
    """Refused with what is missing; done when both stand; the closed list has it."""
    _, incident = trouble()
    client = signed_in("operator")
    client.post(f"{PAGE}acknowledge/")
    refused = client.post(f"{PAGE}resolve/", {"outcome": "part_replaced"})
    assert refused.status_code == 409
    assert b"service is not restored" in refused.content
    for mark in (incidents.mark_service_restored, incidents.mark_product_safe):
        mark(system(), incident.pk, at=START, now=START, source="test")
    assert "Both stand." in client.get(PAGE).content.decode()
    client.post(f"{PAGE}resolve/", {"outcome": "part_replaced"})
    assert Incident.objects.get().state == "resolved"
    assert "part replaced" in client.get("/incidents/?state=closed").content.decode()
    assert "Resolved" in client.get(PAGE).content.decode()


def test_a_dispatch_has_its_papers_and_is_delivered(signed_in: SignedIn, clock: FastClock) -> None:
    """Job sheet and label open from the incident; the site's contact records the delivery, an operator may not."""
    from waystation.spares.actions import sourcing, travel

    _, incident = trouble()
    part, hub = a_part(), a_hub("sevilla")
    a_lane(hub)
    a_unit("4471-0093", hub, part)
    sourced = sourcing.source(system(), a_need(incident=incident.pk), now=START)
    assert sourced.dispatch is not None
    base = f"/dispatches/{sourced.dispatch.pk}"
    client = signed_in("site_contact")
    client.post(f"{PAGE}acknowledge/")
    page = client.get(PAGE).content.decode()
    assert f"{base}/job-sheet.pdf" in page
    assert "4471-0093" in page
    assert client.get(f"{base}/job-sheet.pdf").content.startswith(b"%PDF")
    assert b"^XA" in client.get(f"{base}/label.zpl").content
    travel.pick(system(), sourced.dispatch.pk, now=START)
    travel.ship(system(), sourced.dispatch.pk, now=START)
    body = {"dispatch": str(sourced.dispatch.pk)}
    assert signed_in("operator").post(f"{PAGE}delivered/", body).status_code == 403
    assert client.post(f"{PAGE}delivered/", body).status_code == 302
    assert "It is installed" in client.get(PAGE).content.decode()


def a_gate(clock: FastClock, acting: Any) -> Approval:
    """A run that asks for approval, proposed by the operator."""
    from tests.rooms.runbooks.test_runs import Hands, to_first_gate

    return to_first_gate(acting("operator", name="operator"), system(), Hands())[1]


def test_rbk_04_an_approval_shows_exact_content_and_the_asker_cannot_give_it(
    signed_in: SignedIn, clock: FastClock, acting: Any
) -> None:
    """The asker's button is off and says why; another person approves what they saw, by its digest."""
    row = a_gate(clock, acting)
    page = signed_in("operator").get("/approvals/").content.decode()
    assert "You asked, so another person approves." in page
    assert row.digest[:4] in page
    own = {"digest": row.digest, "decision": "approve"}
    assert signed_in("operator").post(f"/approvals/{row.pk}/decide/", own).status_code == 403
    client = signed_in("supervisor")
    assert row.content[0]["kind"] in client.get("/approvals/").content.decode()
    other = client.post(f"/approvals/{row.pk}/decide/", {"digest": "0" * 64, "decision": "approve"})
    assert other.status_code == 422
    assert (
        client.post(f"/approvals/{row.pk}/decide/", own | {"back": "https://evil.example/"})["Location"]
        == "/approvals/"
    )
    row.refresh_from_db()
    assert row.decision == "approved"
    assert "Nothing waits for approval." in client.get("/approvals/").content.decode()


def test_an_expired_approval_cannot_be_given(signed_in: SignedIn, clock: FastClock, acting: Any) -> None:
    """No word in time is a no."""
    row = a_gate(clock, acting)
    clock.advance_to(row.expires_at)
    done = signed_in("supervisor").post(f"/approvals/{row.pk}/decide/", {"digest": row.digest, "decision": "approve"})
    assert done.status_code == 409
    runbooks.expire_due(system(), now=row.expires_at)
    row.refresh_from_db()
    assert row.decision == "expired"


def test_qal_09_the_watch_is_left_and_signed_by_another(signed_in: SignedIn, clock: FastClock) -> None:
    """What is open stands in it; who left cannot sign; the next does by the digest that was read."""
    from waystation.incidents.models import HandOver

    trouble()
    client = signed_in("operator")
    assert "INC-1, P1" in client.get("/hand-over/").content.decode()
    client.post("/hand-over/leave/", {"remark": "Watch Córdoba"})
    left = HandOver.objects.get()
    address, body = f"/hand-over/{left.pk}/take/", {"digest": left.digest}
    assert "Somebody else signs it." in client.get("/hand-over/").content.decode()
    assert client.post(address, body).status_code == 403
    next_one = signed_in("supervisor")
    assert "Watch Córdoba" in next_one.get("/hand-over/").content.decode()
    assert next_one.post(address, {"digest": "x"}).status_code == 409
    assert next_one.post(address, body).status_code == 302
    assert signed_in("leadership").post("/hand-over/leave/").status_code == 403


def test_reading_pages_writes_nothing(signed_in: SignedIn, clock: FastClock, acting: Any) -> None:
    """GET never acts, and what acts answers no GET."""
    a_lot()
    a_warming_fridge()
    trouble()
    client = signed_in("supervisor")
    before = LogEntry.objects.count()
    for address in (
        "/",
        "/incidents/",
        PAGE,
        "/approvals/",
        "/hand-over/",
        "/me/",
        "/find/?q=x",
        "/sites/cordoba/fridge-1/",
    ):
        assert client.get(address).status_code == 200, address
    for verb in ("acknowledge", "note", "move", "arrive", "delivered", "install", "resolve", "answer"):
        assert client.get(f"{PAGE}{verb}/").status_code == 405
    assert LogEntry.objects.count() == before


def test_find_goes_to_the_one_thing_that_is_meant(signed_in: SignedIn, clock: FastClock) -> None:
    """Incident, site, lot and serial; nothing found says so; other sites stay hidden."""
    a_lot()
    trouble()
    a_unit("4471-0093", a_hub("sevilla"), a_part())
    client = signed_in("operator")
    assert client.get("/find/?q=inc-1")["Location"] == "/incidents/INC-1/"
    assert client.get("/find/?q=cordo")["Location"] == "/sites/cordoba/"
    assert client.get("/find/?q=MMR-7741")["Location"] == f"/spaces/{a_space('cordoba', 'fridge-1').pk}/"
    assert client.get("/find/?q=4471-0093")["Location"] == "/desk/sevilla/"
    assert "Nothing is called" in client.get("/find/?q=nothing").content.decode()
    assert a_site("cordoba").name in client.get("/find/?q=cordoba").headers["Location"].title()


def test_preferences_are_kept_and_the_session_ends(signed_in: SignedIn, clock: FastClock) -> None:
    """Fahrenheit, theme; signing out asks for sign-in again."""
    from waystation.access.models import Person

    client = signed_in("operator")
    client.post("/me/preferences/", {"temperature_unit": "f", "hours": "24", "theme": "dark"})
    assert Person.objects.get(name="operator").temperature_unit == "f"
    assert 'data-theme="dark"' in client.get("/me/").content.decode()
    assert client.post("/me/preferences/", {"temperature_unit": "k"}).status_code == 422
    client.post("/me/sign-out/")
    assert client.get("/")["Location"].startswith("/account/login/")
