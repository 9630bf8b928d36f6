"""Promises by API: the questions of leadership, the preview of a class change, vendor windows."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Query, Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.journeys import month_end
from waystation.journeys import record_quality as quality
from waystation.journeys.month_files import MIME
from waystation.journeys.overview import as_plain, overview
from waystation.registry import queries as registry
from waystation.service_levels import actions, queries

router = Router()


class ChangeOut(Schema):
    """One target that changes with the class."""

    kind: str
    name: str
    today: float
    then: float


class PreviewOut(Schema):
    """Every rule that changes, before anything is applied."""

    today: str
    then: str
    changes: list[ChangeOut]


class ClassIn(Schema):
    """The class and the inputs behind it."""

    code: str
    inputs: dict[str, Any] = {}
    reason: str


class WindowIn(Schema):
    """Maintenance that a vendor promised."""

    vendor_id: UUID
    site_id: UUID
    what: str
    start: AwareDatetime
    end: AwareDatetime


class VisitIn(Schema):
    """What came of a window."""

    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    person: str
    evidence: str


class WindowOut(Schema):
    """A window, planned against actual."""

    id: UUID
    vendor_id: UUID
    site_id: UUID
    what: str
    planned_start: datetime
    planned_end: datetime
    started_at: datetime | None
    ended_at: datetime | None
    person: str
    evidence: str


class VendorOut(Schema):
    """A vendor's windows of a period, oldest first."""

    vendor: str
    outcomes: list[str]
    sites: list[str]
    failed: int


class EditionOut(Schema):
    """A report of a closed month as it was made; a later edition stands beside the first."""

    month: str
    edition: int
    made_at: datetime
    document_sha256: str
    differs_in: int


class MonthAsked(Schema):
    """A part of a month's report (at most one of network, region, site), its file kind, and another edition."""

    network: str = ""
    region: str = ""
    site: str = ""
    kind: Literal["json", "csv", "pdf"] = "json"
    edition: int | None = None


@router.get("/months", response=list[EditionOut])
def months(request: HttpRequest) -> Any:
    """The reports of closed months, the newest month first."""
    return [
        {"month": m.month, "edition": m.edition, "made_at": m.made_at, "document_sha256": m.document_sha256}
        | {"differs_in": len(m.changes)}
        for m in month_end.months(by(request))
    ]


@router.get("/months/{month}")
def month(request: HttpRequest, month: str, asked: Query[MonthAsked]) -> HttpResponse:
    """The report of a closed month (waystation.month/1) as JSON, CSV or PDF: the same bytes at any time."""
    who, scope = by(request), month_end.Scope(asked.network, asked.region, asked.site)
    row = month_end.edition(who, month, asked.edition)
    return HttpResponse(month_end.report(who, row, asked.kind, scope), content_type=MIME[asked.kind])


@router.get("/questions", response=dict[str, Any])
def questions(request: HttpRequest, period: str = "month") -> dict[str, Any]:
    """The four questions with their eight numbers and the records behind them."""
    return as_plain(overview(by(request), period, now=wiring.clock().now()))


@router.get("/record", response=dict[str, Any])
def record(request: HttpRequest, period: str = "month") -> dict[str, Any]:
    """Excursions and their time, calibration adherence and completeness, by class and by site."""
    return quality.as_plain(quality.record_quality(by(request), period, now=wiring.clock().now()))


@router.get("/sites/{code}/class/{then}", response=PreviewOut)
def preview(request: HttpRequest, code: str, then: str) -> Any:
    """What would change for a site under another class."""
    by(request).require("service_levels.read")
    return queries.preview(registry.site(by(request), code), queries.service_class(then))


@router.post("/sites/{code}/class", response=PreviewOut)
def set_class(request: HttpRequest, code: str, body: ClassIn) -> Any:
    """Move the site; returns what changed."""
    site = registry.site(by(request), code)
    changed = queries.preview(site, queries.service_class(body.code))
    actions.set_class(by(request), site.pk, body.code, inputs=body.inputs, reason=body.reason, now=wiring.clock().now())
    return changed


@router.get("/vendors", response=list[VendorOut])
def vendors(request: HttpRequest, days: int = 30) -> Any:
    """Vendors by how many windows they missed or were late for."""
    by(request).require("service_levels.read")
    now = wiring.clock().now()
    return queries.vendor_records(now - timedelta(days=min(max(days, 1), 730)), now)


@router.post("/windows", response={201: WindowOut})
def plan_window(request: HttpRequest, body: WindowIn) -> Status[Any]:
    """Plan maintenance."""
    values = body.dict()
    vendor_id, site_id = values.pop("vendor_id"), values.pop("site_id")
    return Status(201, actions.plan_window(by(request), vendor_id, site_id, now=wiring.clock().now(), **values))


@router.post("/windows/{key}/visit", response=WindowOut)
def record_visit(request: HttpRequest, key: UUID, body: VisitIn) -> Any:
    """What came of it."""
    return actions.record_visit(by(request), key, now=wiring.clock().now(), **body.dict())
