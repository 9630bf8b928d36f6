"""Why a site is dark, or part of it: WAN, power, gateway or sensor. Says what it rests on, and `unknown` in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waystation.alarms.rules.conditions import Condition

POWER, WAN, GATEWAY, SENSOR, UNKNOWN, NONE = (
    "power_loss",
    "wan_outage",
    "gateway_failure",
    "sensor_failure",
    "unknown",
    "none",
)


@dataclass(frozen=True, slots=True)
class Cause:
    """A verdict and the conditions that it rests on, as reasons."""

    verdict: str
    reasons: tuple[str, ...]


def cause_of(active: Sequence[Condition]) -> Cause:
    """The cause of missing data at one site. Power evidence weighs over circuits, circuits over devices."""
    rules = {c.rule: c for c in active}
    dark = "site_unreachable" in rules
    if "power_lost" in rules:
        return Cause(
            POWER, ("the site said that mains power was lost before it fell silent" if dark else "mains lost",)
        )
    circuits = [c for c in active if c.rule == "circuit_down"]
    if dark and circuits:
        told = "neighbours" if any(c.facts.get("neighbours_down") for c in circuits) else "carrier or probe"
        return Cause(WAN, (f"{len(circuits)} circuit(s) of the site are down by {told}", "no word of a power loss"))
    if dark:
        return Cause(UNKNOWN, ("every device is silent", "no word of a power loss", "no circuit is known to be down"))
    devices = [c for c in active if c.rule == "device_unreachable"]
    if devices:
        return Cause(GATEWAY, (f"{len(devices)} device(s) are silent while the site answers",))
    sensors = [c for c in active if c.rule in ("sensor_silent", "sensor_frozen")]
    if sensors:
        return Cause(SENSOR, (f"{len(sensors)} sensor(s) are silent or frozen while their device answers",))
    return Cause(NONE, ())
