"""What is reviewed afterwards, by when, and what stands in the way of the signature."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

REVIEW_WITHIN = timedelta(days=14)
MAJOR = ("P1", "P2")
STANDINGS = ("measured", "reported", "assumed")


def is_reviewed(priority: str, touches_product: bool, excursions: int) -> bool:
    """Every excursion, every incident of P1 or P2, and every one that touched product."""
    return priority in MAJOR or touches_product or excursions > 0


def empty_fields(
    root_cause: str, standing: str, what_failed: str, actions: Sequence[tuple[str, bool, bool]], no_change: str
) -> list[str]:
    """The fields that nobody filled, in words; an action is (what, has an owner, has a due date)."""
    found = []
    if not root_cause.strip():
        found.append("the root cause")
    if standing not in STANDINGS:
        found.append("how the root cause is known")
    if not what_failed.strip():
        found.append("what failed")
    if not actions and not no_change.strip():
        found.append("what is changed: an action, or why nothing is")
    if any(not what.strip() or not owned or not due for what, owned, due in actions):
        found.append("an action's words, owner or due date")
    return found
