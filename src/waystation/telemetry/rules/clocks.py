"""Readings whose device has a clock that nobody can believe: kept, placed at their receipt, and marked.

Such a clock is ahead of the receipt, or stands where clocks stand that lost their battery. A reading left where it
says would be silence now and good evidence of another hour later. So it goes to when it came, under a source class
that never proves a space in range and always counts outside it; what the device said is kept beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
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


def by_clock(items: Sequence[Item], at_us: Callable[[Item], int], received_us: int) -> list[tuple[int, list[Item]]]:
    """The items in groups, each with how far its clock is ahead: 0 for those believed; groups without any left out."""
    believed = [one for one in items if is_believed(at_us(one), received_us)]
    found = [(0, believed)] if believed else []
    if len(believed) < len(items):
        doubted = [one for one in items if not is_believed(at_us(one), received_us)]
        for some in ([d for d in doubted if at_us(d) > received_us], [d for d in doubted if at_us(d) < EARLIEST_US]):
            if some:
                found.append((ahead_us(map(at_us, some), received_us), some))
    return found
