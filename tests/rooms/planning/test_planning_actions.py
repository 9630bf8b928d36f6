"""History, expectations and plans as records: who may, what is refused, what the log holds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, transaction

from tests.conftest import START
from tests.rooms.planning.scenes import a_line, a_live_point, csv_of, point_id, take, tickets
from tests.rooms.spares.network import a_hub, system
from waystation.evidence.models import LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotReady, Refusal
from waystation.planning import models as m
from waystation.planning import queries
from waystation.planning.actions import ahead, importing, nightly, plans
from waystation.planning.kept import kept
from waystation.planning.rules.history_files import Reading
from waystation.planning.rules.living.guard import Rails

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
HEAD = "id,opened_at,region,family,mode"
GOOD = "T1,2026-10-01,sevilla,controller,fan"


def entries(key: Any) -> list[str]:
    """The kinds of entries about an object, in order."""
    return list(LogEntry.objects.filter(object_id=str(key)).order_by("seq").values_list("kind", flat=True))


def _preview(content: bytes, by: Authority | None = None, kind: str = "ticket") -> importing.Preview:
    return importing.preview(by or system(), content, Reading(kind), now=START)  # type: ignore[arg-type]


def test_dem_06_looking_at_a_file_changes_nothing() -> None:
    """A report, no row, no entry."""
    before = LogEntry.objects.count()
    seen = _preview(csv_of(HEAD, [GOOD, "T2,,sevilla,controller,fan"]))
    assert (len(seen.fresh), len(seen.rejected), seen.report["used"]) == (1, 1, 1)
    assert (m.Failure.objects.count(), LogEntry.objects.count()) == (0, before)


def test_dem_06_rejected_rows_have_to_be_known_before_a_file_is_taken() -> None:
    """With another number of them the file is refused, and nothing of it is on record."""
    seen = _preview(csv_of(HEAD, [GOOD, "T2,,sevilla,controller,fan"]))
    for told in (0, 2):
        with pytest.raises(Conflict, match="1 rows are rejected"):
            importing.apply(system(), seen, "t.csv", rejected_seen=told, now=START)
    assert m.Failure.objects.count() == 0
    made = importing.apply(system(), seen, "t.csv", rejected_seen=1, now=START)
    assert made is not None
    assert (made.rows, made.report["rejected"], made.report["faults"]["missing"]["rows"]) == (1, 1, 1)
    assert entries(made.pk) == ["planning.history_taken"]


def test_dem_06_a_large_file_goes_in_whole_or_not_at_all() -> None:
    """Chunks in one transaction: each an entry; a row that clashes takes all of them back."""
    made = take(tickets([n / 10.0 for n in range(1, 1202)]))
    assert m.Failure.objects.filter(file=made, is_live=True).count() == 1201
    assert entries(made.pk) == ["planning.history_taken", "planning.history_rows", "planning.history_rows"]
    importing.undo(system(), made.pk, reason="again", now=START)
    seen = _preview(tickets([n / 10.0 for n in range(1, 1202)]))
    clash = m.Failure.objects.get(external_id="T1201")
    m.Failure(file=made, kind="ticket", external_id="T1201", at=clash.at, region="x", family="y").save()
    with pytest.raises(Conflict, match="at the same time"):
        importing.apply(system(), seen, "again.csv", rejected_seen=0, now=START)
    assert m.Failure.objects.filter(is_live=True).count() == 1


def test_dem_06_rows_of_an_earlier_file_count_once() -> None:
    """The second file brings only what is new; the same file again brings nothing."""
    take(csv_of(HEAD, [GOOD]))
    seen = _preview(csv_of(HEAD, [GOOD, "T2,2026-10-02,sevilla,controller,fan"]))
    assert (seen.known, [e.external_id for e in seen.fresh]) == (1, ["T2"])
    assert importing.apply(system(), seen, "b.csv", rejected_seen=0, now=START) is not None
    again = _preview(csv_of(HEAD, [GOOD]))
    assert importing.apply(system(), again, "a.csv", rejected_seen=0, now=START) is None
    with pytest.raises(IntegrityError), transaction.atomic():
        m.Failure(
            file=m.HistoryFile.objects.first(), kind="ticket", external_id="T1", at=START, region="a", family="b"
        ).save()


def test_dem_06_an_undone_file_counts_no_more_and_can_be_taken_again() -> None:
    """Its rows stay as they were read; undoing twice is once; a reason is needed."""
    made = take(tickets([1, 2, 3]))
    with pytest.raises(BadInput):
        importing.undo(system(), made.pk, reason=" ", now=START)
    gone = importing.undo(system(), made.pk, reason="wrong year", now=START)
    again = importing.undo(system(), made.pk, reason="wrong year", now=START + timedelta(days=1))
    assert gone.undone_at == again.undone_at == START
    assert queries.needs(system(), START - timedelta(days=30)) == []
    assert m.Failure.objects.count() == 3
    assert entries(made.pk)[-1] == "planning.history_undone"
    assert take(tickets([1, 2, 3])).rows == 3
    assert len(queries.files(system())) == 2


def test_dem_06_three_files_give_groups_of_region_family_and_mode_each_failure_once() -> None:
    """A ticket with its RMA and its shipment is one failure; an RMA of its own is another."""
    take(csv_of(HEAD, [GOOD, "T2,2026-10-03,sevilla,controller,"]))
    rma = ["R1,2026-10-04,sevilla,controller,fan,T1,no", "R2,2026-10-05,madrid,controller,fan,,yes"]
    take(csv_of("id,received_at,region,family,mode,ticket,nff", rma), "rma")
    take(csv_of("id,ordered_at,region,family,ticket", ["E1,2026-10-01,sevilla,controller,T1"]), "emergency")
    told = queries.groups(system(), START - timedelta(days=365))
    assert [(g.region, g.mode, g.units, g.kinds) for g in told] == [
        ("madrid", "fan", 1, {"rma": 1}),
        ("sevilla", "fan", 1, {"ticket": 1}),
        ("sevilla", "unknown", 1, {"ticket": 1}),
    ]


CONTEXT = {
    "kind": "context",
    "name": "growing",
    "reason": "new contracts",
    "factor": 1.5,
    "from_at": START,
    "until": START + timedelta(days=90),
}


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"kind": "rumour"}, "kind"),
        ({"colour": "red"}, "colour"),
        ({"reason": " "}, "reason"),
        ({"name": ""}, "reason"),
        ({"until": START - timedelta(days=1)}, "until"),
        ({"until": None}, "until"),
        ({"factor": 0.0}, "factor"),
        ({"factor": 21.0}, "factor"),
        ({"factor": float("nan")}, "factor"),
        ({"kind": "defect_window"}, "model"),
        ({"kind": "rollout"}, "units"),
        ({"kind": "dated_work", "units": -1}, "units"),
        ({"part": 1.5}, "chance"),
        ({"chance": -0.1}, "chance"),
    ],
)
def test_dem_05_an_expectation_that_says_too_little_or_too_much_is_refused(changed: dict[str, Any], field: str) -> None:
    """Each by its field; nothing is on record."""
    with pytest.raises(BadInput) as refusal:
        ahead.expect(system(), CONTEXT | changed, now=START)
    assert (refusal.value.code, refusal.value.field) == ("planning.expectation", field)
    assert m.Expectation.objects.count() == 0


def test_dem_05_an_expectation_ends_by_itself_or_by_hand_and_stays_on_record(acting: Acting) -> None:
    """With who said it and why; ended ones are expected no more."""
    planner = acting("planner")
    row = ahead.expect(planner, CONTEXT, now=START)
    assert (row.by_id, row.at) == (planner.principal_id, START)
    assert [e.pk for e in queries.expectations(planner, START)] == [row.pk]
    assert queries.expectations(planner, START + timedelta(days=90)) == []
    with pytest.raises(BadInput):
        ahead.end(planner, row.pk, reason="", now=START)
    ahead.end(planner, row.pk, reason="contracts fell through", now=START)
    assert queries.expectations(planner, START) == []
    with pytest.raises(Conflict):
        ahead.end(planner, row.pk, reason="again", now=START)
    assert entries(row.pk) == ["planning.expected", "planning.expectation_ended"]
    with pytest.raises(NotAllowed):
        ahead.expect(acting("operator"), CONTEXT, now=START)


def _plan(**changes: Any) -> m.Plan:
    return plans.propose(system(), [a_line(a_hub(), (1, 2))], reason="to begin with", now=START, **changes)


def test_siz_09_who_proposed_a_plan_does_not_approve_it(acting: Acting) -> None:
    """Nor does anybody without the permission, on another digest, or after it lapsed."""
    manager = acting("service_manager", "planner", name="both")
    mine = plans.propose(manager, [a_line(a_hub(), (1, 2))], reason="mine", now=START)
    refused: list[tuple[Authority, m.Plan, str, Any, str]] = [
        (manager, mine, mine.digest, START, "planning.same_person"),
        (acting("planner"), mine, mine.digest, START, "access.not_allowed"),
        (acting("service_manager"), mine, "0" * 64, START, "planning.digest"),
        (acting("service_manager"), mine, mine.digest, mine.expires_at, "planning.lapsed"),
    ]
    for by, one, shown, now, code in refused:
        with pytest.raises(Refusal) as refusal:
            plans.approve(by, one.pk, shown=shown, reason="", now=now)
        assert refusal.value.code == code
    assert m.Plan.objects.get(pk=mine.pk).state == "proposed"
    done = plans.approve(acting("service_manager"), mine.pk, shown=mine.digest, reason="seen", now=START)
    assert (done.state, done.approval_reason) == ("approved", "seen")
    with pytest.raises(Conflict):
        plans.approve(acting("service_manager"), mine.pk, shown=mine.digest, reason="", now=START)


def test_siz_09_the_digest_is_of_every_point_and_reason() -> None:
    """Another level, shelf or reason is another digest; the order of lines is not."""
    near, far = a_hub(), a_hub("madrid")
    lines = [a_line(near, (1, 2)), a_line(far, (0, 1))]
    one = plans.propose(system(), lines, reason="x", now=START).digest
    assert plans.propose(system(), lines[::-1], reason="y", now=START).digest == one
    others = [
        [a_line(near, (1, 3)), lines[1]],
        [a_line(near, (1, 2), reason="another"), lines[1]],
        [a_line(near, (1, 2), "probe"), lines[1]],
        lines[:1],
    ]
    found = {plans.propose(system(), some, reason="x", now=START).digest for some in others}
    assert len(found | {one}) == 5


def test_siz_09_a_plan_that_is_none_is_refused() -> None:
    """Without lines, with a shelf twice, or without a reason."""
    line = a_line(a_hub(), (1, 2))
    for lines, reason in (([], "x"), ([line, line], "x"), ([line], " ")):
        with pytest.raises(BadInput):
            plans.propose(system(), lines, reason=reason, now=START)
    assert m.Plan.objects.count() == 0


def test_siz_09_a_plan_made_on_another_policy_is_not_applied(acting: Acting) -> None:
    """Two plans for one shelf: the second was approved against a point that is gone."""
    manager = acting("service_manager")
    first, second = _plan(), _plan()
    for one in (first, second):
        plans.approve(manager, one.pk, shown=one.digest, reason="", now=START)
    plans.make_live(system(), first.pk, now=START)
    with pytest.raises(Conflict, match="another point by now"):
        plans.make_live(system(), second.pk, now=START)
    assert m.Plan.objects.get(pk=second.pk).state == "approved"
    assert m.PolicyChange.objects.count() == 1


def test_siz_09_only_an_approved_plan_is_applied_and_only_once(acting: Acting) -> None:
    """Proposed, withdrawn and applied ones are refused by their state."""
    plan = _plan()
    with pytest.raises(Conflict):
        plans.make_live(system(), plan.pk, now=START)
    plans.approve(acting("service_manager"), plan.pk, shown=plan.digest, reason="", now=START)
    plans.make_live(system(), plan.pk, now=START)
    with pytest.raises(Conflict):
        plans.make_live(system(), plan.pk, now=START)
    with pytest.raises(Conflict, match="is applied"):
        plans.withdraw(system(), plan.pk, reason="no", now=START)
    other = _plan()
    with pytest.raises(BadInput):
        plans.withdraw(system(), other.pk, reason="", now=START)
    plans.withdraw(acting("planner"), other.pk, reason="better data", now=START)
    with pytest.raises(Conflict):
        plans.approve(acting("service_manager"), other.pk, shown=other.digest, reason="", now=START)


def test_siz_09_only_an_applied_plan_is_rolled_back() -> None:
    """There is nothing to go back from."""
    with pytest.raises(NotReady):
        plans.roll_back(system(), _plan().pk, reason="no", now=START)


def test_lrn_05_every_change_of_a_point_is_kept_with_its_figures(acting: Acting) -> None:
    """Before and after, by whom, by which plan, on which forecast; points of a hub are found by it."""
    manager, near = acting("service_manager"), a_hub()
    a_live_point(near, (1, 2), approver=manager)
    point = a_live_point(near, (2, 3), approver=manager, now=START + timedelta(days=9))
    told = queries.changes(system(), point.pk)
    assert [(c.before_point, c.reorder_point) for c in told] == [(None, 1), (1, 2)]
    assert all(c.figures["per_day"] == 0.05 for c in told)
    assert [p.pk for p in queries.points(system(), near.pk)] == [point_id(near)]
    assert queries.points(system(), uuid4()) == []


def test_siz_09_a_superseded_plan_is_one_of_which_no_point_is_left(acting: Acting) -> None:
    """One of two points moved on: the plan still stands; both moved: it does not."""
    manager, near, far = acting("service_manager"), a_hub(), a_hub("madrid")
    plan = plans.propose(system(), [a_line(near, (1, 2)), a_line(far, (1, 2))], reason="both", now=START)
    plans.approve(manager, plan.pk, shown=plan.digest, reason="", now=START)
    plans.make_live(system(), plan.pk, now=START)
    a_live_point(near, (2, 3), approver=manager)
    assert m.Plan.objects.get(pk=plan.pk).state == "applied"
    a_live_point(far, (2, 3), approver=manager)
    assert m.Plan.objects.get(pk=plan.pk).state == "superseded"


def test_siz_09_no_night_approves_a_persons_plan_or_a_step_outside_the_rails(acting: Acting) -> None:
    """Whatever calls it: first points, large steps, steps below the floor and other people's plans wait."""
    near = a_hub()
    a_live_point(near, (1, 2), approver=acting("service_manager"))
    wrong = [
        plans.propose(system(), [a_line(near, (2, 3))], reason="x", now=START),
        plans.propose(system(), [a_line(near, (9, 10))], reason="x", now=START, source="nightly"),
        plans.propose(system(), [a_line(near, (0, 1), floor=2)], reason="x", now=START, source="nightly"),
        plans.propose(system(), [a_line(near, (0, 1), "probe")], reason="x", now=START, source="nightly"),
    ]
    for plan in wrong:
        with pytest.raises(NotReady):
            nightly.approve_within_rails(system(), plan.pk, Rails(), now=START)
    fine = plans.propose(system(), [a_line(near, (2, 3))], reason="x", now=START, source="nightly")
    assert nightly.approve_within_rails(system(), fine.pk, Rails(), now=START).state == "approved"
    with pytest.raises(NotAllowed):
        nightly.approve_within_rails(acting("planner"), fine.pk, Rails(), now=START)


