"""Excursions: unbroken runs of out-of-range readings, one direction each.

An in-range reading ends a run, a change of side starts another, a gap does not end it: when the next reading is
out on the same side too, the gap is unknown time inside. Delay and deadband belong to paging and are not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["high", "low"]


@dataclass(frozen=True, slots=True)
class Excursion:
    """One excursion. `measured_s` is covered out-of-range time, `unknown_s` lies in gaps inside it."""

    start_s: float
    end_s: float
    direction: Direction
    peak_c: float
    measured_s: float
    unknown_s: float


class Run:
    """A run that is still going: explicit state, small enough to keep for every sensor."""

    __slots__ = ("direction", "end_s", "measured_s", "peak_c", "start_s", "unknown_s")

    def __init__(self, direction: Direction, begin_s: float, end_s: float, value_c: float) -> None:
        self.direction: Direction = direction
        self.start_s = begin_s
        self.end_s = end_s
        self.peak_c = value_c
        self.measured_s = end_s - begin_s
        self.unknown_s = 0.0

    def extend(self, begin_s: float, end_s: float, value_c: float) -> None:
        """The next reading is out on the same side; what lies between is unknown."""
        self.unknown_s += begin_s - self.end_s
        self.measured_s += end_s - begin_s
        self.end_s = end_s
        if value_c > self.peak_c if self.direction == "high" else value_c < self.peak_c:
            self.peak_c = value_c

    def copy(self) -> Run:
        """The same run, to go on without changing this one."""
        other = Run(self.direction, self.start_s, self.end_s, self.peak_c)
        other.measured_s, other.unknown_s = self.measured_s, self.unknown_s
        return other

    def excursion(self) -> Excursion:
        """The run as it stands."""
        return Excursion(self.start_s, self.end_s, self.direction, self.peak_c, self.measured_s, self.unknown_s)


class ExcursionFold:
    """Folds covered readings of one sensor into excursions."""

    __slots__ = ("closed", "run")

    def __init__(self) -> None:
        self.run: Run | None = None
        self.closed: list[Excursion] = []

    def inside(self) -> None:
        """An in-range reading: ends the run."""
        if self.run is not None:
            self.closed.append(self.run.excursion())
            self.run = None

    def outside(self, direction: Direction, begin_s: float, end_s: float, value_c: float) -> None:
        """An out-of-range reading that covers begin to end."""
        if self.run is not None and self.run.direction == direction:
            self.run.extend(begin_s, end_s, value_c)
            return
        self.inside()
        self.run = Run(direction, begin_s, end_s, value_c)

    def copy(self) -> ExcursionFold:
        """The same state, independent of this one."""
        other = ExcursionFold()
        other.run = self.run.copy() if self.run else None
        other.closed = list(self.closed)
        return other

    def excursions(self) -> tuple[Excursion, ...]:
        """All excursions so far, the open one as it stands."""
        return (*self.closed, *([self.run.excursion()] if self.run else []))
