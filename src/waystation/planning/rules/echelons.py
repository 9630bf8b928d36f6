"""Trees of stocking nodes under one-for-one replenishment: METRIC, VARI-METRIC and the exact law.

Every demand is passed up at once; transit times are fixed; a node's backorders are filled first come, first served;
the supply of the root is ample. N at a node is its own pipeline plus its share of the parent's backorders.
METRIC takes N as Poisson, VARI-METRIC as negative binomial on mean and variance; the exact law splits the parent's
backorders binomially and convolves. Sources: Sherbrooke, Operations Research 16 (1968) and 34 (1986); Graves,
Management Science 31 (1985); Sherbrooke (2004), ch. 3 and 5.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import at_least_zero, mean_demand, share
from waystation.planning.rules.counts import (
    Array,
    at_base_stock,
    backorders,
    convolved,
    negative_binomial,
    poisson,
    thinned,
)

Method = Literal["metric", "varimetric", "exact"]
METHODS: tuple[Method, ...] = ("metric", "varimetric", "exact")


@dataclass(frozen=True, slots=True)
class Tree:
    """A tree of nodes, parents before children. `parent[0]` is -1.

    `pipeline`: mean units of a node's own under way or in repair (Poisson), whatever its parent has. `up`: orders
    to the parent per unit of time. `own`: demand of the node's own customers per unit of time.
    """

    names: tuple[str, ...]
    parent: tuple[int, ...]
    pipeline: tuple[float, ...]
    up: tuple[float, ...]
    own: tuple[float, ...]

    def share(self, node: int) -> float:
        """Which share of its parent's backorders are a node's."""
        total = self.own[self.parent[node]] + sum(
            up for up, parent in zip(self.up, self.parent, strict=True) if parent == self.parent[node]
        )
        return self.up[node] / total if total > 0.0 else 0.0


@dataclass(frozen=True, slots=True)
class Node:
    """What happens at a node: mean and variance of N, share met at once, mean and variance of backorders."""

    mean: float
    variance: float
    fill: float
    ebo: float
    vbo: float


def two_echelons(
    base_demand: Sequence[float],
    depot_resupply_time: float,
    transit: Sequence[float],
    base_repair_fraction: float = 0.0,
    base_repair_time: float = 0.0,
) -> Tree:
    """A depot and its bases. `base_repair_fraction` of a base's demand is repaired there and never goes up."""
    repaired = share("base_repair_fraction", base_repair_fraction)
    at_least_zero("base_repair_time", base_repair_time)
    if not base_demand or len(transit) != len(base_demand):
        raise BadInput(
            "planning.bases",
            f"{len(base_demand)} demands and {len(transit)} transit times.",
            "Give one of each for every base.",
            field="transit",
        )
    up = [at_least_zero("base_demand", rate) * (1.0 - repaired) for rate in base_demand]
    own = [
        mean_demand("base_demand x time", rate * repaired * base_repair_time + sent * at_least_zero("transit", time))
        for rate, sent, time in zip(base_demand, up, transit, strict=True)
    ]
    depot = mean_demand("depot demand x time", sum(up) * at_least_zero("depot_resupply_time", depot_resupply_time))
    names = ("depot", *(f"base{n}" for n in range(len(up))))
    return Tree(names, (-1, *(0 for _ in up)), (depot, *own), (sum(up), *up), (0.0, *base_demand))


def tree(nodes: Mapping[str, Mapping[str, object]]) -> Tree:
    """A tree by name: `parent` (None at the root), `time` from the parent, and `rate` of own demand (absent: 0)."""
    order = _parents_first(nodes)
    places = {name: n for n, name in enumerate(order)}
    parent = tuple(places[str(nodes[n]["parent"])] if nodes[n].get("parent") is not None else -1 for n in order)
    own = [at_least_zero(f"{n}.rate", _number(nodes[n].get("rate", 0.0), f"{n}.rate")) for n in order]
    up = list(own)
    for node in range(len(order) - 1, 0, -1):
        up[parent[node]] += up[node]
    times = [at_least_zero(f"{n}.time", _number(nodes[n].get("time"), f"{n}.time")) for n in order]
    pipeline = tuple(mean_demand(f"{n}: rate x time", u * t) for n, u, t in zip(order, up, times, strict=True))
    return Tree(tuple(order), parent, pipeline, tuple(up), tuple(own))


