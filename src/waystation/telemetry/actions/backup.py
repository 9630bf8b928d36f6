"""Take in the file of a logger that stood in a space beside its probes: a second source for times without readings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from uuid import UUID
from zoneinfo import ZoneInfo

from django.db import transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotReady, TooMuch
from waystation.registry.models import Space
from waystation.registry.queries import one
from waystation.telemetry import stores
from waystation.telemetry.actions.ingest import frame_of
from waystation.telemetry.judging import Source, doubts_of
from waystation.telemetry.logger_files import read_source
from waystation.telemetry.models import BackupFile
from waystation.telemetry.ports import LoggerFormat, ReadOptions
from waystation.telemetry.record_second import note_second_sources
from waystation.telemetry.rules.batch import BatchReading
from waystation.telemetry.rules.series import Reading, default_hold_s, in_order, is_usable, moments
from waystation.telemetry.setup import profile_of

MOST_BYTES = 16 * 1024 * 1024
MOST_READINGS = 200_000
PLAIN_FILE = "plain_file"


@dataclass(frozen=True, slots=True)
class Logger:
    """The logger as a person names it, with its certificate."""

    name: str
    certificate: str = ""
    certificate_until: date | None = None


def take_backup_file(
    by: Authority,
    space_id: UUID,
    data: bytes,
    file_name: str,
    logger: Logger,
    *,
    start: datetime | None,
    end: datetime | None,
    formats: Sequence[LoggerFormat],
    now: datetime,
    options: ReadOptions | None = None,
    reason: str = "",
) -> BackupFile:
    """Keep a logger's readings of [start, end], when it stood in the space (default: first to last of the file).

    Times without zone are the site's. The same file and period again changes nothing. Readings out of range open
    excursions; a refused row, or a record of the device itself, that is out of range keeps the file from proving.
    """
    space = one(Space, space_id, among=Space.objects.select_related("site", "profile"))
    by.require("telemetry.write_hand", space.site_id)
    _check(space, data, logger)
    source = read_source(data, file_name, options or ReadOptions(zone=ZoneInfo(space.site.zone)), formats)
    readings = _inside(source, start, end, now)
    first, last = readings[0].at_s, readings[-1].at_s
    held = BackupFile.objects.filter(
        space=space, sha256=source.sha256, first_at=_at(first), last_at=_at(last)
    ).first()  # fmt: skip
    if held is not None:
        return held
    assert space.profile is not None
    doubts = doubts_of([source], [moments(source.file.readings)], profile_of(space.profile), first, last)
    row = BackupFile(
        space=space,
        name=file_name[:120],
        sha256=source.sha256,
        logger=logger.name.strip()[:80],
        certificate=logger.certificate.strip()[:80],
        certificate_until=logger.certificate_until,
        source_class=PLAIN_FILE,
        first_at=_at(first),
        last_at=_at(last),
        rows=len(readings),
        rows_refused=len(source.file.row_errors),
        hold_s=round(default_hold_s([m.at_s for m in moments(readings)])),
        doubt=" ".join(doubts)[:400],
        notes=[*source.file.corrections, *source.file.notes][:20],
        by_id=by.principal_id,
        recorded_at=now,
        reason=reason[:200],
    )
    _append(by, row, readings, now)
    with transaction.atomic():
        facts = _facts(row)
        entry = NewEntry("telemetry.backup_file", row.pk, by, now, space.site_id, reason, facts)
        record([row], [NewEvent(data=facts)], entry=entry)
        note_second_sources(by, space, row.first_at, row.last_at, now=now)
    return row


def _facts(row: BackupFile) -> dict[str, object]:
    return {
        "space": row.space.code,
        "file": row.name,
        "sha256": row.sha256,
        "logger": row.logger,
        "certificate": row.certificate,
        "certificate_until": str(row.certificate_until or ""),
        "first_at": row.first_at,
        "last_at": row.last_at,
        "rows": row.rows,
        "rows_refused": row.rows_refused,
    }


def _append(by: Authority, row: BackupFile, readings: Sequence[Reading], now: datetime) -> None:
    """The readings become durable before the record names them; without its record nothing reads them."""
    taken = [BatchReading(row.code, round(r.at_s * 1e6), r.value_c, 0) for r in readings]
    head = {"boot": 0, "digest": row.sha256}
    frame = frame_of(
        row.space.site_id, taken, round(now.timestamp() * 1e6), row.source_class, str(by.principal_id), head
    )
    stores.log().append([frame])


def _check(space: Space, data: bytes, logger: Logger) -> None:
    if space.profile is None:
        raise NotReady(
            "telemetry.no_profile", f"{space.name} has no product profile.", "Give it one, then bring the file."
        )
    if not logger.name.strip():
        raise BadInput("telemetry.logger_name", "No logger is named.", "Write its number.", field="logger")
    if len(data) > MOST_BYTES:
        raise TooMuch(
            "telemetry.file_too_large",
            f"The file has {len(data):,} bytes; at most {MOST_BYTES:,} are read.",
            "Export a shorter period.",
        )


def _inside(source: Source, start: datetime | None, end: datetime | None, now: datetime) -> list[Reading]:
    """The usable readings of the period in order; refused when there is none, or one lies ahead."""
    begin_s = start.timestamp() if start else float("-inf")
    end_s = end.timestamp() if end else float("inf")
    usable = [r for r in in_order(source.file.readings) if is_usable(r.value_c)]
    found = [r for r in usable if begin_s <= r.at_s <= end_s]
    if not found:
        says = (
            f" It runs {_at(usable[0].at_s):%Y-%m-%d %H:%M} to {_at(usable[-1].at_s):%Y-%m-%d %H:%M} UTC."
            if usable
            else ""
        )
        raise BadInput(
            "telemetry.nothing_in_period",
            f"{source.name} has no usable reading in that period.{says}",
            "Check the period and the logger's time zone.",
            field="from",
        )
    if len(found) > MOST_READINGS:
        raise TooMuch(
            "telemetry.too_many_rows",
            f"The period holds {len(found):,} readings; at most {MOST_READINGS:,} are taken at once.",
            "Give a shorter period.",
        )
    if found[-1].at_s > now.timestamp() + 60:
        raise BadInput(
            "telemetry.file_future",
            f"{source.name} holds a reading at {_at(found[-1].at_s):%Y-%m-%d %H:%M} UTC, which lies ahead.",
            "The logger's clock or its zone is wrong: say the zone of its times.",
            field="tz",
        )
    return found


def _at(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)
