"""What surrounds a space: the ambient temperature of its site, door openings by the hour of the day, defrosts."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import lru_cache
from math import cos, exp, pi
from random import Random
from zoneinfo import ZoneInfo

from waystation.simulator.chance import stream
from waystation.simulator.network import SitePlan
from waystation.simulator.thermal import Thermal

# how the openings of a day spread over its local hours: a pharmacy that works from eight to eight
HOURS = (0, 0, 0, 0, 0, 0, 1, 3, 9, 10, 9, 8, 6, 5, 5, 6, 8, 9, 8, 6, 3, 1, 0, 0)
WEEKEND = 0.35
NIGHT_OPENINGS_PER_H = 0.01


@lru_cache(maxsize=65536)
def local_hour(zone: str, hour: int) -> tuple[int, int]:
    """(weekday with Monday 0, hour of the day) of an hour since the epoch in a zone."""
    local = datetime.fromtimestamp(hour * 3600, UTC).astimezone(ZoneInfo(zone))
    return local.weekday(), local.hour


class Ambient:
    """The temperature around the spaces of a site: warm in the afternoon, and a little weather of its own."""

    def __init__(self, site: SitePlan, seed: int) -> None:
        self._mean_c, self._swing_c = site.climate["indoor_c"], site.climate["swing_c"]
        self._zone, self._code, self._seed = site.zone, site.code, seed
        self._hours: dict[int, float] = {}

    def at(self, minute: int) -> float:
        """Degrees Celsius at a minute since the epoch."""
        hour, rest = divmod(minute, 60)
        before, after = self._hour(hour), self._hour(hour + 1)
        return before + (after - before) * rest / 60

    def _hour(self, hour: int) -> float:
        if hour not in self._hours:
            _, of_day = local_hour(self._zone, hour)
            day, share = divmod(hour, 24)
            weather = self._weather(day) + (self._weather(day + 1) - self._weather(day)) * share / 24
            self._hours[hour] = self._mean_c + self._swing_c * cos((of_day - 15) * pi / 12) + weather
        return self._hours[hour]

    def _weather(self, day: int) -> float:
        return stream(self._seed, self._code, "weather", day).uniform(-0.7, 0.7)


def door_shares(thermal: Thermal, key: str, zone: str, seed: int, hour: int) -> list[float]:
    """For each minute of an hour since the epoch the part of it that the door is open."""
    shares = [0.0] * 60
    weekday, of_day = local_hour(zone, hour)
    expected = thermal.openings_per_day * HOURS[of_day] / sum(HOURS) * (WEEKEND if weekday > 4 else 1.0)
    expected += NIGHT_OPENINGS_PER_H if thermal.openings_per_day else 0.0
    if expected <= 0:
        return shares
    chance = stream(seed, key, "door", hour)
    for _ in range(_count(expected, chance)):
        opens = chance.uniform(0.0, 60.0)
        closes = min(60.0, opens + min(chance.expovariate(1 / thermal.open_min), 2.5 * thermal.open_min))
        for minute in range(int(opens), min(60, int(closes) + 1)):
            shares[minute] = min(1.0, shares[minute] + max(0.0, min(closes, minute + 1) - max(opens, minute)))
    return shares


def _count(expected: float, chance: Random) -> int:
    """A Poisson number by its definition; `expected` is small."""
    floor, product, count = exp(-expected), chance.random(), 0
    while product > floor:
        product *= chance.random()
        count += 1
    return count


def is_defrosting(thermal: Thermal, key: str, seed: int, minute: int) -> bool:
    """True while the coil is defrosted; each space has its own hour for it."""
    period = int(thermal.defrost_every_h * 60)
    return period > 0 and (minute + _phase(seed, key, period)) % period < thermal.defrost_min


@lru_cache(maxsize=4096)
def _phase(seed: int, key: str, period: int) -> int:
    return stream(seed, key, "defrost").randrange(period)
