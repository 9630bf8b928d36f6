"""CSV logger files as they come: marks, quotes, line ends, units, several sensors, damage."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.adapters.ingest.csv.reader import CsvFormat
from waystation.kernel.refusals import BadInput
from waystation.telemetry.ports import LoggerFile, ReadOptions

T0 = 1767225600.0  # 2026-01-01T00:00:00Z


def read(text: str | bytes, **options: object) -> LoggerFile:
    """A table read with these options."""
    data = text if isinstance(text, bytes) else text.encode()
    return CsvFormat().read(data, ReadOptions(**options))  # type: ignore[arg-type]


def values(file: LoggerFile) -> list[float | None]:
    """The values in row order."""
    return [reading.value_c for reading in file.readings]


def test_byte_order_mark_quoted_commas_and_crlf_are_normal() -> None:
    """The three everyday oddities at once."""
    text = '\ufeffTimestamp,note,Temp_C\r\n2026-01-01 00:00,"shelf 2, left",4.5\r\n"2026-01-01T00:10:00Z",,"5.0"\r\n'
    file = read(text)
    assert [tuple(r) for r in file.readings] == [(T0, 4.5), (T0 + 600, 5.0)]
    assert (file.rows, file.row_errors) == (2, ())


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_other_separators_may_use_a_decimal_comma(delimiter: str) -> None:
    """Where the comma does not separate, it may be decimal."""
    assert values(read(f"time{delimiter}value\n2026-01-01{delimiter}4,5\n")) == [4.5]


def test_an_unquoted_decimal_comma_is_a_refused_row_never_a_cut_value() -> None:
    """4,5 in a comma table would read as 4."""
    file = read("time,value\n2026-01-01T00:00Z,4,5\n2026-01-01T00:10Z,5\n")
    assert values(file) == [5.0]
    assert [(e.line, e.reason) for e in file.row_errors] == [(2, "the row has 3 cells, the header 2")]


def test_unusable_cells_are_rows_without_value_and_damaged_rows_are_counted_with_lines() -> None:
    """Empty, NaN, --.- and ### are unusable; text, missing cells and bad times are refused."""
    rows = ["", "NaN", "--.-", "###", "abc", "4.0"]
    lines = [f"2026-01-01T00:0{i}:00Z,{cell}" for i, cell in enumerate(rows)]
    file = read("time,value\n" + "\n".join([*lines, "2026-01-01T00:07:00Z", "never,9.9", ""]))
    assert values(file) == [None, None, None, None, 4.0]
    assert [e.line for e in file.row_errors] == [6, 8, 9]
    assert file.row_errors[-1].value_c == 9.9
    assert file.rows == 8


def test_an_open_quote_does_not_swallow_the_rows_below() -> None:
    """One refused row; a quoted cell over two lines is still one row."""
    body = "\n".join(f"2026-01-01T00:{i:02d}:00Z,9.0,ok" for i in range(1, 30))
    file = read(f'time,value,note\n2026-01-01T00:00:00Z,5.0,"broken\n{body}\n')
    assert (len(file.readings), len(file.row_errors), file.rows) == (29, 1, 30)
    assert "quotes" in file.row_errors[0].reason
    two = read('time,value,note\n2026-01-01T00:00:00Z,5.0,"two\nlines"\n2026-01-01T00:01:00Z,6.0,\n')
    assert values(two) == [5.0, 6.0]


def test_tel_02_a_header_that_names_a_unit_is_obeyed_and_recorded() -> None:
    """The header beats --unit; without one --unit holds; both are said."""
    named = read("time,Temperature (°F)\n2026-01-01T00:00Z,46.4\n")
    assert values(named) == [8.0]
    assert any("°F (as its header says)" in c for c in named.corrections)
    assert any("header says °F" in n for n in named.notes)
    asked = read("time,value\n2026-01-01T00:00Z,281.15\n", unit="k")
    assert values(asked) == [8.0]
    assert any("(as asked)" in c for c in asked.corrections)
    assert values(read("time,temp_c\n2026-01-01T00:00Z,8\n", unit="f")) == [8.0]


def test_a_unit_column_is_obeyed_row_by_row() -> None:
    """Rows in Fahrenheit among rows in Celsius; a unit nobody knows is a refused row."""
    file = read("time,value,unit\n2026-01-01T00:00Z,46.4,F\n2026-01-01T00:01Z,8.0,°C\n2026-01-01T00:02Z,8.0,bar\n")
    assert values(file) == [8.0, 8.0]
    assert len(file.row_errors) == 1


