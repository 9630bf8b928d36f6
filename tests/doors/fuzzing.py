"""Requests made from the API's own description: mostly what it asks for, sometimes what nobody should send.

The world is small and real; a request is drawn by a random source, so that a seed or a shrinking property plays it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Any
from urllib.parse import quote, urlencode
from uuid import UUID

from django.apps import apps
from django.db import transaction
from django.http import HttpResponse
from django.test import Client

from tests.conftest import START
from tests.rooms.spares.network import a_hub, a_lane, a_need, a_part, a_unit, an_offer, held_unit
from tests.rooms.telemetry.samples import a_monitored_space
from tests.samples import a_device, a_site
from waystation.access.models import Grant, Person
from waystation.access.queries import system_authority
from waystation.access.rules import HUMAN_ROLES, ROLES
from waystation.alarms import actions as alarms
from waystation.alarms.rules.conditions import Condition
from waystation.api.main import api
from waystation.fleet import upkeep
from waystation.incidents import actions as incidents
from waystation.kernel import ids
from waystation.kernel.states import MACHINES
from waystation.planning.actions import plans
from waystation.planning.rules.living.points import Point
from waystation.registry import actions as registry
from waystation.service_levels import sessions
from waystation.spares.actions import setup, sourcing

SHAPE = {"code", "message", "next_step"}
NASTY: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, -(2**63) - 1, 10**30, 1e308, -0.5, float("nan"), float("inf")),
    *(
        "",
        " ",
        "x" * 5_000,
        "\x00",
        "a\x00b",
        "\ud800",
        "\u202e",
        "é" * 300,
        "'; --",
        "%s",
        "{}",
        "null",
        "../..",
        "🧊",
    ),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-11-17T06:00:00", "2026-02-30", "00000000", "nan", "1e999"),
    *(
        [],
        {},
        [[]],
        [None],
        {"": ""},
        {"a": {"b": {"c": []}}},
        [1, "a", None],
        {"always": True},
        [[0.5, 60], [0.9, 90]],
    ),
)
TEXTS = ("cordoba", "sevilla", "fridge-1", "active", "Ana", "because", "2026-11-17", "email", "gateway", "controller")
KINDS = (*registry.KINDS, *setup.KINDS, "command")
STATES = tuple(sorted({state for machine in MACHINES.values() for state in machine}))
# words that an operation knows under the name of a member
WORDS: dict[str, tuple[str, ...]] = {
    "kind": KINDS,
    "role": tuple(ROLES),
    "target": STATES,
    "state": STATES,
    "email": ("new@example.org", "everybody@example.org"),
    "url": ("https://hooks.example.org/in", "http://127.0.0.1/in"),
    "kinds": ("*", "alarms.*"),
    "function": ("facilities", "operations", "it"),
    "resolution": ("accepted", "waived"),
    "decision": ("sensor_failed", "readings_stand", "release", "reject", "transfer"),
    "theme": ("light", "dark"),
    "hours": ("12", "24"),
    "temperature_unit": ("c", "f"),
    "zone": ("Europe/Madrid", "UTC", "Mars/Olympus"),
    "form": ("csv", "netbox"),
    "country": ("ES",),
    "medium": ("fiber",),
    "slug": ("risky", "cordoba"),
    "content": ("code,name\na,b\n", "lot,product,quantity\nL1,P,5\n"),
    "mode": ("drive", "courier"),
    "tier": ("regional", "central"),
    "level": ("page", "none"),
    "priority": ("P1", "P2"),
    "category": ("preventive", "corrective"),
    "activity": ("replace", "check"),
    "outcome": ("done", "not_done"),
    "over": ("remote", "on_site"),
    "site": ("cordoba", "jaen"),
    "standing": ("overdue", "planned"),
    "vendor": ("", "friotec"),
    "incident": ("", "INC-1"),
    "event": ("picked_up", "delivered", "exception"),
}


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation as the description tells it."""

    method: str
    path: str
    parameters: tuple[dict[str, Any], ...]
    body: dict[str, Any] | None

    @property
    def name(self) -> str:
        """`POST /api/v1/...`."""
        return f"{self.method} {self.path}"


def described() -> tuple[list[Operation], dict[str, Any]]:
    """Every operation and the named shapes, from the OpenAPI document."""
    document = api.get_openapi_schema(path_prefix="/api/")
    found = []
    for path, verbs in document["paths"].items():
        for verb, told in verbs.items():
            content = told.get("requestBody", {}).get("content", {}).get("application/json", {})
            found.append(Operation(verb.upper(), path, tuple(told.get("parameters", ())), content.get("schema")))
    return sorted(found, key=lambda o: (o.path, o.method)), document["components"]["schemas"]


