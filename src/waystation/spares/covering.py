"""Can a ready unit restore a site in time? Asked at starts spread over a week, so that nights and Sundays count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from waystation.registry.models import Part, Site
from waystation.spares import models as m
from waystation.spares import paths
from waystation.spares.rules import timetable
from waystation.spares.rules.gates import OpenGate, opening
from waystation.spares.rules.hours import NEVER
from waystation.spares.rules.restore import Path, arrivals, lane_refusals

STRIDE_H = 7  # 24 starts in a week, one at each hour of the day
NINE_OF_TEN = 0.9


@dataclass(frozen=True, slots=True)
class Covering:
    """One way from a hub: the share of cases in time while the site may be entered, and over the whole week."""

    source: str
    share: float
    share_of_week: float
    p90_s: float | None  # while the site may be entered; None when fewer than 9 of 10 get there

    @property
    def covers(self) -> bool:
        """True when 9 of 10 cases that begin while the site may be entered are in time."""
        return self.share >= NINE_OF_TEN


def covering(site: Site, part: Part, within_s: float, week_start: datetime, hubs: Sequence[str]) -> list[Covering]:
    """The ways from hubs of those names, best first."""
    starts = [week_start + timedelta(hours=h) for h in range(0, 168, STRIDE_H)]
    open_at = [_may_enter(site, at) for at in starts]
    found = [_one(path, starts, open_at, within_s) for path in _ways(site, part, hubs) if not lane_refusals(path)]
    return sorted(found, key=lambda c: (-c.share, c.p90_s if c.p90_s is not None else NEVER, c.source))


def _ways(site: Site, part: Part, hubs: Sequence[str]) -> Iterator[Path]:
    crew = paths.qualified(part.qualification)
    for cabinet in m.Hub.objects.filter(site=site, name__in=hubs):
        yield paths.by_lane(cabinet, None, site, part, crew)
    lanes = m.Lane.objects.filter(site=site, hub__name__in=hubs).select_related("hub").order_by("hub__name", "mode")
    for lane in lanes:
        yield paths.by_lane(lane.hub, lane, site, part, crew)


def _one(path: Path, starts: Sequence[datetime], open_at: Sequence[bool], within_s: float) -> Covering:
    week = arrivals(path, starts)[0].tolist()
    inside = sorted(s for cases, is_open in zip(week, open_at, strict=True) if is_open for s in cases)
    all_cases = [s for cases in week for s in cases]
    p90 = inside[min(len(inside) - 1, int(NINE_OF_TEN * len(inside)))] if inside else NEVER
    return Covering(path.source, _share(inside, within_s), _share(all_cases, within_s), None if p90 == NEVER else p90)


def _share(cases: Sequence[float], within_s: float) -> float:
    return sum(s <= within_s for s in cases) / len(cases) if cases else 0.0


def _may_enter(site: Site, at: datetime) -> bool:
    hours = timetable.weekly(site.access_hours, site.zone)
    return hours is None or opening((OpenGate(site.name, hours),), at, 0.0).at == at