def _parents_first(nodes: Mapping[str, Mapping[str, object]]) -> list[str]:
    roots = [name for name, node in nodes.items() if node.get("parent") is None]
    if len(roots) != 1:
        raise BadInput(
            "planning.root", f"{len(roots)} nodes have no parent.", "Leave exactly one without.", field="parent"
        )
    order = list(roots)
    for name in order:  # grows while it is read
        order += [child for child, node in nodes.items() if node.get("parent") == name]
    if len(order) != len(nodes):
        lost = sorted(set(nodes) - set(order))
        raise BadInput(
            "planning.tree",
            f"These nodes do not hang below the root: {', '.join(lost[:5])}.",
            "Give each a parent that leads to the root.",
            field="parent",
            value=lost[0] if lost else None,
        )
    return order


def _number(value: object, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadInput("planning.number", f"{field} is no number.", "Give a number.", field=field, value=str(value))
    return float(value)


def evaluate(network: Tree, stock: Sequence[int], method: Method = "exact") -> list[Node]:
    """What each node of the tree sees with base stocks `stock` (units, one per node, in the tree's order)."""
    if len(stock) != len(network.parent) or any(s != int(s) or s < 0 for s in stock):
        raise BadInput(
            "planning.stock",
            f"Stock {list(stock)} does not fit {len(network.parent)} nodes.",
            "Give one whole number of zero or more for each node.",
            field="stock",
        )
    return _exact(network, stock) if method == "exact" else _two_moments(network, stock, method == "metric")


def _exact(network: Tree, stock: Sequence[int]) -> list[Node]:
    laws: list[Array] = []
    found = []
    for node, parent in enumerate(network.parent):
        law = poisson(network.pipeline[node])
        if parent >= 0:
            waiting = backorders(laws[parent], int(stock[parent]))
            law = convolved(law, thinned(waiting, network.share(node)))
        laws.append(law)
        found.append(_seen(law, int(stock[node])))
    return found


def _two_moments(network: Tree, stock: Sequence[int], as_poisson: bool) -> list[Node]:
    found: list[Node] = []
    for node, parent in enumerate(network.parent):
        mean = variance = network.pipeline[node]
        if parent >= 0:
            part, above = network.share(node), found[parent]
            mean += part * above.ebo
            variance += part * (1.0 - part) * above.ebo + part * part * above.vbo
        if as_poisson:
            variance = mean
        ratio = max(1.0, variance / mean) if mean > 0.0 else 1.0
        seen = _seen(negative_binomial(mean, ratio) if ratio > 1.0 + 1e-12 else poisson(mean), int(stock[node]))
        found.append(Node(mean, variance, seen.fill, seen.ebo, seen.vbo))
    return found


def _seen(law: Array, stock: int) -> Node:
    k = np.arange(len(law))
    mean = float(k @ law)
    at = at_base_stock(law, stock)
    return Node(mean, max(0.0, float((k * k) @ law) - mean * mean), at.fill, at.ebo, at.vbo)


def customers_wait(network: Tree, found: Sequence[Node]) -> float:
    """Mean units that customers wait for, all nodes together: each node's share of its backorders is its own."""
    waiting = 0.0
    for node, seen in enumerate(found):
        below = sum(u for u, p in zip(network.up, network.parent, strict=True) if p == node)
        total = below + network.own[node]
        waiting += seen.ebo * network.own[node] / total if total > 0.0 else 0.0
    return waiting
