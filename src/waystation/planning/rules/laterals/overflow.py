"""What a stock does when hubs lend: a need that finds its own shelf empty takes a unit of the next hub that has one.

Hubs that one node feeds are a group. The feeder's backlog is split over them (multinomial) and joined by what is on
its way to each, so that hubs are seen to be short together, or in each other's place. The law of a hub is tilted by the
orders that laterals add while it has stock and take away while it has none; how often that is follows from the joint
law, and both are solved by repeated substitution. Without lenders it is the exact law, but for the feeder, whose units
outstanding are negative binomial on two moments. A need that no lender meets waits at its own hub.
Sources: Axsaeter, Management Science 36 (1990); Kranenburg and van Houtum, EJOR 199 (2009); Graves, Management Science
31 (1985) for the split of a backlog.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from waystation.planning.rules.counts import Array, count_laws
from waystation.planning.rules.fleet import Fleet, Seen, Whole, most_useful, seen

FEEDER = -1  # in place of a hub's number in its group: the node that feeds them
RARE, CLOSE, MOST_TURNS = 3e-6, 2e-5, 60
MORE_POINTS = 10  # of the transform, beyond the backlogs: what is folded back onto them is below its noise
LOST = 1e-12  # a backlog's weight in the transform that is noise; then no shelf is taken to have a unit
NEARLY_NOTHING = 1e-5  # a hub's transform by which no other is divided: what is lost is a hundred thousand times noise
NEVER = 1e-9  # a chance that is noise
CELLS = 2_000_000


@dataclass(frozen=True, slots=True)
class PoolingGroup:
    """Hubs that one node feeds and that lend or borrow, and the leaves whose customers they serve: each one's hub and
    lenders, by number."""

    feeder: int
    hubs: tuple[int, ...]
    doors: tuple[int, ...]
    home: tuple[int, ...]
    lenders: tuple[tuple[int, ...], ...]


def pooling_groups(given: Fleet) -> tuple[PoolingGroup, ...]:
    """The pooling groups of a fleet."""
    found = []
    for feeder in range(len(given.parent)):
        fed = {c for c in given.below[feeder] if lends(given, c)}
        borrow = [d for d, lenders in given.lenders.items() if lenders and _feeder_of(given, d, fed) == feeder]
        used = {given.of[d] for d in borrow} | {hub for d in borrow for hub in given.lenders[d]}
        hubs = tuple(sorted(used & fed))
        if not hubs:
            continue
        doors = [leaf for leaf in given.leaves if given.of[leaf] in hubs or leaf in borrow]
        number = {hub: n for n, hub in enumerate(hubs)} | {feeder: FEEDER}
        lenders = tuple(tuple(number[hub] for hub in given.lenders.get(door, ())) for door in doors)
        found.append(PoolingGroup(feeder, hubs, tuple(doors), tuple(number[given.of[d]] for d in doors), lenders))
    return tuple(found)


def _feeder_of(given: Fleet, door: int, fed: set[int]) -> int:
    """The node that feeds the hub of a door, or is it."""
    return given.parent[given.of[door]] if given.of[door] in fed else given.of[door]


def lends(given: Fleet, node: int) -> bool:
    """Whether a node is a hub that may lend: it holds stock and feeds no other shelf."""
    return given.holds[node] and not any(given.holds[below] for below in given.below[node])


def most_units(given: Fleet) -> Whole:
    """(P,): the most units of a part that are worth looking at on one shelf, which may serve everybody."""
    shelves = [n for n, holds in enumerate(given.holds) if holds]
    mean, variance = (moment[:, shelves].sum(axis=1) for moment in given.worst)
    return np.asarray(np.maximum(most_useful(mean, variance, given.noticed), given.least.max(axis=1, initial=0)))


def lent(given: Fleet, parts: Whole, stock: Whole, of: tuple[PoolingGroup, ...]) -> Seen:
    """What the stocks (len(parts), N) of some parts do; `fill` at a leaf is the share met at once by its own hub or a
    lender, `ebo` what waits there."""
    found = seen(given, parts, stock)
    for group in of:
        for rows in _chunks(given, group, parts, found, stock):
            some = _Settled(given, group, parts[rows], stock[rows], found.mean[rows], found.variance[rows])
            some.settle()
            some.tell(found, rows)
    return found


def _chunks(given: Fleet, group: PoolingGroup, parts: Whole, at: Seen, stock: Whole) -> Iterator[Whole]:
    """Rows of like size, the smaller ones first, so that few cells are empty."""
    high = at.mean[:, group.feeder] + 8.0 * np.sqrt(at.variance[:, group.feeder]) + 8.0
    need = high * (stock[:, list(group.hubs)].max(axis=1, initial=0) + high) * max(1, len(group.hubs))
    order = np.argsort(need, kind="stable")
    begin = 0
    while begin < len(order):
        end = begin + 1
        while (
            end < len(order)
            and (end + 1 - begin) * need[order[end]] <= CELLS
            and need[order[end]] < 2 * need[order[begin]] + 50
        ):
            end += 1
        yield order[begin:end]
        begin = end


class _Settled:
    """One pooling group for some stocks.

    Axes: C stocks, S states of the feeder (0: has stock, 1 + b: a backlog of b), H hubs, B units owed from 0, M points
    of a transform.

    The joint law of what hubs are owed is that of independent counts whose sum is the backlog: a coefficient of a
    product of polynomials, one for each hub, read off its values at the roots of unity.
    """

    def __init__(
        self, given: Fleet, group: PoolingGroup, parts: Whole, stock: Whole, mean: Array, variance: Array
    ) -> None:
        self.of, self.hubs = group, list(group.hubs)
        self.stock = stock[:, self.hubs]
        self.rate = given.rate[parts][:, list(group.doors)]
        feeder = mean[:, group.feeder], variance[:, group.feeder], stock[:, group.feeder]
        self.chance = _feeder(*feeder)
        self.backlog = np.concatenate(([0], np.arange(self.chance.shape[1] - 1)))
        self.placed = _placed(feeder[0], feeder[2], self.backlog)
        self.feeder = feeder
        own, may = np.zeros((2, len(parts), len(self.hubs)))
        for door, (home, lenders) in enumerate(self._chains()):
            for hub in (home, *lenders):
                if hub != FEEDER:
                    (own if hub == home else may)[:, hub] += self.rate[:, door]
        self.base = np.where(own > 0.0, own, may)  # orders a year under which the laws are drawn
        self._draw(given, parts, own)
        plain = np.divide(own, self.base, out=np.ones_like(own), where=self.base > 0.0)
        self.up = np.repeat(plain[:, None], self.chance.shape[1], axis=1)
        self.down, self.left = self.up.copy(), np.ones_like(self.chance)

    def _chains(self) -> Iterator[tuple[int, tuple[int, ...]]]:
        return zip(self.of.home, self.of.lenders, strict=True)

    def _draw(self, given: Fleet, parts: Whole, own: Array) -> None:
        """Laws of what is on its way (C, H, T), weights of what hubs are owed (C, H, B), and others' rates (C,)."""
        self.years = np.array([given.years[h] for h in self.hubs])
        self.after: dict[tuple[int, ...], Array] = {}
        ratio, mean = given.ratio[parts][:, None], self.base * self.years
        width = int(np.max(mean + 8.0 * np.sqrt(mean * ratio), initial=0.0)) + 6
        self.way = count_laws(mean, mean * ratio, width)
        self.total = np.maximum(given.rate[parts][:, _under(given, self.of.feeder)].sum(axis=1), 1e-300)
        share = (self.base / self.total[:, None]).clip(0.0, 1.0)
        empty = np.maximum(1.0 - self.chance[:, 0], 1e-12)
        self.typical = 1.0 + (self.chance * self.backlog).sum(axis=1) / empty
        owed = np.arange(self.chance.shape[1] - 1)
        points = 2 * ((len(owed) + MORE_POINTS + 1) // 2)
        turn = 2j * np.pi * np.arange(points // 2 + 1) / points  # the other half of the circle is its mirror image
        twice = np.where((turn.imag > 0.0) & (turn.imag < np.pi - 1e-9), 2.0, 1.0) / points
        self.wave, self.back = np.exp(np.outer(owed, turn)), np.exp(-np.outer(self.backlog, turn)) * twice
        self.turn = np.exp(turn) - 1.0
        logs = np.array([math.lgamma(k + 1.0) for k in owed])
        shares = np.maximum(share * self.typical[:, None], 1e-300)
        self.owed = np.exp(owed * np.log(shares)[..., None] - logs - shares[..., None])
        self.others = np.maximum(0.0, self.total - own.sum(axis=1))

    def settle(self) -> None:
        """Turn until the orders by laterals agree with the shares of time that they follow from; each stock by itself,
        so that it is worth the same beside any others."""
        moving = np.ones(len(self.stock), dtype=bool)
        for _ in range(MOST_TURNS):
            self._tilt()
            before = self.up, self.down, self.left
            after = self._orders()
            self.up, self.down, self.left = (
                np.where(moving.reshape(-1, *[1] * (old.ndim - 1)), new, old)
                for old, new in zip(before, after, strict=True)
            )
            moving &= np.max(list(map(self._apart, before, after)), axis=0) >= CLOSE
            if not moving.any():
                break
        self._tilt(last=True)

    def _apart(self, old: Array, new: Array) -> Array:
        """(C,): how far rates (C, S, ...) are from what they were, over the states as often as they are."""
        far = np.abs(new - old).reshape(*self.chance.shape, -1).max(axis=2)
        return np.asarray((self.chance * far).sum(axis=1))

    def _tilt(self, *, last: bool = False) -> None:
        """Transforms (H, C, S, M) of the hubs' weights: all, without a unit, and at last times what is short."""
        stock, n = self.stock[:, None, :, None], np.arange(self.owed.shape[-1] + self.way.shape[-1] - 1)
        old = np.where(n < stock, self._then(self.up)[..., None], self._then(self.down)[..., None])
        new = np.where(n < stock, self.up[..., None], self.down[..., None])
        owed = np.arange(self.owed.shape[-1])
        weight = np.concatenate((np.ones_like(old[..., :1]), np.cumprod(old[..., : owed[-1]], axis=-1)), axis=-1)
        told = np.zeros((3 if last else 2, *weight.shape))
        for way in range(self.way.shape[-1]):
            some = self.way[:, None, :, way : way + 1] * weight
            told[0] += some
            told[1] += np.where(owed + way >= stock, some, 0.0)
            if last:
                told[2] += np.maximum(owed + way - stock, 0) * some
            weight = weight * new[..., way : way + len(owed)]
        told *= self.owed[:, None]
        told[:, :, 0, :, 1:] = 0.0  # nothing is owed while the feeder has stock
        self.all, self.empty, *short = (np.moveaxis(some, 2, 0) @ self.wave for some in told)
        self.short = short[0] if last else self.all
        rest = self.typical[:, None] * (self.others / self.total)[:, None] * self._then(self.left)
        rest[:, 0] = 0.0
        self.rest = np.exp(rest[..., None] * self.turn)
        self.every = self.rest * np.prod(self.all, axis=0)
        sure = bool(np.abs(self.all).min(initial=1.0) > NEARLY_NOTHING)
        self.ratio = self.empty / self.all if sure else None
        self.whole = self._at(())
        self.known: dict[tuple[int | None, frozenset[int]], Array] = {}

    def _then(self, rates: Array) -> Array:
        """Rates (C, S, ...) as they were when the units that are owed now were ordered."""
        low = np.minimum(self.placed.astype(np.int64), rates.shape[1] - 1)
        rows, part = np.arange(len(rates))[:, None], self.placed - low
        part = part.reshape(*part.shape, *[1] * (rates.ndim - 2))
        high = np.minimum(low + 1, rates.shape[1] - 1)
        return np.asarray((1.0 - part) * rates[rows, low] + part * rates[rows, high])

    def _at(self, none: Sequence[int], short: int | None = None) -> Array:
        """(C, S): the weight of each state with no unit at the hubs of `none`; times the units short at a hub."""
        if self.ratio is not None and short is None:
            found = self.every
            for hub in none:
                found = found if hub == FEEDER else found * self.ratio[hub]
        else:
            found = self.rest
            for hub in range(len(self.hubs)):
                found = found * (self.short if hub == short else self.empty if hub in none else self.all)[hub]
        return np.asarray(np.maximum(0.0, (found * self.back).sum(axis=-1).real))

    def _none(self, chain: Sequence[int]) -> Array:
        """(C, S): the chance that none of some shelves has a unit, in each state; the first is a need's own."""
        key = chain[0] if chain else None, frozenset(chain)
        if key not in self.known:
            found = np.minimum(1.0, self._at(chain) / np.maximum(self.whole, 1e-300))
            found = np.where(self.whole < LOST, 1.0, found)
            if FEEDER in chain:
                found[:, 0] *= 0.0 if chain[0] == FEEDER else self._gone(tuple(hub for hub in chain if hub != FEEDER))
            self.known[key] = found
        return self.known[key]

    def _gone(self, hubs: tuple[int, ...]) -> Array:
        """(C,): the chance that the feeder has nothing now, given that it had a way ago and that hubs are empty since.

        A hub that was owed nothing is empty because of orders that came on the way: they have left the feeder too.
        """
        if hubs not in self.after:
            mean, variance, stock = self.feeder
            way = self.years[hubs[0]]
            stays = np.clip(1.0 - way * self.total / np.maximum(mean, 1e-300), 0.0, 1.0)[:, None]
            law = count_laws(mean, variance, int(stock.max(initial=0)) + 1)
            left = np.zeros((len(stock), law.shape[1] + 1))
            for n in reversed(range(law.shape[1])):
                left = (1.0 - stays) * left + stays * np.roll(left, 1, axis=1)
                left[:, 0] += np.where(n < stock, law[:, n], 0.0)
            left /= np.maximum(left.sum(axis=1, keepdims=True), 1e-300)
            others = np.maximum(0.0, self.total - self.base[:, list(hubs)].sum(axis=1)) * way
            came = count_laws(others, others, left.shape[1])
            room = stock - self.stock[:, list(hubs)].sum(axis=1)
            sums = np.stack([(left[:, : n + 1] * came[:, n::-1]).sum(axis=1) for n in range(left.shape[1])], axis=1)
            self.after[hubs] = 1.0 - np.where(np.arange(sums.shape[1]) < room[:, None], sums, 0.0).sum(axis=1)
        return self.after[hubs]

    def _orders(self) -> tuple[Array, Array, Array]:
        """(C, S, H) twice: orders of each hub over those its law is drawn for, with stock and without; and (C, S): what
        is left of the orders of others."""
        up, down = np.zeros_like(self.up), np.zeros_like(self.up)
        left = np.repeat(self.others[:, None], self.chance.shape[1], axis=1)
        for door, (home, lenders) in enumerate(self._chains()):
            asked, chain = self.rate[:, door][:, None], (home, *lenders)
            alone = _over(self._none(chain), self._none((home,)))
            if home == FEEDER:
                left -= asked * (1.0 - alone)
            else:
                up[..., home] += asked
                down[..., home] += asked * alone
            for place, hub in enumerate(lenders, start=1):
                if hub != FEEDER:
                    taken = np.maximum(0.0, self._none(chain[:place]) - self._none(chain[: place + 1]))
                    up[..., hub] += asked * _over(taken, 1.0 - self._none((hub,)))
        base = np.maximum(self.base, 1e-300)[:, None]
        return up / base, down / base, np.maximum(0.0, left) / np.maximum(self.others, 1e-300)[:, None]

    def tell(self, found: Seen, rows: Whole) -> None:
        """Write what the group's hubs and doors see."""
        late = [self.rate[:, d] * self._mean(self._none((h, *more))) for d, (h, more) in enumerate(self._chains())]
        for n, hub in enumerate(self.hubs):
            found.fill[rows, hub] = np.maximum(0.0, 1.0 - self._mean(self._none((n,))))
            most = self.backlog + self.way.shape[-1]
            short = np.minimum(most, self._at((), n) / np.maximum(self.whole, 1e-300))
            found.ebo[rows, hub] = self._mean(np.where(self.whole < LOST, most, short))
        for d, (door, (home, lenders)) in enumerate(zip(self.of.doors, self._chains(), strict=True)):
            found.fill[rows, door] = np.maximum(0.0, 1.0 - self._mean(self._none((home, *lenders))))
            if home == FEEDER:  # its share of the backlog, while no lender has a unit
                found.ebo[rows, door] = self._mean(self.backlog * self._none(lenders)) * self.rate[:, d] / self.total
            elif door not in self.hubs:
                of = np.sum([late[k] for k, h in enumerate(self.of.home) if h == home], axis=0)
                found.ebo[rows, door] = found.ebo[rows, self.hubs[home]] * _over(late[d], of)

    def _mean(self, by_state: Array) -> Array:
        return np.asarray((self.chance * by_state).sum(axis=1))


def _over(some: Array, whole: Array) -> Array:
    """some / whole, 1 where the whole is next to nothing."""
    return np.asarray(np.where(whole > NEVER, np.minimum(1.0, some / np.maximum(whole, 1e-300)), 1.0))


def _under(given: Fleet, node: int) -> list[int]:
    """The leaves below a node."""
    below = given.below[node]
    return [leaf for child in below for leaf in _under(given, child)] if below else [node]


def _feeder(mean: Array, variance: Array, stock: Whole) -> Array:
    """(C, S): the chance that the feeder has stock, and of each backlog from 0; the rare rest is put to the last."""
    width = int(np.max(mean + 8.0 * np.sqrt(variance), initial=0.0)) + 9
    law = count_laws(mean, variance, int(stock.max(initial=0)) + width)
    place = stock[:, None] + np.arange(width)
    backlog = np.take_along_axis(law, place, axis=1)
    rest = backlog[:, ::-1].cumsum(axis=1)[:, ::-1]
    last = np.maximum(1, (rest > RARE).sum(axis=1))
    kept = np.where(np.arange(width) < last[:, None], backlog, 0.0)[:, : int(last.max(initial=1))]
    has = np.where(np.arange(law.shape[1]) < stock[:, None], law, 0.0).sum(axis=1)
    kept[np.arange(len(kept)), last - 1] += np.maximum(0.0, 1.0 - has - kept.sum(axis=1))
    return np.concatenate((has[:, None], kept), axis=1)


def _placed(mean: Array, stock: Whole, backlog: Whole) -> Array:
    """(C, S): the state of the feeder, on average, in which a unit was ordered that is owed there now.

    What is owed are the latest of the orders outstanding, and came when the feeder had nothing. So far back as half of
    them came, what was outstanding besides lies that share of the way from what it is now to its mean.
    """
    now = np.maximum(stock[:, None] + backlog, 1.0)
    back = 0.5 * backlog / now
    then = (1.0 - back) * (now - 1.0) + back * mean[:, None]
    return np.asarray(np.clip(then - stock[:, None] + 1.0, 1.0, float(backlog[-1] + 1)))
