"""Where a class of assets is stocked, and how surely: from impact, replacement complexity and failure frequency.

The band is a criticality, the hub tier a place; neither is a site's tier. A cover level is the target
probability of no stock-out over lead time, not a share of variance.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from waystation.planning.rules.sizing import COVER_WORDS

Impact = Literal["high", "medium", "low"]
Complexity = Literal["high", "low"]
Frequency = Literal["high", "medium", "low"]
Placement = Literal["hub", "bench_or_vendor_advance", "central"]
Band = Literal[1, 2, 3]


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the placement table; None matches any value. The first row that matches decides."""

    impact: Impact | None
    complexity: Complexity | None
    frequency: Frequency | None
    placement: Placement
    band: Band
    reason: str


RULES: tuple[Rule, ...] = (
    Rule("low", None, None, "central", 3, "low impact: stays central"),
    Rule(
        "high",
        "high",
        None,
        "bench_or_vendor_advance",
        1,
        "high complexity: regional bench or vendor advance replacement",
    ),
    Rule(
        None,
        "high",
        None,
        "bench_or_vendor_advance",
        2,
        "high complexity: regional bench or vendor advance replacement",
    ),
    Rule("high", "low", None, "hub", 1, "high impact, low complexity: hub stock"),
    Rule("medium", "low", "low", "central", 3, "medium impact, fails rarely here: central"),
    Rule(
        "medium",
        "low",
        None,
        "hub",
        2,
        "medium impact, fails often enough here: hub stock, vendor expediting as backup",
    ),
)


@dataclass(frozen=True, slots=True)
class BandCover:
    """What a band promises: the range of cover (None: stocked centrally only) and the backup."""

    band: Band
    low: float | None
    high: float | None
    backup: str

    def words(self) -> str:
        """The cover as it stands beside a number."""
        if self.low is None or self.high is None:
            return f"band {self.band}: {self.backup}"
        return f"band {self.band}: {COVER_WORDS} {self.low:.0%} to {self.high:.0%}, {self.backup}"


BANDS: dict[Band, BandCover] = {
    1: BandCover(1, 0.95, 0.99, "stocked to cover"),
    2: BandCover(2, 0.80, 0.90, "vendor expediting as backup"),
    3: BandCover(3, None, None, "held centrally"),
}


@dataclass(frozen=True, slots=True)
class Classified:
    """A class's placement, band and cover, with the rule that decided and its words."""

    placement: Placement
    band: Band
    cover: BandCover
    rule: Rule
    reason: str


def classify(
    impact: Impact, complexity: Complexity, frequency: Frequency, rules: tuple[Rule, ...] = RULES
) -> Classified:
    """The first rule that matches; the shipped table matches every combination.

    Raises LookupError for a user's own table that leaves the combination out.
    """
    values = (impact, complexity, frequency)
    for rule in rules:
        asked = (rule.impact, rule.complexity, rule.frequency)
        if all(want is None or want == value for want, value in zip(asked, values, strict=True)):
            cover = BANDS[rule.band]
            return Classified(rule.placement, rule.band, cover, rule, f"{rule.reason}; {cover.words()}")
    raise LookupError(f"no rule covers impact {impact}, complexity {complexity}, frequency {frequency}")


def belongs_in_region(
    overnight_restore_h: float | None, tolerable_outage_h: float, need_per_quarter: float
) -> tuple[bool, str]:
    """The regional test: what can be replaced overnight without risk to its tolerable outage does not belong here.

    `overnight_restore_h` is the 9-of-10 time from the centre; None when the centre cannot restore it.
    """
    if overnight_restore_h is None:
        return True, "belongs here: the centre cannot restore it"
    if overnight_restore_h <= tolerable_outage_h:
        return False, (
            f"does not belong here: the centre restores in {overnight_restore_h:g} h, "
            f"{tolerable_outage_h:g} h are tolerable, needed {need_per_quarter:g} times a quarter"
        )
    return True, f"belongs here: the centre takes {overnight_restore_h:g} h, {tolerable_outage_h:g} h are tolerable"
