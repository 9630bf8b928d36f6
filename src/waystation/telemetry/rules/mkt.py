"""Mean kinetic temperature, with dH/R = 10000 K unless a product says otherwise.

T_K = (dH/R) / -ln(sum(w exp(-dH/(R T))) / sum(w)). The sum runs with a moving scale (log-sum-exp), so cryogenic
values do not vanish. MKT stands beside a verdict and never changes it.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import exp, log

from waystation.kernel.units import ZERO_C_IN_K

DH_OVER_R_K = 10000.0


class MktSum:
    """A running weighted sum: feed (value, weight), ask for the mean and the mean kinetic temperature."""

    __slots__ = ("_peak", "_scaled", "_weighted_c", "dh_over_r_k", "weight")

    def __init__(self, dh_over_r_k: float = DH_OVER_R_K) -> None:
        self.dh_over_r_k = dh_over_r_k
        self.weight = 0.0
        self._weighted_c = 0.0
        self._peak = float("-inf")
        self._scaled = 0.0

    def add(self, value_c: float, weight: float) -> None:
        """Count `value_c` with a weight (covered seconds, or 1)."""
        if weight <= 0.0:
            return
        self.weight += weight
        self._weighted_c += weight * value_c
        kelvin = value_c + ZERO_C_IN_K
        if kelvin <= 0.0:
            return  # no such temperature: its term has the limit 0
        power = -self.dh_over_r_k / kelvin
        if power <= self._peak:
            self._scaled += weight * exp(power - self._peak)
        else:
            self._scaled = (self._scaled * exp(self._peak - power) if self._scaled else 0.0) + weight
            self._peak = power

    def count(self, weight: float, weighted_c: float, peak: float, scaled: float) -> None:
        """Count many values at once: their weights, weighted values, largest power, and the terms scaled by that."""
        other = MktSum(self.dh_over_r_k)
        other.weight, other._weighted_c, other._peak, other._scaled = weight, weighted_c, peak, scaled
        self.merge(other)

    def copy(self) -> MktSum:
        """The same sum, to go on from here without changing this one."""
        other = MktSum(self.dh_over_r_k)
        other.weight, other._weighted_c = self.weight, self._weighted_c
        other._peak, other._scaled = self._peak, self._scaled
        return other

    def merge(self, other: MktSum) -> None:
        """Count everything that `other` counted too."""
        self.weight += other.weight
        self._weighted_c += other._weighted_c
        if not other._scaled:
            return
        peak = max(self._peak, other._peak)
        mine = self._scaled * exp(self._peak - peak) if self._scaled else 0.0
        self._scaled, self._peak = mine + other._scaled * exp(other._peak - peak), peak

    def mean_c(self) -> float | None:
        """The weighted arithmetic mean; None when nothing has weight."""
        return self._weighted_c / self.weight if self.weight else None

    def mkt_c(self) -> float | None:
        """The mean kinetic temperature; None when nothing has weight."""
        if not self.weight or not self._scaled:
            return None
        return self.dh_over_r_k / -(self._peak + log(self._scaled / self.weight)) - ZERO_C_IN_K


def mkt_equal_c(values_c: Iterable[float], dh_over_r_k: float = DH_OVER_R_K) -> float | None:
    """The mean kinetic temperature of equally weighted usable values; None for none."""
    total = MktSum(dh_over_r_k)
    for value in values_c:
        total.add(value, 1.0)
    return total.mkt_c()
