"""Vendor sessions: open one for a vendor's person, keep each command and object as an entry, end it, or let it run out.

A session that nobody closes stands as open until its limit ends it, and then says that its owner did not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.db import transaction
from django.db.models import Q, QuerySet

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotFound, TooMuch
from waystation.registry.models import Site, Vendor
from waystation.registry.queries import one
from waystation.service_levels.models import SessionStep, VendorSession
from waystation.service_levels.rules.secrets import masked

MAY = "service_levels.session"
OVER = {"remote": "remote", "on_site": "on site", "console": "at a console"}
KINDS = ("command", "object")
ENDINGS = {
    "closed": "closed by who opened it",
    "by_another": "closed by somebody else",
    "by_limit": "not closed by its owner: it ran into its limit",
}
LONGEST = timedelta(hours=12)
AHEAD = timedelta(minutes=2)
MOST_STEPS = 2_000
MOST_AT_ONCE = 100
MOST_CHARACTERS = 2_000
MOST_OF_TARGET = 100
MOST_ENDED = 200


@dataclass(frozen=True, slots=True)
class Opening:
    """Whose session, why, over what, and how long it may stay open at most (`limit`)."""

    vendor: str
    site: str
    person: str
    why: str
    over: str
    limit: timedelta
    incident_id: UUID | None = None
    maintenance_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A command that was given, or an object that was touched, at an instant."""

    at: datetime
    kind: str
    what: str
    target: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """Which sessions: every member that is given must fit. `standing` is open, ended or one of the endings."""

    site: str = ""
    vendor: str = ""
    standing: str = ""
    start: datetime | None = None
    end: datetime | None = None


def open_session(by: Authority, asked: Opening, *, now: datetime) -> VendorSession:
    """Open a session for a named person of a vendor, for a stated reason, until a limit of at most 12 hours."""
    site = one(Site, asked.site)
    by.require(MAY, site.pk)
    for name, text in (("person", asked.person), ("why", asked.why)):
        if not text.strip():
            raise BadInput("service_levels.session_words", f"The {name} is missing.", "Write it.", field=name)
    if asked.over not in OVER:
        words = ", ".join(OVER)
        raise BadInput(
            "service_levels.session_over", f"{asked.over or 'Nothing'} is no way in.", f"Use {words}.", field="over"
        )
    if not timedelta(0) < asked.limit <= LONGEST:
        raise BadInput(
            "service_levels.session_limit",
            f"A session cannot stay open for {asked.limit / timedelta(hours=1):g} h.",
            "Use up to 12 hours; open another one after it.",
            field="limit_h",
        )
    row = VendorSession(
        vendor=one(Vendor, asked.vendor),
        site=site,
        person=asked.person.strip(),
        why=asked.why.strip(),
        over=asked.over,
        incident_id=asked.incident_id,
        maintenance_id=asked.maintenance_id,
        opened_by=by.principal_id,
        opened_at=now,
        due_at=now + asked.limit,
    )
    facts = _who(row) | {"until": row.due_at, "incident": row.incident_id, "maintenance": row.maintenance_id}
    entry = NewEntry("service_levels.session_opened", row.pk, by, now, site.pk, row.why, facts)
    record([row], [NewEvent(data=facts, incident_id=row.incident_id)], entry=entry)
    return row


def append(by: Authority, session_id: UUID, steps: Sequence[Step], *, now: datetime) -> list[SessionStep]:
    """Keep steps in the order given, each with an entry of its own. All are kept or none.

    What is told after the session ended is kept too, marked late, as long as it happened before its end or its limit.
    """
    if not 0 < len(steps) <= MOST_AT_ONCE:
        raise BadInput(
            "service_levels.session_steps",
            f"{len(steps)} steps were sent.",
            f"Send 1 to {MOST_AT_ONCE}.",
            field="steps",
        )
    with transaction.atomic():
        row = _held(by, session_id)
        held = row.steps.count()
        if held + len(steps) > MOST_STEPS:
            raise TooMuch(
                "service_levels.session_full",
                f"This session holds {held} steps, and at most {MOST_STEPS} fit.",
                "Close it and open another one.",
            )
        return [_append(by, row, step, held + place, now) for place, step in enumerate(steps, 1)]


def close(by: Authority, session_id: UUID, *, note: str, now: datetime) -> VendorSession:
    """End a session; the entry says how long it was, how many steps it holds, and whether its owner ended it."""
    with transaction.atomic():
        row = _held(by, session_id)
        if row.closed_at is not None:
            raise Conflict(
                "service_levels.session_closed",
                f"This session ended at {row.closed_at:%H:%M} UTC.",
                "Open another one.",
            )
        row.closed_by, row.note = by.principal_id, note.strip()
        _end(by, row, "closed" if by.principal_id == row.opened_by else "by_another", now)
    return row


def end_overdue(by: Authority, *, now: datetime) -> list[VendorSession]:
    """End the sessions that ran into their limit: nobody closed them, and the entry says so."""
    by.require("platform.operate")
    ended = []
    for key in VendorSession.objects.filter(closed_at=None, due_at__lte=now).values_list("pk", flat=True)[:100]:
        with transaction.atomic():
            rows = VendorSession.objects.select_for_update(of=("self",)).select_related("vendor", "site")
            row = rows.filter(pk=key, closed_at=None).first()
            if row is not None:
                _end(by, row, "by_limit", now)
                ended.append(row)
    return ended


