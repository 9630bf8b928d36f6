"""What the live policy faces: run-out and order-by dates, excess and misplaced stock, stress; and was it right?"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import numpy as np

from waystation.journeys import demand as journey
from waystation.journeys.shelves import Shelf, look
from waystation.kernel.authority import Authority
from waystation.planning import queries as planning
from waystation.planning.queries import SIX, Told
from waystation.planning.rules.demand import needs as rules
from waystation.planning.rules.demand.accuracy import Skill
from waystation.planning.rules.demand.cohorts import Compared, Seen, compare
from waystation.planning.rules.demand.forecast import judged
from waystation.planning.rules.demand.leadtime import DAYS_PER_MONTH
from waystation.planning.rules.demand.returns import ReturnFlow
from waystation.planning.rules.demand.seasons import Spike, spikes
from waystation.planning.rules.living import outlook
from waystation.planning.rules.living.findings import PilotDifference, pilot_difference
from waystation.planning.rules.living.stress import Broken, Stress, stressed
from waystation.spares.models import Dispatch

COVER = 0.95


@dataclass(frozen=True, slots=True)
class Line:
    """One shelf with what lies ready, its live point (None: it has none), and when it runs out, as instants."""

    hub: str
    group: str
    ready: int
    reorder_point: int | None
    order_up_to: int | None
    runs_out_at: datetime | None
    expected_out_at: datetime | None
    order_by: datetime | None
    is_late: bool
    words: str


def run_outs(by: Authority, *, now: datetime) -> list[Line]:
    """Every shelf with its projected stock-out and order-by dates, the most urgent first."""
    shelves, _ = look(by, now=now)
    arriving = coming(now)
    found = [line_of(shelf, arriving.get((shelf.hub.code, shelf.group), {}), now) for shelf in shelves]
    never = now + timedelta(days=outlook.MOST_DAYS * 10)
    return sorted(found, key=lambda f: (f.order_by or never, f.hub, f.group))


def line_of(shelf: Shelf, arrivals: dict[int, int], now: datetime) -> Line:
    """One shelf's dates. `arrivals` are units by the day from now on which they come."""
    held = shelf.as_stock()
    told = outlook.run_out(shelf.ready, held.use, shelf.cover, shelf.lead_p90_days, arrivals)
    days = (told.cautious_day, told.expected_day, told.order_by_day)
    at = [None if day is None else now + timedelta(days=day) for day in days]
    point = shelf.point
    return Line(
        shelf.hub.code,
        shelf.group,
        shelf.ready,
        point.reorder_point if point else None,
        point.order_up_to if point else None,
        at[0],
        at[1],
        at[2],
        told.late_days > 0.0,
        told.words,
    )


def coming(now: datetime) -> dict[tuple[str, str], dict[int, int]]:
    """Units on their way to a hub, by the day on which they are promised."""
    rows: dict[tuple[str, str], list[tuple[datetime | None, int]]] = {}
    live = Dispatch.objects.filter(ended_at=None, to_hub__isnull=False)
    for hub, group, at in live.values_list("to_hub__code", "unit__part__group", "promised_at"):
        rows.setdefault((hub, group), []).append((at, 1))
    return {key: journey.arrivals(some, now) for key, some in rows.items()}


def excess(by: Authority, *, now: datetime) -> tuple[tuple[outlook.Excess, ...], tuple[outlook.Move, ...]]:
    """Shelves above their level with capital freed and risk added, and what would better lie at another hub."""
    held = [s.as_stock() for s in look(by, now=now)[0] if s.point is not None]
    return outlook.excess(held), outlook.misplaced(held)


def stress(by: Authority, scenario: Stress, *, now: datetime) -> tuple[Broken, ...]:
    """What breaks first under a scenario. A lost hub's demand goes to the hub that most of its sites reach next."""
    shelves, _ = look(by, now=now)
    cover = max((s.cover for s in shelves), default=COVER)
    return stressed([s.as_stock() for s in shelves], scenario, cover, _next_hubs(journey.served(by)))


