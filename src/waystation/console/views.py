"""Pages that belong to no room: health, the theme."""

from __future__ import annotations

from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from waystation import wiring
from waystation.access import actions as access
from waystation.evidence import beats
from waystation.evidence.queries import last_entry_at


@require_POST
def theme(request: HttpRequest) -> HttpResponse:
    """Light or dark, kept with the person."""
    access.set_preferences(request.authority, theme=request.POST.get("theme", ""), now=wiring.clock().now())  # type: ignore[attr-defined]
    return HttpResponseRedirect(same_page(request))


def same_page(request: HttpRequest) -> str:
    """The page that a form came from, when it is one of ours."""
    back = request.headers.get("Referer", "")
    return back if url_has_allowed_host_and_scheme(back, {request.get_host()}) else "/"


def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok\n", content_type="text/plain")


def readyz(request: HttpRequest) -> HttpResponse:
    """The process can reach its database."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError:
        return HttpResponse("not ok\n", content_type="text/plain", status=503)
    return HttpResponse("ok\n", content_type="text/plain")


def beat(request: HttpRequest) -> HttpResponse:
    """How old the slowest vital loop's beat and the newest entry are, in whole seconds; nothing else. Open."""
    now = wiring.clock().now()
    try:
        worked_at, entry_at = beats.alive_at(beats.last_beats()), last_entry_at()
    except DatabaseError:
        return JsonResponse({"worker_s": None, "entry_s": None}, status=503)
    ages = {"worker_s": worked_at, "entry_s": entry_at}
    return JsonResponse({k: None if at is None else max(0, int((now - at).total_seconds())) for k, at in ages.items()})