def sessions(by: Authority, asked: Asked) -> list[VendorSession]:
    """The sessions at sites that this principal may see, those still open first, then the newest 200."""
    rows = _seen(by)
    for name, value in (("site__code", asked.site), ("vendor__code", asked.vendor)):
        rows = rows.filter(**{name: value}) if value else rows
    if asked.start is not None:
        rows = rows.filter(Q(closed_at=None) | Q(closed_at__gte=asked.start))
    if asked.end is not None:
        rows = rows.filter(opened_at__lt=asked.end)
    open_ones, ended = rows.filter(closed_at=None).order_by("opened_at"), rows.exclude(closed_at=None)
    if asked.standing in ("", "open", "ended"):
        first = [] if asked.standing == "ended" else list(open_ones)
        return first + ([] if asked.standing == "open" else list(ended[:MOST_ENDED]))
    if asked.standing not in ENDINGS:
        words = ", ".join(("open", "ended", *ENDINGS))
        raise BadInput(
            "service_levels.session_standing", f"No session is {asked.standing}.", f"Use {words}.", field="standing"
        )
    return list(ended.filter(ending=asked.standing)[:MOST_ENDED])


def session(by: Authority, key: UUID) -> VendorSession:
    """One session at a site that this principal may see."""
    row = _seen(by).filter(pk=key).first()
    if row is None:
        raise _unknown(key)
    return row


def _seen(by: Authority) -> QuerySet[VendorSession]:
    rows = VendorSession.objects.select_related("vendor", "site")
    where = by.sites("registry.read")
    return rows if where is None else rows.filter(site_id__in=where)


def _held(by: Authority, session_id: UUID) -> VendorSession:
    rows = VendorSession.objects.select_for_update(of=("self",)).select_related("vendor", "site")
    row = rows.filter(pk=session_id).first()
    if row is None:
        raise _unknown(session_id)
    by.require(MAY, row.site_id)
    return row


def _unknown(key: UUID) -> NotFound:
    return NotFound("service_levels.session_unknown", f"There is no vendor session {key}.", "List those of its site.")


def _append(by: Authority, row: VendorSession, step: Step, number: int, now: datetime) -> SessionStep:
    _check(row, step, now)
    shown, target = masked(step.what.strip()), masked(step.target.strip())
    kept = SessionStep(
        session=row,
        number=number,
        at=step.at,
        kind=step.kind,
        target=target.text,
        what=shown.text,
        masked=shown.count + target.count,
        is_late=row.closed_at is not None or now > row.due_at,
        by_id=by.principal_id,
        recorded_at=now,
    )
    facts: dict[str, Any] = {
        "did": kept.what,
        "on": kept.target,
        "kind": kept.kind,
        "person": row.person,
        "vendor": row.vendor.name,
    }
    facts |= {"step": {"number": number, "at": step.at, "masked": kept.masked, "is_late": kept.is_late}}
    entry = NewEntry("service_levels.session_step", row.pk, by, now, row.site_id, facts=facts)
    record([kept], [NewEvent(data=facts, incident_id=row.incident_id)], entry=entry)
    return kept


def _check(row: VendorSession, step: Step, now: datetime) -> None:
    if step.kind not in KINDS:
        raise BadInput(
            "service_levels.session_kind",
            f"{step.kind or 'Nothing'} is no step.",
            f"Use {' or '.join(KINDS)}.",
            field="kind",
        )
    if len(step.target.strip()) > MOST_OF_TARGET:
        words = f"A target of {len(step.target.strip())} characters cannot be kept."
        raise BadInput("service_levels.session_what", words, f"Send up to {MOST_OF_TARGET}.", field="target")
    if not 0 < len(step.what.strip()) <= MOST_CHARACTERS:
        raise BadInput(
            "service_levels.session_what",
            f"A step of {len(step.what.strip())} characters cannot be kept.",
            f"Send 1 to {MOST_CHARACTERS}; a longer one in parts.",
            field="what",
        )
    if not row.opened_at <= step.at <= now + AHEAD:
        raise BadInput(
            "service_levels.session_time",
            f"The step of {step.at:%Y-%m-%d %H:%M:%S} UTC is not within its session.",
            f"It was opened at {row.opened_at:%Y-%m-%d %H:%M:%S} UTC. Check the clock of the sender.",
            field="at",
        )
    if step.at > (ended := _ended_at(row)):
        raise Conflict(
            "service_levels.session_closed",
            f"This session ended at {ended:%H:%M} UTC, before the step.",
            "Open another one: work without a session is not allowed.",
        )


def _ended_at(row: VendorSession) -> datetime:
    """When the session ended or will: its limit holds, whenever the platform comes to say so."""
    return row.due_at if row.closed_at is None else min(row.closed_at, row.due_at)


def _end(by: Authority, row: VendorSession, ending: str, now: datetime) -> None:
    row.closed_at, row.ending = now, ending
    steps = list(row.steps.values_list("masked", flat=True))
    facts = _who(row) | {"ending": ENDINGS[ending], "open_s": round((now - row.opened_at).total_seconds())}
    facts |= {"steps": len(steps), "secrets_masked": sum(steps)}
    if ending == "by_limit":
        entry = NewEntry("service_levels.session_not_closed", row.pk, by, now, row.site_id, row.note, facts)
    else:
        entry = NewEntry("service_levels.session_closed", row.pk, by, now, row.site_id, row.note, facts)
    record([row], [NewEvent(data=facts, incident_id=row.incident_id)], entry=entry)


def _who(row: VendorSession) -> dict[str, Any]:
    return {"vendor": row.vendor.name, "person": row.person, "over": OVER[row.over]}
