"""Candidates on one axis: the line at the limit is at one place in every row, and nothing leaves the picture."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from waystation.console.drawing.lanes import LEFT, LONGEST, RIGHT, axis_of, header, lane
from waystation.console.told import WORDS, told
from waystation.incidents.queries import Moment

NOW = datetime(2026, 11, 18, 2, 12, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Madrid")
minutes = st.integers(1, 5000)


def at(minute: int) -> datetime:
    return NOW + timedelta(minutes=minute)


@given(st.lists(minutes, max_size=8), st.none() | minutes, st.none() | minutes)
def test_an_axis_holds_the_limit_and_all_that_ends_soon(ends: list[int], limit: int | None, likely: int | None) -> None:
    """Everything within fourteen hours fits; what is later is cut at the edge."""
    worst, probable = (at(limit) if limit else None), (at(likely) if likely else None)
    axis = axis_of(NOW, [at(e) for e in ends], ZONE, worst, probable)
    near = [at(e) for e in ends if at(e) <= NOW + LONGEST]
    assert axis.end >= max([*near, NOW + timedelta(hours=1)])
    assert axis.end - NOW <= LONGEST * 1.05
    drawn = lane([("travel", NOW, at(max(ends, default=5)))], axis)
    places = [float(x) for x in re.findall(r' x="([\d.]+)"', drawn)]
    assert all(0 <= x <= RIGHT for x in places)


@given(st.lists(minutes, min_size=1, max_size=5), minutes)
def test_the_limit_stands_at_one_place_in_every_row(ends: list[int], limit: int) -> None:
    """Refused rows keep the axis too."""
    axis = axis_of(NOW, [at(e) for e in ends], ZONE, at(limit), None)
    rows = [lane([("travel", NOW, at(e))], axis) for e in ends] + [lane([], axis)]
    lines = {re.search(r'class="st-out"[^>]*d="(M[\d.]+ )', row)[1] for row in rows}  # type: ignore[index]
    assert len(lines) == 1


def test_a_bar_beyond_the_axis_ends_in_an_arrow() -> None:
    """The eye is told that it goes on."""
    axis = axis_of(NOW, [at(60)], ZONE, at(86), None)
    assert "l7 6-7 6z" in lane([("prepare", NOW, at(3000))], axis)
    assert "l7 6-7 6z" not in lane([("prepare", NOW, at(60))], axis)


def test_the_header_names_the_limit_in_local_time() -> None:
    """04:38 in the small hours, Madrid time... and now stands at the left."""
    text = header(axis_of(NOW, [at(185)], ZONE, at(86), at(112)))
    assert "limit 04:38" in text
    assert f'x="{LEFT}"' in text


def test_an_unknown_limit_draws_no_line() -> None:
    """Nothing is invented."""
    assert "st-out" not in lane([("travel", NOW, at(30))], axis_of(NOW, [at(30)], ZONE, None, None))


def test_every_kind_has_words_even_with_nothing_said() -> None:
    """A line is never empty, and a kind without words of its own says its name."""
    for kind in [*WORDS, "fleet.drift_seen"]:
        line = told(Moment(NOW, kind, "x", {"level": 1, "rule": "rising"}, 7))
        assert (line.strong + line.words).strip()
        assert line.entry_seq == 7
    assert told(Moment(NOW, "fleet.drift_seen", "x", {}, 7)).words == "fleet: drift seen"
