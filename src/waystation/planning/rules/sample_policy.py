"""The starting policy: five classes of assets with hub tier, demand pattern, cover and automation priority."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from waystation.planning.rules.classification import Complexity, Frequency, Impact

CoverKind = Literal["days", "spares_per_model", "lead_time_plus_buffer", "one_per_cluster"]
Tier = Literal["central", "regional", "local"]


@dataclass(frozen=True, slots=True)
class ClassPolicy:
    """One row: cover from `low` to `high` in the unit of its kind. A starting point, not a rule."""

    name: str
    tiers: tuple[Tier, ...]
    demand: str
    cover: CoverKind
    low: float
    high: float
    automation: Literal["medium", "high", "very_high"]
    impact: Impact
    complexity: Complexity
    frequency: Frequency


@dataclass(frozen=True, slots=True)
class Fleet:
    """What a row needs to become a number of units: usage, lead time, models and critical site clusters."""

    weekly_usage: float = 0.0
    lead_time_weeks: float = 0.0
    buffer: float = 0.0
    models: int = 0
    critical_clusters: int = 0


POLICY: tuple[ClassPolicy, ...] = (
    ClassPolicy(
        "Laptops and endpoints",
        ("regional",),
        "moderate, predictable",
        "days",
        7,
        14,
        "high",
        "medium",
        "low",
        "medium",
    ),
    ClassPolicy(
        "Docks and chargers",
        ("regional", "local"),
        "high churn, low cost",
        "days",
        14,
        30,
        "high",
        "medium",
        "low",
        "high",
    ),
    ClassPolicy(
        "Switches and firewalls",
        ("regional",),
        "few, critical",
        "spares_per_model",
        1,
        3,
        "very_high",
        "high",
        "low",
        "low",
    ),
    ClassPolicy(
        "SSDs, RAM and optics",
        ("regional", "central"),
        "mixed, driven by failures",
        "lead_time_plus_buffer",
        1,
        1,
        "medium",
        "medium",
        "low",
        "medium",
    ),
    ClassPolicy(
        "Edge appliances",
        ("local", "regional"),
        "by site, in bursts",
        "one_per_cluster",
        1,
        1,
        "very_high",
        "high",
        "low",
        "medium",
    ),
)


def bounds(row: ClassPolicy, fleet: Fleet) -> tuple[int, int, str]:
    """Minimum and maximum units that a row asks of a fleet, and the arithmetic in words."""
    per_unit: Mapping[CoverKind, tuple[float, str]] = {
        "days": (fleet.weekly_usage / 7.0, f"{fleet.weekly_usage:g} a week / 7 per day of cover"),
        "spares_per_model": (float(fleet.models), f"{fleet.models} models"),
        "lead_time_plus_buffer": (
            fleet.weekly_usage * fleet.lead_time_weeks + fleet.buffer,
            f"{fleet.weekly_usage:g} a week x {fleet.lead_time_weeks:g} weeks + {fleet.buffer:g}",
        ),
        "one_per_cluster": (float(fleet.critical_clusters), f"{fleet.critical_clusters} critical site clusters"),
    }
    each, words = per_unit[row.cover]
    low, high = math.ceil(row.low * each - 1e-9), math.ceil(row.high * each - 1e-9)
    return low, high, f"{row.low:g} to {row.high:g} x ({words}) = {low} to {high}"
