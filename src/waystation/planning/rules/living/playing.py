"""A stock policy played out: the same needs, instant for instant, under each stock, and what met each of them.

Every hub keeps a base stock and is refilled from the centre, the centre from supply. A need takes a unit of its own
hub, else of the next hub that reaches its site, else it waits for the unit that its hub orders. Of a kit each line does
so, and the last one restores the site: it tells how the need was met. Which needs come, how
long a trip and a supply takes are drawn once for all stocks (common random numbers), so that a difference between two
stocks is theirs. A rate that is not well known is drawn anew for each history. Seeded: the same seed, the same bits.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.counts import Array
from waystation.planning.rules.fleet import Whole
from waystation.planning.rules.living.redesign import DAYS_PER_YEAR
from waystation.planning.rules.simulation import Estimate

HISTORIES, NEEDS = 40, 20_000  # histories of a policy, and about how many needs in all of them
FEWEST_YEARS, MOST_YEARS, WARM = 1.0, 50.0, 0.1
MOST_NEEDS = 400_000
MOST_A_YEAR = MOST_NEEDS / HISTORIES / FEWEST_YEARS
OWN, OTHER, CENTRE, SUPPLY, NO_WAY = HOW = (
    "own hub",
    "another hub",
    "waited for the centre",
    "waited for supply",
    "no way to the site",
)


@dataclass(frozen=True, slots=True)
class Source:
    """A hub that reaches a site: equally likely hours to restored service (inf: never), money of one trip."""

    hub: str
    hours: tuple[float, ...]
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class Asked:
    """The needs of a part group at a site: a year, units installed, its own hub, what reaches it (quickest first)."""

    site: str
    group: str
    per_year: float
    units: int
    hub: str
    tolerable_h: float
    sources: tuple[Source, ...]


@dataclass(frozen=True, slots=True)
class KitAsked:
    """Needs a year of a unit of each line at once, at one site; what the lines need alone is not in it."""

    lines: tuple[Asked, ...]
    per_year: float


@dataclass(frozen=True, slots=True)
class Group:
    """A part group: equally likely days of supply, variance to mean of its needs, squared variation of its rate."""

    group: str
    supply_days: tuple[float, ...]
    dispersion: float = 1.0
    doubt: float = 0.0


@dataclass(frozen=True, slots=True)
class Storms:
    """Days on which many fail at once: `per_year` of them, half heat or a surge at all sites of one hub, half a bad
    firmware of one part group everywhere; each unit it hits needs a part with `chance`."""

    per_year: float
    chance: float


@dataclass(frozen=True, slots=True)
class Played:
    """What a stock did. Shares are of needs (0 to 1), `how` by what met them; `mttr_h` over those ever restored.

    `empty` are needs a year that found their own hub's shelf empty, `trips` those met from another hub, `freight` the
    money of these trips a year. `better` is `in_time` less that of the first stock, need for need.
    """

    name: str
    at_once: Estimate
    in_time: Estimate
    mttr_h: Estimate
    empty: Estimate
    trips: Estimate
    freight: Estimate
    never: Estimate
    better: Estimate
    how: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _History:
    """Units needed in time order (days), all (K,): when, of which row, for which need, and draws of trip and supply."""

    at: Array
    row: Whole
    need: Whole
    trip: Array
    supply: Array


def play(
    asked: Sequence[Asked],
    groups: Sequence[Group],
    root: str,
    days_to: Mapping[str, float],
    stocks: Mapping[str, Mapping[tuple[str, str], int]],
    *,
    kits: Sequence[KitAsked] = (),
    storms: Storms | None = None,
    seed: int = 1,
) -> tuple[Played, ...]:
    """Each stock (units by (hub, group), by name) on the same histories. BadInput when nothing is asked for."""
    rows = [*asked, *(line for kit in kits for line in kit.lines)]
    total = math.fsum([*(a.per_year for a in asked), *(k.per_year for k in kits)])
    if total <= 0.0 or not stocks:
        raise BadInput("planning.play", "Nothing is asked for.", "Take history in, or name a stock.", field="asked")
    years = min(MOST_YEARS, max(FEWEST_YEARS, NEEDS / HISTORIES / total))
    if total * years * HISTORIES > MOST_NEEDS:
        words = f"{total:.0f} needs a year are too many to play one by one."
        raise BadInput("planning.play", words, "Play a part of the network.", field="asked")
    told = {name: _Told(rows, years * (1.0 - WARM)) for name in stocks}
    seeds = np.random.SeedSequence(seed).spawn(HISTORIES)
    for each in seeds:
        past = _drawn(np.random.Generator(np.random.PCG64(each)), (asked, kits), groups, years, storms)
        for name, stock in stocks.items():
            told[name].add(past, *_Network(rows, groups, root, days_to, stock).through(past))
    first = told[next(iter(stocks))]
    return tuple(it.played(name, first) for name, it in told.items())


def _drawn(
    rng: np.random.Generator,
    needs: tuple[Sequence[Asked], Sequence[KitAsked]],
    groups: Sequence[Group],
    years: float,
    storms: Storms | None,
) -> _History:
    asked, kits = needs
    days = years * DAYS_PER_YEAR
    came: list[tuple[Array, range]] = []  # instants, and the rows of which each of them needs a unit
    world: dict[str, float] = {}
    for group in groups:
        of = [n for n, a in enumerate(asked) if a.group == group.group]
        world[group.group] = rng.gamma(1.0 / group.doubt, group.doubt) if group.doubt > 0.0 else 1.0
        for n in of:
            sizes = _sizes(rng, asked[n].per_year * years * world[group.group], group.dispersion)
            came.append((np.repeat(rng.random(len(sizes)) * days, sizes), range(n, n + 1)))
    line = len(asked)
    for kit in kits:
        mean = kit.per_year * years * world[kit.lines[0].group]
        came.append((rng.random(rng.poisson(mean)) * days, range(line, line + len(kit.lines))))
        line += len(kit.lines)
    if storms is not None:
        came += [(when, range(n, n + 1)) for n, when in _storms(rng, asked, years, storms)]
    first = np.cumsum([0, *(len(when) for when, _ in came)])
    at = np.concatenate([when for when, rows in came for _ in rows])
    row = np.concatenate([np.full(len(when), n) for when, rows in came for n in rows])
    need = np.concatenate([first[k] + np.arange(len(came[k][0])) for k in range(len(came)) for _ in came[k][1]])
    order = np.argsort(at, kind="stable")
    return _History(at[order], row[order], need[order], rng.random(len(order)), rng.random(len(order)))


def _sizes(rng: np.random.Generator, mean: float, dispersion: float) -> Whole:
    """Units of each failure: logarithmic sizes make the count negative binomial of that variance to mean."""
    if dispersion <= 1.0 + 1e-9:
        return np.ones(rng.poisson(mean), dtype=np.int64)
    share = 1.0 - 1.0 / dispersion
    of_one = -share / ((1.0 - share) * math.log1p(-share))
    return rng.logseries(share, size=rng.poisson(mean / of_one)).astype(np.int64)


def _storms(rng: np.random.Generator, rows: Sequence[Asked], years: float, storms: Storms) -> list[tuple[int, Array]]:
    hubs, groups = sorted({a.hub for a in rows}), sorted({a.group for a in rows})
    found = []
    for _ in range(rng.poisson(storms.per_year * years)):
        day = rng.random() * years * DAYS_PER_YEAR
        by_hub = rng.random() < 0.5
        struck = hubs[rng.integers(len(hubs))] if by_hub else groups[rng.integers(len(groups))]
        for n, a in enumerate(rows):
            if struck == (a.hub if by_hub else a.group):
                found.append((n, day + rng.random(rng.binomial(a.units, storms.chance))))
    return found


class _Network:
    """The shelves of one stock while one history passes."""

    def __init__(
        self,
        rows: Sequence[Asked],
        groups: Sequence[Group],
        root: str,
        days_to: Mapping[str, float],
        stock: Mapping[tuple[str, str], int],
    ) -> None:
        self.rows, self.root, self.days_to = rows, root, days_to
        self.supply_days = {g.group: g.supply_days for g in groups}
        self.ready = {key: units for key, units in stock.items() if units > 0}
        self.owed: dict[
            str, deque[tuple[float, str]]
        ] = {}  # by group the hubs that wait for the centre, and since when
        self.waiting: dict[tuple[str, str], deque[int]] = {}
        self.coming: list[tuple[float, int, str, str]] = []
        self.ordered = self.sent = 0

    def through(self, past: _History) -> tuple[Array, Array, Array]:
        """By need: days until a unit begins its way (inf: none), the source's place in the row's list, and how."""
        size = len(past.at)
        start, place, how = np.full(size, np.inf), np.full(size, -1), np.full(size, HOW.index(NO_WAY))
        for n in range(size):
            now, row = float(past.at[n]), self.rows[int(past.row[n])]
            self._arrive(now, past, start)
            own = next((k for k, s in enumerate(row.sources) if s.hub == row.hub), -1)
            taken = self._taken(row)
            if taken >= 0:
                start[n], place[n] = now, taken
                how[n] = HOW.index(OWN if taken == own else OTHER)
                self._order(row.sources[taken].hub, row.group, now, past)
            elif row.sources:
                place[n] = max(own, 0)  # where its own hub does not reach it, the quickest other
                hub = row.sources[place[n]].hub
                centre = hub != self.root and self.ready.get((self.root, row.group), 0) > 0
                how[n] = HOW.index(CENTRE if centre else SUPPLY)
                self.waiting.setdefault((hub, row.group), deque()).append(n)
                self._order(hub, row.group, now, past)
        self._arrive(math.inf, past, start)
        return start - past.at, place, how

    def _taken(self, row: Asked) -> int:
        """The place of the source that gives a unit now: its own hub, else the quickest other; -1 for none."""
        ready = [k for k, s in enumerate(row.sources) if self.ready.get((s.hub, row.group), 0) > 0]
        if not ready:
            return -1
        found = next((k for k in ready if row.sources[k].hub == row.hub), ready[0])
        self.ready[row.sources[found].hub, row.group] -= 1
        return found

    def _order(self, hub: str, group: str, now: float, past: _History) -> None:
        """A unit is gone from, or owed at, a hub: the centre sends one, and supply sends the centre one."""
        days = self.supply_days[group]
        draw = float(past.supply[self.ordered % len(past.supply)])
        self.ordered += 1
        self._send(now + days[int(draw * len(days))], self.root, group)
        if hub == self.root:
            return
        if self.ready.get((self.root, group), 0) > 0:
            self.ready[self.root, group] -= 1
            self._send(now + self.days_to[hub], hub, group)
        else:
            self.owed.setdefault(group, deque()).append((now, hub))

    def _send(self, at: float, hub: str, group: str) -> None:
        self.sent += 1
        heapq.heappush(self.coming, (at, self.sent, hub, group))

    def _arrive(self, until: float, past: _History, start: Array) -> None:
        """Units that come until an instant: for a hub that is owed, for who waits here, else for the shelf."""
        while self.coming and self.coming[0][0] <= until:
            at, _, hub, group = heapq.heappop(self.coming)
            owed, waiting = self.owed.get(group), self.waiting.get((hub, group))
            if hub == self.root and owed and not (waiting and past.at[waiting[0]] < owed[0][0]):
                _, to = owed.popleft()
                self._send(at + self.days_to[to], to, group)
            elif waiting:
                start[waiting.popleft()] = at
            else:
                self.ready[hub, group] = self.ready.get((hub, group), 0) + 1


class _Told:
    """Figures of one stock, a history at a time."""

    def __init__(self, rows: Sequence[Asked], years: float) -> None:
        self.rows, self.years = rows, years
        self.figures: list[tuple[float, ...]] = []
        self.how = np.zeros(len(HOW))

    def add(self, past: _History, waited: Array, place: Array, how: Array) -> None:
        """Take a history in; its first tenth is left out."""
        hours, cost = np.full(len(waited), np.inf), np.zeros(len(waited))
        for n in np.flatnonzero(place >= 0):
            source = self.rows[int(past.row[n])].sources[int(place[n])]
            drawn = source.hours[int(past.trip[n] * len(source.hours))] if source.hours else math.inf
            hours[n] = 24.0 * waited[n] + drawn
            cost[n] = source.cost if how[n] == HOW.index(OTHER) else 0.0
        limit = np.array([a.tolerable_h for a in self.rows])[past.row]
        counted = past.at >= WARM * self.years / (1.0 - WARM) * DAYS_PER_YEAR
        _, first, of = np.unique(past.need, return_index=True, return_inverse=True)
        last, worst = np.zeros(len(first)), np.zeros(len(first), dtype=np.int64)
        np.maximum.at(last, of, hours)
        np.maximum.at(worst, of, how)
        some = counted[first]
        self._add(last[some], worst[some], limit[first][some], float(cost[counted].sum()))

    def _add(self, hours: Array, how: Whole, limit: Array, cost: float) -> None:
        """Needs, all (K,): hours until the last line restored the site, how that one was met, hours tolerable."""
        size = max(1, len(hours))
        ever = hours[np.isfinite(hours)]
        kinds = np.bincount(how, minlength=len(HOW))
        self.how += kinds
        self.figures.append(
            (
                kinds[0] / size if len(hours) else 1.0,
                float((hours <= limit).mean()) if len(hours) else 1.0,
                float(ever.mean()) if len(ever) else math.nan,
                (size - kinds[0] if len(hours) else 0) / self.years,
                kinds[1] / self.years,
                cost / self.years,
                (len(hours) - len(ever)) / size,
            )
        )

    def played(self, name: str, first: _Told) -> Played:
        """Means with their errors over the histories."""
        mine, base = np.array(self.figures), np.array(first.figures)
        at_once, in_time, mttr, empty, trips, freight, never = (_estimate(mine[:, n]) for n in range(mine.shape[1]))
        shares = self.how / max(1.0, float(self.how.sum()))
        better = _estimate(mine[:, 1] - base[:, 1])
        how = dict(zip(HOW, shares.tolist(), strict=True))
        return Played(name, at_once, in_time, mttr, empty, trips, freight, never, better, how)


def _estimate(values: Array) -> Estimate:
    """Over the histories in which there was something to measure."""
    some = values[np.isfinite(values)]
    if not len(some):
        return Estimate(math.nan, math.nan)
    return Estimate(float(some.mean()), float(some.std(ddof=1) / math.sqrt(len(some))) if len(some) > 1 else math.nan)
