"""The last 24 hours of spaces, of sites and of a network, hour by hour, from the hours that are kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from uuid import UUID

from waystation.evidence.queries import newest_of
from waystation.telemetry.hour_judging import at_hour, hour_of
from waystation.telemetry.hours import counted_to, day_number, day_of, first_hours
from waystation.telemetry.kept import MOST_NAMED, since_kept
from waystation.telemetry.models import KeptDay, KeptUpTo
from waystation.telemetry.rules.hours import ALL_DAY, DAY_HOURS, HOUR_US, Kept, Sums, between, sums
from waystation.telemetry.touched import Touched

PROVEN, UNPROVEN, OUT, WAITS, NONE = "in_range_proven", "not_proven", "out_of_range", "waits", ""


@dataclass(frozen=True, slots=True)
class Day:
    """24 hours from `start`: the worst verdict of each, and the sums of those that are judged.

    An hour that `waits` is not kept at some site, and nothing worse is known of it; an empty one was judged by nobody.
    """

    start: datetime
    hours: tuple[str, ...]
    sums: Sums
    waiting: int  # how many hours, of all sites together, are not kept


@dataclass(slots=True)
class _Line:
    """Sets of hours of the window: judged, not proven at some time, out at some time, not kept."""

    judged: int = 0
    unproven: int = 0
    out: int = 0
    waits: int = 0
    sums: Sums = field(default_factory=Sums)

    def take(self, judged: int, odd: Mapping[str, Sequence[int]], shift: int) -> None:
        """Hours of a day of a space, moved to their place in the window."""
        unproven = out = 0
        for hour, (proven_us, out_us) in odd.items():
            bit = judged & 1 << int(hour)
            out |= bit if out_us else 0
            unproven |= bit if proven_us + out_us < HOUR_US else 0
        self.judged |= _moved(judged, shift)
        self.unproven |= _moved(unproven, shift)
        self.out |= _moved(out, shift)

    def day(self, start: datetime) -> Day:
        """As a day."""
        hours = tuple(self._hour(1 << n) for n in range(DAY_HOURS))
        return Day(start, hours, self.sums, self.waits.bit_count())

    def _hour(self, bit: int) -> str:
        if self.out & bit:
            return OUT
        if self.unproven & bit:
            return UNPROVEN
        return WAITS if self.waits & bit else PROVEN if self.judged & bit else NONE


@dataclass(frozen=True, slots=True)
class LastDay:
    """The 24 hours up to `end`: of all the sites together, of each, and of each space (by id as text) where asked."""

    start: datetime
    end: datetime
    network: Day
    sites: Mapping[UUID, Day]
    spaces: Mapping[str, Day]


def last_day(site_ids: Collection[UUID], now: datetime, spaces_of: Collection[UUID] = ()) -> LastDay:
    """The last 24 hours of sites, up to the hour that should be kept by now; `spaces_of` are those told space by space.

    A space that no sensor judged in any of the hours is not named. What nobody wrote or touched since it was last
    asked for is not worked out again.
    """
    end, changed, wanted = counted_to(now), since_kept(), frozenset(site_ids)
    if _touches(changed, wanted, end):
        network, sites = _days(wanted, end, changed)
    else:
        network, sites = _settled(wanted, end, _written(), newest_of("registry.site_state"))
    return LastDay(network.start, end, network, sites, _spaces(frozenset(spaces_of), end, changed) if spaces_of else {})


def _written() -> int:
    return int(KeptUpTo.objects.values_list("writes", flat=True).first() or 0)


def _touches(changed: Touched, site_ids: frozenset[UUID], end: datetime) -> bool:
    until, sites = hour_of(end), changed.sites()
    if sites is None or changed.spans:
        return True
    return any(until - DAY_HOURS <= hour < until for key in sites & site_ids for hour in changed.hours[key])


@lru_cache(maxsize=8)
def _settled(site_ids: frozenset[UUID], end: datetime, writes: int, opened: int) -> tuple[Day, Mapping[UUID, Day]]:
    """The days when nothing is touched: they rest on what was written, and on which sites have opened."""
    return _days(site_ids, end, Touched())


def _days(site_ids: frozenset[UUID], end: datetime, changed: Touched) -> tuple[Day, Mapping[UUID, Day]]:
    counts = _counts(site_ids, end)
    start, lines = at_hour(hour_of(end) - DAY_HOURS), {key: _Line(waits=hours) for key, hours in counts.items()}
    for site_id, kept, stands, shift in _rows(counts, end, changed):
        line = lines[site_id]
        for judged, odd in kept.values():
            line.take(judged & stands, odd, shift)
        line.waits &= ~_moved(stands, shift)
        line.sums = line.sums.plus(sums(kept, stands))
    return _together(lines.values(), start), {key: line.day(start) for key, line in lines.items()}


def _spaces(site_ids: frozenset[UUID], end: datetime, changed: Touched) -> dict[str, Day]:
    counts = _counts(site_ids, end)
    start, waits, lines = at_hour(hour_of(end) - DAY_HOURS), dict(counts), dict[UUID, dict[str, _Line]]()
    for site_id, kept, stands, shift in _rows(counts, end, changed):
        waits[site_id] &= ~_moved(stands, shift)
        for space, (judged, odd) in kept.items():
            line = lines.setdefault(site_id, {}).setdefault(space, _Line())
            line.take(judged & stands, odd, shift)
            line.sums = line.sums.plus(sums({space: (judged, odd)}, stands))
    for site_id, some in lines.items():
        for line in some.values():
            line.waits = waits[site_id]
    return {space: line.day(start) for some in lines.values() for space, line in some.items()}


def _counts(site_ids: frozenset[UUID], end: datetime) -> dict[UUID, int]:
    """Which hours of the window count at each site: those since it opened."""
    first = hour_of(end) - DAY_HOURS
    begins = first_hours(end, site_ids if len(site_ids) < MOST_NAMED else None)
    return {key: between(begins.get(key, first + DAY_HOURS) - first, DAY_HOURS) for key in site_ids}


def _together(lines: Iterable[_Line], start: datetime) -> Day:
    every, waiting = _Line(), 0
    for line in lines:
        every.judged |= line.judged
        every.unproven |= line.unproven
        every.out |= line.out
        every.waits |= line.waits
        every.sums = every.sums.plus(line.sums)
        waiting += line.waits.bit_count()
    return replace(every.day(start), waiting=waiting)


def _rows(site_ids: Mapping[UUID, int], end: datetime, changed: Touched) -> Iterator[tuple[UUID, Kept, int, int]]:
    """Each kept day of the window: site, what is kept, which of its hours stand, and by how much they are moved.

    `site_ids` says which hours of the window count at each site.
    """
    until = hour_of(end)
    first = until - DAY_HOURS
    rows = KeptDay.objects.filter(day__in=[day_of(d) for d in {first // DAY_HOURS, (until - 1) // DAY_HOURS}])
    rows = rows.filter(site_id__in=list(site_ids)) if len(site_ids) < MOST_NAMED else rows
    for site_id, day, judged, kept in rows.values_list("site_id", "day", "judged", "spaces"):
        if site_id in site_ids:
            number = day_number(day)
            shift = number * DAY_HOURS - first
            stands = judged & _moved(site_ids[site_id], -shift) & ~changed.of_day(site_id, number)
            yield site_id, kept, stands, shift


def _moved(hours: int, shift: int) -> int:
    return (hours << shift if shift >= 0 else hours >> -shift) & ALL_DAY
