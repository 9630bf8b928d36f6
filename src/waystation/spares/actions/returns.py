"""The way back: failed, returning, quarantined with its credentials revoked, wiped, repaired, to stock or disposed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction

from waystation.access import queries as access
from waystation.access.actions import revoke_machine
from waystation.evidence.actions import NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Conflict, NotAllowed, NotReady
from waystation.registry.models import Device
from waystation.registry.queries import one
from waystation.spares import models as m
from waystation.spares import queries
from waystation.spares.custody import entry, locked, pass_on, place_of, said
from waystation.spares.rules import timetable

DUE_IN = timedelta(days=14)


def mark_failed(by: Authority, unit_id: UUID, *, reason: str, now: datetime, incident_id: UUID | None = None) -> m.Unit:
    """An installed unit no longer works. Repeating it changes nothing."""
    words = said(reason, "Marking a unit as failed")
    with transaction.atomic():
        unit = locked(unit_id)
        by.require("spares.dispatch", unit.site_id)
        if unit.state == "failed":
            return unit
        row = pass_on(by, unit, "failed", unit.custodian, now=now, site=unit.site, incident_id=incident_id, note=words)
        told = [NewEvent(data={"serial": unit.serial}, incident_id=incident_id)]
        record([unit, row], told, entry=entry("failed", unit, by, now, reason=words))
    return unit


def start_return(
    by: Authority,
    unit_id: UUID,
    *,
    now: datetime,
    incident_id: UUID | None = None,
    to_hub_id: UUID | None = None,
    due_at: datetime | None = None,
    reason: str = "",
) -> m.Return:
    """Open the RMA of a unit at a site: it is on its way, the shelves of its group are reviewed, the closest hub named.

    One transaction. The unit that replaces it left the shelf when it was shipped, so nothing is taken off twice.
    """
    with transaction.atomic():
        unit = locked(unit_id)
        by.require("spares.dispatch", unit.site_id)
        held = m.Return.objects.filter(unit=unit, ended_at=None).select_related("to_hub").first()
        if held is not None:
            return held
        closest = _closest(unit)
        hub = one(m.Hub, to_hub_id) if to_hub_id else closest
        site = unit.site
        row = pass_on(
            by, unit, "returning", f"to {hub.name if hub else 'a hub'}", now=now, incident_id=incident_id, note=reason
        )
        back = m.Return(unit=unit, incident_id=incident_id, to_hub=hub, opened_at=now, due_at=due_at or now + DUE_IN)
        back.review = {
            "closest_hub": closest.code if closest else "",
            "short": [s.reason for s in queries.shelves(unit.part.group) if s.outcome == "short"],
        }
        told = [NewEvent(data={"serial": unit.serial, **back.review}, incident_id=incident_id)]
        site_id = site.pk if site else None
        record([unit, row, back], told, entry=entry("return_started", unit, by, now, site_id=site_id, reason=reason))
    return back


def receive_return(by: Authority, unit_id: UUID, hub_id: UUID, *, now: datetime, note: str = "") -> m.Return:
    """Take a returned unit in: quarantined, its credentials revoked in the same transaction.

    Repeating it changes nothing. `intake` says which machines were revoked, or that there was none to revoke.
    """
    by.require("spares.return")
    with transaction.atomic():
        unit, hub = locked(unit_id), one(m.Hub, hub_id)
        back = m.Return.objects.select_for_update().filter(unit=unit, ended_at=None).first()
        if back is None and unit.state == "quarantined":
            done = m.Return.objects.filter(unit=unit).exclude(received_at=None).order_by("-received_at").first()
            if done is not None:
                return done
        if back is None:
            raise NotReady(
                "spares.no_return",
                f"Nobody opened a return for {unit.serial}, at {place_of(unit)}.",
                "Start the return first.",
            )
        row = pass_on(
            by, unit, "quarantined", hub.name, now=now, hub=hub, incident_id=back.incident_id, note=note or "returned"
        )
        revoked = _revoke(by, unit, now)
        back.received_at = back.ended_at = now
        words = "revoked" if revoked else "no credentials are on record"
        back.intake = {"machines": revoked, "credentials": words, "by": by.name, "hub": hub.code}
        told = [NewEvent(data={"serial": unit.serial, "credentials": words}, incident_id=back.incident_id)]
        record([unit, row, back], told, entry=entry("return_received", unit, by, now, hub=hub.code, machines=revoked))
    return back


def wipe(by: Authority, unit_id: UUID, *, certificate: str, now: datetime) -> m.Unit:
    """Record that the unit was wiped, with the certificate of the wipe; who wiped it may not release it."""
    by.require("spares.wipe")
    number = said(certificate, "A wipe (its certificate)")
    with transaction.atomic():
        unit = locked(unit_id)
        if unit.state == "wiped" and unit.wipe_certificate == number:
            return unit
        row = pass_on(by, unit, "wiped", place_of(unit), now=now, hub=unit.hub, note=f"wiped, certificate {number}")
        unit.wiped_by, unit.wipe_certificate = by.principal_id, number
        record([unit, row], entry=entry("wiped", unit, by, now, certificate=number))
    return unit


def repair(by: Authority, unit_id: UUID, *, note: str, now: datetime) -> m.Unit:
    """A wiped unit was repaired, or examined and found good; `note` says which."""
    by.require("spares.return")
    return _forward(by, unit_id, "repaired", said(note, "A repair"), now)


def release_to_stock(by: Authority, unit_id: UUID, *, reason: str, now: datetime) -> m.Unit:
    """A repaired unit back on the shelf, by somebody other than who wiped it. It needs a new health check."""
    by.require("spares.release")
    _second_person(by, unit_id)
    return _forward(by, unit_id, "stocked", said(reason, "Releasing to stock"), now)


def dispose(by: Authority, unit_id: UUID, *, reason: str, now: datetime) -> m.Unit:
    """The end of a unit: wiped first, and by somebody other than who wiped it."""
    by.require("spares.release")
    _second_person(by, unit_id)
    return _forward(by, unit_id, "disposed", said(reason, "Disposing of a unit"), now)


def _forward(by: Authority, unit_id: UUID, target: str, note: str, now: datetime) -> m.Unit:
    with transaction.atomic():
        unit = locked(unit_id)
        if unit.state == target:
            return unit
        if target == "stocked" and unit.state != "repaired":
            raise Conflict(
                "spares.not_repaired",
                f"{unit.serial} is {unit.state.replace('_', ' ')} at {place_of(unit)}, not repaired.",
                "Only a wiped and repaired unit is released to stock.",
            )
        hub = unit.hub if target != "disposed" else None
        row = pass_on(by, unit, target, place_of(unit), now=now, hub=hub, note=note)
        unit.checked_at = None
        record([unit, row], entry=entry(target, unit, by, now, reason=note))
    return unit


def _second_person(by: Authority, unit_id: UUID) -> None:
    unit = one(m.Unit, unit_id)
    if unit.wiped_by is not None and unit.wiped_by == by.principal_id:
        raise NotAllowed(
            "spares.same_person",
            f"{by.name} wiped {unit.serial} and may not release it.",
            "A stock controller who did not wipe it releases it.",
        )
    if unit.state == "quarantined":
        raise Conflict(
            "spares.not_wiped",
            f"{unit.serial} is quarantined and was not wiped.",
            "Wipe it and record the certificate.",
        )


def _closest(unit: m.Unit) -> m.Hub | None:
    """The hub from which the unit's site is reached soonest: a cabinet at the site, else the quickest lane."""
    if unit.site_id is None:
        return None
    cabinet = m.Hub.objects.filter(site_id=unit.site_id).first()
    if cabinet is not None:
        return cabinet
    lanes = m.Lane.objects.filter(site_id=unit.site_id).select_related("hub")
    found = [(timetable.law(lane.quantiles, lane.source).at(0.5), lane.hub.code, lane.hub) for lane in lanes]
    return min(found, key=lambda way: way[:2])[2] if found else None


def _revoke(by: Authority, unit: m.Unit, now: datetime) -> list[str]:
    """Every machine that the unit or a device of its serial signs as. A part of the intake, whoever takes it in."""
    devices: Any = Device.objects.filter(serial=unit.serial) | Device.objects.filter(unit_id=unit.pk)
    machines = {unit.machine_id, *devices.values_list("machine_id", flat=True)} - {None}
    intake = access.system_authority("returns intake")
    for machine in sorted(machines, key=str):
        if access.machine(machine) is not None:
            revoke_machine(intake, machine, reason=f"{unit.serial} returned; taken in by {by.principal_id}", now=now)
    return sorted(str(machine) for machine in machines)
