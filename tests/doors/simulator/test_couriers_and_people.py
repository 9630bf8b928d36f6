"""Couriers are late, lose and repeat themselves; people answer late, on shift, or not at all."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from statistics import median, quantiles

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from waystation.simulator.chance import between_quantiles, stream
from waystation.simulator.couriers import Courier, courier_of, shipment_events, travel
from waystation.simulator.network import load
from waystation.simulator.people import PersonPlan, people_of

IBERIA = load(ROOT / "scenarios" / "iberia" / "network.json")
CORREVIA = courier_of(IBERIA.raw, "correvia")
LANE = next(x for x in IBERIA.raw["lanes"] if x["mode"] == "courier" and (x["hub"], x["site"]) == ("madrid", "cordoba"))
PEOPLE = people_of(IBERIA.raw["people"])
MONDAY = datetime(2026, 11, 16, 9, 0, tzinfo=UTC)


@given(st.integers(0, 10**6))
def test_a_shipment_says_its_steps_in_event_time(number: int) -> None:
    """Collected first, delivered or lost last, by the instants at which they happened; nothing is told before it."""
    events = shipment_events(CORREVIA, LANE, f"D-{number}", MONDAY, seed=7)
    by_time = sorted({(x.observed_at, x.kind) for x in events})
    assert by_time[0] == (MONDAY, "collected")
    assert by_time[-1][1] in ("delivered", "lost")
    assert all(x.sent_at >= x.observed_at for x in events)
    assert [x.sent_at for x in events] == sorted(x.sent_at for x in events)
    assert events == shipment_events(CORREVIA, LANE, f"D-{number}", MONDAY, seed=7)


def test_a_duplicate_repeats_the_id_and_the_instant() -> None:
    """A courier that always repeats says everything exactly twice, the second time later."""
    twice = Courier("correvia", 0.0, 1.0, 0.0, 1.0, 3600.0)
    events = shipment_events(twice, LANE, "D-1", MONDAY, seed=7)
    assert set(Counter(x.event_id for x in events).values()) == {2}
    for name in {x.event_id for x in events}:
        first, again = (x for x in events if x.event_id == name)
        assert (first.kind, first.observed_at) == (again.kind, again.observed_at)
        assert again.sent_at > first.sent_at


def test_shares_of_lost_and_repeated_are_those_of_the_courier() -> None:
    """Over a thousand shipments the shares lie near the network's figures."""
    courier = Courier("correvia", 0.0, 1.0, 0.05, 0.12, 5400.0)
    runs = [shipment_events(courier, LANE, f"D-{n}", MONDAY, seed=1) for n in range(1000)]
    lost = sum(any(x.kind == "lost" for x in run) for run in runs) / 1000
    told = sum(len({x.event_id for x in run}) for run in runs)
    repeated = (sum(len(run) for run in runs) - told) / told
    assert 0.03 < lost < 0.07
    assert 0.10 < repeated < 0.14
    assert all(not any(x.kind == "delivered" for x in run) for run in runs if any(x.kind == "lost" for x in run))


def test_a_late_courier_is_later() -> None:
    """The same shipments with an always late courier arrive later, each of them."""
    on_time, late = Courier("c", 0.0, 2.0, 0.0, 0.0, 60.0), Courier("c", 1.0, 2.0, 0.0, 0.0, 60.0)
    for number in range(50):
        arrivals = [
            max(x.observed_at for x in shipment_events(c, LANE, f"D-{number}", MONDAY, seed=1)) for c in (on_time, late)
        ]
        assert arrivals[0] < arrivals[1]


def test_travel_follows_the_quantiles_of_its_lane() -> None:
    """Half are under the median, nine of ten under the nine-of-ten value, none under the fastest."""
    minutes = [travel(LANE, f"D-{n}", 3).total_seconds() / 60 for n in range(2000)]
    assert median(minutes) == pytest.approx(LANE["p50_min"], rel=0.06)
    assert quantiles(minutes, n=10)[-1] == pytest.approx(LANE["p90_min"], rel=0.08)
    assert min(minutes) >= LANE["p10_min"]


@given(st.floats(1, 1e4), st.floats(1, 5))
@settings(max_examples=20)
def test_quantiles_that_cannot_be_are_refused(p50: float, factor: float) -> None:
    """The nine-of-ten value is not under the median."""
    assert between_quantiles(p50, p50 * factor, stream(1, "x")) > 0
    with pytest.raises(ValueError, match="median"):
        between_quantiles(p50, p50 / (factor + 0.1), stream(1, "x"))


def test_a_night_shift_runs_over_midnight() -> None:
    """Diego works 18:00 to 06:00 of the next day, in Madrid's time."""
    diego = PEOPLE["diego-marin"]
    local = {17: False, 18: True, 23: True, 24: True, 29: True, 30: False}
    for hour, expected in local.items():
        at = datetime(2026, 11, 16, tzinfo=UTC) + timedelta(hours=hour - 1)  # CET is an hour ahead
        assert diego.is_on_shift(at) is expected, hour


def test_somebody_is_on_shift_in_operations_at_every_hour_of_the_week() -> None:
    """Day and night join without a gap."""
    operators = [PEOPLE[code] for code in ("diego-marin", "sara-leon")]
    for hour in range(168):
        assert any(p.is_on_shift(MONDAY + timedelta(hours=hour)) for p in operators)


def test_nobody_answers_off_shift_unless_on_call() -> None:
    """A page at night reaches only who is on call."""
    pau, night = PEOPLE["pau-ribas"], datetime(2026, 11, 17, 2, 0, tzinfo=UTC)
    assert pau.answers_at("P-1", night, seed=7) is None
    answered = [pau.answers_at(f"P-{n}", night, seed=7, is_on_call=True) for n in range(20)]
    assert any(answered)
    assert all(a > night for a in answered if a)


def test_delays_and_misses_are_those_of_the_person() -> None:
    """Two thousand pages to one person: the median and the share of missed ones are what the network says."""
    rui = PersonPlan("rui-costa", "Rui Costa", "Europe/Madrid", (), 1500.0, 5400.0, 0.35)
    answers = [rui.answers_at(f"P-{n}", MONDAY, seed=7, is_on_call=True) for n in range(2000)]
    delays = [(a - MONDAY).total_seconds() for a in answers if a]
    assert 1 - len(delays) / 2000 == pytest.approx(0.35, abs=0.04)
    assert median(delays) == pytest.approx(1500, rel=0.12)
    assert answers == [rui.answers_at(f"P-{n}", MONDAY, seed=7, is_on_call=True) for n in range(2000)]
