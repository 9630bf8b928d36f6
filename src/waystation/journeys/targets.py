"""The customer's own targets, class by class, beside what their own sites did: in the period, and in the one before.

The one before is the baseline. A figure of somebody else, or a saving that nobody measured here, is never shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from waystation.evidence import queries as evidence
from waystation.journeys.measures import SiteMeasures, measure_sites
from waystation.journeys.overview import PERIODS
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput
from waystation.kernel.units import duration_text
from waystation.registry.models import ServiceClass, Site
from waystation.registry.queries import sites
from waystation.telemetry.continuity import settled_to


@dataclass(frozen=True, slots=True)
class Kept:
    """At how many sites a promise was kept, was broken, could not be shown, and had nothing to be measured by."""

    kept: int
    broken: int
    unknown: int
    quiet: int

    @property
    def words(self) -> str:
        """`3 of 4 kept, 1 not shown`; where nothing happened nothing was kept, and it is said so."""
        whole = self.kept + self.broken + self.unknown
        if not whole:
            return "nothing to measure" if self.quiet else "no site"
        said = [f"{self.kept} of {whole} kept"]
        for count, word in ((self.broken, "broken"), (self.unknown, "not shown"), (self.quiet, "nothing to measure")):
            said += [f"{count} {word}"] if count else []
        return ", ".join(said)


@dataclass(frozen=True, slots=True)
class Promise:
    """One target of a class, what its sites did in the period, and in the period before."""

    name: str
    target: float
    unit: str
    now: Kept
    before: Kept

    @property
    def target_words(self) -> str:
        """The target with its unit, as people say it."""
        return duration_text(self.target) if self.unit == "s" else f"{self.target:g} {self.unit}"


@dataclass(frozen=True, slots=True)
class ClassTargets:
    """A service class with its measured promises, and the targets that steer without being a promise."""

    code: str
    name: str
    sites: int
    promises: tuple[Promise, ...]
    steering: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Targets:
    """Every service class over a period [start, end) and the equally long one before."""

    period: str
    before: datetime
    start: datetime
    end: datetime
    classes: tuple[ClassTargets, ...]


def targets(by: Authority, period: str, *, now: datetime) -> Targets:
    """The classes, most critical first, over the active sites that this principal sees; BadInput for no period."""
    by.require("service_levels.read")
    if period not in PERIODS:
        known = ", ".join(PERIODS)
        raise BadInput("service_levels.period", f"{period!r} is no period.", f"Use {known}.", field="period")
    end = settled_to(now)
    length = timedelta(days=PERIODS[period][1])
    start, before = end - length, end - 2 * length
    rows = list(sites(by, permission="service_levels.read").filter(state="active"))
    found, earlier = measure_sites(rows, start, end), measure_sites(_open_before(rows, start), before, start)
    classes = ServiceClass.objects.order_by("rank", "code")
    return Targets(period, before, start, end, tuple(_class(c, found, earlier) for c in classes))


def _open_before(rows: Sequence[Site], at: datetime) -> list[Site]:
    opened = {s.pk: evidence.first_said("registry.site_state", s.pk, "to", "active") for s in rows}
    return [s for s in rows if (since := opened[s.pk]) is None or since < at]


def _class(row: ServiceClass, found: Sequence[SiteMeasures], earlier: Sequence[SiteMeasures]) -> ClassTargets:
    own = [s for s in found if s.service_class == row.code]
    then = [s for s in earlier if s.service_class == row.code]
    named = {m.name: (m.target, m.unit) for s in own for m in s.measures}
    promises = [Promise(name, *named[name], _kept(own, name), _kept(then, name)) for name in named]
    return ClassTargets(row.code, row.name, len(own), tuple(promises), _steering(row))


def _kept(rows: Sequence[SiteMeasures], name: str) -> Kept:
    held = [m for s in rows for m in s.measures if m.name == name]
    said = [m.kept for m in held if m.expected]
    return Kept(said.count(True), said.count(False), said.count(None), len(held) - len(said))


def _steering(row: ServiceClass) -> tuple[tuple[str, str], ...]:
    return (
        ("Page after", f"{row.page_delay_s / 60:g} min"),
        ("Vendor responds within", f"{row.vendor_response_h:g} h"),
        ("Outage that is borne", f"{row.tolerable_outage_h:g} h"),
        ("No stock-out over the lead time", f"{100 * row.cover_probability:g} %"),
        ("Kit on site", "yes" if row.local_kit else "no"),
        ("Records kept", f"{row.retention_days} days"),
    )
