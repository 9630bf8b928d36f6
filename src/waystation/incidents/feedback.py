"""Taking what a technician says of a repair, and reading it back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from uuid import UUID

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.incidents import queries
from waystation.incidents.models import Feedback, Incident
from waystation.incidents.rules import feedback as rules
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotAllowed, NotReady

MOST_WORDS = 1_000


def give(
    by: Authority, incident_id: UUID, answers: Mapping[str, str], *, work_min: int, words: str, now: datetime
) -> Feedback:
    """What this person says of the repair; said again, the newest counts and the earlier one stays on record.

    Once service is restored or the incident is resolved. Whoever works on incidents, or installs units, may say it;
    a machine may not.
    """
    incident = queries.incident(by, incident_id)
    if not by.may("spares.dispatch", incident.site_id):
        by.require("incidents.work", incident.site_id)
    if by.is_machine:
        raise NotAllowed("incidents.person_only", f"{by.name} is no person.", "The technician says it.")
    if incident.service_restored_at is None and incident.resolved_at is None:
        raise NotReady(
            "incidents.feedback_early",
            f"{incident.name} is neither restored nor resolved.",
            "Say it when the work is done.",
        )
    said = rules.checked(answers, work_min)
    row = Feedback(
        incident=incident, by_id=by.principal_id, at=now, **said.answers, work_min=work_min, words=words[:MOST_WORDS]
    )
    facts = {**said.answers, "work_min": work_min, "name": incident.name}
    entry = NewEntry("incidents.feedback_given", row.pk, by, now, incident.site_id, facts=facts)
    record([row], [NewEvent(incident_id=incident.pk, data=facts)], entry=entry)
    return row


def newest(incident_ids: Iterable[UUID]) -> dict[UUID, list[Feedback]]:
    """The newest of each person for these incidents, oldest first."""
    found: dict[UUID, dict[UUID, Feedback]] = {}
    for row in Feedback.objects.filter(incident_id__in=list(incident_ids)).order_by("at", "pk"):
        found.setdefault(row.incident_id, {})[row.by_id] = row
    return {key: sorted(some.values(), key=lambda r: r.at) for key, some in found.items()}


def said(row: Feedback) -> rules.Said:
    """A row as the rules take it."""
    return rules.Said({name: getattr(row, name) for name in rules.QUESTIONS}, row.work_min)


def closed(since: datetime, until: datetime, incident_ids: Iterable[UUID]) -> list[Incident]:
    """Which of these incidents were resolved within [since, until)."""
    return list(Incident.objects.filter(pk__in=list(incident_ids), resolved_at__gte=since, resolved_at__lt=until))
