"""How much of a period a site can prove: the three durations of its spaces added up, day by day.

A closed day is judged once and remembered while no new segment touches it; the last two days are judged again as
readings arrive. What is added up here is what `prove` says of each space, nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

from waystation.registry.models import Space
from waystation.telemetry import proving
from waystation.telemetry.models import Calibration, Doubt, Segment

FRESH = timedelta(days=2)
STEP_S = 600


@dataclass(frozen=True, slots=True)
class Continuity:
    """Seconds of space time by verdict, over the spaces that a sensor judges. They add up to the period."""

    proven_s: float = 0.0
    out_s: float = 0.0
    not_proven_s: float = 0.0
    spaces: int = 0

    @property
    def total_s(self) -> float:
        """All space time of the period."""
        return self.proven_s + self.out_s + self.not_proven_s

    @property
    def known_pct(self) -> float | None:
        """The share in which the readings prove something, in range or out; None when nothing was to be judged."""
        return None if self.total_s <= 0 else 100 * (self.proven_s + self.out_s) / self.total_s

    @property
    def in_range_pct(self) -> float | None:
        """The share that is proven in range."""
        return None if self.total_s <= 0 else 100 * self.proven_s / self.total_s

    def plus(self, other: Continuity) -> Continuity:
        """Both together."""
        return Continuity(
            self.proven_s + other.proven_s,
            self.out_s + other.out_s,
            self.not_proven_s + other.not_proven_s,
            self.spaces + other.spaces,
        )


def settled_to(now: datetime) -> datetime:
    """The instant up to which continuity is measured: the last full ten minutes."""
    return datetime.fromtimestamp(now.timestamp() // STEP_S * STEP_S, UTC)


def continuity(site_id: UUID, start: datetime, end: datetime) -> Continuity:
    """The durations of a site's judged spaces over [start, end); nothing when the period is empty."""
    found = Continuity()
    for space in Space.objects.filter(site_id=site_id).select_related("profile", "site"):
        pieces = [_piece(space.pk, a, b, _stamp(site_id, a, b, end)) for a, b in _days(start, end)]
        judged = [p for p in pieces if p is not None]
        if judged:
            proven, out, unproven = (sum(column) for column in zip(*judged, strict=True))
            found = found.plus(Continuity(proven, out, unproven, 1))
    return found


def _days(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    at = start
    while at < end:
        midnight = datetime(at.year, at.month, at.day, tzinfo=UTC) + timedelta(days=1)
        yield at, min(midnight, end)
        at = midnight


def _stamp(site_id: UUID, start: datetime, end: datetime, until: datetime) -> tuple[float, ...]:
    """What a remembered judgement rests on: segments, doubts and certificates; and the instant while it is fresh."""
    first, last = int(start.timestamp() * 1e6), int(end.timestamp() * 1e6)
    doubts = Doubt.objects.filter(sensor__site_id=site_id)
    return (
        Segment.objects.filter(site_id=site_id, first_us__lt=last, last_us__gte=first).count(),
        doubts.count(),
        doubts.exclude(decided_at=None).count(),
        Calibration.objects.filter(sensor__site_id=site_id).count(),
        until.timestamp() if end > until - FRESH else 0.0,
    )


@lru_cache(maxsize=20_000)
def _piece(
    space_id: UUID, start: datetime, end: datetime, stamp: tuple[float, ...]
) -> tuple[float, float, float] | None:
    space = Space.objects.select_related("profile", "site").get(pk=space_id)
    proof = proving.prove(space, start, end)
    if proof is None:
        return None
    minutes = proof.minutes
    return minutes["in_range_proven"] * 60, minutes["out_of_range"] * 60, minutes["not_proven"] * 60
