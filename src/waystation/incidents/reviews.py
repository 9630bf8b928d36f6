"""The review after an excursion or a major outage: it opens by itself, some write it, another person signs it."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from waystation.access import queries as access
from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.evidence.rows import Row
from waystation.incidents.models import Incident, Review, ReviewAction
from waystation.incidents.rules.reviewing import REVIEW_WITHIN, STANDINGS, empty_fields
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest, instant, plain
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotReady
from waystation.registry.models import Site, Space
from waystation.registry.queries import one, sites

MEANING = "I reviewed what happened, what is known of it and what is changed."
TARGETS = ("detect_within_s", "page_delay_s", "acknowledge_within_s", "recovery_h")


@dataclass(frozen=True, slots=True)
class Late:
    """What is overdue at an instant: reviews that nobody signed, and actions that nobody did."""

    reviews: tuple[Review, ...]
    actions: tuple[ReviewAction, ...]


def begun(
    site: Site,
    now: datetime,
    *,
    incident: Incident | None = None,
    excursion_id: UUID | None = None,
    space_id: UUID | None,
) -> Review:
    """A new review, not saved, with the targets that the site's class has now; due in two weeks."""
    own = site.service_class
    targets = {"class": own.code} | {name: getattr(own, name) for name in TARGETS}
    return Review(
        site=site,
        space_id=space_id,
        incident=incident,
        excursion_id=excursion_id,
        opened_at=now,
        due_at=now + REVIEW_WITHIN,
        targets=targets,
    )


def open_for_excursion(
    by: Authority, excursion_id: UUID, space_id: UUID, *, same: Collection[UUID], now: datetime
) -> Review | None:
    """Open the review of an excursion that no incident holds; None where `same` (it, judged otherwise) has one."""
    space = one(Space, space_id, among=Space.objects.select_related("site__service_class"))
    by.require("incidents.work", space.site_id)
    with transaction.atomic():
        Site.objects.select_for_update().get(pk=space.site_id)
        if Review.objects.filter(excursion_id__in={*same, excursion_id}).exists():
            return None
        row = begun(space.site, now, excursion_id=excursion_id, space_id=space_id)
        _tell(by, row, "review_opened", now, {"excursion": str(excursion_id), "due": instant(row.due_at)})
    return row


def write(
    by: Authority,
    key: UUID,
    *,
    now: datetime,
    root_cause: str | None = None,
    standing: str | None = None,
    what_failed: str | None = None,
    no_change: str | None = None,
    seen_digest: str | None = None,
) -> Review:
    """Write fields of an open review; None leaves a field as it is. Who changes one does not sign it.

    With `seen_digest`, the `fields_digest` of what the writer saw, nothing that another wrote since is overwritten.
    """
    given = {"root_cause": root_cause, "standing": standing, "what_failed": what_failed, "no_change": no_change}
    if standing and standing not in STANDINGS:
        raise BadInput(
            "incidents.standing",
            f"{standing!r} says not how it is known.",
            f"Use {', '.join(STANDINGS)}.",
            field="standing",
            value=standing,
        )
    with transaction.atomic():
        row = _open_one(by, key)
        changed = {n: t.strip() for n, t in given.items() if t is not None and t.strip() != getattr(row, n)}
        if not changed:
            return row
        if seen_digest is not None and seen_digest != row.fields_digest:
            raise Conflict(
                "incidents.review_written",
                "Somebody else wrote this review since you opened it.",
                "Go back to copy what you wrote, then open the review anew and add it to what stands there.",
            )
        for name, text in changed.items():
            setattr(row, name, text)
        row.written_by = sorted({*row.written_by, str(by.principal_id)})
        _tell(by, row, "review_written", now, {"fields": sorted(changed), "text_digest": digest(changed)})
    return row


