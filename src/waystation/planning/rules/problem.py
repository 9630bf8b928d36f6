"""`waystation.problem/1`: nodes, parts, demand, sites, budget and targets as values; a bad one is refused by field."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from waystation.kernel.refusals import BadInput

HOURS_PER_YEAR = 8_760.0
SCHEMA = "waystation.problem/1"
Measure = Literal["fill_rate", "mean_wait_h", "backorders", "units"]
MEASURES: tuple[Measure, ...] = ("fill_rate", "mean_wait_h", "backorders", "units")
MOST = {"nodes": 400, "parts": 20_000, "demand": 2_000_000, "kits": 200_000, "sites": 20_000, "service_targets": 200}


@dataclass(frozen=True, slots=True)
class NodeGiven:
    """A stocking node: hours from its parent (or from supply, at the root) and the most units it can hold."""

    id: str
    parent: str | None
    lead_time_h: float
    capacity_units: int | None


@dataclass(frozen=True, slots=True)
class PartGiven:
    """A part: price of a unit (money), yearly holding rate, and hours from supply to the root if not the root's own."""

    id: str
    unit_cost: float
    holding_rate: float
    supply_h: float | None = None


@dataclass(frozen=True, slots=True)
class DemandGiven:
    """Failures a year of a part at a node or a site, and their variance to mean (1: Poisson)."""

    part: str
    node: str
    per_year: float
    ratio: float


@dataclass(frozen=True, slots=True)
class KitGiven:
    """Needs a year of several parts together (two or more, one of each), beside `DemandGiven` of each part alone.

    Such a need is met only when every line is there.
    """

    parts: tuple[str, ...]
    node: str
    per_year: float


@dataclass(frozen=True, slots=True)
class SiteGiven:
    """A site: the longest tolerable time to restore (hours), its service class."""

    id: str
    max_restore_h: float
    service_class: str


@dataclass(frozen=True, slots=True)
class TargetGiven:
    """What has to hold for a class, a node, a part, or all: a share met at once, hours waited, backorders, or units."""

    measure: Measure
    value: float
    service_class: str | None
    node: str | None
    part: str | None

    @property
    def words(self) -> str:
        """As a person says it."""
        where = [f"{k} {v}" for k, v in (("class", self.service_class), ("node", self.node), ("part", self.part)) if v]
        said = {
            "fill_rate": f"fill rate of at least {self.value:g}",
            "mean_wait_h": f"mean wait of at most {self.value:g} h",
            "backorders": f"backorders of at most {self.value:g}",
            "units": f"at least {self.value:g} units",
        }[self.measure]
        return f"{said} for {', '.join(where) if where else 'everything'}"


@dataclass(frozen=True, slots=True)
class Problem:
    """A whole problem; `travel_h[node][site]` in hours; parents before children in `nodes`.

    `lenders` by site: nodes that may send a unit when the site's own has none, quickest first; of a document those
    within its limit, if it says `laterals`. `least`: units of (part, node) that have to lie there, whatever they are
    worth. A document gives neither them nor `supply_h` of a part: they come of a live network.
    """

    nodes: tuple[NodeGiven, ...]
    parts: tuple[PartGiven, ...]
    demand: tuple[DemandGiven, ...]
    sites: tuple[SiteGiven, ...]
    travel_h: Mapping[str, Mapping[str, float]]
    budget: float | None
    targets: tuple[TargetGiven, ...]
    time_limit_s: float
    least: Mapping[tuple[str, str], int] = field(default_factory=dict)
    kits: tuple[KitGiven, ...] = ()
    lenders: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def read(document: Mapping[str, Any]) -> Problem:
    """The problem of a JSON document; BadInput names the field, the value and the next step."""
    names = "schema nodes parts demand kits sites travel_h laterals budget service_targets time_limit_s"
    _known("problem", document, names)
    if document.get("schema", SCHEMA) != SCHEMA:
        raise _bad("schema", document["schema"], f"is not {SCHEMA}", f'Give "schema": "{SCHEMA}".')
    as_given = [_node(row, at) for row, at in _rows(document, "nodes")]
    _once("nodes", [node.id for node in as_given])
    nodes = _in_order(as_given)
    parts = tuple(_part(row, at) for row, at in _rows(document, "parts"))
    sites = tuple(_site(row, at) for row, at in _rows(document, "sites", may_be_empty=True))
    _once("parts", [part.id for part in parts])
    _once("sites", [*(site.id for site in sites), *(node.id for node in as_given)])
    places = {n.id for n in nodes} | {s.id for s in sites}
    known = ({p.id for p in parts}, places)
    demand = tuple(_demand(row, at, *known) for row, at in _rows(document, "demand", may_be_empty=True))
    kits = tuple(_kit(row, at, *known) for row, at in _rows(document, "kits", may_be_empty=True))
    travel = _travel(document.get("travel_h", {}), as_given, sites)
    budget = document.get("budget")
    targets = _targets(document.get("service_targets", []), nodes, parts, sites)
    if budget is None and not targets:
        raise _bad(
            "budget", None, "and service_targets are both absent", "Give a budget, or the service that has to hold."
        )
    return Problem(
        nodes,
        parts,
        demand,
        sites,
        travel,
        None if budget is None else _number(budget, "budget"),
        targets,
        _number(document.get("time_limit_s", 120.0), "time_limit_s"),
        kits=kits,
        lenders=_within_limits(sites, travel) if _said(document, "laterals") else {},
    )


