"""Every operation and page: nobody gets in unasked, and every refusal has the one shape."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver
from ninja import Schema

from tests.doors.surface import operations
from waystation.access.models import Grant, Person
from waystation.access.rules import HUMAN_ROLES
from waystation.api.main import api
from waystation.console.security import OPEN
from waystation.kernel.clock import FastClock

pytestmark = pytest.mark.django_db
SignedIn = Callable[..., Client]
SHAPE = {"code", "message", "next_step"}
VALUES = {"uuid": str(uuid4()), "int": "7", "slug": "nothing-here", "str": "nothing-here"}


@pytest.fixture
def anybody(signed_in: SignedIn, clock: FastClock) -> Client:
    """Somebody who holds every role of people at once, so that nothing is refused for want of one."""
    client = signed_in("operator")
    person = Person.objects.get(name="operator")
    for role in HUMAN_ROLES:
        Grant.objects.create(person=person, role=role, since=clock.now())
    return client


def _filled(path: str) -> str:
    """A pattern with values that name nothing."""
    path = re.sub(r"<(?:(\w+):)?\w+>", lambda m: VALUES[m[1] or "str"], path)
    return re.sub(r"\{(\w+)\}", lambda m: VALUES["uuid" if m[1].endswith("id") or m[1] == "key" else "str"], path)


def _call(client: Client, name: str, body: bytes) -> Any:
    verb, path = name.split()
    return client.generic(verb, _filled(path), body, content_type="application/json")


def _pages(patterns: list[URLPattern | URLResolver], lead: str = "/") -> list[str]:
    found = []
    for one in patterns:
        here = lead + str(one.pattern)
        found += _pages(one.url_patterns, here) if isinstance(one, URLResolver) else [here]
    return found


def test_default_deny_no_operation_answers_a_stranger() -> None:
    """401 in the one shape, by nobody, by a wrong token and by a forged session alike."""
    strangers = (Client(), Client(headers={"Authorization": "Bearer wst_none"}), Client(headers={"Cookie": "a=b"}))
    for name in operations():
        for stranger in strangers:
            reply = _call(stranger, name, b"{}")
            assert reply.status_code == 401, (name, reply.status_code)
            assert set(reply.json()) >= SHAPE, name


def test_default_deny_no_page_answers_a_stranger() -> None:
    """Pages with a name in their address too; reading and writing alike."""
    pages = [_filled(p) for p in _pages(get_resolver().url_patterns) if "^" not in p and not p.startswith(OPEN)]
    assert len(pages) > 60
    for address in pages:
        for reply in (Client().get(address), Client().post(address)):
            assert reply.status_code == 302, address
            assert reply["Location"].startswith("/account/login/"), address


def test_the_open_addresses_are_those_that_are_named() -> None:
    """A new open door is a decision, made here too."""
    machines = {"/api/", "/metrics", "/write", "/ping", "/health"}
    assert set(OPEN) == machines | {"/static/", "/account/login/", "/welcome/", "/healthz", "/readyz", "/beat"}


def test_one_error_shape_for_what_does_not_exist(anybody: Client) -> None:
    """Every operation with a name in its address, asked for nothing: a refusal in the one shape, never a failure."""
    for name in operations():
        if "{" not in name:
            continue
        reply = _call(anybody, name, b"{}")
        assert reply.status_code < 500, (name, reply.content)
        if reply.status_code >= 400:
            told = json.loads(reply.content)
            assert set(told) >= SHAPE, name
            assert told["code"].count(".") == 1, name
            assert told["message"], name
            assert told["next_step"], name


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b'{"nothing": 1}'])
def test_one_error_shape_for_a_body_that_cannot_be_used(body: bytes, anybody: Client) -> None:
    """Every write that takes one."""
    for name in operations():
        if name.startswith("GET"):
            continue
        reply = _call(anybody, name, body)
        assert reply.status_code < 500, (name, reply.content)
        if reply.status_code >= 400:
            assert set(json.loads(reply.content)) >= SHAPE, name


def test_int_09_each_shape_of_the_api_has_a_name_of_its_own() -> None:
    """Two shapes of one name are one in the description, and one of them would be described wrongly."""
    held: dict[str, set[type]] = {}
    for shape in _below(Schema):
        if shape.__module__.startswith("waystation.api"):
            held.setdefault(shape.__name__, set()).add(shape)
    assert len(held) > 100
    assert {name: some for name, some in held.items() if len(some) > 1} == {}
    described = api.get_openapi_schema()["components"]["schemas"]
    assert set(described) <= set(held)


def _below(of: type) -> set[type]:
    return {one for sub in of.__subclasses__() for one in ({sub} | _below(sub))}
