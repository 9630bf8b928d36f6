"""Reports of closed months: the list, one month with what is behind its figures, its files."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from waystation.console.fields import whole
from waystation.console.frame import who
from waystation.journeys import month_end
from waystation.journeys.month_files import MIME
from waystation.journeys.paper.monthly import numbers_of

SECTION = "/overview/"


def page(request: HttpRequest) -> HttpResponse:
    """The months that have a report."""
    return render(request, "service_levels/months.html", {"section": SECTION, "months": month_end.months(who(request))})


def one(request: HttpRequest, month: str) -> HttpResponse:
    """One month: its figures, its sites, what was missing, and what a later edition says otherwise."""
    by, scope = who(request), _scope(request)
    row = month_end.edition(by, month, _edition(request))
    found = month_end.document(by, row, scope)
    context: dict[str, Any] = {"section": SECTION, "row": row, "found": found, "numbers": numbers_of(found)}
    context |= {"later": month_end.later(row, month_end.months(by)), "query": request.GET.urlencode()}
    return render(request, "service_levels/month.html", context)


def file(request: HttpRequest, month: str, kind: str) -> HttpResponse:
    """A file of a month's report."""
    by, scope = who(request), _scope(request)
    row = month_end.edition(by, month, _edition(request))
    content = month_end.report(by, row, kind, scope)
    name = month_end.name_of(row, kind, scope)
    return HttpResponse(
        content, content_type=MIME[kind], headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )


def _scope(request: HttpRequest) -> month_end.Scope:
    asked = (request.GET.get(name, "").strip() for name in ("network", "region", "site"))
    return month_end.Scope(*asked)


def _edition(request: HttpRequest) -> int | None:
    asked = request.GET.get("edition", "").strip()
    return whole(asked, "edition") if asked else None
