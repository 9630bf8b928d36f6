"""Reading the log, the events and the outbox."""

from __future__ import annotations

import json
from datetime import datetime
from uuid import UUID

from waystation.evidence.models import LogEntry


def last_entry_at() -> datetime | None:
    """When the newest entry was written."""
    return LogEntry.objects.order_by("-seq").values_list("at", flat=True).first()


def first_said(kind: str, object_id: UUID | str, fact: str, value: str) -> datetime | None:
    """When an entry of that kind on an object first carried the fact with that value."""
    rows = LogEntry.objects.filter(kind=kind, object_id=str(object_id)).order_by("seq")
    for at, leaf in rows.values_list("at", "leaf"):
        if json.loads(bytes(leaf)).get("facts", {}).get(fact) == value:
            return at
    return None
