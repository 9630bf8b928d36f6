"""Clocks. Only doors hold one; below them time is an argument."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Protocol


class Clock(Protocol):
    """Something that knows the present instant."""

    def now(self) -> datetime:
        """The present instant, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class FastClock:
    """A clock that stands until it is moved; it never runs backwards."""

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise ValueError("a clock starts at an instant with a time zone")
        self._now = start.astimezone(UTC)

    def now(self) -> datetime:
        return self._now

    def advance_to(self, at: datetime) -> None:
        """Move forward to `at`; an earlier instant is refused."""
        if at < self._now:
            raise ValueError(f"the clock stands at {self._now.isoformat()} and cannot go back to {at.isoformat()}")
        self._now = at.astimezone(UTC)

    def advance(self, seconds: float) -> None:
        """Move forward by `seconds`."""
        self.advance_to(self._now + timedelta(seconds=seconds))


class ShiftedClock:
    """The machine's clock, shifted: a scripted day that goes on at the machine's pace."""

    def __init__(self, shift: timedelta) -> None:
        self._shift = shift

    def now(self) -> datetime:
        return datetime.now(UTC) + self._shift
