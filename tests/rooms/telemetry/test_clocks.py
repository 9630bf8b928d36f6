"""A clock that nobody can believe: its readings are kept as they came, marked, never proof and never hidden."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from operator import itemgetter
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation.access.queries import system_authority
from waystation.kernel.authority import Authority
from waystation.registry.models import Sensor, Space
from waystation.telemetry import reader, stores
from waystation.telemetry.actions.ingest import accept
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import DeviceHead, Excursion
from waystation.telemetry.proving import prove
from waystation.telemetry.queries import site_view
from waystation.telemetry.rules.clocks import AHEAD_ALLOWED_US, EARLIEST_US, STEP_US, ahead_us, by_clock, is_believed
from waystation.telemetry.store import segments
from waystation.telemetry.store.segments import Stored

HOUR = timedelta(hours=1)
NOW_US = 1_795_000_000_000_000
instants = st.integers(-(2**61), 2**61) | st.integers(NOW_US - 10**9, NOW_US + 10**9) | st.integers(0, 10**9)


@given(st.lists(instants, max_size=20), st.integers(NOW_US, NOW_US + 10**10))
def test_each_instant_is_in_one_group_and_none_lies_ahead(said: list[int], received_us: int) -> None:
    """Those believed stay; the newest of the others goes to less than a minute before its receipt."""
    groups = by_clock(said, int, lambda _: "one clock", received_us)
    assert sorted(one for _, some in groups for one in some) == sorted(said)
    assert all(some for _, some in groups)
    for ahead, some in groups:
        assert all(is_believed(one, received_us) == (ahead == 0) for one in some)
        if ahead:
            assert received_us - STEP_US < max(some) - ahead <= received_us
            assert abs(ahead) > AHEAD_ALLOWED_US - STEP_US


@given(st.integers(NOW_US + 2 * AHEAD_ALLOWED_US, NOW_US + 10**14), st.integers(0, STEP_US - 1))
def test_the_same_clock_error_is_the_same_shift(said_us: int, later_us: int) -> None:
    """A minute's reading that comes a whole minute later, and one sent again at once, keep the first one's shift."""
    first = ahead_us([said_us], NOW_US)
    assert ahead_us([said_us + STEP_US], NOW_US + STEP_US) == first
    assert ahead_us([said_us], NOW_US + later_us) in (first, first - STEP_US)


@given(st.lists(st.tuples(st.sampled_from("abc"), instants), max_size=20))
def test_each_sensor_has_the_shift_that_its_own_instants_give(said: list[tuple[str, int]]) -> None:
    """Whatever the others of the batch say; those ahead alike are one group."""
    groups = by_clock(said, itemgetter(1), itemgetter(0), NOW_US)
    assert len({ahead for ahead, _ in groups}) == len(groups)
    for code in "abc":
        mine = [one for one in said if one[0] == code]
        alone = by_clock(mine, itemgetter(1), itemgetter(0), NOW_US)
        among = [(ahead, [one for one in some if one[0] == code]) for ahead, some in groups]
        assert sorted((a, s) for a, s in among if s) == sorted(alone)


def _send(
    space: Space, machine: UUID, said: Sequence[tuple[Sensor, datetime, float]], now: datetime, first: int = 1
) -> int:
    """A signed batch of one boot; returns how many readings were acknowledged."""
    rows = [[s.code, round(at.timestamp() * 1e6), v, first + n] for n, (s, at, v) in enumerate(said)]
    body = json.dumps({"schema": "waystation.batch/1", "boot": 1, "previous": "", "readings": rows}).encode()
    system = system_authority("test")
    taken = accept(system, space.site_id, body, now=now, source_class="signed_batch", machine=str(machine))
    return taken.readings


def _held(space: Space, probe: Sensor) -> list[Stored]:
    return reader.readings(space.site_id, [probe.code], -(2**62), 2**62)


@pytest.mark.django_db
@pytest.mark.parametrize("error", [timedelta(days=365), timedelta(hours=1), timedelta(days=-20_000)])
def test_tel_04_a_wrong_clock_s_readings_are_kept_and_prove_nothing(now: datetime, error: timedelta) -> None:
    """Ahead, or back in the seventies: the value shows, what the device said is kept, the space is not proven."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now - HOUR, [5.0 + 0.1 * (i % 2) for i in range(60)]), now)
    machine, engine = uuid4(), Engine()
    for n in range(30):
        at = now + timedelta(minutes=n)
        assert _send(space, machine, [(probe, at + error, 5.0 + 0.1 * (n % 2))], at, n + 1) == 1
    end = now + timedelta(minutes=30)
    judge(engine, end)
    held = [r for r in _held(space, probe) if r.source_class == "receipt_time"]
    assert [r.observed_us + r.ahead_us for r in held] == [
        round((now + error + timedelta(minutes=n)).timestamp() * 1e6) for n in range(30)
    ]
    assert all(now.timestamp() - 60 < r.observed_us / 1e6 <= end.timestamp() for r in held)
    found = prove(Space.objects.select_related("profile", "site").get(pk=space.pk), now, end)
    assert found is not None
    assert (found.verdict, found.minutes["in_range_proven"]) == ("not_proven", pytest.approx(0, abs=1))
    assert "source class receipt time is not accepted by the profile" in {r.words for r in found.reasons}
    (seen,) = site_view(space.site_id, end).spaces
    assert seen.state == "not_proven"
    assert DeviceHead.objects.get(machine_id=machine).breaks == []


