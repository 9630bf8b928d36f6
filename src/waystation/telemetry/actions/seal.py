"""Sealing: what the log holds becomes immutable segments whose digests enter the evidence log."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from waystation.evidence.actions import NewEntry, record
from waystation.kernel.authority import Authority
from waystation.telemetry import stores
from waystation.telemetry.models import Progress, Segment
from waystation.telemetry.reader import rows_of
from waystation.telemetry.store import segments
from waystation.telemetry.store.log import Position
from waystation.telemetry.store.segments import Stored


def seal(by: Authority, *, now: datetime) -> int:
    """Seal every log file that ended and is judged; returns how many segments were made. Repeating it adds nothing.

    A segment stands when its row is committed: a crash before that leaves a file that the next round writes again, a
    crash after it leaves a log file that the next round removes. Nothing is counted twice.
    """
    by.require("platform.operate")
    log = stores.log()
    log.rotate()
    judged = min((Position(p.file, p.offset) for p in Progress.objects.all()), default=Position(0, 0))
    made = 0
    for number in log.files():
        if number > judged.file or (number == judged.file and judged.offset < _size(number)):
            break
        if number == log.end().file and log.end().offset and number >= judged.file and not _ended(number):
            break
        made += _seal_file(by, number, now)
        log.drop(number)
    return made


def _ended(number: int) -> bool:
    return number < stores.log().rotate() + 1


def _size(number: int) -> int:
    return (stores.log().folder / f"{number:010d}.log").stat().st_size


def _seal_file(by: Authority, number: int, now: datetime) -> int:
    rows: dict[str, list[Stored]] = {}
    for frame, position in stores.log().read(Position(number, 0)):
        if position.file != number:
            break
        rows.setdefault(frame.head["site"], []).extend(rows_of(frame))
    for site, found in rows.items():
        _seal_site(by, UUID(site), number, segments.in_order(found), now)
    return len(rows)


def _seal_site(by: Authority, site_id: UUID, number: int, rows: list[Stored], now: datetime) -> None:
    if Segment.objects.filter(site_id=site_id, log_file=number).exists():
        return
    name = f"{site_id}/{number:010d}.parquet"
    digest = segments.write(stores.segment_path(name), rows)
    first, last = min(r.observed_us for r in rows), max(r.observed_us for r in rows)
    newest = Segment.objects.filter(site_id=site_id).order_by("-last_us").values_list("last_us", flat=True).first()
    row = Segment(
        site_id=site_id,
        kind="supplement" if newest is not None and first <= newest else "segment",
        first_us=first,
        last_us=last,
        rows=len(rows),
        sha256=digest,
        path=name,
        log_file=number,
    )
    facts = {"sha256": digest, "path": name, "rows": len(rows), "first_us": first, "last_us": last, "kind": row.kind}
    record([row], entry=NewEntry("telemetry.segment_sealed", row.pk, by, now, site_id, facts=facts))
