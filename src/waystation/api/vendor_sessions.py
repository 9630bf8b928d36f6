"""Vendor sessions by API: a jump host or a person opens one, feeds what is done, and closes it."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.api.reading import Body
from waystation.journeys import vendor_sessions as verbs
from waystation.service_levels import sessions

router = Router()


class SessionsAsked(Schema):
    """Which sessions: site and vendor by code; `standing` is open, ended, closed, by_another or by_limit."""

    site: str = ""
    vendor: str = ""
    standing: str = ""
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime | None = Field(None, alias="to")

    def asked(self) -> sessions.Asked:
        """The question."""
        return sessions.Asked(self.site, self.vendor, self.standing, self.start, self.end)


class VendorSessionIn(Body):
    """Whose session and why; `over` is remote, on_site or console, `limit_h` how long it may stay open, up to 12."""

    vendor: str
    site: str
    person: str = Field(max_length=120)
    why: str = Field(max_length=300)
    over: str
    limit_h: float = Field(4.0, gt=0, le=12)
    incident: str = Field("", max_length=60)
    maintenance: UUID | None = None


class SessionStepIn(Body):
    """A command that was given, or an object that was touched. Secrets are masked before anything is kept."""

    at: AwareDatetime
    kind: str
    what: str = Field(max_length=8_000)
    target: str = Field("", max_length=1_000)


class SessionStepsIn(Body):
    """Up to a hundred steps, in the order in which they were done."""

    steps: list[SessionStepIn] = Field(min_length=1, max_length=sessions.MOST_AT_ONCE)


class SessionCloseIn(Body):
    """What there is to say at the end."""

    note: str = Field("", max_length=400)


class SessionStepOut(Schema):
    """A step as it is kept; `masked` says how many secrets were taken out, `is_late` that the session had ended."""

    number: int
    at: datetime
    kind: str
    target: str
    what: str
    masked: int
    is_late: bool
    recorded_at: datetime


class VendorSessionOut(Schema):
    """A session; `closed_at` null while it is open, `ending` closed, by_another or by_limit. `open_s`: until now."""

    id: UUID
    site: str
    site_id: UUID
    vendor: str
    person: str
    why: str
    over: str
    incident_id: UUID | None
    maintenance_id: UUID | None
    opened_by: UUID
    opened_at: datetime
    due_at: datetime
    closed_by: UUID | None
    closed_at: datetime | None
    ending: str
    open_s: float
    note: str


class WholeSessionOut(VendorSessionOut):
    """A session with its steps."""

    steps: list[SessionStepOut]


@router.get("/", response=list[VendorSessionOut])
def all_sessions(request: HttpRequest, wanted: Query[SessionsAsked]) -> list[dict[str, Any]]:
    """Those that are open, the oldest first, then the newest 200 that have ended."""
    now = wiring.clock().now()
    return [_out(row, now) for row in sessions.sessions(by(request), wanted.asked())]


@router.get("/steps.csv")
def steps_csv(request: HttpRequest, wanted: Query[SessionsAsked]) -> HttpResponse:
    """The same sessions with their steps as CSV, schema waystation.vendor_sessions/1, instants in UTC."""
    text = verbs.as_csv(sessions.sessions(by(request), wanted.asked()), wiring.clock().now())
    return HttpResponse(text, content_type="text/csv; charset=utf-8")


@router.get("/{key}", response=WholeSessionOut)
def one_session(request: HttpRequest, key: UUID) -> dict[str, Any]:
    """One session with its steps."""
    row = sessions.session(by(request), key)
    return _out(row, wiring.clock().now()) | {"steps": list(row.steps.all())}


@router.post("/", response={201: VendorSessionOut})
def open_session(request: HttpRequest, body: VendorSessionIn) -> Status[dict[str, Any]]:
    """Open a session of a named person of a vendor."""
    values, now = body.dict(), wiring.clock().now()
    incident, maintenance = values.pop("incident"), values.pop("maintenance")
    asked = sessions.Opening(limit=timedelta(hours=values.pop("limit_h")), **values)
    row = verbs.open_session(by(request), asked, incident=incident, maintenance=maintenance, now=now)
    return Status(201, _out(row, now))


@router.post("/{key}/steps", response={201: list[SessionStepOut]})
def append(request: HttpRequest, key: UUID, body: SessionStepsIn) -> Status[Any]:
    """Keep what was done; all steps or none. Send an `Idempotency-Key`, so that a repeated request is kept once."""
    steps = [sessions.Step(**step.dict()) for step in body.steps]
    return Status(201, verbs.append(by(request), key, steps, now=wiring.clock().now()))


@router.post("/{key}/close", response=VendorSessionOut)
def close(request: HttpRequest, key: UUID, body: SessionCloseIn) -> dict[str, Any]:
    """End a session."""
    now = wiring.clock().now()
    return _out(verbs.close(by(request), key, note=body.note, now=now), now)


def _out(row: Any, now: datetime) -> dict[str, Any]:
    names = [name for name in VendorSessionOut.__annotations__ if hasattr(row, name)]
    open_s = ((row.closed_at or now) - row.opened_at).total_seconds()
    return {name: getattr(row, name) for name in names} | {
        "site": row.site.code,
        "vendor": row.vendor.name,
        "open_s": open_s,
    }
