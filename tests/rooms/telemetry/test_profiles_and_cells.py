"""Profiles, cells, columns, local times, gzip: read exactly or refused by name."""

from __future__ import annotations

import gzip
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel.instants import instants_of
from waystation.kernel.refusals import BadInput
from waystation.telemetry.rules.cells import NoSuchTime, TimeReader, ValueReader, unit_of
from waystation.telemetry.rules.columns import Columns, SeriesWatch, choose_columns, header_unit, where_columns
from waystation.telemetry.rules.durations import RuleFold
from waystation.telemetry.rules.local_time import choose_instant, day_bounds_s, days_between
from waystation.telemetry.rules.mkt import MktSum, mkt_equal_c
from waystation.telemetry.rules.profile import DurationRule, parse_profile, parse_rule
from waystation.telemetry.rules.unpacking import unpacked

BERLIN = ZoneInfo("Europe/Berlin")
SMALLEST = {"name": "vaccine", "low_c": 2.0, "high_c": 8.0}


def test_the_smallest_profile_has_the_stated_defaults() -> None:
    """No rules, no guard band, hold from the data, MKT shown."""
    profile = parse_profile(SMALLEST)
    assert (profile.rules, profile.guard_band_c, profile.max_hold_s, profile.mkt) == ((), 0.0, None, True)
    assert not profile.is_outside(2.0)
    assert not profile.is_outside(8.0)
    assert profile.is_outside(8.000001)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"name": ""}, "name"),
        ({"name": 5}, "name"),
        ({"low_c": None}, "low_c"),
        ({"low_c": True}, "low_c"),
        ({"low_c": "two"}, "low_c"),
        ({"high_c": float("nan")}, "high_c"),
        ({"low_c": 9}, "low_c"),
        ({"guard_band_c": -1}, "guard_band_c"),
        ({"max_hold_s": 0}, "max_hold_s"),
        ({"rules": {}}, "rules"),
        ({"rules": [5]}, "rules[0]"),
        ({"rules": [{"id": "a", "op": "=", "limit_c": 1, "duration_s": 1}]}, "rules[0].op"),
        ({"rules": [{"id": "a", "op": ">", "limit_c": 1, "duration_s": -1}]}, "rules[0].duration_s"),
        ({"rules": [{"id": "a", "op": ">", "duration_s": 1}]}, "rules[0].limit_c"),
        ({"rules": [{"id": "a", "op": ">", "limit_c": 1, "duration_s": 1, "mode": "x"}]}, "rules[0].mode"),
        ({"rules": [{"id": "a", "op": ">", "limit_c": 1, "duration_s": 1}] * 2}, "rules"),
        ({"rules": [{}] * 65}, "rules"),
        ({"mkt": 5}, "mkt"),
        ({"sensor_codes": "85"}, "sensor_codes"),
    ],
)
def test_a_profile_that_cannot_be_used_is_refused_by_member(change: dict[str, object], field: str) -> None:
    """The refusal names the member and has a next step."""
    with pytest.raises(BadInput) as refused:
        parse_profile({**SMALLEST, **change})
    assert refused.value.field == field
    assert refused.value.next_step


def test_a_profile_member_nobody_knows_is_told_not_swallowed() -> None:
    """A misspelt guard band would otherwise give proofs that nobody asked for."""
    assert parse_profile({**SMALLEST, "guard_band": 0.5, "source": "WHO"}).not_understood == ("guard_band",)
    with pytest.raises(BadInput):
        parse_profile([])


def test_rules_read_limits_as_text_or_number() -> None:
    """The known-answer cases write limits as text."""
    rule = parse_rule({"id": "who-low", "op": "<=", "limit_c": "-0.5", "duration_s": 3600, "mode": "single_event"})
    assert (rule.limit_c, rule.is_warm_side) == (-0.5, False)


@pytest.mark.parametrize("text", ["", "  ", "NaN", "nan", "--.-", "-", "###", "##.#", "null", "N/A"])
def test_cells_without_a_measurement_are_unusable_not_refused(text: str) -> None:
    """They count as rows and as nothing else."""
    assert ValueReader("c").read(text) is None


@pytest.mark.parametrize("text", ["abc", "1_0", "4.5.6", "inf", "1e999", "٣", "4,5", "5 apples", "0x10", "\x00"])
def test_cells_that_are_no_number_are_refused_with_the_cell(text: str) -> None:
    """Python would read some of them; a logger did not write them."""
    with pytest.raises(ValueError, match="value"):
        ValueReader("c").read(text)


