"""The business case: what failures cost in three buckets, what spares cost, where they meet, and old against new.

Nothing is priced that nobody priced: a rate that is not given leaves its bucket in hours and counts. Every sum is of
named incidents. A comparison is refused when its baseline is too thin, and names what else changed.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean, variance
from typing import Literal

from waystation.kernel.refusals import NotReady
from waystation.planning.rules.bad_actors import garwood
from waystation.planning.rules.checks import above_zero, at_least_zero

Bucket = Literal["SLA penalties", "travel and freight", "lost productivity"]
THIN = 12  # incidents below which a baseline carries no comparison
NINE_TENTHS = 1.645  # standard errors of a 90 % interval
DAYS_PER_YEAR = 365.25


@dataclass(frozen=True, slots=True)
class Case:
    """One incident for which a part was needed: hours to restored service (None: not yet), promise, freight, travel.

    `freight` is what its shipment or order cost; `is_emergency` whether another place than its own hub sent it.
    `old_h` and `old_freight` are of the modelled old path; None where no old path reaches the site.
    """

    name: str
    region: str
    at_day: float
    restored_h: float | None
    promised_h: float
    freight: float
    is_emergency: bool
    old_h: float | None = None
    old_freight: float | None = None
    cause: str = ""
    site: str = ""


@dataclass(frozen=True, slots=True)
class Rates:
    """What the customer says things cost; None is not said. `carrying` is a share of the capital a year."""

    penalty: float | None = None
    outage_hour: float | None = None
    technician_hour: float | None = None
    technician_h: float = 2.0
    carrying: float | None = None

    def __post_init__(self) -> None:
        for name in ("penalty", "outage_hour", "technician_hour", "technician_h", "carrying"):
            if (value := getattr(self, name)) is not None:
                at_least_zero(name, value)


@dataclass(frozen=True, slots=True)
class Line:
    """One incident in a bucket: how much, in which unit, and the money (None: not priced)."""

    incident: str
    amount: float
    unit: str
    money: float | None


@dataclass(frozen=True, slots=True)
class Sum:
    """A bucket with the incidents behind it. `money` is None when a rate that it needs was not given."""

    bucket: Bucket
    lines: tuple[Line, ...]
    amount: float
    unit: str
    money: float | None
    missing: str


def buckets(cases: Sequence[Case], rates: Rates) -> tuple[Sum, ...]:
    """The three buckets. An incident that is not restored yet is in none that needs its time."""
    ended = [(c, c.restored_h) for c in cases if c.restored_h is not None]
    late = [Line(c.name, 1.0, "missed promise", rates.penalty) for c, h in ended if h > c.promised_h]
    hours = rates.technician_h
    labour = None if rates.technician_hour is None else hours * rates.technician_hour
    travel = [Line(c.name, hours, "technician hours", None if labour is None else c.freight + labour) for c in cases]
    lost = [Line(c.name, h, "hours down", _times(h, rates.outage_hour)) for c, h in ended]
    return (
        _sum("SLA penalties", late, "missed promises", "" if rates.penalty is not None else "a penalty"),
        _sum("travel and freight", travel, "technician hours", "" if labour is not None else "a technician's hour"),
        _sum("lost productivity", lost, "hours down", "" if rates.outage_hour is not None else "an hour of outage"),
    )


def _times(amount: float, rate: float | None) -> float | None:
    return None if rate is None else amount * rate


def _sum(bucket: Bucket, lines: Sequence[Line], unit: str, missing: str) -> Sum:
    priced = [x.money for x in lines if x.money is not None]
    money = None if missing else math.fsum(priced)
    return Sum(bucket, tuple(lines), math.fsum(x.amount for x in lines), unit, money, missing)


@dataclass(frozen=True, slots=True)
class Against:
    """One incident beside its modelled old path: hours and money, both differences positive when the new way is better.

    None where the incident is not restored, no old path reaches the site, or a rate is missing.
    """

    incident: str
    restored_h: float | None
    old_h: float | None
    hours_saved: float | None
    money_saved: float | None


def against_old(cases: Sequence[Case], rates: Rates) -> tuple[Against, ...]:
    """Every incident against its old path; what got worse stays in, with its sign."""
    return tuple(_against(case, rates) for case in cases)


def _against(case: Case, rates: Rates) -> Against:
    if case.restored_h is None or case.old_h is None:
        return Against(case.name, case.restored_h, case.old_h, None, None)
    saved = case.old_h - case.restored_h
    old, new = (
        cost_of(case.old_h, case.old_freight or 0.0, case.promised_h, rates),
        cost_of(case.restored_h, case.freight, case.promised_h, rates),
    )
    return Against(case.name, case.restored_h, case.old_h, saved, None if old is None or new is None else old - new)


def cost_of(hours: float, freight: float, promised_h: float, rates: Rates) -> float | None:
    """Freight, time down and penalty of one restore; None without both a penalty and a price of an hour."""
    if rates.outage_hour is None or rates.penalty is None:
        return None
    return freight + hours * rates.outage_hour + (rates.penalty if hours > promised_h else 0.0)


@dataclass(frozen=True, slots=True)
class BreakEven:
    """Carrying cost a year against what is avoided: incidents a year at which they meet, and what a change does to it.

    `avoided` is money an incident on average; `incidents` the number that came a year. `sensitivity` gives for each
    rate halved and half as much again the break-even number. None: never, each incident costs more than before.
    """

    carrying: float
    avoided: float
    incidents: float
    break_even: float | None
    sensitivity: tuple[tuple[str, float | None, float | None], ...]

    @property
    def pays(self) -> bool:
        """Whether as many incidents came as it takes."""
        return self.break_even is not None and self.incidents >= self.break_even


def break_even(cases: Sequence[Case], rates: Rates, capital: float, days: float) -> BreakEven:
    """Where carrying the stock meets what it avoids. Refused without its rates or an incident."""
    missing = [words for name, words in NEEDED.items() if getattr(rates, name) is None]
    told = [a.money_saved for a in against_old(cases, rates) if a.money_saved is not None]
    if missing or not told:
        what = ", ".join(missing) or "an incident that is restored and has an old path"
        raise NotReady("planning.business", f"A break-even lacks {what}.", "Give it, or read hours and counts.")
    carrying = at_least_zero("capital", capital) * (rates.carrying or 0.0)
    avoided = fmean(told)
    changed = []
    for name, words in NEEDED.items():
        half, more = (replace(rates, **{name: (getattr(rates, name) or 0.0) * f}) for f in (0.5, 1.5))
        changed.append((words, _meet(cases, half, capital), _meet(cases, more, capital)))
    a_year = len(told) * DAYS_PER_YEAR / above_zero("days", days)
    return BreakEven(carrying, avoided, a_year, _at(carrying, avoided), tuple(changed))


NEEDED = {"carrying": "a carrying rate", "outage_hour": "a price of an hour down", "penalty": "a penalty"}


def _meet(cases: Sequence[Case], rates: Rates, capital: float) -> float | None:
    told = [a.money_saved for a in against_old(cases, rates) if a.money_saved is not None]
    return _at(capital * (rates.carrying or 0.0), fmean(told))


def _at(carrying: float, avoided: float) -> float | None:
    return carrying / avoided if avoided > 0.0 else None


@dataclass(frozen=True, slots=True)
class Change:
    """A measure before and after with a 90 % interval of their ratio (after / before), and what can be said."""

    measure: str
    before: float
    after: float
    ratio: float
    low: float
    high: float
    words: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A region before and after: the measures, and what else changed between the two."""

    region: str
    incidents_before: int
    incidents_after: int
    changes: tuple[Change, ...]
    confounders: tuple[str, ...]


