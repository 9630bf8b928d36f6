"""Editions of month reports: kept once, byte for byte, and read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Any

from django.db import IntegrityError, transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.service_levels.models import MonthEdition, MonthFile

MADE = "service_levels.month_made"


def keep(
    by: Authority,
    month: str,
    edition: int,
    files: Mapping[str, bytes],
    changes: Sequence[Mapping[str, str]],
    *,
    now: datetime,
) -> MonthEdition:
    """Keep an edition with its files (json, csv, pdf); when another process kept that number before, its is returned.

    The entry holds the digest of each file.
    """
    by.require("platform.operate")
    digests = {kind: sha256(content).hexdigest() for kind, content in files.items()}
    row = MonthEdition(
        month=month, edition=edition, made_at=now, document_sha256=digests["json"], changes=list(changes)
    )
    kept = [MonthFile(edition=row, kind=k, content=files[k], sha256=digests[k]) for k in sorted(files)]
    facts: dict[str, Any] = {"month": month, "edition": edition, "files": digests}
    facts |= {"changes": len(changes)} if changes else {}
    try:
        with transaction.atomic():
            record([row, *kept], [NewEvent(data=facts)], entry=NewEntry(MADE, row.pk, by, now, facts=facts))
    except IntegrityError:
        return one(month, edition)
    return row


def editions(month: str = "") -> list[MonthEdition]:
    """The editions of a month, or of every month: the newest month first, its newest edition first."""
    rows = MonthEdition.objects.all()
    return list(rows.filter(month=month) if month else rows)


def one(month: str, edition: int) -> MonthEdition:
    """One edition. Refuses a number that there is not."""
    found = MonthEdition.objects.filter(month=month, edition=edition).first()
    if found is None:
        raise NotFound(
            "service_levels.edition_unknown",
            f"{month} has no edition {edition}.",
            "Leave the edition out for the first.",
        )
    return found


def content(row: MonthEdition, kind: str) -> bytes:
    """A file of an edition as it was kept. Refuses a kind that there is not."""
    found = MonthFile.objects.filter(edition=row, kind=kind).first()
    if found is None:
        raise NotFound(
            "service_levels.month_file", f"There is no {kind} of a month report.", "Ask for json, csv or pdf."
        )
    return bytes(found.content)
