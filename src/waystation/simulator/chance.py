"""Chance that can be repeated: one stream of numbers for each name, whatever is asked before it."""

from __future__ import annotations

from functools import lru_cache
from random import Random

HOUR_MIN = 60


def stream(seed: int, *names: object) -> Random:
    """A generator that depends on the seed and the names alone."""
    return Random("/".join(str(part) for part in (seed, *names)))


@lru_cache(maxsize=4096)
def hourly_noise(seed: int, name: str, hour: int) -> tuple[float, ...]:
    """Sixty normal numbers of mean 0 and deviation 1 for the minutes of an hour since the epoch."""
    gauss = stream(seed, name, hour).gauss
    return tuple(gauss(0.0, 1.0) for _ in range(HOUR_MIN))


def between_quantiles(p50: float, p90: float, chance: Random) -> float:
    """A log-normal duration with that median and that nine-of-ten value, in the unit of both."""
    if not 0 < p50 <= p90:
        raise ValueError(f"the median {p50} is not between 0 and the nine-of-ten value {p90}")
    spread = (p90 / p50) ** (1 / 1.2815515655446004)
    return float(p50 * spread ** chance.gauss(0.0, 1.0))
