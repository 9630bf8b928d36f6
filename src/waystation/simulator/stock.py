"""What the network's document says of hubs, lanes, stock, consignments and rotations, as values for those who load it.

Nothing here writes: each function reads one section. `dangling` names every reference that leads nowhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from waystation.simulator.week import DAYS, Spans, clock_text, record_of, spans_of


@dataclass(frozen=True, slots=True)
class HubSpec:
    """A hub: `tier` central, regional or local; `site` for a cabinet inside one. Staffing and pick-ups as records."""

    code: str
    name: str
    tier: str
    site: str | None
    city: str
    lat: float
    lon: float
    zone: str
    staffing: Mapping[str, Any]
    pickups: tuple[Mapping[str, str], ...]
    custodian: str


@dataclass(frozen=True, slots=True)
class LaneSpec:
    """A way from a hub to a site: duration quantiles in minutes, where they come from, and what it refuses."""

    hub: str
    site: str
    mode: str
    carrier: str
    p10_min: float
    p50_min: float
    p90_min: float
    trips: int
    source: str
    refuses: tuple[tuple[str, str], ...]
    cost_eur: float

    @property
    def quantiles(self) -> list[list[float]]:
        """`[[probability, seconds], ...]`, as a law of a duration is written."""
        return [[0.1, self.p10_min * 60.0], [0.5, self.p50_min * 60.0], [0.9, self.p90_min * 60.0]]


@dataclass(frozen=True, slots=True)
class UnitSpec:
    """A serialised piece on a hub's shelf."""

    part: str
    hub: str
    serial: str
    revision: str
    firmware: str
    certificate: Mapping[str, Any] | None
    break_glass: bool
    shelf: str


@dataclass(frozen=True, slots=True)
class BulkSpec:
    """A quantity of a part without serials, of one lot."""

    part: str
    hub: str
    quantity: int
    lot: str
    shelf: str


@dataclass(frozen=True, slots=True)
class TargetSpec:
    """How many of an interchangeable group a hub is to have: never below `minimum`, refilled to `target`."""

    group: str
    hub: str
    minimum: int
    target: int


@dataclass(frozen=True, slots=True)
class InterchangeSpec:
    """`offered` may stand in for `installed`, with what the site must run and what is to be done."""

    installed: str
    offered: str
    requires: Mapping[str, str] | None
    kit_lines: tuple[str, ...]
    condition: str

    @property
    def terms(self) -> dict[str, Any]:
        """The terms of a compatibility rule as they are recorded."""
        requires = {self.requires["component"]: [self.requires["low"], ""]} if self.requires else {}
        return {"requires": requires, "kit_lines": list(self.kit_lines), "condition": self.condition}


@dataclass(frozen=True, slots=True)
class BackupSpec:
    """Where the product of a space goes: `site/space` both, minutes, and the litres that are free there."""

    space: str
    backup: str
    pack_min: float
    travel_min: float
    unpack_min: float
    free_l: float


@dataclass(frozen=True, slots=True)
class LotSpec:
    """A consignment that stands in `site/space`."""

    lot: str
    product: str
    quantity: int
    unit: str
    customer: str
    profile: str
    space: str
    volume_l: float


@dataclass(frozen=True, slots=True)
class RotationSpec:
    """Who is on call in a week: (person, spans) pairs at an escalation level."""

    code: str
    name: str
    zone: str
    level: int
    shifts: tuple[tuple[str, Spans], ...]


@dataclass(frozen=True, slots=True)
class CheckSpec:
    """How far one check of a site's onboarding is: shown or open, with a note."""

    site: str
    key: str
    state: str
    note: str


def hubs(raw: Mapping[str, Any]) -> tuple[HubSpec, ...]:
    """Central warehouse, regional hubs and local cabinets."""
    return tuple(
        HubSpec(
            h["code"],
            h["name"],
            h["tier"],
            h["site"],
            h["city"],
            h["lat"],
            h["lon"],
            h["zone"],
            record_of(h["staffing"]),
            tuple(
                {"courier": courier["vendor"], "weekday": DAYS[day], "at": clock_text(minute)}
                for courier in raw["couriers"]
                for day, minute in h["courier_cutoffs"]["moments"]
            ),
            h["custodian"],
        )
        for h in raw["hubs"]
    )


def lanes(raw: Mapping[str, Any]) -> tuple[LaneSpec, ...]:
    """Every way from a hub to a site."""
    return tuple(LaneSpec(**row | {"refuses": tuple((a, b) for a, b in row["refuses"])}) for row in raw["lanes"])


def units(raw: Mapping[str, Any]) -> tuple[UnitSpec, ...]:
    """The serialised stock."""
    return tuple(UnitSpec(**row) for row in raw["stock"]["units"])


