"""What was taken already, of senders that may bring a thing twice with nothing in it to know it again by."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from waystation.telemetry.models import Uplink

REMEMBERED = timedelta(days=30)


def fresh(said: Iterable[str]) -> set[str]:
    """Those that were not taken in the last 30 days."""
    wanted = set(said)
    return wanted - set(Uplink.objects.filter(once__in=wanted).values_list("once", flat=True)) if wanted else set()


def remember(taken: Iterable[str], now: datetime) -> None:
    """After the readings are durable: a death in between makes it count again."""
    if rows := [Uplink(once=one, at=now) for one in sorted(set(taken))]:
        Uplink.objects.bulk_create(rows, ignore_conflicts=True)


def forget(now: datetime) -> int:
    """Drop what was remembered more than 30 days ago; returns how many."""
    return Uplink.objects.filter(at__lt=now - REMEMBERED).delete()[0]
