"""From a problem to a plan: stock by part and node, its bound and gap, service, and the exact law's certificate.

One budget: the merged curve, its chord as bound. Targets or shelf limits: column generation, the Lagrange bound.
Both bounds are of the VARI-METRIC model; the certificate says what the exact law makes of the same stock.

A kit's need is met when every line is there. The chance that one is missing is at most the sum over its lines, so what
a plan says of kits is what it reaches at least; the sum is linear, so the lines are sized jointly and the bound stands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from waystation.kernel.units import counted
from waystation.planning.rules.attainment import Attainment, attainment, within_budget
from waystation.planning.rules.columns import Constrained, Limit, at_customers, constrained, money
from waystation.planning.rules.counts import Array
from waystation.planning.rules.curves import Curve, curves, place
from waystation.planning.rules.exact import exact
from waystation.planning.rules.fleet import Fleet, Seen, Whole, fleet, seen, waiting
from waystation.planning.rules.laterals.search import look
from waystation.planning.rules.problem import HOURS_PER_YEAR, Problem, TargetGiven

MOST_LENDERS = (
    4  # of a site, the quickest: that all of them and its own node are empty is rarer than any limit asks for
)


@dataclass(frozen=True)
class Laid:
    """A problem in arrays: the fleet, each site's node and leaf (-1: none), demand by part and site, and class shares.

    `by_class[c]` (P, N): demand a year of service class c at each leaf of the fleet, every line of a kit by itself.
    `more[c]` (N,) and `site_more`: lines a year beyond the first of each kit, for class c ("": all) and by site.
    """

    fleet: Fleet
    site_node: tuple[int, ...]
    site_leaf: tuple[int, ...]
    site_rate: dict[int, dict[int, float]]
    by_class: dict[str, Array]
    more: dict[str, Array]
    site_more: dict[int, float]


@dataclass(frozen=True)
class Plan:
    """A plan. `stock` (P, N nodes given) is None when none was found; `value` and `bound` are of the objective."""

    laid: Laid
    objective: str
    status: str
    stock: Whole | None
    value: float
    bound: float
    gap: float
    curve: Attainment | None
    seen: Seen | None
    certified: Certificate | None
    conflict: tuple[str, ...] = ()
    full: Whole | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Certificate:
    """What the exact law says: parts with Poisson demand that it covers, waiting there by it and by the model.

    Of laterals neither says anything: with them less waits.
    """

    parts: Whole
    exact_waiting: float
    model_waiting: float
    left_out: Whole

    @property
    def difference(self) -> float:
        """(model - exact) / exact; 0 when nothing waits."""
        return (self.model_waiting - self.exact_waiting) / self.exact_waiting if self.exact_waiting > 1e-12 else 0.0


def lay(problem: Problem) -> Laid:
    """Put a problem into arrays; demand at a site goes to the node nearest to it by travel time.

    Sites of one node that the same nodes lend to stand at a leaf of their own below it.
    """
    nodes = {n.id: i for i, n in enumerate(problem.nodes)}
    parts = {p.id: i for i, p in enumerate(problem.parts)}
    sites = {s.id: i for i, s in enumerate(problem.sites)}
    nearest = tuple(_nearest(problem, s.id, nodes) for s in problem.sites)
    doors, at = _doors(problem, nearest, nodes)
    wide = len(nodes) + len(doors)
    rate = np.zeros((len(parts), wide))
    site_rate: dict[int, dict[int, float]] = {}
    site_more: dict[int, float] = {}
    classes = sorted({s.service_class for s in problem.sites})
    by_class = {c: np.zeros((len(parts), wide)) for c in classes}
    more = {c: np.zeros(wide) for c in ("", *classes)}
    rows = [(row.node, (row.part,), row.per_year) for row in problem.demand]
    for stands, lines, per_year in (*rows, *((k.node, k.parts, k.per_year) for k in problem.kits)):
        site = sites.get(stands)
        node = nodes[stands] if site is None else at[site]
        if node < 0:
            raise _no_travel(stands)
        held = "" if site is None else problem.sites[site].service_class
        for part in (parts[line] for line in lines):
            rate[part, node] += per_year
            if site is not None:
                by_class[held][part, node] += per_year
                of = site_rate.setdefault(site, {})
                of[part] = of.get(part, 0.0) + per_year
        beyond = per_year * (len(lines) - 1)
        for name in {"", held}:
            more[name][node] += beyond
        if site is not None:
            site_more[site] = site_more.get(site, 0.0) + beyond
    laid = fleet(
        [*(-1 if n.parent is None else nodes[n.parent] for n in problem.nodes), *(node for node, _ in doors)],
        [*(n.lead_time_h / HOURS_PER_YEAR for n in problem.nodes), *(0.0 for _ in doors)],
        rate,
        _ratios(problem, parts),
        np.array([p.unit_cost for p in problem.parts]),
        supply=_supply(problem),
        least=_least(problem, parts, nodes),
        lenders={len(nodes) + n: lenders for n, (_, lenders) in enumerate(doors)},
        shelves=len(nodes),
    )
    leaf = {leaf if leaf < wide else laid.of[leaf]: leaf for leaf in laid.leaves}
    return Laid(
        laid,
        nearest,
        tuple(leaf.get(stood, -1) for stood in at),
        site_rate,
        {c: _at_leaves(laid, leaf, shares) for c, shares in by_class.items()},
        {c: _at_leaves(laid, leaf, lines[None, :])[0] for c, lines in more.items()},
        site_more,
    )


def _doors(
    problem: Problem, nearest: Sequence[int], nodes: dict[str, int]
) -> tuple[list[tuple[int, tuple[int, ...]]], list[int]]:
    """The doors, each a node with the lenders of its sites, and by site the node or door at which it stands."""
    doors: dict[tuple[int, tuple[int, ...]], int] = {}
    at = list(nearest)
    for number, (site, node) in enumerate(zip(problem.sites, nearest, strict=True)):
        named = (nodes[name] for name in problem.lenders.get(site.id, ()))
        able = [other for other in named if node >= 0 and _may_lend(problem, other, node, nodes)]
        lenders = tuple(able[:MOST_LENDERS])
        if lenders:
            at[number] = doors.setdefault((node, lenders), len(nodes) + len(doors))
    return list(doors), at


def lenders_of(laid: Laid, problem: Problem, site: int) -> tuple[str, ...]:
    """The nodes that lend to a site (by its number), in order."""
    return tuple(problem.nodes[n].id for n in laid.fleet.lenders.get(laid.site_leaf[site], ()))


def _may_lend(problem: Problem, lender: int, node: int, nodes: dict[str, int]) -> bool:
    """Between hubs that the same node feeds, and between it and them; a hub that feeds others lends to these alone."""
    above = [-1 if n.parent is None else nodes[n.parent] for n in problem.nodes]
    if lender == node:
        return False
    if above[node] == lender:
        return node not in above
    return lender not in above and (above[lender] == node or (above[lender] == above[node] and node not in above))


def _ratios(problem: Problem, parts: dict[str, int]) -> Array:
    """(P,): variance to mean of each part's demand, rows weighed by it; the lines of kits are taken to vary alike."""
    total, weighted, most = (np.zeros(len(parts)) for _ in range(3))
    for row in problem.demand:
        part = parts[row.part]
        total[part] += row.per_year
        weighted[part] += row.per_year * row.ratio
        most[part] = max(most[part], row.ratio)
    return np.asarray(np.maximum(1.0, np.divide(weighted, total, out=most, where=total > 0.0)))


