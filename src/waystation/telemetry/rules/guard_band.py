"""Decision rules for one corrected reading with an expanded uncertainty U (k = 2), after ILAC-G8 4.2."""

from __future__ import annotations

from decimal import Decimal
from typing import Literal

DecisionRule = Literal["simple", "guarded", "nonbinary"]
Conformity = Literal["pass", "conditional_pass", "conditional_fail", "fail"]


def decide(
    corrected_c: Decimal, uncertainty_c: Decimal, low_c: Decimal, high_c: Decimal, rule: DecisionRule
) -> Conformity:
    """Whether a corrected value conforms to [low_c, high_c]; ValueError for an unknown rule.

    `simple` takes the limits as they are, `guarded` moves them inward by U, `nonbinary` says pass or fail only
    beyond U on either side and names what lies between.
    """
    inside = low_c <= corrected_c <= high_c
    guarded = low_c + uncertainty_c <= corrected_c <= high_c - uncertainty_c
    if rule == "simple":
        return "pass" if inside else "fail"
    if rule == "guarded":
        return "pass" if guarded else "fail"
    if rule != "nonbinary":
        raise ValueError(f"no decision rule {rule!r}: simple, guarded or nonbinary")
    if guarded:
        return "pass"
    if inside:
        return "conditional_pass"
    near = low_c - uncertainty_c <= corrected_c <= high_c + uncertainty_c
    return "conditional_fail" if near else "fail"
