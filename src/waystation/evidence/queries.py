"""Reading the log, the events and the outbox."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.evidence.models import Event, LogEntry


def last_entry_at() -> datetime | None:
    """When the newest entry was written."""
    return LogEntry.objects.order_by("-seq").values_list("at", flat=True).first()


@dataclass(frozen=True, slots=True)
class Heard:
    """An event of the stream: `seq` is its cursor, `entry_seq` the entry of the log that proves it."""

    seq: int
    kind: str
    site_id: UUID | None
    object_id: str
    incident_id: UUID | None
    at: datetime
    data: dict[str, Any]
    entry_seq: int


def events_after(after: int, site_ids: Collection[str] | None, most: int = 500) -> list[Heard]:
    """The events behind a cursor in order; `site_ids` limits to those sites, None means all and those of no site."""
    rows = Event.objects.filter(seq__gt=after)
    rows = rows if site_ids is None else rows.filter(site_id__in=site_ids)
    return [
        Heard(e.seq, e.kind, e.site_id, e.object_id, e.incident_id, e.at, e.data, e.entry_id)
        for e in rows.order_by("seq")[:most]
    ]


def last_event() -> int:
    """The cursor of the newest event; 0 when there is none."""
    return Event.objects.order_by("-seq").values_list("seq", flat=True).first() or 0
