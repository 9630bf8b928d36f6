"""Evidence packs and the keys that check them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema

from waystation import wiring
from waystation.api.auth import by
from waystation.evidence import placed
from waystation.journeys import evidence_pack
from waystation.journeys.paper.document import bundle

router = Router()


class Asked(Schema):
    """Whose pack, over which period; heads that the log must be shown to continue; with its PDF beside it or alone."""

    site: str
    start: datetime = Field(alias="from")
    end: datetime = Field(alias="to")
    space: str | None = None
    known_size: list[int] = []
    paper: bool = False


@router.get("/pack")
def pack(request: HttpRequest, asked: Query[Asked]) -> HttpResponse:
    """The pack of a site and a period, as a zip; its making is logged."""
    data = evidence_pack.make(
        by(request),
        asked.site,
        asked.start,
        asked.end,
        space=asked.space,
        known=asked.known_size,
        now=wiring.clock().now(),
        line_of=wiring.witness_line,
    )
    name = f"{asked.start:%Y%m%d}-{asked.end:%Y%m%d}"
    body = bundle(data, name) if asked.paper else data
    reply = HttpResponse(body, content_type="application/zip")
    reply["Content-Disposition"] = f'attachment; filename="{name}{".zip" if asked.paper else ".pack.zip"}"'
    return reply


@router.get("/trust/{log}", response=dict[str, Any])
def trust(request: HttpRequest, log: str, with_head: bool = False) -> dict[str, Any]:
    """The keys of a log (the network's slug), as an auditor's trust file."""
    by(request).require("evidence.pack")
    return placed.trust(log, with_head=with_head)
