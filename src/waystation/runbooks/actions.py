"""Publishing runbooks, proposing and driving runs, approving what is risky."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timedelta
from importlib.resources import files
from typing import Any
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, record
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.registry.models import Device, Site, Space
from waystation.registry.queries import one
from waystation.runbooks.leases import locked
from waystation.runbooks.models import Approval, Definition, Run
from waystation.runbooks.rules.definition import parse
from waystation.runbooks.running import advance, answer, enter, tell

__all__ = [
    "advance",
    "answer",
    "approve",
    "cancel",
    "deny",
    "escalate_waiting",
    "expire_due",
    "park_overdue",
    "propose",
    "publish",
    "publish_shipped",
    "settle_stuck",
]


def publish(by: Authority, data: Mapping[str, Any], *, now: datetime) -> Definition:
    """A version of a runbook. The same content again is the version that stands; running ones keep theirs."""
    by.require("runbooks.define")
    runbook = parse(data)
    content = json.loads(json.dumps(data))
    with transaction.atomic():
        held = Definition.objects.select_for_update().filter(slug=runbook.slug).order_by("-version").first()
        fingerprint = digest(content)
        if held is not None and held.digest == fingerprint:
            return held
        version = held.version + 1 if held else 1
        row = Definition(
            slug=runbook.slug,
            version=version,
            digest=fingerprint,
            data=content,
            by_id=by.principal_id,
            published_at=now,
        )
        facts = {"slug": row.slug, "version": version, "digest": fingerprint}
        record([row], entry=NewEntry("runbooks.published", row.pk, by, now, facts=facts))
    return row


def publish_shipped(by: Authority, *, now: datetime) -> list[Definition]:
    """The runbooks that ship, each as it stands in `definitions/`; one that was edited since is left as edited."""
    by.require("runbooks.define")
    folder = files("waystation.runbooks") / "definitions"
    shipped = sorted((f for f in folder.iterdir() if f.name.endswith(".json")), key=lambda f: f.name)
    made = []
    for file in shipped:
        data = json.loads(file.read_text(encoding="utf-8"))
        held = Definition.objects.filter(slug=data["slug"]).order_by("-version").first()
        made.append(held or publish(by, data, now=now))
    return made


def propose(
    by: Authority,
    slug: str,
    site_id: UUID,
    *,
    now: datetime,
    incident_id: UUID | None = None,
    space_id: UUID | None = None,
    device_id: UUID | None = None,
    names: Mapping[str, str] | None = None,
) -> Run:
    """A run of the newest version, pinned to it. One live run per incident and version: repeating gives that one."""
    by.require("runbooks.propose", site_id)
    with transaction.atomic():
        definition = Definition.objects.select_for_update().filter(slug=slug).order_by("-version").first()
        if definition is None:
            raise NotFound("runbooks.unknown", f"There is no runbook {slug!r}.", "List the runbooks.")
        if incident_id is not None:
            held = Run.objects.filter(incident_id=incident_id, definition__slug=slug, ended_at=None).first()
            if held is not None:
                return held
        runbook = parse(definition.data)
        row = Run(
            definition=definition,
            definition_digest=definition.digest,
            site_id=site_id,
            space_id=space_id,
            device_id=device_id,
            incident_id=incident_id,
            names=_names(site_id, space_id, device_id, incident_id) | dict(names or {}),
            proposed_by=by.principal_id,
            proposed_at=now,
            limit_at=now + timedelta(seconds=runbook.limit_s),
        )
        facts = {"slug": slug, "version": definition.version, "digest": definition.digest}
        tell(by, row, "runbooks.proposed", now, facts)
    return row


def _names(site_id: UUID, space_id: UUID | None, device_id: UUID | None, incident_id: UUID | None) -> dict[str, str]:
    found = {"site": one(Site, site_id).name, "site_id": str(site_id)}
    if space_id is not None:
        found |= {"space": one(Space, space_id).name, "space_id": str(space_id)}
    if device_id is not None:
        found |= {"device": one(Device, device_id).name, "device_id": str(device_id)}
    return found | ({"incident_id": str(incident_id)} if incident_id else {})


def approve(by: Authority, approval_id: UUID, *, digest_seen: str, now: datetime, reason: str = "") -> Approval:
    """Another person's yes to exactly what they saw, while the question is live. Repeating it changes nothing."""
    return _decide(by, approval_id, "approved", digest_seen, now, reason)


def deny(by: Authority, approval_id: UUID, *, digest_seen: str, now: datetime, reason: str) -> Approval:
    """A no: the step never runs."""
    return _decide(by, approval_id, "denied", digest_seen, now, reason)


