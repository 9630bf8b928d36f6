"""Uncovered risk: what is restored later than its class tolerates, why, and the cheapest way out of it.

The fastest source is the one that has a unit now and whose nine-of-ten time over the hours of the week is least. A fix
is offered only where it would come in time; a fix whose price nobody has recorded stands behind those with a price,
and a waiver, which accepts the risk and covers nothing, stands last.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from waystation.planning.rules.checks import above_zero

Kind = Literal["spare", "vendor", "circuit", "waiver"]
Factor = Literal["none", "stock", "travel", "contacts and access", "circuits"]


@dataclass(frozen=True, slots=True)
class Source:
    """A source as it stands: kind (hub, cabinet, vendor), nine-of-ten hours (None: never), units ready there now.

    A vendor always counts as having a unit; a cabinet is not there yet and never has one.
    """

    kind: str
    name: str
    p90_h: float | None
    ready: int
    trip_cost: float

    @property
    def has_one(self) -> bool:
        """Whether it could send a unit today."""
        return self.kind == "vendor" or (self.kind == "hub" and self.ready > 0)


@dataclass(frozen=True, slots=True)
class Risk:
    """A part group at a site: what the class tolerates (h), the sources, the price of a unit (None: nobody said).

    `carries` is whether the group carries the site's traffic; `circuits` how many circuits the site has.
    """

    site: str
    name: str
    service_class: str
    group: str
    units: int
    tolerable_h: float
    sources: tuple[Source, ...]
    unit_cost: float | None
    carries: bool = False
    circuits: int = 0


@dataclass(frozen=True, slots=True)
class Fix:
    """One way out: what it is, its price (None: not on record), and the nine-of-ten hours that it would give."""

    kind: Kind
    words: str
    price: float | None
    p90_h: float | None


@dataclass(frozen=True, slots=True)
class Uncovered:
    """A risk that is not covered: the fastest restore there is (None: none), by whom, how much too late, the fixes.

    `limit` is the factor that stands in the way. `fixes` are never empty; the first is the cheapest.
    """

    risk: Risk
    fastest_h: float | None
    fastest_from: str
    limit: Factor
    fixes: tuple[Fix, ...]

    @property
    def over_h(self) -> float:
        """Hours beyond what the class tolerates; infinite without any source."""
        return math.inf if self.fastest_h is None else self.fastest_h - self.risk.tolerable_h


def uncovered(risks: Sequence[Risk]) -> tuple[Uncovered, ...]:
    """The risks that are restored too late, the latest first in shares of what their class tolerates."""
    found = [u for risk in risks if (u := _judged(risk)) is not None]
    return tuple(sorted(found, key=lambda u: (-_lateness(u), u.risk.tolerable_h, u.risk.site, u.risk.group)))


def _lateness(found: Uncovered) -> float:
    return found.over_h / above_zero("tolerable_h", found.risk.tolerable_h)


def fastest(risk: Risk) -> Source | None:
    """The source that restores soonest with what it has now; None when nobody can."""
    able = [s for s in risk.sources if s.has_one and s.p90_h is not None]
    return min(able, key=lambda s: (s.p90_h, s.name), default=None)


def _judged(risk: Risk) -> Uncovered | None:
    source = fastest(risk)
    if source is not None and source.p90_h is not None and source.p90_h <= risk.tolerable_h:
        return None
    hours, by = (source.p90_h, source.name) if source else (None, "nobody")
    return Uncovered(risk, hours, by, limit_of(risk), tuple(sorted(_fixes(risk), key=_rank)))


def limit_of(risk: Risk) -> Factor:
    """What stands in the way: stock (a hub would come in time but has none), travel (a cabinet would), or people."""
    if (source := fastest(risk)) is not None and (source.p90_h or 0.0) <= risk.tolerable_h:
        return "none"
    in_time = {s.kind for s in risk.sources if s.p90_h is not None and s.p90_h <= risk.tolerable_h}
    if "hub" in in_time:
        return "stock"
    return "travel" if "cabinet" in in_time else "contacts and access"


def _fixes(risk: Risk) -> list[Fix]:
    found = []
    for source in risk.sources:
        if source.kind in ("hub", "cabinet") and source.p90_h is not None and source.p90_h <= risk.tolerable_h:
            where = f"at {source.name}" if source.kind == "hub" else f"in {source.name}"
            found.append(Fix("spare", f"One {risk.group} {where}", risk.unit_cost, source.p90_h))
    vendors = [s for s in risk.sources if s.kind == "vendor" and s.p90_h is not None]
    if best := min(vendors, key=lambda s: (s.p90_h, s.name), default=None):
        words = f"{best.name} agrees to deliver within {risk.tolerable_h:g} h; {best.p90_h:.1f} h today"
        found.append(Fix("vendor", words, None, risk.tolerable_h))
    if risk.carries and risk.circuits < 2:
        found.append(Fix("circuit", "A second circuit carries while it is replaced", None, 0.0))
    found.append(Fix("waiver", "A waiver accepts the risk until a date; it covers nothing", None, None))
    return found


def _rank(fix: Fix) -> tuple[bool, bool, float, float, str]:
    """Fixes before the waiver, those with a price first, the cheapest and then the quickest first."""
    price = math.inf if fix.price is None else fix.price
    return (fix.kind == "waiver", fix.price is None, price, fix.p90_h or 0.0, fix.words)


@dataclass(frozen=True, slots=True)
class Achievable:
    """Whether a site can keep a promise with what it has: the promise in words, the factor that limits it, and how."""

    site: str
    promise: str
    is_achievable: bool
    limit: Factor
    words: str


def restore_promise(site: str, tolerable_h: float, risks: Sequence[Risk]) -> Achievable:
    """The tolerable outage of a site against the group that is restored last; without risks nothing shows it."""
    promise = f"restored within {tolerable_h:g} h"
    if not risks:
        return Achievable(site, promise, False, "stock", "no replaceable device is on record, so nothing shows it")
    late = uncovered(risks)
    if not late:
        slowest = max((s.p90_h or 0.0 for r in risks if (s := fastest(r))), default=0.0)
        return Achievable(site, promise, True, "none", f"the slowest of {len(risks)} groups takes {slowest:.1f} h")
    worst = late[0]
    hours = "nobody can" if worst.fastest_h is None else f"{worst.fastest_h:.1f} h from {worst.fastest_from}"
    return Achievable(
        site, promise, False, worst.limit, f"{worst.risk.group}: {hours}; first fix: {worst.fixes[0].words}"
    )


def continuity_promise(site: str, asked_pct: float, circuits_pct: Sequence[float]) -> Achievable:
    """The class's continuity (%) against the circuits' promised availability, taken as failing independently."""
    promise = f"heard {asked_pct:g} % of the time"
    down = math.prod(1.0 - pct / 100.0 for pct in circuits_pct)
    reached = 100.0 * (1.0 - down) if circuits_pct else 0.0
    words = f"{len(circuits_pct)} circuit{'' if len(circuits_pct) == 1 else 's'} promise {reached:.3f} % together"
    if reached + 1e-9 >= asked_pct:
        return Achievable(site, promise, True, "none", words)
    return Achievable(site, promise, False, "circuits", words)
