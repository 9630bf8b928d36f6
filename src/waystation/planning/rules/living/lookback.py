"""Was it right? What a point promised beside what came while it held.

Right or wrong is a question of chance: a cover of 95 % runs out once in twenty lead times and is still right. A
verdict is given only where chance alone explains what came less than once in twenty times.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from waystation.planning.rules.checks import MOST_MEAN, above_zero, at_least_zero, share
from waystation.planning.rules.counts import negative_binomial

LUCK = 0.05
EARLY = "too early to say"


@dataclass(frozen=True, slots=True)
class Held:
    """A point while it held: days, lead time, promised cover, forecast of units a day with its spread."""

    days: float
    lead_time_days: float
    cover: float
    per_day: float
    dispersion: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """Demand told and come with the range that chance allows, stock-outs told and come, and the word."""

    told: float
    low: int
    high: int
    came: int
    lead_times: float
    stock_outs: int
    verdict: str
    words: str


def judged(held: Held, came: int, stock_outs: int) -> Verdict:
    """What can be said of a point: held, too low, too high (by its forecast), or too early."""
    cycles = at_least_zero("days", held.days) / above_zero("lead_time_days", held.lead_time_days)
    told = at_least_zero("per_day", held.per_day) * held.days
    low, high = _range(told, held.dispersion)
    word = _word(held, came, stock_outs, cycles, low, high)
    words = (
        f"{came} came, {told:.1f} were forecast ({low} to {high} by chance); "
        f"{stock_outs} stock-outs in {cycles:.1f} lead times at a promise of {held.cover:.0%}: {word}"
    )
    return Verdict(told, low, high, came, cycles, stock_outs, word, words)


def _word(held: Held, came: int, stock_outs: int, cycles: float, low: int, high: int) -> str:
    if _at_least(stock_outs, math.ceil(cycles), 1.0 - share("cover", held.cover)) < LUCK or came > high:
        return "too low"
    if came < low:
        return "too high"
    return "held" if cycles >= 1.0 else EARLY


def _range(mean: float, dispersion: float) -> tuple[int, int]:
    if mean <= 0.0:
        return 0, 0
    if mean > MOST_MEAN:
        half = 1.96 * math.sqrt(mean * max(1.0, dispersion))
        return math.floor(mean - half), math.ceil(mean + half)
    reached, low, high = 0.0, None, 0
    for units, chance in enumerate(negative_binomial(mean, max(1.0, dispersion))):
        reached += float(chance)
        low = units if low is None and reached > LUCK / 2.0 else low
        high = units
        if reached >= 1.0 - LUCK / 2.0:
            break
    return low or 0, high


def _at_least(hits: int, of: int, chance: float) -> float:
    """P(at least `hits` in `of` trials)."""
    if hits <= 0:
        return 1.0
    if hits > of:
        return 0.0 if of else 1.0
    return math.fsum(math.comb(of, k) * chance**k * (1.0 - chance) ** (of - k) for k in range(hits, of + 1))
