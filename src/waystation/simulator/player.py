"""Plays a simulated network against the product: gateways by HTTP, people and couriers through the product's actions,
and the platform's own loops at the pace of the fast clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from waystation import wiring
from waystation.access import queries as principals
from waystation.alarms import actions as alarms
from waystation.alarms import queries as alarm_queries
from waystation.evidence import outbox, sequencer, stream
from waystation.incidents import actions as incidents
from waystation.journeys import runs
from waystation.journeys.reading import Rounds
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import Refusal
from waystation.simulator.gateways import Uplink
from waystation.simulator.setup import Built
from waystation.simulator.world import Acknowledgement, CourierMessage, Delivery, World
from waystation.spares.actions import hold, travel
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.hours import Hours

MINUTE = timedelta(minutes=1)
CHECKPOINT_EVERY, SEAL_EVERY = timedelta(minutes=30), timedelta(hours=4)
KEEP_AT = (16, 46)  # an hour is kept a quarter of an hour after it ended
Step = Callable[[datetime], None]


class Player:
    """One run: the world, the product's judge, and what is scripted for people to do."""

    def __init__(self, world: World, built: Built, clock: FastClock, uplink: Uplink) -> None:
        self.world, self.built, self.clock, self.uplink = world, built, clock, uplink
        self.rounds, self.hours = Rounds(), Hours()
        self.system = principals.system_authority("player")
        self.codes = {person_id: code for code, person_id in built.people.items()}
        self.script: list[tuple[datetime, Step]] = []
        self.refusals: list[tuple[datetime, str]] = []
        self.accepted = 0
        self._paged: set[Any] = set()
        self._pages: dict[str, UUID] = {}

    def at(self, when: datetime, step: Step) -> None:
        """Somebody does something at an instant."""
        self.script.append((when, step))
        self.script.sort(key=lambda item: item[0])

    def who(self, code: str) -> Authority:
        """The live authority of a person of the network."""
        person = principals.person(self.built.people[code])
        assert person is not None
        return principals.authority_of_person(person, self.clock.now())

    def play(self, until: datetime, on_minute: Callable[[datetime], None] | None = None) -> None:
        """Run to an instant, minute by minute."""
        while self.clock.now() < until:
            begin = self.clock.now()
            end = min(begin + MINUTE, until)
            for due in self.world.step(end):
                self.clock.advance_to(max(due.at, self.clock.now()))
                self._take(due)
            self.clock.advance_to(end)
            self._judge(end)
            self._scripted(end)
            self._loops(end)
            if on_minute is not None:
                on_minute(end)

    def _judge(self, now: datetime) -> None:
        self.rounds.judge_waiting(now)

    def _take(self, due: Delivery | CourierMessage | Acknowledgement) -> None:
        if isinstance(due, Delivery):
            answer = due.send(self.uplink)
            self.accepted += answer.is_accepted
        elif isinstance(due, Acknowledgement):
            self._acknowledge(due)
        else:
            event = due.event
            self._try(
                lambda now: travel.courier_event(
                    self.system,
                    "correvia",
                    event.event_id,
                    event.shipment,
                    event.kind,
                    observed_at=event.observed_at,
                    now=now,
                )
            )

    def _acknowledge(self, due: Acknowledgement) -> None:
        who, alarm_id = self.who(due.person), self._pages[due.page]
        now = self.clock.now()
        self._try(lambda _: alarms.acknowledge(who, alarm_id, now=now))
        alarm = alarm_queries.alarm(self.system, alarm_id)
        incident = alarm.incident_id
        if incident is not None and who.may("incidents.work", alarm.site_id):
            self._try(lambda _: incidents.acknowledge(who, incident, now=now))

    def _scripted(self, now: datetime) -> None:
        while self.script and self.script[0][0] <= now:
            _, step = self.script.pop(0)
            step(now)

    def _loops(self, now: datetime) -> None:
        """What the worker does, each loop as often as it matters."""
        self.rounds.tick(now)
        alarms.due(self.system, now=now)
        if now.minute % 5 == 0:
            alarms.fail_overdue_tests(self.system, now=now)
            hold.expire_due(self.system, now=now)
        runs.advance(self.system, wiring.actuator(), now=now)
        stream.order()
        outbox.deliver(now, wiring.transport)
        self._hear_pages(now)
        if (now - self.world_start) % SEAL_EVERY < MINUTE:
            seal(self.system, now=now)
        if now.minute in KEEP_AT:
            self.hours.keep(self.system, now)
        if (now - self.world_start) % CHECKPOINT_EVERY < MINUTE:
            sequencer.run(now)

    @property
    def world_start(self) -> datetime:
        """When the world began."""
        return datetime.fromtimestamp(self.world.start_min * 60, tz=self.clock.now().tzinfo)

    def _hear_pages(self, now: datetime) -> None:
        """People whose phone rang will answer in their own time, or not."""
        for page in alarm_queries.pages_since(now - timedelta(minutes=3)):
            if page.pk in self._paged or page.kind != "page":
                continue
            self._paged.add(page.pk)
            code = self.codes.get(page.person_id)
            if code is not None:
                name = f"page {len(self._paged)}"
                self._pages[name] = page.alarm_id
                self.world.page(code, name, page.at, is_on_call=True)

    def _try(self, step: Callable[[datetime], object]) -> None:
        """Do it; a refusal is what people get, so it is kept and the day goes on."""
        try:
            step(self.clock.now())
        except Refusal as refused:
            self.refusals.append((self.clock.now(), str(refused)))

    def each(self, steps: Iterable[tuple[datetime, Step]]) -> None:
        """Script several."""
        for when, step in steps:
            self.at(when, step)
