"""Who decides what interrupts whom: the severity matrix, escalation levels, rotations and overrides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from django.db import IntegrityError, transaction
from django.db.models import Max

from waystation.access import queries as access
from waystation.access.rules import HUMAN_ROLES
from waystation.alarms.models import Alarm, EscalationPolicy, MatrixVersion, Override, Rotation
from waystation.alarms.rules import escalation
from waystation.alarms.rules.matrix import SEVERITIES, parse
from waystation.alarms.rules.replay import Episode, Tally, replay
from waystation.alarms.situation import condition_of, matrix_in_force
from waystation.evidence.actions import NewEntry, record
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest, plain
from waystation.kernel.refusals import BadInput, Conflict
from waystation.registry.queries import one

LOOK_BACK_DAYS = 30
POLICY_TRIES = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """What the matrix in force and another one make of the same conditions."""

    before: Tally
    after: Tally
    conditions: int


def preview_matrix(
    by: Authority,
    rows: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    episodes: Sequence[Episode] | None = None,
    page_delay_s: int = 600,
) -> Preview:
    """Replay `episodes` (by default the alarms of the last 30 days) under the matrix in force and under `rows`."""
    by.require("alarms.policy")
    _, held = matrix_in_force()
    wanted = parse(rows)
    past = list(episodes) if episodes is not None else _past(now)
    return Preview(replay(held, past, page_delay_s, now), replay(wanted, past, page_delay_s, now), len(past))


def _past(now: datetime) -> list[Episode]:
    rows = Alarm.objects.filter(started_at__gte=now - timedelta(days=LOOK_BACK_DAYS)).order_by("started_at", "pk")
    return [Episode(condition_of(a), a.cleared_at) for a in rows]


def edit_matrix(
    by: Authority, rows: Sequence[Mapping[str, Any]], *, base_number: int, reason: str, now: datetime
) -> MatrixVersion:
    """A new edition, in force for what is judged from now on. Refused when somebody edited `base_number` meanwhile."""
    by.require("alarms.policy")
    data = [row.as_dict() for row in parse(rows)]
    try:
        with transaction.atomic():
            return _new_edition(by, data, base_number, reason, now)
    except IntegrityError:
        raise _moved_on(base_number + 1, base_number) from None


def _new_edition(
    by: Authority, data: list[dict[str, Any]], base_number: int, reason: str, now: datetime
) -> MatrixVersion:
    number = MatrixVersion.objects.aggregate(Max("number"))["number__max"] or 0
    if number != base_number:
        raise _moved_on(number, base_number)
    if number and MatrixVersion.objects.get(number=number).rows == data:
        return MatrixVersion.objects.get(number=number)
    row = MatrixVersion(number=number + 1, rows=data, by_id=by.principal_id, at=now, reason=reason)
    facts = {"number": number + 1, "rows": len(data), "digest": digest(plain(data))}
    record([row], entry=NewEntry("alarms.matrix_edited", row.pk, by, now, reason=reason, facts=facts))
    return row


def _moved_on(number: int, base_number: int) -> Conflict:
    return Conflict(
        "alarms.matrix_moved_on",
        f"Edition {number} is in force, not {base_number} that you edited.",
        "Read it again and repeat the change.",
    )


def set_policy(
    by: Authority,
    levels: Sequence[Mapping[str, Any]],
    *,
    now: datetime,
    site_id: UUID | None = None,
    severity: str = "",
) -> EscalationPolicy:
    """Escalation levels for a site or everywhere. Alarms already paged keep the policy that they began with."""
    by.require("alarms.policy", site_id)
    policy = escalation.parse(levels)
    if severity and severity not in SEVERITIES:
        raise BadInput(
            "alarms.policy_unusable",
            f"There is no severity {severity!r}.",
            f"Use one of {', '.join(SEVERITIES)}, or leave it out.",
            field="severity",
            value=severity,
        )
    for level in policy.levels:
        for role in level.roles:
            _check_role(role)
    row = EscalationPolicy(site_id=site_id, severity=severity, levels=policy.as_list(), at=now)
    entry = NewEntry("alarms.policy_set", row.pk, by, now, site_id, facts={"levels": policy.as_list()})
    for _ in range(POLICY_TRIES):
        try:
            with transaction.atomic():
                held = EscalationPolicy.objects.select_for_update().filter(severity=severity, replaced_at=None)
                before = [p for p in held if p.site_id == site_id]
                for old in before:
                    old.replaced_at = now
                record([*before, row], entry=entry)
            return row
        except IntegrityError:  # somebody set one meanwhile: theirs is read and replaced
            continue
    raise Conflict("alarms.policy_race", "Others set this policy at the same time.", "Read theirs, then set it again.")


def add_rotation(
    by: Authority,
    *,
    name: str,
    role: str,
    zone: str,
    people: Sequence[UUID],
    first_day: date,
    now: datetime,
    site_id: UUID | None = None,
    handover_min: int = 540,
    turn_days: int = 7,
    hours: Sequence[Mapping[str, int]] = (),
) -> Rotation:
    """People who take turns for a role. Each must hold it; hours are weekly stretches in local minutes."""
    by.require("alarms.policy", site_id)
    _check_role(role)
    if zone not in available_timezones():
        raise _bad("zone", zone, f"{zone!r} is no time zone.")
    if not people:
        raise _bad("people", [], "A rotation without people covers nothing.")
    if not 0 <= handover_min < 1440:
        raise _bad("handover_min", handover_min, "Hand-over is a minute of the day, 0 to 1439.")
    if not 1 <= turn_days <= 31:
        raise _bad("turn_days", turn_days, "Turns last 1 to 31 days.")
    for stretch in hours:
        _check_hours(stretch)
    known = {p.pk for p in access.people_in_role(role, site_id, now)}
    if strangers := [str(p) for p in people if p not in known]:
        raise _bad("people", strangers[0], f"{strangers[0]} does not hold the role {role} here.")
    row = Rotation(
        name=name,
        role=role,
        site_id=site_id,
        zone=zone,
        people=[str(p) for p in people],
        first_day=first_day,
        handover_min=handover_min,
        turn_days=turn_days,
        hours=[dict(h) for h in hours],
    )
    facts = {"role": role, "people": row.people, "zone": zone, "first_day": str(first_day)}
    record([row], entry=NewEntry("alarms.rotation_added", row.pk, by, now, site_id, facts=facts))
    return row


def end_rotation(by: Authority, key: UUID, *, now: datetime, reason: str = "") -> Rotation:
    """The rotation covers nothing from now on. Repeating it changes nothing."""
    row = one(Rotation, key)
    by.require("alarms.policy", row.site_id)
    if row.ended_at is None:
        row.ended_at = now
        record([row], entry=NewEntry("alarms.rotation_ended", row.pk, by, now, row.site_id, reason))
    return row


def add_override(
    by: Authority,
    rotation_id: UUID,
    person_id: UUID,
    *,
    starts_at: datetime,
    ends_at: datetime,
    now: datetime,
    reason: str = "",
) -> Override:
    """Somebody who holds the role stands in. Repeating the same override changes nothing."""
    rotation = one(Rotation, rotation_id)
    by.require("alarms.policy", rotation.site_id)
    if not now - timedelta(days=1) <= starts_at < ends_at <= now + timedelta(days=366):
        raise _bad("starts_at", starts_at.isoformat(), "An override begins before it ends, within a year from now.")
    if person_id not in {p.pk for p in access.people_in_role(rotation.role, rotation.site_id, now)}:
        raise _bad("person_id", str(person_id), f"This person does not hold the role {rotation.role} here.")
    span = {"rotation": rotation, "person_id": person_id, "starts_at": starts_at, "ends_at": ends_at}
    held = Override.objects.filter(withdrawn_at=None, **span).first()
    if held is not None:
        return held
    row = Override(reason=reason, at=now, **span)
    facts = {"person": person_id, "starts_at": starts_at, "ends_at": ends_at}
    entry = NewEntry("alarms.override_added", row.pk, by, now, rotation.site_id, reason, facts)
    record([row], entry=entry)
    return row


def _check_role(role: str) -> None:
    if role not in HUMAN_ROLES:
        raise _bad("role", role, f"There is no role {role!r}.")


def _check_hours(stretch: Mapping[str, int]) -> None:
    if set(stretch) != {"weekday", "from_min", "to_min"}:
        raise _bad("hours", str(dict(stretch)), "A stretch has weekday, from_min and to_min.")
    good = 0 <= stretch["weekday"] <= 6 and 0 <= stretch["from_min"] < stretch["to_min"] <= 1440
    if not good:
        raise _bad("hours", str(dict(stretch)), "Weekday 0 to 6, minutes 0 to 1440, beginning before end.")


def _bad(field: str, value: object, message: str) -> BadInput:
    return BadInput("alarms.rotation_unusable", message, "Correct it and try again.", field=field, value=value)
