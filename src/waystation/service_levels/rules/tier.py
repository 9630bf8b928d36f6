"""From product criticality, site volume and customer commitments to a class, with the reason in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from waystation.kernel.refusals import BadInput

CRITICALITY = ("vaccine", "pharmaceutical", "food", "none")
COMMITMENTS = ("contractual", "agreed", "none")
VOLUME_HIGH, VOLUME_MEDIUM = 5_000, 500  # units handled a month


@dataclass(frozen=True, slots=True)
class Tier:
    """The rank (1 is the most critical) and why."""

    rank: int
    reasons: tuple[str, ...]


def tier_of(inputs: Mapping[str, object]) -> Tier:
    """The tier of a site: the strictest of the three inputs decides. BadInput names an input that cannot be used."""
    criticality = _one_of(inputs, "criticality", CRITICALITY)
    commitments = _one_of(inputs, "commitments", COMMITMENTS)
    volume = inputs.get("volume_per_month", 0)
    if not isinstance(volume, int) or isinstance(volume, bool) or volume < 0:
        raise BadInput(
            "service_levels.tier_input",
            f"volume_per_month cannot be {volume!r}.",
            "Write how many units the site handles a month.",
            field="volume_per_month",
            value=volume,
        )
    by_product = {"vaccine": 1, "pharmaceutical": 1, "food": 2, "none": 3}[criticality]
    by_promise = {"contractual": 1, "agreed": 2, "none": 3}[commitments]
    by_volume = 1 if volume >= VOLUME_HIGH else 2 if volume >= VOLUME_MEDIUM else 3
    rank = min(by_product, by_promise, by_volume)
    said = (
        (by_product, f"product is {criticality}"),
        (by_promise, f"commitments are {commitments}"),
        (by_volume, f"{volume} units a month"),
    )
    return Tier(rank, tuple(words for level, words in said if level == rank))


def _one_of(inputs: Mapping[str, object], name: str, allowed: tuple[str, ...]) -> str:
    value = inputs.get(name, "none")
    if value not in allowed:
        raise BadInput(
            "service_levels.tier_input",
            f"{name} cannot be {value!r}.",
            f"Use one of: {', '.join(allowed)}.",
            field=name,
            value=value,
        )
    return str(value)


@dataclass(frozen=True, slots=True)
class Change:
    """One target that changes with the class: its name with unit, the value today and then, and which kind it is."""

    kind: str  # alarm | recovery | stock | records
    name: str
    today: float
    then: float


TARGETS: Mapping[str, str] = {
    "detect_within_s": "alarm",
    "page_delay_s": "alarm",
    "acknowledge_within_s": "alarm",
    "recovery_h": "recovery",
    "remote_management_h": "recovery",
    "tolerable_outage_h": "recovery",
    "vendor_response_h": "recovery",
    "patch_windows_per_month": "recovery",
    "cover_probability": "stock",
    "retention_days": "records",
    "monitoring_availability_pct": "records",
}


def changes(today: Mapping[str, float], then: Mapping[str, float]) -> list[Change]:
    """Every target that differs between two classes, alarm first, then recovery, stock and records."""
    return [Change(kind, n, today[n], then[n]) for n, kind in TARGETS.items() if today[n] != then[n]]
