"""Judging: excursions and doubts are the same whatever the order, the pauses and the crashes."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest
from django.db import transaction

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_sensor
from waystation.access.queries import system_authority
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import DeviceHead, Doubt, Excursion, Progress, Segment
from waystation.telemetry.queries import site_view
from waystation.telemetry.rules.batch import BatchReading

pytestmark = pytest.mark.django_db
WARM = [5.0, 5.1, 5.3, 6.0, 7.4, 8.2, 8.9, 9.1, 8.6, 8.1, 7.9, 7.0, 6.1, 5.2, 5.0, 5.1]


def _story() -> list[tuple[str, float, str, float]]:
    rows = Excursion.objects.filter(superseded_at=None).order_by("started_at")
    return [
        (r.direction, r.peak_c, f"{r.started_at:%H:%M}-{r.ended_at:%H:%M}" if r.ended_at else "open", r.measured_s)
        for r in rows
    ]


def test_tel_09_an_excursion_has_start_end_peak_and_time_as_counted_by_hand(now: datetime) -> None:
    """Five readings above 8.0 at a minute: five minutes, 06:05 to 06:10, peak 9.1."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, WARM), now + timedelta(minutes=16))
    judge(Engine(), now + timedelta(minutes=16))
    assert _story() == [("high", 9.1, "06:05-06:10", 300.0)]


def test_tel_06_order_of_arrival_changes_nothing(now: datetime) -> None:
    """Whole, minute by minute, backwards, shuffled, twice: the same excursions."""
    expected = [("high", 9.1, "06:05-06:10", 300.0), ("low", 1.0, "06:18-06:19", 60.0)]
    values = [*WARM, 5.0, 4.0, 1.0, 4.0, 5.0]
    for number, order in enumerate(("whole", "single", "backwards", "shuffled", "twice")):
        at = now + timedelta(days=number)
        space, (probe,) = a_monitored_space(at, code=f"fridge-{number}")
        rows = minutes(probe, now, values)
        batches = {"whole": [rows], "twice": [rows, rows]}.get(order, [[r] for r in rows])
        if order == "backwards":
            batches.reverse()
        if order == "shuffled":
            random.Random(4).shuffle(batches)
        engine = Engine()
        for batch in batches:
            deliver(space, batch, now + timedelta(minutes=30))
            judge(engine, now + timedelta(minutes=30))
        rows_of = Excursion.objects.filter(space=space, superseded_at=None).order_by("started_at")
        told = [
            (r.direction, r.peak_c, f"{r.started_at:%H:%M}-{r.ended_at:%H:%M}", r.measured_s)
            for r in rows_of
            if r.ended_at
        ]
        assert told == expected, order


def test_tel_06_a_cut_and_its_backlog_tell_the_same_story(now: datetime) -> None:
    """Two hours of silence, then the spool: excursions as if there had been no cut, and none twice."""
    space, (probe,) = a_monitored_space(now)
    values = [5.0] * 10 + WARM + [5.0 + 0.1 * (i % 2) for i in range(120)]
    engine = Engine()
    rows = minutes(probe, now, values)
    deliver(space, rows[:5], now + timedelta(minutes=5))
    judge(engine, now + timedelta(minutes=5))
    back = now + timedelta(minutes=len(values))
    for start in range(5, len(rows), 30):
        deliver(space, rows[start : start + 30], back)
    judge(engine, back)
    assert _story() == [("high", 9.1, "06:15-06:20", 300.0)]
    assert Excursion.objects.get().found_late


def test_a_crash_after_judging_and_before_commit_loses_and_doubles_nothing(now: datetime) -> None:
    """The transaction is rolled back at every frame once; the story is the same."""
    space, (probe,) = a_monitored_space(now)
    engine = Engine()
    for row in minutes(probe, now, WARM):
        deliver(space, [row], now + timedelta(minutes=20))
    while waiting := engine.waiting(1):
        with transaction.atomic():
            engine.judge(system_authority("test"), waiting, now=now + timedelta(minutes=20))
            transaction.set_rollback(True)
        engine.forget([space.site_id])
        with transaction.atomic():
            engine.judge(system_authority("test"), waiting, now=now + timedelta(minutes=20))
    assert _story() == [("high", 9.1, "06:05-06:10", 300.0)]


def test_a_new_process_goes_on_where_the_old_one_stopped(now: datetime) -> None:
    """A fresh engine for every frame rebuilds its tracks from the store."""
    space, (probe,) = a_monitored_space(now)
    for start in range(0, 16, 3):
        deliver(space, minutes(probe, now, WARM)[start : start + 3], now + timedelta(minutes=20))
        judge(Engine(), now + timedelta(minutes=20))
    assert _story() == [("high", 9.1, "06:05-06:10", 300.0)]


def test_qal_04_only_judging_roles_make_an_excursion(now: datetime) -> None:
    """A defrost seen by the supply-air probe is none; any judging probe out is."""
    space, (one, two) = a_monitored_space(now, probes=2)
    air = a_sensor(space, "air", role="air_supply")
    engine = Engine()
    deliver(space, minutes(air, now, [14.0] * 5) + minutes(one, now, [5.0] * 5), now)
    judge(engine, now)
    assert _story() == []
    deliver(space, minutes(two, now, [5.0, 8.1, 5.0]), now)
    judge(engine, now)
    assert [s[0] for s in _story()] == ["high"]


