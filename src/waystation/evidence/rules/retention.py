"""How long a record must be kept: the longest policy wins, and a hold outlasts every policy.

Disposal is not before the day of creation plus the longest policy. A day that does not exist (29 February) moves to
the first day of the next month. While a hold is open nothing is disposed of; a released one ends the day after.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

MONTHS_A_YEAR = 12


@dataclass(frozen=True, slots=True)
class Policy:
    """A named rule: keep for so many years and months, and days after those."""

    name: str
    years: int = 0
    months: int = 0
    days: int = 0


@dataclass(frozen=True, slots=True)
class Hold:
    """A legal or quality hold; `until` is its last day, None while it is open."""

    name: str
    since: date
    until: date | None


@dataclass(frozen=True, slots=True)
class Disposal:
    """The first day on which the record may go, None for never as things stand, and what decided."""

    earliest: date | None
    reason: Literal["retention", "legal_hold"]


def earliest_disposal(created: date, policies: Sequence[Policy], holds: Sequence[Hold]) -> Disposal:
    """When a record of that day may be disposed of. A record without a policy may go at once, unless it is held."""
    if any(hold.until is None for hold in holds):
        return Disposal(None, "legal_hold")
    kept_until = max((later(created, p.years, p.months) + timedelta(days=p.days) for p in policies), default=created)
    released = [hold.until + timedelta(days=1) for hold in holds if hold.until is not None]
    return Disposal(max([kept_until, *released]), "retention")


def later(day: date, years: int, months: int) -> date:
    """The same day so much later; where that month has no such day, the first of the next month."""
    count = day.year * MONTHS_A_YEAR + day.month - 1 + years * MONTHS_A_YEAR + months
    year, month = divmod(count, MONTHS_A_YEAR)
    if day.day <= monthrange(year, month + 1)[1]:
        return date(year, month + 1, day.day)
    year, month = divmod(count + 1, MONTHS_A_YEAR)
    return date(year, month + 1, 1)
