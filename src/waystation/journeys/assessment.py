"""The current state of sites: every device, circuit, sensor, firmware and contact with source and age, and its blanks.

Page, command and API read the same lines. A cell that nobody has filled is counted, never left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from waystation.access import queries as access
from waystation.kernel.cells import csv_text
from waystation.registry.models import Circuit, Device, Owner, Sensor, Site
from waystation.telemetry import queries as telemetry
from waystation.telemetry.views import SiteView

GROUPS = (
    "Devices",
    "Circuits",
    "Sensors",
    "Refrigeration interfaces",
    "Access control",
    "Firmware",
    "Escalation contacts",
)
COLUMNS = ("site", "group", "name", "detail", "source", "last_seen", "blank_cells", "blank")


@dataclass(frozen=True, slots=True)
class Line:
    """One thing of a site: what it says, where that is known from, when it was last seen, and which cells are blank."""

    site: str
    group: str
    name: str
    detail: str
    source: str
    seen_at: datetime | None
    blank: tuple[str, ...] = ()


def assess(site: Site, view: SiteView) -> dict[str, list[Line]]:
    """The seven groups of a site and what is known of it now. A group without any record is one line, all blank."""
    heard = {s.code: s.last_at for s in (*view.sensors, *(s for space in view.spaces for s in space.sensors))}
    people = access.names({o.person_id for o in site.owners.all() if o.person_id})
    found: dict[str, list[Line]] = {name: [] for name in GROUPS}
    for device in site.devices.filter(removed_at=None).select_related("model"):
        found[_group_of(device.component_class)].append(_device(site, device))
        found["Firmware"].append(_firmware(site, device))
    for circuit in site.circuits.select_related("vendor"):
        found["Circuits"].append(_circuit(site, circuit))
    for sensor in site.sensors.filter(removed_at=None).select_related("space"):
        found["Sensors"].append(_sensor(site, sensor, heard.get(sensor.code)))
    for owner in site.owners.select_related("vendor"):
        found["Escalation contacts"].append(_owner(site, owner, people))
    for name, lines in found.items():
        if not lines:
            lines.append(Line(site.code, name, "", "None is recorded.", "", None, ("all",)))
    return found


def blanks(groups: Mapping[str, Sequence[Line]]) -> int:
    """How many cells of a site are blank."""
    return sum(len(line.blank) for lines in groups.values() for line in lines)


def as_csv(lines: Iterable[Line]) -> str:
    """The lines as CSV with a header; instants in UTC, blank cells by name."""
    rows = ((x.site, x.group, x.name, x.detail, x.source, x.seen_at, len(x.blank), ", ".join(x.blank)) for x in lines)
    return csv_text(COLUMNS, rows)


def _device(site: Site, device: Device) -> Line:
    cells = {"serial": device.serial, "firmware": _said(device), "zone": device.zone, "part": device.part_id}
    words = f"{device.model.maker} {device.model.name}, {device.serial}"
    source = "check-in" if device.observed_at else "record"
    group = _group_of(device.component_class)
    return Line(site.code, group, device.name, words, source, device.observed_at, _missing(cells))


def _firmware(site: Site, device: Device) -> Line:
    said, target = _said(device), device.model.firmware_target
    words = f"{said or 'unknown'}, target {target or 'none'}"
    source = "check-in" if device.observed.get("firmware") else "record"
    missing = _missing({"firmware": said, "target": target})
    return Line(site.code, "Firmware", device.name, words, source, device.observed_at, missing)


def _circuit(site: Site, circuit: Circuit) -> Line:
    words = f"{circuit.path}, {circuit.medium}, {circuit.vendor.name}"
    cells = {
        "account": circuit.account,
        "contract until": circuit.contract_until,
        "dispatch phone": circuit.dispatch_phone,
    }
    return Line(site.code, "Circuits", circuit.code, words, "record", None, _missing(cells))


def _sensor(site: Site, sensor: Sensor, heard_at: datetime | None) -> Line:
    words = ", ".join(p.replace("_", " ") for p in (sensor.quantity, sensor.role or "no role", sensor.position) if p)
    cells: dict[str, object] = {"last seen": heard_at}
    if sensor.quantity == "temperature":
        cells |= {"role": sensor.role, "position": sensor.position}
    source = "readings" if heard_at else "record"
    return Line(site.code, "Sensors", sensor.code, words, source, heard_at, _missing(cells))


def _owner(site: Site, owner: Owner, people: Mapping[UUID, str]) -> Line:
    vendor = owner.vendor.name if owner.vendor else ""
    name = people.get(owner.person_id, "") if owner.person_id else vendor
    words = ", ".join(w for w in (name, owner.escalation) if w) or "nobody"
    missing = _missing({"who": name or owner.escalation})
    return Line(site.code, "Escalation contacts", owner.dependency, words, "record", None, missing)


def _said(device: Device) -> str:
    return str(device.observed.get("firmware") or device.firmware)


def _missing(cells: Mapping[str, object]) -> tuple[str, ...]:
    return tuple(name for name, value in cells.items() if value in (None, ""))


def _group_of(component_class: str) -> str:
    if component_class in ("refrigeration_controller", "refrigeration_interface"):
        return "Refrigeration interfaces"
    return "Access control" if component_class == "access_control" else "Devices"


def all_lines(sites: Sequence[Site], now: datetime) -> list[Line]:
    """The lines of several sites, site by site, group by group."""
    views = telemetry.site_views([site.pk for site in sites], now)
    return [line for site in sites for lines in assess(site, views[site.pk]).values() for line in lines]