def test_tel_05_a_frozen_probe_is_doubted_from_when_it_froze(now: datetime) -> None:
    """After longer than its own history allows the doubt opens, and ends when the value moves."""
    space, (probe,) = a_monitored_space(now)
    engine = Engine()
    lively = [5.0 + 0.1 * (i % 3) for i in range(60)]
    deliver(space, minutes(probe, now, [*lively, *[4.6] * 100]), now + timedelta(minutes=160))
    judge(engine, now + timedelta(minutes=160))
    doubt = Doubt.objects.get()
    assert (doubt.kind, doubt.started_at) == ("frozen", now + timedelta(minutes=60))
    view = site_view(space.site_id, now + timedelta(minutes=160))
    assert view.spaces[0].state == "not_proven"
    deliver(space, minutes(probe, now + timedelta(minutes=160), [4.7, 4.8]), now + timedelta(minutes=162))
    judge(engine, now + timedelta(minutes=162))
    assert Doubt.objects.get().ended_at == now + timedelta(minutes=160)


def test_tel_05_a_freeze_inside_one_late_batch_is_not_missed(now: datetime) -> None:
    """It began and ended before anybody looked; the doubt stands with both instants."""
    space, (probe,) = a_monitored_space(now)
    lively = [5.0 + 0.1 * (i % 3) for i in range(60)]
    deliver(space, minutes(probe, now, [*lively, *[4.6] * 100, *lively]), now + timedelta(hours=9))
    judge(Engine(), now + timedelta(hours=9))
    doubt = Doubt.objects.get()
    assert (doubt.started_at, doubt.ended_at) == (now + timedelta(minutes=60), now + timedelta(minutes=160))


def test_a_healthy_coarse_probe_is_not_doubted(now: datetime) -> None:
    """0.5 degree steps with flat hours: what it has done before is allowed again."""
    space, (probe,) = a_monitored_space(now)
    values = [v for _ in range(6) for v in [4.5] * 60 + [5.0] * 60]
    deliver(space, minutes(probe, now, values), now + timedelta(hours=12))
    judge(Engine(), now + timedelta(hours=12))
    assert not Doubt.objects.exists()


def test_a_dead_fridge_standing_flat_is_out_of_range_and_in_doubt(now: datetime) -> None:
    """Flat at 21 °C: the excursion stays, marked, and no doubt ends it."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0, 5.1, *[21.0] * 120]), now + timedelta(minutes=122))
    judge(Engine(), now + timedelta(minutes=122))
    excursion = Excursion.objects.get()
    assert excursion.ended_at is None
    assert "doubt" in excursion.in_doubt
    assert site_view(space.site_id, now + timedelta(minutes=122)).spaces[0].state == "out_high"


def test_tel_05_the_last_value_is_not_the_present_value(now: datetime) -> None:
    """Past its hold a sensor is silent and its space not proven."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0]), now)
    judge(Engine(), now)
    assert site_view(space.site_id, now + timedelta(seconds=90)).spaces[0].state == "in_range_proven"
    later = site_view(space.site_id, now + timedelta(seconds=91))
    assert later.spaces[0].state == "not_proven"
    assert later.is_dark


def test_sealing_keeps_every_reading_once(now: datetime) -> None:
    """Judged files become segments, the log files go, late readings become a supplement, nothing is counted twice."""
    from waystation.telemetry.reader import readings

    space, (probe,) = a_monitored_space(now)
    engine, by = Engine(), system_authority("test")
    rows = minutes(probe, now, WARM)
    deliver(space, rows[4:], now)
    assert seal(by, now=now) == 0  # not judged yet
    judge(engine, now)
    deliver(space, rows[:6], now)
    judge(engine, now)
    assert seal(by, now=now) == 2
    assert seal(by, now=now) == 0
    assert list(Segment.objects.order_by("log_file").values_list("kind", flat=True)) == ["segment", "supplement"]
    found = readings(space.site_id, [probe.code], 0, 2**60)
    assert [r.value for r in found] == WARM
    assert engine.position() >= engine.position()
    assert Progress.objects.get().file >= 1


def test_a_missing_number_of_a_signed_sequence_is_kept_until_it_comes(now: datetime) -> None:
    """Silence is different from loss: the hole is named, and closes when the numbers arrive."""
    space, (probe,) = a_monitored_space(now)
    engine = Engine()
    rows = minutes(probe, now, WARM)
    deliver(space, rows[:3], now)
    deliver(space, rows[8:], now)
    judge(engine, now)
    assert DeviceHead.objects.get().breaks == [{"boot": 1, "first": 4, "last": 8}]
    deliver(space, rows[3:8], now)
    judge(engine, now)
    assert DeviceHead.objects.get().breaks == []


def test_readings_of_unknown_sensors_are_kept(now: datetime) -> None:
    """A code that no sensor has yet is stored; adopting it later finds its past."""
    from waystation.telemetry.reader import readings

    space, _ = a_monitored_space(now)
    deliver(space, [BatchReading("stranger", round(now.timestamp() * 1e6), 4.2, 1)], now)
    judge(Engine(), now)
    assert [r.value for r in readings(space.site_id, ["stranger"], 0, 2**60)] == [4.2]
