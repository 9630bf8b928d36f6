"""Alarms as rows: raised once, paged once, escalated by the clock, quiet only with an owner and an end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.conftest import START
from tests.rooms.alarms.scenes import TEXT, Scene, condition, messages
from tests.samples import a_site, a_space
from waystation.access.models import Person
from waystation.alarms import actions, queries
from waystation.alarms.models import Alarm, Escalation, Page, Suppression
from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.shipped_matrix import SHIPPED_MATRIX
from waystation.evidence.models import Event, LogEntry, OutboxMessage
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.kernel.states import ALARM

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]


@pytest.fixture
def scene(person: Callable[..., Person]) -> Scene:
    """Córdoba with an operator, a site contact and a supervisor."""
    made = Scene(person)
    made.staff(Ana="operator", Bo="site_contact", Carla="supervisor")
    return made


def fridge(scene: Scene, rule: str = "excursion", code: str = "fridge-1", **changes: Any) -> Condition:
    return condition(rule, scene.site.pk, a_space(scene.site.code, code).pk, **changes)


def test_alr_05_top_severity_pages_operator_and_site_contact(scene: Scene) -> None:
    """Both at once, each by one message that can be acted on alone; the first acknowledge is recorded."""
    done = scene.round([fridge(scene)])
    assert scene.paged() == [("Ana", 1), ("Bo", 1)]
    assert {m.body for m in OutboxMessage.objects.all()} == {TEXT.body}
    ana = Person.objects.get(name="Ana")
    from waystation.access.queries import authority_of_person

    acked = actions.acknowledge(authority_of_person(ana, START), done.raised[0].pk, now=START + timedelta(minutes=2))
    assert (acked.acked_by, acked.state) == (ana.pk, "active_acked")
    assert [p.person_id for p in queries.paged(acked.pk) if p.acked_at] == [ana.pk]


def test_the_same_conditions_again_add_nothing(scene: Scene) -> None:
    """Replay after a crash: no alarm, no page, no entry more."""
    scene.round([fridge(scene)])
    before = (Alarm.objects.count(), Page.objects.count(), messages(), LogEntry.objects.count())
    for _ in range(3):
        again = scene.round()
        assert (again.raised, again.changed, again.cleared) == ((), (), ())
    assert (Alarm.objects.count(), Page.objects.count(), messages(), LogEntry.objects.count()) == before


def test_a_page_asked_for_twice_is_sent_once(scene: Scene) -> None:
    """The key is the alarm, severity, level and person."""
    alarm = scene.round([fridge(scene)]).raised[0]
    assert actions.page(scene.by, alarm.pk, TEXT, now=scene.now) == []
    assert messages() == 2


def test_what_is_gone_is_cleared_and_stops_escalating(scene: Scene) -> None:
    """Clear without acknowledge leaves something to look at, and pages nobody more."""
    scene.round([fridge(scene)])
    cleared = scene.at(5).round([]).cleared[0]
    assert (cleared.state, cleared.cleared_at) == ("cleared_unacked", scene.now)
    scene.at(600).due()
    assert len(scene.paged()) == 2
    assert Escalation.objects.filter(done_at=None).count() == 0


def test_a_condition_that_returns_with_its_beginning_is_the_same_alarm(scene: Scene) -> None:
    """It is active again and told as changed."""
    wrong = [fridge(scene)]
    scene.round(wrong)
    scene.at(5).round([])
    done = scene.at(6).round(wrong)
    assert (len(done.raised), len(done.changed), Alarm.objects.count()) == (0, 1, 1)
    assert Alarm.objects.get().cleared_at is None


def test_alr_06_escalation_fires_while_the_sensor_is_silent(scene: Scene) -> None:
    """By the clock alone, with no reading: next level after the class's time, the last level without end."""
    scene.round([fridge(scene)])
    for minutes in (14.9, 15, 30, 45, 60):
        scene.at(minutes).due()
    levels = [level for _, level in scene.paged()]
    assert sorted(set(levels)) == [1, 2, 3, 4, 5]
    assert ("Carla", 2) in scene.paged()
    assert all(p.at == START + timedelta(minutes=15 * (p.level - 1)) for p in Page.objects.all())


