"""Nothing happens on an ordinary day: no space leaves its range, no sensor falls silent, nothing seems to rise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.conftest import ROOT
from waystation.simulator.gateways import Answer, Batch
from waystation.simulator.network import SensorPlan, load
from waystation.simulator.world import Delivery, World
from waystation.telemetry.rules.trend import frozen_after_s, slope_per_h

IBERIA = load(ROOT / "scenarios" / "iberia" / "network.json")
START = datetime(2026, 11, 17, 0, 0, tzinfo=UTC)
RISE_C_PER_H = 0.8
Series = dict[str, list[tuple[int, float]]]


class Newest:
    """Keeps every reading by sensor, and the instant of the newest that was delivered."""

    def __init__(self) -> None:
        self.series: Series = {}

    def post(self, machine: str, batch: Batch) -> Answer:
        """Accepted."""
        for code, us, value, _ in json.loads(batch.body)["readings"]:
            self.series.setdefault(code, []).append((us // 1_000_000, value))
        return Answer(202)


@pytest.fixture(scope="module")
def day() -> Series:
    """A day of the whole network, as it was delivered."""
    world, newest = World(IBERIA, seed=7, start=START), Newest()
    for due in world.step(START + timedelta(days=1)):
        if isinstance(due, Delivery):
            due.send(newest)
    return newest.series


def _living() -> Mapping[str, SensorPlan]:
    return IBERIA.sensors


def test_every_sensor_is_heard(day: Series) -> None:
    """No sensor of the inventory is mute, and no unknown one speaks."""
    assert set(day) == set(_living())


def test_readings_come_at_their_interval(day: Series) -> None:
    """Between two readings of a sensor there is never more than its interval."""
    for code, rows in day.items():
        instants = [at for at, _ in rows]
        steps = [b - a for a, b in pairwise(instants)]
        assert min(steps) > 0, code
        assert max(steps) <= _living()[code].interval_s, code


def test_what_was_delivered_holds_until_more_comes() -> None:
    """At no minute of an ordinary hour is the newest delivered reading older than it holds."""
    world, newest = World(IBERIA, seed=7, start=START), Newest()
    for _ in world.step(START + timedelta(minutes=1)):
        pass
    for minute in range(2, 90):
        for due in world.step(START + timedelta(minutes=minute)):
            if isinstance(due, Delivery):
                due.send(newest)
        now_s = int(START.timestamp()) + 60 * minute
        if minute >= 12:
            old = [c for c, s in _living().items() if now_s - newest.series[c][-1][0] > s.hold_s]
            assert old == [], minute


def test_values_are_possible_and_in_steps(day: Series) -> None:
    """Inside what the sensor can measure, and multiples of its resolution."""
    for code, rows in day.items():
        sensor = _living()[code]
        assert sensor.low_possible is not None
        assert sensor.high_possible is not None
        for _, value in rows:
            assert sensor.low_possible <= value <= sensor.high_possible, code
            assert abs(value / sensor.resolution - round(value / sensor.resolution)) < 1e-6, code


def test_no_judging_probe_leaves_its_profile(day: Series) -> None:
    """Every product reading lies in the limits of its space."""
    for site in IBERIA.sites:
        for space in site.spaces:
            for probe in space.judging:
                assert space.low_c is not None
                assert space.high_c is not None
                assert all(space.low_c <= value <= space.high_c for _, value in day[probe.code]), probe.code


def test_hardly_anything_seems_to_rise(day: Series) -> None:
    """The product is buffered: fewer than one in a hundred twenty-minute slopes is steeper than 0.8 °C/h."""
    steep = total = 0
    for site in IBERIA.sites:
        for space in site.spaces:
            for probe in space.judging:
                rows = [(float(at), value) for at, value in day[probe.code]]
                for end in range(21, len(rows), 5):
                    slope = slope_per_h(rows[end - 21 : end])
                    assert slope is not None
                    total += 1
                    steep += slope >= RISE_C_PER_H
    assert steep / total < 0.01


def test_no_healthy_probe_looks_frozen(day: Series) -> None:
    """The longest time that a value stands still is far from what makes a sensor doubted."""
    for site in IBERIA.sites:
        for space in site.spaces:
            for probe in space.judging:
                assert _longest_still_s(day[probe.code]) < frozen_after_s(0.0, probe.interval_s) / 2, probe.code


def _longest_still_s(rows: list[tuple[int, float]]) -> int:
    longest, since = 0, rows[0][0]
    for (_, before), (at, value) in pairwise(rows):
        if value != before:
            since = at
        longest = max(longest, at - since)
    return longest


def test_defrosts_show_in_the_supply_and_not_in_the_product(day: Series) -> None:
    """While a coil is defrosted the supply air leaves the range; the product stays within half a degree."""
    defrost, supply = dict(day["cordoba-fridge-1-defrost"]), day["cordoba-fridge-1-supply"]
    on = sorted(at for at, value in defrost.items() if value)
    assert on
    first = on[0]
    during = [value for at, value in supply if first <= at < first + 720]
    product = [value for at, value in day["cordoba-fridge-1-probe-1"] if first - 600 <= at < first + 1800]
    assert max(during) > 9.0
    assert max(product) - min(product) <= 0.6


def test_humidity_stays_ordinary(day: Series) -> None:
    """No door of an ordinary day makes a humid space."""
    for code, rows in day.items():
        if _living()[code].quantity == "humidity":
            assert max(value for _, value in rows) < 75, code


def test_doors_are_used_by_day(day: Series) -> None:
    """Nine of ten openings of the fridges fall between 06:00 and 21:00 UTC."""
    openings = [
        at
        for code, rows in day.items()
        if _living()[code].quantity == "door" and "fridge" in code
        for (_, before), (at, value) in pairwise(rows)
        if value > before
    ]
    by_day = [at for at in openings if 6 <= (at // 3600) % 24 < 21]
    assert len(openings) > 150
    assert len(by_day) / len(openings) > 0.9


def test_compressors_cycle(day: Series) -> None:
    """Each fridge starts its compressor many times a day and never runs without a pause."""
    for code, rows in day.items():
        if _living()[code].quantity == "compressor" and "fridge" in code:
            starts = sum(value > before for (_, before), (_, value) in pairwise(rows))
            assert 15 <= starts <= 300, (code, starts)
