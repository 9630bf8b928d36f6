"""Event simulation in arrays: every demand of a tree, and hubs that share stock with a courier behind them.

A tree with fixed transit and first come, first served needs no event list: the k-th demand of a node is met by the
unit ordered at demand k - S, so all waiting times follow from cumulative arrival times (Svoronos and Zipkin,
Management Science 37 (1991)). Hubs with laterals run as many independent histories in step, one demand of each at a
time. Seeded: the same seed gives the same bits.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero
from waystation.planning.rules.counts import Array
from waystation.planning.rules.fleet import Fleet, Whole

BATCHES = 40
WARM_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over batches and its standard error."""

    mean: float
    error: float

    @property
    def wide(self) -> float:
        """Half of the interval that holds the mean in 95 of 100 cases."""
        return 1.96 * self.error

    @property
    def known(self) -> bool:
        """Whether there was anything to measure."""
        return math.isfinite(self.mean)

    def holds(self, value: float, errors: float = 3.0) -> bool:
        """Whether a value lies within so many standard errors."""
        return abs(self.mean - value) <= errors * self.error + 1e-12


@dataclass(frozen=True)
class Simulated:
    """By leaf of the tree: mean units that customers wait for, and share met at once; all leaves; events counted.

    An event is a demand at a node or a unit's arrival there.
    """

    ebo: dict[int, Estimate]
    fill: dict[int, Estimate]
    waiting: Estimate
    events: int


def simulate_tree(
    given: Fleet, part: int, stock: Sequence[int], years: Sequence[float], orders: int, seed: int
) -> Simulated:
    """`orders` customers of one part against base stocks `stock` (N). `years`: transit to each node of the fleet.

    Customers are Poisson; where variance to mean is above 1 they ask for batches of logarithmic size, met unit by unit.
    """
    _enough(orders)
    rng = np.random.Generator(np.random.PCG64(seed))
    rates = given.rate[part]
    total = above_zero("demand of the part", float(rates.sum()))
    ratio = float(given.ratio[part])
    units, customers = _batches(rng, orders, ratio)
    gaps = rng.exponential(np.mean(units) / total if ratio > 1.0 else 1.0 / total, customers)
    at = np.repeat(np.cumsum(gaps), units)
    leaf = np.repeat(rng.choice(len(rates), size=customers, p=rates / total), units)
    walk = _Tree(given, stock, years, at, leaf)
    walk.node(0, np.arange(len(at)), at + years[0])
    return walk.told(rates)


def _batches(rng: np.random.Generator, orders: int, ratio: float) -> tuple[Whole, int]:
    if ratio <= 1.0:
        return np.ones(orders, dtype=np.int64), orders
    sizes = rng.logseries(1.0 - 1.0 / ratio, size=orders).astype(np.int64)
    return sizes, orders


class _Tree:
    """One sample path: times of all demands, the leaf of each, and when each was met."""

    def __init__(self, given: Fleet, stock: Sequence[int], years: Sequence[float], at: Array, leaf: Whole) -> None:
        self.fleet, self.stock, self.years, self.at, self.leaf = given, stock, years, at, leaf
        self.met = at.copy()
        self.events = 0
        self._under = [self._leaves_under(n) for n in range(len(given.parent))]

    def _leaves_under(self, node: int) -> set[int]:
        below = self.fleet.below[node]
        return {node} if not below else set().union(*(self._leaves_under(c) for c in below))

    def node(self, node: int, demands: Whole, arrival: Array) -> None:
        """Serve the demands (numbers, in time order) of a node whose replenishments arrive at `arrival`."""
        held = int(self.stock[node])
        served = self.at[demands].copy()
        if held < len(served):
            served[held:] = np.maximum(served[held:], arrival[: len(arrival) - held])
        self.events += 2 * len(demands)
        below = self.fleet.below[node]
        if not below:
            self.met[demands] = served
            return
        for child in below:
            mine = np.isin(self.leaf[demands], sorted(self._under[child]))
            self.node(child, demands[mine], served[mine] + self.years[child])

    def told(self, rates: Array) -> Simulated:
        """Means over batches of demands in order, the first part left out."""
        begin = int(len(self.at) * WARM_SHARE)
        wait, leaf = (self.met - self.at)[begin:], self.leaf[begin:]
        fill, ebo, sums = dict[int, Estimate](), dict[int, Estimate](), np.zeros(BATCHES)
        cut = np.array_split(np.arange(len(wait)), BATCHES)
        for node in np.flatnonzero(rates > 0.0):
            waits, shares = np.zeros(BATCHES), np.zeros(BATCHES)
            for n, rows in enumerate(cut):
                mine = wait[rows][leaf[rows] == node]
                waits[n] = mine.mean() if len(mine) else 0.0
                shares[n] = (mine <= 1e-12).mean() if len(mine) else 1.0
            sums += waits * rates[node]
            ebo[int(node)], fill[int(node)] = _estimate(waits * rates[node]), _estimate(shares)
        return Simulated(ebo, fill, _estimate(sums), self.events)


