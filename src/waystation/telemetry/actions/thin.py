"""The work of retention: whole segments are thinned by a logged decision, the digest of what went stays.

The new file is durable before the decision is committed, and the old file goes an hour after it: a reader that has
just looked up its name still finds it, and a kill at any moment loses nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, record
from waystation.kernel.authority import Authority
from waystation.registry.models import Site
from waystation.telemetry import retention, stores
from waystation.telemetry.actions.seal import roll
from waystation.telemetry.models import Removal, RetentionPolicy, RetentionReport, Segment
from waystation.telemetry.rules.thinning import Bucket, Due, Span, Split, due, merged, old_buckets, split
from waystation.telemetry.store import reduced, segments
from waystation.telemetry.store.segments import Stored

GRACE = timedelta(hours=1)
AT_ONCE = 200
CHANGED = "file that is not what was sealed: waystation evidence check"
_THINNED = re.compile(r"(?P<site>[0-9a-f-]{36})/(?P<log>[0-9]{10})\.(?P<turn>[1-9][0-9]*)(?:\.reduced)?\.parquet")
SpansOf = Callable[[UUID], Sequence[Span]]


@dataclass
class Pass:
    """A walk over all segments: how far it is and what it did so far. One that a crash ends begins again."""

    started_at: datetime
    after: UUID | None = None
    segments: int = 0
    thinned: int = 0
    removed: int = 0
    reduced: int = 0
    freed_bytes: int = 0
    held: dict[str, int] = field(default_factory=dict)


class Retention:
    """The worker's side of retention: rounds that go on where the last one stopped."""

    def __init__(self) -> None:
        self._pass: Pass | None = None

    def run(self, by: Authority, held_of: SpansOf, *, now: datetime, is_over: Callable[[], bool]) -> int:
        """Thin segments until `is_over`; returns how many were. `held_of` gives what holds keep of a site.

        The end of a pass that took something, or held back otherwise than the pass before, is a report.
        """
        by.require("platform.operate")
        sweep(by, now=now)
        if self._pass is None:
            clear_undecided(by)
        if not RetentionPolicy.objects.filter(state="approved").exists():
            self._pass = None
            return 0
        made = self._pass = self._pass or Pass(now)
        before = made.thinned
        while rows := _next(made.after):
            for row in rows:
                if is_over():
                    return made.thinned - before
                thin(by, row.pk, held_of, made, now=now)
                made.after = row.pk
        self._pass = None
        _report(by, made, now)
        return made.thinned - before


def thin(by: Authority, segment_id: UUID, held_of: SpansOf, made: Pass, *, now: datetime) -> Removal | None:
    """Take from one segment what its age and the rules allow and nothing keeps; None when that is nothing.

    What is kept is looked up again in the transaction of the decision: a hold or an excursion of this moment counts.
    """
    by.require("platform.operate")
    made.segments += 1
    row = Segment.objects.select_related("site__service_class").get(pk=segment_id)
    allowed = _allowed(row, now)
    if allowed.is_nothing:
        return None
    if not _is_as_sealed(row):
        made.held[CHANGED] = made.held.get(CHANGED, 0) + row.rows
        return None
    spans = _spans(row.site, held_of)
    rows = segments.read_file(stores.segment_path(row.path)) if row.path else []
    parts = split(rows, retention.judging_at(row.site_id), allowed, spans)
    for why, count in parts.held_back.items():
        made.held[why] = made.held.get(why, 0) + count
    old = reduced.read([stores.segment_path(row.reduced_path)]) if row.reduced_path else []
    left = old_buckets(old, allowed, spans)
    if not parts.taken and len(left) == len(old):
        return None
    after = _write(row, parts, merged([*left, *parts.buckets]), now)
    with transaction.atomic():
        held = Segment.objects.select_for_update(of=("self",)).get(pk=row.pk)
        same = held.taken_times == row.taken_times and _allowed(row, now) == allowed
        if not same or _spans(row.site, held_of) != spans or not after.is_there:
            return None
        removal = _decide(by, held, after, parts, allowed, now)
    stores.rollup_path(removal.was_path).unlink(missing_ok=True)
    if after.path:
        roll(after.path)
    made.thinned += 1
    made.removed, made.reduced = made.removed + removal.removed, made.reduced + removal.reduced
    made.freed_bytes += stores.size_of(removal.was_path) + stores.size_of(removal.was_reduced_path)
    made.freed_bytes -= stores.size_of(after.path) + stores.size_of(after.reduced_path)
    return removal


def sweep(by: Authority, *, now: datetime) -> int:
    """Remove the files that decisions of an hour ago and more left without a segment; returns how many."""
    by.require("platform.operate")
    names = set(Segment.objects.values_list("path", flat=True))
    names |= set(Segment.objects.values_list("reduced_path", flat=True))
    gone = 0
    for paths in Removal.objects.filter(at__lte=now - GRACE).values_list("was_path", "was_reduced_path").iterator():
        for path in paths:
            if path and path not in names and stores.segment_path(path).exists():
                stores.segment_path(path).unlink()
                gone += 1
    return gone


