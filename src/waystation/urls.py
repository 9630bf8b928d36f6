"""Every address of the server: the console at the root, the API beside it."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from waystation.api.main import api
from waystation.api.replies import answer
from waystation.console import refused
from waystation.console.urls import urlpatterns as console
from waystation.kernel.refusals import NotFound

urlpatterns = [
    path("api/", api.urls),
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


handler500 = "waystation.console.refused.failed"
