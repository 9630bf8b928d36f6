"""What people do with alarms: acknowledge them, and ask for quiet with a reason and an end."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from waystation.alarms.judging import lock_site
from waystation.alarms.models import Alarm, Escalation, Page, Suppression
from waystation.alarms.paging import judge_again, still_wrong
from waystation.alarms.rules import chain, lifecycle
from waystation.alarms.situation import life_of, row_of
from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed
from waystation.registry.queries import one

KINDS = ("shelve", "silence", "window", "out_of_service")
DEFAULT_FOR = timedelta(hours=4)
LONGEST = timedelta(days=7)
MIN_REASON = 3


def acknowledge(by: Authority, alarm_id: UUID, *, now: datetime) -> Alarm:
    """This person has it in hand: nobody is paged again but for a new fact. Repeating it changes nothing."""
    by.require("alarms.acknowledge", one(Alarm, alarm_id).site_id)
    if by.is_machine:
        raise NotAllowed(
            "alarms.person_only", f"{by.name} is no person and cannot acknowledge.", "Sign in and acknowledge yourself."
        )
    with transaction.atomic():
        alarm = one(Alarm, alarm_id, among=Alarm.objects.select_for_update())
        row = row_of(alarm)
        if alarm.acked_at is not None and (alarm.acked_rank or 0) >= row.rank:
            return alarm
        if alarm.acked_at is None:
            alarm.acked_at, alarm.acked_by = now, by.principal_id
        alarm.acked_rank = row.rank
        alarm.state = lifecycle.label(life_of(alarm))
        alarm.outcome = chain.DROP
        alarm.reasons = [chain.Decision("lifecycle", chain.DROP, "acknowledged", by=str(by.principal_id)).as_dict()]
        pages = list(Page.objects.filter(alarm=alarm, person_id=by.principal_id, acked_at=None))
        for page in pages:
            page.acked_at = now
        pending = list(Escalation.objects.filter(alarm=alarm, done_at=None))
        for deadline in pending:
            deadline.done_at, deadline.result = now, "acknowledged"
        facts = {"severity": alarm.severity, "after_s": int((now - alarm.raised_at).total_seconds())}
        entry = NewEntry("alarms.acknowledged", alarm.pk, by, now, alarm.site_id, facts=facts)
        record([alarm, *pages, *pending], [NewEvent(data=facts, incident_id=alarm.incident_id)], entry=entry)
    return alarm


def resolve(by: Authority, alarm_ids: Sequence[UUID], *, now: datetime) -> list[Alarm]:
    """Their incident ended with an outcome. Stops no interruption: an active alarm stays active."""
    by.require("platform.operate")
    done = []
    with transaction.atomic():
        for alarm in Alarm.objects.select_for_update().filter(pk__in=list(alarm_ids), resolved_at=None).order_by("pk"):
            alarm.resolved_at = now
            if alarm.cleared_at is not None:
                alarm.state = lifecycle.label(life_of(alarm))
            entry = NewEntry("alarms.resolved", alarm.pk, by, now, alarm.site_id)
            record([alarm], [NewEvent(incident_id=alarm.incident_id)], entry=entry)
            done.append(alarm)
    return done


def suppress(
    by: Authority,
    site_id: UUID,
    kind: str,
    *,
    reason: str,
    now: datetime,
    rules: Sequence[str] = (),
    object_ids: Sequence[UUID] = (),
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    change_id: UUID | None = None,
) -> Suppression:
    """Quiet for what `rules` and `object_ids` name (nothing named: all of the site), at most 7 days, by default 4 h.

    Immediate risks whose matrix row is never suppressed page all the same. The end is announced.
    """
    by.require("alarms.suppress", site_id)
    starts = max(starts_at or now, now)
    ends = ends_at or starts + DEFAULT_FOR
    _check_quiet(kind, reason, starts, ends, bool(rules or object_ids))
    with transaction.atomic():
        site = lock_site(site_id)
        row = Suppression(
            kind=kind,
            site=site,
            rules=sorted(set(rules)),
            object_ids=sorted({str(o) for o in object_ids}),
            owner_id=by.principal_id,
            reason=reason.strip(),
            change_id=change_id,
            starts_at=starts,
            ends_at=ends,
            created_at=now,
        )
        row.matched = [str(a.pk) for a in still_wrong(row)]
        facts = {"kind": kind, "rules": row.rules, "objects": row.object_ids, "starts_at": starts, "ends_at": ends}
        entry = NewEntry("alarms.suppressed", row.pk, by, now, site_id, row.reason, facts)
        record([row], [NewEvent(data=facts)], entry=entry)
        judge_again(by, row, now)
    return row


def end_suppression(by: Authority, key: UUID, *, now: datetime, reason: str = "") -> Suppression:
    """End quiet before its time; the next round announces it and judges what it held. Repeating it changes nothing."""
    by.require("alarms.suppress", one(Suppression, key).site_id)
    with transaction.atomic():
        row = one(Suppression, key, among=Suppression.objects.select_for_update())
        if row.ends_at <= now:
            return row
        row.ends_at, row.ended_by = now, by.principal_id
        row.starts_at = min(row.starts_at, now)
        record([row], entry=NewEntry("alarms.suppression_ended", row.pk, by, now, row.site_id, reason))
        judge_again(by, row, now)
    return row


def _check_quiet(kind: str, reason: str, starts: datetime, ends: datetime, named: bool) -> None:
    if kind not in KINDS:
        raise BadInput(
            "alarms.quiet_unknown",
            f"There is no {kind!r}.",
            f"Use one of {', '.join(KINDS)}.",
            field="kind",
            value=kind,
        )
    if len(reason.strip()) < MIN_REASON:
        raise BadInput(
            "alarms.quiet_no_reason",
            f"The reason {reason!r} says nothing.",
            "Say why nobody should be interrupted.",
            field="reason",
            value=reason,
        )
    if kind != "window" and not named:
        raise Conflict(
            "alarms.quiet_too_wide",
            f"A {kind} without a rule or object would quiet the whole site.",
            "Name rules or objects, or set a maintenance window.",
        )
    if not timedelta(0) < ends - starts <= LONGEST:
        raise BadInput(
            "alarms.quiet_too_long",
            f"From {starts:%Y-%m-%d %H:%M} to {ends:%Y-%m-%d %H:%M} UTC is not between 0 and {LONGEST.days} days.",
            "Set an end within 7 days; renew it then, if it is still needed.",
            field="ends_at",
            value=ends.isoformat(),
        )


def forget_addresses(
    by: Authority, person_id: UUID, *, instead: str, now: datetime, reason: str, is_sealed: bool = False
) -> int:
    """Put another address on every page that went to a person; returns how many. Repeating it changes nothing.

    `is_sealed`: the addresses came back from a backup without the person's key, so no entry can show them as they were.
    """
    by.require("access.administer")
    with transaction.atomic():
        pages = list(Page.objects.select_for_update().filter(person_id=person_id).exclude(address=instead))
        if pages:
            for page in pages:
                page.address = instead
            facts: dict[str, object] = {"pages": len(pages)} | ({"not_shown": Page._meta.label} if is_sealed else {})
            record(pages, entry=NewEntry("alarms.addresses_forgotten", person_id, by, now, reason=reason, facts=facts))
    return len(pages)
