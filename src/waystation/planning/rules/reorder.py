"""Reorder points: (s,Q), (R,S), optimal (r,Q) and optimal (s,S) under Poisson demand; (r,Q) under normal demand.

Orders follow the inventory position (on hand + on order - backorders). Rates and lead times share one unit of time;
costs are money per unit and unit of time, fixed costs money per order. Sources: Axsater, Inventory Control (2015),
ch. 5; Federgruen and Zheng, Operations Research 40 (1992); Zheng and Federgruen, Operations Research 39 (1991);
Snyder and Shen (2019), ch. 4 and 5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, at_least_zero
from waystation.planning.rules.counts import Array, at_base_stock, poisson
from waystation.planning.rules.newsvendor import STANDARD, critical_ratio, normal_loss

MOST_ORDER = 20_000


@dataclass(frozen=True, slots=True)
class Policy:
    """What a reorder policy does: share met at once, mean backorders, mean on hand, orders per unit of time."""

    fill: float
    ebo: float
    eoh: float
    orders: float


@dataclass(frozen=True, slots=True)
class Best:
    """An optimal policy: `low` is the reorder point, `high` the order quantity or order-up-to level, cost per time."""

    low: float
    high: float
    cost: float


def s_q(rate: float, lead_time: float, reorder_point: int, quantity: int) -> Policy:
    """Order `quantity` when the position falls to `reorder_point`: the position is uniform on s+1 .. s+Q."""
    _whole("Q", quantity, 1)
    law = poisson(above_zero("rate", rate) * at_least_zero("lead_time", lead_time))
    levels = range(reorder_point + 1, reorder_point + quantity + 1)
    fill = sum(float(law[: max(0, y)].sum()) for y in levels) / quantity
    short = sum(_short(law, y) for y in levels) / quantity
    mean_level = reorder_point + (quantity + 1) / 2.0
    mean = rate * lead_time
    return Policy(fill, short, mean_level - mean + short, rate / quantity)


def r_s(rate: float, review: float, lead_time: float, order_up_to: int) -> Policy:
    """Every `review` order up to S. Averages over time from lead time to lead time + review; fill by demand."""
    above_zero("rate", rate), above_zero("review", review), at_least_zero("lead_time", lead_time)
    _whole("S", order_up_to, 0)
    late, early = poisson(rate * (lead_time + review)), poisson(rate * lead_time)
    law = np.zeros(len(late))
    law += 1.0 - np.cumsum(late)
    padded = np.zeros(len(late))
    padded[: len(early)] = early
    law -= 1.0 - np.cumsum(padded)
    seen = at_base_stock(np.maximum(law, 0.0) / (rate * review), order_up_to)
    return Policy(seen.fill, seen.ebo, seen.eoh, 1.0 / review)


def best_r_q(holding: float, backorder: float, fixed: float, rate: float, lead_time: float) -> Best:
    """The optimal (r,Q): the cheapest levels are taken one by one while they lower the average cost."""
    critical_ratio(holding, backorder)
    law = poisson(above_zero("rate", rate) * at_least_zero("lead_time", lead_time))
    mean = rate * lead_time

    def cost(level: int) -> float:
        short = _short(law, level)
        return holding * (level - mean + short) + backorder * short

    low = high = _lowest(cost)
    total, quantity = at_least_zero("fixed", fixed) * rate + cost(low), 1
    while quantity < MOST_ORDER:
        below, above = cost(low - 1), cost(high + 1)
        if min(below, above) >= total / quantity:
            break
        low, high = (low - 1, high) if below <= above else (low, high + 1)
        total, quantity = total + min(below, above), quantity + 1
    return Best(low - 1, quantity, total / quantity)


def best_s_s(holding: float, backorder: float, fixed: float, mean: float) -> Best:
    """The optimal (s,S) of periodic review, no lead time: order up to S when the position is s or less.

    Poisson demand of `mean` (above 0, at most 500) in each period. Zheng and Federgruen's bounds end the search.
    """
    critical_ratio(holding, backorder), at_least_zero("fixed", fixed)
    law = poisson(above_zero("mean", mean))

    @cache
    def cost(level: int) -> float:
        short = _short(law, level)
        return holding * (level - mean + short) + backorder * short

    renewals = _Renewals(law)
    start = _lowest(cost)
    low = start - 1
    while renewals.average(cost, low, start, fixed) > cost(low):
        low -= 1
    best = Best(low, start, renewals.average(cost, low, start, fixed))
    high = start + 1
    while cost(high) <= best.cost and high < start + MOST_ORDER:
        if renewals.average(cost, int(best.low), high, fixed) < best.cost:
            low = int(best.low)
            while renewals.average(cost, low, high, fixed) <= cost(low + 1):
                low += 1
            best = Best(low, high, renewals.average(cost, low, high, fixed))
        high += 1
    return best


class _Renewals:
    """Expected visits to each level below S between two orders, grown as far as they are asked for."""

    def __init__(self, law: Array) -> None:
        self._law = law
        self._visits = [1.0 / (1.0 - float(law[0]))]

    def average(self, cost: Callable[[int], float], low: int, high: int, fixed: float) -> float:
        """The average cost of (low, high) per period."""
        span = high - low
        while len(self._visits) < span:
            n = len(self._visits)
            past = np.array(self._visits[max(0, n - len(self._law) + 1) :][::-1])
            self._visits.append(float(past @ self._law[1 : len(past) + 1]) / (1.0 - float(self._law[0])))
        visits = self._visits[:span]
        return (fixed + sum(m * cost(high - j) for j, m in enumerate(visits))) / sum(visits)


@dataclass(frozen=True, slots=True)
class Normal:
    """Normal demand per unit of time with a lead time, and the costs of (r,Q): holding, stockout, fixed per order."""

    holding: float
    stockout: float
    fixed: float
    mean: float
    sd: float
    lead_time: float

    @property
    def lead_mean(self) -> float:
        """Mean lead-time demand, units."""
        return self.mean * self.lead_time

    @property
    def lead_sd(self) -> float:
        """Standard deviation of lead-time demand, units."""
        return self.sd * math.sqrt(self.lead_time)

    def checked(self) -> Normal:
        """Itself, with every value above zero; refused otherwise."""
        for name in ("holding", "stockout", "fixed", "mean", "sd", "lead_time"):
            above_zero(name, getattr(self, name))
        return self


def r_q_expected_level(given: Normal) -> Best:
    """(r,Q) by the expected-inventory-level approximation: backorders cost once each, by iteration to a fixed point."""
    given.checked()
    quantity, point = _order_quantity(given), given.lead_mean
    for _ in range(500):
        odds = given.holding * quantity / (given.stockout * given.mean)
        if not 0.0 < odds < 1.0:
            raise _no_fixed_point(quantity)
        z = STANDARD.inv_cdf(1.0 - odds)
        point = given.lead_mean + z * given.lead_sd
        short = given.lead_sd * normal_loss(z)[0]
        after = math.sqrt(2.0 * given.mean * (given.fixed + given.stockout * short) / given.holding)
        if abs(after - quantity) < 1e-10 * quantity:
            break
        quantity = after
    z = (point - given.lead_mean) / given.lead_sd
    short = given.lead_sd * normal_loss(z)[0]
    cost = given.holding * (point - given.lead_mean + quantity / 2.0)
    cost += given.mean * (given.fixed + given.stockout * short) / quantity
    return Best(point, quantity, cost)


def r_q_economic_backorders(given: Normal) -> Best:
    """(r,Q): Q of the economic order quantity with backorders; r where the cost rate at r equals that at r + Q."""
    given.checked()
    quantity = _order_quantity(given) * math.sqrt((given.holding + given.stockout) / given.stockout)
    low, high = given.lead_mean - quantity - 40.0 * given.lead_sd, given.lead_mean + 40.0 * given.lead_sd
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (middle, high) if _rate(given, middle) > _rate(given, middle + quantity) else (low, middle)
    return Best(low, quantity, math.nan)


def r_q_economic_safety(given: Normal) -> Best:
    """(r,Q): the economic order quantity, and the newsvendor's stock over lead time as reorder point."""
    given.checked()
    z = STANDARD.inv_cdf(critical_ratio(given.holding, given.stockout))
    return Best(given.lead_mean + z * given.lead_sd, _order_quantity(given), math.nan)


