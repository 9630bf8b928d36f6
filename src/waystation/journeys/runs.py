"""Runs of runbooks: driven while nobody is waited for, expired when nobody answers.

What the platform does itself (ticket, notification, live readings, impact) is shown by its own records; whatever
touches the world goes to the actuator behind it, which asks a person until an owner opts in to more.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from uuid import UUID

from waystation.alarms import queries as alarms
from waystation.incidents import queries as incidents
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Refusal
from waystation.product import queries as product
from waystation.runbooks import actions, queries, running
from waystation.runbooks.leases import Pulse
from waystation.runbooks.ports import DONE, FAILED, Actuator, Result
from waystation.telemetry import queries as telemetry


class House:
    """Answers the calls that the platform's own records can show, and passes on the rest."""

    def __init__(self, by: Authority, now: datetime, otherwise: Actuator) -> None:
        self._by, self._now, self._otherwise = by, now, otherwise
        self._own = {
            "incident.ticket": self._ticket,
            "notify.on_call": self._notified,
            "telemetry.pull": self._readings,
            "impact.tag": self._impact,
        }

    def perform(self, kind: str, target: str, parameters: Mapping[str, str], *, key: str) -> Result:
        """Do it; a call that the platform cannot show by its own records goes to the actuator behind it."""
        own = self._own.get(kind)
        if own is None:
            return self._otherwise.perform(kind, target, parameters, key=key)
        try:
            return own(parameters, key)
        except (Refusal, ValueError) as refused:
            return Result(FAILED, detail=str(refused), receipt=key)

    def _ticket(self, parameters: Mapping[str, str], key: str) -> Result:
        row = incidents.incident(self._by, UUID(parameters["incident"]))
        return Result(DONE, detail=f"{row.name}, {row.priority}: {row.title}", receipt=key)

    def _notified(self, parameters: Mapping[str, str], key: str) -> Result:
        rows = alarms.of_incident(UUID(parameters["incident"]))
        pages = [p for a in rows for p in alarms.paged(a.pk)]
        return Result(
            DONE, detail=f"{len(pages)} messages, {sum(p.acked_at is not None for p in pages)} answered", receipt=key
        )

    def _readings(self, parameters: Mapping[str, str], key: str) -> Result:
        view = telemetry.site_view(UUID(parameters["site"]), self._now)
        near = [(s.name, s.nearest_to_limit()) for s in view.spaces]
        said = [f"{name} {n.value:.1f} °C" for name, n in near if n is not None and n.value is not None]
        return Result(DONE, detail=", ".join(said) or "no space is heard", receipt=key)

    def _impact(self, parameters: Mapping[str, str], key: str) -> Result:
        row = incidents.incident(self._by, UUID(parameters["incident"]))
        lots = product.lots_by_space(row.site_id)
        touched = lots.get(row.space_id, 0) if row.space_id else sum(lots.values())
        return Result(DONE, detail=f"{touched} lots", receipt=key)


def advance(by: Authority, actuator: Actuator, *, now: datetime, pulse: Pulse | None = None) -> int:
    """One bounded round over all runs; a run that refuses is left to the next round and to a person.

    `pulse` gives the present instant while a call takes its time.
    """
    done = 0
    for run_id in queries.to_advance(now):
        try:
            running.advance(by, run_id, House(by, now, actuator), now=now, pulse=pulse)
            done += 1
        except Refusal:
            continue
    return done + len(actions.expire_due(by, now=now)) + len(actions.park_overdue(by, now=now))
