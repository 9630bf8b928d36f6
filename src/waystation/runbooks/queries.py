"""Reading runbooks, runs, what waits for approval, and which of that endangers product."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Exists, OuterRef

from waystation.kernel.authority import Authority
from waystation.registry.models import Site
from waystation.registry.queries import one, sites
from waystation.runbooks.models import Approval, Definition, Run, StepJournal
from waystation.runbooks.rules.definition import as_lines, parse


@dataclass(frozen=True, slots=True)
class WaitingApproval:
    """A step that waits while product is at risk, in the members of a condition: alarms page for it."""

    rule: str
    site_id: UUID
    object_kind: str
    object_id: UUID
    started_at: datetime
    facts: dict[str, Any]


def newest() -> list[Definition]:
    """The newest version of each runbook, by slug."""
    found: dict[str, Definition] = {}
    for row in Definition.objects.order_by("slug", "version"):
        found[row.slug] = row
    return list(found.values())


def for_trigger(trigger: str) -> Definition | None:
    """The newest runbook that answers a trigger (a rule or cause of an incident)."""
    return next((d for d in newest() if trigger in parse(d.data).triggers), None)


def run(by: Authority, key: UUID) -> Run:
    """One visible run with its definition."""
    return one(Run, key, among=Run.objects.select_related("definition", "site").filter(site__in=sites(by)))


def runs(by: Authority, *, incident_id: UUID | None = None, live: bool = False) -> list[Run]:
    """Visible runs, newest first."""
    rows = Run.objects.select_related("definition", "site").filter(site__in=sites(by))
    rows = rows.filter(incident_id=incident_id) if incident_id else rows
    rows = rows.filter(ended_at=None) if live else rows
    return list(rows.order_by("-proposed_at", "-pk"))


def to_advance(now: datetime) -> list[UUID]:
    """The runs that a worker looks at: not ended, not stuck, driven by nobody, and waiting for no person's word."""
    rows = Run.objects.filter(ended_at=None).exclude(state="stuck").order_by("proposed_at", "pk")
    told = StepJournal.objects.filter(run=OuterRef("pk"), outcome="waiting")
    asked = Approval.objects.filter(run=OuterRef("pk"), decision="", expires_at__gt=now)
    rows = rows.exclude(Exists(told) | Exists(asked), cancel_asked_at=None)
    return [r.pk for r in rows if r.lease_until is None or r.lease_until <= now]


def journal(run_id: UUID) -> list[StepJournal]:
    """What was done, in order."""
    return list(StepJournal.objects.filter(run_id=run_id).order_by("started_at", "pk"))


def instructions(by: Authority) -> list[StepJournal]:
    """What persons are asked to do now."""
    rows = StepJournal.objects.filter(outcome="waiting", run__site__in=sites(by)).select_related("run__site")
    return list(rows.order_by("started_at", "pk"))


def waiting(by: Authority, now: datetime) -> list[Approval]:
    """Approvals that can still be given, the nearest end first."""
    rows = Approval.objects.filter(decision="", expires_at__gt=now, run__site__in=sites(by)).select_related(
        "run__definition", "run__site"
    )
    return list(rows.order_by("expires_at", "pk"))


def approvals(run_id: UUID) -> list[Approval]:
    """Every question of a run and its answer."""
    return list(Approval.objects.filter(run_id=run_id).order_by("asked_at", "pk"))


def waiting_conditions(site_id: UUID, at_risk: Collection[UUID], now: datetime) -> list[WaitingApproval]:
    """The waiting approvals of a site whose space or incident is in `at_risk` (ids of spaces and incidents)."""
    if not at_risk:
        return []
    asked = Approval.objects.filter(decision="", expires_at__gt=now, run__site_id=site_id)
    if not asked.exists():
        return []
    site, rows = one(Site, site_id), asked.select_related("run__definition", "run__space")
    found = []
    for row in rows.order_by("asked_at", "pk"):
        if not {row.run.space_id, row.run.incident_id} & set(at_risk):
            continue
        facts = {
            "asset": row.run.names.get("device") or row.run.names.get("space", "site"),
            "location": site.name,
            "runbook": row.run.definition.slug,
            "step": row.step,
            "expires_at": row.expires_at.isoformat(),
            "approval_id": str(row.pk),
        }
        found.append(WaitingApproval("approval_waits", site_id, "run", row.run_id, row.asked_at, facts))
    return found


def printed(run_id: UUID) -> list[str]:
    """The instruction as a person reads it on paper, from the version that the run is pinned to."""
    row = one(Run, run_id, among=Run.objects.select_related("definition"))
    return list(as_lines(parse(row.definition.data), row.names))


def approval(by: Authority, key: UUID) -> Approval:
    """One question with its run, at a site that this principal may see."""
    rows = Approval.objects.filter(run__site__in=sites(by)).select_related("run__definition", "run__site")
    return one(Approval, key, among=rows)
