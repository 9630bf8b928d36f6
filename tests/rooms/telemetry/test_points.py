"""Line protocol as it is written: lines become points; one that is none is named and takes no other with it."""

from __future__ import annotations

import gzip
import json
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import SHARED
from waystation.telemetry.rules.points import PRECISIONS, read_points

NOW_US = 1_795_000_000_000_000
CORPUS = SHARED / "protocol_fixtures" / "influx_line_protocol" / "corpus.json.gz"
NAMES = st.text("abcxyz éß,= _-0", min_size=1, max_size=12).filter(lambda t: t.strip() == t and t[0] != "_")
NUMBERS = st.floats(allow_nan=False, allow_infinity=False, width=32)
LINES = st.lists(st.tuples(NAMES, st.dictionaries(NAMES, NAMES, max_size=3), NAMES, NUMBERS), min_size=1, max_size=8)


def _escaped(text: str, marks: str) -> str:
    for mark in marks:
        text = text.replace(mark, f"\\{mark}")
    return text


def _written(measurement: str, tags: dict[str, str], field: str, value: float, stamp: int) -> str:
    """An encoder of our own, from the protocol's description."""
    head = _escaped(measurement, ", ") + "".join(
        f",{_escaped(key, ', =')}={_escaped(held, ', =')}" for key, held in tags.items()
    )
    return f"{head} {_escaped(field, ', =')}={value!r} {stamp}"


@given(LINES, st.integers(1, NOW_US // 1_000_000))
def test_int_05_what_was_encoded_is_read_back(lines: list[tuple[str, dict[str, str], str, float]], at_s: int) -> None:
    """Measurement, tags, field, value and instant of every line, whatever letters stand in the names."""
    body = "\n".join(_written(*line, at_s + n) for n, line in enumerate(lines)).encode()
    points, errors = read_points(body, 10**9, NOW_US + len(lines) * 1_000_000)
    assert errors == []
    assert [(p.measurement, dict(p.tags)) for p in points] == [(m, t) for m, t, _, _ in lines]
    assert [p.at_us for p in points] == [(at_s + n) * 1_000_000 for n in range(len(lines))]
    for point, (_, _, field, value) in zip(points, lines, strict=True):
        assert list(point.fields) == [field]
        assert float(point.fields[field]) == value


@given(st.lists(st.booleans(), min_size=1, max_size=30))
def test_int_05_a_broken_line_takes_no_other_with_it(good: list[bool]) -> None:
    """Exactly the broken lines are named, by their numbers; every other is a point."""
    lines = [f"t v={n} {n + 1}" if ok else "t v=" for n, ok in enumerate(good)]
    points, errors = read_points("\n".join(lines).encode(), 1000, NOW_US)
    assert [p.line for p in points] == [n + 1 for n, ok in enumerate(good) if ok]
    assert [e.line for e in errors] == [n + 1 for n, ok in enumerate(good) if not ok]
    assert all("v" in e.reason for e in errors)


@given(st.binary(max_size=400))
def test_int_05_no_bytes_break_the_reader(body: bytes) -> None:
    """Whatever comes: points and named lines, each line at most once, and no other failure."""
    points, errors = read_points(body, 1, NOW_US)
    numbers = [p.line for p in points] + [e.line for e in errors]
    assert len(numbers) == len(set(numbers))
    assert all(1 <= n <= body.count(b"\n") + 1 for n in numbers)


@pytest.mark.parametrize(
    ("precision", "stamp", "at_us"),
    [
        ("ns", 1_700_000_000_123_456_789, 1_700_000_000_123_456),
        ("", 1_700_000_000_000_000_000, 1_700_000_000_000_000),
        ("us", 1_700_000_000_123_456, 1_700_000_000_123_456),
        ("u", 1_700_000_000_123_456, 1_700_000_000_123_456),
        ("ms", 1_700_000_000_123, 1_700_000_000_123_000),
        ("s", 1_700_000_000, 1_700_000_000_000_000),
        ("m", 28_333_333, 1_699_999_980_000_000),
        ("h", 472_222, 1_699_999_200_000_000),
    ],
)
def test_int_05_a_timestamp_is_read_in_the_precision_that_was_said(precision: str, stamp: int, at_us: int) -> None:
    """Both versions' spellings; what is finer than a microsecond is cut, never rounded up."""
    ((point,), errors) = read_points(f"t v=1 {stamp}".encode(), PRECISIONS[precision], NOW_US)
    assert (point.at_us, errors) == (at_us, [])


def test_int_05_a_point_without_a_timestamp_happened_when_it_came() -> None:
    """The receiver's instant."""
    ((point,), _) = read_points(b"t v=1", 1, NOW_US)
    assert point.at_us == NOW_US


@pytest.mark.parametrize(("precision", "stamp"), [("ms", 253402300799001), ("s", 9999999999999999999)])
def test_int_05_a_timestamp_past_the_year_9999_is_of_another_precision(precision: str, stamp: int) -> None:
    """Said as what it most likely is; what a wrong clock may say is a point."""
    _, (error,) = read_points(f"t v=1 {stamp}".encode(), PRECISIONS[precision], NOW_US)
    assert "9999; is the precision right?" in error.reason
    (point,), _ = read_points(b"t v=1 9999999999999999999", 1, NOW_US)
    assert point.at_us == 9999999999999999


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (b"t v=1 -5", "1970"),
        (b"t v=1 0", "1970"),
        (b"t v=1 12a", "whole number"),
        (b"t v=1 1 2", "whole number"),
        (b"t v=\xff 5", "UTF-8"),
        (b"t,a=1,a=2 v=1 5", "twice"),
        (b"t,a v=1 5", "name=value"),
        (b",a=1 v=1 5", "measurement"),
        (b"t", "no fields"),
        (b'x n="abc', "does not close"),
        (b"x n=1e999 5", "number of its kind"),
        (b"x n=12u8 5", "value"),
        (b"x " + b"n" * 1_000_001 + b"=1", "characters"),
    ],
)
def test_int_05_a_line_that_is_none_says_why(line: bytes, why: str) -> None:
    """The reason names what is wrong with it; the line after it stands."""
    points, errors = read_points(line + b"\nt v=2 5000", 1, NOW_US)
    assert [p.line for p in points] == [2]
    assert errors[0].line == 1
    assert why in errors[0].reason


