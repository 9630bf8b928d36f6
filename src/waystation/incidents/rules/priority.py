"""How urgent an incident is, from the severity of its alarms and the rank of its site's service class."""

from __future__ import annotations

PRIORITIES = ("P1", "P2", "P3", "P4")


def priority_of(severity: str, class_rank: int) -> str:
    """P1 for immediate excursion risk; an actionable alarm is P2 in the most critical class, else P3; the rest P4."""
    if severity == "immediate_excursion_risk":
        return "P1"
    if severity == "operator_actionable":
        return "P2" if class_rank <= 1 else "P3"
    return "P4"


def more_urgent(one: str, other: str) -> str:
    """The more urgent of two priorities."""
    return min(one, other, key=PRIORITIES.index)
