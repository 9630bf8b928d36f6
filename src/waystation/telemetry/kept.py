"""Reading kept hours: only what stands up to this instant is believed; what is stale or missing is said to be so."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from uuid import UUID

from django.db.models import Q, Sum

from waystation.telemetry import touched
from waystation.telemetry.hours import day_number, day_of, place_of
from waystation.telemetry.models import KeptDay, KeptUpTo
from waystation.telemetry.rules.hours import DAY_HOURS, Kept, Sums, between, sums
from waystation.telemetry.touched import MOST_FRAMES, Touched

MOST_NAMED = 500  # more sites than this are not named in a query


def since_kept() -> Touched:
    """What was touched since hours were last kept; everything, when nobody keeps them or too much waits."""
    row = KeptUpTo.objects.first()
    return Touched(everything=True) if row is None else touched.since(place_of(row), MOST_FRAMES)[0]


@dataclass(slots=True)
class Standing:
    """What stands of a site's hours over a period: their sums, and which hours are not kept, by day."""

    sums: Sums
    missing: dict[int, int]

    @property
    def missing_hours(self) -> int:
        """How many hours are not kept."""
        return sum(hours.bit_count() for hours in self.missing.values())


def standing(periods: Mapping[UUID, tuple[int, int]]) -> dict[UUID, Standing]:
    """What is kept of each site from one hour (since 1970) to another, the last one left out; all end together.

    One grouped sum answers for the sites of which everything is kept; the others are looked at day by day.
    """
    if not periods:
        return {}
    changed, found = since_kept(), dict[UUID, Standing]()
    whole = {} if changed.everything else _at_one_time(periods)
    doubtful = changed.sites()
    odd = []
    for site_id, (first, last) in periods.items():
        held = whole.get(site_id)
        is_touched = doubtful is None or site_id in doubtful
        if (
            held is not None
            and held[0] == last - first
            and not (is_touched and _touches(changed, site_id, first, last))
        ):
            found[site_id] = Standing(held[1], {})
        else:
            odd.append(site_id)
    found |= _day_by_day({key: periods[key] for key in odd}, changed)
    return found


def _at_one_time(periods: Mapping[UUID, tuple[int, int]]) -> dict[UUID, tuple[int, Sums]]:
    """`_whole`, from questions between which nobody wrote; nothing when that cannot be had."""
    for _ in range(3):
        before = KeptUpTo.objects.values_list("writes", flat=True).first()
        found = _whole(periods)
        if KeptUpTo.objects.values_list("writes", flat=True).first() == before:
            return found
    return {}


def _touches(changed: Touched, site_id: UUID, first: int, last: int) -> bool:
    days = range(first // DAY_HOURS, (last - 1) // DAY_HOURS + 1)
    return any(changed.of_day(site_id, d) & _of(d, first, last) for d in changed.days(site_id, days))


def _of(day: int, first: int, last: int) -> int:
    return between(first - day * DAY_HOURS, last - day * DAY_HOURS)


def _whole(periods: Mapping[UUID, tuple[int, int]]) -> dict[UUID, tuple[int, Sums]]:
    """How many hours of each period are kept, with their sums, before anything touched is taken back."""
    first, last = min(a for a, _ in periods.values()), max(b for _, b in periods.values())
    if last <= first:
        return dict.fromkeys(periods, (0, Sums()))
    newest, fits = last // DAY_HOURS, Q(day__lt=day_of(last // DAY_HOURS))
    fits |= Q(day=day_of(newest), judged__lt=1 << last % DAY_HOURS)
    rows = KeptDay.objects.filter(fits, day__gte=day_of(first // DAY_HOURS)).order_by()
    rows = rows.filter(site_id__in=list(periods)) if len(periods) < MOST_NAMED else rows
    said = rows.values_list("site_id").annotate(Sum("hours"), Sum("space_hours"), Sum("proven_us"), Sum("out_us"))
    found = {key: (int(n), Sums(int(count), int(a), int(b))) for key, n, count, a, b in said}
    for site_id, day, judged, kept in _too_much(periods, first, last):
        hours, held = found.get(site_id, (0, Sums()))
        inside = judged & _of(day, *periods[site_id])
        counted = judged if day < newest or judged < 1 << last % DAY_HOURS else 0
        held = held.minus(sums(kept, counted)).plus(sums(kept, inside))
        found[site_id] = (hours - counted.bit_count() + inside.bit_count(), held)
    return found


def _too_much(periods: Mapping[UUID, tuple[int, int]], first: int, last: int) -> Iterable[tuple[UUID, int, int, Kept]]:
    """The kept days of which a period takes only some hours: the newest, and those before a site's own beginning."""
    late = {key: a for key, (a, _) in periods.items() if a > first // DAY_HOURS * DAY_HOURS}
    behind = Q(day=day_of(last // DAY_HOURS), judged__gte=1 << last % DAY_HOURS)
    if late:
        oldest = Q(day__gte=day_of(first // DAY_HOURS), day__lte=day_of(max(late.values()) // DAY_HOURS))
        behind |= oldest & (Q(site_id__in=list(late)) if len(late) < MOST_NAMED else Q())
    for site_id, day, judged, spaces in KeptDay.objects.filter(behind).values_list(
        "site_id", "day", "judged", "spaces"
    ):
        number = day_number(day)
        if site_id in periods and judged & ~_of(number, *periods[site_id]):
            yield site_id, number, judged, spaces


def _day_by_day(periods: Mapping[UUID, tuple[int, int]], changed: Touched) -> dict[UUID, Standing]:
    found = {key: Standing(Sums(), _wanted(first, last)) for key, (first, last) in periods.items()}
    if not found or changed.everything:
        return found
    oldest = min(first for first, _ in periods.values()) // DAY_HOURS
    rows = KeptDay.objects.filter(day__gte=day_of(oldest))
    rows = rows.filter(site_id__in=list(periods)) if len(periods) < MOST_NAMED else rows
    for site_id, day, judged, kept in rows.values_list("site_id", "day", "judged", "spaces"):
        if site_id not in periods:
            continue
        one, number = found[site_id], day_number(day)
        stands = judged & one.missing.get(number, 0) & ~changed.of_day(site_id, number)
        one.sums = one.sums.plus(sums(kept, stands))
        left = one.missing.pop(number, 0) & ~stands
        if left:
            one.missing[number] = left
    return found


def _wanted(first: int, last: int) -> dict[int, int]:
    if last <= first:
        return {}
    return {d: _of(d, first, last) for d in range(first // DAY_HOURS, (last - 1) // DAY_HOURS + 1)}
