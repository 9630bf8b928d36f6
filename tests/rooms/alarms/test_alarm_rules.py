"""The rules of alarming: the matrix, the chain, inhibition, escalation, on call, the life of an alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise, permutations
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.rooms.alarms.scenes import condition
from waystation.alarms.rules import cause, chain, escalation, inhibition, lifecycle, oncall
from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.matrix import BOTH, UNLISTED, classify, parse
from waystation.alarms.rules.replay import Episode, replay
from waystation.alarms.rules.shipped_matrix import SHIPPED_MATRIX
from waystation.alarms.rules.text import plain_text
from waystation.kernel.refusals import BadInput
from waystation.kernel.states import ALARM

SITE, FRIDGE, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)
MATRIX = parse(SHIPPED_MATRIX)
ANA, BO, CARLA = UUID(int=11), UUID(int=12), UUID(int=13)
PEOPLE = {"operator": (ANA,), "site_contact": (BO,), "supervisor": (CARLA,)}


def wrong(rule: str, place: UUID = FRIDGE, **changes: Any) -> Condition:
    return condition(rule, SITE, place, **changes)


def judged(
    c: Condition, *, minutes: float = 60, beside: tuple[Condition, ...] = (), **situation: Any
) -> chain.Judgement:
    now = START + timedelta(minutes=minutes)
    active = (c, *beside)
    row = classify(c, active, MATRIX, now)
    life = situation.pop("life", lifecycle.Life(c.started_at))
    acked_rank = situation.pop("acked_rank", None)
    values = {"targets": PEOPLE, "active": active} | situation
    return chain.judge(chain.Candidate(c, row, life, acked_rank), chain.Situation(now, 600, **values))


def test_alr_02_a_brief_humidity_deviation_is_logged_and_pages_nobody() -> None:
    """D8: the first playbook example: told to the log, with the reason."""
    said = judged(wrong("humidity"), minutes=20)
    assert (said.outcome, said.last.reason, said.people) == (chain.DROP, "informational_is_logged", ())


def test_alr_02_humidity_that_lasts_needs_the_operator() -> None:
    """Brief ends after the hours that the matrix names."""
    assert judged(wrong("humidity"), minutes=241).people == (ANA,)


def test_alr_02_compressor_fault_with_rising_temperature_pages_operator_and_site_contact() -> None:
    """D8: the second playbook example: at once, both."""
    rising = wrong("rising", facts={"trend_c_per_h": 1.0})
    said = judged(wrong("compressor_fault"), beside=(rising,), minutes=0)
    assert (said.outcome, said.people) == (chain.PASS, (ANA, BO))


def test_alr_02_a_combination_needs_one_space() -> None:
    """A fault in one fridge and a rise in another are two things."""
    fault, rising = wrong("compressor_fault"), wrong("rising", OTHER)
    assert classify(fault, (fault, rising), MATRIX, START).slug == "compressor_fault"


def test_a_device_in_a_space_combines_with_that_space() -> None:
    """The fault is the device's, the rise the space's; the place joins them."""
    fault = wrong("compressor_fault", OTHER, object_kind="device", space_id=FRIDGE)
    assert classify(fault, (wrong("rising"),), MATRIX, START).slug == "compressor_fault_and_rising"


def test_a_condition_that_no_row_names_is_told_to_the_operator() -> None:
    """Doubt is shown."""
    assert classify(wrong("martian_dust"), (), MATRIX, START) is UNLISTED
    assert judged(wrong("martian_dust")).people == (ANA,)


def test_every_shipped_row_is_a_whole_alarm() -> None:
    """Consequence, response, time to respond, owner; top severity pages both."""
    for row in MATRIX:
        assert row.consequence
        assert row.response
        assert row.respond_within_s > 0
        assert row.owner
        assert row.severity != "immediate_excursion_risk" or set(BOTH) <= set(row.pages)
        assert parse([row.as_dict()]) == (row,)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("consequence", ""),
        ("response", " "),
        ("owner", None),
        ("severity", "loud"),
        ("when", []),
        ("when", "excursion"),
        ("pages", []),
        ("pages", ["operator"]),
        ("respond_within_s", 0),
        ("respond_within_s", True),
        ("delay_s", 99999),
        ("delay_s", -1),
        ("deadband_c", 1e9),
        ("deadband_hold_s", 0),
        ("rise_c_per_h", "fast"),
        ("never_suppress", "yes"),
        ("colour", "red"),
    ],
)
def test_alr_01_a_row_that_is_no_alarm_is_refused_by_field(field: str, value: object) -> None:
    """The matrix is data, and is believed only when it is whole."""
    good = next(r for r in SHIPPED_MATRIX if r["slug"] == "excursion")
    with pytest.raises(BadInput) as refused:
        parse([{**good, field: value}])
    assert refused.value.field == field


def test_a_matrix_has_rows_and_names_each_once() -> None:
    """Empty and doubled are refused."""
    with pytest.raises(BadInput):
        parse([])
    with pytest.raises(BadInput) as refused:
        parse([SHIPPED_MATRIX[0], SHIPPED_MATRIX[0]])
    assert refused.value.field == "slug"


def test_alr_09_hovering_just_over_the_line_does_not_page() -> None:
    """0.4 °C over a limit with a deadband of 0.5 °C is held, not dropped."""
    said = judged(wrong("excursion", facts={"value_c": -17.6, "limit_c": -18.0, "side": "high"}))
    assert (said.outcome, said.last.reason) == (chain.HOLD, "within_deadband")


def test_alr_09_hovering_is_told_when_it_lasts() -> None:
    """The deadband ends by itself: nothing hides an excursion for ever."""
    facts = {"value_c": -17.6, "limit_c": -18.0, "side": "high"}
    assert judged(wrong("excursion", facts=facts), minutes=4 * 60).outcome == chain.PASS


@pytest.mark.parametrize(
    "facts", [{"value_c": 1.9, "limit_c": 2.0, "side": "low"}, {}, {"value_c": 8.2, "side": "high"}]
)
def test_a_cold_or_unknown_value_never_waits_in_the_deadband(facts: dict[str, Any]) -> None:
    """Freezing is at once; what is not known is not excused."""
    assert judged(wrong("excursion", facts=facts), minutes=0).outcome == chain.PASS


def test_alr_09_a_fast_rise_pages_before_the_line() -> None:
    """A slow one is only logged."""
    slow, fast = ({"trend_c_per_h": t, "value_c": 5.0, "limit_c": 8.0} for t in (0.5, 6.0))
    assert judged(wrong("rising", facts=slow), minutes=1).outcome == chain.DROP
    assert judged(wrong("rising", facts=fast), minutes=1).people == (ANA,)


def test_alr_09_time_to_the_limit_pages_before_the_line() -> None:
    """Half an hour ahead, however slow the rise."""
    near = wrong("rising", worst_case_at=START + timedelta(minutes=25))
    assert judged(near, minutes=1).people == (ANA,)


def test_a_delay_holds_until_its_instant_and_not_longer() -> None:
    """Half-open at the class's page delay."""
    fault = wrong("compressor_fault")
    held = judged(fault, minutes=9.9)
    assert (held.outcome, held.last.reason) == (chain.HOLD, "delay_running")
    assert held.last.until == START + timedelta(seconds=600)
    assert judged(fault, minutes=10).outcome == chain.PASS


