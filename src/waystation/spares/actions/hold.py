"""Reservations: held for one incident, released, expired, or taken over with a reason that stays."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.evidence.rows import Row
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Conflict, NotAllowed
from waystation.registry.models import Site
from waystation.registry.queries import one
from waystation.spares import models as m
from waystation.spares.custody import locked, pass_on, place_of, said

HELD_FOR = timedelta(hours=12)


def reserve(
    by: Authority,
    unit_id: UUID,
    incident_id: UUID,
    *,
    now: datetime,
    site_id: UUID,
    incident_name: str = "",
    need: Mapping[str, Any] | None = None,
    expires_at: datetime | None = None,
) -> m.Reservation:
    """Hold a stocked unit for an incident. Repeating it for the same incident returns the same reservation.

    Conflict `spares.taken` names who has it; NotAllowed for break-glass stock that nobody released for the incident.
    """
    by.require("spares.reserve", site_id)
    with transaction.atomic():
        unit = locked(unit_id)
        held = m.Reservation.objects.filter(unit=unit, state="held").first()
        if held is not None and held.incident_id == incident_id:
            return held
        site = one(Site, site_id)
        rows, made = held_rows(by, unit, incident_id, now=now, site=site, name=incident_name, need=need or {})
        made.expires_at = expires_at or made.expires_at
        write(by, rows, made, [], now=now)
    return made


def held_rows(
    by: Authority,
    unit: m.Unit,
    incident_id: UUID,
    *,
    now: datetime,
    site: Site,
    name: str,
    need: Mapping[str, Any],
) -> tuple[list[Row], m.Reservation]:
    """The rows that hold a locked unit; refuses one that is not free. Saves nothing."""
    if unit.state != "stocked":
        raise taken(unit)
    if unit.break_glass and not m.Release.objects.filter(incident_id=incident_id).exists():
        raise NotAllowed(
            "spares.break_glass",
            f"{unit.serial} is held for major incidents.",
            "A break-glass officer releases the lane for this incident first.",
        )
    note = f"reserved for {name or incident_id}"
    row = pass_on(by, unit, "reserved", unit.custodian, now=now, hub=unit.hub, incident_id=incident_id, note=note)
    made = m.Reservation(
        unit=unit,
        incident_id=incident_id,
        incident_name=name,
        site=site,
        need=dict(need),
        reserved_at=now,
        expires_at=now + HELD_FOR,
    )
    return [unit, row, made], made


def write(by: Authority, rows: list[Row], made: m.Reservation, events: list[NewEvent], *, now: datetime) -> None:
    """Save a reservation with what belongs to it; Conflict `spares.taken` when another one was first."""
    facts = {"serial": made.unit.serial, "expires_at": made.expires_at, "incident": made.incident_name}
    told = events or [NewEvent(data=facts, incident_id=made.incident_id)]
    try:
        record(rows, told, entry=NewEntry("spares.reserved", made.pk, by, now, made.site_id, facts=facts))
    except IntegrityError:
        raise taken(made.unit) from None


def release(by: Authority, reservation_id: UUID, *, reason: str, now: datetime) -> m.Reservation:
    """Give the unit back to the shelf. Repeating it changes nothing; a unit on its way is not released."""
    held = one(m.Reservation, reservation_id)
    by.require("spares.reserve", held.site_id)
    return _end(by, reservation_id, "released", said(reason, "Releasing a reserved unit"), now)


def take_over(
    by: Authority, reservation_id: UUID, incident_id: UUID, *, reason: str, now: datetime, site_id: UUID, name: str = ""
) -> m.Reservation:
    """Take a reserved unit for another incident: both incidents hear who did it and why, in one transaction."""
    by.require("spares.reserve", site_id)
    words = said(reason, "Taking another incident's unit")
    with transaction.atomic():
        held = one(m.Reservation, reservation_id)
        by.require("spares.reserve", held.site_id)
        _end(by, reservation_id, "released", f"taken over for {name or incident_id} by {by.principal_id}: {words}", now)
        return reserve(
            by, held.unit_id, incident_id, now=now, site_id=site_id, incident_name=name, need={"taken_over": words}
        )


def expire_due(by: Authority, *, now: datetime) -> list[m.Reservation]:
    """End the reservations whose time is over while their unit no longer at the hub."""
    by.require("spares.reserve")
    due = m.Reservation.objects.filter(state="held", expires_at__lte=now, unit__state="reserved")
    due = due.exclude(dispatch__state="picked").order_by("expires_at")
    return [_end(by, held.pk, "expired", "its time was over", now) for held in due[:500]]


def taken(unit: m.Unit) -> Conflict:
    """What is told to the one who came second."""
    held = m.Reservation.objects.filter(unit_id=unit.pk, state="held").first()
    by = f" for {held.incident_name or held.incident_id}" if held else ""
    state = m.Unit.objects.filter(pk=unit.pk).values_list("state", flat=True).first() or unit.state
    return Conflict(
        "spares.taken",
        f"{unit.serial} is {state.replace('_', ' ')}{by} at {place_of(unit)}.",
        "Source again: the next candidate is named with its reason.",
    )


def _end(by: Authority, reservation_id: UUID, target: str, reason: str, now: datetime) -> m.Reservation:
    with transaction.atomic():
        unit = locked(one(m.Reservation, reservation_id).unit_id)
        held = one(m.Reservation, reservation_id, among=m.Reservation.objects.select_for_update())
        if held.state == target or (target == "expired" and held.state != "held"):
            return held
        held.state = states.step("reservation", held.state, target)
        if unit.state != "reserved":
            raise Conflict(
                "spares.on_its_way",
                f"{unit.serial} is {unit.state.replace('_', ' ')} and no longer at the hub.",
                "Have it returned instead.",
            )
        held.ended_at, held.reason = now, reason[:300]
        row = pass_on(by, unit, "stocked", place_of(unit), now=now, hub=unit.hub, note=reason)
        sent = m.Dispatch.objects.filter(reservation=held, ended_at=None).first()
        if sent is not None:
            sent.state, sent.ended_at = "canceled", now
        rows: list[Row] = [unit, row, held, *([sent] if sent else [])]
        told = NewEvent(data={"serial": unit.serial, "reason": reason}, incident_id=held.incident_id)
        record(rows, [told], entry=NewEntry(f"spares.{target}", held.pk, by, now, held.site_id, reason))
    return held
