"""Many parts on one tree of nodes, in arrays, and VARI-METRIC over all of them at once.

Shapes: P parts, N nodes, parents before children; the root is node 0. Rates per year, times in years. Customers
stand at leaves only: a node with children and customers of its own gets a leaf below it at no distance that holds
nothing. Source: Sherbrooke, Operations Research 34 (1986).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import MOST_MEAN
from waystation.planning.rules.counts import Array

Whole = NDArray[np.int64]
NOTICED = 1e-4  # a unit that is needed less often than this is not worth a place on a shelf


@dataclass(frozen=True)
class Fleet:
    """Parts and nodes. `parent` and `holds` (may it stock anything) by node; `of` names the node a leaf stands for.

    `pipeline` (P, N): mean units under way; `share` (P, N): a node's share of its parent's backorders; `rate` (P, N):
    customers' demand a year, at leaves; `ratio` (P): variance to mean; `unit_cost` (P): money. A unit needed less often
    than `noticed` is not looked at. `least` (P, N): units that have to lie at a node whatever they are worth.
    `years` from each node's parent; `lenders` by leaf: the nodes that send its customers a unit when their own node
    has none, in order (laterals).
    """

    parent: tuple[int, ...]
    holds: tuple[bool, ...]
    of: tuple[int, ...]
    years: tuple[float, ...]
    pipeline: Array
    share: Array
    rate: Array
    ratio: Array
    unit_cost: Array
    least: Whole
    lenders: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    noticed: float = NOTICED

    @property
    def parts(self) -> int:
        """How many parts."""
        return len(self.unit_cost)

    @cached_property
    def below(self) -> tuple[tuple[int, ...], ...]:
        """The nodes next below each node."""
        return tuple(tuple(c for c, p in enumerate(self.parent) if p == n) for n in range(len(self.parent)))

    @cached_property
    def leaves(self) -> tuple[int, ...]:
        """The nodes with nothing below, where customers stand."""
        return tuple(n for n, below in enumerate(self.below) if not below)

    @cached_property
    def worst(self) -> tuple[Array, Array]:
        """Mean and variance (P, N) of units outstanding at each node when nothing above it holds stock."""
        mean, variance = np.zeros_like(self.pipeline), np.zeros_like(self.pipeline)
        every = np.arange(self.parts)
        nothing = np.zeros(self.parts)
        for node, parent in enumerate(self.parent):
            above = (mean[:, parent], variance[:, parent]) if parent >= 0 else (nothing, nothing)
            mean[:, node], variance[:, node] = self.at(every, node, *above)
        return mean, variance

    @cached_property
    def caps(self) -> Whole:
        """(P, N): the most units worth looking at: more are needed less often than `noticed`."""
        mean, variance = self.worst
        caps = np.zeros(self.pipeline.shape, dtype=np.int64)
        for node, holds in enumerate(self.holds):
            if holds and self.parts:
                caps[:, node] = most_useful(mean[:, node], variance[:, node], self.noticed)
        return np.maximum(caps, self.least)

    def at(self, parts: NDArray[np.int64], node: int, ebo: Array, vbo: Array) -> tuple[Array, Array]:
        """Mean and variance of units outstanding at a node, from its parent's backorders; all (len(parts),)."""
        part, pipeline = self.share[parts, node], self.pipeline[parts, node]
        mean = pipeline + part * ebo
        return mean, pipeline * self.ratio[parts] + part * (1.0 - part) * ebo + part * part * vbo


def fleet(
    parent: Sequence[int],
    years: Sequence[float],
    rate: Array,
    ratio: Array,
    unit_cost: Array,
    *,
    supply: Array | None = None,
    least: Whole | None = None,
    lenders: Mapping[int, tuple[int, ...]] | None = None,
    shelves: int | None = None,
) -> Fleet:
    """A fleet from the tree (parents first), years from each node's parent, and yearly demand (P, N) at any node.

    `supply` (P): years of each part from supply to the root, where they differ; `least` (P, N), `lenders`: see `Fleet`.
    Only the first `shelves` nodes hold anything (all, if not said): the others are customers of the node above.
    """
    shelved = len(parent) if shelves is None else shelves
    above, times = list(parent), list(years)
    stands = [n if n < shelved else parent[n] for n in range(len(parent))]
    demand = rate.copy()
    for node in range(len(parent)):
        if node in parent and demand[:, node].any():
            above.append(node)
            times.append(0.0)
            stands.append(node)
            demand = np.column_stack((demand, demand[:, node]))
            demand[:, node] = 0.0
    up = demand.copy()
    for node in range(len(above) - 1, 0, -1):
        up[:, above[node]] += up[:, node]
    pipeline = up * np.array(times)
    if supply is not None:
        pipeline[:, 0] = up[:, 0] * supply
    _check(pipeline)
    total = up[:, [max(0, p) for p in above]]
    share = np.divide(up, total, out=np.zeros_like(up), where=total > 0.0)
    holds = tuple(n < shelved for n in range(len(above)))
    bound = np.zeros(up.shape, dtype=np.int64)
    if least is not None:
        bound[:, :shelved] = least
    tree = tuple(above), holds, tuple(stands), tuple(times)
    return Fleet(*tree, pipeline, share, demand, ratio, unit_cost, bound, dict(lenders or {}))


