"""Which hours of which sites may have another verdict than before: from new readings, and from entries that change one.

A place says up to where somebody has followed both. Readings are followed in the order of the log; entries by number,
with those of the newest 10,000 numbers remembered one by one, because a transaction may commit behind a later number.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from django.db.models import Max

from waystation.evidence.models import LogEntry
from waystation.registry.models import Space
from waystation.telemetry import models as m
from waystation.telemetry import setup, stores
from waystation.telemetry.rules.hours import ALL_DAY, DAY_HOURS, HOUR_US, between
from waystation.telemetry.rules.second_source import LONGEST_HOLD_S
from waystation.telemetry.store.log import Position

HOLD_US = 1_800_000_000  # no reading of a probe holds longer
AROUND_US = round(LONGEST_HOLD_S * 1e6)
REMEMBERED = 10_000
MOST_FRAMES = 5_000
DOUBTS = ("telemetry.doubt_opened", "telemetry.doubt_ended", "telemetry.doubt_decided")
SECOND = ("telemetry.hand_reading", "telemetry.backup_file")
KINDS = (*setup.KINDS, *DOUBTS, *SECOND)
ALWAYS = (-(2**62), 2**62)


@dataclass(frozen=True, slots=True)
class Place:
    """Up to where the log of readings and the entries are followed."""

    file: int
    offset: int
    entry: int
    remembered: tuple[int, ...]


@dataclass(slots=True)
class Touched:
    """Hours since 1970 by site, and spans of microseconds; `everything` when nobody can say which."""

    hours: dict[UUID, set[int]] = field(default_factory=lambda: defaultdict(set))
    spans: dict[UUID | None, list[tuple[int, int]]] = field(default_factory=lambda: defaultdict(list))
    everything: bool = False

    def sites(self) -> set[UUID] | None:
        """The sites that are touched; None for any."""
        if self.everything or None in self.spans:
            return None
        return {key for key in (*self.hours, *self.spans) if key is not None}

    def days(self, site_id: UUID, among: Collection[int]) -> Iterator[int]:
        """The days (since 1970) among those given of which an hour of the site may be touched."""
        if self.everything or self.spans.get(site_id) or self.spans.get(None):
            yield from among
        else:
            yield from {hour // DAY_HOURS for hour in self.hours.get(site_id, ())}.intersection(among)

    def of_day(self, site_id: UUID, day: int) -> int:
        """The touched hours of a site and a day (days since 1970)."""
        if self.everything:
            return ALL_DAY
        first, found = day * DAY_HOURS, 0
        for hour in self.hours.get(site_id, ()):
            found |= between(hour - first, hour - first + 1)
        for a, b in (*self.spans.get(site_id, ()), *self.spans.get(None, ())):
            found |= between(a // HOUR_US - first, b // HOUR_US + 1 - first)
        return found


def here() -> Place:
    """The present place, for whoever begins with nothing that could be touched."""
    newest, end = _newest_entry(), stores.log().end()
    held = LogEntry.objects.filter(kind__in=KINDS, seq__gt=newest - REMEMBERED)
    return Place(end.file, end.offset, newest, tuple(held.order_by("seq").values_list("seq", flat=True)))


def since(place: Place, most: int | None = None) -> tuple[Touched, Place]:
    """What was touched behind a place, and the place behind that. More than `most` frames: everything."""
    touched, newest = Touched(), _newest_entry()
    rows = LogEntry.objects.filter(kind__in=KINDS, seq__gt=place.entry - REMEMBERED).order_by("seq")
    found = list(rows.values_list("seq", "kind", "site_id", "object_id"))
    known = set(place.remembered)
    _entries(touched, [row for row in found if row[0] not in known])
    remembered = tuple(row[0] for row in found if row[0] > newest - REMEMBERED)
    end = _readings(touched, Position(place.file, place.offset), most)
    return touched, Place(end.file, end.offset, max(newest, place.entry), remembered)


def _newest_entry() -> int:
    return int(LogEntry.objects.aggregate(newest=Max("seq"))["newest"] or 0)


def _readings(touched: Touched, place: Position, most: int | None) -> Position:
    """Frames behind a place; of a file that was sealed in the meantime, the times that its segments hold."""
    log = stores.log()
    if place > log.end() and log.files():
        touched.everything = True  # the log is not the one that was followed
        return log.end()
    end, seen, read = place, 0, set[int]()
    files = [number for number in log.files() if number >= place.file]
    for number, following in zip(files, [*files[1:], 0][: len(files)], strict=True):
        begin = Position(number, place.offset if number == place.file else 0)
        try:
            for frame, behind in log.read(begin):
                if behind.file != number:
                    break
                hours, seen, end = touched.hours[UUID(frame.head["site"])], seen + 1, behind
                hours.update(at // HOUR_US for at in frame.at_us)
                hours.update((at + HOLD_US) // HOUR_US for at in frame.at_us)
                if most is not None and seen > most:
                    touched.everything = True
                    return end
        except FileNotFoundError:
            continue  # sealed and dropped just now
        read.add(number)
        if following:  # nothing is appended to a file behind which another one stands
            end = Position(following, 0)
    for site_id, file, first, last in m.Segment.objects.filter(log_file__gte=place.file).values_list(
        "site_id", "log_file", "first_us", "last_us"
    ):
        if file not in read:
            touched.spans[site_id].append((first, last + HOLD_US))
            end = max(end, Position(file + 1, 0))
    return end


def _entries(touched: Touched, rows: Iterable[tuple[int, str, UUID | None, str]]) -> None:
    doubts: list[UUID] = []
    for _, kind, site_id, object_id in rows:
        if kind in DOUBTS:
            doubts.append(UUID(object_id))
        elif kind == "telemetry.hand_reading":
            _around(touched, m.HandReading, object_id, ("observed_at", "observed_at"))
        elif kind == "telemetry.backup_file":
            _around(touched, m.BackupFile, object_id, ("first_at", "last_at"))
        elif site_id is not None:
            touched.spans[site_id].append(ALWAYS)
        else:
            for key in _sites_of(kind, object_id):
                touched.spans[key].append(ALWAYS)
    for site_id, started_at in m.Doubt.objects.filter(pk__in=doubts).values_list("sensor__site_id", "started_at"):
        touched.spans[site_id].append((_us(started_at), ALWAYS[1]))


def _around(
    touched: Touched, model: type[m.HandReading] | type[m.BackupFile], key: str, columns: tuple[str, str]
) -> None:
    for site_id, first, last in model.objects.filter(pk=UUID(key)).values_list("space__site_id", *columns):
        touched.spans[site_id].append((_us(first) - AROUND_US, _us(last) + AROUND_US))


def _sites_of(kind: str, object_id: str) -> Collection[UUID | None]:
    """The sites that a change without a site concerns; {None} for any."""
    if kind in ("registry.product_profile_changed", "registry.profile_approved"):
        return set(Space.objects.filter(profile_id=UUID(object_id)).values_list("site_id", flat=True))
    return {None}


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)
