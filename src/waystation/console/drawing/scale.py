"""Axes: seconds and degrees to pixels, and where the ticks stand."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from waystation.console.reader import hour_of_day

STEPS_H = (1, 2, 3, 6, 12, 24, 48, 120)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from values to pixels."""

    low: float
    high: float
    from_px: float
    to_px: float

    def __call__(self, value: float) -> float:
        """The pixel of a value, rounded to a tenth."""
        share = (value - self.low) / (self.high - self.low) if self.high > self.low else 0.0
        return round(self.from_px + share * (self.to_px - self.from_px), 1)

    def clamp(self, value: float) -> float:
        """The pixel of a value kept inside the axis."""
        return self(min(max(value, self.low), self.high))


def hours(start_s: float, end_s: float, zone: ZoneInfo, most: int = 8) -> Iterator[tuple[float, str, bool]]:
    """Whole local hours inside a period: (Unix seconds, label, is midnight)."""
    length_h = (end_s - start_s) / 3600
    step = next((s for s in STEPS_H if length_h / s <= most), STEPS_H[-1])
    at = datetime.fromtimestamp(start_s, UTC).replace(minute=0, second=0, microsecond=0)
    while at.timestamp() <= end_s:
        local = at.astimezone(zone)
        if at.timestamp() >= start_s and local.hour % min(step, 24) == 0 and local.minute == 0:
            is_midnight = local.hour == 0
            label = f"{local:%a} {local.day} {local:%b}" if step >= 24 else hour_of_day(local)
            yield at.timestamp(), label, is_midnight
        at += timedelta(hours=1)


def degrees(low: float, high: float) -> tuple[float, float, list[float]]:
    """A y-range with round ends that holds low and high, and its ticks."""
    span = max(high - low, 1.0)
    step = next(s for s in (0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0) if span / s <= 7)
    first = step * (low // step)
    last = max(step * -(-high // step), first + step)
    count = round((last - first) / step)
    return first, last, [first + step * i for i in range(count + 1)]
