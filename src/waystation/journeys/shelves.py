"""Every shelf with its forecast: what is asked of a part group at a hub, as a whole law over its lead time."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db.models import Count

from waystation.journeys import demand as journey
from waystation.kernel.authority import Authority
from waystation.planning import models as m
from waystation.planning import queries as planning
from waystation.planning.rules.counts import Array
from waystation.planning.rules.demand import forecast as rules
from waystation.planning.rules.demand.ages import Ageing, Ages, ageing
from waystation.planning.rules.demand.leadtime import (
    DAYS_PER_MONTH,
    Dated,
    LeadTimeDemand,
    lead_time_demand,
    lead_times,
    measured,
)
from waystation.planning.rules.demand.needs import by_mode, calendar, monthly, months_on_record
from waystation.planning.rules.demand.seasons import Season, season
from waystation.planning.rules.living.outlook import Stock, Use
from waystation.planning.rules.living.points import Scenario, Sized, size
from waystation.registry.models import Part, Site
from waystation.spares import models as stock

NETWORK = "whole network"  # what sets a point whose plan placed every hub's stock at once
COVER, LEAD_DAYS = 0.95, ((0.5, 14.0), (0.9, 21.0))  # where no class and no lead time is known
ENOUGH_MEASURED = 5
NO_NEEDS = rules.Rate(0.0, 1.0, 0.0, "what other hubs ask for", 0.0, 0, 0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Shelf:
    """One part group at one hub with everything that sizes it."""

    hub: stock.Hub
    group: str
    rate: rules.Rate
    law: LeadTimeDemand
    cover: float
    floor: int
    lead_source: str
    season: Season
    ageing: Ageing
    modes: Mapping[str, int]
    unit_cost: float
    ready: int
    point: m.PolicyPoint | None
    fed: LeadTimeDemand | None = None  # with what the hubs below ask of it, where the whole network is planned at once

    @property
    def total(self) -> LeadTimeDemand:
        """Everything that is asked of the shelf: by its own sites, and by the hubs that it feeds."""
        return self.fed or self.law

    @property
    def only_feeds(self) -> bool:
        """Whether nothing but other hubs asks anything of it."""
        return self.fed is not None and self.law.mean <= 0.0

    @property
    def own_per_day(self) -> float:
        """Units a day that its own sites ask for over a lead time that starts now."""
        return self.law.mean / max(float(np.mean(self.law.lead_time_days)), 1e-9)

    @property
    def lead_p90_days(self) -> float:
        """The lead time that nine in ten orders keep, in days."""
        return float(np.quantile(self.law.lead_time_days, 0.9))

    def figures(self, sized: Sized) -> dict[str, Any]:
        """What stands behind the point, as a plan keeps it."""
        return {
            "per_day": self.rate.per_day,
            "dispersion": self.rate.dispersion,
            "doubt": self.rate.doubt,
            "per": self.rate.per,
            "seen": self.rate.seen,
            "months": self.rate.months,
            "drift": self.rate.drift,
            "lead_time_p90_days": self.lead_p90_days,
            "lead_time_source": self.lead_source,
            "lead_time_mean": self.total.mean,
            "contributions": [[c.kind, c.name, c.units, c.words] for c in self.total.contributions],
            "cover_asked": self.cover,
            "cover": sized.cover,
            "base": sized.base,
            "safety": sized.safety,
            "buffer": sized.buffer,
            "set_by": sized.set_by,
            "steps": list(sized.steps),
            "season": self.season.words,
            "ageing": self.ageing.words,
            "modes": dict(self.modes),
        }

    def as_stock(self) -> Stock:
        """The shelf as outlook, excess and stress look at it."""
        least, level = (self.point.reorder_point + 1, self.point.order_up_to) if self.point else (0, 0)
        per_day = self.total.mean / max(float(np.mean(self.law.lead_time_days)), 1e-9)
        use = Use(per_day, self.rate.dispersion, self.rate.doubt)
        return Stock(self.hub.code, self.group, self.ready, least, level, self.unit_cost, use, self.lead_p90_days)


@dataclass(frozen=True, slots=True)
class Choice:
    """The units that cover a lead time of one shelf, and who or what chose them, in words.

    With the whole network planned at once also the law of what is outstanding at the shelf, the mean days that a unit
    is awaited there, the budget that held, and whether needs were left to vendors.
    """

    least: int
    why: str
    set_by: str = "budget"
    law: Array | None = None
    wait_days: float | None = None
    budget: float | None = None
    vendors: bool = False


def sized(shelf: Shelf, scenario: Scenario | None = None) -> Sized:
    """The point that the shelf's own law asks for."""
    return size(shelf.law, shelf.cover, floor=shelf.floor, scenario=scenario)


