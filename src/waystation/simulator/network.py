"""A simulated network as data: read from its file, checked, and spelled out into sites, spaces, devices and sensors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

from waystation.kernel.refusals import BadInput, NotFound
from waystation.simulator.thermal import Thermal

T = TypeVar("T")

SCHEMA = "waystation.network/1"
# devices that say every five minutes that they live; the others are seen only in check-ins
BEATING = frozenset({"gateway", "firewall", "switch", "ups", "wan", "wifi", "compute", "refrigeration_controller"})
BEAT_S, BEAT_HOLD_S = 300, 720


@dataclass(frozen=True, slots=True)
class SensorPlan:
    """A measuring point. `offset_c` is how much its place is warmer than the middle; `probe` its certificate.

    `hold_s` is how long a reading stands for the time after it: the interval of measuring and that of sending.
    """

    code: str
    name: str
    quantity: str
    unit: str
    role: str
    interval_s: int
    hold_s: int
    resolution: float
    low_possible: float | None
    high_possible: float | None
    space: str = ""
    device: str = ""
    position: str = ""
    offset_c: float = 0.0
    probe: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class DevicePlan:
    """Hardware at a site: what is intended to stand there."""

    name: str
    component_class: str
    model: str
    serial: str
    firmware: str
    part: str = ""
    zone: str = ""
    space: str = ""


@dataclass(frozen=True, slots=True)
class SpacePlan:
    """A monitored volume, its limits (None without a profile), its physics and its sensors."""

    site: str
    code: str
    kind: str
    profile: str
    low_c: float | None
    high_c: float | None
    thermal: Thermal
    sensors: tuple[SensorPlan, ...]
    raw: Mapping[str, Any]

    @property
    def key(self) -> str:
        """`cordoba/fridge-2`: the name of the space in the whole network."""
        return f"{self.site}/{self.code}"

    def of(self, quantity: str, role: str = "") -> tuple[SensorPlan, ...]:
        """The sensors of a quantity and role."""
        return tuple(s for s in self.sensors if s.quantity == quantity and s.role == role)

    @property
    def judging(self) -> tuple[SensorPlan, ...]:
        """The probes in product, which judge."""
        return self.of("temperature", "product")


@dataclass(frozen=True, slots=True)
class SitePlan:
    """A site with everything that stands in it. `climate` in degrees Celsius, `power` in minutes and seconds."""

    code: str
    kind: str
    zone: str
    state: str
    climate: Mapping[str, float]
    power: Mapping[str, float | None]
    spaces: tuple[SpacePlan, ...]
    devices: tuple[DevicePlan, ...]
    sensors: tuple[SensorPlan, ...]
    raw: Mapping[str, Any]

    @property
    def has_two_paths(self) -> bool:
        """True when a primary and a backup circuit exist."""
        return {c["path"] for c in self.raw["circuits"]} >= {"primary", "backup"}

    def all_sensors(self) -> Iterator[SensorPlan]:
        """Those of the spaces, then those of the site."""
        for space in self.spaces:
            yield from space.sensors
        yield from self.sensors

    def space(self, code: str) -> SpacePlan:
        """The space of that code; NotFound when there is none."""
        return _pick(self.spaces, code, f"space of {self.code}", lambda s: s.code)


@dataclass(frozen=True)
class Network:
    """The whole network. `raw` is the document; `sites` are its sites spelled out."""

    raw: Mapping[str, Any]
    sites: tuple[SitePlan, ...]

    def site(self, code: str) -> SitePlan:
        """The site of that code; NotFound when there is none."""
        return _pick(self.sites, code, "site", lambda s: s.code)

    def space(self, key: str) -> SpacePlan:
        """The space of `site/space`."""
        site, _, code = key.partition("/")
        return self.site(site).space(code)

    @cached_property
    def sensors(self) -> Mapping[str, SensorPlan]:
        """Every sensor by code."""
        return {sensor.code: sensor for site in self.sites for sensor in site.all_sensors()}

    def only(self, *codes: str) -> Network:
        """The same network with these sites alone; everything that names another site is left out."""
        kept = tuple(self.site(code) for code in codes)
        inside = set(codes)
        raw = dict(self.raw)
        raw["sites"] = [s.raw for s in kept]
        raw["people"] = [p for p in raw["people"] if not p["sites"] or inside & set(p["sites"])]
        raw["hubs"] = [h for h in raw["hubs"] if h["site"] is None or h["site"] in inside]
        hubs = {h["code"] for h in raw["hubs"]}
        raw["lanes"] = [lane for lane in raw["lanes"] if lane["site"] in inside and lane["hub"] in hubs]
        raw["stock"] = {name: [row for row in rows if row["hub"] in hubs] for name, rows in raw["stock"].items()}
        raw["consignments"] = [c for c in raw["consignments"] if c["space"].split("/")[0] in inside]
        pairs = raw["backup_spaces"]
        raw["backup_spaces"] = [b for b in pairs if {b[k].split("/")[0] for k in ("space", "backup")} <= inside]
        raw["onboarding_checks"] = [c for c in raw["onboarding_checks"] if c["site"] in inside]
        return Network(raw, kept)


def load(path: Path) -> Network:
    """The network in the file at `path`; BadInput when it is another kind of document."""
    return read(json.loads(path.read_text(encoding="utf-8")))


def read(raw: Mapping[str, Any]) -> Network:
    """The network in a document of schema `waystation.network/1`."""
    if raw.get("schema") != SCHEMA:
        raise BadInput(
            "simulator.network",
            f"This is no {SCHEMA}.",
            "Give a network file.",
            field="schema",
            value=raw.get("schema"),
        )
    profiles = {p["code"]: p for p in raw["product_profiles"]}
    return Network(raw, tuple(_site(raw, profiles, site) for site in raw["sites"]))


def _site(raw: Mapping[str, Any], profiles: Mapping[str, Any], site: Mapping[str, Any]) -> SitePlan:
    code = site["code"]
    spaces = tuple(_space(raw, profiles, site, space) for space in site["spaces"])
    controllers = (_controller(space.raw) for space in spaces if space.raw["controller"])
    devices = (*(DevicePlan(**{k: v or "" for k, v in d.items()}) for d in site["devices"]), *controllers)
    instruments = [*raw["instruments"]["site"]]
    if site["power"]["generator_start_s"] is not None:
        instruments.append(raw["instruments"]["generator"])
    if all(c["path"] != "backup" for c in site["circuits"]):
        instruments = [i for i in instruments if i["quantity"] != "wan_backup"]
    sensors = [_sensor(code, "", i, "gateway") for i in instruments]
    sensors += [_heartbeat(code, device) for device in devices if device.component_class in BEATING]
    return SitePlan(
        code=code,
        kind=site["kind"],
        zone=site["zone"],
        state=site["state"],
        climate=site["climate"],
        power=site["power"],
        spaces=spaces,
        devices=devices,
        sensors=tuple(sensors),
        raw=site,
    )


def _space(
    raw: Mapping[str, Any], profiles: Mapping[str, Any], site: Mapping[str, Any], space: Mapping[str, Any]
) -> SpacePlan:
    thermal = Thermal(**(raw["physics"][space["kind"]] | space["physics"]))
    profile = profiles[space["profile"]] if space["profile"] else None
    is_cabinet = space["kind"] == "cabinet"
    instruments = raw["instruments"]["cabinet" if is_cabinet else "space"]
    missing = set(space["not_instrumented"])
    controller = f"ctl-{space['code']}" if space["controller"] else "gateway"
    sensors = [_probe(raw, site["code"], space["code"], probe) for probe in space["probes"]]
    for instrument in instruments:
        if instrument["quantity"] not in missing:
            device = (
                controller if instrument["quantity"] in ("compressor", "compressor_fault", "defrost") else "gateway"
            )
            sensors.append(_sensor(site["code"], space["code"], instrument, device))
    return SpacePlan(
        site["code"],
        space["code"],
        space["kind"],
        space["profile"] or "",
        profile["low_c"] if profile else None,
        profile["high_c"] if profile else None,
        thermal,
        tuple(sensors),
        space,
    )


def _controller(space: Mapping[str, Any]) -> DevicePlan:
    held = space["controller"]
    return DevicePlan(
        f"ctl-{space['code']}",
        "refrigeration_controller",
        "CTL-220",
        held["serial"],
        held.get("firmware", "2.4.1"),
        f"CTL-220-{held['revision']}",
        "ops",
        space["code"],
    )


def _sensor(site: str, space: str, instrument: Mapping[str, Any], device: str) -> SensorPlan:
    values = {k: v for k, v in instrument.items() if k != "suffix"}
    code = ".".join(part for part in (site, space, instrument["suffix"]) if part).replace(".", "-")
    return SensorPlan(code=code, space=space, device=device, **values)


def _probe(raw: Mapping[str, Any], site: str, space: str, probe: Mapping[str, Any]) -> SensorPlan:
    plan = _sensor(
        site, space, raw["instruments"]["probe"] | {"suffix": probe["code"], "name": probe["name"]}, "gateway"
    )
    return replace(plan, position=probe["position"], offset_c=probe["offset_c"], probe=probe)


def _heartbeat(site: str, device: DevicePlan) -> SensorPlan:
    return SensorPlan(
        code=f"{site}-{device.name}-heartbeat",
        name=f"{device.name} heartbeat",
        quantity="heartbeat",
        unit="alive",
        role="",
        interval_s=BEAT_S,
        hold_s=BEAT_HOLD_S,
        resolution=1.0,
        low_possible=0.0,
        high_possible=1.0,
        device=device.name,
    )


def _pick(items: Iterable[T], code: str, what: str, name: Callable[[T], str]) -> T:
    for item in items:
        if name(item) == code:
            return item
    known = ", ".join(name(item) for item in items)
    raise NotFound("simulator.unknown", f"There is no {what} {code!r}.", f"There are: {known}.")
