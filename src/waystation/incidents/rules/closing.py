"""When an incident may end. Both facts that apply must stand, and somebody says what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

OUTCOMES = (
    "repaired",
    "part_replaced",
    "product_moved",
    "power_returned",
    "connection_returned",
    "sensor_failed",
    "false_alarm",
    "door_closed",
    "vendor_repaired",
    "no_fault_found",
    "reviewed_by_quality",
)
# an outcome that explains a reading away needs more than an operator while the reading stands out of range
EXPLAINING = frozenset({"sensor_failed", "false_alarm", "no_fault_found"})


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known when somebody wants to resolve."""

    outcome: str
    has_responder: bool
    needs_service: bool
    needs_product: bool
    service_restored_at: datetime | None
    product_safe_at: datetime | None
    out_of_range: bool | None  # None: it is not known, which counts as out of range
    by_quality: bool
    quality_task_open: bool = False


def missing(ending: Ending) -> list[tuple[str, str]]:
    """What stands in the way, as (code, words); empty when the incident may be resolved."""
    found = []
    if ending.outcome not in OUTCOMES:
        found.append(("outcome", f"the outcome {ending.outcome!r} is none of: {', '.join(OUTCOMES)}"))
    if not ending.has_responder:
        found.append(("responder", "nobody is named as responder"))
    if ending.needs_service and ending.service_restored_at is None:
        found.append(("service", "service is not restored"))
    if ending.needs_product and ending.product_safe_at is None:
        found.append(("product", "the space is not back in its profile for its settling time"))
    if ending.outcome in EXPLAINING and ending.out_of_range is not False and not ending.by_quality:
        found.append(("reading", f"{ending.outcome} would explain away a reading that is out of range or not known"))
    if ending.quality_task_open:
        found.append(("quality", "QA has not closed its task on the late excursion"))
    return found