def test_values_convert_in_decimals() -> None:
    """Limits stay inclusive in Fahrenheit and kelvin."""
    assert ValueReader("f").read("46.4") == 8.0
    assert ValueReader("f").read("35.6") == 2.0
    assert ValueReader("k").read("281.15") == 8.0
    assert ValueReader("c").read("+4.5 °C") == 4.5
    assert ValueReader("c").read("41F") == 5.0
    assert ValueReader("c").read("41", "f") == 5.0
    assert ValueReader("c", decimal_comma=True).read("4,5") == 4.5
    assert str(ValueReader("c").read("-0.0")) == "0.0"
    assert [unit_of(t) for t in ("°F", "kelvin", "C", "deg C")] == ["f", "k", "c", "c"]
    with pytest.raises(ValueError, match="unit"):
        unit_of("bar")


def test_declared_sensor_codes_are_unusable_and_undeclared_ones_are_values() -> None:
    """Only a code that somebody declared is no measurement."""
    assert ValueReader("c", ("-127", "ERR")).read("-127.0") is None
    assert ValueReader("c", ("-127", "ERR")).read("err") is None
    assert ValueReader("c").read("-127") == -127.0


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1700000000", 1700000000.0),
        ("1700000000.5", 1700000000.5),
        ("1700000000500", 1700000000.5),
        ("2023-11-14T22:13:20Z", 1700000000.0),
        ("2023-11-14 22:13:20+00:00", 1700000000.0),
        ("2023-11-14T23:13:20 +01:00", 1700000000.0),
        ("2023-11-14 22:13:20 UTC", 1700000000.0),
        ("2023/11/14 22:13:20", 1700000000.0),
        (" 2023-11-14 22:13:20 ", 1700000000.0),
    ],
)
def test_times_are_read_in_every_plain_form(text: str, expected: float) -> None:
    """ISO 8601 with and without offset, Unix seconds and milliseconds."""
    assert TimeReader(None).read(text) == expected


@pytest.mark.parametrize("text", ["", "10/02/2016 14:17", "1700000000000000000", "yesterday", "2026-02-30", "-5"])
def test_times_that_leave_doubt_are_refused(text: str) -> None:
    """Day first or month first is never guessed."""
    with pytest.raises(ValueError, match="time"):
        TimeReader(None).read(text)


def test_an_hour_that_occurs_twice_is_placed_by_row_order() -> None:
    """The earlier one, unless that is not later than the row before; said by the count."""
    times = TimeReader(BERLIN)
    walls = ["2026-10-25 02:30", "2026-10-25 02:45", "2026-10-25 02:30", "2026-10-25 02:45", "2026-10-25 03:00"]
    found = [times.read(wall) for wall in walls]
    assert [b - a for a, b in pairwise(found)] == [900, 2700, 900, 900]
    assert times.repeated == 4
    assert times.read("2026-10-25T02:30:00+01:00") == found[2]


def test_an_hour_that_does_not_exist_is_refused() -> None:
    """Clocks skip 02:30 on the spring day; the earlier and later hours are there."""
    times = TimeReader(BERLIN)
    with pytest.raises(NoSuchTime, match="does not exist"):
        times.read("2026-03-29 02:30")
    assert times.read("2026-03-29 03:00") - times.read("2026-03-29 01:00") == 3600


@given(st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1)))  # noqa: DTZ001
def test_every_instant_is_among_those_of_its_wall_clock(utc: datetime) -> None:
    """Round trip over ten years of clock changes; at most two instants, ascending."""
    moment = utc.replace(tzinfo=UTC)
    wall = moment.astimezone(BERLIN).replace(tzinfo=None)
    found = instants_of(wall, BERLIN)
    assert moment.timestamp() in found
    assert list(found) == sorted(set(found))
    assert len(found) <= 2
    assert choose_instant(found, None) == found[0]


@given(st.dates(date(2020, 1, 1), date(2030, 1, 1)))
def test_days_follow_one_another_without_holes(day: date) -> None:
    """The end of a day is the start of the next; lengths are 23, 24 or 25 hours."""
    start, end = day_bounds_s(day, BERLIN)
    assert end == day_bounds_s(day + timedelta(days=1), BERLIN)[0]
    assert end - start in (82800, 86400, 90000)
    assert [d for d, _, _ in days_between(start, end - 1, BERLIN)] == [day]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("Temperature (°F)", ("temperature", "f")),
        ("temperature_f", ("temperature", "f")),
        ("temp_c", ("temp", "c")),
        ("Temperature [K]", ("temperature", "k")),
        ("Temperature (∘C)", ("temperature", "c")),
        ("temperature °C", ("temperature", "c")),
        ("Temperature (deg C)", ("temperature", "c")),
        ("temp fahrenheit", ("temp", "f")),
        ("value", ("value", None)),
        ("topic", ("topic", None)),
        ("\ufeffvalue", ("value", None)),
    ],
)
def test_headers_name_their_unit(name: str, expected: tuple[str, str | None]) -> None:
    """Brackets, suffixes and degree signs; a word that ends in c is no unit."""
    assert header_unit(name) == expected


