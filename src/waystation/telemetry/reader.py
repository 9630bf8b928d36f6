"""Readings of a site from segments and from the log's tail, each once, in order."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from waystation.telemetry import stores
from waystation.telemetry.models import Segment
from waystation.telemetry.store import segments
from waystation.telemetry.store.log import Frame, Position
from waystation.telemetry.store.segments import Stored


def rows_of(frame: Frame) -> Iterator[Stored]:
    """A frame's readings as stored rows."""
    head = frame.head
    codes, source, machine = head["sensors"], head["source_class"], head["machine"]
    boot, received = int(head.get("boot", 0)), int(head["received_us"])
    for sensor, at_us, value, seq in zip(frame.sensor, frame.at_us, frame.value, frame.seq, strict=True):
        yield Stored(codes[sensor], at_us, None if value != value else value, source, machine, boot, seq, received)


def readings(
    site_id: UUID, sensors: Sequence[str], from_us: int, to_us: int, *, up_to: Position | None = None
) -> list[Stored]:
    """The readings of those sensors with from <= instant < to. `up_to` leaves out what the log holds behind it."""
    found = segments.read(
        [stores.segment_path(p) for p in _segment_paths(site_id, from_us, to_us)], sensors, from_us, to_us
    )
    sealed = Segment.objects.order_by("-log_file").values_list("log_file", flat=True).first() or 0
    wanted, site, sealed_rows = set(sensors), str(site_id), len(found)
    for frame, position in stores.log().read(Position(sealed + 1, 0)):
        if up_to is not None and position > up_to:
            break
        if frame.head["site"] == site:
            found += [r for r in rows_of(frame) if r.sensor in wanted and from_us <= r.observed_us < to_us]
    return found if len(found) == sealed_rows else segments.in_order(found)


def _segment_paths(site_id: UUID, from_us: int, to_us: int) -> list[str]:
    held = Segment.objects.filter(site_id=site_id, first_us__lt=to_us, last_us__gte=from_us)
    return list(held.order_by("first_us").values_list("path", flat=True))


def count(start: datetime, end: datetime) -> int:
    """How many readings with start <= instant < end are stored, each counted once per batch that brought it."""
    from_us, to_us = int(start.timestamp() * 1e6), int(end.timestamp() * 1e6)
    inside = Segment.objects.filter(first_us__gte=from_us, last_us__lt=to_us)
    total = sum(inside.values_list("rows", flat=True))
    sealed = Segment.objects.order_by("-log_file").values_list("log_file", flat=True).first() or 0
    for row in Segment.objects.filter(first_us__lt=to_us, last_us__gte=from_us).exclude(pk__in=inside.values("pk")):
        total += segments.count(stores.segment_path(row.path), from_us, to_us)
    for frame, _ in stores.log().read(Position(sealed + 1, 0)):
        total += sum(from_us <= at_us < to_us for at_us in frame.at_us)
    return total


def readings_of_sites(codes: Mapping[UUID, Sequence[str]], from_us: int, to_us: int) -> list[Stored]:
    """The readings of sensors of several sites in one pass over the log's tail, in order."""
    found: list[Stored] = []
    for site_id, some in codes.items():
        paths = [stores.segment_path(p) for p in _segment_paths(site_id, from_us, to_us)]
        found += segments.read(paths, some, from_us, to_us)
    sealed = Segment.objects.order_by("-log_file").values_list("log_file", flat=True).first() or 0
    by_site = {str(site_id): set(some) for site_id, some in codes.items()}
    for frame, _ in stores.log().read(Position(sealed + 1, 0)):
        wanted = by_site.get(frame.head["site"])
        if wanted:
            found += [r for r in rows_of(frame) if r.sensor in wanted and from_us <= r.observed_us < to_us]
    return segments.in_order(found)
