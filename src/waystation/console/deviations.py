"""Deviations: what QA writes about each excursion above its class's limit, and the close that demands every field."""

from __future__ import annotations

from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.console.frame import who
from waystation.product import queries
from waystation.product.actions import moves
from waystation.telemetry import queries as telemetry

HERE = "/deviations/"


def deviations(request: HttpRequest) -> HttpResponse:
    """The open ones with their fields, then those that are closed."""
    by = who(request)
    rows = queries.deviations(by)
    found = telemetry.excursions_by_id(row.excursion_id for row in rows)
    context = {
        "section": "/incidents/",
        "open": [(row, found.get(row.excursion_id)) for row in rows if row.closed_at is None],
        "closed": [(row, found.get(row.excursion_id)) for row in rows if row.closed_at is not None],
        "may_claim": bool(by.grants.get("evidence.pack")),
        "may_write": bool(by.grants.get("product.dispose")),
    }
    return render(request, "product/deviations.html", context)


@require_POST
def write(request: HttpRequest, key: UUID) -> HttpResponse:
    """Write its fields as they stand in the form; recipients one a line."""
    sent = request.POST
    moves.write_deviation(
        who(request),
        key,
        assessment=sent.get("assessment", ""),
        corrective=sent.get("corrective", ""),
        preventive=sent.get("preventive", ""),
        recipients=sent.get("recipients", "").splitlines(),
        seen_digest=sent.get("seen_digest", ""),
        now=wiring.clock().now(),
    )
    messages.success(request, "Written.")
    return HttpResponseRedirect(HERE)


@require_POST
def close(request: HttpRequest, key: UUID) -> HttpResponse:
    """Close it; refused while a field is empty, and to who wrote one."""
    moves.close_deviation(who(request), key, now=wiring.clock().now())
    messages.success(request, "Closed. Holds of product stay until QA decides about each.")
    return HttpResponseRedirect(HERE)
