"""The promises of a site's service class, measured over a period: each a number, its target and what it rests on.

The first three are the outcome questions: was an excursion detected within X, is the signals' continuity provable,
was remote management restored within Y. What could not be measured is unknown, never kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from waystation.alarms import queries as alarms
from waystation.evidence import queries as evidence
from waystation.incidents import queries as incidents
from waystation.incidents.models import Incident
from waystation.registry.models import ServiceClass, Site
from waystation.service_levels.rules.measures import Measure, at_most, said
from waystation.telemetry import queries as telemetry
from waystation.telemetry.continuity import Continuity, continuities
from waystation.telemetry.hour_judging import full_hour

UNREACHABLE = ("site_unreachable", "device_unreachable")
HOUR = 3600.0


@dataclass(frozen=True, slots=True)
class SiteMeasures:
    """One site against its class: `since` is where its period begins (the site may be younger than the period)."""

    code: str
    name: str
    service_class: str
    is_critical: bool
    since: datetime
    last_evidence_at: datetime | None
    measures: tuple[Measure, ...]
    continuity: Continuity
    allowance_used: float | None  # 1.0 is all of it; None when nothing was to be judged

    @property
    def kept(self) -> bool | None:
        """False when one promise is broken, None while one is unknown, else True."""
        states = {m.kept for m in self.measures}
        return False if False in states else None if None in states else True

    @property
    def words(self) -> str:
        """What is not kept or not known, in words."""
        bad = [m for m in self.measures if m.kept is not True]
        return "; ".join(f"{m.name} {m.words}, target {said(m.target, m.unit)}" for m in bad)


# pairs of (seconds taken, True when it is over) by what was measured
Spans = Sequence[tuple[float, bool]]


def measure_sites(sites: Sequence[Site], start: datetime, end: datetime, *, exact: bool = True) -> list[SiteMeasures]:
    """Every promise of every site over [start, end), worst first.

    A site that opened later is measured from then; unless `exact`, from the first full hour after it.
    """
    found: dict[UUID, list[float]] = {}
    for row in telemetry.excursions_between(start, end, [s.pk for s in sites]):
        if row.detected_at >= start:
            found.setdefault(row.site_id, []).append(row.detection_s)
    answers: dict[UUID, list[tuple[float, bool]]] = {}
    for alarm in alarms.answered_between(start, end):
        if alarm.paged_at is not None:
            taken = ((alarm.acked_at or end) - alarm.paged_at).total_seconds()
            answers.setdefault(alarm.site_id, []).append((taken, alarm.acked_at is not None))
    opened: dict[UUID, list[Incident]] = {}
    for incident in incidents.opened_between(start, end):
        opened.setdefault(incident.site_id, []).append(incident)
    heard = telemetry.heard_at([s.pk for s in sites])
    opened_at = evidence.first_said_of_each("registry.site_state", "to", "active")
    since = {s.pk: max(start, opened_at.get(str(s.pk), start)) for s in sites}
    periods = {key: (at if exact or at == start else full_hour(at), end) for key, at in since.items()}
    held = continuities(periods)
    rows = [
        _measured(
            site,
            periods[site.pk][0],
            end,
            held[site.pk],
            found.get(site.pk, []),
            answers.get(site.pk, []),
            opened.get(site.pk, []),
            heard.get(site.pk),
        )
        for site in sites
    ]
    return sorted(rows, key=lambda r: (r.kept is True, r.kept is None, -(r.allowance_used or 0), r.name))


def _measured(
    site: Site,
    since: datetime,
    end: datetime,
    held: Continuity,
    detected_s: Sequence[float],
    answers: Spans,
    opened: Sequence[Incident],
    heard_at: datetime | None,
) -> SiteMeasures:
    target = site.service_class
    remote = [_restored(i, end) for i in opened if i.cause in UNREACHABLE]
    service = [_restored(i, end) for i in opened if i.needs_service]
    worst_s = max(detected_s, default=None)
    measures = (
        at_most("detection", worst_s, target.detect_within_s, "s", len(detected_s), len(detected_s)),
        _continuity(held, target, is_new=since >= end),
        _within("remote management", remote, target.remote_management_h * HOUR, "h"),
        _within("acknowledgement", answers, target.acknowledge_within_s, "s"),
        _within("recovery", service, target.recovery_h * HOUR, "h"),
    )
    return SiteMeasures(
        code=site.code,
        name=site.name,
        service_class=target.code,
        is_critical=target.rank == 1,
        since=since,
        last_evidence_at=heard_at,
        measures=measures,
        continuity=held,
        allowance_used=_allowance(held, target),
    )


def _continuity(held: Continuity, target: ServiceClass, *, is_new: bool = False) -> Measure:
    """What waits to be judged may go either way: while that decides, the promise is neither kept nor broken."""
    pct = target.monitoring_availability_pct
    if is_new:
        return Measure("continuity", None, None, pct, "%", 0, 0, "opened just now, no hour is counted yet")
    least, most = held.known_pct_at_least, held.known_pct_at_most
    if least is None or most is None:
        return Measure("continuity", True, None, pct, "%", 0, 0, "no space to judge")
    shown, known = round((held.proven_s + held.out_s) / 60), held.known_pct
    words = "nothing is counted yet" if known is None else f"{known:.2f} % of its time is shown"
    words += f", {_hours(held.waiting_s)} not counted yet" if held.waiting_s else ""
    is_kept = True if least >= pct else False if most < pct else None
    return Measure("continuity", is_kept, known, pct, "%", shown, round((held.total_s + held.waiting_s) / 60), words)


def _hours(seconds: float) -> str:
    hours = max(1, round(seconds / HOUR))
    return f"{hours} space hour{'' if hours == 1 else 's'}"


def _allowance(held: Continuity, target: ServiceClass) -> float | None:
    allowed_s = (1 - target.monitoring_availability_pct / 100) * held.total_s
    return None if held.total_s <= 0 or allowed_s <= 0 else held.not_proven_s / allowed_s


def _restored(row: Incident, end: datetime) -> tuple[float, bool]:
    over = row.service_restored_at or row.resolved_at
    until = over if over is not None and over <= end else end
    return max(0.0, (until - row.opened_at).total_seconds()), until is over


def _within(name: str, spans: Spans, target_s: float, unit: str) -> Measure:
    """The worst of those that are over, and of those that run longer than the target already."""
    scale = HOUR if unit == "h" else 1.0
    told = [taken for taken, over in spans if over or taken > target_s]
    worst = round(max(told) / scale, 2) if told else None
    found = at_most(name, worst, target_s / scale, unit, len(told), len(spans))
    if found.kept and len(told) < len(spans):
        waits = len(spans) - len(told)
        return Measure(name, None, worst, found.target, unit, len(told), len(spans), f"{waits} not over yet")
    return found


def by_name(measures: Sequence[Measure]) -> Mapping[str, Measure]:
    """The measures of a site by name."""
    return {m.name: m for m in measures}
