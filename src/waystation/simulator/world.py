"""The whole network on one time axis: it yields what is due, in order, and knows what is true.

world = World(network, seed=7, start=at)
world.script(compressor_controller_failed("cordoba", "fridge-2", later))
for due in world.step(until):
    clock.advance_to(due.at)
    if isinstance(due, Delivery):
        due.send(uplink)
"""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any
from zlib import crc32

from waystation.kernel.refusals import Conflict, NotFound
from waystation.simulator.couriers import ShipmentEvent, courier_of, shipment_events
from waystation.simulator.events import Event, device_replaced, minute_of
from waystation.simulator.gateways import Answer, Gateway, Pace, Uplink, device_key
from waystation.simulator.local_alarms import LocalJudge, rules_of
from waystation.simulator.network import Network, SitePlan
from waystation.simulator.people import people_of
from waystation.simulator.physics import SpaceSeries
from waystation.simulator.power import Circuits, Power
from waystation.simulator.signals import SiteSignals
from waystation.simulator.truth import TrueExcursion, true_excursions

LOCAL_ALARM_AFTER_S = 600


@dataclass(frozen=True, slots=True)
class Delivery:
    """A gateway may send now."""

    at: datetime
    gateway: Gateway

    def send(self, uplink: Uplink) -> Answer:
        """Send what waits; what is not accepted stays and becomes due again."""
        return self.gateway.send(uplink, int(self.at.timestamp()))


@dataclass(frozen=True, slots=True)
class CourierMessage:
    """A courier's message reaches the product now."""

    at: datetime
    event: ShipmentEvent


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A person answers a page now."""

    at: datetime
    person: str
    page: str


Due = Delivery | CourierMessage | Acknowledgement


class SiteAgent:
    """A simulated site: its scripted events, series, signals and gateway."""

    def __init__(self, site: SitePlan, seed: int, start_min: int, pace: Pace, key_seed: int, boot: int) -> None:
        self.site, self.events = site, list[Event]()
        self.power, self.circuits = Power(site, self.events), Circuits(site, self.events)
        self.series = {s.code: SpaceSeries(site, s, seed, start_min, self.power, self.events) for s in site.spaces}
        self.signals = SiteSignals(site, seed, self.events, self.series, self.power)
        judge = LocalJudge(rules_of(site, LOCAL_ALARM_AFTER_S))
        self.gateway = Gateway(site.code, device_key(key_seed, site.code), judge, pace, boot)
        self.phase_s = 2 + crc32(site.code.encode()) % 45
        self._said: dict[str, dict[str, str]] = {d.name: _identity(d.serial, d.model, d.firmware) for d in site.devices}
        self._replaced: list[tuple[int, str, dict[str, str]]] = []
        self._checked_in_s: int | None = None

    def add(self, event: Event) -> None:
        """Script an event; what was computed from its minute on is computed again."""
        self.events.append(event)
        for series in self.series.values():
            series.forget_from(event.at_min)
        self.signals.forget_from(event.at_min)

    def replace(self, device: str, at_min: int, identity: dict[str, str]) -> None:
        """From this minute on another unit says who it is under the device's name."""
        self._replaced.append((at_min, device, identity))

    def live(self, minute: int) -> bool:
        """Let the gateway live through a minute; True when it may send at its end."""
        gateway, signals = self.gateway, self.signals
        if not signals.gateway_runs(minute):
            gateway.stop()
            return False
        at_s, is_cut = minute * 60, not self.circuits.reaches_out(minute)
        if not gateway.is_running:
            gateway.start()
            self._checked_in_s = None
        gateway.sample(at_s, signals.at(minute), is_cut=is_cut)
        if self._checked_in_s is None or at_s - self._checked_in_s >= gateway.pace.check_in_s:
            self._checked_in_s = at_s
            gateway.check_in(self._check_ins(minute))
        return not is_cut and gateway.is_due(at_s + self.phase_s)

    def _check_ins(self, minute: int) -> list[dict[str, str]]:
        for _, device, identity in sorted((r for r in self._replaced if r[0] <= minute), key=lambda r: r[0]):
            self._said[device] = identity
        return [
            {"device": name, "address": f"10.{crc32(self.site.code.encode()) % 250}.0.{number + 10}", **said}
            for number, (name, said) in enumerate(self._said.items())
            if not self.signals.is_dead(name, minute)
        ]


