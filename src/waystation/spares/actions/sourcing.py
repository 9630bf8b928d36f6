"""Source an incident: the live view judged, the best unit held, label and task made, every candidate kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
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
from waystation.spares import live, rounds
from waystation.spares import models as m
from waystation.spares.actions.hold import held_rows, write
from waystation.spares.actions.stock import label_of
from waystation.spares.live import Lead, Need, Scene
from waystation.spares.rounds import Attempt
from waystation.spares.rules import sourcing as rules

__all__ = ["Need", "Sourced", "source"]

MOST_ROUNDS = 100


@dataclass(frozen=True, slots=True)
class Sourced:
    """What was decided: the unit held and its dispatch, or the order wanted, and every candidate with its reason."""

    reservation: m.Reservation | None
    dispatch: m.Dispatch | None
    order: m.Order | None
    candidates: tuple[Attempt, ...]
    move_first: bool
    reason: str


def source(by: Authority, need: Need, *, now: datetime) -> Sourced:
    """Find and hold what restores service; the loser of a race gets the next candidate and is told why.

    An incident that holds a unit of the part's group, or has an order open, keeps it: repeating changes nothing, and
    two who ask for one site at once wait for each other. The ways are reckoned first, each asker for itself; who gets
    which unit is decided one asker at a time on a group's shelf, on what is free at that moment.
    """
    by.require("spares.reserve", need.site_id)
    part = one(Part, need.part_id, among=Part.objects.select_related("model"))
    group = part.group
    if (before := _standing(need, group)) is not None:
        return before
    scene = live.scene(need, part, now)
    for _ in range(MOST_ROUNDS):
        try:
            with transaction.atomic():
                _lock_shelf(need, group)
                if (before := _standing(need, group)) is not None:
                    return before
                return _settle(by, scene, live.view(scene))
        except Conflict as lost:  # a unit that two groups may use, or an order that stands
            if lost.code not in ("spares.taken", "spares.ordered"):
                raise
    raise Conflict("spares.raced", "Every candidate was taken while this ran.", "Source again.")


def _lock_shelf(need: Need, group: str) -> None:
    """One asker at a time for the site, and for the parts of the group, until the transaction ends."""
    list(Site.objects.filter(pk=need.site_id).select_for_update(no_key=True).values_list("pk"))
    list(Part.objects.filter(group=group).select_for_update(no_key=True).order_by("pk").values_list("pk"))


def _standing(need: Need, group: str) -> Sourced | None:
    """What the incident already has, with the candidates of the round that gave it. Nothing stands without a round."""
    last = rounds.newest(need.incident_id)
    if last is None:
        return None
    held = m.Reservation.objects.filter(incident_id=need.incident_id, state="held", need__group=group).first()
    order = m.Order.objects.filter(
        incident_id=need.incident_id, state__in=["wanted", "confirmed"], offer__group=group
    ).first()
    if held is None and order is None:
        return None
    sent = m.Dispatch.objects.filter(reservation=held).first() if held else None
    return Sourced(held, sent, order, rounds.attempts(last), last.move_first, last.why)


def _settle(by: Authority, scene: Scene, leads: Sequence[Lead]) -> Sourced:
    """Choose, hold and keep what was considered: one record."""
    need, now = scene.need, scene.now
    decided = rules.source(live.asked(scene, leads), [lead.candidate for lead in leads], scene.chain)
    chosen = decided.chosen
    by_name = {_name(lead.candidate): lead for lead in leads}
    lead = by_name.get(rounds.name_of(chosen)) if chosen else None
    rows: list[Row] = []
    held = sent = order = None
    if chosen is not None and lead is not None and chosen.unit_id is not None:
        rows, held = _held(by, scene, chosen.unit_id)
        sent = _dispatch(scene, held, lead, chosen)
        rows.append(sent)
    elif chosen is not None and lead is not None and lead.offer is not None:
        order = _order(scene, lead.offer, chosen)
        rows.append(order)
    kept = rounds.keep(need.incident_id, decided, by_name, now)
    rows.append(kept)
    data = {
        "chosen": chosen.place if chosen else "",
        "serial": chosen.serial if chosen else "",
        "reason": chosen.reason if chosen else decided.reason,
        "move_first": decided.move_first,
        "candidates": len(kept.candidates),
    }
    told = [NewEvent("spares.sourced", data=data, incident_id=need.incident_id)]
    if held is not None:
        write(by, rows, held, told, now=now)
    else:
        entry = NewEntry("spares.sourced", need.incident_id, by, now, need.site_id, facts=data)
        try:
            record(rows, told, entry=entry)
        except IntegrityError:
            raise Conflict("spares.ordered", "This order stands already.", "Open the incident.") from None
    return Sourced(held, sent, order, rounds.attempts(kept), decided.move_first, decided.reason)


def _held(by: Authority, scene: Scene, unit_id: str) -> tuple[list[Row], m.Reservation]:
    need = scene.need
    wanted = {"group": scene.part.group, "part_id": str(need.part_id), "limit_at": plain(need.limit_at)}
    unit = one(m.Unit, unit_id, among=m.Unit.objects.select_for_update())
    if unit.part_id in scene.parts:
        unit.part = scene.parts[unit.part_id]
    unit.hub = scene.hub(unit.hub_id) if unit.hub_id is not None else None
    return held_rows(by, unit, need.incident_id, now=scene.now, site=scene.site, name=need.incident_name, need=wanted)


def _name(c: rules.Candidate) -> rounds.Name:
    return (c.place, c.channel, c.unit.unit_id if c.unit else None, c.p90_at)


def _dispatch(scene: Scene, held: m.Reservation, lead: Lead, judged: rules.Judged) -> m.Dispatch:
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
        planned_at=scene.now,
        promised_at=judged.p90_at,
    )
    sent.label = label_of(sent)
    how = {"courier": "hand it to the courier", "air": "hand it to the air carrier"}.get(mode, "take it along")
    sent.task = f"Pick up {unit.serial} ({unit.part.name}) at {hub.name} and {how} to {site.name}."[:300]
    sent.task_person_id = _task_person(scene, held, lead)
    return sent


def _task_person(scene: Scene, held: m.Reservation, lead: Lead) -> UUID | None:
    """Who drives installs; with a courier the hub's custodian hands over."""
    assert lead.hub is not None, "a unit that is chosen lies at a hub"
    bars = lead.ready.p90 if lead.ready is not None else ()
    who = next((bar.reason for bar in bars if bar.kind == "install" and bar.reason), "")
    if who and (lead.lane is None or lead.lane.mode in ("drive", "in_person")):
        named = [p.pk for p in scene.crew(held.unit.part) if p.name == who]
        return named[0] if len(named) == 1 else lead.hub.custodian_id
    return lead.hub.custodian_id


def _order(scene: Scene, offer: m.Offer, judged: rules.Judged) -> m.Order:
    return m.Order(
        incident_id=scene.need.incident_id,
        offer=offer,
        site=scene.site,
        cost=offer.cost,
        at=scene.now,
        promised_at=judged.p90_at,
    )
