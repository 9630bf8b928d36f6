"""Changing the inventory: each change one entry, each refusal with field, value and next step."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo, available_timezones

from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction
from django.db.models import ForeignKey

from waystation.evidence.actions import NewEntry, NewEvent, Receipt, name_log, record
from waystation.evidence.rows import Row
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.registry import models as m
from waystation.registry.naming import check_names
from waystation.registry.queries import one
from waystation.registry.rules.reach import flows_of
from waystation.registry.rules.shipped import BY_CODE
from waystation.registry.rules.traffic import traffic_of

CHECKED_IN = ("serial", "model", "firmware", "address", "config_digest", "certificate_until")
R = TypeVar("R", bound=Row)

# what may be created and changed through `put`, by name, with the permission it takes
KINDS: Mapping[str, tuple[type[Row], str]] = {
    "network": (m.Network, "registry.write"),
    "service_class": (m.ServiceClass, "service_levels.write"),
    "product_profile": (m.ProductProfile, "registry.write"),
    "template": (m.Template, "registry.write"),
    "vendor": (m.Vendor, "registry.write"),
    "site": (m.Site, "registry.write"),
    "space": (m.Space, "registry.write"),
    "device_model": (m.DeviceModel, "registry.approve_profile"),
    "part": (m.Part, "registry.write"),
    "device": (m.Device, "registry.write"),
    "sensor": (m.Sensor, "registry.write"),
    "sensor_alias": (m.SensorAlias, "registry.write"),
    "mapping_rule": (m.MappingRule, "registry.write"),
    "circuit": (m.Circuit, "registry.write"),
    "owner": (m.Owner, "registry.write"),
}
_KEPT = frozenset(
    {"id", "state", "approved_by", "approved_at", "published_at", "observed", "observed_at", "removed_at"}
)
LONGEST_HOLD_S = 1800
TARGETS = ("monitoring_availability_pct", "acknowledge_within_s", "recovery_h", "retention_days", "vendor_response_h")


def create(by: Authority, kind: str, values: Mapping[str, Any], *, now: datetime) -> Row:
    """A new record of `kind` from its columns; foreign keys by instance or id. Refuses what does not validate."""
    model, permission = _kind(kind)
    by.require(permission, _site_of(values))
    row = fill(model(), kind, values)
    _may_hold(by, row, (0, 0))
    return _write(by, row, kind, "created", now)


def change(by: Authority, kind: str, key: UUID, values: Mapping[str, Any], *, now: datetime, reason: str = "") -> Row:
    """Change columns of a record. Limits of an approved profile are not changed: make a new edition."""
    model, permission = _kind(kind)
    row = one(model, key)
    by.require(permission, getattr(row, "site_id", None) or (row.pk if kind == "site" else None))
    if isinstance(row, m.ProductProfile) and row.approved_at is not None:
        raise Conflict(
            "registry.profile_approved",
            f"{row.name}, edition {row.edition}, is approved and no longer changes.",
            "Make a new edition and have QA approve it.",
        )
    held_before = (row.hold_s, row.interval_s) if isinstance(row, m.Sensor) else (0, 0)
    fill(row, kind, values)
    _may_hold(by, row, held_before)
    return _write(by, row, kind, "changed", now, reason)


def _may_hold(by: Authority, row: Row, before: tuple[int, int]) -> None:
    """How long a reading may stand: 1.5 intervals; up to 2.5 for radio when QA says so; never over 30 min."""
    if not isinstance(row, m.Sensor) or not isinstance(row.hold_s, int) or not isinstance(row.interval_s, int):
        return
    if row.hold_s == 0 or (row.hold_s, row.interval_s) == before:
        return
    most_s = min(LONGEST_HOLD_S, int(2.5 * row.interval_s))
    if not 0 < row.hold_s <= most_s:
        raise BadInput(
            "registry.hold",
            f"A reading every {row.interval_s} s cannot stand for {row.hold_s} s.",
            f"Write at most {most_s} s, or 0 for 1.5 intervals.",
            field="hold_s",
            value=row.hold_s,
        )
    if row.hold_s > 1.5 * row.interval_s and not by.may("telemetry.decide_doubt", row.site_id):
        raise NotAllowed(
            "registry.hold_by_quality",
            f"{row.hold_s} s is more than 1.5 intervals of {row.code}.",
            "Ask QA: only they let a reading stand longer, up to 2.5 intervals for radio.",
        )


def let_stand(by: Authority, sensor_id: UUID, hold_s: int, *, now: datetime, reason: str) -> m.Sensor:
    """QA's decision how long a reading of a sensor stands for the time after it, in seconds; 0: 1.5 intervals."""
    sensor = one(m.Sensor, sensor_id)
    by.require("telemetry.decide_doubt", sensor.site_id)
    if not reason.strip():
        raise BadInput("registry.hold_reason", "No reason is given.", "Write why, such as its radio.", field="reason")
    before, sensor.hold_s = (sensor.hold_s, sensor.interval_s), hold_s
    _may_hold(by, sensor, before)
    return _write(by, sensor, "sensor", "changed", now, reason)


