"""What lots are worth: stated by a person, superseded and never changed; losses as ranges against a separate count."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.samples import a_profile, a_space
from waystation.access.queries import system_authority
from waystation.evidence.models import LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotAllowed, Refusal
from waystation.product import queries
from waystation.product.actions.values import state_value
from waystation.product.models import Consignment, LotValue, Presence
from waystation.product.rules.loss import GRAVEST, LotAtStake, disposition_of, estimate, loss_of

Acting = Callable[..., Authority]
cents = st.decimals(min_value=0, max_value=10_000, places=2)
lots = st.builds(
    LotAtStake,
    lot=st.text("AB12", min_size=1, max_size=3),
    quantity=cents,
    unit_value=st.one_of(st.none(), cents),
    currency=st.sampled_from(["EUR", "USD"]),
    disposition=st.sampled_from(GRAVEST),
)


@given(st.lists(lots, max_size=8))
def test_evd_15_the_range_runs_from_what_is_lost_to_what_may_be(some: list[LotAtStake]) -> None:
    """Counted again in whole ten-thousandths: rejected lots below, all but released above, per currency."""
    found = estimate(some)
    for span in found.totals:
        own = [lot for lot in some if lot.unit_value is not None and lot.currency == span.currency]
        worth = [(lot, int(lot.quantity * 100) * int((lot.unit_value or 0) * 100)) for lot in own]
        low = sum(w for lot, w in worth if lot.disposition == "rejected")
        high = sum(w for lot, w in worth if lot.disposition != "released")
        assert (span.low, span.high) == (Decimal((low + 50) // 100) / 100, Decimal((high + 50) // 100) / 100)
        assert span.low <= span.high
    assert {s.currency for s in found.totals} == {lot.currency for lot in some if lot.unit_value is not None}


@given(st.lists(lots, max_size=8))
def test_evd_15_what_nobody_stated_is_never_nought(some: list[LotAtStake]) -> None:
    """Each lot without a worth is named, unless QA released it; it adds nothing to any total."""
    found = estimate(some)
    assert list(found.unstated) == [x.lot for x in some if x.unit_value is None and x.disposition != "released"]
    assert estimate([x for x in some if x.unit_value is not None]).totals == found.totals
    assert all((loss_of(x) is None) == (x.unit_value is None and x.disposition != "released") for x in some)


@given(st.lists(st.sampled_from(GRAVEST), min_size=1))
def test_evd_15_the_gravest_decision_about_a_lot_counts(decisions: list[str]) -> None:
    """Rejected once is lost; released only when every hold was."""
    found = disposition_of(decisions)
    assert (found == "rejected") == ("rejected" in decisions)
    assert (found == "released") == (set(decisions) == {"released"})


def a_lot(code: str = "L-1") -> Consignment:
    lot = Consignment.objects.create(lot=code, product="Vaccine", quantity=40, unit="vial", profile=a_profile())
    Presence.objects.create(consignment=lot, space=a_space(), since=START)
    return lot


@pytest.mark.django_db
def test_evd_15_a_worth_is_changed_by_a_newer_statement_alone(acting: Acting) -> None:
    """The old row stays with its end; the entry names what it supersedes; the same again adds nothing."""
    sol, lot = acting("service_manager", name="Sol"), a_lot()
    assert queries.value_of(lot.pk) is None
    first = state_value(sol, lot.pk, unit_value="12,50", currency="eur", source="invoice 7", now=START)
    assert state_value(sol, lot.pk, unit_value="12.5", currency="EUR", source="invoice 7", now=START).pk == first.pk
    later = START + timedelta(hours=1)
    second = state_value(acting("quality"), lot.pk, unit_value="13", currency="EUR", source="invoice 8", now=later)
    assert queries.value_of(lot.pk) == second
    held = queries.values_of(sol, lot.pk)
    assert [(v.unit_value, v.superseded_at, v.superseded_by) for v in held] == [
        (Decimal("12.5000"), later, second.pk),
        (Decimal("13.0000"), None, None),
    ]
    assert LogEntry.objects.filter(kind="product.value_stated").count() == 2
    assert str(first.pk) in bytes(LogEntry.objects.get(object_id=str(second.pk)).leaf).decode()


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "worth"),
    [("1.234", "1.234"), ("0,125", "0.125"), ("12,5", "12.5"), ("1,2345", "1.2345"), ("1234,50", "1234.5")],
)
def test_evd_15_a_point_or_a_comma_stands_before_decimals(text: str, worth: str, acting: Acting) -> None:
    """As people write it, wherever it can mean one amount alone."""
    sol, lot = acting("service_manager", name="Sol"), a_lot()
    row = state_value(sol, lot.pk, unit_value=text, currency="EUR", source="list", now=START)
    assert row.unit_value == Decimal(worth)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        *[
            ({"unit_value": text}, "product.value")
            for text in ("", "x", "0", "-1", "NaN", "Infinity", "1.00001", "1e12")
        ],
        *[({"unit_value": text}, "product.value_unclear") for text in ("1,234", " 12,500 ", "999,000")],
        *[({"currency": text}, "product.currency") for text in ("", "EU", "EURO", "€", "E1R")],
        ({"source": " "}, "product.value_source"),
    ],
)
def test_evd_15_a_worth_that_says_nothing_is_refused(changes: dict[str, str], code: str, acting: Acting) -> None:
    """By name, and nothing is kept."""
    lot, sol = a_lot(), acting("service_manager", name="Sol")
    with pytest.raises(BadInput) as refused:
        state_value(sol, lot.pk, **({"unit_value": "1", "currency": "EUR", "source": "list"} | changes), now=START)
    assert refused.value.code == code
    assert not LotValue.objects.exists()


@pytest.mark.django_db
def test_evd_15_a_person_of_the_site_states_it(acting: Acting) -> None:
    """Neither an operator, nor a machine, nor somebody of another site."""
    lot = a_lot()
    elsewhere = Authority(uuid4(), "Sol", ("service_manager",), {"product.value": frozenset({str(uuid4())})})

    def refused(by: Authority) -> Refusal:
        with pytest.raises(NotAllowed) as found:
            state_value(by, lot.pk, unit_value="1", currency="EUR", source="list", now=START)
        return found.value

    assert refused(acting("operator")).code == "access.not_allowed"
    assert refused(elsewhere).code == "access.not_allowed"
    assert refused(system_authority("test")).code == "product.value_person"
    assert not LotValue.objects.exists()