def compared(region: str, cases: Sequence[Case], split_day: float, days_before: float, days_after: float) -> Compared:
    """A region before and after a day. Refused with fewer than 12 restored incidents on either side."""
    before = [c for c in cases if c.at_day < split_day and c.restored_h is not None]
    after = [c for c in cases if c.at_day >= split_day and c.restored_h is not None]
    if min(len(before), len(after)) < THIN:
        raise NotReady(
            "planning.thin",
            f"{region} has {len(before)} restored incidents before and {len(after)} after; {THIN} are needed on "
            "each side.",
            "Wait, or take a longer time before.",
        )
    emergencies = [sum(c.is_emergency for c in some) for some in (before, after)]
    months = days_before / 30.4375, days_after / 30.4375
    hours = [[c.restored_h or 0.0 for c in some] for some in (before, after)]
    changes = (
        times_change("typical hours to restored service", *hours, least=1.0 / 60.0),
        rate_change("emergency shipments a month", emergencies, months),
    )
    return Compared(region, len(before), len(after), changes, _confounders(before, after, days_before, days_after))


def times_change(measure: str, before: Sequence[float], after: Sequence[float], *, least: float) -> Change:
    """The ratio of typical (geometric mean) times, two or more on each side, none shorter than `least`; its interval is
    the t-like one of the logarithms.
    """
    logs = [[math.log(max(x, least)) for x in some] for some in (before, after)]
    means, spread = [fmean(x) for x in logs], math.sqrt(sum(variance(x) / len(x) for x in logs))
    gap = means[1] - means[0]
    low, high = math.exp(gap - NINE_TENTHS * spread), math.exp(gap + NINE_TENTHS * spread)
    return Change(measure, typical(before, least), typical(after, least), math.exp(gap), low, high, _said(low, high))


