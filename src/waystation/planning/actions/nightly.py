"""What the nightly recomputation may do without a person: changes within the rails. The rest it proposes and waits."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.evidence.rows import Row
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotReady
from waystation.planning import models as m
from waystation.planning.actions import plans
from waystation.planning.rules.living.guard import Rails, within
from waystation.registry.queries import one

CHUNK = 500


def approve_within_rails(by: Authority, plan_id: UUID, rails: Rails, *, now: datetime) -> m.Plan:
    """Approve a nightly plan by rule: every step within the limit and above the floor, else it waits for a person."""
    by.require("platform.operate")
    with transaction.atomic():
        plan = one(m.Plan, plan_id, among=m.Plan.objects.select_for_update())
        outside = [
            line
            for line in plan.lines.all()
            if not within(line.before_point, line.reorder_point, line.figures["floor"], rails)
        ]
        if plan.source != "nightly" or outside:
            raise NotReady(
                "planning.rails",
                f"Plan {plan.number} has {len(outside)} steps outside the rails.",
                "A service manager approves it.",
            )
        plan.state = states.step("plan", plan.state, "approved")
        plan.approved_by, plan.approved_at = by.principal_id, now
        plan.approval_reason = "every step is within the rails of its class"
        facts = {"plan": plan.number, "digest": plan.digest}
        entry = NewEntry("planning.approved", plan.pk, by, now, reason=plan.approval_reason, facts=facts)
        record([plan], [NewEvent(data=facts)], entry=entry)
    return plan


def ask(by: Authority, lines: Sequence[plans.NewLine], *, reason: str, now: datetime) -> m.Plan | None:
    """Put steps above the limit to a person: one open question at a time. None when the same one is open already."""
    by.require("platform.operate")
    with transaction.atomic():
        open_ones = list(m.Plan.objects.select_for_update().filter(source="question", state="proposed"))
        asked = {(line.hub_id, line.group, line.point.reorder_point, line.point.order_up_to) for line in lines}
        for plan in open_ones:
            told = {(r.hub_id, r.group, r.reorder_point, r.order_up_to) for r in plan.lines.all()}
            if told == asked and now < plan.expires_at:
                return None
            plans.withdraw(by, plan.pk, reason="recomputed since", now=now)
        if not lines:
            return None
        return plans.propose(by, lines, reason=reason, now=now, source="question")


def keep_figures(by: Authority, points: Sequence[m.PolicyPoint], *, now: datetime) -> int:
    """What a recomputation found, kept beside the points that it left alone."""
    by.require("platform.operate")
    for begin in range(0, len(points), CHUNK):
        some: list[Row] = list(points[begin : begin + CHUNK])
        record(some, entry=NewEntry("planning.recomputed", some[0].pk, by, now, facts={"points": len(some)}))
    return len(points)