def test_alr_14_a_restart_changes_nothing_but_a_pause(scene: Scene) -> None:
    """Deadlines are rows: after four dark hours the next level goes out once, at once, and goes on from there."""
    scene.round([fridge(scene)])
    scene.at(240).due()
    scene.due()
    assert [level for _, level in scene.paged()] == [1, 1, 2, 2, 2]
    assert Escalation.objects.get(done_at=None).due_at == scene.now + timedelta(minutes=15)


def test_alr_14_a_delay_survives_a_restart(scene: Scene) -> None:
    """A fault held by the class's delay is paged at its instant by the deadline alone, with the text composed then."""
    scene.round([fridge(scene, "compressor_fault")])
    assert scene.paged() == []
    pending = Escalation.objects.get()
    assert (pending.level, pending.due_at) == (0, START + timedelta(minutes=10))
    scene.at(9.99).due()
    assert scene.paged() == []
    scene.at(10).due()
    assert scene.paged() == [("Ana", 1)]
    assert OutboxMessage.objects.get().body == TEXT.body


def test_an_alarm_that_nobody_paged_is_found_from_the_facts(scene: Scene) -> None:
    """If the round stopped between update and page, the deadlines' round pages with a text of its own."""
    actions.update(scene.by, scene.site.pk, [fridge(scene, facts={"asset": "Fridge 1"})], now=scene.now)
    scene.at(1).due()
    assert scene.paged() == [("Ana", 1), ("Bo", 1)]
    assert "Fridge 1" in OutboxMessage.objects.all()[0].body


def test_after_acknowledge_only_a_new_fact_pages(scene: Scene, acting: Acting) -> None:
    """A fault in hand stays quiet; when the space rises too, both people are told."""
    scene.round([fridge(scene, "compressor_fault")])
    scene.at(10).due()
    alarm = Alarm.objects.get()
    actions.acknowledge(acting("operator", name="Ana"), alarm.pk, now=scene.now)
    scene.at(120).round()
    assert scene.paged() == [("Ana", 1)]
    rising = fridge(scene, "rising", started_at=START + timedelta(hours=2), facts={"trend_c_per_h": 1.0})
    scene.at(121).round([fridge(scene, "compressor_fault"), rising])
    again = [p for p in Page.objects.filter(alarm=alarm) if p.at == scene.now]
    assert {p.rank for p in again} == {2}
    assert len({p.person_id for p in again}) == 2


def test_acknowledging_is_for_persons_and_once(scene: Scene, acting: Acting) -> None:
    """No program takes an alarm in hand; a second time changes nothing; who may not is refused."""
    alarm = scene.round([fridge(scene)]).raised[0]
    with pytest.raises(NotAllowed, match="no person"):
        actions.acknowledge(scene.by, alarm.pk, now=START)
    with pytest.raises(NotAllowed):
        actions.acknowledge(acting("planner"), alarm.pk, now=START)
    ana = acting("operator", name="Ana")
    actions.acknowledge(ana, alarm.pk, now=START)
    entries = LogEntry.objects.count()
    again = actions.acknowledge(acting("site_contact", name="Bo"), alarm.pk, now=START + timedelta(hours=1))
    assert (again.acked_by, again.acked_at, LogEntry.objects.count()) == (ana.principal_id, START, entries)
    with pytest.raises(NotFound):
        actions.acknowledge(ana, uuid4(), now=START)


def test_alr_08_a_dark_site_of_60_sensors_is_one_page(scene: Scene) -> None:
    """200 or 60, the storm is one message; each consequence is listed with its parent and none is lost."""
    site = scene.site.pk
    dark = condition("site_unreachable", site, site, object_kind="site", from_missing_data=True)
    silent = [
        condition("sensor_silent", site, UUID(int=1000 + i), object_kind="sensor", from_missing_data=True)
        for i in range(60)
    ]
    scene.at(10).round([dark, *silent])
    assert scene.paged() == [("Ana", 1)]
    parent = Alarm.objects.get(rule="site_unreachable")
    assert len(queries.children(parent.pk)) == 60
    assert {a.state for a in queries.children(parent.pk)} == {"suppressed"}
    assert queries.cause(site).verdict == "unknown"
    scene.at(12).round(silent[:1])
    assert Alarm.objects.filter(cleared_at=None).count() == 1
    assert scene.paged()[1:] == [("Ana", 1)], "the sensor that stayed silent speaks for itself again"


