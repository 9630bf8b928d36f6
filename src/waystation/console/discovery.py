"""The discovery list on a site's page: what nobody has mapped, and the two answers to it."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.console.frame import who
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.telemetry import discovery
from waystation.telemetry.actions import discover

SHOWN = 30


def waiting_series(by: Authority, site_id: UUID, now: datetime) -> dict[str, Any]:
    """What waits at a site, for its page."""
    found = discovery.waiting(by, site_id, now)
    return {
        "series": found[:SHOWN],
        "series_count": len(found),
        "series_more": len(found) - SHOWN,
        "may_map": by.may("registry.write", site_id),
        "now": now,
    }


@require_POST
def adopt(request: HttpRequest, key: UUID) -> HttpResponse:
    """The series is this sensor from now on, with its past."""
    try:
        sensor_id = UUID(request.POST.get("sensor_id", ""))
    except ValueError:
        raise BadInput("registry.value", "No sensor is chosen.", "Choose one.", field="sensor_id", value="") from None
    given = discover.adopt(who(request), key, sensor_id, now=wiring.clock().now())
    messages.success(request, f"Adopted: {given} reading{'' if given == 1 else 's'} went to the sensor.")
    return _back(key)


@require_POST
def ignore(request: HttpRequest, key: UUID) -> HttpResponse:
    """The series is dropped from now on, by rule."""
    discover.ignore(who(request), key, now=wiring.clock().now(), reason=request.POST.get("reason", ""))
    messages.success(request, "Ignored from now on. The rule can be ended by API.")
    return _back(key)


def _back(key: UUID) -> HttpResponse:
    return HttpResponseRedirect(f"/sites/{discovery.site_code(key)}/")
