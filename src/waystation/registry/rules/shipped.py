"""Product profiles that come with the platform: what published rules ask of common products.

Each says where it stands and whether that was read in the source or written from memory. None judges anything before
QA approved it; one from memory is to be checked against the official text first. Limits are inclusive, in degC.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class ShippedProfile:
    """A profile as it would be added: edition 1 of `code`. `rules` are device-alarm rules and never the limits."""

    code: str
    name: str
    low_c: float
    high_c: float
    source: str
    clause: str
    read: bool
    rules: tuple[Mapping[str, Any], ...] = ()
    judging_roles: tuple[str, ...] = ("product",)
    source_classes: tuple[str, ...] = field(default=("signed_batch", "device_signed_file"))

    def values(self) -> dict[str, Any]:
        """The columns of the record."""
        return {
            "code": self.code,
            "edition": 1,
            "name": self.name,
            "low_c": self.low_c,
            "high_c": self.high_c,
            "rules": [dict(rule) for rule in self.rules],
            "judging_roles": list(self.judging_roles),
            "source_classes": list(self.source_classes),
            "source": self.source,
            "clause": self.clause,
            "read": self.read,
        }


def _rule(name: str, op: str, limit_c: float, hours: float, mode: str = "single_event") -> Mapping[str, Any]:
    return {"id": name, "op": op, "limit_c": limit_c, "duration_s": hours * 3600, "mode": mode}


_FREEZING = _rule("freezing-1h", "<=", -0.5, 1)
_USP = "USP <1079.2>, revision of 1 Aug 2025, and USP storage definitions"
_CDC = "CDC Vaccine Storage and Handling Toolkit"
_SHIPPING = "WHO PQS E006, shipping devices"
SHIPPED: tuple[ShippedProfile, ...] = (
    ShippedProfile(
        "vaccine-who-fridge",
        "Vaccine refrigerator, 2 to 8 °C (WHO)",
        2.0,
        8.0,
        "WHO PQS E006, 30-day recorder TR06",
        "alarms: at or below -0.5 °C for 60 min; above 8 °C for 10 h, of which the operator is from memory",
        False,
        (_FREEZING, _rule("heat-10h", ">", 8.0, 10)),
    ),
    ShippedProfile(
        "vaccine-who-shipping-1",
        "Vaccine in transit, 2 to 8 °C (WHO type I)",
        2.0,
        8.0,
        _SHIPPING,
        "type I: at least 45 °C for 1 h; at least 30 °C for 10 h in all; at most -0.5 °C for 1 h",
        True,
        (_rule("heat-45", ">=", 45.0, 1), _rule("heat-30", ">=", 30.0, 10, "cumulative"), _FREEZING),
    ),
    ShippedProfile(
        "vaccine-who-shipping-2",
        "Vaccine in transit, 2 to 8 °C (WHO type II)",
        2.0,
        8.0,
        _SHIPPING,
        "type II: as type I, and at least 10 °C for 20 h in all",
        True,
        (
            _rule("heat-45", ">=", 45.0, 1),
            _rule("heat-30", ">=", 30.0, 10, "cumulative"),
            _rule("heat-10", ">=", 10.0, 20, "cumulative"),
            _FREEZING,
        ),
    ),
    ShippedProfile(
        "vaccine-cdc-fridge", "Vaccine refrigerator, 2 to 8 °C (CDC)", 2.0, 8.0, _CDC, "refrigerator", False
    ),
    ShippedProfile("vaccine-cdc-freezer", "Vaccine freezer, -50 to -15 °C (CDC)", -50.0, -15.0, _CDC, "freezer", False),
    ShippedProfile(
        "vaccine-cdc-ultra-cold", "Ultra-cold vaccine, -90 to -60 °C (CDC)", -90.0, -60.0, _CDC, "ultra-cold", False
    ),
    ShippedProfile(
        "medicine-usp-cold",
        "Controlled cold temperature, 2 to 8 °C (USP)",
        2.0,
        8.0,
        _USP,
        "excursions 2 to 15 °C for up to 24 h while the mean kinetic temperature of 24 h stays at or below 8 °C",
        True,
        (_rule("above-15", ">", 15.0, 0), _rule("above-8-24h", ">", 8.0, 24)),
    ),
    ShippedProfile(
        "medicine-usp-room",
        "Controlled room temperature, 20 to 25 °C (USP)",
        20.0,
        25.0,
        _USP,
        "excursions 15 to 30 °C, spikes to 40 °C for up to 24 h, mean kinetic temperature of 30 days at or below 25 °C",
        True,
        (_rule("below-15", "<", 15.0, 0), _rule("above-40", ">", 40.0, 0), _rule("above-30-24h", ">", 30.0, 24)),
    ),
    ShippedProfile(
        "food-frozen-eu",
        "Quick-frozen food, -18 °C or colder (EU)",
        -60.0,
        -18.0,
        "Council Directive 89/108/EEC",
        "article 5: -18 °C or colder; brief upward fluctuations of 3 °C in transport",
        False,
        (_rule("above-15-below-zero", ">", -15.0, 0),),
    ),
    ShippedProfile(
        "food-chilled-fda",
        "Chilled food, 0 to 5 °C (FDA Food Code)",
        0.0,
        5.0,
        "FDA Food Code",
        "3-501.16: cold holding at 5 °C (41 °F) or below; the lower limit keeps from freezing",
        False,
    ),
)
BY_CODE: Mapping[str, ShippedProfile] = {one.code: one for one in SHIPPED}
