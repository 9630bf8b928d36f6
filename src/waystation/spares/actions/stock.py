"""Units at a hub: received, checked, lost, found, moved between hubs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from waystation.access.rules import ROLES
from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.ids import new_id
from waystation.kernel.refusals import BadInput, Conflict
from waystation.registry.models import Part
from waystation.registry.queries import one
from waystation.spares import models as m
from waystation.spares.custody import entry, hand_over, locked, pass_on, place_of, said

SETTABLE = (
    "revision",
    "firmware",
    "connector",
    "certificate",
    "certificate_until",
    "image",
    "kit_lines",
    "break_glass",
    "owner",
    "machine_id",
)


def receive(
    by: Authority, part_id: UUID, serial: str, hub_id: UUID, *, now: datetime, values: Mapping[str, Any] | None = None
) -> m.Unit:
    """A unit enters the books at a hub. The same serial of the same part again changes nothing.

    `values` may set revision, firmware, connector, certificate, certificate_until, image, kit_lines, break_glass,
    owner and machine_id.
    """
    by.require("spares.receive")
    part, hub = one(Part, part_id), one(m.Hub, hub_id)
    wanted = serial.strip()
    if not wanted:
        raise BadInput(
            "spares.serial", "A unit has a serial number.", "Read it off the plate.", field="serial", value=serial
        )
    given = dict(values or {})
    if unknown := sorted(set(given) - set(SETTABLE)):
        raise BadInput(
            "spares.value", f"A unit has no {unknown[0]!r} to set.", f"Set: {', '.join(SETTABLE)}.", field=unknown[0]
        )
    held = m.Unit.objects.filter(serial=wanted).first()
    if held is not None:
        return _known(held, part)
    unit = m.Unit(serial=wanted, part=part, hub=hub, **given)
    row = hand_over(by, unit, hub.name, now=now, hub=hub, note="received")
    try:
        with transaction.atomic():
            record([unit, row], entry=entry("received", unit, by, now, part=part.code, hub=hub.code))
    except IntegrityError:
        return _known(m.Unit.objects.get(serial=wanted), part)
    return unit


def check(by: Authority, unit_id: UUID, passed: bool, *, now: datetime, note: str = "", image: str = "") -> m.Unit:
    """A health check at the hub: passed puts a received unit on the shelf, failed sends it to quarantine."""
    by.require("spares.receive")
    with transaction.atomic():
        unit = locked(unit_id)
        if unit.state not in ("received", "stocked"):
            raise Conflict(
                "spares.not_on_shelf",
                f"{unit.serial} is {unit.state.replace('_', ' ')}; a health check is for the shelf.",
                "Check it once it is received or stocked.",
            )
        words = note or ("health check passed" if passed else "health check failed")
        unit.image = image or unit.image
        if passed:
            unit.checked_at = now
        target = "stocked" if passed else "quarantined"
        if target == unit.state:
            row = hand_over(by, unit, unit.custodian, now=now, hub=unit.hub, note=words)
        else:
            row = pass_on(by, unit, target, unit.custodian, now=now, hub=unit.hub, note=words)
        record([unit, row], entry=entry("checked", unit, by, now, passed=passed, note=words))
    return unit


def transfer(
    by: Authority, unit_id: UUID, to_hub_id: UUID, *, now: datetime, promised_at: datetime | None = None
) -> m.Dispatch:
    """Send a stocked unit to another hub: one dispatch, in transit from now, counted once."""
    by.require("spares.dispatch")
    with transaction.atomic():
        unit, to_hub = locked(unit_id), one(m.Hub, to_hub_id)
        begin = unit.hub
        if begin is None or begin.pk == to_hub.pk or unit.state != "stocked":
            raise Conflict(
                "spares.no_transfer",
                f"{unit.serial} is {unit.state.replace('_', ' ')} at {place_of(unit)}.",
                "A transfer takes a stocked unit to another hub.",
            )
        row = pass_on(
            by, unit, "in_transit", f"to {to_hub.name}", now=now, note=f"transfer {begin.name} to {to_hub.name}"
        )
        sent = m.Dispatch(
            id=new_id(), unit=unit, from_hub=begin, to_hub=to_hub, state="in_transit", planned_at=now, shipped_at=now
        )
        sent.label, sent.promised_at, sent.mode = label_of(sent), promised_at, "transfer"
        record([unit, row, sent], entry=entry("transferred", unit, by, now, origin=begin.code, target=to_hub.code))
    return sent


def mark_lost(by: Authority, unit_id: UUID, *, reason: str, now: datetime) -> m.Unit:
    """Nobody can find the unit; a live dispatch, return or reservation of it ends with that word."""
    by.require("spares.receive")
    words = said(reason, "Writing a unit off as lost")
    with transaction.atomic():
        unit = locked(unit_id)
        if unit.state == "lost":
            return unit
        where = place_of(unit)
        row = pass_on(by, unit, "lost", "nobody", now=now, note=words)
        ended: list[Any] = []
        for sent in m.Dispatch.objects.filter(unit=unit, ended_at=None):
            sent.state, sent.ended_at = "lost", now
            ended.append(sent)
        for back in m.Return.objects.filter(unit=unit, ended_at=None):
            back.ended_at = now
            ended.append(back)
        for held in m.Reservation.objects.filter(unit=unit, state="held"):
            held.state, held.ended_at, held.reason = "released", now, f"the unit is lost: {words}"[:300]
            ended.append(held)
        incidents = {e.incident_id for e in ended if e.incident_id}
        events = [NewEvent(data={"serial": unit.serial, "reason": words}, incident_id=i) for i in sorted(incidents)]
        record([unit, row, *ended], events, entry=entry("lost", unit, by, now, reason=words, last_place=where))
    return unit


def found(by: Authority, unit_id: UUID, hub_id: UUID, *, now: datetime, note: str = "") -> m.Unit:
    """A lost unit turns up: into quarantine, never straight to the shelf."""
    by.require("spares.receive")
    with transaction.atomic():
        unit, hub = locked(unit_id), one(m.Hub, hub_id)
        row = pass_on(by, unit, "quarantined", hub.name, now=now, hub=hub, note=note or "found")
        record([unit, row], entry=entry("found", unit, by, now, hub=hub.code))
    return unit


def release_break_glass(by: Authority, incident_id: UUID, *, reason: str, now: datetime, site_id: UUID) -> m.Release:
    """Open the break-glass lane for one incident. Repeating it changes nothing."""
    by.require("spares.break_glass", site_id)
    words = said(reason, "Opening the break-glass lane")
    held = m.Release.objects.filter(incident_id=incident_id).first()
    if held is not None:
        return held
    held_by = [role for role in by.roles if "spares.break_glass" in ROLES.get(role, ())]
    row = m.Release(
        incident_id=incident_id, by_id=by.principal_id, by_name=by.name, role=", ".join(held_by), reason=words, at=now
    )
    told = NewEvent(data={"by": by.name, "reason": words}, incident_id=incident_id)
    record([row], [told], entry=NewEntry("spares.break_glass_released", row.pk, by, now, site_id, words))
    return row


def label_of(sent: m.Dispatch) -> str:
    """The hub's own number of a dispatch, until a carrier gives one."""
    return f"HL-{sent.pk.hex[-10:].upper()}"


def _known(unit: m.Unit, part: Part) -> m.Unit:
    if unit.part_id != part.pk:
        raise Conflict(
            "spares.serial_taken",
            f"Serial {unit.serial} is in the books as another part.",
            "Read the plate again, or correct the part of that unit.",
        )
    return unit


def adopt_installed(
    by: Authority, part_id: UUID, serial: str, site_id: UUID, *, now: datetime, values: Mapping[str, Any] | None = None
) -> m.Unit:
    """Hardware that already works at a site enters the books as installed; a known serial is returned as it is."""
    by.require("spares.dispatch", site_id)
    held = m.Unit.objects.filter(serial=serial).first()
    if held is not None:
        return held
    unit = m.Unit(part_id=part_id, serial=serial, state="installed", site_id=site_id, **dict(values or {}))
    row = m.Custody(
        unit=unit, state="installed", taker="the site", at=now, by_id=by.principal_id, note="found installed"
    )
    record([unit, row], entry=NewEntry("spares.adopted", unit.pk, by, now, site_id, facts={"serial": serial}))
    return unit
