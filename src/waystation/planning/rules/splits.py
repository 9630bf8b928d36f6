"""The best stock of small problems by exact means: splits of a total, budgets by enumeration, greedy paths.

These answer what can be enumerated and are the yardstick of the planner, which handles thousands of parts.
Sources: Sherbrooke (2004), ch. 2 and 3; Fox, Management Science 13 (1966); Barlow and Proschan (1975).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, small_enough
from waystation.planning.rules.counts import Array, at_base_stock
from waystation.planning.rules.echelons import Method, Tree, customers_wait, evaluate

MOST_ROWS = 20_000


@dataclass(frozen=True, slots=True)
class Split:
    """The best way to place `total` units of one part: mean units that customers wait for, and stock by node."""

    total: int
    ebo: float
    stock: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Bought:
    """The best for a budget: mean backorders, what it costs, and which option of each item was taken."""

    budget: float
    ebo: float
    spent: float
    taken: tuple[int, ...]


def splits(network: Tree, totals: Sequence[int], method: Method) -> list[Split]:
    """For each total, the split over a depot and its bases with the least waiting. Ties go to the earlier node.

    For every depot stock the bases are independent and their backorders convex, so that greedy steps are optimal.
    """
    if any(parent > 0 for parent in network.parent):
        raise BadInput("planning.two_tiers", "Splits are of a depot and its bases.", "Use the planner.", field="tree")
    most = max(totals, default=0)
    small_enough("totals x bases", float(most) * len(network.parent))
    best: dict[int, Split] = {}
    for depot in range(most + 1):
        for total, ebo, bases in _greedy_bases(network, depot, most, method):
            if total not in best or ebo < best[total].ebo - 1e-12:
                best[total] = Split(total, ebo, (depot, *bases))
    return [best[total] for total in totals]


def _greedy_bases(network: Tree, depot: int, most: int, method: Method) -> Iterator[tuple[int, float, tuple[int, ...]]]:
    count = len(network.parent) - 1
    rows: list[dict[int, float]] = [{} for _ in range(count)]

    def ebo(base: int, stock: int) -> float:
        if stock not in rows[base]:
            found = evaluate(network, (depot, *([stock] * count)), method)
            for other in range(count):
                rows[other][stock] = found[other + 1].ebo
        return rows[base][stock]

    held = [0] * count
    for total in range(depot, most + 1):
        yield total, sum(ebo(b, s) for b, s in enumerate(held)), tuple(held)
        gains = [ebo(b, s) - ebo(b, s + 1) for b, s in enumerate(held)]
        best = max(range(count), key=lambda b: (round(gains[b], 12), -b))
        held[best] += 1


def vectors(nodes: int, most: int) -> Iterator[tuple[int, ...]]:
    """Every stock of `nodes` nodes with at most `most` units together."""
    if nodes == 0:
        yield ()
        return
    for first in range(most + 1):
        for rest in vectors(nodes - 1, most - first):
            yield (first, *rest)


def enumerated(network: Tree, most_units: int, method: Method = "exact") -> list[Split]:
    """The best stock of each total up to `most_units`, by evaluating every vector: the yardstick of `splits`."""
    nodes = len(network.parent)
    small_enough("stock vectors", math.comb(nodes + most_units, nodes))
    best: dict[int, Split] = {}
    for stock in vectors(nodes, most_units):
        ebo = customers_wait(network, evaluate(network, stock, method))
        total = sum(stock)
        if total not in best or ebo < best[total].ebo - 1e-12:
            best[total] = Split(total, ebo, stock)
    return [best[total] for total in sorted(best)]


def best_for_budgets(options: Sequence[Sequence[tuple[float, float]]], budgets: Sequence[float]) -> list[Bought]:
    """For each budget one option of every item with the least sum of backorders, by a table over whole money steps.

    `options[i]` are (cost, backorders) of item i; costs and budgets in one currency, multiples of a common step.
    """
    step = common_step([cost for item in options for cost, _ in item] + list(budgets))
    width = round(max(budgets, default=0.0) / step) + 1
    small_enough("budget steps", width / 100)
    least: list[float] = [0.0] * width
    chosen: list[list[int]] = []
    for item in options:
        after, taken = [math.inf] * width, [-1] * width
        for number, (cost, ebo) in enumerate(item):
            need = round(cost / step)
            for have in range(need, width):
                value = least[have - need] + ebo
                if value < after[have] - 1e-13:
                    after[have], taken[have] = value, number
        least = after
        chosen.append(taken)
    return [_traced(options, chosen, least, budget, step) for budget in budgets]


def _traced(
    options: Sequence[Sequence[tuple[float, float]]],
    chosen: Sequence[Sequence[int]],
    least: Sequence[float],
    budget: float,
    step: float,
) -> Bought:
    have = math.floor(budget / step + 1e-9)
    ebo, taken = least[have], list[int]()
    for item, choices in zip(reversed(options), reversed(chosen), strict=True):
        taken.insert(0, choices[have])
        have -= round(item[choices[have]][0] / step)
    spent = sum(item[t][0] for item, t in zip(options, taken, strict=True))
    return Bought(budget, ebo, spent, tuple(taken))


def common_step(values: Sequence[float]) -> float:
    """The greatest amount of which all values are multiples, to a thousandth."""
    whole = math.gcd(*(round(v * 1000) for v in values))
    return whole / 1000 if whole else 1.0


def asked_budgets(costs: Sequence[float], top: float) -> list[float]:
    """Budgets from 0 to `top` in steps that hit every cost and every round hundred."""
    step = common_step([*costs, 100.0])
    rows = math.floor(top / step + 1e-9) + 1
    if rows > MOST_ROWS:
        raise BadInput(
            "planning.budget_rows",
            f"{rows} budgets of {step:g} each would be answered.",
            "Name the budgets to answer: `budgets`.",
            field="budgets",
        )
    return [n * step for n in range(rows)]


def greedy_path(
    laws: Sequence[Array], costs: Sequence[float], enough: Callable[[int, float], bool], most_each: int = 10_000
) -> Iterator[tuple[float, float, tuple[int, ...]]]:
    """Marginal analysis from nothing: (cost, backorders, stock) after each unit of the best gain per money.

    Ends when `enough(steps, backorders)` says so, or with `most_each` units of every item. Optimal at its own points
    only.
    """
    for cost in costs:
        above_zero("unit_cost", cost)
    held = [0] * len(laws)
    spent, steps = 0.0, 0
    while True:
        ebo = sum(at_base_stock(law, s).ebo for law, s in zip(laws, held, strict=True))
        yield spent, ebo, tuple(held)
        if enough(steps, ebo) or min(held) >= most_each:
            return
        gains = [_gain(w, s) / cost if s < most_each else -1.0 for w, s, cost in zip(laws, held, costs, strict=True)]
        best = max(range(len(gains)), key=lambda n: (gains[n], -n))
        held[best] += 1
        spent, steps = spent + costs[best], steps + 1


def _gain(law: Array, stock: int) -> float:
    return float(law[stock + 1 :].sum())
