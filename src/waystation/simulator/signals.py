"""What the sensors of a site say: the truth of its spaces, seen through probes with noise, steps and faults.

A sensor at a minute says a reading each minute; a slower one each interval. Contacts (doors, compressors, faults,
power, circuits) also say each change at once. A sensor whose device is dead says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from zlib import crc32

from waystation.simulator.chance import hourly_noise
from waystation.simulator.events import Event, is_broken
from waystation.simulator.network import SensorPlan, SitePlan
from waystation.simulator.physics import SpaceSeries
from waystation.simulator.power import Circuits, Power

Row = tuple[str, float]
CONTACTS = frozenset(
    {"door", "compressor", "compressor_fault", "defrost", "power", "generator", "wan_primary", "wan_backup"}
)
_FLAGS: Mapping[str, str] = {
    "door": "door",
    "compressor": "compressor",
    "compressor_fault": "fault",
    "defrost": "defrost",
}
_TEMPERATURES: Mapping[str, tuple[str, float, float]] = {  # role: column, bias, noise
    "product": ("product_c", 0.0, 0.04),
    "air_supply": ("supply_c", 0.0, 0.12),
    "air_return": ("air_c", 0.3, 0.10),
    "ambient": ("ambient_c", 0.0, 0.10),
    "cabinet": ("air_c", 0.0, 0.10),
}
HUMIDITY_NOISE_PCT = 0.8


class SiteSignals:
    """The readings of one site by minute. `events` is the live list of the site's events."""

    def __init__(
        self, site: SitePlan, seed: int, events: Sequence[Event], series: Mapping[str, SpaceSeries], power: Power
    ) -> None:
        self.site, self._seed, self._events, self._series, self._power = site, seed, events, series, power
        self._circuits = Circuits(site, events)
        self._hours: dict[int, list[list[Row]]] = {}

    def at(self, minute: int) -> Sequence[Row]:
        """(code, value) of every sensor that speaks in this minute; none while the gateway is dead or without power."""
        hour = minute // 60
        if hour not in self._hours:
            self._hours = {kept: rows for kept, rows in self._hours.items() if kept >= hour - 1}
            self._hours[hour] = self._compute(hour)
        return self._hours[hour][minute % 60]

    def forget_from(self, minute: int) -> None:
        """An event at this minute was added."""
        self._hours = {hour: rows for hour, rows in self._hours.items() if hour < minute // 60}

    def gateway_runs(self, minute: int) -> bool:
        """True while the gateway has power and is not dead."""
        return self._power.feeds_gateway(minute) and not self.is_dead("gateway", minute)

    def is_dead(self, device: str, minute: int) -> bool:
        """True while a device of the site says nothing."""
        target = f"{self.site.code}/{device}"
        return is_broken(self._of(target), "device_dead", "device_replaced", minute) is not None

    def _of(self, target: str) -> list[Event]:
        return [e for e in self._events if e.target == target]

    def _compute(self, hour: int) -> list[list[Row]]:
        begin = hour * 60
        minutes: list[list[Row]] = [[] for _ in range(60)]
        awake = [self.gateway_runs(begin + n) for n in range(60)]
        dead = {e.target.partition("/")[2] for e in self._events if e.kind == "device_dead" and e.at_min < begin + 60}
        for sensor in self.site.all_sensors():
            values = self._values(sensor, begin)
            every = max(1, sensor.interval_s // 60)
            phase = crc32(sensor.code.encode()) % every
            is_contact, before = sensor.quantity in CONTACTS, values[0]
            watch = sensor.device if sensor.device in dead else ""
            for number in range(60):
                value = values[number + 1]
                due = (begin + number + phase) % every == 0 or (is_contact and value != before)
                before = value
                if due and awake[number] and not (watch and self.is_dead(watch, begin + number)):
                    minutes[number].append((sensor.code, value))
        return minutes

    def _values(self, sensor: SensorPlan, begin: int) -> list[float]:
        """Sixty-one values: that of the minute before, then those of the hour."""
        if sensor.space:
            values = self._of_space(sensor, begin - 1, begin + 60)
        else:
            read = self._of_site(sensor)
            values = [read(minute) for minute in range(begin - 1, begin + 60)]
        faults = self._of(sensor.code)
        if not faults:
            return values
        return [self._through(sensor, faults, begin - 1 + n, value) for n, value in enumerate(values)]

    def _of_space(self, sensor: SensorPlan, begin: int, end: int) -> list[float]:
        series = self._series[sensor.space]
        if sensor.quantity in _FLAGS:
            return [float(flag) for flag in series.flags(_FLAGS[sensor.quantity], begin, end)]
        if sensor.quantity == "humidity":
            column, bias, noise = "humidity_pct", 0.0, HUMIDITY_NOISE_PCT
        else:
            column, bias, noise = _TEMPERATURES[sensor.role]
        bias += sensor.offset_c
        true = series.span(column, begin, end)
        errors = [e for h in range(begin // 60, (end - 1) // 60 + 1) for e in hourly_noise(self._seed, sensor.code, h)]
        errors = errors[begin % 60 : begin % 60 + end - begin]
        step = sensor.resolution
        read = [round(round((c + bias + noise * e) / step) * step, 6) for c, e in zip(true, errors, strict=True)]
        low, high = sensor.low_possible, sensor.high_possible
        if low is None or high is None:
            return read
        return [min(high, max(low, value)) for value in read]

    def _of_site(self, sensor: SensorPlan) -> Callable[[int], float]:
        power, circuits = self._power, self._circuits
        reads: Mapping[str, Callable[[int], float]] = {
            "power": power.mains,
            "generator": power.generator,
            "ups": lambda minute: float(round(power.ups_min(minute))),
            "wan_primary": lambda minute: circuits.is_up("primary", minute),
            "wan_backup": lambda minute: circuits.is_up("backup", minute),
            "heartbeat": lambda _minute: 1.0,
        }
        read = reads[sensor.quantity]
        return lambda minute: float(read(minute))

    def _through(self, sensor: SensorPlan, faults: Sequence[Event], minute: int, value: float) -> float:
        """The value that a faulty probe says in place of `value`."""
        frozen = is_broken(faults, "probe_frozen", "probe_replaced", minute)
        if frozen is None:
            return value
        if frozen.value is not None:
            return frozen.value
        if sensor.space:
            return self._of_space(sensor, frozen.at_min, frozen.at_min + 1)[0]
        return self._of_site(sensor)(frozen.at_min)
