"""Make, pause, resume, replay and end webhooks. Each hears the stream from its position on, in order."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.conf import settings
from django.db import transaction
from django.db.models import Count, Q, QuerySet

from waystation.evidence import sealed, stream
from waystation.evidence.actions import NewEntry, NewMessage, record
from waystation.evidence.models import OutboxAttempt, OutboxMessage, Subscription, SubscriptionProgress
from waystation.evidence.rules import subscribing
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotFound
from waystation.kernel.states import step

MOST = 200
_PURPOSE = "webhook secrets"
_LIVE = ("active", "paused")


def subscribe(
    by: Authority,
    *,
    url: str,
    kinds: Sequence[str],
    now: datetime,
    site_id: UUID | None = None,
    after: int | None = None,
) -> tuple[Subscription, str]:
    """A new subscription and its secret (`whsec_...`), which is shown this once.

    It hears what comes after position `after`, else what comes from now on. Needs evidence.subscribe at the site,
    or everywhere when none is named. Refuses private and unencrypted addresses that are not listed.
    """
    by.require("evidence.subscribe", site_id)
    newest = stream.last()
    start = newest if after is None else _position(after, newest)
    secret = "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()
    row = Subscription(
        owner_id=by.principal_id,
        url=subscribing.address(url.strip(), settings.WEBHOOK_HOSTS),
        kinds=subscribing.kinds(kinds),
        site_id=site_id,
        secret=sealed.seal(secret, _PURPOSE),
        created_at=now,
    )
    if Subscription.objects.filter(state__in=_LIVE).count() >= MOST:
        raise Conflict("evidence.webhooks_many", f"There are {MOST} subscriptions.", "End one that nobody needs.")
    with transaction.atomic():
        facts = {"url": row.url, "kinds": row.kinds, "after": start}
        record([row], entry=NewEntry("evidence.subscribed", row.pk, by, now, site_id, facts=facts))
        SubscriptionProgress.objects.create(subscription=row, position=start)
    return row, secret


def pause(
    by: Authority, subscription_id: UUID, *, reason: str, now: datetime, messages: Sequence[NewMessage] = ()
) -> Subscription:
    """Stop sending; what comes meanwhile waits and is sent when it is resumed."""
    return _change(by, subscription_id, "paused", "paused", reason, now, messages)


def resume(by: Authority, subscription_id: UUID, *, now: datetime) -> Subscription:
    """Go on where it stopped, at once."""
    with transaction.atomic():
        row = _change(by, subscription_id, "active", "resumed", "", now)
        SubscriptionProgress.objects.filter(pk=row.pk).update(failing_since=None)
        _unsent(row.pk).update(due_at=now)
    return row


def end(by: Authority, subscription_id: UUID, *, reason: str, now: datetime) -> Subscription:
    """Never send again. What was not sent is given up, and the entry says how much that was."""
    return _change(by, subscription_id, "ended", "ended", reason, now)


def replay(by: Authority, subscription_id: UUID, *, after: int, now: datetime) -> int:
    """Send everything behind a position again, in order and under the same ids; returns how many were sent before."""
    with transaction.atomic():
        row = _locked(by, subscription_id)
        if row.state == "ended":
            raise Conflict("evidence.subscription_ended", "This subscription has ended.", "Make a new one.")
        start = _position(after, stream.last())
        again = OutboxMessage.objects.filter(subscription=row, position__gt=start, sent_at__isnull=False)
        count = again.update(sent_at=None, due_at=now, leased_until=None)
        SubscriptionProgress.objects.filter(pk=row.pk, position__gt=start).update(position=start)
        facts = {"after": start, "sent_before": count}
        record([], entry=NewEntry("evidence.subscription_replayed", row.pk, by, now, row.site_id, facts=facts))
    return count


def secret_of(row: Subscription) -> str:
    """The secret that signs: the one place where it is read. NotReady when it cannot be."""
    return sealed.unseal(row.secret, _PURPOSE)


@dataclass(frozen=True, slots=True)
class Standing:
    """A subscription and how it fares; it holds no secret."""

    id: UUID
    owner_id: UUID
    url: str
    kinds: tuple[str, ...]
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


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try at sending one event; `id` is what the receiver knows it by."""

    at: datetime
    id: str
    position: int | None
    kind: str
    ok: bool
    detail: str
    receipt: str


