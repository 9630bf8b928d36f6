"""Maintenance by API: orders of work on devices, from the plan to what was found, with the parts used."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.api.reading import Body
from waystation.fleet import upkeep
from waystation.fleet.rules.upkeep import standing
from waystation.journeys import maintenance

router = Router()
MOST = 1_000


class OrdersAsked(Schema):
    """Which orders: site and vendor by code, a part by serial, code or words, a standing such as `overdue`."""

    site: str = ""
    device: UUID | None = None
    vendor: str = ""
    part: str = ""
    standing: str = ""
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime | None = Field(None, alias="to")
    first: int = Field(0, ge=0, le=1_000_000)

    def asked(self) -> upkeep.Asked:
        """The question without its site."""
        return upkeep.Asked(None, self.device, self.vendor, self.part, self.standing, self.start, self.end)


class MaintenancePlanIn(Body):
    """Work on a device; category and activity in the words of ISO 14224, `every_months` 0 for once."""

    device_id: UUID
    category: str
    activity: str
    what: str = Field(max_length=160)
    start: AwareDatetime
    end: AwareDatetime
    vendor: str = ""
    person: str = Field("", max_length=120)
    every_months: int = Field(0, ge=0, le=1_000)
    incident: str = Field("", max_length=60)
    alarm_window: UUID | None = None


class MaintenanceStartIn(Body):
    """Who does the work, if not who was planned."""

    person: str = Field("", max_length=120)


class MaintenancePaperIn(Body):
    """A paper that is kept elsewhere: its file name and the SHA-256 of its bytes."""

    name: str = Field(max_length=160)
    sha256: str = Field(max_length=64)


class MaintenanceEndIn(Body):
    """`outcome` is done, done_with_remarks or not_done; the last needs a reason, the others what was found."""

    outcome: str
    found: str = Field("", max_length=800)
    reason: str = Field("", max_length=400)
    person: str = Field("", max_length=120)
    started_at: AwareDatetime | None = None
    next_due: AwareDatetime | None = None
    serials: list[str] = Field(default_factory=list, max_length=20)
    other_parts: list[str] = Field(default_factory=list, max_length=20)
    attachments: list[MaintenancePaperIn] = Field(default_factory=list, max_length=20)


class MaintenanceCancelIn(Body):
    """Why nobody will do it."""

    reason: str = Field(max_length=400)


class MaintenanceOrderOut(Schema):
    """An order. `standing` is its state, or `due` or `overdue` for one that is not ended."""

    id: UUID
    site: str
    site_id: UUID
    device: str
    device_id: UUID
    device_serial: str
    category: str
    activity: str
    what: str
    vendor: str
    person: str
    state: str
    standing: str
    planned_start: datetime
    planned_end: datetime
    started_at: datetime | None
    ended_at: datetime | None
    parts: list[dict[str, str]]
    found: str
    reason: str
    next_due: datetime | None
    every_months: int
    follows_id: UUID | None
    incident_id: UUID | None
    suppression_id: UUID | None
    attachments: list[dict[str, str]]


class MaintenanceOrdersOut(Schema):
    """A thousand of the orders from `first` on, and how many there are."""

    found: int
    orders: list[MaintenanceOrderOut]


@router.get("/", response=MaintenanceOrdersOut)
def orders(request: HttpRequest, wanted: Query[OrdersAsked]) -> dict[str, Any]:
    """The orders that fit, those due last first."""
    now = wiring.clock().now()
    found = maintenance.page(by(request), wanted.asked(), wanted.site, now, wanted.first, MOST)
    return {"found": found.found, "orders": [_out(row, now) for row in found.rows]}


@router.get("/orders.csv")
def orders_csv(request: HttpRequest, wanted: Query[OrdersAsked]) -> HttpResponse:
    """All orders that fit as CSV, schema waystation.maintenance/1, instants in UTC, each line with its site's id."""
    now = wiring.clock().now()
    found = maintenance.page(by(request), wanted.asked(), wanted.site, now)
    return HttpResponse(maintenance.as_csv(found.rows, now), content_type="text/csv; charset=utf-8")


@router.get("/orders/{key}", response=MaintenanceOrderOut)
def order(request: HttpRequest, key: UUID) -> dict[str, Any]:
    """One order."""
    return _out(upkeep.order(by(request), key), wiring.clock().now())


@router.post("/orders", response={201: MaintenanceOrderOut})
def plan(request: HttpRequest, body: MaintenancePlanIn) -> Status[dict[str, Any]]:
    """Plan work on a device."""
    values, now = body.dict(), wiring.clock().now()
    named = maintenance.Named(values.pop("incident"), values.pop("alarm_window"))
    row = maintenance.plan(by(request), upkeep.Plan(**values), named, now=now)
    return Status(201, _out(upkeep.order(by(request), row.pk), now))


@router.post("/orders/{key}/start", response=MaintenanceOrderOut)
def start(request: HttpRequest, key: UUID, body: MaintenanceStartIn) -> dict[str, Any]:
    """The work begins."""
    now = wiring.clock().now()
    maintenance.start(by(request), key, person=body.person, now=now)
    return _out(upkeep.order(by(request), key), now)


@router.post("/orders/{key}/finish", response=MaintenanceOrderOut)
def finish(request: HttpRequest, key: UUID, body: MaintenanceEndIn) -> dict[str, Any]:
    """End an order with what came of it; work that comes again gets its next order."""
    values, now = body.dict(), wiring.clock().now()
    serials, other = values.pop("serials"), values.pop("other_parts")
    result = upkeep.Result(**values)
    maintenance.finish(by(request), key, result, serials=serials, other_parts=other, now=now)
    return _out(upkeep.order(by(request), key), now)


@router.post("/orders/{key}/cancel", response=MaintenanceOrderOut)
def cancel(request: HttpRequest, key: UUID, body: MaintenanceCancelIn) -> dict[str, Any]:
    """Nobody will do it."""
    now = wiring.clock().now()
    maintenance.cancel(by(request), key, reason=body.reason, now=now)
    return _out(upkeep.order(by(request), key), now)


def _out(row: Any, now: datetime) -> dict[str, Any]:
    names = [name for name in MaintenanceOrderOut.__annotations__ if hasattr(row, name)]
    return {name: getattr(row, name) for name in names} | {
        "site": row.site.code,
        "device": row.device.name,
        "device_serial": row.device.serial,
        "vendor": row.vendor.name if row.vendor else "",
        "standing": standing(row.state, row.planned_start, row.planned_end, now),
    }
