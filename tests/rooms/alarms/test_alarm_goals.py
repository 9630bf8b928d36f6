"""The goals of alarming as scripted nights on a fast clock: storm, chatter, doors, quiet, deadlines, why (not) me."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from itertools import permutations
from uuid import UUID, uuid4

import pytest

from tests.conftest import START
from tests.rooms.alarms.scenes import TEXT, Scene, condition
from tests.samples import a_space
from waystation.access.models import Person
from waystation.access.queries import authority_of_person
from waystation.alarms import actions, queries
from waystation.alarms.models import Alarm, Escalation, Page, Suppression
from waystation.alarms.rules.conditions import Condition
from waystation.evidence.models import Event, LogEntry, OutboxMessage
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]


@pytest.fixture
def scene(person: Callable[..., Person]) -> Scene:
    """Córdoba with an operator, a site contact and a supervisor."""
    made = Scene(person)
    made.staff(Ana="operator", Bo="site_contact", Carla="supervisor")
    return made


@pytest.fixture
def ana(scene: Scene) -> Authority:
    """The operator."""
    return authority_of_person(Person.objects.get(name="Ana"), START)


def fridge(scene: Scene, rule: str, code: str = "fridge-1", **changes: object) -> Condition:
    return condition(rule, scene.site.pk, a_space(scene.site.code, code).pk, **changes)


def silent(scene: Scene, number: int, at: datetime = START) -> Condition:
    """A sensor of the site that says nothing since an instant."""
    facts = {"device_id": str(UUID(int=500))}
    return condition(
        "sensor_silent",
        scene.site.pk,
        UUID(int=1000 + number),
        object_kind="sensor",
        started_at=at,
        from_missing_data=True,
        facts=facts,
    )


def dark(scene: Scene, rule: str = "site_unreachable", at: datetime = START, missing: bool = True) -> Condition:
    site = scene.site.pk
    return condition(rule, site, site, object_kind="site", started_at=at, from_missing_data=missing)


def told() -> int:
    """Messages that would reach somebody."""
    return OutboxMessage.objects.filter(channel="page").count()


def test_a2_a_power_cut_that_silences_200_sensors_is_one_page_and_loses_none(scene: Scene) -> None:
    """One page at detection, at most three messages in ten minutes, all 200 listed; after it, each speaks again."""
    sensors = [silent(scene, n, START - timedelta(minutes=10 + n % 4)) for n in range(200)]
    done = actions.update(scene.by, scene.site.pk, [*sensors, dark(scene)], now=START)
    parent = Alarm.objects.get(rule="site_unreachable")
    for alarm in [*done.raised[:3], parent]:
        actions.page(scene.by, alarm.pk, TEXT, now=START)
    assert scene.paged() == [("Ana", 1)]
    held = Alarm.objects.filter(rule="sensor_silent")
    assert {(a.outcome, a.reasons[-1]["reason"]) for a in held} == {("hold", "consequence_of_site_unreachable")}
    assert {a.object_id for a in queries.children(parent.pk)} == {c.object_id for c in sensors}
    assert told() == 1
    scene.at(20).round(sensors[:2])
    assert Alarm.objects.filter(cleared_at=None).count() == 2
    assert {p.alarm.object_id for p in Page.objects.filter(alarm__rule="sensor_silent")} == {
        c.object_id for c in sensors[:2]
    }


def test_a2_the_storm_before_the_cause_is_known_waits_for_it(scene: Scene) -> None:
    """Sensors fall silent first, then the site is found dark: those first ones never paged anybody."""
    sensors = [silent(scene, n) for n in range(12)]
    scene.round(sensors)
    scene.at(4).round([*sensors, dark(scene, at=START + timedelta(minutes=4))])
    scene.at(11).round()
    assert scene.paged() == [("Ana", 1)]
    assert {p.alarm.rule for p in Page.objects.all()} == {"site_unreachable"}


def test_a2_word_of_the_power_cut_makes_the_dark_site_its_consequence(scene: Scene) -> None:
    """The site said that mains was lost before it fell silent: one page for the cut, none for the silence."""
    scene.round([dark(scene, "power_lost", missing=False)])
    scene.at(2).round([dark(scene, "power_lost", missing=False), dark(scene, at=scene.now), silent(scene, 1)])
    scene.at(12).round()
    assert {p.alarm.rule for p in Page.objects.all()} == {"power_lost"}
    assert queries.cause(scene.site.pk).verdict == "power_loss"


def chatter(scene: Scene, seed: int, limit: float, side: str) -> tuple[int, int]:
    """Six hours of readings each five minutes within 0.1 °C of a limit, pages answered: (excursions, minutes out)."""
    chance, wrong, count, outside = random.Random(seed), None, 0, 0
    for minute in range(0, 6 * 60, 5):
        value = limit + chance.uniform(-0.1, 0.1)
        out = value > limit if side == "high" else value < limit
        if out:
            count, outside = count + (wrong is None), outside + 5
            began = wrong.started_at if wrong else START + timedelta(minutes=minute)
            facts = {"value_c": value, "limit_c": limit, "side": side}
            wrong = fridge(scene, "excursion", started_at=began, facts=facts)
        else:
            wrong = None
        scene.at(minute).round([wrong] if wrong else [])
        for alarm in Alarm.objects.filter(paged_at=scene.now, acked_at=None):
            actions.acknowledge(authority_of_person(Person.objects.get(name="Ana"), START), alarm.pk, now=scene.now)
    return count, outside


@pytest.mark.parametrize(("limit", "side"), [(8.0, "high"), (2.0, "low")])
@pytest.mark.parametrize("seed", [0, 3])
def test_a3_six_hours_of_chatter_are_at_most_one_page_and_one_notice(
    seed: int, limit: float, side: str, scene: Scene
) -> None:
    """Each person hears of it once by page and once by notice; every excursion stays an alarm with its beginning."""
    count, _ = chatter(scene, seed, limit, side)
    assert Alarm.objects.filter(rule="excursion").count() == count > 5
    for person in Person.objects.all():
        kinds = [p.kind for p in Page.objects.filter(person_id=person.pk)]
        assert kinds.count("page") <= 1, [
            (str(p.at), str(p.alarm.started_at), p.level, p.reason) for p in Page.objects.order_by("at")
        ]
        assert kinds.count("notice") <= 1
    assert side == "high" or Page.objects.filter(kind="page").exists(), "freezing is told at once"


def test_a3_a_cold_value_that_leaves_its_limit_behind_is_paged_again(scene: Scene) -> None:
    """Hovering 0.1 °C below 2 °C is told once; 0.6 °C below, an hour after that page, is told at once."""
    near, far = ({"value_c": v, "limit_c": 2.0, "side": "low"} for v in (1.9, 1.4))
    scene.round([fridge(scene, "excursion", facts=near)])
    scene.at(30).round([])
    scene.at(90).round([fridge(scene, "excursion", started_at=scene.now, facts=near)])
    assert Alarm.objects.get(cleared_at=None).reasons[-1]["reason"] == "hovers_where_it_was_paged"
    assert len(scene.paged()) == 2
    scene.at(150).due()
    assert len(scene.paged()) == 4, "an hour of it is told"
    scene.at(160).round([])
    scene.at(230).round([fridge(scene, "excursion", started_at=scene.now, facts=far)])
    assert len(scene.paged()) == 6


def test_a3_chatter_through_midnight_is_still_one_notice(scene: Scene) -> None:
    """The day turns over in the middle of it; nobody hears twice that it flaps."""
    facts = {"value_c": 9.5, "limit_c": 8.0, "side": "high"}
    for number in range(24):
        began = START + timedelta(hours=15, minutes=15 * number)
        scene.now = began
        scene.round([fridge(scene, "excursion", started_at=began, facts=facts)])
        scene.now = began + timedelta(minutes=5)
        scene.round([])
    assert [p.kind for p in Page.objects.filter(kind="notice")] == ["notice"] * 2
    assert len({p.person_id for p in Page.objects.filter(kind="notice")}) == 2


def test_a3_what_stops_flapping_and_stays_is_paged_again(scene: Scene) -> None:
    """An hour of it is no chatter: both are told."""
    facts = {"value_c": 9.5, "limit_c": 8.0, "side": "high"}
    for number in range(6):
        scene.at(10 * number).round([fridge(scene, "excursion", started_at=scene.now, facts=facts)])
        scene.at(10 * number + 4).round([])
    pages = Page.objects.filter(kind="page").count()
    scene.at(60).round([fridge(scene, "excursion", started_at=scene.now, facts=facts)])
    for minute in range(61, 122):
        scene.at(minute).due()
    assert Page.objects.filter(kind="page").count() == pages + 2
    assert [p.at for p in Page.objects.order_by("-at")[:1]] == [START + timedelta(hours=2)]


def test_a4_twenty_door_openings_a_day_page_nobody(scene: Scene) -> None:
    """Up to five minutes each, the buffered probe rising a little: logged with their reason."""
    chance = random.Random(7)
    for number in range(20):
        opened = START + timedelta(minutes=40 * number)
        door = fridge(scene, "door_open", started_at=opened)
        rise = fridge(scene, "rising", started_at=opened, facts={"trend_c_per_h": 1.2, "value_c": 5.4, "limit_c": 8.0})
        scene.now = opened
        scene.round([door])
        scene.now = opened + timedelta(minutes=2)
        scene.round([door, rise])
        scene.now = opened + timedelta(minutes=chance.randint(3, 5))
        scene.round([])
    assert told() == 0
    assert Alarm.objects.count() == 40
    assert {a.outcome for a in Alarm.objects.all()} == {"drop"}


@pytest.mark.parametrize("c_per_h", [1.5, 4.0])
def test_a4_a_real_compressor_failure_is_paged_within_15_minutes_of_the_limit(c_per_h: float, scene: Scene) -> None:
    """However slowly the fridge warms: the rise, the fault or the excursion has paged somebody by then."""
    limit_at = START + timedelta(hours=3 / c_per_h)
    fault = fridge(scene, "compressor_fault", facts={"value_c": 5.0})
    for minute in range(0, int(3 / c_per_h * 60) + 16, 3):
        scene.at(minute)
        value = 5.0 + c_per_h * minute / 60
        facts = {"value_c": value, "limit_c": 8.0, "side": "high", "trend_c_per_h": c_per_h}
        wrong = [fault, fridge(scene, "rising", facts=facts)] if minute >= 5 else [fault]
        if scene.now >= limit_at:
            wrong.append(fridge(scene, "excursion", started_at=limit_at, facts=facts))
        scene.round(wrong)
    first = Page.objects.order_by("at").first()
    assert first is not None
    assert first.at <= limit_at + timedelta(minutes=15)
    assert {name for name, _ in scene.paged()} >= {"Ana", "Bo"}


ORDERS = list(permutations(("ack", "clear", "resolve", "escalate")))


@pytest.mark.parametrize("order", ORDERS, ids="-".join)
def test_a6_acknowledge_clear_resolve_and_escalate_in_any_order_end_the_same(
    order: tuple[str, ...], scene: Scene, ana: Authority
) -> None:
    """The same state in all 24 orders, nothing waits any more, and nobody is paged behind the acknowledge."""
    alarm = scene.round([fridge(scene, "excursion")]).raised[0]
    acked_at = None
    for number, step in enumerate(order):
        scene.at(20 * (number + 1))
        if step == "ack":
            acked_at = scene.now
            actions.acknowledge(ana, alarm.pk, now=scene.now)
        elif step == "clear":
            actions.update(scene.by, scene.site.pk, [], now=scene.now)
        elif step == "resolve":
            actions.resolve(scene.by, [alarm.pk], now=scene.now)
        else:
            scene.due()
    alarm.refresh_from_db()
    facts = (alarm.acked_at is not None, alarm.cleared_at is not None, alarm.resolved_at is not None)
    assert (alarm.state, alarm.outcome, *facts) == ("normal", "drop", True, True, True)
    assert not Escalation.objects.filter(done_at=None).exists()
    assert not Page.objects.filter(at__gt=acked_at).exists()
    scene.at(500).due()
    assert not Page.objects.filter(at__gt=acked_at).exists()


@pytest.mark.parametrize("kind", ["shelve", "silence", "window", "out_of_service"])
def test_a7_of_two_quiets_the_one_that_is_left_is_named_at_once(kind: str, scene: Scene, ana: Authority) -> None:
    """Ending one early leaves the alarm held by the other, and at no instant by a record that has ended."""
    both = [
        actions.suppress(ana, scene.site.pk, kind, reason=why, rules=["compressor_fault"], now=START)
        for why in ("first works", "second works")
    ]
    scene.at(30).round([fridge(scene, "compressor_fault")])
    holder = Alarm.objects.get().reasons[-1]["by"]
    ended = next(row for row in both if str(row.pk) == holder)
    actions.end_suppression(ana, ended.pk, now=scene.now)
    assert queries.unfounded(scene.now) == []
    left = next(row for row in both if row.pk != ended.pk)
    alarm = Alarm.objects.get()
    assert (alarm.outcome, alarm.reasons[-1]["by"]) == ("hold", str(left.pk))
    assert Escalation.objects.get(done_at=None).due_at == left.ends_at
    scene.due()
    assert scene.paged() == []


def test_a7_a_shorter_quiet_over_a_longer_one_announces_its_end_and_pages_nobody(scene: Scene, ana: Authority) -> None:
    """The longer one still holds; its own end pages."""
    short, long = START + timedelta(hours=1), START + timedelta(hours=3)
    for ends in (short, long):
        actions.suppress(
            ana, scene.site.pk, "silence", reason="belt change", rules=["compressor_fault"], ends_at=ends, now=START
        )
    scene.at(30).round([fridge(scene, "compressor_fault")])
    scene.at(60).due()
    assert (scene.paged(), queries.unfounded(scene.now)) == ([], [])
    assert OutboxMessage.objects.filter(idempotency_key__startswith="ended:").count() == 1
    scene.at(180).due()
    assert scene.paged() == [("Ana", 1)]


def test_a7_random_quiet_never_holds_without_a_live_record(scene: Scene, ana: Authority) -> None:
    """Asked at every instant, not only after the deadlines: holder and record agree whoever ends what when."""
    chance, wrong = random.Random(3), [fridge(scene, "compressor_fault"), fridge(scene, "sensor_frozen", "fridge-2")]
    scene.round(wrong)
    for minute in range(20, 400, 13):
        scene.at(minute).due()
        live = list(Suppression.objects.filter(ends_at__gt=scene.now).order_by("pk"))
        if live and chance.random() < 0.5:
            actions.end_suppression(ana, chance.choice(live).pk, now=scene.now)
        else:
            kind, rule = chance.choice(["silence", "shelve", "window"]), chance.choice(wrong).rule
            ends = scene.now + timedelta(minutes=chance.choice([26, 130]))
            actions.suppress(ana, scene.site.pk, kind, reason="works", rules=[rule], ends_at=ends, now=scene.now)
        assert queries.unfounded(scene.now) == []


def test_a8_every_suppression_shows_owner_reason_end_and_what_it_matches(scene: Scene, ana: Authority) -> None:
    """Previewed by the same words, listed to those who see the site, in its log."""
    alarm = scene.round([fridge(scene, "compressor_fault")]).raised[0]
    rules = ["compressor_fault"]
    assert queries.would_match(scene.site.pk, rules, []) == [alarm]
    assert queries.would_match(scene.site.pk, ["door_open"], []) == []
    assert queries.would_match(scene.site.pk, [], [alarm.object_id]) == [alarm]
    assert queries.would_match(scene.site.pk, [], [uuid4()]) == []
    row = actions.suppress(ana, scene.site.pk, "shelve", reason=" belt change ", rules=rules, now=START)
    assert (row.owner_id, row.reason, row.ends_at - START) == (ana.principal_id, "belt change", timedelta(hours=4))
    assert row.matched == [str(alarm.pk)]
    assert queries.suppressions(ana, START) == [row]
    assert queries.suppressions(ana, row.ends_at) == []
    entry = LogEntry.objects.get(kind="alarms.suppressed")
    assert (entry.object_id, entry.site_id) == (str(row.pk), scene.site.pk)


def test_a8_a_risk_that_is_never_suppressed_pages_through_a_window_of_the_whole_site(
    scene: Scene, ana: Authority
) -> None:
    """A fault with an excursion is loud; a plain fault in the same window is held."""
    actions.suppress(ana, scene.site.pk, "window", reason="defrost", now=START)
    fault, out = fridge(scene, "compressor_fault"), fridge(scene, "excursion")
    scene.at(11).round([fault, out, fridge(scene, "compressor_fault", "fridge-2")])
    loud = Alarm.objects.filter(outcome="pass")
    assert {a.rule for a in loud} == {"compressor_fault", "excursion"}
    assert all(any(d["reason"] == "never_suppressed" for d in a.reasons) for a in loud)
    assert Alarm.objects.get(outcome="hold").object_id == a_space("cordoba", "fridge-2").pk


def test_a8_clearing_goes_through_every_kind_of_quiet(scene: Scene, ana: Authority) -> None:
    """What is gone is normal or waits to be looked at; a shelf over it changes nothing."""
    for kind in ("shelve", "silence", "window", "out_of_service"):
        actions.suppress(ana, scene.site.pk, kind, reason="works", rules=["rising"], now=START)
    scene.at(20).round([fridge(scene, "rising", facts={"trend_c_per_h": 9.0})])
    cleared = scene.at(21).round([]).cleared[0]
    assert (cleared.state, cleared.outcome) == ("cleared_unacked", "drop")


def test_a10_every_deadline_of_a_night_fires_at_its_instant_or_is_named_late(scene: Scene) -> None:
    """A worker that looks each half minute is never late; one that sleeps is found out within the tolerance."""
    scene.round([fridge(scene, "excursion"), fridge(scene, "compressor_fault", "fridge-2")])
    for half in range(1, 121):
        scene.at(half / 2).due()
        assert queries.late_deadlines(scene.now, 0) == []
    pending = list(Escalation.objects.filter(done_at=None).order_by("due_at"))
    assert len(pending) == 2
    awake = pending[0].due_at + timedelta(seconds=30)
    assert pending[0] not in queries.late_deadlines(awake)
    assert pending[0] in queries.late_deadlines(awake + timedelta(seconds=1))


def test_a13_what_stands_longer_than_a_day_is_listed(scene: Scene, ana: Authority) -> None:
    """A day to the second is not yet longer; cleared is not standing."""
    scene.round([fridge(scene, "humidity"), fridge(scene, "door_open", "fridge-2")])
    day = START + timedelta(hours=24)
    assert queries.standing(ana, day) == []
    assert len(queries.standing(ana, day + timedelta(seconds=1))) == 2
    scene.at(60).round([fridge(scene, "humidity")])
    assert [a.rule for a in queries.standing(ana, day + timedelta(seconds=1))] == ["humidity"]


def test_a14_why_was_i_paged_or_not_for_all_pairs_of_a_busy_night(
    scene: Scene, ana: Authority, person: Callable[..., Person]
) -> None:
    """Every alarm and every person: an answer that agrees with the pages, a reason, and an entry that proves it."""
    person("Dora", "planner")
    actions.suppress(ana, scene.site.pk, "shelve", reason="works", rules=["sensor_frozen"], now=START)
    wrong = [
        fridge(scene, "excursion"),
        fridge(scene, "humidity", "fridge-2"),
        fridge(scene, "sensor_frozen", "fridge-3", started_at=START - timedelta(hours=1)),
        fridge(scene, "compressor_fault", "fridge-4"),
        silent(scene, 1),
        dark(scene),
    ]
    scene.round(wrong)
    scene.at(16).due()
    people = [*Person.objects.values_list("pk", flat=True), uuid4()]
    for alarm in Alarm.objects.all():
        for who in people:
            answer = queries.why(alarm.pk, who)
            assert answer.paged == Page.objects.filter(alarm=alarm, person_id=who).exists()
            assert answer.reason
            assert answer.chain
            assert bool(answer.pages) == answer.paged
        assert LogEntry.objects.filter(object_id=str(alarm.pk)).exists()
    expected = {
        "humidity": "quality: informational_is_logged",
        "sensor_frozen": "shelve: in_shelve",
        "sensor_silent": "inhibit: consequence_of_site_unreachable",
    }
    for rule, reason in expected.items():
        assert queries.why(Alarm.objects.get(rule=rule).pk, ana.principal_id).reason == reason


def test_a14_what_a_quiet_held_until_it_cleared_is_still_told(scene: Scene, ana: Authority) -> None:
    """The shelf that kept an alarm silent is named after it is gone, too."""
    actions.suppress(ana, scene.site.pk, "shelve", reason="works", rules=["compressor_fault"], now=START)
    alarm = scene.at(30).round([fridge(scene, "compressor_fault")]).raised[0]
    scene.at(40).round([])
    answer = queries.why(alarm.pk, ana.principal_id)
    assert not answer.paged
    assert answer.reason == "shelve: in_shelve, until it cleared"


def test_a14_the_events_tell_every_decision_in_order(scene: Scene, ana: Authority) -> None:
    """Raised, held, paged, acknowledged, cleared: one event each, with one entry each."""
    alarm = scene.round([fridge(scene, "compressor_fault")]).raised[0]
    scene.at(10).due()
    actions.acknowledge(ana, alarm.pk, now=scene.at(12).now)
    scene.at(30).round([])
    entries = list(LogEntry.objects.filter(object_id=str(alarm.pk)).order_by("seq").values_list("kind", flat=True))
    wanted = ["alarms.raised", "alarms.held", "alarms.paged", "alarms.acknowledged", "alarms.cleared"]
    assert entries == wanted
    assert sorted(Event.objects.filter(kind__startswith="alarms.").values_list("kind", flat=True)) == sorted(wanted)


def test_nine_lesser_alarms_at_one_instant_are_five_pages_and_one_bundle(scene: Scene) -> None:
    """Each has its row; the person's telephone rings six times and not nine."""
    scene.at(10).round([fridge(scene, "measurement_in_doubt", f"fridge-{n}") for n in range(9)])
    kinds = [p.kind for p in Page.objects.all()]
    assert (kinds.count("page"), kinds.count("bundle"), told()) == (5, 4, 6)
    bundle = OutboxMessage.objects.get(idempotency_key__startswith="bundle:")
    assert bundle.due_at == scene.now + timedelta(minutes=10)
    throttled = [a for a in Alarm.objects.all() if a.reasons[-1]["reason"] == "bundled"]
    assert len(throttled) == 4


