"""A plan: points sized for the class's cover, proposed, approved by somebody else, applied, kept alive.

Top to bottom: look at the shelves and their forecasts, size each, decide within the rails. A person's proposal takes
every wanted point; the nightly recomputation changes what the rails allow and asks about the rest.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from django.db import transaction

from waystation.journeys import placing
from waystation.journeys.demand import Demand
from waystation.journeys.shelves import NETWORK, Choice, Shelf, by_network, look, sized
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotReady
from waystation.planning import models as m
from waystation.planning.actions import nightly as night
from waystation.planning.actions import plans
from waystation.planning.rules.counts import Array, no_stock_out
from waystation.planning.rules.living.guard import Decision, Rails, decide
from waystation.planning.rules.living.points import Point, Scenario, Sized
from waystation.spares import models as stock
from waystation.spares.actions import setup

RAILS = Rails()
DAILY = timedelta(hours=20)


def propose(
    by: Authority,
    *,
    now: datetime,
    reason: str,
    scenario: Scenario | None = None,
    groups: Sequence[str] = (),
    hubs: Sequence[str] = (),
    chosen: Mapping[tuple[str, str], Choice] | None = None,
) -> m.Plan:
    """Propose the wanted points of all shelves, or of some groups and hubs, as one plan. Refused when nothing moves.

    `chosen` by (hub, group) stands instead of what a shelf's cover asks for. A shelf that only feeds other hubs has no
    cover of its own, and moves by a plan of the whole network alone.
    """
    by.require("planning.propose")
    shelves, told = look(by, now=now)
    some = [s for s in shelves if (not groups or s.group in groups) and (not hubs or s.hub.code in hubs)]
    return _propose(by, [s for s in some if not s.only_feeds], told, reason, now, chosen or {}, scenario)


def propose_network(
    by: Authority, *, budget: float | None = None, vendors: bool = False, reason: str, now: datetime
) -> m.Plan:
    """Propose the stock of all hubs at once (`placing.py`). Refused with the limits that clash when none keeps them."""
    by.require("planning.propose")
    found = placing.place(by, now=now, budget=budget, vendors=vendors)
    if found.placing.conflict or not found.placing.shelves:
        raise NotReady(
            "planning.conflict",
            f"No stock keeps all of this: {'; '.join(found.placing.conflict) or found.placing.status}.",
            "Give more money, or lower what one of them asks for.",
        )
    return _propose(by, found.shelves, found.told, reason, now, found.choices())


def _propose(
    by: Authority,
    some: Sequence[Shelf],
    told: Demand,
    reason: str,
    now: datetime,
    chosen: Mapping[tuple[str, str], Choice],
    scenario: Scenario | None = None,
) -> m.Plan:
    lines = []
    for shelf in some:
        choice = chosen.get((shelf.hub.code, shelf.group))
        wanted = sized(shelf, scenario) if choice is None else _taken(shelf, choice)
        if _held(shelf) != wanted.point and not (shelf.point is None and wanted.point.least == 0):
            why = f"{wanted.set_by}: {wanted.steps[-1]}"
            lines.append(_line(shelf, wanted, wanted.point, why, choice))
    if not lines:
        raise NotReady(
            "planning.nothing", f"All {len(some)} shelves are as they should be.", "Nothing is to be proposed."
        )
    inputs: dict[str, Any] = {"shelves": len(some), "needs": len(told.needs), "needs_without_hub": told.without_hub}
    inputs |= {"incidents_without_part": told.without_part, "scenario": scenario.name if scenario else ""}
    return plans.propose(by, lines, reason=reason, now=now, inputs=inputs)


def apply(by: Authority, plan_id: UUID, *, now: datetime) -> m.Plan:
    """Make an approved plan live: its points, and the bounds of each shelf that spares judge by, in one transaction."""
    by.require("spares.policy")
    with transaction.atomic():
        plan, points = plans.make_live(by, plan_id, now=now)
        held = {(t.hub_id, t.group): t for t in stock.StockTarget.objects.filter(break_glass=False)}
        for point in points:
            bounds = {"minimum": point.reorder_point + 1, "maximum": point.order_up_to}
            target = held.get((point.hub_id, point.group))
            if target is None:
                setup.set_up(by, "target", {"hub_id": point.hub_id, "group": point.group} | bounds, now=now)
            elif (target.minimum, target.maximum) != (bounds["minimum"], bounds["maximum"]):
                setup.change(by, "target", target.pk, bounds, now=now, reason=f"plan {plan.number}")
    return plan


@dataclass(frozen=True, slots=True)
class Night:
    """What a recomputation did: points looked at, changed within the rails, put to a person, left alone."""

    looked: int
    changed: int
    asked: int
    kept: int


def recompute_due(by: Authority, *, now: datetime) -> Night | None:
    """`recompute`, once a day; None when no point is older than 20 hours, or none is live."""
    if not m.PolicyPoint.objects.filter(computed_at__lte=now - DAILY).exists():
        return None
    return recompute(by, now=now)


def recompute(by: Authority, *, now: datetime, rails: Rails = RAILS) -> Night:
    """Every live point against today's law. Nothing is made live that the rails do not allow."""
    by.require("platform.operate")
    shelves, _ = look(by, now=now)
    chosen = _chosen_again(by, shelves, now)
    decided = [(s, *_decided(s, rails, now, chosen)) for s in shelves if s.point is not None]
    keyed = {(s.hub.code, s.group): chosen.get((s.hub.code, s.group)) for s in shelves}
    fine = [_line(s, w, d.point, d.reason, keyed[s.hub.code, s.group]) for s, w, d in decided if d.verb == "change"]
    open_ones = [_line(s, w, d.point, d.reason, keyed[s.hub.code, s.group]) for s, w, d in decided if d.verb == "ask"]
    if fine:
        plan = plans.propose(by, fine, reason="recomputed within the rails", now=now, source="nightly")
        night.approve_within_rails(by, plan.pk, rails, now=now)
        apply(by, plan.pk, now=now)
    night.ask(by, open_ones, reason="recomputed: steps above the limit", now=now)
    rest = [_refreshed(s, w, d, now, keyed[s.hub.code, s.group]) for s, w, d in decided if d.verb != "change"]
    night.keep_figures(by, rest, now=now)
    return Night(len(decided), len(fine), len(open_ones), len(rest) - len(open_ones))


