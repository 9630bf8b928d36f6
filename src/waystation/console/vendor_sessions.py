"""Pages of vendor sessions: who is at work now and since when, what was done, and the forms to open and close."""

from __future__ import annotations

from datetime import UTC, timedelta
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.console.fields import number, read_uuid, words
from waystation.console.frame import who
from waystation.journeys import vendor_sessions as verbs
from waystation.kernel.instants import read_instant
from waystation.registry import queries as registry
from waystation.service_levels import sessions

HERE = "/vendor-sessions/"
FILTERS = ("site", "vendor", "standing", "from", "to")


def every(request: HttpRequest) -> HttpResponse:
    """The sessions that the address asks for: open ones first, the oldest of them on top."""
    by, now = who(request), wiring.clock().now()
    found = sessions.sessions(by, _asked(request))
    kept = {name: request.GET[name] for name in FILTERS if request.GET.get(name)}
    context = {
        "section": HERE,
        "now": now,
        "rows": found,
        "open": sum(row.closed_at is None for row in found),
        "asked": kept,
        "address": urlencode(kept),
        "standings": {"open": "open", "ended": "ended", **sessions.ENDINGS}.items(),
        "endings": sessions.ENDINGS,
        "over": sessions.OVER.items(),
        "sites": registry.site_lines(by),
        "vendors": registry.vendors(),
        "may_open": bool(by.grants.get(sessions.MAY)),
    }
    return render(request, "service_levels/vendor_sessions.html", context)


def steps_csv(request: HttpRequest) -> HttpResponse:
    """The same with every step as CSV."""
    text = verbs.as_csv(sessions.sessions(who(request), _asked(request)), wiring.clock().now())
    reply = HttpResponse(text, content_type="text/csv; charset=utf-8")
    reply["Content-Disposition"] = 'attachment; filename="vendor-sessions.csv"'
    return reply


def one(request: HttpRequest, key: UUID) -> HttpResponse:
    """One session with its steps."""
    by = who(request)
    row = sessions.session(by, key)
    steps = list(row.steps.all())
    context = {
        "section": HERE,
        "row": row,
        "now": wiring.clock().now(),
        "steps": steps,
        "masked": sum(step.masked for step in steps),
        "over": sessions.OVER[row.over],
        "ending": sessions.ENDINGS.get(row.ending, ""),
        "names": access.names({p for p in (row.opened_by, row.closed_by) if p}),
        "may_work": by.may(sessions.MAY, row.site_id),
    }
    return render(request, "service_levels/vendor_session.html", context)


@require_POST
def open_session(request: HttpRequest) -> HttpResponse:
    """Open a session."""
    maintenance = request.POST.get("maintenance", "").strip()
    asked = sessions.Opening(
        vendor=words(request, "vendor"),
        site=words(request, "site"),
        person=words(request, "person"),
        why=words(request, "why"),
        over=words(request, "over"),
        limit=timedelta(hours=min(max(number(request, "limit_h"), -1_000.0), 1_000.0)),
    )
    row = verbs.open_session(
        who(request),
        asked,
        incident=request.POST.get("incident", ""),
        maintenance=read_uuid(maintenance, "maintenance") if maintenance else None,
        now=wiring.clock().now(),
    )
    return _to(request, row.pk, f"The session of {row.person} is open until {row.due_at:%H:%M} UTC at most.")


@require_POST
def append(request: HttpRequest, key: UUID) -> HttpResponse:
    """Keep one step that was done now."""
    now = wiring.clock().now()
    step = sessions.Step(now, words(request, "kind"), words(request, "what"), request.POST.get("target", ""))
    (kept,) = verbs.append(who(request), key, [step], now=now)
    masked = f" Secrets masked: {kept.masked}." if kept.masked else ""
    return _to(request, key, f"Step {kept.number} is kept.{masked}")


@require_POST
def close(request: HttpRequest, key: UUID) -> HttpResponse:
    """End a session."""
    verbs.close(who(request), key, note=request.POST.get("note", ""), now=wiring.clock().now())
    return _to(request, key, "The session is closed.")


def _asked(request: HttpRequest) -> sessions.Asked:
    get = {name: request.GET.get(name, "").strip() for name in FILTERS}
    start, end = (read_instant(get[name], name, zone=UTC) if get[name] else None for name in ("from", "to"))
    return sessions.Asked(get["site"], get["vendor"], get["standing"], start, end)


def _to(request: HttpRequest, key: UUID, said: str) -> HttpResponse:
    messages.success(request, said)
    return HttpResponseRedirect(f"{HERE}{key}/")
