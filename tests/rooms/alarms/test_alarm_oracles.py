"""Each rule of alarming against a slow, plain answer of its own: the matrix, the chain, inhibition, turns, replay."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.conftest import START
from tests.rooms.alarms import reckoning
from tests.rooms.alarms.scenes import condition
from waystation.alarms.rules import cause, chain, escalation, inhibition, lifecycle, oncall
from waystation.alarms.rules.conditions import Condition, around, of_site
from waystation.alarms.rules.matrix import UNLISTED, MatrixRow, classify, delay_of, parse
from waystation.alarms.rules.replay import Episode, replay
from waystation.alarms.rules.shipped_matrix import SHIPPED_MATRIX
from waystation.alarms.rules.text import MAX_SUBJECT, plain_text

MATRIX = parse(SHIPPED_MATRIX)
WORDS = sorted({w for r in MATRIX for w in r.when})
SITE, FAR_SITE = UUID(int=1), UUID(int=2)
PLACES = [UUID(int=n) for n in (10, 11)]
PEOPLE = [UUID(int=n) for n in (21, 22, 23)]
ROLES = ("operator", "site_contact", "supervisor")
EXAMPLES = settings(max_examples=60)
FEW = settings(max_examples=30)

minutes = st.integers(0, 400)
instants = minutes.map(lambda m: START + timedelta(minutes=m))


@st.composite
def conditions(draw: st.DrawFn) -> Condition:
    """Anything that may be wrong at one of two sites."""
    rule = draw(st.sampled_from([*WORDS, "martian_dust"]))
    site = draw(st.sampled_from([SITE, SITE, SITE, FAR_SITE]))
    of_the_site = rule in ("site_unreachable", "power_lost") and draw(st.booleans())
    facts: dict[str, object] = {}
    if draw(st.booleans()):
        facts["trend_c_per_h"] = draw(st.sampled_from([-4.0, -3.0, 0.0, 2.9, 3.0, 7.5]))
    if draw(st.booleans()):
        value = draw(st.sampled_from([7.0, 8.0, 8.25, 8.5, 9.0]))
        facts |= {"value_c": value, "limit_c": 8.0, "side": draw(st.sampled_from(["high", "low"]))}
    if draw(st.booleans()):
        facts["device_id"] = str(draw(st.sampled_from(PLACES)))
    return condition(
        rule,
        site,
        site if of_the_site else draw(st.sampled_from(PLACES)),
        object_kind="site" if of_the_site else draw(st.sampled_from(["space", "device", "sensor"])),
        started_at=draw(instants),
        facts=facts,
        from_missing_data=draw(st.booleans()),
        worst_case_at=draw(st.none() | instants),
        space_id=None if of_the_site else draw(st.none() | st.sampled_from(PLACES)),
    )


@EXAMPLES
@given(conditions(), st.lists(conditions(), max_size=6), minutes)
def test_the_row_of_a_condition_is_the_one_found_by_reading_the_matrix_line_by_line(
    c: Condition, beside: list[Condition], later: int
) -> None:
    """Most severe first, then the most particular; what no line names is told as unlisted."""
    now = c.started_at + timedelta(minutes=later)
    expected = reckoning.row_of(c, [c, *beside], MATRIX, now)
    assert classify(c, [c, *beside], MATRIX, now) == (expected or UNLISTED)


@EXAMPLES
@given(conditions(), st.lists(conditions(), max_size=6), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_conditions_never_changes_the_answer(
    c: Condition, beside: list[Condition], shuffled: object
) -> None:
    """A matrix is a set of lines, and what is wrong is a set of conditions."""
    rows, others = list(MATRIX), list(beside)
    shuffled.shuffle(rows)  # type: ignore[attr-defined]
    shuffled.shuffle(others)  # type: ignore[attr-defined]
    assert classify(c, [c, *beside], MATRIX, START) == classify(c, [c, *others], tuple(rows), START)


@EXAMPLES
@given(conditions(), st.lists(conditions(), max_size=5), conditions())
def test_one_more_thing_wrong_never_makes_an_alarm_milder(
    c: Condition, beside: list[Condition], more: Condition
) -> None:
    """Bad news adds up."""
    assume(more.identity != c.identity)
    before = classify(c, [c, *beside], MATRIX, START)
    after = classify(c, [c, *beside, more], MATRIX, START)
    assert before is UNLISTED or after.rank >= before.rank


@EXAMPLES
@given(conditions(), minutes, minutes)
def test_waiting_never_makes_an_alarm_milder(c: Condition, sooner: int, more: int) -> None:
    """Age and a nearer limit only add."""
    first = c.started_at + timedelta(minutes=sooner)
    rows = [classify(c, [c], MATRIX, at) for at in (first, first + timedelta(minutes=more))]
    assert rows[0] is UNLISTED or rows[1].rank >= rows[0].rank


@EXAMPLES
@given(conditions(), st.lists(conditions(), max_size=8))
def test_a_consequence_is_inhibited_exactly_when_something_explains_it(c: Condition, others: list[Condition]) -> None:
    """The parent is one of those that explain it, of the first kind that does."""
    parent = inhibition.parent_of(c, others)
    expected = reckoning.explained_by(c, [o for o in others if o.identity != c.identity])
    assert (parent is not None) == bool(expected)
    assert parent is None or (parent.rule, parent.object_id) in expected


@EXAMPLES
@given(st.lists(conditions(), max_size=8, unique_by=lambda c: c.identity))
def test_every_inhibited_condition_hangs_below_one_that_speaks(active: list[Condition]) -> None:
    """Following parents ends, and at a condition that is not explained itself: no storm hides all of itself."""
    for c in active:
        seen, at = 0, c
        while (parent := inhibition.parent_of(at, active)) is not None:
            assert c in inhibition.consequences(parent, active) or at is not c
            seen, at = seen + 1, parent
            assert seen <= len(active)
        assert inhibition.parent_of(at, active) is None


@EXAMPLES
@given(st.lists(conditions(), max_size=8, unique_by=lambda c: c.identity))
def test_the_consequences_of_all_parents_are_all_inhibited_once(active: list[Condition]) -> None:
    """Each held child is listed under exactly one parent; none is listed that speaks."""
    listed = [c.identity for parent in active for c in inhibition.consequences(parent, active)]
    held = [c.identity for c in active if inhibition.parent_of(c, active) is not None]
    assert sorted(map(str, listed)) == sorted(map(str, held))


@EXAMPLES
@given(st.lists(conditions(), max_size=8))
def test_the_cause_never_says_more_than_the_conditions_show(active: list[Condition]) -> None:
    """Power only with word of it, a circuit only with a dark site and a circuit; each verdict has its reasons."""
    found, rules = cause.cause_of(active), {c.rule for c in active}
    needs = {
        cause.POWER: {"power_lost"},
        cause.WAN: {"site_unreachable", "circuit_down"},
        cause.UNKNOWN: {"site_unreachable"},
        cause.GATEWAY: {"device_unreachable"},
        cause.SENSOR: set(),
        cause.NONE: set(),
    }
    assert needs[found.verdict] <= rules
    assert (found.verdict == cause.NONE) == (not found.reasons)
    assert found.verdict != cause.NONE or not rules & {"power_lost", "site_unreachable", "device_unreachable"}
    assert found.verdict != cause.SENSOR or rules & {"sensor_silent", "sensor_frozen"}


@st.composite
def quiets(draw: st.DrawFn) -> chain.Quiet:
    """A suppression of any kind, live or not."""
    starts = draw(instants)
    return chain.Quiet(
        f"q{draw(st.integers(0, 9))}",
        draw(st.sampled_from(["shelve", "silence", "window", "out_of_service"])),
        starts,
        starts + timedelta(minutes=draw(st.integers(0, 300))),
        draw(st.frozensets(st.sampled_from(WORDS), max_size=3)),
        draw(st.frozensets(st.sampled_from([str(p) for p in PLACES]), max_size=1)),
    )


@st.composite
def situations(draw: st.DrawFn) -> tuple[chain.Candidate, chain.Situation]:
    """An alarm at any moment of its life, in any surroundings."""
    c = draw(conditions())
    now = c.started_at + timedelta(minutes=draw(st.integers(0, 300)))
    active = [c, *draw(st.lists(conditions(), max_size=4))]
    life = lifecycle.Life(c.started_at)
    acked_rank = draw(st.none() | st.none() | st.integers(0, 2))
    if acked_rank is not None:
        life = lifecycle.acknowledge(life, now, PEOPLE[0])
    if draw(st.integers(0, 9)) == 0:
        life = lifecycle.clear(life, now)
    before = st.sampled_from([0, 5, 59, 60, 61, 90, 719, 720]).map(lambda m: now - timedelta(minutes=m))
    situation = chain.Situation(
        now,
        draw(st.sampled_from([0, 600, 1800])),
        draw(st.sampled_from(["active"] * 6 + ["paused", "commissioning", "planned", "retired"])),
        active,
        draw(st.lists(quiets(), max_size=4)),
        draw(st.lists(before, max_size=6)),
        draw(st.none() | st.tuples(before, st.integers(0, 2))),
        draw(st.dictionaries(st.sampled_from(ROLES), st.lists(st.sampled_from(PEOPLE), max_size=2))),
    )
    return chain.Candidate(c, classify(c, active, MATRIX, now), life, acked_rank), situation


@settings(max_examples=150)
@given(situations())
def test_the_chain_stops_where_a_plain_reading_of_its_stages_stops(
    case: tuple[chain.Candidate, chain.Situation],
) -> None:
    """The same stage and the same outcome, for any alarm in any surroundings."""
    candidate, situation = case
    said = chain.judge(candidate, situation)
    assert (said.outcome, said.last.stage) == reckoning.decided(candidate, situation)


@EXAMPLES
@given(situations())
def test_every_judgement_names_its_reason_and_every_hold_its_end(case: tuple[chain.Candidate, chain.Situation]) -> None:
    """Stages in their order, all before the last passed, a hold ends in the future, a pass has somebody."""
    candidate, situation = case
    said = chain.judge(candidate, situation)
    order = ["quality", "lifecycle", "out_of_service", "window", "inhibit", "silence", "shelve", "group", "route"]
    assert [d.stage for d in said.decisions] == order[: len(said.decisions)]
    assert all(d.reason for d in said.decisions)
    assert {d.outcome for d in said.decisions[:-1]} <= {chain.PASS}
    assert (said.last.until is not None) == (said.outcome == chain.HOLD)
    assert said.last.until is None or said.last.until > situation.now
    assert bool(said.people) == (said.outcome == chain.PASS)
    assert len(set(said.people)) == len(said.people)


@EXAMPLES
@given(situations())
def test_quiet_is_the_only_thing_that_quiet_changes(case: tuple[chain.Candidate, chain.Situation]) -> None:
    """Without suppressions the alarm passes or stops for another reason; what quiet held is held by a live record."""
    candidate, situation = case
    said = chain.judge(candidate, situation)
    if said.last.stage in ("shelve", "silence", "window", "out_of_service"):
        holder = [q for q in situation.quiet if q.key == said.last.by and q.kind == said.last.stage]
        assert any(q.starts_at <= situation.now < q.ends_at == said.last.until for q in holder)
        assert not candidate.row.never_suppress
    else:
        plain = chain.judge(candidate, replace(situation, quiet=()))
        assert (plain.outcome, plain.last.stage, plain.people) == (said.outcome, said.last.stage, said.people)


@EXAMPLES
@given(situations())
def test_an_alarm_held_by_time_is_let_through_when_the_time_has_come(
    case: tuple[chain.Candidate, chain.Situation],
) -> None:
    """Delay, deadband and chatter end at the instant they name, at the latest; nobody waits for ever."""
    candidate, situation = case
    said = chain.judge(candidate, situation)
    if said.outcome == chain.HOLD and said.last.stage in ("lifecycle", "group"):
        assert said.last.until is not None
        then = replace(situation, now=said.last.until)
        again = chain.judge(candidate, then)
        assert (again.last.stage, again.last.reason) != (said.last.stage, said.last.reason)


@EXAMPLES
@given(st.lists(st.tuples(st.sampled_from(ROLES), st.integers(30, 14400)), min_size=1, max_size=5), st.integers(1, 12))
def test_escalation_walks_the_levels_and_stays_on_the_last(levels: list[tuple[str, int]], count: int) -> None:
    """Each instant is the sum of the waits before it, whatever the policy."""
    policy = escalation.parse([{"roles": [role], "wait_s": wait} for role, wait in levels])
    waits = [wait for _, wait in levels] + [levels[-1][1]] * count
    expected = [(n + 1, START + timedelta(seconds=sum(waits[:n]))) for n in range(count)]
    until = START + timedelta(seconds=sum(waits[: count - 1]) + 1)
    assert escalation.deadlines(policy, START, until) == expected
    assert escalation.next_due(policy, count, START) == START + timedelta(seconds=waits[count - 1])


@EXAMPLES
@given(st.integers(-100, 100_000), st.lists(st.sampled_from(ROLES), min_size=1, max_size=3))
def test_the_default_policy_widens_and_never_waits_longer_than_four_hours(seconds: int, first: list[str]) -> None:
    """Each level holds the one before; a class without a usable time still escalates within the hour's limits."""
    policy = escalation.default_policy(first, seconds)
    assert all(60 <= level.wait_s <= escalation.MAX_REPEAT_S for level in policy.levels)
    for lower, higher in pairwise(policy.levels):
        assert set(lower.roles) <= set(higher.roles)
    assert escalation.parse(policy.as_list()) == policy


