"""Proving a site's whole route: a test page to everybody whom the top severity would page, confirmed by people."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from waystation.access import queries as access
from waystation.alarms.models import RouteTest
from waystation.alarms.rules.matrix import BOTH
from waystation.alarms.situation import people_now
from waystation.evidence.actions import NewEntry, NewMessage, record
from waystation.evidence.models import OutboxMessage
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import NotAllowed
from waystation.registry.models import Site
from waystation.registry.queries import one

CONFIRM_WITHIN = timedelta(minutes=30)


def test_route(by: Authority, site_id: UUID, *, now: datetime) -> RouteTest:
    """Send the test; one that still waits is returned as it is. A role without anybody fails it at once."""
    by.require("alarms.policy", site_id)
    with transaction.atomic():
        site = one(Site, site_id, among=Site.objects.select_for_update())
        open_one = RouteTest.objects.filter(site=site, passed_at=None, failed_at=None).first()
        if open_one is not None:
            return open_one
        by_role = {role: people_now(role, site_id, now) for role in BOTH}
        people = list(dict.fromkeys(p for found in by_role.values() for p in found))
        row = RouteTest(site=site, at=now, due_at=now + CONFIRM_WITHIN, people=[str(p) for p in people])
        row.missing = [role for role, found in by_role.items() if not found]
        messages = _messages(row, site.name, people)
        row.keys = {m.key: str(m.data["person_id"]) for m in messages}
        if row.missing:
            row.failed_at, row.failure = now, f"nobody to page in: {', '.join(row.missing)}"
        facts = {"people": row.people, "missing": row.missing}
        record([row], messages=messages, entry=NewEntry("alarms.route_tested", row.pk, by, now, site_id, facts=facts))
    return row


def _messages(row: RouteTest, site_name: str, people: list[UUID]) -> list[NewMessage]:
    found = []
    for person in filter(None, (access.person(p) for p in people)):
        until = f"{row.due_at:%H:%M} UTC"
        body = f"This is a test of the alarms of {site_name}. Nothing is wrong. Open it and confirm by {until}."
        key = f"route:{row.pk}:{person.pk}"
        data = {"route_test_id": row.pk, "person_id": person.pk}
        found.append(NewMessage("page", person.email, key, f"Test: alarms of {site_name}", body, data))
    return found


def confirm_route(by: Authority, key: UUID, *, now: datetime) -> RouteTest:
    """This person received the test. It passes when everybody did. Repeating it changes nothing."""
    with transaction.atomic():
        row = one(RouteTest, key, among=RouteTest.objects.select_for_update())
        person = str(by.principal_id)
        if by.is_machine or person not in row.people:
            raise NotAllowed(
                "alarms.test_not_yours",
                f"This test was not sent to {by.name}.",
                "Those to whom it was sent confirm it.",
            )
        if person in row.received or row.failed_at is not None:
            return row
        row.received = row.received | {person: instant(now)}
        if set(row.received) >= set(row.people):
            row.passed_at = now
        entry = NewEntry("alarms.route_confirmed", row.pk, by, now, row.site_id, facts={"of": len(row.people)})
        record([row], entry=entry)
    return row


def fail_overdue_tests(by: Authority, *, now: datetime) -> list[RouteTest]:
    """Tests that nobody confirmed in time fail, naming who did not answer and which message was given up."""
    by.require("platform.operate")
    failed = []
    for key in RouteTest.objects.filter(due_at__lte=now, passed_at=None, failed_at=None).values_list("pk", flat=True):
        with transaction.atomic():
            row = one(RouteTest, key, among=RouteTest.objects.select_for_update())
            if row.passed_at or row.failed_at:
                continue
            silent = [UUID(p) for p in row.people if p not in row.received]
            names = access.names(set(silent))
            lost = OutboxMessage.objects.filter(idempotency_key__in=list(row.keys)).exclude(gave_up_at=None).count()
            who = ", ".join(sorted(names.get(p, str(p)) for p in silent))
            row.failed_at, row.failure = now, f"not confirmed by: {who}; {lost} message(s) given up"[:400]
            facts = {"failure": row.failure}
            entry = NewEntry("alarms.route_failed", row.pk, by, now, row.site_id, facts=facts)
            record([row], entry=entry)
            failed.append(row)
    return failed
