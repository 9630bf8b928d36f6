"""Alarms by API: what is active and why, acknowledge, quiet, on call, policy, route tests."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.alarms import actions, queries
from waystation.api.auth import by
from waystation.registry import queries as registry

router = Router()


class AlarmOut(Schema):
    """An alarm with its facts and the reasons of each stage."""

    id: UUID
    rule: str
    site_id: UUID
    object_kind: str
    object_id: UUID
    severity: str
    state: str
    facts: dict[str, Any]
    started_at: datetime
    raised_at: datetime
    cleared_at: datetime | None
    acked_at: datetime | None
    acked_by: UUID | None
    worst_case_at: datetime | None
    incident_id: UUID | None
    outcome: str
    reasons: list[dict[str, Any]]


class PagedOut(Schema):
    """A page with its delivery and answer."""

    person_id: UUID
    channel: str
    level: int
    kind: str
    at: datetime
    sent_at: datetime | None
    gave_up_at: datetime | None
    attempts: int
    receipt: str
    acked_at: datetime | None


class AnswerOut(Schema):
    """Why somebody was or was not paged."""

    paged: bool
    reason: str
    chain: list[dict[str, Any]]
    pages: list[PagedOut]


class QuietIn(Schema):
    """A suppression: what it names, why, and until when (4 h unless said, 7 days at most)."""

    site_id: UUID
    kind: str
    reason: str
    rules: list[str] = []
    object_ids: list[UUID] = []
    starts_at: AwareDatetime | None = None
    ends_at: AwareDatetime | None = None
    change_id: UUID | None = None


class QuietOut(Schema):
    """A suppression with owner, reason and end."""

    id: UUID
    site_id: UUID
    kind: str
    rules: list[str]
    object_ids: list[str]
    owner_id: UUID
    reason: str
    starts_at: datetime
    ends_at: datetime
    matched: list[str]
    announced_at: datetime | None


class MatrixIn(Schema):
    """Rows of the matrix, and the edition that they were edited from."""

    rows: list[dict[str, Any]]
    base_number: int = 0
    reason: str = ""


class PolicyIn(Schema):
    """Escalation levels for a site and severity, or for all."""

    levels: list[dict[str, Any]]
    site_id: UUID | None = None
    severity: str = ""


class RotationIn(Schema):
    """People who take turns for a role."""

    name: str
    role: str
    zone: str
    people: list[UUID]
    first_day: date
    site_id: UUID | None = None
    handover_min: int = 540
    turn_days: int = 7
    hours: list[dict[str, int]] = []


class OverrideIn(Schema):
    """Somebody stands in."""

    person_id: UUID
    starts_at: AwareDatetime
    ends_at: AwareDatetime
    reason: str = ""


class RouteTestOut(Schema):
    """A route test and what came of it."""

    id: UUID
    site_id: UUID
    at: datetime
    due_at: datetime
    people: list[str]
    missing: list[str]
    received: dict[str, str]
    passed_at: datetime | None
    failed_at: datetime | None
    failure: str


@router.get("/active", response=list[AlarmOut])
def active(request: HttpRequest, site_id: UUID | None = None) -> Any:
    """Active alarms, nearest product loss first."""
    return queries.active(by(request), site_id)


@router.get("/alarms/{key}", response=AlarmOut)
def alarm(request: HttpRequest, key: UUID) -> Any:
    """One alarm."""
    return queries.alarm(by(request), key)


@router.post("/alarms/{key}/acknowledge", response=AlarmOut)
def acknowledge(request: HttpRequest, key: UUID) -> Any:
    """The caller, a person, has it in hand."""
    return actions.acknowledge(by(request), key, now=wiring.clock().now())


@router.get("/alarms/{key}/paged", response=list[PagedOut])
def paged(request: HttpRequest, key: UUID) -> Any:
    """Who was paged and who answered."""
    return queries.paged(queries.alarm(by(request), key).pk)


@router.get("/alarms/{key}/children", response=list[AlarmOut])
def children(request: HttpRequest, key: UUID) -> Any:
    """The alarms that this one explains."""
    return queries.children(queries.alarm(by(request), key).pk)


@router.get("/alarms/{key}/why/{person_id}", response=AnswerOut)
def why(request: HttpRequest, key: UUID, person_id: UUID) -> Any:
    """Why was, or was not, this person paged?"""
    return queries.why(queries.alarm(by(request), key).pk, person_id)


@router.get("/sites/{key}/on_call/{role}", response=dict[str, Any])
def on_call(request: HttpRequest, key: str, role: str) -> dict[str, Any]:
    """Who is on call now, and the next uncovered hours."""
    site = registry.site(by(request), key)
    found = queries.on_call(site.pk, role, wiring.clock().now())
    gap = found.next_gap
    return {
        "role": role,
        "planned": found.planned,
        "uncovered": found.uncovered,
        "people": [{"person_id": str(s.person_id), "source": s.source} for s in found.shifts],
        "next_gap": {"from": gap[0].isoformat(), "to": gap[1].isoformat()} if gap else None,
    }


@router.get("/sites/{key}/cause", response=dict[str, Any])
def cause(request: HttpRequest, key: str) -> dict[str, Any]:
    """Why data of a site are missing: power, WAN, gateway, sensor, or not known."""
    found = queries.cause(registry.site(by(request), key).pk)
    return {"verdict": found.verdict, "reasons": list(found.reasons)}


@router.get("/suppressions", response=list[QuietOut])
def suppressions(request: HttpRequest) -> Any:
    """Live and coming suppressions."""
    return queries.suppressions(by(request), wiring.clock().now())


@router.post("/suppressions/preview", response=list[AlarmOut])
def would_match(request: HttpRequest, body: QuietIn) -> Any:
    """The active alarms that a suppression would name."""
    site = registry.site(by(request), body.site_id)
    return queries.would_match(site.pk, body.rules, body.object_ids)


@router.post("/suppressions", response={201: QuietOut})
def suppress(request: HttpRequest, body: QuietIn) -> Status[Any]:
    """Ask for quiet with a reason and an end."""
    row = actions.suppress(
        by(request),
        body.site_id,
        body.kind,
        reason=body.reason,
        rules=body.rules,
        object_ids=body.object_ids,
        starts_at=body.starts_at,
        ends_at=body.ends_at,
        change_id=body.change_id,
        now=wiring.clock().now(),
    )
    return Status(201, row)


@router.post("/suppressions/{key}/end", response=QuietOut)
def end_suppression(request: HttpRequest, key: UUID, reason: str = "") -> Any:
    """End quiet before its time."""
    return actions.end_suppression(by(request), key, now=wiring.clock().now(), reason=reason)


@router.get("/matrix", response=dict[str, Any])
def matrix(request: HttpRequest) -> dict[str, Any]:
    """The severity matrix in force."""
    by(request).require("registry.read")
    number, rows = queries.matrix()
    return {"number": number, "rows": rows}


@router.post("/matrix/preview", response=dict[str, Any])
def preview_matrix(request: HttpRequest, body: MatrixIn) -> dict[str, Any]:
    """Pages of the last 30 days under the matrix in force and under this one."""
    found = actions.preview_matrix(by(request), body.rows, now=wiring.clock().now())
    sides = {"before": found.before, "after": found.after}
    counted = {side: {"pages": tally.pages, "by_row": tally.by_row} for side, tally in sides.items()}
    return counted | {"conditions": found.conditions}


@router.post("/matrix", response={201: dict[str, int]})
def edit_matrix(request: HttpRequest, body: MatrixIn) -> Status[dict[str, int]]:
    """A new edition of the matrix."""
    now = wiring.clock().now()
    row = actions.edit_matrix(by(request), body.rows, base_number=body.base_number, reason=body.reason, now=now)
    return Status(201, {"number": row.number})


@router.post("/policies", response={201: dict[str, UUID]})
def set_policy(request: HttpRequest, body: PolicyIn) -> Status[dict[str, UUID]]:
    """Escalation levels; alarms already paged keep theirs."""
    now = wiring.clock().now()
    row = actions.set_policy(by(request), body.levels, site_id=body.site_id, severity=body.severity, now=now)
    return Status(201, {"id": row.pk})


@router.post("/rotations", response={201: dict[str, UUID]})
def add_rotation(request: HttpRequest, body: RotationIn) -> Status[dict[str, UUID]]:
    """Add a rotation."""
    return Status(201, {"id": actions.add_rotation(by(request), now=wiring.clock().now(), **body.dict()).pk})


@router.post("/rotations/{key}/end", response=dict[str, UUID])
def end_rotation(request: HttpRequest, key: UUID, reason: str = "") -> dict[str, UUID]:
    """End a rotation."""
    return {"id": actions.end_rotation(by(request), key, now=wiring.clock().now(), reason=reason).pk}


@router.post("/rotations/{key}/overrides", response={201: dict[str, UUID]})
def add_override(request: HttpRequest, key: UUID, body: OverrideIn) -> Status[dict[str, UUID]]:
    """Let somebody stand in."""
    values = body.dict()
    row = actions.add_override(by(request), key, values.pop("person_id"), now=wiring.clock().now(), **values)
    return Status(201, {"id": row.pk})


@router.get("/route_tests", response=list[RouteTestOut])
def route_tests(request: HttpRequest) -> Any:
    """The newest route test of each site."""
    return queries.route_tests(by(request))


@router.post("/sites/{key}/route_test", response={201: RouteTestOut})
def test_route(request: HttpRequest, key: UUID) -> Status[Any]:
    """Send a test page through a site's whole route."""
    return Status(201, actions.test_route(by(request), key, now=wiring.clock().now()))


@router.post("/route_tests/{key}/confirm", response=RouteTestOut)
def confirm_route(request: HttpRequest, key: UUID) -> Any:
    """The caller received the test."""
    return actions.confirm_route(by(request), key, now=wiring.clock().now())
