"""Record a hand reading: what a person read, with which instrument, and what it remembers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.registry.models import Space
from waystation.registry.queries import one
from waystation.telemetry.models import HandDuty, HandReading
from waystation.telemetry.record_second import note_second_sources
from waystation.telemetry.rules.second_source import USUAL_HOLD_S
from waystation.telemetry.second_sources import longest_hold_s

LONGEST_MEMORY = timedelta(days=62)


@dataclass(frozen=True, slots=True)
class Memory:
    """What a minimum-maximum thermometer remembers since it was last reset, in degrees Celsius."""

    since: datetime
    lowest_c: float
    highest_c: float


def hand_reading(
    by: Authority,
    space_id: UUID,
    *,
    value_c: float,
    observed_at: datetime,
    instrument: str,
    now: datetime,
    certificate: str = "",
    certificate_until: date | None = None,
    reason: str = "",
    memory: Memory | None = None,
) -> HandReading:
    """A temperature that this person read, now or earlier. It moves the next due reading of an unmonitored space.

    It covers a silence of the probes for the interval of the watch by hand, at most 30 min or what the profile says;
    a memory covers as much of the time before. Out of range it opens an excursion.
    """
    space = one(Space, space_id, among=Space.objects.select_related("site", "profile"))
    by.require("telemetry.write_hand", space.site_id)
    _check(value_c, observed_at, instrument, memory, now)
    with transaction.atomic():
        duty = HandDuty.objects.select_for_update().filter(space=space, ended_at=None).first()
        row = HandReading(
            space=space,
            value_c=value_c,
            observed_at=observed_at,
            recorded_at=now,
            by_id=by.principal_id,
            instrument=instrument.strip(),
            certificate=certificate.strip(),
            certificate_until=certificate_until,
            reason=reason,
            covers_s=_covers_s(space, duty),
        )
        facts: dict[str, object] = {
            "space": space.code,
            "value_c": value_c,
            "observed_at": observed_at,
            "instrument": row.instrument,
            "certificate": row.certificate,
            "certificate_until": str(certificate_until or ""),
            "covers_s": row.covers_s,
        }
        if memory is not None:
            row.lowest_c, row.highest_c, row.remembers_since = memory.lowest_c, memory.highest_c, memory.since
            facts |= {"lowest_c": memory.lowest_c, "highest_c": memory.highest_c, "since": memory.since}
        changed: list[HandReading | HandDuty] = [row]
        if duty is not None:
            duty.due_at = max(duty.due_at, observed_at + timedelta(seconds=duty.every_s))
            changed.append(duty)
        incident = duty.incident_id if duty else None
        entry = NewEntry("telemetry.hand_reading", row.pk, by, now, space.site_id, reason, facts)
        record(changed, [NewEvent(data=facts, at=observed_at, incident_id=incident)], entry=entry)
        note_second_sources(by, space, observed_at, observed_at, now=now)
    return row


def _covers_s(space: Space, duty: HandDuty | None) -> int:
    longest = longest_hold_s(space.profile) if space.profile else USUAL_HOLD_S
    return int(min(duty.every_s, longest) if duty else longest)


def _check(value_c: float, observed_at: datetime, instrument: str, memory: Memory | None, now: datetime) -> None:
    values = [("value_c", value_c)]
    values += [("lowest_c", memory.lowest_c), ("highest_c", memory.highest_c)] if memory else []
    for field, value in values:
        if not -200.0 <= value <= 200.0:
            raise BadInput("telemetry.hand_value", f"{value} °C cannot be.", "Read again.", field=field, value=value)
    if observed_at > now + timedelta(minutes=1):
        raise BadInput(
            "telemetry.hand_future",
            f"{observed_at:%H:%M} UTC lies ahead.",
            "Write when it was read.",
            field="observed_at",
        )
    if not instrument.strip():
        raise BadInput("telemetry.hand_instrument", "No instrument is named.", "Write its number.", field="instrument")
    if memory is None:
        return
    if not memory.lowest_c <= value_c <= memory.highest_c:
        raise BadInput(
            "telemetry.hand_memory",
            f"{value_c:g} °C is not between {memory.lowest_c:g} and {memory.highest_c:g} °C.",
            "Read the lowest and the highest again; the present value lies between them.",
            field="lowest_c",
            value=memory.lowest_c,
        )
    if not observed_at - LONGEST_MEMORY <= memory.since < observed_at:
        raise BadInput(
            "telemetry.hand_memory_since",
            f"A memory since {memory.since:%Y-%m-%d %H:%M} UTC does not fit a reading at {observed_at:%H:%M} UTC.",
            "Write when the thermometer was last reset, before the reading.",
            field="since",
        )
