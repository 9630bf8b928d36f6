"""How good the record is: excursions and their time, calibration adherence, completeness; by site, class and period."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from waystation.journeys.overview import Node, overview
from waystation.kernel.authority import Authority
from waystation.registry.queries import sites
from waystation.telemetry import calibrations
from waystation.telemetry.calibrations import Adherence
from waystation.telemetry.continuity import Continuity


@dataclass(frozen=True, slots=True)
class Line:
    """A site, or all sites of a class: the four figures over the period."""

    code: str
    name: str
    service_class: str
    sites: int
    excursions: int
    out_min: float
    unknown_min: float
    adherence: Adherence
    continuity: Continuity

    @property
    def adherence_pct(self) -> float | None:
        """Percent of the judging probes' time that a valid certificate covered; None where none judges."""
        return self.adherence.covered_pct

    @property
    def complete_pct(self) -> float | None:
        """Percent of the expected product time of which something is shown; what waits counts as missing."""
        return self.continuity.known_pct_at_least

    def plus(self, other: Line) -> Line:
        """Both together, under this one's name."""
        return Line(
            self.code,
            self.name,
            self.service_class,
            self.sites + other.sites,
            self.excursions + other.excursions,
            self.out_min + other.out_min,
            self.unknown_min + other.unknown_min,
            self.adherence.plus(other.adherence),
            self.continuity.plus(other.continuity),
        )


@dataclass(frozen=True, slots=True)
class RecordQuality:
    """The figures over [start, end): one line for each class, and one for each site, the least complete first."""

    period: str
    start: datetime
    end: datetime
    classes: Sequence[Line]
    sites: Sequence[Line]


def record_quality(by: Authority, period: str, *, now: datetime) -> RecordQuality:
    """The four figures of the active sites that the caller sees, on the counts that the overview shows."""
    found = overview(by, period, now=now)
    ids = dict(sites(by, permission="service_levels.read").filter(state="active").values_list("code", "pk"))
    nodes = {node.code: node for node in found.nodes}
    periods = {ids[s.code]: (min(s.since, found.end), found.end) for s in found.sites}
    held = calibrations.adherence(periods, now)
    lines = [
        _line(s.code, s.name, s.service_class, nodes.get(s.code), held[ids[s.code]], s.continuity) for s in found.sites
    ]
    lines.sort(key=lambda one: (one.complete_pct is None, one.complete_pct or 0.0, one.name))
    return RecordQuality(period, found.start, found.end, _by_class(lines), lines)


def _line(code: str, name: str, service_class: str, node: Node | None, held: Adherence, continuity: Continuity) -> Line:
    counted = (node.count, node.minutes, node.unknown_minutes) if node else (0, 0.0, 0.0)
    return Line(code, name, service_class, 1, *counted, held, continuity)


def _by_class(lines: Sequence[Line]) -> list[Line]:
    found: dict[str, Line] = {}
    for one in lines:
        held = found.get(one.service_class)
        found[one.service_class] = one if held is None else held.plus(one)
    return [found[code] for code in sorted(found)]


def as_plain(found: RecordQuality) -> dict[str, Any]:
    """The figures for programs (`waystation.record-quality/1`)."""

    def said(one: Line) -> dict[str, Any]:
        return {
            "service_class": one.service_class,
            "sites": one.sites,
            "excursions": one.excursions,
            "out_min": one.out_min,
            "unknown_min": one.unknown_min,
            "calibration_adherence_pct": one.adherence_pct,
            "complete_pct": one.complete_pct,
        }

    return {
        "schema": "waystation.record-quality/1",
        "period": found.period,
        "start": found.start,
        "end": found.end,
        "classes": [said(one) for one in found.classes],
        "sites": [{"site": one.code} | said(one) for one in found.sites],
    }
