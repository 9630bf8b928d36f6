"""Probes: who is in date, what checks found of them, and what a failed check puts in doubt."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import reduce
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.console.fields import day, number, words
from waystation.console.frame import who
from waystation.journeys.back_impact import impact_of
from waystation.registry import queries as registry
from waystation.telemetry import calibrations
from waystation.telemetry.actions import probes

HERE = "/calibration/"
LOOK = timedelta(days=90)
DAY = timedelta(days=1)
PER_PAGE = 100


def calibration(request: HttpRequest) -> HttpResponse:
    """Every site's judging probes, those out of date and due soonest first; the checks; the form for a new one."""
    by, now = who(request), wiring.clock().now()
    lines = {line.id: line for line in registry.site_lines(by)}
    held = calibrations.adherence(dict.fromkeys(lines, (now - LOOK, now)), now)
    rows = sorted(
        (one for one in held.values() if one.probes),
        key=lambda one: (one.in_date_pct or 0.0, one.next_due_at or now, lines[one.site_id].name),
    )
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    context = {
        "section": HERE,
        "now": now,
        "all": reduce(calibrations.Adherence.plus, rows) if rows else None,
        "page": page,
        "rows": [(lines[one.site_id], one, one.due_in_days(now)) for one in page],
        "checks": calibrations.checks(by),
        "undecided": calibrations.undecided(by),
        "look_days": LOOK.days,
        "may_check": bool(by.grants.get("telemetry.calibrate")),
    }
    return render(request, "telemetry/calibration.html", context)


def check(request: HttpRequest, key: UUID) -> HttpResponse:
    """One check and everything that it puts in doubt."""
    now = wiring.clock().now()
    return render(
        request,
        "telemetry/probe_check.html",
        {"section": HERE, "found": impact_of(who(request), key, now=now), "now": now},
    )


@require_POST
def record_check(request: HttpRequest) -> HttpResponse:
    """What a laboratory found of a probe before it was adjusted."""
    now = wiring.clock().now()
    row = probes.check_probe(
        who(request),
        probe_serial=words(request, "probe_serial"),
        report=words(request, "report"),
        laboratory=words(request, "laboratory"),
        checked_at=_on(day(request, "checked_at"), now),
        as_found_c=number(request, "as_found_c"),
        tolerance_c=number(request, "tolerance_c"),
        now=now,
    )
    verdict = "is within its tolerance" if row.passed else "was out of tolerance: see what it puts in doubt"
    messages.success(request, f"Probe {row.probe_serial} {verdict}.")
    return HttpResponseRedirect(HERE if row.passed else f"{HERE}checks/{row.pk}/")


def _on(checked: datetime, now: datetime) -> datetime:
    """The end of the day that a report names, for what was read during it is not better known; of today, now."""
    return now if checked <= now < checked + DAY else checked + DAY - timedelta(seconds=1)
