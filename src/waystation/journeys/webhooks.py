"""Every event leaves: positions are given, subscriptions put theirs into the outbox, each is sent in order.

What a subscription hears is asked of its owner's live authority in every round; one that fails for days, whose owner
may no longer hear, or whose secret cannot be read is paused, and people are told.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from waystation.access import queries as access
from waystation.evidence import stream, subscriptions, webhooks
from waystation.evidence.actions import NewMessage
from waystation.evidence.models import Subscription
from waystation.evidence.ports import Transport
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotAllowed, NotReady, NotSignedIn

TransportOf = Callable[[str], Transport]


def send_out(now: datetime, transport_of: TransportOf, pause_after: timedelta, enough: Callable[[], bool]) -> int:
    """One round over all subscriptions; returns how many messages were handed over."""
    stream.order()
    sent = 0
    for row in webhooks.active():
        if enough():
            break
        sent += _one(row, now, transport_of, pause_after, enough)
    return sent


def _one(
    row: Subscription, now: datetime, transport_of: TransportOf, pause_after: timedelta, enough: Callable[[], bool]
) -> int:
    try:
        sites = _hears(row, now)
        transport = transport_of(subscriptions.secret_of(row))
    except (NotAllowed, NotSignedIn, NotReady) as refused:
        _pause(row, str(refused), now)
        return 0
    while webhooks.put_out(row, sites, now) == webhooks.MOST_READ and not enough():
        pass
    sent = webhooks.send(row, transport, now, enough)
    row.progress.refresh_from_db()
    since = row.progress.failing_since
    if since is not None and now - since >= pause_after:
        _pause(row, f"Nothing could be delivered since {since:%Y-%m-%d %H:%M} UTC.", now)
    return sent


def _hears(row: Subscription, now: datetime) -> frozenset[str] | None:
    """The sites of which the owner hears now, None for all; NotAllowed or NotSignedIn when that has ended."""
    owner = _owner(row, now)
    owner.require("evidence.subscribe", row.site_id)
    owner.require("registry.read", row.site_id)
    return owner.sites("registry.read")


def _owner(row: Subscription, now: datetime) -> Authority:
    person = access.person(row.owner_id)
    if person is not None:
        return access.authority_of_person(person, now)
    machine = access.machine(row.owner_id)
    if machine is not None:
        return access.authority_of_machine(machine, now, strength="token")
    raise NotSignedIn("access.owner_unknown", "The owner has no account.", "Make the subscription again.")


def _pause(row: Subscription, why: str, now: datetime) -> None:
    """Pause it, and tell its owner and the administrators by mail; entry, event and page say it too."""
    people = {p.email for p in access.people_in_role("administrator", None, now)}
    owner = access.person(row.owner_id)
    people |= {owner.email} if owner is not None and owner.is_active else set()
    body = f"{row.url}\n{why}\nEvents wait and are sent in order once it is resumed: open Webhooks in the console."
    notices = [
        NewMessage(
            "email", who, key=f"hook-paused:{row.pk}:{now.isoformat()}:{who}", subject="A webhook is paused", body=body
        )
        for who in sorted(people)
    ]
    subscriptions.pause(access.system_authority("webhooks"), row.pk, reason=why, now=now, messages=notices)
