"""Stocks of a network judged alike: their capital, what waits, and the share of needs restored in time.

A need is restored in time when it is met at once and reached in time: as often as its own hub does when that has a
unit, as often as the worst of its lenders when one of these has.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from waystation.planning.rules.fleet import Whole, waiting
from waystation.planning.rules.laterals.search import look
from waystation.planning.rules.living.kits import Kit
from waystation.planning.rules.living.redesign import Stream
from waystation.planning.rules.planner import MOST_LENDERS, Laid
from waystation.planning.rules.problem import Problem

AS_GOOD = 0.95  # of the hours of a week: a hub that reaches a site in time so often lends to it


@dataclass(frozen=True, slots=True)
class Judged:
    """A stock of the network: its capital, units waited for on average, share of needs restored in time (0 to 1)."""

    name: str
    capital: float
    waiting: float
    share: float


def lenders(streams: Sequence[Stream]) -> dict[str, tuple[str, ...]]:
    """By site the hubs that lend to it when its own has nothing, at most four, those that reach it most often first.

    They reach it in time in `AS_GOOD` of the starts in a week, or as often as its own hub, with every group it needs.
    """
    found: dict[str, dict[str, float]] = {}
    for s in streams:
        if s.site:
            least = min(AS_GOOD, s.reached_from(s.hub))
            mine = {hub: at for hub, at in s.reach if hub != s.hub and at > 0.0 and at >= least}
            told = found.get(s.site)
            found[s.site] = mine if told is None else {h: min(at, told[h]) for h, at in mine.items() if h in told}
    best = {site: sorted(hubs, key=lambda h: (-hubs[h], h)) for site, hubs in found.items()}
    return {site: tuple(hubs[:MOST_LENDERS]) for site, hubs in best.items() if hubs}


class Judge:
    """Judges stocks (P, N) by the model of the plan.

    Of a kit what is said is the least: its lines are taken to be missing at different times.
    """

    def __init__(
        self,
        problem: Problem,
        laid: Laid,
        streams: Sequence[Stream],
        kits: Sequence[Kit],
        names: Mapping[str, str],
        brought: tuple[float, float] = (0.0, 0.0),
    ) -> None:
        """`names`: by hub, the site at which its needs of no known site stand in the problem. `brought`: needs a year
        that vendors bring whatever lies there, and those of them in time."""
        self._parts = {p.id: n for n, p in enumerate(problem.parts)}
        self._nodes = {p.id: n for n, p in enumerate(problem.nodes)}
        self._leaf = dict(zip((s.id for s in problem.sites), laid.site_leaf, strict=True))
        self.given, self.names = laid.fleet, names
        self.total, self.brought = brought
        shape = (self.given.parts, len(self.given.parent))
        self.own, self.met = np.zeros(shape), np.zeros(shape)  # needs in time a year: of its own hub's, of any unit
        lend = {s.id: problem.lenders.get(s.id, ()) for s in problem.sites}
        reach = {}
        for s in streams:
            if s.group in self._parts and s.hub in self._nodes:
                own = s.reached_from(s.hub)
                reach[s.hub, s.site, s.group] = own, min((s.reached_from(h) for h in lend.get(s.site, ())), default=own)
                self._add(s.hub, s.site, s.group, s.per_year, *reach[s.hub, s.site, s.group])
                self.total += s.per_year
        self.more = 0.0  # lines in time beyond the first of each kit, if every line were there
        for kit in kits:
            for group, site in kit.lines:
                own, other = reach[kit.hub, site, group]
                self._add(kit.hub, site, group, -kit.per_year, own, other)
                self._add(kit.hub, site, group, kit.per_year, kit.in_time, min(other, kit.in_time))
            self.more += kit.per_year * kit.in_time * (len(kit.groups) - 1)
            self.total -= kit.per_year * (len(kit.groups) - 1)

    def _add(self, hub: str, site: str, group: str, per_year: float, own: float, other: float) -> None:
        part, node = self._parts[group], self._nodes[hub]
        leaf = self._leaf.get(site or self.names.get(hub, ""), -1)
        self.own[part, node] += per_year * (own - other)
        self.met[part, node if leaf < 0 else leaf] += per_year * other

    def of(self, name: str, stock: Whole) -> Judged:
        """One stock."""
        at = look(self.given, np.arange(self.given.parts), stock)
        capital = float(stock.sum(axis=1) @ self.given.unit_cost)
        met = self.brought + max(0.0, float((self.own * at.fill).sum() + (self.met * at.fill).sum()) - self.more)
        share = met / self.total if self.total > 0.0 else 1.0
        return Judged(name, capital, float(waiting(self.given, at.ebo).sum()), share)
