"""The live view: from rows to the candidates that the rules judge, each with how it would be done."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.kernel.refusals import BadInput
from waystation.registry.models import Part, Site
from waystation.registry.queries import one
from waystation.spares import models as m
from waystation.spares import paths
from waystation.spares.rules import compatibility as fit
from waystation.spares.rules import sourcing as rules
from waystation.spares.rules import timetable
from waystation.spares.rules.hours import local_words
from waystation.spares.rules.restore import Path, Restore, restore

GONE = ("installed", "disposed", "failed")


@dataclass(frozen=True, slots=True)
class Need:
    """What an incident needs: which part stands there now, what the site runs, and when product is lost at worst.

    `limit_at` None: unknown. `runs` is (component, version) pairs; empty text is unknown, and then a condition.
    """

    incident_id: UUID
    site_id: UUID
    part_id: UUID
    limit_at: datetime | None = None
    incident_name: str = ""
    product_at_stake: bool = True
    revision: str = ""
    connector: str = ""
    runs: tuple[tuple[str, str], ...] = ()
    max_check_age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Lead:
    """A candidate and how it would be carried out: hub or offer, lane, bars, assumptions."""

    candidate: rules.Candidate
    hub: m.Hub | None = None
    lane: m.Lane | None = None
    offer: m.Offer | None = None
    ready: Restore | None = None
    assumed: tuple[str, ...] = ()


@dataclass(slots=True)
class _Scene:
    need: Need
    site: Site
    part: Part
    now: datetime
    installed: fit.Installed
    compat: list[fit.Rule]
    ready: dict[tuple[Any, ...], tuple[Restore | None, str]] = field(default_factory=dict)
    assumed: dict[UUID | None, tuple[str, ...]] = field(default_factory=dict)


def asked(need: Need, now: datetime) -> rules.Need:
    """The need as the rules take it, with the break-glass release of the incident when there is one."""
    site, part = one(Site, need.site_id), one(Part, need.part_id)
    opened = m.Release.objects.filter(incident_id=need.incident_id).first()
    release = rules.Release(opened.by_name, opened.role, opened.reason) if opened else None
    return rules.Need(
        part.group,
        site.name,
        site.zone,
        now,
        need.limit_at,
        need.product_at_stake,
        part.calibrated,
        need.max_check_age_s,
        release,
    )


def chain_of(site: Site) -> tuple[rules.ChainStep, ...]:
    """The approved chain of the site's service class, else the shipped one (which buys nothing unasked)."""
    held = m.SourcingRule.objects.filter(service_class=site.service_class.code).exclude(approved_at=None).first()
    if held is None:
        return rules.CHAIN
    return tuple(
        rules.ChainStep(tuple(s["channels"]), s.get("spend_limit"), bool(s.get("approved", True))) for s in held.chain
    )


def view(need: Need, now: datetime) -> tuple[Lead, ...]:
    """Every way to fill the need: each unit at a hub, each hub with none, each vendor's offer. None is left out."""
    scene = _scene(need, now)
    installed, group = scene.installed.model, scene.part.group
    offered = {rule.offered for rule in scene.compat if rule.installed == installed}
    units = list(
        m.Unit.objects.filter(hub__isnull=False)
        .exclude(state__in=GONE)
        .select_related("part__model", "hub")
        .order_by("serial")
    )
    units = [u for u in units if u.part.group == group or model_of(u.part) in offered]
    lanes = list(m.Lane.objects.filter(site=scene.site).select_related("hub").order_by("mode"))
    taken = takers([u.pk for u in units], scene.site.zone, now)
    leads = [_of_unit(scene, u, lanes, taken.get(u.pk, "")) for u in units]
    near = {lane.hub_id: lane.hub for lane in lanes} | {h.pk: h for h in m.Hub.objects.filter(site=scene.site)}
    empty = [hub for key, hub in near.items() if key not in {u.hub_id for u in units}]
    leads += [_of_empty(scene, hub) for hub in sorted(empty, key=lambda h: h.name)]
    offers = m.Offer.objects.filter(group=group, ended_at=None).select_related("vendor", "model")
    return (*leads, *(_of_offer(scene, offer) for offer in offers.order_by("vendor__name", "channel", "id")))


