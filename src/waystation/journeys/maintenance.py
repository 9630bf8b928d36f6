"""Maintenance across rooms: an order with its vendor, incident, alarm window and the serials of the parts used.

The fleet keeps orders; what they name in other rooms is looked up here and must be of the same site. A part with a
serial is a unit that custody already has at the site: work that says otherwise is refused, not smoothed over.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from waystation.alarms import queries as alarms
from waystation.fleet import upkeep
from waystation.fleet.models import MaintenanceOrder
from waystation.fleet.rules.upkeep import late_s, standing
from waystation.fleet.upkeep import Asked, Plan, Result
from waystation.incidents import queries as incidents
from waystation.kernel.authority import Authority
from waystation.kernel.cells import csv_text
from waystation.kernel.refusals import BadInput, Conflict
from waystation.registry.models import Device
from waystation.registry.queries import one, site, sites
from waystation.spares import queries as spares

SCHEMA = "waystation.maintenance/1"
COLUMNS = (
    *("schema", "order", "site", "site_id", "device", "device_id", "device_serial", "category", "activity", "what"),
    *("vendor", "person", "planned_start", "planned_end", "started_at", "ended_at", "state", "standing", "late_s"),
    *("parts", "found", "reason", "next_due", "every_months", "incident_id", "attachments"),
)


@dataclass(frozen=True, slots=True)
class Named:
    """What an order names in other rooms, as people write it: an incident as INC-12, an alarm window by its id."""

    incident: str = ""
    alarm_window: UUID | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """The orders that were asked for: the first of them, and how many there are."""

    rows: Sequence[MaintenanceOrder]
    found: int


def plan(by: Authority, asked: Plan, named: Named, *, now: datetime) -> MaintenanceOrder:
    """Plan work on a device, tied to an incident and to a maintenance window of its alarms where there is one."""
    device = one(Device, asked.device_id)
    incident_id = None
    if named.incident.strip():
        found = incidents.incident(by, named.incident.strip())
        _demand_here(found.site_id, device, f"incident INC-{found.number}", "incident")
        incident_id = found.pk
    if named.alarm_window is not None:
        window = next((s for s in alarms.suppressions(by, now) if s.pk == named.alarm_window), None)
        if window is None or window.kind != "window":
            raise BadInput(
                "maintenance.alarm_window",
                f"There is no maintenance window {named.alarm_window} that still holds.",
                "Set one, or leave it out.",
                field="alarm_window",
            )
        _demand_here(window.site_id, device, "this maintenance window", "alarm_window")
    return upkeep.plan(by, replace(asked, incident_id=incident_id, suppression_id=named.alarm_window), now=now)


def start(by: Authority, order_id: UUID, *, person: str, now: datetime) -> MaintenanceOrder:
    """The work begins."""
    return upkeep.start(by, order_id, person=person, now=now)


def finish(
    by: Authority, order_id: UUID, result: Result, *, serials: Sequence[str], other_parts: Sequence[str], now: datetime
) -> MaintenanceOrder:
    """End an order. `serials` are units of the spares that went in; `other_parts` say what has no serial."""
    row = upkeep.order(by, order_id)
    parts = [_unit(by, row, serial.strip()) for serial in serials if serial.strip()]
    parts += [{"text": text.strip()} for text in other_parts if text.strip()]
    return upkeep.finish(by, order_id, replace(result, parts=parts), now=now)


def cancel(by: Authority, order_id: UUID, *, reason: str, now: datetime) -> MaintenanceOrder:
    """Nobody will do it."""
    return upkeep.cancel(by, order_id, reason=reason, now=now)


def page(by: Authority, asked: Asked, site_code: str, now: datetime, first: int = 0, most: int | None = None) -> Page:
    """The orders that fit, of one site or of all that this principal sees, those due last first."""
    if site_code:
        asked = replace(asked, site_ids=(site(by, site_code).pk,))
    return Page(*upkeep.listed(by, asked, now, first, most))


def devices(by: Authority) -> list[Device]:
    """The live devices of the sites that this principal sees, by site and name: what an order can be of."""
    rows = Device.objects.filter(removed_at=None, site__in=sites(by)).select_related("site")
    return list(rows.order_by("site__name", "name"))


def as_csv(rows: Iterable[MaintenanceOrder], now: datetime) -> str:
    """The orders as CSV, schema `waystation.maintenance/1`: instants in UTC, every line with its site's id."""
    return csv_text(COLUMNS, (_cells(row, now) for row in rows))


def _cells(row: MaintenanceOrder, now: datetime) -> tuple[object, ...]:
    is_open = row.state in ("planned", "underway")
    late = late_s(row.planned_end, row.ended_at, now) if is_open or row.state.startswith("done") else 0
    return (
        *(SCHEMA, row.pk, row.site.code, row.site_id, row.device.name, row.device_id, row.device.serial),
        *(row.category, row.activity, row.what, row.vendor.name if row.vendor else "", row.person),
        *(row.planned_start, row.planned_end, row.started_at, row.ended_at),
        *(row.state, standing(row.state, row.planned_start, row.planned_end, now), round(late)),
        *("; ".join(p.get("serial") or p["text"] for p in row.parts), row.found, row.reason),
        *(row.next_due, row.every_months, row.incident_id),
        "; ".join(f"{a['name']} {a['sha256']}" for a in row.attachments),
    )


def _unit(by: Authority, row: MaintenanceOrder, serial: str) -> dict[str, str]:
    unit = spares.unit(by, serial)
    if unit.site_id != row.site_id:
        where = unit.site.name if unit.site else unit.hub.name if unit.hub else unit.state.replace("_", " ")
        raise Conflict(
            "maintenance.part_elsewhere",
            f"By its custody {unit.serial} is not at {row.site.name} but: {where}.",
            "Deliver or install it first, or correct the serial.",
        )
    return {"unit_id": str(unit.pk), "serial": unit.serial, "part": unit.part.code}


def _demand_here(site_id: UUID, device: Device, what: str, field: str) -> None:
    if site_id != device.site_id:
        raise BadInput(
            "maintenance.other_site",
            f"{device.name} is not at the site of {what}.",
            "Choose one of its own.",
            field=field,
        )