def test_product_at_risk_soon_does_not_wait_for_a_delay() -> None:
    """A time to product loss inside the time to respond overrides delay and deadband."""
    fault = wrong("compressor_fault", worst_case_at=START + timedelta(minutes=20))
    assert judged(fault, minutes=0).outcome == chain.PASS


def test_wan_07_unreachable_inhibits_what_only_lacks_data() -> None:
    """One page for the site; its 60 sensors are its consequences."""
    dark = wrong("site_unreachable", SITE, object_kind="site", from_missing_data=True)
    silent = [
        wrong("sensor_silent", UUID(int=100 + i), object_kind="sensor", from_missing_data=True) for i in range(60)
    ]
    active = (dark, *silent)
    assert judged(dark, beside=tuple(silent)).people == (ANA,)
    assert {judged(s, beside=active).last.reason for s in silent} == {"consequence_of_site_unreachable"}
    assert inhibition.consequences(dark, active) == sorted(silent, key=lambda c: str(c.object_id))


@given(st.sampled_from(sorted({w for r in MATRIX for w in r.when})), st.booleans())
def test_what_a_reading_raised_is_never_inhibited(rule: str, site_dark: bool) -> None:
    """Nor are time limits at a dark site: those keep escalating."""
    dark = wrong("site_unreachable", SITE, object_kind="site", from_missing_data=True)
    power = wrong("power_lost", SITE, object_kind="site")
    active = (dark, power) if site_dark else (power,)
    assert inhibition.parent_of(wrong(rule), active) is None
    limit = wrong("worst_case_limit", from_missing_data=True)
    assert inhibition.parent_of(limit, active) is None
    assert judged(limit, beside=active, minutes=0).people == (ANA, BO)


