"""Demand from the installed base: cohorts by age, hazard by failure mode, refresh, warranty and defect windows.

Minimal repair: a unit of age a has failed cumulatively sum over modes of (a / scale)^shape times (a Poisson process,
Weibull hazards; Barlow and Proschan 1965). A cohort's age is month - install month; it leaves at the start of its
retire month. A defect window multiplies one mode's hazard for one model between two ages.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, at_least_zero
from waystation.planning.rules.counts import poisson, smallest_cover

MOST_MONTHS = 1_200


@dataclass(frozen=True, slots=True)
class Cohort:
    """Units of one model installed together. Months count from the start of the forecast; the past is negative."""

    model: str
    install_month: int
    retire_month: int
    quantity: float
    warranty_months: int


@dataclass(frozen=True, slots=True)
class Mode:
    """A way to fail: Weibull shape (below 1 infant, 1 random, above 1 wear) and scale in months."""

    name: str
    shape: float
    scale_months: float

    def cumulative(self, age: float) -> float:
        """Expected failures of a unit up to an age in months."""
        return float((max(0.0, age) / self.scale_months) ** self.shape)


@dataclass(frozen=True, slots=True)
class Defect:
    """A known defect: one mode's hazard times `multiplier` for one model from one age to another (months)."""

    model: str
    mode: str
    age_from: int
    age_to: int
    multiplier: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """Mean demand by month, the part of it in warranty, and what each mode contributes (each `months` long)."""

    mean: tuple[float, ...]
    in_warranty: tuple[float, ...]
    by_mode: dict[str, tuple[float, ...]]

    def lead_time_mean(self, lead_time_months: int) -> tuple[float, ...]:
        """Mean demand from each month on over the lead time; as many months as the forecast covers whole."""
        above_zero("lead_time_months", lead_time_months)
        last = len(self.mean) - lead_time_months
        return tuple(sum(self.mean[m : m + lead_time_months]) for m in range(last + 1))


def forecast(cohorts: Sequence[Cohort], modes: Sequence[Mode], months: int, defect: Defect | None = None) -> Forecast:
    """Mean demand of `months` months from the cohorts in the field."""
    if above_zero("months", months) > MOST_MONTHS:
        raise BadInput(
            "planning.months",
            f"{months} months are more than {MOST_MONTHS}.",
            "Forecast fewer.",
            field="months",
            value=months,
        )
    for mode in modes:
        above_zero(f"{mode.name}.shape", mode.shape), above_zero(f"{mode.name}.scale_months", mode.scale_months)
    if defect is not None and defect.mode not in {mode.name for mode in modes}:
        raise BadInput(
            "planning.defect_mode",
            f"The defect is of mode {defect.mode}, which is not among the modes.",
            "Name one of the modes.",
            field="defect.mode",
            value=defect.mode,
        )
    warranty = [0.0] * months
    parts = {mode.name: [0.0] * months for mode in modes}
    for cohort in cohorts:
        at_least_zero("qty", cohort.quantity)
        for month in range(max(0, cohort.install_month), min(months, cohort.retire_month)):
            age = month - cohort.install_month
            for mode in modes:
                failures = cohort.quantity * _failures(cohort, mode, age, defect)
                parts[mode.name][month] += failures
                warranty[month] += failures if age < cohort.warranty_months else 0.0
    mean = tuple(sum(parts[mode.name][m] for mode in modes) for m in range(months))
    return Forecast(mean, tuple(warranty), {name: tuple(row) for name, row in parts.items()})


def _failures(cohort: Cohort, mode: Mode, age: int, defect: Defect | None) -> float:
    each = mode.cumulative(age + 1.0) - mode.cumulative(float(age))
    hit = defect is not None and (defect.model, defect.mode) == (cohort.model, mode.name)
    if hit and defect is not None and defect.age_from <= age < defect.age_to:
        return each * at_least_zero("defect.multiplier", defect.multiplier)
    return each


def stock_to_cover(lead_time_means: Sequence[float], cover: float) -> tuple[int, ...]:
    """For each lead-time mean the fewest units with P(Poisson demand <= units) >= `cover`."""
    return tuple(smallest_cover(poisson(mean), cover) for mean in lead_time_means)
