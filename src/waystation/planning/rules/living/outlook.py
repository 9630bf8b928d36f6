"""When a shelf runs out and by when to order; what lies there for nothing; what lies at the wrong place.

Days count from now. The expected day is when mean demand has used the stock; the cautious day is the first on which
the chance of having run out is above what the cover allows. Orders are judged against the cautious day.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from waystation.planning.rules.checks import MOST_MEAN, at_least_zero, share
from waystation.planning.rules.counts import negative_binomial, no_stock_out

MOST_DAYS = 730


@dataclass(frozen=True, slots=True)
class Use:
    """How a shelf is used: units a day, variance to mean, squared coefficient of variation of the rate itself."""

    per_day: float
    dispersion: float = 1.0
    doubt: float = 0.0

    def chance_of_more(self, units: int, days: float) -> float:
        """P(more than `units` are asked for in `days`)."""
        if units < 0:
            return 1.0
        mean = at_least_zero("per_day", self.per_day) * days
        if mean <= 0.0:
            return 0.0
        if mean > MOST_MEAN:
            return 1.0  # far beyond what a shelf of spares holds
        return 1.0 - no_stock_out(negative_binomial(mean, self.dispersion + self.doubt * mean), units)


@dataclass(frozen=True, slots=True)
class RunOut:
    """The expected and the cautious day of stock-out and the last day to order, in days from now; None: not in 730.

    `late_days` is how long ago the order was due.
    """

    expected_day: float | None
    cautious_day: int | None
    order_by_day: float | None
    late_days: float
    words: str


def run_out(on_hand: int, use: Use, cover: float, lead_time_days: float, arrivals: Mapping[int, int]) -> RunOut:
    """When stock runs out. `arrivals` are units by the day on which they come; `lead_time_days` as nine in ten keep."""
    share("cover", cover), at_least_zero("lead_time_days", lead_time_days)
    cautious = _first_short(on_hand, use, cover, arrivals)
    expected = _expected(on_hand, use, arrivals)
    if cautious is None:
        return RunOut(expected, None, None, 0.0, f"covered at {cover:.0%} for {MOST_DAYS} days")
    order_by = cautious - lead_time_days
    late = max(0.0, -order_by)
    words = f"may run out on day {cautious}; order by day {order_by:.0f}"
    if late:
        words = f"may run out on day {cautious}; the order is {late:.0f} days late"
    return RunOut(expected, cautious, order_by, late, words)


def _first_short(on_hand: int, use: Use, cover: float, arrivals: Mapping[int, int]) -> int | None:
    """The first day that is short. Between arrivals stock only falls, so each stretch is searched by halves."""
    edges = sorted({0, MOST_DAYS + 1, *(day for day in arrivals if 0 < day <= MOST_DAYS)})
    for begin, end in pairwise(edges):
        low, high = begin, end - 1
        if not _short(on_hand, use, cover, arrivals, high):
            continue
        while low < high:
            middle = (low + high) // 2
            if _short(on_hand, use, cover, arrivals, middle):
                high = middle
            else:
                low = middle + 1
        return low
    return None


def _short(on_hand: int, use: Use, cover: float, arrivals: Mapping[int, int], day: int) -> bool:
    held = on_hand + sum(units for when, units in arrivals.items() if when <= day)
    return held <= 0 or use.chance_of_more(held, float(day)) > 1.0 - cover


def _expected(on_hand: int, use: Use, arrivals: Mapping[int, int]) -> float | None:
    held, used, before = float(on_hand), 0.0, 0.0
    for day, units in sorted(arrivals.items()):
        if use.per_day > 0.0 and held - used <= use.per_day * (day - before):
            break
        used, before, held = used + use.per_day * (day - before), float(day), held + units
    if use.per_day <= 0.0:
        return None
    found = before + (held - used) / use.per_day
    return found if found <= MOST_DAYS else None


@dataclass(frozen=True, slots=True)
class Stock:
    """What a hub holds of a part group, the level it orders up to, its cost, and how it is used."""

    hub: str
    group: str
    ready: int
    least: int
    order_up_to: int
    unit_cost: float
    use: Use
    lead_time_days: float


@dataclass(frozen=True, slots=True)
class Excess:
    """Units above the level, capital freed without them, months that all of it lasts, and the risk added (0 to 1)."""

    hub: str
    group: str
    units: int
    capital_freed: float
    months_held: float | None
    risk_added: float
    words: str


@dataclass(frozen=True, slots=True)
class Move:
    """Units that lie too many at one hub and are missing at another."""

    group: str
    from_hub: str
    to_hub: str
    units: int
    words: str


def excess(held: Sequence[Stock]) -> tuple[Excess, ...]:
    """Shelves above their level, most capital first. The risk is of a stock-out in one lead time."""
    found = []
    for stock in held:
        units = stock.ready - stock.order_up_to
        if units <= 0:
            continue
        added = stock.use.chance_of_more(stock.order_up_to, stock.lead_time_days) - stock.use.chance_of_more(
            stock.ready, stock.lead_time_days
        )
        monthly = stock.use.per_day * 30.4375
        months = stock.ready / monthly if monthly > 0.0 else None
        lasts = "nothing is used" if months is None else f"all of it lasts {months:.0f} months"
        freed = units * stock.unit_cost
        words = f"{units} above the level of {stock.order_up_to}; {lasts}; {freed:.2f} freed for {added:.2%} more risk"
        found.append(Excess(stock.hub, stock.group, units, freed, months, added, words))
    return tuple(sorted(found, key=lambda e: (-e.capital_freed, e.hub, e.group)))


def misplaced(held: Sequence[Stock]) -> tuple[Move, ...]:
    """What one hub has too many of and another is short of: the shortest shelf first, from the fullest one."""
    found = []
    for group in sorted({s.group for s in held}):
        spare = {s.hub: s.ready - s.order_up_to for s in held if s.group == group and s.ready > s.order_up_to}
        for short in sorted(
            (s for s in held if s.group == group and s.ready < s.least), key=lambda s: (s.ready - s.least, s.hub)
        ):
            missing = short.least - short.ready
            for hub in sorted(spare, key=lambda h: (-spare[h], h)):
                units = min(missing, spare[hub])
                if units > 0:
                    words = f"{units} of {group} from {hub} to {short.hub}, which is {short.least - short.ready} short"
                    found.append(Move(group, hub, short.hub, units, words))
                    spare[hub] -= units
                    missing -= units
    return tuple(found)
