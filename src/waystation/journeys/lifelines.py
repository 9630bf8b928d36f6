"""What keeps a site in reach and under power: circuits, tests of its uplinks, traffic, mains, generator, batteries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from waystation.alarms.rules.power import PowerVerdict, Supply, generator_state, localise
from waystation.evidence import queries as evidence
from waystation.evidence.models import Event
from waystation.fleet import queries as fleet
from waystation.fleet.rules.survival import Seen, failure_of_test, survival
from waystation.journeys.circuits import CircuitState, circuit_states
from waystation.journeys.conditions import all_sensors, cabinet_margin_k, fresh, generator_facts
from waystation.kernel.authority import Authority
from waystation.registry.models import Device, Site
from waystation.registry.queries import neighbours
from waystation.registry.rules.traffic import TrafficClass, contradictions, traffic_of
from waystation.telemetry import queries as telemetry
from waystation.telemetry.models import UplinkTest
from waystation.telemetry.rules.dew import dew_point_c
from waystation.telemetry.rules.uplink_test import Carried, carried, standing
from waystation.telemetry.views import SensorView, SiteView, SpaceView

PERIOD = timedelta(days=30)
BATTERY_WARNED = timedelta(days=60)
SHUTDOWN = "telemetry.shutdown_step"
MOST_STEPS = 200
MOST_TESTS = 10


@dataclass(frozen=True, slots=True)
class Battery:
    """A device with a battery, or a UPS whose battery nobody recorded. Ages in days; None where not recorded."""

    device: str
    fitted_on: date | None
    due_on: date | None
    age_days: int | None
    left_days: int | None

    @property
    def warning(self) -> str:
        """What is to be done, empty when nothing is."""
        if self.left_days is None:
            return "no replacement date is recorded"
        if self.left_days < 0:
            return f"overdue for {-self.left_days} days"
        return f"due in {self.left_days} days" if self.left_days <= BATTERY_WARNED.days else ""


@dataclass(frozen=True, slots=True)
class Power:
    """How a site is fed. `runtime_min` is the UPS's own word at its present load; `fuel_pct` the generator's."""

    verdict: PowerVerdict
    generator: str
    fuel_pct: SensorView | None
    runtime_min: SensorView | None
    load_pct: SensorView | None
    batteries: tuple[Battery, ...]


@dataclass(frozen=True, slots=True)
class Cabinet:
    """The air of an edge cabinet, apart from the spaces for product. Degrees Celsius; None where it is not known."""

    name: str
    code: str
    air_c: float | None
    humidity_pct: float | None
    dew_point_c: float | None
    margin_k: float | None
    door: bool | None


@dataclass(frozen=True, slots=True)
class TestOfUplink:
    """A test of one uplink: how it stands, and for each of the three when its last message came over that path."""

    row: UplinkTest
    standing: str
    came: tuple[Carried, ...]


@dataclass(frozen=True, slots=True)
class ShutdownStep:
    """One step that an agent took, or took back, as it told it."""

    at: datetime
    number: int
    what: str
    why: str
    is_undone: bool


@dataclass(frozen=True, slots=True)
class Lifelines:
    """Everything that the page shows of a site."""

    site: Site
    circuits: tuple[CircuitState, ...]
    tests: tuple[TestOfUplink, ...]
    traffic: tuple[TrafficClass, ...]
    sheds: dict[str, str]
    contradictions: tuple[str, ...]
    power: Power
    cabinets: tuple[Cabinet, ...]
    shutdown: tuple[ShutdownStep, ...]
    survival: dict[str, dict[str, Seen | None]]


def lifelines(by: Authority, site: Site, now: datetime) -> Lifelines:
    """How a site stands now; circuits over the last 30 days."""
    by.require("registry.read", site.pk)
    view = telemetry.site_view(site.pk, now)
    tests = tuple(_test(row, now) for row in telemetry.uplink_tests(site.pk, MOST_TESTS))
    sheds = telemetry.sheds_of(site.pk)
    classes = traffic_of(site.template.traffic)
    on_backup = [kind.strip() for kind in sheds.get("backup", "").split(",") if kind.strip()]
    steps = evidence.events_at(site.pk, SHUTDOWN, now - PERIOD, MOST_STEPS)
    return Lifelines(
        site=site,
        circuits=tuple(circuit_states([site], now - PERIOD, now)),
        tests=tests,
        traffic=classes,
        sheds=sheds,
        contradictions=tuple(contradictions(classes, on_backup)),
        power=power_of(site, view, now),
        cabinets=tuple(_cabinet(s) for s in view.spaces if s.kind == "cabinet"),
        shutdown=tuple(_step(e) for e in steps),
        survival=survival(_seen(site, tests)),
    )


def power_of(site: Site, view: SiteView, now: datetime) -> Power:
    """Where power is lost if it is, how generator and UPS stand, and the batteries."""
    said = generator_facts(view)
    devices = Device.objects.filter(site=site, removed_at=None)
    batteries = [_battery(d, now.date()) for d in devices if d.component_class == "ups" or d.battery_due_on]
    return Power(
        verdict=power_verdict(site, view, now),
        generator=generator_state(said) if view.of("generator") or view.of("generator_fault") else "",
        fuel_pct=view.of("generator_fuel"),
        runtime_min=view.of("ups"),
        load_pct=view.of("ups_load"),
        batteries=tuple(batteries),
    )


def power_verdict(site: Site, view: SiteView, now: datetime) -> PowerVerdict:
    """One outlet, the facility or the utility: from the site's own meters and those of the sites around it."""
    own = [_supply(s, s.name) for s in all_sensors(view) if s.quantity == "power"]
    if not any(s.is_on is False for s in own):
        return localise(own, [])
    around = {s.pk: s for s in neighbours(site)}
    heard = telemetry.signals_of_sites(list(around), ["power"], now)
    return localise(own, [_supply(s, around[key].name) for (key, _), s in heard.items()])