def test_a_dark_site_with_a_limit_reached_keeps_escalating(scene: Scene) -> None:
    """Worst case is never explained away by the outage."""
    site = scene.site.pk
    dark = condition("site_unreachable", site, site, object_kind="site", from_missing_data=True)
    limit = fridge(scene, "worst_case_limit", from_missing_data=True)
    scene.round([dark, limit])
    scene.at(15).due()
    worst = Alarm.objects.get(rule="worst_case_limit")
    assert sorted({p.level for p in Page.objects.filter(alarm=worst)}) == [1, 2]


@pytest.mark.parametrize("kind", ["shelve", "silence", "window", "out_of_service"])
def test_quiet_holds_is_announced_and_what_stays_wrong_is_paged(kind: str, scene: Scene, acting: Acting) -> None:
    """At its end the owner hears what is still wrong, and the alarm pages in the same round."""
    wrong = [fridge(scene, "compressor_fault")]
    ana = acting("operator", name="Ana")
    row = actions.suppress(ana, scene.site.pk, kind, reason="belt change", rules=["compressor_fault"], now=START)
    assert row.ends_at == START + timedelta(hours=4)
    scene.at(30).round(wrong)
    held = Alarm.objects.get()
    assert (scene.paged(), held.outcome) == ([], "hold")
    assert held.state == {"shelve": "shelved", "out_of_service": "out_of_service"}.get(kind, "suppressed")
    assert queries.why(held.pk, ana.principal_id).reason == f"{kind}: in_{kind}"
    assert queries.unfounded(scene.now) == []
    ended = scene.at(240).due().ended
    assert [s.pk for s in ended] == [row.pk]
    assert "1 still wrong" in OutboxMessage.objects.get(idempotency_key__startswith="ended:").body
    assert scene.paged() == [("Ana", 1)]
    assert scene.due().ended == ()


def test_ending_quiet_early_pages_in_the_next_round(scene: Scene, acting: Acting) -> None:
    """And ending twice changes nothing."""
    ana = acting("operator", name="Ana")
    row = actions.suppress(ana, scene.site.pk, "silence", reason="test run", rules=["compressor_fault"], now=START)
    scene.at(30).round([fridge(scene, "compressor_fault")])
    actions.end_suppression(ana, row.pk, now=scene.now)
    assert actions.end_suppression(ana, row.pk, now=scene.now + timedelta(hours=1)).ends_at == scene.now
    scene.due()
    assert scene.paged() == [("Ana", 1)]


def test_a_shelf_over_an_alarm_that_was_paged_holds_its_escalation(scene: Scene, acting: Acting) -> None:
    """The next level waits until the end of the quiet, then goes out."""
    scene.round([fridge(scene)])
    ana = acting("operator", name="Ana")
    actions.suppress(ana, scene.site.pk, "shelve", reason="moved the product", rules=["excursion"], now=scene.at(5).now)
    scene.at(100).due()
    assert {level for _, level in scene.paged()} == {1}
    scene.at(245).due()
    assert {level for _, level in scene.paged()} == {1, 2}


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"kind": "mute"}, "alarms.quiet_unknown"),
        ({"reason": "  "}, "alarms.quiet_no_reason"),
        ({"rules": []}, "alarms.quiet_too_wide"),
        ({"ends_at": START + timedelta(days=8)}, "alarms.quiet_too_long"),
        ({"ends_at": START - timedelta(hours=1)}, "alarms.quiet_too_long"),
    ],
)
def test_quiet_without_reason_end_or_measure_is_refused(
    changes: dict[str, Any], code: str, scene: Scene, acting: Acting
) -> None:
    """No open-ended mute exists."""
    values: dict[str, Any] = {"kind": "silence", "reason": "noise", "rules": ["rising"]} | changes
    kind = values.pop("kind")
    with pytest.raises((BadInput, Conflict)) as refused:
        actions.suppress(acting("operator", name="Ana"), scene.site.pk, kind, now=START, **values)
    assert refused.value.code == code
    assert Suppression.objects.count() == 0


