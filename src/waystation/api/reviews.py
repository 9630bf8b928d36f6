"""Audit-trail reviews by API: the changes of a period, and QA's signature under those that were read."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.http import HttpRequest
from ninja import Field, Query, Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by, proved
from waystation.api.reading import Body
from waystation.evidence import reviews
from waystation.registry import queries as registry

router = Router()


class TrailAsked(Schema):
    """A period, and a site by its code; without one the whole installation."""

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    site: str | None = None


class TrailSignIn(Body):
    """A signature: the digest of the list that was read, the signer's zone, and the password once more."""

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    list_digest: str
    zone: str
    password: str
    site: str | None = None
    note: str = ""


class TrailReviewOut(Schema):
    """A signed review."""

    id: UUID
    site_id: UUID | None
    start: datetime
    end: datetime
    entries: list[int]
    list_digest: str
    note: str
    signed_by: UUID
    signed_name: str
    signed_meaning: str
    signed_at: datetime
    signed_local: str
    signed_digest: str


@router.get("/trail", response=dict[str, Any])
def trail(request: HttpRequest, asked: Query[TrailAsked]) -> dict[str, Any]:
    """The changes of a period, each with who signed it; `list_digest` is what a signature of this caller covers."""
    found = reviews.trail(by(request), asked.start, asked.end, site_id=_site(request, asked.site))
    return {
        "list_digest": found.list_digest,
        "to_sign": [line.entry.seq for line in found.to_sign],
        "own": [line.entry.seq for line in found.own],
        "changes": [_out(line) for line in found.lines],
    }


@router.get("/months", response=list[dict[str, Any]])
def months(request: HttpRequest) -> list[dict[str, Any]]:
    """How many changes of each month nobody has signed."""
    found = reviews.months(by(request), wiring.clock().now())
    return [{"month": m.month, "changes": m.changes, "unsigned": m.unsigned} for m in found]


@router.get("/", response=list[TrailReviewOut])
def signed(request: HttpRequest) -> Any:
    """The signed reviews, newest first."""
    return reviews.reviews(by(request))


@router.post("/", response={201: TrailReviewOut})
def sign(request: HttpRequest, body: TrailSignIn) -> Status[Any]:
    """Sign the list that was read; refused when it is another one by now."""
    row = reviews.sign(
        by(request),
        body.start,
        body.end,
        site_id=_site(request, body.site),
        seen_digest=body.list_digest,
        zone=body.zone,
        note=body.note,
        fresh_proof=proved(request, body.password),
        now=wiring.clock().now(),
    )
    return Status(201, row)


def _site(request: HttpRequest, code: str | None) -> UUID | None:
    return registry.site(by(request), code).pk if code else None


def _out(line: reviews.Line) -> dict[str, Any]:
    entry = line.entry
    return {
        "entry": entry.seq,
        "log": entry.log,
        "index": entry.index,
        "kind": entry.kind,
        "group": line.group,
        "at": entry.at,
        "site_id": entry.site_id,
        "object_id": entry.object_id,
        "actor": line.actor,
        "reason": entry.said.get("reason", ""),
        "leaf_hash": entry.leaf_hash,
        "signed_by": line.signed_by,
        "signed_at": line.signed_at,
    }
