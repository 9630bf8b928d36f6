"""From the stream into the outbox and out, per subscription: every event that it asked for, once, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime

from django.db import transaction

from waystation.evidence import outbox, queries
from waystation.evidence.models import Event, OutboxMessage, Subscription, SubscriptionProgress
from waystation.evidence.ports import Transport
from waystation.evidence.rules import subscribing
from waystation.kernel.canonical import plain

CHANNEL = "webhook"
MOST_READ, MOST_SENT = 1_000, 200


def active() -> list[Subscription]:
    """The subscriptions that send, the one that waited longest for its turn first."""
    rows = Subscription.objects.select_related("progress").filter(state="active")
    return sorted(rows, key=lambda row: (row.progress.tried_at is not None, row.progress.tried_at, row.created_at))


def put_out(row: Subscription, sites: Collection[str] | None, now: datetime, most: int = MOST_READ) -> int:
    """Put the next events of the stream into the outbox as far as they fit; returns how many were read.

    `sites` are those of which the owner hears, None for all. Message and progress are one transaction, and a key that
    is there already is not written again, so that a death in between neither loses nor doubles.
    """
    with transaction.atomic():
        progress = SubscriptionProgress.objects.select_for_update().get(pk=row.pk)
        found = Event.objects.filter(position__gt=progress.position).order_by("position")
        read = list(found[:most])
        if not read:
            return 0
        mine = [e for e in read if _hears(row, e, sites)]
        OutboxMessage.objects.bulk_create([_message(row, e, now) for e in mine], ignore_conflicts=True)
        progress.position = read[-1].position or progress.position
        progress.save(update_fields=["position"])
    return len(read)


def send(row: Subscription, transport: Transport, now: datetime, enough: Callable[[], bool]) -> int:
    """Send what waits, in order, until one fails or it is enough; returns how many were handed over.

    A failed one keeps its turn: nothing behind it leaves before it has.
    """
    sent = 0
    while sent < MOST_SENT and not enough() and (message := outbox.claim_next(row.pk, now)) is not None:
        ok = outbox.attempt(message, transport, now)
        sent += ok
        mine = SubscriptionProgress.objects.filter(pk=row.pk)
        mine.update(tried_at=now, **({"failing_since": None} if ok else {}))
        if not ok:
            mine.filter(failing_since=None).update(failing_since=now)
            break
    return sent


def _hears(row: Subscription, event: Event, sites: Collection[str] | None) -> bool:
    if row.site_id is not None and event.site_id != row.site_id:
        return False
    allowed = sites is None or (event.site_id is not None and str(event.site_id) in sites)
    return allowed and subscribing.fits(row.kinds, event.kind)


def _message(row: Subscription, event: Event, now: datetime) -> OutboxMessage:
    heard = queries.heard(event)
    return OutboxMessage(
        entry_id=event.entry_id,
        channel=CHANNEL,
        recipient=row.url,
        subject=event.kind,
        data=plain(queries.as_told(heard)),
        idempotency_key=f"hook:{row.pk}:{heard.position}",
        due_at=now,
        created_at=now,
        subscription=row,
        position=heard.position,
    )
