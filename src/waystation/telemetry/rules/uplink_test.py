"""What a test of one uplink showed: for alarms, telemetry and remote management whether each came through, and when."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

# what has to survive, and the agent's class of traffic that shows it: a heartbeat is answered, so it goes both ways
SHOWN_BY: Mapping[str, str] = {"alarms": "alarm", "telemetry": "live", "remote_management": "heartbeat"}
ANSWER_WITHIN = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Carried:
    """One of the three: when its last message came over the uplink, None when none came in the test."""

    what: str
    last_at: datetime | None

    @property
    def passed(self) -> bool:
        """True when something came."""
        return self.last_at is not None


def carried(result: Mapping[str, Any]) -> tuple[Carried, ...]:
    """The three by the agent's note. What it does not say did not come."""
    return tuple(Carried(what, _at(result.get(f"{kind}_us"))) for what, kind in SHOWN_BY.items())


def standing(ended: bool, begun: bool, passed: bool, age: timedelta) -> str:
    """passed, failed, running, waiting for the agent, or unanswered: nothing was heard of it for ten minutes."""
    if ended:
        return "passed" if passed else "failed"
    if age > ANSWER_WITHIN:
        return "unanswered"
    return "running" if begun else "waiting"


def _at(value: object) -> datetime | None:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**53:
        return None
    return datetime.fromtimestamp(value / 1e6, UTC)
