"""Serial systems under stochastic service: echelon base stocks by the recursion of Clark and Scarf.

Sources: Clark and Scarf, Management Science 6 (1960); Chen and Zheng, Management Science 40 (1994).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, small_enough
from waystation.planning.rules.counts import Array

STEPS_PER_SD, WIDTH_SD = 60, 8.0


@dataclass(frozen=True, slots=True)
class Serial:
    """Echelon base stocks, stage nearest the customer first (units), and the expected cost per unit of time."""

    echelon_base_stock: tuple[float, ...]
    cost: float


def serial_base_stocks(
    echelon_holding: Sequence[float], lead_times: Sequence[float], stockout: float, mean: float, sd: float
) -> Serial:
    """The optimal echelon base stocks under normal demand; the first stage is the one nearest the customer.

    `echelon_holding` and `stockout` in money per unit and unit of time; `mean` and `sd` of demand per unit of time.
    The cost functions stand on a grid of sd/60.
    """
    _same_length(echelon_holding, lead_times)
    above_zero("stockout", stockout), above_zero("demand_mean", mean), above_zero("demand_sd", sd)
    total = mean * sum(above_zero("lead_times", v) for v in lead_times)
    spread = sd * math.sqrt(sum(lead_times))
    step = sd * math.sqrt(min(lead_times)) / STEPS_PER_SD
    small_enough("the grid", (2 * total + 6 * WIDTH_SD * spread) / step / 100)
    edge = total + 3 * WIDTH_SD * spread
    levels: Array = np.arange(-edge, edge, step, dtype=np.float64)
    below = (stockout + sum(echelon_holding)) * np.maximum(-levels, 0.0)
    stocks, cost = [], 0.0
    for holding, lead_time in zip(echelon_holding, lead_times, strict=True):
        expected = _expected(levels, above_zero("echelon_holding", holding) * levels + below, step, lead_time, mean, sd)
        best = int(np.argmin(expected))
        stocks.append(float(levels[best]))
        cost = float(expected[best])
        below = expected[np.minimum(np.arange(len(levels)), best)]
    return Serial(tuple(stocks), cost)


def _expected(levels: Array, values: Array, step: float, lead_time: float, mean: float, sd: float) -> Array:
    """E value(y - D) at each level, D normal over the lead time; the values go on straight beyond the grid."""
    spread = sd * math.sqrt(lead_time)
    half = math.ceil(WIDTH_SD * spread / step)
    shift = round(mean * lead_time / step)
    offset = mean * lead_time - shift * step
    around = np.arange(-half, half + 1) * step
    weights = np.exp(-0.5 * ((around - offset) / spread) ** 2)
    weights /= weights.sum()
    first, last = values[1] - values[0], values[-1] - values[-2]
    padded = np.concatenate(
        (
            values[0] + first * np.arange(-(shift + half), 0),
            values,
            values[-1] + last * np.arange(1, half + 1),
        )
    )
    smooth = np.convolve(padded, weights, mode="valid")
    return np.asarray(smooth[: len(levels)], dtype=float)


def _same_length(one: Sequence[float], other: Sequence[float]) -> None:
    if not one or len(one) != len(other):
        raise BadInput(
            "planning.stages",
            f"{len(one)} holding costs and {len(other)} lead times.",
            "Give one of each for every stage.",
            field="lead_times",
        )
