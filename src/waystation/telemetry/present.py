"""The state of every space of many sites at an instant, from one row per site: for lists over the whole network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from waystation.telemetry import setup
from waystation.telemetry.live import Track, at
from waystation.telemetry.models import Doubt, Excursion, HandDuty, Progress, SiteState
from waystation.telemetry.queries import site_views

MOST_NAMED = 500  # more sites than this are not named in a query


@dataclass(frozen=True, slots=True)
class Present:
    """One site now: each judging space (its id as text) with its state, as `SpaceView` says it; when it was heard."""

    states: Mapping[str, str]
    newest_at: datetime | None

    @property
    def worst(self) -> str:
        """The worst state of any space; empty where no space is judged."""
        found = set(self.states.values())
        return next((s for s in ("out_high", "out_low", "not_proven", "in_range_proven") if s in found), "")


def summary_of(tracks: Iterable[Track]) -> tuple[datetime | None, dict[str, float]]:
    """When the site was last heard, and until when (Unix seconds) each space is proven by all its judging sensors."""
    newest: float | None = None
    spaces: dict[str, float] = {}
    for track in tracks:
        if track.last_s is not None:
            newest = track.last_s if newest is None else max(newest, track.last_s)
        if track.profile is not None and track.space_id is not None:
            until_s = track.proven_until_s()
            spaces[track.space_id] = min(spaces.get(track.space_id, until_s), until_s)
    return None if newest is None else at(newest), spaces


def present(site_ids: Sequence[UUID], now: datetime) -> dict[UUID, Present]:
    """The present of some sites. It says what `site_views` says, without reading every sensor."""
    rows = SiteState.objects.filter(site_id__in=site_ids) if len(site_ids) < MOST_NAMED else SiteState.objects.all()
    kept = {key: (heard, spaces) for key, heard, spaces in rows.values_list("site_id", "newest_at", "spaces")}
    seen = Progress.objects.filter(partition="all").values_list("setup", "setup_near").first()
    changed = setup.changed_since(setup.NEVER if seen is None else setup.Marker(*seen))
    plain = [key for key in site_ids if key in kept and changed is not None and key not in changed]
    out, doubted, now_s, found = _directions(), _unproven(), now.timestamp(), dict[UUID, Present]()
    for key in plain:
        heard, spaces = kept[key]
        states = {s: "in_range_proven" if now_s <= until_s else "not_proven" for s, until_s in spaces.items()}
        states |= dict.fromkeys(doubted & states.keys(), "not_proven") | {s: out[s] for s in out.keys() & states.keys()}
        found[key] = Present(states, heard)
    others = [key for key in site_ids if key not in found]
    for key, view in site_views(others, now).items() if others else ():
        found[key] = Present({str(s.id): s.state for s in view.spaces if s.judging}, view.newest_at)
    return found


def _unproven() -> set[str]:
    """The spaces of which a sensor is in doubt, or that live on hand readings."""
    doubted = Doubt.objects.filter(ended_at=None).values_list("sensor__space_id", flat=True)
    return {str(s) for s in (*doubted, *HandDuty.objects.filter(ended_at=None).values_list("space_id", flat=True))}


def _directions() -> dict[str, str]:
    """The spaces with an open excursion, by its direction; where both run, as `SpaceView.state`, the one above."""
    running = Excursion.objects.filter(ended_at=None, superseded_at=None).order_by("-started_at")
    found: dict[str, str] = {}
    for space_id, direction in running.values_list("space_id", "direction"):
        if found.get(str(space_id)) != "out_high":
            found[str(space_id)] = f"out_{direction}"
    return found
