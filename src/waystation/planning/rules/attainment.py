"""The attainment curve: what each amount of capital buys over all parts, and the best plan for a budget.

The lower hull of each part's curve gives steps of falling gain per money; merged over parts they are the curve whose
points are optimal in the model. Between two points the chord is a lower bound that no plan of that capital beats
(Everett, Operations Research 11 (1963); Fox, Management Science 13 (1966)).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from waystation.planning.rules.counts import Array
from waystation.planning.rules.curves import Curve
from waystation.planning.rules.fleet import Whole


@dataclass(frozen=True)
class Step:
    """Steps of the hulls in the order they are bought, all of one length: part, count before and after, money, gain."""

    part: Whole
    before: Whole
    count: Whole
    money: Array
    gain: Array


@dataclass(frozen=True)
class Attainment:
    """The merged curve. `capital[i]` and `waiting[i]` after i steps (both one longer than the steps)."""

    steps: Step
    capital: Array
    waiting: Array


@dataclass(frozen=True)
class Chosen:
    """Units by part (P), capital, mean waiting, the lower bound at this budget, and the gap between them (share)."""

    counts: Whole
    capital: float
    waiting: float
    bound: float

    @property
    def gap(self) -> float:
        """(waiting - bound) / bound; 0 when nothing waits."""
        return max(0.0, self.waiting - self.bound) / self.bound if self.bound > 1e-12 else 0.0


def lower_hull(values: Array) -> list[int]:
    """The counts whose points (count, value) are corners of the lower convex hull, from 0 on, while values fall."""
    kept = [0]
    for count in range(1, len(values)):
        if values[count] >= values[kept[-1]] - 1e-12:
            continue
        while len(kept) > 1:
            last, before = kept[-1], kept[-2]
            steep = (values[before] - values[last]) * (count - last)
            if steep > (values[last] - values[count]) * (last - before):
                break
            kept.pop()
        kept.append(count)
    return kept


def attainment(found: Sequence[Curve], unit_cost: Array) -> Attainment:
    """Merge the hulls of all parts; ties go to the lower part number, so that the order is one and the same."""
    rows: list[tuple[int, int, int, float]] = []
    start = 0.0
    for curve in found:
        start += float(curve.least[:, 0].sum())
        for part, values in zip(curve.parts.tolist(), curve.least, strict=True):
            corners = lower_hull(values)
            rows += [(part, a, b, float(values[a] - values[b])) for a, b in pairwise(corners)]
    part = np.array([r[0] for r in rows], dtype=np.int64)
    before = np.array([r[1] for r in rows], dtype=np.int64)
    count = np.array([r[2] for r in rows], dtype=np.int64)
    gain = np.array([r[3] for r in rows], dtype=float)
    money = (count - before) * unit_cost[part]
    order = np.lexsort((count, part, -gain / money))
    steps = Step(part[order], before[order], count[order], money[order], gain[order])
    capital = np.concatenate(([0.0], np.cumsum(steps.money)))
    waiting = np.concatenate(([start], start - np.cumsum(steps.gain)))
    return Attainment(steps, capital, np.maximum(waiting, 0.0))


def bound_at(curve: Attainment, budget: float) -> float:
    """The least waiting that any plan of this capital can reach in the model: the chord of the curve."""
    return float(np.interp(budget, curve.capital, curve.waiting))


def within_budget(curve: Attainment, found: Sequence[Curve], unit_cost: Array, budget: float) -> Chosen:
    """The best plan that the curve and a filling of what is left over give; with its bound."""
    counts = np.zeros(len(unit_cost), dtype=np.int64)
    whole = int(np.searchsorted(curve.capital, budget + 1e-9, side="right")) - 1
    np.maximum.at(counts, curve.steps.part[:whole], curve.steps.count[:whole])
    spent = float(curve.capital[whole])
    for n in range(whole, len(curve.steps.part)):  # later steps that still fit, in order of gain per money
        part, money = int(curve.steps.part[n]), float(curve.steps.money[n])
        if spent + money <= budget + 1e-9 and counts[part] == curve.steps.before[n]:
            counts[part], spent = curve.steps.count[n], spent + money
    rows = {int(p): (c, n) for c in found for n, p in enumerate(c.parts)}
    counts, spent = _single_units(counts, spent, budget, unit_cost, rows)
    waiting = math.fsum(float(rows[p][0].least[rows[p][1], counts[p]]) for p in range(len(unit_cost)))
    return Chosen(counts, spent, waiting, min(bound_at(curve, budget), waiting))


def _single_units(
    counts: Whole, spent: float, budget: float, unit_cost: Array, rows: dict[int, tuple[Curve, int]]
) -> tuple[Whole, float]:
    """Spend what is left on single units off the hull, the best gain per money first."""
    held = counts.copy()

    def gain(part: int) -> float:
        values = rows[part][0].least[rows[part][1]]
        here = int(held[part])
        return float(values[here] - values[here + 1]) if here + 1 < len(values) else 0.0

    for part in sorted(rows, key=lambda p: (-gain(p) / unit_cost[p], p)):
        while spent + unit_cost[part] <= budget + 1e-9 and gain(part) > 1e-12:
            held[part] += 1
            spent += float(unit_cost[part])
    return held, spent
