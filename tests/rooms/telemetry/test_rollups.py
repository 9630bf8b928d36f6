"""Five-minute buckets: lowest and highest of every reading, wherever it is stored; no peak is hidden."""

from __future__ import annotations

import math
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.telemetry.kept import DAY, DAYS, EVERYTHING, approved, five_days, run, stored
from tests.rooms.telemetry.samples import deliver, judge, minutes
from waystation.access.queries import system_authority
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import Unavailable
from waystation.registry.models import Sensor, Space
from waystation.telemetry import charting, reader, stores
from waystation.telemetry.actions.seal import roll_up, seal
from waystation.telemetry.engine import Engine
from waystation.telemetry.rules.thinning import BUCKET_US, Bucket
from waystation.telemetry.store import rollups, segments
from waystation.telemetry.store.segments import Stored

pytestmark = pytest.mark.usefixtures("folder")

BEGIN = datetime.fromisoformat("2026-11-13T00:00:00+00:00")
REDUCE = {"name": "signals", "covers": "other", "source": "company", "clause": "SOP 7", "full_days": 90}


def bucketed(rows: Sequence[Stored]) -> list[Bucket]:
    """The oracle: readings, each (sensor, instant, value) once, sorted into heaps."""
    heaps: dict[tuple[str, int], list[float | None]] = {}
    for sensor, at_us, value in {(r.sensor, r.observed_us, r.value) for r in rows}:
        heaps.setdefault((sensor, math.floor(at_us / BUCKET_US) * BUCKET_US), []).append(value)
    found = []
    for (sensor, start_us), some in sorted(heaps.items()):
        known = [v for v in some if v is not None]
        mean = round(math.fsum(known) / len(known), 4) if known else None
        low, high = (min(known), max(known)) if known else (None, None)
        found.append(Bucket(sensor, start_us, low, high, mean, len(known), len(some) - len(known)))
    return found


def close(found: Sequence[Bucket], wanted: Sequence[Bucket]) -> bool:
    """Equal, means up to the last digit that is kept."""
    return [b._replace(mean=None) for b in found] == [b._replace(mean=None) for b in wanted] and all(
        a.mean == b.mean or abs((a.mean or 0.0) - (b.mean or 0.0)) < 2e-4 for a, b in zip(found, wanted, strict=True)
    )