def test_int_05_a_quoted_text_may_run_over_lines() -> None:
    """It is one line with one number; the next point keeps its own number."""
    body = b'log m="first\nsecond, third=4",v=1 5000\nt v=2 6000'
    points, errors = read_points(body, 1, NOW_US)
    assert errors == []
    assert [(p.line, p.at_us) for p in points] == [(1, 5), (3, 6)]
    assert points[0].fields == {"m": '"first\nsecond, third=4"', "v": "1"}


def test_int_05_a_quote_that_never_closes_swallows_nothing() -> None:
    """Only its own line is refused, though any number of good ones follow."""
    body = b'log m="never\n' + b"\n".join(b"t v=%d %d" % (n, n * 1000 + 1000) for n in range(50))
    points, errors = read_points(body, 1, NOW_US)
    assert [e.line for e in errors] == [1]
    assert len(points) == 50


def test_int_05_comments_and_empty_lines_are_nothing() -> None:
    """They are neither points nor refused, and they count as lines."""
    points, errors = read_points(b"\xef\xbb\xbf# a comment\r\n\r\n  \r\nt v=1 5000\r\n", 1, NOW_US)
    assert [p.line for p in points] == [4]
    assert errors == []


def test_int_05_the_published_corpus_of_bodies_is_taken_as_it_says() -> None:
    """Every case that decodes gives its points in order; only instants outside 1970 to 9999 are refused."""
    if not CORPUS.is_file():
        sys.stdout.write(f"did not run: {CORPUS} is absent\n")
        return
    good = several = 0
    for case in json.loads(gzip.decompress(CORPUS.read_bytes()))["decode"].values():
        text, expected = case["input"]["text"], case["output"]
        if not isinstance(text, str) or "error" in expected or "\r" in text:
            continue
        points, errors = read_points(text.encode(), 1, 2**62)
        assert all("1970" in e.reason for e in errors), (text, errors)
        assert len(points) + len(errors) == len(expected["result"]), text
        kept = [r["name"] for r in expected["result"]] if not errors else [p.measurement for p in points]
        assert [p.measurement for p in points] == kept, text
        good += 1
        several += len(points) > 1
    assert good > 150
    assert several
