"""Time until a space leaves its product profile, from what telemetry knows and the rules of product."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from waystation.product.rules.time_to_limit import Band, Basis, Reading, TimeToLimit, time_to_limit
from waystation.telemetry.views import SpaceView

Recent = Callable[[str], list[tuple[float, float]]]
ASSUMED_AMBIENT_C = (18.0, 24.0, 32.0)
ASSUMED_TIME_CONSTANT_H = (2.0, 5.0, 9.0)


def limit_of(space: SpaceView, recent: Recent, now: datetime) -> TimeToLimit:
    """The cautious bound for a space. `recent` gives a sensor's corrected values of the last hours by code."""
    readings = [
        Reading(sensor.name, datetime.fromtimestamp(at_s, UTC), value, proven=not sensor.doubt)
        for sensor in space.judging
        for at_s, value in recent(sensor.code)
    ]
    return time_to_limit(readings, _basis(space), now)


def _basis(space: SpaceView) -> Basis:
    thermal = space.thermal
    return Basis(
        low_c=space.low_c,
        high_c=space.high_c,
        ambient_c=_ambient(space),
        time_constant_s=_time_constant(thermal),
        accuracy_c=float(thermal.get("accuracy_c", 0.5)),
        cooling=_cooling(space),
    )


def _ambient(space: SpaceView) -> Band:
    sensor = next((s for s in space.sensors if s.role == "ambient"), None)
    if sensor is not None and sensor.value is not None and not sensor.is_silent:
        return Band(sensor.value - 2.0, sensor.value, sensor.value + 4.0, "measured", sensor.name)
    told = space.thermal
    if "ambient_c" in told:
        return Band(told["ambient_low_c"], told["ambient_c"], told["ambient_high_c"], "reported", "site record")
    low, likely, high = ASSUMED_AMBIENT_C
    return Band(low, likely, high, "assumed", "no ambient probe")


def _time_constant(thermal: dict[str, float]) -> Band:
    if "time_constant_s" in thermal:
        low, likely, high = (thermal[f"time_constant{part}_s"] for part in ("_low", "", "_high"))
        return Band(low, likely, high, "measured", "last warm-up test")
    low, likely, high = (h * 3600 for h in ASSUMED_TIME_CONSTANT_H)
    return Band(low, likely, high, "assumed", "typical for its kind")


def _cooling(space: SpaceView) -> Literal["working", "failed", "unknown"]:
    fault = space.of("compressor_fault")
    if fault is None or fault.value is None:
        return "unknown"
    return "failed" if fault.value else "unknown" if fault.is_silent else "working"