readings = st.lists(
    st.builds(
        Stored,
        st.sampled_from(["a", "b", "ü'"]),
        st.integers(-3 * BUCKET_US, 3 * BUCKET_US),
        st.none() | st.floats(-80, 80).map(lambda v: round(v, 2)),
        st.just("signed_batch"),
        st.just("m"),
        st.just(1),
        st.integers(1, 5),
        st.just(0),
        st.just(0),
    ),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(readings)
def test_a_file_of_buckets_says_what_its_segment_says(rows: list[Stored]) -> None:
    """Before 1970 too, with nothing measured, with a reading twice; a segment without its file says the same."""
    with tempfile.TemporaryDirectory() as name:
        segment, rollup = Path(name) / "s.parquet", Path(name) / "r" / "s.parquet"
        segments.write(segment, segments.in_order(rows))
        rollups.make(segment, rollup)
        sensors = ["a", "b", "ü'"]
        made = rollups.read([rollup], [], sensors, -(2**60), 2**60)
        assert close(made, bucketed(rows))
        assert close(rollups.read([], [segment], sensors, -(2**60), 2**60), made)
        assert close(
            rollups.read([rollup], [], ["b"], 0, BUCKET_US), [b for b in made if b.sensor == "b" and b.start_us == 0]
        )
    assert rollups.read([], [], sensors, 0, 1) == rollups.read([], [], [], 0, 1) == []


def everything(space: Space) -> tuple[list[Bucket], list[Bucket]]:
    """All buckets of the fridge as they are read, and as its readings say."""
    codes = list(space.sensors.values_list("code", flat=True))
    return reader.by_buckets(space.site_id, codes, *EVERYTHING), bucketed(
        reader.readings(space.site_id, codes, *EVERYTHING)
    )


@pytest.mark.django_db
def test_buckets_are_of_sealed_and_unsealed_readings_alike() -> None:
    """Five sealed days, then the log's tail, then a late supplement: always what the readings say."""
    space = five_days(BEGIN)
    assert close(*everything(space))
    probe, later = Sensor.objects.get(code__endswith="probe-1"), BEGIN + DAYS * DAY
    deliver(space, minutes(probe, later - timedelta(minutes=7), [5.0, 11.5, 5.0], step_s=60), later)
    assert close(*everything(space))
    assert max(b.high or 0.0 for b in everything(space)[0]) == 11.5
    judge(Engine(), later)
    seal(system_authority("test"), now=later)
    assert close(*everything(space))


@pytest.mark.django_db
@pytest.mark.parametrize("harm", ["gone", "cut", "empty"])
def test_a_lost_or_spoilt_file_of_buckets_changes_nothing(harm: str) -> None:
    """They are derived: the segments answer, and the next pass of the sealer makes what is missing."""
    space = five_days(BEGIN)
    wanted, _ = everything(space)
    made = sorted((stores.folder() / "rollups").rglob("*.parquet"))
    assert len(made) == DAYS
    for path in made[:2]:
        if harm == "gone":
            path.unlink()
        else:
            path.write_bytes(path.read_bytes()[:100] if harm == "cut" else b"")
    assert close(everything(space)[0], wanted)
    assert roll_up() == (2 if harm == "gone" else 0)


@pytest.mark.django_db
def test_evd_06_what_retention_took_is_in_no_file_of_buckets(acting: Callable[..., Authority]) -> None:
    """Judging readings that went are gone from the buckets too; of a reduced signal the buckets stay and are drawn."""
    space = five_days(BEGIN)
    space.site.service_class.retention_days = 100
    space.site.service_class.save()
    later = BEGIN + timedelta(days=3 * 366)
    people = acting("service_manager", name="ana"), acting("quality", name="quim")
    before = list(_opened(space))
    approved(*people, later, **(REDUCE | {"keep_years": 9}))
    approved(*people, later, keep_years=2)
    assert run(later) == DAYS - 1  # the third day is around the excursion from end to end
    probe = stored(space, "probe-1")
    assert close([b for b in everything(space)[0] if b.sensor == probe[0].sensor], bucketed(probe))
    assert before
    for begin, end in before:
        assert any(a <= begin + 300 and end - 300 <= b for a, b in _opened(space)), "a reduced opening is still drawn"


def _opened(space: Space) -> Sequence[tuple[float, float]]:
    """When the door stood open on the first day, as it is drawn."""
    return charting.chart_of(space, BEGIN, BEGIN + DAY).lanes[0].stretches


@pytest.mark.django_db
def test_a_single_hot_reading_is_seen_on_a_chart_of_a_month(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """Drawn by five minutes, and the page says so; the day is drawn by readings."""
    space, end = five_days(BEGIN, hot=False), BEGIN + DAYS * DAY
    probe = Sensor.objects.get(code__endswith="probe-1")
    deliver(space, minutes(probe, BEGIN + DAY, [5.0, 19.7, 5.0], step_s=20), end)
    month, day = charting.chart_of(space, end - 30 * DAY, end), charting.chart_of(space, BEGIN + DAY, BEGIN + 2 * DAY)
    assert (month.by_buckets, day.by_buckets) == (True, False)
    for chart in (month, day):
        assert max(v for piece in chart.lines[0].pieces for _, v in piece) == 19.7
    assert len(month.lines[0].pieces) == 1
    clock.advance_to(end)
    page = signed_in("operator").get(f"/sites/{space.site.code}/{space.code}/?period=30d").content.decode()
    assert "Drawn by five minutes" in page
    page = signed_in("operator").get(f"/sites/{space.site.code}/{space.code}/").content.decode()
    assert "Drawn by five minutes" not in page


def test_tel_07_a_file_that_was_changed_is_read_as_it_is_now(tmp_path: Path) -> None:
    """The engine of the process remembers nothing: same name, same size, same minute, other content; then gone."""
    path = tmp_path / "s.parquet"
    one = Stored("a", 5, 4.0, "signed_batch", "m", 1, 1, 0)
    for value in (4.0, 9.0, 4.0):
        segments.write(path, [one._replace(value=value)])
        os.utime(path, (1_790_000_000, 1_790_000_000))
        assert [r.value for r in segments.read([path], ["a"], 0, 10)] == [value]
    path.unlink()
    with pytest.raises(Unavailable):
        segments.read([path], ["a"], 0, 10)


def test_tel_07_many_threads_read_at_once(tmp_path: Path) -> None:
    """Each with a connection of its own to the one engine: every answer is whole."""
    paths = [tmp_path / f"{n}.parquet" for n in range(6)]
    for n, path in enumerate(paths):
        segments.write(path, [Stored("a", 1000 * n + k, k / 10, "x", "m", 1, k, 0) for k in range(200)])

    def ask(number: int) -> int:
        return len(segments.read(paths[: number % 6 + 1], ["a"], 0, 10_000))

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(ask, range(120))) == [200 * (n % 6 + 1) for n in range(120)]
