"""The planning studio: data quality first, the curve with its chosen point, targets, plans and their way."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.console.drawing.attainment import Mark, attainment, money
from waystation.console.drawing.site_map import Place, Spoke, site_map
from waystation.console.fields import amount, number, words
from waystation.console.frame import who
from waystation.journeys import plan as journey
from waystation.journeys.studio import Studio, propose, studio
from waystation.kernel.authority import Authority
from waystation.planning import queries
from waystation.planning.actions import plans
from waystation.registry import queries as registry
from waystation.spares import queries as spares

SECTION = "/planning/"
LATE = 0.9  # a hub that restores fewer of a site's needs in time than this is drawn dashed


def page(request: HttpRequest) -> HttpResponse:
    """The studio at a budget, or at what the covers of the classes ask for."""
    by = who(request)
    asked = request.GET.get("budget", "").strip()
    found = studio(by, now=wiring.clock().now(), budget=amount(asked, "budget") if asked else None)
    moved = [t for t in found.targets if t.moves]
    context = {
        "section": SECTION,
        "found": found,
        "quality": found.quality,
        "curve": _curve(found) if found.targets else "",
        "map": _map(by, found),
        "moved": sorted(moved, key=lambda t: (-(t.gain or 0.0), t.hub, t.group)),
        "stay": [t for t in found.targets if not t.moves],
        "share": f"{found.chosen.share:.1%}",
        "bound": f"{found.chosen.bound:.1%}",
        "ceiling": f"{found.ceiling:.1%}",
        "side": [("Chosen", found.chosen.capital, found.chosen.share)]
        + [(s.name, s.capital, s.share) for s in found.spots],
        "budget": asked,
        "hubs": sorted({t.hub for t in found.targets}),
        "plans": queries.plans(by)[:5],
        "may_propose": by.may("planning.propose"),
    }
    return render(request, "planning/studio.html", context)


def _curve(found: Studio) -> Any:
    curve, chosen = found.curve, found.chosen
    points = [(c, curve.share_of(m)) for c, m in zip(curve.capital, curve.met, strict=True)]
    marks = [Mark(s.capital, s.share, f"{s.name}: {s.share:.1%}, {money(s.capital)}") for s in found.spots]
    label = f"Chosen: {chosen.share:.1%}, {money(chosen.capital)}"
    marks.append(Mark(chosen.capital, chosen.share, label, True))
    said = (
        f"{chosen.share:.1%} of needs restored in time for {money(chosen.capital)}; no stock of that price restores "
        f"more than {chosen.bound:.1%}, and no stock at all more than {found.ceiling:.1%}."
    )
    return attainment(points, curve.capital[0], marks, found.ceiling, said)


def _map(by: Authority, found: Studio) -> Any:
    """Hubs and the sites that each serves first, solid where it restores nine of ten needs in time."""
    hubs = {h.code: (h.name, h.lat, h.lon) for h in spares.hubs(by) if h.lat is not None and h.lon is not None}
    sites = {s.code: (s.name, s.lat, s.lon) for s in registry.sites(by) if s.lat is not None and s.lon is not None}
    late: dict[str, float] = {}
    spokes = []
    for target in found.targets:
        hub = hubs.get(target.hub)
        for need in found.reached.needs:
            if need.group != target.group or need.site not in target.sites or need.site not in sites:
                continue
            in_time = need.share_from(target.hub)
            late[need.site] = min(in_time, late.get(need.site, 1.0))
            if hub is not None:
                name, lat, lon = sites[need.site]
                said = f"{need.group} from {hub[0]} to {name}: {in_time:.0%} within {need.tolerable_h:g} h"
                spokes.append(Spoke(hub[1:], (lat, lon), in_time >= LATE, said))
    places = [Place(*at, "hub") for at in hubs.values()]
    beyond = [code for code in sites if late.get(code, 1.0) < LATE]
    places += [
        Place(*at, "at_risk" if code in beyond else "quiet", "/planning/uncovered/") for code, at in sites.items()
    ]
    names = ", ".join(sites[code][0] for code in beyond)
    said = f"{len(hubs)} hubs. {len(beyond)} sites are reached too late in more than one of ten cases"
    return site_map(places, f"{said}: {names}." if beyond else f"{said}.", spokes)


@require_POST
def propose_plan(request: HttpRequest) -> HttpResponse:
    """The chosen point becomes a plan that somebody else approves."""
    by, now = who(request), wiring.clock().now()
    asked = request.POST.get("budget", "").strip()
    if request.POST.get("network"):
        budget = number(request, "budget") if asked else None
        vendors, said = bool(request.POST.get("vendors")), words(request, "reason")
        made = journey.propose_network(by, budget=budget, vendors=vendors, reason=said, now=now)
    elif asked:
        made = propose(by, budget=number(request, "budget"), reason=words(request, "reason"), now=now)
    else:
        made = journey.propose(by, now=now, reason=words(request, "reason"))
    messages.success(request, f"Plan {made.number} waits for another person's approval.")
    return HttpResponseRedirect(f"/planning/plans/{made.number}/")


def all_plans(request: HttpRequest) -> HttpResponse:
    """Plans, newest first."""
    rows = queries.plans(who(request))
    names = access.names({p.proposed_by for p in rows} | {p.approved_by for p in rows if p.approved_by})
    return render(request, "planning/plans.html", {"section": SECTION, "plans": rows, "names": names})


def one_plan(request: HttpRequest, number: int) -> HttpResponse:
    """A plan with every line, its digest, and what may be done with it."""
    by, now = who(request), wiring.clock().now()
    plan = queries.plan(by, str(number))
    people = {p for p in (plan.proposed_by, plan.approved_by, plan.applied_by) if p}
    context = {
        "section": SECTION,
        "plan": plan,
        "lines": queries.lines(by, plan.pk),
        "names": access.names(people),
        "digest": " ".join(plan.digest[i : i + 4] for i in range(0, 32, 4)),
        "why_not": _why_not(by, plan, now),
        "may_apply": by.may("spares.policy"),
        "may_end": plan.state in ("proposed", "approved")
        and (by.may("planning.approve") or by.may("planning.propose")),
    }
    return render(request, "planning/plan.html", context)


def _why_not(by: Authority, plan: Any, now: Any) -> str:
    """Why this person may not approve this plan; empty when they may."""
    if now >= plan.expires_at:
        return "It lapsed, so nothing is approved. Propose it afresh."
    if plan.proposed_by == by.principal_id:
        return "You proposed it, so another person approves."
    return "" if by.may("planning.approve") else "Your role does not approve. A service manager may."


@require_POST
def approve(request: HttpRequest, key: UUID) -> HttpResponse:
    """Yes to exactly the plan that was seen."""
    seen, reason = request.POST.get("digest", ""), request.POST.get("reason", "").strip()
    made = plans.approve(who(request), key, shown=seen, reason=reason, now=wiring.clock().now())
    return _to(request, made, f"Plan {made.number} is approved. It changes nothing before it is applied.")


@require_POST
def withdraw(request: HttpRequest, key: UUID) -> HttpResponse:
    """No, with a reason."""
    made = plans.withdraw(who(request), key, reason=words(request, "reason"), now=wiring.clock().now())
    return _to(request, made, f"Plan {made.number} is withdrawn.")


@require_POST
def apply(request: HttpRequest, key: UUID) -> HttpResponse:
    """The approved points become the live ones."""
    made = journey.apply(who(request), key, now=wiring.clock().now())
    return _to(request, made, f"Plan {made.number} is live.")


def _to(request: HttpRequest, plan: Any, said: str) -> HttpResponse:
    messages.success(request, said)
    return HttpResponseRedirect(f"/planning/plans/{plan.number}/")
