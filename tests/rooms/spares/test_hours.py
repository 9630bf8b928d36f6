"""Opening hours: right in every zone, over every change of daylight-saving time."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.spares.rules import hours as h

ZONES = ("Europe/Madrid", "America/Havana", "America/Santiago", "Australia/Lord_Howe", "Asia/Kolkata", "UTC")
instants = st.integers(0, 3 * 365 * 86400).map(lambda s: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=s))
zones = st.sampled_from(ZONES)
spans = st.builds(
    lambda day, opens, length: h.Span(day, opens, opens + length),
    st.integers(0, 6),
    st.integers(0, 1439),
    st.integers(1, 1440),
)
weeks = st.builds(h.WeeklyHours, zones, st.lists(spans, min_size=1, max_size=8).map(tuple))


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@settings(max_examples=60, deadline=None)
@given(weeks, instants)
def test_hub_10_the_next_opening_is_open_and_nothing_before_it_is(week: h.WeeklyHours, at: datetime) -> None:
    """Between the instant asked and the answer no minute is open."""
    found = h.next_open(week, at)
    if found is None:  # the only span of the week may vanish in a change of the clock, but never for three weeks
        pytest.fail("a week with a span opens within three weeks")
    assert found >= at
    assert h.is_open(week, found)
    assert h.open_between(week, at, found) == ()


@settings(max_examples=60, deadline=None)
@given(weeks, instants, st.integers(0, 86400), st.integers(0, 86400), st.integers(0, 40000))
def test_a_later_instant_or_a_longer_need_never_opens_earlier(
    week: h.WeeklyHours, at: datetime, later_s: int, need_s: int, more_s: int
) -> None:
    """Monotone in both arguments, so a path that starts later never ends earlier."""
    first = h.next_open(week, at, need_s)
    second = h.next_open(week, at + timedelta(seconds=later_s), need_s + more_s)
    if first is not None and second is not None:
        assert second >= first
    if first is None:
        assert h.next_open(week, at, need_s + more_s) is None


@settings(max_examples=60, deadline=None)
@given(zones, instants, st.integers(1, 40))
def test_always_has_neither_hole_nor_overlap(zone: str, at: datetime, days: int) -> None:
    """Not even when midnight is left out (Santiago) or comes twice (Havana)."""
    end = at + timedelta(days=days)
    assert h.open_between(h.always(zone), at, end) == (h.Interval(at, end),)
    assert h.next_open(h.always(zone), at, days * 86400.0) == at


@settings(max_examples=60, deadline=None)
@given(weeks, instants, st.integers(1, 10))
def test_open_time_is_what_its_instants_say(week: h.WeeklyHours, at: datetime, days: int) -> None:
    """Open runs are disjoint, ordered, and agree with the hours asked instant by instant."""
    runs = h.open_between(week, at, at + timedelta(days=days))
    assert all(a.end < b.start for a, b in pairwise(runs))
    for step in range(0, days * 86400, 17_711):
        moment = at + timedelta(seconds=step)
        assert h.is_open(week, moment) == any(r.start <= moment < r.end for r in runs)


@settings(max_examples=100, deadline=None)
@given(zones, st.dates(date(2026, 1, 1), date(2028, 12, 31)), st.integers(0, 2879), st.integers(0, 600))
def test_wall_time_never_runs_backwards(zone: str, day: date, minute: int, more: int) -> None:
    """A later wall time is never an earlier instant, and an existing wall time reads back as itself."""
    first, second = h.instant_of(zone, day, minute), h.instant_of(zone, day, minute + more)
    if more and first > second:
        back = first.astimezone(ZoneInfo(zone))
        pytest.fail(f"{back} came after {second}")
    wall = datetime.combine(day, time()) + timedelta(minutes=minute)
    assert first.astimezone(ZoneInfo(zone)).replace(tzinfo=None) >= wall


def test_the_shop_opens_at_the_same_wall_time_after_the_clocks_change() -> None:
    """Madrid opens at 08:00 CET (07:00 UTC) on Friday and at 08:00 CEST (06:00 UTC) on Monday."""
    week = h.weekdays("Europe/Madrid", 480, 1080)
    assert h.next_open(week, utc("2026-03-27T00:00")) == utc("2026-03-27T07:00")
    assert h.next_open(week, utc("2026-03-27T17:00")) == utc("2026-03-30T06:00")


def test_a_wall_time_left_out_is_the_instant_of_the_change_and_a_double_one_its_first() -> None:
    """02:30 in Madrid: not on 29 March 2026, twice on 25 October 2026."""
    assert h.instant_of("Europe/Madrid", date(2026, 3, 29), 150) == utc("2026-03-29T01:00")
    assert h.instant_of("Europe/Madrid", date(2026, 10, 25), 150) == utc("2026-10-25T00:30")
    night = h.weekdays("Europe/Madrid", 1320, 1800, days=(5,))
    spring = h.open_between(night, utc("2026-03-28T12:00"), utc("2026-03-29T12:00"))[0]
    autumn = h.open_between(night, utc("2026-10-24T12:00"), utc("2026-10-25T12:00"))[0]
    assert (spring.end - spring.start, autumn.end - autumn.start) == (timedelta(hours=7), timedelta(hours=9))


def test_the_closing_instant_is_closed() -> None:
    """Periods are half-open."""
    week = h.weekdays("UTC", 480, 1080)
    assert h.is_open(week, utc("2026-11-18T08:00"))
    assert not h.is_open(week, utc("2026-11-18T18:00"))
    assert not h.is_open(week, utc("2026-11-18T07:59:59"))


def test_a_dated_holiday_replaces_the_week() -> None:
    """Closed on 8 December, short on 24 December, and the night shift of the day before still ends."""
    dated = (h.DatedHours(date(2026, 12, 8), (), "Inmaculada"), h.DatedHours(date(2026, 12, 24), ((480, 720),)))
    week = h.WeeklyHours("UTC", h.weekdays("UTC", 480, 1080).spans, dated)
    assert h.next_open(week, utc("2026-12-07T19:00")) == utc("2026-12-09T08:00")
    assert h.next_open(week, utc("2026-12-24T11:00"), need_s=7200) == utc("2026-12-25T08:00")


def test_work_that_fits_no_opening_never_starts() -> None:
    """Eleven hours do not fit into a ten-hour day."""
    assert h.next_open(h.weekdays("UTC", 480, 1080), utc("2026-11-18T08:00"), need_s=39_600) is None
    assert h.next_open(h.WeeklyHours("UTC", ()), utc("2026-11-18T08:00")) is None


def test_a_pickup_takes_what_is_ready_at_the_very_instant_and_not_a_second_later() -> None:
    """After the cut-off comes the next working day; holidays are left out."""
    daily = h.Pickups("Europe/Madrid", (*((d, 450) for d in range(5)), (4, 1080)), frozenset({date(2026, 11, 19)}))
    assert h.next_pickup(daily, utc("2026-11-18T06:30")) == utc("2026-11-18T06:30")
    assert h.next_pickup(daily, utc("2026-11-18T06:30:01")) == utc("2026-11-20T06:30")
    assert h.next_pickup(daily, utc("2026-11-20T06:31")) == utc("2026-11-20T17:00")
    assert h.next_pickup(h.Pickups("UTC", ()), utc("2026-11-18T06:30")) is None


def test_local_words_name_the_day_only_when_it_is_another() -> None:
    """07:30 today, Thu 07:30 tomorrow, a date after a week."""
    at = utc("2026-11-18T02:12")
    assert h.local_words(utc("2026-11-18T06:30"), "Europe/Madrid", at) == "07:30"
    assert h.local_words(utc("2026-11-19T06:30"), "Europe/Madrid", at) == "Thu 07:30"
    assert h.local_words(utc("2026-11-28T06:30"), "Europe/Madrid", at) == "28 Nov 07:30"


@pytest.mark.parametrize(("day", "opens", "closes"), [(7, 0, 1), (0, 1440, 1441), (0, 60, 60), (0, 60, 1501)])
def test_what_is_no_opening_is_refused(day: int, opens: int, closes: int) -> None:
    """Impossible spans and zones are refused where they come in."""
    with pytest.raises(BadInput):
        h.Span(day, opens, closes)
    with pytest.raises(BadInput):
        h.zone_of("Europe/Cordoba")
