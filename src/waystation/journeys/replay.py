"""What a product profile would have said of the last month, beside what is said now: seen before it goes live."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from waystation.kernel.authority import Authority
from waystation.registry import queries as registry
from waystation.registry.models import ProductProfile, Space
from waystation.registry.queries import one
from waystation.telemetry.proving import Proof, prove

LOOK = timedelta(days=30)
AT_ONCE = 10  # spaces that one answer judges; a month of a space takes a second or two
NONE = {"in_range_proven": 0.0, "out_of_range": 0.0, "not_proven": 0.0}


@dataclass(frozen=True, slots=True)
class Said:
    """What one profile says of a space and period: verdict, minutes by verdict, excursions, device alarms."""

    verdict: str
    minutes: dict[str, float]
    excursions: int
    alarms: int


@dataclass(frozen=True, slots=True)
class Replayed:
    """A space under its present profile and under the other one."""

    space: Space
    now: Said
    then: Said

    @property
    def both(self) -> tuple[tuple[str, Said], tuple[str, Said]]:
        """The two with the name of the profile that says it."""
        held = self.space.profile
        return (f"{held.name}, edition {held.edition}" if held else "now", self.now), ("this one", self.then)

    @property
    def differs(self) -> bool:
        """True when the two say anything different."""
        return self.now != self.then


def spaces_for(by: Authority, profile: ProductProfile, of: UUID | None = None) -> list[Space]:
    """The spaces that a profile would judge: those under another edition of its code, or under the profile `of`."""
    by.require_somewhere("registry.read")
    rows = Space.objects.filter(profile__isnull=False, site__in=registry.sites(by)).exclude(profile=profile)
    rows = rows.filter(profile_id=of) if of else rows.filter(profile__code=profile.code)
    return list(rows.select_related("site", "profile").order_by("site__name", "name"))


def replay(
    by: Authority, profile_id: UUID, spaces: Sequence[Space], *, now: datetime, look: timedelta = LOOK
) -> list[Replayed]:
    """Judge the last `look` of each space twice, by the profile that it has and by the other as if QA had approved it.

    Nothing is written. Mapping, certificates, doubts and source classes count in both as they stand.
    """
    profile = copy(one(ProductProfile, profile_id))
    profile.approved_at = profile.approved_at or now
    found = []
    for space in spaces:
        by.require("registry.read", space.site_id)
        other = copy(space)
        other.profile = profile
        found.append(Replayed(space, *(_said(prove(s, now - look, now)) for s in (space, other))))
    return found


def profiles_in_use(by: Authority) -> list[ProductProfile]:
    """The profiles that spaces have now, by name."""
    held = {s.profile_id for site in registry.sites(by) for s in site.spaces.all() if s.profile_id}
    return list(ProductProfile.objects.filter(pk__in=held).order_by("name", "edition"))


def _said(proof: Proof | None) -> Said:
    if proof is None:
        return Said("not_proven", dict(NONE), 0, 0)
    sensors = proof.judgement.sensors
    excursions = sum(len(s.excursions) for s in sensors)
    return Said(proof.verdict, proof.minutes, excursions, sum(r.is_alarmed for s in sensors for r in s.rules))


def as_plain(row: Replayed) -> dict[str, Any]:
    """One space as JSON values."""

    def said(one: Said) -> dict[str, Any]:
        return {"verdict": one.verdict, "minutes": one.minutes, "excursions": one.excursions, "alarms": one.alarms}

    return {
        "site": row.space.site.code,
        "space": row.space.code,
        "profile": row.space.profile.name if row.space.profile else "",
        "now": said(row.now),
        "then": said(row.then),
        "differs": row.differs,
    }
