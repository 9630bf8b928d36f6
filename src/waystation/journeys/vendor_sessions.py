"""Vendor sessions across rooms: why a vendor is at work is an incident or a maintenance order of the same site."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.db.models import prefetch_related_objects

from waystation.fleet import upkeep
from waystation.incidents import queries as incidents
from waystation.kernel.authority import Authority
from waystation.kernel.cells import csv_text
from waystation.kernel.refusals import BadInput
from waystation.registry.models import Site
from waystation.registry.queries import one
from waystation.service_levels import sessions
from waystation.service_levels.models import SessionStep, VendorSession
from waystation.service_levels.sessions import Opening, Step

SCHEMA = "waystation.vendor_sessions/1"
COLUMNS = (
    *("schema", "session", "site", "site_id", "vendor", "person", "over", "why", "incident_id", "maintenance_id"),
    *("opened_at", "due_at", "closed_at", "ending", "open_s", "step", "at", "kind", "target", "what", "masked", "late"),
)


def open_session(
    by: Authority, asked: Opening, *, incident: str, maintenance: UUID | None, now: datetime
) -> VendorSession:
    """Open a session; the incident (as INC-12) or the maintenance order that it is for must be of its site."""
    site, incident_id = one(Site, asked.site), None
    by.require(sessions.MAY, site.pk)
    if incident.strip():
        found = incidents.incident(by, incident.strip())
        _demand_here(found.site_id, site, "incident")
        incident_id = found.pk
    if maintenance is not None:
        _demand_here(upkeep.order(by, maintenance).site_id, site, "maintenance")
    return sessions.open_session(by, replace(asked, incident_id=incident_id, maintenance_id=maintenance), now=now)


def append(by: Authority, session_id: UUID, steps: Sequence[Step], *, now: datetime) -> list[SessionStep]:
    """Keep what was done in a session."""
    return sessions.append(by, session_id, steps, now=now)


def close(by: Authority, session_id: UUID, *, note: str, now: datetime) -> VendorSession:
    """End a session."""
    return sessions.close(by, session_id, note=note, now=now)


def as_csv(rows: Sequence[VendorSession], now: datetime) -> str:
    """The sessions with their steps, a line each, as CSV; one without a step has a line of its own. Instants in UTC."""
    prefetch_related_objects(rows, "steps")
    return csv_text(COLUMNS, (cells for row in rows for cells in _lines(row, now)))


def _lines(row: VendorSession, now: datetime) -> Iterator[tuple[object, ...]]:
    own = (
        *(SCHEMA, row.pk, row.site.code, row.site_id, row.vendor.name, row.person, row.over, row.why),
        *(row.incident_id, row.maintenance_id, row.opened_at, row.due_at, row.closed_at, row.ending or "open"),
        round(((row.closed_at or now) - row.opened_at).total_seconds()),
    )
    steps = row.steps.all()
    for s in steps:
        yield (*own, s.number, s.at, s.kind, s.target, s.what, s.masked, s.is_late)
    if not steps:
        yield (*own, *[""] * 7)


def _demand_here(site_id: UUID, site: Site, field: str) -> None:
    if site_id != site.pk:
        raise BadInput(
            "vendor_sessions.other_site", f"This {field} is not of {site.name}.", "Choose one of its own.", field=field
        )
