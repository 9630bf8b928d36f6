"""The verdict that the stand-alone verifier works out, against a second-by-second reckoning and against the words."""

from __future__ import annotations

import random
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.evidence import pack_story as story
from waystation.evidence.rules import pack
from waystation.evidence.verifier.strict import Refused, instant
from waystation.evidence.verifier.verdict import Profile, Sensor, judge_sensor, length_us
from waystation.evidence.verifier.verify import verify_pack

SECOND = 1_000_000
PERIOD_S = 120
PROFILE = Profile(2.0, 8.0, 0.5, 20 * SECOND, 0, PERIOD_S * SECOND, ("signed_batch",))

readings = st.lists(
    st.tuples(
        st.integers(-30, PERIOD_S + 30),
        st.sampled_from([1.0, 2.0, 2.25, 5.0, 5.0, 5.0, 7.5, 8.0, 8.0000001, 12.0]),
        st.sampled_from(["signed_batch", "signed_batch", "hand_reading"]),
    ),
    max_size=25,
    unique_by=lambda row: row[0],
).map(sorted)


def judged(rows: list[tuple[int, float, str]], profile: Profile = PROFILE) -> Sensor:
    sensor = Sensor(profile)
    for at_s, value_c, source in rows:
        sensor.add(at_s * SECOND, value_c, source)
    sensor.close()
    return sensor


def brute(rows: list[tuple[int, float, str]]) -> tuple[int, int, int]:
    """(in range proven, out, not proven) seconds, asking each second which reading covers it."""
    counts = [0, 0, 0]
    for second in range(PERIOD_S):
        kind = 2
        for (at_s, value_c, source), following in pairwise(rows):
            if at_s <= second < min(following[0], at_s + 20):
                outside = not 2.0 <= value_c <= 8.0
                proves = source == "signed_batch" and 2.5 <= value_c <= 7.5
                kind = 1 if outside else 0 if proves else 2
        counts[kind] += 1
    return counts[0], counts[1], counts[2]


HISTORIES = 4_000


def proof_history(seed: int) -> None:
    """Random readings, judged by the stand-alone verifier and second by second."""
    chance = random.Random(seed)
    instants = sorted(chance.sample(range(-30, PERIOD_S + 31), chance.randrange(26)))
    values, sources = (1.0, 2.0, 2.25, 2.5, 5.0, 5.0, 7.5, 8.0, 8.0000001, 12.0), ("signed_batch", "hand_reading")
    rows = [(at, chance.choice(values), chance.choice(sources[:1] * 3 + sources)) for at in instants]
    sensor = judged(rows)
    out_s, open_s = length_us(sensor.out) // SECOND, length_us(sensor.open) // SECOND
    assert (PERIOD_S - open_s, out_s, open_s - out_s) == brute(rows)


def test_evd_09_the_verifier_proves_no_second_that_is_not() -> None:
    """Many random histories against the plain reckoning."""
    for seed in range(HISTORIES):
        proof_history(seed)


@settings(max_examples=400)
@given(readings)
def test_evd_09_minutes_are_those_of_a_second_by_second_reckoning(rows: list[tuple[int, float, str]]) -> None:
    """In range, out and not proven add up to the period and match the plain reckoning."""
    sensor = judged(rows)
    out_s, open_s = length_us(sensor.out) // SECOND, length_us(sensor.open) // SECOND
    assert (PERIOD_S - open_s, out_s, open_s - out_s) == brute(rows)


@settings(max_examples=400)
@given(readings)
def test_evd_09_no_reading_outside_the_limits_is_lost(rows: list[tuple[int, float, str]]) -> None:
    """Any reading in the period outside the limits makes the sensor out, whatever its source or silence around it."""
    inside = [r for r in rows if 0 <= r[0] <= PERIOD_S]
    sensor = judged(rows)
    if any(not 2.0 <= value_c <= 8.0 for _, value_c, _ in inside):
        assert sensor.is_out
    assert sensor.is_out or length_us(sensor.out) == 0
    assert sum(e.out_us for e in sensor.excursions) == length_us(sensor.out)
    assert sensor.readings == len([r for r in rows if r[0] <= PERIOD_S])


