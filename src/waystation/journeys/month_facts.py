"""What happened in a month, as records: read through the same queries that the pages use, at every site it had.

A section is a function of the sites and the period. Another room's work joins by one more function in `SECTIONS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from waystation.evidence import queries as evidence
from waystation.fleet import upkeep
from waystation.fleet.rules.upkeep import standing
from waystation.incidents import queries as incidents
from waystation.incidents.models import Incident
from waystation.journeys.measures import SiteMeasures, measure_sites
from waystation.journeys.overview import nodes
from waystation.kernel.canonical import instant
from waystation.product import queries as product
from waystation.registry.models import ServiceClass, Site
from waystation.service_levels import queries as service_levels
from waystation.spares import queries as spares
from waystation.spares.models import Dispatch
from waystation.telemetry import calibrations
from waystation.telemetry.calibrations import Adherence

ACTIVE = "active"
TARGETS = (
    "rank", "monitoring_availability_pct", "detect_within_s", "acknowledge_within_s", "recovery_h",
    "remote_management_h", "tolerable_outage_h",
)  # fmt: skip
KEPT = {True: "yes", False: "no", None: "unknown"}
Lines = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Period:
    """A closed month at the sites that were active in it: [start, end), and when what was on its way had come."""

    start: datetime
    end: datetime
    settled: datetime
    sites: Mapping[UUID, Site]

    def upto(self, at: datetime | None, limit: datetime | None = None) -> str:
        """An instant as text; empty where it lies behind the limit (by default the end): it was still to come."""
        return instant(at) if at is not None and at <= (limit or self.end) else ""

    def named(self, site_id: UUID, key: object, at: datetime) -> dict[str, Any]:
        """What every record begins with."""
        return {"id": str(key), "site_id": str(site_id), "site": self.sites[site_id].code, "at": instant(at)}


def sites_of(start: datetime, end: datetime) -> dict[UUID, tuple[Site, datetime]]:
    """The sites that were active at some instant of [start, end), each with when that ended (at the latest `end`)."""
    said = evidence.said_of_each("registry.site_state", "to")
    found = {}
    for site in Site.objects.select_related("service_class", "network").order_by("code"):
        spans = _active(said.get(str(site.pk), []), site.state == ACTIVE, end)
        inside = [b for a, b in spans if a < end and b > start]
        if inside:
            found[site.pk] = (site, max(inside))
    return found


def classes_at(sites: Mapping[UUID, Site], end: datetime) -> dict[UUID, ServiceClass]:
    """The class in force at each site when a month ended, where it is another one by now."""
    then, before = (evidence.said_of_each("service_levels.class_set", fact) for fact in ("to", "from"))
    known, found = {row.code: row for row in ServiceClass.objects.all()}, {}
    for key in sites:
        said, first = then.get(str(key), []), before.get(str(key), [])
        code = next((to for at, to in reversed(said) if at < end), first[0][1] if first else "")
        if code in known:
            found[key] = known[code]
    return found


def _active(said: Sequence[tuple[datetime, str]], is_active: bool, end: datetime) -> list[tuple[datetime, datetime]]:
    """When a site was active, as far as `end`; without an entry by its present state."""
    if not said:
        return [(datetime.min.replace(tzinfo=end.tzinfo), end)] if is_active else []
    found = []
    for number, (at, state) in enumerate(said):
        until = said[number + 1][0] if number + 1 < len(said) else end
        if state == ACTIVE and at < end:
            found.append((at, min(until, end)))
    return found


def site_lines(
    period: Period, ends: Mapping[UUID, datetime], regions: Mapping[UUID, str], classes: Mapping[UUID, ServiceClass]
) -> Lines:
    """A line for each site: its promises, its signals, its certificates. `classes` replace those in force now."""
    groups: dict[datetime, list[Site]] = {}
    for key, site in period.sites.items():
        site.service_class = classes.get(key, site.service_class)
        groups.setdefault(ends[key], []).append(site)
    by_code = {site.code: site for site in period.sites.values()}
    measured = {
        by_code[m.code].pk: (m, end)
        for end, some in groups.items()
        for m in measure_sites(some, period.start, end, exact=False)
    }
    held = calibrations.adherence({k: (min(m.since, end), end) for k, (m, end) in measured.items()}, period.end)
    return [
        _site_line(period.sites[key], *measured[key], held[key], regions.get(key, ""))
        for key in sorted(measured, key=lambda k: period.sites[k].code)
    ]


def _site_line(site: Site, found: SiteMeasures, end: datetime, held: Adherence, region: str) -> dict[str, Any]:
    line = {"site_id": str(site.pk), "site": site.code, "name": site.name, "network": site.network.slug}
    line |= {"region": region, "service_class": site.service_class.code, "state": site.state}
    signals = found.continuity
    return line | {
        "from": instant(min(found.since, end)),
        "to": instant(end),
        "kept": KEPT[found.kept],
        "promises": [
            {"promise": m.name, "kept": KEPT[m.kept], "measured": m.measured, "target": m.target, "unit": m.unit}
            | {"inputs": m.inputs, "expected": m.expected, "words": m.words}
            for m in found.measures
        ],
        "signals": {
            "proven_s": round(signals.proven_s, 3),
            "out_s": round(signals.out_s, 3),
            "not_proven_s": round(signals.not_proven_s, 3),
            "waiting_s": round(signals.waiting_s, 3),
        },
        "calibration": {
            "probes": held.probes,
            "judged_s": round(held.judged_s, 3),
            "covered_s": round(held.covered_s, 3),
        },
    }


def targets_of(sites: Sequence[Site]) -> dict[str, dict[str, float]]:
    """The targets of the sites' classes, by class."""
    return {s.service_class.code: {n: getattr(s.service_class, n) for n in TARGETS} for s in sites}


