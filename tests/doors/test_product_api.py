"""Product by API: lots, holds signed with the password afresh, moves, deviations."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.conftest import START
from tests.samples import a_space
from waystation.access import queries as access
from waystation.kernel.clock import FastClock
from waystation.product.actions import holds
from waystation.product.facts import ExcursionFacts
from waystation.product.rules.exposure import Judged

pytestmark = pytest.mark.django_db
API = "/api/v1/product"
PASSWORD = "correct horse battery"


def _send(client: Client, path: str, body: Any = None, status: int = 200, verb: str = "post") -> Any:
    call = getattr(client, verb)
    reply = call(f"{API}{path}", body if body is not None else {}, content_type="application/json")
    assert reply.status_code == status, (path, reply.content)
    return reply.json() if reply.content else None


def _lot(client: Client, code: str = "L-1") -> dict[str, Any]:
    body = {"lot": code, "product": "Vaccine", "quantity": "200", "unit": "vial", "volume_l": 10}
    found: dict[str, Any] = _send(client, f"/spaces/{a_space().pk}/bring-in", body, 201)
    return found


def _held(client: Client) -> str:
    _lot(client)
    out = [Judged(START, START + timedelta(hours=1), "out_of_range")]
    facts = ExcursionFacts(uuid4(), a_space().pk, out)
    return str(holds.hold_for(access.system_authority("test"), facts, now=START + timedelta(hours=1))[0].pk)


def test_qal_02_a_decision_needs_the_own_password_and_the_role(
    signed_in: Callable[..., Client], clock: FastClock
) -> None:
    """Wrong password, wrong role, a machine's token: refused, the hold stands. Then it is signed."""
    qa, operator = signed_in("quality"), signed_in("operator")
    hold = _held(qa)
    body = {"outcome": "released", "reason": "Stability data", "password": PASSWORD}
    assert _send(qa, f"/holds/{hold}/decide", body | {"password": "nope"}, 403)["code"] == "product.proof"
    assert _send(operator, f"/holds/{hold}/decide", body, 403)["code"] == "access.not_allowed"
    assert [h["state"] for h in operator.get(f"{API}/holds").json()] == ["open"]
    done = _send(qa, f"/holds/{hold}/decide", body)
    assert (done["state"], done["signed_name"], len(done["signed_digest"])) == ("released", "quality", 64)
    assert operator.get(f"{API}/holds").json() == []
    assert [h["state"] for h in operator.get(f"{API}/holds?open_only=false").json()] == ["released"]


def test_qal_01_lots_come_in_by_scan_and_by_file(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """The scan repeats harmlessly; the file is previewed, then applied; the way is told."""
    qa = signed_in("quality")
    first = _lot(qa)
    assert _lot(qa) == first
    text = "lot,product,quantity,unit,site,space\nL-2,Vaccine,5,box,cordoba,fridge-1\n"
    assert _send(qa, "/consignments/import", {"text": text}) == {"lots": 1, "errors": [], "applied": False}
    assert _send(qa, "/consignments/import", {"text": text, "apply": True})["applied"]
    bad = _send(qa, "/consignments/import", {"text": text.replace("5,box", "x,box"), "apply": True})
    assert [(e["line"], e["field"]) for e in bad["errors"]] == [(2, "quantity")]
    assert [c["lot"] for c in qa.get(f"{API}/consignments").json()] == ["L-1", "L-2"]
    assert len(qa.get(f"{API}/consignments/{first['consignment_id']}/way").json()) == 1
    gone = _send(qa, f"/consignments/{first['consignment_id']}/take-out")
    assert gone["until"] is not None
    _send(qa, f"/consignments/{first['consignment_id']}/take-out", status=204)


def test_qal_03_a_move_is_started_and_arrives_with_its_temperature(
    signed_in: Callable[..., Client], clock: FastClock
) -> None:
    """By an operator; the backup is named by QA."""
    qa, operator = signed_in("quality"), signed_in("operator")
    lot, there = _lot(qa), a_space(code="fridge-2")
    minutes = {"pack_min": [5, 10], "travel_min": [1, 2], "unpack_min": [5, 10]}
    _send(qa, f"/spaces/{a_space().pk}/backups", {"backup_id": str(there.pk), **minutes})
    body = {
        "from_space_id": str(a_space().pk),
        "to_space_id": str(there.pk),
        "consignment_ids": [lot["consignment_id"]],
    }
    move = _send(operator, "/moves", body, 201)
    assert _send(operator, f"/moves/{move['id']}/arrive", {"arrival_c": 900}, 422)["field"] == "arrival_c"
    assert _send(operator, f"/moves/{move['id']}/arrive", {"arrival_c": 5.5})["arrival_c"] == 5.5


def test_qal_02_a_deviation_closes_only_when_it_is_whole(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """The empty fields are named in the refusal."""
    qa = signed_in("quality")
    row = _send(qa, "/deviations", {"excursion_id": str(uuid4()), "space_id": str(a_space().pk)}, 201)
    assert "assessment, corrective" in _send(qa, f"/deviations/{row['id']}/close", status=409)["message"]
    text = {"assessment": "a", "corrective": "c", "preventive": "p", "recipients": ["qa@example.org"]}
    _send(qa, f"/deviations/{row['id']}", text, verb="patch")
    assert _send(qa, f"/deviations/{row['id']}/close", status=403)["code"] == "product.deviation_own"
    assert _send(signed_in("quality", "operator"), f"/deviations/{row['id']}/close")["closed_at"] is not None