def clear_undecided(by: Authority) -> int:
    """Remove files that were written for a decision that never came (a kill, a hold of the last moment); how many.

    Under the lock of the segment: a decision that is being made finds its file gone and is made again.
    """
    by.require("platform.operate")
    gone = 0
    for path in sorted(stores.segment_path("").glob("*/*.parquet")):
        name = path.relative_to(stores.segment_path("")).as_posix()
        found = _THINNED.fullmatch(name)
        if found is None:
            continue
        rows = Segment.objects.filter(site_id=found["site"], log_file=int(found["log"]))
        with transaction.atomic():
            held = rows.select_for_update(of=("self",)).first()
            if held is not None and held.taken_times + 1 == int(found["turn"]):
                path.unlink(missing_ok=True)
                gone += 1
    return gone


@dataclass(frozen=True, slots=True)
class _After:
    """The files of a segment after a decision; empty names where nothing is left."""

    path: str = ""
    sha256: str = ""
    rows: int = 0
    reduced_path: str = ""
    reduced_sha256: str = ""
    reduced_rows: int = 0

    @property
    def is_there(self) -> bool:
        """Whether each file that is named stands in its place."""
        return all(stores.segment_path(name).exists() for name in (self.path, self.reduced_path) if name)


def _next(after: UUID | None) -> list[Segment]:
    rows = Segment.objects.exclude(path="", reduced_path="").order_by("pk")
    return list((rows if after is None else rows.filter(pk__gt=after))[:AT_ONCE])


def _is_as_sealed(row: Segment) -> bool:
    """Whether both files are those whose digests were logged. Written again and let go, a changed one would be lost
    as a proof of the change, and what it holds now be vouched for."""
    files = ((row.path, row.sha256), (row.reduced_path, row.reduced_sha256))
    return all(stores.digest_of(name) == digest for name, digest in files)


def _allowed(row: Segment, now: datetime) -> Due:
    newest = datetime.fromtimestamp(row.last_us / 1e6, UTC).date()
    return due(newest, retention.rules_at(row.site), now.astimezone(UTC).date())


def _spans(site: Site, held_of: SpansOf) -> list[Span]:
    found = {*held_of(site.pk), *retention.kept_at(site.pk)}
    return sorted(found, key=lambda s: (s.start_us, s.end_us, s.why))


def _write(row: Segment, parts: Split[Stored], left: list[Bucket], now: datetime) -> _After:
    stem = f"{row.site_id}/{row.log_file:010d}.{row.taken_times + 1}"
    path, reduced_path = f"{stem}.parquet", f"{stem}.reduced.parquet"
    digest = segments.write(stores.segment_path(path), parts.kept) if parts.kept else ""
    reduced_digest = reduced.write(stores.segment_path(reduced_path), left) if left else ""
    return _After(
        path if parts.kept else "",
        digest,
        len(parts.kept),
        reduced_path if left else "",
        reduced_digest,
        len(left),
    )


def _decide(by: Authority, row: Segment, after: _After, parts: Split[Stored], allowed: Due, now: datetime) -> Removal:
    runs = [run for some in parts.taken.values() for run in some]
    names = {allowed.judging_goes, allowed.other_goes, allowed.other_is_reduced} - {""}
    removal = Removal(
        segment=row,
        site_id=row.site_id,
        at=now,
        rules=sorted(names),
        was_path=row.path,
        was_sha256=row.sha256,
        was_rows=row.rows,
        was_reduced_path=row.reduced_path,
        was_reduced_sha256=row.reduced_sha256,
        removed=sum(run.readings for run in runs if run.what == "removed"),
        reduced=sum(run.readings for run in runs if run.what == "reduced"),
        taken={code: [list(run) for run in some] for code, some in sorted(parts.taken.items())},
        first_us=min((run.first_us for run in runs), default=row.first_us),
        last_us=max((run.last_us for run in runs), default=row.last_us),
    )
    row.path, row.sha256, row.rows = after.path, after.sha256, after.rows
    row.reduced_path, row.reduced_sha256, row.reduced_rows = (
        after.reduced_path,
        after.reduced_sha256,
        after.reduced_rows,
    )
    row.taken_times += 1
    facts = {
        "rules": removal.rules,
        "was_path": removal.was_path,
        "was_sha256": removal.was_sha256,
        "was_rows": removal.was_rows,
        "was_reduced_sha256": removal.was_reduced_sha256,
        "removed": removal.removed,
        "reduced": removal.reduced,
        "path": row.path,
        "sha256": row.sha256,
        "rows": row.rows,
        "reduced_path": row.reduced_path,
        "reduced_sha256": row.reduced_sha256,
    }
    record([removal, row], entry=NewEntry("telemetry.segment_thinned", row.pk, by, now, row.site_id, facts=facts))
    return removal


def _report(by: Authority, made: Pass, now: datetime) -> None:
    last = RetentionReport.objects.order_by("-ended_at", "-pk").first()
    if not made.thinned and made.held == (last.held if last else {}):
        return
    row = RetentionReport(
        started_at=made.started_at,
        ended_at=now,
        segments=made.segments,
        thinned=made.thinned,
        removed=made.removed,
        reduced=made.reduced,
        freed_bytes=made.freed_bytes,
        held=made.held,
    )
    facts = {"segments": made.segments, "thinned": made.thinned, "removed": made.removed, "reduced": made.reduced}
    record([row], entry=NewEntry("telemetry.retention_report", row.pk, by, now, facts=facts))
