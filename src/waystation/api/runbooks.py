"""Runbooks by API: propose, follow, answer, approve exactly what was shown."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status

from waystation import wiring
from waystation.api.auth import by
from waystation.incidents import queries as incidents
from waystation.runbooks import actions, queries

router = Router()


class DefinitionOut(Schema):
    """A version of a runbook."""

    slug: str
    version: int
    digest: str
    data: dict[str, Any]
    published_at: datetime


class DefinitionIn(Schema):
    """A runbook as data."""

    data: dict[str, Any]


class RunOut(Schema):
    """A run, pinned to its version."""

    id: UUID
    site_id: UUID
    incident_id: UUID | None
    state: str
    reason: str
    definition_digest: str
    proposed_by: UUID
    proposed_at: datetime
    ended_at: datetime | None


class EntryOut(Schema):
    """A phase of a step in the journal."""

    step: str
    phase: str
    outcome: str
    started_at: datetime
    finished_at: datetime | None
    detail: str
    instruction: str
    answered_by: UUID | None


class ApprovalOut(Schema):
    """A question: exactly what would be done, its digest, and until when it can be answered."""

    id: UUID
    run_id: UUID
    step: str
    digest: str
    content: list[dict[str, Any]]
    asked_by: UUID
    asked_at: datetime
    expires_at: datetime
    decided_by: UUID | None
    decision: str


class RunIn(Schema):
    """Which runbook, where, for which incident."""

    slug: str
    site_id: UUID
    incident_id: UUID | None = None
    space_id: UUID | None = None
    device_id: UUID | None = None


class AnswerIn(Schema):
    """What came of an instruction."""

    step: str
    phase: str
    ok: bool
    detail: str = ""


class DecideIn(Schema):
    """The digest of what the decider saw."""

    digest: str
    reason: str = ""


@router.get("/definitions", response=list[DefinitionOut])
def definitions(request: HttpRequest) -> Any:
    """The newest version of each runbook."""
    return queries.newest()


@router.post("/definitions", response={201: DefinitionOut})
def publish(request: HttpRequest, body: DefinitionIn) -> Status[Any]:
    """Publish a version of a runbook."""
    return Status(201, actions.publish(by(request), body.data, now=wiring.clock().now()))


@router.get("/runs", response=list[RunOut])
def runs(request: HttpRequest, incident_id: UUID | None = None, live: bool = False) -> Any:
    """Runs, newest first."""
    return queries.runs(by(request), incident_id=incident_id, live=live)


@router.post("/runs", response={201: RunOut})
def propose(request: HttpRequest, body: RunIn) -> Status[Any]:
    """Propose a run and do what needs no approval."""
    values, now = body.dict(), wiring.clock().now()
    if body.incident_id is not None:
        incidents.incident(by(request), body.incident_id)
    run = actions.propose(by(request), values.pop("slug"), values.pop("site_id"), now=now, **values)
    return Status(201, actions.advance(by(request), run.pk, wiring.actuator(), now=now, pulse=wiring.clock().now))


@router.post("/runs/{key}/advance", response=RunOut)
def advance(request: HttpRequest, key: UUID) -> Any:
    """Do all that can be done now."""
    who, clock = by(request), wiring.clock()
    return actions.advance(who, queries.run(who, key).pk, wiring.actuator(), now=clock.now(), pulse=clock.now)


@router.get("/runs/{key}/journal", response=list[EntryOut])
def journal(request: HttpRequest, key: UUID) -> Any:
    """What was done, in order."""
    return queries.journal(queries.run(by(request), key).pk)


@router.get("/runs/{key}/printed", response=list[str])
def printed(request: HttpRequest, key: UUID) -> list[str]:
    """The run as an instruction on paper."""
    return queries.printed(queries.run(by(request), key).pk)


@router.post("/runs/{key}/answer", response=EntryOut)
def answer(request: HttpRequest, key: UUID, body: AnswerIn) -> Any:
    """What came of an instruction that the caller followed."""
    run = queries.run(by(request), key)
    return actions.answer(
        by(request), run.pk, body.step, body.phase, ok=body.ok, detail=body.detail, now=wiring.clock().now()
    )


@router.post("/runs/{key}/cancel", response=RunOut)
def cancel(request: HttpRequest, key: UUID, reason: str) -> Any:
    """Stop a run; what was done is undone."""
    return actions.cancel(by(request), queries.run(by(request), key).pk, now=wiring.clock().now(), reason=reason)


@router.get("/approvals", response=list[ApprovalOut])
def waiting(request: HttpRequest) -> Any:
    """What waits for somebody's approval."""
    return queries.waiting(by(request), wiring.clock().now())


@router.post("/approvals/{key}/approve", response=ApprovalOut)
def approve(request: HttpRequest, key: UUID, body: DecideIn) -> Any:
    """Approve exactly what was shown; never one's own."""
    return actions.approve(by(request), key, digest_seen=body.digest, reason=body.reason, now=wiring.clock().now())


@router.post("/approvals/{key}/deny", response=ApprovalOut)
def deny(request: HttpRequest, key: UUID, body: DecideIn) -> Any:
    """Deny: the step never runs."""
    return actions.deny(by(request), key, digest_seen=body.digest, reason=body.reason, now=wiring.clock().now())
