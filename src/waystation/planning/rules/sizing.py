"""The starting formula of a stock target, with every term and its arithmetic shown, and the break-even.

Target = base demand during lead time + safety stock + emergency buffer. The safety factor multiplies the base:
1.5 adds half of it. The month rule (52/12 weeks, or 4) is stated beside the number.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from waystation.kernel.refusals import BadInput

MonthRule = Literal["52/12", "4"]
WEEKS_PER_MONTH: dict[MonthRule, float] = {"52/12": 52.0 / 12.0, "4": 4.0}
COVER_WORDS = "target probability of no stock-out over lead time"


@dataclass(frozen=True, slots=True)
class Target:
    """A stock target in its three terms (units of the part, not rounded) and the steps of its arithmetic.

    `low` is the base alone, `units` the whole, both rounded up.
    """

    base: float
    safety: float
    buffer: float
    total: float
    low: int
    units: int
    month_rule: MonthRule
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class BreakEven:
    """When one more unit on the shelf pays: the chance of need in the period above which it does."""

    saved_per_event: float
    holding_cost: float
    probability: float
    hold_one_more: bool | None
    steps: tuple[str, ...]


def weekly_usage(per_month: float, month_rule: MonthRule) -> float:
    """Units per week from units per month under the stated rule."""
    return _at_least_zero("per_month", per_month) / WEEKS_PER_MONTH[month_rule]


def target(
    per_month: float,
    lead_time_weeks: float,
    safety_factor: float = 1.0,
    emergency_buffer: float = 0.0,
    month_rule: MonthRule = "52/12",
) -> Target:
    """The target from monthly usage. `safety_factor` is the multiplier on the base demand, 1 or more."""
    if not (math.isfinite(safety_factor) and safety_factor >= 1.0):
        raise BadInput(
            "planning.safety_factor",
            f"A safety factor of {safety_factor:g} would hold less than the base demand.",
            "Give the multiplier on lead-time demand, 1 or more.",
            field="safety_factor",
            value=str(safety_factor),
        )
    base = _base(per_month, lead_time_weeks, month_rule)
    safety = base * (safety_factor - 1.0)
    words = f"safety stock = ({safety_factor:g} - 1) x {base:.2f} = {safety:.2f}"
    return _sum(per_month, lead_time_weeks, month_rule, base, safety, words, emergency_buffer)


def target_for_cover(
    per_month: float,
    lead_time_weeks: float,
    cover: float,
    emergency_buffer: float = 0.0,
    month_rule: MonthRule = "52/12",
) -> Target:
    """The target whose base and safety stock reach `cover` (0 to 1): the probability of no stock-out over lead time.

    Demand is taken as Poisson, the cautious law where only a mean is known to be small.
    """
    if not 0.0 < cover < 1.0:
        raise BadInput(
            "planning.cover",
            f"A cover of {cover:g} is no probability that stock can promise.",
            "Give a share between 0 and 1, for example 0.95.",
            field="cover",
            value=str(cover),
        )
    base = _base(per_month, lead_time_weeks, month_rule)
    safety = max(0.0, smallest_stock(base, cover) - base)
    words = f"safety stock = {safety:.2f}: {COVER_WORDS} {cover:.0%}, Poisson demand of mean {base:.2f}"
    return _sum(per_month, lead_time_weeks, month_rule, base, safety, words, emergency_buffer)


def smallest_stock(mean: float, cover: float) -> int:
    """The fewest units with P(Poisson demand of `mean` <= units) >= `cover`; at most 10 000 of mean."""
    if not 0.0 <= mean <= 10_000.0:
        raise BadInput(
            "planning.mean",
            f"A lead-time demand of {mean:g} is outside 0 to 10 000.",
            "Check usage and lead time.",
            field="mean",
        )
    units, reached = 0, 0.0
    while True:
        reached += math.exp(units * math.log(mean) - mean - math.lgamma(units + 1)) if mean > 0.0 else 1.0
        if reached >= cover or units > mean + 60.0 * math.sqrt(mean + 1.0):
            return units
        units += 1


def break_even(
    emergency_shipment: float,
    downtime_per_h: float,
    downtime_h: float,
    part_price: float,
    yearly_carrying_rate: float | None,
    period_years: float = 1.0,
    chance_of_need: float | None = None,
) -> BreakEven:
    """Whether one more unit pays, as the chance of need in the period at which it starts to.

    One avoided event saves the emergency shipment and the downtime. Holding costs the whole price when
    `yearly_carrying_rate` is None (written off), else price x rate x years. All money in one currency.
    """
    values = (emergency_shipment, downtime_per_h, downtime_h, part_price, yearly_carrying_rate or 0.0, period_years)
    names = ("emergency_shipment", "downtime_per_h", "downtime_h", "part_price", "yearly_carrying_rate", "period_years")
    for name, value in zip(names, values, strict=True):
        _at_least_zero(name, value)
    saved = emergency_shipment + downtime_per_h * downtime_h
    written_off = yearly_carrying_rate is None
    holding = part_price if yearly_carrying_rate is None else part_price * yearly_carrying_rate * period_years
    probability = holding / saved if saved > 0.0 else math.inf
    how = (
        "the whole price is written off"
        if written_off
        else f"{yearly_carrying_rate:.0%} a year for {period_years:g} year"
    )
    pays = f"holding pays when the chance of need in the period exceeds {probability:.1%}"
    steps = (
        f"saved per event = {emergency_shipment:g} + {downtime_per_h:g} x {downtime_h:g} h = {saved:g}",
        f"cost of holding one = {holding:g} ({how})",
        f"break-even = {holding:g} / {saved:g}: {pays}"
        if probability <= 1.0
        else "one event does not pay for the unit",
    )
    hold = None if chance_of_need is None else chance_of_need > probability
    return BreakEven(saved, holding, probability, hold, steps)


def _at_least_zero(name: str, value: float) -> float:
    if not (math.isfinite(value) and value >= 0.0):
        raise BadInput(
            "planning.negative", f"{name} is {value:g}.", "Give a number of zero or more.", field=name, value=str(value)
        )
    return value


def _base(per_month: float, lead_time_weeks: float, month_rule: MonthRule) -> float:
    return weekly_usage(per_month, month_rule) * _at_least_zero("lead_time_weeks", lead_time_weeks)


def _sum(
    per_month: float, weeks: float, rule: MonthRule, base: float, safety: float, safety_words: str, buffer: float
) -> Target:
    total = base + safety + _at_least_zero("emergency_buffer", buffer)
    low, units = _round_up(base), _round_up(total)
    steps = (
        f"weekly usage = {per_month:g} a month / {rule} weeks = {weekly_usage(per_month, rule):.3f}",
        f"base demand = {weekly_usage(per_month, rule):.3f} x {weeks:g} weeks = {base:.2f}",
        safety_words,
        f"emergency buffer = {buffer:g}",
        f"target = {base:.2f} + {safety:.2f} + {buffer:g} = {total:.2f}, rounded up to {units}",
    )
    return Target(base, safety, buffer, total, low, units, rule, steps)


def _round_up(value: float) -> int:
    """The next whole unit; a billionth over a whole is arithmetic dust, not a unit."""
    return math.ceil(value - 1e-9)
