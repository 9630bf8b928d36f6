"""What a site agent tells beside readings, kept once however often it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.evidence.models import LogEntry
from waystation.kernel.authority import Authority
from waystation.telemetry.actions.ingest import Accepted
from waystation.telemetry.models import Gateway
from waystation.telemetry.rules.agents import GAP, event_of

TOLD = "telemetry.agent_told"
EVENTS_IN_ENTRY = 80


def keep_told(by: Authority, accepted: Accepted, *, now: datetime) -> bool:
    """Notes, gaps and alarms of a batch as events; False when this batch was kept before."""
    told = accepted.told
    alarms: list[Mapping[str, Any]] = list(accepted.alarms)
    if not (told.notes or told.gaps or alarms):
        return False
    by.require("telemetry.ingest", accepted.site_id)
    with transaction.atomic():
        if LogEntry.objects.filter(kind=TOLD, object_id=accepted.digest).exists():
            return False
        for alarm in alarms:
            sensor = str(alarm.get("sensor", ""))
            entry = NewEntry("telemetry.agent_alarm", sensor[:64], by, now, accepted.site_id, facts=alarm)
            record([], [NewEvent(data=alarm)], entry=entry)
        events = [NewEvent(event_of(note), data=note) for note in told.notes]
        events += [NewEvent(GAP, data=gap) for gap in told.gaps]
        for first in range(0, max(len(events), 1), EVENTS_IN_ENTRY):
            facts = {"notes": len(told.notes), "gaps": len(told.gaps), "alarms": len(alarms)}
            entry = NewEntry(TOLD, accepted.digest, by, now, accepted.site_id, facts=facts)
            record([], events[first : first + EVENTS_IN_ENTRY], entry=entry)
    return True


def keep_state(by: Authority, accepted: Accepted, *, now: datetime) -> Gateway | None:
    """How the agent stands, when it says something else than before; None when nothing changed."""
    state = dict(accepted.told.state)
    if not state or accepted.site_id is None:
        return None
    by.require("telemetry.ingest", accepted.site_id)
    machine_id = UUID(accepted.machine)
    with transaction.atomic():
        row = Gateway.objects.select_for_update().filter(machine_id=machine_id).first()
        if row is None:
            row = Gateway(machine_id=machine_id, site_id=accepted.site_id)
        elif row.state == state or _boot(row.state) > _boot(state):
            return None
        before, row.state, row.since = row.state, state, now
        facts = {"before": before, "after": state}
        entry = NewEntry("telemetry.gateway_changed", machine_id, by, now, accepted.site_id, facts=facts)
        record([row], [NewEvent(data=facts)], entry=entry)
    return row


def _boot(state: Mapping[str, Any]) -> int:
    """The number of a boot; 0 where an agent of before said none."""
    said = str(state.get("boot", ""))
    return int(said) if said.isascii() and said.isdigit() else 0