@pytest.mark.django_db
def test_tel_04_out_of_range_by_a_wrong_clock_is_out_now_with_measurement_in_doubt(now: datetime) -> None:
    """An hour ahead: the warm fridge is found as it is heard, not in an hour; judged again it is the same excursion."""
    space, (probe,) = a_monitored_space(now)
    machine = uuid4()
    for n, value in enumerate([5.0, 5.1, 9.0, 9.1, 9.2, 5.0, 5.1]):
        _send(space, machine, [(probe, now + HOUR + timedelta(minutes=n), value)], now + timedelta(minutes=n), n + 1)
    end = now + timedelta(minutes=7)
    judge(Engine(), end)
    (row,) = Excursion.objects.all()
    assert (row.started_at, row.ended_at) == (now + timedelta(minutes=2), now + timedelta(minutes=5))
    assert row.in_doubt == "measurement in doubt: by receipt time, which the profile does not accept"
    found = prove(Space.objects.select_related("profile", "site").get(pk=space.pk), now, end)
    assert found is not None
    assert (found.verdict, found.minutes["out_of_range"]) == ("out_of_range", 3)


@pytest.mark.django_db
def test_tel_04_a_sensor_an_hour_ahead_is_heard_now_beside_one_that_is_a_year_ahead(now: datetime) -> None:
    """One batch, two wrong clocks: put back by the other's year, the warm fridge would stand where nobody looks."""
    space, (probe, other) = a_monitored_space(now, probes=2)
    said = [(other, now + timedelta(days=365), 5.0), (probe, now + HOUR, 9.0)]
    _send(space, uuid4(), said, now)
    judge(Engine(), now)
    (row,) = Excursion.objects.all()
    assert (row.sensor, row.started_at) == (probe, now)
    assert [r.ahead_us for r in _held(space, probe)] == [3_600_000_000]


@pytest.mark.django_db
def test_tel_06_a_batch_of_a_wrong_clock_that_comes_again_counts_nothing(now: datetime) -> None:
    """Its digest tells it, also when what it said was ahead lies no longer ahead; other values are never merged."""
    space, (probe,) = a_monitored_space(now)
    machine, said = uuid4(), [(probe, now + HOUR, 5.0), (probe, now + HOUR + timedelta(minutes=1), 9.0)]
    for later in (0, 45, 3600):
        assert _send(space, machine, said, now + timedelta(seconds=later)) == 2
    assert len(_held(space, probe)) == 2
    other = [(probe, now + HOUR, 5.0), (probe, now + HOUR + timedelta(minutes=1), 4.0)]
    _send(space, machine, other, now + timedelta(seconds=90))
    assert sorted(r.seq for r in _held(space, probe)) == [1, 1, 2, 2]


@pytest.mark.django_db
def test_tel_06_two_gateways_that_began_alike_are_two(now: datetime) -> None:
    """Without a clock both start in 1970 and say the same bytes: each one's readings are kept."""
    space, (probe,) = a_monitored_space(now)
    said = [(probe, datetime.fromtimestamp(60, now.tzinfo), 9.0)]
    for machine, later in ((uuid4(), 0), (uuid4(), 120)):
        _send(space, machine, said, now + timedelta(seconds=later))
    assert len({r.machine for r in _held(space, probe)}) == 2


@pytest.mark.django_db
def test_tel_04_a_clock_that_steps_within_a_batch_doubts_only_what_it_dated_wrongly(now: datetime) -> None:
    """Before the step and after it: one batch, its numbers whole, the good readings still proof."""
    space, (probe,) = a_monitored_space(now)
    good = [(probe, now - timedelta(minutes=n), 5.0 + n / 10) for n in (3, 2, 1)]
    wrong = [(probe, now + timedelta(days=1), 5.0), (probe, datetime.fromtimestamp(300, now.tzinfo), 5.5)]
    assert _send(space, uuid4(), [*good[:2], *wrong, good[2]], now) == 5
    judge(Engine(), now)
    assert [(r.source_class, r.seq) for r in sorted(_held(space, probe), key=lambda r: r.seq)] == [
        ("signed_batch", 1), ("signed_batch", 2), ("receipt_time", 3), ("receipt_time", 4), ("signed_batch", 5)
    ]  # fmt: skip
    head = DeviceHead.objects.get()
    assert (head.seq, head.breaks) == (5, [])


@pytest.mark.django_db
def test_tel_04_what_the_device_said_stays_when_it_is_sealed(now: datetime, system: Authority, tmp_path: Path) -> None:
    """Beside segments that know no wrong clock, read alone or with them, and written again."""
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now - HOUR, [5.0] * 60), now - timedelta(minutes=1))
    judge(Engine(), now)
    stores.log().rotate()
    seal(system, now=now)
    _send(space, uuid4(), [(probe, now + HOUR, 6.0)], now)
    judge(Engine(), now)
    before = _held(space, probe)
    stores.log().rotate()
    seal(system, now=now)
    assert _held(space, probe) == before
    assert [r.ahead_us for r in before if r.ahead_us] == [3_600_000_000]
    again = tmp_path / "again.parquet"
    segments.write(again, before)
    assert segments.read_file(again) == before
    assert min(r.observed_us for r in before) > EARLIEST_US