def approve_profile(by: Authority, profile_id: UUID, *, now: datetime, reason: str) -> m.ProductProfile:
    """QA's approval of an edition; before it the profile proves nothing."""
    by.require("registry.approve_profile")
    profile = one(m.ProductProfile, profile_id)
    profile.approved_by, profile.approved_at = by.principal_id, now
    facts = {
        "code": profile.code,
        "edition": profile.edition,
        "low_c": repr(profile.low_c),
        "high_c": repr(profile.high_c),
    }
    record([profile], entry=NewEntry("registry.profile_approved", profile.pk, by, now, reason=reason, facts=facts))
    return profile


def add_shipped_profile(by: Authority, code: str, *, now: datetime) -> m.ProductProfile:
    """A profile that comes with the platform becomes a record here. It judges nothing until QA approved it."""
    if code not in BY_CODE:
        known = ", ".join(BY_CODE)
        raise NotFound("registry.shipped_unknown", f"No profile {code!r} comes with the platform.", f"Known: {known}.")
    row = create(by, "product_profile", BY_CODE[code].values(), now=now)
    assert isinstance(row, m.ProductProfile)
    return row


def publish_template(by: Authority, template_id: UUID, *, now: datetime) -> m.Template:
    """From now on sites of this kind can be measured against this version."""
    by.require("registry.approve_profile")
    template = one(m.Template, template_id)
    template.published_at = now
    facts = {"kind": template.kind, "version": template.version}
    record([template], entry=NewEntry("registry.template_published", template.pk, by, now, facts=facts))
    return template


def set_site_state(by: Authority, site_id: UUID, target: str, *, now: datetime, reason: str = "") -> m.Site:
    """Move a site along planned → commissioning → active → paused → retired."""
    by.require("registry.write" if target != "active" else "fleet.sign_off", site_id)
    with transaction.atomic():
        site = one(m.Site, site_id, among=m.Site.objects.select_for_update())
        before, site.state = site.state, states.step("site", site.state, target)
        facts = {"from": before, "to": target}
        record([site], entry=NewEntry("registry.site_state", site.pk, by, now, site.pk, reason, facts))
    return site


def check_in(by: Authority, device: m.Device, observed: Mapping[str, str], *, now: datetime) -> m.Device:
    """What a device says of itself. Writes only when it says something new; never what is intended."""
    by.require("telemetry.ingest", device.site_id)
    said = {k: str(v) for k, v in observed.items() if k in CHECKED_IN}
    if said == device.observed:
        return device
    before, device.observed, device.observed_at = device.observed, said, now
    facts = {"before": before, "after": said, "actor": "check-in"}
    entry = NewEntry("registry.checked_in", device.pk, by, now, device.site_id, facts=facts)
    record([device], [NewEvent(data=facts)], entry=entry)
    return device


def remove(by: Authority, row: m.Device | m.Sensor, *, now: datetime, reason: str) -> Receipt:
    """End a device or sensor at its site; the record stays."""
    by.require("registry.write", row.site_id)
    row.removed_at = now
    kind = "device" if isinstance(row, m.Device) else "sensor"
    return record([row], entry=NewEntry(f"registry.{kind}_removed", row.pk, by, now, row.site_id, reason))


def refer(
    by: Authority, kind: str, object_id: UUID, *, system: str, external_id: str, now: datetime, link: str = ""
) -> m.ExternalReference:
    """What another system calls this record. Repeating it changes nothing; a second object for one id is refused."""
    by.require("registry.write")
    held = m.ExternalReference.objects.filter(system=system, kind=kind, external_id=external_id).first()
    if held is not None and held.object_id != object_id:
        raise Conflict(
            "registry.taken",
            f"{system} {kind} {external_id} is already another record here ({held.object_id}).",
            "Correct the external id, or end the other reference.",
        )
    row = held or m.ExternalReference(kind=kind, object_id=object_id, system=system, external_id=external_id)
    if held is None or held.link != link:
        row.link = link
        facts = {"system": system, "kind": kind, "external_id": external_id}
        record([row], entry=NewEntry("registry.referred", object_id, by, now, facts=facts))
    return row


def _kind(kind: str) -> tuple[type[Row], str]:
    if kind not in KINDS:
        known = ", ".join(KINDS)
        raise BadInput("registry.value", f"There is no kind {kind!r}.", f"Kinds: {known}.", field="kind", value=kind)
    return KINDS[kind]


def _site_of(values: Mapping[str, Any]) -> UUID | None:
    site = values.get("site") or values.get("site_id")
    return site.pk if isinstance(site, m.Site) else site


