"""Time that never runs backwards, and how far it is from the centre's."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from waystation.edge.ports import Clock

DOUBT_S = 2.0
COMPARED_FOR_S = 24 * 3600.0
DATE_STEP_S = 1.0  # the centre says whole seconds


class MachineClock:
    """The clocks of this machine."""

    def wall_us(self) -> int:
        """Unix microseconds."""
        return time.time_ns() // 1000

    def running_s(self) -> float:
        """Seconds since boot."""
        return time.monotonic()


@dataclass
class _Compared:
    offset_s: float
    at_s: float


class SteadyClock:
    """Follows the machine's clock, but never to before what was recorded already: then it runs on, and is in doubt."""

    def __init__(self, clock: Clock, newest_us: int) -> None:
        self._clock = clock
        self._floor_us, self._floor_s = newest_us, clock.running_s()
        self._wall_us, self._wall_s = clock.wall_us(), clock.running_s()
        self._compared: _Compared | None = None
        self.is_behind = False
        self.steps = 0

    def now_us(self) -> int:
        """Unix microseconds; later than or equal to every earlier answer."""
        wall_us, running_s = self._clock.wall_us(), self._clock.running_s()
        moved_s = (wall_us - self._wall_us) / 1e6 - (running_s - self._wall_s)
        if abs(moved_s) > DOUBT_S:
            self.steps += 1
            self._compared = None
        self._wall_us, self._wall_s = wall_us, running_s
        least_us = self._floor_us + round((running_s - self._floor_s) * 1e6)
        self.is_behind = wall_us < least_us - DOUBT_S * 1e6
        now_us = max(wall_us, least_us if self.is_behind else self._floor_us)
        if now_us > self._floor_us:
            self._floor_us, self._floor_s = now_us, running_s
        return now_us

    def not_before(self, newest_us: int) -> None:
        """Go on from what was recorded already, when that lies ahead."""
        if newest_us > self._floor_us:
            self._floor_us, self._floor_s = newest_us, self._clock.running_s()

    def compare(self, centre_us: int, round_trip_s: float) -> None:
        """The centre's clock, read from an answer that took so long."""
        half_s = round_trip_s / 2
        offset_s = (self._clock.wall_us() - centre_us) / 1e6 - half_s
        unsure_s = half_s + DATE_STEP_S
        offset_s = 0.0 if abs(offset_s) <= unsure_s else offset_s - unsure_s * (1 if offset_s > 0 else -1)
        self._compared = _Compared(offset_s, self._clock.running_s())

    def health(self) -> dict[str, Any]:
        """`state` (agrees, in_doubt, not_compared), `offset_s` at least, and how often the clock was stepped."""
        known = self._compared
        if known is not None and self._clock.running_s() - known.at_s > COMPARED_FOR_S:
            known = None
        state = "not_compared" if known is None else "agrees" if abs(known.offset_s) <= DOUBT_S else "in_doubt"
        if self.is_behind:
            state = "in_doubt"
        told: dict[str, Any] = {"state": state, "steps": self.steps}
        return told if known is None else told | {"offset_s": round(known.offset_s, 1)}