def bulk(raw: Mapping[str, Any]) -> tuple[BulkSpec, ...]:
    """The stock without serials."""
    return tuple(BulkSpec(**row) for row in raw["stock"]["bulk"])


def targets(raw: Mapping[str, Any]) -> tuple[TargetSpec, ...]:
    """Minimum and target by group and hub."""
    return tuple(TargetSpec(**row) for row in raw["stock"]["targets"])


def interchangeable(raw: Mapping[str, Any]) -> tuple[InterchangeSpec, ...]:
    """What may stand in for what; directed."""
    return tuple(InterchangeSpec(**row | {"kit_lines": tuple(row["kit_lines"])}) for row in raw["interchangeable"])


def backups(raw: Mapping[str, Any]) -> tuple[BackupSpec, ...]:
    """Backup spaces."""
    return tuple(BackupSpec(**row) for row in raw["backup_spaces"])


def consignments(raw: Mapping[str, Any]) -> tuple[LotSpec, ...]:
    """What product stands where."""
    return tuple(LotSpec(**row) for row in raw["consignments"])


def rotations(raw: Mapping[str, Any]) -> tuple[RotationSpec, ...]:
    """Who is on call."""
    return tuple(
        RotationSpec(
            row["code"],
            row["name"],
            row["zone"],
            row["level"],
            tuple((shift["person"], spans_of(shift["spans"])) for shift in row["shifts"]),
        )
        for row in raw["rotations"]
    )


def onboarding_checks(raw: Mapping[str, Any]) -> tuple[CheckSpec, ...]:
    """The checks of sites that are being onboarded."""
    return tuple(CheckSpec(**row) for row in raw["onboarding_checks"])


def dangling(raw: Mapping[str, Any]) -> list[str]:
    """Every name in these sections that nothing in the document bears."""
    names = _names(raw)
    return [f"{where}: no {kind} {name!r}" for where, kind, name in _references(raw) if name not in names[kind]]


def _names(raw: Mapping[str, Any]) -> dict[str, set[str]]:
    return {
        "site": {s["code"] for s in raw["sites"]},
        "hub": {h["code"] for h in raw["hubs"]},
        "person": {p["code"] for p in raw["people"]},
        "part": {p["code"] for p in raw["parts"]},
        "group": {p["group"] for p in raw["parts"]},
        "model": {m["name"] for m in raw["device_models"]},
        "profile": {p["code"] for p in raw["product_profiles"]},
        "vendor": {v["code"] for v in raw["vendors"]},
        "space": {f"{s['code']}/{space['code']}" for s in raw["sites"] for space in s["spaces"]},
    }


def _references(raw: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """(where, kind, name) of each reference."""
    for hub in hubs(raw):
        yield f"hub {hub.code}", "person", hub.custodian
        if hub.site is not None:
            yield f"hub {hub.code}", "site", hub.site
    for lane in lanes(raw):
        where = f"lane {lane.hub} to {lane.site}"
        yield from ((where, "hub", lane.hub), (where, "site", lane.site))
        if lane.mode == "courier":
            yield where, "vendor", lane.carrier
    shelves = [(u.part, u.hub) for u in units(raw)] + [(b.part, b.hub) for b in bulk(raw)]
    for part, hub_code in shelves:
        yield from ((f"stock {hub_code}", "part", part), (f"stock {part}", "hub", hub_code))
    for target in targets(raw):
        yield from ((f"target {target.hub}", "group", target.group), (f"target {target.group}", "hub", target.hub))
    for rule in interchangeable(raw):
        yield from (("interchangeable", "part", name) for name in (rule.installed, rule.offered, *rule.kit_lines))
    for pair in backups(raw):
        yield from (("backup", "space", name) for name in (pair.space, pair.backup))
    for lot in consignments(raw):
        yield from ((f"lot {lot.lot}", "space", lot.space), (f"lot {lot.lot}", "profile", lot.profile))
    for rotation in rotations(raw):
        yield from ((f"rotation {rotation.code}", "person", person) for person, _ in rotation.shifts)
    for check in onboarding_checks(raw):
        yield "onboarding", "site", check.site
    yield from _of_sites(raw)


def _of_sites(raw: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    for site in raw["sites"]:
        where = f"site {site['code']}"
        yield where, "person", site["contact"]
        for device in site["devices"]:
            yield where, "model", device["model"]
            if device["part"]:
                yield where, "part", device["part"]
        yield from ((where, "vendor", circuit["vendor"]) for circuit in site["circuits"])
        for owner in site["owners"]:
            yield where, "person" if owner["person"] else "vendor", owner["person"] or owner["vendor"]
    for person in raw["people"]:
        yield from ((f"person {person['code']}", "site", site) for site in person["sites"])
