"""What may never be hidden, sentence by sentence: each test stands beside its sentence in the room's README."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation.access.queries import system_authority
from waystation.alarms import queries as alarms
from waystation.journeys.reading import Rounds
from waystation.registry.models import Sensor, Space
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Calibration, Doubt, Excursion, Progress, SiteState
from waystation.telemetry.proving import prove
from waystation.telemetry.rules.cells import ValueReader
from waystation.telemetry.rules.profile import DurationRule, Profile, parse_rule
from waystation.telemetry.rules.series import Reading
from waystation.telemetry.rules.verdict import judge_sensor

HOUR = timedelta(hours=1)
HOT = [5.0 + 0.1 * (i % 2) for i in range(20)] + [9.0 + 0.1 * (i % 3) for i in range(20)]
HOT += [5.0 + 0.1 * (i % 2) for i in range(21)]
VALUES = st.one_of(st.none(), st.floats(-30, 60).map(lambda v: round(v, 1)))
HISTORIES = st.lists(st.tuples(st.integers(1, 1200), VALUES), min_size=1, max_size=40)


def _series(history: list[tuple[int, float | None]]) -> list[Reading]:
    at_s, found = 0.0, []
    for step, value in history:
        at_s += step
        found.append(Reading(at_s, value))
    return found


@given(HISTORIES, st.floats(0, 3).map(lambda g: round(g, 1)), st.sampled_from([300.0, 900.0, 3600.0]))
def test_tel_04_guard_band_takes_from_proven_and_never_from_out(
    history: list[tuple[int, float | None]], guard_c: float, hold_s: float
) -> None:
    """With any guard band every excursion, every minute out and the word are those without one."""
    series = _series(history)
    end = series[-1].at_s + 600
    plain = judge_sensor(series, Profile("p", 2.0, 8.0, (), None, 0.0), hold_s, 0.0, end)
    banded = judge_sensor(series, Profile("p", 2.0, 8.0, (), None, guard_c), hold_s, 0.0, end)
    assert banded.excursions == plain.excursions
    assert banded.out_of_range_s == plain.out_of_range_s
    assert (banded.verdict == "out_of_range") == (plain.verdict == "out_of_range")
    assert banded.in_range_s <= plain.in_range_s


WEAKENED = {
    "frozen": lambda space, probe, now: None,
    "implausible": lambda space, probe, now: Sensor.objects.filter(pk=probe.pk).update(high_possible=8.5),
    "uncertified": lambda space, probe, now: Calibration.objects.filter(sensor=probe).delete(),
    "expired": lambda space, probe, now: Calibration.objects.filter(sensor=probe).update(valid_until=now),
    "unsigned": lambda space, probe, now: None,
    "late": lambda space, probe, now: None,
}


@pytest.mark.django_db
@pytest.mark.parametrize("weakness", WEAKENED)
def test_tel_09_a_doubted_reading_outside_is_out_of_range_with_measurement_in_doubt(
    weakness: str, now: datetime
) -> None:
    """Frozen, implausible, out of calibration, unsigned, late: the same minutes, the mark, and no proof beside."""
    space, (probe,) = a_monitored_space(now)
    WEAKENED[weakness](space, probe, now)
    values = [9.0 if v > 8 and weakness == "frozen" else v for v in HOT]
    if weakness == "frozen":
        values = [5.0, 5.1] + [9.0] * 600 + [5.0]
    heard = now + timedelta(minutes=len(values)) + (timedelta(days=2) if weakness == "late" else timedelta())
    deliver(space, minutes(probe, now, values), heard, "plain_file" if weakness == "unsigned" else "signed_batch")
    judge(Engine(), heard)
    (row,) = Excursion.objects.filter(superseded_at=None)
    out = [n for n, v in enumerate(values) if v is not None and v > 8]
    assert row.started_at == now + timedelta(minutes=out[0])
    assert row.ended_at == now + timedelta(minutes=out[-1] + 1)
    assert row.measured_s == 60 * len(out)
    assert row.in_doubt.startswith("measurement in doubt: ")
    found = prove(Space.objects.select_related("profile", "site").get(pk=space.pk), now, row.ended_at)
    assert found is not None
    assert found.verdict == "out_of_range"
    assert found.minutes["out_of_range"] == pytest.approx(len(out))


@pytest.mark.django_db
def test_tel_09_a_sound_reading_outside_is_not_doubted(now: datetime) -> None:
    """The mark means something: certified, signed, in time and moving, it is absent."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, HOT), now + HOUR)
    judge(Engine(), now + HOUR)
    assert [e.in_doubt for e in Excursion.objects.all()] == [""] or Excursion.objects.get().found_late


