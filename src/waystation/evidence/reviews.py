"""The audit-trail review: QA reads the changes of a period, group by group, and signs exactly what was read.

Nobody signs their own changes: they stay for another person. An entry that comes late into a signed period is on no
signed list, so it shows as unsigned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db import transaction
from django.db.models import Q

from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import AuditReview, LogEntry
from waystation.evidence.queries import Entry, as_entry
from waystation.evidence.rules.reviewing import PREFIXES, group_of, list_digest, signed_digest
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed

MEANING = "I reviewed these changes of the audit trail."
LONGEST = timedelta(days=400)
MOST = 20_000


@dataclass(frozen=True, slots=True)
class Line:
    """A change of the period: its entry, its group, who did it, and who signed that it was reviewed."""

    entry: Entry
    group: str
    actor: str
    signed_by: str = ""
    signed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trail:
    """The changes of a period as one person sees them: what they may sign, and what is left for another one."""

    lines: tuple[Line, ...]
    to_sign: tuple[Line, ...]
    own: tuple[Line, ...]

    @property
    def list_digest(self) -> str:
        """What a signature of `to_sign` is bound to."""
        return list_digest([(line.entry.seq, line.entry.leaf_hash) for line in self.to_sign])

    @property
    def unsigned(self) -> int:
        """How many changes nobody has signed yet."""
        return len(self.to_sign) + len(self.own)


@dataclass(frozen=True, slots=True)
class Month:
    """How many changes of a month (`2026-03`, UTC) there are, and how many nobody has signed."""

    month: str
    changes: int
    unsigned: int


def trail(by: Authority, start: datetime, end: datetime, *, site_id: UUID | None = None) -> Trail:
    """Every change of [start, end), oldest first. Needs evidence.read.

    With a site its own entries alone; without one all, those of no site too.
    """
    by.require("evidence.read", site_id)
    _demand_period(start, end)
    signed = _signed()
    lines = tuple(_line(entry, signed.get(entry.seq)) for entry in _entries(start, end, site_id))
    if len(lines) > MOST:
        words = f"The period has more than {MOST} changes."
        raise BadInput("evidence.review_many", words, "Choose a shorter one.", field="to")
    rest = [line for line in lines if not line.signed_by]
    me = str(by.principal_id)
    return Trail(
        lines,
        tuple(line for line in rest if line.actor != me),
        tuple(line for line in rest if line.actor == me),
    )


def sign(
    by: Authority,
    start: datetime,
    end: datetime,
    *,
    seen_digest: str,
    zone: str,
    fresh_proof: bool,
    now: datetime,
    site_id: UUID | None = None,
    note: str = "",
) -> AuditReview:
    """Sign what was read: the list whose digest the page showed. Needs evidence.review and a fresh proof.

    Conflict when the list is another one by now; the period must be over, and something must be there to sign.
    """
    by.require("evidence.review", site_id)
    if by.is_machine:
        raise NotAllowed("evidence.person", "A machine reviews no audit trail.", "A person of QA reviews it.")
    if not fresh_proof:
        raise NotAllowed("evidence.proof", "A signature needs your password once more.", "Enter it beside the list.")
    if end > now:
        raise BadInput("evidence.review_open", "The period is not over.", "Sign it when it is.", field="to")
    local = _local(now, zone)
    with transaction.atomic():
        read = trail(by, start, end, site_id=site_id)
        if not read.to_sign:
            raise Conflict(
                "evidence.review_nothing",
                f"Nothing is left for {by.name} to sign; {len(read.own)} own changes wait for another person.",
                "Choose another period.",
            )
        if read.list_digest != seen_digest:
            raise Conflict("evidence.review_changed", "The list is another one by now.", "Read it again, then sign.")
        row = AuditReview(
            site_id=site_id,
            start=start,
            end=end,
            entries=sorted(line.entry.seq for line in read.to_sign),
            list_digest=read.list_digest,
            note=note.strip(),
            signed_by=by.principal_id,
            signed_name=by.name,
            signed_meaning=MEANING,
            signed_at=now,
            signed_local=local,
            strength=by.strength,
        )
        row.signed_digest = signed_digest(signed_statement(row))
        facts = {"entries": len(row.entries), "list": row.list_digest, "signature": row.signed_digest}
        facts |= {"meaning": MEANING, "local": local}
        facts |= {"start": instant(start), "end": instant(end)}
        record([row], entry=NewEntry("evidence.trail_reviewed", row.pk, by, now, site_id, row.note, facts))
    return row


def signed_statement(row: AuditReview) -> dict[str, str]:
    """What the signature covers: its SHA-256 over canonical bytes is the review's `signed_digest`."""
    return {
        "review": str(row.pk),
        "site": str(row.site_id or ""),
        "start": instant(row.start),
        "end": instant(row.end),
        "list": row.list_digest,
        "note": row.note,
        "name": row.signed_name,
        "person": str(row.signed_by),
        "meaning": row.signed_meaning,
        "at": instant(row.signed_at),
        "local": row.signed_local,
        "strength": row.strength,
    }