def test_a_site_does_not_inhibit_another_and_nobody_inhibits_itself() -> None:
    """Dependency stays inside the site; a gateway covers its own sensors only."""
    dark = wrong("site_unreachable", SITE, object_kind="site", from_missing_data=True)
    far = condition("sensor_silent", UUID(int=9), OTHER, from_missing_data=True)
    assert inhibition.parent_of(far, (dark, far)) is None
    assert inhibition.parent_of(dark, (dark,)) is None
    gateway = wrong("device_unreachable", OTHER, object_kind="device", from_missing_data=True)
    own = wrong("sensor_silent", facts={"device_id": str(OTHER)}, from_missing_data=True)
    strange = wrong("sensor_silent", facts={"device_id": str(FRIDGE)}, from_missing_data=True)
    assert inhibition.parent_of(own, (gateway, own)) == gateway
    assert inhibition.parent_of(strange, (gateway, strange)) is None


@pytest.mark.parametrize(
    ("rules", "verdict"),
    [
        (("site_unreachable", "power_lost", "circuit_down"), cause.POWER),
        (("site_unreachable", "circuit_down", "sensor_silent"), cause.WAN),
        (("site_unreachable",), cause.UNKNOWN),
        (("device_unreachable", "sensor_silent"), cause.GATEWAY),
        (("sensor_frozen",), cause.SENSOR),
        (("excursion",), cause.NONE),
    ],
)
def test_wan_07_the_cause_is_told_apart(rules: tuple[str, ...], verdict: str) -> None:
    """Power, WAN, gateway and sensor; unknown when nothing speaks for one of them, always with reasons."""
    found = cause.cause_of([wrong(r) for r in rules])
    assert found.verdict == verdict
    assert bool(found.reasons) == (verdict != cause.NONE)


@pytest.mark.parametrize("kind", ["shelve", "silence", "window", "out_of_service"])
def test_each_suppression_holds_until_its_end_and_not_longer(kind: str) -> None:
    """With the suppression named, so that one can ask who and why."""
    quiet = chain.Quiet("q1", kind, START, START + timedelta(hours=2), frozenset({"compressor_fault"}))
    held = judged(wrong("compressor_fault"), quiet=(quiet,))
    assert (held.outcome, held.last.stage, held.last.by, held.last.until) == (chain.HOLD, kind, "q1", quiet.ends_at)
    assert judged(wrong("compressor_fault"), quiet=(quiet,), minutes=120).outcome == chain.PASS
    assert judged(wrong("door_open"), quiet=(quiet,)).last.reason != f"in_{kind}"


def test_a_risk_that_is_never_suppressed_pages_through_quiet() -> None:
    """And says that it did."""
    quiet = chain.Quiet("q1", "window", START, START + timedelta(hours=2))
    said = judged(wrong("compressor_fault"), beside=(wrong("excursion"),), quiet=(quiet,))
    assert said.outcome == chain.PASS
    assert any(d.reason == "never_suppressed" and d.by == "q1" for d in said.decisions)


def test_chatter_is_held_after_one_page_and_told_when_it_stays() -> None:
    """The same object again within the hour waits; flapping is its own reason; an hour of it is told."""
    page = (START - timedelta(minutes=5), 1)
    again = wrong("compressor_fault")
    assert judged(again, minutes=11, last_page=page).last.reason == "same_object_was_just_paged"
    raised = tuple(START - timedelta(minutes=m) for m in range(4))
    assert judged(again, minutes=11, last_page=page, raised=raised).last.reason == "flapping"
    assert judged(again, minutes=60, last_page=page, raised=raised).outcome == chain.PASS
    assert judged(wrong("excursion"), minutes=11, last_page=page).outcome == chain.PASS


def test_nobody_to_page_is_held_and_asked_again_never_dropped() -> None:
    """A missing site contact is named while the operator is paged."""
    nobody = judged(wrong("excursion"), targets={})
    assert (nobody.outcome, nobody.last.reason) == (chain.HOLD, "nobody_to_page")
    half = judged(wrong("excursion"), targets={"operator": (ANA,)})
    assert (half.people, half.last.reason) == ((ANA,), "no_site_contact")


def test_a_site_that_is_not_live_pages_nobody_and_says_why() -> None:
    """Commissioning makes noise that nobody needs at night."""
    assert judged(wrong("excursion"), site_state="commissioning").last.reason == "site_is_commissioning"


