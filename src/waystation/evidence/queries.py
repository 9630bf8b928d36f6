"""Reading the log, the events and the outbox."""

from __future__ import annotations

from datetime import datetime

from waystation.evidence.models import LogEntry


def last_entry_at() -> datetime | None:
    """When the newest entry was written."""
    return LogEntry.objects.order_by("-seq").values_list("at", flat=True).first()