class Drawn:
    """Values of a shape, drawn from a random source; `wild` is how often something else stands in its place."""

    def __init__(self, chance: Random, shapes: dict[str, Any], known: Pool, wild: float) -> None:
        self.chance, self.shapes, self.known, self.wild = chance, shapes, known, wild

    def value(self, shape: dict[str, Any], name: str = "", depth: int = 0) -> Any:
        """A value of the shape, or now and then anything at all."""
        if self.chance.random() < self.wild or depth > 6:
            return self.chance.choice(NASTY)
        if "$ref" in shape:
            return self.value(self.shapes[shape["$ref"].rpartition("/")[2]], name, depth + 1)
        for word in ("anyOf", "oneOf", "allOf"):
            if word in shape:
                return self.value(self.chance.choice(shape[word]), name, depth + 1)
        if "enum" in shape:
            return self.chance.choice(shape["enum"])
        return getattr(self, f"_{shape.get('type', 'anything')}")(shape, name, depth)

    def _null(self, shape: dict[str, Any], name: str, depth: int) -> None:
        return None

    def _anything(self, shape: dict[str, Any], name: str, depth: int) -> Any:
        return self.chance.choice([self.chance.choice(NASTY), *TEXTS, 5, 2.5, self.known.any_id(self.chance)])

    def _boolean(self, shape: dict[str, Any], name: str, depth: int) -> bool:
        return self.chance.random() < 0.5

    def _integer(self, shape: dict[str, Any], name: str, depth: int) -> int:
        return self.chance.choice([0, 1, 2, 60, 3600, self.chance.randrange(-5, 100_000)])

    def _number(self, shape: dict[str, Any], name: str, depth: int) -> float:
        return self.chance.choice([0.0, 5.0, 8.1, -3.5, 60, self.chance.uniform(-100, 1000)])

    def _string(self, shape: dict[str, Any], name: str, depth: int) -> str:
        if shape.get("format") == "uuid":
            return self.known.id_for(name, self.chance)
        at = START + timedelta(minutes=self.chance.randrange(-3_000, 3_000))
        if shape.get("format") == "date-time":
            return at.isoformat()
        if shape.get("format") == "date":
            return at.date().isoformat()
        if name in WORDS and self.chance.random() < 0.8:
            return self.chance.choice(WORDS[name])
        return self.chance.choice([*TEXTS, *self.known.texts, self.known.id_for(name, self.chance), at.isoformat()])

    def _array(self, shape: dict[str, Any], name: str, depth: int) -> list[Any]:
        if "prefixItems" in shape:
            return [self.value(one, name, depth + 1) for one in shape["prefixItems"]]
        return [self.value(shape.get("items", {}), name, depth + 1) for _ in range(self.chance.randrange(4))]

    def _object(self, shape: dict[str, Any], name: str, depth: int) -> dict[str, Any]:
        needed, found = set(shape.get("required", ())), {}
        for key, inner in shape.get("properties", {}).items():
            if self.chance.random() < (1 - self.wild if key in needed else 0.6):
                found[key] = self.value(inner, key, depth + 1)
        more = shape.get("additionalProperties")
        for _ in range(self.chance.randrange(6) if more else 0):
            key = self.chance.choice(self.known.columns)
            found[key] = self.value(more if isinstance(more, dict) else {}, key, depth + 1)
        if self.chance.random() < self.wild:
            found["nobody asked"] = self.chance.choice(NASTY)
        return found


class Pool:
    """What exists: ids by the name of their table, codes, and names of columns."""

    def __init__(self) -> None:
        self.ids: dict[str, list[str]] = {}
        texts, columns = set[str](), set[str]()
        for model in apps.get_models():
            if not model.__module__.startswith("waystation."):
                continue
            columns |= {f.attname for f in model._meta.concrete_fields}
            keys = [str(pk) for pk in model._default_manager.values_list("pk", flat=True)[:4]]
            self.ids[model.__name__.lower()] = [k for k in keys if _is_id(k)]
            for name in ("code", "serial", "probe_serial", "name", "slug", "key", "token"):
                if any(f.attname == name for f in model._meta.concrete_fields):
                    texts |= {str(t) for t in model._default_manager.values_list(name, flat=True)[:3] if t}
        self.columns = sorted(columns)
        self.texts = sorted(texts)
        self.all_ids = sorted(k for keys in self.ids.values() for k in keys)

    def any_id(self, chance: Random) -> str:
        """The id of something."""
        return chance.choice(self.all_ids)

    def id_for(self, name: str, chance: Random) -> str:
        """Mostly an id of what the name says; else of anything, or of nothing."""
        fitting = self.ids.get(name.removesuffix("_id").replace("_", ""), [])
        if fitting and chance.random() < 0.8:
            return chance.choice(fitting)
        return self.any_id(chance) if chance.random() < 0.9 else str(UUID(int=chance.getrandbits(128)))

    def id_on(self, path: str, name: str, chance: Random) -> str:
        """For a name in an address: `/units/{key}` means a unit."""
        before = path.partition("{" + name + "}")[0].rstrip("/").rpartition("/")[2]
        table = before.rstrip("s").replace("-", "").replace("_", "")
        fitting = self.ids.get(table) or self.ids.get(before.replace("-", "").removesuffix("es"), [])
        return chance.choice(fitting) if fitting and chance.random() < 0.8 else self.id_for(name, chance)