@given(st.lists(st.integers(0, 1200), max_size=20), st.booleans())
def test_throttle_protects_the_person_but_never_delays_immediate_risk(ages: list[int], already: bool) -> None:
    """At most five single pages in ten minutes; top severity jumps the queue; a repeat is never sent."""
    recent = [START - timedelta(seconds=a) for a in ages]
    top = next(r for r in MATRIX if r.slug == "excursion")
    low = next(r for r in MATRIX if r.slug == "compressor_fault")
    crowded = sum(a < 600 for a in ages) >= 5
    said = chain.to_person(low, already, recent, START)
    assert said.outcome == (chain.DROP if already else chain.HOLD if crowded else chain.PASS)
    assert chain.to_person(top, already, recent, START).outcome == (chain.DROP if already else chain.PASS)
    assert said.until is None or START < said.until <= START + timedelta(seconds=600)


def test_alr_06_acknowledge_clear_and_resolve_commute() -> None:
    """Every interleaving of the facts, with two people, ends in the same life and label."""
    t = [START + timedelta(minutes=m) for m in range(5)]
    acts: list[Callable[[lifecycle.Life], lifecycle.Life]] = [
        lambda life: lifecycle.acknowledge(life, t[1], ANA),
        lambda life: lifecycle.acknowledge(life, t[2], BO),
        lambda life: lifecycle.clear(life, t[3]),
        lambda life: lifecycle.clear(life, t[4]),
        lambda life: lifecycle.resolve(life, t[4], ANA),
    ]
    for size in range(len(acts) + 1):
        for chosen in permutations(range(len(acts)), size):
            forward = lifecycle.Life(t[0])
            for i in chosen:
                forward = acts[i](forward)
            in_order = lifecycle.Life(t[0])
            for i in sorted(chosen):
                in_order = acts[i](in_order)
            assert forward == in_order
            assert lifecycle.label(forward) in ALARM


@given(st.integers(0, 2), st.none() | st.integers(0, 2), st.booleans(), st.booleans())
def test_after_acknowledge_only_a_new_fact_interrupts(
    rank: int, acked: int | None, cleared: bool, by_ana: bool
) -> None:
    """A higher severity than the acknowledged one is the only way back in."""
    life = lifecycle.Life(START)
    life = lifecycle.acknowledge(life, START, ANA if by_ana else BO) if acked is not None else life
    life = lifecycle.clear(life, START) if cleared else life
    may, _ = lifecycle.interrupts(life, rank, acked)
    assert may == (not cleared and (acked is None or rank > acked))


@given(st.integers(60, 4 * 3600), st.integers(1, 40))
def test_alr_06_escalation_is_by_the_clock_and_has_no_last_word(wait_s: int, count: int) -> None:
    """Levels fall due at fixed instants; past the last level it repeats for ever."""
    policy = escalation.default_policy(BOTH, wait_s)
    until = START + timedelta(seconds=wait_s * count)
    assert escalation.deadlines(policy, START, until) == [
        (n + 1, START + timedelta(seconds=wait_s * n)) for n in range(count)
    ]
    assert escalation.level_at(policy, 40).roles == policy.levels[-1].roles
    assert escalation.parse(policy.as_list()) == policy


@pytest.mark.parametrize(
    "levels", [[], [{}], [{"roles": []}], [{"roles": ["operator"], "wait_s": 1}], [{"roles": "x"}]]
)
def test_a_policy_that_would_not_escalate_is_refused(levels: list[dict[str, Any]]) -> None:
    """No level, nobody, or no time."""
    with pytest.raises(BadInput):
        escalation.parse(levels)
    with pytest.raises(ValueError, match="from 1"):
        escalation.level_at(escalation.default_policy(BOTH, 900), 0)


ZONES = ("Europe/Madrid", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu", "Africa/Casablanca", "UTC",
         "America/St_Johns", "Pacific/Chatham", "America/Santiago")  # fmt: skip


@given(st.sampled_from(ZONES), st.integers(0, 1439), st.integers(1, 14), st.dates(date(2025, 1, 1), date(2027, 1, 1)))
def test_a_rotation_covers_every_instant_once_over_dst(zone: str, minute: int, turn: int, first: date) -> None:
    """A year and a half without gap or overlap, hand-over at the wall-clock time."""
    rota = oncall.Rota("r", (ANA, BO, CARLA), zone, first, minute, turn)
    start = oncall.handover(rota, 0)
    end = start + timedelta(days=540)
    shifts = oncall.shifts(rota, (), start, end)
    assert (shifts[0].starts_at, shifts[-1].ends_at) == (start, end)
    for one, following in pairwise(shifts):
        assert one.ends_at == following.starts_at
        assert one.person_id != following.person_id
    assert oncall.gaps((rota,), (), start, end) == []
    middle = start + timedelta(days=200, hours=5)
    assert [s.person_id for s in oncall.on_call((rota,), (), middle)] == [
        s.person_id for s in shifts if s.starts_at <= middle < s.ends_at
    ]