def add_action(by: Authority, key: UUID, *, what: str, owner_id: UUID, due_at: datetime, now: datetime) -> ReviewAction:
    """Name what is changed, who does it and until when."""
    if not what.strip():
        raise BadInput("incidents.empty", "The action is empty.", "Write what is changed.", field="what", value=what)
    if access.person(owner_id) is None:
        raise BadInput(
            "incidents.nobody", f"{owner_id} is nobody.", "Name a person.", field="owner", value=str(owner_id)
        )
    if due_at <= now:
        raise BadInput(
            "incidents.due", f"{instant(due_at)} is over.", "Name a day to come.", field="due", value=instant(due_at)
        )
    with transaction.atomic():
        row = _open_one(by, key)
        made = ReviewAction(
            review=row, what=what.strip(), owner_id=owner_id, due_at=due_at, added_by=by.principal_id, added_at=now
        )
        row.written_by = sorted({*row.written_by, str(by.principal_id)})
        facts = {"action": str(made.pk), "owner": str(owner_id), "due": instant(due_at), "text_digest": digest(what)}
        _tell(by, row, "review_action_added", now, facts, made)
    return made


def action_done(by: Authority, key: UUID, *, now: datetime) -> ReviewAction:
    """Say that an action is done, also after the signature. Repeating it changes nothing."""
    with transaction.atomic():
        made = one(
            ReviewAction, key, among=ReviewAction.objects.select_for_update(of=("self",)).select_related("review")
        )
        by.require("incidents.work", made.review.site_id)
        if made.done_at is None:
            made.done_at, made.done_by = now, by.principal_id
            facts = {"review": str(made.review_id), "late": now > made.due_at}
            _record(by, [made], made.review, "review_action_done", now, facts, made.pk)
    return made


def sign(
    by: Authority, key: UUID, *, figures: Mapping[str, Any], seen_digest: str, fresh_proof: bool, now: datetime
) -> Review:
    """Close a review by the signature of a person who wrote none of it. Needs incidents.review and a fresh proof.

    `figures` are what the records say now; `seen_digest` names what the person read. NotReady names the empty fields.
    """
    with transaction.atomic():
        row = _locked(key)
        by.require("incidents.review", row.site_id)
        if row.signed_at is not None:
            if row.signed_by == by.principal_id:
                return row
            raise _signed(row)
        _check_signer(by, row, fresh_proof)
        rows = list(row.actions.all())
        named = [(a.what, access.person(a.owner_id) is not None, True) for a in rows]
        if empty := empty_fields(row.root_cause, row.standing, row.what_failed, named, row.no_change):
            raise NotReady(
                "incidents.review_empty", f"Not filled: {'; '.join(empty)}.", "Fill it in, then sign the review."
            )
        read = plain(figures)
        if read_digest(row, read) != seen_digest:
            raise Conflict("incidents.review_changed", "The review is another one by now.", "Read it again, then sign.")
        row.figures, row.signed_by, row.signed_at = read, by.principal_id, now
        row.signed_name, row.signed_meaning = by.name, MEANING
        row.signed_digest = digest(signed_statement(row))
        facts = {"signature": row.signed_digest, "standing": row.standing, "actions": len(rows)}
        _tell(by, row, "reviewed", now, facts, *_ended(row, now))
    return row


def read_digest(row: Review, figures: Mapping[str, Any]) -> str:
    """What a signature is bound to: the fields, the actions and the figures, as a person reads them."""
    actions = [[str(a.pk), a.what, str(a.owner_id), instant(a.due_at)] for a in row.actions.order_by("pk")]
    fields = {n: getattr(row, n) for n in row.FIELDS}
    return digest({"review": str(row.pk), "fields": fields, "actions": actions, "figures": plain(figures)})


def signed_statement(row: Review) -> dict[str, str]:
    """What the signature covers: its SHA-256 over canonical bytes is the review's `signed_digest`."""
    if row.signed_at is None:
        raise NotFound("incidents.review_not_signed", "Nobody signed this review.", "Another person signs it.")
    return {
        "review": str(row.pk),
        "read": read_digest(row, row.figures),
        "name": row.signed_name,
        "person": str(row.signed_by),
        "meaning": row.signed_meaning,
        "at": instant(row.signed_at),
    }


