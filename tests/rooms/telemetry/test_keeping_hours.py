"""The keeper of hours: what comes between, what dies, what is late, and what nobody kept."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.telemetry.hours import agrees, an_hour, the_hour
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge
from waystation.access.queries import system_authority
from waystation.registry.models import Space
from waystation.telemetry import touched
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.continuity import continuities, continuity
from waystation.telemetry.engine import Engine
from waystation.telemetry.hour_judging import hour_of, judge_day
from waystation.telemetry.hours import Hours
from waystation.telemetry.last_day import last_day
from waystation.telemetry.models import KeptDay, KeptUpTo
from waystation.telemetry.proving import prove
from waystation.telemetry.rules.batch import BatchReading
from waystation.telemetry.rules.hours import HOUR_US, WHOLE, between, members

pytestmark = pytest.mark.usefixtures("folder")

BY = system_authority("test")
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)


@pytest.mark.django_db
def test_tel_04_an_hour_is_kept_a_quarter_of_an_hour_after_it_ended_and_not_before(now: datetime) -> None:
    """Until then readings may be on their way."""
    space, (probe,) = a_monitored_space(now)
    an_hour(space, probe, now)
    hours = Hours()
    hours.keep(BY, now + HOUR + 14 * MINUTE)
    assert the_hour(space, now) is None
    hours.keep(BY, now + HOUR + 15 * MINUTE)
    assert the_hour(space, now) == WHOLE


@pytest.mark.django_db
def test_tel_04_a_reading_between_judging_and_keeping_is_never_forgotten(now: datetime) -> None:
    """It came after the hour was judged and before that was written: what is written is not believed."""
    space, (probe,) = a_monitored_space(now)
    an_hour(space, probe, now)
    hours, at = Hours(), now + HOUR + 20 * MINUTE
    hours.keep(BY, at - HOUR)
    place, day = hours._follow(), hour_of(now) // 24
    wanted = {space.site_id: between(hour_of(now) % 24, hour_of(now) % 24 + 1)}
    found = judge_day(day, wanted)
    late = BatchReading(probe.code, round((now + 90 * MINUTE / 3).timestamp() * 1e6) + 1, 9.9, 1)
    deliver(space, [late], at)
    assert place is not None
    assert hours._write(place, day, wanted, found)
    assert the_hour(space, now) is None
    hours.keep(BY, at)
    split = the_hour(space, now)
    assert split is not None
    assert split.out_us > 0


@pytest.mark.django_db
def test_tel_04_a_keeper_that_was_overtaken_writes_nothing(now: datetime) -> None:
    """Another one followed a late reading meanwhile: what the first one judged before it is dropped."""
    space, (probe,) = a_monitored_space(now)
    an_hour(space, probe, now)
    slow, quick, at = Hours(), Hours(), now + HOUR + 20 * MINUTE
    slow.keep(BY, at - HOUR)
    place, day = slow._follow(), hour_of(now) // 24
    wanted = {space.site_id: between(hour_of(now) % 24, hour_of(now) % 24 + 1)}
    found = judge_day(day, wanted)
    deliver(space, [BatchReading(probe.code, round(now.timestamp() * 1e6) + 1, 9.9, 1)], at)
    assert quick._follow() is not None
    assert place is not None
    assert not slow._write(place, day, wanted, found)
    assert the_hour(space, now) is None
    slow.keep(BY, at)
    assert agrees(space.site_id)


@pytest.mark.django_db
def test_tel_04_a_death_while_writing_leaves_what_was_there(now: datetime) -> None:
    """The row and the count of writes stand together or not at all, and the next keeper begins where it stood."""
    space, (probe,) = a_monitored_space(now)
    an_hour(space, probe, now)
    Hours().keep(BY, now)
    before = KeptUpTo.objects.get().writes
    with transaction.atomic():
        Hours().keep(BY, now + 2 * HOUR)
        transaction.set_rollback(True)
    assert KeptUpTo.objects.get().writes == before
    assert the_hour(space, now) is None
    Hours().keep(BY, now + 2 * HOUR)
    assert the_hour(space, now) == WHOLE


@pytest.mark.django_db
def test_tel_04_an_entry_that_commits_behind_a_later_number_is_followed(now: datetime) -> None:
    """Numbers of entries are given before they commit: one that was not there yet is found, and found once."""
    space, _ = a_monitored_space(now)
    first = touched.here()
    late = touched.Place(first.file, first.offset, first.entry, first.remembered[:-1])
    found, after = touched.since(late)
    assert found.sites() == {space.site_id}
    assert touched.since(after)[0].sites() == set()


@pytest.mark.django_db
def test_tel_04_what_nobody_keeps_is_judged_on_the_spot_or_said_to_wait(now: datetime) -> None:
    """One site is exact at once; what is more than somebody can wait for is in no share, and counted as waiting."""
    space, (probe,) = a_monitored_space(now)
    an_hour(space, probe, now)
    end = now + HOUR
    assert continuity(space.site_id, now, end).proven_s == pytest.approx(3600)
    many = {space.site_id: (now - 80 * 24 * HOUR, end)}
    said = continuities(many)[space.site_id]
    assert said.waiting_s > 0
    assert said.total_s + said.waiting_s == pytest.approx((80 * 24 + 1) * 3600)
    assert (said.known_pct_at_least or 0) <= (said.known_pct or 0) <= (said.known_pct_at_most or 0)


@pytest.mark.django_db
@pytest.mark.parametrize(("start_min", "end_min"), [(0, 180), (7, 173), (60, 120), (61, 119), (-90, 185), (20, 50)])
def test_tel_04_a_period_is_added_up_from_hours_and_the_parts_at_its_ends(
    now: datetime, start_min: int, end_min: int
) -> None:
    """Whatever its ends: what is kept and what is judged on the spot is what one proof over the period says."""
    space, (probe,) = a_monitored_space(now)
    for number, value in enumerate((5.0, 9.4, 5.0)):
        an_hour(space, probe, now + number * HOUR, value)
    Hours().keep(BY, now + 3 * HOUR + 20 * MINUTE)
    start, end = now + start_min * MINUTE, now + end_min * MINUTE
    proof = prove(Space.objects.select_related("profile", "site").get(pk=space.pk), start, end)
    assert proof is not None
    said = continuity(space.site_id, start, end)
    found = (said.proven_s / 60, said.out_s / 60, said.not_proven_s / 60)
    assert found == pytest.approx(tuple(proof.minutes.values()), abs=1e-6)
    assert said.waiting_s == 0


@pytest.mark.django_db
def test_tel_05_the_last_day_shows_the_worst_of_each_hour_and_what_is_not_kept(now: datetime) -> None:
    """Proven, out, out for the hold of one reading, silent; a touched hour waits; the network is its sites' worst."""
    space, (probe,) = a_monitored_space(now)
    for number, value in enumerate((5.0, 9.4)):
        an_hour(space, probe, now + number * HOUR, value)
    at = now + 4 * HOUR + 20 * MINUTE
    Hours().keep(BY, at)
    found = last_day([space.site_id], at, [space.site_id])
    assert found.end == now + 4 * HOUR
    hours = ("in_range_proven", "out_of_range", "out_of_range", "not_proven")
    assert found.spaces[str(space.pk)].hours[-4:] == hours
    assert found.network.hours == found.sites[space.site_id].hours == found.spaces[str(space.pk)].hours
    assert found.network.sums.space_hours == 24
    assert found.network.waiting == 0
    deliver(space, [BatchReading(probe.code, round(now.timestamp() * 1e6) + 1, 5.0, 1)], at)
    again = last_day([space.site_id], at)
    assert again.network.hours[-4:] == ("waits", *hours[1:])
    assert again.network.waiting == 1


