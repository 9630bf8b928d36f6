"""A write that is repeated with its `Idempotency-Key` is answered as before and done once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable

from django.db import transaction
from django.http import HttpRequest, HttpResponse

from waystation import wiring
from waystation.access import actions, queries
from waystation.api.auth import identify
from waystation.kernel.refusals import BadInput, Conflict, Refusal

MAX_KEY = 120


def answer(refusal: Refusal) -> HttpResponse:
    """The one error shape: `{"code", "message", "next_step"}`, and when to try again where that helps."""
    reply = HttpResponse(json.dumps(refusal.as_dict()), content_type="application/json", status=refusal.status)
    if (wait := getattr(refusal, "retry_after_s", None)) is not None:
        reply["Retry-After"] = str(wait)
    return reply


class RepeatedRequests:
    """Reply and change are committed together, so a crash between them cannot make a second change."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        key = request.headers.get("Idempotency-Key", "")
        if not key or not request.path.startswith("/api/v1/") or request.method in ("GET", "HEAD", "OPTIONS"):
            return self.get_response(request)
        try:
            return self._once(request, key)
        except Refusal as refusal:
            return answer(refusal)

    def _once(self, request: HttpRequest, key: str) -> HttpResponse:
        if len(key) > MAX_KEY:
            raise BadInput(
                "api.key_long",
                f"The key has {len(key)} characters.",
                f"Use at most {MAX_KEY}.",
                field="Idempotency-Key",
            )
        principal = identify(request).principal_id
        asked = hashlib.sha256(f"{request.method} {request.get_full_path()}\n".encode() + request.body).hexdigest()
        with transaction.atomic():
            before = queries.reply_to(principal, key)
            if before is not None:
                if before.request_digest != asked:
                    raise Conflict("api.key_reused", f"The key {key} was used for another request.", "Use a new key.")
                reply = HttpResponse(before.body, content_type="application/json", status=before.status)
                reply["Idempotent-Replay"] = "true"
                return reply
            reply = self.get_response(request)
            if reply.status_code < 500:
                actions.remember_reply(
                    principal, key, asked, reply.status_code, reply.content.decode(), wiring.clock().now()
                )
            return reply