def subscriptions(by: Authority) -> list[Standing]:
    """Those that this principal may change: live ones first, then by age."""
    allowed = by.sites("evidence.subscribe")
    if allowed == frozenset():
        by.require("evidence.subscribe")
    rows = Subscription.objects.select_related("progress").annotate(
        sent=Count("messages", Q(messages__sent_at__isnull=False)),
        waiting=Count("messages", Q(messages__sent_at=None, messages__gave_up_at=None)),
    )
    rows = rows if allowed is None else rows.filter(site_id__in=allowed)
    found = [_standing(row) for row in rows.order_by("created_at", "pk")]
    return sorted(found, key=lambda one: one.state == "ended")


def subscription(by: Authority, subscription_id: UUID) -> Standing:
    """One of them; NotFound when there is none that this principal may change."""
    found = next((one for one in subscriptions(by) if one.id == subscription_id), None)
    if found is None:
        raise _unknown(subscription_id)
    return found


def attempts(by: Authority, subscription_id: UUID, most: int = 100) -> list[Attempt]:
    """The newest tries at sending."""
    one = subscription(by, subscription_id)
    rows = OutboxAttempt.objects.filter(message__subscription_id=one.id).select_related("message")
    return [
        Attempt(r.at, r.message.idempotency_key, r.message.position, r.message.subject, r.ok, r.detail, r.receipt)
        for r in rows.order_by("-at", "-pk")[:most]
    ]


def _standing(row: Subscription) -> Standing:
    last = OutboxAttempt.objects.filter(message__subscription=row).order_by("-at", "-pk").first()
    return Standing(
        id=row.pk,
        owner_id=row.owner_id,
        url=row.url,
        kinds=tuple(row.kinds),
        site_id=row.site_id,
        state=row.state,
        reason=row.reason,
        created_at=row.created_at,
        position=row.progress.position,
        sent=row.sent,  # type: ignore[attr-defined]
        waiting=row.waiting,  # type: ignore[attr-defined]
        failing_since=row.progress.failing_since,
        last_attempt_at=last.at if last else None,
        last_detail=last.detail if last else "",
    )


def _change(
    by: Authority,
    subscription_id: UUID,
    state: str,
    verb: str,
    reason: str,
    now: datetime,
    messages: Sequence[NewMessage] = (),
) -> Subscription:
    if state != "active" and not reason.strip():
        raise BadInput("evidence.reason_missing", "No reason is given.", "Say why.", field="reason", value="")
    with transaction.atomic():
        row = _locked(by, subscription_id)
        row.state, row.reason = step("subscription", row.state, state), reason.strip()[:300]
        row.paused_at = now if state == "paused" else None
        facts = {"url": row.url, "waiting": _unsent(row.pk).count()}
        if state == "ended":
            row.ended_at = now
            _unsent(row.pk).update(gave_up_at=now)
        record(
            [row],
            messages=messages,
            entry=NewEntry(
                f"evidence.subscription_{verb}", row.pk, by, now, row.site_id, reason=row.reason, facts=facts
            ),
        )
    return row


def _locked(by: Authority, subscription_id: UUID) -> Subscription:
    row = Subscription.objects.select_for_update().filter(pk=subscription_id).first()
    if row is None or not by.may("evidence.subscribe", row.site_id):
        if by.sites("evidence.subscribe") == frozenset():
            by.require("evidence.subscribe")
        raise _unknown(subscription_id)
    return row


def _unsent(subscription_id: UUID) -> QuerySet[OutboxMessage]:
    return OutboxMessage.objects.filter(subscription_id=subscription_id, sent_at=None, gave_up_at=None)


def _position(after: int, newest: int) -> int:
    if not 0 <= after <= newest:
        raise BadInput(
            "evidence.position", f"There is no position {after}.", f"Use 0 to {newest}.", field="after", value=after
        )
    return after


def _unknown(subscription_id: UUID) -> NotFound:
    return NotFound(
        "evidence.subscription_unknown", f"There is no subscription {subscription_id}.", "List them: /api/v1/webhooks."
    )
