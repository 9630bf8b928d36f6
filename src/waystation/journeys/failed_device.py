"""Something failed: the alarm becomes an incident, the product's time is set against the part's, somebody is told.

Read from top to bottom: `answer` (an alarm was raised or became worse) → `_incident` → `_plan` (source a part, rank
the backup spaces) → the page. `swap` puts the new unit in place; `journeys/restored.py` says when it is over.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from waystation.alarms import actions as alarms
from waystation.alarms.models import Alarm
from waystation.incidents import actions as incidents
from waystation.incidents import queries as incident_queries
from waystation.incidents.models import Incident
from waystation.incidents.rules.priority import priority_of
from waystation.journeys import exposure, message, post_incident
from waystation.journeys.limits import Recent, limit_of
from waystation.journeys.message import Plan
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotReady
from waystation.product import queries as product_queries
from waystation.product.facts import SpaceState
from waystation.product.rules.time_to_limit import TimeToLimit
from waystation.registry import actions as registry
from waystation.registry.models import Device, Site
from waystation.runbooks import actions as runbooks
from waystation.runbooks import queries as runbook_queries
from waystation.spares.actions import returns, stock, travel
from waystation.spares.actions.sourcing import Need, Sourced, source
from waystation.telemetry import queries as telemetry
from waystation.telemetry.models import Excursion
from waystation.telemetry.views import SiteView, SpaceView

INFORMATIONAL = "informational"
NEEDS_PART = ("compressor_fault", "device_unreachable")


def answer(by: Authority, alarm: Alarm, site: Site, view: SiteView, recent: Recent, *, now: datetime) -> None:
    """What follows from an alarm that was raised or became worse; informational ones are only kept."""
    if alarm.severity == INFORMATIONAL:
        return
    space = next((s for s in view.spaces if s.id == alarm.space_id), None)
    limit = limit_of(space, recent, now) if space is not None and space.judging else None
    incident = _incident(by, alarm, site, space, limit, now)
    plan = _plan(by, incident, alarm, site, space, limit, now)
    _propose_runbook(by, incident, alarm, now)
    alarms.page(by, alarm.pk, message.text(alarm, incident, site, plan, now), incident_id=incident.pk, now=now)


def _incident(
    by: Authority, alarm: Alarm, site: Site, space: SpaceView | None, limit: TimeToLimit | None, now: datetime
) -> Incident:
    device = _device_of(alarm, space)
    where = f"{site.name}, {space.name}" if space else site.name
    return incidents.open(
        by,
        alarm.rule,
        site.pk,
        title=f"{where}: {message.what(alarm.rule)}",
        priority=_priority(alarm, site, device),
        now=now,
        space_id=space.id if space else None,
        device_id=device.pk if device else None,
        alarm_ids=[alarm.pk],
        detected_at=alarm.started_at,
        facts=message.facts(alarm, limit, now),
    )


def _priority(alarm: Alarm, site: Site, device: Device | None) -> str:
    """As severity and class say; a site whose critical hardware is dead is a P1 whatever its class."""
    critical = {str(c["class"]) for c in site.template.components if c.get("critical")}
    if alarm.rule == "device_unreachable" and device is not None and device.component_class in critical:
        return "P1"
    return priority_of(alarm.severity, site.service_class.rank)


def _device_of(alarm: Alarm, space: SpaceView | None) -> Device | None:
    """The hardware that the alarm is about: the silent device, or the controller of the space."""
    if alarm.object_kind == "device":
        return Device.objects.filter(pk=alarm.object_id).first()
    if space is None or alarm.rule != "compressor_fault":
        return None
    found = Device.objects.filter(space_id=space.id, component_class="refrigeration_controller", removed_at=None)
    return found.select_related("part").first()


def _plan(
    by: Authority,
    incident: Incident,
    alarm: Alarm,
    site: Site,
    space: SpaceView | None,
    limit: TimeToLimit | None,
    now: datetime,
) -> Plan:
    """Hold a part where hardware failed, and rank the backup spaces where product is at stake."""
    lots = product_queries.lots_by_space(site.pk).get(space.id, 0) if space else 0
    sourced = _source(by, incident, alarm, space, limit, lots > 0, now)
    if space is None or not lots or limit is None or limit.worst.state != "known":
        return Plan(sourced, (), False, limit, lots)
    moves = product_queries.backups(by, space.id, _states(space, now), now, limit.worst.at)
    urgent = alarm.severity == "immediate_excursion_risk"
    return Plan(sourced, moves, sourced.move_first if sourced is not None else urgent, limit, lots)


def _states(space: SpaceView, now: datetime) -> dict[UUID, SpaceState]:
    sites = {space.site_id, *product_queries.backup_sites(space.id)}
    return exposure.states(telemetry.site_views(sorted(sites), now).values())


def _source(
    by: Authority,
    incident: Incident,
    alarm: Alarm,
    space: SpaceView | None,
    limit: TimeToLimit | None,
    at_stake: bool,
    now: datetime,
) -> Sourced | None:
    device = _device_of(alarm, space) if alarm.rule in NEEDS_PART else None
    if device is None or device.part_id is None:
        return None
    part = device.part
    assert part is not None
    need = Need(
        incident_id=incident.pk,
        site_id=incident.site_id,
        part_id=device.part_id,
        limit_at=limit.worst.at if limit is not None and limit.worst.state == "known" else None,
        incident_name=incident.name,
        product_at_stake=at_stake,
        revision=part.revision,
        connector=str(part.needs.get("connector", "")),
        runs=_runs(incident.site_id),
    )
    sourced = source(by, need, now=now)
    if sourced.reservation is not None:
        incidents.attach(by, incident.pk, "reservation", sourced.reservation.pk, now=now)
    if sourced.dispatch is not None:
        incidents.attach(by, incident.pk, "dispatch", sourced.dispatch.pk, now=now)
    return sourced


def _runs(site_id: UUID) -> tuple[tuple[str, str], ...]:
    """What the site's components run, for conditions of compatibility."""
    rows = Device.objects.filter(site_id=site_id, removed_at=None).order_by("component_class")
    return tuple((d.component_class, str(d.observed.get("firmware") or d.firmware)) for d in rows)


