"""The best stock of a part at given prices when hubs lend: a local search that keeps all it has seen.

With laterals the shelves of a part depend on each other, so no pass over the tree is exact. The walk begins at the best
stock without laterals and at the best seen so far, and goes to the best neighbour (a unit more, a unit less, a unit
moved) until none is better. What was worked out once is kept for all prices. What the bound says comes from `relaxed`.
Source: Kranenburg and van Houtum, EJOR 199 (2009), whose greedy walk ends within a per cent of the optimum.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property

import numpy as np

from waystation.planning.rules.counts import Array
from waystation.planning.rules.fleet import Fleet, Seen, Whole, seen
from waystation.planning.rules.laterals.overflow import lent, most_units, pooling_groups
from waystation.planning.rules.laterals.relaxed import Relaxed
from waystation.planning.rules.prices import Priced, Prices, priced

MOST_STEPS = 60
TOGETHER = 20  # stocks whose neighbours are worked out together
NEAREST = 40  # of the stocks seen of a part that a whole plan may be made of
MOST_ALONE = 4  # units on one shelf with which a walk may begin


def look(given: Fleet, parts: Whole, stock: Whole) -> Seen:
    """What the stocks (len(parts), N) of some parts do, with what hubs lend."""
    return lent(given, parts, stock, pooling_groups(given)) if given.lenders else seen(given, parts, stock)


class Lending:
    """Stocks by part that were looked at: units, backorders and shares met, rows by part and place."""

    def __init__(self, given: Fleet, may_go_on: Callable[[], bool]) -> None:
        self.given, self.may_go_on = given, may_go_on
        self._pooling_groups = pooling_groups(given)
        self._shelves = [n for n, holds in enumerate(given.holds) if holds]
        self._leaves = list(given.leaves)
        self._place: dict[tuple[int, bytes], int] = {}
        self._part = np.zeros(0, dtype=np.int64)
        self._stock = np.zeros((0, len(given.parent)), dtype=np.int64)
        self._ebo, self._fill = np.zeros((2, 0, len(given.parent)))
        self._begun = False
        self._asked: set[tuple[int, int]] = set()  # place, and which of its neighbours were looked at
        self._most = most_units(given)

    @cached_property
    def _relaxed(self) -> Relaxed:
        return Relaxed(self.given)

    def look(self, parts: Whole, stock: Whole) -> Seen:
        """What stocks do; those not yet seen are worked out together."""
        at = self._places(parts, stock)
        nothing = np.zeros_like(self._ebo[at])
        return Seen(self._ebo[at], self._fill[at], nothing, nothing)

    def _places(self, parts: Whole, stock: Whole) -> Whole:
        keys = [(int(part), row.tobytes()) for part, row in zip(parts, stock, strict=True)]
        new: dict[tuple[int, bytes], int] = {}
        for n, key in enumerate(keys):
            if key not in self._place:
                new.setdefault(key, n)
        if new:
            rows = np.array(list(new.values()))
            at = lent(self.given, parts[rows], stock[rows], self._pooling_groups)
            for n, key in enumerate(new):
                self._place[key] = len(self._part) + n
            self._part = np.concatenate((self._part, parts[rows]))
            self._stock = np.concatenate((self._stock, stock[rows]))
            self._ebo = np.concatenate((self._ebo, at.ebo))
            self._fill = np.concatenate((self._fill, at.fill))
        return np.array([self._place[key] for key in keys], dtype=np.int64)

    def priced(self, prices: Prices) -> Priced:
        """The best stock that the walk finds for every part, what it comes to, and what none is below."""
        best = self._walked(prices)
        value = self._values(prices, best)
        return Priced(np.minimum(self._relaxed.least(prices), value), self._stock[best], value)

    def best(self, prices: Prices) -> Whole:
        """The best stock (P, N) that the walk finds, without a bound."""
        places = self._walked(prices)
        return np.asarray(self._stock[places])

    def near(self, prices: Prices) -> tuple[Whole, Whole]:
        """Parts and stocks of those seen that come nearest to each part's best: what a whole plan may be made of."""
        value = self._values(prices, np.arange(len(self._part)))
        order = np.lexsort((np.arange(len(value)), value, self._part))
        first = np.searchsorted(self._part[order], np.arange(self.given.parts))
        kept = order[np.arange(len(order)) - first[self._part[order]] < NEAREST]
        return self._part[kept], self._stock[kept]

    def _walked(self, prices: Prices) -> Whole:
        """(P,): the places of the best stocks."""
        every = np.arange(self.given.parts)
        if not self._begun:
            self._begin()
        self._places(every, priced(self.given, prices).stock)
        best = self._best(prices)
        for _ in range(MOST_STEPS):
            for kind in range(3):
                open_ = [p for p in best.tolist() if (p, kind) not in self._asked]
                if not open_ or not self.may_go_on():
                    continue
                self._look_around(open_, kind)
                found = self._best(prices)
                moved = bool((found != best).any())
                best = found
                if moved:
                    break
            else:
                break
        return best

    def _look_around(self, places: list[int], kind: int) -> None:
        """Work out the neighbours of some stocks, as many as there is time for."""
        for begin in range(0, len(places), TOGETHER):
            if begin and not self.may_go_on():
                return
            some = places[begin : begin + TOGETHER]
            self._asked.update((place, kind) for place in some)
            self._places(*self._neighbours(np.array(some), kind))

    def _values(self, prices: Prices, places: Whole) -> Array:
        part, leaves = self._part[places], self._leaves
        value = (prices.unit[part] * self._stock[places]).sum(axis=1)
        value += (prices.charge[part][:, leaves] * self._ebo[places][:, leaves]).sum(axis=1)
        return np.asarray(value - (prices.reward[part][:, leaves] * self._fill[places][:, leaves]).sum(axis=1))

    def _best(self, prices: Prices) -> Whole:
        """(P,): the place of each part's best stock so far; the earlier one of equals."""
        value = self._values(prices, np.arange(len(self._part)))
        order = np.lexsort((np.arange(len(value)), value, self._part))
        return np.asarray(order[np.searchsorted(self._part[order], np.arange(self.given.parts))], dtype=np.int64)

    def _begin(self) -> None:
        """All units of a part on one shelf: where a shelf lends to many, no walk by single units leads there."""
        self._begun = True
        for shelf in self._shelves:
            if not self.may_go_on():
                return
            for units in range(min(MOST_ALONE, int(self._most.max(initial=0))) + 1):
                parts = np.flatnonzero(self._most >= units)
                stock = self.given.least[parts].copy()
                stock[:, shelf] = np.maximum(stock[:, shelf], units)
                self._places(parts, stock)

    def _neighbours(self, places: Whole, kind: int) -> tuple[Whole, Whole]:
        """Parts and stocks one unit away (0), with one unit moved (1), or all that a shelf has to another (2); within
        floors and what is useful."""
        size = len(self._shelves)
        units = np.eye(size, dtype=np.int64)
        moves = np.concatenate((units, -units)) if kind == 0 else (units[:, None] - units[None]).reshape(-1, size)
        steps = np.zeros((len(moves), self._stock.shape[1]), dtype=np.int64)
        steps[:, self._shelves] = moves
        steps = steps[np.abs(steps).any(axis=1)]
        here, parts = self._stock[places][:, None], np.repeat(self._part[places], len(steps))
        spare = (here - self.given.least[self._part[places]][:, None]) * (steps < 0)
        times = spare.max(axis=2, keepdims=True) if kind == 2 else 1
        stock = (here + times * steps).reshape(-1, steps.shape[1])
        within = (stock >= self.given.least[parts]).all(axis=1) & (stock <= self._most[parts][:, None]).all(axis=1)
        return parts[within], stock[within]
