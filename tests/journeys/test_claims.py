"""A claim: its pack verifies and holds the estimate, its page says what is not known, nothing unstated is nought."""

from __future__ import annotations

import io
import json
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.conftest import START
from tests.rooms.evidence.second import second_verdicts
from tests.rooms.spares.network import an_offer, system
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_profile
from waystation.cli.main import main
from waystation.evidence import placed
from waystation.evidence.verifier.verify import verify_pack
from waystation.incidents import actions as incidents
from waystation.incidents.models import Incident
from waystation.journeys import claims, failed_device
from waystation.journeys.paper.claimed import claim_contents, claim_paper, total_words
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput, NotAllowed, NotFound
from waystation.product.actions import holds
from waystation.product.actions.values import state_value
from waystation.product.models import Consignment, Presence, ProductHold
from waystation.spares.models import Order
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Excursion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
Acting = Callable[..., Authority]
HOUR = timedelta(hours=1)
LATER = START + 4 * HOUR


def _never() -> None:
    raise AssertionError("nothing is to be waited for")


def warm(*lots: str) -> Excursion:
    """Ten minutes too warm with these lots inside, each of 40 vials, held."""
    space, (probe,) = a_monitored_space(START)
    for code in lots:
        lot = Consignment.objects.create(lot=code, product="Vaccine", quantity=40, unit="vial", profile=a_profile())
        Presence.objects.create(consignment=lot, space=space, since=START)
    values = [5.0 + 0.1 * (i % 2) + (6.0 if 60 <= i < 70 else 0.0) for i in range(185)]
    deliver(space, minutes(probe, START, values), START + 3 * HOUR)
    judge(Engine(), START + 3 * HOUR)
    row = Excursion.objects.get()
    failed_device.note_excursion(system(), row, space.site, now=START + 3 * HOUR)
    return row


def decide(by: Authority, lot: str, outcome: str) -> None:
    hold = ProductHold.objects.get(consignment__lot=lot)
    holds.decide(by, hold.pk, outcome, reason="assessed", fresh_proof=True, now=LATER)


def worth(by: Authority, lot: str, amount: str) -> None:
    key = Consignment.objects.get(lot=lot).pk
    state_value(by, key, unit_value=amount, currency="EUR", source="invoice 7", now=LATER)


