"""Which circuits are at risk, and what shows it: cuts, losses, trends, what lies ahead, paths that fail together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from waystation.alarms import queries as alarms
from waystation.registry.models import Circuit, Site
from waystation.registry.queries import ways_of
from waystation.registry.rules.circuit_risk import Levels, Record, reasons
from waystation.registry.rules.diversity import Diversity, diversity
from waystation.service_levels import queries as service_levels
from waystation.telemetry import queries as telemetry
from waystation.telemetry.charting import recent
from waystation.telemetry.views import SensorView

Spans = tuple[tuple[datetime, datetime], ...]
LOOKS_AHEAD = timedelta(days=14)
DAY, DAYS_BEFORE = timedelta(days=1), timedelta(days=7)


@dataclass(frozen=True, slots=True)
class CircuitState:
    """One circuit over a period: when it did not carry, when nothing was heard through any path, and why it is named.

    `availability_pct` counts only time in which the circuit is known to have been down; silent time stands beside it.
    """

    site: str
    site_code: str
    circuit: str
    medium: str
    path: str
    vendor: str
    is_down: bool
    is_known: bool
    down: Spans
    silent: Spans
    availability_pct: float
    target_pct: float
    evidence: tuple[str, ...]
    on_one_path: bool
    contract_until: date | None
    diversity: Diversity

    @property
    def is_at_risk(self) -> bool:
        """True when something shows a risk."""
        return bool(self.evidence)


@dataclass(frozen=True, slots=True)
class _Known:
    """What was read for all the sites together."""

    signals: Mapping[tuple[UUID, str], SensorView]
    down: Mapping[UUID, list[tuple[datetime, datetime]]]
    windows: Mapping[tuple[UUID, UUID], list[tuple[datetime, str]]]
    levels: Mapping[tuple[UUID, str], Levels]
    start: datetime
    end: datetime


def circuit_states(sites: Sequence[Site], start: datetime, end: datetime) -> list[CircuitState]:
    """Every circuit of the sites: cut now first, then by how much speaks against it, then by what it lost."""
    ids = [s.pk for s in sites]
    down: dict[UUID, list[tuple[datetime, datetime]]] = {}
    for alarm in alarms.raised_between(("circuit_down", "site_unreachable"), start, end):
        span = (max(alarm.started_at, start), min(alarm.cleared_at or end, end))
        down.setdefault(alarm.object_id, []).append(span)
    rows = list(Circuit.objects.filter(site__in=ids).select_related("vendor", "site__service_class").order_by("code"))
    ways = ways_of(ids)
    held = sorted({row.site_id for row in rows}, key=str)
    paths = sorted({row.path for row in rows})
    windows = service_levels.windows_ahead(held, end, end + LOOKS_AHEAD)
    signals = telemetry.signals_of_sites(held, [f"wan_{path}" for path in paths], end)
    known = _Known(signals, down, windows, _levels(held, paths, end), start, end)
    states = [_state(row, diversity(ways[row.site_id]), known) for row in rows]
    return sorted(states, key=lambda c: (not c.is_down, -len(c.evidence), c.availability_pct, c.site, c.circuit))


def _state(row: Circuit, verdict: Diversity, known: _Known) -> CircuitState:
    signal = f"wan_{row.path}"
    sensor = known.signals.get((row.site_id, signal))
    cut = _joined(known.down.get(sensor.id, []) if sensor else [])
    silent = _joined(known.down.get(row.site_id, []))
    is_known = sensor is not None and not sensor.is_silent and sensor.value is not None
    is_down = is_known and sensor is not None and not sensor.value
    cut_s = None
    if is_down:
        cut_s = (known.end - cut[-1][0]).total_seconds() if cut and cut[-1][1] == known.end else 0.0
    record = Record(
        period_s=max((known.end - known.start).total_seconds(), 1.0),
        down_s=_seconds(cut),
        silent_s=_seconds(silent),
        cuts=len(cut),
        cut_s=cut_s,
        target_pct=row.target_availability_pct,
        is_critical=row.site.service_class.rank == 1,
        diversity=verdict,
        contract_until=row.contract_until,
        windows=known.windows.get((row.site_id, row.vendor_id), ()),
        levels=known.levels.get((row.site_id, signal), Levels()),
    )
    return CircuitState(
        site=row.site.name,
        site_code=row.site.code,
        circuit=row.code,
        medium=row.medium,
        path=row.path,
        vendor=row.vendor.name,
        is_down=is_down,
        is_known=is_known,
        down=cut,
        silent=silent,
        availability_pct=record.availability_pct,
        target_pct=row.target_availability_pct,
        evidence=tuple(reasons(record, known.end)),
        on_one_path=len(verdict.circuits) == 1,
        contract_until=row.contract_until,
        diversity=verdict,
    )


def _levels(sites: Sequence[UUID], paths: Sequence[str], end: datetime) -> dict[tuple[UUID, str], Levels]:
    """Latency and loss of each path, where a sensor of the site measures it: the last day and the six before."""
    wanted = [f"wan_{path}_{what}" for path in paths for what in ("latency", "loss")]
    sensors = telemetry.signals_of_sites(sites, wanted, end)
    if not sensors:
        return {}
    codes: dict[UUID, list[str]] = {}
    for (site_id, _), sensor in sensors.items():
        codes.setdefault(site_id, []).append(sensor.code)
    said = recent(codes, end - DAYS_BEFORE, end)
    edge_s = (end - DAY).timestamp()

    def split(site_id: UUID, quantity: str) -> tuple[Sequence[float], Sequence[float]]:
        sensor = sensors.get((site_id, quantity))
        points = said.get(sensor.code, []) if sensor else []
        return [v for at, v in points if at >= edge_s], [v for at, v in points if at < edge_s]

    return {
        (site_id, f"wan_{path}"): Levels(split(site_id, f"wan_{path}_latency"), split(site_id, f"wan_{path}_loss"))
        for site_id in codes
        for path in paths
    }


def _joined(spans: Sequence[tuple[datetime, datetime]]) -> Spans:
    found: list[tuple[datetime, datetime]] = []
    for begin, finish in sorted(spans):
        if finish <= begin:
            continue
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], finish))
        else:
            found.append((begin, finish))
    return tuple(found)


def _seconds(spans: Spans) -> float:
    return sum((b - a).total_seconds() for a, b in spans)
