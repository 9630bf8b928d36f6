"""What a lot is worth: stated by a person from a source, changed only by a newer statement."""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal, InvalidOperation
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed
from waystation.kernel.units import two_readings
from waystation.product.models import Consignment, LotValue
from waystation.product.queries import sites_of_lot
from waystation.registry.queries import one

PLACES = Decimal("0.0001")
MOST = Decimal(10) ** 9


def state_value(
    by: Authority, consignment_id: UUID, *, unit_value: str, currency: str, source: str, now: datetime
) -> LotValue:
    """State what one unit of a lot is worth. Needs product.value at a site where the lot stood; a person says it.

    `unit_value` in units of `currency` (ISO 4217), above 0, at most four decimals after a point or comma. The same
    statement again changes nothing; another one takes the place of the one before, which stays on record.
    """
    worth, code = _amount(unit_value), currency.strip().upper()
    if not re.fullmatch("[A-Z]{3}", code):
        words = f"{currency!r} is no currency."
        raise BadInput("product.currency", words, "Write three letters, such as EUR.", field="currency", value=currency)
    if not source.strip():
        step = "Name it: an invoice, a price list, a contract."
        raise BadInput("product.value_source", "No source is given.", step, field="source", value=source)
    with transaction.atomic():
        lot = one(Consignment, consignment_id, among=Consignment.objects.select_for_update())
        _require(by, lot.pk)
        held = LotValue.objects.filter(consignment=lot, superseded_at=None).first()
        if held is not None and (held.unit_value, held.currency, held.source) == (worth, code, source.strip()):
            return held
        row = LotValue(consignment=lot, unit_value=worth, currency=code, source=source.strip())
        row.stated_by, row.stated_at = by.principal_id, now
        if held is not None:
            if held.stated_at > now:
                raise Conflict("product.value_newer", "A newer statement stands.", "Read it, then state yours.")
            held.superseded_at, held.superseded_by = now, row.pk
        facts = {"lot": lot.lot, "unit_value": str(worth), "currency": code, "source": row.source}
        facts |= {"supersedes": str(held.pk)} if held is not None else {}
        record([*([held] if held else []), row], entry=NewEntry("product.value_stated", row.pk, by, now, facts=facts))
    return row


def _require(by: Authority, lot_id: UUID) -> None:
    sites = sites_of_lot(lot_id)
    if not any(by.may("product.value", site) for site in sites):
        by.require("product.value", sites[0] if sites else None)
    if by.is_machine:
        raise NotAllowed("product.value_person", "A machine states no worth.", "A person states it by name.")


def _amount(text: str) -> Decimal:
    """An amount with a point or a comma before its decimals; `1,234` may be a thousand, so nobody guesses."""
    if unclear := two_readings(text):
        raise BadInput(
            "product.value_unclear",
            f"{text!r} may be {' or '.join(unclear)}.",
            "Write a point before decimals and nothing between thousands.",
            field="unit_value",
            value=text,
        )
    try:
        amount = Decimal(text.strip().replace(",", "."))
    except InvalidOperation:
        amount = Decimal(0)
    if not amount.is_finite() or not 0 < amount < MOST or amount != amount.quantize(PLACES):
        step = "Write an amount above 0 with at most four decimals, such as 12.50."
        raise BadInput("product.value", f"{text!r} is no worth of a unit.", step, field="unit_value", value=text)
    return amount
