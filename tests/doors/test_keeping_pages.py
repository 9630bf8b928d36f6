"""Keeping and the review of changes through their pages and operations: what QA sees, does and is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from tests.conftest import START
from tests.rooms.telemetry.kept import five_days, run
from tests.samples import a_space
from waystation.access.models import Person
from waystation.evidence.models import AuditReview, Hold, LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.telemetry.models import RetentionPolicy, RetentionReport

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
SignedIn = Callable[..., Client]
PASSWORD = "correct horse battery"
HERE, REVIEW = "/evidence/keeping/", "/evidence/review/"
POLICY = {"name": "two years", "covers": "judging", "source": "regulation", "clause": "GDP 4.2", "keep_years": "2"}
LATER = START + timedelta(days=3 * 366)


def _words(reply: Any) -> str:
    return " ".join(reply.content.decode().replace("\xa0", " ").split())


@pytest.fixture
def quality(signed_in: SignedIn) -> Client:
    """QA."""
    return signed_in("quality")


@pytest.fixture
def other(person: Callable[..., Person]) -> Client:
    """A second person of QA."""
    client = Client()
    client.force_login(person("Queralt", "quality"), backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def test_evd_06_the_page_says_that_nothing_goes_and_proposes_a_policy(
    quality: Client, other: Client, clock: FastClock
) -> None:
    """Empty, proposed, approved by another person with the password, ended: each said in words."""
    shown = _words(quality.get(HERE))
    assert "No policy is approved: nothing is ever removed" in shown
    assert quality.post(f"{HERE}policies/", POLICY).status_code == 302
    row = RetentionPolicy.objects.get()
    assert "Approve it" not in _words(quality.get(HERE))
    refused = quality.post(f"{HERE}policies/{row.pk}/approve/", {"password": PASSWORD})
    assert "so another person signs" in _words(refused)
    assert "not right" in _words(other.post(f"{HERE}policies/{row.pk}/approve/", {"password": "guess"}))
    assert "Approve it" in _words(other.get(HERE))
    assert other.post(f"{HERE}policies/{row.pk}/approve/", {"password": PASSWORD}).status_code == 302
    shown = _words(quality.get(HERE))
    assert "1 policy decide" in shown or "1 policy" in shown
    assert "signed by Queralt" in shown
    ended = quality.post(f"{HERE}policies/{row.pk}/end/", {"password": PASSWORD, "reason": "contract over"})
    assert ended.status_code == 302
    assert RetentionPolicy.objects.get().state == "ended"


def test_evd_06_a_number_that_is_none_is_refused_by_its_field(quality: Client, clock: FastClock) -> None:
    """Two point five years, minus one day: told which and why, nothing is proposed."""
    for wrong in ({"keep_years": "2.5"}, {"keep_days": "-1"}, {"full_days": "ten"}):
        assert "is no such number" in _words(quality.post(f"{HERE}policies/", POLICY | wrong))
    assert not RetentionPolicy.objects.exists()


def test_evd_07_a_hold_is_placed_and_lifted_on_the_page_by_two(
    quality: Client, other: Client, clock: FastClock
) -> None:
    """Placed, asked, kept, asked, lifted; the one who asked has no button to lift."""
    a_space()
    body = {"subject": "site", "name": "cordoba", "since": "2026-03-01T00:00Z", "until": "", "reason": "claim 4"}
    assert quality.post(f"{HERE}holds/", body).status_code == 302
    row = Hold.objects.get()
    assert "01 Mar" in _words(quality.get(HERE)) or "1 Mar" in _words(quality.get(HERE))
    for step, who, sent in (
        ("ask", quality, {"reason": "settled"}),
        ("keep", other, {"reason": "appeal"}),
        ("ask", quality, {"reason": "settled now"}),
    ):
        assert who.post(f"{HERE}holds/{row.pk}/{step}/", sent).status_code == 302
    assert "Lift it" not in _words(quality.get(HERE))
    assert "another person lifts it" in _words(quality.post(f"{HERE}holds/{row.pk}/lift/", {"password": PASSWORD}))
    assert "Lift it" in _words(other.get(HERE))
    assert other.post(f"{HERE}holds/{row.pk}/lift/", {"password": PASSWORD}).status_code == 302
    assert Hold.objects.get().lifted_at == clock.now()


def test_evd_06_the_report_and_the_forecast_are_on_the_page(quality: Client, other: Client, clock: FastClock) -> None:
    """What went, what excursions held back, what the readings take a year and where that settles."""
    space = five_days(START)
    space.site.service_class.retention_days = 100
    space.site.service_class.save()
    assert "grows without end" in _words(quality.get(HERE))
    clock.advance_to(LATER)
    quality.post(f"{HERE}policies/", POLICY)
    other.post(f"{HERE}policies/{RetentionPolicy.objects.get().pk}/approve/", {"password": PASSWORD})
    run(LATER)
    report, shown = RetentionReport.objects.get(), _words(quality.get(HERE))
    assert f"{report.held['excursion']} readings: excursion" in shown
    rows = {row["covers"]: row for row in quality.get("/api/v1/keeping/retention/forecast").json()}
    assert rows["other"]["settles_bytes"] is None
    assert rows["judging"]["bytes_a_year"] > 0
    (told,) = quality.get("/api/v1/keeping/retention/reports").json()
    assert told["removed"] == report.removed
    removals = quality.get("/api/v1/keeping/retention/sites/cordoba/removals").json()
    assert sum(one["removed"] for one in removals) == report.removed


def test_evd_07_the_api_does_what_the_page_does(quality: Client, other: Client, clock: FastClock) -> None:
    """Hold, ask, turn down, lift, propose, approve, end; a wrong password is refused."""
    a_space()

    def post(who: Client, path: str, **body: Any) -> Any:
        return who.post(f"/api/v1/keeping{path}", json.dumps(body), content_type="application/json")

    made = post(quality, "/holds", subject="space", name="cordoba/fridge-1", reason="claim")
    assert made.status_code == 201
    path = f"/holds/{made.json()['id']}"
    assert post(quality, f"{path}/ask", reason="over").status_code == 200
    assert post(other, f"{path}/keep", reason="no").json()["lift_asked_by"] is None
    assert post(quality, f"{path}/ask", reason="over").status_code == 200
    assert post(other, f"{path}/lift", password="guess").status_code == 403
    assert post(other, f"{path}/lift", password=PASSWORD).json()["lifted_at"] is not None
    assert [h["id"] for h in quality.get("/api/v1/keeping/holds").json()] == [made.json()["id"]]
    assert quality.get("/api/v1/keeping/holds?standing_only=true").json() == []
    row = post(quality, "/retention/policies", **(POLICY | {"keep_years": 2})).json()
    assert post(other, f"/retention/policies/{row['id']}/approve", password=PASSWORD).json()["state"] == "approved"
    assert [p["signed_name"] for p in quality.get("/api/v1/keeping/retention/policies").json()] == ["Queralt"]
    ended = post(quality, f"/retention/policies/{row['id']}/end", password=PASSWORD, reason="over")
    assert ended.json()["state"] == "ended"


def test_qal_08_qa_signs_a_month_on_the_page_and_the_rest_stays_unsigned(
    quality: Client, other: Client, clock: FastClock, acting: Callable[..., Authority]
) -> None:
    """The month that is over; a list that grew meanwhile is read again; own changes stay for another person."""
    clock.advance_to(START + timedelta(days=20))
    shown = _words(quality.get(REVIEW))
    digest = shown.split('name="list_digest" value="')[1].split('"')[0]
    body = {"start": "2026-11-01T00:00:00+00:00", "end": "2026-12-01T00:00:00+00:00", "list_digest": digest}
    body |= {"zone": "Europe/Madrid", "password": PASSWORD, "note": "November"}
    assert "not right" in _words(quality.post(f"{REVIEW}sign/", body | {"password": "guess"}))
    acting("operator", name="late")
    assert "another one by now" in _words(quality.post(f"{REVIEW}sign/", body))
    body["list_digest"] = _words(quality.get(REVIEW)).split('name="list_digest" value="')[1].split('"')[0]
    reply = quality.post(f"{REVIEW}sign/", body)
    assert reply.status_code == 302
    row = AuditReview.objects.get()
    shown = _words(quality.get(reply["Location"]))
    assert "All are signed." in shown
    assert "I reviewed these changes of the audit trail." in shown
    assert f'href="/evidence/entry/{row.entries[0]}/"' in shown
    assert row.signed_local.endswith("+0100 Europe/Madrid")


def test_qal_08_the_api_signs_the_list_that_it_showed(quality: Client, clock: FastClock, signed_in: SignedIn) -> None:
    """Trail, months, signature, reviews; who may not sign is told who may."""
    clock.advance_to(START + timedelta(days=20))
    period = {"from": "2026-11-01T00:00:00Z", "to": "2026-12-01T00:00:00Z"}
    read = quality.get("/api/v1/reviews/trail", period).json()
    assert {c["group"] for c in read["changes"]} == {"roles and accounts"}
    body = period | {"list_digest": read["list_digest"], "zone": "UTC", "password": PASSWORD}
    auditor = signed_in("auditor")
    told = auditor.post("/api/v1/reviews/", json.dumps(body), content_type="application/json")
    assert (told.status_code, told.json()["code"]) == (403, "access.not_allowed")
    grown = quality.get("/api/v1/reviews/trail", period).json()
    body["list_digest"] = grown["list_digest"]
    made = quality.post("/api/v1/reviews/", json.dumps(body), content_type="application/json")
    assert made.status_code == 201, made.content
    assert made.json()["entries"] == grown["to_sign"]
    (month,) = quality.get("/api/v1/reviews/months").json()
    assert month == {"month": "2026-11", "changes": len(grown["changes"]), "unsigned": 0}
    (row,) = quality.get("/api/v1/reviews/").json()
    assert row["signed_digest"] == made.json()["signed_digest"]
    assert LogEntry.objects.filter(kind="evidence.trail_reviewed").count() == 1


def test_who_reads_no_evidence_sees_neither_page(signed_in: SignedIn, clock: FastClock) -> None:
    """Refused in words, on both."""
    for url in (HERE, REVIEW):
        assert signed_in("operator").get(url).status_code == 403