@pytest.mark.django_db
def test_old_days_are_forgotten_and_a_sealed_log_is_followed(now: datetime) -> None:
    """What lies before the longest period goes; a file sealed while nobody kept hours still takes back its own."""
    space, (probe,) = a_monitored_space(now)
    an_hour(space, probe, now)
    engine, hours = Engine(), Hours()
    judge(engine, now + HOUR)
    hours.keep(BY, now + 2 * HOUR)
    deliver(space, [BatchReading(probe.code, round(now.timestamp() * 1e6) + 1, 9.9, 1)], now + 2 * HOUR)
    judge(engine, now + 2 * HOUR)
    assert seal(BY, now=now + 2 * HOUR)
    assert the_hour(space, now) is None
    hours.keep(BY, now + 2 * HOUR)
    assert agrees(space.site_id)
    hours.keep(BY, now + 200 * 24 * HOUR)
    assert KeptDay.objects.filter(day__lt=(now + 100 * 24 * HOUR).date()).count() == 0


SITE, OTHER = UUID(int=1), UUID(int=2)
HOURS_TOUCHED = st.sets(st.integers(0, 95), max_size=6)
SPANS = st.lists(st.tuples(st.integers(-50, 120), st.integers(0, 60)), max_size=3)


@given(HOURS_TOUCHED, SPANS, SPANS, st.booleans())
def test_touched_hours_of_a_day_are_those_that_a_reading_or_a_span_lies_in(
    hours: set[int], own: list[tuple[int, int]], any_site: list[tuple[int, int]], everything: bool
) -> None:
    """Against each hour on its own; a span of any site touches every site; no touched day is left out."""
    found = touched.Touched(everything=everything)
    found.hours[SITE] = hours
    for key, spans in ((SITE, own), (None, any_site)):
        for first, length in spans:
            found.spans[key].append((first * HOUR_US + 1, (first + length) * HOUR_US + 1))
    for site in (SITE, OTHER):
        spans = any_site + (own if site == SITE else [])
        inside = {h for h in range(96) if any(a <= h <= a + n for a, n in spans)} | (hours if site == SITE else set())
        wanted = set(range(96)) if everything else inside
        said = {day * 24 + hour for day in range(4) for hour in members(found.of_day(site, day))}
        assert said == wanted
        assert {hour // 24 for hour in wanted} <= set(found.days(site, range(4)))
