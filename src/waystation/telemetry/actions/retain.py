"""Retention policies: proposed by one person, approved by another one of QA, signed, and ended the same way.

Without an approved policy nothing is ever removed.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, record
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest, plain
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.registry.models import ServiceClass
from waystation.registry.queries import one
from waystation.telemetry.models import RetentionPolicy

MEANING = "I approve that readings may be removed or reduced by this policy."
LEAST_DAYS = {"judging": 365, "other": 100}  # verdicts of the last 92 days are kept up to date from the readings
LEAST_FULL_DAYS = 30
SOURCES = ("regulation", "contract", "company")
MOST_YEARS, MOST_DAYS = 100, 36_525


def propose(
    by: Authority,
    *,
    name: str,
    covers: str,
    source: str,
    clause: str,
    now: datetime,
    service_class: str = "",
    for_ever: bool = False,
    keep_years: int = 0,
    keep_days: int = 0,
    full_days: int | None = None,
) -> RetentionPolicy:
    """A policy for readings that judge (`judging`) or other signals (`other`), of one service class or of all.

    They are kept for ever, or for so many years and days. `full_days` reduces other signals to five minutes after so
    many days. Nothing happens before it is approved.
    """
    by.require("telemetry.retain")
    _demand(name.strip() != "" and clause.strip() != "", "name", name, "Write the name and what asks for it.")
    _demand(covers in LEAST_DAYS, "covers", covers, "Say judging or other.")
    _demand(source in SOURCES, "source", source, f"Say {', '.join(SOURCES)}.")
    _demand(0 <= keep_years <= MOST_YEARS and 0 <= keep_days <= MOST_DAYS, "keep_days", keep_days, "Shorten it.")
    _demand_length(covers, for_ever, keep_years * 365 + keep_days, full_days)
    row = RetentionPolicy(
        name=name.strip(),
        covers=covers,
        service_class=one(ServiceClass, service_class) if service_class else None,
        source=source,
        clause=clause.strip(),
        for_ever=for_ever,
        keep_years=keep_years,
        keep_days=keep_days,
        full_days=full_days,
        proposed_by=by.principal_id,
        proposed_at=now,
    )
    record([row], entry=NewEntry("telemetry.retention_proposed", row.pk, by, now, facts=terms_of(row)))
    return row


def approve(by: Authority, policy_id: UUID, *, fresh_proof: bool, now: datetime) -> RetentionPolicy:
    """QA's signed approval; from the next pass on the policy counts. Not by who proposed it, and not by a machine."""
    with transaction.atomic():
        row = _policy(by, policy_id, "proposed")
        _demand_second(by, row.proposed_by, "proposed", fresh_proof)
        row.state, row.approved_by, row.approved_at = "approved", by.principal_id, now
        row.signed_name, row.signed_meaning = by.name, MEANING
        row.signed_digest = digest(signed_statement(row))
        facts = terms_of(row) | {"signature": row.signed_digest}
        record([row], entry=NewEntry("telemetry.retention_approved", row.pk, by, now, facts=facts))
    return row


def end(by: Authority, policy_id: UUID, *, reason: str, fresh_proof: bool, now: datetime) -> RetentionPolicy:
    """End a policy, signed by another person of QA than the one who approved it: a longer one that ends lets go."""
    with transaction.atomic():
        row = _policy(by, policy_id, "proposed", "approved")
        _demand(reason.strip() != "", "reason", reason, "Say why.")
        if row.state == "approved":
            _demand_second(by, row.approved_by, "approved", fresh_proof)
        row.state, row.ended_by, row.ended_at, row.end_reason = "ended", by.principal_id, now, reason.strip()
        record([row], entry=NewEntry("telemetry.retention_ended", row.pk, by, now, None, row.end_reason, terms_of(row)))
    return row


def terms_of(row: RetentionPolicy) -> dict[str, object]:
    """What a policy says, as facts."""
    return {
        "name": row.name,
        "covers": row.covers,
        "service_class": row.service_class.code if row.service_class else "",
        "source": row.source,
        "clause": row.clause,
        "for_ever": row.for_ever,
        "keep_years": row.keep_years,
        "keep_days": row.keep_days,
        "full_days": "" if row.full_days is None else row.full_days,
    }


def signed_statement(row: RetentionPolicy) -> dict[str, object]:
    """What the approval's signature covers: its SHA-256 over canonical bytes is `signed_digest`."""
    return terms_of(row) | {
        "policy": str(row.pk),
        "name_of_signer": row.signed_name,
        "person": str(row.approved_by),
        "meaning": row.signed_meaning,
        "at": str(plain(row.approved_at)),
    }


def _demand_length(covers: str, for_ever: bool, days: int, full_days: int | None) -> None:
    if for_ever:
        _demand(days == 0, "for_ever", for_ever, "For ever has no years and days.")
    else:
        least = LEAST_DAYS[covers]
        _demand(days >= least, "keep_days", days, f"Keep these readings for {least} days or longer.")
    if full_days is not None:
        _demand(covers == "other", "full_days", full_days, "Readings that judge keep their full rate.")
        step = f"Keep the full rate for {LEAST_FULL_DAYS} to {MOST_DAYS} days."
        _demand(LEAST_FULL_DAYS <= full_days <= MOST_DAYS, "full_days", full_days, step)


def _demand(holds: bool, field: str, value: object, step: str) -> None:
    if not holds:
        words = f"{field.replace('_', ' ').capitalize()} cannot be {str(value) or 'empty'}."
        raise BadInput("telemetry.retention_value", words, step, field=field, value=value)


def _demand_second(by: Authority, first: UUID | None, did: str, fresh_proof: bool) -> None:
    if by.is_machine:
        raise NotAllowed("telemetry.retention_person", "A machine signs no policy.", "A person of QA signs.")
    if first == by.principal_id:
        words = f"{by.name} {did} this policy, so another person signs."
        raise NotAllowed("telemetry.retention_second", words, "Ask a colleague of QA.")
    if not fresh_proof:
        raise NotAllowed("telemetry.proof", "A signature needs your password once more.", "Enter it beside the policy.")


def _policy(by: Authority, policy_id: UUID, *states: str) -> RetentionPolicy:
    by.require("telemetry.approve_retention")
    rows = RetentionPolicy.objects.select_for_update(of=("self",)).select_related("service_class")
    row = rows.filter(pk=policy_id).first()
    if row is None:
        raise NotFound("telemetry.retention_unknown", f"There is no policy {policy_id}.", "Open Keeping to see them.")
    if row.state not in states:
        raise Conflict("telemetry.retention_state", f"The policy is {row.state}.", "Propose a new one.")
    return row