def test_tel_02_times_without_offset_take_the_zone_and_offsets_beat_it() -> None:
    """What was assumed is recorded: UTC, a zone, or nothing."""
    zoned = read("time,value\n2026-07-01 02:00,5\n2026-07-01T02:00:00Z,5\n", zone=ZoneInfo("Europe/Madrid"))
    assert zoned.readings[1].at_s - zoned.readings[0].at_s == 7200
    assert zoned.time_basis == "zone"
    assumed = read("time,value\n2026-07-01 02:00,5\n")
    assert assumed.time_basis == "utc_assumed"
    assert assumed.not_checked
    exact = read("time,value\n1782000000,5\n1782000060000,5\n")
    assert [r.at_s for r in exact.readings] == [1782000000, 1782000060]
    assert exact.time_basis == "offset"


def test_an_hour_that_occurs_twice_is_said_and_one_that_does_not_exist_is_refused() -> None:
    """The refused row keeps its value, so that the verdict can name it."""
    zone = ZoneInfo("Europe/Berlin")
    twice = read("time,value\n2026-10-25 02:00,5\n2026-10-25 02:30,5\n2026-10-25 02:00,5\n", zone=zone)
    assert [r.at_s - twice.readings[0].at_s for r in twice.readings] == [0, 1800, 3600]
    assert any("occur twice" in n for n in twice.notes)
    never = read("time,value\n2026-03-29 01:30,5\n2026-03-29 02:30,12.5\n2026-03-29 03:30,5\n", zone=zone)
    assert [(e.line, e.value_c) for e in never.row_errors] == [(3, 12.5)]


def test_several_series_are_refused_unless_where_picks_one() -> None:
    """The refusal names the column; the pick leaves the others out and says how many."""
    text = "time,sensor,value\n" + "".join(f"2026-01-01T00:0{i}:00Z,{'AB'[i % 2]},{i}\n" for i in range(6))
    with pytest.raises(BadInput, match="sensor"):
        read(text)
    file = read(text, where=(("sensor", "B"),))
    assert values(file) == [1.0, 3.0, 5.0]
    assert (file.rows, file.rows_left_out) == (6, 3)
    with pytest.raises(BadInput, match="no column"):
        read(text, where=(("probe", "B"),))


def test_a_row_number_is_no_series() -> None:
    """A counter beside the readings."""
    text = "id,time,value\n" + "".join(f"{i},2026-01-01T00:0{i}:00Z,5\n" for i in range(6))
    assert len(read(text).readings) == 6


def test_day_first_dates_are_refused_rows_not_guesses() -> None:
    """10/02 may be February or October."""
    file = read("time,value\n10/02/2016 14:17:43,18.2\n")
    assert file.readings == []
    assert "day first" in file.row_errors[0].reason


def test_columns_of_other_names_are_chosen_by_name() -> None:
    """--column time=NAME, value=NAME."""
    file = read("when,probe_f\n2026-01-01T00:00Z,41\n", columns={"time": "when", "value": "PROBE_F"})
    assert values(file) == [5.0]
    with pytest.raises(BadInput, match="known as the time"):
        read("when,probe\n2026-01-01T00:00Z,41\n")


def test_utf_16_and_old_line_ends_are_read() -> None:
    """Spreadsheet exports."""
    assert values(read("time\tvalue\r\n2026-01-01T00:00Z\t4.5\r\n".encode("utf-16"))) == [4.5]
    assert values(read(b"time,value\r2026-01-01T00:00Z,4.5\r")) == [4.5]
    assert values(read(b"# export\n\ntime,Temperature (\xb0C)\n2026-01-01T00:00Z,4.5\n")) == [4.5]


def test_binary_bytes_are_not_recognised_and_empty_text_is_refused() -> None:
    """Nothing is read from noise."""
    csv = CsvFormat()
    assert not csv.recognises(bytes(range(256)), "a.csv")
    assert not csv.recognises(b"", "a.csv")
    assert csv.recognises(b"time,value\n", "a")
    with pytest.raises(BadInput, match="no lines"):
        read("\n\n")
    with pytest.raises(BadInput, match="header"):
        read('"time,value\n')


def test_progress_is_reported_on_the_way() -> None:
    """Fractions grow and stay within 1."""
    seen: list[float] = []
    text = "time,value\n" + "".join(f"{1767225600 + i},5\n" for i in range(45_000))
    CsvFormat().read(text.encode(), ReadOptions(), seen.append)
    assert len(seen) == 2
    assert seen == sorted(seen)
    assert 0 < seen[-1] <= 1


@given(st.lists(st.text(alphabet='0123456789.,;"\n\r\t -:TZ#é\x00abc', max_size=40), max_size=12))
@settings(max_examples=200, deadline=None)
def test_whatever_the_rows_hold_every_row_is_read_or_refused(lines: list[str]) -> None:
    """rows = readings + refused + left out, for any text."""
    file = read("time,value\n" + "\n".join(lines))
    assert file.rows == len(file.readings) + len(file.row_errors) + file.rows_left_out
