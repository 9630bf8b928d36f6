"""A round of sourcing as it is kept: one row that holds each candidate with its times, outcome and reason.

How a candidate would be carried out (its way: bars, figures, assumptions) is the same for every unit on one shelf, so
the row holds each way once and a candidate names its place in that list.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.kernel.canonical import plain
from waystation.spares import models as m
from waystation.spares.live import Lead
from waystation.spares.rules import sourcing as rules

Name = tuple[str, str, str | None, datetime | None]


@dataclass(frozen=True, slots=True)
class Attempt:
    """One candidate that was considered. `basis` says what the incident page draws; a hidden one has no bars."""

    incident_id: UUID
    round_id: UUID
    at: datetime
    place: int
    source: str
    channel: str
    serial: str
    unit_id: UUID | None
    likely_at: datetime | None
    p90_at: datetime | None
    outcome: str
    in_time: bool
    reason: str
    conditions: str
    basis: dict[str, Any] = field(hash=False)


def keep(incident_id: UUID, decided: rules.Sourcing, leads: Mapping[Name, Lead], now: datetime) -> m.Round:
    """The row of a decision, unsaved. `leads` are by `name_of` what was judged."""
    ways, places = list[dict[str, Any]](), dict[Any, int]()
    candidates = []
    for judged in decided.judged:
        kept = _candidate(judged)
        lead = leads.get(name_of(judged))
        if lead is not None and lead.ready is not None:
            key = (id(lead.ready), lead.lane.pk if lead.lane is not None else None, lead.candidate.cost)
            if key not in places:
                places[key] = len(ways)
                ways.append(_way(lead))
            kept["way"] = places[key]
        candidates.append(kept)
    return m.Round(
        incident_id=incident_id,
        at=now,
        move_first=decided.move_first,
        why=decided.reason,
        candidates=candidates,
        ways=ways,
    )


def name_of(judged: rules.Judged) -> Name:
    """What tells a candidate from the others of its round."""
    return (judged.place, judged.channel, judged.unit_id, judged.p90_at)


def newest(incident_id: UUID) -> m.Round | None:
    """The newest round of an incident."""
    return m.Round.objects.filter(incident_id=incident_id).order_by("-at", "-id").first()


def attempts(row: m.Round) -> tuple[Attempt, ...]:
    """The candidates of a round, in the order of the decision."""
    told = {"move_first": row.move_first, "why": row.why}
    return tuple(
        Attempt(
            incident_id=row.incident_id,
            round_id=row.pk,
            at=row.at,
            place=place,
            source=c["source"],
            channel=c["channel"],
            serial=c.get("serial", ""),
            unit_id=UUID(c["unit_id"]) if "unit_id" in c else None,
            likely_at=_instant(c.get("likely_at")),
            p90_at=_instant(c.get("p90_at")),
            outcome=c["outcome"],
            in_time=c["in_time"],
            reason=c["reason"],
            conditions=c.get("conditions", ""),
            basis=told | (row.ways[c["way"]] if "way" in c else {}),
        )
        for place, c in enumerate(row.candidates)
    )


def _instant(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


def _candidate(judged: rules.Judged) -> dict[str, Any]:
    """What is empty is left out."""
    kept = {
        "source": judged.place,
        "channel": judged.channel,
        "outcome": judged.outcome,
        "in_time": judged.in_time,
        "reason": judged.reason,
    }
    more = {
        "serial": judged.serial,
        "unit_id": judged.unit_id,
        "likely_at": judged.likely_at and plain(judged.likely_at),
        "p90_at": judged.p90_at and plain(judged.p90_at),
        "conditions": judged.conditions,
    }
    return kept | {name: value for name, value in more.items() if value}


def _way(lead: Lead) -> dict[str, Any]:
    assert lead.ready is not None, "only a way that was reckoned is kept"
    bars = lead.ready.p90
    return {
        "bars": [{"kind": b.kind, "start": plain(b.start), "end": plain(b.end), "reason": b.reason} for b in bars],
        "figures": [f.words() for f in lead.ready.figures],
        "assumed": list(lead.assumed),
        "mode": lead.lane.mode if lead.lane is not None else "",
        "cost": f"{lead.candidate.cost:.2f}",
    }
