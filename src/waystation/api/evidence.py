"""Evidence packs and the keys that check them."""

from __future__ import annotations

from typing import Any, Literal

from django.http import HttpRequest, HttpResponse
from ninja import Field, Query, Router, Schema, Status
from pydantic import AwareDatetime

from waystation import wiring
from waystation.api.auth import by
from waystation.api.reading import Body
from waystation.evidence import placed
from waystation.journeys import claims, evidence_pack, exports, qualification, receipting
from waystation.journeys.paper.document import bundle

router = Router()


class PackAsked(Schema):
    """Whose pack, over which period; heads that the log must be shown to continue; with its PDF beside it or alone."""

    site: str
    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")
    space: str | None = None
    known_size: list[int] = []
    paper: bool = False


class TrialOut(Schema):
    """A trial: passed, failed or not done, and the entry that shows it."""

    words: str
    result: str
    at: str
    proof: str


class FailoverIn(Body):
    """A failover test: the part, how it was done, what was seen, and whether all went on."""

    part: Literal["database", "process", "uplink"]
    passed: bool
    how: str
    found: str
    tested_at: AwareDatetime


@router.get("/pack")
def pack(request: HttpRequest, asked: Query[PackAsked]) -> HttpResponse:
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
        stamper=wiring.time_stamper(),
    )
    name = f"{asked.start:%Y%m%d}-{asked.end:%Y%m%d}"
    body = bundle(data, name) if asked.paper else data
    reply = HttpResponse(body, content_type="application/zip")
    reply["Content-Disposition"] = f'attachment; filename="{name}{".zip" if asked.paper else ".pack.zip"}"'
    return reply


@router.get("/claim")
def claim(request: HttpRequest, incident: str = "", excursion: str = "") -> HttpResponse:
    """The claim of an incident or an excursion: its pack, the claim on one page and the pack's paper, as a zip."""
    now = wiring.clock().now()
    about = claims.subject(by(request), incident=incident, excursion=excursion, now=now)
    body = claims.make(by(request), about, now=now, line_of=wiring.witness_line, stamper=wiring.time_stamper())
    reply = HttpResponse(body, content_type="application/zip")
    reply["Content-Disposition"] = f'attachment; filename="{claims.file_name(about)}.zip"'
    return reply


@router.get("/claim/estimate", response=dict[str, Any])
def claim_estimate(request: HttpRequest, incident: str = "", excursion: str = "") -> dict[str, Any]:
    """What a claim would say now of the loss (waystation.loss/1); nothing is logged."""
    about = claims.subject(by(request), incident=incident, excursion=excursion, now=wiring.clock().now())
    return claims.estimate(by(request), about)


@router.get("/trials", response=list[TrialOut])
def trials(request: HttpRequest) -> Any:
    """What the log shows of route tests, restore drills and failover tests; what no entry shows was not done."""
    by(request).require("evidence.read")
    return qualification.trials()


@router.post("/failover-tests", response={201: dict[str, Any]})
def note_failover(request: HttpRequest, body: FailoverIn) -> Status[dict[str, Any]]:
    """Enter that a part of the installation was failed over, with its result."""
    made = qualification.note_failover(by(request), **body.dict(), now=wiring.clock().now())
    return Status(201, {"seq": made.seq, "log": made.log, "leaf_hash": made.leaf_hash})


class Wanted(Schema):
    """Which records, over which period."""

    start: AwareDatetime = Field(alias="from")
    end: AwareDatetime = Field(alias="to")


@router.get("/exports/{kind}")
def export(request: HttpRequest, kind: str, wanted: Query[Wanted]) -> HttpResponse:
    """Records of a period as a file: csv, xlsx (the sheet of lots), epcis. At most 100 000 records."""
    body = exports.content(by(request), kind, wanted.start, wanted.end, now=wiring.clock().now())
    headers = {"Content-Disposition": f'attachment; filename="{exports.name_of(kind, wanted.start, wanted.end)}"'}
    return HttpResponse(body, content_type=exports.KINDS[kind][1], headers=headers)


@router.get("/trust/{log}", response=dict[str, Any])
def trust(request: HttpRequest, log: str, with_head: bool = False) -> dict[str, Any]:
    """The keys of a log (the network's slug), as an auditor's trust file."""
    by(request).require("evidence.pack")
    return placed.trust(log, with_head=with_head)


class ReceiptIn(Schema):
    """The value of a reply's `Waystation-Receipt`, and the log's keys (name+id+key) as the caller holds them.

    Without keys the installation's own are believed.
    """

    receipt: str
    vkeys: list[str] = []


class ReceiptedOut(Schema):
    """An entry of a receipt: the hash of its leaf, and where the log holds it; `missing` where it does not."""

    leaf_hash: str
    log: str
    index: int | None
    kind: str
    missing: bool


@router.post("/receipts", response=list[ReceiptedOut])
def look_up_receipt(request: HttpRequest, body: ReceiptIn) -> list[ReceiptedOut]:
    """What became of the entries of a receipt. One that is missing was taken away after it was promised."""
    found = receipting.look_up(by(request), body.receipt, body.vkeys)
    return [
        ReceiptedOut(leaf_hash=f.leaf.hex(), log=p.origin, index=f.index, kind=f.kind, missing=f.is_missing)
        for p, some in found
        for f in some
    ]
