"""What lots are worth that were lost or may be lost: a range, and what nobody stated stays beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
# the gravest decision about a lot counts: rejected is lost, what nobody released may be
GRAVEST = ("rejected", "open", "transferred", "released")


@dataclass(frozen=True, slots=True)
class LotAtStake:
    """A lot, how much of it there is, what one unit is worth (None: not stated), and QA's decision about it."""

    lot: str
    quantity: Decimal
    unit_value: Decimal | None
    currency: str
    disposition: str


@dataclass(frozen=True, slots=True)
class Span:
    """From what is lost for certain to what may be lost, in one currency."""

    currency: str
    low: Decimal
    high: Decimal


@dataclass(frozen=True, slots=True)
class Estimate:
    """The totals of what was stated, by currency, and the lots that may be lost at a worth that nobody stated."""

    totals: tuple[Span, ...]
    unstated: tuple[str, ...]


def disposition_of(decisions: Iterable[str]) -> str:
    """One word for a lot that several holds were about: the gravest."""
    return min(decisions, key=GRAVEST.index)


def loss_of(lot: LotAtStake) -> Span | None:
    """The loss of one lot; None where nobody stated its worth and it was not released."""
    if lot.disposition == "released":
        return Span(lot.currency, Decimal(0), Decimal(0))
    if lot.unit_value is None:
        return None
    worth = lot.quantity * lot.unit_value
    return Span(lot.currency, worth if lot.disposition == "rejected" else Decimal(0), worth)


def estimate(lots: Sequence[LotAtStake]) -> Estimate:
    """The loss over all lots. Nothing is added across currencies, and nothing unstated counts as nought."""
    totals: dict[str, tuple[Decimal, Decimal]] = {}
    unstated = []
    for lot in lots:
        span = loss_of(lot)
        if span is None:
            unstated.append(lot.lot)
        elif lot.unit_value is not None:
            low, high = totals.get(span.currency, (Decimal(0), Decimal(0)))
            totals[span.currency] = (low + span.low, high + span.high)
    spans = tuple(Span(c, _cents(low), _cents(high)) for c, (low, high) in sorted(totals.items()))
    return Estimate(spans, tuple(unstated))


def _cents(amount: Decimal) -> Decimal:
    return amount.quantize(CENT, ROUND_HALF_UP)
