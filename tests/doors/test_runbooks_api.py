"""Runbooks by API: instructions are answered by persons, approvals bind to what was shown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from tests.conftest import START
from tests.samples import a_site
from waystation.access.queries import system_authority
from waystation.kernel.clock import FastClock
from waystation.runbooks import actions

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
JSON, BASE = "application/json", "/api/v1/runbooks"


def call(kind: str) -> dict[str, Any]:
    return {"kind": kind, "target": "{site}", "parameters": {}}


GATED = {
    "slug": "risky",
    "name": "Risky",
    "steps": [
        {
            "key": "go",
            "gated": True,
            "risk": "it may break",
            "act": call("a"),
            "post": call("check.b"),
            "undo": call("c"),
        }
    ],
}


@pytest.fixture
def run(signed_in: SignedIn, clock: FastClock) -> dict[str, Any]:
    """A run at its gate, proposed by an operator."""
    actions.publish(system_authority("test"), GATED, now=START)
    body = {"slug": "risky", "site_id": str(a_site("cordoba").pk)}
    reply = signed_in("operator").post(f"{BASE}/runs", body, content_type=JSON)
    assert reply.status_code == 201, reply.content
    found: dict[str, Any] = reply.json()
    return found


def test_run_04_approve_then_follow_the_instruction(run: dict[str, Any], signed_in: SignedIn) -> None:
    """The approver sees the exact content; then a person does it and answers; the run succeeds."""
    operator, boss = signed_in("operator"), signed_in("supervisor")
    assert run["state"] == "awaiting_approval"
    asked = boss.get(f"{BASE}/approvals").json()[0]
    assert [c["kind"] for c in asked["content"]] == ["a", "check.b", "c"]
    address = f"{BASE}/approvals/{asked['id']}/approve"
    assert operator.post(address, {"digest": asked["digest"]}, content_type=JSON).status_code == 403
    assert boss.post(address, {"digest": "0" * 64}, content_type=JSON).json()["code"] == "runbooks.other_content"
    assert boss.post(address, {"digest": asked["digest"]}, content_type=JSON).json()["decision"] == "approved"
    for phase in ("act", "post"):
        assert operator.post(f"{BASE}/runs/{run['id']}/advance").json()["state"] == "running"
        told = operator.get(f"{BASE}/runs/{run['id']}/journal").json()[-1]
        assert (told["phase"], told["outcome"], bool(told["instruction"])) == (phase, "waiting", True)
        body = {"step": "go", "phase": phase, "ok": True, "detail": "done"}
        assert operator.post(f"{BASE}/runs/{run['id']}/answer", body, content_type=JSON).status_code == 200
    assert operator.post(f"{BASE}/runs/{run['id']}/advance").json()["state"] == "succeeded"


def test_run_04_a_denied_run_ends(run: dict[str, Any], signed_in: SignedIn) -> None:
    """With no instruction given."""
    boss = signed_in("supervisor")
    asked = boss.get(f"{BASE}/approvals").json()[0]
    boss.post(f"{BASE}/approvals/{asked['id']}/deny", {"digest": asked["digest"], "reason": "no"}, content_type=JSON)
    assert signed_in("operator").post(f"{BASE}/runs/{run['id']}/advance").json()["state"] == "canceled"
    assert boss.get(f"{BASE}/runs/{run['id']}/journal").json() == []


def test_definitions_are_published_by_those_who_may_and_printed(run: dict[str, Any], signed_in: SignedIn) -> None:
    """A bad one names its field; the paper says what the run says."""
    client = signed_in("it")
    again = client.post(f"{BASE}/definitions", {"data": GATED | {"name": "Riskier"}}, content_type=JSON)
    assert (again.status_code, again.json()["version"]) == (201, 2)
    assert client.post(f"{BASE}/definitions", {"data": {"slug": "x"}}, content_type=JSON).json()["field"] == "name"
    assert signed_in("operator").post(f"{BASE}/definitions", {"data": GATED}, content_type=JSON).status_code == 403
    assert [d["version"] for d in client.get(f"{BASE}/definitions").json()] == [2]
    assert client.get(f"{BASE}/runs/{run['id']}/printed").json()[0] == "Risky"


def test_a_run_is_listed_and_canceled(run: dict[str, Any], signed_in: SignedIn) -> None:
    """Nothing was done, so nothing is undone."""
    client = signed_in("operator")
    assert [r["id"] for r in client.get(f"{BASE}/runs?live=true").json()] == [run["id"]]
    client.post(f"{BASE}/runs/{run['id']}/cancel?reason=power+is+back")
    assert client.post(f"{BASE}/runs/{run['id']}/advance").json()["state"] == "canceled"
