"""Rules against slow and obvious answers: device-alarm rules, days, windows, records, forwarding, decisions."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.telemetry import oracle
from waystation.telemetry.rules import usp
from waystation.telemetry.rules.calibration import calibration_status
from waystation.telemetry.rules.continuity import Record, judge_continuity
from waystation.telemetry.rules.daily import daily
from waystation.telemetry.rules.forwarding import Attempt, judge_forwarding
from waystation.telemetry.rules.guard_band import decide
from waystation.telemetry.rules.mkt import mkt_equal_c
from waystation.telemetry.rules.profile import DurationRule, Profile
from waystation.telemetry.rules.series import Reading, moments
from waystation.telemetry.rules.space import judge_space
from waystation.telemetry.rules.verdict import judge_sensor

values = st.sampled_from([None, 1.0, 2.0, 5.0, 8.0, 8.1, 12.0])
histories = st.lists(st.tuples(st.integers(0, 120), values), max_size=14)
operators = st.sampled_from(["<", "<=", ">", ">="])


def holds(op: str, value: float, limit: float) -> bool:
    """A comparison by its sign."""
    return {"<": value < limit, "<=": value <= limit, ">": value > limit, ">=": value >= limit}[op]


def runs_by_hand(
    history: list[tuple[int, float | None]], op: str, limit: float, hold: int, end: int
) -> list[list[tuple[int, str]]]:
    """Each run as (second, `measured` or `unknown`) pairs; a run ends with a reading that does not satisfy the rule."""
    known = oracle.usable(history)
    runs: list[list[tuple[int, str]]] = []
    going = False
    for at in sorted(known):
        if not any(holds(op, value, limit) for value in known[at]):
            going = False
            continue
        after = min([later for later in known if later > at], default=end)
        covered = [(second, "measured") for second in range(at, min(at + hold, after, end))]
        if going:
            begin = runs[-1][-1][0] + 1 if runs[-1] else at
            runs[-1] += [(second, "unknown") for second in range(begin, at)]
            runs[-1] += covered
        else:
            runs.append(covered)
        going = True
    return runs


def reached(run: list[tuple[int, str]], kinds: set[str], duration: int) -> int | None:
    """The instant at which so many seconds of these kinds were counted."""
    counted = 0
    for second, kind in run:
        counted += kind in kinds
        if counted == duration and kind in kinds:
            return second + 1
    return None


@given(histories, operators, st.sampled_from([2.0, 8.0]), st.integers(1, 60), st.integers(1, 80))
@settings(max_examples=400, deadline=None)
def test_device_alarm_rules_equal_counting_seconds(
    history: list[tuple[int, float | None]], op: str, limit: float, hold: int, duration: int
) -> None:
    """Measured and worst-case alarms, for single events and for the sum of a period."""
    rules = (DurationRule("one", op, limit, duration), DurationRule("sum", op, limit, duration, "cumulative"))
    rows = [Reading(float(at), value) for at, value in history]
    single, total = judge_sensor(rows, Profile("p", -99.0, 99.0, rules=rules), hold, 0, 130).rules
    runs = runs_by_hand(history, op, limit, hold, 130)
    assert [(r.measured_s, r.unknown_s) for r in single.runs] == [
        (sum(k == "measured" for _, k in run), sum(k == "unknown" for _, k in run)) for run in runs
    ]
    assert [r.alarm_at_s for r in single.runs] == [reached(run, {"measured"}, duration) for run in runs]
    both = {"measured", "unknown"}
    assert [r.worst_case_alarm_at_s for r in single.runs] == [reached(run, both, duration) for run in runs]
    everything = [step for run in runs for step in run]
    assert total.alarm_at_s == reached(everything, {"measured"}, duration)
    assert total.worst_case_alarm_at_s == reached(everything, both, duration)
    assert total.cumulative_s == sum(kind == "measured" for _, kind in everything)
    if single.is_alarmed:
        assert single.is_alarmed_worst_case


@given(st.lists(st.tuples(st.integers(0, 60), values), max_size=12), st.integers(1, 12))
@settings(max_examples=150, deadline=None)
def test_days_add_up_to_the_period(history: list[tuple[int, float | None]], hold_h: int) -> None:
    """Minutes below and above of all days are the sensor's; extremes are those of the day's own readings."""
    rows = [Reading(at * 3600.0, value) for at, value in history]
    judged = judge_sensor(rows, Profile("p", 2.0, 8.0), hold_h * 3600.0, 6 * 3600.0, 66 * 3600.0)
    days = daily(judge_space([judged]), [moments(rows)], UTC)
    assert sum(day.below_s + day.above_s for day in days) == judged.out_of_range_s
    assert sum(day.kinetic.weight for day in days) == judged.covered_s
    assert [day.date for day in days] == [date(1970, 1, 1) + timedelta(days=i) for i in range(3)]
    for number, day in enumerate(days):
        inside = [v for at, v in history if v is not None and at >= 6 and number * 24 <= at < number * 24 + 24]
        assert (day.min_c, day.max_c) == (min(inside, default=None), max(inside, default=None))


@given(st.lists(st.sampled_from([4.0, 7.0, 9.0, 14.0]), min_size=24, max_size=48))
@settings(max_examples=60, deadline=None)
def test_the_worst_window_equals_trying_every_window(hours: list[float]) -> None:
    """Hourly readings: the windows are the runs of 24 of them."""
    rows = [Reading(3600.0 * i, value) for i, value in enumerate(hours)]
    judged = usp.judge_windows(rows, usp.CLASSES["CCT"], 3600.0, 0.0, 3600.0 * len(hours))
    tried = [mkt_equal_c(hours[i : i + 24]) for i in range(len(hours) - 23)]
    worst = max(value for value in tried if value is not None)
    assert judged.worst_mkt_c == pytest.approx(worst, abs=1e-6)
    assert ("mkt_over_limit" in judged.reasons) == (worst > 8.0 + 1e-9)


def test_data_shorter_than_a_window_show_nothing() -> None:
    """No window, no acceptance."""
    judged = usp.judge_windows([Reading(0, 5.0)], usp.CLASSES["CCT"], 3600, 0, 7200)
    assert (judged.worst_mkt_c, judged.acceptable, judged.reasons) == (None, False, ("data_shorter_than_window",))
    assert usp.judge_windows([], usp.CLASSES["CRT"], 3600, 0, 1e9).acceptable is False


@given(st.sets(st.integers(1, 30), max_size=25), st.permutations(range(3)))
def test_tel_07_missing_numbers_are_exactly_those_never_seen(seen: set[int], order: list[int]) -> None:
    """Whatever the order of arrival; duplicates are counted, not merged into the whole."""
    records = [Record(1, seq, 60.0 * seq, "same") for seq in seen]
    arranged = [r for k in order for r in records[k::3]]
    result = judge_continuity([*arranged, *records[:2]])
    missing = {n for hole in result.missing for n in range(hole.first, hole.last + 1)}
    assert missing == set(range(1, max(seen, default=0))) - seen
    assert result.duplicates == min(2, len(seen))
    assert result.verdict == ("gap" if missing else "continuous")


def test_continuity_verdicts_have_an_order() -> None:
    """A conflict beats a suspect clock, which beats a gap."""
    back = [Record(1, 1, 100.0), Record(1, 3, 50.0)]
    assert judge_continuity(back).verdict == "clock_suspect"
    assert judge_continuity([*back, Record(1, 3, 50.0, "other")]).verdict == "conflict"
    assert judge_continuity([]).verdict == "continuous"
    assert judge_continuity([Record(1, 1, 0.0), Record(4, 1, 9.0)]).missing_boots == (2, 3)


@given(st.integers(0, 100), st.integers(0, 100), st.lists(st.integers(-50, 200), max_size=4), st.integers(-50, 250))
def test_forwarding_is_in_time_only_with_a_delivery_and_an_acknowledgement_in_time(
    notify: int, ack: int, deliveries: list[int], acked: int
) -> None:
    """Failed and queued attempts never count; what came before the alarm is not of it."""
    attempts = [Attempt(1000.0 + d, "delivered") for d in deliveries] + [Attempt(1000.0, "queued")]
    result = judge_forwarding(1000.0, notify, ack, attempts, 1000.0 + acked)
    told = any(0 <= d <= notify for d in deliveries) and min(d for d in deliveries if d >= 0) <= notify
    assert (result.verdict == "in_time") == (told and 0 <= acked <= ack)
    assert judge_forwarding(0.0, 1, 1, [Attempt(0.0, "failed")], None).verdict == "not_notified"


tenths = st.integers(0, 120).map(lambda n: Decimal(n) / 10)


@given(tenths, st.integers(0, 40).map(lambda n: Decimal(n) / 10))
def test_decision_rules_agree_where_they_must(value: Decimal, uncertainty: Decimal) -> None:
    """Guarded pass implies simple pass; the four words are in order of distance."""
    limits = (uncertainty, Decimal(2), Decimal(8))
    simple, guarded = decide(value, *limits, "simple"), decide(value, *limits, "guarded")
    word = decide(value, *limits, "nonbinary")
    assert guarded == "fail" or simple == "pass"
    assert (word == "pass") == (guarded == "pass")
    assert (word in ("pass", "conditional_pass")) == (simple == "pass")
    with pytest.raises(ValueError, match="decision rule"):
        decide(value, *limits, "generous")  # type: ignore[arg-type]


@given(st.integers(-400, 800), st.sampled_from([None, "pass", "as_found_out_of_tolerance", "what?"]))
def test_a_calibration_is_valid_only_inside_its_days_and_with_a_good_successor(day: int, result: str | None) -> None:
    """A result that nobody knows counts as failed."""
    start, due = date(2025, 1, 10), date(2026, 1, 10)
    at = datetime(2025, 1, 10, 23, 59, tzinfo=UTC) + timedelta(days=day)
    status = calibration_status(start, due, at, result)
    assert (status == "valid") == (0 <= day <= 365 and result in (None, "pass"))
    assert (status == "not_yet_valid") == (day < 0)
