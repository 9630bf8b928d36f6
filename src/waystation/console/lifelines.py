"""Pages of what keeps a site in reach and under power: circuits, tests, drills, power, a dispatch, reach, doors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.console.drawing.scatter import scatter
from waystation.console.frame import who
from waystation.fleet import actions as fleet
from waystation.fleet.rules.survival import FAILURES, SURVIVORS
from waystation.journeys import dispatching
from waystation.journeys.lifelines import lifelines
from waystation.kernel.refusals import NotFound
from waystation.registry import queries as registry
from waystation.telemetry import queries as telemetry
from waystation.telemetry.actions import uplink_tests
from waystation.telemetry.doors import DoorActivity, door_activity, door_openings_behind
from waystation.telemetry.rules.doors import Opening

DAYS = 7
SECTION = "/sites/"


def page(request: HttpRequest, code: str) -> HttpResponse:
    """Circuits and power of a site."""
    by, now = who(request), wiring.clock().now()
    site = registry.site(by, code)
    found = lifelines(by, site, now)
    survival = [(words, [found.survival[key][name] for name in SURVIVORS]) for key, words in FAILURES.items()]
    context = {
        "section": SECTION,
        "site": site,
        "found": found,
        "now": now,
        "diversity": found.circuits[0].diversity if found.circuits else None,
        "survival": survival,
        "functions": SURVIVORS.items(),
        "failures": FAILURES.items(),
        "devices": site.devices.filter(removed_at=None),
        "may_test": by.may("runbooks.propose", site.pk),
        "may_record": by.may("fleet.onboard", site.pk),
    }
    return render(request, "registry/lifelines.html", context)


@require_POST
def test_uplink(request: HttpRequest, code: str) -> HttpResponse:
    """Ask the agent for a test of one uplink."""
    site = registry.site(who(request), code)
    row = uplink_tests.ask(who(request), site.pk, request.POST.get("uplink", ""), now=wiring.clock().now())
    messages.success(request, f"The agent is asked to use {row.uplink} alone. Its result comes within ten minutes.")
    return HttpResponseRedirect(f"/sites/{code}/lifelines/")


@require_POST
def drill(request: HttpRequest, code: str) -> HttpResponse:
    """Record what was seen in a drill."""
    site, asked = registry.site(who(request), code), request.POST
    failure, function, evidence = (asked.get(name, "") for name in ("failure", "function", "evidence"))
    survived, now = asked.get("survived") == "yes", wiring.clock().now()
    fleet.record_drill(who(request), site.pk, failure, function, survived=survived, evidence=evidence, now=now)
    verb = "survives" if survived else "does not survive"
    messages.success(request, f"Recorded: {SURVIVORS[function]} {verb} with {FAILURES[failure]}.")
    return HttpResponseRedirect(f"/sites/{code}/lifelines/")


def dispatch(request: HttpRequest, code: str) -> HttpResponse:
    """The message to a circuit's provider, ready to send."""
    found = dispatching.dispatch_of(who(request), code, wiring.clock().now())
    return render(request, "registry/dispatch.html", {"section": SECTION, "found": found, "code": code})


def reach(request: HttpRequest, key: UUID) -> HttpResponse:
    """Every zone that a device can reach."""
    found = dispatching.reach_of(who(request), key)
    return render(request, "registry/reach.html", {"section": SECTION, "found": found, "site": found.device.site})


def doors(request: HttpRequest, code: str, space_code: str) -> HttpResponse:
    """The doors of a space in the last seven days, and what the temperature did after each opening."""
    site, now = registry.site(who(request), code), wiring.clock().now()
    row = next((s for s in registry.spaces(site.pk) if s.code == space_code), None)
    if row is None:
        raise NotFound("registry.unknown", f"{site.name} has no space {space_code}.", "Open the site to see them.")
    found = door_activity(row, now - timedelta(days=DAYS), now)
    points = [(e.opening.open_s, e.rise_c) for e in found.effects if e.rise_c is not None]
    said = _words(row.name, found, len(points))
    out = telemetry.excursions(row.pk, now - timedelta(days=DAYS), now)
    context = {
        "section": SECTION,
        "site": site,
        "space": row,
        "found": found,
        "days": DAYS,
        "figure": scatter(points, said) if points else "",
        "words": said,
        "effects": [(*_span(e.opening), e, ZoneInfo(site.zone)) for e in reversed(found.effects)][:100],
        "excursions": [(e, [_span(o) for o in door_openings_behind(e)]) for e in out],
    }
    return render(request, "telemetry/doors.html", context)


def _words(name: str, found: DoorActivity, measured: int) -> str:
    if not found.has_door:
        return f"{name} has no door sensor: nothing is known of its doors."
    said = f"{name}: {len(found.effects)} openings, the rise of {measured} is measured."
    if found.coupling is None:
        return f"{said} Too few or too alike for a correlation."
    return f"{said} Correlation of time open and rise: {found.coupling:.2f}."


def _span(opening: Opening) -> tuple[Any, ...]:
    return datetime.fromtimestamp(opening.start_s, UTC), opening.open_s, opening.is_open
