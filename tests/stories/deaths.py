"""Deaths of a process in the middle of what it writes.

A process that dies loses its memory and its open transaction. So the injector raises at a chosen statement, refuses
every statement after it, and lets go only when connection, judge and caches are new. `BaseException` is its kind: no
handler of the product catches it.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

WRITES = ("INSERT", "WITH", "UPDATE", "DELETE", "BEGIN", "SAVEPOINT", "RELEASE")


class Killed(BaseException):
    """The process is gone at this statement."""


class Deaths:
    """Counts the statements that write, and kills before or after those chosen."""

    def __init__(self, points: set[int], chance: random.Random) -> None:
        self.points, self._chance = points, chance
        self.counted, self.is_dead = 0, False
        self.killed_at: list[str] = []

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        """The wrapper that Django puts around each statement."""
        if self.is_dead:
            raise Killed
        if not sql.lstrip().upper().startswith(WRITES):
            return execute(sql, params, many, context)
        self.counted += 1
        if self.counted not in self.points:
            return execute(sql, params, many, context)
        if self._chance.random() < 0.5:
            execute(sql, params, many, context)
        self.is_dead = True
        self.killed_at.append(" ".join(sql.split()[:3]))
        raise Killed

    def restart(self) -> None:
        """A new process: nothing of the old one's memory or transactions is left."""
        from django.db import connection

        from waystation.evidence import keys
        from waystation.telemetry import continuity, stores

        connection.close()
        for cached in (stores._log, *(f for m in (continuity, keys) for f in vars(m).values())):
            if hasattr(cached, "cache_clear"):
                cached.cache_clear()
        self.is_dead = False
