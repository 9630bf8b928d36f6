"""The business case and the six figures for leadership."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from waystation import wiring
from waystation.console.drawing.trend import trend
from waystation.console.fields import amount, midnight
from waystation.console.frame import who
from waystation.incidents.rules.feedback import QUESTIONS
from waystation.journeys import business_case as journey
from waystation.journeys import kpis as figures
from waystation.journeys.early_wins import early_wins
from waystation.journeys.feedback import heard
from waystation.planning.rules.business import Rates
from waystation.planning.rules.kpis import Trend

RATES = {
    "penalty": "Penalty of a missed promise",
    "outage_hour": "An hour down",
    "technician_hour": "A technician's hour",
    "technician_h": "Technician hours of a trip",
    "carrying": "Carrying cost, share of capital a year",
}


def page(request: HttpRequest) -> HttpResponse:
    """The case over a period at the rates of the address; nothing is priced that they do not price."""
    by, now = who(request), wiring.clock().now()
    asked = {name: request.GET.get(name, "").strip() for name in RATES}
    rates = Rates(**{name: amount(text, name.replace("_", " ")) for name, text in asked.items() if text})
    days = int(amount(request.GET.get("days", "").strip() or "365", "number of days"))
    split = request.GET.get("split", "").strip()
    context = {
        "section": "/planning/",
        "found": journey.business_case(by, rates, days=days, now=now),
        "days": days,
        "rates": [(name, words, asked[name]) for name, words in RATES.items()],
        "split": split,
        "heard": heard(by, days=days, now=now),
        "questions": {name: words for name, (words, _) in QUESTIONS.items()},
        "wins": early_wins(by, split=midnight(split, "split"), days=days, now=now) if split else (),
        "regions": journey.pilot(by, split=midnight(split, "split"), days=days, now=now) if split else (),
    }
    return render(request, "planning/business_case.html", context)


def kpis(request: HttpRequest) -> HttpResponse:
    """The six figures, each with its line over a year."""
    now = wiring.clock().now()
    rows = [(k, _split([_row(t) for t in k.trends])) for k in figures.kpis(who(request), now=now)]
    start = now - timedelta(days=365)
    return render(request, "service_levels/kpis.html", {"section": "/overview/", "rows": rows, "start": start})


def _split(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Lines of a whole first; those of a family in one region behind them."""
    return [r for r in rows if ", " not in r["trend"].name], [r for r in rows if ", " in r["trend"].name]


def _row(found: Trend) -> dict[str, Any]:
    known = sum(p is not None for p in found.points)
    value = _said(found.last, found.unit)
    said = f"{found.name}: {value} at the end; {known} of {len(found.points)} points have a value"
    return {"trend": found, "value": value, "whole": _said(found.whole, found.unit), "drawn": trend(found.points, said)}


def _said(value: float | None, unit: str) -> str:
    if value is None:
        return "unknown"
    return f"{value:.0%}" if unit == "share" else f"{value:.1f} {unit}"
