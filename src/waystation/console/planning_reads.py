"""Planning to read: forecasts with their doubt, what if, uncovered sites, reach, and each hub's stock list."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from waystation import wiring
from waystation.console.drawing.attainment import Mark, attainment, money
from waystation.console.drawing.interval import interval
from waystation.console.fields import amount
from waystation.console.frame import who
from waystation.journeys import redesign, stock_outlook
from waystation.journeys import uncovered as journey
from waystation.journeys.placing import Whole, place
from waystation.journeys.playing import certificate
from waystation.journeys.shelves import Shelf, look
from waystation.journeys.stock_list import StockList, as_csv, as_pdf, stock_list
from waystation.kernel.refusals import NotReady
from waystation.planning import queries
from waystation.planning.rules.demand.needs import MONTH
from waystation.planning.rules.living.placing import UNLENT
from waystation.planning.rules.living.playing import Played
from waystation.planning.rules.living.redesign import Design

SECTION = "/planning/"
KINDS = {
    "slow lead times": "Lead times times a factor",
    "wave": "A defect wave: needs times a factor",
    "hub lost": "A hub is lost",
    "shrunk": "A hub is given up",
    "central": "A part is held at one hub",
}


def forecast(request: HttpRequest) -> HttpResponse:
    """Every shelf with its band, what each input adds, how parts fail there, and how good forecasts were."""
    by, now = who(request), wiring.clock().now()
    shelves, _ = look(by, now=now)
    highs = [_quantile(s, 0.95) for s in shelves]
    most = max(highs, default=1.0)
    rows = [_forecast(s, high, most) for s, high in zip(shelves, highs, strict=True)]
    context = {
        "section": SECTION,
        "rows": rows,
        "accuracy": stock_outlook.accuracy(by, now=now),
        "groups": queries.groups(by, now - 36 * MONTH)[:100],
        "expectations": queries.expectations(by, now),
    }
    return render(request, "planning/forecast.html", context)


def _quantile(shelf: Shelf, level: float) -> float:
    return float(np.searchsorted(np.cumsum(shelf.law.law), level - 1e-12))


def _forecast(shelf: Shelf, high: float, most: float) -> dict[str, Any]:
    low = _quantile(shelf, 0.05)
    return {
        "shelf": shelf,
        "low": low,
        "high": high,
        "drawn": interval(low, shelf.law.mean, high, most),
        "modes": sorted(shelf.modes.items(), key=lambda kv: (-kv[1], kv[0])),
    }


def what_if(request: HttpRequest) -> HttpResponse:
    """The usual designs and the one asked for, side by side."""
    by, now = who(request), wiring.clock().now()
    designs, outcomes = redesign.what_if(by, now=now, designs=_asked(request))
    first = outcomes[0]
    rows = [(d, o, o.capital - first.capital, o.share - first.share) for d, o in zip(designs, outcomes, strict=True)]
    context = {"section": SECTION, "rows": rows, "kinds": KINDS, "asked": request.GET}
    return render(request, "planning/what_if.html", context)


def _asked(request: HttpRequest) -> list[Design]:
    """The design in the address, if any."""
    kind = request.GET.get("kind", "")
    if kind not in KINDS:
        return []
    hub, group = request.GET.get("hub", "").strip(), request.GET.get("group", "").strip()
    factor = amount(request.GET.get("factor", "").strip() or "2", "factor")
    name = " ".join(w for w in (KINDS[kind], hub, group, f"{factor:g}" if "factor" in KINDS[kind] else "") if w)
    return [Design(name, kind, hub=hub, group=group, factor=factor)]  # type: ignore[arg-type]


def network(request: HttpRequest) -> HttpResponse:
    """The stock of all hubs at once, beside what is live, what each shelf asks for by itself, and what lies there."""
    by, now = who(request), wiring.clock().now()
    asked = request.GET.get("budget", "").strip()
    vendors = bool(request.GET.get("vendors"))
    context: dict[str, Any] = {"section": SECTION, "budget": asked, "vendors": vendors}
    context["may_propose"] = by.may("planning.propose")
    try:
        found = place(by, now=now, budget=amount(asked, "budget") if asked else None, vendors=vendors)
    except NotReady as refused:
        return render(request, "planning/network.html", context | {"refused": refused})
    told, held, chosen = found.placing, {(s.hub.code, s.group): s for s in found.shelves}, found.choices()
    rows = [(p, held.get((p.hub, p.group)), chosen[p.hub, p.group].why) for p in told.shelves]
    context |= {
        "found": found,
        "placing": told,
        "curve": _network_curve(found) if told.shelves else "",
        "rows": [(p, s, why) for p, s, why in rows if p.units or (s is not None and (s.ready or s.point))],
        "days": sorted(found.tree.days_to.items()),
        "slots": sorted(found.tree.slots.items()),
        "together": found.together(),
        "lent": found.lent(),
    }
    return render(request, "planning/network.html", context)


def played(request: HttpRequest) -> HttpResponse:
    """The certificate of the placed stock: played on the same needs as every other, alone and in storms."""
    by, now = who(request), wiring.clock().now()
    asked = request.GET.get("budget", "").strip()
    vendors = bool(request.GET.get("vendors"))
    context: dict[str, Any] = {"section": SECTION, "budget": asked, "vendors": vendors}
    try:
        found = certificate(by, now=now, budget=amount(asked, "budget") if asked else None, vendors=vendors)
    except NotReady as refused:
        return render(request, "planning/certificate.html", context | {"refused": refused})
    titles = ("Failures one by one", "With days on which many fail at once")
    plays = [(t, [_played(p) for p in some]) for t, some in zip(titles, (found.lone, found.stormy), strict=True)]
    return render(request, "planning/certificate.html", context | {"found": found, "plays": plays})


def _played(it: Played) -> dict[str, Any]:
    """A stock's row: its interval drawn from none to all in time, and what met the needs, the larger share first."""
    low, high = max(0.0, it.in_time.mean - it.in_time.wide), min(1.0, it.in_time.mean + it.in_time.wide)
    met = sorted(((at, name) for name, at in it.how.items() if at >= 0.0005), reverse=True)
    words = ", ".join(f"{name} {at:.1%}" for at, name in met)
    said = f"{it.in_time.mean:.1%} in time, {low:.1%} to {high:.1%}"
    return {"it": it, "drawn": interval(low, it.in_time.mean, high, 1.0, said), "met": words}


