"""Orders that the chain wanted: a person confirms them with the vendor, receives the part, or cancels."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict
from waystation.registry.queries import one
from waystation.spares import models as m
from waystation.spares.custody import said

# from which states an order becomes which
NEXT: Mapping[str, frozenset[str]] = {
    "confirmed": frozenset({"wanted"}),
    "received": frozenset({"wanted", "confirmed"}),
    "canceled": frozenset({"wanted", "confirmed"}),
}


def answer_order(
    by: Authority,
    order_id: UUID,
    target: str,
    *,
    now: datetime,
    reference: str = "",
    reason: str = "",
    promised_at: datetime | None = None,
) -> m.Order:
    """Confirm (with the vendor's reference), receive or cancel (with a reason) an order. Repeating changes nothing.

    After a cancellation the incident can be sourced anew.
    """
    if target not in NEXT:
        raise BadInput(
            "spares.order",
            f"An order does not become {target!r}.",
            f"Use {', '.join(NEXT)}.",
            field="target",
            value=target,
        )
    with transaction.atomic():
        order = one(m.Order, order_id, among=m.Order.objects.select_for_update())
        by.require("spares.dispatch", order.site_id)
        if order.state == target:
            return order
        if order.state not in NEXT[target]:
            raise Conflict("spares.order_ended", f"This order is {order.state}.", "Source the incident again.")
        if target == "confirmed":
            order.reference = said(reference, "Confirming an order (the vendor's reference)")[:80]
            order.promised_at = promised_at or order.promised_at
        words = said(reason, "Canceling an order") if target == "canceled" else reason
        order.state = target
        facts = {"state": target, "reference": order.reference, "promised_at": order.promised_at}
        told = NewEvent(data=facts, incident_id=order.incident_id)
        record(
            [order], [told], entry=NewEntry(f"spares.order_{target}", order.pk, by, now, order.site_id, words, facts)
        )
    return order
