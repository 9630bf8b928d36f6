"""Source an incident: the live view judged, the best unit held, label and task made, every candidate kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.evidence.rows import Row
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import plain
from waystation.kernel.ids import new_id
from waystation.kernel.refusals import Conflict
from waystation.registry.models import Part, Site
from waystation.registry.queries import one
from waystation.spares import live, paths
from waystation.spares import models as m
from waystation.spares.actions.hold import held_rows, write
from waystation.spares.actions.stock import label_of
from waystation.spares.custody import locked
from waystation.spares.live import Lead, Need
from waystation.spares.rules import sourcing as rules

__all__ = ["Need", "Sourced", "source"]


@dataclass(frozen=True, slots=True)
class Sourced:
    """What was decided: the unit held and its dispatch, or the order wanted, and every candidate with its reason."""

    reservation: m.Reservation | None
    dispatch: m.Dispatch | None
    order: m.Order | None
    candidates: tuple[m.Attempt, ...]
    move_first: bool
    reason: str


def source(by: Authority, need: Need, *, now: datetime) -> Sourced:
    """Find and hold what restores service; the loser of a race gets the next candidate and is told why.

    An incident that holds a unit of the part's group, or has an order open, keeps it: repeating changes nothing, and
    two who ask for one site at once wait for each other. The ways are reckoned first, each asker for itself; who gets
    which unit is decided one asker at a time on a group's shelf, on what is free at that moment.
    """
    by.require("spares.reserve", need.site_id)
    before = _standing(need)
    if before is not None:
        return before
    leads = live.view(need, now)
    chain = live.chain_of(one(Site, need.site_id, among=Site.objects.select_related("service_class")))
    asked = live.asked(need, now)
    for _ in range(len(leads) + 1):
        try:
            with transaction.atomic():
                _lock_shelf(need)
                if (before := _standing(need)) is not None:
                    return before
                leads = live.fresh(leads, asked.zone, now)
                return _settle(by, need, leads, rules.source(asked, [lead.candidate for lead in leads], chain), now)
        except Conflict as lost:  # a unit that two groups may use, or an order that stands
            if lost.code not in ("spares.taken", "spares.ordered"):
                raise
    raise Conflict("spares.raced", "Every candidate was taken while this ran.", "Source again.")


def _lock_shelf(need: Need) -> None:
    """One asker at a time for the site, and for the parts of the group, until the transaction ends."""
    one(Site, need.site_id, among=Site.objects.select_for_update(no_key=True))
    group = Part.objects.filter(group=one(Part, need.part_id).group)
    list(group.select_for_update(no_key=True).order_by("pk").values_list("pk"))


def _standing(need: Need) -> Sourced | None:
    """What the incident already has, with the candidates of the round that gave it."""
    group = one(Part, need.part_id).group
    held = m.Reservation.objects.filter(incident_id=need.incident_id, state="held", need__group=group).first()
    order = m.Order.objects.filter(
        incident_id=need.incident_id, state__in=["wanted", "confirmed"], offer__group=group
    ).first()
    if held is None and order is None:
        return None
    last = m.Attempt.objects.filter(incident_id=need.incident_id).order_by("-at", "-round_id").first()
    rows = tuple(m.Attempt.objects.filter(round_id=last.round_id).order_by("place")) if last else ()
    sent = m.Dispatch.objects.filter(reservation=held).first() if held else None
    told = rows[0].basis if rows else {}
    return Sourced(held, sent, order, rows, bool(told.get("move_first")), str(told.get("why", "")))


def _settle(by: Authority, need: Need, leads: Sequence[Lead], decided: rules.Sourcing, now: datetime) -> Sourced:
    chosen = decided.chosen
    by_way = {_way(lead.candidate): lead for lead in leads}
    lead = by_way.get(_way_of(chosen)) if chosen else None
    rows: list[Row] = []
    held = sent = order = None
    if chosen is not None and lead is not None and chosen.unit_id is not None:
        unit = locked(chosen.unit_id)
        group = one(Part, need.part_id).group
        wanted = {"group": group, "part_id": str(need.part_id), "limit_at": plain(need.limit_at)}
        rows, held = held_rows(
            by, unit, need.incident_id, now=now, site_id=need.site_id, name=need.incident_name, need=wanted
        )
        sent = _dispatch(held, lead, chosen, now)
        rows.append(sent)
    elif chosen is not None and lead is not None and lead.offer is not None:
        order = _order(need, lead.offer, chosen, now)
        rows.append(order)
    attempts = _attempts(need, by_way, decided, now)
    rows += attempts
    data = {
        "chosen": chosen.place if chosen else "",
        "serial": chosen.serial if chosen else "",
        "reason": chosen.reason if chosen else decided.reason,
        "move_first": decided.move_first,
        "candidates": len(attempts),
    }
    told = [NewEvent("spares.sourced", data=data, incident_id=need.incident_id)]
    if held is not None:
        write(by, rows, held, told, now=now)
    else:
        entry = NewEntry("spares.sourced", need.incident_id, by, now, need.site_id, facts=data)
        try:
            with transaction.atomic():
                record(rows, told, entry=entry)
        except IntegrityError:
            raise Conflict("spares.ordered", "This order stands already.", "Open the incident.") from None
    return Sourced(held, sent, order, tuple(attempts), decided.move_first, decided.reason)


Way = tuple[str, str, str | None, datetime | None]


def _way(c: rules.Candidate) -> Way:
    return (c.place, c.channel, c.unit.unit_id if c.unit else None, c.p90_at)


def _way_of(judged: rules.Judged) -> Way:
    return (judged.place, judged.channel, judged.unit_id, judged.p90_at)


def _dispatch(held: m.Reservation, lead: Lead, judged: rules.Judged, now: datetime) -> m.Dispatch:
    """Label and pickup task out of what is known: nobody types anything."""
    hub, unit, site = lead.hub, held.unit, held.site
    assert hub is not None, "a unit that is chosen lies at a hub"
    assert site is not None, "a reservation for an incident has a site"
    mode = lead.lane.mode if lead.lane is not None else "in_person"
    sent = m.Dispatch(
        id=new_id(),
        unit=unit,
        reservation=held,
        incident_id=held.incident_id,
        from_hub=hub,
        to_site=site,
        lane=lead.lane,
        mode=mode,
        planned_at=now,
        promised_at=judged.p90_at,
    )
    sent.label = label_of(sent)
    how = {"courier": "hand it to the courier", "air": "hand it to the air carrier"}.get(mode, "take it along")
    sent.task = f"Pick up {unit.serial} ({unit.part.name}) at {hub.name} and {how} to {site.name}."[:300]
    sent.task_person_id = _task_person(lead, hub, mode)
    return sent


def _task_person(lead: Lead, hub: m.Hub, mode: str) -> UUID | None:
    """Who drives installs; with a courier the hub's custodian hands over."""
    bars = lead.ready.p90 if lead.ready is not None else ()
    who = next((bar.reason for bar in bars if bar.kind == "install" and bar.reason), "")
    if who and mode in ("drive", "in_person") and lead.candidate.unit is not None:
        part = one(m.Unit, lead.candidate.unit.unit_id, among=m.Unit.objects.select_related("part")).part
        named = [p.pk for p in paths.qualified(part.qualification) if p.name == who]
        return named[0] if len(named) == 1 else hub.custodian_id
    return hub.custodian_id


