"""How good a forecast was: pinball loss, root mean square error with bias, cover, and skill against a naive one.

Errors that forecasting zero would win (absolute error) are not offered. Scaled losses are divided by the root mean
square of a series' own month-to-month changes; a series that never changed is left out and counted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waystation.planning.rules.counts import Array

SHARES = (0.5, 0.8, 0.9, 0.95, 0.98, 0.99)
ENOUGH = 12  # forecasts below which skill is not judged
NO_SKILL = "no skill: no better than the naive forecast"


@dataclass(frozen=True, slots=True)
class Skill:
    """A forecast beside the naive one on the same months: mean loss of both, and what that means in words.

    `share` is 1 - loss / naive loss; None where too little was forecast or nothing came.
    """

    forecasts: int
    loss: float
    naive_loss: float
    share: float | None
    low: float | None
    verdict: str


def scale(history: Array) -> Array:
    """Root mean square of month-to-month changes by series; 0 for one that never changed."""
    found: Array = np.sqrt((np.diff(history, axis=1) ** 2).mean(axis=1))
    return found


def pinball(told: Array, came: Array, shares: Sequence[float] = SHARES) -> Array:
    """Loss of quantiles `told` (series, shares) against what `came` (series); the same shape as `told`."""
    share = np.asarray(shares)
    over = came[:, None] - told
    loss: Array = np.maximum(share * over, (share - 1.0) * over)
    return loss


def scaled_pinball(told: Array, came: Array, history: Array, shares: Sequence[float] = SHARES) -> float:
    """Mean pinball loss over series that changed and over shares, each scaled by its own history."""
    by = scale(history)
    kept = by > 0.0
    return float((pinball(told, came, shares)[kept] / by[kept, None]).mean())


def rmsse(told: Array, came: Array, history: Array) -> tuple[float, float]:
    """Root mean squared scaled error of monthly forecasts (both series x months), and bias in units a month."""
    by = scale(history)
    kept = by > 0.0
    errors = np.sqrt(((came - told) ** 2).mean(axis=1))
    return float((errors[kept] / by[kept]).mean()), float((told - came).mean())


def skill(loss: Sequence[float], naive: Sequence[float]) -> Skill:
    """Whether losses are lower than the naive ones for the same forecasts; "no skill" is said plainly.

    The verdict needs the mean difference to be above twice its standard error.
    """
    mine, theirs = np.asarray(loss, dtype=float), np.asarray(naive, dtype=float)
    count = len(mine)
    if count < ENOUGH:
        return Skill(
            count, _mean(mine), _mean(theirs), None, None, f"not judged: {count} forecasts, {ENOUGH} are needed"
        )
    gain = theirs - mine
    base = _mean(theirs)
    if base <= 0.0:
        return Skill(count, _mean(mine), base, None, None, "not judged: the naive forecast made no error")
    half = 2.0 * float(gain.std(ddof=1)) / count**0.5
    share, low = float(gain.mean()) / base, (float(gain.mean()) - half) / base
    verdict = f"{share:.0%} less loss than the naive forecast" if low > 0.0 else NO_SKILL
    return Skill(count, _mean(mine), base, share, low, verdict)


def _mean(values: Array) -> float:
    return float(values.mean()) if len(values) else 0.0


def naive_quantiles(history: Array, months: int, shares: Sequence[float] = SHARES) -> Array:
    """The naive law: sums of `months` following months that were seen, as they were seen; shape (series, shares)."""
    held = np.cumsum(np.concatenate([np.zeros((len(history), 1)), history], axis=1), axis=1)
    sums = held[:, months:] - held[:, :-months]
    found: Array = np.quantile(sums, shares, axis=1, method="inverted_cdf").T
    return found