def reviews(by: Authority, *, open_only: bool = False) -> list[Review]:
    """The reviews at the caller's sites: those that wait, the first due first, then the signed, newest first."""
    rows = Review.objects.filter(site__in=sites(by)).select_related("site__service_class", "space", "incident")
    waiting = list(rows.filter(signed_at=None).order_by("due_at", "pk"))
    return waiting if open_only else waiting + list(rows.exclude(signed_at=None).order_by("-signed_at", "pk"))


def review(by: Authority, key: UUID) -> Review:
    """One visible review; NotFound otherwise."""
    rows = Review.objects.filter(site__in=sites(by)).select_related("site__service_class", "space", "incident")
    found = rows.filter(pk=key).first()
    if found is None:
        raise NotFound("incidents.review_unknown", f"There is no review {key}.", "List them: Incidents, Reviews.")
    return found


def of_incident(incident_id: UUID) -> Review | None:
    """The review of an incident; None while it is not over, or where none is asked for."""
    return Review.objects.filter(incident_id=incident_id).first()


def overdue(by: Authority, now: datetime) -> Late:
    """What is late at the caller's sites: reviews not signed in time, actions not done in time."""
    seen = sites(by)
    rows = Review.objects.filter(site__in=seen, signed_at=None, due_at__lt=now).select_related(
        "site", "space", "incident"
    )
    late = ReviewAction.objects.filter(review__site__in=seen, done_at=None, due_at__lt=now)
    return Late(tuple(rows), tuple(late.select_related("review__site", "review__incident", "review__space")))


def _check_signer(by: Authority, row: Review, fresh_proof: bool) -> None:
    if by.is_machine:
        raise NotAllowed("incidents.person_only", f"{by.name} is no person.", "A person signs in their own name.")
    if str(by.principal_id) in row.written_by:
        raise NotAllowed(
            "incidents.review_own", f"{by.name} wrote a part of this review.", "Ask another person to sign it."
        )
    if not fresh_proof:
        raise NotAllowed("incidents.proof", "A signature needs your password once more.", "Enter it beside the review.")


def _ended(row: Review, now: datetime) -> list[Row]:
    """The incident of the review, reviewed by now, with the root cause among what is known."""
    if row.incident_id is None:
        return []
    incident = Incident.objects.select_for_update().get(pk=row.incident_id)
    incident.state = states.step("incident", incident.state, "reviewed")
    incident.reviewed_at = now
    fact = {"name": "root_cause", "value": row.root_cause, "standing": row.standing, "source": "review"}
    incident.facts = [*incident.facts, fact | {"at": instant(now)}]
    return [incident]


def _locked(key: UUID) -> Review:
    rows = Review.objects.select_for_update(of=("self",)).select_related("site__service_class", "incident", "space")
    return one(Review, key, among=rows)


def _open_one(by: Authority, key: UUID) -> Review:
    row = _locked(key)
    by.require("incidents.work", row.site_id)
    if row.signed_at is not None:
        raise _signed(row)
    return row


def _signed(row: Review) -> Conflict:
    return Conflict(
        "incidents.review_signed",
        f"{row.signed_name} signed this review at {instant(row.signed_at) if row.signed_at else ''}.",
        "What comes up later is written as a note of the incident.",
    )


def _tell(by: Authority, row: Review, kind: str, now: datetime, facts: Mapping[str, Any], *also: Row) -> None:
    _record(by, [row, *also], row, kind, now, facts, row.pk)


def _record(
    by: Authority, rows: list[Row], about: Review, kind: str, now: datetime, facts: Mapping[str, Any], key: UUID
) -> None:
    event = NewEvent(data=facts, incident_id=about.incident_id)
    record(rows, [event], entry=NewEntry(f"incidents.{kind}", key, by, now, about.site_id, facts=facts))
