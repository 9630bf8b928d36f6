"""Who is on call: weekly rotations in a named zone, overrides on top. Hand-over is at wall-clock time, over DST too.

Periods are half-open. Everything is reckoned in UTC from local hand-overs, so a repeated or missing local hour makes
neither a gap nor an overlap.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

DAY_S = 86400


@dataclass(frozen=True, slots=True)
class Hours:
    """A stretch of each week in local time: weekday 0 is Monday; `to_min` may be 1440."""

    weekday: int
    from_min: int
    to_min: int


@dataclass(frozen=True, slots=True)
class Rota:
    """People who take turns of `turn_days` from local midnight of `first_day` plus `handover_min` minutes.

    Without `hours` it covers all hours from its first hand-over on.
    """

    key: str
    people: tuple[UUID, ...]
    zone: str
    first_day: date
    handover_min: int = 9 * 60
    turn_days: int = 7
    hours: tuple[Hours, ...] = ()


@dataclass(frozen=True, slots=True)
class Cover:
    """Somebody else stands in, from an instant to another."""

    key: str
    person_id: UUID
    starts_at: datetime
    ends_at: datetime
    made_at: datetime


@dataclass(frozen=True, slots=True)
class Shift:
    """Who covers a stretch of time, and by what: `rotation` or `override`."""

    person_id: UUID
    starts_at: datetime
    ends_at: datetime
    source: str


def _utc(zone: ZoneInfo, day: date, minute: int) -> datetime:
    """The instant of a local wall-clock time; 1440 is the next midnight. The first of two, the later of none."""
    day, minute = day + timedelta(days=minute // 1440), minute % 1440
    return datetime.combine(day, time(minute // 60, minute % 60), zone).astimezone(UTC)


def handover(rota: Rota, turn: int) -> datetime:
    """The instant at which turn number `turn` begins."""
    return _utc(ZoneInfo(rota.zone), rota.first_day + timedelta(days=turn * rota.turn_days), rota.handover_min)


def turn_at(rota: Rota, at: datetime) -> int | None:
    """The number of the turn that `at` lies in; None before the first."""
    turn = int((at - handover(rota, 0)).total_seconds() // (rota.turn_days * DAY_S))
    turn = max(turn - 1, 0)
    if at < handover(rota, 0):
        return None
    while handover(rota, turn + 1) <= at:
        turn += 1
    return turn


def on_call(rotas: Sequence[Rota], covers: Sequence[Cover], at: datetime) -> list[Shift]:
    """Those on call at `at`, one per rotation at most; empty means that the hour is uncovered."""
    moment = timedelta(microseconds=1)
    return [s for r in rotas for s in shifts(r, covers, at, at + moment)]


def shifts(rota: Rota, covers: Sequence[Cover], start: datetime, end: datetime) -> list[Shift]:
    """The shifts of a rotation in [start, end), cut to it; the override made last wins where several apply."""
    own = [s for s in _own(rota, start, end) if s.starts_at < s.ends_at]
    overriding = sorted((c for c in covers if c.key == rota.key), key=lambda c: (c.made_at, str(c.person_id)))
    for cover in overriding:
        begins, ends = max(cover.starts_at, start), min(cover.ends_at, end)
        if begins < ends:
            own = [piece for s in own for piece in _without(s, begins, ends)]
            own.append(Shift(cover.person_id, begins, ends, "override"))
    return sorted(own, key=lambda s: s.starts_at)


def _without(shift: Shift, begins: datetime, ends: datetime) -> list[Shift]:
    before = Shift(shift.person_id, shift.starts_at, min(shift.ends_at, begins), shift.source)
    after = Shift(shift.person_id, max(shift.starts_at, ends), shift.ends_at, shift.source)
    return [s for s in (before, after) if s.starts_at < s.ends_at]


def _own(rota: Rota, start: datetime, end: datetime) -> list[Shift]:
    if not rota.people or end <= handover(rota, 0):
        return []
    start = max(start, handover(rota, 0))
    found, turn = [], turn_at(rota, start) or 0
    while (begins := handover(rota, turn)) < end:
        person = rota.people[turn % len(rota.people)]
        lo, hi = max(begins, start), min(handover(rota, turn + 1), end)
        found += [Shift(person, a, b, "rotation") for a, b in _staffed(rota, lo, hi)]
        turn += 1
    return found


def _staffed(rota: Rota, lo: datetime, hi: datetime) -> list[tuple[datetime, datetime]]:
    if not rota.hours:
        return [(lo, hi)]
    zone, found = ZoneInfo(rota.zone), []
    day = lo.astimezone(zone).date() - timedelta(days=1)
    while day <= hi.astimezone(zone).date():
        for stretch in rota.hours:
            if stretch.weekday == day.weekday():
                begins, ends = _utc(zone, day, stretch.from_min), _utc(zone, day, stretch.to_min)
                found.append((max(begins, lo), min(ends, hi)))
        day += timedelta(days=1)
    return _joined([(a, b) for a, b in found if a < b])


def _joined(stretches: Sequence[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    found: list[tuple[datetime, datetime]] = []
    for begins, ends in sorted(stretches):
        if found and begins <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], ends))
        else:
            found.append((begins, ends))
    return found


def gaps(
    rotas: Sequence[Rota], covers: Sequence[Cover], start: datetime, end: datetime
) -> list[tuple[datetime, datetime]]:
    """The stretches of [start, end) in which nobody of any of the rotations is on call."""
    covered = _joined([(s.starts_at, s.ends_at) for r in rotas for s in shifts(r, covers, start, end)])
    found, at = [], start
    for begins, ends in covered:
        if at < begins:
            found.append((at, begins))
        at = max(at, ends)
    return [*found, (at, end)] if at < end else found


def next_gap(
    rotas: Sequence[Rota], covers: Sequence[Cover], now: datetime, *, within_days: int = 28
) -> tuple[datetime, datetime] | None:
    """The first uncovered stretch of the coming days, or None."""
    found = gaps(rotas, covers, now, now + timedelta(days=within_days))
    return found[0] if found else None