def _check(pipeline: Array) -> None:
    if pipeline.size and float(pipeline.max()) > MOST_MEAN:
        raise BadInput(
            "planning.mean",
            f"A part has {pipeline.max():g} units under way to a node; the laws are for up to {MOST_MEAN:g}.",
            "Check demand, lead times and their units.",
            field="demand",
        )


def shortage(mean: Array, variance: Array, most: int) -> tuple[Array, Array]:
    """Mean and variance of backorders for base stocks 0 .. `most`: shape (*mean.shape, most + 1).

    Negative binomial on the two moments, Poisson where the variance does not exceed the mean.
    """
    ebo = np.empty((most + 1, *mean.shape))  # by stock first: each step of the recursion reads and writes whole rows
    second = np.empty_like(ebo)
    ebo[0], second[0] = mean, variance + mean * mean
    b = 1.0 - mean / np.maximum(variance, np.maximum(mean, 1e-300))
    b = np.where((b < 1e-9) | (mean <= 0.0), 0.0, b)
    base = mean * (1.0 - b)
    law = np.exp(np.where(b > 0.0, base * np.log1p(-b) / np.where(b > 0.0, b, 1.0), -base))
    over = 1.0 - law
    for stock in range(most):
        ebo[stock + 1] = np.maximum(ebo[stock] - over, 0.0)
        second[stock + 1] = second[stock] - 2.0 * ebo[stock] + over
        law = law * (base + stock * b) / (stock + 1.0)
        over = np.maximum(over - law, 0.0)
    return np.moveaxis(ebo, 0, -1), np.moveaxis(np.maximum(second - ebo * ebo, 0.0), 0, -1)


def most_useful(mean: Array, variance: Array, noticed: float = NOTICED) -> Whole:
    """How many units are each needed more often than `noticed` (a share of time); shape of `mean`."""
    worst = float(np.max(mean + 6.0 * np.sqrt(variance), initial=0.0))
    ebo, _ = shortage(mean, variance, int(worst) + 20)
    found: Whole = (ebo[..., :-1] - ebo[..., 1:] > noticed).sum(axis=-1)
    return found


@dataclass(frozen=True, slots=True)
class Seen:
    """What a stock (P, N) does, all (P, N): mean backorders, share met at once, mean and variance of units outstanding.

    A leaf that holds nothing is met like the node it stands for.
    """

    ebo: Array
    fill: Array
    mean: Array
    variance: Array


def seen(given: Fleet, parts: Whole, stock: Whole) -> Seen:
    """Evaluate the stocks (len(parts), N) of some parts."""
    shape = stock.shape
    ebo, vbo, fill = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    means, variances = np.zeros(shape), np.zeros(shape)
    nothing = np.zeros(len(parts))
    for node, parent in enumerate(given.parent):
        above = (ebo[:, parent], vbo[:, parent]) if parent >= 0 else (nothing, nothing)
        mean, variance = given.at(parts, node, *above)
        means[:, node], variances[:, node] = mean, variance
        held = stock[:, node]
        short, spread = shortage(mean, variance, int(held.max(initial=0)))
        rows = np.arange(len(parts))
        ebo[:, node], vbo[:, node] = short[rows, held], spread[rows, held]
        before = short[rows, np.maximum(held - 1, 0)]
        fill[:, node] = np.where(held > 0, 1.0 - (before - ebo[:, node]), 0.0)
        if not given.holds[node]:
            fill[:, node] = fill[:, parent]
    return Seen(ebo, np.clip(fill, 0.0, 1.0), means, variances)


def waiting(given: Fleet, ebo: Array) -> Array:
    """(P,): mean units that customers wait for, from the backorders (P, N)."""
    total: Array = ebo[:, list(given.leaves)].sum(axis=1)
    return total