def _network_curve(found: Whole) -> Any:
    points = found.curve()
    marks = [
        Mark(j.capital, j.share, f"{j.name}: {j.share:.1%}, {money(j.capital)}", n == 0)
        for n, j in enumerate(found.placing.judged)
        if j.name != UNLENT  # too near to the first to be told apart; the table has it
    ]
    said = "; ".join(m.words for m in marks)
    return attainment(points, points[0][0], marks, None, said)


def uncovered(request: HttpRequest) -> HttpResponse:
    """What is restored too late, with the cheapest fix; and which promises cannot be kept, with what limits them."""
    by, now = who(request), wiring.clock().now()
    looked = journey.risks(by, now=now)
    context = {
        "section": SECTION,
        "rows": journey.uncovered_sites(by, now=now, looked=looked),
        "promises": [a for a in journey.achievable(by, now=now, looked=looked) if not a.is_achievable],
    }
    return render(request, "planning/uncovered.html", context)


def reach(request: HttpRequest) -> HttpResponse:
    """ "Can we reach this site in T from anywhere?" """
    by, now = who(request), wiring.clock().now()
    site, within = (
        request.GET.get("site", "").strip(),
        amount(request.GET.get("within_h", "4").strip(), "time in hours"),
    )
    rows = journey.reach(by, site, within, now=now) if site else []
    return render(request, "planning/reach.html", {"section": SECTION, "site": site, "within": within, "rows": rows})


def hub(request: HttpRequest, code: str) -> HttpResponse:
    """One hub's stock list."""
    context = {"section": SECTION, "list": _list(request, code), "budget": request.GET.get("budget", "")}
    return render(request, "planning/hub.html", context)


def hub_csv(request: HttpRequest, code: str) -> HttpResponse:
    """The list as CSV."""
    told = _list(request, code)
    return _file(as_csv(told).encode(), "text/csv; charset=utf-8", f"stock-{told.hub}-{_day(told.at)}.csv")


def hub_pdf(request: HttpRequest, code: str) -> HttpResponse:
    """The list as paper."""
    told = _list(request, code)
    return _file(as_pdf(told), "application/pdf", f"stock-{told.hub}-{_day(told.at)}.pdf")


def _list(request: HttpRequest, code: str) -> StockList:
    asked = request.GET.get("budget", "").strip()
    budget = amount(asked, "budget") if asked else None
    return stock_list(who(request), code, now=wiring.clock().now(), budget=budget)


def _day(at: datetime) -> str:
    return f"{at:%Y-%m-%d}"


def _file(content: bytes, kind: str, name: str) -> HttpResponse:
    reply = HttpResponse(content, content_type=kind)
    reply["Content-Disposition"] = f'attachment; filename="{name}"'
    return reply
