"""What a gateway judges by itself, so that the site alarms while nothing gets out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from waystation.kernel.canonical import instant
from waystation.simulator.network import SitePlan

NORMAL: Mapping[str, float] = {"compressor_fault": 0.0, "power": 1.0}


@dataclass(frozen=True, slots=True)
class Rule:
    """What counts as abnormal for a sensor: outside inclusive limits, for so long."""

    name: str
    low: float
    high: float
    after_s: int

    def is_abnormal(self, value: float) -> bool:
        """True outside the limits."""
        return not self.low <= value <= self.high


def rules_of(site: SitePlan, page_delay_s: int) -> dict[str, Rule]:
    """The local rules of a site by sensor code: product probes by their profile, faults and mains at once."""
    rules: dict[str, Rule] = {}
    for space in site.spaces:
        if space.low_c is not None and space.high_c is not None:
            for sensor in space.judging:
                rules[sensor.code] = Rule("excursion", space.low_c, space.high_c, page_delay_s)
    for sensor in site.all_sensors():
        if sensor.quantity in NORMAL:
            normal = NORMAL[sensor.quantity]
            name = "power_lost" if sensor.quantity == "power" else sensor.quantity
            rules[sensor.code] = Rule(name, normal, normal, 0)
    return rules


class LocalJudge:
    """Follows the abnormal sensors of a site. The siren sounds once for each, only while the site is cut off."""

    def __init__(self, rules: Mapping[str, Rule]) -> None:
        self._rules = rules
        self._since_s: dict[str, int] = {}
        self._sounded: set[str] = set()
        self.raised: list[dict[str, str]] = []  # what is to be told first when the site can be heard again

    @property
    def is_abnormal(self) -> bool:
        """True while any sensor is outside its local limits."""
        return bool(self._since_s)

    def take(self, at_s: int, rows: Sequence[tuple[str, float]], *, is_cut: bool) -> bool:
        """Judge the readings of an instant; True when a sensor turned abnormal or normal again."""
        changed = False
        for code, value in rows:
            rule = self._rules.get(code)
            if rule is None:
                continue
            if not rule.is_abnormal(value):
                changed |= self._since_s.pop(code, None) is not None
                self._sounded.discard(code)
                continue
            changed |= code not in self._since_s
            since = self._since_s.setdefault(code, at_s)
            if is_cut and code not in self._sounded and at_s - since >= rule.after_s:
                self._sounded.add(code)
                self.raised.append(_alarm(rule, code, since, at_s, value))
        return changed


def _alarm(rule: Rule, code: str, since_s: int, at_s: int, value: float) -> dict[str, str]:
    return {
        "rule": rule.name,
        "sensor": code,
        "started_at": instant(datetime.fromtimestamp(since_s, UTC)),
        "raised_at": instant(datetime.fromtimestamp(at_s, UTC)),
        "value": repr(value),
        "sounded": "site siren",
    }
