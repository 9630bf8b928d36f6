"""The fleet by API: drift and its end, onboarding from the first check to the opened site."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.fleet import actions, queries
from waystation.journeys import launch_site, set_up
from waystation.registry import queries as registry

router = Router()


class DriftOut(Schema):
    """A difference between what is intended and what a device says."""

    id: UUID
    site_id: UUID
    device_id: UUID | None
    kind: str
    expected: str
    actual: str
    seen_at: datetime
    ended_at: datetime | None
    resolution: str
    waived_until: datetime | None
    reason: str


class DriftResolveIn(Schema):
    """accepted, or waived until an instant; always with a reason."""

    resolution: str
    reason: str
    until: AwareDatetime | None = None


class OnboardingCheckIn(Schema):
    """The result of a check and what shows it."""

    passed: bool
    evidence: str


class WaiverIn(Schema):
    """A component that the site may be without, `backup_path` for the backup of a critical site, until an instant."""

    component: str
    reason: str
    until: AwareDatetime


class CheckOut(Schema):
    """One item of the checklist."""

    key: str
    words: str
    mandatory: bool
    state: str
    evidence: str
    fail_action: str
    at: datetime | None


class ObstacleOut(Schema):
    """What keeps the gate shut: which of the three conditions, and what exactly."""

    condition: str
    words: str


class CoverOut(Schema):
    """A critical class and the spare that can restore it in time."""

    component_class: str
    covered: bool
    words: str


class GateOut(Schema):
    """May the site be opened? With every obstacle, or none."""

    site: str
    ready: bool
    obstacles: list[ObstacleOut]
    checks: list[CheckOut]
    cover: list[CoverOut]
    owners: dict[str, str]
    signed: list[str]


class WaitingOut(Schema):
    """What nobody has answered for yet; `uncertified` are judging probes without a certificate that is valid now."""

    profiles: list[UUID]
    templates: list[UUID]
    chains: list[UUID]
    uncertified: list[UUID]
    closed_accounts: list[UUID]


class OnboardingOut(Schema):
    """A site that is not open yet."""

    id: UUID
    site_id: UUID
    started_at: datetime
    opened_at: datetime | None


class SignedOut(Schema):
    """A named acceptance on the digest of the checks."""

    function: str
    printed_name: str
    digest: str
    at: datetime


@router.get("/drift", response=list[DriftOut])
def drift(request: HttpRequest, site: str = "") -> Any:
    """Live drift, oldest first, at the sites that the caller sees."""
    seen = {s.pk for s in registry.sites(by(request))}
    wanted = registry.site(by(request), site).pk if site else None
    return [d for d in queries.drift(wanted) if d.site_id in seen]


@router.post("/drift/{key}/resolve", response=DriftOut)
def resolve(request: HttpRequest, key: UUID, body: DriftResolveIn) -> Any:
    """Accept it into the baseline or waive it until an instant."""
    now = wiring.clock().now()
    return actions.resolve_drift(by(request), key, body.resolution, reason=body.reason, until=body.until, now=now)


@router.get("/waiting", response=WaitingOut)
def waiting(request: HttpRequest) -> dict[str, list[UUID]]:
    """What waits for somebody's word: profiles, templates, chains, probes and accounts, by id."""
    held = set_up.waiting(by(request), wiring.clock().now())
    return {name: [row.pk for row in getattr(held, name)] for name in WaitingOut.model_fields}


@router.get("/onboardings", response=list[OnboardingOut])
def onboardings(request: HttpRequest) -> Any:
    """Sites on their way, oldest first."""
    seen = {s.pk for s in registry.sites(by(request))}
    return [o for o in queries.onboardings() if o.site_id in seen]


@router.post("/sites/{code}/start", response=OnboardingOut)
def start(request: HttpRequest, code: str) -> Any:
    """Begin the onboarding of a site."""
    site = registry.site(by(request), code)
    return launch_site.start(by(request), site.pk, now=wiring.clock().now())


@router.get("/sites/{code}/gate", response=GateOut)
def gate(request: HttpRequest, code: str) -> Any:
    """Yes, or each thing that keeps the gate shut."""
    return _gate(request, code)


@router.post("/sites/{code}/measure", response=GateOut)
def measure(request: HttpRequest, code: str) -> Any:
    """Record the checks that the platform shows by itself."""
    site = registry.site(by(request), code)
    launch_site.measure(by(request), site.pk, now=wiring.clock().now())
    return _gate(request, code)


@router.post("/sites/{code}/checks/{key}", response=CheckOut)
def record(request: HttpRequest, code: str, key: str, body: OnboardingCheckIn) -> Any:
    """Record one check."""
    site = registry.site(by(request), code)
    now = wiring.clock().now()
    return launch_site.record(by(request), site.pk, key, passed=body.passed, evidence=body.evidence, now=now)


@router.post("/sites/{code}/sign/{function}", response=SignedOut)
def sign(request: HttpRequest, code: str, function: str) -> Any:
    """Accept the site for facilities, operations or it."""
    site = registry.site(by(request), code)
    return launch_site.sign(by(request), site.pk, function, now=wiring.clock().now())


@router.post("/sites/{code}/open", response=dict[str, str])
def open_site(request: HttpRequest, code: str) -> dict[str, str]:
    """Open the site."""
    site = registry.site(by(request), code)
    return {"state": launch_site.open_site(by(request), site.pk, now=wiring.clock().now()).state}


def _gate(request: HttpRequest, code: str) -> dict[str, Any]:
    site = registry.site(by(request), code)
    held = launch_site.gate(by(request), site.pk, wiring.clock().now())
    return {
        "site": site.code,
        "ready": held.ready,
        "obstacles": held.obstacles,
        "checks": list(held.onboarding.checks.all()),
        "cover": held.cover,
        "owners": dict(held.facts.dependencies),
        "signed": [s.function for s in held.onboarding.sign_offs.all()],
    }


@router.post("/sites/{code}/waivers", response=DriftOut)
def waive(request: HttpRequest, code: str, body: WaiverIn) -> Any:
    """Let a site be without a component for a time; its gate then passes."""
    site = registry.site(by(request), code)
    words = body.dict() | {"now": wiring.clock().now()}
    return actions.waive_component(by(request), site.pk, words.pop("component"), **words)
