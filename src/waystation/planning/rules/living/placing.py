"""Stock over the whole network at once: a central hub that feeds the others, under the classes' cover and a budget.

A shelf that is sized alone waits as long as supply takes. Here a hub waits for the centre, and the centre for supply,
so a unit at the centre stands behind every hub. Units below the floors of the classes are never looked at, nor more
than a hub has slots. What is needed together is met only when every line is there. The bound is of the VARI-METRIC
model (planner.py); the certificate says what the exact law makes of the same stock.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from waystation.kernel.refusals import NotReady
from waystation.kernel.units import counted
from waystation.planning.rules.attainment import attainment
from waystation.planning.rules.checks import at_least_zero
from waystation.planning.rules.counts import Array, negative_binomial, no_stock_out
from waystation.planning.rules.curves import curves
from waystation.planning.rules.fleet import Fleet, Whole, seen, waiting
from waystation.planning.rules.living.kits import Kit, alone
from waystation.planning.rules.living.redesign import DAYS_PER_YEAR, Stream, Terms
from waystation.planning.rules.planner import Plan, in_part_order, lay, plan, reached
from waystation.planning.rules.problem import (
    DemandGiven,
    KitGiven,
    NodeGiven,
    PartGiven,
    Problem,
    SiteGiven,
    TargetGiven,
)

POINTS = 40  # of the curve


@dataclass(frozen=True, slots=True)
class Tree:
    """The centre, mean days from it to each other hub, mean days of supply to it by group, and what classes ask for.

    `cover` by class is the share of needs to be met at once (0 to 1); `floors` are units by (hub, group), `slots` the
    most units of all groups that a hub can hold, where that is on record.
    """

    root: str
    days_to: Mapping[str, float]
    supply_days: Mapping[str, float]
    class_of: Mapping[str, str]
    cover: Mapping[str, float]
    floors: Mapping[tuple[str, str], int]
    tolerable_h: Mapping[str, float]
    slots: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Placed:
    """One shelf of the plan: units, the floor under them, and the law of units outstanding there (law[k] = P(k))."""

    hub: str
    group: str
    units: int
    floor: int
    law: Array
    gain: float

    @property
    def cover(self) -> float:
        """The share of time (0 to 1) in which no more is outstanding than the units."""
        return no_stock_out(self.law, self.units)


@dataclass(frozen=True, slots=True)
class Judged:
    """A stock of the network: its capital, units waited for on average, share of needs restored in time (0 to 1)."""

    name: str
    capital: float
    waiting: float
    share: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What a class asks for (share met at once, 0 to 1) and what the plan reaches."""

    name: str
    asked: float
    reached: float


@dataclass(frozen=True, slots=True)
class Placing:
    """The plan of a network, or why there is none.

    `objective` is capital (money) or waiting (units); `bound`: no stock of the model does better; `gap`: how far the
    plan is from it (0 to 1). `conflict` names the limits that cannot all hold. `off_law` is how far the model is from
    the exact law, (model - exact) / exact, over the parts that the law covers.
    """

    status: str
    objective: str
    shelves: tuple[Placed, ...]
    value: float
    bound: float
    gap: float
    conflict: tuple[str, ...]
    classes: tuple[Kept, ...]
    judged: tuple[Judged, ...]
    off_law: float | None
    unpriced: tuple[str, ...]


