"""Series of spaces: the same seed gives the same truth, in whatever order it is asked."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from waystation.simulator import events as e
from waystation.simulator.network import load
from waystation.simulator.physics import SpaceSeries
from waystation.simulator.power import Circuits, Power
from waystation.simulator.truth import hottest_and_coldest, true_excursions

IBERIA = load(ROOT / "scenarios" / "iberia" / "network.json")
START = datetime(2026, 11, 17, 0, 0, tzinfo=UTC)
START_MIN = e.minute_of(START)
SITE = IBERIA.site("cordoba")


def at(hours: float) -> datetime:
    """Hours after the start."""
    return START + timedelta(hours=hours)


def series_of(*events: e.Event, seed: int = 7, site: str = "cordoba", space: str = "fridge-2") -> SpaceSeries:
    """A space with scripted events."""
    plan, held = IBERIA.site(site), list(events)
    return SpaceSeries(plan, plan.space(space), seed, START_MIN, Power(plan, held), held)


def day(series: SpaceSeries) -> list[float]:
    """A day of true product temperatures."""
    return list(series.span("product_c", START_MIN, START_MIN + 1440))


def test_the_seed_decides_the_day() -> None:
    """Twice the same seed gives the same bytes; another seed another day."""
    assert day(series_of()) == day(series_of())
    assert day(series_of()) != day(series_of(seed=8))


@given(st.lists(st.integers(0, 2000), min_size=1, max_size=12))
@settings(max_examples=25)
def test_the_order_of_asking_changes_nothing(minutes: list[int]) -> None:
    """Any minutes in any order read what a walk through the day reads."""
    walked, jumped = series_of(), series_of()
    by_walk = {m: walked.value("air_c", START_MIN + m) for m in range(2001) if m in minutes}
    by_jump = {m: jumped.value("air_c", START_MIN + m) for m in minutes}
    assert by_walk == by_jump


@given(st.integers(0, 1439), st.integers(0, 1500))
@settings(max_examples=25)
def test_scripting_late_is_scripting_early(failed_min: int, asked_min: int) -> None:
    """An event that is added after the series was computed past it gives the series that knew it from the start."""
    event = e.compressor_controller_failed("cordoba", "fridge-2", START + timedelta(minutes=failed_min))
    early = series_of(event)
    held: list[e.Event] = []
    late = SpaceSeries(SITE, SITE.space("fridge-2"), 7, START_MIN, Power(SITE, held), held)
    late.value("air_c", START_MIN + asked_min)
    held.append(event)
    late.forget_from(event.at_min)
    assert day(early) == day(late)


@given(st.integers(60, 1200))
@settings(max_examples=15)
def test_the_future_does_not_reach_back(failed_min: int) -> None:
    """Before an event the series is what it is without it."""
    event = e.compressor_controller_failed("cordoba", "fridge-2", START + timedelta(minutes=failed_min))
    assert day(series_of(event))[:failed_min] == day(series_of())[:failed_min]


def test_an_ordinary_day_holds_every_space_in_its_profile() -> None:
    """No space of the network leaves its profile by itself."""
    for site in IBERIA.sites:
        for space in site.spaces:
            series = series_of(site=site.code, space=space.code)
            assert true_excursions(series, START_MIN, START_MIN + 1440) == [], space.key


def test_a_failed_controller_is_an_excursion_until_it_is_replaced() -> None:
    """Out two to three hours after the failure; back within hours of the replacement."""
    failed = e.compressor_controller_failed("cordoba", "fridge-2", at(1))
    series = series_of(failed, e.controller_replaced("cordoba", "fridge-2", at(8)))
    (found,) = true_excursions(series, START_MIN, START_MIN + 1440)
    assert found.direction == "high"
    assert found.with_product
    assert 100 <= found.begin_min - failed.at_min <= 200
    assert e.minute_of(at(8)) < found.end_min < e.minute_of(at(12))
    assert series.flag("fault", e.minute_of(at(5))) == 1
    assert series.flag("compressor", e.minute_of(at(5))) == 0
    assert series.flag("fault", e.minute_of(at(8))) == 0


@given(st.integers(0, 600), st.integers(30, 900), st.sampled_from([("cordoba", "fridge-2"), ("malaga", "freezer-1")]))
@settings(max_examples=20)
def test_true_intervals_equal_brute_force_on_the_minutes(begin: int, length: int, where: tuple[str, str]) -> None:
    """A minute lies in an interval exactly when the hottest or coldest place is outside then; intervals are maximal."""
    site, space = where
    since = START + timedelta(minutes=begin)
    failed = e.compressor_controller_failed(site, space, since)
    mended = e.controller_replaced(site, space, since + timedelta(minutes=length))
    series = series_of(failed, mended, site=site, space=space)
    first, last = START_MIN, START_MIN + 1800
    found = true_excursions(series, first, last)
    hot, cold = hottest_and_coldest(series, first, last)
    low_c, high_c = series.plan.low_c, series.plan.high_c
    assert low_c is not None
    assert high_c is not None
    for direction, outside in (("high", [c > high_c for c in hot]), ("low", [c < low_c for c in cold])):
        mine = [x for x in found if x.direction == direction]
        told = [any(x.begin_min <= first + n < x.end_min for x in mine) for n in range(last - first)]
        assert told == outside
        assert all(a.end_min < b.begin_min for a, b in pairwise(mine))
        for one in mine:
            part = (hot if direction == "high" else cold)[one.begin_min - first : one.end_min - first]
            assert one.peak_c == (max(part) if direction == "high" else min(part))
            assert one.minutes == len(part)


def test_an_open_door_warms_and_is_seen() -> None:
    """While it stands open the contact says so in every minute."""
    opened = e.door_left_open("malaga", "fridge-1", at(1), at(2.5))
    series, calm = series_of(opened, site="malaga", space="fridge-1"), series_of(site="malaga", space="fridge-1")
    assert all(series.flags("door", opened.at_min, opened.until_min))
    assert series.value("product_c", e.minute_of(at(2.5))) > calm.value("product_c", e.minute_of(at(2.5))) + 1.0


def test_a_humidity_blip_moves_no_temperature() -> None:
    """Only humidity reads higher, and only in that time."""
    blip = e.humidity_blip("cordoba", "fridge-2", at(1), at(1.5))
    series, calm = series_of(blip), series_of()
    assert day(series) == day(calm)
    inside, after = e.minute_of(at(1.2)), e.minute_of(at(1.6))
    assert series.value("humidity_pct", inside) == pytest.approx(min(100, calm.value("humidity_pct", inside) + 25))
    assert series.value("humidity_pct", after) == calm.value("humidity_pct", after)


def test_mains_that_are_lost_stop_the_compressor_and_drain_the_ups() -> None:
    """Compressors stop at once, the UPS loses a minute each minute to nothing, and wins back slowly."""
    held = [e.mains_lost("cordoba", at(1), at(4))]
    power = Power(SITE, held)
    lost = held[0].at_min
    assert power.ups_min(lost - 1) == power.ups_min(lost) == 60
    assert power.ups_min(lost + 20) == 40
    assert not power.feeds_compressors(lost)
    assert power.feeds_gateway(lost + 59)
    assert not power.feeds_gateway(lost + 60)
    assert power.feeds_gateway(held[0].until_min)
    assert power.ups_min(held[0].until_min + 40) == 10
    series = series_of(*held)
    assert not any(series.flags("compressor", lost, held[0].until_min))


def test_a_generator_takes_over() -> None:
    """Toledo has one: compressors run again, the UPS hardly drains."""
    site = IBERIA.site("toledo")
    held = [e.mains_lost("toledo", at(1), at(6))]
    power, lost = Power(site, held), held[0].at_min
    assert not power.feeds_compressors(lost)
    assert power.generator(lost + 5)
    assert power.feeds_compressors(lost + 5)
    assert not power.mains(lost + 5)
    assert all(power.feeds_gateway(m) for m in range(lost, held[0].until_min))
    assert not power.generator(held[0].until_min)


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(1, 300)), max_size=4))
def test_the_ups_stays_between_nothing_and_full(outages: list[tuple[int, int]]) -> None:
    """Whatever the outages, also overlapping ones, and never a jump down of more than a minute in a minute."""
    held = [
        e.mains_lost("cordoba", START + timedelta(minutes=a), START + timedelta(minutes=a + length))
        for a, length in outages
    ]
    power = Power(SITE, held)
    left = [power.ups_min(START_MIN + m) for m in range(900)]
    assert all(0 <= x <= 60 for x in left)
    assert all(-1.0 <= b - a <= 0.25 + 1e-9 for a, b in pairwise(left))


def test_circuits_are_cut_one_by_one_or_both() -> None:
    """A backup carries the site while the primary is cut; Évora has none."""
    held = [e.wan_cut("cordoba", at(1), at(2), "primary"), e.wan_cut("cordoba", at(3), at(4))]
    circuits = Circuits(SITE, held)
    assert not circuits.is_up("primary", e.minute_of(at(1)))
    assert circuits.reaches_out(e.minute_of(at(1)))
    assert not circuits.reaches_out(e.minute_of(at(3)))
    assert circuits.reaches_out(e.minute_of(at(4)))
    evora = Circuits(IBERIA.site("evora"), [e.wan_cut("evora", at(1), at(2), "primary")])
    assert not evora.reaches_out(e.minute_of(at(1)))


def test_time_before_the_simulation_is_refused() -> None:
    """Nothing is invented for it."""
    with pytest.raises(ValueError, match="before"):
        series_of().value("air_c", START_MIN - 100_000)


def test_events_that_end_before_they_begin_are_refused() -> None:
    """And instants without a zone, and paths that are none."""
    with pytest.raises(ValueError, match="ends before"):
        e.mains_lost("cordoba", at(2), at(1))
    with pytest.raises(ValueError, match="time zone"):
        e.gateway_dead("cordoba", at(1).replace(tzinfo=None))
    with pytest.raises(ValueError, match="no path"):
        e.wan_cut("cordoba", at(1), at(2), "third")
