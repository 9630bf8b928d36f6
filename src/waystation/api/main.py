"""The API: one module per room, one error shape, default deny. Described at `/api/openapi.json`."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.db import DatabaseError, DataError
from django.http import HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import AuthenticationError, HttpError, ValidationError

from waystation.api import (
    access,
    alarms,
    calibration,
    controls,
    discovery,
    events,
    evidence,
    fleet,
    gateways,
    incident_reviews,
    incidents,
    keeping,
    lifelines,
    line_pages,
    maintenance,
    planning,
    policy,
    product,
    registry,
    reviews,
    runbooks,
    service_levels,
    studio,
    telemetry,
    uplinks,
    vendor_sessions,
    webhooks,
)
from waystation.api.auth import caller
from waystation.api.reading import StrictJson
from waystation.api.replies import answer
from waystation.api.spares import routes as spares
from waystation.kernel.instants import no_offset
from waystation.kernel.refusals import BadInput, NotSignedIn, Refusal, cannot_record
from waystation.kernel.version import VERSION

log = logging.getLogger("waystation.api")
api = NinjaAPI(
    title="Waystation",
    version=VERSION,
    description="Everything the console does. Errors are `{code, message, next_step}`. Instants are RFC 3339 UTC.",
    auth=caller,
    docs_url=None,
    openapi_url="/openapi.json",
    urls_namespace="api",
    parser=StrictJson(),
)
api.add_router("/v1/access", access.router, tags=["access"])
api.add_router("/v1/alarms", alarms.router, tags=["alarms"])
api.add_router("/v1/discovery", discovery.router, tags=["telemetry"])
api.add_router("/v1/events", events.router, tags=["events"])


api.add_router("/v1/fleet", fleet.router, tags=["fleet"])
api.add_router("/v1/lifelines", lifelines.router, tags=["lifelines"])
api.add_router("/v1/maintenance", maintenance.router, tags=["fleet"])
api.add_router("/v1/vendor-sessions", vendor_sessions.router, tags=["service_levels"])


api.add_router("/v1/gateways", gateways.router, tags=["gateways"])
api.add_router("/v1/evidence", evidence.router, tags=["evidence"])
api.add_router("/v1/controls", controls.router, tags=["evidence"])
api.add_router("/v1/keeping", keeping.router, tags=["evidence"])
api.add_router("/v1/reviews", reviews.router, tags=["evidence"])
api.add_router("/v1/incident-reviews", incident_reviews.router, tags=["incidents"])
api.add_router("/v1/incidents", incidents.router, tags=["incidents"])
api.add_router("/v1/planning", planning.router, tags=["planning"])
api.add_router("/v1/planning", policy.router, tags=["planning"])
api.add_router("/v1/planning", studio.router, tags=["planning"])
api.add_router("/v1/product", product.router, tags=["product"])
api.add_router("/v1/registry", registry.router, tags=["registry"])
api.add_router("/v1/runbooks", runbooks.router, tags=["runbooks"])
api.add_router("/v1/service_levels", service_levels.router, tags=["service_levels"])
api.add_router("/v1/spares", spares.router, tags=["spares"])
api.add_router("/v1/telemetry", telemetry.router, tags=["telemetry"])
api.add_router("/v1/telemetry", calibration.router, tags=["telemetry"])
api.add_router("/v1/telemetry", uplinks.router, tags=["telemetry"])
api.add_router("/v2", line_pages.router, tags=["telemetry"])
api.add_router("/v1/webhooks", webhooks.router, tags=["webhooks"])


@api.exception_handler(Refusal)
def _refused(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    return answer(refusal)


@api.exception_handler(ValidationError)
def _unreadable(request: HttpRequest, error: ValidationError) -> HttpResponse:
    first: dict[str, Any] = error.errors[0]
    field = ".".join(str(part) for part in first.get("loc", ())[1:])
    if first.get("type") == "timezone_aware":
        return answer(no_offset(str(first.get("input"))[:80], field))
    refusal = BadInput(
        "api.value",
        f"{field or 'body'}: {first.get('msg', 'cannot be used')}.",
        f"See {settings.PUBLIC_URL}/api/openapi.json.",
        field=field,
        value=str(first.get("input"))[:80],
    )
    return answer(refusal)


@api.exception_handler(AuthenticationError)
def _nobody(request: HttpRequest, error: AuthenticationError) -> HttpResponse:
    return answer(
        NotSignedIn("access.not_signed_in", "Nobody is signed in.", "Send a token: Authorization: Bearer ...")
    )


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    if isinstance(error.__cause__, Refusal):
        return answer(error.__cause__)
    refusal = Refusal("api.unreadable", f"{error}.", "Send JSON in UTF-8 with Content-Type: application/json.")
    reply = answer(refusal)
    reply.status_code = error.status_code
    return reply


@api.exception_handler(DatabaseError)
def _cannot_record(request: HttpRequest, error: DatabaseError) -> HttpResponse:
    log.error("the database does not answer: %s", error)
    return answer(cannot_record())


@api.exception_handler(DataError)
@api.exception_handler(OverflowError)
def _too_large(request: HttpRequest, error: Exception) -> HttpResponse:
    """A value that no column holds is the sender's, and no sign that the platform cannot record."""
    step = f"Send a shorter text or a smaller number; see {settings.PUBLIC_URL}/api/openapi.json."
    return answer(BadInput("api.too_large", f"A value cannot be kept: {str(error).splitlines()[0]}.", step))
