"""The uplinks of a site in order of preference: which one carries the next request, and what it may still carry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from waystation.kernel.refusals import BadInput

CLASSES = ("alarm", "heartbeat", "live", "backlog", "inventory")
NEVER_HELD = ("alarm", "heartbeat")
DOWN_AFTER = 2
PROBE_US = 60 * 1_000_000
DAY_US = 86_400 * 1_000_000


@dataclass(frozen=True, slots=True)
class Uplink:
    """One way out. `bytes_per_day` None: no limit. `sheds` are classes that never go this way; `source` binds it."""

    name: str
    url: str
    source: str = ""
    bytes_per_day: int | None = None
    sheds: frozenset[str] = frozenset()


@dataclass
class Path:
    """How it stands with an uplink."""

    uplink: Uplink
    failed: int = 0
    accepted_us: int = 0
    tried_us: int = 0
    day: int = 0
    spent: int = 0
    last_us: dict[str, int] = field(default_factory=dict)

    @property
    def is_down(self) -> bool:
        """True after failures in a row."""
        return self.failed >= DOWN_AFTER

    def may_carry(self, kind: str, size: int, now_us: int) -> bool:
        """Alarms and heartbeats always; the rest unless it is shed here or the day's bytes are used up."""
        if kind in NEVER_HELD:
            return True
        if kind in self.uplink.sheds:
            return False
        most = self.uplink.bytes_per_day
        return most is None or self._spent_on(now_us) + size <= most

    def carried(self, kind: str, size: int, now_us: int) -> tuple[str, str]:
        """Count what went, whatever came of it; the account's name and text."""
        self.spent = self._spent_on(now_us) + size
        self.day = now_us // DAY_US
        return self.account, json.dumps([self.day, self.spent])

    @property
    def account(self) -> str:
        """The name under which the spool keeps what was spent."""
        return f"spent:{self.uplink.name}"

    def resume(self, kept: str) -> None:
        """Go on counting where the last boot stopped; what went today before that was known counts too."""
        day, spent = json.loads(kept) if kept else (0, 0)
        if day >= self.day:
            self.day, self.spent = day, spent + self._spent_on(day * DAY_US)

    def _spent_on(self, now_us: int) -> int:
        return self.spent if now_us // DAY_US == self.day else 0

    def told(self, now_us: int) -> Mapping[str, Any]:
        """What people are shown of it."""
        said: dict[str, Any] = {"name": self.uplink.name, "is_down": self.is_down, "accepted_us": self.accepted_us}
        said |= {"last_us": dict(self.last_us), "bytes_today": self._spent_on(now_us)}
        return said | {"bytes_per_day": self.uplink.bytes_per_day, "sheds": sorted(self.uplink.sheds)}


class Paths:
    """Chooses: the first that is up; one that is down is tried once a minute; in a test one path alone."""

    def __init__(self, uplinks: list[Uplink]) -> None:
        self.all = [Path(uplink) for uplink in uplinks]
        self.only = ""

    def next(self, now_us: int) -> Path | None:
        """The path for the next request; None when every one is down and was tried a moment ago."""
        paths = [p for p in self.all if not self.only or p.uplink.name == self.only]
        for path in paths:
            if not path.is_down or now_us - path.tried_us >= min(PROBE_US, 5_000_000 * path.failed):
                return path
        return None

    def named(self, name: str) -> Path:
        """The path of an uplink; BadInput when there is none of that name."""
        for path in self.all:
            if path.uplink.name == name:
                return path
        known = ", ".join(path.uplink.name for path in self.all)
        raise BadInput(
            "edge.uplink", f"There is no uplink {name!r}.", f"Use one of: {known}.", field="uplink", value=name
        )

    def accepted_us(self) -> int:
        """When the centre last had something over any of them; 0 for never in this boot."""
        return max(p.accepted_us for p in self.all)
