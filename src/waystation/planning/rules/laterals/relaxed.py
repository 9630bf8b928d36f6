"""What no stock beats at given prices, however hubs lend: the bound of plans with laterals.

Every need, whoever meets it, is one order at the centre, so how long an order waits for the centre's stock depends on
no rule of lending. Hence, with so many units at the centre and so many in all:
- a hub has a unit on its shelf only while fewer orders are outstanding for the needs that nobody else serves than it
  holds: what is on its way for these, and their part of the centre's backlog;
- of all needs of one supply time, no more are met at once than there are units: at best the earliest, as in Erlang's
  loss system (what does not find a unit waits for its own order and takes none from others);
- no fewer wait than are outstanding from supply beyond the units.
The second, at a price for each need met, and the first, summed over the shelves that may serve a need, leave the
shelves independent for every stock of the centre, so that one pass over the total is the optimum. The best of several
prices counts. Sources: Graves, Management Science 31 (1985); Erlang (1917); the relaxation is our own.
"""

from __future__ import annotations

import numpy as np

from waystation.planning.rules.counts import Array, count_laws
from waystation.planning.rules.curves import joined
from waystation.planning.rules.emergency import erlang_losses
from waystation.planning.rules.fleet import Fleet, Whole
from waystation.planning.rules.laterals.overflow import lends, most_units
from waystation.planning.rules.prices import Prices

PRICES = (0.0, 0.4, 0.7, 1.0)  # of a need met, in shares of what the dearest need of a part earns
FREE = (False, True)  # whether what several shelves may serve counts as met, or as often as each of them has a unit
SURE = 1e-7
CELLS = 400_000
MOST_BLOCKS = 60


class Relaxed:
    """The bound of every part; laws are drawn once, prices come many times."""

    def __init__(self, given: Fleet) -> None:
        size = np.argsort(given.pipeline[:, 0], kind="stable")
        self._parts, most = given.parts, most_units(given)
        self._groups = [_Some(given, some, most[some]) for some in _alike(given, size)]

    def least(self, prices: Prices) -> Array:
        """(P,): what the priced sum of each part is at least."""
        found = np.full(self._parts, -np.inf)
        for some in self._groups:
            found[some.parts] = some.least(prices)
        return found


def _alike(given: Fleet, order: Whole) -> list[Whole]:
    """Parts in groups of like size."""
    need = (given.pipeline[order, 0] + 4.0 * np.sqrt(given.pipeline[order, 0]) + 4.0) ** 2 * len(given.parent)
    found, begin = [], 0
    for end in range(1, len(order) + 1):
        if end == len(order) or need[end] > 2.0 * need[begin] or (end + 1 - begin) * need[end] > CELLS:
            found.append(order[begin:end])
            begin = end
    return found


class _Some:
    """Some parts. Axes: C parts, B units outstanding at the centre, or its stock, K units of a shelf."""

    def __init__(self, given: Fleet, parts: Whole, most: Whole) -> None:
        self.given, self.parts, self.units = given, parts, most
        self.hubs = [n for n, holds in enumerate(given.holds) if holds and n]
        self.leaves = list(given.leaves)
        self.floor = given.least[parts]
        mean = given.pipeline[parts, 0]
        spread = np.sqrt(mean * given.ratio[parts])
        law = count_laws(mean, mean * given.ratio[parts], int(np.max(mean + 8.0 * spread, initial=0.0)) + 9)
        width = int((np.cumsum(law[:, ::-1], axis=1)[:, ::-1] > SURE).sum(axis=1).max(initial=1))
        self.law = law[:, :width]
        self.law[:, -1] += np.maximum(0.0, 1.0 - self.law.sum(axis=1))
        steps = np.arange(width + 1)
        self.any = np.concatenate((np.zeros((len(parts), 1)), np.cumsum(self.law, axis=1)), axis=1).clip(0.0, 1.0)
        self.missing = (np.maximum(steps[:-1] - steps[:, None], 0)[None] * self.law[:, None]).sum(axis=2)
        self.shelf = [self._alone(hub) for hub in self.hubs]

    def _alone(self, hub: int) -> tuple[Array, Array]:
        """(C, B, K) twice, by the centre's stock: the chance that the hub has a unit, and mean units short, as far as
        needs go that nobody else serves."""
        given, parts = self.given, self.parts
        if lends(given, hub):
            mine = [leaf for leaf in given.leaves if given.of[leaf] == hub and not given.lenders.get(leaf)]
            rate = given.rate[parts][:, mine].sum(axis=1)
            mean = rate * given.years[hub]
            total = np.maximum(given.rate[parts].sum(axis=1), 1e-300)
            share = (rate / total if given.parent[hub] == 0 else np.zeros(len(parts))).clip(0.0, 1.0)
        else:
            mean = given.pipeline[parts, hub]
            share = given.share[parts, hub] if given.parent[hub] == 0 else np.zeros(len(parts))
        backlogs = self.law.shape[1]
        high = mean + backlogs * share
        size = int(np.max(mean + 9.0 * np.sqrt(mean * given.ratio[parts]), initial=0.0)) + 3
        size += int(np.ceil(float(np.max(high - mean, initial=0.0))))
        law = count_laws(mean, mean * given.ratio[parts], size)
        by_owed = [law]
        for _ in range(backlogs - 1):
            law = (1.0 - share)[:, None] * law + share[:, None] * _one_more(law)
            by_owed.append(law)
        laws = np.stack(by_owed, axis=1)  # (C, owed, K)
        met = np.zeros((len(parts), backlogs + 1, size))
        for stock in range(backlogs + 1):
            owed = np.maximum(np.arange(backlogs) - stock, 0)
            met[:, stock] = (self.law[..., None] * laws[:, owed]).sum(axis=1)
        k = np.arange(size)
        has = np.concatenate((np.zeros((*met.shape[:2], 1)), np.cumsum(met, axis=2)), axis=2)[..., :-1].clip(0.0, 1.0)
        short = met @ np.maximum(k[:, None] - k[None], 0)
        useful = 1 + int((has < 1.0 - SURE).any(axis=(0, 1)).sum())
        has, short = has[..., : useful + 1].copy(), short[..., : useful + 1].copy()
        has[..., -1], short[..., -1] = 1.0, 0.0
        return has, short

    def least(self, prices: Prices) -> Array:
        """(C,): over every stock of the centre and every total, a block of each at a time."""
        some = [_Priced(self, prices, share, free) for share in PRICES for free in FREE]
        best = np.full(len(self.parts), np.inf)
        totals = self.any.shape[1]
        for low, high in _blocks(totals - 1):
            told = np.max([at.sums(low, high, totals) for at in some], axis=0)
            best = np.minimum(best, told[:, low:].min(axis=1))
        return best


