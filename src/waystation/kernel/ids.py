"""Identifiers: version 7 UUIDs (RFC 9562), so that rows sort by the time they were made.

The source is one object per process; a simulated network puts a seeded one in its place, and the same
seed then gives the same identifiers.
"""

from __future__ import annotations

import random
import secrets
import time
from collections.abc import Callable
from uuid import UUID


class SystemIds:
    """Identifiers from the system's clock and its source of randomness."""

    def __call__(self) -> UUID:
        return _version_7(time.time_ns() // 1_000_000, secrets.randbits(74))


class SeededIds:
    """Reproducible identifiers: a counter stands for the milliseconds, the seed gives the rest."""

    def __init__(self, seed: int, now_ms: Callable[[], int]) -> None:
        self._random = random.Random(seed)
        self._now_ms = now_ms
        self._last = 0

    def __call__(self) -> UUID:
        self._last = max(self._last, self._now_ms())
        return _version_7(self._last, self._random.getrandbits(74))


_source: Callable[[], UUID] = SystemIds()


def use(source: Callable[[], UUID]) -> Callable[[], UUID]:
    """Put another source in place; returns the one that stood before."""
    global _source
    before, _source = _source, source
    return before


def new_id() -> UUID:
    """A fresh identifier from the source in place."""
    return _source()


def _version_7(ms: int, bits: int) -> UUID:
    high = (ms & (1 << 48) - 1) << 80 | 0x7 << 76 | (bits >> 62 & 0xFFF) << 64
    return UUID(int=high | 0b10 << 62 | bits & (1 << 62) - 1)
