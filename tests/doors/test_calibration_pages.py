"""Calibration: adherence by site, checks with what they put in doubt, and the form for who may record one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from tests.doors.fuzzing import of_one_site
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation.access.rules import HUMAN_ROLES, ROLES
from waystation.kernel.clock import FastClock
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Calibration, Doubt, ProbeCheck

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
REPORT = {
    "probe_serial": "TP-fridge-1-0",
    "report": "R-77",
    "laboratory": "Lab",
    "checked_at": "2026-11-17",
    "as_found_c": "+0,8",
    "tolerance_c": "0.5",
}


def _words(reply: object) -> str:
    return reply.content.decode().replace("\xa0", " ")  # type: ignore[attr-defined,no-any-return]


@pytest.fixture
def worn(now: datetime, clock: FastClock, tmp_path: Path, settings: Any) -> Iterator[None]:
    """A fridge whose probe read an hour, judged; readings in a folder of its own."""
    settings.DATA = tmp_path
    space, (probe,) = a_monitored_space(now)
    begin = now - timedelta(hours=1)
    deliver(space, minutes(probe, begin, [5.0 + 0.1 * (n % 5) for n in range(61)]), now)
    judge(Engine(), now)
    yield
    stores._log.cache_clear()


@pytest.mark.usefixtures("worn")
def test_evd_04_a_failed_check_is_recorded_on_the_page_and_opens_what_it_doubts(
    signed_in: SignedIn, now: datetime
) -> None:
    """From the form to the list of readings; the space's page then waits for QA's word."""
    quality = signed_in("quality")
    body = REPORT | {"checked_at": f"{now:%Y-%m-%d}"}
    reply = quality.post("/calibration/record/", body)
    row = ProbeCheck.objects.get()
    assert (reply.status_code, reply["Location"]) == (302, f"/calibration/checks/{row.pk}/")
    shown = _words(quality.get(reply["Location"]))
    waits = ("QA has not decided about 1 of 1", "until another probe is bound")
    for said in ("Found +0.80 °C off", "61 readings", *waits):
        assert said in shown
    assert "After a failed check 1 wearing of a probe waits for QA" in _words(quality.get("/calibration/"))
    space = Doubt.objects.get().sensor.space_id
    assert "report R-77" in _words(quality.get(f"/spaces/{space}/", follow=True))


@pytest.mark.usefixtures("worn")
def test_evd_05_the_page_says_how_many_are_in_date_and_when_the_next_is_due(signed_in: SignedIn, now: datetime) -> None:
    """In date, then out of date: the sentence and the row say it; who may not record a check is told who may."""
    operator = signed_in("operator")
    shown = _words(operator.get("/calibration/"))
    assert "1 of 1 judging probes are in date" in shown
    assert "in 265 days" in shown
    assert "QA or facilities record a check." in shown
    assert operator.post("/calibration/record/", REPORT).status_code == 403
    Calibration.objects.update(valid_until=now - timedelta(days=9))
    late = _words(operator.get("/calibration/"))
    assert "0 of 1 judging probes are in date" in late
    assert "none is valid" in late


def test_evd_05_with_no_probe_the_page_says_where_to_begin(signed_in: SignedIn, clock: FastClock) -> None:
    """Empty is a sentence and a link, not a table without rows."""
    shown = _words(signed_in("operator").get("/calibration/"))
    assert "No probe judges a space yet." in shown
    assert 'href="/set-up/"' in shown


@pytest.mark.usefixtures("worn")
@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"as_found_c": "a lot"}, "is no number"),
        ({"checked_at": "30/02/2026"}, "is no date"),
        ({"checked_at": "2036-01-01"}, "lies ahead"),
        ({"probe_serial": "TP-nobody"}, "No sensor ever read through probe TP-nobody"),
        ({"report": ""}, "The report is missing"),
    ],
)
def test_evd_04_what_cannot_be_a_report_is_refused_in_words(
    change: dict[str, str], said: str, signed_in: SignedIn
) -> None:
    """Each field by its own name; nothing is recorded."""
    reply = signed_in("facilities").post("/calibration/record/", REPORT | change)
    assert reply.status_code in (404, 422)
    assert said in _words(reply)
    assert not ProbeCheck.objects.exists()


@pytest.mark.usefixtures("worn")
def test_evd_05_the_api_says_the_same(signed_in: SignedIn, now: datetime) -> None:
    """Adherence by site; a check posted answers with what it puts in doubt, and again by its id."""
    quality = signed_in("quality")
    (site,) = quality.get("/api/v1/telemetry/calibration").json()
    assert (site["probes"], site["in_date_pct"], site["due_in_days"]) == (1, 100.0, 265)
    body = {"probe_serial": "TP-fridge-1-0", "report": "R", "laboratory": "L", "checked_at": now.isoformat()}
    made = quality.post(
        "/api/v1/telemetry/probe-checks", body | {"as_found_c": -0.7}, content_type="application/json"
    ).json()
    assert (made["passed"], made["readings"], len(made["in_doubt"])) == (False, 61, 1)
    assert quality.get(f"/api/v1/telemetry/probe-checks/{made['id']}").json() == made
    unknown = quality.get("/api/v1/telemetry/probe-checks/01890000-0000-7000-8000-000000000000")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "telemetry.check_unknown")


@pytest.mark.usefixtures("worn")
def test_sec_06_a_check_is_seen_by_those_who_see_where_its_probe_read(signed_in: SignedIn, now: datetime) -> None:
    """At one site alone: the answer to a check of one's own probe, and nothing of one that read elsewhere."""
    a_monitored_space(now, code="fridge-2", site="jaen")
    local, quality = of_one_site(), signed_in("quality")
    body = {"laboratory": "L", "checked_at": now.isoformat(), "as_found_c": 0.9}

    def checked(client: Client, serial: str) -> HttpResponse:
        sent = body | {"probe_serial": serial, "report": f"R-{serial}"}
        return client.post("/api/v1/telemetry/probe-checks", sent, content_type="application/json")

    own, foreign = checked(local, "TP-fridge-2-0"), checked(quality, "TP-fridge-1-0")
    assert (own.status_code, foreign.status_code) == (201, 201)
    key = json.loads(foreign.content)["id"]
    assert local.get(f"/api/v1/telemetry/probe-checks/{key}").json()["code"] == "telemetry.check_unknown"
    shown = _words(local.get("/calibration/"))
    assert "R-TP-fridge-2-0" in shown
    assert "R-TP-fridge-1-0" not in shown
    assert "1 wearing of a probe waits for QA" in shown
    assert "R-TP-fridge-1-0" in _words(quality.get("/calibration/"))


@pytest.mark.usefixtures("worn")
def test_sec_06_only_who_calibrates_records_a_check(signed_in: SignedIn, now: datetime) -> None:
    """Every role asks once, with a report of its own: done for QA and facilities, 403 for all others."""
    body = {"probe_serial": "TP-fridge-1-0", "laboratory": "L", "checked_at": now.isoformat(), "as_found_c": 0.1}
    may = {
        role
        for role in HUMAN_ROLES
        if signed_in(role)
        .post("/api/v1/telemetry/probe-checks", body | {"report": role}, content_type="application/json")
        .status_code
        == 201
    }
    assert may == {role for role in HUMAN_ROLES if "telemetry.calibrate" in ROLES[role]}