class _Priced:
    """What the shelves of some parts cost and earn, when each need that earns as much pays a price for being met."""

    def __init__(self, of: _Some, prices: Prices, share: float, free: bool) -> None:
        self.of, given, self.share = of, of.given, share
        self.unit, charge, reward = (v[of.parts] for v in (prices.unit, prices.charge, prices.reward))
        self.spare = self.unit[:, [0, *of.hubs]].min(axis=1)
        paid_for = np.minimum(self.unit[:, [0, *of.hubs]], 0.0).sum(axis=1)  # where a limit asks for units
        self.beyond = paid_for * np.maximum(of.units, of.any.shape[1])
        rate = given.rate[of.parts]
        earns = np.divide(reward, rate, out=np.zeros_like(reward), where=rate > 0.0)
        price = share * earns[:, of.leaves].max(axis=1)[:, None]
        pays = rate * ((earns >= price) & (earns > 0.0))
        left = reward - price * pays
        total = pays[:, of.leaves].sum(axis=1)
        whole = np.maximum(rate[:, of.leaves].sum(axis=1), 1e-300)
        carried = 1.0 - erlang_losses(given.pipeline[of.parts, 0] * total / whole, of.any.shape[1] - 1)
        carried[:, -1] = 1.0  # the last total stands for all that are larger; erratic needs are met less often
        self.paid = price * total[:, None] * carried
        many = [d for d in of.leaves if given.lenders.get(d)]
        if free:
            self.paid += left[:, many].sum(axis=1)[:, None]
            left[:, many] = 0.0
        self.serves = {
            n: left[:, [d for d in of.leaves if n in (given.of[d], *given.lenders.get(d, ()))]].sum(axis=1)
            for n in (0, *of.hubs)
        }
        asked = np.where(rate > 0.0, charge, np.inf)
        self.waits = np.nan_to_num(asked[:, of.leaves].min(axis=1), posinf=0.0)
        at = {n: asked[:, [d for d in of.leaves if given.of[d] == n]] for n in of.hubs}
        self.waits_at = {n: np.nan_to_num(v.min(axis=1, initial=np.inf), posinf=0.0) for n, v in at.items()}

    def sums(self, low: int, high: int, totals: int) -> Array:
        """(C, totals): the least with `low` to `high` units at the centre, for every total of units."""
        of = self.of
        at_hubs = np.zeros((len(of.parts), 1))
        for hub, (has, short) in zip(of.hubs, of.shelf, strict=True):
            floor = of.floor[:, hub]
            units = np.arange(max(has.shape[2], int(floor.max(initial=0)) + 1))
            at = np.minimum(units, has.shape[2] - 1)
            value = self.unit[:, hub][:, None] * units - self.serves[hub][:, None] * has[:, high][:, at]
            value += (1.0 - self.share) * self.waits_at[hub][:, None] * short[:, high][:, at]
            value[units < floor[:, None]] = np.inf
            at_hubs = joined(at_hubs, value)
        ever = np.minimum.accumulate(at_hubs[:, ::-1], axis=1)[:, ::-1]
        found = np.empty((len(of.parts), totals))
        for total in range(totals):  # the least with so many units at hubs, or more than any of them needs
            fewest = max(0, total - high)
            some = ever[:, fewest] if fewest < ever.shape[1] else np.full(len(of.parts), np.inf)
            more = found[:, total - 1] + self.spare if fewest else np.full(len(of.parts), np.inf)
            found[:, total] = np.minimum(some, more)
        held = self.unit[:, 0] * np.maximum(low, of.floor[:, 0]) - self.serves[0] * of.any[:, high]
        held += self.beyond
        return np.asarray(found + held[:, None] - self.paid + self.share * self.waits[:, None] * of.missing)


def _blocks(last: int) -> list[tuple[int, int]]:
    """Numbers from 0 to `last` in blocks, as few as are quick; each with its first and its last."""
    step = 1 + last // MOST_BLOCKS
    return [(n, min(n + step - 1, last)) for n in range(0, last + 1, step)]


def _one_more(law: Array) -> Array:
    """The law of one unit more; what would fall off the end stays there."""
    found = np.concatenate((np.zeros_like(law[..., :1]), law[..., :-1]), axis=-1)
    found[..., -1] += law[..., -1]
    return found
