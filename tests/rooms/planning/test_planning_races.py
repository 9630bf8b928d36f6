"""Plans and files under races: two people in the same instant, in threads and connections of their own."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import START
from tests.plugins.at_once import at_once
from tests.rooms.planning.scenes import a_line, tickets
from tests.rooms.spares.network import a_hub, system
from waystation.evidence.models import LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Conflict
from waystation.planning import models as m
from waystation.planning.actions import importing, plans
from waystation.planning.rules.history_files import Reading

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("real_file")]
Acting = Callable[..., Authority]
ROUNDS = 12


def approved(manager: Authority, group: str, level: int) -> m.Plan:
    """A plan for one shelf, approved."""
    plan = plans.propose(system(), [a_line(a_hub(), (level - 1, level), group)], reason="x", now=START)
    return plans.approve(manager, plan.pk, shown=plan.digest, reason="", now=START)


def test_siz_09_two_plans_for_one_shelf_applied_at_once_have_one_winner(acting: Acting) -> None:
    """The other was made on a policy that is gone, and says so; the point has one change."""
    manager = acting("service_manager")
    for n in range(ROUNDS):
        both = [approved(manager, f"group-{n}", level) for level in (1, 2)]
        found = at_once(*(lambda p=p: plans.make_live(system(), p.pk, now=START) for p in both))
        lost = [f for f in found if isinstance(f, Conflict)]
        assert [f.code for f in lost] == ["planning.moved"], found
        point = m.PolicyPoint.objects.get(group=f"group-{n}")
        assert point.changes.count() == 1
        assert point.changes.get().reorder_point == point.reorder_point


def test_siz_09_one_plan_applied_twice_at_once_is_applied_once(acting: Acting) -> None:
    """One entry, one change."""
    manager = acting("service_manager")
    for n in range(ROUNDS):
        plan = approved(manager, f"group-{n}", 2)
        found = at_once(*(lambda p=plan: plans.make_live(system(), p.pk, now=START) for _ in range(2)))
        assert sum(isinstance(f, Conflict) for f in found) == 1, found
        assert LogEntry.objects.filter(kind="planning.applied", object_id=str(plan.pk)).count() == 1


def test_siz_09_two_managers_who_approve_at_once_give_one_approval(acting: Acting) -> None:
    """The later one reads that it is approved."""
    people = [acting("service_manager", name=name) for name in ("eva", "ivo")]
    for n in range(ROUNDS):
        plan = plans.propose(system(), [a_line(a_hub(), (0, 1), f"group-{n}")], reason="x", now=START)
        found = at_once(
            *(lambda who=who, p=plan: plans.approve(who, p.pk, shown=p.digest, reason="", now=START) for who in people)
        )
        assert sum(isinstance(f, Conflict) for f in found) == 1, found
        assert LogEntry.objects.filter(kind="planning.approved", object_id=str(plan.pk)).count() == 1


def test_siz_09_plans_proposed_at_once_have_numbers_of_their_own() -> None:
    """Or one is told to try again; never one number twice."""
    hub = a_hub()
    for n in range(ROUNDS):
        found = at_once(
            *(
                lambda k=k: plans.propose(system(), [a_line(hub, (0, 1), k)], reason="x", now=START)
                for k in (f"a-{n}", f"b-{n}")
            )
        )
        made = [f for f in found if isinstance(f, m.Plan)]
        assert made
        assert all(f.code == "planning.raced" for f in found if isinstance(f, Conflict))
        assert len({p.number for p in made}) == len(made)


def test_dem_06_one_file_taken_twice_at_once_counts_once() -> None:
    """Both looked before either took it: one takes it, the other is told."""
    for n in range(ROUNDS):
        content = tickets([1.0, 2.0, 3.0], first=10 * n)
        seen = [importing.preview(system(), content, Reading("ticket"), now=START) for _ in range(2)]
        found = at_once(*(lambda s=s: importing.apply(system(), s, "t.csv", rejected_seen=0, now=START) for s in seen))
        assert [f.code for f in found if isinstance(f, Conflict)] == ["planning.import_clash"], found
        assert m.Failure.objects.filter(is_live=True).count() == 3 * (n + 1)
