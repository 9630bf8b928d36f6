"""Which circuits are at risk, and what shows it: cut now, below target, a contract that ends, a site on one path."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from waystation.alarms import queries as alarms
from waystation.kernel.units import duration_text
from waystation.registry.models import Circuit, Site
from waystation.telemetry import queries as telemetry
from waystation.telemetry.views import SensorView

ENDS_SOON = timedelta(days=30)
Spans = tuple[tuple[datetime, datetime], ...]


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

    @property
    def is_at_risk(self) -> bool:
        """True when something shows a risk."""
        return bool(self.evidence)


def circuit_states(sites: Sequence[Site], start: datetime, end: datetime) -> list[CircuitState]:
    """Every circuit of the sites, those at risk first: cut now, then by what they lost."""
    ids = [s.pk for s in sites]
    down: dict[UUID, list[tuple[datetime, datetime]]] = {}
    for alarm in alarms.raised_between(("circuit_down", "site_unreachable"), start, end):
        span = (max(alarm.started_at, start), min(alarm.cleared_at or end, end))
        down.setdefault(alarm.object_id, []).append(span)
    rows = Circuit.objects.filter(site__in=ids).select_related("vendor", "site__service_class").order_by("code")
    held: dict[UUID, list[Circuit]] = {}
    for row in rows:
        held.setdefault(row.site_id, []).append(row)
    signals = telemetry.signals_of_sites(list(held), sorted({f"wan_{row.path}" for row in rows}), end)
    states = [
        _state(row, len(mine) == 1, signals.get((site_id, f"wan_{row.path}")), down, start, end)
        for site_id, mine in held.items()
        for row in mine
    ]
    return sorted(states, key=lambda c: (not c.is_down, not c.is_at_risk, c.availability_pct, c.site, c.circuit))


def _state(
    row: Circuit,
    alone: bool,
    sensor: SensorView | None,
    down: Mapping[UUID, list[tuple[datetime, datetime]]],
    start: datetime,
    end: datetime,
) -> CircuitState:
    cut = _joined(down.get(sensor.id, []) if sensor else [])
    silent = _joined(down.get(row.site_id, []))
    known = sensor is not None and not sensor.is_silent and sensor.value is not None
    is_down = known and sensor is not None and not sensor.value
    period_s = max((end - start).total_seconds(), 1.0)
    availability = 100 * (1 - _seconds(cut) / period_s)
    return CircuitState(
        site=row.site.name,
        site_code=row.site.code,
        circuit=row.code,
        medium=row.medium,
        path=row.path,
        vendor=row.vendor.name,
        is_down=is_down,
        is_known=known,
        down=cut,
        silent=silent,
        availability_pct=availability,
        target_pct=row.target_availability_pct,
        evidence=tuple(_evidence(row, alone, is_down, availability, cut, silent, period_s, end)),
        on_one_path=alone,
        contract_until=row.contract_until,
    )


def _evidence(
    row: Circuit, alone: bool, is_down: bool, availability: float, cut: Spans, silent: Spans, period_s: float,
    end: datetime,
) -> list[str]:  # fmt: skip
    found = []
    if is_down:
        since = f" for {duration_text((end - cut[-1][0]).total_seconds())}" if cut and cut[-1][1] == end else ""
        found.append(f"cut now{since}")
    if availability < row.target_availability_pct:
        found.append(f"carried {availability:.2f} %, target {row.target_availability_pct:g} %")
    if _seconds(silent) > period_s * (1 - row.target_availability_pct / 100):
        found.append(f"the site was not reached for {duration_text(_seconds(silent))}")
    if alone and row.site.service_class.rank == 1:
        found.append("the only path of a critical site")
    if row.contract_until is not None and row.contract_until <= (end + ENDS_SOON).date():
        found.append(f"contract ends {row.contract_until:%d %b %Y}")
    return found


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
