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

from django.db import transaction

from waystation.journeys.shelves import Shelf, look
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotReady
from waystation.planning import models as m
from waystation.planning.actions import nightly as night
from waystation.planning.actions import plans
from waystation.planning.rules.counts import no_stock_out
from waystation.planning.rules.living.guard import Decision, Rails, decide
from waystation.planning.rules.living.points import Point, Scenario, Sized, size
from waystation.spares import models as stock
from waystation.spares.actions import setup

RAILS = Rails()
DAILY = timedelta(hours=20)


@dataclass(frozen=True, slots=True)
class Choice:
    """The units that cover a lead time of one shelf, and who or what chose them, in words."""

    least: int
    why: str


def sized(shelf: Shelf, scenario: Scenario | None = None) -> Sized:
    """The point that the shelf's law asks for."""
    return size(shelf.law, shelf.cover, floor=shelf.floor, scenario=scenario)


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

    `chosen` by (hub, group) stands instead of what a shelf's cover asks for.
    """
    by.require("planning.propose")
    shelves, told = look(by, now=now)
    some = [s for s in shelves if (not groups or s.group in groups) and (not hubs or s.hub.code in hubs)]
    lines = []
    for shelf in some:
        choice = (chosen or {}).get((shelf.hub.code, shelf.group))
        wanted = sized(shelf, scenario) if choice is None else _taken(shelf, choice)
        if _held(shelf) != wanted.point and not (shelf.point is None and wanted.point.least == 0):
            why = f"{wanted.set_by}: {wanted.steps[-1]}"
            lines.append(_line(shelf, wanted, wanted.point, why))
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
    decided = [(s, *_decided(s, rails, now)) for s in shelves if s.point is not None]
    fine = [_line(s, w, d.point, d.reason) for s, w, d in decided if d.verb == "change"]
    open_ones = [_line(s, w, d.point, d.reason) for s, w, d in decided if d.verb == "ask"]
    if fine:
        plan = plans.propose(by, fine, reason="recomputed within the rails", now=now, source="nightly")
        night.approve_within_rails(by, plan.pk, rails, now=now)
        apply(by, plan.pk, now=now)
    night.ask(by, open_ones, reason="recomputed: steps above the limit", now=now)
    rest = [_refreshed(s, w, d, now) for s, w, d in decided if d.verb != "change"]
    night.keep_figures(by, rest, now=now)
    return Night(len(decided), len(fine), len(open_ones), len(rest) - len(open_ones))


def _decided(shelf: Shelf, rails: Rails, now: datetime) -> tuple[Sized, Decision]:
    wanted, held = sized(shelf), _held(shelf)
    covered = no_stock_out(shelf.law.law, held.least) if held else 0.0
    mine = replace(rails, floor=shelf.floor)
    since = shelf.point.lower_since if shelf.point else None
    return wanted, decide(held, wanted, shelf.cover, covered, mine, now=now, lower_since=since)


def _refreshed(shelf: Shelf, wanted: Sized, decision: Decision, now: datetime) -> m.PolicyPoint:
    point = shelf.point
    assert point is not None
    point.computed_at, point.lower_since = now, decision.lower_since
    point.figures = shelf.figures(wanted) | {"decision": decision.reason, "floor": shelf.floor}
    return point


def _taken(shelf: Shelf, choice: Choice) -> Sized:
    """The shelf's point with the least that was chosen, and the cover that this one reaches."""
    least = max(choice.least, shelf.floor)
    point = Point(least - 1, least) if least else Point(-1, 0)
    safety = max(0.0, least - shelf.law.mean)
    return replace(
        sized(shelf),
        point=point,
        safety=safety,
        cover=no_stock_out(shelf.law.law, least),
        set_by="budget",
        steps=(f"base demand in lead time = {shelf.law.mean:.2f}", f"{least} chosen: {choice.why}"),
    )


def _held(shelf: Shelf) -> Point | None:
    return Point(shelf.point.reorder_point, shelf.point.order_up_to) if shelf.point else None


def _line(shelf: Shelf, wanted: Sized, point: Point, reason: str) -> plans.NewLine:
    return plans.NewLine(shelf.hub.pk, shelf.hub.code, shelf.group, point, reason, shelf.floor, shelf.figures(wanted))
