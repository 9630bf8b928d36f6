"""The six figures for leadership over twelve months, each from its records, with a gap where nothing was recorded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from waystation.journeys.business_case import cases
from waystation.journeys.shelves import look
from waystation.journeys.stock_outlook import accuracy
from waystation.kernel.authority import Authority
from waystation.planning.rules.business import Case
from waystation.planning.rules.demand.needs import MONTH, Need
from waystation.planning.rules.kpis import Trend, count_of, mean_of
from waystation.spares.models import Dispatch, Unit

MONTHS = 12
QUARTERS = 4


@dataclass(frozen=True, slots=True)
class Kpi:
    """One of the six: its name, the definition in words, and one trend, or one for each region or family."""

    name: str
    words: str
    trends: tuple[Trend, ...]
    opens: str


def kpis(by: Authority, *, now: datetime) -> tuple[Kpi, ...]:
    """The six, in the order in which leadership asks."""
    by.require("planning.read")
    by.require("service_levels.read")
    start = now - MONTHS * MONTH
    found = cases(by, since=start, now=now)
    shelves, told = look(by, now=now)
    critical = {(s.hub.code, s.group) for s in shelves if s.floor}
    needs = [n for n in told.needs if n.at >= start]
    return (
        _attainment(found, start, now),
        _restore(found, start, now),
        _stock_outs([n for n in needs if (n.region, n.family) in critical], now),
        _emergencies(needs, now),
        _turns(now),
        _skill(by, now),
    )


def _ended(found: Sequence[Case], start: datetime) -> list[tuple[datetime, Case, float]]:
    return [(start + timedelta(days=c.at_day), c, c.restored_h) for c in found if c.restored_h is not None]


def _attainment(found: Sequence[Case], start: datetime, now: datetime) -> Kpi:
    opened = [(start + timedelta(days=c.at_day), c) for c in found]
    told = [(at, float(kept)) for at, c in opened if (kept := _is_kept(c, at, now)) is not None]
    trend = mean_of("all regions", "share", told, now, MONTHS)
    words = "hardware incidents restored within the class's recovery time; one that is still out past it is a miss"
    return Kpi("SLA attainment", words, (trend,), "/planning/business-case/")


def _is_kept(case: Case, at: datetime, now: datetime) -> bool | None:
    """Whether an incident opened at an instant kept its promise; None while it is out and the promise still runs."""
    if case.restored_h is not None:
        return case.restored_h <= case.promised_h
    return False if now - at > timedelta(hours=case.promised_h) else None


def _restore(found: Sequence[Case], start: datetime, now: datetime) -> Kpi:
    ended = _ended(found, start)
    regions = sorted({c.region for _, c, _ in ended})
    trends = [mean_of(r, "h", [(at, h) for at, c, h in ended if c.region == r], now, MONTHS) for r in regions]
    words = "mean hours from the incident to restored service, by the hub that serves the site"
    return Kpi("Time to restore", words, tuple(trends), "/planning/business-case/")


def _stock_outs(needs: Sequence[Need], now: datetime) -> Kpi:
    trend = mean_of("critical shelves", "share", [(n.at, float(n.unserved)) for n in needs], now, MONTHS)
    words = "needs of shelves with a class floor that their own shelf did not serve"
    return Kpi("Stock-out rate", words, (trend,), "/planning/")


def _emergencies(needs: Sequence[Need], now: datetime) -> Kpi:
    first = min((n.at for n in needs), default=None)
    trend = count_of("all regions", "shipments", [n.at for n in needs if n.unserved], now, MONTHS, first)
    return Kpi(
        "Emergency shipments", "needs filled from elsewhere than their own shelf", (trend,), "/planning/forecast/"
    )


def _turns(now: datetime) -> Kpi:
    """Units that left shelves in a month, times twelve, over the units that lie on them now."""
    held = Unit.objects.filter(hub__isnull=False, state__in=["stocked", "reserved"]).count()
    left = [at for at in Dispatch.objects.filter(shipped_at__lte=now).values_list("shipped_at", flat=True) if at]
    trend = count_of("all hubs", "turns a year", left, now, MONTHS, min(left, default=None))
    points = tuple(None if p is None or held == 0 else p * 12.0 / held for p in trend.points)
    known = [p for p in points if p is not None]
    whole = sum(known) / len(known) if known else None
    words = "units shipped in a month, times twelve, over the units on the shelves today; past stock is not kept"
    return Kpi("Hub turns", words, (Trend(trend.name, trend.unit, points, trend.inputs, whole),), "/desk/")


def _skill(by: Authority, now: datetime) -> Kpi:
    """Loss saved against a naive forecast by region and family, from what was known at four quarters' ends."""
    by_key: dict[str, dict[int, tuple[float | None, int]]] = {}
    for n in range(QUARTERS):
        at = now - (QUARTERS - 1 - n) * 3 * MONTH
        for one in accuracy(by, now=at):
            name = f"{one.family}, {one.region}" if one.region else one.family
            by_key.setdefault(name, {})[n] = (one.skill.share, one.skill.forecasts)
    trends = []
    for name, told in sorted(by_key.items()):
        points = tuple(told.get(n, (None, 0))[0] for n in range(QUARTERS))
        trends.append(
            Trend(name, "share", points, tuple(told.get(n, (None, 0))[1] for n in range(QUARTERS)), points[-1])
        )
    words = "loss saved against a naive forecast; 0 or less is no skill, a gap was not judged; by quarter"
    return Kpi("Forecast accuracy", words, tuple(trends), "/planning/forecast/")
