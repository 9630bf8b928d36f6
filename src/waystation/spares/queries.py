"""Reading stock: by hub and group, a unit's whole life, the hub desk, an incident's candidates, short shelves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, Q, QuerySet

from waystation.kernel.authority import Authority
from waystation.registry.models import Site
from waystation.registry.queries import one
from waystation.spares import models as m
from waystation.spares import paths, rounds
from waystation.spares.rounds import Attempt
from waystation.spares.rules import minimum, timetable
from waystation.spares.rules.restore import Reach, reach

ON_HAND = ("stocked", "reserved")


@dataclass(frozen=True, slots=True)
class Shelf:
    """One part at one hub: what is ready, and by state what lies there but is no cover."""

    hub: str
    group: str
    part: str
    ready: int
    not_cover: tuple[tuple[str, int], ...]
    break_glass: int


@dataclass(frozen=True, slots=True)
class Desk:
    """What the hub desk has to do, in the order in which it is due."""

    to_pick: tuple[m.Dispatch, ...]
    on_the_way: tuple[m.Dispatch, ...]
    returns_due: tuple[m.Return, ...]
    to_check: tuple[m.Unit, ...]
    conflicts: tuple[m.Scan, ...]


def hubs(by: Authority) -> list[m.Hub]:
    """Every hub, by name."""
    by.require("spares.read")
    return list(m.Hub.objects.select_related("site"))


@dataclass(frozen=True, slots=True)
class Reached:
    """A site in a hub's service area: the quickest lane, and the travel time that nine of ten trips keep."""

    site: str
    mode: str
    p90_s: float


def service_areas(by: Authority) -> dict[UUID, tuple[Reached, ...]]:
    """By hub, the sites that it has a lane to, nearest first; a cabinet serves its own site at once."""
    by.require("spares.read")
    found: dict[UUID, dict[str, Reached]] = {}
    for hub in m.Hub.objects.exclude(site=None).select_related("site"):
        if hub.site is not None:
            found[hub.pk] = {hub.site.code: Reached(hub.site.code, "in_person", 0.0)}
    for lane in m.Lane.objects.select_related("site"):
        one_way = Reached(lane.site.code, lane.mode, timetable.law(lane.quantiles, lane.source).at(0.9))
        held = found.setdefault(lane.hub_id, {}).get(one_way.site)
        if held is None or one_way.p90_s < held.p90_s:
            found[lane.hub_id][one_way.site] = one_way
    return {key: tuple(sorted(sites.values(), key=lambda r: (r.p90_s, r.site))) for key, sites in found.items()}


def hub(by: Authority, key: UUID | str) -> m.Hub:
    """One hub by id or code."""
    by.require("spares.read")
    return one(m.Hub, key)


def unapproved_chains(by: Authority) -> list[m.SourcingRule]:
    """The chains of service classes that nobody has approved as they stand."""
    by.require("spares.read")
    return list(m.SourcingRule.objects.filter(approved_at=None).order_by("service_class"))


def unit(by: Authority, key: UUID | str) -> m.Unit:
    """One unit by id or serial."""
    by.require("spares.read")
    return one(m.Unit, key, by="serial", among=m.Unit.objects.select_related("part", "hub", "site"))


def units(by: Authority, *, hub_id: UUID | None = None, state: str = "", group: str = "") -> list[m.Unit]:
    """Units by place, state and group; at most 1 000. Break-glass stock is shown only to those who may release it."""
    by.require("spares.read")
    rows = _seen(by, m.Unit.objects.select_related("part", "hub", "site"))
    asked = {"hub_id": hub_id, "state": state, "part__group": group}
    return list(rows.filter(**{name: value for name, value in asked.items() if value})[:1000])