def test_immediate_risk_rings_behind_any_number_of_lesser_alarms(scene: Scene) -> None:
    """The queue of a person never delays product at risk."""
    scene.at(10).round([fridge(scene, "measurement_in_doubt", f"fridge-{n}") for n in range(9)])
    out = fridge(scene, "excursion", "fridge-9", started_at=scene.now)
    scene.round([*scene.wrong, out])
    loud = Page.objects.filter(alarm__rule="excursion")
    assert {(p.kind, p.reason) for p in loud} == {("page", "immediate_risk_jumps_the_queue")}
    assert {p.at for p in loud} == {scene.now}


def test_facts_are_kept_as_plain_values_and_renewed_only_when_it_matters(scene: Scene) -> None:
    """A value that moves each minute makes no entry each minute; after ten it is kept."""
    facts = {"value_c": 9.0, "limit_c": 8.0, "side": "high", "since": START, "ids": {UUID(int=1)}}
    scene.round([fridge(scene, "excursion", facts=facts)])
    assert Alarm.objects.get().facts["since"] == instant(START)
    assert Alarm.objects.get().facts["ids"] == [str(UUID(int=1))]
    before = LogEntry.objects.count()
    scene.at(5)
    actions.update(scene.by, scene.site.pk, [fridge(scene, "excursion", facts=facts | {"value_c": 9.4})], now=scene.now)
    assert (LogEntry.objects.count(), Alarm.objects.get().facts["value_c"]) == (before, 9.0)
    scene.at(10)
    actions.update(scene.by, scene.site.pk, [fridge(scene, "excursion", facts=facts | {"value_c": 9.6})], now=scene.now)
    assert (LogEntry.objects.count(), Alarm.objects.get().facts["value_c"]) == (before + 1, 9.6)


def test_a_page_text_composed_later_replaces_the_one_kept(scene: Scene) -> None:
    """The text that goes out is the newest that somebody composed."""
    alarm = actions.update(scene.by, scene.site.pk, [fridge(scene, "compressor_fault")], now=START).raised[0]
    actions.page(scene.by, alarm.pk, TEXT, now=START)
    newer = type(TEXT)("Fridge 1 is warm", "Fridge 1 is 8.9 °C.", "Fridge 1: 8.9 °C")
    actions.page(scene.by, alarm.pk, newer, now=START + timedelta(minutes=3))
    scene.at(10).due()
    assert {m.body for m in OutboxMessage.objects.all()} == {newer.body}
