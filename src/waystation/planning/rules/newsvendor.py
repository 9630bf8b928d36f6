"""One order before one period: the newsvendor under normal and Poisson demand.

Source: Snyder and Shen, Fundamentals of Supply Chain Theory (2019), ch. 4.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from waystation.planning.rules.checks import above_zero, at_least_zero
from waystation.planning.rules.counts import at_base_stock, poisson, smallest_cover

STANDARD = NormalDist()


@dataclass(frozen=True, slots=True)
class Ordered:
    """What to order (units), its expected cost (money), and the share of demand that the costs ask to cover."""

    stock: float
    cost: float
    critical_ratio: float


def normal(holding: float, stockout: float, mean: float, sd: float) -> Ordered:
    """Normal demand. `holding` per unit left over, `stockout` per unit short, `mean` and `sd` in units."""
    ratio = critical_ratio(holding, stockout)
    z = STANDARD.inv_cdf(ratio)
    cost = (holding + stockout) * above_zero("demand_sd", sd) * STANDARD.pdf(z)
    return Ordered(at_least_zero("demand_mean", mean) + z * sd, cost, ratio)


def discrete(holding: float, stockout: float, mean: float) -> Ordered:
    """Poisson demand of `mean` units: the smallest whole order that the costs ask for."""
    ratio = critical_ratio(holding, stockout)
    law = poisson(mean, field="demand_mean")
    stock = smallest_cover(law, ratio)
    seen = at_base_stock(law, stock)
    return Ordered(float(stock), holding * seen.eoh + stockout * seen.ebo, ratio)


def critical_ratio(holding: float, stockout: float) -> float:
    """stockout / (holding + stockout); both above zero."""
    return above_zero("stockout_cost", stockout) / (above_zero("holding_cost", holding) + stockout)


def normal_loss(z: float) -> tuple[float, float]:
    """First and second loss of the standard normal: E(Z-z)+ and E((Z-z)+)^2 / 2."""
    over, density = 1.0 - STANDARD.cdf(z), STANDARD.pdf(z)
    return density - z * over, ((z * z + 1.0) * over - z * density) / 2.0