def test_quiet_does_not_stop_raising_or_clearing(scene: Scene, acting: Acting) -> None:
    """Measurement and clearing go on underneath."""
    actions.suppress(acting("operator", name="Ana"), scene.site.pk, "window", reason="works", now=START)
    scene.at(20).round([fridge(scene, "compressor_fault")])
    assert Alarm.objects.count() == 1
    assert len(scene.at(30).round([]).cleared) == 1


def test_every_state_is_one_of_the_house(scene: Scene) -> None:
    """Labels come from the machine."""
    scene.round([fridge(scene), fridge(scene, "humidity", "fridge-2"), fridge(scene, "rising", "fridge-3")])
    assert {a.state for a in Alarm.objects.all()} <= set(ALARM)


def test_a_storm_of_lesser_alarms_ends_in_one_bundle(scene: Scene) -> None:
    """Five single pages in ten minutes, then one message for the rest; each page has its row and reason."""
    wrong = [fridge(scene, "measurement_in_doubt", f"fridge-{i}") for i in range(9)]
    scene.at(10).round([*wrong])
    kinds = list(Page.objects.order_by("at", "pk").values_list("kind", flat=True))
    assert kinds.count("page") + kinds.count("bundle") == 9
    assert OutboxMessage.objects.filter(idempotency_key__startswith="bundle:").count() <= 1


def test_alr_07_those_on_call_are_paged_and_a_gap_falls_back_to_all(scene: Scene, acting: Acting) -> None:
    """Two operators in turns: only the one on call; when the rotation covers nothing, both."""
    dora = scene.person("Dora", "operator")
    ana = Person.objects.get(name="Ana")
    boss = acting("supervisor", name="Carla")
    shift = {"name": "ops", "role": "operator", "zone": "Europe/Madrid", "people": [ana.pk, dora.pk]}
    rotation = actions.add_rotation(boss, first_day=date(2026, 11, 9), now=START, **shift)
    scene.round([fridge(scene, "worst_case_limit")])
    assert scene.paged() == [("Dora", 1), ("Bo", 1)]
    seen = queries.on_call(scene.site.pk, "operator", START)
    assert ([s.person_id for s in seen.shifts], seen.uncovered, seen.next_gap) == ([dora.pk], False, None)
    actions.add_override(
        boss, rotation.pk, ana.pk, starts_at=START, ends_at=START + timedelta(hours=2), now=START, reason="doctor"
    )
    assert [s.person_id for s in queries.on_call(scene.site.pk, "operator", START).shifts] == [ana.pk]
    actions.end_rotation(boss, rotation.pk, now=START)
    assert queries.on_call(scene.site.pk, "operator", START).planned is False


def test_an_uncovered_hour_ahead_is_a_condition_that_keeps_its_beginning(scene: Scene, acting: Acting) -> None:
    """Nights without anybody are named a day ahead, and stay the same alarm while they last."""
    ana = Person.objects.get(name="Ana")
    hours = [{"weekday": d, "from_min": 480, "to_min": 1200} for d in range(7)]
    shift = {"name": "days", "role": "operator", "zone": "Europe/Madrid", "people": [ana.pk], "hours": hours}
    boss = acting("supervisor", name="Carla")
    actions.add_rotation(boss, first_day=date(2026, 11, 2), now=START, **shift)
    noon, later = START + timedelta(hours=6), START + timedelta(hours=16)
    first, again = (queries.own_conditions(scene.site.pk, at) for at in (noon, later))
    assert [c.rule for c in first] == ["on_call_gap"]
    assert first[0].identity == again[0].identity
    assert len(queries.coverage_gaps(scene.site.pk, "operator", noon, noon + timedelta(days=2))) == 2