def typical(times: Sequence[float], least: float) -> float:
    """The geometric mean of one or more times, none taken as shorter than `least`."""
    return math.exp(fmean(math.log(max(x, least)) for x in times))


def rate_change(measure: str, counts: Sequence[int], exposure: Sequence[float]) -> Change:
    """Counts before and after for each unit of exposure; the interval of their ratio is made of both exact ones, so it
    is wide rather than narrow.
    """
    rates = [n / above_zero("exposure", m) for n, m in zip(counts, exposure, strict=True)]
    bounds = [[b / m for b in garwood(n, 0.95)] for n, m in zip(counts, exposure, strict=True)]
    low = bounds[1][0] / bounds[0][1]
    high = bounds[1][1] / bounds[0][0] if bounds[0][0] > 0.0 else math.inf
    ratio = rates[1] / rates[0] if rates[0] > 0.0 else math.inf if rates[1] else 1.0
    return Change(measure, rates[0], rates[1], ratio, low, high, _said(low, high))


def better_at(pairs: Sequence[tuple[float, float]]) -> str:
    """What pairs (before, after) of a figure that should fall say together, by the sign test at 5 % each side."""
    fell, rose = sum(b > a for b, a in pairs), sum(b < a for b, a in pairs)
    moved = fell + rose
    tail = sum(math.comb(moved, k) for k in range(max(fell, rose), moved + 1)) / 2**moved
    said = f"lower at {fell} of {len(pairs)} sites, higher at {rose}"
    if moved == 0 or tail > 0.05:
        return f"no difference is shown: {said}"
    return said


def _said(low: float, high: float) -> str:
    if high < 1.0:
        return f"lower by {1.0 - high:.0%} to {1.0 - low:.0%}"
    if low > 1.0:
        return f"higher by {low - 1.0:.0%} or more"
    return "no difference is shown: the interval holds both better and worse"


def _confounders(
    before: Sequence[Case], after: Sequence[Case], days_before: float, days_after: float
) -> tuple[str, ...]:
    """What else changed: sites, causes, length and season."""
    found = [f"the time after is {days_after:.0f} days, before {days_before:.0f}: other seasons are compared"]
    sites = [{c.site for c in some} for some in (before, after)]
    if new := len(sites[1] - sites[0]):
        found.append(f"{new} sites failed only after")
    mixes = [Counter(c.cause for c in some) for some in (before, after)]
    for cause in sorted(set(mixes[0]) | set(mixes[1])):
        shares = mixes[0][cause] / len(before), mixes[1][cause] / len(after)
        if abs(shares[1] - shares[0]) >= 0.1:
            found.append(f"{cause or 'no cause on record'} was {shares[0]:.0%} of incidents, then {shares[1]:.0%}")
    return tuple(found)


@dataclass(frozen=True, slots=True)
class Progress:
    """A customer's target beside what is shown: lower by `asked` (0 to 1); reached, not shown, or not reached."""

    measure: str
    asked: float
    reached: float
    low: float
    verdict: str


def progress(change: Change, asked: float) -> Progress:
    """How far a reduction came. It is reached only when the whole interval is beyond the target."""
    reached, low, high = 1.0 - change.ratio, 1.0 - change.high, 1.0 - change.low
    verdict = "reached" if low >= asked else "not reached" if high < asked else "not shown yet"
    return Progress(change.measure, asked, reached, low, verdict)


def repeats(cases: Sequence[Case], within_days: float = 14.0) -> int:
    """Incidents that came again at the same site by the same cause within so many days: trust, not money."""
    last: dict[tuple[str, str], float] = {}
    found = 0
    for case in sorted(cases, key=lambda c: (c.at_day, c.name)):
        key = (case.site, case.cause)
        found += key in last and case.at_day - last[key] <= within_days
        last[key] = case.at_day
    return found
