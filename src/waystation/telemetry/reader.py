"""Readings of a site from segments and from the log's tail, each once, in order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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
