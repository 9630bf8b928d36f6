"""Taking failure history in: look first, then take what is usable, and undo it whole.

Rejected rows are never lost from sight: whoever takes the file in says how many they have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest
from waystation.kernel.refusals import BadInput, Conflict
from waystation.planning import models as m
from waystation.planning.kept import kept
from waystation.planning.rules.history_files import Event, Reading, Rejected, Taken, report, take
from waystation.registry.queries import one
from waystation.registry.rules.tables import rows_of

CHUNK = 500


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file holds: as read, its report, the rows that are new, and those on record from an earlier file."""

    kind: str
    sha256: str
    taken: Taken
    fresh: tuple[Event, ...]
    known: int
    report: Mapping[str, Any]

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """The rows that cannot be used."""
        return self.taken.rejected


def preview(by: Authority, content: bytes, reading: Reading, *, now: datetime) -> Preview:
    """Read a file of tickets, RMAs or emergency shipments (CSV) and report on it; nothing is changed."""
    by.require("planning.propose")
    header, rows = rows_of(content, "csv")
    taken = take(header, rows, reading, now)
    ids = [e.external_id for e in taken.events]
    known: set[str] = set()
    for begin in range(0, len(ids), CHUNK):
        some = m.Failure.objects.filter(kind=reading.kind, is_live=True, external_id__in=ids[begin : begin + CHUNK])
        known |= set(some.values_list("external_id", flat=True))
    fresh = tuple(e for e in taken.events if e.external_id not in known)
    told = kept(report(taken) | {"on_record": len(known), "mapping": dict(taken.mapping), "unused": taken.unused})
    return Preview(reading.kind, hashlib.sha256(content).hexdigest(), taken, fresh, len(known), told)


def apply(by: Authority, seen: Preview, file_name: str, *, rejected_seen: int, now: datetime) -> m.HistoryFile | None:
    """Take in the usable rows of a preview of this moment; None when all are on record.

    `rejected_seen` is the number of rejected rows that the caller knows of; any other number is refused.
    """
    by.require("planning.propose")
    if rejected_seen != len(seen.rejected):
        raise Conflict(
            "planning.import_rejected",
            f"{len(seen.rejected)} rows are rejected and would not count; {rejected_seen} were said to be known.",
            f"Look at them, then take the file with {len(seen.rejected)} rejected, or correct it.",
        )
    if not seen.fresh:
        return None
    file = m.HistoryFile(kind=seen.kind, file_name=file_name[:200], sha256=seen.sha256, by_id=by.principal_id, at=now)
    rows = [_failure(file, event) for event in seen.fresh]
    file.report, file.rows = dict(seen.report), len(rows)
    file.digest = digest([row.digest_after() for row in rows])
    facts = {"kind": file.kind, "file": file.file_name, "sha256": file.sha256, "rows": len(rows)}
    facts |= {"rejected": len(seen.rejected), "digest": file.digest}
    try:
        with transaction.atomic():
            record(
                [file, *rows[:CHUNK]],
                [NewEvent(data=facts)],
                entry=NewEntry("planning.history_taken", file.pk, by, now, facts=facts),
            )
            for begin in range(CHUNK, len(rows), CHUNK):
                said = facts | {"from_row": begin}
                record(
                    rows[begin : begin + CHUNK], entry=NewEntry("planning.history_rows", file.pk, by, now, facts=said)
                )
    except IntegrityError:
        raise Conflict(
            "planning.import_clash",
            "Rows of this file came in from another one at the same time.",
            "Look at the preview again.",
        ) from None
    return file


def undo(by: Authority, file_id: UUID, *, reason: str, now: datetime) -> m.HistoryFile:
    """Take a file back: its rows stay on record and count no more. Doing it again changes nothing."""
    by.require("planning.propose")
    if not reason.strip():
        raise BadInput("planning.reason", "Taking history back needs a reason.", "Say why.", field="reason")
    with transaction.atomic():
        file = one(m.HistoryFile, file_id, among=m.HistoryFile.objects.select_for_update())
        if file.undone_at is not None:
            return file
        rows = list(m.Failure.objects.select_for_update().filter(file=file, is_live=True))
        for row in rows:
            row.is_live = False
        file.undone_at, file.undone_by = now, by.principal_id
        facts = {"file": file.file_name, "rows": len(rows), "digest": file.digest}
        entry = NewEntry("planning.history_undone", file.pk, by, now, reason=reason, facts=facts)
        record([file, *rows[:CHUNK]], [NewEvent(data=facts)], entry=entry)
        for begin in range(CHUNK, len(rows), CHUNK):
            said = facts | {"from_row": begin}
            record(rows[begin : begin + CHUNK], entry=NewEntry("planning.history_rows", file.pk, by, now, facts=said))
    return file


def _failure(file: m.HistoryFile, event: Event) -> m.Failure:
    return m.Failure(
        file=file,
        kind=file.kind,
        external_id=event.external_id,
        at=event.at,
        region=event.region,
        family=event.family,
        mode=event.mode,
        quantity=event.quantity,
        facts=kept(dict(event.facts)),
    )
