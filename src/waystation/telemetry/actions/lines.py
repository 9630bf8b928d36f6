"""Line protocol in: each line read, placed with its sensor or among what waits, and durable before anybody is told."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from typing import Any
from uuid import UUID

from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, PartlyRefused, TooLarge
from waystation.kernel.units import TemperatureUnit
from waystation.registry.models import Sensor
from waystation.telemetry import stores
from waystation.telemetry.names import MOST_WAITING, Names
from waystation.telemetry.rules.batch import MOST_BYTES
from waystation.telemetry.rules.cells import number_to_celsius, shown
from waystation.telemetry.rules.clocks import RECEIPT_TIME, by_clock, is_believed
from waystation.telemetry.rules.mapping import SENSOR_TAG, Series, Target, is_readable, value_of
from waystation.telemetry.rules.plain_lines import Read, number_of, read_lines
from waystation.telemetry.rules.points import PRECISIONS, LineError, Point
from waystation.telemetry.store.log import Frame

SITE_TAG = "site"
SOURCE_CLASS = "authenticated_connection"
READINGS_IN_A_FRAME = 20_000
MOST_NAMES_BYTES = 8 * 1024 * 1024  # of the head of a frame: with its readings it stays below what the log takes
LONGEST_NAME = 4000  # of a series that waits: its measurement, tags and field
MOST_LINES_NAMED = 100
NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a body: readings of sensors, readings that wait, those ignored by rule, lines refused."""

    readings: int
    waiting: int
    ignored: int
    refused: tuple[LineError, ...]

    def demand_whole(self) -> None:
        """Raise PartlyRefused, naming the lines, when some were not taken."""
        if not self.refused:
            return
        named = "; ".join(f"line {e.line}: {e.reason}" for e in self.refused[:MOST_LINES_NAMED])
        more = len(self.refused) - MOST_LINES_NAMED
        kept = self.readings + self.waiting + self.ignored
        raise PartlyRefused(
            "telemetry.lines",
            f"{len(self.refused)} lines were not taken, {kept} readings were: {named}"
            f"{f'; and {more} more' if more > 0 else ''}.",
            "Correct these lines and send them alone; the others are kept.",
            lines=[{"line": e.line, "reason": e.reason} for e in self.refused[:MOST_LINES_NAMED]],
        )


@dataclass(slots=True)
class Prepared:
    """Frames to append, and what to say once they are durable."""

    frames: list[Frame]
    written: Written


@dataclass(slots=True)
class _Rows:
    """The readings of a site, each series in the order of its lines or of time; `series` describes those that wait."""

    codes: dict[str, int] = field(default_factory=dict)
    rows: list[tuple[int, int, float]] = field(default_factory=list)
    series: dict[str, dict[str, Any]] = field(default_factory=dict)
    is_doubted: bool = False  # by a clock that nobody can believe, some of them


def write(by: Authority, body: bytes, names: Names, *, precision: str, now: datetime) -> Written:
    """Take a body of line protocol for the sites of the caller; durable when this returns.

    Lines that cannot be taken are named in what is returned, all others are kept.
    """
    made = prepare(by, body, names, precision=precision, now=now)
    if made.frames:
        stores.log().append(made.frames)
    return made.written


def prepare(by: Authority, body: bytes, names: Names, *, precision: str, now: datetime) -> Prepared:
    """Read and place every line; the caller appends the frames, alone or with those of others."""
    by.require_somewhere("telemetry.ingest")
    if len(body) > MOST_BYTES:
        raise too_large(len(body))
    if precision not in PRECISIONS:
        raise BadInput(
            "telemetry.precision",
            f"precision {shown(precision)} is none.",
            f"Use one of: {', '.join(p for p in PRECISIONS if p)}.",
            field="precision",
            value=precision,
        )
    read = read_lines(body, PRECISIONS[precision], round(now.timestamp() * 1e6))
    return _placed(by, read, names, source_class=SOURCE_CLASS, now=now)


def placed(
    by: Authority,
    points: Sequence[Point],
    names: Names,
    *,
    source_class: str,
    now: datetime,
) -> Prepared:
    """Place points with the sensors of the caller's sites, or among what waits there."""
    return _placed(by, Read(list(points)), names, source_class=source_class, now=now)