@pytest.mark.parametrize("part", range(4))
def test_alr_06_every_zone_is_covered_for_three_years_without_gap_or_overlap(part: int) -> None:
    """A quarter of all zones each: weekly turns handed over in the hours in which clocks change."""
    zones = sorted(available_timezones())[part::4]
    for number, zone in enumerate(zones):
        rota = oncall.Rota("r", tuple(PEOPLE), zone, date(2025, 1, 5), (number * 37) % 240, 7)
        start = oncall.handover(rota, 0)
        end = start + timedelta(days=3 * 365)
        shifts = oncall.shifts(rota, (), start, end)
        assert (shifts[0].starts_at, shifts[-1].ends_at) == (start, end), zone
        assert all(a.ends_at == b.starts_at for a, b in pairwise(shifts)), zone
        for turn, shift in enumerate(shifts):
            assert shift.person_id == PEOPLE[turn % 3], zone
            local = shift.starts_at.astimezone(ZoneInfo(zone))
            on_time = local.hour * 60 + local.minute == rota.handover_min
            assert on_time or reckoning.clock_jumps(ZoneInfo(zone), shift.starts_at), zone


@pytest.mark.parametrize("part", range(4))
def test_alr_06_hours_that_meet_at_every_minute_of_the_week_leave_no_gap_in_any_zone(part: int) -> None:
    """Two rotations, days and nights, through a year with its changes of clock."""
    for number, zone in enumerate(sorted(available_timezones())[part::12]):
        cut = (number * 61) % 1380 + 30
        days = tuple(oncall.Hours(d, 0, cut) for d in range(7))
        nights = tuple(oncall.Hours(d, cut, 1440) for d in range(7))
        rotas = [oncall.Rota(k, (p,), zone, reckoning.first_days(2026), 0, 7, h) for k, p, h in
                 (("d", PEOPLE[0], days), ("n", PEOPLE[1], nights))]  # fmt: skip
        start = oncall.handover(rotas[0], 0)
        assert oncall.gaps(rotas, (), start, start + timedelta(days=370)) == [], (zone, cut)


