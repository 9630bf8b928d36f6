"""Who is a mere consequence of whom. Inhibition stops interruption for missing data only; a reading always speaks."""

from __future__ import annotations

from collections.abc import Sequence

from waystation.alarms.rules.conditions import Condition, of_site

# earlier causes explain later ones
_PARENTS = ("power_lost", "site_unreachable", "device_unreachable")
# what stands for product that may be lost is never explained away
_NEVER = frozenset({"worst_case_limit", "excursion", "late_excursion", "hand_reading_missed"})


def parent_of(condition: Condition, active: Sequence[Condition]) -> Condition | None:
    """The active condition that explains this one, or None when it must speak for itself.

    Only a condition with `from_missing_data` has a parent: whatever a reading raised is never inhibited.
    """
    if not condition.from_missing_data or condition.rule in _NEVER:
        return None
    for rule in _PARENTS:
        if rule == condition.rule:
            return None
        for other in of_site(active, condition.site_id):
            if other.rule == rule and _covers(other, condition):
                return other
    return None


def _covers(parent: Condition, child: Condition) -> bool:
    if parent.identity == child.identity:
        return False
    if parent.object_kind == "site":
        return True
    if parent.rule == "device_unreachable":
        return str(child.facts.get("device_id", "")) == str(parent.object_id)
    return False


def consequences(parent: Condition, active: Sequence[Condition]) -> list[Condition]:
    """Every condition that `parent` explains now, in order of beginning: the children listed with the one page."""
    found = [c for c in active if (p := parent_of(c, active)) is not None and p.identity == parent.identity]
    return sorted(found, key=lambda c: (c.started_at, c.rule, str(c.object_id)))
