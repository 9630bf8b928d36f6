"""The planning studio: what the data are worth, what money buys, the point that is chosen, and what it would change.

Top to bottom: gather the shelves and what is known of the data, put them on one ladder of purchases, choose by budget
or by cover, and tell every target with its reasons. Nothing is kept here; `plan.propose` makes a plan of it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from waystation.journeys import demand as journey
from waystation.journeys import plan
from waystation.journeys.reach import Reachable, reachable
from waystation.journeys.shelves import Choice, Shelf, look, sized
from waystation.journeys.stock_outlook import coming, line_of
from waystation.kernel.authority import Authority
from waystation.kernel.units import counted
from waystation.planning import models as m
from waystation.planning import queries as planning
from waystation.planning.rules.demand.needs import months_on_record
from waystation.planning.rules.living.buying import Bought, Ladder, Want, buy, ladder
from waystation.registry.models import Site

DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Quality:
    """What the forecasts stand on: files, rows used and set aside by fault, needs, and what could not be placed."""

    files: int
    rows: int
    set_aside: int
    faults: tuple[tuple[str, int], ...]
    needs: int
    months: int
    without_hub: int
    without_part: int
    shelves: int
    without_price: tuple[str, ...]
    assumed_lead: tuple[str, ...]
    without_way: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Target:
    """One shelf: units ready and on their way, the live point, the chosen one, by when to order, why, for whom.

    `gain` is what the last unit restores in time more, in needs a year for each 1 000 of money; None without a price or
    where the floor or the cover of the class sets it.
    """

    hub: str
    group: str
    ready: int
    position: int
    reorder_point: int | None
    order_up_to: int | None
    chosen: int
    order_by: datetime | None
    is_late: bool
    why: str
    protects: str
    sites: tuple[str, ...]
    gain: float | None
    unit_cost: float

    @property
    def to_order(self) -> int:
        """Units to order now: what the position lacks of the chosen level."""
        return max(0, self.chosen - self.position)

    @property
    def moves(self) -> bool:
        """Whether the chosen least units are others than the live ones."""
        return self.chosen != (0 if self.reorder_point is None else self.reorder_point + 1)


@dataclass(frozen=True, slots=True)
class Spot:
    """A point beside the curve: its name, capital, and share restored in time (0 to 1)."""

    name: str
    capital: float
    share: float


@dataclass(frozen=True, slots=True)
class Studio:
    """The whole page: quality, curve, chosen buy, what stands beside it, targets, hubs with what they reach."""

    quality: Quality
    curve: Ladder
    chosen: Bought
    is_budget: bool
    spots: tuple[Spot, ...]
    ceiling: float
    targets: tuple[Target, ...]
    reached: Reachable


def studio(by: Authority, *, now: datetime, budget: float | None = None) -> Studio:
    """The shelves with what a budget buys; without one, what the classes' covers ask for."""
    by.require("planning.read")
    every, told = look(by, now=now)
    shelves = [s for s in every if not s.only_feeds]  # what only feeds other hubs is placed with the whole network
    base = journey.installed(journey.served(by))
    reached = reachable(by, base, now=now)
    wants = [want_of(shelf, reached) for shelf in shelves]
    curve = ladder(wants)
    chosen = buy(curve, budget) if budget is not None else _covered(curve)
    live = [s.point.reorder_point + 1 if s.point else 0 for s in shelves]
    spots = (
        Spot("Live policy", *curve.judged(live)),
        Spot("On the shelves today", *curve.judged([s.ready for s in shelves])),
    )
    ceiling = curve.share_of(sum(w.per_year * w.in_time for w in wants))
    targets = _targets(shelves, wants, chosen, base, budget is not None, now)
    quality = _quality(by, shelves, told, reached, now)
    return Studio(quality, curve, chosen, budget is not None, spots, ceiling, targets, reached)


def propose(by: Authority, *, budget: float, reason: str, now: datetime) -> m.Plan:
    """The best buy for a budget as a plan that somebody else approves."""
    found = studio(by, now=now, budget=budget)
    words = f"best for {budget:.0f}: {found.chosen.share:.1%} restored in time, at most {found.chosen.bound:.1%}"
    chosen = {(t.hub, t.group): Choice(t.chosen, f"{words}; {t.why}") for t in found.targets}
    return plan.propose(by, now=now, reason=reason, chosen=chosen)


