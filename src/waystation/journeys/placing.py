"""Stock of the whole live network at once: a central hub that feeds the others, as one plan with a proven bound.

Top to bottom: the shelves with their forecasts and the needs by site, the tree that feeds them, the plan beside what
is live, what each shelf would ask for by itself, and what lies there today. Nothing is kept; `plan.propose_network`
makes a plan of it.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from waystation.journeys.demand import Demand
from waystation.journeys.redesign import Network, network_of
from waystation.journeys.shelves import LEAD_DAYS, NETWORK, Choice, Shelf, leads_by_shelf, look, sized
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotReady
from waystation.planning.rules.demand.leadtime import lead_times
from waystation.planning.rules.living import placing as rules
from waystation.planning.rules.living.vendors import Left, left
from waystation.registry.models import Site
from waystation.spares.models import Hub, StockTarget, Unit

TRANSIT_DAYS = 2.0  # from the centre to a hub, where fewer than five transfers were measured
WITHIN_S = 20.0


@dataclass(frozen=True, slots=True)
class Whole:
    """The placing with the network it is for, the tree under it, and hubs whose way from the centre is assumed.

    `supply` are equally likely days of supply to the centre by group; `stocks` are units by (hub, group), by name.
    """

    placing: rules.Placing
    drawn: Network
    tree: rules.Tree
    supply: Mapping[str, tuple[float, ...]]
    stocks: Mapping[str, Mapping[tuple[str, str], int]]
    centre: Hub
    assumed: tuple[str, ...]
    shelves: tuple[Shelf, ...]
    told: Demand
    budget: float | None
    by_vendors: Left | None  # None: nothing was to be left to them

    def choices(self) -> dict[tuple[str, str], Choice]:
        """What every priced shelf would hold, with why; empty where no stock keeps the limits."""
        per_day = {(s.hub.code, s.group): s.as_stock().use.per_day for s in self.shelves}
        return {(p.hub, p.group): self._choice(p, per_day.get((p.hub, p.group), 0.0)) for p in self.placing.shelves}

    def _choice(self, at: rules.Placed, per_day: float) -> Choice:
        mean = float(np.arange(len(at.law)) @ at.law)
        role = "stands behind every hub" if at.hub == self.centre.code else f"refilled from {self.centre.code}"
        if at.units == 0:
            why = "nothing is held: "
            why += "a unit elsewhere does more for the money" if mean > 0.0 else "nothing asks for it"
        elif at.units <= at.floor:
            why = f"{NETWORK}, {role}; the floor of its class"
        else:
            why = f"{NETWORK}, {role}; the last unit saves {at.gain:.2g} units waited for"
        return Choice(
            at.units,
            why,
            NETWORK,
            at.law,
            mean / per_day if per_day > 0.0 else 0.0,
            self.budget,
            self.by_vendors is not None,
        )

    def together(self) -> list[tuple[str, tuple[str, ...], float]]:
        """Hub, part groups and needs a year that take a unit of each of them at once."""
        found: dict[tuple[str, tuple[str, ...]], float] = {}
        for kit in self.drawn.kits:
            found[kit.hub, kit.groups] = found.get((kit.hub, kit.groups), 0.0) + kit.per_year
        return [(hub, groups, per_year) for (hub, groups), per_year in sorted(found.items())]

    def lent(self) -> list[tuple[str, str, tuple[str, ...]]]:
        """A hub that lends, the hub whose sites it lends to when that has nothing, and the sites."""
        home = {s.site: s.hub for s in self.drawn.streams if s.site}
        found: dict[tuple[str, str], list[str]] = {}
        for site, hubs in self.placing.lenders.items():
            for hub in hubs:
                found.setdefault((hub, home[site]), []).append(site)
        return [(hub, to, tuple(sorted(sites))) for (hub, to), sites in sorted(found.items())]

    def curve(self) -> tuple[tuple[float, float], ...]:
        """(capital, share restored in time) of what each amount of money would place."""
        brought = self.by_vendors or rules.NOTHING_LEFT
        return rules.curve(self.drawn.streams, self.drawn.terms, self.tree, self.drawn.kits, brought)


def place(by: Authority, *, now: datetime, budget: float | None = None, vendors: bool = False) -> Whole:
    """The least capital that keeps what every class asks for; with a budget, the least waiting within both.

    With `vendors`, what a vendor brings in time as surely as a site's own hub is left to them, and asked of no shelf.

    Refused without a central hub: nothing feeds anything then, and shelves are sized one by one. The search takes at
    most `WITHIN_S` seconds; the best so far is then given with its gap, and its status is `stopped`.
    """
    by.require("planning.read")
    centre = Hub.objects.filter(tier="central").order_by("code").first()
    if centre is None:
        raise NotReady(
            "planning.network", "No hub is central, so no hub feeds another.", "Size shelves one by one in the studio."
        )
    shelves, told = look(by, now=now, centre=centre.code)
    drawn = network_of(by, shelves, told, now=now)
    by_vendors = None
    if vendors:
        kept, by_vendors = left(drawn.streams, drawn.kits)
        drawn = dataclasses.replace(drawn, streams=kept)
    tree, supply, assumed = _tree(shelves, centre, now)
    live = {(s.hub.code, s.group): s.point.reorder_point + 1 for s in shelves if s.point}
    others = ({"Live policy": live} if live else {}) | {
        "Each shelf by itself": {(s.hub.code, s.group): sized(s).point.least for s in shelves},
        "On the shelves today": {(s.hub.code, s.group): s.ready for s in shelves},
    }
    until = time.monotonic() + WITHIN_S
    found = rules.placed(
        drawn.streams,
        drawn.terms,
        tree,
        others,
        kits=drawn.kits,
        budget=budget,
        brought=by_vendors or rules.NOTHING_LEFT,
        may_go_on=lambda: time.monotonic() < until,
    )
    return Whole(found, drawn, tree, supply, others, centre, assumed, tuple(shelves), told, budget, by_vendors)


def _tree(
    shelves: list[Shelf], centre: Hub, now: datetime
) -> tuple[rules.Tree, dict[str, tuple[float, ...]], tuple[str, ...]]:
    leads = leads_by_shelf(now)
    hubs = sorted(set(Hub.objects.values_list("code", flat=True)) - {centre.code})
    told = {hub: [float(np.mean(days)) for (to, _), (days, _) in leads.items() if to == hub] for hub in hubs}
    days_to = {hub: float(np.mean(days)) if days else TRANSIT_DAYS for hub, days in told.items()}
    supply: dict[str, tuple[float, ...]] = {}
    for group in {s.group for s in shelves}:
        supply[group] = (leads.get((centre.code, group)) or leads.get(("", group)) or (lead_times(LEAD_DAYS), ""))[0]
    sites = Site.objects.select_related("service_class")
    classes = {s.code: s.service_class for s in sites}
    floors = {(s.hub.code, s.group): s.floor for s in shelves if s.floor}
    tree = rules.Tree(
        centre.code,
        days_to,
        {group: float(np.mean(days)) for group, days in supply.items()},
        {code: c.code for code, c in classes.items()},
        {c.code: c.cover_probability for c in classes.values()},
        floors,
        {code: c.tolerable_outage_h for code, c in classes.items()},
        _slots(shelves),
    )
    return tree, supply, tuple(hub for hub in hubs if not told[hub])


def _slots(shelves: Sequence[Shelf]) -> dict[str, int]:
    """Slots of each hub that are not taken by what no plan moves: units for break-glass, and groups without a price."""
    told = {hub.code: hub.slots for hub in Hub.objects.all() if hub.slots is not None}
    glass = Unit.objects.filter(break_glass=True, state="stocked", hub__isnull=False)
    asked = StockTarget.objects.filter(break_glass=True).values_list("hub__code", "group", "minimum")
    lie = Counter(glass.values_list("hub__code", "part__group"))
    fixed: Counter[str] = Counter()
    for (hub, _), units in (lie | Counter({(hub, group): least for hub, group, least in asked})).items():
        fixed[hub] += units
    for shelf in shelves:
        if shelf.unit_cost <= 0.0:
            fixed[shelf.hub.code] += max(shelf.ready, sized(shelf).point.least)
    return {hub: max(0, slots - fixed[hub]) for hub, slots in told.items()}