def test_lrn_05_an_unknown_record_is_not_found() -> None:
    """By id and by number."""
    for key in (uuid4(), "17", "no-such"):
        with pytest.raises(NotFound):
            queries.plan(system(), key)
    plan = _plan()
    assert queries.plan(system(), str(plan.number)).pk == plan.pk
    with pytest.raises(NotFound):
        queries.file(system(), uuid4())


def test_siz_07_who_sees_no_planning_is_refused_at_every_reading(acting: Acting) -> None:
    """A vendor sees nothing of it, whichever way it is asked for."""
    vendor = acting("vendor")
    key = uuid4()
    readings: list[Callable[[], Any]] = [
        lambda: queries.files(vendor),
        lambda: queries.file(vendor, key),
        lambda: queries.needs(vendor, START),
        lambda: queries.expectations(vendor, START),
        lambda: queries.plans(vendor),
        lambda: queries.plan(vendor, key),
        lambda: queries.lines(vendor, key),
        lambda: queries.points(vendor),
        lambda: queries.changes(vendor, key),
    ]
    for reading in readings:
        with pytest.raises(NotAllowed):
            reading()


def test_dem_06_figures_are_kept_as_numbers_and_instants_as_text() -> None:
    """Through tables and lists."""
    key = uuid4()
    assert kept({"at": START, "n": [1.5, None, (START,)], "id": key, "text": "a"}) == {
        "at": "2026-11-17T06:00:00Z",
        "n": [1.5, None, ["2026-11-17T06:00:00Z"]],
        "id": str(key),
        "text": "a",
    }
