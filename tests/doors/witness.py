"""Compares all tables before and after each write through a door: each changed row has an entry that names it.

A middleware that the door suites put around the product. It reads rows and leaves, and nothing else of the product.
"""

from __future__ import annotations

import json
import os
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from django.apps import apps
from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import resolve

from waystation.evidence.models import Event, LogEntry, OutboxMessage
from waystation.evidence.rows import Row
from waystation.kernel.canonical import canonical, digest, plain

# what is written without an entry of its own, each for its reason
BESIDE = {
    "evidence.LogEntry": "it is the entry",
    "evidence.Waiting": "the database enters each entry here and takes it out with its position",
    "evidence.SubscriptionProgress": "a place in the stream, not a record",
    "evidence.Cosignature": "a witness's own word, which verifies by itself",
    "evidence.WitnessState": "how it stands with a witness, no record",
    "evidence.TimeStamp": "an authority's own word, which verifies by itself",
    "evidence.StampState": "how it stands with an authority, no record",
    "evidence.EntryRows": "the list whose digest its entry holds",
    "evidence.LogOfSite": "which log a site's entries enter; the site's own entry says it",
    "telemetry.Uplink": "what is remembered of an uplink so that it counts once; its readings stand in the log",
    "access.Reply": "the answer kept for a repeated request",
}
# columns that no digest holds: leases, and a stamp of the framework; one more is a decision, made here too
COLUMNS_BESIDE = {
    "access.Person": {"last_login"},
    "runbooks.Run": {"lease_until", "fence"},
}
# columns about a person, which a digest holds salted
SALTED = {"access.Person": ("email", "name", "phone", "employer", "shifts", "qualifications")}
# writes whose rows no suite has compared yet: one that is compared by now leaves the list, or the witness fails
UNPROVED = frozenset(
    {
        "PATCH /api/v1/spares/set-up/{kind}/{key}",
        "POST /api/v1/fleet/sites/{code}/measure",
        "POST /api/v1/fleet/sites/{code}/open",
        "POST /api/v1/fleet/sites/{code}/sign/{function}",
        "POST /api/v1/fleet/sites/{code}/start",
        "POST /api/v1/incidents/{key}/swap",
        "POST /api/v1/registry/imports",
        "POST /api/v1/registry/imports/{key}/undo",
        "POST /api/v1/registry/product_profile/{key}/approve",
        "POST /api/v1/registry/sites/{key}/state/{target}",
        "POST /api/v1/service_levels/windows",
        "POST /api/v1/service_levels/windows/{key}/visit",
        "POST /api/v1/spares/dispatches/{key}/deliver",
        "POST /api/v1/spares/orders/{key}/{target}",
        "POST /api/v1/spares/set-up/sourcing_rule/{key}/approve",
        "POST /api/v1/spares/units/{key}/dispose",
        "POST /api/v1/spares/units/{key}/found",
        "POST /api/v1/spares/units/{key}/lost",
        "POST /api/v1/spares/units/{key}/transfer",
        "POST /api/v1/telemetry/doubts/{doubt_id}/decide",
        "POST /api/v1/telemetry/sensors/{sensor_id}/bind",
        "POST /api/v1/telemetry/sites/{site}/readings",
        "POST /api/v1/telemetry/spaces/{space_id}/hand-readings",
    }
)
# operations that take a body and change nothing
READING = frozenset(
    {
        "POST /api/v1/alarms/matrix/preview",
        "POST /api/v1/alarms/suppressions/preview",
        "POST /api/v1/discovery/sites/{site}/preview",
        "POST /api/v2/write",  # what it brings stands in the log of readings, not in a row
    }
)
Raw = dict[str, dict[Any, tuple[Any, ...]]]


class Unproved(AssertionError):
    """A row changed and no entry of the same request says so."""


