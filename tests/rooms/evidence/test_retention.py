"""How long a record is kept: the longest policy wins and a hold outlasts every policy."""

from __future__ import annotations

from datetime import date, timedelta

from hypothesis import given
from hypothesis import strategies as st

from waystation.evidence.rules.retention import Hold, Policy, earliest_disposal, later

DAYS = st.dates(date(2000, 1, 1), date(2060, 12, 31))
POLICIES = st.lists(st.builds(Policy, st.just("p"), st.integers(0, 12), st.integers(0, 40)), max_size=4)


@st.composite
def _holds(draw: st.DrawFn, *, open_ones: bool = True) -> list[Hold]:
    found = []
    for number in range(draw(st.integers(0, 3))):
        since = draw(DAYS)
        is_open = open_ones and draw(st.booleans())
        until = None if is_open else since + timedelta(days=draw(st.integers(0, 4000)))
        found.append(Hold(f"h{number}", since, until))
    return found


def _slowly_later(day: date, months: int) -> date:
    """Month by month by hand: the same day of the month, or the first of the next where there is none."""
    year, month = day.year, day.month
    for _ in range(months):
        year, month = (year + 1, 1) if month == 12 else (year, month + 1)
    while True:
        try:
            return date(year, month, day.day)
        except ValueError:
            year, month = (year + 1, 1) if month == 12 else (year, month + 1)
            return date(year, month, 1)


@given(DAYS, st.integers(0, 12), st.integers(0, 40))
def test_a_day_so_much_later_is_the_one_counted_by_hand(day: date, years: int, months: int) -> None:
    """A day that does not exist moves to the first of the next month, never back."""
    assert later(day, years, months) == _slowly_later(day, years * 12 + months)


@given(DAYS, POLICIES, _holds(open_ones=False))
def test_disposal_is_not_before_any_policy_or_the_day_after_any_hold(
    created: date, policies: list[Policy], holds: list[Hold]
) -> None:
    """And it is the earliest such day: one of them forbids the day before."""
    found = earliest_disposal(created, policies, holds)
    assert found.reason == "retention"
    assert found.earliest is not None
    ends = [later(created, p.years, p.months) for p in policies]
    ends += [h.until + timedelta(days=1) for h in holds if h.until is not None]
    assert all(found.earliest >= end for end in ends)
    assert found.earliest == created or found.earliest in ends


@given(DAYS, POLICIES, _holds(), DAYS)
def test_an_open_hold_keeps_a_record_for_ever(
    created: date, policies: list[Policy], holds: list[Hold], since: date
) -> None:
    """Whatever the policies and the other holds say."""
    found = earliest_disposal(created, policies, [*holds, Hold("open", since, None)])
    assert (found.earliest, found.reason) == (None, "legal_hold")


@given(DAYS, POLICIES, _holds(), st.builds(Policy, st.just("more"), st.integers(0, 12), st.integers(0, 40)))
def test_one_more_rule_never_shortens_a_life(
    created: date, policies: list[Policy], holds: list[Hold], more: Policy
) -> None:
    """A stricter world keeps longer or as long."""
    before, after = (earliest_disposal(created, rules, holds).earliest for rules in (policies, [*policies, more]))
    assert before is None or (after is not None and after >= before)
