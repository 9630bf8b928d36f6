"""Probes by API: who is in date, what checks found, and what a failed one puts in doubt."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Router, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.api.reading import Body
from waystation.journeys.back_impact import as_plain, impact_of
from waystation.registry import queries as registry
from waystation.telemetry import calibrations
from waystation.telemetry.actions.probes import check_probe

router = Router()


class ProbeCheckIn(Body):
    """What was found of a probe: its corrected reading minus the reference, in degC, before any adjustment."""

    probe_serial: str
    report: str
    laboratory: str
    checked_at: AwareDatetime
    as_found_c: float
    tolerance_c: float = 0.5


@router.get("/calibration", response=list[dict[str, Any]])
def adherence(request: HttpRequest, days: int = 30) -> list[dict[str, Any]]:
    """Each site's judging probes: in date now, share of the last `days` that was covered, days to the next due date."""
    now, sites = wiring.clock().now(), registry.sites(by(request))
    begin = now - timedelta(days=max(1, min(days, 3660)))
    found = calibrations.adherence({s.pk: (begin, now) for s in sites}, now)
    return [
        {
            "site": site.code,
            "probes": held.probes,
            "in_date": held.in_date,
            "in_date_pct": held.in_date_pct,
            "covered_pct": held.covered_pct,
            "next_due_at": held.next_due_at,
            "due_in_days": held.due_in_days(now),
        }
        for site in sites
        for held in [found[site.pk]]
    ]


@router.post("/probe-checks", response={201: dict[str, Any]})
def check(request: HttpRequest, body: ProbeCheckIn) -> Status[dict[str, Any]]:
    """Record what was found of a probe. The answer lists what a failed check puts in doubt."""
    now = wiring.clock().now()
    row = check_probe(by(request), **body.dict(), now=now)
    return Status(201, as_plain(impact_of(by(request), row.pk, now=now)))


@router.get("/probe-checks/{check_id}", response=dict[str, Any])
def one_check(request: HttpRequest, check_id: UUID) -> dict[str, Any]:
    """A check and what it puts in doubt: sensors and times, readings, excursions, lots, packs made since."""
    return as_plain(impact_of(by(request), check_id, now=wiring.clock().now()))
