"""Files of line protocol: escapes, precisions, several series, damage."""

from __future__ import annotations

import gzip
import json
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.adapters.ingest.line_protocol.reader import LineProtocolFormat, split_point
from waystation.kernel.refusals import BadInput
from waystation.telemetry.ports import LoggerFile, ReadOptions

T0 = 1767225600
DATA = Path(__file__).resolve().parents[4] / ".." / "shared" / "data"
CORPUS = DATA / "protocol_fixtures" / "influx_line_protocol" / "corpus.json.gz"


def read(text: str, **options: object) -> LoggerFile:
    """Points read with these options."""
    return LineProtocolFormat().read(text.encode(), ReadOptions(**options))  # type: ignore[arg-type]


def test_points_are_read_in_every_precision() -> None:
    """Seconds, milli-, micro- and nanoseconds, told by their size and said."""
    file = read("".join(f"t,sensor=a value=4.5 {T0}{zeros}\n" for zeros in ("", "000", "000000", "000000000")))
    assert {reading.at_s for reading in file.readings} == {float(T0)}
    assert "1 in ns" in file.corrections[0]


def test_escapes_and_quoted_texts_are_understood() -> None:
    """Spaces, commas and equal signs in names; strings with commas; integer and unsigned fields."""
    measurement, tags, fields, stamp = split_point(r'cold\ room,na\=me=a\,b\ c note="x, \"y\" z",value=4i 17')
    assert (measurement, tags, stamp) == ("cold room", {"na=me": "a,b c"}, "17")
    assert fields == {"note": r'"x, \"y\" z"', "value": "4i"}
    assert read(f'm,s=a value=4u {T0}\nm,s=a value="--.-" {T0 + 60}\n').readings[1].value_c is None


def test_damaged_points_are_counted_with_their_lines() -> None:
    """No fields, no timestamp, a text for a value; comments and blank lines are no rows."""
    file = read(f"# c\n\nm value=5 {T0}\nm\nm value=5\nm value=hot {T0}\nm value=5 soon\nm,a value=5 {T0}\n")
    assert [error.line for error in file.row_errors] == [4, 5, 6, 7, 8]
    assert (file.rows, len(file.readings)) == (6, 1)


def test_several_series_are_refused_unless_where_picks_one() -> None:
    """Tags and measurements tell series apart."""
    text = "".join(f"t,sensor={'ab'[i % 2]},site=x value={i} {T0 + i}\n" for i in range(4))
    with pytest.raises(BadInput, match=r"sensor \(a, b\)"):
        read(text)
    file = read(text, where=(("sensor", "b"),))
    assert [r.value_c for r in file.readings] == [1.0, 3.0]
    assert file.rows_left_out == 2
    with pytest.raises(BadInput, match="no tag"):
        read(text, where=(("probe", "b"),))
    with pytest.raises(BadInput, match="measurement"):
        read(f"a value=1 {T0}\nb value=1 {T0}\n")


def test_the_field_is_known_by_name_or_said() -> None:
    """One numeric field is taken; several unknown ones are refused; a field's name may name its unit."""
    assert read(f'm probe=5,door="open" {T0}\n').readings[0].value_c == 5.0
    assert (
        read(f"m temperature_f=46.4,humidity=40 {T0}\n", columns={"value": "temperature_f"}).readings[0].value_c == 8.0
    )
    with pytest.raises(BadInput, match="nobody said"):
        read(f"m a=1,b=2 {T0}\n")
    with pytest.raises(BadInput, match="No point has"):
        read(f"m a=1 {T0}\n", columns={"value": "z"})
    assert read(f"m a=1,b=2 {T0}\n", where=(("field", "b"),)).readings[0].value_c == 2.0


def test_only_points_are_recognised() -> None:
    """A CSV header is no point."""
    form = LineProtocolFormat()
    assert form.recognises(b"# comment\nweather,loc=a temp=5 17\n", "x")
    assert not form.recognises(b"time,value\n2026-01-01,5\n", "x")
    assert not form.recognises(b"Device: Q-tag CLm\n Vers: 1", "x")
    assert not form.recognises(b"", "x")


def test_int_05_the_published_corpus_is_decoded_and_its_errors_are_refused() -> None:
    """Every one-line case: names, tags and fields agree; what is accepted against the corpus fails on its time."""
    if not CORPUS.is_file():
        sys.stdout.write(f"did not run: {CORPUS} is absent\n")
        return
    good = bad = 0
    for case in json.loads(gzip.decompress(CORPUS.read_bytes()))["decode"].values():
        text, expected = case["input"]["text"], case["output"]
        if not isinstance(text, str) or not text.strip(" ") or "\n" in text or text[0] in "#\t":
            continue
        if "error" in expected:
            try:
                split_point(text.strip(" "))
            except ValueError:
                bad += 1
            else:
                assert "time" in expected["error"], text
                assert read(text).readings == [], text
        elif len(expected["result"]) == 1:
            point = expected["result"][0]
            measurement, tags, fields, _ = split_point(text.strip())
            assert measurement == point["name"], text
            assert tags == {tag["key"]: tag["value"] for tag in point.get("tags", [])}, text
            assert set(fields) == {field["key"] for field in point["fields"]}, text
            good += 1
    assert good > 150
    assert bad > 1000


@given(st.lists(st.text(alphabet='m,=\\" 0123.5iu\tvalue#', max_size=30), max_size=8))
@settings(max_examples=200, deadline=None)
def test_whatever_the_lines_hold_every_row_is_read_refused_or_left_out(lines: list[str]) -> None:
    """No line is lost and nothing but a refusal is raised."""
    try:
        file = read("\n".join(lines))
    except BadInput:
        return
    assert file.rows == len(file.readings) + len(file.row_errors) + file.rows_left_out
