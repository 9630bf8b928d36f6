"""Product holds: opened and extended by what was measured, ended by QA's signed decision and by nothing else."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction
from django.db.models import Q

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest, instant, plain
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.product import models as m
from waystation.product.facts import ExcursionFacts
from waystation.product.rules import exposure as rules
from waystation.registry.models import Space
from waystation.registry.queries import one

MEANINGS = {
    "released": "I release this product for use.",
    "rejected": "I reject this product; it is not used.",
    "transferred": "I transfer this product, still on hold, to the custody named in the reason.",
}


def hold_for(by: Authority, excursion: ExcursionFacts, *, now: datetime) -> list[m.ProductHold]:
    """Hold every lot that was exposed, with its time out of range measured and in the worst case.

    Called again with newer verdicts it brings the open holds up to date. A lot already decided is held anew only when
    its worst case has grown since. A lot that only stood there in proven time is not held.
    """
    space = one(Space, excursion.space_id)
    by.require("product.consign", space.site_id)
    if not excursion.judged:
        return []
    start, end = min(j.start for j in excursion.judged), max(j.end for j in excursion.judged)
    lived = Q(until=None) | Q(until__gt=start)
    with transaction.atomic():
        stays = m.Presence.objects.filter(lived, space=space, since__lt=end).select_related("consignment")
        by_lot: dict[UUID, list[m.Presence]] = {}
        for stay in stays.order_by("consignment__lot", "since"):
            by_lot.setdefault(stay.consignment_id, []).append(stay)
        found = [_hold(by, excursion, space, lot, start, end, now) for lot in by_lot.values()]
    return [hold for hold in found if hold is not None]


def decide(
    by: Authority, hold_id: UUID, outcome: str, *, reason: str, fresh_proof: bool, now: datetime
) -> m.ProductHold:
    """QA's decision, signed: released, rejected or transferred. The only way in which a hold ends.

    `fresh_proof` is True when the door has just proved the person again (password or passkey). A machine never decides.
    """
    with transaction.atomic():
        rows = m.ProductHold.objects.select_for_update(of=("self",)).select_related("consignment", "space")
        hold = one(m.ProductHold, hold_id, among=rows)
        by.require("product.dispose", hold.space.site_id)
        if by.is_machine:
            raise NotAllowed("product.person", "A machine does not decide about product.", "A person of QA decides.")
        if not fresh_proof:
            raise NotAllowed(
                "product.proof", "A signature needs your password once more.", "Enter it beside the decision."
            )
        if outcome not in MEANINGS or not reason.strip():
            raise BadInput(
                "product.outcome",
                f"{outcome!r} with the reason {reason!r} is no decision.",
                f"Choose {', '.join(MEANINGS)} and write the reason.",
                field="reason" if outcome in MEANINGS else "outcome",
                value=outcome,
            )
        if hold.state != "open":
            if (hold.state, hold.decided_by, hold.reason) == (outcome, by.principal_id, reason.strip()):
                return hold
            raise Conflict(
                "product.decided",
                f"{hold.signed_name} {hold.state} it at {instant(hold.decided_at) if hold.decided_at else ''}.",
                "A new excursion opens a new hold.",
            )
        _sign(by, hold, outcome, reason.strip(), now)
        facts = {"lot": hold.consignment.lot, "outcome": outcome, "signature": hold.signed_digest}
        told = NewEvent(data=facts, incident_id=hold.incident_id)
        entry = NewEntry(f"product.{outcome}", hold.pk, by, now, hold.space.site_id, hold.reason, facts)
        record([hold], [told], entry=entry)
    return hold


def _hold(
    by: Authority,
    excursion: ExcursionFacts,
    space: Space,
    stays: list[m.Presence],
    start: datetime,
    end: datetime,
    now: datetime,
) -> m.ProductHold | None:
    lot = stays[0].consignment
    name = str(space.pk)
    clipped = [rules.Presence(name, max(s.since, start), min(s.until or end, end)) for s in stays]
    out = rules.exposure(clipped, {name: excursion.judged}, end)
    earlier = list(m.ProductHold.objects.filter(consignment=lot, excursion_id=excursion.excursion_id))
    hold = next((h for h in earlier if h.state == "open"), None)
    values = (out.measured_out_s, out.worst_out_s, out.unproven_s)
    if hold is None:
        if out.worst_out_s <= max((h.worst_case_s for h in earlier), default=0.0):
            return None
        hold = m.ProductHold(
            consignment=lot,
            excursion_id=excursion.excursion_id,
            space=space,
            incident_id=excursion.incident_id,
            opened_at=now,
        )
        kind = "hold_opened"
    else:
        if values == (hold.measured_s, hold.worst_case_s, hold.unproven_s):
            return hold
        hold.extended_at = now
        kind = "hold_updated"
    hold.measured_s, hold.worst_case_s, hold.unproven_s = values
    facts = {
        "lot": lot.lot,
        "measured_s": out.measured_out_s,
        "worst_case_s": out.worst_out_s,
        "held_again": bool(earlier),
    }
    told = NewEvent(data=facts, incident_id=hold.incident_id)
    record([hold], [told], entry=NewEntry(f"product.{kind}", hold.pk, by, now, space.site_id, facts=facts))
    return hold


def _sign(by: Authority, hold: m.ProductHold, outcome: str, reason: str, now: datetime) -> None:
    """Printed name, meaning and the digest of what was signed."""
    hold.state, hold.reason = outcome, reason
    hold.decided_by, hold.decided_at = by.principal_id, now
    hold.signed_name, hold.signed_meaning = by.name, MEANINGS[outcome]
    hold.signed_digest = digest(signed_statement(hold))


def signed_statement(hold: m.ProductHold) -> dict[str, str]:
    """What the signature covers: its SHA-256 over canonical bytes is the hold's `signed_digest`."""
    if hold.decided_at is None:
        raise NotFound("product.not_signed", "Nobody decided about this hold.", "QA decides.")
    return {
        "hold": str(hold.pk),
        "lot": str(hold.consignment_id),
        "excursion": str(hold.excursion_id),
        "measured_s": str(plain(float(hold.measured_s))),
        "worst_case_s": str(plain(float(hold.worst_case_s))),
        "outcome": hold.state,
        "reason": hold.reason,
        "name": hold.signed_name,
        "meaning": hold.signed_meaning,
        "person": str(hold.decided_by),
        "at": instant(hold.decided_at),
    }
