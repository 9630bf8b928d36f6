"""Reading the fleet: drift, components against the template, onboarding and its gate."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from waystation.access import queries as access
from waystation.fleet import models as m
from waystation.fleet.rules.drift import Intended, Observed, components
from waystation.fleet.rules.gate import CheckState, Facts
from waystation.registry.models import Device, Owner, Site
from waystation.registry.queries import ways_of
from waystation.registry.rules.diversity import has_backup

BACKUP = "backup_path"  # what a critical site needs beside the components of its template


def intended_of(device: Device) -> Intended:
    """What the record says of a device."""
    model = device.model
    return Intended(
        device.name,
        device.serial,
        model.name,
        model.standing,
        model.firmware_target,
        model.firmware_minimum,
        tuple(model.firmware_blocked),
        device.config_digest,
        device.zone,
    )


def observed_of(device: Device) -> Observed | None:
    """What the device last said; None when it never did."""
    if device.observed_at is None:
        return None
    said = {k: str(device.observed.get(k, "")) for k in ("serial", "model", "firmware", "config_digest")}
    return Observed(**said)


def drift(site_id: UUID | None = None) -> list[m.Drift]:
    """Live drift, oldest first."""
    rows = m.Drift.objects.filter(ended_at=None).select_related("site", "device")
    return list((rows if site_id is None else rows.filter(site_id=site_id)).order_by("seen_at"))


def components_of(site: Site, now: datetime) -> dict[str, str]:
    """The component classes of the site's template as present, waived or absent."""
    wanted = [c["class"] for c in site.template.components]
    present = set(site.devices.filter(removed_at=None).values_list("component_class", flat=True))
    if site.circuits.exists():
        present.add("wan")
    return components(wanted, sorted(present), waived_components(site, now))


def waived_components(site: Site, now: datetime) -> list[str]:
    """The component classes that the site may be without now, by an open waiver."""
    rows = m.Drift.objects.filter(site=site, kind="absent_component", resolution="waived", waived_until__gt=now)
    return list(rows.values_list("expected", flat=True))


def backup_of(site: Site, now: datetime) -> dict[str, str]:
    """For a critical site whether it has a backup path: present, waived or absent; nothing for another site."""
    if site.service_class.rank != 1:
        return {}
    present = [BACKUP] if has_backup(ways_of([site.pk]).get(site.pk, [])) else []
    return components([BACKUP], present, waived_components(site, now))


def onboarding(site_id: UUID) -> m.Onboarding | None:
    """The newest onboarding of a site."""
    rows = m.Onboarding.objects.filter(site_id=site_id).select_related("site", "template")
    return rows.order_by("-started_at").first()


def onboardings() -> list[m.Onboarding]:
    """Sites that are not open yet, oldest first."""
    return list(m.Onboarding.objects.filter(opened_at=None).select_related("site__template").order_by("started_at"))


def gate_facts(
    row: m.Onboarding, *, route_proven: bool, cover: Mapping[str, bool], monitored: bool, now: datetime
) -> Facts:
    """What the gate looks at; the caller brings what other rooms know."""
    site = row.site
    owners = {o.dependency: o for o in site.owners.select_related("vendor")}
    people = access.names({o.person_id for o in owners.values() if o.person_id})
    named = {name: _owner(owners.get(name), people) for name in row.template.dependencies}
    checks = [CheckState(c.key, c.words, c.mandatory, c.state, c.evidence, c.fail_action) for c in row.checks.all()]
    return Facts(checks, named, components_of(site, now) | backup_of(site, now), route_proven, cover, monitored)


def _owner(owner: Owner | None, people: Mapping[UUID, str]) -> str:
    """The owner's name, empty when nobody answers for the dependency."""
    if owner is None:
        return ""
    if owner.person_id is not None:
        return people.get(owner.person_id, "")
    return owner.vendor.name if owner.vendor else ""


def drills(site_id: UUID) -> list[m.Drill]:
    """What people saw at a site in drills and failures, newest first."""
    return list(m.Drill.objects.filter(site_id=site_id))


def last_check(device_id: UUID, since: datetime) -> m.BaselineCheck | None:
    """The newest baseline check of a device after an instant."""
    return m.BaselineCheck.objects.filter(device_id=device_id, at__gte=since).order_by("-at").first()


def firmware_compliance() -> tuple[int, int]:
    """How many live devices run their target firmware, of how many that have one."""
    rows = Device.objects.filter(removed_at=None).exclude(model__firmware_target="").select_related("model")
    have = [(d.observed.get("firmware") or d.firmware, d.model.firmware_target) for d in rows]
    return sum(is_ == target for is_, target in have), len(have)