def _decide(by: Authority, key: UUID, decision: str, digest_seen: str, now: datetime, reason: str) -> Approval:
    run_id = one(Approval, key).run_id
    by.require("runbooks.approve", one(Run, run_id).site_id)
    with transaction.atomic():
        run = locked(run_id)
        row = one(Approval, key, among=Approval.objects.select_for_update())
        if row.decision == decision and row.decided_by == by.principal_id:
            return row
        if by.is_machine or by.principal_id in (row.asked_by, run.proposed_by):
            raise NotAllowed(
                "runbooks.self_approval", f"{by.name} asked for this and cannot decide it.", "Another person decides."
            )
        if row.decision:
            raise Conflict("runbooks.decided", f"This was {row.decision} already.", "Read the run again.")
        if now >= row.expires_at or not states.RUN[run.state]:
            raise Conflict(
                "runbooks.too_late", f"This could be decided until {row.expires_at:%H:%M} UTC.", "Propose it again."
            )
        if digest_seen != row.digest:
            raise BadInput(
                "runbooks.other_content",
                "What was seen is not what is asked for.",
                "Read it again and decide on that.",
                field="digest_seen",
                value=digest_seen,
            )
        row.decision, row.decided_by, row.decided_at, row.reason = decision, by.principal_id, now, reason[:400]
        facts = {"step": row.step, "digest": row.digest, "decision": decision}
        tell(by, run, f"runbooks.step_{decision}", now, facts, [row])
    return row


def expire_due(by: Authority, *, now: datetime) -> list[Approval]:
    """Questions that nobody answered in time are answered no."""
    by.require("platform.operate")
    ended = []
    for key in Approval.objects.filter(decision="", expires_at__lte=now).values_list("pk", flat=True):
        with transaction.atomic():
            run = locked(one(Approval, key).run_id)
            row = one(Approval, key, among=Approval.objects.select_for_update())
            if row.decision:
                continue
            row.decision, row.decided_at = "expired", now
            if run.state == "awaiting_approval":
                enter(run, "failed", now)
                run.reason = f"{row.step}: nobody approved by {row.expires_at:%Y-%m-%d %H:%M} UTC; nothing was done"
            tell(by, run, "runbooks.step_expired", now, {"step": row.step, "digest": row.digest}, [row])
            ended.append(row)
    return ended


def escalate_waiting(by: Authority, approval_id: UUID, *, now: datetime) -> Approval:
    """Note that a waiting approval was escalated. Repeating it changes nothing."""
    by.require("platform.operate")
    with transaction.atomic():
        row = one(Approval, approval_id, among=Approval.objects.select_for_update())
        if row.escalated_at is None and not row.decision:
            row.escalated_at = now
            tell(by, locked(row.run_id), "runbooks.approval_escalated", now, {"step": row.step}, [row])
    return row


def cancel(by: Authority, run_id: UUID, *, now: datetime, reason: str) -> Run:
    """Stop: what was done is undone on the next advance. Repeating it changes nothing."""
    by.require("runbooks.propose", one(Run, run_id).site_id)
    with transaction.atomic():
        run = locked(run_id)
        if run.ended_at is not None or run.cancel_asked_at is not None:
            return run
        run.cancel_asked_at = now
        if run.state == "stuck":
            enter(run, "canceled", now)
        run.reason = reason[:400]
        tell(by, run, "runbooks.cancel_asked", now, {"reason": reason[:400]})
    return run


def settle_stuck(by: Authority, run_id: UUID, *, ended: bool, now: datetime, reason: str) -> Run:
    """A person looked: `ended` True closes a stuck run as failed, with what they found."""
    by.require("runbooks.approve", one(Run, run_id).site_id)
    with transaction.atomic():
        run = locked(run_id)
        if run.state != "stuck":
            raise Conflict("runbooks.not_stuck", f"This run is {run.state.replace('_', ' ')}.", "Read it again.")
        if ended:
            enter(run, "failed", now)
        run.reason = reason[:400]
        tell(by, run, "runbooks.settled", now, {"reason": run.reason, "ended": ended})
    return run


def park_overdue(by: Authority, *, now: datetime) -> list[Run]:
    """Runs past their limit end: without any act as failed, else stuck for a person; none runs for ever."""
    by.require("platform.operate")
    parked = []
    late = Run.objects.filter(ended_at=None, limit_at__lte=now).exclude(state="stuck").values_list("pk", flat=True)
    for key in late:
        with transaction.atomic():
            run = locked(key)
            if run.ended_at is not None or run.state == "stuck":
                continue
            acted = run.journal.filter(phase="act").exists()
            enter(run, "stuck" if acted else "failed", now)
            run.reason = f"over its limit of {run.limit_at:%Y-%m-%d %H:%M} UTC"
            tell(by, run, "runbooks.over_limit", now, {"limit_at": run.limit_at, "state": run.state})
            parked.append(run)
    return parked