def _placed(by: Authority, read: Read, names: Names, *, source_class: str, now: datetime) -> Prepared:
    sites = by.sites("telemetry.ingest")
    if sites is not None and not sites:
        by.require("telemetry.ingest")
    now_us = round(now.timestamp() * 1e6)
    names.follow()
    site_ids = [UUID(key) for key in sites] if sites is not None else list(names.site_ids())
    placing = _Placing(names, site_ids, now_us)
    placing.look_up_strangers(read.points)
    errors = [*read.errors, *(error for point in read.points for error in placing.take(point))]
    errors += placing.follow(read)
    common = {"machine": str(by.principal_id), "source_class": source_class, "received_us": now_us}
    frames = [frame for site_id, rows in placing.sites.items() for frame in _frames(site_id, rows, common)]
    refused = tuple(sorted(errors, key=lambda e: e.line))
    return Prepared(frames, Written(placing.readings, placing.waiting, placing.ignored, refused))


def too_large(size: int) -> TooLarge:
    """What is said of a body past the limit."""
    return TooLarge(
        "telemetry.too_large",
        f"The body has {size:,} bytes or more, unpacked; at most {MOST_BYTES:,} are taken at once.",
        "Send smaller batches.",
    )


class _Placing:
    """Places the points of one body."""

    def __init__(self, names: Names, site_ids: Sequence[UUID], now_us: int) -> None:
        self.names, self.site_ids, self.now_us = names, site_ids, now_us
        self.sites: dict[UUID, _Rows] = {}
        self.readings = self.waiting = self.ignored = 0
        self._strangers: set[str] = set()
        self._homes: dict[str, UUID | None] = {}
        # where the one value of a line went: rows of its site, number of its sensor, its unit
        self._went: dict[int, tuple[list[tuple[int, int, float]], int, TemperatureUnit]] = {}

    def follow(self, read: Read) -> list[LineError]:
        """Place the followers of each series where its first line went; all that went elsewhere are read like it."""
        errors: list[LineError] = []
        went = {series: self._went.get(line) for series, line in read.leaders.items()}
        first = {point.line: point for point in read.points}
        for line, series, value, at_us in read.followers:
            place = went[series]
            if place is None:
                point = first[read.leaders[series]]
                name = next(iter(point.fields))
                errors += self.take(replace(point, line=line, fields={name: value}, at_us=at_us))
                continue
            rows, code, unit = place
            rows.append((code, at_us, number_to_celsius(number_of(value), unit)))
            self.readings += 1
        if read.followers and len(read.points) > len(read.leaders):
            for held in self.sites.values():
                held.rows.sort(key=itemgetter(1))
        return errors

    def look_up_strangers(self, points: Sequence[Point]) -> None:
        """Which of the sensors that are named stand at a site where the caller may not write."""
        named = {p.tags[SENSOR_TAG] for p in points if SENSOR_TAG in p.tags}
        unknown = [name for name in named if self._home_of(name) is None]
        if unknown:
            live = Sensor.objects.filter(removed_at=None)
            found = set(live.filter(code__in=unknown).values_list("code", flat=True))
            keys = [key for name in unknown if (key := _uuid(name))]
            self._strangers = found | {str(k) for k in live.filter(pk__in=keys).values_list("pk", flat=True)}

    def take(self, point: Point) -> list[LineError]:
        """Place each field of a point; why the line was not taken, when it was not."""
        try:
            adds = self._fields(point)
            for add in adds:
                self._add(*add)
            if len(adds) == 1:
                self._note(point.line, *adds[0][:3])
        except ValueError as error:
            return [LineError(point.line, str(error))]
        return []

    def _note(self, line: int, site_id: UUID, series: Series, target: Target | None) -> None:
        if target is not None:
            held = self.sites[site_id]
            self._went[line] = held.rows, held.codes[target.code], target.celsius_from(series.field)

    def _fields(self, point: Point) -> list[tuple[UUID, Series, Target | None, int, float | None]]:
        """What the point says, whole or not at all."""
        site_id = self._site_of(point)
        readable = {name: written for name, written in point.fields.items() if is_readable(written)}
        placed = self.names.of(site_id).place_all(point.measurement, point.tags, readable or point.fields)
        found = []
        for series, verdict in placed.items():
            if verdict.is_ignored:
                self.ignored += 1
                continue
            unit = verdict.target.celsius_from(series.field) if verdict.target else "c"
            if verdict.target is None and series.field not in readable:
                self.ignored += 1  # a text that nothing maps is no series of readings
                continue
            value = value_of(point.fields[series.field], unit)
            if verdict.target is None and (size := series.size) > LONGEST_NAME:
                raise ValueError(f"the series' name has {size:,} characters; at most {LONGEST_NAME:,} are kept")
            if verdict.target is None and not self.names.has_room(site_id, series.code):
                raise ValueError(f"{MOST_WAITING:,} series of the site wait already; adopt, map or ignore some")
            found.append((site_id, series, verdict.target, point.at_us, value))
        return found

    def _site_of(self, point: Point) -> UUID:
        name = point.tags.get(SENSOR_TAG, "")
        home = self._home_of(name) if name else None
        if home is not None:
            return home
        if name in self._strangers:
            raise ValueError(f"sensor {shown(name)} is at no site where this token may write")
        said = self.names.site_of(point.tags.get(SITE_TAG, ""))
        if said is not None and said in self.site_ids:
            return said
        if len(self.site_ids) != 1:
            raise ValueError(f"the token is not of one site and tag {SITE_TAG} names none of its sites")
        return self.site_ids[0]

    def _home_of(self, name: str) -> UUID | None:
        """The one site of the caller where a sensor goes by that name; None when there is none, or several."""
        if name not in self._homes:
            homes = [site_id for site_id in self.site_ids if name in self.names.of(site_id).sensors]
            self._homes[name] = homes[0] if len(homes) == 1 else None
        return self._homes[name]

    def _add(self, site_id: UUID, series: Series, target: Target | None, at_us: int, value: float | None) -> None:
        held = self.sites.setdefault(site_id, _Rows())
        code = target.code if target else series.code
        held.rows.append((held.codes.setdefault(code, len(held.codes)), at_us, NAN if value is None else value))
        held.is_doubted |= not is_believed(at_us, self.now_us)
        if target is not None:
            self.readings += 1
            return
        self.waiting += 1
        if code not in held.series:
            tags = dict(series.tags)
            held.series[code] = {"measurement": series.measurement, "tags": tags, "field": series.field}


