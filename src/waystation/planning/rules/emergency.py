"""The emergency channel: what no shelf fills is couriered and does not take later stock (Erlang loss).

The loss holds for any law of the lead time with the mean given. Sources: Erlang (1917); Alfredsson and Verrijdt,
Management Science 45 (1999); Sherbrooke (2004), ch. 2 (availability).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, at_least_zero
from waystation.planning.rules.counts import Array

MOST_UNITS = 10_000


def erlang_loss(stock: int, offered: float) -> float:
    """The share of demand that finds none of `stock` units when `offered` = rate x lead time (units)."""
    at_least_zero("rate x lead time", offered)
    if not 0 <= stock <= MOST_UNITS:
        raise BadInput(
            "planning.stock",
            f"A stock of {stock} is outside 0 to {MOST_UNITS}.",
            "Check the number of units.",
            field="stock",
            value=stock,
        )
    loss = 1.0
    for n in range(1, stock + 1):
        loss = offered * loss / (n + offered * loss)
    return loss


def erlang_losses(offered: Array, most: int) -> Array:
    """(*offered.shape, most + 1): `erlang_loss` of 0 to `most` units, for many loads (units) at once."""
    lost = np.ones((*offered.shape, most + 1))
    for n in range(1, most + 1):
        lost[..., n] = offered * lost[..., n - 1] / (n + offered * lost[..., n - 1])
    return lost


@dataclass(frozen=True, slots=True)
class Channel:
    """A part with a courier behind it. Rates per year, times in years, money in one currency.

    `event_cost` is what one emergency costs: the courier and the downtime that local stock would have avoided.
    """

    rate: float
    lead_time: float
    unit_cost: float
    holding_rate: float
    event_cost: float

    def cost(self, stock: int) -> float:
        """Money per year with `stock` units held: holding and emergencies."""
        lost = erlang_loss(stock, self.rate * self.lead_time)
        return stock * self.unit_cost * self.holding_rate + self.rate * lost * self.event_cost


@dataclass(frozen=True, slots=True)
class Emergency:
    """The stock of the least yearly cost, its cost, its fill, and the rate from which the first unit pays."""

    stock: int
    cost: float
    fill: float
    break_even_rate: float | None


def best_stock(channel: Channel) -> Emergency:
    """The stock that minimises holding and emergencies a year; the cost is convex in the stock."""
    at_least_zero("rate", channel.rate), above_zero("lead_time", channel.lead_time)
    above_zero("unit_cost", channel.unit_cost), above_zero("holding_rate", channel.holding_rate)
    at_least_zero("event_cost", channel.event_cost)
    stock = 0
    while stock < MOST_UNITS and channel.cost(stock + 1) < channel.cost(stock):
        stock += 1
    fill = 1.0 - erlang_loss(stock, channel.rate * channel.lead_time)
    return Emergency(stock, channel.cost(stock), fill, first_unit_pays_from(channel))


def first_unit_pays_from(channel: Channel) -> float | None:
    """Failures per year from which one unit costs less than none; None when it never does."""
    holding = channel.unit_cost * channel.holding_rate
    left = channel.event_cost - holding * channel.lead_time
    return holding / left if left > 0.0 else None


@dataclass(frozen=True, slots=True)
class LocalSite:
    """A site with a shelf: failures per year, replenishment in years, units, hours down when the shelf serves."""

    rate: float
    lead_time: float
    stock: int
    restore_h: float


@dataclass(frozen=True, slots=True)
class Costs:
    """Hours down when the centre serves, money per courier and hour down, yearly holding rate, price of a unit."""

    central_h: float
    courier: float
    downtime_per_h: float
    holding_rate: float
    unit_cost: float


@dataclass(frozen=True, slots=True)
class Served:
    """Mean hours to restore, emergencies per year, money per year, capital, share served locally (None: no shelf)."""

    restore_h: float
    emergencies: float
    cost: float
    capital: float
    fill: float | None


def central_only(sites: Sequence[LocalSite], costs: Costs) -> Served:
    """Every failure is couriered from the centre."""
    rate = _rate(sites)
    each = costs.courier + costs.central_h * costs.downtime_per_h
    return Served(costs.central_h, rate, rate * each, 0.0, None)


def with_shelves(sites: Sequence[LocalSite], costs: Costs) -> Served:
    """Shelves first, the courier from the centre for what they cannot fill."""
    rate, local, down_h = _rate(sites), 0.0, 0.0
    for site in sites:
        at_least_zero("lead_years", site.lead_time), at_least_zero("local_h", site.restore_h)
        hits = site.rate * (1.0 - erlang_loss(site.stock, site.rate * site.lead_time))
        local += hits
        down_h += hits * site.restore_h
    missed = rate - local
    down_h += missed * costs.central_h
    capital = costs.unit_cost * sum(site.stock for site in sites)
    yearly = missed * costs.courier + down_h * costs.downtime_per_h + capital * costs.holding_rate
    return Served(down_h / rate, missed, yearly, capital, local / rate)


def _rate(sites: Sequence[LocalSite]) -> float:
    return above_zero("rate of all sites", sum(at_least_zero("rate", site.rate) for site in sites))


def availability(systems: int, items: Sequence[tuple[int, float]]) -> float:
    """Share of `systems` that wait for nothing; `items` are (quantity per system, mean backorders)."""
    above_zero("systems", systems)
    found = 1.0
    for quantity, ebo in items:
        left = 1.0 - at_least_zero("ebo", ebo) / (systems * above_zero("quantity_per_system", quantity))
        found *= max(0.0, left) ** quantity
    return found if math.isfinite(found) else 0.0
