"""What a network still waits for: profiles, templates and chains to approve, probes to certify, accounts to open."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import actions as access
from waystation.console.frame import who
from waystation.journeys import set_up as journey
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.registry import actions as registry
from waystation.spares.actions import setup as spares
from waystation.telemetry.actions import care

HERE = "/set-up/"
SHOWN = 50  # probes on one page; the rest is counted


def set_up(request: HttpRequest) -> HttpResponse:
    """Everything that waits, with the form for who may answer it."""
    return render(request, "fleet/set_up.html", _context(who(request)))


def _context(by: Authority) -> dict[str, Any]:
    held = journey.waiting(by, wiring.clock().now())
    probes = list(held.uncertified)
    return {
        "section": HERE,
        "held": held,
        "probes": probes[:SHOWN],
        "more": len(probes) - SHOWN,
        "may_approve": by.may("registry.approve_profile"),
        "may_plan": by.may("planning.approve"),
        "calibrates": {s.pk for s in probes if by.may("telemetry.calibrate", s.site_id)},
    }


@require_POST
def approve_profile(request: HttpRequest, key: UUID) -> HttpResponse:
    """QA's word on an edition."""
    row = registry.approve_profile(who(request), key, now=wiring.clock().now(), reason=_words(request, "reason"))
    return _back(request, f"{row.name}, edition {row.edition}, is approved.")


@require_POST
def publish_template(request: HttpRequest, key: UUID) -> HttpResponse:
    """Sites of its kind are measured against it from now on."""
    row = registry.publish_template(who(request), key, now=wiring.clock().now())
    return _back(request, f"{row.name}, version {row.version}, is published.")


@require_POST
def approve_chain(request: HttpRequest, key: UUID) -> HttpResponse:
    """The chain of a class is pre-approved."""
    row = spares.approve_chain(who(request), key, now=wiring.clock().now(), reason=_words(request, "reason"))
    return _back(request, f"The chain of class {row.service_class} is approved.")


@require_POST
def bind_probe(request: HttpRequest, key: UUID) -> HttpResponse:
    """A probe with its certificate becomes what a sensor reads through."""
    row = care.bind_probe(
        who(request),
        key,
        probe_serial=_words(request, "probe_serial"),
        certificate=_words(request, "certificate"),
        laboratory=_words(request, "laboratory"),
        valid_from=_day(request, "valid_from"),
        valid_until=_day(request, "valid_until"),
        uncertainty_c=_number(request, "uncertainty_c"),
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


def _back(request: HttpRequest, words: str) -> HttpResponse:
    messages.success(request, words)
    return HttpResponseRedirect(HERE)


def _words(request: HttpRequest, name: str) -> str:
    found = request.POST.get(name, "").strip()
    if not found:
        said = name.replace("_", " ")
        raise BadInput("registry.value", f"The {said} is missing.", "Write it, then send again.", field=name, value="")
    return found


def _day(request: HttpRequest, name: str) -> datetime:
    try:
        day = date.fromisoformat(_words(request, name))
    except ValueError:
        raise BadInput(
            "registry.value",
            f"{request.POST[name]!r} is no date.",
            "Write it as 2027-06-30.",
            field=name,
            value=request.POST[name],
        ) from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


def _number(request: HttpRequest, name: str) -> float:
    text = _words(request, name).replace(",", ".")
    try:
        return float(text)
    except ValueError:
        raise BadInput("registry.value", f"{text!r} is no number.", "Write 0.2.", field=name, value=text) from None
