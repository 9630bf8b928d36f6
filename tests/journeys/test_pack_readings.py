"""The readings members of a pack, written by columns, against the same member written row by row."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from waystation.evidence.rules import pack
from waystation.journeys.pack_readings import csv_of, instants, needed
from waystation.telemetry.proving import LARGEST_C, Reason
from waystation.telemetry.rules.calibration import correction_of
from waystation.telemetry.rules.series import is_usable
from waystation.telemetry.store import columns
from waystation.telemetry.store.segments import Stored

BEGIN_US = round(START.timestamp() * 1e6)

stored = st.lists(
    st.builds(
        Stored,
        st.just("p"),
        st.sampled_from([0, 0, 60, 61, 61.25, 3599, 3600, 7200, 7201, 90000]).map(
            lambda s: BEGIN_US + round(s * 1_000_000)
        ),
        st.sampled_from([None, 5.0, 5.1, 5.1, 8.25, -40.0, 1e12, math.inf, 0.0]),
        st.sampled_from(["signed_batch", "plain_file"]),
        st.sampled_from(["gw-b", "gw-a", "gw-c"]),
        st.integers(1, 3),
        st.integers(0, 4),
        st.integers(0, 9),
        st.just(0),
    ),
    max_size=30,
)
doubts = st.lists(
    st.tuples(st.integers(-100, 7300), st.integers(1, 4000)).map(
        lambda d: Reason(START.timestamp() + d[0], START.timestamp() + d[0] + d[1], "p", "frozen")
    ),
    max_size=3,
)


def corrected(value: float | None, offset_c: float) -> float | None:
    """A stored value as it is judged; None where nothing was measured."""
    if value is None or not is_usable(value):
        return None
    return max(-LARGEST_C, min(value + offset_c, LARGEST_C))


def by_rows(
    rows: Sequence[Stored], steps: Sequence[tuple[float, float]], doubted: Sequence[Reason], uncertified: set[int]
) -> list[str]:
    """The lines of a member, each written from its row alone, with what was seen before it."""
    machines = sorted({r.machine for r in rows if r.seq})
    seen, lines = set[tuple[str, int, int]](), [pack.CSV_HEADER]
    for row in sorted(rows, key=lambda r: (r.observed_us, -(r.value or 0.0))):
        at_s = row.observed_us / 1e6
        value = corrected(row.value, next((c for from_s, c in reversed(steps) if from_s <= at_s), 0.0))
        quality = "in_doubt" if any(d.start_s <= at_s < d.end_s for d in doubted) else "good"
        quality = "no_value" if value is None else quality
        quality = "no_certificate" if row.observed_us in uncertified else quality
        lead = f"{machines.index(row.machine) + 1}." if row.seq and len(machines) > 1 else ""
        number = (row.machine, row.boot, row.seq)
        shown = f"{lead}{row.boot},{row.seq}" if row.seq and number not in seen else ","
        seen.add(number)
        at = datetime.fromtimestamp(row.observed_us // 1_000_000, UTC).replace(tzinfo=None).isoformat()
        micros = row.observed_us % 1_000_000
        lines.append(
            f"{at}{f'.{micros:06d}' if micros else ''}Z,{'' if value is None else repr(value)},{quality},"
            f"{row.source_class},{shown}"
        )
    return lines


begun = START.timestamp()
steps = st.sampled_from([[], [(begun - 9, 0.25)], [(begun + 60, -0.1)], [(begun - 9, 0.25), (begun + 61, -0.1)]])


@given(stored, steps, doubts, st.sets(st.sampled_from([BEGIN_US, BEGIN_US + 61_000_000])))
def test_evd_12_a_member_by_columns_is_byte_for_byte_the_one_by_rows(
    rows: list[Stored], steps: list[tuple[float, float]], doubted: list[Reason], uncertified: set[int]
) -> None:
    """Two gateways, boots, repeats, several values at one instant, probes, doubts, certificates: the same lines."""
    content, repeats = csv_of(columns.of_rows("p", rows), correction_of(steps), doubted, uncertified)
    assert content.decode().split("\n") == [*by_rows(rows, steps, doubted, uncertified), ""]
    numbers = [(r.machine, r.boot, r.seq) for r in rows if r.seq]
    assert repeats == len(numbers) - len(set(numbers))


def needed_by_rows(rows: Sequence[Stored], start: datetime, end: datetime, hold_s: float) -> list[Stored]:
    """The rows of the period with the moment that still covers its beginning and the one that closes it."""
    from_us, to_us = round(start.timestamp() * 1e6), round(end.timestamp() * 1e6)
    usable = [r for r in rows if r.value is not None]
    before = max((r.observed_us for r in usable if r.observed_us < from_us), default=None)
    after = min((r.observed_us for r in usable if r.observed_us > to_us), default=None)
    begins_with_one = any(r.observed_us == from_us for r in usable)
    if before is not None and (before + hold_s * 1e6 <= from_us or begins_with_one):
        before = None
    ends = (before, after)
    return [r for r in rows if from_us <= r.observed_us <= to_us or (r.value is not None and r.observed_us in ends)]


@given(stored, st.sampled_from([0, 60, 61, 100, 3600]), st.integers(1, 8000), st.sampled_from([30.0, 60.0, 3600.0]))
def test_evd_12_a_member_holds_the_period_and_the_moments_at_its_ends(
    rows: list[Stored], lead_s: int, length_s: int, hold_s: float
) -> None:
    """No more and no less than judging the period needs."""
    rows.sort(key=lambda r: r.observed_us)
    start = START + timedelta(seconds=lead_s)
    end = start + timedelta(seconds=length_s)
    found = needed(columns.of_rows("p", rows), start, end, hold_s)
    assert found.rows() == needed_by_rows(rows, start, end, hold_s)


@given(st.lists(st.integers(0, 4 * 10**15), max_size=8))
def test_instants_are_those_of_the_library(at_us: list[int]) -> None:
    """To the microsecond, from 1970 to beyond this century."""
    found = instants(columns.of_rows("p", [Stored("p", at, 5.0, "s", "m", 1, 1, 0) for at in at_us]).observed_us)
    again = [datetime.fromisoformat(text.replace("Z", "+00:00")) for text in found]
    assert [round((at - datetime(1970, 1, 1, tzinfo=UTC)) / timedelta(microseconds=1)) for at in again] == at_us
