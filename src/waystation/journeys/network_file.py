"""A whole small network from one file: inventory, people, hubs and units, each through the action that makes it.

The file is JSON: `{"kind": [{column: value, ...}, ...]}`. Records name each other by their codes. What is there
already is left as it is; where it differs the file says so, because what is intended changes through review.
Approvals are no part of it: profiles, templates, chains and certificates wait for the people who answer for them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from waystation.access import actions as access
from waystation.access.models import Person
from waystation.evidence.rows import Row
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotFound, Refusal
from waystation.registry import actions as registry
from waystation.registry import models as r
from waystation.spares import models as s
from waystation.spares.actions import setup, stock


@dataclass(frozen=True, slots=True)
class Kind:
    """How a record of a kind is known, and which of its columns name other records."""

    model: type[Row]
    key: tuple[str, ...]
    refers: Mapping[str, str] = field(default_factory=dict)  # column: kind
    newest: str = ""  # where the key leaves several, the highest of this column is meant


KINDS: Mapping[str, Kind] = {
    "network": Kind(r.Network, ("slug",)),
    "service_class": Kind(r.ServiceClass, ("code",)),
    "product_profile": Kind(r.ProductProfile, ("code",), newest="edition"),
    "template": Kind(r.Template, ("kind",), newest="version"),
    "vendor": Kind(r.Vendor, ("code",)),
    "device_model": Kind(r.DeviceModel, ("name",)),
    "part": Kind(r.Part, ("code",), {"model": "device_model"}),
    "site": Kind(r.Site, ("code",), {"network": "network", "template": "template", "service_class": "service_class"}),
    "person": Kind(Person, ("email",)),
    "space": Kind(r.Space, ("site", "code"), {"site": "site", "profile": "product_profile"}),
    "device": Kind(
        r.Device, ("site", "name"), {"site": "site", "space": "space", "model": "device_model", "part": "part"}
    ),
    "sensor": Kind(r.Sensor, ("code",), {"site": "site", "space": "space", "device": "device"}),
    "circuit": Kind(r.Circuit, ("code",), {"site": "site", "vendor": "vendor"}),
    "owner": Kind(r.Owner, ("site", "dependency"), {"site": "site", "vendor": "vendor", "person": "person"}),
    "hub": Kind(s.Hub, ("code",), {"site": "site", "custodian": "person"}),
    "lane": Kind(s.Lane, ("hub", "site", "mode"), {"hub": "hub", "site": "site"}),
    "replacement": Kind(
        s.Replacement, ("installed", "offered"), {"installed": "device_model", "offered": "device_model"}
    ),
    "offer": Kind(s.Offer, ("vendor", "group", "channel"), {"vendor": "vendor", "model": "device_model"}),
    "sourcing_rule": Kind(s.SourcingRule, ("service_class",)),
    "target": Kind(s.StockTarget, ("hub", "group"), {"hub": "hub"}),
    "unit": Kind(s.Unit, ("serial",), {"part": "part", "hub": "hub"}),
}
_BY_ID = ("person", "custodian")  # these columns hold an id, not a relation


@dataclass(frozen=True, slots=True)
class Line:
    """What one record of the file would do or did: create, same, differs or error, and why."""

    kind: str
    name: str
    verb: str
    words: str = ""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A file as understood. `welcomes` are the new people with their one-time secrets, when it was applied."""

    lines: tuple[Line, ...]
    applied: bool
    welcomes: tuple[tuple[str, str], ...] = ()

    def count(self, verb: str) -> int:
        """How many records do that."""
        return sum(line.verb == verb for line in self.lines)


def load(by: Authority, content: bytes, *, now: datetime, apply: bool = False) -> Loaded:
    """Look at a network's file record by record, or make what it names: all of it or nothing.

    Needs what each record's own action needs. BadInput when the file is no such document; a record that cannot be
    used is an `error` line, and then nothing is applied.
    """
    document = _read(content)
    with transaction.atomic():
        loader = _Loader(by, now)
        lines = tuple(loader.line(kind, values) for kind in KINDS for values in document.get(kind, ()))
        applied = apply and not any(line.verb == "error" for line in lines)
        welcomes = loader.welcome() if applied else ()
        if not applied:
            transaction.set_rollback(True)
    return Loaded(lines, applied, welcomes)