def _supply(sensor: SensorView, name: str) -> Supply:
    """A meter that fell silent after it said that power was lost keeps that word: it may have died of it."""
    said = fresh(sensor)
    if said is None and sensor.value == 0:
        said = False
    return Supply(name, said, sensor.since)


def _battery(device: Device, today: date) -> Battery:
    fitted, due = device.battery_fitted_on, device.battery_due_on
    age, left = (today - fitted).days if fitted else None, (due - today).days if due else None
    return Battery(device.name, fitted, due, age, left)


def _cabinet(space: SpaceView) -> Cabinet:
    air = next((s for s in space.sensors if s.role == "cabinet" and s.quantity == "temperature"), None)
    air_c, humidity_pct = _value(air), _value(space.of("humidity"))
    dew_c = dew_point_c(air_c, humidity_pct) if air_c is not None and humidity_pct is not None else None
    return Cabinet(space.name, space.code, air_c, humidity_pct, dew_c, cabinet_margin_k(space), fresh(space.of("door")))


def _value(sensor: SensorView | None) -> float | None:
    return None if sensor is None or sensor.is_silent else sensor.value


def _test(row: UplinkTest, now: datetime) -> TestOfUplink:
    came = carried(row.result)
    passed = all(one.passed for one in came)
    how = standing(row.ended_at is not None, row.begun_at is not None, passed, now - row.asked_at)
    return TestOfUplink(row, how, came)


def _step(event: Event) -> ShutdownStep:
    said = event.data
    number = said.get("number")
    return ShutdownStep(
        event.at,
        number if isinstance(number, int) else 0,
        str(said.get("step", "")),
        str(said.get("why", "")),
        bool(said.get("is_undone")),
    )


def _seen(site: Site, tests: Sequence[TestOfUplink]) -> list[Seen]:
    """What people saw in drills, and what the ended tests of uplinks showed of alarms and of remote management."""
    found = [Seen(d.failure, d.function, d.survived, d.at, d.evidence) for d in fleet.drills(site.pk)]
    of = {"alarms": "alarm_forwarding", "remote_management": "supervisory_control"}
    for test in tests:
        failure, ended = failure_of_test(test.row.uplink), test.row.ended_at
        if failure and ended is not None and test.row.result.get("kind") and not test.row.result.get("cause"):
            words = f"test of {test.row.uplink} alone"
            found += [Seen(failure, of[c.what], c.passed, ended, words) for c in test.came if c.what in of]
    return found
