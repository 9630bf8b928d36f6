"""Our records as EPCIS 2.0 events with the words of CBV 2.0. One record is one event; what is not known is left out."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from waystation.journeys.epcis.event_id import event_id
from waystation.journeys.epcis.names import Names
from waystation.journeys.lot_steps import Step
from waystation.registry.models import Space
from waystation.spares.models import Custody
from waystation.telemetry.models import Excursion

SCHEMA = "waystation.epcis/1"
OBSERVE, ADD, DELETE = "OBSERVE", "ADD", "DELETE"
# by state of a unit: business step and disposition
CUSTODY: Mapping[str, tuple[str, str]] = {
    "received": ("receiving", "in_progress"),
    "stocked": ("storing", "available"),
    "reserved": ("reserving", "reserved"),
    "in_transit": ("shipping", "in_transit"),
    "installed": ("installing", "active"),
    "failed": ("inspecting", "needs_replacement"),
    "returning": ("shipping", "returned"),
    "quarantined": ("holding", "unavailable"),
    "wiped": ("other", "inactive"),
    "repaired": ("repairing", "in_progress"),
    "disposed": ("decommissioning", "disposed"),
    "lost": ("other", "unknown"),
}
LOTS: Mapping[str, tuple[str, str]] = {
    "received": ("receiving", "in_progress"),
    "moved": ("storing", "in_progress"),
    "sent": ("shipping", "in_transit"),
    "held": ("holding", "unavailable"),
    "released": ("inspecting", "conformant"),
    "rejected": ("inspecting", "non_conformant"),
    "transferred": ("inspecting", "unknown"),
}
UOM = {"kg": "KGM", "g": "GRM", "t": "TNE", "l": "LTR", "ml": "MLT"}
COUNTS = frozenset({"doses", "vials", "boxes", "pieces", "units", "packs", "each", "trays", "cartons"})
Event = dict[str, Any]


def of_custody(row: Custody, names: Names, *, site_id: str, is_first: bool) -> Event:
    """A unit that changed hands or state. `site_id`: where its entry says that it happened; else empty."""
    step, disposition = CUSTODY[row.state]
    action = ADD if is_first else DELETE if row.state == "disposed" else OBSERVE
    event = _event(row.at, action, step, disposition)
    event["epcList"] = [names.unit(row.unit_id, row.unit.serial)]
    own = {"record": row.pk, "state": f"unit {row.state}", "giver": row.giver, "taker": row.taker}
    return _finished(event, own | {"incident": row.incident_id or "", "note": row.note}, site_id)


def of_lot(step: Step, names: Names) -> Event:
    """A step of a lot; where it stands afterwards is its location, and of what was sent nothing is."""
    words, disposition = LOTS[step.kind]
    event = _event(step.at, OBSERVE, words, disposition)
    amount: dict[str, Any] = {"epcClass": names.lot(step.lot.pk, step.lot.lot)}
    unit = step.lot.unit.strip().lower()
    if unit in UOM or unit in COUNTS:
        amount["quantity"] = float(step.lot.quantity)
    if unit in UOM:
        amount["uom"] = UOM[unit]
    event["quantityList"] = [amount]
    _placed(event, step.space, names, stays=step.kind != "sent")
    own = {"record": step.id, "lot": step.lot.lot, "product": step.lot.product, "unit": step.lot.unit}
    own |= {"quantity": format(step.lot.quantity, "f")}
    if step.other is not None:
        names.learn("space", [step.other.pk])
        own["to" if step.kind == "sent" else "from"] = names.place("space", step.other.pk, str(step.other))
    return _finished(event, own, str(step.space.site_id))


def of_excursion(row: Excursion, names: Names) -> Event:
    """Time outside the profile. One that was judged otherwise later carries the declaration that it was in error."""
    until = row.ended_at or row.detected_at
    event = _event(row.started_at, OBSERVE, "sensor_reporting", "")
    _placed(event, row.space, names)
    device = f"urn:uuid:{row.sensor_id}" if row.sensor_id else ""
    report = {"type": "Temperature", "exception": "ALARM_CONDITION", "value": row.peak_c, "uom": "CEL"}
    event["sensorElementList"] = [_element(row.started_at, max(until, row.started_at), device, report)]
    own = {"record": row.pk, "direction": row.direction, "limit": row.limit_c, "measuredSeconds": row.measured_s}
    own |= {"unknownSeconds": row.unknown_s, "running": "" if row.ended_at else "yes"}
    made = _finished(event, own, str(row.site_id))
    return made if row.superseded_at is None else declared_wrong(made, row.superseded_at)


def of_readings(
    space: Space, sensor_id: object, start: datetime, end: datetime, figures: Mapping[str, float], names: Names
) -> Event:
    """A sensor over a period: `figures` are min, max and mean in degC, and how many readings they are of."""
    event = _event(end, OBSERVE, "sensor_reporting", "")
    _placed(event, space, names)
    report = {"type": "Temperature", "minValue": figures["min"], "maxValue": figures["max"]}
    report |= {"meanValue": figures["mean"], "uom": "CEL"}
    event["sensorElementList"] = [_element(start, end, f"urn:uuid:{sensor_id}", report)]
    return _finished(event, {"readings": int(figures["count"])}, str(space.site_id))


def declared_wrong(event: Event, at: datetime, reason: str = "incorrect_data") -> Event:
    """The event with the declaration that it was in error; its id stays what it was."""
    return event | {"errorDeclaration": {"declarationTime": moment(at), "reason": reason}}


def moment(at: datetime) -> str:
    """An instant to the millisecond in UTC, as events are hashed; what is finer is cut off."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"


def _event(at: datetime, action: str, step: str, disposition: str) -> Event:
    found: Event = {"type": "ObjectEvent", "eventTime": moment(at), "eventTimeZoneOffset": "+00:00"}
    found |= {"action": action, "bizStep": step}
    return found | ({"disposition": disposition} if disposition else {})


def _placed(event: Event, space: Space, names: Names, *, stays: bool = True) -> None:
    event["readPoint"] = {"id": names.place("space", space.pk, str(space))}
    if stays:
        event["bizLocation"] = {"id": names.place("site", space.site_id, space.site.name)}


def _element(start: datetime, end: datetime, device: str, report: Mapping[str, Any]) -> dict[str, Any]:
    metadata = {"startTime": moment(start), "endTime": moment(end)} | ({"deviceID": device} if device else {})
    return {"sensorMetadata": metadata, "sensorReport": [dict(report)]}


def _finished(event: Event, own: Mapping[str, Any], site_id: str) -> Event:
    """With schema, site and what the standard has no field for, and the id over all of it."""
    said = {"schema": SCHEMA, "siteId": site_id, **own}
    event |= {f"waystation:{k}": v if isinstance(v, int | float) else str(v) for k, v in said.items() if v != ""}
    return event | {"eventID": event_id(event)}