def _chosen_again(by: Authority, shelves: Sequence[Shelf], now: datetime) -> Mapping[tuple[str, str], Choice]:
    """What the whole network asks for today, where its points were set at once: within the budget that held then, and
    with as much left to vendors."""
    points = [s.point for s in shelves if by_network(s.point)]
    newest = max(points, key=lambda p: p.changed_at if p else now, default=None)
    if newest is None:
        return {}
    found = placing.place(by, now=now, budget=newest.figures.get("budget"), vendors=bool(newest.figures.get("vendors")))
    mine = {(p.hub, p.group) for p in points if p is not None}
    return {key: choice for key, choice in found.choices().items() if key in mine}


def _decided(
    shelf: Shelf, rails: Rails, now: datetime, chosen: Mapping[tuple[str, str], Choice]
) -> tuple[Sized, Decision]:
    held, choice = _held(shelf), chosen.get((shelf.hub.code, shelf.group))
    since = shelf.point.lower_since if shelf.point else None
    mine = replace(rails, floor=shelf.floor)
    if choice is None and held is not None and by_network(shelf.point):
        why = "left as it is: no stock keeps the limits of the whole network any more"
        return _taken(shelf, Choice(held.least, why, NETWORK)), Decision("keep", held, why, since)
    wanted = sized(shelf) if choice is None else _taken(shelf, choice)
    cover = shelf.cover if choice is None else wanted.cover
    covered = no_stock_out(_law(shelf, choice), held.least) if held else 0.0
    return wanted, decide(held, wanted, cover, covered, mine, now=now, lower_since=since)


def _refreshed(shelf: Shelf, wanted: Sized, decision: Decision, now: datetime, choice: Choice | None) -> m.PolicyPoint:
    point = shelf.point
    assert point is not None
    point.computed_at, point.lower_since = now, decision.lower_since
    is_left = choice is None and by_network(point)  # nothing new stands behind it
    told = point.figures if is_left else _figures(shelf, wanted, choice)
    point.figures = told | {"decision": decision.reason, "floor": shelf.floor}
    return point


def _law(shelf: Shelf, choice: Choice | None) -> Array:
    return shelf.total.law if choice is None or choice.law is None else choice.law


def _taken(shelf: Shelf, choice: Choice) -> Sized:
    """The shelf's point with the least that was chosen, and the cover that this one reaches."""
    law = _law(shelf, choice)
    mean = float(np.arange(len(law)) @ law)
    least = max(choice.least, shelf.floor)
    point = Point(least - 1, least) if least else Point(-1, 0)
    return replace(
        sized(shelf),
        point=point,
        base=mean,
        safety=max(0.0, least - mean),
        cover=no_stock_out(law, least),
        set_by=choice.set_by,
        steps=(f"base demand until a unit comes = {mean:.2f}", f"{least} chosen: {choice.why}"),
    )


def _figures(shelf: Shelf, wanted: Sized, choice: Choice | None) -> dict[str, Any]:
    found = shelf.figures(wanted)
    if choice is not None and choice.wait_days is not None:
        found |= {
            "cover_asked": wanted.cover,
            "lead_time_p90_days": choice.wait_days,
            "budget": choice.budget,
            "vendors": choice.vendors,
        }
        found |= {"lead_time_source": "mean wait within the whole network"}
    return found


def _held(shelf: Shelf) -> Point | None:
    return Point(shelf.point.reorder_point, shelf.point.order_up_to) if shelf.point else None


def _line(shelf: Shelf, wanted: Sized, point: Point, reason: str, choice: Choice | None) -> plans.NewLine:
    figures = _figures(shelf, wanted, choice)
    return plans.NewLine(shelf.hub.pk, shelf.hub.code, shelf.group, point, reason, shelf.floor, figures)
