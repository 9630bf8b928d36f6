"""A plan's way: proposed, approved by somebody else on its exact digest, applied; back by a plan of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Max

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotReady
from waystation.planning import models as m
from waystation.planning.kept import kept
from waystation.planning.rules.living.points import Point
from waystation.registry.queries import one

LAPSES = timedelta(days=30)
MOST_LINES = 20_000
CHUNK = 500


@dataclass(frozen=True, slots=True)
class NewLine:
    """One shelf as it is proposed: the point that it should have, why, its floor, and the figures behind it."""

    hub_id: UUID
    hub: str
    group: str
    point: Point
    reason: str
    floor: int = 0
    figures: Mapping[str, Any] = field(default_factory=dict)


def propose(
    by: Authority,
    lines: Sequence[NewLine],
    *,
    reason: str,
    now: datetime,
    inputs: Mapping[str, Any] | None = None,
    source: str = "proposal",
) -> m.Plan:
    """A plan of one or more lines under one digest. Lines keep the point that they found."""
    by.require("planning.propose")
    if not reason.strip():
        raise BadInput("planning.reason", "A plan needs a reason.", "Say why.", field="reason")
    if not lines or len(lines) > MOST_LINES or len({(line.hub_id, line.group) for line in lines}) != len(lines):
        raise BadInput(
            "planning.lines",
            f"{len(lines)} lines are no plan.",
            f"Give from one to {MOST_LINES} shelves, each once.",
            field="lines",
        )
    held = {(p.hub_id, p.group): p for p in m.PolicyPoint.objects.all()}
    plan = m.Plan(source=source, inputs=kept(dict(inputs or {})), reason=reason[:400], proposed_by=by.principal_id)
    plan.proposed_at, plan.expires_at = now, now + LAPSES
    rows = [_line(plan, line, held.get((line.hub_id, line.group))) for line in lines]
    plan.digest = digest_of(rows)
    try:
        with transaction.atomic():
            plan.number = (m.Plan.objects.aggregate(last=Max("number"))["last"] or 0) + 1
            facts = {"plan": plan.number, "lines": len(rows), "digest": plan.digest, "source": source}
            entry = NewEntry("planning.proposed", plan.pk, by, now, reason=reason[:400], facts=facts)
            record([plan, *rows[:CHUNK]], [NewEvent(data=facts)], entry=entry)
            for begin in range(CHUNK, len(rows), CHUNK):
                record(rows[begin : begin + CHUNK], entry=NewEntry("planning.lines", plan.pk, by, now, facts=facts))
    except IntegrityError:
        raise Conflict("planning.raced", "Another plan took this number at the same time.", "Try again.") from None
    return plan


def digest_of(rows: Sequence[m.PlanLine]) -> str:
    """The digest that an approval is on: every shelf, both points and the reason, in order."""
    told = [
        [str(r.hub_id), r.group, _text(r.before_point, r.before_level), _text(r.reorder_point, r.order_up_to), r.reason]
        for r in sorted(rows, key=lambda r: (str(r.hub_id), r.group))
    ]
    return digest(told)


def approve(by: Authority, plan_id: UUID, *, shown: str, reason: str, now: datetime) -> m.Plan:
    """Approve the plan as `shown` by its digest: all of its lines at once. Never by who proposed it."""
    by.require("planning.approve")
    with transaction.atomic():
        plan = _locked(plan_id)
        if plan.proposed_by == by.principal_id:
            raise NotAllowed(
                "planning.same_person", "Who proposed a plan does not approve it.", "Ask another service manager."
            )
        if shown != plan.digest:
            raise Conflict("planning.digest", "This is not the plan that was shown.", "Look at it again, then approve.")
        if now >= plan.expires_at:
            raise NotReady(
                "planning.lapsed", f"Plan {plan.number} lapsed {plan.expires_at:%Y-%m-%d}.", "Propose it afresh."
            )
        plan.state = states.step("plan", plan.state, "approved")
        plan.approved_by, plan.approved_at, plan.approval_reason = by.principal_id, now, reason[:400]
        facts = {"plan": plan.number, "digest": plan.digest}
        entry = NewEntry("planning.approved", plan.pk, by, now, reason=reason[:400], facts=facts)
        record([plan], [NewEvent(data=facts)], entry=entry)
    return plan


def withdraw(by: Authority, plan_id: UUID, *, reason: str, now: datetime) -> m.Plan:
    """Say no to a plan that is not applied, or take it back: by who may propose or approve."""
    by.require("planning.approve" if by.may("planning.approve") else "planning.propose")
    if not reason.strip():
        raise BadInput("planning.reason", "Saying no needs a reason.", "Say why.", field="reason")
    with transaction.atomic():
        plan = _locked(plan_id)
        if plan.state == "applied":
            raise Conflict("planning.applied", f"Plan {plan.number} is applied.", "Roll it back by a plan of its own.")
        plan.state, plan.ended_at = states.step("plan", plan.state, "superseded"), now
        facts = {"plan": plan.number}
        entry = NewEntry("planning.withdrawn", plan.pk, by, now, reason=reason[:400], facts=facts)
        record([plan], [NewEvent(data=facts)], entry=entry)
    return plan


def make_live(by: Authority, plan_id: UUID, *, now: datetime) -> tuple[m.Plan, list[m.PolicyPoint]]:
    """The points of an approved plan become the live ones, each with its change on record.

    Refused when a point has moved since the plan was made: it was approved against another policy. The plan that a
    point stood on before is superseded when none of its points is left.
    """
    by.require("spares.policy")
    with transaction.atomic():
        list(m.Plan.objects.select_for_update().filter(state="approved").order_by("pk"))  # one application at a time
        plan = _locked(plan_id)
        plan.state = states.step("plan", plan.state, "applied")
        plan.applied_by, plan.applied_at = by.principal_id, now
        lines = list(plan.lines.all())
        held = {(p.hub_id, p.group): p for p in m.PolicyPoint.objects.select_for_update()}
        points = [_moved(plan, line, held.get((line.hub_id, line.group)), now) for line in lines]
        changes = [_change(plan, line, point, now, by) for line, point in zip(lines, points, strict=True)]
        facts = {"plan": plan.number, "points": len(points), "digest": plan.digest}
        entry = NewEntry("planning.applied", plan.pk, by, now, reason=plan.reason, facts=facts)
        ended = _superseded(plan, [p.pk for p in points], now)
        record([plan, *ended, *points, *changes], [NewEvent(data=facts)], entry=entry)
    return plan, points


def roll_back(by: Authority, plan_id: UUID, *, reason: str, now: datetime) -> m.Plan:
    """Propose the points that stood before a plan; it is approved and applied like any other."""
    by.require("planning.propose")
    plan = one(m.Plan, plan_id)
    if plan.state != "applied":
        raise NotReady("planning.not_applied", f"Plan {plan.number} is {plan.state}.", "There is nothing to roll back.")
    floors = {(p.hub_id, p.group): p.floor for p in m.PolicyPoint.objects.all()}
    words = f"back to before plan {plan.number}: {reason}"
    lines = [
        NewLine(
            line.hub_id,
            line.hub,
            line.group,
            Point(-1, 0) if line.before_point is None else Point(line.before_point, line.before_level or 0),
            words[:400],
            floors.get((line.hub_id, line.group), 0),
            line.figures,
        )
        for line in plan.lines.all()
    ]
    return propose(by, lines, reason=words, now=now, inputs={"rolls_back": plan.number}, source="rollback")


def _line(plan: m.Plan, line: NewLine, held: m.PolicyPoint | None) -> m.PlanLine:
    return m.PlanLine(
        plan=plan,
        hub_id=line.hub_id,
        hub=line.hub,
        group=line.group,
        before_point=held.reorder_point if held else None,
        before_level=held.order_up_to if held else None,
        reorder_point=line.point.reorder_point,
        order_up_to=line.point.order_up_to,
        reason=line.reason[:400],
        figures=kept(dict(line.figures) | {"floor": line.floor}),
    )


def _moved(plan: m.Plan, line: m.PlanLine, held: m.PolicyPoint | None, now: datetime) -> m.PolicyPoint:
    before = (held.reorder_point, held.order_up_to) if held else (None, None)
    if before != (line.before_point, line.before_level):
        raise Conflict(
            "planning.moved",
            f"{line.group} at {line.hub} has another point by now: {_text(*before)}, the plan was made on "
            f"{_text(line.before_point, line.before_level)}.",
            "Propose it afresh.",
        )
    point = held or m.PolicyPoint(hub_id=line.hub_id, hub=line.hub, group=line.group)
    point.reorder_point, point.order_up_to, point.figures = line.reorder_point, line.order_up_to, line.figures
    point.plan = plan
    point.floor, point.changed_at, point.computed_at, point.lower_since = line.figures["floor"], now, now, None
    return point


def _change(plan: m.Plan, line: m.PlanLine, point: m.PolicyPoint, now: datetime, by: Authority) -> m.PolicyChange:
    return m.PolicyChange(
        point=point,
        plan=plan,
        at=now,
        before_point=line.before_point,
        before_level=line.before_level,
        reorder_point=line.reorder_point,
        order_up_to=line.order_up_to,
        reason=line.reason,
        figures=line.figures,
        by_id=by.principal_id,
    )


def _superseded(plan: m.Plan, points: Sequence[UUID], now: datetime) -> list[m.Plan]:
    """Applied plans of which no point is left once these move on."""
    live = set(m.PolicyPoint.objects.exclude(pk__in=points).values_list("plan_id", flat=True)) | {plan.pk}
    ended = list(m.Plan.objects.filter(state="applied").exclude(pk__in=live))
    for one_of in ended:
        one_of.state, one_of.ended_at = states.step("plan", one_of.state, "superseded"), now
    return ended


def _locked(plan_id: UUID) -> m.Plan:
    return one(m.Plan, plan_id, among=m.Plan.objects.select_for_update())


def _text(point: int | None, level: int | None) -> str:
    return "none" if point is None else f"{point}/{level}"
