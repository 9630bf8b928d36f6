"""The person's own page, and the find field."""

from __future__ import annotations

from dataclasses import dataclass

from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import actions
from waystation.incidents import queries as incidents
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.product import queries as product
from waystation.registry import queries as registry
from waystation.spares import queries as spares


@dataclass(frozen=True, slots=True)
class Hit:
    """Something that the find field found."""

    kind: str
    name: str
    detail: str
    url: str


def me(request: HttpRequest) -> HttpResponse:
    """Who is signed in, and how they like to read."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    return render(request, "account/me.html", {"person": request.user, "roles": [by.terms.role(r) for r in by.roles]})


@require_POST
def preferences(request: HttpRequest) -> HttpResponse:
    """Keep the person's units, hours and theme."""
    by: Authority = request.authority  # type: ignore[attr-defined]
    given = {k: request.POST.get(k) for k in ("temperature_unit", "hours", "theme")}
    actions.set_preferences(by, now=wiring.clock().now(), **given)
    messages.success(request, "Kept.")
    return HttpResponseRedirect("/me/")


@require_POST
def sign_out(request: HttpRequest) -> HttpResponse:
    """End this session."""
    logout(request)
    return HttpResponseRedirect("/account/login/")


def find(request: HttpRequest) -> HttpResponse:
    """Go to the one thing that is meant, or list what could be."""
    asked = request.GET.get("q", "").strip()
    hits = hits_for(request.authority, asked) if asked else []  # type: ignore[attr-defined]
    if len(hits) == 1:
        return HttpResponseRedirect(hits[0].url)
    return render(request, "console/find.html", {"q": asked, "hits": hits})


def hits_for(by: Authority, asked: str) -> list[Hit]:
    """Incidents, sites, lots and serials that some words mean, among what this person may see."""
    return [*_incident(by, asked), *_sites(by, asked), *_lots(by, asked), *_serials(by, asked)]


def _incident(by: Authority, asked: str) -> list[Hit]:
    name = asked.upper()
    number = name.removeprefix("INC-")
    if not (number.isascii() and number.isdigit()):
        return []
    try:
        row = incidents.incident(by, f"INC-{number}")
    except NotFound:
        return []
    return [Hit("incident", row.name, row.title, f"/incidents/{row.name}/")]


def _sites(by: Authority, asked: str) -> list[Hit]:
    words = asked.casefold()
    rows = [
        s for s in registry.sites(by) if words in s.name.casefold() or words in s.code or words == s.city.casefold()
    ]
    return [Hit("site", s.name, f"{s.city}, {s.country}", f"/sites/{s.code}/") for s in rows[:20]]


def _lots(by: Authority, asked: str) -> list[Hit]:
    return [
        Hit("lot", stay.consignment.lot, f"{stay.consignment.product}, {stay.space}", f"/spaces/{stay.space_id}/")
        for stay in product.where_lots_stand(by, asked)
    ]


def _serials(by: Authority, asked: str) -> list[Hit]:
    found = []
    device = registry.device_by_serial(asked)
    if device is not None and by.may("registry.read", device.site_id):
        found.append(Hit("device", asked, f"{device.name}, {device.site.name}", f"/sites/{device.site.code}/"))
    if by.may("spares.read"):
        try:
            unit = spares.unit(by, asked)
        except NotFound:
            return found
        url = (
            f"/desk/{unit.hub.code}/"
            if unit.hub is not None
            else f"/sites/{unit.site.code}/"
            if unit.site
            else "/desk/"
        )
        found.append(Hit("unit", unit.serial, f"{unit.part.name}, {unit.state}", url))
    return found
