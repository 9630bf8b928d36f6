"""The verdict on sensors and spaces, against second-by-second judging and against itself in other orders."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.telemetry import oracle
from waystation.telemetry.rules.profile import DurationRule, Profile
from waystation.telemetry.rules.series import Moment, Reading, default_hold_s, median_interval_s, moments
from waystation.telemetry.rules.space import combined_timeline, judge_space, side_timeline, worst_verdict
from waystation.telemetry.rules.verdict import Kind, SensorFold, SensorJudgement, Stretch, judge_sensor

HISTORIES = 10_000
VACCINE = Profile("vaccine", 2.0, 8.0)
RULES = (
    DurationRule("hot", ">", 8.0, 40, "single_event"),
    DurationRule("cold", "<=", 2.0, 25, "single_event"),
    DurationRule("warm", ">=", 7.5, 60, "cumulative"),
)
values = st.sampled_from([None, float("nan"), 1.0, 1.9, 2.0, 2.2, 5.0, 7.8, 8.0, 8.1, 9.0, 12.5])
histories = st.lists(st.tuples(st.integers(0, 120), values), max_size=14)
holds = st.integers(1, 50)
guards = st.sampled_from([0.0, 0.3, 3.5])


def as_readings(history: list[tuple[int, float | None]]) -> list[Reading]:
    """A history as readings."""
    return [Reading(float(at), value) for at, value in history]


@given(histories, holds, guards, st.integers(0, 40), st.integers(60, 140))
@settings(max_examples=400, deadline=None)
def test_tel_09_minutes_and_verdict_equal_judging_second_by_second(
    history: list[tuple[int, float | None]], hold: int, guard: float, start: int, end: int
) -> None:
    """Every second is what the newest reading that still holds makes it; the three durations add up."""
    check_by_seconds(history, hold, guard, start, end)


def check_by_seconds(history: list[tuple[int, float | None]], hold: int, guard: float, start: int, end: int) -> None:
    """Judge and reckon apart; both must say the same."""
    profile = Profile("p", 2.0, 8.0, guard_band_c=guard)
    judged = judge_sensor(as_readings(history), profile, hold, start, end)
    count = Counter(oracle.seconds(history, 2.0, 8.0, guard, hold, start, end))
    assert judged.in_range_s == count["proven"]
    assert judged.out_of_range_s == count["high"] + count["low"]
    assert judged.not_proven_s == count["gap"] + count["guard"]
    assert judged.guard_s == count["guard"]
    assert judged.in_range_s + judged.out_of_range_s + judged.not_proven_s == end - start
    assert sum(gap.end_s - gap.start_s for gap in judged.gaps) == count["gap"]
    inside = [v for at, vs in oracle.usable(history).items() if start <= at <= end for v in vs]
    is_out = count["high"] + count["low"] > 0 or any(v < 2.0 or v > 8.0 for v in inside)
    assert (judged.verdict == "out_of_range") == is_out
    if judged.verdict == "in_range_proven":
        assert count["proven"] == end - start
    assert (judged.min_c, judged.max_c) == (min(inside, default=None), max(inside, default=None))


VALUES = (None, float("nan"), 1.0, 1.9, 2.0, 2.2, 5.0, 5.0, 5.0, 7.8, 8.0, 8.1, 9.0, 12.5)


def verdict_history(seed: int) -> None:
    """A random history of up to 14 readings, judged and reckoned second by second; half of them stay in range."""
    chance = random.Random(seed)
    values = VALUES if chance.random() < 0.5 else (5.0, 5.0, 2.3, 7.7, None)
    history = [(chance.randrange(121), chance.choice(values)) for _ in range(chance.randrange(15))]
    check_by_seconds(
        history, chance.randint(1, 50), chance.choice([0.0, 0.3, 3.5]), chance.randrange(41), 60 + chance.randrange(81)
    )


def test_tel_09_no_false_proof_in_random_histories() -> None:
    """`in_range_proven` is said only where every second is proven."""
    for seed in range(HISTORIES):
        verdict_history(seed)


@given(histories, holds, st.integers(0, 40), st.integers(60, 140))
@settings(max_examples=400, deadline=None)
def test_tel_09_excursions_equal_those_grouped_by_hand(
    history: list[tuple[int, float | None]], hold: int, start: int, end: int
) -> None:
    """Start, end, direction, peak, measured and unknown time of every excursion."""
    judged = judge_sensor(as_readings(history), VACCINE, hold, start, end)
    mine = [(e.start_s, e.end_s, e.direction, e.peak_c, e.measured_s, e.unknown_s) for e in judged.excursions]
    assert mine == oracle.excursions(history, 2.0, 8.0, hold, start, end)


@given(histories, holds, st.lists(st.integers(0, 140), max_size=6), st.randoms(use_true_random=False))
@settings(max_examples=200, deadline=None)
def test_live_equals_replay_for_any_split_and_any_order_of_arrival(
    history: list[tuple[int, float | None]], hold: int, looks: list[int], chance: random.Random
) -> None:
    """Looking at any time, continuing from a checkpoint, and other arrival orders change nothing."""
    profile = Profile("p", 2.0, 8.0, rules=RULES, guard_band_c=0.3)
    shuffled = list(history)
    chance.shuffle(shuffled)
    batch = judge_sensor(as_readings(shuffled), profile, hold, 10, 140)
    fold = SensorFold(profile, hold, 10)
    for at, value in sorted(shuffled, key=lambda item: item[0]):
        for look in looks:
            before = fold.copy()
            fold.judgement(max(float(look), float(at), 10.0))
            assert seen(before.judgement(200.0)) == seen(fold.judgement(200.0))
            fold = before
        fold.feed(float(at), value)
    assert seen(fold.judgement(140)) == seen(batch)


def seen(judged: SensorJudgement) -> dict[str, object]:
    """Everything that a judgement says, as values that compare."""
    names = ("verdict", "timeline", "gaps", "excursions", "rules", "in_range_s", "out_of_range_s", "not_proven_s")
    more = ("min_c", "max_c", "mean_c", "mkt_c", "guard_s", "covered_s", "hold_s")
    return {name: getattr(judged, name) for name in (*names, *more)}


@given(st.lists(histories, min_size=1, max_size=3), holds, guards)
@settings(max_examples=200, deadline=None)
def test_a_space_is_out_while_any_sensor_is_and_proven_only_while_all_are(
    several: list[list[tuple[int, float | None]]], hold: int, guard: float
) -> None:
    """Minutes of a space against a vote for every second."""
    profile = Profile("p", 2.0, 8.0, guard_band_c=guard)
    space = judge_space([judge_sensor(as_readings(h), profile, hold, 0, 130) for h in several])
    columns = [oracle.seconds(h, 2.0, 8.0, guard, hold, 0, 130) for h in several]
    votes = Counter()
    for second in zip(*columns, strict=True):
        out = any(w in ("high", "low") for w in second)
        votes["out" if out else "proven" if all(w == "proven" for w in second) else "unproven"] += 1
    assert (space.out_of_range_s, space.in_range_s) == (votes["out"], votes["proven"])
    assert space.not_proven_s == votes["unproven"]
    assert space.verdict == worst_verdict([s.verdict for s in space.sensors])
    for kind, name in ((Kind.HIGH, "high"), (Kind.LOW, "low")):
        length = sum(s.end_s - s.start_s for s in side_timeline([s.timeline for s in space.sensors], kind))
        assert length == sum(1 for second in zip(*columns, strict=True) if name in second)


@given(histories, holds)
@settings(deadline=None)
def test_a_guard_band_takes_from_proven_time_only(history: list[tuple[int, float | None]], hold: int) -> None:
    """Out-of-range time is the same with any guard band."""
    plain = judge_sensor(as_readings(history), VACCINE, hold, 0, 130)
    banded = judge_sensor(as_readings(history), Profile("p", 2.0, 8.0, guard_band_c=1.0), hold, 0, 130)
    assert banded.out_of_range_s == plain.out_of_range_s
    assert banded.in_range_s <= plain.in_range_s
    assert banded.gaps == plain.gaps
    assert banded.excursions == plain.excursions


def test_tel_03_one_reading_is_harmless_for_one_profile_and_an_excursion_for_another() -> None:
    """9 degC is out for a vaccine and in for bananas."""
    readings = [Reading(0, 9.0), Reading(600, 9.0)]
    vaccine = judge_sensor(readings, VACCINE, 900, 0, 600)
    bananas = judge_sensor(readings, Profile("bananas", 7.0, 14.0), 900, 0, 600)
    assert vaccine.verdict == "out_of_range"
    assert [e.direction for e in vaccine.excursions] == ["high"]
    assert bananas.verdict == "in_range_proven"
    assert bananas.excursions == ()


def test_tel_05_a_silent_sensor_is_not_proven_as_soon_as_its_reading_stops_holding() -> None:
    """The last value is never drawn as current past its hold."""
    fold = SensorFold(VACCINE, 900, 0)
    fold.feed(0, 5.0)
    assert fold.judgement(900).verdict == "in_range_proven"
    late = fold.judgement(901)
    assert late.verdict == "not_proven"
    assert [(g.start_s, g.end_s, g.cause) for g in late.gaps] == [(900, 901, "after_last_reading")]


def test_tel_05_unusable_readings_name_the_cause_of_their_gap() -> None:
    """A sensor that sends NaN is told from one that sends nothing."""
    readings = [
        Reading(0, 5.0),
        Reading(600, float("nan")),
        Reading(1200, None),
        Reading(3000, 5.0),
        Reading(9000, 5.0),
    ]
    judged = judge_sensor(readings, VACCINE, 900, 0, 9000)
    assert [g.cause for g in judged.gaps] == ["unusable_readings", "no_reading"]


def test_a_dead_fridge_standing_flat_at_room_temperature_is_out_of_range() -> None:
    """Frozen at 21 degC is out for every minute."""
    judged = judge_sensor([Reading(60 * i, 21.0) for i in range(100)], VACCINE, 900, 0, 6000)
    assert judged.out_of_range_s == 6000


def test_limits_are_inclusive_and_bands_reckoned_in_decimals() -> None:
    """2.0, 8.0 are in; with a guard band of 0.3 the provable range is 2.3 to 7.7, both included."""
    for value in (2.0, 8.0):
        assert judge_sensor([Reading(0, value), Reading(60, value)], VACCINE, 900, 0, 60).verdict == "in_range_proven"
    banded = Profile("p", 2.0, 8.0, guard_band_c=0.3)
    for value in (2.3, 7.7):
        assert judge_sensor([Reading(0, value), Reading(60, value)], banded, 900, 0, 60).verdict == "in_range_proven"
    assert judge_sensor([Reading(0, 7.71), Reading(60, 7.71)], banded, 900, 0, 60).verdict == "not_proven"


def test_the_last_reading_covers_nothing_but_counts() -> None:
    """One reading out at the very end of the data: no minutes, yet out of range, with its extreme."""
    judged = judge_sensor([Reading(0, 5.0), Reading(600, 9.5)], VACCINE, 900, 0, 600)
    assert (judged.verdict, judged.out_of_range_s, judged.max_c) == ("out_of_range", 0, 9.5)
    assert [(e.start_s, e.end_s, e.measured_s) for e in judged.excursions] == [(600, 600, 0)]


def test_a_reading_before_the_period_still_covers_its_hold() -> None:
    """A period that begins between two readings is proven from its first second."""
    readings = [Reading(0, 5.0), Reading(600, 5.0), Reading(1200, 5.0)]
    assert judge_sensor(readings, VACCINE, 900, 300, 1200).verdict == "in_range_proven"
    hot = judge_sensor([Reading(0, 9.0), Reading(600, 5.0)], VACCINE, 900, 300, 600)
    assert (hot.verdict, hot.out_of_range_s) == ("out_of_range", 300)


def test_of_two_values_at_one_instant_each_purpose_takes_its_own() -> None:
    """Limits take the one further out, mean and MKT the hotter, minimum and maximum see both."""
    judged = judge_sensor([Reading(0, 1.0), Reading(0, 8.5), Reading(600, 5.0)], VACCINE, 900, 0, 600)
    assert [(e.direction, e.peak_c) for e in judged.excursions] == [("low", 1.0)]
    assert (judged.min_c, judged.max_c, judged.mean_c) == (1.0, 8.5, 8.5)


def test_a_reading_older_than_the_newest_is_never_dropped_in_silence() -> None:
    """Late data make the caller fold again; a period that ends too early is refused too."""
    fold = SensorFold(VACCINE, 900, 0)
    fold.feed(600, 5.0)
    with pytest.raises(ValueError, match="older"):
        fold.feed(300, 9.0)
    with pytest.raises(ValueError, match="ends"):
        fold.judgement(500)


def test_hold_follows_the_median_interval_within_its_bounds() -> None:
    """Twice the median, from 900 s to 7200 s; an even count takes the mean of the middle two."""
    assert median_interval_s([0, 60, 180, 480, 1080]) == 210
    assert median_interval_s([5]) is None
    assert default_hold_s([]) == 900
    assert default_hold_s([0, 60, 120]) == 900
    assert default_hold_s([0, 1000, 2000]) == 2000
    assert default_hold_s([0, 7000]) == 7200


def test_moments_join_values_of_one_instant() -> None:
    """Arrival order, duplicates and unusable values."""
    found = moments([Reading(60, 5.0), Reading(0, None), Reading(60, 9.0), Reading(30, float("nan")), Reading(60, 5.0)])
    assert found == [Moment(60, 5.0, 9.0)]


def test_spaces_need_sensors_of_one_period() -> None:
    """Nothing is proven by nothing."""
    with pytest.raises(ValueError, match="one period"):
        judge_space([])
    assert worst_verdict([]) == "not_proven"
    assert combined_timeline([]) == ()
    assert combined_timeline([[Stretch(0, 5, Kind.PROVEN)], [Stretch(0, 5, Kind.GUARD)]]) == (
        Stretch(0, 5, Kind.GUARD),
    )


def test_a_long_history_is_one_linear_pass() -> None:
    """A hundred thousand readings with rules; every run of three hot readings in seven is one excursion."""
    readings = [Reading(float(60 * i), 5.0 + (i % 7)) for i in range(100_000)]
    judged = judge_sensor(readings, Profile("p", 2.0, 8.0, rules=RULES), 900, 0, 6_000_000)
    assert judged.covered_s == 6_000_000
    assert len(judged.excursions) == sum(1 for i in range(100_000) if i % 7 == 4)
