"""When it is over: service restored, and product safe.

Service is restored when the hardware passes its baseline and its signals are trusted again; product is safe when its
space has been back in its profile, proven, for its settling time. Delivery restores nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from waystation.alarms import queries as alarms
from waystation.fleet import actions as fleet
from waystation.fleet import queries as fleet_queries
from waystation.incidents import actions as incidents
from waystation.incidents import queries as incident_queries
from waystation.incidents.models import Incident
from waystation.journeys.exposure import verdicts
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotReady
from waystation.product.rules.settling import settle as settled
from waystation.registry.models import Site, Space
from waystation.spares import queries as spares
from waystation.telemetry.actions.care import end_watch
from waystation.telemetry.models import Calibration, HandDuty
from waystation.telemetry.views import SiteView, SpaceView

STEADY_FOR = timedelta(minutes=10)
LOOK_EVERY = timedelta(minutes=10)


def settle(by: Authority, site: Site, view: SiteView, *, now: datetime, since: datetime | None = None) -> None:
    """Mark what stands for every open incident of the site; `since` is when it was looked at before."""
    for row in incident_queries.unresolved(site.pk):
        if row.product_safe_at is not None and _is_out(row, view):
            incidents.withdraw_fact(by, row.pk, "product_safe_at", now=now, reason="the space is out of range again")
        if row.needs_service and row.service_restored_at is None and _is_restored(by, row, view, now):
            incidents.mark_service_restored(by, row.pk, at=now, now=now, source=_restored_by(row))
        if row.needs_product and row.product_safe_at is None and row.space_id is not None:
            _look_at_product(by, row, view, now, since)
    _end_watches(by, view, now)


def _is_out(row: Incident, view: SiteView) -> bool:
    """An excursion runs in the incident's space: whatever was said before, its product is not safe now."""
    return any(space.id == row.space_id and space.excursions for space in view.spaces)


def _is_restored(by: Authority, row: Incident, view: SiteView, now: datetime) -> bool:
    """True when what failed works, passed its baseline after a swap, and every signal that it carries is trusted."""
    if view.is_dark or _still_wrong(row, view) or not alarms.is_calm(row.pk):
        return False
    swapped = spares.installed_at(by, row.pk)
    if swapped is not None and row.device_id is not None:
        try:
            return fleet.check_baseline(by, row.device_id, since=swapped, incident_id=row.pk, now=now).passed
        except NotReady:
            return False
    return True


def _still_wrong(row: Incident, view: SiteView) -> bool:
    """Some signal that the incident is about is silent, doubtful or still says that it is wrong."""
    space = next((s for s in view.spaces if s.id == row.space_id), None)
    power, heartbeat = view.of("power"), [s for s in view.sensors if s.device_id == row.device_id and row.device_id]
    if row.group == "power":
        return power is None or power.is_silent or not power.value
    if row.group == "device":
        return not heartbeat or any(s.is_silent or not s.value for s in heartbeat)
    if row.group == "connection":
        return any(s.is_silent for s in view.sensors)
    return space is not None and _is_doubtful(space, row)


def _is_doubtful(space: SpaceView, row: Incident) -> bool:
    fault = space.of("compressor_fault")
    if row.group == "cooling" and fault is not None and (fault.is_silent or bool(fault.value)):
        return True
    if row.group == "measurement":
        return space.is_unmonitored or any(s.is_silent or s.doubt for s in space.judging)
    return any(s.is_silent or s.doubt for s in space.judging)


def _restored_by(row: Incident) -> str:
    check = fleet_queries.last_check(row.device_id, row.opened_at) if row.device_id else None
    return "baseline re-checked and signals trusted" if check else "signals trusted again"


def _look_at_product(by: Authority, row: Incident, view: SiteView, now: datetime, before: datetime | None) -> None:
    """Prove the space's time since the incident opened; while it is out or doubtful there is nothing to prove."""
    space = next((s for s in view.spaces if s.id == row.space_id), None)
    if space is None or space.state != "in_range_proven" or not _is_time_to_look(row, now, before):
        return
    if not alarms.is_calm(row.pk):
        return
    since = row.detected_at or row.opened_at
    known = verdicts(Space.objects.select_related("profile", "site").get(pk=space.id), since, now)
    found = settled(known, since, space.settle_s, now)
    if found.safe_at is not None:
        incidents.mark_product_safe(by, row.pk, at=found.safe_at, now=now, source=found.reason)


def _is_time_to_look(row: Incident, now: datetime, before: datetime | None) -> bool:
    """Proving reads the store, so it is done once every ten minutes and not with every batch."""
    return before is None or (now - row.opened_at) // LOOK_EVERY > (before - row.opened_at) // LOOK_EVERY


def _end_watches(by: Authority, view: SiteView, now: datetime) -> None:
    """A space needs no hand readings any more once every judging probe is certified, heard and not in doubt."""
    for space in view.spaces:
        if not space.is_unmonitored:
            continue
        duty = HandDuty.objects.select_related("space").filter(space_id=space.id, ended_at=None).first()
        trusted = all(
            not s.is_silent and not s.doubt and s.certificate_until and s.certificate_until > now for s in space.judging
        )
        if duty is not None and trusted and _has_new_probe(duty):
            end_watch(by, duty, now=now, reason="new probe trusted")


def _has_new_probe(duty: HandDuty) -> bool:
    """A calibrated probe was bound after the watch began."""
    bound = Calibration.objects.filter(sensor_id=duty.sensor_id, unbound_at=None, bound_at__gte=duty.started_at)
    return bound.exists()
