"""What if: the network under stress or drawn otherwise, side by side on the same needs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from waystation.journeys import demand as journey
from waystation.journeys.reach import Need, site_needs
from waystation.journeys.shelves import Shelf, look
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.planning.rules.demand.needs import together
from waystation.planning.rules.living.kits import Kit, apart, kits
from waystation.planning.rules.living.redesign import DAYS_PER_YEAR, Design, Outcome, Stream, Terms, side_by_side
from waystation.registry.models import Site
from waystation.spares.models import Hub

WAVE = 3.0


@dataclass(frozen=True, slots=True)
class Network:
    """The needs as streams, which of them come together, what sizes each group, units ready by hub and group."""

    streams: tuple[Stream, ...]
    terms: tuple[Terms, ...]
    held: tuple[tuple[str, str, int], ...]
    needs: tuple[Need, ...]
    kits: tuple[Kit, ...]
    apart: int  # failures that took several groups, of which no site has all


def network(by: Authority, *, now: datetime) -> Network:
    """Every need by site and group at the hub that serves it. A shelf's needs fall on its sites by their units."""
    return network_of(by, *look(by, now=now), now=now)


def network_of(by: Authority, shelves: Sequence[Shelf], told: journey.Demand, *, now: datetime) -> Network:
    """`network` of shelves that were looked at already."""
    by.require("planning.read")
    base = journey.installed(journey.served(by))
    needs = tuple(site_needs(by, now=now))
    found = {(n.site, n.group): n for n in needs}
    codes = dict(Site.objects.values_list("pk", "code"))
    streams = []
    for shelf in shelves:
        held = base.get((shelf.hub.code, shelf.group))
        mine = [n for pk in (held.sites if held else ()) if (n := found.get((codes[pk], shelf.group)))]
        per_year = shelf.own_per_day * DAYS_PER_YEAR
        streams += _streams(shelf, mine, per_year)
    ready = tuple((s.hub.code, s.group, s.ready) for s in shelves)
    counts: Counter[tuple[str, str]] = Counter()
    for need in told.needs:
        counts[need.region, need.family] += need.quantity
    took = together(told.needs)
    joint = kits(streams, took, counts)
    return Network(tuple(streams), _terms(shelves), ready, needs, joint, apart(joint, took))


def _streams(shelf: Shelf, mine: Sequence[Need], per_year: float) -> list[Stream]:
    units = sum(n.units for n in mine)
    if per_year <= 0.0:
        return []
    if not units:  # needs on record, nothing on record that could say where
        return [Stream("", shelf.group, per_year, ((shelf.hub.code, 1.0),), shelf.hub.code)]
    made = []
    for need in mine:
        within_s = need.tolerable_h * 3600.0
        reach = tuple((w.code, w.share_within(within_s)) for w in need.ways if w.kind == "hub")
        offers = [(w.share_within(within_s), -w.trip_cost) for w in need.ways if w.kind == "vendor"]
        share, fee = max(offers, default=(0.0, 0.0))
        rate = per_year * need.units / units
        made.append(Stream(need.site, shelf.group, rate, reach, shelf.hub.code, share, -fee))
    return made


def _terms(shelves: Sequence[Shelf]) -> tuple[Terms, ...]:
    """One for each group, by its shelf of most needs; the highest cover and every floor hold."""
    found = []
    for group in sorted({s.group for s in shelves}):
        mine = [s for s in shelves if s.group == group]
        most = max(mine, key=lambda s: (s.law.mean, s.hub.code))
        floors = tuple((s.hub.code, s.floor) for s in mine)
        cover = max(s.cover for s in mine)
        days, rate = most.law.lead_time_days, most.rate
        found.append(Terms(group, most.unit_cost, days, rate.dispersion, rate.doubt, cover, floors))
    return tuple(found)