def reviews(by: Authority, most: int = 60) -> list[AuditReview]:
    """The signed reviews at the caller's sites, newest first. Needs evidence.read."""
    allowed = by.sites("evidence.read")
    if allowed == frozenset():
        by.require("evidence.read")
    rows = AuditReview.objects.order_by("-signed_at", "-pk")
    return list((rows if allowed is None else rows.filter(site_id__in=allowed))[:most])


def months(by: Authority, now: datetime, most: int = 24) -> list[Month]:
    """The newest months with changes, newest first, each with what nobody has signed. Needs evidence.read."""
    by.require("evidence.read")
    signed = _signed()
    found: dict[str, list[int]] = {}
    rows = LogEntry.objects.filter(_reviewed(), at__gte=now - most * timedelta(days=31))
    for seq, at in rows.values_list("seq", "at").iterator():
        held = found.setdefault(f"{at:%Y-%m}", [0, 0])
        held[0] += 1
        held[1] += seq not in signed
    return [Month(name, *found[name]) for name in sorted(found, reverse=True)[:most]]


def _entries(start: datetime, end: datetime, site_id: UUID | None) -> list[Entry]:
    rows = LogEntry.objects.select_related("position").filter(_reviewed(), at__gte=start, at__lt=end)
    rows = rows if site_id is None else rows.filter(site_id=site_id)
    return [as_entry(row) for row in rows.order_by("at", "seq")[: MOST + 1]]


def _reviewed() -> Q:
    found = Q()
    for prefix in PREFIXES:
        found |= Q(kind__startswith=prefix)
    return found


def _signed() -> dict[int, AuditReview]:
    """Of each signed entry, by its number, the review that first listed it."""
    found: dict[int, AuditReview] = {}
    for row in AuditReview.objects.order_by("signed_at", "pk"):
        for seq in row.entries:
            found.setdefault(seq, row)
    return found


def _line(entry: Entry, review: AuditReview | None) -> Line:
    said: dict[str, Any] = entry.said
    actor = str(said.get("actor", ""))
    if review is None:
        return Line(entry, group_of(entry.kind), actor)
    return Line(entry, group_of(entry.kind), actor, review.signed_name, review.signed_at)


def grouped(lines: Sequence[Line]) -> dict[str, list[Line]]:
    """The lines by group, in the order in which groups first occur."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.group, []).append(line)
    return found


def _local(now: datetime, zone: str) -> str:
    try:
        return f"{now.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S %z} {zone}"
    except (ZoneInfoNotFoundError, ValueError, OSError):
        step = "Write it as Europe/Madrid."
        raise BadInput("evidence.zone", f"{zone!r} is no time zone.", step, field="zone", value=zone) from None


def _demand_period(start: datetime, end: datetime) -> None:
    if not timedelta(0) < end - start <= LONGEST:
        step = f"Choose an end after the start, at most {LONGEST.days} days later."
        raise BadInput("evidence.review_period", "No such period can be reviewed.", step, field="to")