def _supply(problem: Problem) -> Array:
    """(P,): years of each part from supply to the root."""
    usual = problem.nodes[0].lead_time_h
    return np.array([usual if p.supply_h is None else p.supply_h for p in problem.parts]) / HOURS_PER_YEAR


def _least(problem: Problem, parts: dict[str, int], nodes: dict[str, int]) -> Whole:
    found = np.zeros((len(parts), len(nodes)), dtype=np.int64)
    for (part, node), units in problem.least.items():
        found[parts[part], nodes[node]] = units
    return found


def _nearest(problem: Problem, site: str, nodes: dict[str, int]) -> int:
    reach = [(row[site], nodes[node]) for node, row in problem.travel_h.items() if site in row]
    return min(reach)[1] if reach else -1


def _no_travel(site: str) -> Exception:
    from waystation.kernel.refusals import BadInput

    return BadInput(
        "planning.no_source",
        f"Demand stands at site {site}, to which no node has a travel time.",
        f"Give travel_h of at least one node to {site}.",
        field="travel_h",
        value=site,
    )


def _at_leaves(given: Fleet, leaf: dict[int, int], by_place: Array) -> Array:
    """Demand by node and door as it stands at the leaves of the fleet (rows, N)."""
    found = np.zeros((len(by_place), len(given.parent)))
    for stood, stands in leaf.items():
        found[:, stands] = by_place[:, stood]
    return found


