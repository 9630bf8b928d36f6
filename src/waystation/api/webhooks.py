"""Webhooks: who hears which events, signed by the Standard Webhooks scheme, in order, each until it is taken."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Schema, Status

from waystation import wiring
from waystation.api.auth import by
from waystation.evidence import subscriptions
from waystation.evidence.subscriptions import Attempt, Standing

router = Router()


class WebhookIn(Schema):
    """Where events go: names of kinds, `room.*` or `*`; of one site or all; from now, or from behind a position."""

    url: str
    kinds: list[str]
    site_id: UUID | None = None
    after: int | None = None


class WebhookOut(Schema):
    """A subscription and how it fares: `position` is read from the stream, `waiting` is not delivered yet."""

    id: UUID
    owner_id: UUID
    url: str
    kinds: list[str]
    site_id: UUID | None
    state: str
    reason: str
    created_at: datetime
    position: int
    sent: int
    waiting: int
    failing_since: datetime | None
    last_attempt_at: datetime | None
    last_detail: str


class MadeOut(Schema):
    """A new subscription; the secret that signs is shown this once."""

    id: UUID
    secret: str


class AttemptOut(Schema):
    """One try at sending one event."""

    at: datetime
    id: str
    position: int | None
    kind: str
    ok: bool
    detail: str
    receipt: str


class WebhookReasonIn(Schema):
    """Why it is done."""

    reason: str


class ReplayIn(Schema):
    """Everything behind this position is sent again, under the same ids."""

    after: int


class ReplayOut(Schema):
    """How many messages that were delivered before are sent again."""

    again: int


@router.get("", response=list[WebhookOut])
def webhooks(request: HttpRequest) -> list[Standing]:
    """The subscriptions that the caller may change."""
    return subscriptions.subscriptions(by(request))


@router.post("", response={201: MadeOut})
def subscribe(request: HttpRequest, body: WebhookIn) -> Status[MadeOut]:
    """Subscribe an address to events."""
    made, secret = subscriptions.subscribe(by(request), **body.dict(), now=wiring.clock().now())
    return Status(201, MadeOut(id=made.pk, secret=secret))


@router.get("/{webhook_id}", response=WebhookOut)
def webhook(request: HttpRequest, webhook_id: UUID) -> Standing:
    """One subscription."""
    return subscriptions.subscription(by(request), webhook_id)


@router.get("/{webhook_id}/attempts", response=list[AttemptOut])
def attempts(request: HttpRequest, webhook_id: UUID) -> list[Attempt]:
    """The newest hundred tries at sending."""
    return subscriptions.attempts(by(request), webhook_id)


@router.post("/{webhook_id}/pause", response=WebhookOut)
def pause(request: HttpRequest, webhook_id: UUID, body: WebhookReasonIn) -> Standing:
    """Stop sending; events wait."""
    subscriptions.pause(by(request), webhook_id, reason=body.reason, now=wiring.clock().now())
    return subscriptions.subscription(by(request), webhook_id)


@router.post("/{webhook_id}/resume", response=WebhookOut)
def resume(request: HttpRequest, webhook_id: UUID) -> Standing:
    """Go on where it stopped."""
    subscriptions.resume(by(request), webhook_id, now=wiring.clock().now())
    return subscriptions.subscription(by(request), webhook_id)


@router.post("/{webhook_id}/replay", response=ReplayOut)
def replay(request: HttpRequest, webhook_id: UUID, body: ReplayIn) -> ReplayOut:
    """Send everything behind a position again."""
    return ReplayOut(again=subscriptions.replay(by(request), webhook_id, after=body.after, now=wiring.clock().now()))


@router.post("/{webhook_id}/end", response=WebhookOut)
def end(request: HttpRequest, webhook_id: UUID, body: WebhookReasonIn) -> Standing:
    """Never send again."""
    subscriptions.end(by(request), webhook_id, reason=body.reason, now=wiring.clock().now())
    return subscriptions.subscription(by(request), webhook_id)
