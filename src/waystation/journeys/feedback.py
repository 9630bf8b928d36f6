"""What technicians say of repairs that needed a part, by the hub that serves the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from waystation.incidents import feedback
from waystation.incidents.models import Feedback
from waystation.incidents.rules.feedback import Summary, summary
from waystation.journeys.demand import served
from waystation.kernel.authority import Authority
from waystation.planning.rules import periods
from waystation.spares.models import Hub, Round


@dataclass(frozen=True, slots=True)
class OfHub:
    """What was said of the repairs of a hub's sites; `hub` is empty for sites that none serves."""

    hub: str
    told: Summary


@dataclass(frozen=True, slots=True)
class Word:
    """Words of one technician, with the incident."""

    incident: str
    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Heard:
    """Repairs resolved within [start, end): together, by hub, and the words that were written, newest first."""

    start: datetime
    end: datetime
    all: Summary
    hubs: tuple[OfHub, ...]
    words: tuple[Word, ...]


def heard(by: Authority, *, days: int, now: datetime) -> Heard:
    """The repairs of the last `days` days."""
    return between(by, periods.last(days, now), now)


def between(by: Authority, start: datetime, end: datetime) -> Heard:
    """The repairs that were resolved within [start, end)."""
    by.require("planning.read")
    by.require("service_levels.read")
    needed = Round.objects.values_list("incident_id", flat=True).distinct()
    closed = feedback.closed(start, end, needed)
    rows = feedback.newest(i.pk for i in closed)
    where = _hubs(by)
    by_hub: dict[str, list[UUID]] = {}
    for one in closed:
        by_hub.setdefault(where.get(one.site_id, ""), []).append(one.pk)
    names = {i.pk: i.name for i in closed}
    words = [Word(names[k], r.at, r.words) for k, some in rows.items() for r in some if r.words]
    return Heard(
        start,
        end,
        _summed(list(names), rows),
        tuple(OfHub(hub, _summed(keys, rows)) for hub, keys in sorted(by_hub.items())),
        tuple(sorted(words, key=lambda w: (w.at, w.incident), reverse=True)),
    )


def _hubs(by: Authority) -> dict[UUID, str]:
    first: Mapping[UUID, Hub] = served(by).first
    return {site: hub.code for site, hub in first.items()}


def _summed(incidents: list[UUID], rows: Mapping[UUID, list[Feedback]]) -> Summary:
    """Every technician's answers count; `said` is of how many repairs somebody said something."""
    told = summary([feedback.said(r) for k in incidents for r in rows.get(k, ())], len(incidents))
    return Summary(told.closed, sum(k in rows for k in incidents), told.shares, told.work_min)
