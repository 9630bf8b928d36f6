"""Reading the planning room: history and its files, what is expected, plans, live points, why they changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Q

from waystation.kernel.authority import Authority
from waystation.planning import models as m
from waystation.planning.rules.demand.needs import Need, counted
from waystation.planning.rules.living.lookback import Held, Verdict, judged
from waystation.registry.queries import one

SIX = ("family", "age_months", "region", "notes", "downtime_h", "solved")
MOST = 1_000


@dataclass(frozen=True, slots=True)
class Group:
    """Failures of one region, family and mode: rows and units of each kind, first and last."""

    region: str
    family: str
    mode: str
    units: int
    kinds: dict[str, int]
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class Told:
    """A change of a point with what became of it: demand forecast and come while it held, and the word."""

    change: m.PolicyChange
    until: datetime
    verdict: Verdict


def files(by: Authority) -> list[m.HistoryFile]:
    """The files taken in, newest first, undone ones too."""
    by.require("planning.read")
    return list(m.HistoryFile.objects.all()[:MOST])


def file(by: Authority, key: UUID) -> m.HistoryFile:
    """One file with its data-quality report."""
    by.require("planning.read")
    return one(m.HistoryFile, key)


def needs(by: Authority, since: datetime, family: str = "") -> list[Need]:
    """What the imported history says since an instant, each row as a need; `counted` makes one of two tellings."""
    by.require("planning.read")
    rows = m.Failure.objects.filter(is_live=True, at__gte=since)
    rows = rows.filter(family=family) if family else rows
    columns = ("kind", "external_id", "at", "region", "family", "mode", "quantity", "facts")
    return [_need(*row) for row in rows.values_list(*columns).iterator(chunk_size=2000)]


def _need(
    kind: str, external_id: str, at: datetime, region: str, family: str, mode: str, quantity: int, facts: dict[str, Any]
) -> Need:
    told = {name for name in SIX if facts.get(name) is not None} | {"family", "region"}
    return Need(
        kind,
        external_id,
        at,
        region,
        family,
        mode,
        quantity,
        str(facts.get("ticket", "")),
        facts.get("no_fault_found"),
        frozenset(told),
        kind == "emergency",
    )


def groups(by: Authority, since: datetime) -> list[Group]:
    """The history grouped by region, family and mode, each failure once; most units first."""
    held: dict[tuple[str, str, str], list[Need]] = {}
    for need in counted(needs(by, since)):
        held.setdefault((need.region, need.family, need.mode or "unknown"), []).append(need)
    found = [
        Group(
            *key,
            sum(n.quantity for n in some),
            dict(Counter(n.kind for n in some)),
            min(n.at for n in some),
            max(n.at for n in some),
        )
        for key, some in held.items()
    ]
    return sorted(found, key=lambda g: (-g.units, g.region, g.family, g.mode))


def expectations(by: Authority, at: datetime) -> list[m.Expectation]:
    """What is expected at an instant or later and has not ended."""
    by.require("planning.read")
    live = m.Expectation.objects.filter(ended_at=None)
    return list(live.filter(Q(until=None) | Q(until__gt=at)))


def plans(by: Authority) -> list[m.Plan]:
    """Plans, newest first."""
    by.require("planning.read")
    return list(m.Plan.objects.all()[:MOST])


def plan(by: Authority, key: UUID | str) -> m.Plan:
    """One plan by id or number."""
    by.require("planning.read")
    asked = str(key)
    is_number = asked.isascii() and asked.isdigit() and len(asked) < 10
    return one(m.Plan, key, by="number" if is_number else "digest")


def lines(by: Authority, plan_id: UUID) -> list[m.PlanLine]:
    """The lines of a plan, by hub and group."""
    by.require("planning.read")
    return list(m.PlanLine.objects.filter(plan_id=plan_id))


def points(by: Authority, hub_id: UUID | None = None) -> list[m.PolicyPoint]:
    """The live points, by hub and group."""
    by.require("planning.read")
    rows = m.PolicyPoint.objects.select_related("plan")
    return list(rows.filter(hub_id=hub_id) if hub_id else rows)


def changes(by: Authority, point_id: UUID) -> list[m.PolicyChange]:
    """How a point came to be what it is, oldest first."""
    by.require("planning.read")
    return list(m.PolicyChange.objects.filter(point_id=point_id).select_related("plan", "point"))


def was_it_right(by: Authority, point_id: UUID, came: Sequence[Need], now: datetime) -> list[Told]:
    """Every change of a point beside what came while it held. `came` are the needs of its shelf since the first one.

    What the shelf did not serve itself (an emergency shipment, a part from elsewhere) is a stock-out.
    """
    held = changes(by, point_id)
    ends = [change.at for change in held[1:]] + [now]
    found = []
    for change, until in zip(held, ends, strict=True):
        within = [n for n in came if change.at <= n.at < until]
        figures = change.figures
        asked = Held(
            (until - change.at).total_seconds() / 86400.0,
            float(figures.get("lead_time_p90_days") or 14.0),
            float(figures.get("cover_asked") or 0.95),
            float(figures.get("per_day") or 0.0),
            float(figures.get("dispersion") or 1.0),
        )
        outs = sum(n.quantity for n in within if n.unserved)
        units = sum(n.quantity for n in counted(within))
        found.append(Told(change, until, judged(asked, units, outs)))
    return found
