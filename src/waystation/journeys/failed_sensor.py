"""A sensor failed: the replacement is ordered and the space lives on hand readings until the new probe is trusted."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db import transaction

from waystation.access.queries import system_authority
from waystation.incidents import actions as incidents
from waystation.kernel.authority import Authority
from waystation.registry.models import Part
from waystation.spares.actions.sourcing import Need, source
from waystation.telemetry.actions import care
from waystation.telemetry.models import Doubt

HAND_READING_EVERY_S = 1800


def declare(by: Authority, doubt_id: UUID, *, reason: str, now: datetime, fresh_proof: bool = False) -> Doubt:
    """Decide that the sensor failed. In the same transaction the space becomes unmonitored, with hand readings due,
    and a calibrated replacement is reserved. The doubted interval stays not proven; minutes out of range stay out."""
    system = system_authority("failed sensor")
    with transaction.atomic():
        doubt = care.decide_doubt(
            by, doubt_id, decision="sensor_failed", reason=reason, now=now, fresh_proof=fresh_proof
        )
        sensor = doubt.sensor
        space = sensor.space
        where = f"{sensor.site.name}, {space.name}" if space else sensor.site.name
        incident = incidents.open(
            system,
            "sensor_failure",
            sensor.site_id,
            title=f"{where}: probe failed, space is unmonitored",
            priority="P2",
            now=now,
            space_id=space.pk if space else None,
            detected_at=doubt.started_at,
        )
        care.watch_by_hand(
            system, sensor.pk, every_s=HAND_READING_EVERY_S, reason=reason, incident_id=incident.pk, now=now
        )
        part = Part.objects.filter(calibrated=True).order_by("code").first()
        if part is not None:
            sourced = source(
                system,
                Need(
                    incident_id=incident.pk,
                    site_id=sensor.site_id,
                    part_id=part.pk,
                    incident_name=incident.name,
                    product_at_stake=False,
                    connector=str(part.needs.get("connector", "")),
                ),
                now=now,
            )
            if sourced.reservation is not None:
                incidents.attach(system, incident.pk, "reservation", sourced.reservation.pk, now=now)
    return doubt