def _read(content: bytes) -> Mapping[str, Sequence[Mapping[str, Any]]]:
    step = f"Write {{kind: [{{column: value}}]}}; kinds: {', '.join(KINDS)}."
    try:
        document = json.loads(content)
    except (UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BadInput("registry.network_file", f"The file is no JSON: {error}.", step, field="file") from None
    if not isinstance(document, dict):
        raise BadInput("registry.network_file", "The file holds no object of kinds.", step, field="file")
    for kind, rows in document.items():
        if kind not in KINDS:
            raise BadInput("registry.network_file", f"There is no kind {kind!r}.", step, field=kind)
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise BadInput("registry.network_file", f"{kind} is no list of records.", step, field=kind)
    return document


class _Loader:
    def __init__(self, by: Authority, now: datetime) -> None:
        self._by, self._now = by, now
        self._new_people: list[Person] = []

    def line(self, name: str, given: Mapping[str, Any]) -> Line:
        """Make one record, or say why not; a refused one leaves nothing behind."""
        kind = KINDS[name]
        shown = " ".join(str(given.get(column, "?")) for column in kind.key)
        try:
            with transaction.atomic():
                values = {column: self._value(name, kind, column, value) for column, value in given.items()}
                held = _held(name, kind, values)
                if held is not None:
                    differs = _differences(held, values)
                    return Line(name, shown, "differs" if differs else "same", "; ".join(differs))
                self._make(name, values)
        except Refusal as refusal:
            return Line(name, shown, "error", f"{refusal.message} {refusal.next_step}")
        return Line(name, shown, "create")

    def welcome(self) -> tuple[tuple[str, str], ...]:
        """A one-time secret for each new person."""
        return tuple(
            (p.email, access.make_welcome_link(self._by, now=self._now, person_id=p.pk)) for p in self._new_people
        )

    def _value(self, name: str, kind: Kind, column: str, value: Any) -> Any:
        target = kind.refers.get(column)
        if target is None or value in (None, ""):
            return value
        return _referred(target, value, f"{name}.{column}")

    def _make(self, name: str, values: dict[str, Any]) -> None:
        made: Mapping[str, Callable[[dict[str, Any]], None]] = {"person": self._person, "unit": self._unit}
        if name in made:
            made[name](values)
        elif name in setup.KINDS:
            setup.set_up(self._by, name, _columns(values), now=self._now)
        else:
            registry.create(self._by, name, _columns(values), now=self._now)

    def _person(self, values: dict[str, Any]) -> None:
        known = ("email", "name", "phone", "employer", "roles", "sites", "shifts", "qualifications")
        _only("person", values, known)
        words = {n: str(values.get(n, "")) for n in ("email", "name", "phone", "employer")}
        person = access.create_person(self._by, now=self._now, **words)
        where: list[UUID | None] = [_referred("site", code, "person.sites").pk for code in _list(values, "sites")]
        for role in _list(values, "roles"):
            for site_id in where or [None]:
                access.grant_role(self._by, person.pk, str(role), site_id=site_id, now=self._now)
        if values.get("shifts") or values.get("qualifications"):
            access.set_schedule(
                self._by,
                person.pk,
                shifts=_list(values, "shifts"),
                qualifications=_list(values, "qualifications"),
                now=self._now,
            )
        self._new_people.append(person)

    def _unit(self, values: dict[str, Any]) -> None:
        part, hub = _needed(values, "part"), _needed(values, "hub")
        rest = {k: v for k, v in values.items() if k not in ("serial", "part", "hub", "checked")}
        if rest.get("certificate_until"):
            rest["certificate_until"] = _instant(rest["certificate_until"])
        unit = stock.receive(self._by, part.pk, str(values.get("serial", "")), hub.pk, now=self._now, values=rest)
        if values.get("checked"):
            stock.check(self._by, unit.pk, True, now=self._now, note=str(values["checked"]))


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    return {(f"{k}_id" if k in _BY_ID else k): (v.pk if k in _BY_ID and v else v) for k, v in values.items()}


def _referred(kind: str, name: Any, where: str) -> Row:
    """The record of that code: spaces and devices as `site/name`."""
    known = KINDS[kind]
    words = str(name).split("/") if len(known.key) > 1 else [str(name)]
    if len(words) == len(known.key):
        path = {(c if c != "site" else "site__code"): word for c, word in zip(known.key, words, strict=True)}
        if row := _newest(known, path):
            return row
    shape = "/".join(known.key)
    raise NotFound(
        "registry.unknown",
        f"{where}: there is no {kind.replace('_', ' ')} {name}.",
        f"Write its {shape}; put it in.",
    )


def _held(name: str, kind: Kind, values: Mapping[str, Any]) -> Row | None:
    missing = [c for c in kind.key if values.get(c) in (None, "")]
    if missing:
        raise BadInput("registry.value", f"{name} has no {missing[0]}.", "It is known by it.", field=missing[0])
    path = {column: values[column] for column in kind.key}
    if kind.newest and kind.newest in values:
        path[kind.newest] = values[kind.newest]
    if name == "person":
        path["email"] = str(values["email"]).strip().lower()
    return _newest(kind, path)


def _newest(kind: Kind, path: Mapping[str, Any]) -> Row | None:
    live = {"removed_at": None} if kind.model in (r.Device, r.Sensor) else {}
    rows = kind.model._default_manager.filter(**path, **live)
    return rows.order_by(f"-{kind.newest}" if kind.newest else "pk").first()


def _differences(held: Row, values: Mapping[str, Any]) -> list[str]:
    """Each column of the file that says something else than the record; people's roles and shifts are theirs."""
    known = {f.name: f for f in held._meta.concrete_fields} | {f.attname: f for f in held._meta.concrete_fields}
    found = []
    for column, value in _columns(values).items():
        if column in known and column not in ("email",) and isinstance(held, Row):
            here = getattr(held, column)
            there = value if isinstance(value, Row) else known[column].to_python(value) if value is not None else None
            if here != there:
                found.append(f"{column}: {here} here, {value} in the file")
    return found


def _only(kind: str, values: Mapping[str, Any], known: Sequence[str]) -> None:
    for name in values:
        if name not in known:
            raise BadInput("registry.value", f"{kind} has no {name!r} to set.", f"Set: {', '.join(known)}.", field=name)


def _list(values: Mapping[str, Any], name: str) -> list[Any]:
    value = values.get(name) or []
    if not isinstance(value, list):
        raise BadInput("registry.value", f"{name} is no list.", 'Write ["one", "other"].', field=name, value=str(value))
    return value


def _needed(values: Mapping[str, Any], name: str) -> Row:
    row = values.get(name)
    if not isinstance(row, Row):
        raise BadInput("registry.value", f"unit has no {name}.", f"Name the {name} by its code.", field=name)
    return row


def _instant(text: Any) -> datetime:
    try:
        day = date.fromisoformat(str(text))
    except ValueError:
        raise BadInput(
            "registry.value", f"certificate_until {text!r} is no date.", "Write 2027-06-30.", field="certificate_until"
        ) from None
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