def fresh(leads: Sequence[Lead], zone: str, now: datetime) -> tuple[Lead, ...]:
    """The leads with each unit as it stands now: its state, and who holds it."""
    ids = [UUID(lead.candidate.unit.unit_id) for lead in leads if lead.candidate.unit is not None]
    states = {str(key): state for key, state in m.Unit.objects.filter(pk__in=ids).values_list("pk", "state")}
    held = {str(key): who for key, who in takers(ids, zone, now).items()}
    now_free = rules.as_now([lead.candidate for lead in leads], states, held)
    return tuple(replace(lead, candidate=c) for lead, c in zip(leads, now_free, strict=True))


def takers(unit_ids: Sequence[UUID], zone: str, now: datetime) -> dict[UUID, str]:
    """Who holds each unit: `INC-2042 at 03:09` in the zone's time."""
    held = m.Reservation.objects.filter(unit_id__in=list(unit_ids), state="held")
    return {r.unit_id: f"{_name(r)} at {local_words(r.reserved_at, zone, seen_from=now)}" for r in held}


def model_of(part: Part) -> str:
    """The model's name, or the part's code where the catalogue has no model."""
    return part.model.name if part.model is not None else part.code


def channel_of(hub: m.Hub, site_id: UUID) -> rules.Channel:
    """A cabinet at the site itself is local; every other hub is a hub, unless it is the central one."""
    if hub.tier == "central":
        return "central"
    return "local" if hub.site_id == site_id else "hub"


def _name(held: m.Reservation) -> str:
    return held.incident_name or f"incident {held.incident_id}"


def _scene(need: Need, now: datetime) -> _Scene:
    site = one(Site, need.site_id, among=Site.objects.select_related("service_class"))
    part = one(Part, need.part_id, among=Part.objects.select_related("model"))
    installed = fit.Installed(model_of(part), need.revision, need.connector, need.runs)
    return _Scene(need, site, part, now, installed, _rules(part))


def _rules(part: Part) -> list[fit.Rule]:
    """The written rules for what is installed, and the group's own where none is written."""
    own = model_of(part)
    written = m.Replacement.objects.filter(installed=part.model).select_related("offered") if part.model else []
    found = [timetable.rule(own, row.offered.name, row.terms) for row in written]
    spoken = {rule.offered for rule in found}
    others = Part.objects.filter(group=part.group).select_related("model")
    return found + [timetable.group_rule(own, model_of(p), p.needs) for p in others if model_of(p) not in spoken]


def _of_unit(scene: _Scene, unit: m.Unit, lanes: Sequence[m.Lane], taken: str) -> Lead:
    assert unit.hub is not None, "only units at a hub are looked at"
    hub = unit.hub
    plug = unit.connector or str(unit.part.needs.get("connector", ""))
    offered = fit.Offered(
        hub.name, model_of(unit.part), unit.revision, unit.firmware, plug, frozenset(map(str, unit.kit_lines))
    )
    judged = fit.fits(scene.installed, offered, scene.compat)
    lane, ready, refusal = _quickest(scene, hub, [ln for ln in lanes if ln.hub_id == hub.pk], unit.part)
    unit_view = rules.UnitView(
        str(unit.pk), unit.serial, unit.state, unit.break_glass, unit.certificate_until, unit.checked_at, taken
    )
    return _lead(scene, hub.name, channel_of(hub, scene.site.pk), judged, ready, refusal, unit_view, hub=hub, lane=lane)


def _of_empty(scene: _Scene, hub: m.Hub) -> Lead:
    none = fit.Fit(hub.name, scene.installed.model, "allowed", ("none on the shelf",))
    return Lead(_candidate(hub.name, channel_of(hub, scene.site.pk), none, None, (), None, 0.0), hub=hub)