def what_if(
    by: Authority, *, now: datetime, designs: Sequence[Design] = ()
) -> tuple[tuple[Design, ...], tuple[Outcome, ...]]:
    """The usual designs and those asked for, each on the same needs; the first is the network as it is."""
    given = network(by, now=now)
    asked = (Design("As it is"), *usual(given), *designs)
    for design in asked:
        _check(given, design)
    return asked, side_by_side(given.streams, given.terms, given.held, asked)


def usual(given: Network) -> tuple[Design, ...]:
    """What is asked of every network: slower, a wave, its largest hub lost, its smallest given up, a part moved."""
    hubs, groups = _by(given.streams, "hub"), _by(given.streams, "group")
    if not hubs:
        return ()
    largest, smallest = max(hubs, key=lambda h: (hubs[h], h)), min(hubs, key=lambda h: (hubs[h], h))
    busiest, rarest = max(groups, key=lambda g: (groups[g], g)), min(groups, key=lambda g: (groups[g], g))
    found = [
        Design("Lead times double", "slow lead times", factor=2.0),
        Design(f"Defect wave: {WAVE:g} times the needs of {busiest}", "wave", group=busiest, factor=WAVE),
        Design(f"{largest} is lost", "hub lost", hub=largest),
    ]
    if smallest != largest:
        found.append(Design(f"{smallest} is given up", "shrunk", hub=smallest))
    central = Hub.objects.filter(tier="central").order_by("code").values_list("code", flat=True).first()
    if central:
        found.append(Design(f"{rarest} is held at {central} alone", "central", hub=central, group=rarest))
    return (*found, *_vendor(given), *_cabinet(given))


def _by(streams: Sequence[Stream], name: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for stream in streams:
        key = getattr(stream, name)
        found[key] = found.get(key, 0.0) + stream.per_year
    return found


def _vendor(given: Network) -> tuple[Design, ...]:
    """A vendor sends the first group for which one has an offer: the share in time over the sites that need it."""
    for group in sorted({n.group for n in given.needs}):
        mine = [n for n in given.needs if n.group == group]
        told = [max((w.share_within(n.tolerable_h * 3600.0) for w in n.ways if w.kind == "vendor"), default=None)
                for n in mine]  # fmt: skip
        if mine and all(t is not None for t in told):
            units = sum(n.units for n in mine)
            share = sum(n.units * (t or 0.0) for n, t in zip(mine, told, strict=True)) / units
            return (Design(f"A vendor sends {group}", "vendor sends", group=group, in_time=share),)
    return ()


def _cabinet(given: Network) -> tuple[Design, ...]:
    """A cabinet where the most needs a year come too late from their hub."""
    late: dict[str, float] = {}
    for stream in given.streams:
        if stream.site:
            late[stream.site] = late.get(stream.site, 0.0) + stream.per_year * (1.0 - stream.reached_from(stream.hub))
    worst = max(late, key=lambda s: (late[s], s), default="")
    if not worst or late[worst] <= 0.0:
        return ()
    there = [w for n in given.needs if n.site == worst for w in n.ways if w.kind == "cabinet" or not n.ways]
    tolerable = next(n.tolerable_h for n in given.needs if n.site == worst)
    share = min((w.share_within(tolerable * 3600.0) for w in there), default=1.0)
    return (Design(f"A cabinet at {worst}", "hub added", hub=f"{worst}-cabinet", site=worst, in_time=share),)


def _check(given: Network, design: Design) -> None:
    """Refuse a design that names what the network has not."""
    hubs = set(Hub.objects.values_list("code", flat=True))
    known = {"hub": hubs, "group": {t.group for t in given.terms}, "site": {s.site for s in given.streams}}
    for field, values in known.items():
        value = getattr(design, field)
        is_new = field == "hub" and design.kind == "hub added"
        if value and value not in values and not is_new:
            raise BadInput(
                "planning.design",
                f"No {field} {value!r} is part of this network's needs.",
                f"Name one of {', '.join(sorted(v for v in values if v)[:8])}.",
                field=field,
                value=value,
            )
