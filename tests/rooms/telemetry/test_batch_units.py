"""Values of a batch come in the unit of the sensor's record: a frozen fridge in Fahrenheit is never in range."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from uuid import UUID

import pytest

from tests.rooms.telemetry.samples import a_monitored_space, judge
from waystation.access.queries import system_authority
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import BadInput, TooLarge
from waystation.registry.models import Sensor, Space
from waystation.telemetry import reader, stores
from waystation.telemetry.actions.ingest import accept
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Excursion
from waystation.telemetry.store.log import Position

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]


def sent(space: Space, probe: Sensor, values: list[float | None], now: datetime) -> None:
    """A batch of values, one a minute."""
    readings = [[probe.code, instant(now + timedelta(minutes=n)), v, n + 1] for n, v in enumerate(values)]
    body = json.dumps({"schema": "waystation.batch/1", "boot": 1, "readings": readings}).encode()
    by = system_authority("test")
    accept(by, space.site_id, body, now=now + timedelta(hours=1), source_class="signed_batch", machine=str(UUID(int=7)))


@pytest.mark.parametrize(
    ("unit", "values", "stored"),
    [
        ("degF", [41.0, 46.4, 35.6, None], [5.0, 8.0, 2.0, None]),
        ("°F", [5.0], [-15.0]),
        ("K", [278.15], [5.0]),
        ("Celsius", [5.0], [5.0]),
        ("degC", [5.0], [5.0]),
    ],
)
def test_tel_02_a_batch_is_stored_in_celsius_whatever_its_sensor_speaks(
    unit: str, values: list[float | None], stored: list[float | None], now: datetime
) -> None:
    """In decimals, so that 46.4 degF is 8.0 degC exactly; nothing measured stays nothing measured."""
    space, (probe,) = a_monitored_space(now)
    Sensor.objects.filter(pk=probe.pk).update(unit=unit)
    sent(space, probe, values, now)
    rows = reader.readings(space.site_id, [probe.code], 0, 2**62)
    assert [r.value for r in rows] == stored


def test_tel_04_five_degrees_fahrenheit_open_an_excursion(now: datetime) -> None:
    """Taken for Celsius they would be in range, and the vaccine frozen."""
    space, (probe,) = a_monitored_space(now)
    Sensor.objects.filter(pk=probe.pk).update(unit="degF")
    sent(space, probe, [5.0] * 20, now)
    judge(Engine(), now + timedelta(minutes=30))
    assert Excursion.objects.get().direction == "low"


def test_tel_02_a_record_without_a_unit_of_temperature_refuses_the_batch_and_stores_nothing(now: datetime) -> None:
    """The sensor is named; a batch without it is taken as ever."""
    space, (probe, other) = a_monitored_space(now, probes=2)
    Sensor.objects.filter(pk=probe.pk).update(unit="volt")
    with pytest.raises(BadInput, match=probe.code):
        sent(space, probe, [5.0], now)
    assert not list(stores.log().read(Position(1, 0)))
    sent(space, other, [5.0], now)
    assert len(reader.readings(space.site_id, [other.code], 0, 2**62)) == 1


def batch_of(codes: list[str]) -> bytes:
    """A batch with one reading of each code, as a device writes it."""
    readings = [[code, 1_790_000_000_000_000 + n, 5.0, n + 1] for n, code in enumerate(codes)]
    return json.dumps({"schema": "waystation.batch/1", "readings": readings}, ensure_ascii=False).encode()


def test_tel_06_a_batch_that_no_reader_of_the_log_would_take_is_refused_whole(now: datetime) -> None:
    """Its names are six times as long where they are stored; the batch after it is taken and read."""
    space, (probe,) = a_monitored_space(now)
    by, body = system_authority("test"), batch_of([f"{n:05}{'é' * 75}" for n in range(36_000)])
    with pytest.raises(TooLarge, match="at most 16,777,216"):
        accept(by, space.site_id, body, now=now, source_class="signed_batch", machine=str(UUID(int=7)))
    sent(space, probe, [5.0], now)
    assert len(list(stores.log().read(Position(0, 0)))) == 1


@pytest.mark.parametrize("code", ["\\ud800", "a\\u0000b", "a\\nb"])
def test_tel_06_a_code_that_no_database_holds_is_refused_before_it_is_stored(code: str, now: datetime) -> None:
    """Half a character, nothing, a line's end: whoever judges it afterwards could not name it."""
    space, _ = a_monitored_space(now)
    body = batch_of(["here"]).replace(b"here", code.encode())
    with pytest.raises(BadInput, match="is no sensor code"):
        accept(system_authority("test"), space.site_id, body, now=now, source_class="signed_batch", machine="m")
    assert list(stores.log().read(Position(0, 0))) == []
