"""What every page shows around its content: who, when, where one can go, and whether the platform records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.http import HttpRequest

from waystation import wiring
from waystation.console.navigation import PLACES
from waystation.evidence import queries as evidence
from waystation.evidence import witnesses
from waystation.kernel.authority import Authority


def frame(request: HttpRequest) -> Mapping[str, Any]:
    """The context of the base template."""
    authority = getattr(request, "authority", None)
    if authority is None:
        return {"now": wiring.clock().now(), "demo": settings.DEMO}
    now = wiring.clock().now()
    worst = witnesses.worst()
    return {
        "now": now,
        "unwitnessed": worst if worst is not None and worst.is_late(now) else None,
        "authority": authority,
        "places": [
            place for place in PLACES if authority.may(place.permission) or authority.grants.get(place.permission)
        ],
        "recording": evidence.last_entry_at(),
        "demo": settings.DEMO,
    }


def who(request: HttpRequest) -> Authority:
    """The authority of the signed-in person, as the door put it on the request."""
    authority: Authority = request.authority  # type: ignore[attr-defined]
    return authority
