"""Local judgement against an oracle that looks at the whole past each time, and against the centre's own fold."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import example, given
from hypothesis import strategies as st

from tests.edge.stage import GOOD_C, HOT_C, PROBE, a_watch
from waystation.edge.judge import Judge, SensorJudge
from waystation.edge.ports import Sample
from waystation.telemetry.rules.profile import DurationRule, Profile
from waystation.telemetry.rules.verdict import SensorFold

VALUES = st.sampled_from([1.0, 2.0, 5.0, 8.0, 8.5, 12.0, None])
HISTORIES = st.lists(st.tuples(st.integers(1, 1200), VALUES), min_size=1, max_size=40)
LOW, HIGH, DELAY_S, HOLD_S = 2.0, 8.0, 600.0, 900.0


def side_of(value: float) -> str:
    """high, low or in."""
    return "high" if value > HIGH else "low" if value < LOW else "in"


def due_by_oracle(history: list[tuple[float, float | None]], now_s: float) -> float | None:
    """The begin of the run of the same side that the newest usable reading is in, if that is long enough ago."""
    usable = [(at, value) for at, value in history if value is not None and at <= now_s]
    if not usable or side_of(usable[-1][1]) == "in":
        return None
    begin = usable[-1][0]
    for at, value in reversed(usable):
        if side_of(value) != side_of(usable[-1][1]):
            break
        begin = at
    return begin if now_s - begin >= DELAY_S else None


def instants(history: list[tuple[int, float | None]]) -> list[tuple[float, float | None]]:
    """Steps as instants."""
    at, found = 0.0, []
    for step, value in history:
        at += step
        found.append((at, value))
    return found


@given(HISTORIES, st.integers(0, 2000))
@example([(1, 12.0), (599, 12.0)], 1)
@example([(1, 8.0)], 1000)
def test_tel_12_an_excursion_is_due_when_its_run_is_as_old_as_the_delay(
    history: list[tuple[int, float | None]], later_s: int
) -> None:
    """After each reading and some time after the last, the finding is what the oracle finds in the whole past."""
    judge, past = SensorJudge(a_watch(), 0.0), []
    for at_s, value in instants(history):
        judge.take(at_s, value)
        past.append((at_s, value))
        for now_s in (at_s, at_s + later_s):
            found = [f.since_s for f in judge.findings(now_s) if f.rule == "excursion"]
            begin = due_by_oracle(past, now_s)
            assert found == ([] if begin is None else [begin])


@given(HISTORIES)
def test_tel_12_the_site_opens_the_excursions_that_the_centre_opens(history: list[tuple[int, float | None]]) -> None:
    """The run that is open here began when the centre's fold says that its last excursion began."""
    judge, fold = SensorJudge(a_watch(), 0.0), SensorFold(Profile("p", LOW, HIGH), HOLD_S, 0.0)
    for at_s, value in instants(history):
        judge.take(at_s, value)
        fold.feed(at_s, value)
        there = fold.judgement(at_s + 1).excursions
        here = judge.open_run
        if here is not None:
            assert (there[-1].direction, there[-1].start_s) == here


@given(st.lists(st.tuples(st.integers(1, 3000), st.booleans()), max_size=30), st.integers(0, 3000))
def test_tel_12_silence_is_found_once_no_value_came_for_the_hold(history: list[tuple[int, bool]], later_s: int) -> None:
    """Faults count as silence; a value of any size ends it."""
    judge, heard_s, at_s = SensorJudge(a_watch(), 0.0), 0.0, 0.0
    for step, is_value in history:
        at_s += step
        judge.take(at_s, GOOD_C if is_value else None)
        heard_s = at_s if is_value else heard_s
    silent = [f.since_s for f in judge.findings(at_s + later_s) if f.rule == "silent"]
    assert silent == ([heard_s] if at_s + later_s - heard_s > HOLD_S else [])


def test_a_reading_that_comes_late_can_open_and_cannot_end_an_excursion() -> None:
    """As old as the newest or older: the one further out counts."""
    judge = SensorJudge(a_watch(delay_s=0.0), 0.0)
    judge.take(100.0, GOOD_C)
    judge.take(90.0, HOT_C)
    assert [f.rule for f in judge.findings(100.0)] == ["excursion"]
    judge.take(80.0, GOOD_C)
    assert [f.rule for f in judge.findings(100.0)] == ["excursion"]
    judge.take(160.0, GOOD_C)
    assert judge.findings(160.0) == []


def test_limits_are_inside_the_range_and_nothing_is_rounded() -> None:
    """8.0 is in, 8.004 is out."""
    judge = SensorJudge(a_watch(delay_s=0.0), 0.0)
    judge.take(1.0, 8.0)
    assert judge.findings(1.0) == []
    judge.take(2.0, 8.004)
    assert [f.value for f in judge.findings(2.0)] == [8.004]


@given(st.lists(st.sampled_from([5.0, 9.0]), min_size=1, max_size=30))
def test_a_duration_rule_stands_while_its_run_does(values: list[float]) -> None:
    """Over 8.5 degC for ten minutes in one run, at a reading a minute; a value below ends the run and the finding."""
    rule = DurationRule("hot", ">", 8.5, 600.0)
    watch = replace(a_watch(), profile=Profile(PROBE, -50.0, 50.0, (rule,)))
    judge, run = SensorJudge(watch, 0.0), 0
    for minute, value in enumerate(values):
        judge.take(minute * 60.0, value)
        run = run + 1 if value > 8.5 else 0
        found = [f for f in judge.findings(minute * 60.0) if f.rule == "hot"]
        assert bool(found) == (run > 10), (minute, run)
        if found:
            assert found[0].since_s == (minute - run + 1) * 60.0


def test_the_state_of_a_sensor_does_not_grow() -> None:
    """A hundred excursions later it holds no more than after one."""
    rule = DurationRule("hot", ">", 8.5, 60.0)
    judge = SensorJudge(replace(a_watch(), profile=Profile(PROBE, LOW, HIGH, (rule,))), 0.0)
    for minute in range(400):
        judge.take(minute * 60.0, HOT_C if minute % 4 == 0 else GOOD_C)
    assert len(judge._fold.closed) == 0
    assert all(len(fold._closed) <= 1 for fold in judge._rules)


def test_a_sensor_without_limits_is_not_judged_and_not_left_out_as_in_range() -> None:
    """Nobody wrote its limits here: it is neither out nor watched."""
    judge = Judge([a_watch()], 0.0)
    other = Sample("ambient", 0, 40.0)
    judge.take(other, 0.0)
    assert judge.findings(10.0) == {}
    assert not judge.is_out(other)
    assert not judge.is_watched("ambient")
    assert judge.is_watched(PROBE)
    assert judge.is_out(Sample(PROBE, 0, HOT_C))


@given(st.sampled_from(["high", "low"]), st.integers(0, 2000), st.sampled_from([1.0, 5.0, 12.0]))
def test_a_resumed_excursion_goes_on_with_a_reading_of_its_side_only(side: str, ago_s: int, value: float) -> None:
    """Begun before the boot: the first reading continues it, or ends it."""
    judge = SensorJudge(a_watch(), 0.0)
    judge.resume(side, -float(ago_s))  # type: ignore[arg-type]
    assert judge.open_run == (side, -float(ago_s))
    judge.take(1.0, value)
    if side_of(value) == side:
        assert judge.open_run == (side, -float(ago_s))
    elif side_of(value) == "in":
        assert judge.open_run is None
    else:
        assert judge.open_run == (side_of(value), 1.0)
