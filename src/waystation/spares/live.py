"""The live view: from rows to the candidates that the rules judge, each with how it would be done."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, NamedTuple
from uuid import UUID

from django.db.models import FilteredRelation, Q, QuerySet

from waystation.access.models import Person
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


Way = tuple[m.Lane | None, Restore | None, str]


@dataclass(slots=True)
class Scene:
    """What a decision stands on beside the units: read once, and the ways reckoned once for each hub, lane and part."""

    need: Need
    site: Site
    part: Part
    now: datetime
    chain: tuple[rules.ChainStep, ...]
    installed: fit.Installed
    compat: list[fit.Rule]
    parts: dict[UUID, Part]
    hubs: dict[UUID, m.Hub]
    near: list[UUID]
    lanes: dict[UUID, list[m.Lane]]
    offers: list[m.Offer]
    crews: dict[str, list[Person]] = field(default_factory=dict)
    ready: dict[tuple[Any, ...], tuple[Restore | None, str]] = field(default_factory=dict)
    quickest: dict[tuple[UUID, UUID], Way] = field(default_factory=dict)
    fits: dict[tuple[Any, ...], fit.Fit] = field(default_factory=dict)
    assumed: dict[UUID | None, tuple[str, ...]] = field(default_factory=dict)

    def crew(self, part: Part) -> list[Person]:
        """Who may install the part."""
        if part.qualification not in self.crews:
            self.crews[part.qualification] = paths.qualified(part.qualification)
        return self.crews[part.qualification]

    def hub(self, hub_id: UUID) -> m.Hub:
        """A hub; one without a way to the site is read when a unit lies there."""
        if hub_id not in self.hubs:
            self.hubs[hub_id] = m.Hub.objects.get(pk=hub_id)
        return self.hubs[hub_id]


class Stocked(NamedTuple):
    """A unit at a hub as it stands, and who holds it."""

    pk: UUID
    serial: str
    part_id: UUID
    revision: str
    firmware: str
    connector: str
    state: str
    hub_id: UUID
    certificate_until: datetime | None
    checked_at: datetime | None
    kit_lines: list[Any]
    break_glass: bool
    held_for: UUID | None
    held_name: str | None
    held_at: datetime | None


UNIT_COLUMNS = Stocked._fields[:12]


def scene(need: Need, part: Part, now: datetime) -> Scene:
    """Read what an incident's decision stands on, and reckon how each part at each hub would restore service."""
    site = one(Site, need.site_id, among=Site.objects.select_related("service_class"))
    installed = fit.Installed(model_of(part), need.revision, need.connector, need.runs)
    group = list(Part.objects.filter(group=part.group).select_related("model"))
    compat = _rules(part, group)
    names = {rule.offered for rule in compat}
    beside = Part.objects.filter(Q(model__name__in=names) | Q(model=None, code__in=names)).exclude(group=part.group)
    lanes: dict[UUID, list[m.Lane]] = {}
    for lane in m.Lane.objects.filter(site=site).order_by("mode"):
        lanes.setdefault(lane.hub_id, []).append(lane)
    near = {hub.pk: hub for hub in m.Hub.objects.filter(Q(site=site) | Q(pk__in=list(lanes)))}
    offers = m.Offer.objects.filter(group=part.group, ended_at=None).select_related("vendor", "model")
    parts = {p.pk: p for p in (*group, *beside.select_related("model"))}
    order = sorted(near, key=lambda key: near[key].name)
    read = list(offers.order_by("vendor__name", "channel", "id"))
    found = Scene(need, site, part, now, chain_of(site), installed, compat, parts, near, order, lanes, read)
    for hub_id, part_id in _at_hubs(found).order_by().values_list("hub_id", "part_id").distinct():
        _quickest(found, found.hub(hub_id), parts[part_id])
    return found