def _frames(site_id: UUID, held: _Rows, common: Mapping[str, Any]) -> Iterator[Frame]:
    if not held.is_doubted:
        yield from _frames_of(site_id, held, held.rows, common)
        return
    for ahead_us, some in by_clock(held.rows, itemgetter(1), itemgetter(0), common["received_us"]):
        rows = [(code, at_us - ahead_us, value) for code, at_us, value in some]
        marked = {"source_class": RECEIPT_TIME, "ahead_us": ahead_us} if ahead_us else {}
        yield from _frames_of(site_id, held, rows, {**common, **marked})


def _frames_of(
    site_id: UUID, held: _Rows, readings: Sequence[tuple[int, int, float]], common: Mapping[str, Any]
) -> Iterator[Frame]:
    codes = list(held.codes)
    waiting = [readings[n : n + READINGS_IN_A_FRAME] for n in range(0, len(readings), READINGS_IN_A_FRAME)][::-1]
    while waiting:
        some = waiting.pop()
        here = {number: place for place, number in enumerate(sorted({row[0] for row in some}))}
        mine = [codes[number] for number in here]
        head = {"site": str(site_id), **common, "sensors": mine}
        if series := {code: held.series[code] for code in mine if code in held.series}:
            head["series"] = series
            if len(some) > 1 and len(json.dumps(head)) > MOST_NAMES_BYTES:
                waiting += [some[len(some) // 2 :], some[: len(some) // 2]]
                continue
        yield Frame(
            head, [here[row[0]] for row in some], [row[1] for row in some], [row[2] for row in some], [0] * len(some)
        )


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


def describe(head: Mapping[str, Any]) -> dict[str, Series]:
    """The series that a frame of the log describes, by code."""
    return {
        code: Series(said["measurement"], tuple(sorted(said["tags"].items())), said["field"])
        for code, said in head.get("series", {}).items()
    }
