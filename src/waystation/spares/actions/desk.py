"""The hub desk: scans made offline merge when the phone is back; a conflict is shown and resolved, never lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Refusal
from waystation.registry.queries import one
from waystation.spares import models as m
from waystation.spares.actions import returns, stock, travel
from waystation.spares.custody import place_of, said

MAX_SCANS = 500


@dataclass(frozen=True, slots=True)
class NewScan:
    """One scan as the phone kept it. `code` is a serial or a label; `verb` one of `VERBS`."""

    client_id: str
    verb: str
    code: str
    scanned_at: datetime
    hub_id: UUID | None = None
    note: str = ""


def take_scans(by: Authority, scans: Sequence[NewScan], *, now: datetime) -> list[m.Scan]:
    """Merge scans in the order in which they were made; each id is taken once, each refusal becomes a conflict.

    A phone may send everything again: what is known is returned as it stands.
    """
    by.require("spares.read")
    if len(scans) > MAX_SCANS:
        raise BadInput(
            "spares.scans", f"{len(scans)} scans are too many at once.", f"Send at most {MAX_SCANS}.", field="scans"
        )
    return [_take(by, scan, now) for scan in sorted(scans, key=lambda s: (s.scanned_at, s.client_id))]


def resolve_scan(by: Authority, scan_id: UUID, *, resolution: str, now: datetime) -> m.Scan:
    """A person says what became of a conflict; the scan stays."""
    by.require("spares.receive")
    words = said(resolution, "Resolving a conflict")
    with transaction.atomic():
        scan = one(m.Scan, scan_id, among=m.Scan.objects.select_for_update())
        if scan.outcome == "conflict":
            scan.outcome, scan.resolution = "resolved", words[:300]
            scan.resolved_by, scan.resolved_at = by.principal_id, now
            facts = {"code": scan.code, "conflict": scan.conflict}
            record([scan], entry=NewEntry("spares.scan_resolved", scan.pk, by, now, reason=words, facts=facts))
    return scan


def _take(by: Authority, new: NewScan, now: datetime) -> m.Scan:
    with transaction.atomic():
        held = m.Scan.objects.select_for_update().filter(client_id=new.client_id).first()
        if held is not None:
            return held
        conflict = _merge(by, new, now)
        scan = m.Scan(
            client_id=new.client_id,
            verb=new.verb[:16],
            code=new.code[:80],
            hub=m.Hub.objects.filter(pk=new.hub_id).first() if new.hub_id else None,
            note=new.note[:300],
            scanned_at=new.scanned_at,
            received_at=now,
            by_id=by.principal_id,
            outcome="conflict" if conflict else "merged",
            conflict=conflict[:400],
        )
        facts = {"verb": new.verb, "code": new.code, "scanned_at": new.scanned_at, "conflict": conflict}
        record([scan], entry=NewEntry("spares.scanned", scan.pk, by, now, facts=facts))
    return scan


def _merge(by: Authority, new: NewScan, now: datetime) -> str:
    """Do what was scanned, at the instant at which it was; "" or why it could not be done."""
    if new.scanned_at > now:
        return f"the phone's clock is ahead: scanned {new.scanned_at:%d %b %H:%M:%S} UTC"
    verb = VERBS.get(new.verb)
    if verb is None:
        return f"{new.verb!r} is no verb of the desk"
    unit = m.Unit.objects.filter(serial=new.code).first()
    sent = m.Dispatch.objects.filter(label=new.code).first() if unit is None else None
    if unit is None and sent is not None:
        unit = sent.unit
    if unit is None:
        return f"no unit or label {new.code} is known"
    newest = m.Custody.objects.filter(unit=unit).order_by("-at", "-id").first()
    if newest is not None and newest.at > new.scanned_at:
        return f"{new.code} was {newest.state.replace('_', ' ')} at {newest.at:%d %b %H:%M} UTC, after this scan"
    try:
        with transaction.atomic():
            verb(by, new, unit)
    except Refusal as refused:
        return str(refused)
    return ""


def _live(unit: m.Unit) -> UUID:
    """The unit's live dispatch; BadInput where it has none."""
    sent = m.Dispatch.objects.filter(unit=unit, ended_at=None).first()
    if sent is None:
        raise BadInput(
            "spares.no_dispatch",
            f"{unit.serial} has no dispatch.",
            "Reserve it first.",
            field="code",
            value=unit.serial,
        )
    return sent.pk


def _hub(scan: NewScan) -> UUID:
    if scan.hub_id is None:
        raise BadInput("spares.no_hub", "The scan names no hub.", "Choose the hub on the phone.", field="hub_id")
    return scan.hub_id


def _due(by: Authority, scan: NewScan, unit: m.Unit) -> object:
    """A scan without a word: what is picked or comes back follows from the unit; anything more must be said."""
    sent = m.Dispatch.objects.filter(unit=unit, state="planned", ended_at=None).first()
    if sent is not None:
        return travel.pick(by, sent.pk, now=scan.scanned_at)
    if unit.state == "returning":
        return returns.receive_return(by, unit.pk, _hub(scan), now=scan.scanned_at, note=scan.note)
    raise BadInput(
        "spares.nothing_due",
        f"{unit.serial} is {unit.state.replace('_', ' ')} at {place_of(unit)}: nothing follows from a scan alone.",
        "Choose what the scan means, then scan again.",
        field="verb",
        value="due",
    )


Verb = Callable[[Authority, NewScan, m.Unit], object]
VERBS: dict[str, Verb] = {
    "due": _due,
    "pick": lambda by, s, u: travel.pick(by, _live(u), now=s.scanned_at),
    "ship": lambda by, s, u: travel.ship(by, _live(u), now=s.scanned_at),
    "deliver": lambda by, s, u: travel.deliver(by, _live(u), now=s.scanned_at),
    "install": lambda by, s, u: travel.install(by, u.pk, now=s.scanned_at),
    "return": lambda by, s, u: returns.receive_return(by, u.pk, _hub(s), now=s.scanned_at, note=s.note),
    "check_ok": lambda by, s, u: stock.check(by, u.pk, True, now=s.scanned_at, note=s.note),
    "check_bad": lambda by, s, u: stock.check(by, u.pk, False, now=s.scanned_at, note=s.note),
    "found": lambda by, s, u: stock.found(by, u.pk, _hub(s), now=s.scanned_at, note=s.note),
}
