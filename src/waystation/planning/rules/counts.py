"""Count laws of lead-time demand and what a base stock does with them.

A law is its probabilities: a one-dimensional array, `law[k]` = P(N = k), cut where the tail is below 1e-13.
N is the number of units outstanding (ordered and not yet here). With base stock S a demand is met at once when
N <= S - 1, backorders are (N - S)+ and stock on hand is (S - N)+. Sources: Sherbrooke, Optimal Inventory Modeling
of Systems (2004), ch. 2; Panjer, ASTIN Bulletin 12 (1981); Feeney and Sherbrooke, Management Science 12 (1966).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, at_least_zero, mean_demand, share

Array = NDArray[np.float64]
TAIL = 1e-13


@dataclass(frozen=True, slots=True)
class BaseStock:
    """What base stock S does: share of demand met at once, mean backorders, mean on hand, variance of backorders."""

    stock: int
    fill: float
    ebo: float
    eoh: float
    vbo: float


def poisson(mean: float, *, field: str = "mean") -> Array:
    """The Poisson law of a mean (units), 0 to 500."""
    return _panjer(mean_demand(field, mean), 0.0)


def negative_binomial(mean: float, variance_to_mean: float) -> Array:
    """The negative binomial law of a mean (units) and a variance-to-mean ratio of 1 or more; 1 is Poisson."""
    mean_demand("mean", mean)
    if not (math.isfinite(variance_to_mean) and variance_to_mean >= 1.0):
        raise BadInput(
            "planning.variance_to_mean",
            f"A variance-to-mean ratio of {variance_to_mean:g} is below that of Poisson demand.",
            "Give a ratio of 1 or more.",
            field="variance_to_mean",
            value=variance_to_mean,
        )
    return _panjer(mean, 1.0 - 1.0 / variance_to_mean)


def _panjer(mean: float, b: float) -> Array:
    """P(k+1) = P(k) (mean (1-b) + k b) / (k+1): Poisson at b = 0, else negative binomial. In logarithms."""
    sd = math.sqrt(mean / (1.0 - b))
    last = int(mean + (12.0 + 20.0 * b) * sd + 30.0 / max(1e-9, 1.0 - b))
    steps = np.arange(last, dtype=float)
    with np.errstate(divide="ignore"):
        ratios = np.log(mean * (1.0 - b) + steps * b) - np.log(steps + 1.0)
    start = mean * (1.0 - b) * math.log1p(-b) / b if b > 0.0 else -mean
    law: Array = np.exp(np.concatenate(([start], start + np.cumsum(ratios))))
    return trimmed(law)


def count_laws(mean: Array, variance: Array, width: int) -> Array:
    """(*mean.shape, width): laws of counts, negative binomial on two moments, Poisson where they are equal."""
    b = 1.0 - mean / np.maximum(variance, np.maximum(mean, 1e-300))
    b = np.where((b < 1e-9) | (mean <= 0.0), 0.0, b)
    base = mean * (1.0 - b)
    found = np.empty((*mean.shape, width))
    found[..., 0] = np.exp(np.where(b > 0.0, base * np.log1p(-b) / np.where(b > 0.0, b, 1.0), -base))
    for k in range(1, width):
        found[..., k] = found[..., k - 1] * (base + (k - 1) * b) / k
    return found


def compound_poisson(customers: float, batch: Mapping[int, float]) -> Array:
    """Poisson `customers` (mean in the period), each asking for k units with probability `batch[k]`, k of 1 or more."""
    shares = {int(k): share("batch_pmf", p) for k, p in batch.items() if p != 0.0}
    if not shares or min(shares) < 1 or abs(sum(shares.values()) - 1.0) > 1e-6:
        raise BadInput(
            "planning.batch_sizes",
            "Batch sizes have to be 1 or more and their shares have to add up to 1.",
            "Give each batch size with its share.",
            field="batch_pmf",
            value=str(dict(batch)),
        )
    mean = mean_demand("customers x batch", customers * sum(k * p for k, p in shares.items()))
    second = customers * sum(k * k * p for k, p in shares.items())
    last = int(mean + 14.0 * math.sqrt(second) + 20 * max(shares))
    law = np.zeros(last + 1)
    law[0] = math.exp(-customers)
    for n in range(1, last + 1):
        law[n] = customers / n * sum(k * p * law[n - k] for k, p in shares.items() if k <= n)
    return trimmed(law)


def trimmed(law: Array) -> Array:
    """The law without a tail that weighs less than 1e-13; never empty."""
    tail = np.cumsum(law[::-1])[::-1]
    keep = int(np.searchsorted(-tail, -TAIL, side="right"))
    kept: Array = law[: max(1, keep)]
    return kept


def convolved(one: Array, other: Array) -> Array:
    """The law of the sum of two independent counts."""
    both: Array = np.convolve(one, other).astype(np.float64)
    return trimmed(both)


def thinned(law: Array, kept: float) -> Array:
    """The law of how many of N belong to one asker when each does with probability `kept` (0 to 1)."""
    split: Array = law @ binomials(len(law), np.array([kept]))[0]
    return trimmed(split)


def binomials(size: int, kept: Array) -> Array:
    """Binomial probabilities, shape (len(kept), size, size): [i, n, k] = P(k of n | kept[i])."""
    n = np.arange(size)[:, None]
    k = np.arange(size)[None, :]
    logs = np.array([math.lgamma(v + 1.0) for v in range(size)])
    choose = np.where(k <= n, logs[n] - logs[k] - logs[np.maximum(n - k, 0)], -np.inf)
    some = np.clip(kept, 1e-300, 1.0 - 1e-16)[:, None, None]
    found: Array = np.exp(choose + k * np.log(some) + np.maximum(n - k, 0) * np.log1p(-some))
    found[kept <= 0.0] = np.where(k == 0, 1.0, 0.0) * np.ones_like(n)
    found[kept >= 1.0] = np.where(k == n, 1.0, 0.0)
    return found


def backorders(law: Array, stock: int) -> Array:
    """The law of (N - stock)+."""
    if stock >= len(law):
        return np.ones(1)
    rest = law[stock:].copy()
    rest[0] = law[: stock + 1].sum()
    return rest


def at_base_stock(law: Array, stock: int) -> BaseStock:
    """What base stock `stock` (units, 0 or more) does against a law."""
    k = np.arange(len(law))
    short = np.maximum(k - stock, 0)
    ebo = float(short @ law)
    return BaseStock(
        stock=stock,
        fill=float(law[:stock].sum()),
        ebo=ebo,
        eoh=float(np.maximum(stock - k, 0) @ law),
        vbo=max(0.0, float((short * short) @ law) - ebo * ebo),
    )


def no_stock_out(law: Array, stock: int) -> float:
    """P(N <= stock): the cycle service level of a stock (units) over one lead time."""
    return min(1.0, float(law[: stock + 1].sum()))


def smallest_base_stock(law: Array, target: float) -> int:
    """The fewest units whose fill P(N <= S - 1) reaches `target` (0 to below 1); 0 for a target of 0."""
    return 0 if share("target", target) == 0.0 else 1 + smallest_cover(law, target)


def smallest_cover(law: Array, target: float) -> int:
    """The fewest units S with P(N <= S) >= `target` (0 to below 1)."""
    if share("target", target) >= 1.0:
        raise BadInput(
            "planning.cover", "No stock covers demand surely.", "Give a share below 1.", field="target", value=target
        )
    reached = np.cumsum(law)
    return min(len(law) - 1, int(np.searchsorted(reached, target - 1e-13)))


def unit_fill(mean: float, variance_to_mean: float, stock: int) -> float:
    """Share of units met at once under negative binomial lead-time demand seen as Poisson customers.

    Customers ask for batches of logarithmic size; partial shipment. `mean` in units, `stock` a base stock.
    A unit is filled when the units outstanding before it, its own batch's earlier ones included, are fewer than S.
    """
    law = negative_binomial(mean, variance_to_mean)
    if variance_to_mean == 1.0:
        return at_base_stock(law, stock).fill
    b = 1.0 - 1.0 / variance_to_mean
    mean_batch = -b / ((1.0 - b) * math.log1p(-b))
    sizes = np.arange(1, stock + 1)
    reached = np.concatenate(([0.0], np.cumsum(-(b**sizes) / (sizes * math.log1p(-b)))))
    at_least = 1.0 - reached[:-1] if stock else np.zeros(0)  # P(batch >= i), i = 1..stock
    before = np.cumsum(law)
    filled = sum(at_least[i - 1] * before[min(stock - i, len(before) - 1)] for i in range(1, stock + 1))
    return float(filled) / mean_batch


def stock_table(law: Array) -> list[BaseStock]:
    """Every base stock from 0 until mean backorders are below a ten-thousandth of the mean (at least four rows)."""
    mean = float(np.arange(len(law)) @ law)
    rows: list[BaseStock] = []
    for stock in range(len(law) + 4):
        rows.append(at_base_stock(law, stock))
        if stock >= 3 and rows[-1].ebo <= 1e-5 * mean:
            break
    return rows


def lead_time_demand(rate: float, lead_time: float) -> float:
    """Mean demand over a lead time; `rate` per unit of the lead time's unit."""
    return mean_demand("rate x lead time", at_least_zero("rate", rate) * above_zero("lead_time", lead_time))
