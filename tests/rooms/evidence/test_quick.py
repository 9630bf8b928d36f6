"""The product's own quick reading of a readings member finds what the verifier that travels in a pack finds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.evidence.quick import _NotPlain, _read, judge_quickly, usable_readings
from waystation.evidence.rules.pack import CSV_HEADER
from waystation.evidence.verifier.strict import Refused
from waystation.evidence.verifier.verdict import Profile, judge_sensor, read_rows

BEGIN_US = 1_795_000_000_000_000
PROFILE = Profile(2.0, 8.0, 0.5, 900_000_000, BEGIN_US, BEGIN_US + 7_200_000_000, ("signed_batch",))
NAME = "readings/p.csv"

VALUES = ["5.0", "5.0", "5.25", "", "8.0", "7.5", "8.0000001", "1.9", "-40.0", "1e-05", "123456789.5", "0.1", "5"]
STEPS_US = [60_000_000, 60_000_000, 60_000_000, 900_000_000, 900_000_001, 1, 0, 5_000_000_000]
line = st.tuples(
    st.integers(1, 30),
    st.sampled_from(STEPS_US),
    st.sampled_from(VALUES),
    st.sampled_from(["good", "good", "in_doubt"]),
    st.sampled_from(["signed_batch", "signed_batch", "plain_file"]),
    st.sampled_from(["1", "1", "2", "1.1"]),
)


def member(lines: list[Any], lead_us: int = 0) -> bytes:
    """A member of runs of readings: how many, how far apart, and what each says."""
    at_us, number, text = BEGIN_US + lead_us, 0, [CSV_HEADER]
    for count, step_us, value, quality, source, boot in lines:
        for _ in range(count):
            at_us, number = at_us + step_us, number + 1
            second, micros = divmod(at_us, 1_000_000)
            at = datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
            shown = "," if number % 11 == 0 else f"{boot},{number}"
            text.append(f"{at}{f'.{micros:06d}' if micros else ''}Z,{value},{quality},{source},{shown}")
    return ("\n".join(text) + "\n").encode()


def said(judge: Any, content: bytes, *more: Any) -> Any:
    """What a judge finds, or what it refuses."""
    try:
        return judge(NAME, memoryview(content), *more)
    except Refused as refused:
        return str(refused)


@settings(max_examples=200)
@given(st.lists(line, max_size=10), st.sampled_from([0, -600_000_000, 400_000]), st.booleans(), st.booleans())
def test_evd_09_the_quick_judge_finds_what_the_one_file_finds(
    lines: list[Any], lead_us: int, only_good: bool, short: bool
) -> None:
    """Every span, count and excursion: gaps, doubled instants, unusable rows, guard band, sources, any period."""
    content = member(lines, lead_us)
    profile = replace(PROFILE, end=BEGIN_US + 600_000_000) if short else PROFILE
    assert said(judge_quickly, content, profile, only_good) == said(judge_sensor, content, profile, only_good)


@settings(max_examples=400)
@given(
    st.lists(line, min_size=1, max_size=4),
    st.integers(0, 10**9),
    st.sampled_from([b"", b"0", b"9", b",", b"\n", b"-", b".", b"e", b"\xc3", b" ", b"\r", b"Z", b"T", b"+", b"\x00"]),
    st.booleans(),
)
def test_evd_08_a_damaged_member_is_refused_alike_or_read_alike(
    lines: list[Any], place: int, put: bytes, instead: bool
) -> None:
    """A byte put in, taken out or changed: never is one judge content where the other is not."""
    content = member(lines)
    at = place % len(content)
    damaged = content[:at] + put + content[at + (1 if instead or not put else 0) :]
    assert said(judge_quickly, damaged, PROFILE) == said(judge_sensor, damaged, PROFILE)


@given(st.lists(line, max_size=6))
def test_evd_12_usable_readings_are_those_of_the_rows(lines: list[Any]) -> None:
    """Instant and value, plain or not; what cannot be read is refused alike."""
    content = member(lines)
    rows = said(lambda name, held: [row[:2] for row in read_rows(name, held)], content)
    pairs = said(lambda name, held: [list(map(list, usable_readings(name, held)))], content)
    if isinstance(rows, str):
        assert pairs == rows
    else:
        assert pairs == [[[at for at, _ in rows], [value for _, value in rows]]]


def test_a_plain_month_is_read_by_columns() -> None:
    """The quick way is taken where it can be: a day of a fridge by the minute, with what a day brings."""
    content = member(
        [(700, 60_000_000, "5.25", "good", "signed_batch", "1"), (5, 60_000_000, "", "no_value", "s", "2")]
    )
    rows = _read(memoryview(content), only_good=False)
    assert (len(rows.at_us), set(rows.value_c.tolist())) == (700, {5.25})


@pytest.mark.parametrize(
    "row",
    [
        "2026-11-18T00:00:00Z,1e-05,good,s,1,1",
        "2026-11-18T00:00:00Z,5.0,good,s,1,01",
        "2026-11-18T00:60:00Z,5.0,good,s,1,1",
        "2026-13-18T00:00:00Z,5.0,good,s,1,1",
        "2026-11-18T00:00:00+,5.0,good,s,1,1",
        "2026-11-18T00:00:00.5Z,5.0,good,s,1,1",
        "2026-11-18T00:00:00Z,5.,good,s,1,1",
        "2026-11-18T00:00:00Z,.5,good,s,1,1",
        "2026-11-18T00:00:00Z,5.0,good,s,1,1234567890123456789",
        "2026-11-18T00:00:00Z,5.0,good,s,1,1,",
        "2026-11-18T00:00:00Z,1234567890.0,good,s,1,1",
    ],
)
def test_evd_08_what_is_not_plain_is_left_to_the_slow_way(row: str) -> None:
    """An exponent, a leading zero, a time that does not exist, a width that does not fit."""
    with pytest.raises(_NotPlain):
        _read(memoryview(f"{CSV_HEADER}\n{row}\n".encode()), only_good=False)
