"""Reading and judging by columns says what reading and judging row by row say."""

from __future__ import annotations

import math
from dataclasses import fields
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.telemetry.samples import a_monitored_space, deliver
from waystation.access.queries import system_authority
from waystation.telemetry import reader, stores
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.engine import Engine
from waystation.telemetry.folding import FEWEST, judge_columns
from waystation.telemetry.rules.batch import BatchReading
from waystation.telemetry.rules.profile import DurationRule, Profile
from waystation.telemetry.rules.series import Reading
from waystation.telemetry.rules.verdict import SensorJudgement, judge_sensor
from waystation.telemetry.store import columns, segments
from waystation.telemetry.store.segments import Stored

MACHINES = ("gw-a", "gw-b")
RULES = (
    DurationRule("hot", ">", 8.0, 600),
    DurationRule("warm", ">=", 5.0, 3600, "cumulative"),
    DurationRule("freeze", "<=", 2.1, 300),
)

rows = st.lists(
    st.builds(
        Stored,
        st.just("p"),
        st.sampled_from([0, 1, 60, 61, 120, 3600]),
        st.sampled_from([None, 5.0, 5.0, 8.1, 0.0, -0.0, math.inf]),
        st.sampled_from(["signed_batch", "plain_file"]),
        st.sampled_from(MACHINES),
        st.integers(1, 2),
        st.integers(0, 3),
        st.integers(0, 3),
        st.just(0),
    ),
    max_size=30,
)


@given(rows)
def test_columns_in_order_are_the_rows_in_order(found: list[Stored]) -> None:
    """Sorted, each (instant, value) once, the earliest received stays: as for rows."""
    assert _keys(columns.of_rows("p", found).in_order().rows()) == _keys(segments.in_order(found))


def _keys(found: list[Stored]) -> list[Any]:
    """Rows for comparing; two of one instant, value, time of arrival and number are the same to judging."""
    return [(r.observed_us, r.value, r.received_us, r.seq) for r in found]


@given(rows, rows)
def test_columns_come_back_as_the_rows_that_they_were_made_of(first: list[Stored], second: list[Stored]) -> None:
    """One by one, and joined from two parts with source classes and machines of their own."""
    whole = columns.joined(columns.of_rows("p", first), columns.of_rows("p", second))
    assert whole.rows() == [*first, *second]


values = st.sampled_from([5.0, 5.25, 2.0, 8.0, 2.4, 7.6, 8.0000001, 1.9, -300.0, 12.5, math.nan, math.inf])
strokes = st.tuples(
    st.integers(1, 90), st.sampled_from([60.0, 60.0, 60.0, 0.0, 1.0, 899.9, 900.0, 900.1, 5000.0]), values
)


@settings(max_examples=300)
@given(
    st.lists(strokes, min_size=1, max_size=9),
    st.sampled_from([0.0, 0.5]),
    st.booleans(),
    st.sampled_from([900.0, 60.0]),
    st.integers(-2000, 4000),
    st.integers(0, 30000),
)
def test_tel_04_a_history_judged_by_columns_is_judged_as_reading_by_reading(
    history: list[Any], guard_c: float, with_rules: bool, hold_s: float, lead_s: int, length_s: int
) -> None:
    """Gaps, doubled instants, unusable values, guard band, rules, excursions, any period: the same in every field."""
    at_s, readings = 1.7e9, list[Reading]()
    for count, step_s, value in [(FEWEST, 60.0, 5.0), *history, (3, 60.0, 5.0)]:
        for number in range(count):
            at_s += step_s
            readings.append(Reading(at_s, value + (0.01 * (number % 3) if value == 5.0 else 0.0)))
    profile = Profile("vaccine", 2.0, 8.0, RULES if with_rules else (), None, guard_c)
    from_s = 1.7e9 + lead_s
    to_s = from_s + length_s
    slow = judge_sensor(readings, profile, hold_s, from_s, to_s)
    quick = judge_columns(
        np.array([r.at_s for r in readings]),
        np.array([r.value_c for r in readings], dtype=np.float64),
        profile,
        hold_s,
        from_s,
        to_s,
    )
    assert _plain(quick) == _plain(slow)
    assert quick.mean_c == pytest.approx(slow.mean_c, abs=1e-9)
    assert quick.mkt_c == pytest.approx(slow.mkt_c, abs=1e-9)


def _plain(judged: SensorJudgement) -> dict[str, Any]:
    return {f.name: getattr(judged, f.name) for f in fields(judged) if f.name != "kinetic"}


def test_instants_in_any_order_are_judged_in_order_of_time() -> None:
    """What arrived late stands where it belongs."""
    at_s = np.arange(FEWEST * 2, dtype=np.float64) * 60.0
    value_c = np.where(np.arange(FEWEST * 2) == 77, 9.0, 5.0)
    order = np.random.default_rng(7).permutation(len(at_s))
    profile = Profile("vaccine", 2.0, 8.0)
    found = judge_columns(at_s[order], value_c[order], profile, 900.0, 0.0, float(at_s[-1]))
    assert _plain(found) == _plain(judge_columns(at_s, value_c, profile, 900.0, 0.0, float(at_s[-1])))
    assert [e.start_s for e in found.excursions] == [77 * 60.0]


@pytest.mark.django_db
def test_tel_04_a_store_read_by_columns_holds_what_it_holds_by_rows(folder: Path, now: datetime) -> None:
    """Segments, late readings, repeats and the log's tail, of several sensors, cut at both ends."""
    space, sensors = a_monitored_space(now, probes=3)
    begin_us = round(now.timestamp() * 1e6)
    by = system_authority("test")
    for hour in range(3):
        for number, sensor in enumerate(sensors):
            readings = [
                BatchReading(sensor.code, begin_us + (hour * 60 + m) * 60_000_000, None if m == 7 else 5.0 + m, m + 1)
                for m in range(0, 60, 1 + number)
            ]
            late = [BatchReading(sensor.code, begin_us + 90_000_000, 9.0, 100 + hour)]
            deliver(space, readings + late, now + timedelta(hours=hour + 1))
        if hour < 2:
            Engine().judge(by, Engine().waiting(), now=now + timedelta(hours=hour + 1))
            stores.log().rotate()
            seal(by, now=now + timedelta(hours=hour + 1))
    codes = [s.code for s in sensors[:2]]
    for cut_us in (0, 90_000_000, 3_600_000_000):
        asked = space.site_id, codes, begin_us + cut_us, begin_us + 9_000_000_000
        by_rows, by_columns = reader.readings(*asked), reader.by_columns(*asked)
        assert [row for code in sorted(by_columns) for row in by_columns[code].rows()] == by_rows
        assert {row.sensor for row in by_rows} == set(codes)
