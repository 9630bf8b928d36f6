"""Who answers a page, and when: only on shift or on call, after a delay of their own, sometimes not at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from waystation.simulator.chance import between_quantiles, stream

DAY_MIN = 1440


@dataclass(frozen=True, slots=True)
class PersonPlan:
    """Somebody with a weekly shift in a zone: (weekday, opens, closes) in minutes after local midnight."""

    code: str
    name: str
    zone: str
    shifts: tuple[tuple[int, int, int], ...]
    p50_s: float
    p90_s: float
    miss: float

    def is_on_shift(self, at: datetime) -> bool:
        """True inside a shift; a night shift belongs to the day on which it starts."""
        local = at.astimezone(ZoneInfo(self.zone))
        minute = local.hour * 60 + local.minute
        return any(
            (weekday == local.weekday() and opens <= minute < closes)
            or (weekday == (local.weekday() - 1) % 7 and minute + DAY_MIN < closes)
            for weekday, opens, closes in self.shifts
        )

    def answers_at(self, page: str, paged_at: datetime, *, seed: int, is_on_call: bool = False) -> datetime | None:
        """When this person acknowledges that page, or None: asleep, off shift, or the page is missed."""
        if not (is_on_call or self.is_on_shift(paged_at)):
            return None
        chance = stream(seed, self.code, page)
        if chance.random() < self.miss:
            return None
        return paged_at + timedelta(seconds=round(between_quantiles(self.p50_s, self.p90_s, chance)))


def people_of(people: Sequence[Mapping[str, Any]]) -> dict[str, PersonPlan]:
    """The people of a network's document by code."""
    return {
        p["code"]: PersonPlan(
            p["code"],
            p["name"],
            p["zone"],
            tuple((day, opens, closes) for day, opens, closes in p["shifts"]),
            p["acknowledge"]["p50_s"],
            p["acknowledge"]["p90_s"],
            p["acknowledge"]["miss"],
        )
        for p in people
    }