def _propose_runbook(by: Authority, incident: Incident, alarm: Alarm, now: datetime) -> None:
    definition = runbook_queries.for_trigger(alarm.rule)
    if definition is not None:
        run = runbooks.propose(
            by,
            definition.slug,
            incident.site_id,
            incident_id=incident.pk,
            space_id=incident.space_id,
            device_id=incident.device_id,
            now=now,
        )
        incidents.attach(by, incident.pk, "run", run.pk, now=now)


def note_excursion(by: Authority, row: Excursion, site: Site, *, now: datetime) -> None:
    """An excursion holds the lots that were inside; one found late, already over, opens its record with a QA task."""
    incident_id = None
    if row.found_late and row.ended_at is not None:
        title = f"{site.name}, {row.space.name}: excursion found in late data"
        incident = incidents.open(
            by,
            "late_excursion",
            site.pk,
            title=title,
            priority="P3",
            now=now,
            space_id=row.space_id,
            detected_at=row.started_at,
        )
        incident_id = incident.pk
    else:
        live = incident_queries.live_for(site.pk, "excursion", row.space_id, None)
        incident_id = live.pk if live else None
    if incident_id is not None:
        incidents.attach(by, incident_id, "excursion", row.pk, now=now)
    exposure.hold_lots(by, _first_of(row), incident_id, now=now)
    exposure.open_deviation(by, _first_of(row), row, site, now=now)
    post_incident.open_for(by, row, _first_of(row), now=now)


def _first_of(row: Excursion) -> Excursion:
    """Several probes of a space outside at once are one excursion for the lots inside: the one that began first."""
    beside = Excursion.objects.filter(space_id=row.space_id, direction=row.direction, superseded_at=None)
    began = beside.filter(started_at__lte=row.started_at).order_by("started_at")
    return next((e for e in began if e.ended_at is None or e.ended_at >= row.started_at), row)


def swap(by: Authority, incident_id: UUID, unit_id: UUID, *, now: datetime) -> Device:
    """The reserved unit stands in the place of the failed device. The old one is on its way back.

    The device keeps its name; its serial becomes the unit's. What it is measured against stays what it was.
    """
    incident = incident_queries.incident(by, incident_id)
    by.require("spares.dispatch", incident.site_id)
    with transaction.atomic():
        device = _failed(incident)
        old = stock.adopt_installed(by, _part_of(device), device.serial, device.site_id, now=now, values=_known(device))
        unit = travel.install(by, unit_id, now=now, device_name=device.name)
        returns.mark_failed(by, old.pk, reason=incident.title, now=now, incident_id=incident.pk)
        returns.start_return(by, old.pk, now=now, incident_id=incident.pk, reason=f"replaced by {unit.serial}")
        registry.bind_unit(by, device, unit_id=unit.pk, serial=unit.serial, part_id=unit.part_id, now=now)
    return device


def _part_of(device: Device) -> UUID:
    assert device.part_id is not None
    return device.part_id


def _known(device: Device) -> dict[str, object]:
    """What the record says of the old hardware."""
    return {"firmware": device.firmware, "machine_id": device.machine_id}


def _failed(incident: Incident) -> Device:
    """The device that the incident is about."""
    held = Device.objects.select_for_update(of=("self",)).select_related("part", "model")
    device = held.filter(pk=incident.device_id).first() if incident.device_id else None
    if device is None or device.part is None:
        raise NotReady(
            "incidents.no_device", f"{incident.name} names no device that has a spare.", "Name the failed device first."
        )
    return device
