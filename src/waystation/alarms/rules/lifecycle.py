"""The life of an alarm as independent facts. Acknowledge, clear and resolve may come in any order."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

Act = tuple[datetime, str]  # the instant and who


@dataclass(frozen=True, slots=True)
class Life:
    """What happened to an alarm. Each fact keeps the earliest telling, so that orders cannot matter."""

    raised_at: datetime
    acked: Act | None = None
    cleared_at: datetime | None = None
    resolved: Act | None = None
    quiet: str = ""  # kind of the live suppression: shelve | silence | window | out_of_service | inhibit


def acknowledge(life: Life, at: datetime, person_id: UUID) -> Life:
    """Somebody has it in hand."""
    act = (at, str(person_id))
    return replace(life, acked=act if life.acked is None else min(life.acked, act))


def clear(life: Life, at: datetime) -> Life:
    """The condition is gone."""
    return replace(life, cleared_at=at if life.cleared_at is None else min(life.cleared_at, at))


def resolve(life: Life, at: datetime, person_id: UUID) -> Life:
    """Its incident ended with an outcome."""
    act = (at, str(person_id))
    return replace(life, resolved=act if life.resolved is None else min(life.resolved, act))


def label(life: Life) -> str:
    """The state's name in `kernel.states.ALARM`, derived and never stored as a fact of its own."""
    if life.cleared_at is not None:
        return "normal" if life.acked is not None or life.resolved is not None else "cleared_unacked"
    if life.quiet == "out_of_service":
        return "out_of_service"
    if life.quiet == "shelve":
        return "shelved"
    if life.quiet:
        return "suppressed"
    return "active_acked" if life.acked is not None else "active_unacked"


def interrupts(life: Life, rank: int, acked_rank: int | None) -> tuple[bool, str]:
    """Whether the life still allows a page, with the reason; a rank above the acknowledged one is a new fact."""
    if life.cleared_at is not None:
        return False, "cleared"
    if life.acked is None:
        return True, "unacknowledged"
    if acked_rank is not None and rank > acked_rank:
        return True, "new_fact_after_acknowledge"
    return False, "acknowledged"
