"""Writing down what judging found: excursions, doubts, broken sequences. Each once; a second look changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.registry.models import Sensor
from waystation.telemetry.live import Track, at
from waystation.telemetry.models import DeviceHead, Doubt, Excursion
from waystation.telemetry.rules.excursions import Excursion as Found
from waystation.telemetry.store.log import Frame

JUST_NOW_S = 900.0


def note_excursions(by: Authority, site_id: UUID, tracks: Iterable[Track], *, late: set[str], now: datetime) -> None:
    """Open, close and re-judge the excursion records of tracks so that they say what the folds say."""
    for track in tracks:
        if track.profile is None or track.fold is None:
            continue
        held = _held(track)
        if not held and not track.is_out and track.code not in late and not track.excursions():
            continue
        found = track.excursions()
        for number, one in enumerate(found):
            is_open = track.is_out and number == len(found) - 1
            _note_one(by, site_id, track, one, is_open, held, now)
        if track.code in late:
            _supersede(by, site_id, track, found, held, now)


def _held(track: Track) -> dict[tuple[str, datetime], Excursion]:
    rows = Excursion.objects.filter(sensor_id=track.sensor_id, superseded_at=None)
    begin = track.fold.from_s if track.fold else 0.0
    live = [r for r in rows.order_by("started_at") if r.ended_at is None or r.ended_at.timestamp() >= begin]
    return {(r.direction, r.started_at): r for r in live}


def _note_one(
    by: Authority,
    site_id: UUID,
    track: Track,
    one: Found,
    is_open: bool,
    held: dict[tuple[str, datetime], Excursion],
    now: datetime,
) -> None:
    assert track.profile is not None
    key = (one.direction, at(one.start_s))
    row, opened = held.get(key), False
    if row is None:
        opened = True
        sensor = Sensor.objects.get(pk=track.sensor_id)
        limit = track.profile.high_c if one.direction == "high" else track.profile.low_c
        row = Excursion(
            site_id=site_id,
            space_id=track.space_id,
            sensor=sensor,
            profile_id=sensor.space.profile_id,  # type: ignore[union-attr]
            limit_c=limit,
            direction=one.direction,
            started_at=key[1],
            peak_c=one.peak_c,
            detected_at=now,
            found_late=not is_open and now.timestamp() - one.end_s > JUST_NOW_S,
        )
    ended = None if is_open else at(one.end_s)
    if (
        not opened
        and row.ended_at == ended
        and (ended is None or (row.peak_c, row.measured_s) == (one.peak_c, one.measured_s))
    ):
        return
    verb = "opened" if opened and ended is None else "closed" if row.ended_at is None else "rejudged"
    row.ended_at, row.peak_c = ended, one.peak_c
    row.measured_s, row.unknown_s = one.measured_s, one.unknown_s
    _record(by, row, verb, now)


def _supersede(
    by: Authority,
    site_id: UUID,
    track: Track,
    found: tuple[Found, ...],
    held: dict[tuple[str, datetime], Excursion],
    now: datetime,
) -> None:
    """An excursion that the fuller history tells differently stays, marked, beside the one that replaces it."""
    true = {(one.direction, at(one.start_s)) for one in found}
    for key, row in held.items():
        if key not in true and row.superseded_at is None:
            row.superseded_at = now
            _record(by, row, "superseded", now)


def _record(by: Authority, row: Excursion, verb: str, now: datetime) -> None:
    facts = {
        "space": row.space_id,
        "sensor": row.sensor_id,
        "direction": row.direction,
        "started_at": row.started_at,
        "ended_at": row.ended_at,
        "peak_c": row.peak_c,
        "measured_s": row.measured_s,
        "unknown_s": row.unknown_s,
    }
    entry = NewEntry(f"telemetry.excursion_{verb}", row.pk, by, now, row.site_id, facts=facts)
    record([row], [NewEvent(data=facts, at=row.started_at if verb == "opened" else now)], entry=entry)


def note_doubts(by: Authority, site_id: UUID, tracks: Iterable[Track], *, now: datetime) -> None:
    """Open a doubt for a frozen or implausible sensor, end it when the value moves again."""
    open_rows = {(str(d.sensor_id), d.kind): d for d in Doubt.objects.filter(sensor__site_id=site_id, ended_at=None)}
    for track in tracks:
        if track.quantity != "temperature":
            continue
        frozen_since = track.frozen_since_s()
        signs = (
            ("frozen", frozen_since, f"flat at {track.value:g} °C" if track.value is not None else ""),
            (
                "implausible",
                track.last_s if track.implausible() else None,
                f"{track.value} is outside the sensor's range",
            ),
        )
        for kind, since_s, detail in signs:
            row = open_rows.get((track.sensor_id, kind))
            if row is None and since_s is not None:
                _open_doubt(by, site_id, track, kind, since_s, detail, now)
            elif row is not None and since_s is None and row.decision != "sensor_failed":
                row.ended_at = at(track.changed_s if kind == "frozen" and track.changed_s else now.timestamp())
                record([row], entry=NewEntry("telemetry.doubt_ended", row.pk, by, now, site_id, facts={"kind": kind}))


def _open_doubt(
    by: Authority, site_id: UUID, track: Track, kind: str, since_s: float, detail: str, now: datetime
) -> None:
    if Doubt.objects.filter(sensor_id=track.sensor_id, kind=kind, started_at=at(since_s)).exists():
        return
    row = Doubt(sensor_id=track.sensor_id, kind=kind, started_at=at(since_s), detail=detail, noticed_at=now)
    facts = {"kind": kind, "sensor": track.code, "since": row.started_at, "detail": detail}
    changed: list[Doubt | Excursion] = [row]
    for excursion in Excursion.objects.filter(sensor_id=track.sensor_id, ended_at=None, superseded_at=None):
        excursion.in_doubt = f"measurement in doubt: {detail}"
        changed.append(excursion)
    record(
        changed, [NewEvent(data=facts)], entry=NewEntry("telemetry.doubt_opened", row.pk, by, now, site_id, facts=facts)
    )


def note_head(by: Authority, frame: Frame, now: datetime) -> None:
    """Follow a machine's sequence; numbers that are missing are kept as a break until they come."""
    head = frame.head
    if head["source_class"] != "signed_batch" or not frame.seq:
        return
    machine = UUID(head["machine"])
    row = DeviceHead.objects.filter(machine_id=machine).first() or DeviceHead(machine_id=machine)
    boot, first, last = int(head["boot"]), min(frame.seq), max(frame.seq)
    expected = row.seq + 1 if boot == row.boot else 1
    if boot >= row.boot and first > expected:
        row.breaks = [*row.breaks, {"boot": boot, "first": expected, "last": first - 1}][-100:]
        record(
            [row],
            entry=NewEntry("telemetry.sequence_broken", machine, by, now, UUID(head["site"]), facts=row.breaks[-1]),
        )
    elif row.breaks:
        row.breaks = [b for b in row.breaks if not (b["boot"] == boot and first <= b["first"] and b["last"] <= last)]
    if (boot, last) > (row.boot, row.seq):
        row.boot, row.seq, row.digest = boot, last, head.get("digest", "")
    row.save()
