"""What leaves the printer for a dispatch: its label and its job sheet, out of what is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.kernel.authority import Authority
from waystation.spares import queries
from waystation.spares.documents.job_sheet import JobSheet, SheetUnit, job_sheet
from waystation.spares.documents.label import label_zpl


def label(by: Authority, dispatch_id: UUID) -> str:
    """The label of a dispatch in ZPL; it says `hub label` until a carrier gave its number."""
    sent = queries.dispatch(by, dispatch_id)
    target = sent.to_site.name if sent.to_site is not None else sent.to_hub.name if sent.to_hub is not None else ""
    return label_zpl(
        sent.label,
        kind=sent.label_kind,
        carrier=sent.carrier,
        origin=sent.from_hub.name,
        target=target,
        serials=[sent.unit.serial],
        incident=sent.reservation.incident_name if sent.reservation is not None else "",
    )


def sheet(
    by: Authority, dispatch_id: UUID, *, now: datetime, old: SheetUnit | None = None, contact: str = "", task: str = ""
) -> bytes:
    """The job sheet of a dispatch as PDF."""
    return job_sheet(sheet_of(by, dispatch_id, now=now, old=old, contact=contact, task=task))


def sheet_of(
    by: Authority, dispatch_id: UUID, *, now: datetime, old: SheetUnit | None = None, contact: str = "", task: str = ""
) -> JobSheet:
    """What the job sheet of a dispatch says. `old` is the unit that comes out; `task` overrides the pickup's words."""
    sent = queries.dispatch(by, dispatch_id)
    site = sent.to_site
    new = SheetUnit(sent.unit.serial, sent.unit.part.name, sent.from_hub.name)
    name = sent.reservation.incident_name if sent.reservation is not None else ""
    return JobSheet(
        incident=name or "transfer",
        site=site.name if site is not None else str(sent.to_hub),
        address=f"{site.city}, {site.country}" if site is not None else "",
        contact=contact or (site.local_support if site is not None else "") or "not on record: ask the operator",
        access_window=access_words(site.access_hours) if site is not None else "",
        task=task or sent.task or f"Take {sent.unit.serial} to {sent.to_hub}.",
        label=sent.label,
        units=(new, old) if old is not None else (new,),
        printed_at=now,
        zone=site.zone if site is not None else sent.from_hub.zone,
    )


def access_words(hours: Mapping[str, Any]) -> str:
    """An access window in words: `mon 08:00-18:00, tue 08:00-18:00`; unknown is said."""
    if not hours:
        return "not on record: ask the contact"
    if hours.get("always"):
        return "at any hour"
    week = hours.get("week") or {}
    days = [f"{day} " + " and ".join("–".join(pair) for pair in pairs) for day, pairs in week.items() if pairs]
    return ", ".join(days) or "closed"
