"""Writing down what second sources found out of range. Their excursions are records like a probe's, without a probe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.registry.models import Space
from waystation.telemetry.live import at
from waystation.telemetry.models import Excursion
from waystation.telemetry.rules.excursions import Excursion as Found
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.series import Reading, in_order
from waystation.telemetry.rules.verdict import SensorFold
from waystation.telemetry.second_sources import HAND, SecondSeries, second_series
from waystation.telemetry.setup import profile_of

LOOK_BACK = timedelta(days=2)
LATE_S = 900.0


def note_second_sources(by: Authority, space: Space, start: datetime, end: datetime, *, now: datetime) -> int:
    """Make the excursion records of a space's second sources say what their readings of [start, end] say.

    One that a hand reading opened is ended by the next reading in range of the same instrument. Returns how many
    records were written; doing it again writes none.
    """
    if space.profile is None:
        return 0
    begin = start - LOOK_BACK
    held = Excursion.objects.filter(space=space, sensor=None, superseded_at=None, started_at__gte=begin)
    rows: dict[tuple[str, str, datetime], Excursion] = {(r.second_source, r.direction, r.started_at): r for r in held}
    before = Excursion.objects.filter(space=space, sensor=None, superseded_at=None, ended_at=None, started_at__lt=begin)
    for oldest in before.order_by("started_at")[:1]:
        begin = oldest.started_at
        rows |= {(r.second_source, r.direction, r.started_at): r for r in before}
    true, written = set(), 0
    for name, hold_s, readings, may_run in _sources(space, second_series(space, begin, max(end, now))):
        for one, is_open in _found(profile_of(space.profile), hold_s, readings, may_run):
            key: tuple[str, str, datetime] = (name, one.direction, at(one.start_s))
            if key[2] < begin:
                continue
            true.add(key)
            written += _note(by, space, key, rows.get(key), one, is_open, now)
    for key, row in rows.items():
        if key not in true:
            row.superseded_at = now
            _record(by, row, "superseded", now)
            written += 1
    return written


def _sources(space: Space, series: Sequence[SecondSeries]) -> Iterator[tuple[str, float, list[Reading], bool]]:
    """(name, hold, readings, may it still run) of each instrument that was read by hand, and of each logger's file.

    What ends an instrument's excursion is its own next reading in range, or a certified one of another instrument.
    """
    profile = space.profile
    assert profile is not None
    by_hand = [s for s in series if s.source_class == HAND]
    for instrument in sorted({s.instrument for s in by_hand}):
        own = [s for s in by_hand if s.instrument == instrument]
        found = [Reading(r.at_s, r.value_c) for s in own for r in s.readings]
        found += [
            Reading(r.at_s, r.value_c)
            for s in by_hand
            for r in s.readings
            if s.instrument != instrument and r.certified and profile.low_c <= r.value_c <= profile.high_c
        ]
        yield f"hand reading, {instrument}"[:120], min(s.hold_s for s in own), in_order(found), True
    for one in series:
        if one.source_class != HAND:
            readings = [Reading(r.at_s, r.value_c) for r in one.readings]
            yield f"backup logger, {one.instrument}"[:120], one.hold_s, readings, False


def _found(profile: Profile, hold_s: float, readings: Sequence[Reading], may_run: bool) -> list[tuple[Found, bool]]:
    """The excursions of some readings in order, and whether each still runs: its last reading was out of range."""
    if not readings:
        return []
    fold = SensorFold(profile, hold_s, readings[0].at_s)
    for at_s, value in readings:
        fold.feed(at_s, value)
    last_s = readings[-1].at_s
    found = fold.judgement(last_s).excursions
    out = any(r.at_s == last_s and r.value_c is not None and profile.is_outside(r.value_c) for r in readings)
    return [(one, may_run and out and number == len(found)) for number, one in enumerate(found, 1)]


def _note(
    by: Authority,
    space: Space,
    key: tuple[str, str, datetime],
    row: Excursion | None,
    one: Found,
    is_open: bool,
    now: datetime,
) -> bool:
    assert space.profile is not None
    ended = None if is_open else at(one.end_s)
    figures = (one.peak_c, one.measured_s, one.unknown_s)
    if row is not None and (row.ended_at, row.peak_c, row.measured_s, row.unknown_s) == (ended, *figures):
        return False
    opened = row is None
    if row is None:
        row = Excursion(
            site_id=space.site_id,
            space=space,
            second_source=key[0],
            profile_id=space.profile.pk,
            limit_c=space.profile.high_c if one.direction == "high" else space.profile.low_c,
            direction=one.direction,
            started_at=key[2],
            peak_c=one.peak_c,
            detected_at=now,
            found_late=ended is not None and now.timestamp() - one.end_s > LATE_S,
            cause=f"read by a second source: {key[0]}",
        )
    verb = "opened" if opened and is_open else "closed" if row.ended_at is None else "rejudged"
    verb = "rejudged" if not opened and is_open else verb
    row.ended_at, (row.peak_c, row.measured_s, row.unknown_s) = ended, figures
    _record(by, row, verb, now)
    return True


def _record(by: Authority, row: Excursion, verb: str, now: datetime) -> None:
    facts = {
        "space": row.space_id,
        "second_source": row.second_source,
        "direction": row.direction,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "peak_c": row.peak_c,
        "measured_s": row.measured_s,
        "unknown_s": row.unknown_s,
    }
    entry = NewEntry(f"telemetry.excursion_{verb}", row.pk, by, now, row.site_id, facts=facts)
    record([row], [NewEvent(data=facts, at=row.started_at)], entry=entry)