def stock(by: Authority, *, hub_id: UUID | None = None) -> tuple[Shelf, ...]:
    """By hub and part: only stocked units count as ready; everything else is listed with its state."""
    by.require("spares.read")
    rows = m.Unit.objects.filter(hub__isnull=False)
    rows = rows.filter(hub_id=hub_id) if hub_id else rows
    counted = (
        rows.values_list("hub__name", "part__group", "part__code", "state", "break_glass")
        .annotate(n=Count("pk"))
        .order_by("hub__name", "part__group", "part__code", "state")
    )
    shelves: dict[tuple[str, str, str], dict[str, int]] = {}
    sealed = by.may("spares.break_glass")
    for place, group, part, state, glass, count in counted:
        held = shelves.setdefault((place, group, part), {})
        name = "break glass" if glass else state
        if not glass or sealed:
            held[name] = held.get(name, 0) + count
    return tuple(
        Shelf(
            *key,
            states.get("stocked", 0),
            tuple((s, n) for s, n in sorted(states.items()) if s not in ("stocked", "break glass")),
            states.get("break glass", 0),
        )
        for key, states in shelves.items()
        if states
    )


def on_hand(group: str, hub_id: UUID | None = None) -> dict[str, int]:
    """How many units of a group are ready, reserved, in transit: every unit counted once, by its state."""
    rows = m.Unit.objects.filter(part__group=group)
    rows = rows.filter(hub_id=hub_id) if hub_id else rows
    return dict(rows.values_list("state").annotate(n=Count("pk")).order_by("state"))


def shelves(group: str = "") -> tuple[minimum.Shelf, ...]:
    """Every target judged at its own hub by its own stock; the sum over hubs says nothing."""
    targets = m.StockTarget.objects.select_related("hub")
    targets = targets.filter(group=group) if group else targets
    bounds = [
        minimum.Bounds(t.hub.name, t.group, t.minimum, t.maximum, t.band, t.break_glass)
        for t in targets.order_by("hub__name", "group")
    ]
    counted = (
        m.Unit.objects.filter(hub__isnull=False)
        .values_list("hub__name", "part__code", "state", "break_glass", "part__group")
        .annotate(n=Count("pk"))
        .order_by("hub__name", "part__code", "state")
    )
    held = [minimum.Held(place, part, state, n, glass) for place, part, state, glass, _, n in counted]
    return minimum.shelves(held, bounds, {part: group for _, part, _, _, group, _ in counted})


def alerts(by: Authority, group: str = "") -> tuple[minimum.Shelf, ...]:
    """The shelves below their minimum, most critical band first."""
    by.require("spares.read")
    return minimum.alerts(shelves(group))


def timeline(by: Authority, unit_id: UUID) -> list[m.Custody]:
    """One unit's whole life in order: hubs, ways, sites, returns, disposal."""
    by.require("spares.read")
    return list(m.Custody.objects.filter(unit_id=unit_id))


def desk(by: Authority, hub_id: UUID) -> Desk:
    """The lists of one hub."""
    by.require("spares.read")
    live = m.Dispatch.objects.filter(from_hub_id=hub_id, ended_at=None).select_related(
        "unit__part", "to_site", "to_hub"
    )
    due = m.Return.objects.filter(to_hub_id=hub_id, received_at=None, ended_at=None).select_related("unit__part")
    scans = m.Scan.objects.filter(Q(hub_id=hub_id) | Q(hub=None), outcome="conflict")
    return Desk(
        tuple(live.filter(state="planned").order_by("promised_at")),
        tuple(live.filter(state__in=["picked", "in_transit", "delivered"]).order_by("promised_at")),
        tuple(due.order_by("due_at")),
        tuple(m.Unit.objects.filter(hub_id=hub_id, state="received").select_related("part")),
        tuple(scans.order_by("scanned_at")),
    )


def candidates(by: Authority, incident_id: UUID) -> list[Attempt]:
    """The candidates of the newest round of an incident, in the order of the decision."""
    by.require("spares.read")
    last = rounds.newest(incident_id)
    return list(rounds.attempts(last)) if last else []


