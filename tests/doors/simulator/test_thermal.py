"""The heat of a space: energy is conserved, time constants are believable, controllers behave."""

from __future__ import annotations

from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT
from waystation.simulator.network import load
from waystation.simulator.thermal import (
    RESIDUAL_KG,
    STEP_S,
    Inputs,
    State,
    Thermal,
    heat_into_air_w,
    mix,
    start_state,
    step,
    take,
)

KINDS = {kind: Thermal(**p) for kind, p in load(ROOT / "scenarios" / "iberia" / "network.json").raw["physics"].items()}
LIMITS_C = {"fridge": 8.0, "freezer": -15.0, "cold_room": 8.0}
kinds = st.sampled_from(sorted(KINDS))
temperatures = st.floats(-30, 40)
inputs_of = st.builds(
    Inputs,
    ambient_c=st.floats(-10, 45),
    door_share=st.floats(0, 1),
    has_power=st.booleans(),
    can_cool=st.booleans(),
    is_defrosting=st.booleans(),
)


def _energy_j(thermal: Thermal, state: State) -> float:
    kg = max(state.product_kg, RESIDUAL_KG)
    return 1000 * (thermal.air_kj_per_k * state.air_c + kg * thermal.product_kj_per_kg_k * state.product_c)


@given(kinds, temperatures, temperatures, inputs_of)
def test_what_flows_in_is_what_is_stored(kind: str, air_c: float, product_c: float, inputs: Inputs) -> None:
    """In each minute the stored heat changes by the heat that entered the air from outside; the exchange cancels."""
    thermal = KINDS[kind]
    state = State(air_c, product_c, thermal.product_kg, 50.0)
    before = state.copy()
    step(thermal, state, inputs)
    before.is_cooling, before.is_heating = state.is_cooling, state.is_heating
    entered_j = heat_into_air_w(thermal, before, inputs) * STEP_S
    stored_j = _energy_j(thermal, state) - _energy_j(thermal, before)
    assert isclose(entered_j, stored_j, rel_tol=1e-9, abs_tol=1e-3)


@given(kinds, temperatures, temperatures, st.floats(-10, 45))
def test_a_dead_space_stays_between_what_it_was_and_what_surrounds_it(
    kind: str, air_c: float, product_c: float, ambient_c: float
) -> None:
    """Without power nothing gets colder than the coldest or warmer than the warmest of the three."""
    thermal = KINDS[kind]
    state = State(air_c, product_c, thermal.product_kg, 50.0)
    low, high = min(air_c, product_c, ambient_c), max(air_c, product_c, ambient_c)
    for _ in range(200):
        step(thermal, state, Inputs(ambient_c, has_power=False))
        assert low - 1e-9 <= state.air_c <= high + 1e-9
        assert low - 1e-9 <= state.product_c <= high + 1e-9


@given(kinds, st.floats(10, 40))
@settings(max_examples=25)
def test_a_dead_space_ends_at_its_surroundings(kind: str, ambient_c: float) -> None:
    """After ten time constants only a trace of the difference is left."""
    thermal = KINDS[kind]
    state = start_state(thermal, ambient_c)
    for _ in range(int(10 * thermal.time_constant_s() / STEP_S)):
        step(thermal, state, Inputs(ambient_c, has_power=False))
    assert abs(state.product_c - ambient_c) < 0.05


@pytest.mark.parametrize("kind", sorted(LIMITS_C))
def test_a_failed_compressor_leaves_hours_not_minutes(kind: str) -> None:
    """From its set point at 24 °C outside the product reaches its limit in two to four hours."""
    thermal = KINDS[kind]
    state, minutes = start_state(thermal, 24.0), 0
    while state.product_c <= LIMITS_C[kind]:
        step(thermal, state, Inputs(24.0, can_cool=False))
        minutes += 1
    assert 120 <= minutes <= 240


def test_the_failed_fridge_takes_two_to_three_hours() -> None:
    """The ordinary 2 to 8 fridge of the network."""
    thermal = KINDS["fridge"]
    state, minutes = start_state(thermal, 24.0), 0
    while state.product_c <= 8.0:
        step(thermal, state, Inputs(24.0, can_cool=False))
        minutes += 1
    assert 120 <= minutes <= 200


@pytest.mark.parametrize("kind", ["fridge", "freezer", "cold_room"])
def test_the_controller_holds_the_space_with_a_part_of_its_time(kind: str) -> None:
    """At 24 °C outside the compressor runs a quarter to a half of the day, and the product never leaves its limits."""
    thermal = KINDS[kind]
    state = start_state(thermal, 24.0)
    runs, warmest = 0, -99.0
    for _ in range(1440):
        step(thermal, state, Inputs(24.0))
        runs += state.is_cooling
        warmest = max(warmest, state.product_c)
    assert 0.15 <= runs / 1440 <= 0.5
    assert warmest < LIMITS_C[kind] - 1.0


def test_a_defrost_is_seen_in_the_supply_and_hardly_in_the_product() -> None:
    """Twenty minutes of defrost: supply air far up, product less than half a degree."""
    thermal = KINDS["fridge"]
    state = start_state(thermal, 24.0)
    for _ in range(120):
        step(thermal, state, Inputs(24.0))
    before, peak = state.product_c, -99.0
    for _ in range(thermal.defrost_min):
        step(thermal, state, Inputs(24.0, is_defrosting=True))
        assert not state.is_cooling
        peak = max(peak, state.air_c + state.coil_k)
    assert peak > before + 6.0
    assert abs(state.product_c - before) < 0.5


def test_the_product_lags_the_air_when_a_door_stands_open() -> None:
    """Air rises at once; after ten minutes the product has moved by a fraction of it."""
    thermal = KINDS["fridge"]
    state = start_state(thermal, 24.0)
    air_c, product_c = state.air_c, state.product_c
    for _ in range(10):
        step(thermal, state, Inputs(24.0, door_share=1.0, can_cool=False))
    assert state.air_c - air_c > 3.0
    assert 0 < state.product_c - product_c < (state.air_c - air_c) / 4


def test_a_room_is_heated_when_it_is_cold_outside() -> None:
    """The 15 to 25 room holds its range at 2 °C outside."""
    thermal = KINDS["crt_room"]
    state = start_state(thermal, 2.0)
    for _ in range(1440):
        step(thermal, state, Inputs(2.0))
        assert not (state.is_heating and state.is_cooling)
    assert 15.0 < state.product_c < 25.0


@given(st.floats(-20, 20), st.floats(0.1, 100), st.floats(-20, 20))
def test_product_that_comes_in_brings_its_heat(held_c: float, kg: float, at_c: float) -> None:
    """The mixture lies between both, weighted by mass; taking out never leaves less than nothing."""
    state = State(held_c, held_c, 10.0, 50.0)
    mix(state, kg, at_c)
    assert isclose(state.product_c * (10.0 + kg), held_c * 10.0 + at_c * kg, abs_tol=1e-6)
    take(state, 1e6)
    assert state.product_kg == 0.0


def test_air_too_light_for_a_minute_is_refused() -> None:
    """A space whose air would overshoot within a step is no space of this model."""
    values = {name: getattr(KINDS["fridge"], name) for name in KINDS["fridge"].__slots__}
    with pytest.raises(ValueError, match="too light"):
        Thermal(**values | {"air_kj_per_k": 1.0})