def members(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_evd_15_the_claim_is_a_range_and_its_pack_verifies(acting: Acting) -> None:
    """Rejected counts, released does not, held may be lost; both verifiers agree on the pack."""
    row, qa = warm("L-1", "L-2", "L-3", "L-4"), acting("quality")
    decide(qa, "L-1", "rejected")
    decide(qa, "L-2", "released")
    for lot in ("L-1", "L-2", "L-3"):
        worth(qa, lot, "2.50")
    about = claims.subject(qa, excursion=str(row.pk), now=LATER)
    made = members(claims.make(qa, about, now=LATER, wait=_never))
    (pack,) = [content for name, content in made.items() if name.endswith(".pack.zip")]
    trust = placed.trust("iberia") | {"quorum": 0}
    assert verify_pack(pack, trust).ok
    assert second_verdicts([pack], trust)[0]["verified"]
    loss = json.loads(members(pack)["claim.json"])["loss"]
    assert loss["totals"] == [{"currency": "EUR", "low": "100.00", "high": "200.00"}]
    assert loss["value_not_stated"] == ["L-4"]
    by_lot = {one["lot"]: one for one in loss["lots"]}
    assert [by_lot[f"L-{n}"]["loss"] for n in (1, 2, 3, 4)] == [
        "100.00 EUR",
        "none",
        "0.00 to 100.00 EUR",
        "not stated",
    ]
    assert by_lot["L-1"]["stated_by"] == "quality"
    changed = pack.replace(b'"high": "200.00"', b'"high": "900.00"')
    assert changed != pack
    assert not verify_pack(changed, trust).ok


def test_evd_15_the_page_is_made_from_the_pack_and_says_what_is_not_known(acting: Acting) -> None:
    """One page, the same bytes twice; what nobody stated, decided or recorded stands on it; another pack is refused."""
    row, qa = warm("L-1", "L-2"), acting("quality")
    worth(qa, "L-1", "2.50")
    about = claims.subject(qa, excursion=str(row.pk), now=LATER)
    made = members(claims.make(qa, about, now=LATER, wait=_never))
    (pack,) = [content for name, content in made.items() if name.endswith(".pack.zip")]
    (page,) = [content for name, content in made.items() if name.endswith(".claim.pdf")]
    assert claim_paper(pack) == page
    assert page.startswith(b"%PDF")
    assert re.findall(rb"/Count (\d+)", page) == [b"1"]
    told = claim_contents(pack)
    assert told["total"] == "0.00 to 100.00 EUR, and 1 lot whose worth is not stated"
    said = " ".join(told["not_known"])
    for words in ("L-2. They are not in the total", "Not decided whether lost: L-1, L-2"):
        assert words in said
    from waystation.journeys import evidence_pack

    plain = evidence_pack.make(system(), "cordoba", START, START + HOUR, now=LATER, wait=_never)
    with pytest.raises(BadInput) as refused:
        claim_paper(plain)
    assert refused.value.code == "evidence.no_claim"


@pytest.mark.parametrize(
    ("totals", "unstated", "lots", "words"),
    [
        ([], [], [], "not stated"),
        ([], ["L-1"], [{}], "not stated"),
        ([], [], [{}], "none: every lot was released"),
        ([("1.00", "1.00")], [], [{}], "1.00 EUR"),
        ([("0.00", "5.00")], ["A", "B"], [{}], "0.00 to 5.00 EUR, and 2 lots whose worth is not stated"),
    ],
)
def test_evd_15_no_worth_is_never_said_as_nought(
    totals: list[tuple[str, str]], unstated: list[str], lots: list[Any], words: str
) -> None:
    """Only what was released is none; what nobody stated is said so."""
    spans = [{"currency": "EUR", "low": low, "high": high} for low, high in totals]
    assert total_words({"totals": spans, "value_not_stated": unstated, "lots": lots}) == words


def test_evd_15_a_claim_names_one_incident_or_excursion_that_its_maker_sees(acting: Acting) -> None:
    """Both, none, an unknown one, no right to packs: refused."""
    row = warm("L-1")
    ana = acting("operator")
    for asked in ({}, {"incident": "INC-1", "excursion": str(row.pk)}, {"excursion": "x"}):
        with pytest.raises(BadInput):
            claims.subject(ana, **asked, now=LATER)
    with pytest.raises(NotFound):
        claims.subject(ana, excursion=str(uuid4()), now=LATER)
    with pytest.raises(NotAllowed):
        claims.subject(acting("planner"), excursion=str(row.pk), now=LATER)


def test_evd_15_the_claim_of_an_incident_covers_its_excursions(acting: Acting, system: Authority) -> None:
    """From an hour before its first sign; while it runs, what may still grow is said."""
    row = warm("L-1")
    live = incidents.open(
        system, "excursion", row.site_id, title="Warm", priority="P2", now=LATER, space_id=row.space_id
    )
    incidents.attach(system, live.pk, "excursion", row.pk, now=LATER)
    about = claims.subject(acting("operator"), incident=live.name, now=LATER)
    assert (about.start, about.end) == (row.started_at - HOUR, LATER)
    assert [e.pk for e in about.excursions] == [row.pk]
    assert claims.estimate(system, about)["lots"][0]["lot"] == "L-1"
    row.ended_at = None
    row.save()
    running = claims.subject(acting("operator"), incident=live.name, now=LATER)
    assert "The excursion is not over" in " ".join(claims.estimate(system, running)["not_known"])
    late = Incident.objects.get(cause="late_excursion")
    assert claims.subject(acting("operator"), excursion=str(row.pk), now=LATER).incident in (late, live)


def test_evd_15_orders_at_vendors_are_costs_and_what_is_not_known_is_said_so(acting: Acting, system: Authority) -> None:
    """Confirmed with its price, without one, or not confirmed yet; a canceled one is none. Unseen is no nought."""
    row = warm("L-1")
    live = Incident.objects.get(cause="late_excursion")
    for state, cost, vendor, channel in (
        ("confirmed", 640, "friotec", "vendor"),
        ("received", 0, "nevasur", "vendor"),
        ("wanted", 90, "frigo", "purchase"),
        ("canceled", 70, "polar", "purchase"),
    ):
        offer = an_offer(vendor, channel, cost)
        Order.objects.create(incident_id=live.pk, offer=offer, site=row.space.site, cost=cost, state=state, at=LATER)
    about = claims.subject(system, incident=live.name, now=LATER)
    told = claims.estimate(system, about)
    assert {one["what"]: one["amount"] for one in told["costs"]} == {
        "Replacement from Friotec": "640.00",
        "Replacement from Nevasur": "not stated",
        "Purchase from Frigo": "not stated",
    }
    assert "orders have no price on record" in " ".join(told["not_known"])
    unseen = replace(system, grants={k: v for k, v in system.grants.items() if k != "spares.read"})
    blind = claims.estimate(unseen, about)
    assert blind["costs"] == []
    assert "may not see spares" in " ".join(blind["not_known"])


def test_evd_15_page_api_and_command_make_the_same_claim(
    signed_in: Callable[..., Client], clock: FastClock, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The form states a worth, the button gives the archive; an operator sees the page and states nothing."""
    row = warm("L-1")
    clock.advance_to(LATER)
    qa, operator, query = signed_in("quality"), signed_in("operator"), f"?excursion={row.pk}"
    assert "not stated" in qa.get(f"/evidence/claim/{query}").content.decode()
    lot = str(Consignment.objects.get().pk)
    sent = {"lot": lot, "unit_value": "2,50", "currency": "EUR", "source": "invoice 7", "excursion": str(row.pk)}
    assert qa.post("/evidence/claim/value/", sent).status_code == 302
    assert "0.00 to 100.00 EUR" in operator.get(f"/evidence/claim/{query}").content.decode()
    assert operator.post("/evidence/claim/value/", sent).status_code == 403
    body = {"unit_value": "3", "currency": "EUR", "source": "invoice 8"}
    path = f"/api/v1/product/consignments/{lot}/values"
    assert qa.post(path, body, content_type="application/json").status_code == 201
    assert [v["source"] for v in operator.get(path).json()] == ["invoice 7", "invoice 8"]
    totals = operator.get(f"/api/v1/evidence/claim/estimate{query}").json()["totals"]
    assert totals == [{"currency": "EUR", "low": "0.00", "high": "120.00"}]
    for answer in (operator.get(f"/evidence/claim/pack/{query}"), operator.get(f"/api/v1/evidence/claim{query}")):
        assert answer.status_code == 200
        assert sorted(name.split(".", 1)[1] for name in members(answer.content)) == ["claim.pdf", "pack.zip", "pdf"]
    out = tmp_path / "claim.zip"
    (tmp_path / "secrets" / "secret_key").write_text("x" * 50)
    assert main(["evidence", "claim", "--data", str(tmp_path), "--excursion", str(row.pk), "-o", str(out)]) == 0
    assert "the proof" in capsys.readouterr().out
    assert len(members(out.read_bytes())) == 3
