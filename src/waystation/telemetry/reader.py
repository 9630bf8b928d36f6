"""Readings of a site from segments and from the log's tail, each once, in order."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TypeVar
from uuid import UUID

from django.db.models import Max, QuerySet, Sum

from waystation.kernel.refusals import Unavailable
from waystation.telemetry import stores
from waystation.telemetry.models import Segment
from waystation.telemetry.rules.thinning import BUCKET_US, Bucket, alone, merged
from waystation.telemetry.store import columns, rollups, segments
from waystation.telemetry.store.columns import Columns
from waystation.telemetry.store.log import Frame, Position
from waystation.telemetry.store.segments import Stored

Found = TypeVar("Found")


def rows_of(frame: Frame) -> Iterator[Stored]:
    """A frame's readings as stored rows."""
    head = frame.head
    codes, source, machine = head["sensors"], head["source_class"], head["machine"]
    boot, received, ahead = int(head.get("boot", 0)), int(head["received_us"]), int(head.get("ahead_us", 0))
    for sensor, at_us, value, seq in zip(frame.sensor, frame.at_us, frame.value, frame.seq, strict=True):
        known = None if value != value else value
        yield Stored(codes[sensor], at_us, known, source, machine, boot, seq, received, ahead)


def readings(
    site_id: UUID, sensors: Sequence[str], from_us: int, to_us: int, *, up_to: Position | None = None
) -> list[Stored]:
    """The readings of those sensors with from <= instant < to. `up_to` leaves out what the log holds behind it."""
    return _of_sites({site_id: sensors}, from_us, to_us, up_to)


def readings_of_sites(codes: Mapping[UUID, Sequence[str]], from_us: int, to_us: int) -> list[Stored]:
    """The readings of sensors of several sites in one pass over the log's tail, in order."""
    return _of_sites(codes, from_us, to_us, None)


def by_columns(site_id: UUID, sensors: Sequence[str], from_us: int, to_us: int) -> dict[str, Columns]:
    """`readings` as columns, by sensor; one without any is left out."""
    codes = {site_id: sensors}

    def read(sealed: Mapping[UUID, int]) -> dict[str, Columns]:
        paths = [stores.segment_path(p) for p in _segment_paths(site_id, from_us, to_us)]
        found = columns.read(paths, sensors, from_us, to_us)
        rest: dict[str, list[Stored]] = {}
        for row in _tail(codes, sealed, from_us, to_us, None):
            rest.setdefault(row.sensor, []).append(row)
        for code, rows in rest.items():
            late = columns.of_rows(code, rows)
            found[code] = (columns.joined(found[code], late) if code in found else late).in_order()
        return found

    return _settled(codes, read)


def by_buckets(site_id: UUID, sensors: Sequence[str], from_us: int, to_us: int) -> list[Bucket]:
    """The five-minute buckets that begin in [from, to), by sensor and time: of sealed readings, of signals that
    retention reduced, and of the log behind them.
    """
    codes = {site_id: sensors}

    def read(sealed: Mapping[UUID, int]) -> list[Bucket]:
        files, plain = _bucket_files(site_id, from_us, to_us)
        try:
            found = rollups.read(files, plain, sensors, from_us, to_us)
        except Unavailable:  # a file of buckets can be made again: what it was made from says the same
            found = rollups.read(*_bucket_files(site_id, from_us, to_us, believed=False), sensors, from_us, to_us)
        late = [alone(row) for row in _tail(codes, sealed, from_us, to_us, None)]
        return merged([*found, *late]) if late else found

    return _settled(codes, read)


def reduced_buckets(site_id: UUID, sensors: Sequence[str], from_us: int, to_us: int) -> list[Bucket]:
    """What is left of signals that retention reduced, by sensor and time."""
    held = _overlapping(site_id, from_us - BUCKET_US, to_us).exclude(reduced_path="")
    paths = [stores.segment_path(p) for p in held.values_list("reduced_path", flat=True)]
    return rollups.read(paths, (), sensors, from_us, to_us)


