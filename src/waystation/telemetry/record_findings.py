"""Writing down what judging found: excursions, doubts, broken sequences. Each once; a second look changes nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from uuid import UUID

from django.db.models import Q

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.registry.models import Sensor
from waystation.telemetry.live import Track, at
from waystation.telemetry.models import DeviceHead, Doubt, Excursion
from waystation.telemetry.rules.continuity import without
from waystation.telemetry.rules.excursions import Excursion as Found
from waystation.telemetry.store.log import Frame

JUST_NOW_S = 900.0
DOUBTED = "measurement in doubt"


def note_excursions(by: Authority, site_id: UUID, tracks: Iterable[Track], *, late: set[str], now: datetime) -> int:
    """Open, close and re-judge the excursion records of tracks so that they say what the folds say.

    Returns how many records were written; figures of a running excursion do not count.
    """
    written = 0
    for track in tracks:
        if track.profile is None or track.fold is None:
            continue
        found = track.excursions()
        if not found and track.code not in late:
            continue
        held = _held(track)
        for number, one in enumerate(found):
            is_open = track.is_out and number == len(found) - 1
            written += _note_one(by, site_id, track, one, is_open, held, now)
        if track.code in late:
            written += _supersede(by, site_id, track, found, held, now)
    return written


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
) -> bool:
    assert track.profile is not None
    key = (one.direction, at(one.start_s))
    row, opened = held.get(key), False
    if row is None:
        opened = True
        sensor = Sensor.objects.select_related("space").get(pk=track.sensor_id)
        assert sensor.space is not None
        assert sensor.space.profile_id is not None
        limit = track.profile.high_c if one.direction == "high" else track.profile.low_c
        row = Excursion(
            site_id=site_id,
            space=sensor.space,
            sensor=sensor,
            profile_id=sensor.space.profile_id,
            limit_c=limit,
            direction=one.direction,
            started_at=key[1],
            peak_c=one.peak_c,
            detected_at=now,
            found_late=not is_open and now.timestamp() - one.end_s > JUST_NOW_S,
        )
        doubts = [*track.doubts_at(one.start_s), *(["found in late data"] if row.found_late else [])]
        row.in_doubt = f"{DOUBTED}: {', '.join(doubts)}" if doubts else ""
    ended = None if is_open else at(one.end_s)
    figures = (one.peak_c, one.measured_s, one.unknown_s)
    if not opened and (row.ended_at, row.peak_c, row.measured_s, row.unknown_s) == (ended, *figures):
        return False
    verb = "opened" if opened and ended is None else "closed" if row.ended_at is None else "rejudged"
    is_running = not opened and ended is None and row.ended_at is None
    row.ended_at, (row.peak_c, row.measured_s, row.unknown_s) = ended, figures
    if is_running:  # figures in motion; the entry that closes it says the final ones
        row.save(update_fields=["peak_c", "measured_s", "unknown_s"])
        row.remember()
        return False
    _record(by, row, verb, now)
    return True


def _supersede(
    by: Authority,
    site_id: UUID,
    track: Track,
    found: tuple[Found, ...],
    held: dict[tuple[str, datetime], Excursion],
    now: datetime,
) -> int:
    """An excursion that the fuller history tells differently stays, marked, beside the one that replaces it."""
    true, written = {(one.direction, at(one.start_s)) for one in found}, 0
    for key, row in held.items():
        if key not in true and row.superseded_at is None:
            row.superseded_at = now
            _record(by, row, "superseded", now)
            written += 1
    return written


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
    """Open a doubt for a frozen or implausible sensor, end it at the reading that moved or made sense again."""
    for track in tracks:
        if track.quantity != "temperature":
            continue
        for episode in track.ended:
            _end_doubt(by, site_id, _doubt(by, site_id, track, episode.kind, episode.start_s, now), episode.end_s, now)
        track.ended.clear()
        for kind, since_s in (("frozen", track.frozen_since_s()), ("implausible", track.implausible_since_s)):
            if since_s is not None:
                _doubt(by, site_id, track, kind, since_s, now)


def _doubt(by: Authority, site_id: UUID, track: Track, kind: str, since_s: float, now: datetime) -> Doubt:
    held = Doubt.objects.filter(sensor_id=track.sensor_id, kind=kind, started_at=at(since_s)).first()
    if held is not None:
        return held
    detail = f"flat at {track.value:g} °C" if kind == "frozen" and track.value is not None else kind
    row = Doubt(sensor_id=track.sensor_id, kind=kind, started_at=at(since_s), detail=detail, noticed_at=now)
    facts = {"kind": kind, "sensor": track.code, "since": row.started_at, "detail": detail}
    changed: list[Doubt | Excursion] = [row]
    met = Q(ended_at=None) | Q(ended_at__gt=row.started_at)
    for excursion in Excursion.objects.filter(met, sensor_id=track.sensor_id, superseded_at=None):
        excursion.in_doubt = f"{excursion.in_doubt}, {detail}"[:200] if excursion.in_doubt else f"{DOUBTED}: {detail}"
        changed.append(excursion)
    record(
        changed, [NewEvent(data=facts)], entry=NewEntry("telemetry.doubt_opened", row.pk, by, now, site_id, facts=facts)
    )
    return row


def _end_doubt(by: Authority, site_id: UUID, row: Doubt, end_s: float, now: datetime) -> None:
    if row.ended_at is not None or row.decision == "sensor_failed":
        return
    row.ended_at = at(end_s)
    record([row], entry=NewEntry("telemetry.doubt_ended", row.pk, by, now, site_id, facts={"kind": row.kind}))


def note_head(by: Authority, frame: Frame, heads: dict[UUID, DeviceHead], now: datetime) -> None:
    """Follow a machine's sequence; numbers that are missing are kept as a break until they come.

    `heads` keeps the rows between frames; it is dropped with the site's tracks.
    """
    head = frame.head
    if head.get("came_as", head["source_class"]) != "signed_batch" or not frame.seq:
        return
    machine = UUID(head["machine"])
    if machine not in heads:
        heads[machine] = DeviceHead.objects.filter(machine_id=machine).first() or DeviceHead(machine_id=machine)
    row = heads[machine]
    boot = int(head["boot"])
    first, last = head.get("span") or (min(frame.seq), max(frame.seq))
    expected = row.seq + 1 if boot == row.boot else 1
    if boot >= row.boot and first > expected:
        row.breaks = [*row.breaks, {"boot": boot, "first": expected, "last": first - 1}][-100:]
        record(
            [row],
            entry=NewEntry("telemetry.sequence_broken", machine, by, now, UUID(head["site"]), facts=row.breaks[-1]),
        )
    elif row.breaks:
        row.breaks = without(row.breaks, boot, first, last)
    if (boot, last) > (row.boot, row.seq):
        row.boot, row.seq, row.digest = boot, last, head.get("digest", "")
    row.save()
