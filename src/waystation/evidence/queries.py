"""Reading the log, the events and the outbox."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from waystation.evidence.models import Event, LogEntry, LogPosition


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


def heads() -> dict[str, dict[str, object]]:
    """Per log the newest checkpoint: size, root, and whether the root follows from the stored leaves."""
    from waystation.evidence import sequencer
    from waystation.evidence.rules.merkle import Frontier

    found: dict[str, dict[str, object]] = {}
    for log in sorted(set(LogPosition.objects.values_list("log", flat=True))):
        newest = sequencer.newest_checkpoint(log)
        if newest is None:
            continue
        rows = LogPosition.objects.filter(log=log, tree_index__lt=newest.size).order_by("tree_index")
        leaves = (sha256(b"\x00" + bytes(leaf)).digest() for leaf in rows.values_list("entry__leaf", flat=True))
        root = Frontier(0, ()).grow(leaves)[0].root()
        verified = root == bytes(newest.root)
        found[log] = {"tree_size": newest.size, "root": bytes(newest.root).hex(), "verified": verified}
    return found
