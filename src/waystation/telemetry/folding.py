"""Judging a whole history by columns: the same judgement as reading by reading, for a month in a fraction of the time.

Nearly every reading only continues what the one before began: in range, proven, in time. Those are found at once and
passed over as one stretch; every other reading goes through `SensorFold` as always.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from waystation.kernel.units import ZERO_C_IN_K
from waystation.telemetry.rules.durations import holds
from waystation.telemetry.rules.mkt import MktSum
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.verdict import SensorFold, SensorJudgement
from waystation.telemetry.store.columns import Floats

FEWEST = 200  # below this the columns cost more than they save


def judge_columns(
    at_s: Floats, value_c: Floats, profile: Profile, hold_s: float, from_s: float, to_s: float
) -> SensorJudgement:
    """Judge one sensor over [from_s, to_s], as `judge_sensor` does. Instants in any order; NaN is no measurement.

    Mean and mean kinetic temperature agree with `judge_sensor` to the last digits only: their sums run in parts.
    """
    if np.any(at_s[1:] < at_s[:-1]):
        order = np.argsort(at_s, kind="stable")
        at_s, value_c = at_s[order], value_c[order]
    until = int(np.searchsorted(at_s, to_s, side="right"))
    at_s, value_c = at_s[:until], value_c[:until]
    fold = SensorFold(profile, hold_s, from_s)
    passed = _continues(at_s, value_c, profile, hold_s, from_s) if len(at_s) >= FEWEST else np.zeros(len(at_s), bool)
    own = np.flatnonzero(~passed)
    next_own = 0
    for place, at, value in zip(own.tolist(), at_s[own].tolist(), value_c[own].tolist(), strict=True):
        if place > next_own:
            _pass_over(fold, at_s[next_own - 1 : place], value_c[next_own - 1 : place])
        fold.feed(at, value)
        next_own = place + 1
    if next_own < len(at_s):
        _pass_over(fold, at_s[next_own - 1 :], value_c[next_own - 1 :])
    return fold.judgement(to_s)


def _continues(at_s: Floats, value_c: Floats, profile: Profile, hold_s: float, from_s: float) -> NDArray[np.bool_]:
    """Which readings only continue a stretch that two readings before them began, in range, proven and in time."""
    calm = (value_c >= profile.band_low_c) & (value_c <= profile.band_high_c) & (at_s >= from_s)
    calm &= (value_c >= profile.low_c) & (value_c <= profile.high_c)
    for rule in profile.rules:
        calm &= ~np.asarray(holds(rule.op, value_c, rule.limit_c))
    goes_on = calm[:-1] & calm[1:] & (at_s[1:] > at_s[:-1]) & (at_s[1:] <= at_s[:-1] + hold_s)
    passed = np.zeros(len(at_s), dtype=bool)
    passed[2:] = goes_on[1:] & goes_on[:-1]
    return passed


def _pass_over(fold: SensorFold, at_s: Floats, value_c: Floats) -> None:
    """Take the readings behind the first, which is the newest that the fold knows."""
    covered_s, values = at_s[1:] - at_s[:-1], value_c[:-1]
    kelvin = values + ZERO_C_IN_K
    real = kelvin > 0.0
    kinetic = MktSum()
    powers = -kinetic.dh_over_r_k / kelvin[real]
    peak = float(powers.max()) if len(powers) else float("-inf")
    scaled = float(np.sum(covered_s[real] * np.exp(powers - peak))) if len(powers) else 0.0
    kinetic.count(float(np.sum(covered_s)), float(np.sum(covered_s * values)), peak, scaled)
    fold.pass_over(float(at_s[-1]), float(value_c[-1]), len(values), float(values.min()), float(values.max()), kinetic)
