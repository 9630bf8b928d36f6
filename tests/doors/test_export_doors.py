"""Records that leave the house, at each door: the same bytes, and who may not gets none."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.test import Client

from tests.samples import a_space
from waystation.cli import evidence as command
from waystation.cli.proving import exporting
from waystation.journeys import exports
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.product.actions import lots

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
START, END = datetime(2026, 11, 1, tzinfo=UTC), datetime(2026, 11, 30, tzinfo=UTC)
ASKED = "from=2026-11-01T00:00:00Z&to=2026-11-30T00:00:00Z"


@pytest.fixture
def a_lot(system: Authority) -> None:
    """A lot that came to Córdoba on 2 November."""
    lot = lots.Lot(lot="MMR-1", product="MMR", quantity=Decimal(20), unit="doses")
    lots.bring_in(system, a_space().pk, lot, at=START + timedelta(days=1), now=START + timedelta(days=1))


@pytest.mark.parametrize("kind", exports.KINDS)
def test_evd_12_api_page_and_journey_write_the_same_bytes(
    kind: str, a_lot: None, system: Authority, signed_in: SignedIn, clock: FastClock
) -> None:
    """As a file with its name and type; each of the kinds that the page offers."""
    client, wanted = signed_in("auditor"), exports.content(system, kind, START, END, now=clock.now())
    by_api = client.get(f"/api/v1/evidence/exports/{kind}?{ASKED}")
    by_page = client.get(f"/evidence/export/?kind={kind}&from=2026-11-01T00:00&to=2026-11-30T00:00")
    assert by_api.content == by_page.content == wanted
    assert by_api["Content-Type"] == by_page["Content-Type"] == exports.KINDS[kind][1]
    assert exports.name_of(kind, START, END) in by_page["Content-Disposition"]


def test_evd_12_who_may_not_prove_gets_no_records_and_what_cannot_be_read_is_refused(
    a_lot: None, signed_in: SignedIn, clock: FastClock
) -> None:
    """403, and 422 for a kind that there is not and a period that is none; the command refuses in words."""
    for path in (f"/api/v1/evidence/exports/csv?{ASKED}", f"/evidence/export/?kind=csv&{ASKED}"):
        assert signed_in("vendor").get(path).status_code == 403
    client = signed_in("auditor")
    assert client.get(f"/api/v1/evidence/exports/doc?{ASKED}").status_code == 422
    assert (
        client.get("/api/v1/evidence/exports/csv?from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z").status_code == 422
    )
    assert client.get("/evidence/export/?kind=csv&from=soon&to=later").status_code == 422


def test_evd_12_the_command_offers_what_the_server_offers() -> None:
    """And it is a verb of `waystation evidence`."""
    assert set(exporting.KINDS) == set(exports.KINDS)
    assert "hand records over" in command.HELP
