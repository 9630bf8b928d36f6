"""The hub desk, for the phone first: pick, receive, check, clashes, count. Scans survive without a signal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.console.frame import who
from waystation.kernel.ids import new_id
from waystation.registry import queries as registry
from waystation.spares import queries
from waystation.spares.actions.desk import NewScan, resolve_scan, take_scans

SECTION = "/desk/"
# what a scan may say, in the words of the desk; the first is what follows from the unit itself
SAYINGS = (
    ("due", "What is due"),
    ("pick", "Picked"),
    ("ship", "Handed to the carrier"),
    ("return", "Came back"),
    ("check_ok", "Health check passed"),
    ("check_bad", "Health check failed"),
    ("found", "Found again"),
)
WORDS = dict(SAYINGS) | {"due": "Scanned"}


def desks(request: HttpRequest) -> HttpResponse:
    """The hubs with what waits at each; the only one opens at once."""
    by = who(request)
    hubs = queries.hubs(by)
    if len(hubs) == 1:
        return HttpResponseRedirect(f"/desk/{hubs[0].code}/")
    short: dict[str, int] = {}
    for shelf in queries.alerts(by):
        short[shelf.place] = short.get(shelf.place, 0) + 1
    areas = queries.service_areas(by)
    rows = [
        {"hub": h, "desk": queries.desk(by, h.pk), "short": short.get(h.name, 0), "area": areas.get(h.pk, ())}
        for h in hubs
    ]
    return render(request, "spares/desks.html", {"section": SECTION, "rows": rows})


def desk(request: HttpRequest, code: str) -> HttpResponse:
    """One hub's desk."""
    by = who(request)
    hub = queries.hub(by, code)
    held = queries.desk(by, hub.pk)
    by_code, by_group = registry.part_names()
    shelves = [s for s in queries.shelves() if s.place == hub.name]
    context = {
        "section": SECTION,
        "hub": hub,
        "desk": held,
        "picks": _picks([*held.to_pick, *(d for d in held.on_the_way if d.state == "picked")]),
        "away": [d for d in held.on_the_way if d.state != "picked"],
        "shelves": shelves,
        "short": [s for s in shelves if s.outcome == "short"],
        "stock": [(s, by_code.get(s.part, s.part)) for s in queries.stock(by, hub_id=hub.pk)],
        "groups": by_group,
        "sayings": SAYINGS,
        "words": WORDS,
        "client_id": new_id(),
        "may_scan": by.may("spares.dispatch") or by.may("spares.receive"),
        "may_resolve": by.may("spares.receive"),
    }
    return render(request, "spares/desk.html", context)


def _picks(rows: Sequence[Any]) -> list[dict[str, Any]]:
    """The units to pick by what they are for, each scanned or not; the soonest promise first."""
    ordered = sorted(rows, key=lambda d: (_name(d), d.state != "picked", d.unit.part.name, d.unit.serial))
    groups = []
    for name, found in groupby(ordered, key=_name):
        lines = list(found)
        promised = min((d.promised_at for d in lines if d.promised_at), default=None)
        left = [d for d in lines if d.state == "planned"]
        groups.append(
            {"name": name, "lines": lines, "promised": promised, "left": left, "scanned": len(lines) - len(left)}
        )
    return sorted(groups, key=lambda g: (not g["left"], g["promised"] is None, g["promised"] or 0, g["name"]))


def _name(row: Any) -> str:
    where = row.to_site or row.to_hub
    for_what = row.reservation.incident_name if row.reservation else "transfer"
    return f"{for_what}, {where}"


@require_POST
def scan(request: HttpRequest, code: str) -> HttpResponse:
    """One scan without the phone's own outbox. Sending the form again changes nothing."""
    by, now = who(request), wiring.clock().now()
    hub = queries.hub(by, code)
    verb, text = request.POST.get("verb", "due"), request.POST.get("code", "").strip()
    if text:
        client_id = request.POST.get("client_id") or str(new_id())
        (row,) = take_scans(by, [NewScan(client_id, verb, text, now, hub.pk)], now=now)
        if row.outcome == "conflict":
            messages.warning(request, f"Not done: {row.conflict}")
        else:
            messages.success(request, f"{WORDS.get(verb, verb)}: {text}")
    return HttpResponseRedirect(f"/desk/{code}/")


@require_POST
def resolve(request: HttpRequest, code: str, scan_id: UUID) -> HttpResponse:
    """A person says what became of a clash."""
    row = resolve_scan(who(request), scan_id, resolution=request.POST.get("resolution", ""), now=wiring.clock().now())
    messages.success(request, f"{row.code}: kept with what you said.")
    return HttpResponseRedirect(f"/desk/{code}/#clashes")


def worker(request: HttpRequest) -> HttpResponse:
    """The service worker, allowed to serve the desk's pages while there is no signal."""
    content = (Path(settings.STATIC_ROOT) / "desk-worker.js").read_bytes()
    return HttpResponse(content, content_type="text/javascript", headers={"Service-Worker-Allowed": "/desk/"})
