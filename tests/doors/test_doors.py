"""The doors: sign-in first, one error shape, strict headers, writes that may be repeated."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from tests.samples import a_site
from waystation.access import actions, queries
from waystation.access.models import Person
from waystation.console.security import OPEN
from waystation.kernel.clock import FastClock

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]


def _addresses(patterns: list[URLPattern | URLResolver], lead: str = "/") -> list[str]:
    found = []
    for one in patterns:
        here = lead + str(one.pattern)
        found += _addresses(one.url_patterns, here) if isinstance(one, URLResolver) else [here]
    return found


def test_default_deny_every_page_asks_for_sign_in() -> None:
    """A page that is not named open redirects a stranger to sign-in."""
    closed = [
        a for a in _addresses(get_resolver().url_patterns) if "<" not in a and "^" not in a and not a.startswith(OPEN)
    ]
    assert "/" in closed
    for address in closed:
        reply = Client().get(address)
        assert reply.status_code == 302, address
        assert reply["Location"].startswith("/account/login/"), address


def test_default_deny_every_operation_of_the_api_asks_who_calls(clock: FastClock) -> None:
    """Without token or session every operation answers 401 in the one error shape."""
    described = json.loads(_token_client("integrator")[0].get("/api/openapi.json").content)
    for path, verbs in described["paths"].items():
        for verb in verbs:
            address = path.replace("{", "").replace("}", "")
            reply = Client().generic(verb.upper(), address, b"{}", content_type="application/json")
            assert reply.status_code == 401, (verb, path)
            assert set(reply.json()) >= {"code", "message", "next_step"}


def _token_client(role: str) -> tuple[Client, str]:
    from waystation import wiring

    machine, token = actions.create_machine(
        queries.system_authority("test"), name=f"m-{role}", role=role, now=wiring.clock().now()
    )
    return Client(headers={"Authorization": f"Bearer {token}"}), str(machine.pk)


def test_every_reply_carries_the_strict_policy(signed_in: SignedIn, clock: FastClock) -> None:
    """No inline code, no frames, nothing from elsewhere."""
    reply = signed_in("operator").get("/")
    assert "unsafe" not in reply["Content-Security-Policy"]
    assert "frame-ancestors 'none'" in reply["Content-Security-Policy"]
    assert b"style=" not in reply.content
    assert b"<script>" not in reply.content


def test_signing_in_with_the_right_password_opens_now(person: Callable[..., Person], clock: FastClock) -> None:
    """And with the wrong one says so without telling which part was wrong."""
    person("Ana", "operator")
    client = Client()
    wrong = client.post("/account/login/", {"login": "ana@example.org", "password": "no such password"})
    assert wrong.status_code == 200
    assert b'role="alert"' in wrong.content
    right = client.post("/account/login/", {"login": "ana@example.org", "password": "correct horse battery"})
    assert (right.status_code, right["Location"]) == (302, "/")
    assert client.get("/").status_code == 200


def test_nobody_signs_up_by_themselves() -> None:
    """Accounts are made by administrators."""
    reply = Client().post("/account/signup/", {"email": "x@example.org", "password1": "correct horse battery"})
    assert reply.status_code in (302, 403)
    assert not Person.objects.exists()


def test_a_write_repeated_with_its_key_is_done_once(signed_in: SignedIn, clock: FastClock) -> None:
    """The second answer is the first; the same key for another request is refused."""
    client = signed_in("administrator")
    body = {"email": "bo@example.org", "name": "Bo Berg"}

    def post(body: dict[str, str]) -> tuple[int, object]:
        reply = client.post(
            "/api/v1/access/people", body, content_type="application/json", headers={"Idempotency-Key": "k1"}
        )
        return reply.status_code, reply.json()

    first = post(body)
    assert first[0] == 201
    assert post(body) == first
    assert Person.objects.filter(email="bo@example.org").count() == 1
    status, refused = post(body | {"name": "Other Name"})
    assert (status, refused["code"]) == (409, "api.key_reused")  # type: ignore[index]


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"email": 1}', b"\xff\xfe", b'{"email": "a"}'])
def test_unreadable_bodies_get_the_one_error_shape(body: bytes, signed_in: SignedIn, clock: FastClock) -> None:
    """Never a traceback, never a 5xx."""
    reply = signed_in("administrator").post("/api/v1/access/people", body, content_type="application/json")
    assert 400 <= reply.status_code < 500
    assert set(reply.json()) >= {"code", "message", "next_step"}


def test_unknown_addresses_answer_in_their_own_form(signed_in: SignedIn, clock: FastClock) -> None:
    """JSON for the API, a page with a next step for people."""
    client = signed_in("operator")
    assert client.get("/api/v1/nothing").json()["code"] == "api.unknown"
    page = client.get("/nothing/")
    assert page.status_code == 404
    assert b"Go to Now" in page.content


def test_a_role_without_the_permission_is_refused_with_its_name(signed_in: SignedIn, clock: FastClock) -> None:
    """The refusal names the permission."""
    reply = signed_in("operator").get("/api/v1/access/people")
    assert reply.status_code == 403
    assert "may not create people and machines" in reply.json()["message"]


def test_health_says_only_ok(clock: FastClock) -> None:
    """Open to everybody, telling nothing."""
    assert Client().get("/healthz").content == b"ok\n"
    assert Client().get("/readyz").content == b"ok\n"


def test_a_token_reads_what_its_role_may(clock: FastClock) -> None:
    """Bearer and Token both work; a wrong one is nobody."""
    a_site("cordoba")
    client, _ = _token_client("integrator")
    assert [s["code"] for s in client.get("/api/v1/registry/sites").json()] == ["cordoba"]
    assert Client(headers={"Authorization": "Token nonsense"}).get("/api/v1/registry/sites").status_code == 401


def test_the_suite_runs_on_the_database_it_names() -> None:
    """A run for PostgreSQL that silently used SQLite would prove nothing."""
    import os

    assert connection.vendor == os.environ.get("WAYSTATION_TEST_VENDOR", "sqlite")