@st.composite
def rotations(draw: st.DrawFn) -> oncall.Rota:
    """Any rotation: zone, turns, hand-over, hours of the week or all of them."""
    hours = [
        oncall.Hours(day, begins, min(begins + draw(st.integers(15, 900)), 1440))
        for day in draw(st.lists(st.integers(0, 6), max_size=5))
        for begins in [draw(st.integers(0, 1400))]
    ]
    people = draw(st.lists(st.sampled_from(PEOPLE), min_size=1, max_size=3, unique=True))
    zone = draw(st.sampled_from(["Europe/Madrid", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC"]))
    first = draw(st.dates(date(2026, 1, 1), date(2026, 12, 1)))
    handover, turn = draw(st.integers(0, 1439)), draw(st.integers(1, 14))
    return oncall.Rota("r", tuple(people), zone, first, handover, turn, tuple(hours))


@st.composite
def stand_ins(draw: st.DrawFn) -> oncall.Cover:
    """Somebody stands in for some hours of late 2026."""
    starts = datetime(2026, 12, 1, tzinfo=UTC) + timedelta(hours=draw(st.integers(0, 1000)))
    made = START + timedelta(minutes=draw(st.integers(0, 5)))
    ends = starts + timedelta(minutes=draw(st.integers(1, 6000)))
    return oncall.Cover(draw(st.sampled_from(["r", "r", "other"])), draw(st.sampled_from(PEOPLE)), starts, ends, made)


@EXAMPLES
@given(rotations(), st.lists(stand_ins(), max_size=4), st.integers(0, 60_000))
def test_who_is_on_call_is_who_the_wall_clock_says(rota: oncall.Rota, covers: list[oncall.Cover], minute: int) -> None:
    """Counting hand-overs one by one gives the same person, or the same nobody."""
    at = datetime(2026, 12, 1, tzinfo=UTC) + timedelta(minutes=minute)
    assume(not reckoning.clock_jumps(ZoneInfo(rota.zone), at))
    found = oncall.on_call([rota], covers, at)
    assert [s.person_id for s in found] == [p for p in [reckoning.covering(rota, covers, at)] if p is not None]


@FEW
@given(st.lists(rotations(), max_size=3), st.lists(stand_ins(), max_size=3), st.integers(0, 1000))
def test_shifts_and_gaps_together_fill_the_time_exactly(
    rotas: list[oncall.Rota], covers: list[oncall.Cover], hour: int
) -> None:
    """An instant is in a gap exactly when nobody is on call; gaps are disjoint, ordered, never empty."""
    start = datetime(2026, 12, 1, tzinfo=UTC) + timedelta(hours=hour)
    end = start + timedelta(days=9)
    gaps = oncall.gaps(rotas, covers, start, end)
    assert all(a < b for a, b in gaps)
    assert all(one[1] < two[0] for one, two in pairwise(gaps))
    for hours in range(0, 9 * 24, 7):
        at = start + timedelta(hours=hours, minutes=13)
        assert any(a <= at < b for a, b in gaps) == (oncall.on_call(rotas, covers, at) == [])
    assert oncall.next_gap(rotas, covers, start, within_days=9) == (gaps[0] if gaps else None)


@FEW
@given(st.lists(st.tuples(conditions(), st.none() | minutes), max_size=4), st.sampled_from([0, 600, 1800]))
def test_alr_01_replay_pages_what_a_look_every_minute_pages(
    past: list[tuple[Condition, int | None]], delay_s: int
) -> None:
    """Row by row, whatever stood beside whatever."""
    episodes = [Episode(c, None if end is None else c.started_at + timedelta(minutes=end)) for c, end in past]
    episodes = [
        e for n, e in enumerate(episodes) if e.condition.identity not in [x.condition.identity for x in episodes[:n]]
    ]
    until = START + timedelta(minutes=600)
    tally = replay(MATRIX, episodes, delay_s, until)
    assert tally.by_row == reckoning.pages_of(MATRIX, UNLISTED, episodes, delay_s, until)
    assert tally.pages == sum(tally.by_row.values())


@EXAMPLES
@given(
    st.lists(st.tuples(st.integers(0, 50), st.sampled_from(["ana", "bo", "clear", "resolve", "quiet"])), max_size=8),
    st.randoms(use_true_random=False),
)
def test_alr_06_any_order_of_facts_tells_the_same_life(facts: list[tuple[int, str]], shuffled: object) -> None:
    """Told late, twice or backwards: the earliest telling of each fact stays, and the label follows from it."""

    def told(order: list[tuple[int, str]]) -> lifecycle.Life:
        life = lifecycle.Life(START)
        for minute, what in order:
            at = START + timedelta(minutes=minute)
            if what in ("ana", "bo"):
                life = lifecycle.acknowledge(life, at, PEOPLE[0] if what == "ana" else PEOPLE[1])
            elif what == "clear":
                life = lifecycle.clear(life, at)
            elif what == "resolve":
                life = lifecycle.resolve(life, at, PEOPLE[0])
        return life

    other = list(facts)
    shuffled.shuffle(other)  # type: ignore[attr-defined]
    life = told(facts)
    assert told(other) == life == told(facts + other)
    earliest = {kind: min((m for m, what in facts if what in kinds), default=None) for kind, kinds in
                (("acked", ("ana", "bo")), ("cleared", ("clear",)))}  # fmt: skip
    since = lambda m: None if m is None else START + timedelta(minutes=m)  # noqa: E731
    assert (life.acked[0] if life.acked else None, life.cleared_at) == (
        since(earliest["acked"]),
        since(earliest["cleared"]),
    )
    active = life.cleared_at is None
    expected = ("active_acked" if life.acked else "active_unacked") if active else None
    assert expected is None or lifecycle.label(life) == expected
    assert not active or lifecycle.label(replace(life, quiet="shelve")) == "shelved"


@EXAMPLES
@given(conditions(), st.text(max_size=300), minutes)
def test_alr_03_a_page_in_words_never_lacks_what_to_do(c: Condition, site: str, age: int) -> None:
    """Consequence, next step and time to answer for any condition; what is not known is said to be unknown."""
    row = classify(c, [c], MATRIX, c.started_at)
    text = plain_text(c, row, site, c.started_at + timedelta(minutes=age))
    assert row.consequence in text.body
    assert row.response in text.body
    assert f"({age} min)" in text.body
    assert text.body.startswith(text.first_line)
    assert len(text.subject) <= MAX_SUBJECT
    assert ("Trend unknown" in text.body) == ("trend_c_per_h" not in c.facts)
    assert ("At worst" in text.body) == (c.worst_case_at is not None)
    assert ("°C, limit" in text.first_line) == ("value_c" in c.facts)


@EXAMPLES
@given(st.lists(conditions(), max_size=8), st.sampled_from(PLACES), st.sampled_from([SITE, FAR_SITE]))
def test_conditions_are_sorted_by_place_and_site_and_none_is_lost(
    active: list[Condition], place: UUID, site: UUID
) -> None:
    """Beside a condition of a place stands all of that place and of its whole site, and nothing else."""
    one = condition("rising", SITE, place, space_id=place)
    here = around(active, one)
    assert here == [
        c for c in active if (c.space_id or c.object_id) == place or (c.object_kind == "site" and c.site_id == SITE)
    ]
    assert [c for c in active if c.site_id == site] == of_site(active, site)


@pytest.mark.parametrize(
    ("value", "number"), [(8, 8.0), ("8.5", 8.5), (True, None), (None, None), ("warm", None), ([], None)]
)
def test_a_fact_is_a_number_or_it_is_none(value: object, number: float | None) -> None:
    """Nothing that is no number is taken for one."""
    assert condition("rising", SITE, PLACES[0], facts={"value_c": value}).number("value_c") == number


@pytest.mark.parametrize(("own", "expected"), [(None, 600), (0, 0), (60, 60)])
def test_a_delay_is_the_rows_own_or_the_class_gives_it(own: int | None, expected: int) -> None:
    """Zero is a delay of its own."""
    row: MatrixRow = replace(MATRIX[0], delay_s=own)
    assert delay_of(row, 600) == expected
