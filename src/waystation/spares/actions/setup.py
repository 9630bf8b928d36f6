"""Hubs, lanes, targets, offers and rules: what stock policy and sourcing stand on."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID
from zoneinfo import available_timezones

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from waystation.evidence.actions import NewEntry, record
from waystation.evidence.rows import Row
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict
from waystation.registry.queries import one
from waystation.spares import models as m
from waystation.spares.rules import timetable

KINDS: Mapping[str, type[Row]] = {
    "hub": m.Hub,
    "lane": m.Lane,
    "target": m.StockTarget,
    "offer": m.Offer,
    "replacement": m.Replacement,
    "sourcing_rule": m.SourcingRule,
}
_KEPT = frozenset({"id", "approved_by", "approved_at", "ended_at"})
CHANNELS = frozenset({"local", "hub", "central", "vendor", "purchase"})


def set_up(by: Authority, kind: str, values: Mapping[str, Any], *, now: datetime) -> Row:
    """A new hub, lane, target, offer, replacement or sourcing rule. Hours and laws are read before they are kept."""
    by.require("spares.policy")
    return _write(by, _fill(_kind(kind)(), kind, values), kind, "set_up", now)


def change(by: Authority, kind: str, key: UUID, values: Mapping[str, Any], *, now: datetime, reason: str = "") -> Row:
    """Change columns of one; an approved chain loses its approval when it changes."""
    by.require("spares.policy")
    row = one(_kind(kind), key)
    if isinstance(row, m.SourcingRule):
        row.approved_by = row.approved_at = None
    return _write(by, _fill(row, kind, values), kind, "changed", now, reason)


def approve_chain(by: Authority, rule_id: UUID, *, now: datetime, reason: str) -> m.SourcingRule:
    """From now on the chain of the class is pre-approved, with its spend limits."""
    by.require("planning.approve")
    rule = one(m.SourcingRule, rule_id)
    rule.approved_by, rule.approved_at = by.principal_id, now
    facts = {"service_class": rule.service_class, "chain": rule.chain}
    record([rule], entry=NewEntry("spares.chain_approved", rule.pk, by, now, reason=reason, facts=facts))
    return rule


def _kind(kind: str) -> type[Row]:
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise BadInput("spares.kind", f"There is no kind {kind!r}.", f"Kinds: {known}.", field="kind", value=kind)
    return KINDS[kind]


def _fill(row: Row, kind: str, values: Mapping[str, Any]) -> Row:
    fields = {n for f in row._meta.concrete_fields for n in (f.name, f.attname)} - _KEPT
    for name, value in values.items():
        if name not in fields:
            raise BadInput(
                "spares.value", f"{kind} has no column {name!r} to set.", "See the reference.", field=name, value=value
            )
        setattr(row, name, value)
    return row


def _check(row: Row) -> None:
    """What the columns alone do not say: zones, hours, laws and chains can be read."""
    if isinstance(row, m.Hub):
        if row.zone not in available_timezones():
            raise BadInput(
                "spares.value",
                f"{row.zone!r} is no time zone.",
                "Use Europe/Madrid or alike.",
                field="zone",
                value=row.zone,
            )
        timetable.weekly(row.staffing, row.zone)
        for moment in row.pickups:
            timetable.pickups(row.pickups, str(moment.get("courier", "")), row.zone)
    if isinstance(row, m.Lane | m.Offer):
        timetable.law(row.quantiles, row.source)
    if isinstance(row, m.Offer):
        timetable.weekly(row.hours, "UTC")
    if isinstance(row, m.Replacement):
        timetable.rule("", "", row.terms)
    if isinstance(row, m.StockTarget) and row.maximum is not None and row.maximum < row.minimum:
        raise BadInput(
            "spares.value",
            f"Maximum {row.maximum} is below minimum {row.minimum}.",
            "Raise it, or leave it out.",
            field="maximum",
            value=row.maximum,
        )
    if isinstance(row, m.SourcingRule):
        _check_chain(row.chain)


def _check_chain(chain: Any) -> None:
    for step in chain:
        channels = set(step.get("channels") or ()) if isinstance(step, Mapping) else set()
        if not channels or channels - CHANNELS:
            raise BadInput(
                "spares.value",
                f"{step!r} is no step of a chain.",
                f"Name channels out of {', '.join(sorted(CHANNELS))}.",
                field="chain",
                value=str(step),
            )


def _write(by: Authority, row: Row, kind: str, verb: str, now: datetime, reason: str = "") -> Row:
    _check(row)
    try:
        row.full_clean(validate_unique=False, validate_constraints=False)
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        raise BadInput(
            "spares.value", f"{kind}.{name}: {messages[0]}", "Correct it.", field=name, value=getattr(row, name, None)
        ) from None
    try:
        with transaction.atomic():
            record([row], entry=NewEntry(f"spares.{kind}_{verb}", row.pk, by, now, reason=reason))
    except IntegrityError:
        raise Conflict("spares.taken", f"There is such a {kind} already.", "Change the one that is there.") from None
    return row