def _excursions(period: Period) -> Lines:
    ids = {site.code: key for key, site in period.sites.items()}
    found = []
    for node in nodes(list(period.sites.values()), period.start, period.end):
        for one in node.episodes:
            key = f"{one.space_id} {instant(one.start)}"
            line = period.named(ids[node.code], key, one.start) | {"space": one.space}
            line |= {"ended_at": instant(one.end) if one.end else "", "cause": one.cause}
            found.append(line | {"measured_s": round(one.measured_s, 3), "unknown_s": round(one.unknown_s, 3)})
    return found


def _incidents(period: Period) -> Lines:
    rows = incidents.opened_between(period.start, period.end)
    return [_incident(period, row) for row in rows if row.site_id in period.sites]


def _incident(period: Period, row: Incident) -> dict[str, Any]:
    target_h = period.sites[row.site_id].service_class.recovery_h
    over = row.service_restored_at or row.resolved_at
    taken_h = ((over if over and over <= period.end else period.end) - row.opened_at).total_seconds() / 3600
    if not row.needs_service:
        recovery = "not needed"
    elif taken_h > target_h:
        recovery = "broken"
    else:
        recovery = "kept" if period.upto(over) else "open"
    return period.named(row.site_id, row.pk, row.opened_at) | {
        "incident": row.name,
        "cause": row.cause,
        "title": row.title,
        "priority": row.priority,
        "carried_over": row.opened_at < period.start,
        "needs_service": row.needs_service,
        "needs_product": row.needs_product,
        "restored_at": period.upto(row.service_restored_at),
        "product_safe_at": period.upto(row.product_safe_at),
        "resolved_at": period.upto(row.resolved_at),
        "recovery_h": round(taken_h, 2),
        "recovery_target_h": target_h,
        "recovery": recovery,
        "product": "safe" if period.upto(row.product_safe_at) else "not safe yet",
    }


def _windows(period: Period) -> Lines:
    found = []
    for row in reversed(service_levels.windows(period.start, period.end)):
        if row.site_id not in period.sites or row.planned_start >= period.end:
            continue
        line = period.named(row.site_id, row.pk, row.planned_start) | {"vendor": row.vendor.name, "what": row.what}
        line |= {"planned_end": instant(row.planned_end), "started_at": period.upto(row.started_at, period.settled)}
        line |= {"ended_at": period.upto(row.ended_at, period.settled), "person": row.person, "evidence": row.evidence}
        found.append(line | {"outcome": service_levels.outcome_of(row, period.settled)})
    return found


def _work(period: Period) -> Lines:
    """Maintenance orders whose window, or whose work, lies in the month, as they stood when it had settled."""
    found = []
    for row in upkeep.between(period.start, period.end, list(period.sites)):
        if row.planned_at > period.settled:
            continue
        started, ended = (period.upto(at, period.settled) for at in (row.started_at, row.ended_at))
        state = row.state if ended else "underway" if started else "planned"
        line = period.named(row.site_id, row.pk, row.planned_start)
        line |= {"device": row.device.name, "what": row.what, "planned_end": instant(row.planned_end)}
        line |= {"vendor": row.vendor.name if row.vendor else "", "started_at": started, "ended_at": ended}
        outcome = standing(state, row.planned_start, row.planned_end, period.settled)
        found.append(line | {"outcome": outcome.replace("_", " ")})
    return found


def _deviations(period: Period) -> Lines:
    found = []
    for row in product.deviations_between(period.start, period.end, period.sites):
        line = period.named(row.space.site_id, row.pk, row.opened_at) | {"space": row.space.name}
        line |= {"excursion_id": str(row.excursion_id), "closed_at": period.upto(row.closed_at)}
        found.append(line | {"outcome": "closed" if line["closed_at"] else "open"})
    return found


def _dispatches(period: Period) -> Lines:
    rows = spares.dispatches_between(period.start, period.end)
    return [_dispatch(period, row) for row in rows if row.to_site_id in period.sites]


def _dispatch(period: Period, row: Dispatch) -> dict[str, Any]:
    assert row.to_site_id is not None
    arrived = row.delivered_at or (row.ended_at if row.state == "installed" else None)
    delivered, ended = period.upto(arrived, period.settled), period.upto(row.ended_at, period.settled)
    promised = instant(row.promised_at) if row.promised_at else ""
    line = period.named(row.to_site_id, row.pk, row.planned_at) | {"hub": row.from_hub.code, "part": row.unit.part.code}
    line |= {"serial": row.unit.serial, "mode": row.mode, "promised_at": promised, "delivered_at": delivered}
    at = arrived if delivered and arrived else period.settled
    return line | {"ended_at": ended, "outcome": _arrival(row.promised_at, at, bool(delivered), bool(ended))}


def _arrival(promised: datetime | None, at: datetime, is_delivered: bool, is_ended: bool) -> str:
    """`at`: when it was delivered, else up to when it was not."""
    if is_ended and not is_delivered:
        return "ended without delivery"
    if promised is None:
        return "delivered, no promise" if is_delivered else "under way, no promise"
    if at > promised:
        return "late"
    return "on time" if is_delivered else "under way"


SECTIONS: Mapping[str, Callable[[Period], Lines]] = {
    "excursions": _excursions,
    "incidents": _incidents,
    "windows": _windows,
    "work": _work,
    "deviations": _deviations,
    "dispatches": _dispatches,
}