def problem_of(
    streams: Sequence[Stream], terms: Sequence[Terms], tree: Tree, budget: float | None, kits: Sequence[Kit] = ()
) -> Problem:
    """The network as a problem without a time limit. Groups without a price are left out: nothing weighs what is free.
    `streams` hold every need, also of the lines of `kits`.

    A group's variance to mean grows with its doubt over the longest wait of a hub: a rate that is not well known needs
    more stock the longer nothing can be done.
    """
    by_group = {t.group: t for t in terms if t.unit_cost > 0.0}
    used = [s for s in streams if s.group in by_group and s.per_year > 0.0 and s.hub]
    nodes = (
        NodeGiven(tree.root, None, 0.0, tree.slots.get(tree.root)),
        *(NodeGiven(h, tree.root, 24.0 * days, tree.slots.get(h)) for h, days in sorted(tree.days_to.items())),
    )
    parts = tuple(PartGiven(g, t.unit_cost, 0.0, 24.0 * tree.supply_days[g]) for g, t in sorted(by_group.items()))
    ratio = {group: _ratio(t, used, tree) for group, t in by_group.items()}
    sites = sorted({s.site for s in used if s.site})
    classes = tuple(SiteGiven(site, tree.tolerable_h[site], tree.class_of[site]) for site in sites)
    joint = _priced(kits, by_group)
    demand = tuple(DemandGiven(s.group, s.site or s.hub, s.per_year, ratio[s.group]) for s in alone(used, joint))
    travel: dict[str, dict[str, float]] = {}
    for stream in used:
        if stream.site:
            travel.setdefault(stream.hub, {})[stream.site] = 0.0
    needed = {tree.class_of[site] for site in sites}
    targets = tuple(
        TargetGiven("fill_rate", cover, name, None, None)
        for name, cover in sorted(tree.cover.items())
        if name in needed
    )
    least = {(group, hub): units for (hub, group), units in tree.floors.items() if group in by_group and units > 0}
    given = tuple(KitGiven(k.groups, k.site or k.hub, k.per_year) for k in joint)
    return Problem(nodes, parts, demand, classes, travel, budget, targets, math.inf, least, given)


def _priced(kits: Sequence[Kit], by_group: Collection[str]) -> list[Kit]:
    """The kits as far as their lines have a price; one line alone is no kit."""
    found = []
    for kit in kits:
        kept = [(group, site) for group, site in kit.lines if group in by_group]
        if len(kept) > 1:
            groups, known_at = (tuple(names) for names in zip(*kept, strict=True))
            found.append(replace(kit, groups=groups, known_at=known_at))
    return found


def _ratio(terms: Terms, used: Sequence[Stream], tree: Tree) -> float:
    rates: dict[str, float] = {}
    for stream in used:
        if stream.group == terms.group:
            rates[stream.hub] = rates.get(stream.hub, 0.0) + stream.per_year
    wait = tree.supply_days[terms.group]
    most = max(
        (r * (wait + (0.0 if hub == tree.root else tree.days_to[hub])) / DAYS_PER_YEAR for hub, r in rates.items()),
        default=0.0,
    )
    return max(1.0, terms.dispersion + terms.doubt * most)


