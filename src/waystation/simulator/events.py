"""What is scripted to happen: faults and repairs, each at an instant, on a space, a sensor, a device or a site."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Kind = Literal[
    "compressor_controller_failed",
    "controller_replaced",
    "door_left_open",
    "humidity_blip",
    "product_taken",
    "product_arrived",
    "probe_frozen",
    "probe_replaced",
    "mains_lost",
    "wan_cut",
    "device_dead",
    "device_replaced",
]
NEVER_MIN = 2**40


def minute_of(at: datetime) -> int:
    """The minute since the Unix epoch that `at` lies in."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    return int(at.timestamp() // 60)


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happens. `target` is `site`, `site/space`, `site/device` or a sensor's code; `until_min` excluded.

    `value` is a probe's frozen value or the temperature of product that arrives; `kg` its mass; `path` a circuit.
    """

    kind: Kind
    target: str
    at_min: int
    until_min: int = NEVER_MIN
    value: float | None = None
    kg: float = 0.0
    path: str = ""

    def __post_init__(self) -> None:
        if self.until_min <= self.at_min:
            raise ValueError(f"{self.kind} of {self.target} ends before it begins")

    @property
    def site(self) -> str:
        """The code of the site, for targets that begin with it."""
        return self.target.partition("/")[0]

    def holds(self, minute: int) -> bool:
        """True from its minute until it ends."""
        return self.at_min <= minute < self.until_min


def compressor_controller_failed(site: str, space: str, at: datetime) -> Event:
    """The controller stops the compressor and reports a fault, until it is replaced."""
    return Event("compressor_controller_failed", f"{site}/{space}", minute_of(at))


def controller_replaced(site: str, space: str, at: datetime) -> Event:
    """A working controller stands in its place."""
    return Event("controller_replaced", f"{site}/{space}", minute_of(at))


def door_left_open(site: str, space: str, at: datetime, until: datetime) -> Event:
    """The door stands open."""
    return Event("door_left_open", f"{site}/{space}", minute_of(at), minute_of(until))


def humidity_blip(site: str, space: str, at: datetime, until: datetime, percent: float = 25.0) -> Event:
    """Humidity reads so much higher for a while; temperature does not move."""
    return Event("humidity_blip", f"{site}/{space}", minute_of(at), minute_of(until), percent)


def probe_frozen(sensor: str, at: datetime, value: float | None = None) -> Event:
    """The sensor repeats its value of that minute (or `value`) until it is replaced."""
    return Event("probe_frozen", sensor, minute_of(at), value=value)


def flat_at(sensor: str, at: datetime, value: float = 21.0) -> Event:
    """The sensor says one value that has nothing to do with its space, until it is replaced."""
    return Event("probe_frozen", sensor, minute_of(at), value=value)


def probe_replaced(sensor: str, at: datetime) -> Event:
    """The sensor measures again."""
    return Event("probe_replaced", sensor, minute_of(at))


def mains_lost(site: str, at: datetime, until: datetime) -> Event:
    """No mains: compressors stop, the UPS drains, a generator starts where there is one."""
    return Event("mains_lost", site, minute_of(at), minute_of(until))


def wan_cut(site: str, at: datetime, until: datetime, path: str = "both") -> Event:
    """The site's `primary`, `backup` or both circuits carry nothing."""
    if path not in ("primary", "backup", "both"):
        raise ValueError(f"{path!r} is no path: primary, backup or both")
    return Event("wan_cut", site, minute_of(at), minute_of(until), path=path)


def device_dead(site: str, device: str, at: datetime) -> Event:
    """The device says nothing more, until it is replaced."""
    return Event("device_dead", f"{site}/{device}", minute_of(at))


def gateway_dead(site: str, at: datetime) -> Event:
    """The gateway samples and sends nothing, until it is replaced."""
    return device_dead(site, "gateway", at)


def device_replaced(site: str, device: str, at: datetime) -> Event:
    """The device (or another in its place) works again."""
    return Event("device_replaced", f"{site}/{device}", minute_of(at))


def is_broken(events: Iterable[Event], broken: Kind, mended: Kind, minute: int) -> Event | None:
    """The newest `broken` event up to the minute that no `mended` event followed, or None.

    Of two in one minute the repair counts: it can only have come after.
    """
    since = max((e.at_min for e in events if e.kind == mended and e.at_min <= minute), default=-1)
    found = [e for e in events if e.kind == broken and since < e.at_min <= minute]
    return max(found, key=lambda e: e.at_min) if found else None
