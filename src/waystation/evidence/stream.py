"""The stream: every event gets one dense position, and what is behind a position never changes.

Identity values cannot be positions: they have holes after a rollback, and a long transaction commits a low one late,
when readers have passed it. A position is given only to what is committed, by one sequencer at a time; so a reader who
holds position n has everything up to n, and everything else comes after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from django.db import connection, transaction

from waystation.evidence.models import Event

MOST_AT_ONCE = 5_000
_LOCKS = {"stream": 0x5761_7901, "log": 0x5761_7902}
_GIVE = """
UPDATE evidence_event SET position = waiting.place FROM (
  SELECT seq AS number, %s + ROW_NUMBER() OVER (ORDER BY seq) AS place
  FROM evidence_event WHERE position IS NULL ORDER BY seq LIMIT %s
) AS waiting WHERE evidence_event.seq = waiting.number AND evidence_event.position IS NULL
"""


@contextmanager
def alone(what: str) -> Iterator[None]:
    """A transaction that no other process shares with the same work; SQLite lets only one write anyhow."""
    with transaction.atomic():
        if connection.vendor == "postgresql":
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(%s)", [_LOCKS[what]])
        yield


def run(now: datetime) -> int:
    """One round of the loop: positions for what waits; returns how many were given."""
    return order()


def order(most: int = MOST_AT_ONCE) -> int:
    """Give the committed events without a position the next ones, in the order in which they were written."""
    if not Event.objects.filter(position=None).exists():
        return 0
    with alone("stream"), connection.cursor() as cursor:
        cursor.execute(_GIVE, [last(), most])
        return int(cursor.rowcount)


def last() -> int:
    """The newest position; 0 when no event has one."""
    newest = Event.objects.filter(position__isnull=False).order_by("-position")
    return newest.values_list("position", flat=True).first() or 0
