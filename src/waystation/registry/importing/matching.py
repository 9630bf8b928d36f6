"""What each line of a file would do: which record it is, and what it changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from django.core.exceptions import ValidationError

from waystation.evidence.rows import Row
from waystation.kernel.refusals import Refusal
from waystation.registry import models as m
from waystation.registry.actions import fill
from waystation.registry.rules.tables import Line, Table, slug_of


@dataclass(slots=True)
class Plan:
    """One line: create, update, same or error, with the row as it would be."""

    line: int
    verb: str
    key: str
    changes: dict[str, list[str]] = field(default_factory=dict)
    error: str = ""
    row: Row | None = None
    also: list[Row] = field(default_factory=list)  # new rows that this one needs, and its reference


class Unusable(Exception):
    """A line cannot be used; the text says which field and why."""


class Matcher:
    """Finds the record of each line: by external reference, else by its own key."""

    def __init__(self, kind: str, system: str) -> None:
        self.kind, self.system = kind, system
        refs = m.ExternalReference.objects.filter(system=system)
        self._refs = {(r.kind, r.external_id): r for r in refs}
        self._referred = {(r.kind, r.object_id): r for r in refs}
        self._sites = {s.code: s for s in m.Site.objects.all()}
        self._names = {s.name.lower(): s for s in self._sites.values()}
        self._models = {(d.maker.lower(), d.name.lower()): d for d in m.DeviceModel.objects.all()}
        self._vendors = {v.code: v for v in m.Vendor.objects.all()}
        self._own: dict[Any, Row] = _own_keys(kind)
        self._by_id = {row.pk: row for row in self._own.values()}
        self._seen: dict[Any, int] = {}

    def plan(self, table: Table) -> list[Plan]:
        """Every line in order."""
        return [self._line(line) for line in table.lines]

    def _line(self, line: Line) -> Plan:
        also: list[Row] = []
        try:
            values = _VALUES[self.kind](self, line.values, also)
            key = _key(self.kind, values)
            external_id = line.values.get("external_id", "")
            row = self._held(key, external_id)
            self._once([key, row.pk if row else key, ("external_id", external_id) if external_id else key], line.number)
            return self._change(line, row, values, also)
        except (Unusable, Refusal) as error:
            text = error.message if isinstance(error, Refusal) else str(error)
            return Plan(line.number, "error", line.values.get("code") or line.values.get("name", ""), error=text)

    def _change(self, line: Line, row: Row | None, values: dict[str, Any], also: list[Row]) -> Plan:
        shown = str(values.get("code") or values.get("name"))
        changes = {n: [_shown(getattr(row, n)), _shown(v)] for n, v in values.items() if row and getattr(row, n) != v}
        verb = "create" if row is None else "update" if changes else "same"
        made = _MODELS[self.kind]() if row is None else row
        if verb != "same":
            fill(made, self.kind, values)
            try:
                made.full_clean(validate_unique=False, validate_constraints=False, exclude=_relations(made))
            except ValidationError as error:
                name, messages = next(iter(error.message_dict.items()))
                raise Unusable(f"{name}: {messages[0]}") from None
        return Plan(line.number, verb, shown, changes, row=made, also=also + self._reference(line, made))

    def _held(self, key: Any, external_id: str) -> Row | None:
        ref = self._refs.get((self.kind, external_id)) if external_id else None
        return self._by_id.get(ref.object_id) if ref else self._own.get(key)

    def _once(self, keys: list[Any], number: int) -> None:
        for key in keys:
            if key in self._seen:
                raise Unusable(f"it is the same {self.kind} as line {self._seen[key]}")
        self._seen |= dict.fromkeys(keys, number)

    def _reference(self, line: Line, row: Row) -> list[Row]:
        external_id = line.values.get("external_id", "")
        if not external_id or (self.kind, external_id) in self._refs:
            return []
        held = self._referred.get((self.kind, row.pk))
        if held is not None:
            raise Unusable(f"{self.system} calls it {held.external_id} already, not {external_id}")
        link = line.values.get("link", "")
        ref = m.ExternalReference(
            kind=self.kind,
            object_id=row.pk,
            system=self.system,
            external_id=external_id,
            link=link if link.startswith(("http://", "https://")) else "",
        )
        self._refs[self.kind, external_id] = ref
        return [ref]

    def site(self, text: str) -> m.Site:
        """A site by code, slug of its name, or name."""
        found = self._sites.get(text) or self._sites.get(slug_of(text)) or self._names.get(text.lower())
        if found is None:
            raise Unusable(f"site: there is no site {text!r}")
        return found

    def model(self, maker: str, name: str, component_class: str, also: list[Row]) -> m.DeviceModel:
        """A model by maker and name; an unknown one is made, and stands unreviewed."""
        key = (maker.lower(), name.lower())
        if key not in self._models:
            made = m.DeviceModel(maker=maker, name=name, component_class=component_class, standing="unreviewed")
            self._models[key] = made
            also.append(made)
        return self._models[key]

    def vendor(self, text: str, also: list[Row]) -> m.Vendor:
        """A vendor by code or name; an unknown one is made."""
        code = slug_of(text)
        if code not in self._vendors:
            self._vendors[code] = m.Vendor(code=code, name=text, kind="carrier")
            also.append(self._vendors[code])
        return self._vendors[code]


def _site(found: Matcher, line: Mapping[str, str], also: list[Row]) -> dict[str, Any]:
    network = m.Network.objects.filter(slug=line["network"]).first()
    template = m.Template.objects.filter(kind=line["template"]).order_by("-version").first()
    service_class = m.ServiceClass.objects.filter(code=line["service_class"]).first()
    for name, row in (("network", network), ("template", template), ("service_class", service_class)):
        if row is None:
            raise Unusable(f"{name}: there is no {name.replace('_', ' ')} {line[name]!r}")
    values: dict[str, Any] = {"code": line["code"], "name": _needed(line, "name"), "zone": _needed(line, "zone")}
    values |= {"network": network, "template": template, "service_class": service_class}
    values |= {"country": _needed(line, "country").upper(), "city": line.get("city") or _needed(line, "name")}
    values |= {"lat": _number(line, "lat", 90), "lon": _number(line, "lon", 180)}
    return values | ({"local_support": line["local_support"]} if line.get("local_support") else {})


def _device(found: Matcher, line: Mapping[str, str], also: list[Row]) -> dict[str, Any]:
    component_class = slug_of(_needed(line, "component_class")).replace("-", "_")
    values: dict[str, Any] = {"site": found.site(_needed(line, "site")), "name": _needed(line, "name")}
    values |= {"component_class": component_class, "serial": _needed(line, "serial")}
    values["model"] = found.model(_needed(line, "maker"), _needed(line, "model"), component_class, also)
    values |= {"firmware": line["firmware"]} if line.get("firmware") else {}
    return values | ({"installed_on": _day(line, "installed_on")} if line.get("installed_on") else {})


def _circuit(found: Matcher, line: Mapping[str, str], also: list[Row]) -> dict[str, Any]:
    path = (line.get("path") or "primary").lower()
    if path not in ("primary", "backup"):
        raise Unusable(f"path: {path!r} is neither primary nor backup")
    values: dict[str, Any] = {"site": found.site(_needed(line, "site")), "code": slug_of(_needed(line, "code"))}
    values |= {"vendor": found.vendor(_needed(line, "vendor"), also), "path": path, "medium": _needed(line, "medium")}
    return values | {name: line[name] for name in ("account", "last_mile") if line.get(name)}


_Values = Callable[[Matcher, Mapping[str, str], "list[Row]"], "dict[str, Any]"]
_VALUES: Mapping[str, _Values] = {"site": _site, "device": _device, "circuit": _circuit}
_MODELS: Mapping[str, type[Row]] = {"site": m.Site, "device": m.Device, "circuit": m.Circuit}


def _own_keys(kind: str) -> dict[Any, Row]:
    if kind == "site":
        return {s.code: s for s in m.Site.objects.all()}
    if kind == "circuit":
        return {c.code: c for c in m.Circuit.objects.select_related("site", "vendor")}
    live = m.Device.objects.filter(removed_at=None).select_related("site", "model")
    return {(d.site_id, d.name): d for d in live}


def _key(kind: str, values: Mapping[str, Any]) -> Any:
    return (values["site"].pk, values["name"]) if kind == "device" else values["code"]


def _needed(line: Mapping[str, str], name: str) -> str:
    text = line.get(name, "")
    if not text:
        raise Unusable(f"{name}: it is empty")
    return text


def _number(line: Mapping[str, str], name: str, most: float) -> float:
    text = _needed(line, name)
    try:
        value = float(text.replace(",", "."))
    except ValueError:
        raise Unusable(f"{name}: {text!r} is no number") from None
    if not -most <= value <= most:
        raise Unusable(f"{name}: {text} is not between -{most:g} and {most:g}")
    return value


def _day(line: Mapping[str, str], name: str) -> date:
    try:
        return date.fromisoformat(line[name])
    except ValueError:
        raise Unusable(f"{name}: {line[name]!r} is no day; write it as 2026-03-31") from None


def _relations(row: Row) -> list[str]:
    """Foreign keys: found above, some not saved yet."""
    return [f.name for f in row._meta.concrete_fields if f.is_relation]


def _shown(value: Any) -> str:
    return str(getattr(value, "code", None) or getattr(value, "slug", None) or getattr(value, "name", None) or value)
