"""The outbox: every message at least once, each attempt a row, none forgotten."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import transaction

from waystation.evidence.models import OutboxAttempt, OutboxMessage
from waystation.evidence.ports import NotSent, Outgoing, Transport

LEASE = timedelta(seconds=60)
WAITS_S = (5, 15, 60, 300, 900)
GIVE_UP_AFTER = timedelta(hours=72)


def deliver(now: datetime, transport_of: Callable[[str], Transport | None], most: int = 50) -> int:
    """Try the messages that are due; returns how many were handed over."""
    handed = 0
    for message in _claim(now, most):
        handed += _try(message, transport_of(message.channel), now)
    return handed


def _claim(now: datetime, most: int) -> list[OutboxMessage]:
    """Take due messages under a short lease, so that two workers do not send one at the same moment."""
    with transaction.atomic():
        rows = OutboxMessage.objects.select_for_update(skip_locked=True).filter(
            sent_at=None, gave_up_at=None, due_at__lte=now
        )
        free = [m for m in rows.order_by("due_at")[:most] if m.leased_until is None or m.leased_until <= now]
        for message in free:
            message.leased_until = now + LEASE
            message.save(update_fields=["leased_until"])
    return free


def _try(message: OutboxMessage, transport: Transport | None, now: datetime) -> bool:
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
        elif now - message.created_at > GIVE_UP_AFTER:
            message.gave_up_at = now
        else:
            message.due_at = now + timedelta(seconds=WAITS_S[min(tries, len(WAITS_S)) - 1])
        message.save(update_fields=["leased_until", "sent_at", "gave_up_at", "due_at"])
    return ok
