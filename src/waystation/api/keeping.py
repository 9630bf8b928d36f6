"""Keeping by API: holds on records, retention policies, what retention did, and how much the readings take."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by, proved
from waystation.api.reading import Body
from waystation.evidence import holds
from waystation.journeys import keeping
from waystation.registry import queries as registry
from waystation.telemetry import forecast, retention
from waystation.telemetry.actions import retain

router = Router()


class HoldIn(Body):
    """What is held: a site by its code, a space as SITE/SPACE, an incident as INC-12, a consignment by its lot."""

    subject: Literal["site", "space", "incident", "consignment"]
    name: str
    reason: str
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None


class RecordHoldOut(Schema):
    """A hold; `lifted_at` null while it stands."""

    id: UUID
    subject: str
    name: str
    site_id: UUID | None
    since: datetime | None
    until: datetime | None
    reason: str
    placed_by: UUID
    placed_at: datetime
    lift_reason: str
    lift_asked_by: UUID | None
    lifted_by: UUID | None
    lifted_at: datetime | None


class WhyIn(Body):
    """The reason for an act."""

    reason: str


class SignedIn(Body):
    """A signature: one's own password again, and the reason where one is asked for."""

    password: str
    reason: str = ""


class RetentionPolicyIn(Body):
    """How long readings that judge (`judging`) or other signals (`other`) are kept, and for how long at full rate."""

    name: str
    covers: Literal["judging", "other"]
    source: Literal["regulation", "contract", "company"]
    clause: str
    service_class: str = ""
    for_ever: bool = False
    keep_years: int = 0
    keep_days: int = 0
    full_days: int | None = None


class PolicyOut(Schema):
    """A policy; it counts while `state` is approved."""

    id: UUID
    name: str
    covers: str
    source: str
    clause: str
    for_ever: bool
    keep_years: int
    keep_days: int
    full_days: int | None
    state: str
    proposed_by: UUID
    proposed_at: datetime
    approved_by: UUID | None
    approved_at: datetime | None
    signed_name: str
    signed_digest: str


class HoldsAsked(Schema):
    """A sensor and a period."""

    sensor: str
    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")


@router.get("/holds", response=list[RecordHoldOut])
def all_holds(request: HttpRequest, standing_only: bool = False) -> Any:
    """The holds, those that stand first."""
    return holds.holds(by(request), standing_only=standing_only)


@router.post("/holds", response={201: RecordHoldOut})
def place_hold(request: HttpRequest, body: HoldIn) -> Status[Any]:
    """Hold records: nothing of them is removed or reduced while the hold stands."""
    return Status(201, keeping.hold(by(request), **body.dict(), now=wiring.clock().now()))


@router.post("/holds/{hold_id}/ask", response=RecordHoldOut)
def ask_to_lift(request: HttpRequest, hold_id: UUID, body: WhyIn) -> Any:
    """Ask that a hold be lifted; another person lifts it."""
    return holds.ask_to_lift(by(request), hold_id, reason=body.reason, now=wiring.clock().now())


@router.post("/holds/{hold_id}/keep", response=RecordHoldOut)
def keep_hold(request: HttpRequest, hold_id: UUID, body: WhyIn) -> Any:
    """Turn down the request to lift."""
    return holds.keep(by(request), hold_id, reason=body.reason, now=wiring.clock().now())


@router.post("/holds/{hold_id}/lift", response=RecordHoldOut)
def lift_hold(request: HttpRequest, hold_id: UUID, body: SignedIn) -> Any:
    """Lift it, as the second person, signed."""
    return holds.lift(by(request), hold_id, fresh_proof=proved(request, body.password), now=wiring.clock().now())


@router.get("/retention/policies", response=list[PolicyOut])
def policies(request: HttpRequest) -> Any:
    """The policies, those that count first."""
    by(request).require("evidence.read")
    return retention.policies()


@router.post("/retention/policies", response={201: PolicyOut})
def propose(request: HttpRequest, body: RetentionPolicyIn) -> Status[Any]:
    """Propose a policy; it does nothing before QA approves it."""
    return Status(201, retain.propose(by(request), **body.dict(), now=wiring.clock().now()))


@router.post("/retention/policies/{policy_id}/approve", response=PolicyOut)
def approve(request: HttpRequest, policy_id: UUID, body: SignedIn) -> Any:
    """QA's approval, signed, of a policy that somebody else proposed."""
    fresh = proved(request, body.password)
    return retain.approve(by(request), policy_id, fresh_proof=fresh, now=wiring.clock().now())


@router.post("/retention/policies/{policy_id}/end", response=PolicyOut)
def end(request: HttpRequest, policy_id: UUID, body: SignedIn) -> Any:
    """End a policy, signed by another person than the one who approved it."""
    fresh = proved(request, body.password)
    return retain.end(by(request), policy_id, reason=body.reason, fresh_proof=fresh, now=wiring.clock().now())


@router.get("/retention/reports", response=list[dict[str, Any]])
def reports(request: HttpRequest) -> list[dict[str, Any]]:
    """What the newest passes took, and what they held back and why."""
    by(request).require("evidence.read")
    return [row.as_plain() for row in retention.reports()]


@router.get("/retention/forecast", response=list[dict[str, Any]])
def storage(request: HttpRequest) -> list[dict[str, Any]]:
    """Bytes now, a year, and where they settle under the policies (null: they grow without end)."""
    by(request).require("evidence.read")
    return [asdict(one) for one in forecast.forecast()]


@router.get("/retention/sites/{site}/removals", response=list[dict[str, Any]])
def removals(request: HttpRequest, site: str) -> list[dict[str, Any]]:
    """What was taken from a site's segments, by which rules, with the digests of the files that went."""
    return [row.as_plain() for row in retention.removals(by(request), registry.site(by(request), site).pk)]


@router.get("/retention/sites/{site}/reduced", response=list[dict[str, Any]])
def reduced(request: HttpRequest, site: str, asked: Query[HoldsAsked]) -> list[dict[str, Any]]:
    """What is left of a reduced signal: lowest, highest and mean of each five minutes."""
    row = registry.site(by(request), site)
    return [b._asdict() for b in retention.buckets(by(request), row.pk, asked.sensor, asked.start, asked.end)]
