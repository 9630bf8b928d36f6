"""Judging: frames from the log, inside the transaction of whoever asks.

The engine holds one `Track` per sensor. It writes excursions, doubts, heads, what is known now and its own progress;
when the transaction is rolled back the caller says `forget`, and the tracks are rebuilt from the store up to the
progress that was committed. A late reading makes the window of its sensor be folded again from the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.kernel.authority import Authority
from waystation.telemetry import present, reader, setup, stores
from waystation.telemetry.live import RECENT_S, Track, at
from waystation.telemetry.models import DeviceHead, Excursion, Progress, SiteState
from waystation.telemetry.record_findings import note_doubts, note_excursions, note_head
from waystation.telemetry.rules.verdict import SensorFold
from waystation.telemetry.setup import SiteSetup
from waystation.telemetry.store.log import Frame, Position

FRESH_AFTER_S = 6 * 3600.0
LATE_MARGIN_S = 7200.0
MOST_AT_ONCE = 32  # frames judged in one transaction


@dataclass(slots=True)
class SiteTracks:
    """The tracks of one site, and the setup that they were made from."""

    setup: SiteSetup
    tracks: dict[str, Track] = field(default_factory=dict)
    last_frame_s: float | None = None
    has_news: bool = False  # an excursion was written down that nobody has acted on yet
    saved: SiteState | None = None
    heads: dict[UUID, DeviceHead] = field(default_factory=dict)
    newest: dict[str, dict[str, float | None]] = field(default_factory=dict)  # what is known of a sensor, by code
    calm: dict[str, float] = field(default_factory=dict)  # until when a sensor interests nobody, by code

    def look_at(self, codes: Iterable[str]) -> None:
        """Note what these sensors say now."""
        for code in codes:
            track = self.tracks[code]
            self.calm[code] = track.calm_until_s()
            if track.last_s is not None:
                self.newest[code] = track.newest()

    def calm_until_s(self) -> float:
        """Until when no sensor of the site says anything that a person could have to hear about."""
        return min(self.calm.values(), default=0.0)


class Engine:
    """The judge of one partition of the log."""

    def __init__(self, partition: str = "all") -> None:
        self.partition = partition
        self.sites: dict[UUID, SiteTracks] = {}
        self._progress: Progress | None = None
        self._marker = setup.NEVER

    def position(self) -> Position:
        """Up to where the log is judged and committed."""
        row = self._progress or Progress.objects.filter(partition=self.partition).first()
        return Position(row.file, row.offset) if row else Position(1, 0)

    def waiting(self, most: int = MOST_AT_ONCE) -> list[tuple[Frame, Position]]:
        """The next frames to judge."""
        found = []
        for item in stores.log().read(self.position()):
            found.append(item)
            if len(found) >= most:
                break
        return found

    def forget(self, site_ids: Iterable[UUID]) -> None:
        """Drop what is in memory of some sites: their transaction did not commit."""
        for site_id in site_ids:
            self.sites.pop(site_id, None)
        self._progress = None

    def judge(self, by: Authority, frames: Sequence[tuple[Frame, Position]], *, now: datetime) -> list[UUID]:
        """Judge frames in the order of the log; call it inside a transaction.

        Returns the sites that were heard. Judging a frame twice changes nothing.
        """
        by.require("platform.operate")
        self.follow_setup()
        heard: dict[UUID, SiteTracks] = {}
        for frame, position in frames:
            site_id = UUID(frame.head["site"])
            heard[site_id] = self._take(by, site_id, frame, position, now)
        for site_id, state in heard.items():
            note_doubts(by, site_id, state.tracks.values(), now=now)
            self._save_state(site_id, state, now)
        self._advance(frames[-1][1])
        return list(heard)

    def _take(self, by: Authority, site_id: UUID, frame: Frame, position: Position, now: datetime) -> SiteTracks:
        state = self.tracks(site_id)
        late: dict[str, float] = {}
        touched: set[str] = set()
        for row in sorted(reader.rows_of(frame), key=lambda r: r.observed_us):
            track = state.tracks.get(row.sensor)
            if track is None:
                continue
            touched.add(row.sensor)
            if not track.take(row.observed_us / 1e6, row.value, row.source_class):
                late[row.sensor] = min(late.get(row.sensor, row.observed_us / 1e6), row.observed_us / 1e6)
        for code, oldest_s in late.items():
            self._fold_again(site_id, state.tracks[code], oldest_s, position)
        state.last_frame_s = now.timestamp()
        note_head(by, frame, state.heads, now)
        if note_excursions(by, site_id, state.tracks.values(), late=set(late), now=now):
            state.has_news = True
        state.look_at(touched)
        for code in touched:
            track = state.tracks[code]
            if track.fold is not None and track.last_s and track.last_s - track.fold.from_s > FRESH_AFTER_S:
                track.start_afresh()
        return state

    def follow_setup(self) -> None:
        """Drop the tracks of sites whose sensors, spaces, profiles or probes were changed since they were made."""
        marker = setup.marker()
        if marker == self._marker:
            return
        changed = setup.changed_since(self._marker)
        for site_id in [s for s in self.sites if changed is None or s in changed]:
            del self.sites[site_id]
        self._marker = marker

    def tracks(self, site_id: UUID) -> SiteTracks:
        """The site's tracks, rebuilt from the store when they are not here."""
        if site_id not in self.sites:
            self.sites[site_id] = self._rebuild(site_id)
        return self.sites[site_id]

    def refresh(self, site_ids: Iterable[UUID], now: datetime) -> None:
        """Have tracks of each of these sites, and what is known of it written down; call it inside a transaction.

        When it names every site, whoever reads what is written down need not look at any change of setup before this.
        """
        self.follow_setup()
        for site_id in site_ids:
            if site_id not in self.sites:
                self._save_state(site_id, self.tracks(site_id), now)
        progress = self._progress_row()
        if (progress.setup, progress.setup_near) != self._marker:
            progress.setup, progress.setup_near = self._marker
            progress.save()

    def recent(self, site_id: UUID, code: str, since_s: float) -> list[tuple[float, float]]:
        """The corrected values of a sensor since an instant, as (Unix seconds, value), at most four hours back."""
        track = self.tracks(site_id).tracks.get(code)
        return [point for point in track.recent if point[0] >= since_s] if track else []

    def is_quiet(self, site_id: UUID, now: datetime) -> bool:
        """True when no sensor of the site says anything that a person could have to hear about."""
        held = self.sites.get(site_id)
        return held is not None and not held.has_news and now.timestamp() <= held.calm_until_s()

    def written(self, site_id: UUID) -> dict[UUID, dict[str, Any]]:
        """What is written down of the site's sensors in this transaction, by site; empty when nothing is."""
        saved = self.tracks(site_id).saved
        return {} if saved is None else {site_id: saved.sensors}

    def acted_on(self, site_id: UUID) -> None:
        """What was written down of the site has been acted on, in the same transaction."""
        if site_id in self.sites:
            self.sites[site_id].has_news = False

    def _rebuild(self, site_id: UUID) -> SiteTracks:
        made = setup.read([site_id])[site_id]
        state = SiteTracks(made, {t.code: t for t in setup.tracks_of(made)})
        saved = state.saved = SiteState.objects.filter(site_id=site_id).first()
        if saved is not None:
            self._replay(site_id, state, saved)
        state.look_at(state.tracks)
        return state

    def _replay(self, site_id: UUID, state: SiteTracks, saved: SiteState) -> None:
        """Feed the tracks with what the store holds of the last hours, and of every excursion that runs."""
        open_since = Excursion.objects.filter(site_id=site_id, ended_at=None, superseded_at=None).order_by("started_at")
        first = open_since.values_list("started_at", flat=True).first()
        begin_s = saved.at.timestamp() - RECENT_S
        if first is not None:
            begin_s = min(begin_s, first.timestamp() - 60)
        rows = reader.readings(site_id, list(state.tracks), int(begin_s * 1e6), 2**62, up_to=self.position())
        for row in rows:
            state.tracks[row.sensor].take(row.observed_us / 1e6, row.value, row.source_class)
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
            at_s = row.observed_us / 1e6
            fold.feed(at_s, None if row.value is None else row.value + track.correction.at(at_s))
        track.fold = fold

    def _progress_row(self) -> Progress:
        if self._progress is None:
            held = Progress.objects.filter(partition=self.partition).first()
            self._progress = held or Progress(partition=self.partition)
        return self._progress

    def _advance(self, position: Position) -> None:
        row = self._progress_row()
        row.file, row.offset = position.file, position.offset
        row.save()

    def _save_state(self, site_id: UUID, state: SiteTracks, now: datetime) -> None:
        row = state.saved = state.saved or SiteState(site_id=site_id)
        row.at, row.last_frame_at = now, at(state.last_frame_s) if state.last_frame_s else None
        row.sensors = dict(state.newest)
        row.newest_at, row.spaces = present.summary_of(state.tracks.values())
        row.save()
