"""Stock over the whole network at once: a central hub that feeds the others, under the classes' cover and a budget.

A shelf that is sized alone waits as long as supply takes. Here a hub waits for the centre, and the centre for supply,
so a unit at the centre stands behind every hub; and a hub that reaches a site in time lends to it when its own hub has
nothing. Units below the floors of the classes are never looked at, nor more than a hub has slots. What is needed
together is met only when every line is there. Needs of no known site ask for the strictest class that their hub serves.
The certificate says what the exact law makes of the same stock when nothing is lent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from waystation.kernel.refusals import NotReady
from waystation.kernel.units import counted
from waystation.planning.rules.attainment import attainment
from waystation.planning.rules.checks import at_least_zero
from waystation.planning.rules.columns import at_customers, money
from waystation.planning.rules.counts import Array, negative_binomial, no_stock_out
from waystation.planning.rules.curves import curves
from waystation.planning.rules.fleet import Fleet, Whole, waiting
from waystation.planning.rules.laterals.search import Lending, look
from waystation.planning.rules.living.in_time import Judge, Judged, lenders
from waystation.planning.rules.living.kits import Kit, alone
from waystation.planning.rules.living.redesign import DAYS_PER_YEAR, Stream, Terms
from waystation.planning.rules.living.vendors import Left
from waystation.planning.rules.planner import Laid, Plan, in_part_order, lay, plan, reached
from waystation.planning.rules.prices import Prices
from waystation.planning.rules.problem import (
    DemandGiven,
    KitGiven,
    NodeGiven,
    PartGiven,
    Problem,
    SiteGiven,
    TargetGiven,
)

POINTS, RATES = 40, 24  # of the curve
NO_SITE = ": no known site"
NOTHING_LEFT = Left()
PLACED, UNLENT = "Whole network", "The same, nothing lent"


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
class Kept:
    """What a class asks for (share met at once, 0 to 1) and what the plan reaches."""

    name: str
    asked: float
    reached: float


@dataclass(frozen=True, slots=True)
class Placing:
    """The plan of a network, or why there is none.

    `objective` is capital (money) or waiting (units); `bound`: no stock of the model does better; `gap`: how far the
    plan is from it (0 to 1; None: nothing above 0 was proven in the time given). `conflict` names the limits that
    cannot all hold. `off_law` is how far the model without lending is from the exact law, (model - exact) / exact, over
    the parts that the law covers. `lenders` by site.
    """

    status: str
    objective: str
    shelves: tuple[Placed, ...]
    value: float
    bound: float
    gap: float | None
    conflict: tuple[str, ...]
    classes: tuple[Kept, ...]
    judged: tuple[Judged, ...]
    off_law: float | None
    unpriced: tuple[str, ...]
    lenders: Mapping[str, tuple[str, ...]]


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
    unknown = _unknown(used, tree)
    known = {s.site for s in used if s.site}
    classes = {site: tree.class_of[site] for site in sorted(known)} | {unknown[h][0]: unknown[h][1] for h in unknown}
    stands = {s.site or s.hub: s.site or unknown.get(s.hub, (s.hub,))[0] for s in used}
    joint = _priced(kits, by_group)
    demand = tuple(
        DemandGiven(s.group, stands[s.site or s.hub], s.per_year, ratio[s.group]) for s in alone(used, joint)
    )
    travel: dict[str, dict[str, float]] = {}
    for stream in used:
        travel.setdefault(stream.hub, {})[stands[stream.site or stream.hub]] = 0.0
    targets = tuple(
        TargetGiven("fill_rate", cover, name, None, None)
        for name, cover in sorted(tree.cover.items())
        if name in classes.values()
    )
    return Problem(
        nodes,
        parts,
        demand,
        tuple(SiteGiven(site, tree.tolerable_h.get(site, 0.0), of) for site, of in classes.items()),
        travel,
        budget,
        targets,
        math.inf,
        {(group, hub): units for (hub, group), units in tree.floors.items() if group in by_group and units > 0},
        tuple(KitGiven(k.groups, stands.get(k.site or k.hub, k.hub), k.per_year) for k in joint),
        {site: hubs for site, hubs in lenders(used).items() if all(h == tree.root or h in tree.days_to for h in hubs)},
    )


def _unknown(used: Sequence[Stream], tree: Tree) -> dict[str, tuple[str, str]]:
    """By hub with needs of no known site: the name they stand under, and the strictest class that the hub serves."""
    found = {}
    for hub in sorted({s.hub for s in used if not s.site}):
        served = {tree.class_of[s.site] for s in used if s.site and s.hub == hub} or set(tree.class_of.values())
        asked = [name for name in served if name in tree.cover]
        if asked:
            found[hub] = f"{hub}{NO_SITE}", max(asked, key=lambda name: (tree.cover[name], name))
    return found


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
    brought: Left = NOTHING_LEFT,
    may_go_on: Callable[[], bool] = lambda: True,
) -> Placing:
    """The stock of least capital whose classes are kept, or of least waiting within a budget.

    `others` are stocks by name, units by (hub, group), that are judged by the same model beside it. What is left to
    vendors (`brought`) is not in `streams`; it counts in what is restored in time.
    """
    if budget is not None:
        at_least_zero("budget", budget)
    problem = problem_of(streams, terms, tree, budget, kits)
    if not problem.parts or not (problem.demand or brought.needs):
        raise NotReady(
            "planning.network",
            "No priced part group has needs, so there is nothing to place.",
            "Give parts their prices, and take history in.",
        )
    alone = plan(replace(problem, lenders={}), may_go_on)  # first: a time that is over may cost what lending saves
    found = plan(problem, may_go_on) if problem.lenders else alone
    judge = _judge(problem, found.laid, streams, kits, brought)
    classes: tuple[Kept, ...] = ()
    judged = [judge.of(name, _as_stock(problem, found.laid.fleet, held)) for name, held in others.items()]
    if found.full is not None:
        if alone.stock is not None and alone is not found:
            judged.insert(0, judge.of(UNLENT, _widened(alone.stock, found.laid.fleet)))
        judged.insert(0, judge.of(PLACED, found.full))
        classes = tuple(Kept(t.service_class or "", t.value, reached(found, problem, t)) for t in problem.targets)
    law = found.certified
    return Placing(
        found.status,
        found.objective,
        _shelves(found, problem),
        found.value,
        found.bound,
        found.gap if math.isfinite(found.gap) else None,
        () if found.full is not None else (*found.conflict, *_floors_said(problem)),
        classes,
        tuple(judged),
        law.difference if law is not None and len(law.parts) else None,
        tuple(sorted({t.group for t in terms if t.unit_cost <= 0.0})),
        problem.lenders,
    )


def curve(
    streams: Sequence[Stream],
    terms: Sequence[Terms],
    tree: Tree,
    kits: Sequence[Kit] = (),
    brought: Left = NOTHING_LEFT,
) -> tuple[tuple[float, float], ...]:
    """(capital, share restored in time), rising in capital: what each amount of money would place. Floors are kept;
    what classes ask for, and slots, do not bend it."""
    problem = problem_of(streams, terms, tree, None, kits)
    laid = lay(problem)
    judge = _judge(problem, laid, streams, kits, brought)
    found = set()
    for stock in _lent_stocks(laid.fleet) if laid.fleet.lenders else _stocks(laid.fleet):
        at = judge.of("", stock)
        found.add((at.capital, at.share))
    return tuple(sorted(found))


def _stocks(given: Fleet) -> Iterator[Whole]:
    """The best stock of each of `POINTS` amounts of money."""
    every = curves(given)
    merged = attainment(every, given.unit_cost)
    wanted = np.linspace(0.0, float(merged.capital[-1]), POINTS)
    for whole in sorted(set(np.searchsorted(merged.capital, wanted + 1e-9, side="right") - 1)):
        counts = np.zeros(given.parts, dtype=np.int64)
        np.maximum.at(counts, merged.steps.part[:whole], merged.steps.count[:whole])
        yield np.maximum(in_part_order(given, every, counts), given.least)


def _lent_stocks(given: Fleet) -> Iterator[Whole]:
    """The best stock at each of `RATES` exchange rates of money for waiting, the dearest first."""
    model, nothing = Lending(given, lambda: True), np.zeros_like(given.pipeline)
    dearest, cheapest = 1.0 / float(given.unit_cost.min()), given.noticed / float(given.unit_cost.max())
    yield given.least
    for rate in np.geomspace(dearest, cheapest, RATES).tolist():
        yield model.best(Prices(rate * money(given), at_customers(given), nothing))


def _judge(problem: Problem, laid: Laid, streams: Sequence[Stream], kits: Sequence[Kit], brought: Left) -> Judge:
    names = {s.id.removesuffix(NO_SITE): s.id for s in problem.sites if s.id.endswith(NO_SITE)}
    priced = _priced(kits, {p.id for p in problem.parts})
    return Judge(problem, laid, streams, priced, names, (brought.needs, brought.in_time))


def _floors_said(problem: Problem) -> tuple[str, ...]:
    units = sum(problem.least.values())
    return (f"floors of the classes, {counted(units, 'unit')}",) if units else ()


def _as_stock(problem: Problem, given: Fleet, held: Mapping[tuple[str, str], int]) -> Whole:
    stock = [[held.get((node.id, part.id), 0) for node in problem.nodes] for part in problem.parts]
    return _widened(np.array(stock, dtype=np.int64), given)


def _widened(stock: Whole, given: Fleet) -> Whole:
    """Stock (P, nodes) over all nodes of a fleet: its leaves without a shelf hold nothing."""
    found = np.zeros((given.parts, len(given.parent)), dtype=np.int64)
    found[:, : stock.shape[1]] = stock
    return found


def _shelves(found: Plan, problem: Problem) -> tuple[Placed, ...]:
    """Every shelf, also an empty one, with the law of what is outstanding there under this stock."""
    given, stock = found.laid.fleet, found.full
    if stock is None:
        return ()
    at = look(given, np.arange(given.parts), stock)
    held = np.argwhere(stock > 0)
    less = stock[held[:, 0]].copy()
    less[np.arange(len(held)), held[:, 1]] -= 1
    more = waiting(given, look(given, held[:, 0], less).ebo) - waiting(given, at.ebo)[held[:, 0]]
    gain = {(int(p), int(n)): float(wait) for (p, n), wait in zip(held, more, strict=True)}
    shelves = []
    for node, named in enumerate(problem.nodes):
        for p, part in enumerate(problem.parts):
            floor = problem.least.get((part.id, named.id), 0)
            law = _law(float(at.mean[p, node]), float(at.variance[p, node]))
            shelves.append(Placed(named.id, part.id, int(stock[p, node]), floor, law, gain.get((p, node), 0.0)))
    return tuple(shelves)


def _law(mean: float, variance: float) -> Array:
    return negative_binomial(mean, max(1.0, variance / mean) if mean > 0.0 else 1.0)