def placed(
    streams: Sequence[Stream],
    terms: Sequence[Terms],
    tree: Tree,
    others: Mapping[str, Mapping[tuple[str, str], int]],
    *,
    kits: Sequence[Kit] = (),
    budget: float | None = None,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Placing:
    """The stock of least capital whose classes are kept, or of least waiting within a budget.

    `others` are stocks by name, units by (hub, group), that are judged by the same model beside it.
    """
    if budget is not None:
        at_least_zero("budget", budget)
    problem = problem_of(streams, terms, tree, budget, kits)
    if not problem.parts or not problem.demand:
        raise NotReady(
            "planning.network",
            "No priced part group has needs, so there is nothing to place.",
            "Give parts their prices, and take history in.",
        )
    found = plan(problem, may_go_on)
    judge = _Judge(problem, found.laid.fleet, streams, kits)
    classes: tuple[Kept, ...] = ()
    judged = [judge.of(name, _as_stock(problem, found.laid.fleet, held)) for name, held in others.items()]
    if found.full is not None:
        judged.insert(0, judge.of("Whole network", found.full))
        classes = tuple(Kept(t.service_class or "", t.value, reached(found, problem, t)) for t in problem.targets)
    law = found.certified
    return Placing(
        found.status,
        found.objective,
        _shelves(found, problem),
        found.value,
        found.bound,
        found.gap,
        () if found.full is not None else (*found.conflict, *_floors_said(problem)),
        classes,
        tuple(judged),
        law.difference if law is not None and len(law.parts) else None,
        tuple(sorted({t.group for t in terms if t.unit_cost <= 0.0})),
    )


def curve(
    streams: Sequence[Stream], terms: Sequence[Terms], tree: Tree, kits: Sequence[Kit] = ()
) -> tuple[tuple[float, float], ...]:
    """(capital, share restored in time), rising in capital: what each amount of money would place. Floors are kept;
    what classes ask for, and slots, do not bend it."""
    problem = problem_of(streams, terms, tree, None, kits)
    given = lay(problem).fleet
    judge, every = _Judge(problem, given, streams, kits), curves(given)
    merged = attainment(every, given.unit_cost)
    wanted = np.linspace(0.0, float(merged.capital[-1]), POINTS)
    found = set()
    for whole in sorted(set(np.searchsorted(merged.capital, wanted + 1e-9, side="right") - 1)):
        counts = np.zeros(given.parts, dtype=np.int64)
        np.maximum.at(counts, merged.steps.part[:whole], merged.steps.count[:whole])
        at = judge.of("", np.maximum(in_part_order(given, every, counts), given.least))
        found.add((at.capital, at.share))
    return tuple(sorted(found))


def _floors_said(problem: Problem) -> tuple[str, ...]:
    units = sum(problem.least.values())
    return (f"floors of the classes, {counted(units, 'unit')}",) if units else ()


def _as_stock(problem: Problem, given: Fleet, held: Mapping[tuple[str, str], int]) -> Whole:
    stock = np.zeros((given.parts, len(given.parent)), dtype=np.int64)
    for p, part in enumerate(problem.parts):
        for n, node in enumerate(problem.nodes):
            stock[p, n] = held.get((node.id, part.id), 0)
    return stock


class _Judge:
    """Judges stocks (P, N) by the model: a need is restored in time when it is met at once and reached in time.

    Of a kit what is said is the least: its lines are taken to be missing at different times.
    """

    def __init__(self, problem: Problem, given: Fleet, streams: Sequence[Stream], kits: Sequence[Kit]) -> None:
        parts = {p.id: n for n, p in enumerate(problem.parts)}
        nodes = {p.id: n for n, p in enumerate(problem.nodes)}
        self.given, self.total = given, 0.0
        self.in_time = np.zeros((given.parts, len(given.parent)))  # needs a year that each hub reaches in time
        for s in streams:
            if s.group in parts and s.hub in nodes:
                self.in_time[parts[s.group], nodes[s.hub]] += s.per_year * s.reached_from(s.hub)
                self.total += s.per_year
        self.more = 0.0  # lines in time beyond the first of each kit, if every line were there
        reach = {(s.hub, s.site, s.group): s.reached_from(s.hub) for s in streams}
        for kit in _priced(kits, parts):
            for group, site in kit.lines:
                sooner = reach[kit.hub, site, group] - kit.in_time
                self.in_time[parts[group], nodes[kit.hub]] -= kit.per_year * sooner
            self.more += kit.per_year * kit.in_time * (len(kit.groups) - 1)
            self.total -= kit.per_year * (len(kit.groups) - 1)

    def of(self, name: str, stock: Whole) -> Judged:
        """One stock."""
        at = seen(self.given, np.arange(self.given.parts), stock)
        capital = float(stock.sum(axis=1) @ self.given.unit_cost)
        met = max(0.0, float((self.in_time * at.fill).sum()) - self.more)
        share = met / self.total if self.total > 0.0 else 1.0
        return Judged(name, capital, float(waiting(self.given, at.ebo).sum()), share)


def _shelves(found: Plan, problem: Problem) -> tuple[Placed, ...]:
    """Every shelf, also an empty one, with the law of what is outstanding there under this stock."""
    given, stock = found.laid.fleet, found.full
    if stock is None:
        return ()
    every = np.arange(given.parts)
    at = seen(given, every, stock)
    base = waiting(given, at.ebo)
    shelves = []
    for node, named in enumerate(problem.nodes):
        for p, part in enumerate(problem.parts):
            units, floor = int(stock[p, node]), problem.least.get((part.id, named.id), 0)
            law = _law(float(at.mean[p, node]), float(at.variance[p, node]))
            gain = 0.0
            if units:
                less = stock[[p]].copy()
                less[0, node] -= 1
                gain = float(waiting(given, seen(given, every[[p]], less).ebo)[0] - base[p])
            shelves.append(Placed(named.id, part.id, units, floor, law, gain))
    return tuple(shelves)


def _law(mean: float, variance: float) -> Array:
    return negative_binomial(mean, max(1.0, variance / mean) if mean > 0.0 else 1.0)
