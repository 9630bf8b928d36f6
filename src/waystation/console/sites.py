"""Pages of the inventory: sites, one site, one space with its chart."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from waystation import wiring
from waystation.console.discovery import waiting_series
from waystation.console.drawing.day_bar import row_bar
from waystation.console.drawing.space_chart import space_chart
from waystation.console.frame import who
from waystation.console.product import inside
from waystation.console.reader import degrees, in_own_unit
from waystation.fleet.upkeep import Asked
from waystation.journeys import maintenance
from waystation.journeys.assessment import all_lines, as_csv, assess, blanks
from waystation.journeys.exposure import LONGEST_LOOK
from waystation.kernel.instants import read_instant
from waystation.kernel.refusals import NotFound
from waystation.kernel.units import duration_text
from waystation.registry import queries as registry
from waystation.service_levels import sessions
from waystation.telemetry import queries as telemetry
from waystation.telemetry.charting import Chart, chart_of
from waystation.telemetry.last_day import last_day
from waystation.telemetry.present import present

PER_PAGE = 100
STATES = ("out_high", "out_low", "not_proven", "in_range_proven", "")
PERIODS = {"6h": ("6 h", 6), "24h": ("24 h", 24), "7d": ("7 days", 168), "30d": ("30 days", 720)}


def sites(request: HttpRequest) -> HttpResponse:
    """The visible sites with the state of their worst space, the worst first, a hundred to a page."""
    now, asked = wiring.clock().now(), request.GET.get("q", "").strip()
    every = registry.site_lines(request.authority)  # type: ignore[attr-defined]
    seen = present([s.id for s in every], now)
    state = request.GET.get("state", "")
    found = [s for s in every if _is_asked(s, seen[s.id].worst, asked, state)]
    found.sort(key=lambda s: (s.state != "active", STATES.index(seen[s.id].worst), s.name))
    page = Paginator(found, PER_PAGE).get_page(request.GET.get("page"))
    shown = registry.sites(request.authority).in_bulk([s.id for s in page])  # type: ignore[attr-defined]
    days = last_day([s.id for s in page], now).sites
    context = {
        "section": "/sites/",
        "page": page,
        "rows": [
            {"site": shown[s.id], "present": seen[s.id], "day": row_bar(days[s.id], ZoneInfo(shown[s.id].zone))}
            for s in page
        ],
        "found": len(found),
        "all": len(every),
        "counts": Counter(_group(p.worst) for p in seen.values()),
        "asked": asked,
        "state": state,
        "now": now,
    }
    return render(request, "registry/sites.html", context)


def _is_asked(site: registry.SiteLine, worst: str, asked: str, state: str) -> bool:
    words = f"{site.code} {site.name} {site.city}".casefold()
    return asked.casefold() in words and state in ("", _group(worst))


def _group(worst: str) -> str:
    return "out_of_range" if worst.startswith("out") else worst


def site(request: HttpRequest, code: str) -> HttpResponse:
    """One site: spaces, devices, circuits, owners, each with source and age."""
    row = registry.site(request.authority, code)  # type: ignore[attr-defined]
    now, zone = wiring.clock().now(), ZoneInfo(row.zone)
    view = telemetry.site_view(row.pk, now)
    groups = assess(row, view)
    context = {
        "section": "/sites/",
        "site": row,
        "view": view,
        "groups": groups,
        "blanks": blanks(groups),
        "vendors_in": sessions.sessions(who(request), sessions.Asked(site=code, standing="open")),
        "work": maintenance.page(who(request), Asked(standing="open"), code, now, most=5),
        "days": [(UUID(key), row_bar(day, zone)) for key, day in last_day([row.pk], now, [row.pk]).spaces.items()],
    }
    return render(request, "registry/site.html", context | waiting_series(who(request), row.pk, now))


def current_state(request: HttpRequest) -> HttpResponse:
    """The current state of every site that the caller sees, as CSV."""
    lines = all_lines(list(registry.sites(request.authority)), wiring.clock().now())  # type: ignore[attr-defined]
    reply = HttpResponse(as_csv(lines), content_type="text/csv; charset=utf-8")
    reply["Content-Disposition"] = 'attachment; filename="current-state.csv"'
    return reply


def space(request: HttpRequest, code: str, space_code: str) -> HttpResponse:
    """One space: verdict, chart, what happened, probes, profile."""
    site_row = registry.site(request.authority, code)  # type: ignore[attr-defined]
    row = site_row.spaces.filter(code=space_code).select_related("profile", "site").first()
    if row is None:
        raise NotFound("registry.unknown", f"{site_row.name} has no space {space_code}.", "Open the site to see them.")
    now, zone = wiring.clock().now(), ZoneInfo(site_row.zone)
    period = request.GET.get("period", "24h")
    end = min(read_instant(request.GET["to"], "to", zone=zone), now) if request.GET.get("to") else now
    start = end - timedelta(hours=PERIODS.get(period, PERIODS["24h"])[1])
    chart = chart_of(row, start, end)
    view = next(s for s in telemetry.site_view(site_row.pk, now).spaces if s.id == row.pk)
    words = finding(row.name, chart, zone)
    figure = space_chart(chart, zone, getattr(request.user, "temperature_unit", "c"), words)
    context = {
        "section": "/sites/",
        "site": site_row,
        "space": row,
        "view": view,
        "chart": chart,
        "figure": figure,
        "drawn": chart,
        "words": words,
        "period": period,
        "periods": [(key, label) for key, (label, _) in PERIODS.items()],
        "start": start,
        "end": end,
        "excursions": telemetry.excursions(row.pk, start, end),
        "gaps": _gaps(chart),
        "look_days": LONGEST_LOOK.days,
        **inside(request.authority, row, view, now),  # type: ignore[attr-defined]
        "calibrations": {c.sensor_id: c for c in telemetry.calibrations([s.id for s in view.sensors])},
    }
    return render(request, "telemetry/space.html", context)


def space_by_id(request: HttpRequest, space_id: UUID) -> HttpResponse:
    """The page of a space by id, for links out of records."""
    row = registry.space(space_id)
    return space(request, row.site.code, row.code)


def finding(name: str, chart: Chart, zone: ZoneInfo) -> str:
    """The chart in one sentence, for those who do not see it."""
    if chart.proof is None:
        return f"{name} has no judging sensor."
    lengths = {k: duration_text(v * 60) for k, v in chart.proof.minutes.items() if v * 60 >= 1}
    said = [f"{lengths[k]} {words}" for k, words in _WORDS.items() if k in lengths]
    judged = chart.proof.judgement
    span = (
        ""
        if judged.min_c is None or judged.max_c is None
        else f" Lowest {degrees(judged.min_c)}, highest {degrees(judged.max_c)}."
    )
    return f"{name}: {', '.join(said)}.{span}"


_WORDS = {"out_of_range": "out of range", "not_proven": "not proven", "in_range_proven": "in range, proven"}


def _gaps(chart: Chart) -> list[dict[str, Any]]:
    if chart.proof is None:
        return []
    found: dict[tuple[float, float, bool], set[str]] = {}
    for reason in chart.proof.reasons:
        if reason.end_s - reason.start_s >= 60:
            found.setdefault((reason.start_s, reason.end_s, reason.proves), set()).add(in_own_unit(reason.words))
    return [
        {"start": _at(a), "end": _at(b), "length_s": b - a, "words": ", ".join(sorted(words)), "covered": covered}
        for (a, b, covered), words in sorted(found.items(), reverse=True)
    ][:40]


def _at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
