"""Reading beside the sealer: whatever was sealed so far, each reading is found once."""

from __future__ import annotations

import random
from datetime import datetime, timedelta

import pytest

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation.access.queries import system_authority
from waystation.kernel.refusals import Unavailable
from waystation.registry.models import Sensor, Space
from waystation.telemetry import reader, stores
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Segment
from waystation.telemetry.store import segments
from waystation.telemetry.store.log import Position

pytestmark = pytest.mark.usefixtures("folder")

FAR_US = 2**60


def two_sites(now: datetime) -> list[tuple[Space, Sensor]]:
    """Two fridges at two sites with five readings each in one log file."""
    found = []
    for site in ("cordoba", "malaga"):
        space, (probe,) = a_monitored_space(now, site=site)
        deliver(space, minutes(probe, now, [4.0, 4.1, 4.2, 4.3, 4.4]), now)
        found.append((space, probe))
    judge(Engine(), now + timedelta(minutes=5))
    return found


def values(space: Space, probe: Sensor) -> list[float | None]:
    """What is read of a sensor."""
    return [r.value for r in reader.readings(space.site_id, [probe.code], 0, FAR_US)]


def seal_only(space: Space) -> None:
    """What a sealer leaves that died after the first site of a file: its segment, and the file still there."""
    stores.log().rotate()
    rows = [
        r
        for f, _ in stores.log().read(Position(1, 0))
        if f.head["site"] == str(space.site_id)
        for r in reader.rows_of(f)
    ]
    name = f"{space.site_id}/{1:010d}.parquet"
    digest = segments.write(stores.segment_path(name), segments.in_order(rows))
    first, last = min(r.observed_us for r in rows), max(r.observed_us for r in rows)
    Segment(
        site_id=space.site_id, kind="segment", first_us=first, last_us=last, rows=len(rows), sha256=digest, path=name,
        log_file=1,
    ).save()  # fmt: skip


@pytest.mark.django_db
def test_tel_07_a_file_sealed_for_one_site_hides_nothing_of_the_other(now: datetime) -> None:
    """A sealer that died between two sites: both are read whole, one by one, together, and counted once."""
    (first, a), (second, b) = two_sites(now)
    seal_only(first)
    wanted = [4.0, 4.1, 4.2, 4.3, 4.4]
    assert values(first, a) == wanted
    assert values(second, b) == wanted
    both = reader.readings_of_sites({first.site_id: [a.code], second.site_id: [b.code]}, 0, FAR_US)
    assert sorted((r.sensor, r.value) for r in both) == sorted((c.code, v) for c in (a, b) for v in wanted)
    assert reader.count(now - timedelta(days=1), now + timedelta(days=1)) == 10


@pytest.mark.django_db
def test_tel_07_the_next_round_seals_the_rest_and_nothing_twice(now: datetime) -> None:
    """After the sealer that follows the dead one, each reading is there once and the log file is gone."""
    (first, a), (second, b) = two_sites(now)
    seal_only(first)
    seal(system_authority("test"), now=now + timedelta(minutes=6))
    assert 1 not in stores.log().files()
    assert len(values(first, a)) == len(values(second, b)) == 5
    assert reader.count(now - timedelta(days=1), now + timedelta(days=1)) == 10


@pytest.mark.django_db
@pytest.mark.parametrize("seed", range(12))
def test_tel_07_whatever_is_sealed_when_every_reading_is_found_once(now: datetime, seed: int) -> None:
    """Deliveries, rounds of the judge and of the sealer in any order."""
    space, (probe,) = a_monitored_space(now)
    engine, by, chance, delivered = Engine(), system_authority("test"), random.Random(seed), 0
    for number in range(12):
        at, step = now + timedelta(minutes=10 * number), chance.choice(["deliver", "judge", "seal"])
        if step == "deliver":
            deliver(space, minutes(probe, at, [4.0, 4.1]), at)
            delivered += 2
        elif step == "judge":
            judge(engine, at)
        else:
            seal(by, now=at)
        assert len(values(space, probe)) == delivered


@pytest.mark.django_db
@pytest.mark.parametrize("damage", [None, b"", b"PAR1", b"x" * 400])
def test_tel_05_a_sealed_file_that_cannot_be_read_is_a_refusal_and_never_missing_readings(
    damage: bytes | None, now: datetime
) -> None:
    """Removed, emptied, cut or overwritten: reading says which file, in both forms; the other site is read."""
    (space, probe), (other, second) = two_sites(now)
    stores.log().rotate()
    seal(system_authority("test"), now=now + timedelta(hours=1))
    row = Segment.objects.get(site_id=space.site_id)
    path = stores.segment_path(row.path)
    path.unlink() if damage is None else path.write_bytes(damage)
    for read in (values, lambda *of: reader.by_columns(of[0].site_id, [of[1].code], 0, FAR_US)):
        with pytest.raises(Unavailable, match="cannot be read") as refused:
            read(space, probe)
        assert "waystation evidence check" in refused.value.next_step
    assert values(other, second) == [4.0, 4.1, 4.2, 4.3, 4.4]
