"""What a network still waits for: profiles, templates and chains to approve, probes to certify, accounts to open."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import actions as access
from waystation.console.fields import day, number, read_uuid, words
from waystation.console.frame import who
from waystation.journeys import replay as replays
from waystation.journeys import set_up as journey
from waystation.kernel.authority import Authority
from waystation.registry import actions as registry
from waystation.registry import queries
from waystation.spares.actions import setup as spares
from waystation.telemetry.actions import probes

HERE = "/set-up/"
SHOWN = 50  # probes on one page; the rest is counted


def set_up(request: HttpRequest) -> HttpResponse:
    """Everything that waits, with the form for who may answer it."""
    return render(request, "fleet/set_up.html", _context(who(request)))


def _context(by: Authority) -> dict[str, Any]:
    held = journey.waiting(by, wiring.clock().now())
    uncertified = list(held.uncertified)
    return {
        "section": HERE,
        "held": held,
        "probes": uncertified[:SHOWN],
        "more": len(uncertified) - SHOWN,
        "may_write": by.may("registry.write"),
        "may_approve": by.may("registry.approve_profile"),
        "may_plan": by.may("planning.approve"),
        "calibrates": {s.pk for s in uncertified if by.may("telemetry.calibrate", s.site_id)},
    }


@require_POST
def approve_profile(request: HttpRequest, key: UUID) -> HttpResponse:
    """QA's word on an edition."""
    row = registry.approve_profile(who(request), key, now=wiring.clock().now(), reason=words(request, "reason"))
    return _back(request, f"{row.name}, edition {row.edition}, is approved.")


def replay_profile(request: HttpRequest, key: UUID) -> HttpResponse:
    """What an edition would have said of the last 30 days, space by space, before anybody approves it."""
    by, now = who(request), wiring.clock().now()
    profile, of = queries.profile(key), request.GET.get("of", "")
    spaces = replays.spaces_for(by, profile, read_uuid(of, "of") if of else None)
    page = Paginator(spaces, replays.AT_ONCE).get_page(request.GET.get("page"))
    context = {
        "section": HERE,
        "profile": profile,
        "of": of,
        "others": [row for row in replays.profiles_in_use(by) if row.pk != profile.pk],
        "page": page,
        "rows": replays.replay(by, key, list(page), now=now),
        "start": now - replays.LOOK,
        "now": now,
    }
    return render(request, "fleet/replay.html", context)


@require_POST
def add_profile(request: HttpRequest, code: str) -> HttpResponse:
    """One of the profiles that come with the platform becomes a record; QA's word is still missing."""
    row = registry.add_shipped_profile(who(request), code, now=wiring.clock().now())
    return _back(request, f"{row.name} is added. It proves nothing before QA approves it.")


@require_POST
def publish_template(request: HttpRequest, key: UUID) -> HttpResponse:
    """Sites of its kind are measured against it from now on."""
    row = registry.publish_template(who(request), key, now=wiring.clock().now())
    return _back(request, f"{row.name}, version {row.version}, is published.")


@require_POST
def approve_chain(request: HttpRequest, key: UUID) -> HttpResponse:
    """The chain of a class is pre-approved."""
    row = spares.approve_chain(who(request), key, now=wiring.clock().now(), reason=words(request, "reason"))
    return _back(request, f"The chain of class {row.service_class} is approved.")


@require_POST
def bind_probe(request: HttpRequest, key: UUID) -> HttpResponse:
    """A probe with its certificate becomes what a sensor reads through."""
    row = probes.bind_probe(
        who(request),
        key,
        probe_serial=words(request, "probe_serial"),
        certificate=words(request, "certificate"),
        laboratory=words(request, "laboratory"),
        valid_from=day(request, "valid_from"),
        valid_until=day(request, "valid_until"),
        uncertainty_c=number(request, "uncertainty_c"),
        now=wiring.clock().now(),
    )
    return _back(request, f"Probe {row.probe_serial} is bound to {row.sensor.code}.")


@require_POST
def welcome(request: HttpRequest, key: UUID) -> HttpResponse:
    """A one-time link for a person's first sign-in, shown this once."""
    by = who(request)
    token = access.make_welcome_link(by, now=wiring.clock().now(), person_id=key)
    link = request.build_absolute_uri(f"/welcome/{token}/")
    return render(request, "fleet/set_up.html", _context(by) | {"link": link, "invited": key}, status=201)


def _back(request: HttpRequest, said: str) -> HttpResponse:
    messages.success(request, said)
    return HttpResponseRedirect(HERE)
