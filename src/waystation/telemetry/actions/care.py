"""People's care: decide about a doubt, watch by hand."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, NotReady
from waystation.registry.models import Sensor
from waystation.registry.queries import one
from waystation.telemetry.models import Doubt, Excursion, HandDuty, HandReading

SECOND_LOOK_FOR = timedelta(hours=1)


def decide_doubt(
    by: Authority, doubt_id: UUID, *, decision: str, reason: str, now: datetime, fresh_proof: bool = False
) -> Doubt:
    """Say of a doubt that the sensor failed, or that its readings stand.

    A failed sensor needs a second measurement within the hour, or the report of the check that put it in doubt. While
    its newest reading is out of range only QA may decide, with a fresh proof of identity; the minutes out of range stay
    out whatever is decided.
    """
    with transaction.atomic():
        doubt = (
            Doubt.objects.select_for_update(of=("self",)).select_related("sensor__space").filter(pk=doubt_id).first()
        )
        if doubt is None:
            raise NotFound("telemetry.doubt_unknown", f"There is no doubt {doubt_id}.", "Open the space to see them.")
        sensor = doubt.sensor
        by.require(
            "incidents.work" if not by.may("telemetry.decide_doubt") else "telemetry.decide_doubt", sensor.site_id
        )
        if doubt.decided_at is not None:
            raise Conflict("telemetry.doubt_decided", "This doubt is decided already.", "Open its entry.")
        _may_decide(by, doubt, decision, reason, now, fresh_proof)
        doubt.decision, doubt.reason = decision, reason
        doubt.decided_by, doubt.decided_at = by.principal_id, now
        facts = {"sensor": sensor.code, "kind": doubt.kind, "decision": decision}
        entry = NewEntry("telemetry.doubt_decided", doubt.pk, by, now, sensor.site_id, reason, facts)
        record([doubt], [NewEvent(data=facts)], entry=entry)
    return doubt


def _may_decide(by: Authority, doubt: Doubt, decision: str, reason: str, now: datetime, fresh_proof: bool) -> None:
    if decision not in ("sensor_failed", "readings_stand"):
        raise BadInput("telemetry.decision", f"{decision!r} is no decision.", "Say sensor_failed or readings_stand.")
    if not reason.strip():
        raise BadInput("telemetry.decision_reason", "No reason is given.", "Write what was seen.", field="reason")
    is_quality = by.may("telemetry.decide_doubt", doubt.sensor.site_id)
    out = Excursion.objects.filter(sensor=doubt.sensor, ended_at=None, superseded_at=None).exists()
    if (out or decision == "readings_stand") and not (is_quality and fresh_proof):
        raise NotAllowed(
            "telemetry.out_of_range_stays",
            "The reading is out of range, so only QA decides about it, signed."
            if out
            else "Only QA says that doubted readings stand.",
            "Ask QA; until then the space counts as out of range.",
        )
    if decision == "sensor_failed" and doubt.probe_check_id is None and not _second_measurement(doubt, now):
        raise NotReady(
            "telemetry.second_measurement",
            f"Nothing else was measured in this space since {now - SECOND_LOOK_FOR:%H:%M} UTC.",
            "Take a hand reading, or bind another probe, then decide.",
        )


def _second_measurement(doubt: Doubt, now: datetime) -> bool:
    return HandReading.objects.filter(space=doubt.sensor.space, observed_at__gt=now - SECOND_LOOK_FOR).exists()


def watch_by_hand(
    by: Authority, sensor_id: UUID, *, every_s: int, reason: str, incident_id: UUID | None, now: datetime
) -> HandDuty:
    """The space of a failed sensor is unmonitored: from now on hand readings are due. Repeating it changes nothing."""
    sensor = one(Sensor, sensor_id, among=Sensor.objects.select_related("space"))
    by.require("telemetry.write_hand", sensor.site_id)
    with transaction.atomic():
        held = HandDuty.objects.filter(space=sensor.space, ended_at=None).first()
        if held is not None:
            return held
        duty = HandDuty(
            space=sensor.space,
            sensor=sensor,
            every_s=every_s,
            due_at=now + timedelta(seconds=every_s),
            started_at=now,
            reason=reason,
            incident_id=incident_id,
        )
        facts = {"space": sensor.space.code if sensor.space else "", "every_s": every_s}
        entry = NewEntry("telemetry.unmonitored", duty.space_id, by, now, sensor.site_id, reason, facts)
        record([duty], [NewEvent(data=facts, incident_id=incident_id)], entry=entry)
    return duty


def end_watch(by: Authority, duty: HandDuty, *, now: datetime, reason: str) -> HandDuty:
    """The new probe is trusted: hand readings are no longer due."""
    by.require("platform.operate")
    duty.ended_at = now
    entry = NewEntry("telemetry.monitored_again", duty.space_id, by, now, duty.space.site_id, reason)
    record([duty], [NewEvent(incident_id=duty.incident_id)], entry=entry)
    return duty