def _of_offer(scene: _Scene, offer: m.Offer) -> Lead:
    name = offer.vendor.name
    if offer.model is None:
        judged = fit.Fit(name, "", "conditional", ("the vendor names the model: compare it before it is ordered",))
    else:
        judged = fit.fits(scene.installed, fit.Offered(name, offer.model.name), scene.compat)
    ready, refusal = _ready(scene, ("offer", offer.pk), lambda: paths.by_offer(offer, scene.site, scene.part))
    channel: rules.Channel = "vendor" if offer.channel == "vendor" else "purchase"
    return _lead(scene, name, channel, judged, ready, refusal, None, offer=offer, cost=float(offer.cost))


def _quickest(
    scene: _Scene, hub: m.Hub, lanes: Sequence[m.Lane], part: Part
) -> tuple[m.Lane | None, Restore | None, str]:
    """The lane that restores first; where every lane refuses, the first refusal."""
    ways: list[m.Lane | None] = list(lanes)
    if hub.site_id == scene.site.pk:
        ways.insert(0, None)
    if not ways:
        return None, None, f"{hub.name} refused: there is no lane from it to {scene.site.name}."
    tried = [
        (lane, *_ready(scene, (hub.pk, lane.pk if lane else None, part.pk), _way(scene, hub, lane, part)))
        for lane in ways
    ]
    usable = [(ready.p90_at, n) for n, (_, ready, _) in enumerate(tried) if ready is not None and ready.p90_at]
    return tried[min(usable)[1]] if usable else tried[0]


def _way(scene: _Scene, hub: m.Hub, lane: m.Lane | None, part: Part) -> Any:
    return lambda: paths.by_lane(hub, lane, scene.site, part)


def _ready(scene: _Scene, key: tuple[Any, ...], way: Any) -> tuple[Restore | None, str]:
    """When this way restores service; unreadable hours refuse the way and never stop the others."""
    if key not in scene.ready:
        try:
            path: Path = way()
            scene.ready[key] = (restore(path, scene.now), "")
        except BadInput as bad:
            scene.ready[key] = (None, f"Refused: {bad.message} {bad.next_step}")
    return scene.ready[key]


def _lead(
    scene: _Scene,
    place: str,
    channel: rules.Channel,
    judged: fit.Fit,
    ready: Restore | None,
    refusal: str,
    unit: rules.UnitView | None,
    *,
    hub: m.Hub | None = None,
    lane: m.Lane | None = None,
    offer: m.Offer | None = None,
    cost: float = 0.0,
) -> Lead:
    refusals = (refusal,) if refusal else ready.refusals if ready is not None else ()
    key = hub.pk if hub is not None else None
    if key not in scene.assumed:
        scene.assumed[key] = paths.assumptions(scene.site, scene.part, hub)
    assumed = scene.assumed[key]
    price = cost or (float(lane.cost) if lane is not None else 0.0)
    made = _candidate(place, channel, judged, ready, refusals, unit, price, assumed)
    return Lead(made, hub, lane, offer, ready, assumed)


def _candidate(
    place: str,
    channel: rules.Channel,
    judged: fit.Fit,
    ready: Restore | None,
    refusals: tuple[str, ...],
    unit: rules.UnitView | None,
    cost: float,
    assumed: tuple[str, ...] = (),
) -> rules.Candidate:
    """An assumption makes an allowed fit conditional: doubt is shown, never rounded away."""
    verdict: fit.Verdict = "conditional" if assumed and judged.verdict == "allowed" else judged.verdict
    words = "; ".join((*judged.reasons, *assumed)) if verdict != "refused" else "; ".join(judged.reasons)
    likely, p90 = (ready.likely_at, ready.p90_at) if ready is not None else (None, None)
    return rules.Candidate(place, channel, verdict, words, likely, p90, unit, cost, refusals)
