"""Keeping the hours of every site judged: what is new is judged, what was touched is judged again, newest first.

A round follows the log and the entries first and takes back what they touch; then it judges without holding anything;
then it writes, unless somebody else has followed further meanwhile. So a kept hour rests on everything up to the place
that is written beside it, and whoever reads takes back what lies behind that place. A round that dies writes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from uuid import UUID

from django.db import IntegrityError, transaction

from waystation.evidence.queries import first_said_of_each
from waystation.kernel.authority import Authority
from waystation.registry.models import Site
from waystation.telemetry import touched
from waystation.telemetry.hour_judging import Found, full_hour, hour_of, judge_day
from waystation.telemetry.models import KeptDay, KeptUpTo
from waystation.telemetry.rules.hours import ALL_DAY, DAY_HOURS, Kept, between, sums, with_hours, without_hours
from waystation.telemetry.touched import Place, Touched

SETTLES_IN = timedelta(minutes=15)
KEPT_FOR = timedelta(days=92)
BEFORE_OPENING = timedelta(hours=26)
SITES_AT_ONCE = 25
ROWS_AT_ONCE = 200
WATCHED = ("active", "commissioning", "paused")
_EPOCH = date(1970, 1, 1)


def day_number(day: date) -> int:
    """Days since 1970."""
    return (day - _EPOCH).days


def day_of(number: int) -> date:
    """The day of a number."""
    return _EPOCH + timedelta(days=number)


def counted_to(now: datetime) -> datetime:
    """The full hour up to which hours should be kept: a quarter of an hour is left for readings on their way."""
    return (now - SETTLES_IN).astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def place_of(row: KeptUpTo) -> Place:
    """The place that a row says."""
    return Place(row.file, row.offset, row.entry, tuple(row.remembered))


class Hours:
    """The keeper of one process. `kept` is which hours stand, by site and day, as long as nobody else writes."""

    def __init__(self) -> None:
        self._place: Place | None = None
        self._kept: dict[UUID, dict[int, int]] = {}

    def keep(self, by: Authority, now: datetime, is_over: Callable[[], bool] = lambda: False) -> int:
        """Follow, then judge what is missing until nothing is or `is_over`; returns how many days were written."""
        by.require("platform.operate")
        place = self._follow()
        if place is None:
            return 0
        self._forget_old(now)
        written, todo = 0, self._missing(now)
        while chunk := list(islice(todo, SITES_AT_ONCE)):
            for day in dict.fromkeys(day for day, _, _ in chunk):
                wanted = {site_id: hours for other, site_id, hours in chunk if other == day}
                if not self._write(place, day, wanted, judge_day(day, wanted)):
                    return written
                written += len(wanted)
            if is_over():
                break
        return written

    def _follow(self) -> Place | None:
        """Take back what was touched; None when somebody else does it at this moment."""
        row = KeptUpTo.objects.first()
        if row is None:
            return self._begin()
        before = place_of(row)
        if before != self._place:
            self._load()
        found, after = touched.since(before)
        with transaction.atomic():
            row = KeptUpTo.objects.select_for_update().get(pk=row.pk)
            if place_of(row) != before:
                self._place = None
                return None
            taken = self._take_back(found)
            row.writes += bool(taken)
            self._save_place(row, after)
        for site_id, day, judged in taken:
            self._kept.setdefault(site_id, {})[day] = judged
        self._place = after
        return after

    def _begin(self) -> Place | None:
        place = touched.here()
        try:
            with transaction.atomic():
                self._save_place(KeptUpTo(), place)
        except IntegrityError:
            return None
        self._place, self._kept = place, {}
        return place

    def _save_place(self, row: KeptUpTo, place: Place) -> None:
        row.file, row.offset, row.entry = place.file, place.offset, place.entry
        row.remembered = list(place.remembered)
        row.save()

    def _load(self) -> None:
        self._kept = {}
        for site_id, day, judged in KeptDay.objects.values_list("site_id", "day", "judged"):
            self._kept.setdefault(site_id, {})[day_number(day)] = judged

    def _take_back(self, found: Touched) -> list[tuple[UUID, int, int]]:
        taken = []
        sites = found.sites()
        for site_id in [s for s in self._kept if sites is None or s in sites]:
            days = self._kept[site_id]
            for day in found.days(site_id, days):
                stale = found.of_day(site_id, day)
                if days[day] & stale:
                    row = KeptDay.objects.get(site_id=site_id, day=day_of(day))
                    filled(row, row.judged & ~stale, without_hours(kept_in(row), stale))
                    row.save()
                    taken.append((site_id, day, row.judged))
        return taken

    def _missing(self, now: datetime) -> Iterator[tuple[int, UUID, int]]:
        """What is not kept, as (day, site, hours), the newest days first."""
        until = hour_of(counted_to(now))
        begins = first_hours(now)
        if not begins:
            return
        for day in range((until - 1) // DAY_HOURS, min(begins.values()) // DAY_HOURS - 1, -1):
            for site_id, begin in begins.items():
                wanted = between(begin - day * DAY_HOURS, until - day * DAY_HOURS)
                missing = wanted & ~self._kept.get(site_id, {}).get(day, 0)
                if missing:
                    yield day, site_id, missing

    def _write(self, place: Place, day: int, wanted: Mapping[UUID, int], found: Mapping[UUID, Found]) -> bool:
        """Write what was judged; False when somebody followed further than `place`, so that it may be stale."""
        with transaction.atomic():
            row = KeptUpTo.objects.select_for_update().first()
            if row is None or place_of(row) != place:
                self._place = None
                return False
            held = {k.site_id: k for k in KeptDay.objects.filter(day=day_of(day), site_id__in=list(wanted))}
            new = [KeptDay(site_id=key, day=day_of(day)) for key in wanted if key not in held]
            for one in (*held.values(), *new):
                hours = wanted[one.site_id]
                filled(one, one.judged | hours, with_hours(kept_in(one), hours, found[one.site_id]))
            KeptDay.objects.bulk_create(new, batch_size=ROWS_AT_ONCE)
            for one in held.values():
                one.save()
            row.writes += 1
            row.save(update_fields=["writes"])
        for one in (*held.values(), *new):
            self._kept.setdefault(one.site_id, {})[day] = one.judged
        return True

    def _forget_old(self, now: datetime) -> None:
        oldest = (now - KEPT_FOR).date() - timedelta(days=1)
        if any(min(days, default=2**31) < day_number(oldest) for days in self._kept.values()):
            KeptDay.objects.filter(day__lt=oldest).delete()
            self._kept = {
                s: {d: h for d, h in days.items() if d >= day_number(oldest)} for s, days in self._kept.items()
            }


def kept_in(row: KeptDay) -> Kept:
    """The kept hours of a row as the rules take them."""
    return {space: (judged, odd) for space, (judged, odd) in row.spaces.items()}


def filled(row: KeptDay, judged: int, kept: Kept) -> KeptDay:
    """The row, saying that these hours are judged, what is kept of them, and its sums."""
    row.judged, row.hours = judged & ALL_DAY, (judged & ALL_DAY).bit_count()
    row.spaces = {space: [hours, odd] for space, (hours, odd) in kept.items()}
    row.space_hours, row.proven_us, row.out_us = sums(kept)
    return row


def first_hours(now: datetime, site_ids: Collection[UUID] | None = None) -> dict[UUID, int]:
    """From which hour (since 1970) on each watched site counts: the first full one after it opened.

    A site that has not opened counts from a day back, so that those who set it up see what it says.
    """
    opened = first_said_of_each("registry.site_state", "to", "active", site_ids)
    oldest, newest = hour_of(now - KEPT_FOR), hour_of(now - BEFORE_OPENING)
    sites = Site.objects.filter(state__in=WATCHED).order_by("code").values_list("pk", flat=True)
    return {key: max(oldest, hour_of(full_hour(opened[str(key)]))) if str(key) in opened else newest for key in sites}
