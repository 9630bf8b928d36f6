"""How much of a period sites can prove: the durations of their spaces added up, from the hours that are kept.

What is not kept is judged on the spot while it is little; else it is said to wait, and is in no share. What is added up
is what `prove` says of each space and hour, nothing else.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from django.db.models import Count

from waystation.registry.models import Space
from waystation.telemetry.hour_judging import at_hour, full_hour, hour_of, judge_between, judge_day
from waystation.telemetry.kept import standing
from waystation.telemetry.rules.hours import Sums

STEP_S = 600
ON_THE_SPOT = 64  # proofs that one answer may wait for


@dataclass(frozen=True, slots=True)
class Continuity:
    """Seconds of space time by verdict, over the spaces that a sensor judges; `waiting_s` is in none of them yet."""

    proven_s: float = 0.0
    out_s: float = 0.0
    not_proven_s: float = 0.0
    waiting_s: float = 0.0

    @property
    def total_s(self) -> float:
        """The space time that is judged."""
        return self.proven_s + self.out_s + self.not_proven_s

    @property
    def known_pct(self) -> float | None:
        """The share in which the readings prove something, in range or out; None when nothing was judged."""
        return None if self.total_s <= 0 else 100 * (self.proven_s + self.out_s) / self.total_s

    @property
    def known_pct_at_least(self) -> float | None:
        """That share if all that waits turns out to prove nothing."""
        whole_s = self.total_s + self.waiting_s
        return None if whole_s <= 0 else 100 * (self.proven_s + self.out_s) / whole_s

    @property
    def known_pct_at_most(self) -> float | None:
        """That share if all that waits turns out to prove something."""
        whole_s = self.total_s + self.waiting_s
        return None if whole_s <= 0 else 100 * (self.proven_s + self.out_s + self.waiting_s) / whole_s

    @property
    def in_range_pct(self) -> float | None:
        """The share that is proven in range, of what is judged."""
        return None if self.total_s <= 0 else 100 * self.proven_s / self.total_s

    def plus(self, other: Continuity) -> Continuity:
        """Both together."""
        return Continuity(
            self.proven_s + other.proven_s,
            self.out_s + other.out_s,
            self.not_proven_s + other.not_proven_s,
            self.waiting_s + other.waiting_s,
        )


def settled_to(now: datetime) -> datetime:
    """The instant up to which continuity can be measured on the spot: the last full ten minutes."""
    return datetime.fromtimestamp(now.timestamp() // STEP_S * STEP_S, UTC)


def is_little(site_ids: Collection[UUID]) -> bool:
    """True when the present hour of all these sites may be judged on the spot."""
    if len(site_ids) > ON_THE_SPOT:
        return False
    return sum(_spaces_of(set(site_ids)).values()) <= ON_THE_SPOT // 2


def continuities(periods: Mapping[UUID, tuple[datetime, datetime]]) -> dict[UUID, Continuity]:
    """The durations of each site's judged spaces over its own [start, end); nothing when that is empty."""
    real = {key: (a, b) for key, (a, b) in periods.items() if a < b}
    hours = {key: (hour_of(full_hour(a)), hour_of(b)) for key, (a, b) in real.items()}
    held = standing({key: (a, b) for key, (a, b) in hours.items() if a < b})
    odd = {key for key, (a, b) in real.items() if _edges(a, b)} | {key for key, s in held.items() if s.missing}
    spot = _Spot(_spaces_of(odd))
    found = {}
    for key in periods:
        done = _of_sums(held[key].sums) if key in held else Continuity()
        for day, wanted in sorted(held[key].missing.items()) if key in held else ():
            done = done.plus(spot.hours(key, day, wanted))
        for a, b in _edges(*real[key]) if key in real else ():
            done = done.plus(spot.between(key, a, b))
        found[key] = done
    return found


class _Spot:
    """What may still be judged while somebody waits; the rest is said to wait."""

    def __init__(self, spaces: Mapping[UUID, int]) -> None:
        self.spaces, self.left = spaces, ON_THE_SPOT

    def hours(self, site_id: UUID, day: int, wanted: int) -> Continuity:
        """Hours of a day."""
        if not self._takes(site_id):
            return Continuity(waiting_s=3600.0 * self.spaces.get(site_id, 0) * wanted.bit_count())
        splits = [s for hours in judge_day(day, {site_id: wanted})[site_id].values() for s in hours.values()]
        return _of_sums(Sums(len(splits), sum(s.proven_us for s in splits), sum(s.out_us for s in splits)))

    def between(self, site_id: UUID, start: datetime, end: datetime) -> Continuity:
        """A part of an hour."""
        if not self._takes(site_id):
            return Continuity(waiting_s=self.spaces.get(site_id, 0) * (end - start).total_seconds())
        found = Continuity()
        for proof in judge_between([site_id], start, end)[site_id]:
            m = proof.minutes
            found = found.plus(Continuity(m["in_range_proven"] * 60, m["out_of_range"] * 60, m["not_proven"] * 60))
        return found

    def _takes(self, site_id: UUID) -> bool:
        count = self.spaces.get(site_id, 0)
        if count > self.left:
            return False
        self.left -= count
        return True


def continuity(site_id: UUID, start: datetime, end: datetime) -> Continuity:
    """The durations of one site's judged spaces over [start, end)."""
    return continuities({site_id: (start, end)})[site_id]


def _edges(start: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The parts of a period that are no full hours."""
    first, last = full_hour(start), at_hour(hour_of(end))
    if first > last:
        return [(start, end)]
    return [(a, b) for a, b in ((start, first), (last, end)) if a < b]


def _spaces_of(site_ids: set[UUID]) -> dict[UUID, int]:
    if not site_ids:
        return {}
    rows = Space.objects.filter(site_id__in=list(site_ids), profile__isnull=False).values_list("site_id")
    return dict(rows.annotate(Count("pk")).order_by())


def _of_sums(held: Sums) -> Continuity:
    return Continuity(held.proven_us / 1e6, held.out_us / 1e6, held.unproven_us / 1e6)
