"""Plain lines that follow the first of their series: the same readings, refusals and places as line by line."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.telemetry.samples import a_monitored_space
from tests.samples import a_sensor
from waystation.access.queries import system_authority
from waystation.registry.models import MappingRule, Sensor
from waystation.telemetry.actions.lines import Prepared, placed, prepare
from waystation.telemetry.names import Names
from waystation.telemetry.rules.plain_lines import number_of, read_lines
from waystation.telemetry.rules.points import LineError, Point, read_points

NOW_US = 1_795_000_000_000_000
NOW_S = NOW_US // 1_000_000
HEADS = [
    "temp,sensor=a",
    "temp,sensor=b,host=gw",
    "temp",
    "t,x=1,x=2",
    "#temp",
    ",a=b",
    "temp,sensor=ä",
    "t,=1",
    "t\x07",
]
FIELDS = ["value", "v", "", "a b", "va\tl"]
VALUES = [
    "5",
    "5.25",
    "-3.5",
    "+4",
    "7i",
    "-7i",
    "+7i",
    "5.5i",
    "7u",
    "1e3",
    ".5",
    "5.",
    "t",
    '"5"',
    "1e999",
    "9" * 16,
    "",
]
STAMPS = [str(NOW_S), str(NOW_S - 60), "0", "-5", "", str(NOW_S + 299), str(NOW_S + 301), "9" * 18, "1.5", "x"]
ENDS = ["", "\r", " ", "  # x"]
line = st.tuples(*(st.sampled_from(some) for some in (HEADS, FIELDS, VALUES, STAMPS, ENDS))).map(
    lambda w: f"{w[0]} {w[1]}={w[2]} {w[3]}{w[4]}"
)


@given(st.lists(st.one_of(line, st.sampled_from(["", "#", "temp,sensor=a value=5 1795000000"])), max_size=12))
def test_int_12_followers_are_the_points_that_they_would_be(lines: list[str]) -> None:
    """Each line is a point, a follower or an error as `read_points` has it; a follower is its leader, moved."""
    body = "\n".join(lines).encode()
    points, errors = read_points(body, 10**9, NOW_US)
    read = read_lines(body, 10**9, NOW_US)
    first = {p.line: p for p in read.points}
    found = {p.line: p for p in read.points}
    for number, series, value, at_us in read.followers:
        leader = first[read.leaders[series]]
        (name,) = leader.fields
        found[number] = Point(number, leader.measurement, leader.tags, {name: value}, at_us)
        assert float(number_of(value)) == float(number_of(value))
    assert found == {p.line: p for p in points}
    assert sorted(read.errors, key=_by_line) == sorted(errors, key=_by_line)


def _by_line(error: LineError) -> int:
    return error.line


def test_int_12_nearly_all_lines_of_an_agent_are_followers() -> None:
    """A thousand lines of eight series: eight points, the rest follows; one quoted text anywhere, and none does."""
    rows = [f"temp,host=gw,sensor=s{n % 8} value={5 + n % 7 / 10} {NOW_S - n}" for n in range(1000)]
    read = read_lines("\n".join(rows).encode(), 10**9, NOW_US)
    assert (len(read.points), len(read.followers)) == (8, 992)
    read = read_lines("\n".join([*rows, 'log text="a" 5']).encode(), 10**9, NOW_US)
    assert (len(read.points), len(read.followers)) == (1001, 0)


def _plain(made: Prepared) -> tuple[Counter[tuple[Any, ...]], Any]:
    rows = Counter(
        (frame.head["site"], frame.head["sensors"][code], at_us, repr(value))
        for frame in made.frames
        for code, at_us, value in zip(frame.sensor, frame.at_us, frame.value, strict=True)
    )
    return rows, made.written


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(12))
def test_int_12_the_same_readings_are_stored_whichever_way_a_line_is_read(seed: int, now: datetime) -> None:
    """Three units, a rule, an ignored series, strangers, nonsense: frames and counts are those line by line."""
    space, (celsius,) = a_monitored_space(now)
    fahrenheit, kelvin = a_sensor(space, "f"), a_sensor(space, "k")
    Sensor.objects.filter(pk=fahrenheit.pk).update(unit="F")
    Sensor.objects.filter(pk=kelvin.pk).update(unit="K")
    MappingRule.objects.create(site=space.site, measurement="mapped", tags={"host": "gw"}, field="v", sensor=celsius)
    MappingRule.objects.create(site=space.site, measurement="noise", reason="unused")
    chance, now_s = Random(seed), int(now.timestamp())
    heads = [f"temp,sensor={s.code}" for s in (celsius, fahrenheit, kelvin)]
    heads += ["mapped,host=gw", "noise,host=gw", "other,host=gw", "temp,sensor=nobody"]
    fields, values = ["value", "v", "value_f"], ["5", "46.4", "-3.25", "7i", "t", "1e1", "x", "280.15"]
    lines = [
        f"{chance.choice(heads)} {chance.choice(fields)}={chance.choice(values)} {now_s - chance.randrange(900)}"
        for _ in range(200)
    ]
    body = "\n".join(lines).encode()
    by = system_authority("test")
    points, errors = read_points(body, 10**9, round(now.timestamp() * 1e6))
    slow = placed(by, points, Names(), source_class="authenticated_connection", now=now)
    fast = prepare(by, body, Names(), precision="s", now=now)
    rows, written = _plain(fast)
    slow_rows, slow_written = _plain(slow)
    assert rows == slow_rows
    assert (written.readings, written.waiting, written.ignored) == (
        slow_written.readings,
        slow_written.waiting,
        slow_written.ignored,
    )
    assert {e.line for e in written.refused} == {e.line for e in (*errors, *slow_written.refused)}
