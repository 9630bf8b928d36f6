"""Maintenance: the words for it, how an order stands at an instant, and when the work is due again."""

from __future__ import annotations

import calendar
import re
from collections.abc import Mapping
from datetime import datetime, timedelta

# after the maintenance categories and activities of ISO 14224, from memory: check the standard before quoting it
CATEGORIES: Mapping[str, str] = {
    "preventive": "preventive, by the calendar",
    "condition_based": "preventive, by condition",
    "corrective": "corrective, after a failure",
}
ACTIVITIES: Mapping[str, str] = {
    "replace": "replace",
    "repair": "repair",
    "modify": "modify",
    "adjust": "adjust",
    "refit": "refit",
    "check": "check",
    "service": "service",
    "test": "test",
    "inspection": "inspection",
    "overhaul": "overhaul",
    "other": "other",
}
OUTCOMES: Mapping[str, str] = {
    "done": "done",
    "done_with_remarks": "done with remarks",
    "not_done": "not done",
}
MOST_MONTHS = 120
_DIGEST = re.compile(r"[0-9a-f]{64}")


def standing(state: str, planned_start: datetime, planned_end: datetime, now: datetime) -> str:
    """How an order stands: one that is not ended becomes due with its window and overdue with the window's end."""
    if state not in ("planned", "underway"):
        return state
    if now >= planned_end:
        return "overdue"
    return "due" if state == "planned" and now >= planned_start else state


def months_later(at: datetime, months: int) -> datetime:
    """The same day and time so many months later, or the last day of a shorter month."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    return at.replace(year=year, month=month + 1, day=min(at.day, calendar.monthrange(year, month + 1)[1]))


def next_window(
    outcome: str, planned_start: datetime, planned_end: datetime, ended_at: datetime, months: int, due: datetime | None
) -> tuple[datetime, datetime]:
    """When work that comes again is due next: as long a window, ending when somebody said so, else months after it
    was done. What was not done is due when it was: its next order is overdue at once if that has passed.
    """
    length = planned_end - planned_start
    end = due or (planned_end if outcome == "not_done" else months_later(ended_at, months))
    return end - length, end


def is_digest(text: str) -> bool:
    """True for a SHA-256 in lower-case hexadecimal."""
    return _DIGEST.fullmatch(text) is not None


def late_s(planned_end: datetime, ended_at: datetime | None, now: datetime) -> float:
    """Seconds between the end of the window and the end of the work, or now while it is not ended; 0 in time."""
    return max((ended_at or now) - planned_end, timedelta(0)).total_seconds()