class World:
    """A network that lives from `start` on. `step` moves it; nothing that it said is ever taken back.

    A world that goes on where another ended has its weather from another `seed`, but its gateways' keys from the seed
    under which they were enrolled, and counts boots on from `boots`, the last one of each site.
    """

    def __init__(
        self,
        network: Network,
        *,
        seed: int,
        start: datetime,
        pace: Pace | None = None,
        key_seed: int | None = None,
        boots: Mapping[str, int] | None = None,
    ) -> None:
        self.network, self.seed = network, seed
        self._next_min = self.start_min = minute_of(start)
        self.people = people_of(network.raw["people"])
        lives = [s for s in network.sites if s.state not in ("planned", "retired")]
        keys, last = seed if key_seed is None else key_seed, boots or {}
        self.sites = {
            s.code: SiteAgent(s, seed, self.start_min, pace or Pace(), keys, last.get(s.code, 0)) for s in lives
        }
        self._later: list[tuple[float, int, Due]] = []
        self._tie = count()

    @property
    def now(self) -> datetime:
        """The instant up to which the world has lived."""
        return datetime.fromtimestamp(self._next_min * 60, UTC)

    @property
    def gateways(self) -> Mapping[str, Gateway]:
        """The gateways by site code."""
        return {code: agent.gateway for code, agent in self.sites.items()}

    def enrol(self, machines: Mapping[str, object]) -> None:
        """Tell the gateways under which machine id the product knows them, by site code."""
        for code, machine in machines.items():
            if code in self.sites:
                self.sites[code].gateway.machine = str(machine)

    def script(self, *events: Event) -> None:
        """Let things happen. An event in time that is lived already is refused: nothing said is taken back."""
        for event in events:
            if event.at_min < self._next_min:
                raise Conflict(
                    "simulator.past",
                    f"{event.kind} of {event.target} lies before {self.now:%Y-%m-%d %H:%M} UTC.",
                    "Script it for now or later.",
                )
            self._check(event)
            self._agent_of(event).add(event)

    def replace_device(self, site: str, device: str, at: datetime, *, serial: str, model: str, firmware: str) -> None:
        """A unit is installed in a device's place: it lives, and says who it is at its next check-in."""
        self.script(device_replaced(site, device, at))
        self.sites[site].replace(device, minute_of(at), _identity(serial, model, firmware))

    def move_product(self, origin: str, target: str, at: datetime, *, kg: float | None = None) -> None:
        """Product goes from one `site/space` to another as warm as it is; all of it when `kg` is None."""
        minute = minute_of(at)
        series = self.series(origin)
        held = series.value("product_kg", minute - 1)
        moved = held if kg is None else min(kg, held)
        if moved <= 0:
            raise Conflict("simulator.empty", f"{origin} holds no product.", "Move it from where it is.")
        warm_c = series.value("product_c", minute - 1)
        self.series(target)
        self.script(
            Event("product_taken", origin, minute, kg=moved),
            Event("product_arrived", target, minute, value=warm_c, kg=moved),
        )

    def ship(self, lane: Mapping[str, Any], shipment: str, collected_at: datetime) -> tuple[ShipmentEvent, ...]:
        """A courier collects a shipment: its messages become due, also those that repeat themselves."""
        courier = courier_of(self.network.raw, lane["carrier"])
        events = shipment_events(courier, lane, shipment, collected_at, seed=self.seed)
        for event in events:
            self._add(CourierMessage(event.sent_at, event))
        return events

    def page(self, person: str, page: str, paged_at: datetime, *, is_on_call: bool = False) -> datetime | None:
        """A person is paged: the answer becomes due. Returns its instant, or None when none will come."""
        at = self.people[person].answers_at(page, paged_at, seed=self.seed, is_on_call=is_on_call)
        if at is not None:
            self._add(Acknowledgement(at, person, page))
        return at

    def step(self, until: datetime) -> Iterator[Due]:
        """Live to `until` (excluded, in whole minutes) and yield what is due, by instant."""
        end_min = minute_of(until)
        agents = sorted(self.sites.values(), key=lambda a: (a.phase_s, a.site.code))
        while self._next_min < end_min:
            minute, self._next_min = self._next_min, self._next_min + 1
            for agent in agents:
                if agent.live(minute):
                    at = datetime.fromtimestamp(minute * 60 + agent.phase_s, UTC)
                    yield from self._until(at)
                    yield Delivery(at, agent.gateway)
            yield from self._until(datetime.fromtimestamp(minute * 60 + 60, UTC))

    def series(self, space: str) -> SpaceSeries:
        """The true series of `site/space`."""
        site, _, code = space.partition("/")
        if site not in self.sites or code not in self.sites[site].series:
            raise NotFound("simulator.unknown", f"There is no living space {space!r}.", "Name site/space.")
        return self.sites[site].series[code]

    def truth(self, space: str, begin: datetime, end: datetime) -> list[TrueExcursion]:
        """The true excursions of `site/space` between two instants."""
        return true_excursions(self.series(space), minute_of(begin), minute_of(end))

    def _until(self, at: datetime) -> Iterator[Due]:
        while self._later and self._later[0][0] <= at.timestamp():
            yield heapq.heappop(self._later)[2]

    def _add(self, due: Due) -> None:
        heapq.heappush(self._later, (due.at.timestamp(), next(self._tie), due))

    def _agent_of(self, event: Event) -> SiteAgent:
        for agent in self.sites.values():
            if event.site == agent.site.code or any(s.code == event.target for s in agent.site.all_sensors()):
                return agent
        raise NotFound("simulator.unknown", f"Nothing lives under {event.target!r}.", "Name a site, space or sensor.")

    def _check(self, event: Event) -> None:
        """A target that no part of the site has would change nothing and say nothing: refuse it."""
        agent, (_, _, part) = self._agent_of(event), event.target.partition("/")
        known = {s.code for s in agent.site.spaces} | {d.name for d in agent.site.devices}
        if part and part not in known:
            raise NotFound("simulator.unknown", f"{agent.site.code} has no {part!r}.", "Name a space or a device.")


def _identity(serial: str, model: str, firmware: str) -> dict[str, str]:
    digest = hashlib.sha256(f"{model} {firmware}".encode()).hexdigest()
    return {"serial": serial, "model": model, "firmware": firmware, "config_digest": digest}
