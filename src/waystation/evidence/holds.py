"""Holds on records: placed by one person, lifted by two. While one stands nothing that it covers goes or is thinned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import Hold
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import plain
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound

SUBJECTS = ("site", "space", "incident", "consignment")


def place(
    by: Authority,
    *,
    subject: str,
    subject_id: UUID,
    name: str,
    site_id: UUID | None,
    reason: str,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Hold:
    """Hold the records of a subject from `since` to `until`; None leaves that end open. Needs evidence.hold.

    BadInput without a reason, for another kind of subject, or for a period that ends before it begins.
    """
    by.require("evidence.hold", site_id)
    if subject not in SUBJECTS:
        raise BadInput(
            "evidence.hold_subject", f"{subject!r} cannot be held.", f"Hold a {', '.join(SUBJECTS)}.", field="subject"
        )
    if since is not None and until is not None and until <= since:
        raise BadInput("evidence.hold_period", "The period ends before it begins.", "Turn it round.", field="until")
    row = Hold(
        subject=subject,
        subject_id=subject_id,
        name=name,
        site_id=site_id,
        since=since,
        until=until,
        reason=_reason(reason),
        placed_by=by.principal_id,
        placed_at=now,
    )
    facts = {"subject": subject, "name": name, "since": plain(since), "until": plain(until)}
    record([row], entry=NewEntry("evidence.hold_placed", row.pk, by, now, site_id, row.reason, facts))
    return row


def ask_to_lift(by: Authority, hold_id: UUID, *, reason: str, now: datetime) -> Hold:
    """Ask that a hold be lifted; it stands until another person lifts it. Asking again changes nothing."""
    with transaction.atomic():
        row = _standing(by, hold_id)
        words = _reason(reason)
        if row.lift_asked_by is not None:
            if row.lift_asked_by == by.principal_id:
                return row
            raise Conflict(
                "evidence.lift_asked", "Somebody asked to lift it already.", "Lift it, as the second person."
            )
        row.lift_asked_by, row.lift_asked_at, row.lift_reason = by.principal_id, now, words
        facts = {"name": row.name}
        record([row], entry=NewEntry("evidence.hold_lift_asked", row.pk, by, now, row.site_id, words, facts))
    return row


def keep(by: Authority, hold_id: UUID, *, reason: str, now: datetime) -> Hold:
    """Turn down a request to lift: the hold stands as it did before."""
    with transaction.atomic():
        row = _standing(by, hold_id)
        words, asked_by = _reason(reason), _asked(row)
        row.lift_asked_by, row.lift_asked_at, row.lift_reason = None, None, ""
        facts = {"name": row.name, "asked_by": str(asked_by)}
        record([row], entry=NewEntry("evidence.hold_kept", row.pk, by, now, row.site_id, words, facts))
    return row


def lift(by: Authority, hold_id: UUID, *, fresh_proof: bool, now: datetime) -> Hold:
    """Lift a hold that another person asked to lift. `fresh_proof`: the door has just proved this person again."""
    with transaction.atomic():
        row = _standing(by, hold_id)
        asked_by = _asked(row)
        if by.is_machine:
            raise NotAllowed("evidence.person", "A machine lifts no hold.", "A person of QA lifts it.")
        if asked_by == by.principal_id:
            raise NotAllowed(
                "evidence.second_person",
                f"{by.name} asked to lift this hold, so another person lifts it.",
                "Ask a colleague of QA.",
            )
        if not fresh_proof:
            raise NotAllowed("evidence.proof", "Lifting needs your password once more.", "Enter it beside the hold.")
        row.lifted_by, row.lifted_at = by.principal_id, now
        facts = {"name": row.name, "asked_by": str(asked_by)}
        record([row], entry=NewEntry("evidence.hold_lifted", row.pk, by, now, row.site_id, row.lift_reason, facts))
    return row


def holds(by: Authority, *, standing_only: bool = False) -> list[Hold]:
    """The holds at the caller's sites, those that stand first, newest first. Needs evidence.read."""
    allowed = by.sites("evidence.read")
    if allowed == frozenset():
        by.require("evidence.read")
    rows = [h for h in Hold.objects.order_by("-placed_at", "-pk") if allowed is None or str(h.site_id) in allowed]
    standing = [row for row in rows if row.lifted_at is None]
    return standing if standing_only else standing + [row for row in rows if row.lifted_at is not None]


def binding(now: datetime) -> Sequence[Hold]:
    """Every hold that still binds what would remove records: a lifted one to the end of that day, UTC."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return list(Hold.objects.filter(Q(lifted_at=None) | Q(lifted_at__gte=today)))


def _standing(by: Authority, hold_id: UUID) -> Hold:
    row = Hold.objects.select_for_update().filter(pk=hold_id).first()
    if row is None:
        if by.sites("evidence.hold") == frozenset():
            by.require("evidence.hold")
        raise NotFound("evidence.hold_unknown", f"There is no hold {hold_id}.", "Open Keeping to see those that stand.")
    by.require("evidence.hold", row.site_id)
    if row.lifted_at is not None:
        raise Conflict("evidence.hold_lifted", "This hold is lifted.", "Place a new one.")
    return row


def _asked(row: Hold) -> UUID:
    if row.lift_asked_by is None:
        raise Conflict("evidence.lift_not_asked", "Nobody asked to lift this hold.", "One person asks, another lifts.")
    return row.lift_asked_by


def _reason(text: str) -> str:
    if not text.strip():
        raise BadInput("evidence.reason", "No reason is given.", "Say why.", field="reason", value=text)
    return text.strip()
