"""Line protocol on the web's port: passed on to the ingest process where there is one, else taken here, by one door."""

from __future__ import annotations

from functools import lru_cache

import httpx
from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from ninja import Router

from waystation import wiring
from waystation.api import line_door
from waystation.api.line_door import Asked, Reply
from waystation.kernel.refusals import Refusal
from waystation.telemetry.actions.lines import too_large
from waystation.telemetry.names import Names
from waystation.telemetry.rules.batch import MOST_BYTES

router = Router()
PASSED = ("authorization", "content-encoding", "content-type")
WITHIN_S = 30.0


@router.post("/write", auth=None, response={204: None})
def write_v2(request: HttpRequest) -> HttpResponse:
    """Line protocol as InfluxDB 2 takes it; `precision` ns, us, ms or s; `org` and `bucket` are not looked at."""
    return _written(request)


@csrf_exempt
def write_v1(request: HttpRequest) -> HttpResponse:
    """Line protocol as InfluxDB 1 takes it; the token is the password, `db` is not looked at."""
    if request.method != "POST":
        return _page(line_door.refused(Refusal("telemetry.method", f"{request.method} writes nothing.", "Send POST.")))
    return _written(request)


def ping(request: HttpRequest) -> HttpResponse:
    """Says that somebody is here."""
    return _page(line_door.PONG)


def health(request: HttpRequest) -> HttpResponse:
    """Says whether readings are taken."""
    return _page(line_door.health())


def _written(request: HttpRequest) -> HttpResponse:
    if int(request.META.get("CONTENT_LENGTH") or 0) > MOST_BYTES:
        return _page(line_door.refused(too_large(int(request.META["CONTENT_LENGTH"]))))
    headers = {name.lower(): value for name, value in request.headers.items()}
    asked = Asked(request.path, {k: v for k, v in request.GET.items() if isinstance(v, str)}, headers, request.body)
    return _page(_passed_on(asked) or line_door.write_all([asked], _names(), wiring.clock().now)[0])


def _passed_on(asked: Asked) -> Reply | None:
    """The ingest process's own answer; None where there is none, so that this process takes the write itself."""
    if not settings.INGEST_URL:
        return None
    headers = {name: asked.headers[name] for name in PASSED if name in asked.headers}
    try:
        sent = _line().post(
            f"{settings.INGEST_URL}{asked.path}", params=dict(asked.query), content=asked.body, headers=headers
        )
    except httpx.TransportError:
        return None  # taken twice is taken once: the same sensor, instant and value are one reading
    kept = {name: sent.headers[name] for name in ("Content-Type", "Retry-After") if name in sent.headers}
    return Reply(sent.status_code, sent.content, kept | {"X-Influxdb-Version": line_door.VERSION})


def _page(reply: Reply) -> HttpResponse:
    page = HttpResponse(reply.body, status=reply.status, headers=dict(reply.headers))
    if not reply.body:
        del page["Content-Type"]
    return page


@lru_cache(maxsize=1)
def _line() -> httpx.Client:
    return httpx.Client(timeout=WITHIN_S, trust_env=False)


@lru_cache(maxsize=1)
def _names() -> Names:
    return Names()
