"""Periods that people name: the last so many days, and so many before a day that parts before from after."""

from __future__ import annotations

from datetime import datetime, timedelta

from waystation.kernel.refusals import BadInput

MOST_DAYS = 3 * 366


def last(days: int, now: datetime) -> datetime:
    """Where the last `days` days begin (1 to 1,098); refused otherwise."""
    if not 1 <= days <= MOST_DAYS:
        raise BadInput(
            "planning.days", f"{days} days are no period.", f"Give 1 to {MOST_DAYS}.", field="days", value=days
        )
    return now - timedelta(days=days)


def before(split: datetime, days: int, now: datetime) -> datetime:
    """Where `days` days before the day `split` begin. Refused where that day is ahead or more than three years past."""
    if not last(MOST_DAYS, now) <= split < now:
        raise BadInput(
            "planning.split",
            f"{split:%Y-%m-%d} lies ahead, or more than {MOST_DAYS} days back.",
            "Name a day that is past.",
            field="split",
        )
    return last(days, split)
