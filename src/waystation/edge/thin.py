"""Thinning, when the spool is nearly full: of the in-range readings of five minutes the two extremes stay.

What stays are readings as they were read, under their own numbers. What goes is told by count, minimum, maximum and
mean in the same signed batch, which holds no more than the centre takes at once. Readings out of range, and those that
measured nothing, always stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

WINDOW_US = 300 * 1_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """A reading in the spool: number, sensor, Unix microseconds, value, and whether it has to stay whatever comes."""

    seq: int
    sensor: str
    at_us: int
    value: float | None
    stays: bool


@dataclass(frozen=True, slots=True)
class Window:
    """What the in-range readings of one sensor said in one window; instants are those of its first and last."""

    sensor: str
    from_us: int
    until_us: int
    count: int
    low: float
    high: float
    mean: float


def thin(rows: Iterable[Row], most: int) -> tuple[list[Row], list[Window]]:
    """The rows that stay, in order of number, and a window for each group of which some went: the `most` largest."""
    kept: list[Row] = []
    groups: dict[tuple[str, int], list[Row]] = {}
    for row in rows:
        if row.stays or row.value is None:
            kept.append(row)
        else:
            groups.setdefault((row.sensor, row.at_us // WINDOW_US), []).append(row)
    windows: list[Window] = []
    for group in sorted(groups.values(), key=len, reverse=True):
        low, high = min(group, key=_value), max(group, key=_value)
        stay = {low.seq: low, high.seq: high}
        if len(stay) < len(group) and len(windows) < most:
            windows.append(_window(group, _value(low), _value(high)))
            kept += stay.values()
        else:
            kept += group
    return sorted(kept, key=lambda r: r.seq), windows


def _value(row: Row) -> float:
    assert row.value is not None
    return row.value


def _window(group: Sequence[Row], low: float, high: float) -> Window:
    times = [row.at_us for row in group]
    mean = min(max(sum(map(_value, group)) / len(group), low), high)
    return Window(group[0].sensor, min(times), max(times), len(group), low, high, mean)
