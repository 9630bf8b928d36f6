"""What money buys on the shelves: the share of needs restored in time for each amount of capital, and the best buy.

A need is met at once when fewer than all units of its shelf are on order: P(demand of a lead time < units), Poisson
arrivals seeing time averages. It is restored in time when the shelf also reaches the site in time. Steps of the concave
hull are bought in the order of gain per money, so a point of the curve is the best for its capital, and between two
points the chord is a bound that no buy of that capital beats. A shelf without a price takes what its cover asks for.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.attainment import lower_hull
from waystation.planning.rules.checks import at_least_zero, share
from waystation.planning.rules.counts import Array

CENT = 0.005


@dataclass(frozen=True, slots=True)
class Want:
    """A shelf to be filled: needs a year, law of demand over a lead time, price, least units, units of its cover.

    `in_time` is the share of needs (0 to 1) that a unit of this shelf reaches in time; `unit_cost` 0 is unknown.
    """

    hub: str
    group: str
    per_year: float
    law: Array
    unit_cost: float
    floor: int
    wanted: int
    in_time: float = 1.0

    def met(self, units: int) -> float:
        """Needs a year that this many units restore in time."""
        return self.per_year * share("in_time", self.in_time) * float(self.law[: max(0, units)].sum())


@dataclass(frozen=True, slots=True)
class Step:
    """One purchase: the shelf by its place in the list, units before and after, money, needs a year gained."""

    shelf: int
    before: int
    count: int
    money: float
    gain: float

    @property
    def per_money(self) -> float:
        """Needs a year restored in time for each unit of money."""
        return self.gain / self.money


@dataclass(frozen=True, slots=True)
class Ladder:
    """Steps in the order they are bought. `capital` and `met` have one value more than there are steps."""

    wants: tuple[Want, ...]
    start: tuple[int, ...]
    steps: tuple[Step, ...]
    capital: tuple[float, ...]
    met: tuple[float, ...]

    @property
    def needs(self) -> float:
        """Needs a year over all shelves."""
        return math.fsum(w.per_year for w in self.wants)

    def share_of(self, met: float) -> float:
        """Needs a year as a share of all; 1 when nothing is needed."""
        return min(1.0, met / self.needs) if self.needs > 0.0 else 1.0

    def bound(self, budget: float) -> float:
        """The largest share that any buy of this capital restores in time."""
        return self.share_of(float(np.interp(budget, self.capital, self.met)))

    def judged(self, counts: Sequence[int]) -> tuple[float, float]:
        """(capital, share restored in time) of units by shelf, in the order of the wants."""
        held = list(zip(self.wants, counts, strict=True))
        met = math.fsum(want.met(units) for want, units in held)
        return math.fsum(want.unit_cost * units for want, units in held), self.share_of(met)


@dataclass(frozen=True, slots=True)
class Bought:
    """Units by shelf for a budget, what they cost, the share that they restore in time, and the bound on it.

    `last` is the gain of each shelf's last step and `following` that of the first not bought, both in needs a year for
    each unit of money; None where there is none.
    """

    counts: tuple[int, ...]
    capital: float
    share: float
    bound: float
    last: tuple[float | None, ...]
    following: tuple[float | None, ...]


def ladder(wants: Sequence[Want]) -> Ladder:
    """The steps of all shelves, best gain per money first; ties in the order of the shelves."""
    start = tuple(w.floor if w.unit_cost > 0.0 else max(w.floor, w.wanted) for w in wants)
    steps = [s for n, w in enumerate(wants) if w.unit_cost > 0.0 for s in _steps(n, w)]
    steps.sort(key=lambda s: (-s.per_money, s.shelf, s.count))
    capital = [math.fsum(w.unit_cost * units for w, units in zip(wants, start, strict=True))]
    met = [math.fsum(w.met(units) for w, units in zip(wants, start, strict=True))]
    for step in steps:
        capital.append(capital[-1] + step.money)
        met.append(met[-1] + step.gain)
    return Ladder(tuple(wants), start, tuple(steps), tuple(capital), tuple(met))


def _steps(number: int, want: Want) -> list[Step]:
    """The corners of the shelf's concave hull from its floor on."""
    at_least_zero("per_year", want.per_year)
    most = max(want.floor, len(want.law))
    short = -np.array([want.met(units) for units in range(want.floor, most + 1)])
    corners = [want.floor + n for n in lower_hull(short)]
    return [
        Step(number, a, b, (b - a) * want.unit_cost, want.met(b) - want.met(a))
        for a, b in pairwise(corners)
        if want.met(b) > want.met(a)
    ]


def buy(curve: Ladder, budget: float) -> Bought:
    """The best buy that is found within a budget: whole steps in order, then later ones that still fit.

    Refused when the least units of all shelves cost more.
    """
    if not (math.isfinite(budget) and budget + CENT >= curve.capital[0]):
        raise BadInput(
            "planning.budget",
            f"A budget of {budget:.2f} does not reach the least units that classes ask for; they cost "
            f"{curve.capital[0]:.2f}.",
            f"Give {math.ceil(curve.capital[0])} or more, or lower the classes' floors.",
            field="budget",
            value=budget,
        )
    counts, spent = list(curve.start), curve.capital[0]
    last: list[float | None] = [None] * len(counts)
    following: list[float | None] = [None] * len(counts)
    for step in curve.steps:
        fits = spent + step.money <= budget + CENT and counts[step.shelf] == step.before
        if fits:
            counts[step.shelf], spent, last[step.shelf] = step.count, spent + step.money, step.per_money
        elif following[step.shelf] is None:
            following[step.shelf] = step.per_money
    capital, reached = curve.judged(counts)
    return Bought(tuple(counts), capital, reached, max(curve.bound(budget), reached), tuple(last), tuple(following))


def budget_for(curve: Ladder, asked: float) -> float | None:
    """The least capital on the curve whose share reaches `asked` (0 to 1); None when no stock does."""
    share("asked", asked)
    found = (c for c, m in zip(curve.capital, curve.met, strict=True) if curve.share_of(m) >= asked)
    return next(found, None)
