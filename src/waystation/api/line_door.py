"""The door for line protocol, without a framework: the same answers on the web's port and on the ingest process's."""

from __future__ import annotations

import json
import logging
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import DatabaseError

from waystation.access import queries as access
from waystation.api.auth import token_in
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotSignedIn, Refusal, cannot_record
from waystation.telemetry import stores
from waystation.telemetry.actions.lines import Prepared, prepare, too_large
from waystation.telemetry.names import Names
from waystation.telemetry.rules.batch import MOST_BYTES

log = logging.getLogger("waystation.ingest")
WRITES = ("/api/v2/write", "/write")
VERSION = "waystation"
_GZIP = 16 + zlib.MAX_WBITS


@dataclass(frozen=True, slots=True)
class Asked:
    """A write: query and header names in lower case, the body as it came."""

    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Reply:
    """What is answered."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


WRITTEN = Reply(204, headers={"X-Influxdb-Version": VERSION})
PONG = Reply(204, headers={"X-Influxdb-Version": VERSION})


def refused(refusal: Refusal) -> Reply:
    """A refusal in the one shape; `error` beside it is where clients of the older protocol look."""
    told = {**refusal.as_dict(), "error": refusal.message}
    headers = {"Content-Type": "application/json", "X-Influxdb-Version": VERSION}
    if (wait := getattr(refusal, "retry_after_s", None)) is not None:
        headers["Retry-After"] = str(wait)
    if refusal.status == 401:
        headers["WWW-Authenticate"] = 'Basic realm="waystation"'
    return Reply(refusal.status, json.dumps(told).encode(), headers)


def health() -> Reply:
    """Whether readings are taken: 200 and `pass`, else 503 and `fail`."""
    broken = stores.log().why_broken()
    told: dict[str, object] = {
        "name": "waystation",
        "message": broken or "ready for writes",
        "status": "fail" if broken else "pass",
        "checks": [],
    }
    return Reply(503 if broken else 200, json.dumps(told).encode(), {"Content-Type": "application/json"})


def write_all(asked: Sequence[Asked], names: Names, now: Callable[[], datetime]) -> list[Reply]:
    """Answer writes in their order. What all of them bring becomes durable with one append, before any is answered."""
    made = [_prepared(one, names, now()) for one in asked]
    frames = [frame for one in made if isinstance(one, Prepared) for frame in one.frames]
    try:
        if frames:
            stores.log().append(frames)
    except Refusal as refusal:
        return [refused(refusal) if isinstance(one, Prepared) and one.frames else _reply(one) for one in made]
    return [_reply(one) for one in made]


def _reply(made: Prepared | Refusal) -> Reply:
    if isinstance(made, Refusal):
        return refused(made)
    try:
        made.written.demand_whole()
    except Refusal as refusal:
        return refused(refusal)
    return WRITTEN


def _prepared(asked: Asked, names: Names, now: datetime) -> Prepared | Refusal:
    try:
        by = _writer(asked, now)
        return prepare(by, unpacked(asked), names, precision=asked.query.get("precision", ""), now=now)
    except Refusal as refusal:
        return refusal
    except DatabaseError as error:
        log.error("the database does not answer: %s", error)
        return cannot_record()


def _writer(asked: Asked, now: datetime) -> Authority:
    """The live authority of the token, asked afresh for every write. The older protocol may carry it as `p`."""
    token = token_in(asked.headers.get("authorization", "")) or asked.query.get("p", "")
    if not token:
        raise NotSignedIn(
            "access.not_signed_in",
            "The write carries no token.",
            "Send Authorization: Token ..., Bearer ..., or the token as the password.",
        )
    return access.authority_of_token(token, now)


def unpacked(asked: Asked) -> bytes:
    """The body, gunzipped when it says so, never past the limit."""
    coding = asked.headers.get("content-encoding", "").strip().lower()
    if len(asked.body) > MOST_BYTES:
        raise too_large(len(asked.body))
    if coding in ("", "identity"):
        return asked.body
    if coding != "gzip":
        raise Refusal("telemetry.coding", f"Content-Encoding {coding[:40]} is not taken.", "Send gzip or plain lines.")
    return _gunzipped(asked.body)


def _gunzipped(body: bytes) -> bytes:
    found, rest = b"", body
    try:
        while rest:
            stream = zlib.decompressobj(_GZIP)
            found += stream.decompress(rest, MOST_BYTES + 1 - len(found))
            if len(found) > MOST_BYTES:
                raise too_large(len(found))
            if not stream.eof:
                raise zlib.error("the gzip stream ends early")
            rest = stream.unused_data
    except zlib.error as error:
        raise Refusal("telemetry.coding", f"The body is no gzip: {error}.", "Send it again.") from None
    return found