def _estimate(values: Array) -> Estimate:
    return Estimate(float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values))))


def _enough(orders: int) -> None:
    if not 100 * BATCHES <= orders <= 50_000_000:
        raise BadInput(
            "planning.orders",
            f"{orders} customers are too few or too many to simulate.",
            f"Give {100 * BATCHES} to 50 million.",
            field="orders",
            value=orders,
        )


@dataclass(frozen=True)
class PoolSimulated:
    """By hub: shares of demand met from its own shelf, by a lateral, by the emergency channel; and the events."""

    local: tuple[Estimate, ...]
    lateral: tuple[Estimate, ...]
    emergency: tuple[Estimate, ...]
    all_emergency: Estimate
    events: int


def simulate_pool(
    demand: Sequence[float],
    lead_time: float,
    stock: Sequence[int],
    preference: Sequence[Sequence[int]],
    demands: int,
    seed: int,
    *,
    fixed_lead_time: bool = False,
    histories: int = 2_000,
) -> PoolSimulated:
    """Hubs that share stock: every demand tries its hubs in order, else the courier brings one.

    Lead times are exponential of mean `lead_time`, or fixed. `demands` in all; `histories` run in step, and the first
    tenth of each is left out.
    """
    above_zero("lead_time", lead_time)
    rng = np.random.Generator(np.random.PCG64(seed))
    pool = _Pool(rng, demand, lead_time, stock, preference, histories, fixed_lead_time)
    steps = max(20, demands // histories)
    for step in range(steps):
        pool.step(counted=step >= steps // 10)
    return pool.told(2 * steps * histories)


class _Pool:
    """Many histories in step: when each unit of each hub is back, and what became of the demands."""

    def __init__(
        self,
        rng: np.random.Generator,
        demand: Sequence[float],
        lead_time: float,
        stock: Sequence[int],
        preference: Sequence[Sequence[int]],
        histories: int,
        fixed: bool,
    ) -> None:
        self.rng, self.lead_time, self.fixed = rng, lead_time, fixed
        self.total = above_zero("demand of all hubs", float(sum(demand)))
        self.odds = np.cumsum(np.array(demand) / self.total)
        width = max(1, max(stock))
        self.back = np.full((histories, len(stock), width), np.inf)
        for hub, held in enumerate(stock):
            self.back[:, hub, :held] = 0.0
        self.order = np.full((len(stock), len(stock)), -1)
        for hub, hubs in enumerate(preference):
            self.order[hub, : len(hubs)] = hubs
        self.now = np.zeros(histories)
        self.met = np.zeros((len(stock), 3, histories))

    def step(self, *, counted: bool) -> None:
        """One demand of every history."""
        size = len(self.now)
        rows = np.arange(size)
        self.now += self.rng.exponential(1.0 / self.total, size)
        hub = np.minimum(np.searchsorted(self.odds, self.rng.random(size), side="right"), len(self.odds) - 1)
        leads = np.full(size, self.lead_time) if self.fixed else self.rng.exponential(self.lead_time, size)
        first = self.back.argmin(axis=2)
        ready = self.back.min(axis=2) <= self.now[:, None]
        source = np.full(size, -1)
        for place in range(self.order.shape[1]):
            asked = self.order[hub, place]
            takes = (source < 0) & (asked >= 0) & ready[rows, asked]
            source[takes] = asked[takes]
        served = rows[source >= 0]
        self.back[served, source[served], first[served, source[served]]] = (self.now + leads)[served]
        if counted:
            how = np.where(source < 0, 2, np.where(source == hub, 0, 1))
            self.met[hub, how, rows] += 1.0

    def told(self, events: int) -> PoolSimulated:
        """Shares with errors, histories grouped into batches."""
        groups = np.array_split(np.arange(self.met.shape[2]), BATCHES)
        sums = np.stack([self.met[:, :, g].sum(axis=2) for g in groups], axis=2)
        shares = sums / np.maximum(1.0, sums.sum(axis=1, keepdims=True))
        every = sums[:, 2].sum(axis=0) / np.maximum(1.0, sums.sum(axis=(0, 1)))
        local, lateral, emergency = (tuple(_estimate(h[n]) for h in shares) for n in range(3))
        return PoolSimulated(local, lateral, emergency, _estimate(every), events)
