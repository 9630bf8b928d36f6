"""A person asks to be erased: at once where nothing has to be attributed to them, else once its retention ends.

Who did what to a record is part of the record, and the law that keeps the record keeps that too (GDPR Art. 17(3)(b)).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from waystation.access import actions
from waystation.access import queries as access
from waystation.access.models import Person
from waystation.alarms.care import forget_addresses
from waystation.evidence import queries as evidence
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Conflict
from waystation.registry import queries as registry

# what somebody does to their own account alone is no record about product or equipment
OWN = ("access.preferences_set", "access.password_set", "access.welcome_used")
NO_CLASS = timedelta(days=1826)  # five years (EU GDP 4.2), where no service class says otherwise


def kept_until(person_id: UUID) -> datetime | None:
    """Until when a person's name stays beside what they did, by the longest retention; None where nothing was done."""
    last = evidence.last_act_of(person_id, apart_from=OWN)
    return (
        None
        if last is None
        else last + max((timedelta(days=c.retention_days) for c in registry.service_classes()), default=NO_CLASS)
    )


def erase(by: Authority, person_id: UUID, *, reason: str, now: datetime) -> Person:
    """Erase a person, keys and all. Conflict, and an entry that says so, while what they did must stay attributed."""
    by.require("access.administer")
    until = kept_until(person_id) if access.person(person_id) is not None else None
    if until is not None and until > now:
        actions.refuse_erasure(by, person_id, until=until, reason=reason, now=now)
        raise Conflict(
            "access.erasure_kept",
            f"What this person did is kept with their name until {until:%Y-%m-%d}; this refusal is in the log.",
            "End their roles now, and erase them after that day.",
        )
    return take_away(by, person_id, reason=reason, now=now)


def take_away(by: Authority, person_id: UUID, *, reason: str, now: datetime, is_sealed: bool = False) -> Person:
    """Erase a person in every room, whatever is kept: `erase` asks that first, a restore has nothing left to keep."""
    with transaction.atomic():
        row = actions.erase_person(by, person_id, reason=reason, now=now, is_sealed=is_sealed)
        forget_addresses(by, person_id, instead=row.erased_address, now=now, reason=reason, is_sealed=is_sealed)
    return row
