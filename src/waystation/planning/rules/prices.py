"""The best placement of every part at given prices: what one more unit costs, what waiting and a miss are charged.

min over stock of  sum over nodes of price * units  +  sum over leaves of (charge * backorders - reward * fill),
by the same nested enumeration as the curves but with the prices inside, so that one pass is exact. This is the
sub-problem of column generation, and its sum over parts is a proven lower bound (Lagrange). Source: Kranenburg and
van Houtum, Operations Research Letters 35 (2007).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from waystation.planning.rules.counts import Array
from waystation.planning.rules.curves import chunks
from waystation.planning.rules.fleet import Fleet, Whole, shortage


@dataclass(frozen=True)
class Prices:
    """All (P, N): money per unit at a node, charge per mean backorder at a leaf, reward per share met at once there."""

    unit: Array
    charge: Array
    reward: Array


@dataclass(frozen=True)
class Priced:
    """For the parts asked: a sum (B,) that no stock is below, a stock (B, N), and the sum that it comes to."""

    least: Array
    stock: Whole
    value: Array


def priced(given: Fleet, prices: Prices) -> Priced:
    """The optimum of every part at these prices, without what hubs lend."""
    least = np.zeros(given.parts)
    stock = np.zeros((given.parts, len(given.parent)), dtype=np.int64)
    for chunk in chunks(given, np.arange(given.parts)):
        walk = _Walk(given, chunk, prices)
        least[chunk], stock[chunk] = walk.best()
    return Priced(least, stock, least)


class _Walk:
    """One chunk of parts: values of subtrees for many backorders of the node above at once."""

    def __init__(self, given: Fleet, parts: Whole, prices: Prices) -> None:
        self.fleet, self.parts, self.prices = given, parts, prices
        self.most = [int(v) for v in given.caps[parts].max(axis=0, initial=0)]

    def best(self) -> tuple[Array, Whole]:
        stock = np.zeros((len(self.parts), len(self.fleet.parent)), dtype=np.int64)
        nothing = np.zeros(len(self.parts))
        least = self._down(0, nothing, nothing, stock)
        return least, stock

    def _values(self, parts: Whole, node: int, ebo: Array, vbo: Array) -> tuple[Array, Array, Array]:
        """(B, K+1): the priced sum of a subtree for each own stock; and its backorders' moments."""
        mean, variance = self.fleet.at(parts, node, ebo, vbo)
        most = self.most[node]
        short, spread = shortage(mean, variance, most)
        value = self.prices.unit[parts, node][:, None] * np.arange(most + 1)
        value[np.arange(most + 1) < self.fleet.least[parts, node][:, None]] = np.inf
        if self.fleet.below[node]:
            each = np.repeat(parts, most + 1)
            for child in self.fleet.below[node]:
                deep, _, _ = self._values(each, child, short.reshape(-1), spread.reshape(-1))
                value += deep.min(axis=1).reshape(len(parts), -1)
                if not self.fleet.holds[child]:  # its customers are met from this node's shelf
                    value[:, 1:] -= self._rewards(parts, child, short)
        else:
            value += self.prices.charge[parts, node][:, None] * short
            value[:, 1:] -= self._rewards(parts, node, short)
        return value, short, spread

    def _rewards(self, parts: Whole, leaf: int, short: Array) -> Array:
        """(B, K): what being met at once earns with 1 .. K units."""
        met = 1.0 - (short[:, :-1] - short[:, 1:])
        return np.asarray(self.prices.reward[parts, leaf][:, None] * met)

    def _down(self, node: int, ebo: Array, vbo: Array, stock: Whole) -> Array:
        value, short, spread = self._values(self.parts, node, ebo, vbo)
        chosen = np.argmin(value, axis=1)
        rows = np.arange(len(self.parts))
        stock[:, node] = chosen
        for child in self.fleet.below[node]:
            self._down(child, short[rows, chosen], spread[rows, chosen], stock)
        return np.asarray(value[rows, chosen])
