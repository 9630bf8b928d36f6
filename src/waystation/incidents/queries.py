"""Reading incidents: open ones, the timeline of one, outcomes, the watch."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Count, QuerySet

from waystation.evidence.models import Event
from waystation.incidents.models import HandOver, Incident, IncidentLink, Note
from waystation.incidents.rules import cause as causes
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.registry.queries import sites


@dataclass(frozen=True, slots=True)
class Moment:
    """One line of a timeline, with the entry of the evidence log that proves it."""

    at: datetime
    kind: str
    object_id: str
    data: dict[str, Any]
    entry_seq: int


def incident(by: Authority, key: UUID | str) -> Incident:
    """One visible incident by id, or by its number as INC-12."""
    rows = Incident.objects.select_related("site", "space", "device").filter(site__in=sites(by))
    asked = str(key).removeprefix("INC-")
    numbered = asked.isascii() and asked.isdigit() and len(asked) < 10
    found = rows.filter(number=int(asked)).first() if numbered else _by_id(rows, asked)
    if found is None:
        raise NotFound("incidents.unknown", f"There is no incident {key}.", "List the open ones.")
    return found


def _by_id(rows: QuerySet[Incident], asked: str) -> Incident | None:
    try:
        return rows.filter(pk=UUID(asked)).first()
    except ValueError:
        return None


def open_incidents(by: Authority, site_id: UUID | None = None) -> list[Incident]:
    """Those not resolved, most urgent first, then oldest."""
    rows = Incident.objects.filter(resolved_at=None, site__in=sites(by)).select_related("site", "space", "device")
    rows = rows if site_id is None else rows.filter(site_id=site_id)
    return list(rows.order_by("priority", "opened_at", "pk"))


def unresolved(site_id: UUID) -> list[Incident]:
    """What the platform itself looks at in a round over a site: in the same order, without what they refer to."""
    rows = Incident.objects.filter(resolved_at=None, site_id=site_id)
    return list(rows.order_by("priority", "opened_at", "pk"))


def open_sites() -> set[UUID]:
    """The sites at which an incident is not resolved."""
    return set(Incident.objects.filter(resolved_at=None).values_list("site_id", flat=True).distinct())


def live_for(site_id: UUID, cause: str, space_id: UUID | None, device_id: UUID | None) -> Incident | None:
    """The live incident that a cause at an object would join."""
    key = causes.live_key(site_id, cause, space_id, device_id)
    return Incident.objects.filter(live_key=key, resolved_at=None).first()


def timeline(key: UUID) -> list[Moment]:
    """Every event of the incident in the order of the log, whichever room wrote it; notes with the text they hold."""
    rows = Event.objects.filter(incident_id=key).order_by("seq")
    texts = {str(pk): text for pk, text in Note.objects.filter(incident_id=key).values_list("pk", "text")}
    return [Moment(e.at, e.kind, e.object_id, _with_text(e.data, texts), e.entry_id) for e in rows]


def _with_text(data: dict[str, Any], texts: dict[str, str]) -> dict[str, Any]:
    """An event never changes, so it names its note; the note's own text may be erased."""
    return data | {"text": texts[data["note"]]} if data.get("note") in texts else data


def links(key: UUID, kind: str = "") -> list[IncidentLink]:
    """What is joined to an incident, oldest first."""
    rows = IncidentLink.objects.filter(incident_id=key).order_by("at", "pk")
    return list(rows.filter(kind=kind) if kind else rows)


def incidents_of(kind: str, object_id: UUID) -> list[Incident]:
    """The incidents that a record of another room is joined to."""
    return list(Incident.objects.filter(links__kind=kind, links__object_id=object_id).order_by("opened_at"))


def notes(key: UUID) -> list[Note]:
    """The notes of an incident, oldest first."""
    return list(Note.objects.filter(incident_id=key).order_by("at", "pk"))


def outcomes(by: Authority, start: datetime, end: datetime) -> dict[str, int]:
    """How many incidents resolved in [start, end) ended in which outcome."""
    rows = Incident.objects.filter(resolved_at__gte=start, resolved_at__lt=end, site__in=sites(by))
    counted = rows.order_by().values("outcome").annotate(n=Count("pk"))
    return {r["outcome"]: r["n"] for r in sorted(counted, key=lambda r: (-r["n"], r["outcome"]))}


def quality_tasks(by: Authority) -> list[Incident]:
    """Late excursions that wait for QA."""
    rows = Incident.objects.filter(quality_done_at=None, site__in=sites(by)).exclude(quality_task_at=None)
    return list(rows.select_related("site").order_by("quality_task_at", "pk"))


def last_hand_over() -> HandOver | None:
    """The newest hand-over, taken or not."""
    return HandOver.objects.order_by("-at", "-pk").first()


def opened_between(start: datetime, end: datetime) -> list[Incident]:
    """The incidents opened in [start, end) or still open then, oldest first."""
    rows = Incident.objects.filter(opened_at__lt=end).select_related("site", "space").order_by("opened_at", "pk")
    return [i for i in rows if i.opened_at >= start or i.resolved_at is None or i.resolved_at > start]


def all_incidents(by: Authority) -> list[Incident]:
    """Every visible incident, by number."""
    sites = by.sites("registry.read")
    rows = Incident.objects.select_related("site", "space")
    return list((rows if sites is None else rows.filter(site_id__in=sites)).order_by("opened_at", "number"))


def ended(by: Authority, most: int = 100) -> list[Incident]:
    """Those resolved, the newest first."""
    rows = Incident.objects.exclude(resolved_at=None).filter(site__in=sites(by))
    return list(rows.select_related("site", "space", "device").order_by("-resolved_at", "pk")[:most])


def hand_overs(most: int = 20) -> list[HandOver]:
    """The newest hand-overs, taken or not."""
    return list(HandOver.objects.order_by("-at", "-pk")[:most])
