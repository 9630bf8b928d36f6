"""Joining a record of another room to an incident: only one of the incident's own site, which its joiner sees."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Model

from waystation.alarms.models import Alarm
from waystation.incidents import actions
from waystation.incidents import queries as incidents
from waystation.incidents.models import Incident, IncidentLink
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.product.models import Move, ProductHold
from waystation.runbooks.models import Run
from waystation.spares.models import Dispatch, Reservation, Unit
from waystation.telemetry.models import Excursion

# where the records of each kind say their site; a move has two
WHERE: dict[str, tuple[type[Model], tuple[str, ...]]] = {
    "alarm": (Alarm, ("site_id",)),
    "reservation": (Reservation, ("site_id",)),
    "dispatch": (Dispatch, ("to_site_id",)),
    "run": (Run, ("site_id",)),
    "move": (Move, ("from_space__site_id", "to_space__site_id")),
    "excursion": (Excursion, ("site_id",)),
    "hold": (ProductHold, ("space__site_id",)),
}


def attach(by: Authority, key: UUID | str, kind: str, object_id: UUID, *, now: datetime) -> IncidentLink:
    """Join a record to an incident by id or number. A record of another site is said not to be there."""
    row = incidents.incident(by, key)
    if kind in WHERE and row.site_id not in _sites(kind, object_id):
        raise NotFound(
            "incidents.link_not_here",
            f"There is no {kind} {object_id} at {row.site.name}.",
            "Name one of the incident's own site.",
        )
    return actions.attach(by, row.pk, kind, object_id, now=now)


def demand_here(incident_id: UUID, site_id: UUID) -> None:
    """Refuse an incident of another site. One that is on no record is of some other system, and nobody's secret."""
    if Incident.objects.filter(pk=incident_id).exclude(site_id=site_id).exists():
        raise NotFound(
            "incidents.link_not_here",
            f"There is no incident {incident_id} at that site.",
            "Name one of the site that the part is for, or is at.",
        )


def unit_here(incident_id: UUID | None, unit_id: UUID) -> None:
    """Refuse an incident of another site than the unit's."""
    site_id = Unit.objects.filter(pk=unit_id).values_list("site_id", flat=True).first()
    if incident_id is not None and site_id is not None:
        demand_here(incident_id, site_id)


def _sites(kind: str, object_id: UUID) -> tuple[UUID | None, ...]:
    model, paths = WHERE[kind]
    return model._default_manager.filter(pk=object_id).values_list(*paths).first() or ()
