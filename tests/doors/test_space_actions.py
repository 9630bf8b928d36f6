"""What people do at a space: QA decides with a password, readings are kept, doubts are decided by whom they may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from tests.conftest import START
from tests.doors.pages import a_lot
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation.access.queries import system_authority
from waystation.evidence.models import LogEntry
from waystation.journeys.exposure import hold_lots
from waystation.kernel.clock import FastClock
from waystation.product.models import ProductHold
from waystation.registry.models import Space
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import BackupFile, Doubt, Excursion, HandReading

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
PAGE = "/sites/cordoba/fridge-1/"
PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    stores._log.cache_clear()
    yield
    stores._log.cache_clear()


def a_space_with(values: list[float | None]) -> Space:
    """Fridge-1 whose last reading is at START."""
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START - timedelta(minutes=len(values)), values), START)
    judge(Engine(), START)
    return space


def a_held_lot() -> ProductHold:
    """A lot that stood in fridge-1 while it was out of range for twenty minutes."""
    a_space_with([5.0 + 0.1 * (i % 3) for i in range(40)] + [9.0 + 0.1 * (i % 3) for i in range(20)])
    a_lot()
    hold_lots(system_authority("test"), Excursion.objects.get(), None, now=START)
    return ProductHold.objects.get()


def test_prd_03_qa_signs_a_decision_with_a_password(signed_in: SignedIn, clock: FastClock) -> None:
    """The form shows measured and worst case; a wrong password decides nothing; the right one signs."""
    hold = a_held_lot()
    client = signed_in("quality")
    page = client.get(PAGE).content.decode()
    assert "1 lot on product hold" in page
    assert "MMR-7741" in page
    assert "in the worst case" in page
    body = {"hold": [str(hold.pk)], "outcome": "released", "reason": "stability data cover it", "password": "wrong"}
    assert client.post("/holds/decide/", body).status_code == 403
    assert ProductHold.objects.get().state == "open"
    assert client.post("/holds/decide/", body | {"password": PASSWORD}).status_code == 302
    done = ProductHold.objects.get()
    assert (done.state, done.signed_name) == ("released", "quality")
    assert done.signed_meaning == "I release this product for use."


def test_nobody_but_qa_ends_a_hold(signed_in: SignedIn, clock: FastClock) -> None:
    """An operator sees who may; their own password does not help."""
    hold = a_held_lot()
    client = signed_in("operator")
    page = client.get(PAGE).content.decode()
    assert "Only QA releases or rejects" in page
    assert "/holds/decide/" not in page
    body = {"hold": [str(hold.pk)], "outcome": "released", "reason": "fine", "password": PASSWORD}
    assert client.post("/holds/decide/", body).status_code == 403
    assert ProductHold.objects.get().state == "open"
    assert signed_in("quality").post("/holds/decide/", {"password": PASSWORD}).status_code == 422


def test_an_open_excursion_says_how_long_it_runs(signed_in: SignedIn, clock: FastClock) -> None:
    """The sentence counts from its first minute, not from what was last written down."""
    a_held_lot()
    clock.advance_to(START + timedelta(minutes=2))
    assert "for 22\u00a0min" in signed_in("operator").get(PAGE).content.decode()


def test_tel_11_a_hand_reading_is_kept_under_its_readers_name(signed_in: SignedIn, clock: FastClock) -> None:
    """In the site's local time, in the reader's unit, beside the probes."""
    space = a_space_with([5.0])
    client, address = signed_in("operator"), f"/spaces/{space.pk}/hand-reading/"
    assert "07:00" in client.get(address).content.decode()
    body = {
        "value_c": "5,4",
        "instrument": "TH-7",
        "observed_at": "2026-11-17T06:58",
        "certificate_until": "2027-06-30",
    }
    assert client.post(address, body)["Location"] == PAGE
    row = HandReading.objects.get()
    assert (row.value_c, row.instrument) == (5.4, "TH-7")
    assert row.observed_at == START - timedelta(minutes=2)
    assert "TH-7" in client.get(PAGE).content.decode()


@pytest.mark.parametrize(
    "change",
    [
        {"value_c": "warm"},
        {"value_c": "999"},
        {"instrument": " "},
        {"observed_at": "2026-11-17T09:00"},
        {"observed_at": "yesterday"},
        {"certificate_until": "31 Jun 2027"},
    ],
)
def test_a_hand_reading_that_cannot_be_is_refused(
    change: dict[str, str], signed_in: SignedIn, clock: FastClock
) -> None:
    """Each field says what is wrong and nothing is kept."""
    space = a_space_with([5.0])
    body = {"value_c": "5.4", "instrument": "TH-7"} | change
    reply = signed_in("operator").post(f"/spaces/{space.pk}/hand-reading/", body)
    assert reply.status_code == 422
    assert not HandReading.objects.exists()


def test_a_role_that_reads_no_thermometer_is_told_who_does(signed_in: SignedIn, clock: FastClock) -> None:
    """The form is off, and posting is refused."""
    space = a_space_with([5.0])
    client, address = signed_in("leadership"), f"/spaces/{space.pk}/hand-reading/"
    assert "does not record hand readings" in client.get(address).content.decode()
    assert client.post(address, {"value_c": "5", "instrument": "TH-7"}).status_code == 403


def a_doubt() -> Doubt:
    """The probe of fridge-1 stands still at 4.6 °C."""
    a_space_with([5.0 + 0.1 * (i % 3) for i in range(30)] + [4.6] * 400)
    return Doubt.objects.get()


def test_tel_12_an_operator_says_failed_only_with_a_second_measurement(signed_in: SignedIn, clock: FastClock) -> None:
    """First refused, then with a hand reading done; readings stand only by QA, signed."""
    doubt = a_doubt()
    client, address = signed_in("operator"), f"/doubts/{doubt.pk}/decide/"
    assert "In doubt" in client.get(PAGE).content.decode()
    body = {"decision": "sensor_failed", "reason": "flat since midnight"}
    assert client.post(address, body).status_code == 409
    assert client.post(address, {"decision": "readings_stand", "reason": "looks fine"}).status_code == 403
    assert doubt.sensor.space_id is not None
    client.post(f"/spaces/{doubt.sensor.space_id}/hand-reading/", {"value_c": "4.9", "instrument": "TH-7"})
    assert client.post(address, body).status_code == 302
    assert Doubt.objects.get().decision == "sensor_failed"


def test_qa_signs_that_readings_stand(signed_in: SignedIn, clock: FastClock) -> None:
    """Without the password refused; with it decided."""
    doubt = a_doubt()
    client, address = signed_in("quality"), f"/doubts/{doubt.pk}/decide/"
    body = {"decision": "readings_stand", "reason": "ice pack beside the probe"}
    assert client.post(address, body).status_code == 403
    assert client.post(address, body | {"password": PASSWORD}).status_code == 302
    assert Doubt.objects.get().decision == "readings_stand"


def test_what_acts_answers_no_get(signed_in: SignedIn, clock: FastClock) -> None:
    """Decisions are forms."""
    hold = a_held_lot()
    client, before = signed_in("quality"), LogEntry.objects.count()
    for address in (
        "/holds/decide/",
        f"/doubts/{hold.pk}/decide/",
        "/hand-over/leave/",
        f"/approvals/{hold.pk}/decide/",
    ):
        assert client.get(address).status_code == 405
    client.get(f"/spaces/{hold.space_id}/hand-reading/")
    assert LogEntry.objects.count() == before


def test_product_that_is_out_again_is_not_called_safe(signed_in: SignedIn, clock: FastClock) -> None:
    """A fact that stood before an excursion is withdrawn, with its line in the timeline, and the page offers no end."""
    from tests.doors.pages import trouble
    from waystation.incidents import actions as incidents
    from waystation.incidents.models import Incident
    from waystation.journeys import restored
    from waystation.telemetry import queries as telemetry

    hold, by = a_held_lot(), system_authority("test")
    _, incident = trouble("door_open")
    for mark in (incidents.mark_service_restored, incidents.mark_product_safe):
        mark(by, incident.pk, at=START, now=START, source="test")
    page = signed_in("operator").get("/incidents/INC-1/").content.decode()
    assert "Both stand." not in page
    assert "not safe now" in page
    restored.settle(by, hold.space.site, telemetry.site_view(hold.space.site_id, START), now=START)
    assert Incident.objects.get().product_safe_at is None
    assert "withdrawn" in signed_in("operator").get("/incidents/INC-1/").content.decode()


def test_qal_06_the_form_takes_what_a_thermometer_remembers(signed_in: SignedIn, clock: FastClock) -> None:
    """All three fields or none; the page then says who, which instrument, its certificate and how long it covers."""
    space = a_space_with([5.0])
    client, address = signed_in("operator"), f"/spaces/{space.pk}/hand-reading/"
    body = {"value_c": "5.4", "instrument": "MM-3", "certificate": "C-7", "certificate_until": "2027-06-30"}
    half = client.post(address, body | {"lowest_c": "4.1"})
    assert half.status_code == 422
    assert "lacks highest" in half.content.decode()
    whole = {"lowest_c": "4.1", "highest_c": "6.2", "since": "2026-11-17T05:00"}
    assert client.post(address, body | whole)["Location"] == PAGE
    row = HandReading.objects.get()
    assert (row.lowest_c, row.highest_c, row.remembers_since) == (4.1, 6.2, START - timedelta(hours=2))
    page = client.get(PAGE).content.decode()
    said = ("MM-3, operator", "certificate C-7 to 30 Jun 2027", "covers 30\u00a0min", "4.1\u00a0°C to 6.2\u00a0°C")
    assert [words for words in said if words not in page] == []


def test_qal_06_a_hand_reading_out_of_range_is_said_on_the_page(signed_in: SignedIn, clock: FastClock) -> None:
    """Above its limit, read by a second source, and what ends it."""
    space = a_space_with([5.0 + 0.1 * (i % 3) for i in range(40)])
    client = signed_in("operator")
    client.post(f"/spaces/{space.pk}/hand-reading/", {"value_c": "9.5", "instrument": "TH-7"})
    page = client.get(PAGE).content.decode()
    assert "Out of range" in page
    assert "Read by a second source: hand reading, TH-7" in page


def test_qal_06_a_loggers_file_is_brought_by_page_and_by_api(signed_in: SignedIn, clock: FastClock) -> None:
    """Both keep the same readings once; no file, an unreadable one or a role that may not are refused."""
    space = a_space_with([5.0])
    rows = "".join(f"{(START - timedelta(minutes=m)).isoformat()},5.2\n" for m in range(60, 0, -5))
    client, address = signed_in("operator"), f"/spaces/{space.pk}/logger-file/"
    assert "Bring a logger" in client.get(address).content.decode()
    assert client.post(address, {"logger": "FT-2"}).status_code == 422
    bad = SimpleUploadedFile("x.csv", b"\x00\x01")
    assert client.post(address, {"logger": "FT-2", "file": bad}).status_code == 422
    good = SimpleUploadedFile("ft2.csv", f"timestamp,temp_c\n{rows}".encode())
    assert client.post(address, {"logger": "FT-2", "file": good})["Location"] == PAGE
    good.seek(0)
    api = f"/api/v1/telemetry/spaces/{space.pk}/logger-files"
    reply = client.post(api, {"logger": "FT-2", "file": good})
    assert reply.status_code == 201, reply.content
    assert reply.json()["rows"] == 12
    assert BackupFile.objects.count() == 1
    assert "no certificate: proves nothing" in client.get(PAGE).content.decode()
    good.seek(0)
    assert signed_in("leadership").post(address, {"logger": "FT-2", "file": good}).status_code in (403, 404)