def of_incident(by: Authority, incident_id: UUID) -> dict[str, Sequence[Any]]:
    """Reservations, dispatches, orders and returns of an incident."""
    by.require("spares.read")
    return {
        "reservations": list(m.Reservation.objects.filter(incident_id=incident_id).select_related("unit__part")),
        "dispatches": list(
            m.Dispatch.objects.filter(incident_id=incident_id).select_related(
                "unit__part", "from_hub", "to_site__service_class", "to_hub", "lane"
            )
        ),
        "orders": list(m.Order.objects.filter(incident_id=incident_id).select_related("offer__vendor")),
        "returns": list(m.Return.objects.filter(incident_id=incident_id).select_related("unit__part")),
    }


def installed_at(by: Authority, incident_id: UUID) -> datetime | None:
    """When a unit was last installed for the incident; None while none was."""
    by.require("spares.read")
    ended = m.Dispatch.objects.filter(incident_id=incident_id, state="installed", ended_at__isnull=False)
    return ended.order_by("-ended_at").values_list("ended_at", flat=True).first()


def dispatch(by: Authority, dispatch_id: UUID) -> m.Dispatch:
    """One dispatch with unit, hub, site and reservation."""
    by.require("spares.read")
    rows = m.Dispatch.objects.select_related("unit__part", "from_hub", "to_site", "to_hub", "reservation", "lane")
    return one(m.Dispatch, dispatch_id, among=rows)


def can_be_reached(by: Authority, site_id: UUID, part: Any, within_s: float, week_start: datetime) -> tuple[Reach, ...]:
    """ "Can this site be reached within T from anywhere?" By lane, over every hour of a week, best first."""
    by.require("spares.read")
    site = one(Site, site_id)
    lanes = m.Lane.objects.filter(site=site).select_related("hub").order_by("hub__name", "mode")
    crew = paths.qualified(part.qualification)
    ways = [paths.by_lane(lane.hub, lane, site, part, crew) for lane in lanes]
    ways += [paths.by_lane(cabinet, None, site, part, crew) for cabinet in m.Hub.objects.filter(site=site)]
    return reach(tuple(ways), week_start, within_s)


def _seen(by: Authority, rows: Any) -> Any:
    return rows if by.may("spares.break_glass") else rows.filter(break_glass=False)


def live_dispatches(*, beside: Collection[UUID] = ()) -> list[m.Dispatch]:
    """Dispatches to sites that have not ended, oldest first; those `beside` are left out."""
    rows = m.Dispatch.objects.filter(ended_at=None, to_site__isnull=False)
    if set(rows.values_list("pk", flat=True)) <= set(beside):
        return []
    rows = rows.exclude(pk__in=list(beside))
    return list(rows.select_related("unit__part", "from_hub", "to_site", "lane", "reservation").order_by("planned_at"))


def all_dispatches() -> list[m.Dispatch]:
    """Every dispatch to a site, oldest first."""
    rows = m.Dispatch.objects.filter(to_site__isnull=False).select_related("unit", "from_hub", "to_site")
    return list(rows.order_by("planned_at"))


def dispatches_between(start: datetime, end: datetime) -> list[m.Dispatch]:
    """The dispatches to sites that were planned in [start, end), oldest first."""
    rows = m.Dispatch.objects.filter(to_site__isnull=False, planned_at__gte=start, planned_at__lt=end)
    return list(rows.select_related("unit__part", "from_hub").order_by("planned_at", "pk"))


def custody_between(start: datetime, end: datetime) -> QuerySet[m.Custody]:
    """Every change of hands or state in [start, end), oldest first; to be read in chunks."""
    return m.Custody.objects.filter(at__gte=start, at__lt=end).select_related("unit").order_by("at", "pk")


def first_custody(unit_ids: Collection[UUID]) -> dict[UUID, UUID]:
    """The first custody row of each of some units, by unit."""
    found: dict[UUID, UUID] = {}
    rows = m.Custody.objects.filter(unit_id__in=unit_ids).order_by("at", "pk").values_list("unit_id", "pk")
    for unit_id, pk in rows:
        found.setdefault(unit_id, pk)
    return found


def all_returns() -> list[m.Return]:
    """Every return with its unit, oldest first."""
    return list(m.Return.objects.select_related("unit").order_by("pk"))
