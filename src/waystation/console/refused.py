"""Pages for what is not done: refused, not found, failed. The API answers the same facts as JSON."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from typing import Any

from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.template.loader import render_to_string

from waystation.kernel.refusals import NotAllowed, NotFound, Refusal, Unavailable, cannot_record

log = logging.getLogger("waystation.console")


class Refusals:
    """Turns a Refusal raised by a page into the refused page; a database that does not answer into *cannot record*."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        """Called by the framework for an exception that a view did not handle."""
        if isinstance(error, Refusal):
            return answer(request, error)
        if isinstance(error, DatabaseError):
            return cannot_record_page(error)
        return None


def answer(request: HttpRequest, refusal: Refusal) -> HttpResponse:
    """The refusal as a page."""
    reply = render(request, "console/refused.html", {"refusal": refusal}, status=refusal.status)
    if (wait := getattr(refusal, "retry_after_s", None)) is not None:
        reply["Retry-After"] = str(wait)
    return reply


def cannot_record_page(error: DatabaseError) -> HttpResponse:
    """The page that needs no database: neither session nor person is read for it."""
    log.error("the database does not answer: %s", error)
    refusal = cannot_record()
    reply = HttpResponse(render_to_string("console/cannot_record.html", {"refusal": refusal}), status=refusal.status)
    reply["Retry-After"] = str(refusal.retry_after_s)
    return reply


def not_found(request: HttpRequest, exception: Any = None) -> HttpResponse:
    """There is no such page."""
    return answer(request, NotFound("page.unknown", f"There is no page {request.path}.", "Start from Now."))


def failed(request: HttpRequest) -> HttpResponse:
    """Something broke; nothing was half done, because a change is one transaction.

    A database that does not answer is met before any view, when the session is read.
    """
    error = sys.exc_info()[1]
    if isinstance(error, DatabaseError):
        return cannot_record_page(error)
    return answer(
        request,
        Unavailable(
            "platform.failed",
            "This did not work and nothing was changed.",
            "Try again; if it stays, tell the platform owner.",
        ),
    )


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """The form was not ours, or the cookie is gone."""
    return answer(
        request,
        NotAllowed(
            "access.form_expired",
            "This form has expired or came from another page.",
            "Open the page again and repeat the step.",
        ),
    )
