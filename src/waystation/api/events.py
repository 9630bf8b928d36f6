"""The stream of events: replayed from any position as a list, or followed live as server-sent events.

A position is dense and given once the event is committed, so that no event is ever passed over.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any
from uuid import UUID

from asgiref.sync import sync_to_async
from django.http import HttpRequest, StreamingHttpResponse
from ninja import Router, Schema

from waystation import wiring
from waystation.access import queries as access
from waystation.api.auth import by, token_of
from waystation.evidence import queries
from waystation.evidence.queries import Heard
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotAllowed, Refusal

router = Router()
POLL_S = 0.5
LONGEST_S = 3600.0  # a follower connects again after an hour, with its cursor
KEEP_ALIVE = b": alive\n\n"


class EventOut(Schema):
    """One event; `position` is the cursor behind it, `entry_seq` the entry of the log that proves it."""

    position: int
    kind: str
    site_id: UUID | None
    object_id: str
    incident_id: UUID | None
    at: datetime
    data: dict[str, Any]
    entry_seq: int


class EventsOut(Schema):
    """Events in order, and the cursor to ask from next."""

    events: list[EventOut]
    next: int


def _sites(who: Authority) -> frozenset[str] | None:
    """The sites whose events this principal hears; None means all. Without either permission: refused."""
    for permission in ("evidence.read", "registry.read"):
        if who.grants.get(permission):
            return who.sites(permission)
    raise NotAllowed("access.not_allowed", f"{who.name} hears no events.", "Ask for registry.read or evidence.read.")


@router.get("", response=EventsOut)
def events(request: HttpRequest, after: int = 0, limit: int = 500) -> Any:
    """Replay from a cursor, or follow live with `Accept: text/event-stream` (also from `Last-Event-ID`)."""
    who = by(request)
    allowed = _sites(who)
    cursor = _cursor(request, after)
    if "text/event-stream" in request.headers.get("Accept", ""):
        return stream(request, who, cursor)
    found = queries.events_after(cursor, allowed, max(1, min(limit, 1000)))
    return {"events": found, "next": found[-1].position if found else cursor}


def _cursor(request: HttpRequest, after: int) -> int:
    told = request.headers.get("Last-Event-ID", "")
    if told and not (told.isascii() and told.isdigit() and len(told) < 19):
        raise BadInput("events.cursor", f"{told!r} is no cursor.", "Send the last id.", field="Last-Event-ID")
    if not 0 <= after < 2**63:
        raise BadInput("events.cursor", f"{after} is no cursor.", "Begin with 0.", field="after")
    return max(after, int(told or 0))


def stream(request: HttpRequest, who: Authority, cursor: int) -> StreamingHttpResponse:
    """Server-sent events from a cursor on; the authority is asked afresh with every round."""
    reply = StreamingHttpResponse(_follow(request, who, cursor), content_type="text/event-stream")
    reply["Cache-Control"] = "no-store"
    reply["X-Accel-Buffering"] = "no"
    return reply


async def _follow(request: HttpRequest, who: Authority, cursor: int) -> AsyncIterator[bytes]:
    waited = 0.0
    yield b"retry: 2000\n\n"
    while waited < LONGEST_S:
        found = await sync_to_async(_heard)(request, who, cursor)
        if found is None:
            return
        for event in found:
            cursor = event.position
            yield framed(event)
        if not found:
            yield KEEP_ALIVE
            await asyncio.sleep(POLL_S)
            waited += POLL_S


def _heard(request: HttpRequest, who: Authority, cursor: int) -> list[Heard] | None:
    """The next events; None ends the stream, because the caller may no longer listen."""
    try:
        live = _live(request, who)
        return queries.events_after(cursor, _sites(live))
    except Refusal:
        return None


def _live(request: HttpRequest, who: Authority) -> Authority:
    now = wiring.clock().now()
    if token := token_of(request):
        return access.authority_of_token(token, now)
    person = access.person(who.principal_id)
    return access.authority_of_person(person, now) if person is not None else who


def framed(event: Heard) -> bytes:
    """One event on the wire: its cursor as id, its kind, its JSON in one line."""
    text = json.dumps(queries.as_told(event), ensure_ascii=False, separators=(",", ":"))
    return f"id: {event.position}\nevent: {event.kind}\ndata: {text}\n\n".encode()
