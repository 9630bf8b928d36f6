"""What leadership asks, answered from the records: four questions, eight numbers, each with what stands behind it.

Page, command and API show what `overview` returns; nobody counts twice.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from waystation.incidents import queries as incidents
from waystation.journeys.circuits import CircuitState, circuit_states
from waystation.journeys.measures import SiteMeasures, measure_sites
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.registry.models import Site
from waystation.registry.queries import sites
from waystation.service_levels import queries as service_levels
from waystation.service_levels.queries import VendorRecord
from waystation.telemetry import queries as telemetry
from waystation.telemetry.continuity import Continuity, is_little, settled_to
from waystation.telemetry.hours import counted_to
from waystation.telemetry.models import Excursion
from waystation.telemetry.proving import prove

PERIODS: Mapping[str, tuple[str, int]] = {"7d": ("7 days", 7), "month": ("30 days", 30), "quarter": ("90 days", 90)}
REPEATED = 2


@dataclass(frozen=True, slots=True)
class Episode:
    """One stretch in which a space was out, over all its probes."""

    space: str
    start: datetime
    end: datetime | None
    measured_s: float
    unknown_s: float
    cause: str
    space_id: str


@dataclass(frozen=True, slots=True)
class Node:
    """A site with its excursions: how many, how long, and what they have in common."""

    code: str
    name: str
    episodes: tuple[Episode, ...]
    common_cause: str
    sharing_cause: int

    @property
    def count(self) -> int:
        """How many excursions."""
        return len(self.episodes)

    @property
    def minutes(self) -> float:
        """Measured minutes outside the profile; unknown time stands in `unknown_minutes`."""
        return sum(e.measured_s for e in self.episodes) / 60

    @property
    def unknown_minutes(self) -> float:
        """Minutes between readings that may have been out too."""
        return sum(e.unknown_s for e in self.episodes) / 60


@dataclass(frozen=True, slots=True)
class Number:
    """One of the eight figures: what it says and which records it opens."""

    key: str
    value: str
    words: str
    opens: str


@dataclass(frozen=True, slots=True)
class Overview:
    """The answers over [start, end)."""

    period: str
    start: datetime
    end: datetime
    sites: tuple[SiteMeasures, ...]
    nodes: tuple[Node, ...]
    circuits: tuple[CircuitState, ...]
    vendors: tuple[VendorRecord, ...]

    @property
    def critical(self) -> list[SiteMeasures]:
        """The critical sites, worst first."""
        return [s for s in self.sites if s.is_critical]

    @property
    def not_within(self) -> list[SiteMeasures]:
        """Critical sites that break a promise, or cannot show that they keep it."""
        return [s for s in self.critical if s.kept is not True]

    @property
    def waiting(self) -> list[SiteMeasures]:
        """Sites of which some hours are not counted yet."""
        return [s for s in self.sites if s.continuity.waiting_s]

    @property
    def _so_far(self) -> str:
        left = len(self.waiting)
        return f", {left} site{'' if left == 1 else 's'} not counted whole yet" if left else ""

    @property
    def counted(self) -> str:
        """Up to when is counted, and what is not yet."""
        return f"counted to {self.end:%H:%M} UTC{self._so_far}"

    @property
    def repeated(self) -> list[Node]:
        """Sites with two excursions or more, most first."""
        return [n for n in self.nodes if n.count >= REPEATED]

    @property
    def at_risk(self) -> list[CircuitState]:
        """Circuits that something speaks against."""
        return [c for c in self.circuits if c.is_at_risk]

    @property
    def failing(self) -> list[VendorRecord]:
        """Vendors that missed a window or were late."""
        return [v for v in self.vendors if v.failed]

    @property
    def numbers(self) -> tuple[Number, ...]:
        """The figures, two to a question."""
        within, share = len(self.critical) - len(self.not_within), total(self.sites).in_range_pct
        one_path = {c.site for c in self.circuits if "the only path of a critical site" in c.evidence}
        return (
            Number("critical_within", f"{within} of {len(self.critical)}", "critical sites within SLA", "sla"),
            Number("proven_pct", _pct(share), f"of product time proven in range{self._so_far}", "sla"),
            Number(
                "repeated",
                str(len(self.repeated)),
                _counted(len(self.repeated), "node", "with two or more"),
                "excursions",
            ),
            Number("out_min", f"{sum(n.minutes for n in self.nodes):.0f} min", "measured out of range", "excursions"),
            Number(
                "circuits_at_risk",
                str(len(self.at_risk)),
                _counted(len(self.at_risk), "circuit", "at risk"),
                "circuits",
            ),
            Number("one_path", str(len(one_path)), _counted(len(one_path), "critical site", "on one path"), "circuits"),
            Number(
                "vendors_failing",
                str(len(self.failing)),
                _counted(len(self.failing), "vendor", "missed a window"),
                "vendors",
            ),
            Number("windows_failed", str(sum(v.failed for v in self.vendors)), "windows missed or late", "vendors"),
        )


def _counted(count: int, what: str, then: str) -> str:
    return f"{what}{'' if count == 1 else 's'} {then}"


def total(rows: Sequence[SiteMeasures]) -> Continuity:
    """All space time of the sites together."""
    found = Continuity()
    for row in rows:
        found = found.plus(row.continuity)
    return found


def overview(by: Authority, period: str, *, now: datetime) -> Overview:
    """The four questions for the active sites that this principal sees: today so far and the 7, 30 or 90 days before.

    A small network is counted to the last full ten minutes, a large one to the last hour that is kept.
    """
    by.require("service_levels.read")
    if period not in PERIODS:
        raise BadInput(
            "service_levels.period", f"{period!r} is no period.", f"Use {', '.join(PERIODS)}.", field="period"
        )
    rows = list(sites(by, permission="service_levels.read").filter(state="active"))
    exact = is_little([s.pk for s in rows])
    end = settled_to(now) if exact else counted_to(now)
    start = end.replace(hour=0, minute=0) - timedelta(days=PERIODS[period][1])
    return Overview(
        period=period,
        start=start,
        end=end,
        sites=tuple(measure_sites(rows, start, end, exact=exact)),
        nodes=tuple(nodes(rows, start, end)),
        circuits=tuple(circuit_states(rows, start, end)),
        vendors=tuple(service_levels.vendor_records(start, end)),
    )


def nodes(rows: Sequence[Site], start: datetime, end: datetime) -> list[Node]:
    """Sites with excursions in the period, most first; probes of one space that were out together count once."""
    found: dict[UUID, list[Excursion]] = {}
    for row in telemetry.excursions_between(start, end, [s.pk for s in rows]):
        found.setdefault(row.site_id, []).append(row)
    causes = _causes(start, end)
    made = []
    for site in rows:
        if site.pk in found:
            episodes = tuple(_episodes(found[site.pk], causes, end))
            cause, shared = _common(episodes)
            made.append(Node(site.code, site.name, episodes, cause, shared))
    return sorted(made, key=lambda n: (-n.count, -n.minutes, n.name))


def _episodes(
    rows: Sequence[Excursion], causes: Mapping[UUID, Sequence[tuple[datetime, str]]], now: datetime
) -> list[Episode]:
    """Overlapping excursions of one space as one, oldest first; the longest probe gives the minutes."""
    found: list[tuple[UUID, Episode]] = []
    for row in sorted(rows, key=lambda r: (str(r.space_id), r.started_at)):
        cause = row.cause or _cause_at(causes.get(row.space_id, ()), row.started_at, row.ended_at)
        measured_s, unknown_s = (row.measured_s, row.unknown_s) if row.ended_at else _so_far(row, now)
        one = Episode(row.space.name, row.started_at, row.ended_at, measured_s, unknown_s, cause, str(row.space_id))
        space, last = found[-1] if found else (None, None)
        if last is not None and space == row.space_id and (last.end is None or one.start <= last.end):
            found[-1] = (row.space_id, _merged(last, one))
        else:
            found.append((row.space_id, one))
    return sorted((e for _, e in found), key=lambda e: e.start)


def _so_far(row: Excursion, now: datetime) -> tuple[float, float]:
    """An excursion that still runs, from the readings up to now: seconds out, and seconds that nothing shows."""
    proof = prove(row.space, row.started_at, now) if row.started_at < now else None
    minutes = proof.minutes if proof else {"out_of_range": 0.0, "not_proven": 0.0}
    return minutes["out_of_range"] * 60, minutes["not_proven"] * 60


def _merged(one: Episode, other: Episode) -> Episode:
    end = None if one.end is None or other.end is None else max(one.end, other.end)
    return Episode(
        one.space,
        one.start,
        end,
        max(one.measured_s, other.measured_s),
        max(one.unknown_s, other.unknown_s),
        one.cause or other.cause,
        one.space_id,
    )


def _causes(start: datetime, end: datetime) -> dict[UUID, list[tuple[datetime, str]]]:
    """By space, the causes of the incidents that say more than that the space was out."""
    found: dict[UUID, list[tuple[datetime, str]]] = {}
    for row in incidents.opened_between(start - timedelta(days=1), end):
        if row.space_id is not None and row.cause not in ("excursion", "rising", "late_excursion"):
            found.setdefault(row.space_id, []).append((row.detected_at, row.cause.replace("_", " ")))
    return found


def _cause_at(known: Sequence[tuple[datetime, str]], start: datetime, end: datetime | None) -> str:
    """The newest cause that began in the six hours before the excursion or while it ran."""
    near = [(at, words) for at, words in known if at >= start - timedelta(hours=6) and (end is None or at <= end)]
    return max(near)[1] if near else ""


def _common(episodes: Sequence[Episode]) -> tuple[str, int]:
    counted = Counter(e.cause for e in episodes if e.cause)
    if not counted:
        return "no cause is recorded", 0
    return max(counted.items(), key=lambda c: (c[1], c[0]))


def _pct(value: float | None) -> str:
    """A share rounded down, so that 99.96 is never shown as 100."""
    return "unknown" if value is None else f"{int(value * 10) / 10:.1f} %"


def as_plain(value: Overview) -> dict[str, Any]:
    """The overview for programs (`waystation.overview/1`): numbers, then the records behind each question."""
    return {
        "schema": "waystation.overview/1",
        "period": value.period,
        "start": _plain(value.start),
        "end": _plain(value.end),
        "not_counted": [s.code for s in value.waiting],
        "numbers": {n.key: n.value for n in value.numbers},
        "sites": [_plain(s) | {"kept": s.kept, "words": s.words} for s in value.sites],
        "nodes": [_plain(n) | {"count": n.count, "minutes": n.minutes} for n in value.nodes],
        "circuits": [_plain(c) for c in value.circuits],
        "vendors": [_plain(v) | {"failed": v.failed} for v in value.vendors],
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return _plain(asdict(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return {k: _plain(v) for k, v in value.items()}
    return [_plain(v) for v in value] if isinstance(value, list | tuple) else value