def fill(row: R, kind: str, values: Mapping[str, Any]) -> R:
    """Set columns of a row; refuses unknown columns, kept ones, and values that make no sense together."""
    fields = {f.name for f in row._meta.concrete_fields} | {f.attname for f in row._meta.concrete_fields}
    for name, value in values.items():
        if name not in fields or name in _KEPT:
            raise BadInput(
                "registry.value",
                f"{kind} has no column {name!r} to set.",
                "See the reference.",
                field=name,
                value=value,
            )
        if kind == "service_class" and name in TARGETS and not isinstance(value, int | float):
            raise BadInput(
                "registry.vague_target",
                f"{name} cannot be {value!r}.",
                "A target is a number.",
                field=name,
                value=value,
            )
        setattr(row, name, value)
    if isinstance(row, m.Site) and (not isinstance(row.zone, str) or row.zone not in available_timezones()):
        raise BadInput(
            "registry.value",
            f"{row.zone!r} is no time zone.",
            "Use a name such as Europe/Madrid.",
            field="zone",
            value=row.zone,
        )
    return row


def _write(by: Authority, row: R, kind: str, verb: str, now: datetime, reason: str = "") -> R:
    """Check the columns, then write; the database says what is taken, and only then is asked which column it was."""
    here = {f.name for f in row._meta.concrete_fields if isinstance(f, ForeignKey) and f.is_cached(row)}
    _clean(row, kind, exclude=here, validate_unique=False, validate_constraints=False)
    _check_figures(row, kind)
    check_names(row)
    site_id = row.pk if isinstance(row, m.Site) else getattr(row, "site_id", None)
    try:
        with transaction.atomic():
            if isinstance(row, m.Site):
                name_log(row.pk, row.network.slug)
            record([row], entry=NewEntry(f"registry.{kind}_{verb}", row.pk, by, now, site_id, reason))
    except IntegrityError:
        _clean(row, kind)
        raise Conflict("registry.taken", f"This {kind} exists already.", "Change the one that is there.") from None
    return row


def _check_figures(row: Row, kind: str) -> None:
    """A limit that is no number would hold for everything; a list that is none says nothing."""
    if isinstance(row, m.Template):
        flows_of(row.flows)
        traffic_of(row.traffic)
    if isinstance(row, m.Device):
        _check_battery(row)
    for name in (f.attname for f in row._meta.concrete_fields):
        value = getattr(row, name)
        if isinstance(value, float) and not math.isfinite(value):
            raise BadInput(
                "registry.value", f"{kind}.{name}: {value} is no number.", "Write one.", field=name, value=str(value)
            )
    if isinstance(row, m.ProductProfile) and row.low_c >= row.high_c:
        raise BadInput(
            "registry.value",
            f"low_c {row.low_c} is not below high_c {row.high_c}.",
            "Swap them.",
            field="low_c",
            value=row.low_c,
        )
    if isinstance(row, m.ProductProfile) and row.second_hold_s is not None and not 60 <= row.second_hold_s <= 7200:
        raise BadInput(
            "registry.value",
            f"A second source cannot cover {row.second_hold_s} s.",
            "Write 60 to 7200 seconds, or leave it out for 30 min.",
            field="second_hold_s",
            value=row.second_hold_s,
        )


def _check_battery(row: m.Device) -> None:
    fitted_on, due_on = row.battery_fitted_on, row.battery_due_on
    if fitted_on is not None and due_on is not None and fitted_on >= due_on:
        raise BadInput(
            "registry.value",
            f"The battery of {row.name} would be due on {row.battery_due_on}, not after it was fitted.",
            "Correct one of the two days.",
            field="battery_due_on",
            value=str(row.battery_due_on),
        )


def _clean(row: Row, kind: str, **how: Any) -> None:
    try:
        row.full_clean(**how)
    except ValidationError as error:
        name, messages = next(iter(error.message_dict.items()))
        if any("already exists" in text or "violated" in text for text in messages):
            raise Conflict(
                "registry.taken", f"{kind}: {messages[0]}", "Use another name, or change the one that is there."
            ) from None
        raise BadInput(
            "registry.value", f"{kind}.{name}: {messages[0]}", "Correct it.", field=name, value=getattr(row, name, None)
        ) from None


def zone_of(site: m.Site) -> ZoneInfo:
    """The site's time zone."""
    return ZoneInfo(site.zone)


def bind_unit(by: Authority, device: m.Device, *, unit_id: UUID, serial: str, part_id: UUID, now: datetime) -> m.Device:
    """The device of that name is another piece of hardware from now on; what it is measured against stays."""
    by.require("spares.dispatch", device.site_id)
    before, device.serial, device.unit_id, device.part_id = device.serial, serial, unit_id, part_id
    device.installed_on = now.astimezone(zone_of(device.site)).date()
    facts = {"device": device.name, "before": before, "after": serial}
    entry = NewEntry("registry.unit_bound", device.pk, by, now, device.site_id, facts=facts)
    record([device], [NewEvent(data=facts)], entry=entry)
    return device