@pytest.mark.django_db
def test_tel_09_a_doubt_ends_no_excursion_while_nobody_decided(now: datetime) -> None:
    """Days after the doubt the excursion still runs; nothing but a decision or a reading in range changes that."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0, 5.1] + [21.0] * 900), now + 16 * HOUR)
    judge(Engine(), now + 16 * HOUR)
    assert Doubt.objects.filter(kind="frozen", decision="").exists()
    row = Excursion.objects.get()
    assert (row.ended_at, row.peak_c) == (None, 21.0)
    assert row.in_doubt


@given(st.floats(-200, 2000).map(lambda v: round(v, 1)), st.lists(st.sampled_from(["-127", "85", "###"]), max_size=3))
def test_tel_05_only_a_declared_code_is_no_measurement(value: float, codes: list[str]) -> None:
    """-127 and 85 are readings until the driver's profile declares them; nothing else is ever left out."""
    found = ValueReader("c", tuple(codes)).read(str(value))
    declared = str(value) in {f"{float(c)}" for c in codes if c != "###"}
    assert (found is None) == declared
    if not declared:
        assert found == value


@pytest.mark.django_db
@pytest.mark.parametrize("value", [-127.0, 85.0, 999.9, -300.0])
def test_tel_05_a_value_that_looks_like_a_fault_is_out_of_range(value: float, now: datetime) -> None:
    """A probe that says 85 may be broken or hot: it is out until somebody looked."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0, value, value, 5.0]), now + HOUR)
    judge(Engine(), now + HOUR)
    row = Excursion.objects.get()
    assert row.direction == ("high" if value > 8 else "low")
    assert row.measured_s == 120


@pytest.mark.django_db
def test_tel_05_a_dead_fridge_standing_flat_at_21_degrees_is_out_for_every_minute(now: datetime) -> None:
    """Ten hours of the very same value: six hundred minutes out, however frozen."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [21.0] * 601), now + 10 * HOUR)
    judge(Engine(), now + 10 * HOUR)
    found = prove(Space.objects.select_related("profile", "site").get(pk=space.pk), now, now + 10 * HOUR)
    assert found is not None
    assert found.minutes == {"in_range_proven": 0, "out_of_range": 600, "not_proven": 0}


@pytest.mark.django_db
@pytest.mark.parametrize("delay_s", [0, 600, 86400])
def test_alr_02_the_page_delay_of_a_class_moves_no_minute_of_an_excursion(delay_s: int, now: datetime) -> None:
    """Start, end, peak and minutes are the readings'; only when somebody is told differs."""
    space, (probe,) = a_monitored_space(now)
    service_class = space.site.service_class
    service_class.page_delay_s = delay_s
    service_class.save()
    deliver(space, minutes(probe, now, HOT), now + HOUR)
    Rounds().judge_waiting(now + HOUR)
    row = Excursion.objects.get()
    assert row.started_at == now + timedelta(minutes=20)
    assert row.ended_at == now + timedelta(minutes=40)
    assert (row.measured_s, row.peak_c) == (1200, 9.2)


