"""Incidents by API: open ones, timelines, the two clocks, the end, the watch."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.incidents import actions, feedback, queries
from waystation.journeys import failed_device, joining

router = Router()


class IncidentOut(Schema):
    """An incident with its facts; both clocks are shown with whether they apply."""

    id: UUID
    name: str
    site_id: UUID
    space_id: UUID | None
    device_id: UUID | None
    cause: str
    title: str
    priority: str
    state: str
    opened_at: datetime
    acknowledged_at: datetime | None
    acknowledged_by: UUID | None
    mitigated_at: datetime | None
    needs_service: bool
    service_restored_at: datetime | None
    needs_product: bool
    product_safe_at: datetime | None
    resolved_at: datetime | None
    outcome: str
    responder_id: UUID | None
    owner_id: UUID | None
    facts: list[dict[str, Any]]


class OpenIn(Schema):
    """What went wrong, as a person reports it."""

    cause: str
    site_id: UUID
    title: str
    priority: str = "P3"
    space_id: UUID | None = None
    device_id: UUID | None = None


class NoteIn(Schema):
    """What is known, and how: measured, reported or assumed."""

    text: str
    standing: str
    observed_at: AwareDatetime | None = None


class ResolveIn(Schema):
    """What came of it and who responded."""

    outcome: str
    responder_id: UUID | None = None


class LinkIn(Schema):
    """A record of another room that belongs to the incident."""

    kind: str
    object_id: UUID


class MitigatedIn(Schema):
    """What keeps the product out of danger for now."""

    how: str


class SwapIn(Schema):
    """The unit that stands in the place of the failed device."""

    unit_id: UUID


class FeedbackIn(Schema):
    """What the technician says. `solved`: yes, partly, no or no_swap; `part_right` and `in_time`: yes, no or no_part;
    `sheet_clear`: yes, no or no_sheet; minutes of work at the site; words.
    """

    solved: str
    part_right: str
    in_time: str
    sheet_clear: str
    work_min: int
    words: str = ""


class FeedbackOut(FeedbackIn):
    """What one technician said, and when."""

    id: UUID
    by_id: UUID
    at: datetime


class SwappedOut(Schema):
    """The device as it is now."""

    id: UUID
    name: str
    serial: str


class HandOverIn(Schema):
    """The four parts of a hand-over."""

    snapshot: dict[str, Any]
    remark: str = ""


class MomentOut(Schema):
    """A line of a timeline with the entry that proves it."""

    at: datetime
    kind: str
    object_id: str
    data: dict[str, Any]
    entry_seq: int


@router.get("/open", response=list[IncidentOut])
def open_incidents(request: HttpRequest, site_id: UUID | None = None) -> Any:
    """Incidents not resolved."""
    return queries.open_incidents(by(request), site_id)


@router.get("/outcomes", response=dict[str, int])
def outcomes(request: HttpRequest, start: AwareDatetime, end: AwareDatetime) -> dict[str, int]:
    """How incidents ended in a period."""
    return queries.outcomes(by(request), start, end)


@router.post("/hand_overs", response={201: dict[str, str]})
def hand_over(request: HttpRequest, body: HandOverIn) -> Status[dict[str, str]]:
    """Leave the watch."""
    row = actions.hand_over(by(request), body.snapshot, now=wiring.clock().now(), remark=body.remark)
    return Status(201, {"id": str(row.pk), "digest": row.digest})


@router.post("/hand_overs/{key}/take", response=dict[str, str])
def take_over(request: HttpRequest, key: UUID, digest: str) -> dict[str, str]:
    """Sign the watch that was handed over."""
    return {"id": str(actions.take_over(by(request), key, digest_read=digest, now=wiring.clock().now()).pk)}


@router.post("/", response={201: IncidentOut})
def open_one(request: HttpRequest, body: OpenIn) -> Status[Any]:
    """Open an incident, or join the one that stands."""
    values = body.dict()
    cause, site_id = values.pop("cause"), values.pop("site_id")
    return Status(201, actions.open(by(request), cause, site_id, now=wiring.clock().now(), **values))


@router.get("/{key}", response=IncidentOut)
def incident(request: HttpRequest, key: str) -> Any:
    """One incident by id or number."""
    return queries.incident(by(request), key)


@router.get("/{key}/timeline", response=list[MomentOut])
def timeline(request: HttpRequest, key: str) -> Any:
    """Everything that happened, in the order of the log."""
    return queries.timeline(queries.incident(by(request), key).pk)


@router.post("/{key}/acknowledge", response=IncidentOut)
def acknowledge(request: HttpRequest, key: str) -> Any:
    """The caller, a person, takes it."""
    row = queries.incident(by(request), key)
    return actions.acknowledge(by(request), row.pk, now=wiring.clock().now())


@router.post("/{key}/notes", response={201: dict[str, UUID]})
def note(request: HttpRequest, key: str, body: NoteIn) -> Status[dict[str, UUID]]:
    """Add what is known."""
    row = queries.incident(by(request), key)
    made = actions.note(by(request), row.pk, body.text, standing=body.standing, observed_at=body.observed_at,
                        now=wiring.clock().now())  # fmt: skip
    return Status(201, {"id": made.pk})


@router.post("/{key}/links", response={201: dict[str, UUID]})
def attach(request: HttpRequest, key: str, body: LinkIn) -> Status[dict[str, UUID]]:
    """Join a record of the same site, such as a move; repeating it changes nothing."""
    link = joining.attach(by(request), key, body.kind, body.object_id, now=wiring.clock().now())
    return Status(201, {"id": link.pk})


@router.post("/{key}/mitigated", response=IncidentOut)
def mark_mitigated(request: HttpRequest, key: str, body: MitigatedIn) -> Any:
    """The product is out of danger for now, though nothing is repaired."""
    row = queries.incident(by(request), key)
    return actions.mark_mitigated(by(request), row.pk, how=body.how, now=wiring.clock().now())


@router.post("/{key}/swap", response=SwappedOut)
def swap(request: HttpRequest, key: str, body: SwapIn) -> Any:
    """The reserved unit stands in the place of the failed device, which is on its way back."""
    row = queries.incident(by(request), key)
    return failed_device.swap(by(request), row.pk, body.unit_id, now=wiring.clock().now())


@router.post("/{key}/resolve", response=IncidentOut)
def resolve(request: HttpRequest, key: str, body: ResolveIn) -> Any:
    """End it with an outcome and a responder. What the space reads now is not known here, so no reading is excused."""
    row = queries.incident(by(request), key)
    now = wiring.clock().now()
    return actions.resolve(by(request), row.pk, outcome=body.outcome, responder_id=body.responder_id, now=now)


@router.post("/{key}/feedback", response={201: FeedbackOut})
def give_feedback(request: HttpRequest, key: str, body: FeedbackIn) -> Status[Any]:
    """What the technician says of the repair; said again by the same person, the newest counts."""
    row, given = queries.incident(by(request), key), body.dict()
    work_min, words = given.pop("work_min"), given.pop("words")
    made = feedback.give(by(request), row.pk, given, work_min=work_min, words=words, now=wiring.clock().now())
    return Status(201, made)


@router.get("/{key}/feedback", response=list[FeedbackOut])
def read_feedback(request: HttpRequest, key: str) -> Any:
    """What technicians said of the repair, the newest of each."""
    row = queries.incident(by(request), key)
    return feedback.newest([row.pk]).get(row.pk, [])


@router.post("/{key}/quality", response=IncidentOut)
def close_quality_task(request: HttpRequest, key: str, decision: str) -> Any:
    """QA closes its task on a late excursion."""
    row = queries.incident(by(request), key)
    return actions.close_quality_task(by(request), row.pk, decision=decision, now=wiring.clock().now())
