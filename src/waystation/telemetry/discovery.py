"""The discovery list: series that came and that no sensor has. Their readings wait in the log; none of them is lost.

What waits is derived from the log: it is written in the transaction that judges the frames, up to the same place. A
series that a rule takes by now gives its readings to the sensor, with the instants at which they were received; that is
done at least once, and readings that are there already add nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from django.db import transaction
from django.db.models import QuerySet

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.telemetry import models as m
from waystation.telemetry import reader, stores
from waystation.telemetry.actions.ingest import frame_of
from waystation.telemetry.actions.lines import describe
from waystation.telemetry.live import at
from waystation.telemetry.names import read
from waystation.telemetry.rules.batch import BatchReading
from waystation.telemetry.rules.mapping import Rule, Series, SiteNames, Target, stored_value
from waystation.telemetry.store.log import Frame
from waystation.telemetry.store.segments import Stored

WAITS = timedelta(days=14)
READINGS_IN_A_FRAME = 20_000
ALWAYS_US = 2**62


@dataclass(frozen=True, slots=True)
class Waiting:
    """A series in the list, and until when the oldest of its readings can still be adopted."""

    row: m.Series
    series: Series
    until: datetime
    doubt: str = ""  # why the sensor that a rule names for it does not get its readings


def note(frames: Iterable[Frame], *, now: datetime) -> int:
    """Write down what series frames of the log bring; call it inside the transaction that judges them.

    Returns how many series were heard.
    """
    heard: dict[tuple[UUID, str], m.Series] = {}
    for frame in frames:
        for code, series in describe(frame.head).items():
            key = (UUID(frame.head["site"]), code)
            if key not in heard:
                held = m.Series.objects.select_for_update().filter(site_id=key[0], code=code).first()
                heard[key] = held or _fresh(key[0], series, frame)
            _count(heard[key], frame, code)
    for row in heard.values():
        row.save()
    return len(heard)


def _fresh(site_id: UUID, series: Series, frame: Frame) -> m.Series:
    first = at(min(frame.at_us) / 1e6)
    return m.Series(
        site_id=site_id,
        code=series.code,
        measurement=series.measurement,
        tags=dict(series.tags),
        field=series.field,
        machine_id=UUID(frame.head["machine"]),
        first_at=first,
        last_at=first,
        received_at=at(frame.head["received_us"] / 1e6),
    )


def _count(row: m.Series, frame: Frame, code: str) -> None:
    number = frame.head["sensors"].index(code)
    mine = [(us, v) for s, us, v in zip(frame.sensor, frame.at_us, frame.value, strict=True) if s == number]
    first_us, (last_us, value) = min(mine)[0], max(mine)
    if at(last_us / 1e6) >= row.last_at:
        row.last_at, row.last_value = at(last_us / 1e6), None if value != value else value
    row.first_at = min(row.first_at, at(first_us / 1e6))
    row.readings += len(mine)
    row.machine_id = UUID(frame.head["machine"])
    received_us = int(frame.head["received_us"])
    row.received_at = max(row.received_at, at(received_us / 1e6))
    row.uncopied_since_us = min(row.uncopied_since_us or received_us, received_us)


def series_of(row: m.Series) -> Series:
    """A row of the list as the rules see it."""
    return Series(row.measurement, tuple(sorted(row.tags.items())), row.field)


def waiting(by: Authority, site_id: UUID, now: datetime) -> list[Waiting]:
    """The series of a site that no rule takes or ignores, heard within the last 14 days, the newest first."""
    by.require("registry.read", site_id)
    names = read([site_id])[site_id]
    found = []
    for row in _uncopied(now).filter(site_id=site_id).order_by("-received_at", "measurement"):
        series, verdict = series_of(row), names.place(series_of(row))
        doubt = unit_doubt(verdict.target, row.field) if verdict.target else ""
        if not verdict.is_ignored and (verdict.target is None or doubt):
            oldest_us = max(row.uncopied_since_us or 0, round((now - WAITS).timestamp() * 1e6))
            found.append(Waiting(row, series, at(oldest_us / 1e6) + WAITS, doubt))
    return found


def fitting(by: Authority, site_id: UUID, rule: Rule, now: datetime) -> list[tuple[Waiting, Target | None]]:
    """What a rule would take of what waits, and which sensor each series would be; None for what it would ignore."""
    names = SiteNames(read([site_id])[site_id].sensors, (rule,))
    found = []
    for one in waiting(by, site_id, now):
        verdict = names.place(one.series)
        if verdict.target is not None or verdict.is_ignored:
            found.append((one, verdict.target))
    return found


def copy_due(by: Authority, *, now: datetime) -> int:
    """Give every series that a rule takes by now to its sensor; returns how many readings were given."""
    by.require("platform.operate")
    rows = list(_uncopied(now))
    names = read({row.site_id for row in rows}) if rows else {}
    given = 0
    for row in rows:
        target = names[row.site_id].place(series_of(row)).target
        if target is not None and not unit_doubt(target, row.field):
            given += give(by, row.pk, target, now=now)
    return given


def _uncopied(now: datetime) -> QuerySet[m.Series]:
    return m.Series.objects.exclude(uncopied_since_us=None).filter(received_at__gt=now - WAITS)


def give(by: Authority, key: UUID, target: Target, *, now: datetime) -> int:
    """Give what a series brought, at most 14 days of it, to a sensor; returns how many. Repeating adds nothing."""
    with transaction.atomic():
        row = m.Series.objects.select_for_update().get(pk=key)
        if row.uncopied_since_us is None:
            return 0
        since_us = max(row.uncopied_since_us, round((now - WAITS).timestamp() * 1e6))
        held = [r for r in reader.readings(row.site_id, [row.code], 0, ALWAYS_US) if r.received_us >= since_us]
        frames = _frames(row, target, held)
        if frames:
            stores.log().append(frames)
        row.uncopied_since_us = None
        facts = {"series": row.code, "measurement": row.measurement, "sensor": target.code, "readings": len(held)}
        if held:
            facts |= {"first": at(held[0].observed_us / 1e6), "last": at(held[-1].observed_us / 1e6)}
        entry = NewEntry("telemetry.series_given", row.pk, by, now, row.site_id, facts=facts)
        record([row], [NewEvent(data=facts)], entry=entry)
    return len(held)


def _frames(row: m.Series, target: Target, held: Sequence[Stored]) -> list[Frame]:
    """The readings as the sensor's, in the unit of its record, under the machine and the instant that brought them."""
    unit = target.celsius_from()
    frames = []
    brought = attrgetter("received_us", "machine", "source_class", "ahead_us")
    ordered = sorted(held, key=lambda r: (brought(r), r.observed_us))
    for (received_us, machine, source, ahead_us), some in groupby(ordered, brought):
        rows, head = list(some), {"given_by": row.code} | ({"ahead_us": ahead_us} if ahead_us else {})
        for begin in range(0, len(rows), READINGS_IN_A_FRAME):
            batch = [
                BatchReading(target.code, r.observed_us, stored_value(r.value, unit), 0)
                for r in rows[begin : begin + READINGS_IN_A_FRAME]
            ]
            frames.append(frame_of(row.site_id, batch, received_us, source, machine, head))
    return frames


def unit_doubt(target: Target, field: str) -> str:
    """Why the unit of a series cannot be told for a sensor; empty when it can."""
    try:
        target.celsius_from(field)
    except ValueError as error:
        return str(error)
    return ""


def site_code(series_id: UUID) -> str:
    """The code of the site that wrote a series; NotFound when there is no such series."""
    row = m.Series.objects.select_related("site").filter(pk=series_id).first()
    if row is None:
        raise series_unknown(series_id)
    return str(row.site.code)


def series_unknown(series_id: UUID) -> NotFound:
    """What is said of a series that nobody wrote."""
    return NotFound("telemetry.series_unknown", f"No series {series_id} was ever written.", "See the discovery list.")
