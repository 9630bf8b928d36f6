"""What the past says of a rate: a gamma prior shared by a group of series, updated by discounted counts.

Demand of a series in a month is a count with mean rate x exposure. Exposure is whatever demand is proportional to:
months on record, installed units, or the failures that an installed base would give. A month in which the shelf was
empty or the record is missing has exposure 0, so that it pulls no rate down (censoring). The rate of a series is
gamma distributed around the rate of its group; old months count less, and the group's recent drift is measured by
forecasting the last months from what came before them. Sources: Gelman et al., Bayesian Data Analysis (2013), 2.6;
West and Harrison, Bayesian Forecasting (1997), ch. 10 (discounting).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.counts import Array, negative_binomial, smallest_cover

FLOOR = 0.05  # a mean below which a series tells nothing of its own dispersion


@dataclass(frozen=True, slots=True)
class Memory:
    """How much the past weighs.

    `discount` a month for the rate and `slow_discount` for the dispersion (0 to 1); `strength` is the weight of the
    group's rate in units of exposure, `slow_strength` that of its dispersion in months; `drift_months` of the past are
    forecast again to measure the group's drift, 0 for none.
    """

    discount: float = 0.88
    strength: float = 1.0
    slow_discount: float = 0.97
    slow_strength: float = 10.0
    drift_months: int = 12


@dataclass(frozen=True, slots=True)
class Rates:
    """By series: demand per unit of exposure, the exposure that it rests on, variance to mean; the group's drift."""

    rate: Array
    weight: Array
    dispersion: Array
    drift: float
    group_rate: float


@dataclass(frozen=True, slots=True)
class Ahead:
    """By series: mean demand (units) over a time ahead and its variance-to-mean ratio, at least 1."""

    mean: Array
    dispersion: Array


SERIES = Memory()  # series of a catalogue, exposure in months
FIELD = Memory(discount=0.97, strength=20.0, drift_months=0)  # exposure in failures expected from the installed base


def rates(counts: Array, exposure: Array | None = None, memory: Memory = SERIES) -> Rates:
    """The rates of a group of series. `counts` and `exposure` have the shape (series, months), oldest month first.

    A count where exposure is 0 is refused: demand was seen, so it could be seen.
    """
    seen = np.ones_like(counts) if exposure is None else exposure
    _checked(counts, seen)
    rate, weight, group = _discounted(counts, seen, memory)
    return Rates(rate, weight, _dispersion(counts, seen, memory), _drift(counts, seen, memory), group)


def ahead(known: Rates, exposure: Array | float) -> Ahead:
    """Demand over an exposure ahead (a scalar or one for each series), with the doubt about the rate in its spread."""
    reach = known.drift * np.broadcast_to(np.asarray(exposure, dtype=float), known.rate.shape)
    doubt = known.dispersion * reach / np.maximum(known.weight, 1e-12)
    return Ahead(known.rate * reach, known.dispersion + doubt)


def quantiles(told: Ahead, shares: tuple[float, ...]) -> Array:
    """The fewest units whose probability of being enough reaches each share; shape (series, shares)."""
    found = np.zeros((len(told.mean), len(shares)))
    for n, (mean, spread) in enumerate(zip(told.mean, told.dispersion, strict=True)):
        law = negative_binomial(float(mean), float(max(1.0, spread)))
        found[n] = [smallest_cover(law, share) for share in shares]
    return found


def _checked(counts: Array, exposure: Array) -> None:
    if counts.ndim != 2 or counts.shape != exposure.shape or counts.shape[1] == 0:
        raise BadInput(
            "planning.history",
            f"Counts of shape {counts.shape} and exposure of shape {exposure.shape} are no history.",
            "Give both as series x months.",
            field="counts",
        )
    if not (np.isfinite(counts).all() and np.isfinite(exposure).all()) or (counts < 0).any() or (exposure < 0).any():
        raise BadInput(
            "planning.history", "A count or exposure is negative or no number.", "Correct the months.", field="counts"
        )
    if ((exposure == 0.0) & (counts > 0.0)).any():
        raise BadInput(
            "planning.history_hidden",
            "Demand is on record in a month in which none could be seen.",
            "Give the month its exposure, or move the demand.",
            field="exposure",
        )


def _discounted(counts: Array, exposure: Array, memory: Memory) -> tuple[Array, Array, float]:
    weights = memory.discount ** np.arange(counts.shape[1] - 1, -1, -1.0)
    seen, had = counts @ weights, exposure @ weights
    group = float(seen.sum() / had.sum()) if had.sum() > 0.0 else 0.0
    weight = memory.strength + had
    return (memory.strength * group + seen) / np.maximum(weight, 1e-12), weight, group


def _dispersion(counts: Array, exposure: Array, memory: Memory) -> Array:
    """Variance to mean of each series about its own slow rate, drawn towards that of the group; at least 1."""
    weights = memory.slow_discount ** np.arange(counts.shape[1] - 1, -1, -1.0)
    months = float(weights.sum())
    had = np.maximum(exposure @ weights, 1e-12)
    means = (counts @ weights / had)[:, None] * exposure
    squares = ((counts - means) ** 2) @ weights * months / max(months - 1.0, 1.0)
    mean = means @ weights
    group = float(squares.sum() / mean.sum()) if mean.sum() > 0.0 else 1.0
    each = np.maximum(mean / months, FLOOR)
    drawn = (squares + memory.slow_strength * group * each) / (each * (months + memory.slow_strength))
    held: Array = np.maximum(1.0, drawn)
    return held


def _drift(counts: Array, exposure: Array, memory: Memory) -> float:
    """What came, over what was forecast, for the last months of the group together; 1 where the past is too short."""
    months = counts.shape[1]
    if memory.drift_months == 0 or months < 2 * memory.drift_months:
        return 1.0
    came = told = 0.0
    for origin in range(months - memory.drift_months, months):
        rate, _, _ = _discounted(counts[:, :origin], exposure[:, :origin], memory)
        came += float(counts[:, origin:].sum())
        told += float((rate[:, None] * exposure[:, origin:]).sum())
    return came / told if told > 0.0 and came > 0.0 else 1.0
