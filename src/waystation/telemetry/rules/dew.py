"""Condensation: the dew point of air, and how far the air is from it. Degrees Celsius, relative humidity in percent."""

from __future__ import annotations

from math import log

MAGNUS_A, MAGNUS_B_C = 17.62, 243.12  # over water, -45 to 60 degC
RISK_K, SAFE_K = 2.0, 3.0  # air nearer to its dew point condenses on what is a little colder; the risk ends above
COLDEST_C, HOTTEST_C = -45.0, 60.0


def dew_point_c(air_c: float, humidity_pct: float) -> float | None:
    """The dew point by Magnus, over water; None outside -45 to 60 degC and for a humidity that is none or over 100."""
    if not COLDEST_C <= air_c <= HOTTEST_C or not 0 < humidity_pct <= 100:
        return None
    gamma = log(humidity_pct / 100) + MAGNUS_A * air_c / (MAGNUS_B_C + air_c)
    return MAGNUS_B_C * gamma / (MAGNUS_A - gamma)


def is_condensing(margin_k: float, *, was: bool) -> bool:
    """True when air is so near to its dew point that water may settle; once so, until it is clearly drier."""
    return margin_k < (SAFE_K if was else RISK_K)