def view(found: Scene) -> tuple[Lead, ...]:
    """Every way to fill the need as things stand now: each unit at a hub, each hub with none, each vendor's offer."""
    units = stock(found)
    leads = [_of_unit(found, unit) for unit in units]
    filled = {unit.hub_id for unit in units}
    leads += [_of_empty(found, found.hubs[key]) for key in found.near if key not in filled]
    return (*leads, *(_of_offer(found, offer) for offer in found.offers))


def stock(found: Scene) -> list[Stocked]:
    """The units at hubs that may serve, by serial, each with its live reservation: one read."""
    held = FilteredRelation("reservations", condition=Q(reservations__state="held"))
    holders = ("held__incident_id", "held__incident_name", "held__reserved_at")
    rows = _at_hubs(found).annotate(held=held).order_by("serial").values_list(*UNIT_COLUMNS, *holders)
    return [Stocked(*row) for row in rows]


def _at_hubs(found: Scene) -> QuerySet[m.Unit]:
    return m.Unit.objects.filter(hub__isnull=False, part__in=list(found.parts)).exclude(state__in=GONE)


def asked(found: Scene, leads: Sequence[Lead]) -> rules.Need:
    """The need as the rules take it; where break-glass stock stands among the leads, with the incident's release."""
    need, units = found.need, [lead.candidate.unit for lead in leads]
    is_glass = any(unit is not None and unit.break_glass for unit in units)
    opened = m.Release.objects.filter(incident_id=need.incident_id).first() if is_glass else None
    return rules.Need(
        found.part.group,
        found.site.name,
        found.site.zone,
        found.now,
        need.limit_at,
        need.product_at_stake,
        found.part.calibrated,
        need.max_check_age_s,
        rules.Release(opened.by_name, opened.role, opened.reason) if opened else None,
    )


def chain_of(site: Site) -> tuple[rules.ChainStep, ...]:
    """The approved chain of the site's service class, else the shipped one (which buys nothing unasked)."""
    held = m.SourcingRule.objects.filter(service_class=site.service_class.code).exclude(approved_at=None).first()
    if held is None:
        return rules.CHAIN
    return tuple(
        rules.ChainStep(tuple(s["channels"]), s.get("spend_limit"), bool(s.get("approved", True))) for s in held.chain
    )


def model_of(part: Part) -> str:
    """The model's name, or the part's code where the catalogue has no model."""
    return part.model.name if part.model is not None else part.code


def channel_of(hub: m.Hub, site_id: UUID) -> rules.Channel:
    """A cabinet at the site itself is local; every other hub is a hub, unless it is the central one."""
    if hub.tier == "central":
        return "central"
    return "local" if hub.site_id == site_id else "hub"


def _taken(found: Scene, unit: Stocked) -> str:
    """Who holds the unit: `INC-2042 at 03:09` in the site's time; "" when nobody does."""
    if unit.held_at is None:
        return ""
    name = unit.held_name or f"incident {unit.held_for}"
    return f"{name} at {local_words(unit.held_at, found.site.zone, seen_from=found.now)}"


def _rules(part: Part, group: Sequence[Part]) -> list[fit.Rule]:
    """The written rules for what is installed, and the group's own where none is written."""
    own = model_of(part)
    written = m.Replacement.objects.filter(installed=part.model).select_related("offered") if part.model else []
    found = [timetable.rule(own, row.offered.name, row.terms) for row in written]
    spoken = {rule.offered for rule in found}
    return found + [timetable.group_rule(own, model_of(p), p.needs) for p in group if model_of(p) not in spoken]


def _of_unit(found: Scene, unit: Stocked) -> Lead:
    hub, part = found.hub(unit.hub_id), found.parts[unit.part_id]
    lane, ready, refusal = _quickest(found, hub, part)
    view_of = rules.UnitView(
        str(unit.pk),
        unit.serial,
        unit.state,
        unit.break_glass,
        unit.certificate_until,
        unit.checked_at,
        _taken(found, unit),
    )
    judged, channel = _fit(found, hub, part, unit), channel_of(hub, found.site.pk)
    return _lead(found, hub.name, channel, judged, ready, refusal, view_of, hub=hub, lane=lane)


