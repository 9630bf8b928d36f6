"""Each reply to a request that made entries carries their receipts: `Waystation-Receipt`, signed notes in base64."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Sequence

from django.http import HttpRequest, HttpResponse

from waystation import wiring
from waystation.evidence import receipts
from waystation.kernel.refusals import NotReady

HEADER, LEFT_OUT = "Waystation-Receipt", "Waystation-Receipt-Left-Out"
MOST_BYTES = 7_000  # of a header that passes everywhere; an import of thousands of rows makes a few entries only


class Receipts:
    """Around the API: what was committed is receipted, the entries of refusals too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if not request.path.startswith("/api/v1/") or request.method in ("GET", "HEAD", "OPTIONS"):
            return self.get_response(request)
        with receipts.collected() as entries:
            reply = self.get_response(request)
        if entries:
            _add(reply, entries)
        return reply


def _add(reply: HttpResponse, entries: Sequence[receipts.Made]) -> None:
    try:
        given = [b64encode(note).decode() for note in receipts.give(entries, wiring.clock().now())]
    except NotReady:
        return  # an installation without a key has no log to sign for
    shown, size = [], 0
    for text in given:
        size += len(text) + 2
        if size <= MOST_BYTES:
            shown.append(text)
    if shown:
        reply[HEADER] = ", ".join(shown)
    if len(shown) < len(given):
        reply[LEFT_OUT] = str(len(given) - len(shown))