def test_an_excursion_has_one_direction_and_a_gap_does_not_end_it() -> None:
    """A change of side starts a new one; silence inside is not measured time."""
    rows = [(0, 9.0), (10, 11.0), (60, 10.0), (70, 1.0), (80, 0.5), (90, 5.0), (100, 5.0)]
    found = judged([(at, value, "signed_batch") for at, value in rows]).excursions
    assert [(e.start // SECOND, e.direction, e.peak_c, e.out_us // SECOND) for e in found] == [
        (0, "high", 11.0, 10 + 20 + 10),
        (70, "low", 0.5, 20),
    ]


def test_of_several_values_at_one_instant_the_one_further_out_counts() -> None:
    """A duplicate in range does not hide one outside."""
    rows = "2026-11-18T00:00:00Z,5.0,good,signed_batch,1,1\n2026-11-18T00:00:00Z,9.0,good,signed_batch,2,1\n"
    last = "2026-11-18T00:00:00Z,5.0,good,signed_batch,3,1\n2026-11-18T00:10:00Z,5.0,good,signed_batch,3,2\n"
    content = f"{pack.CSV_HEADER}\n{rows}{last}".encode()
    start = instant(story.START)
    profile = Profile(2, 8, 0, 900 * SECOND, start, start + 600 * SECOND, ("signed_batch",))
    assert [e.peak_c for e in judge_sensor("x", memoryview(content), profile).excursions] == [9.0]


@pytest.mark.parametrize(
    "row",
    [
        "2026-11-18T00:00:00Z,5,good,c,1",
        "2026-11-18T00:00:00,5,good,c,1,1",
        "2026-11-18T00:00:00+00:00,5,good,c,1,1",
        "2026-13-18T00:00:00Z,5,good,c,1,1",
        "2026-11-18T24:00:00Z,5,good,c,1,1",
        "2026-11-18T00:00:60Z,5,good,c,1,1",
        "2026-11-18T00:00:00.5Z,5,good,c,1,1",
        "2026-11-18T00:00:00Z,+5,good,c,1,1",
        "2026-11-18T00:00:00Z,nan,good,c,1,1",
        "2026-11-18T00:00:00Z,inf,good,c,1,1",
        "2026-11-18T00:00:00Z,5_0,good,c,1,1",
        "2026-11-18T00:00:00Z,5e9,good,c,1,1",
        "2026-11-18T00:00:00Z,\u0665,good,c,1,1",
        "2026-11-18T00:00:00Z,5,good,c,1,1\r",
        ",",
        "2026-11-17T23:59:59Z,5,good,c,1,9",
        "2026-11-18T00:10:00Z,5,good,c,1,0",
    ],
)
def test_evd_08_a_row_that_could_be_read_in_two_ways_is_refused(row: str) -> None:
    """Also rows out of time order and numbers used twice."""
    start = instant(story.START)
    profile = Profile(2, 8, 0, 900 * SECOND, start, start + 600 * SECOND, ("c",))
    content = f"{pack.CSV_HEADER}\n2026-11-18T00:00:00Z,5,good,c,1,0\n{row}\n".encode()
    for data in (content, content[:-1], content[10:]):
        with pytest.raises(Refused):
            judge_sensor("readings/x.csv", memoryview(data), profile)


def result(files: dict[str, bytes], **about: Any) -> tuple[str | None, list[str]]:
    report = verify_pack(pack.build_pack(story.members(files=files, about=about)), story.trust())
    return report.verdict if report.ok else None, [str(r) for r in report.refusals]


def test_evd_09_the_worst_sensor_counts_at_each_moment() -> None:
    """One sensor's silence, and one sensor's excursion, are not covered up by another that is well."""
    well, silent = story.readings(story.STEADY), story.readings([*story.STEADY[:4], "", "", "", *story.STEADY[7:]])
    files = {"readings/a.csv": well, "readings/b.csv": silent}
    assert result(files, verdict="not_proven", in_range_min=95, not_proven_min=25) == ("not_proven", [])
    files = {"readings/a.csv": well, "readings/s1.csv": story.readings(story.WARM)}
    assert result(files, **story.WARM_CLAIM) == ("out_of_range", [])
    assert result(files)[0] is None


def test_evd_09_doubt_takes_proof_away_and_never_adds_it() -> None:
    """A stated doubt turns in-range time into not proven, for as long as it lasts."""
    files = {"readings/s1.csv": story.readings(story.STEADY)}
    doubt = {"reason": "calibration expired", "from": "2026-11-18T01:00:00Z"}
    about = {"verdict": "not_proven", "in_range_min": 60, "not_proven_min": 60, "not_proven": [doubt]}
    assert result(files, **about) == ("not_proven", [])
    assert result(files, **{**about, "in_range_min": 120, "not_proven_min": 0})[0] is None


def test_evd_09_readings_of_an_unproved_source_prove_nothing_but_can_condemn() -> None:
    """A hand reading in range leaves the time not proven; one out of range counts."""
    hand = {"readings/s1.csv": story.readings(story.STEADY, source="hand_reading")}
    assert result(hand, verdict="not_proven", in_range_min=0, not_proven_min=120) == ("not_proven", [])
    hand = {"readings/s1.csv": story.readings(story.WARM, source="hand_reading")}
    about = {**story.WARM_CLAIM, "in_range_min": 0, "not_proven_min": 100}
    assert result(hand, **about) == ("out_of_range", [])


def test_evd_09_no_readings_prove_nothing() -> None:
    """An empty pack and an empty file leave the whole period not proven."""
    about = {"verdict": "not_proven", "in_range_min": 0, "not_proven_min": 120}
    assert result({}, **about) == ("not_proven", [])
    assert result({"readings/s1.csv": story.readings([])}, **about) == ("not_proven", [])
    assert result({})[0] is None


def test_a_sensor_may_have_its_own_hold() -> None:
    """The claim lists a hold for one sensor; it is bounded like any other."""
    files = {"readings/s1.csv": story.readings(story.STEADY)}
    listed = story.claim(files)["readings"][0]
    about = {"verdict": "not_proven", "in_range_min": 60, "not_proven_min": 60}
    assert result(files, **about, readings=[{**listed, "max_hold_s": 300}]) == ("not_proven", [])
    assert result(files, readings=[{**listed, "max_hold_s": 7201}])[0] is None
