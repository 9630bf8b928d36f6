"""A dispatch from the shelf into service: picked, shipped, heard of, delivered, installed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.evidence.rows import Row
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotReady
from waystation.registry.queries import one
from waystation.spares import models as m
from waystation.spares.custody import hand_over, locked, pass_on

ORDER = ("planned", "picked", "in_transit", "delivered", "installed")
# what a carrier's word means for the dispatch; a kind that is not here is kept and moves nothing
MEANS: Mapping[str, str] = {
    "picked_up": "in_transit",
    "in_transit": "in_transit",
    "out_for_delivery": "in_transit",
    "delivered": "delivered",
    "returned": "returned",
}


def pick(by: Authority, dispatch_id: UUID, *, now: datetime) -> m.Dispatch:
    """The reserved unit is in the hands of whoever carries it. Repeating it changes nothing."""
    return _advance(by, dispatch_id, "picked", now, "")


def ship(by: Authority, dispatch_id: UUID, *, now: datetime, carrier: str = "", number: str = "") -> m.Dispatch:
    """The unit leaves the hub; with the carrier's own number the label becomes the carrier's."""
    return _advance(by, dispatch_id, "in_transit", now, "", carrier, number)


def deliver(by: Authority, dispatch_id: UUID, *, now: datetime, note: str = "") -> m.Dispatch:
    """The unit is at its target. Delivery restores nothing: the re-check after the install does."""
    return _advance(by, dispatch_id, "delivered", now, note)


def install(by: Authority, unit_id: UUID, *, now: datetime, device_name: str = "") -> m.Unit:
    """The unit works at the site of its reservation, which is used up. Repeating it changes nothing.

    NotReady `spares.certificate` when a calibrated part has no certificate, or one that ended.
    """
    with transaction.atomic():
        unit = locked(unit_id)
        held = m.Reservation.objects.select_for_update().filter(unit=unit, state="held").first()
        if unit.state == "installed" and held is None:
            by.require("spares.dispatch", unit.site_id)
            return unit
        if held is None or held.site_id is None:
            raise NotReady(
                "spares.not_reserved", f"{unit.serial} is reserved for nothing.", "Reserve it for the incident first."
            )
        by.require("spares.dispatch", held.site_id)
        _certified(unit, now)
        _within_reach(unit, held)
        row = pass_on(
            by, unit, "installed", device_name or "the site", now=now, site=held.site, incident_id=held.incident_id
        )
        held.state, held.ended_at = states.step("reservation", held.state, "consumed"), now
        sent = m.Dispatch.objects.filter(reservation=held, ended_at=None).first()
        if sent is not None:
            sent.state, sent.ended_at = "installed", now
        rows: list[Row] = [unit, row, held, *([sent] if sent else [])]
        facts = {"serial": unit.serial, "device": device_name}
        told = NewEvent(data=facts, incident_id=held.incident_id)
        record(rows, [told], entry=NewEntry("spares.installed", unit.pk, by, now, held.site_id, facts=facts))
    return unit


def courier_event(
    by: Authority,
    carrier: str,
    event_id: str,
    label: str,
    kind: str,
    *,
    observed_at: datetime,
    now: datetime,
) -> m.CourierEvent:
    """Keep what a carrier said and let it move the dispatch forward, never back.

    A repeat is counted on the first; a late one is kept and moves nothing; one without a dispatch waits for a person.
    """
    by.require("spares.dispatch")
    if not carrier.strip() or not event_id.strip():
        raise BadInput("spares.courier", "A carrier's event has a carrier and an id.", "Send both.", field="event_id")
    with transaction.atomic():
        held = m.CourierEvent.objects.select_for_update().filter(carrier=carrier, event_id=event_id).first()
        if held is not None:
            return _repeated(by, held, kind, label, now)
        event = m.CourierEvent(
            carrier=carrier, event_id=event_id, label=label, kind=kind, observed_at=observed_at, received_at=now
        )
        sent = m.Dispatch.objects.filter(Q(label_kind="hub label") | Q(carrier=carrier), label=label).first()
        event.dispatch = sent
        target = MEANS.get(kind, "")
        if sent is None:
            event.outcome = f"kept: no dispatch has the label {label}"
        elif not target:
            event.outcome = f"kept: {kind.replace('_', ' ')} moves nothing"
        elif _late(sent, target, observed_at):
            event.outcome = f"late: the dispatch was {sent.state.replace('_', ' ')} already; kept, nothing moved"
        else:
            event.outcome = _told(by, sent, target, f"{carrier} {event_id}", observed_at, now)
        facts = {"kind": kind, "label": label, "observed_at": observed_at, "outcome": event.outcome}
        told = NewEvent(data=facts, incident_id=sent.incident_id if sent else None)
        site_id = sent.to_site_id if sent else None
        record([event], [told], entry=NewEntry("spares.courier_event", event.pk, by, now, site_id, facts=facts))
    return event


def _told(by: Authority, sent: m.Dispatch, target: str, note: str, observed_at: datetime, now: datetime) -> str:
    """Let the event move the dispatch; where the records forbid that it is kept with what they say."""
    try:
        _advance(by, sent.pk, target, observed_at, note, recorded_at=now)
    except Conflict as refused:
        return f"kept: {refused.message}"[:200]
    return f"moved to {target.replace('_', ' ')}"


def _repeated(by: Authority, held: m.CourierEvent, kind: str, label: str, now: datetime) -> m.CourierEvent:
    held.repeats, held.repeated_at = held.repeats + 1, now
    differs = (kind, label) != (held.kind, held.label)
    told = f"; repeated, but as {kind} of {label}: ask the carrier" if differs else ""
    if told and told not in held.outcome:
        held.outcome = (held.outcome + told)[:200]
    facts = {"repeats": held.repeats, "differs": differs, "kind": kind, "label": label}
    record([held], entry=NewEntry("spares.courier_event_repeated", held.pk, by, now, facts=facts))
    return held


def _late(sent: m.Dispatch, target: str, observed_at: datetime) -> bool:
    if sent.ended_at is not None:
        return True
    if target == "returned":
        return sent.delivered_at is not None and observed_at <= sent.delivered_at
    return ORDER.index(target) <= ORDER.index(sent.state)


def _advance(
    by: Authority,
    dispatch_id: UUID,
    target: str,
    at: datetime,
    note: str,
    carrier: str = "",
    number: str = "",
    *,
    recorded_at: datetime | None = None,
) -> m.Dispatch:
    """Move a dispatch on; what was passed over (a delivery without a pick) is taken as done at the same instant."""
    now = recorded_at or at
    with transaction.atomic():
        unit = locked(one(m.Dispatch, dispatch_id).unit_id)
        rows_of = m.Dispatch.objects.select_for_update(of=("self",))
        sent = one(
            m.Dispatch, dispatch_id, among=rows_of.select_related("to_site", "to_hub", "from_hub", "reservation")
        )
        by.require("spares.dispatch", sent.to_site_id)
        if sent.state == target or _passed(sent, target):
            return sent
        sent.unit = unit
        rows = _step(by, sent, unit, target, at, note)
        if number:
            sent.label, sent.label_kind, sent.carrier = number[:80], "carrier", carrier
        sent.state = target
        facts = {"serial": unit.serial, "state": target, "label": sent.label, "at": at}
        told = NewEvent(data=facts, incident_id=sent.incident_id)
        entry = NewEntry(f"spares.{target}", sent.pk, by, now, sent.to_site_id, note, facts)
        record([unit, *rows, sent], [told], entry=entry)
    return sent


def _passed(sent: m.Dispatch, target: str) -> bool:
    if sent.ended_at is not None:
        raise Conflict(
            "spares.dispatch_ended", f"This dispatch is {sent.state.replace('_', ' ')}.", "Open the unit's timeline."
        )
    return target in ORDER and ORDER.index(target) < ORDER.index(sent.state)


def _step(by: Authority, sent: m.Dispatch, unit: m.Unit, target: str, at: datetime, note: str) -> list[Row]:
    incident = sent.incident_id
    rows: list[Row] = []
    if target == "picked":
        sent.picked_at = at
        rows.append(hand_over(by, unit, by.name, now=at, hub=unit.hub, incident_id=incident, note="picked"))
        return rows
    sent.picked_at = sent.picked_at or at
    if unit.state == "reserved":
        sent.shipped_at = at
        taker = sent.carrier or by.name
        rows.append(pass_on(by, unit, "in_transit", taker, now=at, incident_id=incident, note=note or "shipped"))
    if target == "delivered":
        sent.delivered_at = at
        rows.append(_arrive(by, sent, unit, at, note))
    if target == "returned":
        rows += _back(by, sent, unit, at, note)
    return rows


def _arrive(by: Authority, sent: m.Dispatch, unit: m.Unit, at: datetime, note: str) -> m.Custody:
    """At a site it waits for its install; at a hub the transfer ends on the shelf."""
    if sent.to_hub is not None:
        sent.ended_at = at
        return pass_on(by, unit, "stocked", sent.to_hub.name, now=at, hub=sent.to_hub, note=note or "transfer arrived")
    place = sent.to_site.name if sent.to_site is not None else ""
    return hand_over(
        by,
        unit,
        place,
        now=at,
        site=sent.to_site,
        incident_id=sent.incident_id,
        note=note or "delivered, not yet restored",
    )


def _back(by: Authority, sent: m.Dispatch, unit: m.Unit, at: datetime, note: str) -> list[Row]:
    """The carrier brought it back: on the shelf again, the reservation released, the incident to source anew."""
    sent.ended_at = at
    rows: list[Row] = [
        pass_on(
            by, unit, "stocked", sent.from_hub.name, now=at, hub=sent.from_hub, note=note or "returned by the carrier"
        )
    ]
    held = sent.reservation
    if held is not None and held.state == "held":
        held.state, held.ended_at, held.reason = "released", at, "the carrier returned the unit"
        rows.append(held)
    return rows


def _certified(unit: m.Unit, now: datetime) -> None:
    """A probe without a live certificate proves nothing, so it fills no swap."""
    if not unit.part.calibrated:
        return
    if unit.certificate_until is None:
        raise NotReady(
            "spares.certificate",
            f"{unit.serial} has no calibration certificate.",
            "Use another probe, or have it calibrated.",
        )
    if unit.certificate_until <= now:
        raise NotReady(
            "spares.certificate",
            f"The certificate of {unit.serial} ended on {unit.certificate_until:%d %b %Y}.",
            "Use another probe, or have it calibrated.",
        )


def _within_reach(unit: m.Unit, held: m.Reservation) -> None:
    """From a cabinet at the site straight into service; from elsewhere it travels first."""
    if unit.state == "reserved" and (unit.hub is None or unit.hub.site_id != held.site_id):
        where = unit.hub.name if unit.hub is not None else "no hub"
        raise NotReady(
            "spares.still_at_hub",
            f"{unit.serial} still lies at {where}.",
            "Ship it, or record that it was taken along.",
        )
