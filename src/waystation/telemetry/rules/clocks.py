"""Readings whose device has a clock that nobody can believe: kept, placed at their receipt, and marked.

Such a clock is ahead of the receipt, or stands where clocks stand that lost their battery. A reading left where it
says would be silence now and good evidence of another hour later. So it goes to when it came, under a source class
that never proves a space in range and always counts outside it; what the device said is kept beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TypeVar

Item = TypeVar("Item")

RECEIPT_TIME = "receipt_time"  # the source class
AHEAD_ALLOWED_US = 300 * 1_000_000
EARLIEST_US = 978_307_200 * 1_000_000  # 2001: a clock that lost its battery starts in 1970, 1980 or 2000
STEP_US = 60 * 1_000_000


def is_believed(at_us: int, received_us: int) -> bool:
    """Whether an instant (Unix microseconds) is one that a reading received then can have."""
    return EARLIEST_US <= at_us <= received_us + AHEAD_ALLOWED_US


def ahead_us(said_us: Iterable[int], received_us: int) -> int:
    """How far a clock that said these instants is ahead (behind: negative), in whole minutes.

    Without it the newest lies at its receipt or less than a minute before, and what the same clock says next stands
    as far from it as the device says. Sent again within the minute, a reading goes to the same place.
    """
    return -((received_us - max(said_us)) // STEP_US) * STEP_US


def by_clock(
    items: Sequence[Item], at_us: Callable[[Item], int], sensor: Callable[[Item], Hashable], received_us: int
) -> list[tuple[int, list[Item]]]:
    """The items in groups, each with how far its clock is ahead: 0 for those believed, first; no group is empty.

    Each sensor may have a clock of its own: put back by another's error, what it measured now would stand years ago.
    """
    found: dict[int, list[Item]] = {}
    doubted: dict[tuple[Hashable, bool], list[Item]] = {}
    for one in items:
        if is_believed(at_us(one), received_us):
            found.setdefault(0, []).append(one)
        else:
            doubted.setdefault((sensor(one), at_us(one) > received_us), []).append(one)
    for some in doubted.values():
        found.setdefault(ahead_us(map(at_us, some), received_us), []).extend(some)
    return sorted(found.items(), key=lambda group: group[0] != 0)
