"""Every address of the server: the console at the root, the API beside it."""

import sys
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from waystation.api import line_pages
from waystation.api.main import api
from waystation.api.replies import answer
from waystation.console import refused
from waystation.console.urls import urlpatterns as console
from waystation.kernel.refusals import NotFound, Unavailable, cannot_record

urlpatterns = [
    path("api/", api.urls),
    path("write", line_pages.write_v1),
    path("ping", line_pages.ping),
    path("health", line_pages.health),
    path("account/", include("allauth.urls")),
    *console,
]


def handler404(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """No such address: JSON for the API, a page for people."""
    if request.path.startswith("/api/"):
        return answer(
            NotFound("api.unknown", f"There is no operation {request.method} {request.path}.", "See /api/openapi.json.")
        )
    return refused.not_found(request, exception)


def handler500(request: HttpRequest) -> HttpResponse:
    """Something broke, or the database does not answer: JSON for the API, a page for people."""
    if request.path.startswith("/api/"):
        broke = Unavailable("platform.failed", "This did not work and nothing was changed.", "Try again.")
        return answer(cannot_record() if isinstance(sys.exc_info()[1], DatabaseError) else broke)
    return refused.failed(request)
