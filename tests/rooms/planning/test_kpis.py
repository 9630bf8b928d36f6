"""MET-05: figures by month against sums by hand; a month without records is a gap and never a 0."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from waystation.planning.rules.demand.needs import MONTH
from waystation.planning.rules.kpis import count_of, mean_of, month_of

days = st.lists(st.tuples(st.floats(0.0, 800.0), st.floats(0.0, 50.0)), max_size=30)


@given(days)
def test_met_05_each_month_is_the_mean_of_what_came_in_it(told: list[tuple[float, float]]) -> None:
    """Against a plain sum over days; nothing older than a year counts."""
    trend = mean_of("all", "h", [(START - timedelta(days=d), v) for d, v in told], START, 12)
    for n, (point, inputs) in enumerate(zip(trend.points, trend.inputs, strict=True)):
        mine = [v for d, v in told if int(timedelta(days=d) / MONTH) == 11 - n]
        assert inputs == len(mine)
        assert point == (pytest.approx(sum(mine) / len(mine)) if mine else None)


def test_met_05_months_before_the_first_record_are_a_gap_in_a_count_and_later_ones_are_zero() -> None:
    """One shipment three months ago: nine gaps, then one, then three months of none."""
    at = START - 3.5 * MONTH
    trend = count_of("all", "shipments", [at], START, 12, at)
    assert trend.points == (None,) * 8 + (1.0, 0.0, 0.0, 0.0)
    assert (trend.whole, trend.last) == (1.0, 0.0)
    assert count_of("all", "shipments", [], START, 12, None).points == (None,) * 12


def test_met_05_an_old_first_record_fills_every_month_of_the_year() -> None:
    """Records for three years: a month without an event is 0."""
    trend = count_of("all", "x", [], START, 12, START - 36 * MONTH)
    assert trend.points == (0.0,) * 12


def test_met_05_what_lies_ahead_or_too_far_back_is_in_no_month() -> None:
    """The newest month is the last one."""
    assert month_of(START, START, 12) == 11
    assert month_of(START + timedelta(seconds=1), START, 12) is None
    assert month_of(START - 12 * MONTH, START, 12) is None
