"""Maintenance orders: plan work on a device, start it, end it with what was found and which parts, cancel it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.fleet.models import MaintenanceOrder
from waystation.fleet.rules import upkeep as rules
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotFound
from waystation.registry.models import Device, Vendor
from waystation.registry.queries import one

MAY = "fleet.maintain"
MOST_LISTED = 20
LONGEST = timedelta(days=366)


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to a device, in which window, by whom; `every_months` 0 means once."""

    device_id: UUID
    category: str
    activity: str
    what: str
    start: datetime
    end: datetime
    vendor: str = ""
    person: str = ""
    every_months: int = 0
    incident_id: UUID | None = None
    suppression_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Result:
    """What came of an order. `parts` as the row holds them; `reason` says why it was not done."""

    outcome: str
    found: str = ""
    reason: str = ""
    person: str = ""
    started_at: datetime | None = None
    next_due: datetime | None = None
    parts: Sequence[dict[str, str]] = ()
    attachments: Sequence[dict[str, str]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """Which orders: every member that is given must fit. A part is its serial, its code, or words of its text."""

    site_ids: Sequence[UUID] | None = None
    device_id: UUID | None = None
    vendor: str = ""
    part: str = ""
    standing: str = ""
    start: datetime | None = None
    end: datetime | None = None


def plan(by: Authority, asked: Plan, *, now: datetime) -> MaintenanceOrder:
    """Plan work on a live device."""
    device = one(Device, asked.device_id, among=Device.objects.filter(removed_at=None))
    by.require(MAY, device.site_id)
    _demand("category", asked.category, rules.CATEGORIES)
    _demand("activity", asked.activity, rules.ACTIVITIES)
    _demand_window(asked.start, asked.end)
    if not asked.what.strip():
        raise BadInput("fleet.maintenance_what", "Nobody would know what to do.", "Name the work.", field="what")
    if not 0 <= asked.every_months <= rules.MOST_MONTHS:
        raise BadInput(
            "fleet.maintenance_months",
            f"Work cannot come again every {asked.every_months} months.",
            f"Use 1 to {rules.MOST_MONTHS}, or 0 for once.",
            field="every_months",
            value=asked.every_months,
        )
    row = MaintenanceOrder(
        site_id=device.site_id,
        device=device,
        category=asked.category,
        activity=asked.activity,
        what=asked.what.strip(),
        vendor=one(Vendor, asked.vendor) if asked.vendor else None,
        person=asked.person.strip(),
        planned_start=asked.start,
        planned_end=asked.end,
        every_months=asked.every_months,
        incident_id=asked.incident_id,
        suppression_id=asked.suppression_id,
        planned_by=by.principal_id,
        planned_at=now,
    )
    _record(by, row, "planned", now)
    return row


def start(by: Authority, order_id: UUID, *, person: str, now: datetime) -> MaintenanceOrder:
    """The work begins; `person` replaces who was planned where it is given."""
    with transaction.atomic():
        row = _held(by, order_id)
        row.state = states.follow(states.MAINTENANCE, "maintenance order", row.state, "underway")
        row.started_at, row.person = now, person.strip() or row.person
        _record(by, row, "started", now)
    return row


def finish(by: Authority, order_id: UUID, result: Result, *, now: datetime) -> MaintenanceOrder:
    """End an order with its outcome; work that comes again gets its next order in the same transaction."""
    with transaction.atomic():
        row = _held(by, order_id)
        _demand("outcome", result.outcome, rules.OUTCOMES)
        row.state = states.follow(states.MAINTENANCE, "maintenance order", row.state, result.outcome)
        _check(row, result, now)
        row.started_at, row.ended_at = row.started_at or result.started_at, now
        row.person, row.found = result.person.strip() or row.person, result.found.strip()
        row.reason, row.parts = result.reason.strip(), list(result.parts)
        row.attachments, row.next_due = list(result.attachments), result.next_due
        following = _following(by, row, now) if row.every_months else None
        _record(by, row, row.state, now)
        if following is not None:
            _record(by, following, "planned", now)
    return row


def cancel(by: Authority, order_id: UUID, *, reason: str, now: datetime) -> MaintenanceOrder:
    """Nobody will do it; work that comes again ends with it, and the entry says so."""
    with transaction.atomic():
        row = _held(by, order_id)
        row.state = states.follow(states.MAINTENANCE, "maintenance order", row.state, "cancelled")
        row.reason, row.ended_at = _reason(reason), now
        _record(by, row, "cancelled", now)
    return row


def orders(by: Authority, asked: Asked, now: datetime) -> list[MaintenanceOrder]:
    """The orders of the sites that this principal may see, those due last first."""
    return listed(by, asked, now, 0, None)[0]


def between(start: datetime, end: datetime, site_ids: Sequence[UUID]) -> list[MaintenanceOrder]:
    """Orders of some sites whose window, or whose work, touches [start, end), oldest window first.

    Work that has begun and not ended runs on.
    """
    rows = MaintenanceOrder.objects.filter(site_id__in=list(site_ids)).select_related("device", "vendor")
    planned = Q(planned_start__lt=end, planned_end__gte=start)
    worked = Q(started_at__lt=end) & (Q(ended_at__gte=start) | Q(ended_at=None))
    return list(rows.filter(planned | worked).order_by("planned_start", "pk"))


def listed(
    by: Authority, asked: Asked, now: datetime, first: int, most: int | None
) -> tuple[list[MaintenanceOrder], int]:
    """`most` of the orders from the one at `first` on (None: all the rest), and how many there are."""
    rows = _standing(_asked(_seen(by), asked), asked.standing, now)
    last = None if most is None else first + most
    if asked.part.strip():
        fitting = [row for row in rows if _has_part(row, asked.part.strip().casefold())]
        return fitting[first:last], len(fitting)
    return list(rows[first:last]), rows.count()


def order(by: Authority, key: UUID) -> MaintenanceOrder:
    """One order of a site that this principal may see."""
    row = _seen(by).filter(pk=key).first()
    if row is None:
        raise _unknown(key)
    return row


def facts_of(row: MaintenanceOrder) -> dict[str, Any]:
    """An order as its entries say it: in few words what a story tells, and under `order` everything else."""
    return {
        "device": row.device.name,
        "what": row.what,
        "who": ", ".join(filter(None, (row.person, row.vendor.name if row.vendor else ""))),
        "parts": [p.get("serial") or p["text"] for p in row.parts],
        "found": row.found,
        "order": {
            "device_serial": row.device.serial,
            "category": row.category,
            "activity": row.activity,
            "state": row.state,
            "planned_start": row.planned_start,
            "planned_end": row.planned_end,
            "started_at": row.started_at,
            "ended_at": row.ended_at,
            "next_due": row.next_due,
            "every_months": row.every_months,
            "incident": row.incident_id,
            "alarm_window": row.suppression_id,
            "attachments": row.attachments,
        },
    }


def _seen(by: Authority) -> QuerySet[MaintenanceOrder]:
    rows = MaintenanceOrder.objects.select_related("site", "device__model", "vendor", "follows")
    where = by.sites("registry.read")
    return rows if where is None else rows.filter(site_id__in=where)


def _asked(rows: QuerySet[MaintenanceOrder], asked: Asked) -> QuerySet[MaintenanceOrder]:
    if asked.site_ids is not None:
        rows = rows.filter(site_id__in=asked.site_ids)
    if asked.device_id is not None:
        rows = rows.filter(device_id=asked.device_id)
    if asked.vendor:
        rows = rows.filter(vendor__code=asked.vendor)
    if asked.start is not None:
        rows = rows.filter(Q(planned_end__gt=asked.start) | Q(ended_at__gte=asked.start))
    return rows if asked.end is None else rows.filter(planned_start__lt=asked.end)


def _standing(rows: QuerySet[MaintenanceOrder], wanted: str, now: datetime) -> QuerySet[MaintenanceOrder]:
    if not wanted:
        return rows
    if wanted in states.MAINTENANCE:
        return rows.filter(state=wanted)
    rows = rows.filter(state__in=("planned", "underway"))
    if wanted == "due":
        return rows.filter(state="planned", planned_start__lte=now, planned_end__gt=now)
    if wanted == "overdue":
        return rows.filter(planned_end__lte=now)
    if wanted == "open":
        return rows
    words = ", ".join(("open", "due", "overdue", *states.MAINTENANCE))
    raise BadInput("fleet.maintenance_standing", f"No order is {wanted}.", f"Use {words}.", field="standing")


def _has_part(row: MaintenanceOrder, wanted: str) -> bool:
    exact = {p[name].casefold() for p in row.parts for name in ("serial", "part") if name in p}
    return wanted in exact or any(wanted in p.get("text", "").casefold() for p in row.parts)


def _held(by: Authority, order_id: UUID) -> MaintenanceOrder:
    rows = MaintenanceOrder.objects.select_for_update(of=("self",)).select_related("device", "vendor")
    row = rows.filter(pk=order_id).first()
    if row is None:
        raise _unknown(order_id)
    by.require(MAY, row.site_id)
    return row


def _unknown(key: UUID) -> NotFound:
    words = f"There is no maintenance order {key}."
    return NotFound("fleet.maintenance_unknown", words, "List those of its site or device.")


def _following(by: Authority, row: MaintenanceOrder, now: datetime) -> MaintenanceOrder:
    """The next order of work that comes again, with the same words, vendor and length."""
    begins, ends = rules.next_window(row.state, row.planned_start, row.planned_end, now, row.every_months, row.next_due)
    row.next_due = ends
    return MaintenanceOrder(
        site_id=row.site_id,
        device=row.device,
        category=row.category,
        activity=row.activity,
        what=row.what,
        vendor=row.vendor,
        planned_start=begins,
        planned_end=ends,
        every_months=row.every_months,
        follows=row,
        planned_by=by.principal_id,
        planned_at=now,
    )


def _check(row: MaintenanceOrder, result: Result, now: datetime) -> None:
    if result.outcome == "not_done":
        _reason(result.reason)
    elif not result.found.strip():
        raise BadInput("fleet.maintenance_found", "Nothing says what was found.", "Write it.", field="found")
    begun = row.started_at or result.started_at
    if result.outcome != "not_done" and begun is None:
        raise BadInput(
            "fleet.maintenance_begun", "Nothing says when the work began.", "Name the instant.", field="started_at"
        )
    if begun is not None and begun > now:
        raise BadInput("fleet.maintenance_begun", "The work began later than now.", "Correct it.", field="started_at")
    if result.next_due is not None and result.next_due <= now:
        raise BadInput("fleet.maintenance_next", "The next due date has passed.", "Name a later one.", field="next_due")
    for name, held in (("parts", result.parts), ("attachments", result.attachments)):
        if len(held) > MOST_LISTED:
            raise BadInput(
                "fleet.maintenance_many", f"An order holds at most {MOST_LISTED} {name}.", "Leave some out.", field=name
            )
    for one_of in result.attachments:
        if not one_of.get("name", "").strip() or not rules.is_digest(one_of.get("sha256", "")):
            raise BadInput(
                "fleet.maintenance_attachment",
                "An attachment is its file name and the SHA-256 of its bytes.",
                "Write 64 characters of 0-9 and a-f: sha256sum FILE.",
                field="attachments",
            )


def _record(by: Authority, row: MaintenanceOrder, verb: str, now: datetime) -> None:
    facts = facts_of(row)
    entry = NewEntry(f"fleet.maintenance_{verb}", row.pk, by, now, row.site_id, row.reason, facts)
    record([row], [NewEvent(data=facts, incident_id=row.incident_id)], entry=entry)


def _reason(reason: str) -> str:
    if not reason.strip():
        raise BadInput("fleet.maintenance_reason", "Nothing says why.", "Write the reason.", field="reason")
    return reason.strip()


def _demand(name: str, value: str, known: Any) -> None:
    if value not in known:
        words = ", ".join(known)
        raise BadInput(
            "fleet.maintenance_kind", f"{value or 'Nothing'} is no {name}.", f"Use {words}.", field=name, value=value
        )


def _demand_window(begins: datetime, ends: datetime) -> None:
    if not timedelta(0) < ends - begins <= LONGEST:
        raise BadInput(
            "fleet.maintenance_window",
            f"From {begins:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} is no window for work.",
            f"Give an end after the start, at most {LONGEST.days} days later.",
            field="end",
        )