@pytest.mark.parametrize(
    "changes",
    [
        {"zone": "Mars/Base"},
        {"people": []},
        {"people": [uuid4()]},
        {"role": "king"},
        {"turn_days": 0},
        {"hours": [{"weekday": 9, "from_min": 0, "to_min": 60}]},
        {"hours": [{"weekday": 1}]},
    ],
)
def test_a_rotation_that_would_cover_nothing_is_refused(changes: dict[str, Any], scene: Scene, acting: Acting) -> None:
    """Zone, people who hold the role, hours that are hours."""
    people = [Person.objects.get(name="Ana").pk]
    values = {
        "name": "x",
        "role": "operator",
        "zone": "UTC",
        "people": people,
        "first_day": date(2026, 11, 2),
    } | changes
    with pytest.raises(BadInput):
        actions.add_rotation(acting("supervisor", name="Carla"), now=START, **values)


def test_alr_01_an_edited_matrix_is_previewed_and_then_in_force(scene: Scene, acting: Acting) -> None:
    """The same month before and after; a stale edition is refused; the next alarm obeys the new one."""
    scene.round([fridge(scene, "humidity")])
    scene.at(60).round([])
    changed = {"severity": "operator_actionable", "pages": ["operator"], "delay_s": 0}
    rows = [{**r, **changed} if r["slug"] == "humidity" else r for r in SHIPPED_MATRIX]
    boss = acting("supervisor", name="Carla")
    seen = actions.preview_matrix(boss, rows, now=scene.now)
    assert (seen.before.pages, seen.after.pages, seen.conditions) == (0, 1, 1)
    assert scene.paged() == []
    made = actions.edit_matrix(boss, rows, base_number=0, reason="season", now=scene.now)
    assert made.number == 1
    with pytest.raises(Conflict, match="Edition 1"):
        actions.edit_matrix(boss, rows, base_number=0, reason="stale", now=scene.now)
    scene.round([fridge(scene, "humidity", started_at=scene.now)])
    assert scene.paged() == [("Ana", 1)]
    with pytest.raises(NotAllowed):
        actions.edit_matrix(acting("operator", name="Ana"), rows, base_number=1, reason="", now=scene.now)


def test_a_policy_is_kept_as_it_was_at_the_first_page(scene: Scene, acting: Acting) -> None:
    """An edit applies to the next alarm."""
    scene.round([fridge(scene)])
    boss = acting("supervisor", name="Carla")
    actions.set_policy(boss, [{"roles": ["supervisor"], "wait_s": 60}], site_id=scene.site.pk, now=START)
    scene.at(15).due()
    assert {level for _, level in scene.paged()} == {1, 2}
    scene.round([fridge(scene), fridge(scene, "worst_case_limit", "fridge-2", started_at=scene.now)])
    latest = Alarm.objects.get(rule="worst_case_limit")
    assert [p.person_id for p in Page.objects.filter(alarm=latest)] == [boss.principal_id]
    with pytest.raises(BadInput):
        actions.set_policy(boss, [{"roles": ["king"]}], now=START)


def test_a_level_without_anybody_hands_over_to_the_next_at_once(person: Callable[..., Person]) -> None:
    """Nobody is a reason to go on, not to wait; nobody at all is held and asked again each minute."""
    scene = Scene(person)
    scene.round([fridge(scene)])
    assert Alarm.objects.get().reasons[-1]["reason"] == "nobody_to_page"
    person("Carla", "supervisor")
    scene.at(1).due()
    assert scene.paged() == [("Carla", 2)]


def test_why_was_i_paged_or_not_has_an_answer_for_everybody(scene: Scene) -> None:
    """Paged, not on call, or held: each with its reason and the chain."""
    scene.round([fridge(scene), fridge(scene, "humidity", "fridge-2")])
    loud, quiet = Alarm.objects.get(rule="excursion"), Alarm.objects.get(rule="humidity")
    for name, paged in (("Ana", True), ("Bo", True), ("Carla", False)):
        answer = queries.why(loud.pk, Person.objects.get(name=name).pk)
        assert answer.paged is paged
        assert answer.reason
        assert [d["stage"] for d in answer.chain][:3] == ["quality", "lifecycle", "out_of_service"]
    assert queries.why(quiet.pk, uuid4()).reason == "quality: informational_is_logged"