def plan(problem: Problem, may_go_on: Callable[[], bool] = lambda: True) -> Plan:
    """The best plan that is found, with its bound; or the limits that cannot all hold."""
    laid = lay(problem)
    if (
        problem.targets
        or problem.least
        or laid.fleet.lenders
        or any(n.capacity_units is not None for n in problem.nodes)
    ):
        return _constrained_plan(problem, laid, may_go_on)
    found = curves(laid.fleet)
    merged = attainment(found, laid.fleet.unit_cost)
    chosen = within_budget(merged, found, laid.fleet.unit_cost, problem.budget or 0.0)
    stock = in_part_order(laid.fleet, found, chosen.counts)
    bare = Plan(
        laid, "waiting", "optimal_within_gap", stock, chosen.waiting, chosen.bound, chosen.gap, merged, None, None
    )
    return _judged(bare)


def in_part_order(given: Fleet, found: list[Curve], counts: Whole) -> Whole:
    """The best stock (P, N) of so many units of each part, from the parts' curves."""
    stock = np.zeros((given.parts, len(given.parent)), dtype=np.int64)
    for curve in found:
        stock[curve.parts] = place(given, curve.parts, counts[curve.parts])
    return stock


def _constrained_plan(problem: Problem, laid: Laid, may_go_on: Callable[[], bool]) -> Plan:
    limits = limits_of(problem, laid)
    objective = "waiting" if problem.budget is not None else "money"
    found: Constrained = constrained(laid.fleet, objective, limits, may_go_on)  # type: ignore[arg-type]
    return _judged(
        Plan(
            laid,
            "waiting" if objective == "waiting" else "capital",
            found.status,
            found.stock,
            found.value,
            found.bound,
            found.gap,
            None,
            None,
            None,
            found.conflict,
        )
    )


def _judged(bare: Plan) -> Plan:
    if bare.stock is None:
        return bare
    given, every = bare.laid.fleet, np.arange(bare.laid.fleet.parts)
    model = look(given, every, bare.stock)
    covered = np.flatnonzero(given.ratio <= 1.0 + 1e-12)
    law = exact(given, covered, bare.stock[covered])
    certificate = Certificate(
        covered,
        float(law.ebo[:, list(given.leaves)].sum()),
        float(waiting(given, seen(given, covered, bare.stock[covered]).ebo).sum()),
        np.flatnonzero(given.ratio > 1.0 + 1e-12),
    )
    nodes = sum(given.holds)
    return Plan(
        **{
            **{name: getattr(bare, name) for name in bare.__dataclass_fields__},
            "seen": model,
            "certified": certificate,
            "stock": bare.stock[:, :nodes],
            "full": bare.stock,
        }
    )


