"""Mains, generator and UPS of a site, and its circuits, as functions of the minute."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

from waystation.simulator.events import Event
from waystation.simulator.network import SitePlan

RECHARGE = 0.25  # minutes of UPS runtime won back in a minute of mains


class Power:
    """What feeds the site. `events` is the live list of the site's events; nothing is cached, so it may grow."""

    def __init__(self, site: SitePlan, events: Sequence[Event]) -> None:
        self._events = events
        self._full_min = float(site.power["ups_full_min"] or 0)
        starts_s = site.power["generator_start_s"]
        self._generator_after_min = None if starts_s is None else max(1, ceil(starts_s / 60))
        self.has_generator = starts_s is not None

    def _outages(self, minute: int) -> list[tuple[int, int]]:
        """Joined spans without mains that begin up to the minute."""
        spans = sorted((e.at_min, e.until_min) for e in self._events if e.kind == "mains_lost" and e.at_min <= minute)
        joined: list[tuple[int, int]] = []
        for begin, end in spans:
            if joined and begin <= joined[-1][1]:
                joined[-1] = (joined[-1][0], max(joined[-1][1], end))
            else:
                joined.append((begin, end))
        return joined

    def mains(self, minute: int) -> bool:
        """True while mains is there."""
        return not any(e.kind == "mains_lost" and e.holds(minute) for e in self._events)

    def generator(self, minute: int) -> bool:
        """True while the generator carries the site."""
        if self._generator_after_min is None or self.mains(minute):
            return False
        begin = self._outages(minute)[-1][0]
        return minute >= begin + self._generator_after_min

    def feeds_compressors(self, minute: int) -> bool:
        """True with mains or generator; compressors never hang on the UPS."""
        return self.mains(minute) or self.generator(minute)

    def ups_min(self, minute: int) -> float:
        """Minutes that the UPS has left at the beginning of the minute."""
        left, at = self._full_min, 0
        for begin, end in self._outages(minute):
            left = min(self._full_min, left + RECHARGE * (begin - at)) if at else self._full_min
            drains_to = min(end, minute)
            if self._generator_after_min is not None:
                drains_to = min(drains_to, begin + self._generator_after_min)
            left = max(0.0, left - (drains_to - begin))
            at = drains_to
        return min(self._full_min, left + RECHARGE * (minute - at)) if at else left

    def feeds_gateway(self, minute: int) -> bool:
        """True while mains, generator or UPS carries the gateway and the circuits' routers."""
        return self.feeds_compressors(minute) or self.ups_min(minute) > 0


class Circuits:
    """The site's ways out."""

    def __init__(self, site: SitePlan, events: Sequence[Event]) -> None:
        self._events = events
        self.has_backup = site.has_two_paths

    def is_up(self, path: str, minute: int) -> bool:
        """True while `primary` or `backup` carries traffic."""
        if path == "backup" and not self.has_backup:
            return False
        return not any(e.kind == "wan_cut" and e.path in (path, "both") and e.holds(minute) for e in self._events)

    def reaches_out(self, minute: int) -> bool:
        """True while one of them does."""
        return self.is_up("primary", minute) or self.is_up("backup", minute)
