"""One statement for an entry, its log and its events on PostgreSQL, two on SQLite: the path of every change."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from django.db import connection, models

from waystation.evidence.models import Event, LogEntry

INSTALLATION = "installation"
_ENTRY = ("leaf", "leaf_hash", "kind", "site_id", "object_id", "at")
_EVENT = ("kind", "site_id", "object_id", "incident_id", "at", "data")
# the log that is named, else that of the site, else the installation's own
_INSERT = f"""
INSERT INTO evidence_logentry (log, {", ".join(_ENTRY)}) VALUES (
  COALESCE(NULLIF(%s, ''), (SELECT log FROM evidence_logofsite WHERE site_id = {{site}}), '{INSTALLATION}'), {{values}}
) RETURNING seq, log"""


def append(entry: LogEntry, events: list[Event]) -> LogEntry:
    """Insert the entry and its events, which keep their order; an entry that names no log enters that of its site."""
    site = _prepared(LogEntry, "site_id", entry.site_id)
    words = [entry.log, site, *(_prepared(LogEntry, n, getattr(entry, n)) for n in _ENTRY)]
    together = connection.vendor == "postgresql"
    if together:
        words += [_prepared(Event, n, getattr(event, n)) for event in events for n in _EVENT]
    with connection.cursor() as cursor:
        cursor.execute(_statement(connection.vendor, len(events) if together else 0), words)
        entry.seq, entry.log = cursor.fetchone()
    if not together:
        for event in events:
            event.entry_id = entry.seq
        Event.objects.bulk_create(events)
    return entry


@lru_cache(maxsize=64)
def _statement(vendor: str, events: int) -> str:
    insert = _INSERT.format(site=_place(LogEntry, "site_id"), values=", ".join(_place(LogEntry, n) for n in _ENTRY))
    if not events:
        return insert
    one = f"SELECT seq, {', '.join(_place(Event, n) for n in _EVENT)} FROM entry"
    return (
        f"WITH entry AS ({insert}), told AS (INSERT INTO evidence_event (entry_id, {', '.join(_EVENT)}) "
        f"{' UNION ALL '.join([one] * events)}) SELECT seq, log FROM entry"
    )


def _place(model: type[models.Model], name: str) -> str:
    """A placeholder; PostgreSQL wants to know what a NULL is."""
    if connection.vendor != "postgresql":
        return "%s"
    return f"CAST(%s AS {model._meta.get_field(name).db_type(connection)})"  # type: ignore[union-attr]


def _prepared(model: type[models.Model], name: str, value: Any) -> Any:
    return model._meta.get_field(name).get_db_prep_save(value, connection)  # type: ignore[union-attr]