def limits_of(problem: Problem, laid: Laid) -> list[Limit]:
    """Budget, shelf limits and targets as linear limits on stock, backorders and fill."""
    given = laid.fleet
    zero = np.zeros((given.parts, len(given.parent)))
    found = []
    if problem.budget is not None:
        found.append(Limit(f"budget of {problem.budget:g}", money(given), zero, zero, problem.budget))
    for n, node in enumerate(problem.nodes):
        if node.capacity_units is not None:
            unit = zero.copy()
            unit[:, n] = 1.0
            name = f"shelf of {counted(node.capacity_units, 'unit')} at {node.id}"
            found.append(Limit(name, unit, zero, zero, float(node.capacity_units)))
    return found + [target_limit(problem, laid, target) for target in problem.targets]


def target_limit(problem: Problem, laid: Laid, target: TargetGiven) -> Limit:
    """One target as a limit. A class's backorders are its share of the node's (first come, first served)."""
    given = laid.fleet
    zero = np.zeros((given.parts, len(given.parent)))
    rate = laid.by_class[target.service_class] if target.service_class else given.rate
    rate = rate * _in_scope(problem, given, target)
    if target.measure == "units":
        unit = -_in_scope(problem, given, target, stocked=True)
        return Limit(target.words, unit, zero, zero, -target.value)
    share = np.divide(rate, given.rate, out=np.zeros_like(rate), where=given.rate > 0.0)
    more = _more(problem, laid, target)
    total = float(rate.sum()) - more
    if target.measure == "fill_rate":
        return Limit(target.words, zero, zero, rate, -target.value * total - more)
    most = target.value if target.measure == "backorders" else target.value / HOURS_PER_YEAR * total
    return Limit(target.words, zero, share * at_customers(given), zero, most)


def _more(problem: Problem, laid: Laid, target: TargetGiven) -> float:
    """Lines a year beyond the first of the kits that a target is about; one of a part is about its line alone."""
    if target.part is not None:
        return 0.0
    lines, of = laid.more[target.service_class or ""], laid.fleet.of
    return float(sum(lines[n] for n in laid.fleet.leaves if target.node in (None, problem.nodes[of[n]].id)))


def _in_scope(problem: Problem, given: Fleet, target: TargetGiven, *, stocked: bool = False) -> Array:
    found = np.ones((given.parts, len(given.parent)))
    if target.part is not None:
        found[[n for n, p in enumerate(problem.parts) if p.id != target.part]] = 0.0
    if target.node is not None:
        here = next(n for n, node in enumerate(problem.nodes) if node.id == target.node)
        found[:, [n for n, of in enumerate(given.of) if of != here]] = 0.0
    if stocked:
        found[:, [n for n, holds in enumerate(given.holds) if not holds]] = 0.0
    return found


def reached(plan_: Plan, problem: Problem, target: TargetGiven) -> float:
    """What the plan reaches of a target, in the target's own unit; nan without a plan."""
    if plan_.seen is None or plan_.full is None:
        return float("nan")
    limit = target_limit(problem, plan_.laid, target)
    used = float(limit.used(plan_.full, plan_.seen.ebo, plan_.seen.fill).sum())
    more = _more(problem, plan_.laid, target)
    total = float((limit.reward if target.measure == "fill_rate" else _rate(problem, plan_, target)).sum()) - more
    if target.measure == "fill_rate":
        return max(0.0, -used - more) / total if total > 0.0 else 1.0
    if target.measure == "mean_wait_h":
        return used * HOURS_PER_YEAR / total if total > 0.0 else 0.0
    return -used if target.measure == "units" else used


def _rate(problem: Problem, plan_: Plan, target: TargetGiven) -> Array:
    laid = plan_.laid
    rate = laid.by_class[target.service_class] if target.service_class else laid.fleet.rate
    return np.asarray(rate * _in_scope(problem, laid.fleet, target))