def _is_id(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def a_world() -> None:
    """A monitored fridge, a device, an alarm, an incident, hubs, units, an offer, a round, a plan; the same ids."""
    before = ids.use(ids.SeededIds(11, lambda: round(START.timestamp() * 1000)))
    try:
        _a_world()
    finally:
        ids.use(before)


def _a_world() -> None:
    by = system_authority("test")
    space, _ = a_monitored_space(START, 2)
    device = a_device()
    a_site("jaen", state="commissioning")
    a_lane(a_hub()), a_unit("S-9", a_hub()), an_offer(), held_unit("S-10")
    wrong = [Condition("space.high", space.site_id, "space", space.pk, START, {})]
    alarms.update(by, space.site_id, wrong, now=START)
    opened = incidents.open(by, "space.high", space.site_id, title="Fridge 1 warms", priority="P1", now=START)
    setup_need = a_need(incident=opened.pk)
    sourcing.source(by, setup_need, now=START)
    registry.refer(by, "device", device.pk, system="netbox", external_id="7", now=START)
    assert a_part().pk
    line = plans.NewLine(a_hub().pk, a_hub().code, "controller", Point(0, 1), "cover of the lead time")
    plans.propose(by, [line], reason="a first policy", now=START)
    work = upkeep.Plan(device.pk, "preventive", "replace", "UPS battery", START, START + timedelta(hours=4))
    upkeep.plan(by, work, now=START)
    at_work = sessions.Opening("friotec", "cordoba", "Rui", "UPS battery", "remote", timedelta(hours=4))
    sessions.open_session(by, at_work, now=START)


def everybody() -> Client:
    """Somebody who holds every role of people, so that nothing is refused for want of one."""
    return _somebody("everybody", None)


def of_one_site() -> Client:
    """Somebody who holds the same at one site alone."""
    return _somebody("local", a_site("jaen").pk)


def holding(role: str) -> Client:
    """Somebody with one role everywhere."""
    return _somebody(f"only {role}", None, [role])


def _somebody(name: str, site: UUID | None, roles: Sequence[str] = HUMAN_ROLES) -> Client:
    person = Person.objects.filter(name=name).first()
    if person is None:
        person = Person.objects.create(email=f"{name.replace(' ', '.')}@example.org", name=name)
        for role in roles:
            Grant.objects.create(person=person, role=role, since=START, site_id=site)
    client = Client()
    client.force_login(person, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def drawn_request(one: Operation, drawn: Drawn) -> tuple[str, str, bytes]:
    """Method, address and body of one request to an operation."""
    path, query = one.path, {}
    for parameter in one.parameters:
        name, shape = parameter["name"], parameter.get("schema", {})
        if parameter["in"] == "path":
            value = drawn.value(shape, name)
            if drawn.chance.random() < 0.7 and name not in WORDS:
                value = drawn.known.id_on(one.path, name, drawn.chance)
            path = path.replace("{" + name + "}", quote(_text(value), safe="") or "-")
        elif drawn.chance.random() < 0.6:
            query[name] = _text(drawn.value(shape, name))
    body = json.dumps(drawn.value(one.body)).encode() if one.body is not None else b""
    return one.method, f"{path}?{urlencode(query)}", body


def _text(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()


def ask(client: Client, request: tuple[str, str, bytes]) -> HttpResponse:
    """Send one request and take back what it did; what it answered is checked to be an answer."""
    method, address, body = request
    with transaction.atomic():
        reply = client.generic(method, address, body, content_type="application/json")
        check(reply, f"{method} {address} {body[:2000]!r}")
        transaction.set_rollback(True)
    return reply


def check(reply: HttpResponse, what: str) -> None:
    """Done, or refused in the one shape with a code of a room, a message and a next step."""
    assert reply.status_code < 500, f"{what}: {reply.status_code} {reply.content[:500]!r}"
    if reply.status_code >= 400:
        told = json.loads(reply.content)
        assert set(told) >= SHAPE, f"{what}: {told}"
        assert told["code"].count(".") == 1, f"{what}: {told}"
        assert told["message"], f"{what}: {told}"
        assert told["next_step"], f"{what}: {told}"
        if reply.status_code == 422:
            assert "field" in told, f"{what}: {told}"
