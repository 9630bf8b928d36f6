"""Sealing: what the log holds becomes immutable segments whose digests enter the evidence log."""

from __future__ import annotations

import logging
from datetime import datetime
from uuid import UUID

from waystation.evidence.actions import NewEntry, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Unavailable
from waystation.telemetry import log_heads, stores
from waystation.telemetry.models import Progress, Segment
from waystation.telemetry.reader import rows_of
from waystation.telemetry.store import rollups, segments
from waystation.telemetry.store.log import Position
from waystation.telemetry.store.segments import Stored

LOOKED_AT = 1_000  # newest segments: after a break, or an upgrade, each pass makes up for so many
logger = logging.getLogger("waystation.sealer")


def seal(by: Authority, *, now: datetime) -> int:
    """Seal every log file that ended and is judged; returns how many segments were made. Repeating it adds nothing.

    A file that no longer begins with what was logged of it is not sealed and not removed: somebody changed it.

    A segment stands when its row is committed: a crash before that leaves a file that the next round writes again, a
    crash after it leaves a log file that the next round removes. Nothing is counted twice.
    """
    by.require("platform.operate")
    log = stores.log()
    log.rotate()
    judged = min((Position(p.file, p.offset) for p in Progress.objects.all()), default=Position(0, 0))
    made = 0
    for number in log.files()[:-1]:
        if judged < Position(number, log.size(number)):
            break
        if changed := log_heads.changed(number):
            logger.error("%s. Nothing behind it is sealed: waystation evidence check.", changed[0])
            break
        made += _seal_file(by, number, now)
        log.drop(number)
    roll_up()
    return made


def roll_up() -> int:
    """Make the files of five-minute buckets that the newest segments lack; returns how many. Reading needs none of
    them: it is quicker with them.
    """
    made = 0
    for name in Segment.objects.exclude(path="").order_by("-log_file").values_list("path", flat=True)[:LOOKED_AT]:
        if not stores.rollup_path(name).exists():
            if not roll(name):
                break
            made += 1
    return made


def roll(name: str) -> bool:
    """Make the file of buckets of a segment; False where the disk refuses, which holds up nothing."""
    try:
        rollups.make(stores.segment_path(name), stores.rollup_path(name))
    except (OSError, Unavailable) as error:
        logger.warning("The five-minute values of %s are not made: %s", name, error)
        return False
    return True


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
