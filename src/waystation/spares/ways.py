"""Every way of a part into service at a site, over the hours of a week: by hub, by a cabinet on site, by a vendor."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from waystation.access.models import Person
from waystation.kernel.authority import Authority
from waystation.registry.models import Part, Site
from waystation.spares import models as m
from waystation.spares import paths
from waystation.spares.rules import restore as r
from waystation.spares.rules.hours import NEVER

NEAREST = 3  # lanes of a site that are looked at, nearest first
EVERY_H = 7  # 24 starts of a week, each hour of the day once
STEP_POINTS, PATH_POINTS = 8, 24
KEPT = 50_000


@dataclass(frozen=True, slots=True)
class Way:
    """A source of a part group for a site: equally likely seconds to restored service, rising; what one use costs.

    `kind` is hub, cabinet (not there yet) or vendor; `code` is the hub's or vendor's. `trip_cost` is of one delivery.
    """

    kind: str
    code: str
    name: str
    group: str
    seconds: tuple[float, ...]
    trip_cost: float
    refusal: str = ""

    @property
    def p90_s(self) -> float | None:
        """Seconds that nine of ten starts keep; None when fewer ever get there."""
        if not self.seconds:
            return None
        at = self.seconds[min(len(self.seconds) - 1, int(0.9 * len(self.seconds)))]
        return None if at == NEVER else at

    def share_within(self, within_s: float) -> float:
        """The share of starts (0 to 1) that restore within so many seconds."""
        return bisect_right(self.seconds, within_s) / len(self.seconds) if self.seconds else 0.0


def week_of(now: datetime) -> datetime:
    """The Monday on which the week of an instant began, 00:00 UTC."""
    day = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return day - timedelta(days=day.weekday())


@lru_cache(maxsize=KEPT)
def spread(path: r.Path, week_start: datetime) -> tuple[float, ...]:
    """Equally likely seconds to restored service, rising, from starts every seven hours of a week."""
    starts = [week_start + timedelta(hours=hour) for hour in range(0, r.WEEK_HOURS, EVERY_H)]
    ranked, _ = r.arrivals(path, starts, step_points=STEP_POINTS, path_points=PATH_POINTS)
    return tuple(sorted(ranked.ravel().tolist()))


def ways(by: Authority, asked: Mapping[Site, Sequence[Part]], now: datetime) -> dict[tuple[str, str], list[Way]]:
    """By site code and part group every way, the quickest first: the nearest hubs, a cabinet on site, vendors."""
    by.require("spares.read")
    begin = week_of(now)
    lanes: dict[object, list[m.Lane]] = {}
    for lane in m.Lane.objects.filter(site__in=list(asked)).select_related("hub", "site"):
        lanes.setdefault(lane.site_id, []).append(lane)
    cabinets = {hub.site_id: hub for hub in m.Hub.objects.filter(site__in=list(asked))}
    offers: dict[str, list[m.Offer]] = {}
    for offer in m.Offer.objects.filter(ended_at=None).select_related("vendor"):
        offers.setdefault(offer.group, []).append(offer)
    crews = {q: paths.qualified(q) for q in {p.qualification for parts in asked.values() for p in parts}}
    found: dict[tuple[str, str], list[Way]] = {}
    for site, parts in asked.items():
        near = sorted(lanes.get(site.pk, []), key=lambda row: (_travel(row), row.hub.code))[:NEAREST]
        for part in parts:
            crew = crews[part.qualification]
            made = [_by_hub(row.hub, row, site, part, crew, begin) for row in near]
            made.append(_by_hub(cabinets.get(site.pk) or _cabinet(site), None, site, part, crew, begin))
            made += [_by_vendor(offer, site, part, crew, begin) for offer in offers.get(part.group, [])]
            found.setdefault((site.code, part.group), []).extend(made)
    return {key: sorted(_best(some), key=_rank) for key, some in found.items()}


def _travel(lane: m.Lane) -> float:
    return float(lane.quantiles[-1][1]) if lane.quantiles else float("inf")


def _cabinet(site: Site) -> m.Hub:
    return m.Hub(code="", name=f"a cabinet at {site.name}", tier="local", zone=site.zone, site=site)


def _by_hub(hub: m.Hub, lane: m.Lane | None, site: Site, part: Part, crew: Sequence[Person], begin: datetime) -> Way:
    path = paths.by_lane(hub, lane, site, part, crew)
    refusals = r.lane_refusals(path)
    kind = "hub" if hub.code else "cabinet"
    cost = float(lane.cost) if lane is not None else 0.0
    seconds = () if refusals else spread(path, begin)
    return Way(kind, hub.code, hub.name, part.group, seconds, cost, refusals[0] if refusals else "")


def _by_vendor(offer: m.Offer, site: Site, part: Part, crew: Sequence[Person], begin: datetime) -> Way:
    seconds = spread(paths.by_offer(offer, site, part, crew), begin)
    return Way("vendor", offer.vendor.code, offer.vendor.name, part.group, seconds, float(offer.cost))


def _rank(way: Way) -> tuple[float, str, str]:
    at = way.p90_s
    return (float("inf") if at is None else at, way.kind, way.code)


def _best(some: Iterable[Way]) -> list[Way]:
    """One way for each source: its quickest."""
    found: dict[tuple[str, str], Way] = {}
    for way in sorted(some, key=_rank):
        found.setdefault((way.kind, way.code), way)
    return list(found.values())
