"""What really happened, so that a run can be scored: true temperatures and true excursions, from the minute series."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from waystation.simulator.physics import SpaceSeries


@dataclass(frozen=True, slots=True)
class TrueExcursion:
    """A run of minutes outside the limits on one side; half-open, in minutes since the epoch."""

    direction: Literal["high", "low"]
    begin_min: int
    end_min: int
    peak_c: float
    with_product: bool  # product stood in the space in at least one of these minutes

    @property
    def minutes(self) -> int:
        """How long it was."""
        return self.end_min - self.begin_min


def hottest_and_coldest(series: SpaceSeries, begin_min: int, end_min: int) -> tuple[list[float], list[float]]:
    """The true temperature at the warmest and the coldest judged place of the space, for each minute."""
    offsets = [s.offset_c for s in series.plan.judging] or [0.0]
    middle = series.span("product_c", begin_min, end_min)
    return [c + max(offsets) for c in middle], [c + min(offsets) for c in middle]


def true_excursions(series: SpaceSeries, begin_min: int, end_min: int) -> list[TrueExcursion]:
    """Every excursion of the space between two minutes, by begin. Limits are inclusive, as in the profile."""
    low_c, high_c = series.plan.low_c, series.plan.high_c
    if low_c is None or high_c is None:
        return []
    hot, cold = hottest_and_coldest(series, begin_min, end_min)
    held = [kg > 0 for kg in series.span("product_kg", begin_min, end_min)]
    high = _runs([c > high_c for c in hot])
    low = _runs([c < low_c for c in cold])
    found = [TrueExcursion("high", begin_min + a, begin_min + b, max(hot[a:b]), any(held[a:b])) for a, b in high]
    found += [TrueExcursion("low", begin_min + a, begin_min + b, min(cold[a:b]), any(held[a:b])) for a, b in low]
    return sorted(found, key=lambda e: (e.begin_min, e.direction))


def _runs(outside: Sequence[bool]) -> Iterable[tuple[int, int]]:
    begin: int | None = None
    for number, is_out in enumerate([*outside, False]):
        if is_out and begin is None:
            begin = number
        elif not is_out and begin is not None:
            yield begin, number
            begin = None