def by_network(point: m.PolicyPoint | None) -> bool:
    """Whether a live point was set by a plan of the whole network."""
    return point is not None and point.figures.get("set_by") == NETWORK


def look(by: Authority, *, now: datetime, centre: str = "") -> tuple[list[Shelf], journey.Demand]:
    """Every shelf that something is asked of, held at, or installed for, with its forecast.

    `centre`: a hub that is looked at as feeding all others; else a central hub feeds where its point was set that way.
    """
    where = journey.served(by)
    told = journey.gather(by, where, now=now)
    base = journey.installed(where)
    hubs = {hub.code: hub for hub in stock.Hub.objects.all()}
    points = {(p.hub, p.group): p for p in planning.points(by)}
    months = max(12, months_on_record(told.needs, now, journey.MONTHS))
    counts = monthly(told.needs, now, months)
    targets = set(stock.StockTarget.objects.filter(break_glass=False).values_list("hub__code", "group"))
    ready = _ready()
    keys = sorted(k for k in {*counts, *base, *points, *targets, *ready} if k[0] in hubs)
    feeding = {k for k in keys if hubs[k[0]].tier == "central" and by_network(points.get(k))}
    if centre:
        feeding |= {(centre, group) for _, group in keys}
        keys = sorted({*keys, *feeding})
    asked = {k for k in keys if k in base or k in counts or k not in feeding}
    ahead = planning.expectations(by, now)
    facts = _Facts(now, base, counts, months, ahead)
    by_group = {group: [k for k in keys if k[1] == group] for group in sorted({k[1] for k in keys})}
    old = {group: _ageing(facts, some) for group, some in by_group.items()}
    rates = {group: _rates(facts, [k for k in some if k in asked], old[group]) for group, some in by_group.items()}
    seasons = {group: season(*calendar(told.needs, group, now)) for group in rates}
    prices, leads = _prices(), leads_by_shelf(now)
    sites = {s.pk: s for s in Site.objects.select_related("service_class")}
    shelves = []
    for hub, group in keys:
        rate, held = rates[group].get(hub, NO_NEEDS), base.get((hub, group))
        days, source = leads.get((hub, group)) or leads.get(("", group)) or (lead_times(LEAD_DAYS), "assumed")
        law = _law(facts, hub, group, rate, days, (old[group], seasons[group]))
        classes = [sites[s].service_class for s in (held.sites if held else ())]
        shelves.append(
            Shelf(
                hubs[hub],
                group,
                rate,
                law,
                max((c.cover_probability for c in classes), default=COVER),
                int(any(c.rank == 1 for c in classes)),
                source,
                seasons[group],
                old[group],
                by_mode(told.needs, hub, group),
                prices.get(group, 0.0),
                ready.get((hub, group), 0),
                points.get((hub, group)),
            )
        )
    return [_feeding(s, shelves) if (s.hub.code, s.group) in feeding else s for s in shelves], told


def _feeding(centre: Shelf, shelves: Sequence[Shelf]) -> Shelf:
    """The shelf with everything that all hubs are asked for: each unit that they give is ordered from it."""
    mine = [s for s in shelves if s.group == centre.group]
    uses = [s.as_stock().use for s in mine]
    days = centre.law.lead_time_days
    spread = (max(u.dispersion for u in uses), max(u.doubt for u in uses))
    fed = lead_time_demand(math.fsum(u.per_day for u in uses), spread[0], days, doubt=spread[1])
    rate = replace(centre.rate, dispersion=spread[0], doubt=spread[1])
    return replace(centre, rate=rate, cover=max(s.cover for s in mine), fed=fed)


@dataclass(frozen=True, slots=True)
class _Facts:
    now: datetime
    base: Mapping[tuple[str, str], journey.Installed]
    counts: Mapping[tuple[str, str], Any]
    months: int
    ahead: Sequence[m.Expectation]

    def ages(self, key: tuple[str, str]) -> Ages:
        """Units of a shelf's sites by month and age."""
        return journey.ages_by_month(self.base[key], self.now, self.months)

    def came(self, key: tuple[str, str]) -> Any:
        """Units that a shelf was asked for, by month."""
        return self.counts.get(key, np.zeros(self.months))


def _ageing(facts: _Facts, keys: Sequence[tuple[str, str]]) -> Ageing:
    held = [k for k in keys if k in facts.base]
    return ageing([facts.came(k) for k in held], [facts.ages(k) for k in held])