class Witness:
    """The middleware; `covered` collects the operations that changed something."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return self.get_response(request)
        before = rows()
        reply = self.get_response(request)
        after = rows()
        if changed(before, after):
            prove(before, after, f"{request.method} {request.path}")
            if reply.status_code < 400:
                _keep(request)
        return reply


def rows() -> Raw:
    """Every row of every table of the product as the database holds it, by label and key."""
    found: Raw = {}
    with connection.cursor() as cursor:
        for label, table, key, columns in _tables():
            cursor.execute(f"SELECT {key}, {columns} FROM {table}")
            found[label] = {row[0]: row for row in cursor.fetchall()}
    return found


@lru_cache(maxsize=1)
def _tables() -> list[tuple[str, str, str, str]]:
    models = [m for m in apps.get_models() if m.__module__.startswith("waystation.")]
    found, quote = [], connection.ops.quote_name
    for m in models:
        hidden = COLUMNS_BESIDE.get(m._meta.label, set[str]())
        columns = [quote(f.column) for f in m._meta.concrete_fields if f.attname not in hidden]
        found.append((m._meta.label, quote(m._meta.db_table), quote(m._meta.pk.column), ", ".join(columns)))  # type: ignore[union-attr]
    return found


def changed(before: Raw, after: Raw) -> list[tuple[str, Any]]:
    """(table, key) of what was added, changed or removed."""
    return [
        (label, key)
        for label in after
        for key in before[label].keys() | after[label].keys()
        if before[label].get(key) != after[label].get(key)
    ]


def prove(before: Raw, after: Raw, what: str) -> None:
    """Each change has an entry among the new ones: named with the digest of what the row holds now."""
    fresh = after["evidence.LogEntry"].keys() - before["evidence.LogEntry"].keys()
    leaves = [json.loads(bytes(leaf)) for leaf in LogEntry.objects.filter(pk__in=fresh).values_list("leaf", flat=True)]
    named = {(r["table"], r["id"]): r["after"] for leaf in leaves for r in leaf.get("rows", [])}
    many = any("rows_digest" in leaf for leaf in leaves)
    for label, key in changed(before, after):
        if label in BESIDE:
            continue
        model, wrong = apps.get_model(label), ""
        value = model.objects.filter(pk=key).values().first() if key in after[label] else None  # type: ignore[attr-defined]
        if model in (Event, OutboxMessage):
            wrong = "" if value and value["entry_id"] in after["evidence.LogEntry"] else "belongs to no entry"
        elif value is None or not issubclass(model, Row):
            wrong = "" if leaves else "changed and the request left no entry"
        elif (label, str(value["id"])) not in named:
            wrong = "" if many else "changed and no new entry names it"
        elif named[label, str(value["id"])] != _digest_now(model, value):
            wrong = "is not what its entry says"
        if wrong:
            raise Unproved(f"{what}: {label} {key} {wrong}")


def _digest_now(model: type[Row], value: dict[str, Any]) -> str:
    hidden = COLUMNS_BESIDE.get(model._meta.label, set[str]())
    held = {f.attname: plain(value[f.attname]) for f in model._meta.concrete_fields if f.attname not in hidden}
    if not str(held.get("email", "")).endswith("@erased.invalid"):
        salted = {c: _salted(held["id"], c, held[c]) for c in SALTED.get(model._meta.label, ()) if held[c]}
        held |= salted
    return digest(held)


def _salted(person: str, column: str, value: Any) -> str:
    """SHA-256 over the person's salt, column and value; the salt is read from its file as it stands."""
    with closing(sqlite3.connect(Path(settings.DATA) / "people" / "keys.sqlite3")) as keys:
        (salt,) = keys.execute("SELECT salt FROM person WHERE id = ?", (person,)).fetchone()
    return sha256(salt + canonical([column, value])).hexdigest()


def _keep(request: HttpRequest) -> None:
    """Hold an operation that changed something against the list; write it down where a run asked for it."""
    if not request.path.startswith("/api/"):
        return
    name = f"{request.method} /{resolve(request.path).route}".replace("<", "{").replace(">", "}")
    plain_name = re.sub(r"\{\w+:", "{", name)
    if plain_name in UNPROVED:
        raise Unproved(f"{plain_name} is compared by now: take it off the list")
    if plain_name in READING:
        raise Unproved(f"{plain_name} changed something")
    if path := os.environ.get("WITNESSED"):
        with open(path, "a") as file:
            file.write(f"{plain_name}\n")
