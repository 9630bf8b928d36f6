"""The business case out of the record: each incident that needed a part, what it cost, and what the old way would have.

The old way is modelled and says so: a unit from the nearest central hub or from a vendor, whichever restores sooner in
the middle of a week's hours, as if no hub nearer had one. Freight and travel are what lanes and orders say they cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from waystation.incidents.models import Incident
from waystation.incidents.rules.feedback import Summary, summary
from waystation.journeys import demand as journey
from waystation.journeys import feedback
from waystation.journeys.reach import HOUR, Need, site_needs
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotReady
from waystation.planning.rules import business as rules
from waystation.planning.rules import periods
from waystation.registry.models import Site
from waystation.spares.models import Dispatch, Hub, Order, Reservation, Round, Unit
from waystation.spares.queries import hubs, service_areas
from waystation.spares.ways import Way

DAY = timedelta(days=1)
NOTHING = summary((), 0)
METHOD = (
    "Old way: one unit from the nearest central hub or from a vendor, whichever restores sooner in the middle of the "
    "hours of a week, as if no nearer hub had one; its freight by the lane's or the offer's price."
)
TARGETS = {"emergency shipments a month": 0.40, "typical hours to restored service": 0.25}


@dataclass(frozen=True, slots=True)
class BusinessCase:
    """Over [start, end): buckets with their incidents, each against the old way, break-even or why there is none."""

    start: datetime
    end: datetime
    cases: tuple[rules.Case, ...]
    buckets: tuple[rules.Sum, ...]
    against: tuple[rules.Against, ...]
    capital: float
    unpriced_units: int
    break_even: rules.BreakEven | None
    no_break_even: str
    repeats: int
    escalations: int
    method: str = METHOD


@dataclass(frozen=True, slots=True)
class Region:
    """A region of a pilot: its place (dense or dispersed), the comparison or why it is refused, and the targets."""

    hub: str
    place: str
    compared: rules.Compared | None
    refused: str
    progress: tuple[rules.Progress, ...]
    heard: tuple[Summary, Summary]  # what technicians said of repairs closed before, and after


def business_case(by: Authority, rates: rules.Rates, *, days: int, now: datetime) -> BusinessCase:
    """What the last `days` days cost and saved. Money stands only where the rates that it needs are given."""
    by.require("planning.read")
    by.require("service_levels.read")
    found = cases(by, since=periods.last(days, now), now=now)
    capital, unpriced = _capital()
    told, why = None, ""
    try:
        told = rules.break_even(found, rates, capital, float(days))
    except NotReady as refusal:
        why = f"{refusal.message} {refusal.next_step}"
    return BusinessCase(
        now - days * DAY,
        now,
        tuple(found),
        rules.buckets(found, rates),
        rules.against_old(found, rates),
        capital,
        unpriced,
        told,
        why,
        rules.repeats(found),
        sum(c.is_emergency for c in found),
    )


def cases(by: Authority, *, since: datetime, now: datetime) -> list[rules.Case]:
    """Each incident of a period for which a part was looked for, oldest first."""
    asked = set(Round.objects.values_list("incident_id", flat=True))
    rows = Incident.objects.filter(pk__in=asked, opened_at__gte=since, opened_at__lt=now).order_by(
        "opened_at", "number"
    )
    incidents = list(rows.select_related("site__service_class", "device__part"))
    where = journey.served(by)
    freight, elsewhere = _freight({i.pk for i in incidents}), _elsewhere({i.pk for i in incidents}, where)
    needs = {(n.site, n.group): n for n in site_needs(by, now=now)} if incidents else {}
    central = set(Hub.objects.filter(tier="central").values_list("code", flat=True))
    found = []
    for row in incidents:
        hub = where.first.get(row.site_id)
        group = row.device.part.group if row.device and row.device.part else ""
        old = _old(needs.get((row.site.code, group)), central)
        restored = row.service_restored_at or row.resolved_at
        found.append(
            rules.Case(
                row.name,
                hub.code if hub else "no hub",
                (row.opened_at - since) / DAY,
                None if restored is None else max(0.0, (restored - row.opened_at) / timedelta(hours=1)),
                row.site.service_class.recovery_h,
                freight.get(row.pk, 0.0),
                row.pk in elsewhere,
                old.seconds[len(old.seconds) // 2] / HOUR if old else None,
                old.trip_cost if old else None,
                row.cause,
                row.site.code,
            )
        )
    return found


def _old(need: Need | None, central: set[str]) -> Way | None:
    """The old way of a need: the quickest in the middle among central hubs and vendors; None where none gets there."""
    if need is None:
        return None
    able = [w for w in need.ways if w.p90_s is not None and (w.kind == "vendor" or w.code in central)]
    return min(able, key=lambda w: (w.seconds[len(w.seconds) // 2], w.code), default=None)


def _freight(asked: set[UUID]) -> dict[UUID, float]:
    """What lanes and confirmed orders cost, by incident."""
    found: dict[UUID, float] = {}
    for key, cost in Dispatch.objects.filter(incident_id__in=asked, lane__isnull=False).values_list(
        "incident_id", "lane__cost"
    ):
        if key is not None and cost is not None:
            found[key] = found.get(key, 0.0) + float(cost)
    for key, cost in Order.objects.filter(incident_id__in=asked, state__in=["confirmed", "received"]).values_list(
        "incident_id", "cost"
    ):
        found[key] = found.get(key, 0.0) + float(cost)
    return found


def _elsewhere(asked: set[UUID], where: journey.Served) -> set[UUID]:
    """Incidents that another place than the hub that serves their site filled: emergencies."""
    found = set(
        Order.objects.filter(incident_id__in=asked).exclude(state="canceled").values_list("incident_id", flat=True)
    )
    for row in Reservation.objects.filter(incident_id__in=asked, dispatch__isnull=False).select_related("dispatch"):
        hub = where.first.get(row.site_id) if row.site_id else None
        if hub is not None and row.dispatch.from_hub_id != hub.pk:
            found.add(row.incident_id)
    return found


def _capital() -> tuple[float, int]:
    """What the units on the shelves cost, and how many of them have no price."""
    costs = list(
        Unit.objects.filter(hub__isnull=False, state__in=["stocked", "reserved"]).values_list("part__unit_cost")
    )
    return float(sum(c for (c,) in costs)), sum(c <= 0 for (c,) in costs)


def pilot(by: Authority, *, split: datetime, days: int, now: datetime) -> list[Region]:
    """Two regions before and after a day: the densest and the most dispersed, by the travel of their sites."""
    by.require("planning.read")
    by.require("service_levels.read")
    start = periods.before(split, days, now)
    found = cases(by, since=start, now=now)
    named = _places(by)
    said = [{h.hub: h.told for h in feedback.between(by, *span).hubs} for span in ((start, split), (split, now))]
    spans = (start, split, now)
    return [
        _region(hub, place, [c for c in found if c.region == hub], spans, [s.get(hub, NOTHING) for s in said])
        for hub, place in named
    ]


def _places(by: Authority) -> list[tuple[str, str]]:
    """The hub whose sites are nearest and the one whose sites are furthest, by the nine-of-ten travel in the middle."""
    codes = {hub.pk: hub.code for hub in hubs(by)}
    first = {site: hub.code for site, hub in journey.served(by).first.items()}
    served = set(first.values())
    ids = dict(Site.objects.values_list("code", "pk"))
    middle = {}
    for key, reached in service_areas(by).items():
        mine = sorted(r.p90_s for r in reached if first.get(ids[r.site]) == codes[key])
        if codes[key] in served and mine:
            middle[codes[key]] = mine[len(mine) // 2]
    ranked = sorted(middle, key=lambda code: (middle[code], code))
    return [(ranked[0], "dense"), (ranked[-1], "dispersed")] if len(ranked) > 1 else [(c, "only") for c in ranked]


def _region(
    hub: str, place: str, mine: list[rules.Case], spans: tuple[datetime, datetime, datetime], said: list[Summary]
) -> Region:
    start, split, now = spans
    before, after, heard = (split - start) / DAY, (now - split) / DAY, (said[0], said[1])
    try:
        told = rules.compared(hub, mine, before, before, after)
    except NotReady as refusal:
        return Region(hub, place, None, f"{refusal.message} {refusal.next_step}", (), heard)
    steps = tuple(rules.progress(c, TARGETS[c.measure]) for c in told.changes)
    return Region(hub, place, told, "", steps, heard)
