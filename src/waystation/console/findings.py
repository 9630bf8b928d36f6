"""What the record says of models and of past points: who fails more, fewer models, a way out, was it right?"""

from __future__ import annotations

from uuid import UUID

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from waystation import wiring
from waystation.console.fields import amount
from waystation.console.frame import who
from waystation.journeys import model_findings, stock_outlook
from waystation.planning import queries

SECTION = "/planning/"


def models(request: HttpRequest) -> HttpResponse:
    """The models of a part group: how sure it is that one fails more, what is proposed, fewer models, a way out."""
    by, now = who(request), wiring.clock().now()
    groups = model_findings.groups(by)
    group = request.GET.get("group", "").strip() or (groups[0] if groups else "")
    model, month = request.GET.get("model", "").strip(), request.GET.get("month", "").strip()
    found = model_findings.findings(by, group, now=now)
    leaving = [(int(amount(month or "12", "month")), int(amount(request.GET.get("units", "") or "0", "units")))]
    context = {
        "section": SECTION,
        "groups": groups,
        "group": group,
        "found": found,
        "fewer": model_findings.fewer_models(by, group, now=now),
        "model": model,
        "way_out": model_findings.way_out(by, group, model, leaving, now=now) if model else None,
    }
    return render(request, "planning/models.html", context)


def points(request: HttpRequest) -> HttpResponse:
    """The live points, each opening why it changed."""
    return render(request, "planning/points.html", {"section": SECTION, "points": queries.points(who(request))})


def point(request: HttpRequest, key: UUID) -> HttpResponse:
    """Every change of a point: why, and was it right?"""
    by, now = who(request), wiring.clock().now()
    told = stock_outlook.was_it_right(by, key, now=now)
    return render(request, "planning/point.html", {"section": SECTION, "told": told})