@pytest.mark.django_db
def test_alr_02_a_single_minute_outside_is_an_excursion_and_an_alarm_s_delay_is_not_its_limit(now: datetime) -> None:
    """A device-alarm rule of ten hours at +8 is neither limit nor delay: one minute at 8.1 opens an excursion."""
    space, (probe,) = a_monitored_space(now)
    assert space.profile is not None
    space.profile.rules = [{"id": "who", "op": ">", "limit_c": 8.0, "duration_s": 36000, "mode": "single_event"}]
    space.profile.save()
    deliver(space, minutes(probe, now, [5.0, 8.1, 5.0]), now + HOUR)
    judge(Engine(), now + HOUR)
    row = Excursion.objects.get()
    assert (row.measured_s, row.peak_c) == (60, 8.1)
    assert parse_rule(space.profile.rules[0], "rules[0]").duration_s == 36000


@given(HISTORIES, st.integers(60, 36000), st.sampled_from(["single_event", "cumulative"]))
def test_tel_09_device_alarm_rules_never_change_the_excursions(
    history: list[tuple[int, float | None]], duration_s: int, mode: str
) -> None:
    """With any rule of any duration the excursions and the verdict are those without."""
    series = _series(history)
    end = series[-1].at_s + 600
    words = {"id": "r", "op": ">", "limit_c": 8.0, "duration_s": duration_s, "mode": mode}
    rule: DurationRule = parse_rule(words, "rules[0]")
    plain = judge_sensor(series, Profile("p", 2.0, 8.0, ()), 900.0, 0.0, end)
    ruled = judge_sensor(series, Profile("p", 2.0, 8.0, (rule,)), 900.0, 0.0, end)
    assert (ruled.excursions, ruled.verdict) == (plain.excursions, plain.verdict)


@given(st.lists(st.floats(2, 5).map(lambda v: round(v, 1)), min_size=100, max_size=300), st.floats(8.1, 12))
def test_tel_09_a_low_mean_kinetic_temperature_excuses_no_minute(calm: list[float], hot: float) -> None:
    """One hot reading in hours of calm: MKT stays inside the range, and the verdict is out of range."""
    values = [*calm, hot, calm[-1]]
    series = [Reading(60.0 * n, v) for n, v in enumerate(values)]
    found = judge_sensor(series, Profile("p", 2.0, 8.0, ()), 900.0, 0.0, 60.0 * len(values))
    assert found.mkt_c is not None
    assert 2.0 <= found.mkt_c <= 8.0
    assert found.verdict == "out_of_range"
    assert len(found.excursions) == 1


@pytest.mark.django_db
def test_tel_06_late_data_make_the_live_record_what_the_evidence_says(now: datetime) -> None:
    """In any order of arrival the records equal the verdict on the whole: nothing is skipped for being old."""
    pieces = [(now + timedelta(minutes=10 * n), HOT[10 * n : 10 * n + 10]) for n in range(6)]
    chance, told = random.Random(3), []
    for _ in range(4):
        for model in (Excursion, Doubt, SiteState, Progress):
            model.objects.all().delete()
        stores._log.cache_clear()
        space, (probe,) = a_monitored_space(now)
        engine = Engine()
        for start, values in pieces:
            deliver(space, minutes(probe, start, values), now + HOUR)
            judge(engine, now + HOUR)
        rows = Excursion.objects.filter(superseded_at=None)
        told.append([(r.started_at, r.ended_at, r.peak_c, r.measured_s) for r in rows])
        chance.shuffle(pieces)
    assert all(one == told[0] for one in told)
    assert told[0] == [(now + timedelta(minutes=20), now + timedelta(minutes=40), 9.2, 1200.0)]


@pytest.mark.django_db
def test_alr_02_an_excursion_alarm_names_the_readings_start_and_not_the_page_s(now: datetime) -> None:
    """The alarm began when the reading was out, though nobody is paged before the class's delay."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now, [5.0, 5.1, 9.0, 9.1, 9.2]), now + timedelta(minutes=5))
    Rounds().judge_waiting(now + timedelta(minutes=5))
    standing: list[Any] = list(alarms.standing_at(space.site_id))
    out = [a for a in standing if a.started_at == now + timedelta(minutes=2)]
    assert out, [(a.rule, a.started_at) for a in standing]
    assert system_authority("test").is_machine
