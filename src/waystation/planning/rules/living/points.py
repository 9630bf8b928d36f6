"""A reorder point with its terms: base demand + safety stock + emergency buffer, and what each factor does to it.

The inventory position (on hand + on order + due from repair and transit - reserved - backorders) is watched. At or
below the reorder point an order goes out that lifts it to the order-up-to level, so the position never stays below
reorder point + 1, and that level is what covers a lead time. Nothing held is a reorder point of -1.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.checks import above_zero, at_least_zero, share
from waystation.planning.rules.counts import Array, binomials, no_stock_out, smallest_cover
from waystation.planning.rules.demand.leadtime import DAYS_PER_MONTH, LeadTimeDemand, lead_time_demand

MOST_UNITS = 5_000


@dataclass(frozen=True, slots=True)
class Point:
    """A policy for one part group at one hub, in units. `reorder_point` is -1 where nothing is held."""

    reorder_point: int
    order_up_to: int

    def __post_init__(self) -> None:
        if not -1 <= self.reorder_point <= self.order_up_to <= MOST_UNITS or (
            self.reorder_point == self.order_up_to >= 0
        ):
            raise BadInput(
                "planning.point",
                f"Reorder point {self.reorder_point} and order-up-to level {self.order_up_to} cannot both hold.",
                f"Give a point of -1 or more and a level above it, up to {MOST_UNITS}.",
                field="reorder_point",
                value=self.reorder_point,
            )

    @property
    def least(self) -> int:
        """The level that covers a lead time: one above the reorder point."""
        return self.reorder_point + 1


@dataclass(frozen=True, slots=True)
class Sized:
    """A point with its terms (units), the cover that it reaches, what sets it, and the steps in words."""

    point: Point
    base: float
    safety: float
    buffer: int
    cover: float
    set_by: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Scenario:
    """Something that hits many at once: `sites` x `units_per_site` fail with `chance` each; `saved` need no part."""

    name: str
    sites: int
    units_per_site: int = 1
    chance: float = 1.0
    saved: int = 0


def buffer_of(scenario: Scenario, cover: float) -> tuple[int, str]:
    """Units that the scenario asks for with probability `cover` at most, less those saved; and how that is said."""
    units = int(at_least_zero("sites", scenario.sites) * at_least_zero("units_per_site", scenario.units_per_site))
    if units > MOST_UNITS:
        raise BadInput("planning.scenario", f"{units} units are too many.", "Name fewer sites.", field="sites")
    law = _binomial(units, share("chance", scenario.chance))
    needed = max(0, smallest_cover(law, cover) - int(at_least_zero("saved", scenario.saved)))
    words = f"{scenario.name}: {scenario.sites} sites x {scenario.units_per_site}, {scenario.chance:.0%} each"
    return needed, f"{words}, {scenario.saved} saved otherwise: {needed} at {cover:.0%}"


def _binomial(units: int, chance: float) -> Array:
    if units <= 200:
        law: Array = binomials(units + 1, np.array([chance]))[0][units]
        return law
    k = np.arange(units + 1)
    logs = np.array([math.lgamma(v + 1.0) for v in k])
    sure = min(max(chance, 1e-300), 1.0 - 1e-16)
    told: Array = np.exp(logs[-1] - logs - logs[::-1] + k * math.log(sure) + (units - k) * math.log1p(-sure))
    return told


def size(
    demand: LeadTimeDemand, cover: float, *, floor: int = 0, scenario: Scenario | None = None, batch: int = 1
) -> Sized:
    """The point whose cover of a lead time reaches `cover`, never below `floor` units; orders of `batch` units."""
    above_zero("batch", batch)
    covering = smallest_cover(demand.law, cover)
    buffer, told = (0, "no emergency buffer") if scenario is None else buffer_of(scenario, cover)
    least = max(covering + buffer, int(at_least_zero("floor", floor)))
    set_by = "class floor" if floor > covering + buffer else "emergency buffer" if buffer else "cover of the lead time"
    point = Point(least - 1, least + int(batch) - 1) if least else Point(-1, 0)
    reached = no_stock_out(demand.law, least)
    steps = (
        f"base demand in lead time = {demand.mean:.2f}",
        f"safety stock = {covering} - {demand.mean:.2f} = {covering - demand.mean:.2f} for a cover of {cover:.0%}",
        f"emergency buffer = {buffer} ({told})",
        f"at least {floor} by class" if floor else "no class floor",
        _ordered(point, reached),
    )
    return Sized(point, demand.mean, max(0.0, covering - demand.mean), buffer, reached, set_by, steps)


def _ordered(point: Point, reached: float) -> str:
    if point.least == 0:
        return "nothing is held: no stock is needed for this cover"
    return f"order at {point.reorder_point} or below, up to {point.order_up_to}; no stock-out: {reached:.1%}"


@dataclass(frozen=True, slots=True)
class Setting:
    """What a target depends on beside the failures: one hub and family.

    `late_share` of shipments take `late_days` more; `models` that cannot stand in for each other split the demand;
    `parts_per_swap` grows with complexity (a second part for a failed attempt).
    """

    sites: int
    failures_per_site_month: float
    lead_time_days: float
    late_share: float = 0.1
    late_days: float = 7.0
    distance_days: float = 0.0
    parts_per_swap: float = 1.0
    models: int = 1
    dispersion: float = 1.2


@dataclass(frozen=True, slots=True)
class Moved:
    """One factor changed by itself: the direction that is promised and the target before and after."""

    factor: str
    change: str
    promised: str
    before: int
    after: int

    @property
    def holds(self) -> bool:
        """Whether the target did not move against the promise."""
        return self.after >= self.before if self.promised == "up" else self.after <= self.before


def target_in(setting: Setting, cover: float) -> int:
    """Units that the setting needs so that no model runs out with probability `cover`, models being independent."""
    models, wanted = int(above_zero("models", setting.models)), share("cover", cover)
    late = share("late_share", setting.late_share)
    usual = setting.lead_time_days + setting.distance_days
    days = [usual + setting.late_days] * round(late * 20) + [usual] * (20 - round(late * 20))
    per_day = setting.sites * setting.failures_per_site_month * setting.parts_per_swap / DAYS_PER_MONTH / models
    told = lead_time_demand(per_day, setting.dispersion, days)
    return models * smallest_cover(told.law, wanted ** (1.0 / models))


def one_at_a_time(setting: Setting, cover: float) -> tuple[Moved, ...]:
    """Each factor doubled (or halved, or doubled in days) by itself, with the direction in which the target moves."""
    changes: Sequence[tuple[str, str, str, Setting]] = (
        ("site count", "twice the sites", "up", dataclasses.replace(setting, sites=setting.sites * 2)),
        (
            "complexity",
            "half a part more a swap",
            "up",
            dataclasses.replace(setting, parts_per_swap=setting.parts_per_swap + 0.5),
        ),
        (
            "shipping reliability",
            "half as many late",
            "down",
            dataclasses.replace(setting, late_share=setting.late_share / 2.0),
        ),
        (
            "geography",
            "3 days further away",
            "up",
            dataclasses.replace(setting, distance_days=setting.distance_days + 3.0),
        ),
        (
            "vendor speed",
            "half the lead time",
            "down",
            dataclasses.replace(setting, lead_time_days=setting.lead_time_days / 2.0),
        ),
        ("standardisation", "one model for all", "down", dataclasses.replace(setting, models=1)),
    )
    before = target_in(setting, cover)
    return tuple(Moved(name, words, way, before, target_in(other, cover)) for name, words, way, other in changes)
