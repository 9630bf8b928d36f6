"""Trend of recent readings, and when a value that does not move is no longer believed."""

from __future__ import annotations

from collections.abc import Sequence

SHORTEST_FROZEN_S = 5400.0
LONGEST_FROZEN_S = 43200.0
FROZEN_FACTOR = 3.0
FINE = 0.1  # the resolution for which the shortest time stands


def slope_per_h(points: Sequence[tuple[float, float]]) -> float | None:
    """Least-squares slope of (Unix seconds, value) in units per hour; None for fewer than three instants."""
    if len({at for at, _ in points}) < 3:
        return None
    begin = points[0][0]
    n = len(points)
    mean_t = sum(at - begin for at, _ in points) / n
    mean_v = sum(value for _, value in points) / n
    above = sum((at - begin - mean_t) * (value - mean_v) for at, value in points)
    below = sum((at - begin - mean_t) ** 2 for at, _ in points)
    return above / below * 3600.0


def frozen_after_s(longest_flat_s: float, interval_s: float, resolution: float = FINE) -> float:
    """How long a value may stand still before it is doubted, from the sensor's resolution (in its unit) and history.

    A buffered probe of coarse resolution stands still for long stretches when it is healthy. Three times its longest
    flat run so far is allowed, at least 90 minutes for steps of 0.1 and in proportion for coarser ones, at least 20
    readings, at most 12 hours.
    """
    shortest_s = SHORTEST_FROZEN_S * max(1.0, resolution / FINE)
    return min(max(shortest_s, FROZEN_FACTOR * longest_flat_s, 20 * interval_s), LONGEST_FROZEN_S)


def is_implausible(value: float, low: float | None, high: float | None) -> bool:
    """Outside what the sensor can measure."""
    return (low is not None and value < low) or (high is not None and value > high)
