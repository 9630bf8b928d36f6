"""Pages of maintenance: orders by asset, site, vendor and part, one order with what came of it, and its forms."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.console.fields import read_uuid, read_whole, words
from waystation.console.frame import who
from waystation.fleet import upkeep
from waystation.fleet.rules.upkeep import ACTIVITIES, CATEGORIES, OUTCOMES, standing
from waystation.journeys import maintenance as verbs
from waystation.kernel.instants import read_instant
from waystation.registry import queries as registry

HERE = "/maintenance/"
PER_PAGE = 100
FILTERS = ("site", "device", "vendor", "part", "standing", "from", "to")
STANDINGS = ("open", "due", "overdue", "done", "done_with_remarks", "not_done", "cancelled")


def orders(request: HttpRequest) -> HttpResponse:
    """The orders that the address asks for, a hundred to a page; overdue work is counted on every one of them."""
    by, now, asked = who(request), wiring.clock().now(), _asked(request)
    site, late = request.GET.get("site", ""), upkeep.Asked(standing="overdue")
    page = Paginator(range(verbs.page(by, asked, site, now, most=0).found), PER_PAGE).get_page(request.GET.get("page"))
    rows = verbs.page(by, asked, site, now, max(page.start_index() - 1, 0), PER_PAGE).rows
    kept = {name: request.GET[name] for name in FILTERS if request.GET.get(name)}
    context = {
        "section": HERE,
        "page": page,
        "rows": [(row, standing(row.state, row.planned_start, row.planned_end, now)) for row in rows],
        "found": page.paginator.count,
        "overdue": verbs.page(by, late, "", now, most=0).found,
        "asked": kept,
        "address": urlencode(kept),
        "standings": STANDINGS,
        "sites": registry.site_lines(by),
        "vendors": registry.vendors(),
        "devices": verbs.devices(by) if _may(request) else [],
        "categories": CATEGORIES.items(),
        "activities": ACTIVITIES.items(),
        "may_plan": _may(request),
    }
    return render(request, "fleet/maintenance.html", context)


def orders_csv(request: HttpRequest) -> HttpResponse:
    """The same orders as CSV."""
    now = wiring.clock().now()
    found = verbs.page(who(request), _asked(request), request.GET.get("site", ""), now)
    reply = HttpResponse(verbs.as_csv(found.rows, now), content_type="text/csv; charset=utf-8")
    reply["Content-Disposition"] = 'attachment; filename="maintenance.csv"'
    return reply


def order(request: HttpRequest, key: UUID) -> HttpResponse:
    """One order: plan, work, findings, parts, and the form for its next step."""
    by, now = who(request), wiring.clock().now()
    row = upkeep.order(by, key)
    context = {
        "section": HERE,
        "row": row,
        "standing": standing(row.state, row.planned_start, row.planned_end, now),
        "following": row.followed_by.first(),
        "planner": access.names({row.planned_by}).get(row.planned_by, "somebody unknown"),
        "category": CATEGORIES[row.category],
        "outcomes": OUTCOMES.items(),
        "may_work": by.may(upkeep.MAY, row.site_id) and row.state in ("planned", "underway"),
    }
    return render(request, "fleet/maintenance_order.html", context)


@require_POST
def plan(request: HttpRequest) -> HttpResponse:
    """Plan work on a device; times are UTC."""
    window = request.POST.get("alarm_window", "").strip()
    row = verbs.plan(
        who(request),
        upkeep.Plan(
            device_id=read_uuid(words(request, "device"), "device"),
            category=words(request, "category"),
            activity=words(request, "activity"),
            what=words(request, "what"),
            start=read_instant(words(request, "start"), "start", zone=UTC),
            end=read_instant(words(request, "end"), "end", zone=UTC),
            vendor=request.POST.get("vendor", ""),
            person=request.POST.get("person", ""),
            every_months=read_whole(request, "every_months") or 0,
        ),
        verbs.Named(request.POST.get("incident", ""), read_uuid(window, "alarm_window") if window else None),
        now=wiring.clock().now(),
    )
    return _to(request, row.pk, f"{row.what} of {row.device.name} is planned.")


@require_POST
def start(request: HttpRequest, key: UUID) -> HttpResponse:
    """The work begins."""
    row = verbs.start(who(request), key, person=request.POST.get("person", ""), now=wiring.clock().now())
    return _to(request, key, f"{row.what} is underway.")


@require_POST
def finish(request: HttpRequest, key: UUID) -> HttpResponse:
    """End an order; serials and other parts are one to a line."""
    asked = request.POST
    result = upkeep.Result(
        outcome=words(request, "outcome"),
        found=asked.get("found", ""),
        reason=asked.get("reason", ""),
        person=asked.get("person", ""),
        started_at=_instant(request, "started_at"),
        next_due=_instant(request, "next_due"),
        attachments=[_attachment(line) for line in _lines(request, "attachments")],
    )
    row = verbs.finish(
        who(request),
        key,
        result,
        serials=_lines(request, "serials"),
        other_parts=_lines(request, "other_parts"),
        now=wiring.clock().now(),
    )
    then = f" It is due again until {row.next_due:%Y-%m-%d %H:%M} UTC." if row.next_due else ""
    return _to(request, key, f"{row.what}: {OUTCOMES[row.state]}.{then}")


@require_POST
def cancel(request: HttpRequest, key: UUID) -> HttpResponse:
    """Nobody will do it."""
    row = verbs.cancel(who(request), key, reason=words(request, "reason"), now=wiring.clock().now())
    return _to(request, key, f"{row.what} is cancelled.")


def _asked(request: HttpRequest) -> upkeep.Asked:
    get: dict[str, Any] = {name: request.GET.get(name, "").strip() for name in FILTERS}
    device = read_uuid(get["device"], "device") if get["device"] else None
    start, end = (read_instant(get[name], name, zone=UTC) if get[name] else None for name in ("from", "to"))
    return upkeep.Asked(None, device, get["vendor"], get["part"], get["standing"], start, end)


def _may(request: HttpRequest) -> bool:
    return bool(who(request).grants.get(upkeep.MAY))


def _instant(request: HttpRequest, name: str) -> datetime | None:
    text = request.POST.get(name, "").strip()
    return read_instant(text, name, zone=UTC) if text else None


def _lines(request: HttpRequest, name: str) -> list[str]:
    return [line.strip() for line in request.POST.get(name, "").splitlines() if line.strip()]


def _attachment(line: str) -> dict[str, str]:
    """A line as `sha256sum` prints it: digest, then name."""
    digest, _, name = line.partition(" ")
    return {"name": name.strip(" *"), "sha256": digest}


def _to(request: HttpRequest, key: UUID, said: str) -> HttpResponse:
    messages.success(request, said)
    return HttpResponseRedirect(f"{HERE}{key}/")
