"""The outbox: every message at least once, each attempt a row, none forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from waystation.evidence.models import OutboxAttempt, OutboxMessage
from waystation.evidence.ports import NotSent, Outgoing, Transport

LEASE = timedelta(seconds=60)
WAITS_S = (5, 15, 60, 300, 900)
GIVE_UP_AFTER = timedelta(hours=72)


def deliver(now: datetime, transport_of: Callable[[str], Transport | None], most: int = 50) -> int:
    """Try the messages that are due and wait for no turn; returns how many were handed over."""
    handed = 0
    for message in _claim(now, most):
        handed += attempt(message, transport_of(message.channel), now)
    return handed


def _claim(now: datetime, most: int) -> list[OutboxMessage]:
    """Take due messages under a short lease, so that two workers do not send one at the same moment."""
    due = OutboxMessage.objects.filter(sent_at=None, gave_up_at=None, due_at__lte=now, subscription=None)
    if not due.exists():
        return []
    with transaction.atomic():
        rows = due.select_for_update(skip_locked=True)
        free = [m for m in rows.order_by("due_at")[:most] if m.leased_until is None or m.leased_until <= now]
        for message in free:
            message.leased_until = now + LEASE
            message.save(update_fields=["leased_until"])
    return free


def claim_next(subscription_id: UUID, now: datetime) -> OutboxMessage | None:
    """Take the first message of a subscription that is not sent; None while it is not due, or somebody sends it."""
    with transaction.atomic():
        rows = OutboxMessage.objects.select_for_update(skip_locked=True).filter(
            sent_at=None, gave_up_at=None, subscription_id=subscription_id
        )
        first = rows.order_by("position").first()
        if first is None or first.due_at > now or (first.leased_until is not None and first.leased_until > now):
            return None
        first.leased_until = now + LEASE
        first.save(update_fields=["leased_until"])
    return first


def attempt(message: OutboxMessage, transport: Transport | None, now: datetime) -> bool:
    """Try once and write down what came of it. A message of a subscription is never given up: it keeps its turn."""
    outgoing = Outgoing(message.idempotency_key, message.recipient, message.subject, message.body, message.data)
    try:
        if transport is None:
            raise NotSent(f"no transport is configured for {message.channel}")
        receipt, detail, ok = transport.send(outgoing), "", True
    except NotSent as error:
        receipt, detail, ok = "", str(error)[:400], False
    with transaction.atomic():
        OutboxAttempt.objects.create(message=message, at=now, ok=ok, detail=detail, receipt=receipt[:200])
        tries = message.attempts.count()
        message.leased_until = None
        if ok:
            message.sent_at = now
        elif message.subscription_id is None and now - message.created_at > GIVE_UP_AFTER:
            message.gave_up_at = now
        else:
            message.due_at = now + timedelta(seconds=WAITS_S[min(tries, len(WAITS_S)) - 1])
        message.save(update_fields=["leased_until", "sent_at", "gave_up_at", "due_at"])
    return ok
