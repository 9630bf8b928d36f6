"""Judging hours of spaces as `prove` does, many at once: one read of the store for all, one fold for each run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import groupby
from operator import attrgetter
from uuid import UUID

from waystation.registry.models import Sensor, Space
from waystation.telemetry import reader
from waystation.telemetry.proving import BEFORE_US, Proof, judging_sensors, prove
from waystation.telemetry.rules.hours import DAY_HOURS, HOUR_US, Split, cut, members, runs
from waystation.telemetry.store.segments import Stored

Found = dict[str, dict[int, Split]]  # by space, by hour of the day


def at_hour(hour: int) -> datetime:
    """The instant at which an hour (since 1970) begins."""
    return datetime.fromtimestamp(hour * HOUR_US // 1_000_000, UTC)


def hour_of(at: datetime) -> int:
    """The hour since 1970 that an instant lies in."""
    return int(at.timestamp() // 3600)


def full_hour(at: datetime) -> datetime:
    """An instant, or the next full hour when it lies inside one."""
    hour = at_hour(hour_of(at))
    return hour if hour == at else at_hour(hour_of(at) + 1)


def judge_day(day: int, wanted: Mapping[UUID, int]) -> dict[UUID, Found]:
    """The wanted hours of a day (days since 1970) of some sites. A space without judging sensor is not named."""
    asked = {site_id: hours for site_id, hours in wanted.items() if hours}
    if not asked:
        return {}
    every = [hour for hours in asked.values() for hour in members(hours)]
    first, last = day * DAY_HOURS + min(every), day * DAY_HOURS + max(every) + 1
    rows = rows_of_sites(asked, first * HOUR_US, last * HOUR_US)
    found: dict[UUID, Found] = {site_id: {} for site_id in asked}
    for space in _spaces(asked):
        hours = found[space.site_id].setdefault(str(space.pk), {})
        for a, b in runs(asked[space.site_id]):
            hours.update(_run(space, day * DAY_HOURS, a, b, rows.get(space.site_id, [])))
    return found


def judge_between(site_ids: Iterable[UUID], start: datetime, end: datetime) -> dict[UUID, list[Proof]]:
    """The proofs of the judged spaces of sites over [start, end)."""
    asked = dict.fromkeys(site_ids, 1)
    rows = rows_of_sites(asked, round(start.timestamp() * 1e6), round(end.timestamp() * 1e6))
    found: dict[UUID, list[Proof]] = {site_id: [] for site_id in asked}
    for space in _spaces(asked):
        proof = prove(space, start, end, stored=rows.get(space.site_id, []))
        if proof is not None:
            found[space.site_id].append(proof)
    return found


def _spaces(site_ids: Iterable[UUID]) -> Iterable[Space]:
    held = Space.objects.filter(site_id__in=list(site_ids), profile__isnull=False)
    return held.select_related("profile", "site").order_by("site_id", "code")


def rows_of_sites(site_ids: Iterable[UUID], from_us: int, to_us: int) -> dict[UUID, list[Stored]]:
    """What judging the temperature sensors of these sites over a time may need, in one pass over the log's tail."""
    sensors = Sensor.objects.filter(site_id__in=list(site_ids), quantity="temperature", space__profile__isnull=False)
    codes: dict[UUID, list[str]] = {}
    place: dict[str, UUID] = {}
    for site_id, code, role, judging in sensors.values_list("site_id", "code", "role", "space__profile__judging_roles"):
        if role in judging:
            codes.setdefault(site_id, []).append(code)
            place[code] = site_id
    if not codes:
        return {}
    found: dict[UUID, list[Stored]] = {}
    for code, rows in groupby(
        reader.readings_of_sites(codes, from_us - BEFORE_US, to_us + 1), key=attrgetter("sensor")
    ):
        found.setdefault(place[code], []).extend(rows)
    return found


def _run(space: Space, midnight: int, first: int, last: int, rows: Sequence[Stored]) -> dict[int, Split]:
    """Hours first to last of a day: at once, unless a sensor was removed inside, which judges up to there only."""
    start, end = at_hour(midnight + first), at_hour(midnight + last)
    if last - first > 1 and any(s.removed_at and s.removed_at < end for s in judging_sensors(space, start, end)):
        found: dict[int, Split] = {}
        for hour in range(first, last):
            found |= _run(space, midnight, hour, hour + 1, rows)
        return found
    start_us, end_us = (midnight + first) * HOUR_US, (midnight + last) * HOUR_US
    needed = [r for r in rows if start_us - BEFORE_US <= r.observed_us <= end_us]
    proof = prove(space, start, end, stored=needed)
    if proof is None:
        return {}
    return dict(enumerate(cut(proof.timeline, start_us, last - first), first))
