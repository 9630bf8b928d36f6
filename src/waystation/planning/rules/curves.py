"""What each count of units of a part buys: the least waiting of customers by any placement in the tree.

Nested enumeration of the stock at every node with children; the leaves below one node are independent once the
node's backorders are known, and convex, so that their units are taken in order of gain; curves of siblings are joined
by min-plus convolution. All parts of a chunk at once. The result is the optimum of the VARI-METRIC model for every
count. Sources: Sherbrooke (1986); Fox (1966); Rustenburg, van Houtum and Zijm, IJPE 71 (2001).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from waystation.planning.rules.counts import Array
from waystation.planning.rules.fleet import Fleet, Whole, shortage

CELLS, FEW_CELLS = 1_500_000, 200_000
PASS_CELLS = 300_000  # what one pass over a chunk touches at a time, so that it stays in the processor's caches


def chunks(given: Fleet, parts: Whole) -> Iterator[Whole]:
    """The parts in groups of like size that one computation holds; sums of caps decide."""
    inner = [n for n in range(len(given.parent)) if given.below[n]]
    width = np.prod(given.caps[parts][:, inner[:1]] + 1.0, axis=1) if inner else np.ones(len(parts))
    if len(inner) > 1:
        width = width * (given.caps[parts][:, inner[1:]].max(axis=1) + 1.0)
    need = width * (given.caps[parts].sum(axis=1) + len(given.parent) + 1.0)
    order = parts[np.argsort(need, kind="stable")]
    need = np.sort(need, kind="stable")
    begin = 0
    while begin < len(order):
        end = begin + 1
        while end < len(order) and _fit(need[begin], need[end], end + 1 - begin):
            end += 1
        yield np.sort(order[begin:end])
        begin = end


def _fit(least: float, most: float, count: int) -> bool:
    """Whether so many parts make one chunk: small in all, or not too unlike and within the cells."""
    return count * most <= FEW_CELLS or (count * most <= CELLS and most <= 1.5 * least + 50)


@dataclass(frozen=True)
class Curve:
    """Parts of one chunk and their curves: `least[i, t]` is the least mean waiting of part `parts[i]` with t units."""

    parts: Whole
    least: Array


def curves(given: Fleet, parts: Whole | None = None, *, pass_cells: int = PASS_CELLS) -> list[Curve]:
    """The curve of every part, in chunks; counts run to where one more unit is not noticed.

    `pass_cells` is about how many numbers are looked at in one pass; it changes no result.
    """
    asked = np.arange(given.parts) if parts is None else parts
    return [Curve(chunk, np.concatenate(list(_passes(given, chunk, pass_cells)))) for chunk in chunks(given, asked)]


def _passes(given: Fleet, chunk: Whole, cells: int) -> Iterator[Array]:
    """The curves of a chunk, some parts at a time; every part is looked at as far as the chunk's caps go."""
    whole = _Joined(given, chunk)
    inner = [whole.most[n] + 1 for n, below in enumerate(given.below) if below]
    widest = max(len(below) for below in given.below) * (max(whole.most) + 1)
    rows = max(1, cells // (math.prod(inner[:1]) * max(inner[1:], default=1) * max(1, widest)))
    for begin in range(0, len(chunk), rows):
        yield _Joined(given, chunk[begin : begin + rows], whole.most).whole()


def place(given: Fleet, parts: Whole, counts: Whole) -> Whole:
    """The best stock (len(parts), N) that has `counts[i]` units of part `parts[i]`."""
    found = np.zeros((len(parts), len(given.parent)), dtype=np.int64)
    where = {int(part): n for n, part in enumerate(parts)}
    for chunk in chunks(given, parts):
        rows = np.array([where[int(p)] for p in chunk])
        found[rows] = _Joined(given, chunk).placed(counts[rows])
    return found


class _Joined:
    """Curves of the subtrees of one chunk of parts, and the way back from a count to a placement."""

    def __init__(self, given: Fleet, parts: Whole, most: list[int] | None = None) -> None:
        self.fleet, self.parts = given, parts
        self.most = [int(v) for v in given.caps[parts].max(axis=0, initial=0)] if most is None else most

    def whole(self) -> Array:
        nothing = np.zeros(len(self.parts))
        if not self.fleet.below[0]:
            return self._leaves(self.parts, (0,), nothing, nothing)[0]
        return self._least(self._by_stock(self.parts, 0, nothing, nothing))

    def _by_stock(self, parts: Whole, node: int, ebo: Array, vbo: Array) -> Array:
        """(B, K+1, T+1): waiting below a node for each own stock and each count below it."""
        mean, variance = self.fleet.at(parts, node, ebo, vbo)
        short, spread = shortage(mean, variance, self.most[node])
        each = np.repeat(parts, self.most[node] + 1)
        below = _all(self._children(each, node, short.reshape(-1), spread.reshape(-1)))
        return below.reshape(len(parts), self.most[node] + 1, -1)

    def _children(self, parts: Whole, node: int, ebo: Array, vbo: Array) -> list[Array]:
        """The curves of what hangs below a node: its leaves together, then each node with children."""
        leaves = tuple(c for c in self.fleet.below[node] if not self.fleet.below[c])
        inner = [c for c in self.fleet.below[node] if self.fleet.below[c]]
        found = [self._leaves(parts, leaves, ebo, vbo)[0]] if leaves else []
        return found + [self._least(self._by_stock(parts, child, ebo, vbo)) for child in inner]

    def _leaves(self, parts: Whole, leaves: tuple[int, ...], ebo: Array, vbo: Array) -> tuple[Array, Array]:
        """(B, T+1) waiting at leaves together by count, and (B, L, K) the gain of each further unit at each."""
        pairs = [self.fleet.at(parts, leaf, ebo, vbo) for leaf in leaves]
        mean, variance = (np.stack(rows, axis=1) for rows in zip(*pairs, strict=True))
        deepest = max(self.most[leaf] for leaf in leaves)
        short, _ = shortage(mean, variance, deepest)
        gains = short[..., :-1] - short[..., 1:]
        for n, leaf in enumerate(leaves):
            gains[:, n, self.most[leaf] :] = 0.0
        total = sum(self.most[leaf] for leaf in leaves)
        ordered = -np.sort(-gains.reshape(len(parts), -1), axis=1)[:, :total]
        start = short[..., 0].sum(axis=1)[:, None]
        return np.concatenate((start, start - np.cumsum(ordered, axis=1)), axis=1), gains

    @staticmethod
    def _least(by_stock: Array) -> Array:
        size, stocks, counts = by_stock.shape
        found = np.full((size, stocks + counts - 1), np.inf)
        for stock in range(stocks):
            part = found[:, stock : stock + counts]
            np.minimum(part, by_stock[:, stock], out=part)
        return np.asarray(np.minimum.accumulate(found, axis=1))

    def placed(self, counts: Whole) -> Whole:
        stock = np.zeros((len(self.parts), len(self.fleet.parent)), dtype=np.int64)
        nothing = np.zeros(len(self.parts))
        if self.fleet.below[0]:
            self._down(0, nothing, nothing, counts, stock)
        else:
            self._spread((0,), nothing, nothing, counts, stock)
        return stock

    def _down(self, node: int, ebo: Array, vbo: Array, counts: Whole, stock: Whole) -> None:
        by_stock = self._by_stock(self.parts, node, ebo, vbo)
        rows, (_, stocks, widths) = np.arange(len(self.parts)), by_stock.shape
        left = counts[:, None] - np.arange(stocks)
        reached = by_stock[rows[:, None], np.arange(stocks), np.clip(left, 0, widths - 1)]
        reached = np.where(left >= 0, reached, np.inf)
        chosen = np.argmin(reached, axis=1)
        stock[:, node] = chosen
        mean, variance = self.fleet.at(self.parts, node, ebo, vbo)
        short, spread = shortage(mean, variance, self.most[node])
        own, owned = short[rows, chosen], spread[rows, chosen]
        parts = self._children(self.parts, node, own, owned)
        shares = _shared(parts, np.minimum(counts - chosen, widths - 1))
        leaves = tuple(c for c in self.fleet.below[node] if not self.fleet.below[c])
        if leaves:
            self._spread(leaves, own, owned, shares.pop(0), stock)
        for child, share in zip([c for c in self.fleet.below[node] if self.fleet.below[c]], shares, strict=True):
            self._down(child, own, owned, share, stock)

    def _spread(self, leaves: tuple[int, ...], ebo: Array, vbo: Array, counts: Whole, stock: Whole) -> None:
        _, gains = self._leaves(self.parts, leaves, ebo, vbo)
        size, width, depth = gains.shape
        flat = gains.transpose(0, 2, 1).reshape(size, -1)  # the first units of all leaves before the second ones
        order = np.argsort(-flat, axis=1, kind="stable")
        taken = np.zeros_like(flat, dtype=bool)
        np.put_along_axis(taken, order, np.arange(depth * width) < counts[:, None], axis=1)
        stock[:, list(leaves)] = (taken & (flat > 0.0)).reshape(size, depth, width).sum(axis=1)


def _all(parts: list[Array]) -> Array:
    found = parts[0]
    for other in parts[1:]:
        found = joined(found, other)
    return found


def joined(one: Array, other: Array) -> Array:
    """Min-plus convolution along the last axis."""
    size, a = one.shape
    b = other.shape[1]
    found = np.full((size, a + b - 1), np.inf)
    for n in range(min(a, b)):
        less, more = (one, other) if a <= b else (other, one)
        part = found[:, n : n + max(a, b)]
        np.minimum(part, less[:, n : n + 1] + more, out=part)
    return found


def _shared(parts: list[Array], counts: Whole) -> list[Whole]:
    """How a count is shared among the parts of the join that reach the least sum."""
    prefix = [parts[0]]
    for other in parts[1:]:
        prefix.append(joined(prefix[-1], other))
    left, found = counts.copy(), list[Whole]()
    for n in range(len(parts) - 1, 0, -1):
        own, before = parts[n], prefix[n - 1]
        take = np.arange(own.shape[1])
        rest = left[:, None] - take
        reached = before[np.arange(len(left))[:, None], np.clip(rest, 0, before.shape[1] - 1)] + own
        reached = np.where((rest >= 0) & (rest < before.shape[1]), reached, np.inf)
        chosen = np.argmin(reached, axis=1)
        found.insert(0, chosen)
        left = left - chosen
    found.insert(0, left)
    return found
