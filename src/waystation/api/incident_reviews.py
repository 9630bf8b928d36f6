"""Post-incident reviews by API: what the records say, what people write, what is changed, and the signature."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by, proved
from waystation.api.reading import Body
from waystation.incidents import reviews
from waystation.journeys import post_incident

router = Router()


class ReviewOut(Schema):
    """A review; `signed_at` null while it is open. One of `incident_id` and `excursion_id` is null."""

    id: UUID
    name: str
    site_id: UUID
    space_id: UUID | None
    incident_id: UUID | None
    excursion_id: UUID | None
    opened_at: datetime
    due_at: datetime
    targets: dict[str, Any]
    root_cause: str
    standing: str
    what_failed: str
    no_change: str
    signed_by: UUID | None
    signed_at: datetime | None
    signed_name: str
    signed_digest: str


class ActionOut(Schema):
    """What is changed; `done_at` null while it is not done."""

    id: UUID
    review_id: UUID
    what: str
    owner_id: UUID
    due_at: datetime
    done_at: datetime | None


class WriteIn(Body):
    """Fields of a review; null leaves a field as it is."""

    root_cause: str | None = None
    standing: str | None = None
    what_failed: str | None = None
    no_change: str | None = None


class ActionIn(Body):
    """What is changed, by whom and until when."""

    what: str
    owner_id: UUID
    due_at: AwareDatetime


class SignIn(Body):
    """A signature: the digest of what was read (`read_digest`), and one's own password again."""

    read_digest: str
    password: str


@router.get("/", response=list[ReviewOut])
def all_reviews(request: HttpRequest, open_only: bool = True) -> Any:
    """The reviews that wait for a signature, the first due first; with `open_only=false` the signed ones too."""
    return reviews.reviews(by(request), open_only=open_only)


@router.get("/overdue", response=dict[str, Any])
def overdue(request: HttpRequest) -> dict[str, Any]:
    """What is late: reviews not signed in time, actions not done in time."""
    late = reviews.overdue(by(request), wiring.clock().now())
    return {
        "reviews": [ReviewOut.from_orm(row).dict() for row in late.reviews],
        "actions": [ActionOut.from_orm(row).dict() for row in late.actions],
    }


@router.get("/{key}", response=dict[str, Any])
def one_review(request: HttpRequest, key: UUID) -> dict[str, Any]:
    """A review with its actions and its four parts; each figure names the entry that recorded its end."""
    row = reviews.review(by(request), key)
    return {
        "review": ReviewOut.from_orm(row).dict(),
        "actions": [ActionOut.from_orm(one).dict() for one in row.actions.all()],
        "findings": asdict(post_incident.findings(row)),
        "read_digest": post_incident.read_digest(row),
    }


@router.post("/{key}", response=ReviewOut)
def write(request: HttpRequest, key: UUID, body: WriteIn) -> Any:
    """Write fields of an open review."""
    return reviews.write(by(request), key, **body.dict(), now=wiring.clock().now())


@router.post("/{key}/actions", response={201: ActionOut})
def add_action(request: HttpRequest, key: UUID, body: ActionIn) -> Status[Any]:
    """Name what is changed."""
    return Status(201, reviews.add_action(by(request), key, **body.dict(), now=wiring.clock().now()))


@router.post("/actions/{key}/done", response=ActionOut)
def action_done(request: HttpRequest, key: UUID) -> Any:
    """An action is done; saying it again changes nothing."""
    return reviews.action_done(by(request), key, now=wiring.clock().now())


@router.post("/{key}/sign", response=ReviewOut)
def sign(request: HttpRequest, key: UUID, body: SignIn) -> Any:
    """Sign a review that one did not write; refused while a field is empty or when it is another one by now."""
    now = wiring.clock().now()
    fresh = proved(request, body.password)
    return post_incident.sign(by(request), key, seen_digest=body.read_digest, fresh_proof=fresh, now=now)
