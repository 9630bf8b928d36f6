"""The heat of one space, minute by minute: air and product, each first order, with what warms and cools them.

    air:      C_air  dT/dt = UA (ambient - T) + UA_product (product - T) + UA_door x open share + heat - cooling
    product:  C_prod dT/dt = UA_product (air - product)

All powers in watts, heat capacities in kJ/K, temperatures in degrees Celsius. One step is one minute; the inputs
of the minute are arguments, so a series depends on its inputs and its beginning alone.
"""

from __future__ import annotations

from dataclasses import dataclass

STEP_S = 60.0
RESIDUAL_KG = 1.5  # probes' buffer bottles and shelves: what stays when the product is gone


@dataclass(frozen=True, slots=True)
class Thermal:
    """What a space is made of, and how its controller works."""

    setpoint_c: float
    hysteresis_c: float
    cooling_w: float
    heating_w: float
    load_w: float
    ua_w_per_k: float
    air_kj_per_k: float
    product_kg: float
    product_kj_per_kg_k: float
    product_ua_w_per_k: float
    door_ua_w_per_k: float
    openings_per_day: float
    open_min: float
    defrost_every_h: float
    defrost_min: int
    defrost_w: float
    supply_drop_k: float
    humidity_pct: float

    def __post_init__(self) -> None:
        worst = self.ua_w_per_k + self.product_ua_w_per_k + self.door_ua_w_per_k
        if worst * STEP_S >= self.air_kj_per_k * 1000 or self.product_kg < 0:
            raise ValueError("the air of this space is too light for steps of one minute")

    def time_constant_s(self, product_kg: float | None = None) -> float:
        """How fast the whole space follows its surroundings without cooling, with that much product in it."""
        held = self.product_kg if product_kg is None else product_kg
        return 1000 * (self.air_kj_per_k + held * self.product_kj_per_kg_k) / self.ua_w_per_k


@dataclass(slots=True)
class State:
    """The space at a minute: temperatures, what runs, humidity and the mass of product inside."""

    air_c: float
    product_c: float
    product_kg: float
    humidity_pct: float
    is_cooling: bool = False
    is_heating: bool = False
    coil_k: float = 0.0  # how much the supply air differs from the air of the space

    def copy(self) -> State:
        """The same state, apart."""
        return State(
            self.air_c,
            self.product_c,
            self.product_kg,
            self.humidity_pct,
            self.is_cooling,
            self.is_heating,
            self.coil_k,
        )


@dataclass(frozen=True, slots=True)
class Inputs:
    """What acts on the space in one minute. `door_share` is the part of the minute that the door is open."""

    ambient_c: float
    door_share: float = 0.0
    has_power: bool = True
    can_cool: bool = True
    is_defrosting: bool = False


def start_state(thermal: Thermal, ambient_c: float) -> State:
    """The space as it stands when it has run for long: at its set point, or where the surroundings hold it."""
    if thermal.cooling_w or thermal.heating_w:
        at = thermal.setpoint_c
    else:
        at = ambient_c + thermal.load_w / thermal.ua_w_per_k
    return State(at, at, thermal.product_kg, thermal.humidity_pct)


def step(thermal: Thermal, state: State, inputs: Inputs) -> None:
    """Move the state on by one minute."""
    _control(thermal, state, inputs)
    heat_w = heat_into_air_w(thermal, state, inputs)
    exchange_w = product_exchange_w(thermal, state)
    kg = max(state.product_kg, RESIDUAL_KG)
    state.air_c += (heat_w + exchange_w) * STEP_S / (thermal.air_kj_per_k * 1000)
    state.product_c -= exchange_w * STEP_S / (kg * thermal.product_kj_per_kg_k * 1000)
    if inputs.is_defrosting and inputs.has_power:
        target_k = 9.0
    elif state.is_cooling:
        target_k = -thermal.supply_drop_k
    elif state.is_heating:
        target_k = thermal.supply_drop_k
    else:
        target_k = 0.3
    state.coil_k += (target_k - state.coil_k) * 0.3
    wet = thermal.humidity_pct + 14.0 * inputs.door_share + (5.0 if inputs.is_defrosting else 0.0)
    state.humidity_pct += (wet - state.humidity_pct) * (0.5 if wet > state.humidity_pct else 0.12)


def _control(thermal: Thermal, state: State, inputs: Inputs) -> None:
    """Thermostat with hysteresis on the air; off without power, in a defrost, or when the controller is dead."""
    if not inputs.has_power:
        state.is_cooling = state.is_heating = False
        return
    low, high = thermal.setpoint_c - thermal.hysteresis_c, thermal.setpoint_c + thermal.hysteresis_c
    if thermal.cooling_w:
        wants = state.air_c > high or (state.is_cooling and state.air_c > low)
        state.is_cooling = wants and inputs.can_cool and not inputs.is_defrosting
    if thermal.heating_w:
        below, enough = low - thermal.hysteresis_c, low
        state.is_heating = state.air_c < below or (state.is_heating and state.air_c < enough)


def heat_into_air_w(thermal: Thermal, state: State, inputs: Inputs) -> float:
    """Heat that flows into the air from everything but the product."""
    ua = thermal.ua_w_per_k + thermal.door_ua_w_per_k * inputs.door_share
    heat_w = ua * (inputs.ambient_c - state.air_c)
    if inputs.has_power:
        heat_w += thermal.load_w
        if inputs.is_defrosting:
            heat_w += thermal.defrost_w
        if state.is_cooling:
            heat_w -= thermal.cooling_w
        elif state.is_heating:
            heat_w += thermal.heating_w
    return heat_w


def product_exchange_w(thermal: Thermal, state: State) -> float:
    """Heat from the product into the air; little product has little surface."""
    share = min(1.0, max(state.product_kg, RESIDUAL_KG) / thermal.product_kg) if thermal.product_kg else 1.0
    return thermal.product_ua_w_per_k * share * (state.product_c - state.air_c)


def mix(state: State, kg: float, at_c: float) -> None:
    """Product of `kg` at `at_c` comes in beside what is there."""
    held = max(state.product_kg, RESIDUAL_KG)
    state.product_c = (state.product_c * held + at_c * kg) / (held + kg)
    state.product_kg += kg


def take(state: State, kg: float) -> None:
    """Product of `kg` goes out; never more than there is."""
    state.product_kg = max(0.0, state.product_kg - kg)