def _within_limits(sites: Sequence[SiteGiven], travel: Mapping[str, Mapping[str, float]]) -> dict[str, tuple[str, ...]]:
    """By site the nodes that reach it within its limit, the nearest first."""
    found = {}
    for site in sites:
        reach = sorted((row[site.id], node) for node, row in travel.items() if site.id in row)
        found[site.id] = tuple(node for hours, node in reach if hours <= site.max_restore_h)
    return found


def _said(document: Mapping[str, Any], field: str) -> bool:
    value = document.get(field, False)
    if not isinstance(value, bool):
        raise _bad(field, value, "is neither true nor false", "Give one of them.")
    return value


def _node(row: Mapping[str, Any], at: str) -> NodeGiven:
    _known(at, row, "id parent lead_time_h capacity_units")
    parent, most = row.get("parent"), row.get("capacity_units")
    return NodeGiven(
        _id(row, "id", at),
        None if parent is None else _id(row, "parent", at),
        _number(row.get("lead_time_h"), f"{at}.lead_time_h"),
        None if most is None else int(_number(most, f"{at}.capacity_units")),
    )


def _part(row: Mapping[str, Any], at: str) -> PartGiven:
    _known(at, row, "id unit_cost holding_rate_per_year")
    cost = _number(row.get("unit_cost"), f"{at}.unit_cost")
    if cost <= 0.0:
        raise _bad(f"{at}.unit_cost", cost, "is no price", "Give the money that one unit costs, above zero.")
    return PartGiven(
        _id(row, "id", at), cost, _number(row.get("holding_rate_per_year", 0.0), f"{at}.holding_rate_per_year")
    )


def _site(row: Mapping[str, Any], at: str) -> SiteGiven:
    _known(at, row, "id max_restore_h service_class")
    name = str(row.get("service_class", ""))
    return SiteGiven(_id(row, "id", at), _number(row.get("max_restore_h"), f"{at}.max_restore_h"), name)


def _demand(row: Mapping[str, Any], at: str, parts: set[str], places: set[str]) -> DemandGiven:
    _known(at, row, "part node per_year variance_to_mean")
    part, node = _id(row, "part", at), _id(row, "node", at)
    if part not in parts:
        raise _bad(f"{at}.part", part, "is none of the parts", "Add the part, or name one of them.")
    if node not in places:
        raise _bad(f"{at}.node", node, "is neither a node nor a site", "Add it, or name one of them.")
    ratio = _number(row.get("variance_to_mean", 1.0), f"{at}.variance_to_mean")
    if ratio < 1.0:
        raise _bad(f"{at}.variance_to_mean", ratio, "is below that of Poisson demand", "Give 1 or more.")
    return DemandGiven(part, node, _number(row.get("per_year"), f"{at}.per_year"), ratio)


def _kit(row: Mapping[str, Any], at: str, parts: set[str], places: set[str]) -> KitGiven:
    _known(at, row, "parts node per_year")
    lines, node = row.get("parts"), _id(row, "node", at)
    if not isinstance(lines, list) or len(lines) < 2 or any(not isinstance(p, str) or p not in parts for p in lines):
        raise _bad(f"{at}.parts", None, "is no list of two or more of the parts", "Name them; a part alone is demand.")
    if len(set(lines)) < len(lines):
        raise _bad(f"{at}.parts", None, "names a part twice", "Name each line once: a kit takes one of each.")
    if node not in places:
        raise _bad(f"{at}.node", node, "is neither a node nor a site", "Add it, or name one of them.")
    return KitGiven(tuple(lines), node, _number(row.get("per_year"), f"{at}.per_year"))


def _targets(
    given: Any, nodes: Sequence[NodeGiven], parts: Sequence[PartGiven], sites: Sequence[SiteGiven]
) -> tuple[TargetGiven, ...]:
    if isinstance(given, Mapping):  # {service class: fill rate}
        given = [{"measure": "fill_rate", "value": v, "service_class": k} for k, v in given.items()]
    rows = list(_rows({"service_targets": given}, "service_targets", may_be_empty=True))
    names = {
        "service_class": {s.service_class for s in sites},
        "node": {n.id for n in nodes},
        "part": {p.id for p in parts},
    }
    return tuple(_target(row, at, names) for row, at in rows)