def _fit(found: Scene, hub: m.Hub, part: Part, unit: Stocked) -> fit.Fit:
    """Whether the unit fits; units that differ only by their serial are judged once."""
    plug = unit.connector or str(part.needs.get("connector", ""))
    lines = frozenset(map(str, unit.kit_lines))
    key = (hub.pk, part.pk, unit.revision, unit.firmware, plug, lines)
    if key not in found.fits:
        offered = fit.Offered(hub.name, model_of(part), unit.revision, unit.firmware, plug, lines)
        found.fits[key] = fit.fits(found.installed, offered, found.compat)
    return found.fits[key]


def _of_empty(found: Scene, hub: m.Hub) -> Lead:
    none = fit.Fit(hub.name, found.installed.model, "allowed", ("none on the shelf",))
    return Lead(_candidate(hub.name, channel_of(hub, found.site.pk), none, None, (), None, 0.0), hub=hub)


def _of_offer(found: Scene, offer: m.Offer) -> Lead:
    name = offer.vendor.name
    if offer.model is None:
        judged = fit.Fit(name, "", "conditional", ("the vendor names the model: compare it before it is ordered",))
    else:
        judged = fit.fits(found.installed, fit.Offered(name, offer.model.name), found.compat)
    crew = found.crew(found.part)
    ready, refusal = _ready(found, ("offer", offer.pk), lambda: paths.by_offer(offer, found.site, found.part, crew))
    channel: rules.Channel = "vendor" if offer.channel == "vendor" else "purchase"
    return _lead(found, name, channel, judged, ready, refusal, None, offer=offer, cost=float(offer.cost))


def _quickest(found: Scene, hub: m.Hub, part: Part) -> Way:
    """The lane that restores first; where every lane refuses, the first refusal."""
    key = (hub.pk, part.pk)
    if key not in found.quickest:
        found.quickest[key] = _reckoned(found, hub, part)
    return found.quickest[key]


def _reckoned(found: Scene, hub: m.Hub, part: Part) -> Way:
    ways: list[m.Lane | None] = list(found.lanes.get(hub.pk, ()))
    if hub.site_id == found.site.pk:
        ways.insert(0, None)
    if not ways:
        return None, None, f"{hub.name} refused: there is no lane from it to {found.site.name}."
    crew = found.crew(part)
    tried = [
        (lane, *_ready(found, (hub.pk, lane.pk if lane else None, part.pk), _way(found, hub, lane, part, crew)))
        for lane in ways
    ]
    usable = [(ready.p90_at, n) for n, (_, ready, _) in enumerate(tried) if ready is not None and ready.p90_at]
    return tried[min(usable)[1]] if usable else tried[0]


def _way(found: Scene, hub: m.Hub, lane: m.Lane | None, part: Part, crew: Sequence[Person]) -> Callable[[], Path]:
    return lambda: paths.by_lane(hub, lane, found.site, part, crew)


def _ready(found: Scene, key: tuple[Any, ...], way: Callable[[], Path]) -> tuple[Restore | None, str]:
    """When this way restores service; unreadable hours refuse the way and never stop the others."""
    if key not in found.ready:
        try:
            found.ready[key] = (_restored(way(), found.now), "")
        except BadInput as bad:
            found.ready[key] = (None, f"Refused: {bad.message} {bad.next_step}")
    return found.ready[key]


_restored = lru_cache(maxsize=512)(restore)  # pure: incidents of one instant that share a way share its answer


def _lead(
    found: Scene,
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
    if key not in found.assumed:
        found.assumed[key] = paths.assumptions(found.site, found.part, hub, found.crew(found.part))
    assumed = found.assumed[key]
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