def test_columns_are_found_or_the_refusal_lists_them() -> None:
    """Recognised names, a header's unit over the asked one, date beside time, doubt refused."""
    assert choose_columns(["x", "Timestamp", "temp_f"], {}, "c") == Columns(1, 2, "f", True)
    assert choose_columns(["date", "time", "value"], {}, "k", ["2026-01-01", "10:00", "5"]).clock == 1
    assert choose_columns(["a", "b"], {"time": "A", "value": "b"}, "f") == Columns(0, 1, "f", False)
    for header in (["time", "pressure"], ["temp_c", "x"], ["time", "temp_c", "value"], ["time", "timestamp", "value"]):
        with pytest.raises(BadInput, match=r"columns?") as refused:
            choose_columns(header, {}, "c")
        assert "--column" in refused.value.next_step
        assert header[1] in str(refused.value)
    with pytest.raises(BadInput, match="no column 'z'"):
        where_columns(["a"], [("z", "1")])


def test_series_are_told_apart_by_name_or_by_differing_at_one_instant() -> None:
    """Sensor columns, unnamed text columns that differ at the same instants; not row numbers, marks or humidity."""
    header = ["time", "value", "sensor", "wall", "no id", "status", "rh"]
    watch = SeriesWatch(header, Columns(0, 1, "c", False))
    for i in range(20):
        watch.see(["", "", "ab"[i % 2], "NS"[i % 2], str(i), "ok" if i else "low", f"4{i}.5"], float(i // 2))
    assert set(watch.apart()) == {"sensor", "wall"}
    with pytest.raises(BadInput, match="several series") as refused:
        watch.refuse_several()
    assert '--where "sensor=a"' in refused.value.next_step


def test_gzip_is_opened_within_limits() -> None:
    """Plain bytes pass; many members are one text; bombs and torn archives are refused."""
    assert unpacked(b"plain") == b"plain"
    assert unpacked(gzip.compress(b"a" * 10) + gzip.compress(b"b")) == b"a" * 10 + b"b"
    with pytest.raises(BadInput, match="unpacks to"):
        unpacked(gzip.compress(b"0" * 3_000_000), most_bytes=2_000_000)
    with pytest.raises(BadInput, match="unpacks to"):
        unpacked(gzip.compress(b"0" * 9_000_000), most_ratio=100)
    for torn in (gzip.compress(b"text" * 100)[:-9], gzip.compress(b"x") + b"rest", b"\x1f\x8bnonsense"):
        with pytest.raises(BadInput, match="cannot be opened"):
            unpacked(torn)


@given(st.lists(st.tuples(st.floats(-80, 60), st.floats(1, 7200)), min_size=1, max_size=8), st.integers(0, 8))
def test_mkt_lies_between_mean_and_maximum_and_merges(items: list[tuple[float, float]], cut: int) -> None:
    """Hot time weighs more; a sum split in two and merged is the same sum."""
    whole, left, right = MktSum(), MktSum(), MktSum()
    for i, (value, weight) in enumerate(items):
        whole.add(value, weight)
        (left if i < cut else right).add(value, weight)
    left.merge(right)
    mean, mkt, merged = whole.mean_c(), whole.mkt_c(), left.mkt_c()
    assert mean is not None
    assert mkt is not None
    assert merged is not None
    assert mean - 1e-6 <= mkt <= max(v for v, _ in items) + 1e-6
    assert abs(mkt - merged) < 1e-9
    assert mkt_equal_c([]) is None


def test_a_cumulative_rule_alarms_once_and_starts_at_the_first_reading_counted() -> None:
    """Ten minutes in two pieces; the gap inside a run counts in the worst case only."""
    fold = RuleFold(DurationRule("sum", ">", 8.0, 600, "cumulative"))
    fold.step(0, 300, 9.0, 9.0)
    fold.step(300, 600, 5.0, 5.0)
    fold.step(600, 800, 9.0, 9.0)
    fold.step(900, 1200, 9.0, 9.0)
    judged = fold.judgement()
    assert (judged.start_s, judged.alarm_at_s, judged.worst_case_alarm_at_s) == (0, 1000, 900)
    assert judged.cumulative_s == 800
