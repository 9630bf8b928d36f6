"""Chooses the parts: the rooms by name, the clock, one adapter for each port.

Settings read this module, so rooms stand here as strings and adapters are imported inside functions.
"""

from __future__ import annotations

from waystation.kernel.clock import Clock, SystemClock

ROOMS: tuple[str, ...] = ()

_clock: Clock = SystemClock()


def clock() -> Clock:
    """The clock that the doors read."""
    return _clock


def use_clock(clock: Clock) -> Clock:
    """Put another clock in place (a scripted day, a test); returns the one that stood before."""
    global _clock
    before, _clock = _clock, clock
    return before
