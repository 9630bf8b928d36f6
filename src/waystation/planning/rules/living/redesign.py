"""The network drawn otherwise, side by side: a hub more or less, a part held centrally, sent by a vendor, or stressed.

Each design is the same needs on other shelves, sized anew for the same cover. It says what it costs, what it restores
in time, and how the stock that lies there today would do; nothing is bought or moved by it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from waystation.planning.rules.checks import above_zero, share
from waystation.planning.rules.counts import smallest_cover
from waystation.planning.rules.demand.leadtime import lead_time_demand
from waystation.planning.rules.living.buying import Want, ladder

Kind = Literal["as it is", "slow lead times", "wave", "hub lost", "hub added", "shrunk", "vendor sends", "central"]
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Stream:
    """The needs of one group at one site, with the share (0 to 1) that each hub reaches in time, by its code.

    `by_vendor` is the share that the best vendor brings in time, `fee` what it asks for each.
    """

    site: str
    group: str
    per_year: float
    reach: tuple[tuple[str, float], ...]
    hub: str
    by_vendor: float = 0.0
    fee: float = 0.0

    def reached_from(self, hub: str) -> float:
        """The share that a hub reaches in time; 0 where it has no way."""
        return dict(self.reach).get(hub, 0.0)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a group's shelves are sized by: price, lead time in days, dispersion, doubt, cover, and floor by hub."""

    group: str
    unit_cost: float
    lead_days: tuple[float, ...]
    dispersion: float
    doubt: float
    cover: float
    floors: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Design:
    """A change of the network: which kind, of which hub, group or site, and by how much."""

    name: str
    kind: Kind = "as it is"
    hub: str = ""
    group: str = ""
    site: str = ""
    factor: float = 1.0
    in_time: float = 0.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """A design: capital of shelves sized for their cover, share restored in time, share with the stock of today.

    `unserved` are needs a year that no shelf and no vendor serves; `first` is the shelf that falls furthest, in words.
    """

    name: str
    capital: float
    units: int
    share: float
    share_today: float
    unserved: float
    first: str


def side_by_side(
    streams: Sequence[Stream], terms: Sequence[Terms], held: Sequence[tuple[str, str, int]], designs: Sequence[Design]
) -> tuple[Outcome, ...]:
    """Each design on the same needs. `held` are units ready by (hub, group) today."""
    today = {(hub, group): units for hub, group, units in held}
    return tuple(_outcome(_drawn(streams, design), terms, today, design) for design in designs)


def _drawn(streams: Sequence[Stream], design: Design) -> list[Stream]:
    """The streams as the design sends them; a stream that nobody serves has no hub."""
    return [_sent(stream, design) for stream in streams]


def _sent(stream: Stream, design: Design) -> Stream:
    mine = design.group in ("", stream.group)
    if design.kind == "wave" and mine:
        return dataclasses.replace(stream, per_year=stream.per_year * above_zero("factor", design.factor))
    if design.kind in ("hub lost", "shrunk") and stream.hub == design.hub:
        return dataclasses.replace(stream, hub=_best(stream, design.hub))
    if design.kind == "central" and mine:
        return dataclasses.replace(stream, hub=design.hub)
    if design.kind == "vendor sends" and mine:
        return dataclasses.replace(stream, hub="", reach=(("", share("in_time", design.in_time)),))
    if design.kind == "hub added" and mine and stream.site == design.site:
        reach = (*stream.reach, (design.hub, share("in_time", design.in_time)))
        return dataclasses.replace(stream, hub=design.hub, reach=reach)
    return stream


def _best(stream: Stream, without: str) -> str:
    """The hub that reaches the site in time most often, the lost one aside; "" when there is none."""
    ways = sorted((-reached, hub) for hub, reached in stream.reach if hub != without)
    return ways[0][1] if ways else ""


def _outcome(
    streams: Sequence[Stream], terms: Sequence[Terms], today: dict[tuple[str, str], int], design: Design
) -> Outcome:
    by_group = {t.group: t for t in terms}
    shelves: dict[tuple[str, str], list[Stream]] = {}
    for stream in streams:
        shelves.setdefault((stream.hub, stream.group), []).append(stream)
    wants = [_want(hub, by_group[group], some, design) for (hub, group), some in sorted(shelves.items()) if hub]
    sent = [s for (hub, _), some in shelves.items() if not hub for s in some]
    by_vendor = math.fsum(s.per_year * s.reached_from("") for s in sent)
    needs = math.fsum(s.per_year for s in streams)
    curve = ladder(wants)
    lies = [0 if design.kind == "hub lost" and w.hub == design.hub else today.get((w.hub, w.group), 0) for w in wants]
    met = math.fsum(w.met(w.wanted) for w in wants) + by_vendor
    met_today = math.fsum(w.met(units) for w, units in zip(wants, lies, strict=True)) + by_vendor
    unserved = math.fsum(s.per_year for s in sent if not s.reach or design.kind != "vendor sends")
    capital, _ = curve.judged([w.wanted for w in wants])
    whole = max(needs, 1e-12)
    first = _first(wants, lies, unserved)
    return Outcome(design.name, capital, sum(w.wanted for w in wants), met / whole, met_today / whole, unserved, first)


def _want(hub: str, terms: Terms, streams: Sequence[Stream], design: Design) -> Want:
    rate = math.fsum(s.per_year for s in streams)
    slower = above_zero("factor", design.factor) if design.kind == "slow lead times" else 1.0
    days = [day * slower for day in terms.lead_days]
    law = lead_time_demand(rate / DAYS_PER_YEAR, terms.dispersion, days, doubt=terms.doubt).law
    floor = dict(terms.floors).get(hub, 0)
    wanted = max(floor, smallest_cover(law, terms.cover)) if rate > 0.0 else floor
    reached = math.fsum(s.per_year * s.reached_from(hub) for s in streams) / rate if rate > 0.0 else 0.0
    return Want(hub, terms.group, rate, law, terms.unit_cost, floor, wanted, min(1.0, reached))


def _first(wants: Sequence[Want], lies: Sequence[int], unserved: float) -> str:
    """What breaks first with the stock of today: needs that nobody serves, else the shelf that loses most needs."""
    if unserved > 0.0:
        return f"{unserved:.1f} needs a year have no hub and no vendor"
    short = [(w.met(w.wanted) - w.met(units), w, units) for w, units in zip(wants, lies, strict=True)]
    worst = max(short, key=lambda s: (s[0], s[1].hub, s[1].group), default=None)
    if worst is None or worst[0] <= 0.0:
        return "nothing breaks"
    lost, want, units = worst
    return f"{want.group} at {want.hub}: {units} ready of {want.wanted}, {lost:.1f} needs a year not met"