def _next_hubs(where: journey.Served) -> dict[str, str]:
    votes: dict[str, Counter[str]] = {}
    for site, hub in where.first.items():
        if site in where.second:
            votes.setdefault(hub.code, Counter())[where.second[site].code] += 1
    return {code: max(sorted(some), key=lambda c: some[c]) for code, some in votes.items()}


def was_it_right(by: Authority, point_id: UUID, *, now: datetime) -> list[Told]:
    """Every change of a point beside what came while it held."""
    changes = planning.changes(by, point_id)
    if not changes:
        return []
    hub, group = changes[0].point.hub, changes[0].point.group
    told = journey.gather(by, journey.served(by), now=now)
    came = [n for n in told.needs if (n.region, n.family) == (hub, group) and n.at >= changes[0].at]
    return planning.was_it_right(by, point_id, came, now)


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How good forecasts of one region and family were; of a family over all regions, `region` is empty."""

    region: str
    family: str
    units: int
    skill: Skill
    skill_of_full_tickets: Skill
    told: dict[str, float]
    spikes: tuple[Spike, ...]
    returns: ReturnFlow


def accuracy(by: Authority, *, now: datetime) -> list[Accuracy]:
    """Forecasts by region and family beside a naive one, each from what was known then; and by family as a whole.

    Beside it the same of the failures whose ticket says all six things (model, age, place, notes, downtime, solved).
    """
    told = journey.gather(by, journey.served(by), now=now)
    months = rules.months_on_record(told.needs, now, journey.MONTHS)
    if months == 0:
        return []
    needs = list(told.needs)
    whole = rules.monthly(needs, now, months)
    full = rules.monthly((n for n in needs if set(SIX) <= n.told), now, months)
    pairs = sorted(whole)
    families = sorted({family for _, family in pairs})
    found = []
    for region, family in [*(("", f) for f in families), *pairs]:
        keys = [k for k in pairs if k[1] == family and region in ("", k[0])]
        mine = [n for n in needs if n.family == family and region in ("", n.region)]
        counts = np.stack([whole[k] for k in keys])
        said = np.stack([full.get(k, np.zeros(months)) for k in keys])
        found.append(
            Accuracy(
                region,
                family,
                int(counts.sum()),
                judged(counts),
                judged(said),
                dict(rules.share_told(mine, SIX)),
                spikes(counts.sum(axis=0)),
                rules.flow(mine),
            )
        )
    return found


def cohorts(by: Authority, family: str, *, now: datetime) -> tuple[Compared, ...]:
    """The regions of a family beside each other: failures for each installed unit, with intervals."""
    where = journey.served(by)
    told, base = journey.gather(by, where, now=now), journey.installed(where)
    months = rules.months_on_record(told.needs, now, journey.MONTHS)
    counts = rules.monthly(told.needs, now, months) if months else {}
    seen = []
    for (hub, group), held in sorted(base.items()):
        exposure = float(journey.ages_by_month(held, now, months).units.sum()) if months else 0.0
        if group == family and exposure > 0.0:
            came = counts.get((hub, group))
            seen.append(Seen(hub, exposure, 0 if came is None else int(came.sum())))
    return compare(seen)


def pilot(by: Authority, plan_id: UUID, *, now: datetime) -> list[tuple[str, PilotDifference]]:
    """For each line of an applied plan: the rate that was planned beside what came since, as a difference of policy."""
    plan = planning.plan(by, plan_id)
    if plan.applied_at is None:
        return []
    told = journey.gather(by, journey.served(by), now=now)
    months = (now - plan.applied_at) / rules.MONTH
    found = []
    for line in planning.lines(by, plan.pk):
        came = sum(
            n.quantity for n in told.needs if (n.region, n.family) == (line.hub, line.group) and n.at >= plan.applied_at
        )
        planned = float(line.figures.get("per_day") or 0.0) * DAYS_PER_MONTH
        found.append((line.hub, pilot_difference(line.group, planned, months, came)))
    return found
