"""What changed early: onboarding, the readings, and what people had to do by hand, before and after a day."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from uuid import UUID

from waystation.evidence.queries import first_said_of_each
from waystation.fleet.models import Drift, Onboarding
from waystation.kernel.authority import Authority
from waystation.planning.rules import periods
from waystation.planning.rules.business import THIN, better_at, rate_change, times_change, typical
from waystation.product.models import Move
from waystation.registry.models import Site
from waystation.registry.queries import sites
from waystation.runbooks.models import StepJournal
from waystation.telemetry.continuity import Continuity, continuities
from waystation.telemetry.hour_judging import at_hour
from waystation.telemetry.hours import KEPT_FOR, counted_to, first_hours
from waystation.telemetry.models import HandReading

DAY, MONTH = timedelta(days=1), timedelta(days=30.4375)
LEAST_DAYS = 1.0 / 24.0


@dataclass(frozen=True, slots=True)
class Side:
    """A figure before, or after (None: nothing to tell it by), and what it rests on."""

    value: float | None
    on: str


@dataclass(frozen=True, slots=True)
class Win:
    """A figure that should fall, and what its two sides show."""

    name: str
    unit: str
    before: Side
    after: Side
    words: str

    @property
    def sides(self) -> tuple[Side, Side]:
        """Before, after."""
        return (self.before, self.after)


def early_wins(by: Authority, *, split: datetime, days: int, now: datetime) -> tuple[Win, ...]:
    """The three over `days` days before the day `split`, and since then, at the sites that the caller sees."""
    by.require("service_levels.read")
    start = periods.before(split, days, now)
    seen = list(sites(by, permission="service_levels.read"))
    spans = ((start, split), (split, now))
    return (_onboarding(seen, spans), _readings(seen, spans, now), _by_hand(seen, spans))


Spans = tuple[tuple[datetime, datetime], tuple[datetime, datetime]]


def _onboarding(seen: Sequence[Site], spans: Spans) -> Win:
    took: list[list[float]] = []
    for begin, end in spans:
        rows = Onboarding.objects.filter(site__in=seen, opened_at__gte=begin, opened_at__lt=end)
        took.append([(opened - began) / DAY for began, opened in rows.values_list("started_at", "opened_at") if opened])
    before, after = (Side(typical(some, LEAST_DAYS) if some else None, f"{len(some)} opened") for some in took)
    words = f"not compared: {THIN} openings on each side are needed"
    if min(map(len, took)) >= THIN:
        words = times_change("onboarding", *took, least=LEAST_DAYS).words
    return Win("Onboarding", "days, typical", before, after, words)


def _readings(seen: Sequence[Site], spans: Spans, now: datetime) -> Win:
    """Share of product time of which nothing is proven, in range or out."""
    sides, by_site = [], []
    for begin, end in spans:
        held = continuities(_judged(seen, begin, min(end, counted_to(now)), now))
        whole = reduce(Continuity.plus, held.values(), Continuity())
        waiting = f", {whole.waiting_s / 3600:.0f} h not judged yet" if whole.waiting_s else ""
        known = {key: c.not_proven_s / c.total_s for key, c in held.items() if c.total_s > 0.0}
        by_site.append(known)
        share = whole.not_proven_s / whole.total_s if whole.total_s > 0.0 else None
        sides.append(Side(share, f"{len(known)} site{'' if len(known) == 1 else 's'}{waiting}"))
    both = [(by_site[0][key], by_site[1][key]) for key in by_site[0] if key in by_site[1]]
    words = better_at(both) if both else f"not compared: hours are kept for {KEPT_FOR.days} days, none on both sides"
    return Win("Product time not proven", "share", sides[0], sides[1], words)


def _by_hand(seen: Sequence[Site], spans: Spans) -> Win:
    """Readings by hand, instructions of runbooks, drift settled by a person and moves of product, a site and month."""
    counts = [sum(_done(seen, begin, end)) for begin, end in spans]
    months = [_site_months(seen, begin, end) for begin, end in spans]
    sides = [Side(n / m if m else None, f"{n} in {m:.1f} site months") for n, m in zip(counts, months, strict=True)]
    words = "not compared: no site was open on one side"
    if min(months) > 0.0:
        words = rate_change("steps by hand", counts, months).words
    return Win("Steps by hand", "a site and month", sides[0], sides[1], words)


def _done(seen: Sequence[Site], begin: datetime, end: datetime) -> tuple[int, int, int, int]:
    within = (begin, end - timedelta(microseconds=1))
    return (
        HandReading.objects.filter(space__site__in=seen, observed_at__range=within).count(),
        StepJournal.objects.filter(run__site__in=seen, finished_at__range=within, answered_by__isnull=False).count(),
        Drift.objects.filter(site__in=seen, ended_at__range=within, resolution__in=("accepted", "waived")).count(),
        Move.objects.filter(from_space__site__in=seen, started_at__range=within).count(),
    )


def _judged(
    seen: Sequence[Site], begin: datetime, end: datetime, now: datetime
) -> dict[UUID, tuple[datetime, datetime]]:
    """The part of a time whose verdict hours are kept, by site."""
    first = first_hours(now, [s.pk for s in seen])
    found = {key: (max(begin, at_hour(hour)), end) for key, hour in first.items()}
    return {key: (a, b) for key, (a, b) in found.items() if a < b}


def _site_months(seen: Sequence[Site], begin: datetime, end: datetime) -> float:
    """Months in which the sites were open; a site of which nobody said when it opened counts all along."""
    opened = first_said_of_each("registry.site_state", "to", "active", [s.pk for s in seen])
    since = [max(begin, opened.get(str(s.pk), begin)) for s in seen]
    return sum((end - one) / MONTH for one in since if one < end)
