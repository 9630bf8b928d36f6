"""The one way in: `record` puts a change, its events, its messages and its entry into one transaction."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Any
from uuid import UUID

from django.db import transaction

from waystation.evidence import receipts
from waystation.evidence.append import INSTALLATION, append
from waystation.evidence.models import EntryRows, Event, LogEntry, LogOfSite, OutboxMessage
from waystation.evidence.rows import Row
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import canonical, digest, instant, plain

MAX_LEAF_BYTES = 16 * 1024
MAX_ROWS_NAMED = 40


@dataclass(frozen=True, slots=True)
class NewEntry:
    """What the log will say: who did what to which object, at which instant, and why."""

    kind: str
    object_id: UUID | str
    by: Authority
    at: datetime
    site_id: UUID | None = None
    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    log: str = ""


@dataclass(frozen=True, slots=True)
class NewEvent:
    """A fact for the stream; kind, object and site default to the entry's."""

    kind: str = ""
    object_id: UUID | str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    incident_id: UUID | None = None
    site_id: UUID | None = None
    at: datetime | None = None


@dataclass(frozen=True, slots=True)
class NewMessage:
    """A message for the outbox. The same `key` is never written twice."""

    channel: str
    recipient: str
    key: str
    subject: str = ""
    body: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    due_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Receipt:
    """Proof for the caller that the change is in the log: its sequence number and the hash of its leaf."""

    seq: int
    log: str
    leaf_hash: str
    at: datetime


def record(
    change: Sequence[Row],
    events: Sequence[NewEvent] = (),
    messages: Sequence[NewMessage] = (),
    *,
    entry: NewEntry,
    removed: Sequence[Row] = (),
) -> Receipt:
    """Save the rows of `change` and write events, messages and the entry in one transaction, or none of them.

    Rows are saved in the order given, then those of `removed` are deleted. The leaf names each with the digest of what
    it held before and holds now; of a removed row nothing.
    """
    with transaction.atomic():
        touched = [*_save(change), *_remove(removed)]
        leaf = canonical(_leaf(entry, touched, events))
        if len(leaf) > MAX_LEAF_BYTES:
            raise ValueError(
                f"an entry of {len(leaf)} bytes is over {MAX_LEAF_BYTES}: put the digest of the facts instead"
            )
        unwritten = LogEntry(
            log=entry.log,
            leaf=leaf,
            leaf_hash=hashlib.sha256(b"\x00" + leaf).digest(),
            kind=entry.kind,
            site_id=entry.site_id,
            object_id=str(entry.object_id),
            at=entry.at,
        )
        written = append(unwritten, [_event(e, entry) for e in events or (NewEvent(),)])
        if len(touched) > MAX_ROWS_NAMED:
            EntryRows.objects.create(entry_id=written.seq, rows=touched)
        if messages:
            rows = [_message(m, entry, written.seq) for m in messages]
            OutboxMessage.objects.bulk_create(rows, ignore_conflicts=True)
    for row in change:
        row.remember()
    receipts.made(written.seq, bytes(written.leaf_hash))
    return Receipt(written.seq, written.log, bytes(written.leaf_hash).hex(), entry.at)


def name_log(site_id: UUID, log: str) -> None:
    """From now on the entries of the site enter the log of that name."""
    LogOfSite.objects.update_or_create(site_id=site_id, defaults={"log": log})


def _save(rows: Sequence[Row]) -> list[dict[str, str]]:
    """Write the rows in order, new ones of one table that follow each other with one statement."""
    before = [row.digest_before() for row in rows]
    for (model, is_new), run in groupby(rows, lambda row: (type(row), row._state.adding)):
        some = list(run)
        if is_new and len(some) > 1:
            model._default_manager.bulk_create(some)
        else:
            for row in some:
                row.save(force_insert=is_new)
    return [
        {"table": row._meta.label, "id": str(row.pk), "before": was, "after": row.digest_after()}
        for row, was in zip(rows, before, strict=True)
    ]


def _remove(rows: Sequence[Row]) -> list[dict[str, str]]:
    touched = []
    for row in rows:
        touched.append({"table": row._meta.label, "id": str(row.pk), "before": row.digest_before(), "after": ""})
        row.delete()
    return touched


def _leaf(entry: NewEntry, touched: list[dict[str, str]], events: Sequence[NewEvent]) -> dict[str, Any]:
    leaf: dict[str, Any] = {
        "schema": "waystation.entry/1",
        "kind": entry.kind,
        "object": str(entry.object_id),
        "at": instant(entry.at),
        "actor": str(entry.by.principal_id),
        "roles": list(entry.by.roles),
        "strength": entry.by.strength,
    }
    optional = {
        "site": str(entry.site_id) if entry.site_id else "",
        "session": entry.by.session,
        "reason": entry.reason,
        "facts": plain(entry.facts),
        "events": [{"kind": e.kind or entry.kind, "data": digest(plain(e.data))} for e in events],
        "rows": touched if len(touched) <= MAX_ROWS_NAMED else [],
        "rows_digest": digest(touched) if len(touched) > MAX_ROWS_NAMED else "",
    }
    return leaf | {k: v for k, v in optional.items() if v}


def log_of(site_id: UUID | None) -> str:
    """The log that the entries of a site enter; without a site the installation's own."""
    if site_id is None:
        return INSTALLATION
    named = LogOfSite.objects.filter(pk=site_id).values_list("log", flat=True).first()
    return named or INSTALLATION


def _event(event: NewEvent, entry: NewEntry) -> Event:
    return Event(
        kind=event.kind or entry.kind,
        site_id=event.site_id or entry.site_id,
        object_id=str(event.object_id or entry.object_id),
        incident_id=event.incident_id,
        at=event.at or entry.at,
        data=plain(event.data),
    )


def _message(message: NewMessage, entry: NewEntry, entry_seq: int) -> OutboxMessage:
    return OutboxMessage(
        entry_id=entry_seq,
        channel=message.channel,
        recipient=message.recipient,
        subject=message.subject,
        body=message.body,
        data=plain(message.data),
        idempotency_key=message.key,
        due_at=message.due_at or entry.at,
        created_at=entry.at,
    )
