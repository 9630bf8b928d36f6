"""Which sites are restored too late, the cheapest way out of it, and whether a class's promises can be kept at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from waystation.journeys.reach import HOUR, Need, ready_at, site_needs
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound
from waystation.planning.rules.living.uncovered import (
    Achievable,
    Risk,
    Source,
    Uncovered,
    continuity_promise,
    restore_promise,
    uncovered,
)
from waystation.registry.models import Circuit, Part, Site
from waystation.spares.ways import Way

CARRIERS = ("firewall", "router", "modem", "switch", "gateway", "lte_router")


@dataclass(frozen=True, slots=True)
class Answer:
    """ "Can we reach this site in T from anywhere?" for one part group: a source with its time and its stock."""

    group: str
    source: str
    kind: str
    share: float
    p90_h: float | None
    ready: int
    words: str


def risks(by: Authority, *, now: datetime) -> list[Risk]:
    """Every part group at every working site with what could restore it."""
    needs, ready = site_needs(by, now=now), ready_at()
    prices, classes = _prices(), dict(Part.objects.values_list("group", "asset_class"))
    circuits: dict[str, int] = {}
    for site in Circuit.objects.values_list("site__code", flat=True):
        circuits[site] = circuits.get(site, 0) + 1
    return [
        Risk(
            need.site,
            need.name,
            need.service_class,
            need.group,
            need.units,
            need.tolerable_h,
            tuple(_source(way, ready) for way in need.ways),
            prices.get(need.group),
            classes.get(need.group) in CARRIERS,
            circuits.get(need.site, 0),
        )
        for need in needs
    ]


def _source(way: Way, ready: dict[tuple[str, str], int]) -> Source:
    hours = None if way.p90_s is None else way.p90_s / HOUR
    return Source(way.kind, way.name, hours, ready.get((way.code, way.group), 0), way.trip_cost)


def _prices() -> dict[str, float]:
    """The dearest part of each group; a group without a price has none, which is not nothing."""
    found: dict[str, float] = {}
    for group, cost in Part.objects.filter(unit_cost__gt=0).values_list("group", "unit_cost"):
        found[group] = max(found.get(group, 0.0), float(cost))
    return found


def uncovered_sites(by: Authority, *, now: datetime, looked: Sequence[Risk] | None = None) -> tuple[Uncovered, ...]:
    """The ranked list: what is restored later than tolerable, each with its fixes, the cheapest first.

    `looked` are the risks where they were looked at already.
    """
    return uncovered(risks(by, now=now) if looked is None else looked)


def achievable(by: Authority, *, now: datetime, looked: Sequence[Risk] | None = None) -> list[Achievable]:
    """Each working site's promises, those that cannot be kept first, with the factor that limits them."""
    by.require("planning.read")
    held: dict[str, list[Risk]] = {}
    for risk in risks(by, now=now) if looked is None else looked:
        held.setdefault(risk.site, []).append(risk)
    paths: dict[str, list[float]] = {}
    for code, pct in Circuit.objects.values_list("site__code", "target_availability_pct"):
        paths.setdefault(code, []).append(pct)
    found = []
    for site in Site.objects.exclude(state="retired").select_related("service_class").order_by("code"):
        asked = site.service_class
        found.append(restore_promise(site.code, asked.tolerable_outage_h, held.get(site.code, [])))
        found.append(continuity_promise(site.code, asked.monitoring_availability_pct, paths.get(site.code, [])))
    return sorted(found, key=lambda a: (a.is_achievable, a.site))


def reach(by: Authority, site: str, within_h: float, *, now: datetime) -> list[Answer]:
    """Every source of every group of a site against a time in hours, the surest first."""
    needs: Sequence[Need] = [n for n in site_needs(by, now=now) if n.site == site]
    if not needs:
        raise NotFound(
            "planning.site", f"No replaceable device works at {site}.", "Name a site with devices on record."
        )
    ready = ready_at()
    found = [_answer(way, need, within_h, ready) for need in needs for way in need.ways]
    return sorted(found, key=lambda a: (a.group, -a.share, a.p90_h is None, a.p90_h or 0.0, a.source))


def _answer(way: Way, need: Need, within_h: float, ready: dict[tuple[str, str], int]) -> Answer:
    source = _source(way, ready)
    has = {"hub": f"{source.ready} ready there", "vendor": "an offer", "cabinet": "not there yet"}[way.kind]
    words = way.refusal or f"within {within_h:g} h from {way.share_within(within_h * HOUR):.0%} of starts; {has}"
    return Answer(need.group, way.name, way.kind, way.share_within(within_h * HOUR), source.p90_h, source.ready, words)
