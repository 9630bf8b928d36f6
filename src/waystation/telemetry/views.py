"""What is known of a site at one instant, as values: for journeys that decide, and pages that show."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID


@dataclass(frozen=True, slots=True)
class SensorView:
    """The newest of one sensor. `value` is what it last said, never the present value once `is_silent`."""

    id: UUID
    code: str
    name: str
    quantity: str
    role: str
    unit: str
    space_id: UUID | None
    device_id: UUID | None
    hold_s: float
    judges: bool
    unproven: str  # why what it last said proves nothing: profile, mapping, certificate, source class, guard band
    last_at: datetime | None
    value: float | None
    since: datetime | None  # since when the value stands as it is
    trend_per_h: float | None
    beyond_usual_c: float  # outside what it said in the hours before; positive above
    is_silent: bool
    doubt: str  # kind of an open doubt, or empty
    doubt_since: datetime | None
    certificate_until: datetime | None


@dataclass(frozen=True, slots=True)
class OpenExcursion:
    """An excursion that still runs, with what is measured and unknown so far."""

    id: UUID
    sensor_id: UUID | None  # None: read by a second source
    direction: str
    limit_c: float
    started_at: datetime
    peak_c: float
    measured_s: float
    unknown_s: float
    in_doubt: str
    second_source: str = ""


@dataclass(frozen=True, slots=True)
class SpaceView:
    """A space now: its limits, its sensors by quantity, what is open."""

    id: UUID
    code: str
    name: str
    kind: str
    site_id: UUID
    low_c: float | None
    high_c: float | None
    settle_s: int
    thermal: dict[str, float]
    sensors: tuple[SensorView, ...]
    excursions: tuple[OpenExcursion, ...]
    is_unmonitored: bool
    hand_due_at: datetime | None

    @property
    def judging(self) -> tuple[SensorView, ...]:
        """The sensors whose role judges."""
        return tuple(s for s in self.sensors if s.judges)

    def of(self, quantity: str) -> SensorView | None:
        """The first sensor of a quantity."""
        return next((s for s in self.sensors if s.quantity == quantity), None)

    def nearest_to_limit(self) -> SensorView | None:
        """The judging sensor with a value whose margin to a limit is smallest."""
        held = [s for s in self.judging if s.value is not None]
        if not held or self.low_c is None or self.high_c is None:
            return None
        low, high = self.low_c, self.high_c
        return min(held, key=lambda s: min(high - s.value, s.value - low))  # type: ignore[operator]

    @property
    def state(self) -> str:
        """out_high, out_low, not_proven or in_range_proven now, by the newest readings and by what proves them."""
        if self.excursions:
            return "out_high" if any(e.direction == "high" for e in self.excursions) else "out_low"
        judging = self.judging
        if not judging or self.is_unmonitored or any(s.is_silent or s.doubt or s.unproven for s in judging):
            return "not_proven"
        return "in_range_proven"

    @property
    def why(self) -> tuple[str, ...]:
        """Why the space is not proven now, the gravest first, each once; empty when it is proven or out of range."""
        if self.state != "not_proven":
            return ()
        if not self.judging:
            return ("no sensor judges it",)
        found = ["it is watched by hand"] if self.is_unmonitored else []
        found += [f"{s.name} is silent" for s in self.judging if s.is_silent]
        found += [f"{s.name} is in doubt, {s.doubt.replace('_', ' ')}" for s in self.judging if s.doubt]
        return tuple(dict.fromkeys([*found, *(s.unproven for s in self.judging if s.unproven and not s.is_silent)]))


@dataclass(frozen=True, slots=True)
class SiteView:
    """A site now."""

    id: UUID
    at: datetime
    newest_at: datetime | None  # the newest reading of any sensor
    is_dark: bool  # even the most frequent sensor should have been heard since then
    dark_after_s: float
    spaces: tuple[SpaceView, ...]
    sensors: tuple[SensorView, ...]  # those of no space: power, circuits, devices

    def is_missing(self, sensor: SensorView) -> bool:
        """True when a sensor is silent although the site has said something since it should have spoken."""
        if sensor.last_at is None or self.newest_at is None:
            return False
        return sensor.is_silent and (self.newest_at - sensor.last_at).total_seconds() > sensor.hold_s

    def of(self, quantity: str) -> SensorView | None:
        """The first site-level sensor of a quantity."""
        return next((s for s in self.sensors if s.quantity == quantity), None)
