"""What a failed check of a probe puts in doubt: readings, excursions, lots that stood there, packs that were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.evidence import queries as evidence
from waystation.evidence.rules.pack import PACK_MADE
from waystation.kernel.authority import Authority
from waystation.product import queries as product
from waystation.product.models import Presence
from waystation.telemetry import calibrations
from waystation.telemetry.models import Doubt, Excursion, ProbeCheck


@dataclass(frozen=True, slots=True)
class Doubted:
    """One wearing of the probe: its time at a sensor, and what rests on it."""

    doubt: Doubt
    readings: int
    excursions: Sequence[Excursion]
    lots: Sequence[Presence]
    packs: int  # made of the site since the doubted time began

    @property
    def place(self) -> str:
        """Where the probe was."""
        space = self.doubt.sensor.space
        return f"{self.doubt.sensor.site.name}, {space.name}" if space else self.doubt.sensor.site.name


@dataclass(frozen=True, slots=True)
class Impact:
    """A check with everything that it puts in doubt, oldest first; nothing when it passed."""

    check: ProbeCheck
    doubted: Sequence[Doubted]

    @property
    def readings(self) -> int:
        """How many readings are in doubt."""
        return sum(one.readings for one in self.doubted)

    @property
    def undecided(self) -> int:
        """Of how many wearings QA has not said what its readings are."""
        return sum(one.doubt.decided_at is None for one in self.doubted)


def impact_of(by: Authority, check_id: UUID, *, now: datetime) -> Impact:
    """What a check puts in doubt, of the sites that the caller may see."""
    by.require_somewhere("registry.read")
    check = calibrations.check(by, check_id)
    doubts = [d for d in calibrations.doubts_of([check.pk]) if by.may("registry.read", d.sensor.site_id)]
    return Impact(check, [_doubted(by, d, now) for d in doubts])


def _doubted(by: Authority, doubt: Doubt, now: datetime) -> Doubted:
    space, end = doubt.sensor.space, doubt.ended_at or now
    lots = product.stays(by, space.pk, doubt.started_at, end) if space else []
    packs = evidence.count_of(PACK_MADE, doubt.sensor.site_id, since=doubt.started_at)
    return Doubted(doubt, calibrations.readings_in(doubt, now), calibrations.excursions_in(doubt), lots, packs)


def as_plain(impact: Impact) -> dict[str, Any]:
    """The impact as JSON values."""
    check = impact.check
    return {
        "id": check.pk,
        "probe_serial": check.probe_serial,
        "report": check.report,
        "checked_at": check.checked_at,
        "as_found_c": check.as_found_c,
        "tolerance_c": check.tolerance_c,
        "passed": check.passed,
        "good_since": check.good_since,
        "readings": impact.readings,
        "in_doubt": [
            {
                "doubt": one.doubt.pk,
                "site": one.doubt.sensor.site.code,
                "space": one.doubt.sensor.space.code if one.doubt.sensor.space else "",
                "sensor": one.doubt.sensor.code,
                "from": one.doubt.started_at,
                "until": one.doubt.ended_at,
                "decision": one.doubt.decision,
                "readings": one.readings,
                "excursions": [e.pk for e in one.excursions],
                "lots": sorted({stay.consignment.lot for stay in one.lots}),
                "packs_since": one.packs,
            }
            for one in impact.doubted
        ],
    }