def r_q_loss(given: Normal) -> Best:
    """(r,Q) by the loss-function approximation: n(r) = hQ/(h+p), Q^2 = 2 (K rate + (h+p) n2(r)) / h."""
    given.checked()
    both = given.holding + given.stockout
    quantity, point = _order_quantity(given), given.lead_mean
    for _ in range(2000):
        z = _where_loss(given.holding * quantity / both / given.lead_sd)
        point = given.lead_mean + z * given.lead_sd
        second = given.lead_sd**2 * normal_loss(z)[1]
        after = math.sqrt(2.0 * (given.fixed * given.mean + both * second) / given.holding)
        if abs(after - quantity) < 1e-11 * quantity:
            break
        quantity = after
    return Best(point, quantity, math.nan)


def _order_quantity(given: Normal) -> float:
    return math.sqrt(2.0 * given.fixed * given.mean / given.holding)


def _rate(given: Normal, level: float) -> float:
    short = given.lead_sd * normal_loss((level - given.lead_mean) / given.lead_sd)[0]
    return given.holding * (level - given.lead_mean) + (given.holding + given.stockout) * short


def _where_loss(loss: float) -> float:
    """The z at which E(Z-z)+ is `loss`."""
    low, high = -loss - 40.0, 40.0
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (middle, high) if normal_loss(middle)[0] > loss else (low, middle)
    return low


def _short(law: Array, level: int) -> float:
    """E(D - level)+ for a whole level, also a negative one."""
    return float(np.maximum(np.arange(len(law)) - level, 0) @ law)


def _lowest(cost: Callable[[int], float]) -> int:
    """The level of the least cost rate, counted up from zero (the cost rate is convex)."""
    level = 0
    while cost(level + 1) < cost(level):
        level += 1
    return level


def _whole(field: str, value: int, least: int) -> int:
    if value != int(value) or not least <= value <= MOST_ORDER:
        raise BadInput(
            "planning.whole",
            f"{field} is {value}.",
            f"Give a whole number from {least} to {MOST_ORDER}.",
            field=field,
            value=value,
        )
    return int(value)


def _no_fixed_point(quantity: float) -> BadInput:
    return BadInput(
        "planning.no_reorder_point",
        f"With order quantities near {quantity:g} a stock-out costs less than holding: no reorder point is best.",
        "Check the holding cost and the stock-out cost.",
        field="stockout",
    )
