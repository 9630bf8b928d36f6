"""A certificate by simulation: the placed network, today's policy and all stock at the centre, on the same needs.

The ways of every site are those of the studio: staffing, pick-ups, travel, access and shifts over a week. Played twice:
failures one by one, and with days on which many fail at once.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from waystation.journeys.placing import Whole, place
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotReady
from waystation.planning.rules.living.kits import alone
from waystation.planning.rules.living.placing import PLACED
from waystation.planning.rules.living.playing import Asked, Group, KitAsked, Played, Source, Storms, play
from waystation.planning.rules.living.redesign import Stream
from waystation.spares.rules.hours import NEVER

STORMS = Storms(2.0, 0.2)  # two days a year on which a fifth of a region, or of a part group, fails: said by nobody
CENTRAL = "All at the centre"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Both plays, the first stock being what others are compared with; needs a year in it, and left out of it."""

    whole: Whole
    lone: tuple[Played, ...]
    stormy: tuple[Played, ...]
    storms: Storms
    needs: float
    left_out: float


def certificate(
    by: Authority, *, now: datetime, budget: float | None = None, vendors: bool = False, seed: int = 1
) -> Certificate:
    """The placed stock played against every other. Needs of no site on record have no way, so they are left out, and so
    is what is left to vendors."""
    whole = place(by, now=now, budget=budget, vendors=vendors)
    single = alone(whole.drawn.streams, whole.drawn.kits)
    asked = _asked(whole, single)
    kits = _kits(whole, asked)
    inside = math.fsum([*(a.per_year for a in asked), *(k.per_year for k in kits)])
    if inside <= 0.0 and whole.by_vendors is not None and whole.by_vendors.needs > 0.0:
        words = "Every need whose site is known is left to vendors, so nothing is played."
        raise NotReady("planning.play", words, "Play the network without them.")
    every = math.fsum([*(s.per_year for s in single), *(k.per_year for k in whole.drawn.kits)])
    groups = [Group(t.group, whole.supply[t.group], t.dispersion, t.doubt) for t in whole.drawn.terms]
    stocks, root, days_to = _stocks(whole), whole.centre.code, whole.tree.days_to
    lone = play(asked, groups, root, days_to, stocks, kits=kits, seed=seed)
    stormy = play(asked, groups, root, days_to, stocks, kits=kits, storms=STORMS, seed=seed)
    return Certificate(whole, lone, stormy, STORMS, inside, max(0.0, every - inside))


def _kits(whole: Whole, asked: Sequence[Asked]) -> list[KitAsked]:
    """What sites need together, where every line has its ways."""
    lines = {(a.hub, a.site, a.group): a for a in asked}
    found = []
    for kit in whole.drawn.kits:
        mine = [lines.get((kit.hub, site, group)) for group, site in kit.lines]
        told = tuple(line for line in mine if line is not None)
        if len(told) == len(mine):
            found.append(KitAsked(told, kit.per_year))
    return found


def _asked(whole: Whole, single: Sequence[Stream]) -> list[Asked]:
    needs = {(n.site, n.group): n for n in whole.drawn.needs}
    found = []
    for stream in single:
        need = needs.get((stream.site, stream.group))
        if need is None:
            continue
        hubs = [w for w in need.ways if w.kind == "hub" and w.seconds]
        ways = tuple(Source(w.code, tuple(_hours(s) for s in w.seconds), w.trip_cost) for w in hubs)
        found.append(Asked(stream.site, stream.group, stream.per_year, need.units, stream.hub, need.tolerable_h, ways))
    return found


def _hours(seconds: float) -> float:
    return math.inf if seconds >= NEVER else seconds / 3600.0


def _stocks(whole: Whole) -> Mapping[str, Mapping[tuple[str, str], int]]:
    """The placed stock with what unpriced groups ask for, the others, and as many units at the centre alone."""
    alone = whole.stocks["Each shelf by itself"]
    placed = {(s.hub, s.group): s.units for s in whole.placing.shelves}
    if not placed:
        first = dict(alone)
    else:
        first = {key: units for key, units in alone.items() if key[1] in whole.placing.unpriced} | placed
    central: dict[tuple[str, str], int] = {}
    for (_, group), units in first.items():
        key = (whole.centre.code, group)
        central[key] = central.get(key, 0) + units
    return ({PLACED: first} if placed else {}) | dict(whole.stocks) | {CENTRAL: central}