def test_now_lists_the_nearest_product_loss_first(scene: Scene, acting: Acting) -> None:
    """Then the severe, then the old; the refused site is not seen."""
    soon = fridge(scene, "rising", "fridge-3", worst_case_at=START + timedelta(hours=1))
    later = fridge(scene, "rising", "fridge-2", worst_case_at=START + timedelta(hours=3))
    scene.round([fridge(scene, "humidity", "fridge-4"), fridge(scene), later, soon])
    seen = queries.active(acting("operator", name="Ana"))
    assert [a.object_id for a in seen][:2] == [soon.object_id, later.object_id]
    assert [a.rule for a in seen][2:] == ["excursion", "humidity"]
    assert queries.active(acting("wiper"), uuid4()) == []


def test_a_condition_of_another_site_is_refused_and_nothing_is_written(scene: Scene) -> None:
    """Conditions are the site's own."""
    strange = condition("excursion", a_site("sevilla").pk, uuid4())
    with pytest.raises(BadInput):
        actions.update(scene.by, scene.site.pk, [strange], now=START)
    with pytest.raises(NotAllowed):
        actions.update(Authority(uuid4(), "x", ()), scene.site.pk, [], now=START)
    assert Alarm.objects.count() == 0


def test_alr_10_a_route_that_everybody_confirms_passes(scene: Scene, acting: Acting) -> None:
    """One test at a time; only those to whom it was sent confirm it."""
    test = actions.test_route(scene.by, scene.site.pk, now=START)
    assert actions.test_route(scene.by, scene.site.pk, now=START).pk == test.pk
    assert messages() == 2
    actions.confirm_route(acting("operator", name="Ana"), test.pk, now=START)
    with pytest.raises(NotAllowed):
        actions.confirm_route(acting("supervisor", name="Carla"), test.pk, now=START)
    done = actions.confirm_route(acting("site_contact", name="Bo"), test.pk, now=START)
    assert done.passed_at == START
    assert queries.own_conditions(scene.site.pk, START) == []


def test_alr_10_a_failed_route_is_a_condition_of_its_own(scene: Scene, acting: Acting) -> None:
    """Unconfirmed in time it names who was silent, and pages until a test passes."""
    test = actions.test_route(scene.by, scene.site.pk, now=START)
    actions.confirm_route(acting("operator", name="Ana"), test.pk, now=START)
    late = START + timedelta(minutes=30)
    failed = actions.fail_overdue_tests(scene.by, now=late)
    assert [(t.pk, "Bo" in t.failure, "Ana" in t.failure) for t in failed] == [(test.pk, True, False)]
    assert actions.fail_overdue_tests(scene.by, now=late) == []
    found = queries.own_conditions(scene.site.pk, late)
    assert [c.rule for c in found] == ["route_test_failed"]
    assert actions.test_route(scene.by, scene.site.pk, now=late).pk != test.pk


def test_alr_10_a_role_without_anybody_fails_the_test_at_once(person: Callable[..., Person]) -> None:
    """Named in the failure."""
    scene = Scene(person)
    scene.staff(Ana="operator")
    test = actions.test_route(scene.by, scene.site.pk, now=START)
    assert test.failed_at == START
    assert "site_contact" in test.failure


def test_every_page_is_an_event_of_its_incident(scene: Scene) -> None:
    """The timeline of an incident holds raised, paged and acknowledged."""
    alarm = actions.update(scene.by, scene.site.pk, [fridge(scene)], now=START).raised[0]
    incident = uuid4()
    actions.page(scene.by, alarm.pk, TEXT, incident_id=incident, now=START)
    assert Event.objects.filter(incident_id=incident).values_list("kind", flat=True)[0] == "alarms.paged"
    assert queries.of_incident(incident) == [Alarm.objects.get()]


def test_deadlines_that_should_have_fired_are_found(scene: Scene) -> None:
    """The auditor sees what the worker missed."""
    scene.round([fridge(scene)])
    assert queries.late_deadlines(START + timedelta(minutes=15)) == []
    assert len(queries.late_deadlines(START + timedelta(minutes=16))) == 1