def _rates(facts: _Facts, keys: Sequence[tuple[str, str]], old: Ageing) -> dict[str, rules.Rate]:
    places = {}
    for key in keys:
        held = facts.base.get(key)
        worth = old.worth(facts.ages(key)) if held else None
        places[key[0]] = rules.Place(facts.came(key), worth, float(held.now) if held else None)
    return rules.family_rates(places)


def _of_age(facts: _Facts, held: journey.Installed, old: Ageing, days: float) -> rules.Known:
    """What the ages of the units add, or take away, in the middle of a lead time."""
    ages = [(journey.months_old(f.on, facts.now), f.units) for f in held.fitted]
    told = [age for age, units in ages if age is not None and age >= 0.0 for _ in range(units)]
    factor = old.factor(told, float(held.now - len(told)), days / 2.0 / DAYS_PER_MONTH)
    return rules.Known("installed base", "age of the units", facts.now, None, factor, 1.0)


def _law(
    facts: _Facts, hub: str, group: str, rate: rules.Rate, days: Sequence[float], moving: tuple[Ageing, Season]
) -> LeadTimeDemand:
    held, (old, found) = facts.base.get((hub, group)), moving
    mine = [e for e in facts.ahead if e.region in ("", hub) and e.family in ("", group)]
    known = [k for e in mine if (k := _known(e, held)) is not None]
    per_day = rate.per_day
    if held is not None and held.now and old.believed and rate.per == "installed unit":
        known.append(_of_age(facts, held, old, float(np.mean(days))))
    if held is not None and held.coming and rate.per == "installed unit":
        if held.now == 0:  # nothing is in use yet: the family's own rate for what is coming
            per_day = rate.group_per_month * rate.drift * held.coming / DAYS_PER_MONTH
        else:
            factor = (held.now + held.coming) / held.now
            known.append(rules.Known("rollout", "sites being onboarded", facts.now, None, factor, 1.0))
    work = [
        Dated(e.name, (e.from_at - facts.now).total_seconds() / 86400.0, e.units, e.chance)
        for e in mine
        if e.kind == "dated_work" and e.from_at >= facts.now
    ]
    moved = rules.changes(known, found, facts.now, max(days))
    return lead_time_demand(per_day, rate.dispersion, days, doubt=rate.doubt, changes=moved, dated=work)


def _known(row: m.Expectation, held: journey.Installed | None) -> rules.Known | None:
    if row.kind == "context":
        return rules.Known("context", row.name, row.from_at, row.until, row.factor, row.part)
    if row.kind == "defect_window":
        return rules.Known("defect window", row.name, row.from_at, row.until, row.factor, row.part)
    if row.kind == "rollout" and held is not None and held.now > 0:
        factor = max(0.0, 1.0 + row.units / held.now)
        return rules.Known("rollout" if row.units > 0 else "refresh", row.name, row.from_at, row.until, factor, 1.0)
    return None


def _ready() -> dict[tuple[str, str], int]:
    units = stock.Unit.objects.filter(state="stocked", break_glass=False, hub__isnull=False)
    rows = units.values_list("hub__code", "part__group").annotate(n=Count("pk")).order_by("hub__code", "part__group")
    return {(hub, group): n for hub, group, n in rows}


def _prices() -> dict[str, float]:
    """The dearest part of each group: capital is not talked down."""
    found: dict[str, float] = {}
    for group, cost in Part.objects.values_list("group", "unit_cost"):
        found[group] = max(found.get(group, 0.0), float(cost))
    return found


def leads_by_shelf(now: datetime) -> dict[tuple[str, str], tuple[tuple[float, ...], str]]:
    """Lead times in days by (hub, group), and by group alone: measured transfers where there are five, else offers."""
    taken: dict[tuple[str, str], list[float]] = {}
    moves = stock.Dispatch.objects.filter(to_hub__isnull=False, delivered_at__isnull=False, delivered_at__lte=now)
    for hub, group, start, end in moves.values_list("to_hub__code", "unit__part__group", "planned_at", "delivered_at"):
        if end is not None:
            taken.setdefault((hub, group), []).append(max((end - start) / timedelta(days=1), 1e-3))
    found = {
        key: (measured(days), f"measured, {len(days)} transfers")
        for key, days in taken.items()
        if len(days) >= ENOUGH_MEASURED
    }
    for offer in stock.Offer.objects.filter(ended_at=None, channel="vendor").order_by("-cost"):
        days = [(float(p), float(s) / 86400.0) for p, s in offer.quantiles]
        found["", offer.group] = (lead_times(days), f"{offer.source}, offer of a vendor")
    return found
