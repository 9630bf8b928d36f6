"""Judging: frame by frame from the log, inside the transaction of whoever asks.

The engine holds one `Track` per sensor. It writes excursions, doubts, heads and its own progress; when the
transaction is rolled back the caller says `forget`, and the tracks are rebuilt from the store up to the progress
that was committed. A late reading makes the window of its sensor be folded again from the store.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from waystation.evidence.models import LogEntry
from waystation.kernel.authority import Authority
from waystation.registry.models import Sensor, Site
from waystation.telemetry import reader, stores
from waystation.telemetry.live import RECENT_S, Track, at
from waystation.telemetry.models import Calibration, DeviceHead, Excursion, Progress, SiteState
from waystation.telemetry.queries import hold_of, judging_profile
from waystation.telemetry.record_findings import note_doubts, note_excursions, note_head
from waystation.telemetry.rules.verdict import SensorFold
from waystation.telemetry.store.log import Frame, Position

SETUP_KINDS = (
    "registry.sensor_created",
    "registry.sensor_changed",
    "registry.sensor_removed",
    "registry.space_changed",
    "registry.profile_approved",
    "telemetry.probe_bound",
)
FRESH_AFTER_S = 6 * 3600.0
LATE_MARGIN_S = 7200.0


@dataclass(slots=True)
class SiteTracks:
    """The tracks of one site, and the setup that they were made from."""

    setup: int
    tracks: dict[str, Track] = field(default_factory=dict)
    last_frame_s: float | None = None
    has_news: bool = False  # an excursion was written down that nobody has acted on yet
    saved: SiteState | None = None
    heads: dict[UUID, DeviceHead] = field(default_factory=dict)


class Engine:
    """The judge of one partition of the log."""

    def __init__(self, partition: str = "all") -> None:
        self.partition = partition
        self.sites: dict[UUID, SiteTracks] = {}
        self._progress: Progress | None = None

    def position(self) -> Position:
        """Up to where the log is judged and committed."""
        row = self._progress or Progress.objects.filter(partition=self.partition).first()
        return Position(row.file, row.offset) if row else Position(1, 0)

    def waiting(self, most: int) -> list[tuple[Frame, Position]]:
        """The next frames to judge."""
        found = []
        for item in stores.log().read(self.position()):
            found.append(item)
            if len(found) >= most:
                break
        return found

    def forget(self, site_id: UUID) -> None:
        """Drop what is in memory of a site: its transaction did not commit."""
        self.sites.pop(site_id, None)
        self._progress = None

    def judge(self, by: Authority, frame: Frame, position: Position, *, now: datetime) -> UUID:
        """Judge one frame; call it inside a transaction. Returns the site. Judging a frame twice changes nothing."""
        by.require("platform.operate")
        site_id = UUID(frame.head["site"])
        state = self.tracks(site_id)
        late: dict[str, float] = {}
        for row in sorted(reader.rows_of(frame), key=lambda r: r.observed_us):
            track = state.tracks.get(row.sensor)
            if track is not None and not track.take(row.observed_us / 1e6, row.value):
                late[row.sensor] = min(late.get(row.sensor, row.observed_us / 1e6), row.observed_us / 1e6)
        self._advance(position)
        for code, oldest_s in late.items():
            self._fold_again(site_id, state.tracks[code], oldest_s, position)
        state.last_frame_s = now.timestamp()
        note_head(by, frame, state.heads, now)
        if note_excursions(by, site_id, state.tracks.values(), late=set(late), now=now):
            state.has_news = True
        note_doubts(by, site_id, state.tracks.values(), now=now)
        self._save_state(site_id, state, now)
        for track in state.tracks.values():
            if track.fold is not None and track.last_s and track.last_s - track.fold.from_s > FRESH_AFTER_S:
                track.start_afresh()
        return site_id

    def tracks(self, site_id: UUID) -> SiteTracks:
        """The site's tracks, rebuilt from the store when they are not here or the setup changed."""
        setup = LogEntry.objects.filter(site_id=site_id, kind__in=SETUP_KINDS).count()
        held = self.sites.get(site_id)
        if held is None or held.setup != setup:
            held = self.sites[site_id] = self._rebuild(site_id, setup)
        return held

    def recent(self, site_id: UUID, code: str, since_s: float) -> list[tuple[float, float]]:
        """The corrected values of a sensor since an instant, as (Unix seconds, value), at most four hours back."""
        track = self.tracks(site_id).tracks.get(code)
        return [point for point in track.recent if point[0] >= since_s] if track else []

    def is_quiet(self, site_id: UUID, now: datetime) -> bool:
        """True when no sensor of the site says anything that a person could have to hear about."""
        held = self.sites.get(site_id)
        if held is None or held.has_news:
            return False
        return all(track.is_calm(now.timestamp()) for track in held.tracks.values())

    def acted_on(self, site_id: UUID) -> None:
        """What was written down of the site has been acted on, in the same transaction."""
        if site_id in self.sites:
            self.sites[site_id].has_news = False

    def _rebuild(self, site_id: UUID, setup: int) -> SiteTracks:
        state = SiteTracks(setup, {t.code: t for t in _tracks_of(site_id)})
        saved = SiteState.objects.filter(site_id=site_id).first()
        if saved is None:
            return state
        open_since = Excursion.objects.filter(site_id=site_id, ended_at=None, superseded_at=None).order_by("started_at")
        first = open_since.values_list("started_at", flat=True).first()
        begin_s = saved.at.timestamp() - RECENT_S
        if first is not None:
            begin_s = min(begin_s, first.timestamp() - 60)
        rows = reader.readings(site_id, list(state.tracks), int(begin_s * 1e6), 2**62, up_to=self.position())
        for row in rows:
            state.tracks[row.sensor].take(row.observed_us / 1e6, row.value)
        for code, held in saved.sensors.items():
            if code in state.tracks:
                track = state.tracks[code]
                track.longest_flat_s = max(track.longest_flat_s, float(held.get("longest_flat_s", 0)))
                if (
                    track.changed_s is None
                    or float(held.get("changed_s", track.changed_s)) < track.changed_s == begin_s
                ):
                    track.changed_s = float(held["changed_s"]) if held.get("changed_s") else track.changed_s
        state.last_frame_s = saved.last_frame_at.timestamp() if saved.last_frame_at else None
        return state

    def _fold_again(self, site_id: UUID, track: Track, oldest_s: float, position: Position) -> None:
        """Fold the window that a late reading changes: from before it, or before the excursion that it falls in."""
        if track.profile is None:
            return
        begin_s = oldest_s - LATE_MARGIN_S
        around = Excursion.objects.filter(sensor_id=track.sensor_id, superseded_at=None, started_at__lte=at(oldest_s))
        newest = around.order_by("-started_at").first()
        if newest is not None and (newest.ended_at is None or newest.ended_at.timestamp() >= begin_s):
            begin_s = min(begin_s, newest.started_at.timestamp() - 60)
        if track.fold is not None:
            begin_s = min(begin_s, track.fold.from_s)
        rows = reader.readings(site_id, [track.code], int(begin_s * 1e6), 2**62, up_to=position)
        if not rows:
            return
        fold = SensorFold(track.profile, track.hold_s, rows[0].observed_us / 1e6)
        for row in rows:
            fold.feed(row.observed_us / 1e6, None if row.value is None else row.value + track.offset_c)
        track.fold = fold

    def _advance(self, position: Position) -> None:
        if self._progress is None:
            held = Progress.objects.filter(partition=self.partition).first()
            self._progress = held or Progress(partition=self.partition)
        self._progress.file, self._progress.offset = position.file, position.offset
        self._progress.save()

    def _save_state(self, site_id: UUID, state: SiteTracks, now: datetime) -> None:
        if state.saved is None:
            state.saved = SiteState.objects.filter(site_id=site_id).first() or SiteState(site_id=site_id)
        row = state.saved
        row.at, row.last_frame_at = now, at(state.last_frame_s) if state.last_frame_s else None
        row.sensors = {code: _newest(track) for code, track in state.tracks.items() if track.last_s is not None}
        row.save()


