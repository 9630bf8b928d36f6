"""The best stock of a part at given prices when hubs lend: a walk over neighbours that keeps all it has seen.

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
from waystation.planning.rules.fleet import Fleet, Seen, Whole, most_useful, seen
from waystation.planning.rules.laterals.overflow import families, lent
from waystation.planning.rules.laterals.relaxed import Relaxed
from waystation.planning.rules.prices import Priced, Prices, priced

MOST_STEPS = 60


def look(given: Fleet, parts: Whole, stock: Whole) -> Seen:
    """What the stocks (len(parts), N) of some parts do, with what hubs lend."""
    return lent(given, parts, stock, families(given)) if given.lenders else seen(given, parts, stock)


class Lending:
    """Stocks by part that were looked at: units, backorders and shares met, rows by part and place."""

    def __init__(self, given: Fleet, may_go_on: Callable[[], bool]) -> None:
        self.given, self.may_go_on = given, may_go_on
        self._families = families(given)
        self._shelves = [n for n, holds in enumerate(given.holds) if holds]
        self._leaves = list(given.leaves)
        self._place: dict[tuple[int, bytes], int] = {}
        self._part = np.zeros(0, dtype=np.int64)
        self._stock = np.zeros((0, len(given.parent)), dtype=np.int64)
        self._ebo, self._fill = np.zeros((2, 0, len(given.parent)))
        self._asked: set[tuple[int, int]] = set()  # place, and which of its neighbours were looked at
        mean, variance = (moment[:, self._shelves].sum(axis=1) for moment in given.worst)
        self._most = np.maximum(most_useful(mean, variance, given.noticed), given.least.max(axis=1, initial=0))

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
            at = lent(self.given, parts[rows], stock[rows], self._families)
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

    def _walked(self, prices: Prices) -> Whole:
        """(P,): the places of the best stocks."""
        every = np.arange(self.given.parts)
        self._places(every, priced(self.given, prices).stock)
        best = self._best(prices)
        for _ in range(MOST_STEPS):
            for kind in (0, 1):
                open_ = [p for p in best.tolist() if (p, kind) not in self._asked]
                if not open_ or not self.may_go_on():
                    continue
                self._asked.update((p, kind) for p in open_)
                self._places(*self._neighbours(np.array(open_), kind))
                found = self._best(prices)
                moved = bool((found != best).any())
                best = found
                if moved:
                    break
            else:
                break
        return best

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

    def _neighbours(self, places: Whole, kind: int) -> tuple[Whole, Whole]:
        """Parts and stocks one unit away (0), or with one unit moved (1), within floors and what is useful."""
        size = len(self._shelves)
        units = np.eye(size, dtype=np.int64)
        moves = np.concatenate((units, -units)) if kind == 0 else (units[:, None] - units[None]).reshape(-1, size)
        steps = np.zeros((len(moves), self._stock.shape[1]), dtype=np.int64)
        steps[:, self._shelves] = moves
        steps = steps[np.abs(steps).any(axis=1)]
        stock = (self._stock[places][:, None] + steps).reshape(-1, steps.shape[1])
        parts = np.repeat(self._part[places], len(steps))
        within = (stock >= self.given.least[parts]).all(axis=1) & (stock <= self._most[parts][:, None]).all(axis=1)
        return parts[within], stock[within]
