"""Why each unit lies where it lies, and what a plan does at every node and site, in values that a door can print."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from waystation.planning.rules.fleet import waiting
from waystation.planning.rules.laterals.search import look
from waystation.planning.rules.planner import Plan, lenders_of, reached
from waystation.planning.rules.problem import Measure, Problem, TargetGiven


@dataclass(frozen=True, slots=True)
class Held:
    """Units of a part at a node. `gain`: how many more would wait without the last one; `per_money`: gain / price."""

    part: str
    node: str
    units: int
    gain: float
    per_money: float
    reason: str
    removed_by: str


@dataclass(frozen=True, slots=True)
class AtNode:
    """A node's units and capital, mean units that its customers wait for, and the share of needs met at once."""

    node: str
    units: int
    capital: float
    waiting: float
    fill: float | None


@dataclass(frozen=True, slots=True)
class AtSite:
    """How a site is served: its node, hours from there, whether they are within its limit, share met in time.

    `in_time` and `own` (the share met by its own node's shelf) are None when the site has no demand of its own in the
    problem. `others` can reach it in time too; `lenders` of them send a unit when its own node has none.
    """

    site: str
    source: str | None
    travel_h: float | None
    limit_h: float
    within_limit: bool
    in_time: float | None
    own: float | None
    others: tuple[str, ...]
    lenders: tuple[str, ...]


def held(plan: Plan, problem: Problem) -> list[Held]:
    """Every part and node with stock, in the problem's order."""
    if plan.stock is None or plan.full is None:
        return []
    given = plan.laid.fleet
    every = np.arange(given.parts)
    base = waiting(given, look(given, every, plan.full).ebo)
    bought = _bought_at(plan)
    found = []
    for node, named in enumerate(problem.nodes):
        rows = np.flatnonzero(plan.stock[:, node] > 0)
        less = plan.full[rows].copy()
        less[:, node] -= 1
        gains = waiting(given, look(given, rows, less).ebo) - base[rows]
        for row, gain in zip(rows.tolist(), gains.tolist(), strict=True):
            price = problem.parts[row].unit_cost
            found.append(
                Held(
                    problem.parts[row].id,
                    named.id,
                    int(plan.stock[row, node]),
                    gain,
                    gain / price,
                    f"the last unit here saves {gain:.3g} units waiting, {gain / price * 1000:.3g} per 1000 of money",
                    _removed_by(plan, bought, row, gain / price),
                )
            )
    return found


def _bought_at(plan: Plan) -> dict[int, float]:
    """By part: the capital at which the curve buys its last units; absent where they only fill what was left over."""
    if plan.curve is None or plan.stock is None:
        return {}
    units = plan.stock.sum(axis=1)
    spent = float(units @ plan.laid.fleet.unit_cost)
    steps = plan.curve.steps
    found: dict[int, float] = {}
    for n, (part, count) in enumerate(zip(steps.part.tolist(), steps.count.tolist(), strict=True)):
        if count == units[part] and plan.curve.capital[n + 1] <= spent:
            found[part] = float(plan.curve.capital[n + 1])
    return found


def _removed_by(plan: Plan, bought: dict[int, float], part: int, per_money: float) -> str:
    if part in bought:
        return f"a budget below {bought[part]:.0f}, or demand so low that it saves less per money than what replaces it"
    if plan.objective == "capital":
        return "targets that allow more waiting here, or a cheaper unit elsewhere that meets them too"
    return f"a unit elsewhere that saves more than {per_money * 1000:.3g} per 1000 of money, or a smaller budget"


def at_nodes(plan: Plan, problem: Problem) -> list[AtNode]:
    """Every node."""
    if plan.stock is None or plan.seen is None:
        return []
    given = plan.laid.fleet
    found = []
    for node, named in enumerate(problem.nodes):
        leaves = [n for n in given.leaves if given.of[n] == node]
        rate, more = given.rate[:, leaves], float(plan.laid.more[""][leaves].sum())
        total = float(rate.sum()) - more
        met = float((rate * plan.seen.fill[:, leaves]).sum())
        fill = max(0.0, met - more) / total if total > 0.0 else None
        found.append(
            AtNode(
                named.id,
                int(plan.stock[:, node].sum()),
                float(plan.stock[:, node] @ given.unit_cost),
                float(plan.seen.ebo[:, leaves].sum()),
                fill,
            )
        )
    return found


def at_sites(plan: Plan, problem: Problem) -> list[AtSite]:
    """Every site: can it be reached in time, and how surely."""
    stocked = set() if plan.stock is None else {problem.nodes[n].id for n in np.flatnonzero(plan.stock.sum(axis=0))}
    found = []
    for number, site in enumerate(problem.sites):
        hours = {node: row[site.id] for node, row in problem.travel_h.items() if site.id in row}
        node = plan.laid.site_node[number]
        source = problem.nodes[node].id if node >= 0 else None
        travel = hours.get(source) if source is not None else None
        within = travel is not None and travel <= site.max_restore_h
        own, met = _met(plan, number, node), _met(plan, number, plan.laid.site_leaf[number])
        others = sorted(n for n, h in hours.items() if h <= site.max_restore_h and n in stocked and n != source)
        found.append(
            AtSite(
                site.id,
                source,
                travel,
                site.max_restore_h,
                within,
                met if within or met is None else 0.0,
                own,
                tuple(others),
                lenders_of(plan.laid, problem, number),
            )
        )
    return found


def _met(plan: Plan, site: int, at: int) -> float | None:
    """The share of a site's needs that is met at once at a node or leaf of the fleet."""
    rates = plan.laid.site_rate.get(site)
    if not rates or plan.seen is None or sum(rates.values()) <= 0.0:
        return None
    fill, more = plan.seen.fill[:, at], plan.laid.site_more.get(site, 0.0)
    met = float(sum(rate * fill[part] for part, rate in rates.items()))
    return max(0.0, met - more) / (sum(rates.values()) - more)


def of_all(plan: Plan, problem: Problem, measure: Measure) -> float | None:
    """What the plan reaches of a measure over every need; None without demand or plan."""
    if plan.seen is None or not plan.laid.fleet.rate.any():
        return None
    return reached(plan, problem, TargetGiven(measure, 0.0, None, None, None))
