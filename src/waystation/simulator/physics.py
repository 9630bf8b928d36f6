"""The series of one space, minute by minute, computed when asked and only once.

A series depends on the seed, the plan and the scripted events alone: never on the order or the size of the steps in
which it is asked. A new event cuts the series off at its hour and what follows is computed again.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence

from waystation.simulator.events import Event, is_broken
from waystation.simulator.network import SitePlan, SpacePlan
from waystation.simulator.power import Power
from waystation.simulator.surroundings import Ambient, door_shares, is_defrosting
from waystation.simulator.thermal import Inputs, State, mix, start_state, step, take

SETTLE_MIN = 720  # computed before the start, so that the first minute stands in the middle of ordinary life
COLUMNS = ("air_c", "product_c", "supply_c", "humidity_pct", "product_kg", "ambient_c")
FLAGS = ("door", "compressor", "defrost", "fault")


class SpaceSeries:
    """What is true in a space at each minute since the epoch, from `start_min` on."""

    def __init__(
        self, site: SitePlan, space: SpacePlan, seed: int, start_min: int, power: Power, events: Sequence[Event]
    ) -> None:
        self.plan, self._site, self._seed, self._power, self._events = space, site, seed, power, events
        self._ambient = Ambient(site, seed)
        self.start_min = (start_min // 60) * 60 - SETTLE_MIN
        self._columns: dict[str, array[float]] = {name: array("d") for name in COLUMNS}
        self._flags: dict[str, bytearray] = {name: bytearray() for name in FLAGS}
        self._states = [start_state(space.thermal, self._ambient.at(self.start_min))]  # one at each full hour

    @property
    def computed_to_min(self) -> int:
        """The first minute that is not computed yet."""
        return self.start_min + len(self._columns["air_c"])

    def value(self, column: str, minute: int) -> float:
        """A column of `COLUMNS` at a minute."""
        return self._columns[column][self._index(minute)]

    def flag(self, name: str, minute: int) -> int:
        """A flag of `FLAGS` at a minute, 0 or 1."""
        return self._flags[name][self._index(minute)]

    def span(self, column: str, begin_min: int, end_min: int) -> Sequence[float]:
        """A column over a half-open span of minutes."""
        if end_min <= begin_min:
            return ()
        self._index(end_min - 1)
        offset = self._index(begin_min)
        return self._columns[column][offset : offset + end_min - begin_min]

    def flags(self, name: str, begin_min: int, end_min: int) -> Sequence[int]:
        """A flag over a half-open span of minutes."""
        if end_min <= begin_min:
            return ()
        self._index(end_min - 1)
        offset = self._index(begin_min)
        return self._flags[name][offset : offset + end_min - begin_min]

    def forget_from(self, minute: int) -> None:
        """An event at this minute was added: compute again from its hour."""
        hours = max(0, (minute - self.start_min) // 60)
        del self._states[hours + 1 :]
        for column in self._columns.values():
            del column[hours * 60 :]
        for flags in self._flags.values():
            del flags[hours * 60 :]

    def _index(self, minute: int) -> int:
        index = minute - self.start_min
        if index < 0:
            raise ValueError(f"minute {minute} lies before the simulated time")
        while index >= len(self._columns["air_c"]):
            self._compute_hour()
        return index

    def _compute_hour(self) -> None:
        begin = self.computed_to_min
        state = self._states[-1].copy()
        doors = door_shares(self.plan.thermal, self.plan.key, self._site.zone, self._seed, begin // 60)
        mine = [e for e in self._events if e.target == self.plan.key and e.at_min < begin + 60]
        power_holds = self._power.mains(begin) and not any(
            e.kind == "mains_lost" and begin <= e.at_min < begin + 60 for e in self._events
        )
        for number in range(60):
            minute = begin + number
            inputs = self._inputs(minute, doors[number], mine, power_holds or self._power.feeds_compressors(minute))
            self._load(state, minute, mine)
            step(self.plan.thermal, state, inputs)
            self._write(state, inputs, minute, mine)
        self._states.append(state)

    def _inputs(self, minute: int, door: float, mine: Sequence[Event], has_power: bool) -> Inputs:
        thermal = self.plan.thermal
        can_cool = True
        if mine:
            if any(e.kind == "door_left_open" and e.holds(minute) for e in mine):
                door = 1.0
            can_cool = not self._is_failed(minute, mine)
        defrost = has_power and can_cool and is_defrosting(thermal, self.plan.key, self._seed, minute)
        return Inputs(self._ambient.at(minute), door, has_power, can_cool, defrost)

    @staticmethod
    def _is_failed(minute: int, mine: Sequence[Event]) -> bool:
        return is_broken(mine, "compressor_controller_failed", "controller_replaced", minute) is not None

    @staticmethod
    def _load(state: State, minute: int, mine: Sequence[Event]) -> None:
        for event in mine:
            if event.at_min == minute and event.kind == "product_taken":
                take(state, event.kg)
            elif event.at_min == minute and event.kind == "product_arrived" and event.value is not None:
                mix(state, event.kg, event.value)

    def _write(self, state: State, inputs: Inputs, minute: int, mine: Sequence[Event]) -> None:
        blip = sum(e.value or 0.0 for e in mine if e.kind == "humidity_blip" and e.holds(minute)) if mine else 0.0
        columns, flags = self._columns, self._flags
        columns["air_c"].append(state.air_c)
        columns["product_c"].append(state.product_c)
        columns["supply_c"].append(state.air_c + state.coil_k)
        columns["humidity_pct"].append(min(100.0, state.humidity_pct + blip))
        columns["product_kg"].append(state.product_kg)
        columns["ambient_c"].append(inputs.ambient_c)
        flags["door"].append(inputs.door_share > 0)
        flags["compressor"].append(state.is_cooling)
        flags["defrost"].append(inputs.is_defrosting)
        flags["fault"].append(not inputs.can_cool)