def _bucket_files(site_id: UUID, from_us: int, to_us: int, *, believed: bool = True) -> tuple[list[Path], list[Path]]:
    """Files of buckets, and the sealed files that have none; only what is sealed when derived ones are not believed."""
    held = _overlapping(site_id, from_us - BUCKET_US, to_us).order_by("first_us")
    files, plain = [], []
    for path, reduced in held.values_list("path", "reduced_path"):
        if path and believed and stores.rollup_path(path).exists():
            files.append(stores.rollup_path(path))
        elif path:
            plain.append(stores.segment_path(path))
        if reduced:
            files.append(stores.segment_path(reduced))
    return files, plain


def _of_sites(codes: Mapping[UUID, Sequence[str]], from_us: int, to_us: int, up_to: Position | None) -> list[Stored]:
    return _settled(codes, lambda sealed: _read(codes, sealed, from_us, to_us, up_to))


def _settled(site_ids: Collection[UUID], read: Callable[[Mapping[UUID, int]], Found]) -> Found:
    """Segments, then the log behind them. A file may be sealed and dropped between the two, or retention may take
    from a segment meanwhile: then it is read again."""
    stands = _stands(site_ids)
    while True:
        found = read({site_id: file for site_id, (file, _) in stands.items()})
        before, stands = stands, _stands(site_ids)
        if stands == before:
            return found


def _read(
    codes: Mapping[UUID, Sequence[str]], sealed: Mapping[UUID, int], from_us: int, to_us: int, up_to: Position | None
) -> list[Stored]:
    found: list[Stored] = []
    for site_id, some in codes.items():
        paths = [stores.segment_path(p) for p in _segment_paths(site_id, from_us, to_us)]
        found += segments.read(paths, some, from_us, to_us)
    kept = len(found)
    found += _tail(codes, sealed, from_us, to_us, up_to)
    return found if len(codes) == 1 and len(found) == kept else segments.in_order(found)


def _tail(
    codes: Mapping[UUID, Sequence[str]], sealed: Mapping[UUID, int], from_us: int, to_us: int, up_to: Position | None
) -> Iterator[Stored]:
    """What the log holds behind the segments, in the order of arrival."""
    wanted = {str(site_id): (set(some), sealed.get(site_id, 0)) for site_id, some in codes.items()}
    for frame, position in stores.log().read(Position(min((n for _, n in wanted.values()), default=0) + 1, 0)):
        if up_to is not None and position > up_to:
            break
        some_of, file = wanted.get(frame.head["site"], (set(), 0))
        if some_of and position.file > file:
            yield from (r for r in rows_of(frame) if r.sensor in some_of and from_us <= r.observed_us < to_us)


def _stands(site_ids: Collection[UUID]) -> dict[UUID, tuple[int, int]]:
    """The newest log file of which each site has its segment, and how often retention took from its segments.

    A file is sealed site by site, so they may differ.
    """
    rows = Segment.objects.filter(site_id__in=list(site_ids)).values_list("site_id")
    return {key: (newest, times) for key, newest, times in rows.annotate(newest=Max("log_file"), n=Sum("taken_times"))}


def _segment_paths(site_id: UUID, from_us: int, to_us: int) -> list[str]:
    held = _overlapping(site_id, from_us, to_us).exclude(path="")
    return list(held.order_by("first_us").values_list("path", flat=True))


def _overlapping(site_id: UUID, from_us: int, to_us: int) -> QuerySet[Segment]:
    return Segment.objects.filter(site_id=site_id, first_us__lt=to_us, last_us__gte=from_us)


def count(start: datetime, end: datetime) -> int:
    """How many readings with start <= instant < end are stored, each counted once per batch that brought it."""
    from_us, to_us = int(start.timestamp() * 1e6), int(end.timestamp() * 1e6)
    inside = Segment.objects.filter(first_us__gte=from_us, last_us__lt=to_us)
    total = sum(inside.values_list("rows", flat=True))
    partly = Segment.objects.filter(first_us__lt=to_us, last_us__gte=from_us).exclude(path="")
    for row in partly.exclude(pk__in=inside.values("pk")):
        total += segments.count(stores.segment_path(row.path), from_us, to_us)
    sealed = {(str(site_id), file) for site_id, file in Segment.objects.values_list("site_id", "log_file")}
    for frame, position in stores.log().read(Position(1, 0)):
        if (frame.head["site"], position.file) not in sealed:
            total += sum(from_us <= at_us < to_us for at_us in frame.at_us)
    return total
