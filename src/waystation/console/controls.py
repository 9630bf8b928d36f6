"""The page of controls: what each is, why it exists, who owns and approved it, and what shows that it works."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from waystation import wiring
from waystation.console.frame import who
from waystation.journeys import controls as verbs
from waystation.journeys.control_kinds.kinds import KINDS


def controls(request: HttpRequest) -> HttpResponse:
    """Every control, or those that the address asks for, kind by kind."""
    found = _asked(request)
    groups = [(words, [row for row in found if row.control.kind == kind]) for kind, (words, _) in KINDS.items()]
    kept = {name: request.GET[name] for name in ("kind", "untested") if request.GET.get(name)}
    context = {
        "section": "/evidence/",
        "groups": [(words, rows) for words, rows in groups if rows or not kept],
        "found": len(found),
        "untested": sum(row.tested_at is None for row in found),
        "unapproved": sum(row.approved_by == verbs.NOBODY for row in found),
        "kinds": [(kind, words) for kind, (words, _) in KINDS.items()],
        "asked": kept,
        "address": urlencode(kept),
    }
    return render(request, "evidence/controls.html", context)


def controls_csv(request: HttpRequest) -> HttpResponse:
    """The same as CSV."""
    reply = HttpResponse(verbs.as_csv(_asked(request)), content_type="text/csv; charset=utf-8")
    reply["Content-Disposition"] = 'attachment; filename="controls.csv"'
    return reply


def _asked(request: HttpRequest) -> list[verbs.Explained]:
    kind, untested = request.GET.get("kind", ""), bool(request.GET.get("untested"))
    return verbs.controls(who(request), now=wiring.clock().now(), kind=kind, untested=untested)
