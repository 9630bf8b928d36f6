"""Reading retention: which rules count at a site, what stays whatever they say, what was taken and what is left."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

from waystation.evidence.rules.retention import Policy
from waystation.kernel.authority import Authority
from waystation.registry.models import Sensor, Site
from waystation.telemetry import reader
from waystation.telemetry.models import (
    Calibration,
    Doubt,
    Excursion,
    Removal,
    RetentionPolicy,
    RetentionReport,
)
from waystation.telemetry.rules.thinning import Bucket, Rule, Span

MARGIN = timedelta(hours=24)
FOR_EVER_US = 2**62


def policies() -> list[RetentionPolicy]:
    """Every policy, those that count first, newest first."""
    order = {"approved": 0, "proposed": 1, "ended": 2}
    rows = RetentionPolicy.objects.select_related("service_class").order_by("-proposed_at", "-pk")
    return sorted(rows, key=lambda row: order[row.state])


def reports(most: int = 30) -> list[RetentionReport]:
    """The newest passes of retention, newest first."""
    return list(RetentionReport.objects.order_by("-ended_at", "-pk")[:most])


def removals(by: Authority, site_id: UUID, most: int = 100) -> list[Removal]:
    """What was taken from a site's segments, newest first. Needs evidence.read."""
    by.require("evidence.read", site_id)
    return list(Removal.objects.filter(site_id=site_id).select_related("segment").order_by("-at", "-pk")[:most])


def rules_at(site: Site) -> list[Rule]:
    """The rules that count at a site: approved policies and its service class, for each class that a policy covers."""
    rows = RetentionPolicy.objects.filter(state="approved", service_class=None)
    rows = rows | RetentionPolicy.objects.filter(state="approved", service_class=site.service_class)
    found = [_rule(row) for row in rows.distinct()]
    own = Policy("service class", days=site.service_class.retention_days)
    name = f"service class {site.service_class.name}"
    if any(rule.covers == "judging" for rule in found):
        found.append(Rule(name, "judging", own))
    if any(rule.covers == "other" for rule in found):
        found.append(Rule(name, "other", own, 0))
    return found


def _rule(row: RetentionPolicy) -> Rule:
    keep = None if row.for_ever else Policy(row.name, years=row.keep_years, days=row.keep_days)
    return Rule(row.name, "judging" if row.covers == "judging" else "other", keep, row.full_days)


def judging_at(site_id: UUID) -> Callable[[str], bool]:
    """Whether a code's readings may judge: all do but those of signals that never measured a space's temperature."""
    proven = set(Calibration.objects.filter(sensor__site_id=site_id).values_list("sensor__code", flat=True))
    proven |= set(Excursion.objects.filter(site_id=site_id).values_list("sensor__code", flat=True))
    rows = Sensor.objects.filter(site_id=site_id).exclude(quantity="temperature", space__isnull=False)
    other = set(rows.values_list("code", flat=True)) - proven
    return lambda code: code not in other


def kept_at(site_id: UUID) -> list[Span]:
    """What stays at a site whatever the rules say: excursions with a day on both sides, and undecided doubts."""
    spans = [
        Span(_us(e.started_at - MARGIN), _us(e.ended_at + MARGIN) if e.ended_at else FOR_EVER_US, "excursion")
        for e in Excursion.objects.filter(site_id=site_id)
    ]
    open_doubts = Doubt.objects.filter(sensor__site_id=site_id, decided_at=None)
    spans += [
        Span(_us(d.started_at), _us(d.ended_at) + 1 if d.ended_at else FOR_EVER_US, "doubt that QA has not decided")
        for d in open_doubts
    ]
    return spans


def files_that_went() -> set[str]:
    """Names of the files that decisions left without a segment; they are removed an hour later."""
    return {name for pair in Removal.objects.values_list("was_path", "was_reduced_path") for name in pair}


@dataclass(frozen=True, slots=True)
class Gone:
    """A run of a sensor's readings that retention took: when, by which rules, and what became of them."""

    sensor: str
    first_us: int
    last_us: int
    readings: int
    what: str
    at: datetime
    rules: tuple[str, ...]

    @property
    def words(self) -> str:
        """For a verdict, a chart, a story."""
        did = "removed" if self.what == "removed" else "reduced to five minutes"
        return f"{did} by retention on {self.at.astimezone(UTC):%Y-%m-%d}, {' and '.join(self.rules)}"


def gone(site_id: UUID, sensors: Sequence[str], from_us: int, to_us: int) -> list[Gone]:
    """The runs of those sensors that touch [from, to), by time."""
    wanted = set(sensors)
    rows = Removal.objects.filter(site_id=site_id, first_us__lt=to_us, last_us__gte=from_us)
    found = [
        Gone(code, first, last, count, what, row.at, tuple(row.rules))
        for row in rows
        for code, runs in row.taken.items()
        if code in wanted
        for first, last, count, what in runs
        if first < to_us and last >= from_us
    ]
    return sorted(found, key=lambda g: (g.first_us, g.sensor, g.last_us))


def buckets(by: Authority, site_id: UUID, sensor: str, start: datetime, end: datetime) -> list[Bucket]:
    """What is left of a reduced signal over [start, end): five minutes each. Needs registry.read."""
    by.require("registry.read", site_id)
    return reader.reduced_buckets(site_id, [sensor], _us(start), _us(end))


def _us(at: datetime) -> int:
    return round(at.timestamp() * 1e6)
