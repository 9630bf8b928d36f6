"""What a courier says about a shipment: in order, late, lost, and sometimes twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from waystation.simulator.chance import between_quantiles, stream


@dataclass(frozen=True, slots=True)
class Courier:
    """How well a courier works. Shares of shipments from 0 to 1; `late_factor_p90` of the travel time when late."""

    vendor: str
    late: float
    late_factor_p90: float
    lost: float
    duplicate: float
    late_event_p90_s: float


@dataclass(frozen=True, slots=True)
class ShipmentEvent:
    """One message. `event_id` is the courier's own: a duplicate repeats it. `sent_at` is when it reaches us."""

    event_id: str
    shipment: str
    kind: str  # collected | in_transit | out_for_delivery | delivered | lost
    observed_at: datetime
    sent_at: datetime


def courier_of(raw: Mapping[str, Any], vendor: str) -> Courier:
    """The courier of that vendor in a network's document."""
    held = next(c for c in raw["couriers"] if c["vendor"] == vendor)
    names = ("vendor", "late", "late_factor_p90", "lost", "duplicate", "late_event_p90_s")
    return Courier(**{name: held[name] for name in names})


def travel(lane: Mapping[str, Any], shipment: str, seed: int) -> timedelta:
    """How long this shipment is on its way over a lane, from the lane's quantiles; never under its one-in-ten time."""
    minutes = between_quantiles(lane["p50_min"], lane["p90_min"], stream(seed, shipment, "travel"))
    return timedelta(minutes=max(float(lane["p10_min"]), minutes))


def shipment_events(
    courier: Courier, lane: Mapping[str, Any], shipment: str, collected_at: datetime, *, seed: int
) -> tuple[ShipmentEvent, ...]:
    """Everything that the courier will ever say about a shipment, by the instant at which it reaches us."""
    chance = stream(seed, courier.vendor, shipment)
    length = travel(lane, shipment, seed)
    if chance.random() < courier.late:
        length *= 1.0 + chance.random() * (courier.late_factor_p90 - 1.0)
    is_lost = chance.random() < courier.lost
    steps = [("collected", 0.0), ("in_transit", 0.2)]
    steps += [("lost", 1.5)] if is_lost else [("out_for_delivery", 0.85), ("delivered", 1.0)]
    events = []
    for number, (kind, share) in enumerate(steps, 1):
        at = collected_at + share * length
        delay_s = between_quantiles(courier.late_event_p90_s / 30, courier.late_event_p90_s, chance)
        first = ShipmentEvent(f"{courier.vendor}-{shipment}-{number}", shipment, kind, at, at + _seconds(delay_s))
        events.append(first)
        if chance.random() < courier.duplicate:
            again = first.sent_at + _seconds(delay_s + chance.uniform(600, 7200))
            events.append(ShipmentEvent(first.event_id, shipment, kind, at, again))
    return tuple(sorted(events, key=lambda e: (e.sent_at, e.event_id)))


def _seconds(seconds: float) -> timedelta:
    return timedelta(seconds=round(seconds))
