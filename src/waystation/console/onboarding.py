"""Pages of a site's first days: the gate with its checks, its spares cover, its signatures, and the opening."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import queries as access
from waystation.console.frame import who
from waystation.fleet import actions as fleet_actions
from waystation.fleet import queries as fleet
from waystation.fleet.actions import FUNCTIONS
from waystation.journeys import launch_site
from waystation.journeys.launch_site import SIGNED, Readiness
from waystation.kernel.instants import read_instant
from waystation.registry import queries as registry

SECTION = "/onboarding/"
CONDITIONS = ("inventoried", "monitored", "restorable")
SHORT = {"wan": "WAN", "ups": "UPS", "cctv": "CCTV", "wifi": "Wi-Fi"}
ORDER = {"failed": 0, "open": 1, "waived": 2, "passed": 3}


def onboardings(request: HttpRequest) -> HttpResponse:
    """Sites on their way, and planned ones that may be started."""
    by, now = who(request), wiring.clock().now()
    seen = {s.pk: s for s in registry.sites(by)}
    rows = [_row(o, now) for o in fleet.onboardings() if o.site_id in seen]
    running = {r["row"].site_id for r in rows}
    waiting = [s for s in seen.values() if s.state in ("planned", "commissioning") and s.pk not in running]
    context = {"section": SECTION, "rows": rows, "waiting": waiting, "known": len(seen), "may": by.may("fleet.onboard")}
    return render(request, "fleet/onboardings.html", context)


def _row(row: Any, now: Any) -> dict[str, Any]:
    checks = list(row.checks.all())
    still = [c for c in checks if c.state not in ("passed", "waived")]
    return {"row": row, "checks": len(checks), "open": len(still), "days": (now - row.started_at).days}


def onboarding(request: HttpRequest, code: str) -> HttpResponse:
    """One site: ready or not, and what keeps the gate shut."""
    by, now = who(request), wiring.clock().now()
    site = registry.site(by, code)
    row = fleet.onboarding(site.pk)
    if row is None or row.opened_at is not None:
        context = {"section": SECTION, "site": site, "opened": row, "may": by.may("fleet.onboard", site.pk)}
        return render(request, "fleet/not_onboarding.html", context)
    held = launch_site.gate(by, site.pk, now, fresh=False)
    names = access.names({c.by_id for c in row.checks.all() if c.by_id})
    items = [*_conditions(held), *_checks(held, names)]
    still = [i for i in items if not i["shown"]]
    signed = {s.function: s for s in row.sign_offs.all()}
    context = {
        "section": SECTION,
        "site": site,
        "row": row,
        "held": held,
        "items": sorted(items, key=lambda i: i["shown"]),
        "open_count": len(still),
        "conditions": [(c.capitalize(), [o for o in held.obstacles if o.condition == c]) for c in CONDITIONS],
        "absent": [(n, _thing(n)) for n, state in held.facts.components.items() if state == "absent"],
        "may_waive": by.may("service_levels.waive", site.pk),
        "functions": [(f, signed.get(f)) for f in FUNCTIONS],
        "signed_all": len(signed) == len(FUNCTIONS),
        "may_record": by.may("fleet.onboard", site.pk),
        "may_sign": by.may("fleet.sign_off", site.pk),
    }
    return render(request, "fleet/onboarding.html", context)


def _conditions(held: Readiness) -> list[dict[str, Any]]:
    """What the platform judges by itself, as rows beside the checks."""
    facts, (heard, expected), route = held.facts, held.probes, held.route
    absent = [_thing(n) for n, state in facts.components.items() if state == "absent"]
    unowned = [_thing(n) for n, owner in facts.dependencies.items() if not owner]
    said = "confirmed by everybody" if facts.route_proven else "No test page was confirmed."
    if route is not None and route.failed_at is not None:
        said = f"The last test failed: {route.failure}."
    rows = [
        ("Every component of the template", not absent, f"absent: {', '.join(absent)}" if absent else "all present"),
        ("Every dependency has an owner", not unowned, f"nobody: {', '.join(unowned)}" if unowned else "all named"),
        ("Every judging probe is heard", facts.monitored, f"{heard} of {expected}"),
        ("The alarm route is proven", facts.route_proven, said),
    ]
    rows += [(f"Spare {_thing(c.component_class)} in time", c.covered, c.words) for c in held.cover]
    return [
        {"words": words, "shown": shown, "evidence": said, "by": "the platform", "at": None, "key": "", "state": ""}
        for words, shown, said in rows
    ]


def _thing(name: str) -> str:
    return SHORT.get(name, name.replace("_", " "))


def _checks(held: Readiness, names: dict[Any, str]) -> list[dict[str, Any]]:
    signed = held.onboarding.sign_offs.count()
    rows = []
    for check in sorted(held.onboarding.checks.all(), key=lambda c: (ORDER.get(c.state, 1), c.key)):
        by_names = check.key == SIGNED
        shown = signed == len(FUNCTIONS) if by_names else check.state in ("passed", "waived") and bool(check.evidence)
        said = check.evidence or (f"If it fails: {check.fail_action}." if check.fail_action else "")
        rows.append(
            {
                "words": check.words,
                "shown": shown,
                "evidence": f"{signed} of {len(FUNCTIONS)} have signed" if by_names else said,
                "by": names.get(check.by_id, "") if check.by_id else "",
                "at": check.at,
                "key": "" if by_names else check.key,
                "state": check.state,
            }
        )
    return rows


@require_POST
def start(request: HttpRequest, code: str) -> HttpResponse:
    """Begin the onboarding."""
    site = registry.site(who(request), code)
    launch_site.start(who(request), site.pk, now=wiring.clock().now())
    messages.success(request, f"The onboarding of {site.name} has begun.")
    return HttpResponseRedirect(f"/onboarding/{code}/")


@require_POST
def measure(request: HttpRequest, code: str) -> HttpResponse:
    """Record what the platform can show by itself."""
    site = registry.site(who(request), code)
    done = launch_site.measure(who(request), site.pk, now=wiring.clock().now())
    messages.success(request, f"{len(done)} checks were recorded from what the platform sees.")
    return HttpResponseRedirect(f"/onboarding/{code}/")


@require_POST
def record(request: HttpRequest, code: str, key: str) -> HttpResponse:
    """The result of one check."""
    site, passed = registry.site(who(request), code), request.POST.get("result") != "failed"
    evidence = request.POST.get("evidence", "")
    row = launch_site.record(who(request), site.pk, key, passed=passed, evidence=evidence, now=wiring.clock().now())
    then = "" if passed or not row.fail_action else f" Now: {row.fail_action}."
    messages.success(request, f"{row.words}: {row.state}.{then}")
    return HttpResponseRedirect(f"/onboarding/{code}/")


@require_POST
def sign(request: HttpRequest, code: str) -> HttpResponse:
    """Accept the site for one function."""
    site, function = registry.site(who(request), code), request.POST.get("function", "")
    launch_site.sign(who(request), site.pk, function, now=wiring.clock().now())
    messages.success(request, f"You signed {site.name} for {function}.")
    return HttpResponseRedirect(f"/onboarding/{code}/")


@require_POST
def waive(request: HttpRequest, code: str) -> HttpResponse:
    """Let the site be without a component until a day."""
    site, asked = registry.site(who(request), code), request.POST
    until = read_instant(asked.get("until", ""), "until", zone=ZoneInfo(site.zone))
    component, reason, now = asked.get("component", ""), asked.get("reason", ""), wiring.clock().now()
    row = fleet_actions.waive_component(who(request), site.pk, component, reason=reason, until=until, now=now)
    messages.success(request, f"{_thing(row.expected).capitalize()} is waived until {until:%d %b %Y}.")
    return HttpResponseRedirect(f"/onboarding/{code}/")


@require_POST
def open_site(request: HttpRequest, code: str) -> HttpResponse:
    """Open the site."""
    site = registry.site(who(request), code)
    launch_site.open_site(who(request), site.pk, now=wiring.clock().now())
    messages.success(request, f"{site.name} is open.")
    return HttpResponseRedirect(f"/sites/{code}/")