def test_the_repeated_hour_of_autumn_hands_over_once() -> None:
    """Hand-over at 02:30 on the night when 02:30 comes twice: the first counts, nobody comes back."""
    rota = oncall.Rota("r", (ANA, BO), "Europe/Madrid", date(2026, 10, 18), 150)
    hand = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    around = [hand + timedelta(minutes=m) for m in (-1, 0, 29, 31, 61, 90)]
    who = [oncall.on_call((rota,), (), at)[0].person_id for at in around]
    assert who == [ANA, BO, BO, BO, BO, BO]


def test_alr_06_an_uncovered_hour_is_found_and_an_override_fills_it() -> None:
    """Nights without anybody are gaps; somebody standing in closes exactly theirs; the last made wins."""
    days = tuple(oncall.Hours(d, 8 * 60, 20 * 60) for d in range(7))
    rota = oncall.Rota("r", (ANA,), "Europe/Madrid", date(2026, 11, 2), 0, hours=days)
    noon = datetime(2026, 11, 17, 12, tzinfo=UTC)
    gap = oncall.next_gap((rota,), (), noon)
    assert gap == (datetime(2026, 11, 17, 19, tzinfo=UTC), datetime(2026, 11, 18, 7, tzinfo=UTC))
    night = oncall.Cover("r", BO, gap[0], gap[1], noon)
    assert oncall.on_call((rota,), (night,), gap[0])[0] == oncall.Shift(
        BO, gap[0], gap[0] + timedelta(microseconds=1), "override"
    )
    assert oncall.gaps((rota,), (night,), noon, gap[1]) == []
    later = replace(night, person_id=CARLA, made_at=noon + timedelta(hours=1))
    assert oncall.on_call((rota,), (later, night), gap[0])[0].person_id == CARLA


def test_nobody_is_on_call_before_the_first_hand_over_or_without_people() -> None:
    """Neither is rounded up to covered."""
    rota = oncall.Rota("r", (ANA,), "UTC", date(2026, 12, 1))
    assert oncall.on_call((rota,), (), START) == []
    assert oncall.on_call((replace(rota, people=()),), (), datetime(2027, 1, 1, tzinfo=UTC)) == []
    assert oncall.next_gap((), (), START) == (START, START + timedelta(days=28))


def test_alr_01_replay_counts_the_pages_of_before_and_after() -> None:
    """Making humidity loud shows as so many more pages on the same past."""
    past = [
        Episode(
            condition("humidity", SITE, uuid4(), started_at=START + timedelta(hours=i)), START + timedelta(hours=i + 1)
        )
        for i in range(10)
    ]
    changed = {"severity": "operator_actionable", "pages": ["operator"], "delay_s": 0}
    loud = [{**r, **changed} if r["slug"] == "humidity" else r for r in SHIPPED_MATRIX]
    until = START + timedelta(days=2)
    assert replay(MATRIX, past, 600, until).pages == 0
    assert replay(parse(loud), past, 600, until).by_row == {"humidity": 10}


def test_replay_counts_a_rise_in_severity_once_more() -> None:
    """A fault pages after its delay; the rise that joins it pages again, higher, for both conditions of the place."""
    fault = Episode(wrong("compressor_fault"), START + timedelta(hours=3))
    rise = Episode(wrong("rising", started_at=START + timedelta(hours=1)), START + timedelta(hours=2))
    found = replay(MATRIX, [fault, rise], 600, START + timedelta(days=1))
    assert found.by_row == {"compressor_fault": 1, "compressor_fault_and_rising": 2}


def test_alr_03_a_page_carries_asset_location_trend_and_next_step() -> None:
    """And says what it does not know."""
    facts = {"asset": "Fridge 1", "location": "Córdoba, store", "value_c": 9.14, "limit_c": 8, "trend_c_per_h": 2.0}
    fridge = wrong("excursion", facts=facts, worst_case_at=START + timedelta(hours=1))
    row = classify(fridge, (), MATRIX, START)
    text = plain_text(fridge, row, "Córdoba", START + timedelta(minutes=5))
    for part in ("Fridge 1", "Córdoba, store", "9.1 °C", "limit 8.0", "+2.0 °C per hour", row.response, "07:00"):
        assert part in text.body
    dark = plain_text(wrong("worst_case_limit", from_missing_data=True), row, "Córdoba", START)
    assert "No value is known" in dark.body
    assert "Trend unknown" in dark.body