def _order(need: Need, offer: m.Offer, judged: rules.Judged, now: datetime) -> m.Order:
    site = one(Site, need.site_id)
    return m.Order(
        incident_id=need.incident_id, offer=offer, site=site, cost=offer.cost, at=now, promised_at=judged.p90_at
    )


def _attempts(need: Need, leads: Mapping[Way, Lead], decided: rules.Sourcing, now: datetime) -> list[m.Attempt]:
    round_id = new_id()
    return [
        m.Attempt(
            incident_id=need.incident_id,
            round_id=round_id,
            at=now,
            place=place,
            source=j.place[:120],
            channel=j.channel,
            serial=j.serial,
            unit_id=UUID(j.unit_id) if j.unit_id else None,
            likely_at=j.likely_at,
            p90_at=j.p90_at,
            outcome=j.outcome,
            in_time=j.in_time,
            reason=j.reason,
            conditions=j.conditions,
            basis=_basis(leads.get(_way_of(j)), decided),
        )
        for place, j in enumerate(decided.judged)
    ]


def _basis(lead: Lead | None, decided: rules.Sourcing) -> dict[str, Any]:
    """What the incident page draws: bars, figures with sources, assumptions. Nothing of a hidden candidate."""
    found: dict[str, Any] = {"move_first": decided.move_first, "why": decided.reason}
    if lead is not None and lead.ready is not None:
        found["bars"] = [
            {"kind": b.kind, "start": plain(b.start), "end": plain(b.end), "reason": b.reason} for b in lead.ready.p90
        ]
        found["figures"] = [f.words() for f in lead.ready.figures]
        found["assumed"] = list(lead.assumed)
        found["mode"] = lead.lane.mode if lead.lane is not None else ""
        found["cost"] = f"{lead.candidate.cost:.2f}"
    return found