def want_of(shelf: Shelf, reached: Reachable) -> Want:
    """A shelf as the ladder of purchases takes it; needs a year are those of its lead time, scaled."""
    return Want(
        shelf.hub.code,
        shelf.group,
        shelf.own_per_day * DAYS_PER_YEAR,
        shelf.law.law,
        shelf.unit_cost,
        shelf.floor,
        sized(shelf).point.least,
        reached.in_time(shelf.hub.code, shelf.group),
    )


def _covered(curve: Ladder) -> Bought:
    """What the covers of the classes ask for, whatever it costs."""
    counts = tuple(want.wanted for want in curve.wants)
    capital, share = curve.judged(counts)
    nothing = (None,) * len(counts)
    return Bought(counts, capital, share, max(share, curve.bound(capital)), nothing, nothing)


def _targets(
    shelves: Sequence[Shelf],
    wants: Sequence[Want],
    chosen: Bought,
    base: Mapping[tuple[str, str], journey.Installed],
    by_budget: bool,
    now: datetime,
) -> tuple[Target, ...]:
    arriving = coming(now)
    sites = {s.pk: s for s in Site.objects.select_related("service_class")}
    found = []
    for n, (shelf, want) in enumerate(zip(shelves, wants, strict=True)):
        key = (shelf.hub.code, shelf.group)
        due = arriving.get(key, {})
        dates = line_of(shelf, due, now)
        mine = [sites[pk] for pk in (base[key].sites if key in base else ())]
        count, last = chosen.counts[n], chosen.last[n]
        found.append(
            Target(
                *key,
                shelf.ready,
                shelf.ready + sum(due.values()),
                dates.reorder_point,
                dates.order_up_to,
                count,
                dates.order_by,
                dates.is_late,
                _why(shelf, want, count, last, by_budget),
                _protects(mine),
                tuple(sorted({s.code for s in mine})),
                None if last is None else last * 1000.0,
                shelf.unit_cost,
            )
        )
    return tuple(found)


def _why(shelf: Shelf, want: Want, count: int, last: float | None, by_budget: bool) -> str:
    seen = f"{shelf.rate.seen:g} need{'' if shelf.rate.seen == 1 else 's'} in {counted(shelf.rate.months, 'month')}"
    if shelf.rate.seen == 0:
        seen = f"no need in {shelf.rate.months} months here; the family's rate is used"
    told = f"{seen}; {shelf.law.mean:.2g} in a lead time of {shelf.lead_p90_days:.0f} days ({shelf.lead_source})"
    if not by_budget:
        return f"{told}; {sized(shelf).set_by}"
    if want.unit_cost <= 0.0:
        return f"{told}; no price on record, so the cover of the class sets it"
    if last is None:
        return f"{told}; {'the class floor' if count else 'nothing pays at this budget'}"
    return f"{told}; the last unit restores {last * want.unit_cost:.2g} needs a year in time"


def _protects(mine: Sequence[Site]) -> str:
    if not mine:
        return "no site on record"
    named = {s.pk: s for s in mine}
    classes = Counter(s.service_class.code for s in named.values())
    return f"{len(named)} site{'' if len(named) == 1 else 's'}, class " + ", ".join(sorted(classes))


def _quality(
    by: Authority, shelves: Sequence[Shelf], told: journey.Demand, reached: Reachable, now: datetime
) -> Quality:
    files = [f for f in planning.files(by) if f.undone_at is None]
    faults: Counter[str] = Counter()
    for file in files:
        faults.update({fault: int(found["rows"]) for fault, found in file.report.get("faults", {}).items()})
    return Quality(
        len(files),
        sum(f.rows for f in files),
        sum(faults.values()),
        tuple(sorted(faults.items())),
        len(told.needs),
        months_on_record(told.needs, now, journey.MONTHS),
        told.without_hub,
        told.without_part,
        len(shelves),
        tuple(sorted({s.group for s in shelves if s.unit_cost <= 0.0})),
        tuple(sorted({s.group for s in shelves if s.lead_source == "assumed"})),
        reached.without_way,
    )


def hub_of(found: Studio, code: str) -> tuple[Target, ...]:
    """The targets of one hub, those to order first, then by date."""
    mine = [t for t in found.targets if t.hub == code]
    return tuple(sorted(mine, key=lambda t: (-t.to_order, t.order_by is None, t.order_by or 0, t.group)))