def _newest(track: Track) -> dict[str, float | None]:
    trend = track.trend_per_h() if track.quantity == "temperature" else None
    return {
        "at_s": track.last_s,
        "value": track.value,
        "changed_s": track.changed_s,
        "longest_flat_s": track.longest_flat_s,
        "trend_per_h": None if trend is None else round(trend, 4),
        "beyond_usual_c": round(track.beyond_usual(), 3) if track.profile is not None else 0.0,
    }


def _tracks_of(site_id: UUID) -> list[Track]:
    site = Site.objects.get(pk=site_id)
    sensors = Sensor.objects.filter(site=site, removed_at=None).select_related("space__profile", "site")
    offsets = dict(
        Calibration.objects.filter(sensor__site=site, unbound_at=None, passed=True).values_list("sensor_id", "offset_c")
    )
    return [_track(sensor, offsets.get(sensor.pk, 0.0)) for sensor in sensors]


def _track(sensor: Sensor, offset_c: float) -> Track:
    return Track(
        sensor_id=str(sensor.pk),
        code=sensor.code,
        quantity=sensor.quantity,
        role=sensor.role,
        space_id=str(sensor.space_id) if sensor.space_id else None,
        device_id=str(sensor.device_id) if sensor.device_id else None,
        interval_s=float(sensor.interval_s),
        hold_s=hold_of(sensor),
        low_possible=sensor.low_possible,
        high_possible=sensor.high_possible,
        profile=judging_profile(sensor),
        offset_c=offset_c,
        report_s=float(sensor.site.report_s),
    )
