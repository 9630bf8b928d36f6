"""Who drives a run: a lease that lasts a minute from its last beat, and a fence that counts the drivers.

A driver that is alive beats, so its lease does not run out; one that died is followed when it has. Whoever claims takes
the next fence, and nothing is written under an older one: a driver that was overtaken and wakes up changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

LENGTH = timedelta(seconds=60)
BEAT_EVERY = timedelta(seconds=15)


@dataclass(frozen=True, slots=True)
class Lease:
    """Until when a run is driven (None: by nobody), and by the how-manieth driver."""

    until: datetime | None = None
    fence: int = 0

    def is_free(self, now: datetime) -> bool:
        """True when anybody may claim it."""
        return self.until is None or self.until <= now

    def claimed(self, now: datetime) -> Lease | None:
        """The next driver's lease; None while another one lasts."""
        return Lease(now + LENGTH, self.fence + 1) if self.is_free(now) else None

    def beaten(self, fence: int, now: datetime) -> Lease | None:
        """The same driver's lease from this beat on, never shorter than it was; None when that driver was overtaken."""
        if fence != self.fence:
            return None
        return Lease(max(now + LENGTH, self.until or now), fence)

    def released(self, fence: int) -> Lease:
        """Driven by nobody, when that driver still had it."""
        return Lease(None, fence) if fence == self.fence else self