def _target(row: Mapping[str, Any], at: str, names: Mapping[str, set[str]]) -> TargetGiven:
    _known(at, row, "measure value service_class node part")
    measure = row.get("measure")
    if measure not in MEASURES:
        raise _bad(f"{at}.measure", measure, "is no measure", f"Give one of {', '.join(MEASURES)}.")
    value = _number(row.get("value"), f"{at}.value")
    if measure == "fill_rate" and value >= 1.0:
        raise _bad(f"{at}.value", value, "is a fill rate that no stock reaches", "Give a share below 1.")
    for name, known in names.items():
        if row.get(name) is not None and row[name] not in known:
            raise _bad(f"{at}.{name}", row[name], "is not in the problem", f"Name one of the {len(known)} given.")
    return TargetGiven(measure, value, row.get("service_class"), row.get("node"), row.get("part"))


def _travel(given: Any, nodes: Sequence[NodeGiven], sites: Sequence[SiteGiven]) -> dict[str, dict[str, float]]:
    """By node, then site; also as rows of hours, a row for each node in the order given."""
    if isinstance(given, list):
        if len(given) != len(nodes) or any(not isinstance(row, list) or len(row) != len(sites) for row in given):
            raise _bad("travel_h", None, f"does not have {len(nodes)} rows of {len(sites)} hours", "Give all.")
        given = {n.id: {s.id: h for s, h in zip(sites, row, strict=True)} for n, row in zip(nodes, given, strict=True)}
    if not isinstance(given, Mapping):
        raise _bad("travel_h", given, "is no table", "Give hours by node, then by site.")
    found: dict[str, dict[str, float]] = {}
    for node, row in given.items():
        if node not in {n.id for n in nodes} or not isinstance(row, Mapping):
            raise _bad(f"travel_h.{node}", None, "is no row of a node", "Give hours by node, then by site.")
        for site in row:
            if site not in {s.id for s in sites}:
                raise _bad(f"travel_h.{node}.{site}", site, "is none of the sites", "Add the site, or name one.")
        found[node] = {site: _number(h, f"travel_h.{node}.{site}") for site, h in row.items()}
    return found


def _in_order(nodes: Sequence[NodeGiven]) -> tuple[NodeGiven, ...]:
    """Parents before children, otherwise as given."""
    roots = [n for n in nodes if n.parent is None]
    if len(roots) != 1:
        raise _bad("nodes", len(roots), "nodes have no parent", "Leave exactly one without: the one that is supplied.")
    below: dict[str | None, list[NodeGiven]] = {}
    for node in nodes:
        below.setdefault(node.parent, []).append(node)
    order = list(roots)
    for node in order:  # grows while it is read
        order += below.pop(node.id, [])
    if len(order) != len(nodes):
        lost = next(n for n in nodes if n not in order)
        raise _bad("nodes.parent", lost.parent, f"does not lead {lost.id} to the root", "Name a node above it.")
    return tuple(order)


def _rows(
    document: Mapping[str, Any], field: str, *, may_be_empty: bool = False
) -> list[tuple[Mapping[str, Any], str]]:
    rows = document.get(field, [] if may_be_empty else None)
    if not isinstance(rows, list) or not (rows or may_be_empty):
        raise _bad(field, None, "is no list with rows", f"Give at least one of {field}.")
    if len(rows) > MOST[field]:
        raise _bad(field, len(rows), f"rows are more than {MOST[field]}", "Split the problem.")
    for n, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise _bad(f"{field}[{n}]", row, "is no object", "Give names with their values.")
    return [(row, f"{field}[{n}]") for n, row in enumerate(rows)]


def _known(at: str, row: Mapping[str, Any], names: str) -> None:
    odd = sorted(set(row) - set(names.split()))
    if odd:
        raise _bad(f"{at}.{odd[0]}", None, "is no field here", f"The fields are {', '.join(names.split())}.")


def _id(row: Mapping[str, Any], field: str, at: str) -> str:
    value = row.get(field)
    if not isinstance(value, str) or not value:
        raise _bad(f"{at}.{field}", value, "is no name", "Give a text that is not empty.")
    return value


def _once(field: str, ids: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in ids:
        if name in seen:
            raise _bad(f"{field}.id", name, "stands twice", "Give each a name of its own.")
        seen.add(name)


def _number(value: Any, field: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not (math.isfinite(value) and value >= 0.0):
        raise _bad(field, value, "is no number of zero or more", "Give one.")
    return float(value)


def _bad(field: str, value: object, what: str, next_step: str) -> BadInput:
    shown = "" if value is None else f" {str(value)[:60]!r}" if isinstance(value, str) else f" {str(value)[:60]}"
    return BadInput("planning.problem", f"{field}:{shown} {what}.", next_step, field=field, value=str(value)[:200])
