"""Plans under several targets at once, by column generation with HiGHS, with a proven lower bound.

A column is a placement of one part. The master problem mixes columns so that money is least and every target holds;
its duals price the parts anew; what the pricing returns is the next column, and its sum is a bound that no plan of the
model can beat. At the end whole columns are chosen. Sources: Kranenburg and van Houtum (2007); Wong, Kranenburg,
van Houtum and Cattrysse, OR Spectrum 29 (2007); Luebbecke and Desrosiers, Operations Research 53 (2005).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Protocol

import numpy as np

from waystation.planning.rules.counts import Array
from waystation.planning.rules.fleet import Fleet, Seen, Whole, seen
from waystation.planning.rules.laterals.search import Lending
from waystation.planning.rules.master import Master
from waystation.planning.rules.prices import Priced, Prices, priced

Objective = Literal["money", "waiting"]
MOST_ROUNDS, VERY_MANY = 80, 4_000
CLOSE = 1e-4
RARELY, MISSED, UNSURE = 1e-8, 1e-9, 1e-7
NOTHING = 1e-9  # of money or units waited for


@dataclass(frozen=True)
class Limit:
    """sum over parts, nodes of (unit * stock + charge * backorders - reward * fill) <= most; all arrays (P, N)."""

    name: str
    unit: Array
    charge: Array
    reward: Array
    most: float

    def used(self, stock: Whole, ebo: Array, fill: Array, parts: Whole | None = None) -> Array:
        """What each part uses of the limit; of all parts, or of those whose stock (len(parts), N) is given."""
        at = slice(None) if parts is None else parts
        held, short, met = self.unit[at] * stock, self.charge[at] * ebo, self.reward[at] * fill
        return np.asarray((held + short - met).sum(axis=1))

    def sharper(self) -> Limit:
        """The limit, sharper by what the law of lending is not sure of, where it is about service."""
        service = self.charge.any() or self.reward.any()
        return replace(self, most=self.most - UNSURE * abs(self.most)) if service else self


@dataclass(frozen=True)
class Constrained:
    """The outcome: stock (P, N) or None, what it costs of the objective, the bound, and limits that cannot all hold.

    `status`: `optimal_within_gap`, `stopped` (may no longer go on: the best so far), `infeasible`, or `none_found`.
    """

    status: Literal["optimal_within_gap", "stopped", "infeasible", "none_found"]
    stock: Whole | None
    value: float
    bound: float
    conflict: tuple[str, ...] = ()
    rounds: int = 0

    @property
    def gap(self) -> float:
        """(value - bound) / bound; 0 where they meet, infinite where nothing above 0 was proven."""
        if self.value - self.bound <= NOTHING:
            return 0.0
        return (self.value - self.bound) / self.bound if self.bound > NOTHING else np.inf


def money(given: Fleet) -> Array:
    """(P, N): what a unit costs at each node."""
    return np.asarray(np.repeat(given.unit_cost[:, None], len(given.parent), axis=1))


def at_customers(given: Fleet) -> Array:
    """(P, N): 1 at leaves, where customers wait."""
    found = np.zeros((given.parts, len(given.parent)))
    found[:, list(given.leaves)] = 1.0
    return found


def constrained(
    given: Fleet, objective: Objective, limits: Sequence[Limit], may_go_on: Callable[[], bool] = lambda: True
) -> Constrained:
    """The cheapest plan (or the one of least waiting) within all limits."""
    model: Model = Lending(given, may_go_on) if given.lenders else _Alone(given)
    if given.lenders:
        limits = [limit.sharper() for limit in limits]
    search = _Search(model, objective, limits)
    if given.lenders:  # what is good without laterals is the worst that may come out
        alone = _Search(_Alone(given), objective, limits)
        alone.generate(may_go_on)
        search.add(*alone.columns())
    search.generate(may_go_on)
    if search.missed() and may_go_on():
        fitting = _Search(model, "nothing", limits)
        fitting.generate(may_go_on)
        if fitting.missed() and given.noticed > RARELY:  # units that are hardly ever needed may reach a sharp target
            return constrained(replace(given, noticed=RARELY), objective, limits, may_go_on)
        if fitting.missed() and may_go_on():
            return _clash(model, limits, search, may_go_on)
        search.take(fitting)
        search.generate(may_go_on)
    if search.missed():
        return Constrained("none_found", None, np.inf, search.bound, rounds=search.rounds)
    if isinstance(model, Lending) and may_go_on():
        search.add(*model.near(search.prices()))
        search.master.solve()
    chosen = search.master.whole(may_go_on)
    if chosen is None:
        return Constrained("none_found", None, np.inf, search.bound, rounds=search.rounds)
    stock = search.stock_of(chosen)
    value = search.value_of(stock)
    status: Literal["optimal_within_gap", "stopped"] = (
        "stopped" if search.stopped or search.master.was_stopped else "optimal_within_gap"
    )
    return Constrained(status, stock, value, max(0.0, min(search.bound, value)), rounds=search.rounds)


def _clash(model: Model, limits: Sequence[Limit], search: _Search, may_go_on: Callable[[], bool]) -> Constrained:
    named = _smallest_conflict(model, limits, may_go_on)
    return Constrained("infeasible", None, np.inf, search.bound, named, search.rounds)


def _smallest_conflict(model: Model, limits: Sequence[Limit], may_go_on: Callable[[], bool]) -> tuple[str, ...]:
    """Limits that clash and none of which can be left out: one is dropped if the rest still clash."""
    kept = list(limits)
    for limit in list(limits):
        rest = [other for other in kept if other is not limit]
        search = _Search(model, "nothing", rest)
        search.generate(may_go_on)
        if search.missed() and rest:
            kept = rest
    return tuple(limit.name for limit in kept)


class Model(Protocol):
    """What stocks do, and the best of each part at given prices."""

    @property
    def given(self) -> Fleet:
        """The parts and nodes."""

    def look(self, parts: Whole, stock: Whole) -> Seen:
        """What the stocks (len(parts), N) of some parts do."""

    def priced(self, prices: Prices) -> Priced:
        """A stock of every part, and what none of its stocks is below."""


@dataclass(frozen=True)
class _Alone:
    """Every hub serves its own customers alone."""

    given: Fleet

    def look(self, parts: Whole, stock: Whole) -> Seen:
        return seen(self.given, parts, stock)

    def priced(self, prices: Prices) -> Priced:
        return priced(self.given, prices)


@dataclass
class _Search:
    """The columns so far, the master problem over them, and the best bound that pricing has proven."""

    model: Model
    objective: Literal["money", "waiting", "nothing"]
    limits: Sequence[Limit]
    bound: float = -np.inf
    rounds: int = 0
    stopped: bool = False
    _stocks: list[Whole] = field(default_factory=list)
    _parts: list[Whole] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.given = self.model.given
        self._unit, self._waits = money(self.given), at_customers(self.given)
        self.master = Master(self.given.parts, [limit.most for limit in self.limits])
        everyone = np.arange(self.given.parts)
        full = np.where(np.array(self.given.holds)[None, :], self.given.caps, 0)
        self.add(everyone, self.given.least)
        self.add(everyone, full)

    def generate(self, may_go_on: Callable[[], bool]) -> None:
        """Price and add until the bound meets the master, nothing new prices out, or it may not go on."""
        while self.rounds < MOST_ROUNDS:
            self.rounds += 1
            duals, wages = self.master.solve()
            if self.objective == "nothing" and not self.missed():
                return
            found = self.model.priced(self._prices(duals))
            proven = float(found.least.sum()) - float(np.dot(duals, [limit.most for limit in self.limits]))
            self.bound = max(self.bound, proven)
            better = found.value < wages - 1e-9 * np.maximum(1.0, np.abs(wages))
            if not better.any() or self.master.value() - self.bound <= CLOSE * max(1e-9, abs(self.master.value())) / 4:
                return
            if not may_go_on():
                self.stopped = True
                return
            self.add(np.flatnonzero(better), found.stock[better])

    def missed(self) -> bool:
        """Whether the mix so far still misses a limit."""
        return self.master.slack() > MISSED

    def columns(self) -> tuple[Whole, Whole]:
        """Parts and stocks of the columns; of those in the mix, where there are very many."""
        parts, stocks = np.concatenate(self._parts), np.concatenate(self._stocks)
        kept = self.master.used() if len(parts) > VERY_MANY else np.arange(len(parts))
        return parts[kept], stocks[kept]

    def take(self, other: _Search) -> None:
        """Take over another search's columns, which hold every limit; from now on none may be missed."""
        for parts, stock in zip(other._parts, other._stocks, strict=True):
            self.add(parts, stock)
        self.master.forbid_missing()
        self.stopped = False

    def prices(self) -> Prices:
        """What units, waiting and misses cost by the duals of the mix so far."""
        return self._prices(self.master.solve()[0])

    def _prices(self, duals: Array) -> Prices:
        unit = self._unit if self.objective == "money" else np.zeros_like(self._unit)
        charge = self._waits if self.objective == "waiting" else np.zeros_like(self._unit)
        reward = np.zeros_like(self._unit)
        for dual, limit in zip(duals, self.limits, strict=True):
            if dual > 0.0:
                unit, charge, reward = (
                    unit + dual * limit.unit,
                    charge + dual * limit.charge,
                    reward + dual * limit.reward,
                )
        return Prices(unit, charge, reward)

    def add(self, parts: Whole, stock: Whole) -> None:
        """Columns: stocks (len(parts), N) of some parts."""
        at = self.model.look(parts, stock)
        rows = [limit.used(stock, at.ebo, at.fill, parts) for limit in self.limits]
        used = np.stack(rows) if rows else np.zeros((0, len(parts)))
        self.master.add(parts, self._costs(parts, stock, at.ebo), used)
        self._parts.append(parts)
        self._stocks.append(stock)

    def _costs(self, parts: Whole, stock: Whole, ebo: Array) -> Array:
        if self.objective == "money":
            return np.asarray((self._unit[parts] * stock).sum(axis=1))
        if self.objective == "waiting":
            return np.asarray((self._waits[parts] * ebo).sum(axis=1))
        return np.zeros(len(parts))

    def stock_of(self, chosen: Whole) -> Whole:
        """The stock (P, N) of the columns chosen, by part."""
        every = np.concatenate(self._stocks)
        return np.asarray(every[chosen], dtype=np.int64)

    def value_of(self, stock: Whole) -> float:
        """What a stock costs of the objective."""
        every = np.arange(self.given.parts)
        return float(self._costs(every, stock, self.model.look(every, stock).ebo).sum())
