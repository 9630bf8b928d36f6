"""A player whose processes may die at any statement: what was going on starts again in a new process."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.stories.deaths import Deaths, Killed
from waystation.evidence import sequencer
from waystation.journeys.reading import Rounds
from waystation.simulator.gateways import Uplink
from waystation.simulator.player import MINUTE, Player
from waystation.telemetry.actions.seal import seal


class MortalPlayer(Player):
    """Restarts its judge and goes on whenever a death falls into what it does."""

    def __init__(self, world: Any, built: Any, clock: Any, uplink: Uplink, deaths: Deaths) -> None:
        super().__init__(world, built, clock, uplink)
        self._deaths = deaths

    def _take(self, due: Any) -> None:
        self._until_done(lambda: Player._take(self, due))

    def _judge(self, now: datetime) -> None:
        self._until_done(lambda: Player._judge(self, now))

    def _scripted(self, now: datetime) -> None:
        while self.script and self.script[0][0] <= now:
            _, step = self.script[0]
            before = len(self.refusals)
            self._until_done(lambda step=step: step(now))  # type: ignore[misc]
            self.script.remove(next(item for item in self.script if item[1] is step))
            if self._must_wait(before):
                self.at(now + MINUTE, step)

    def _must_wait(self, before: int) -> bool:
        """A run that a dead process drove is refused until that lease ends: a person waits and tries again."""
        return any("drives this run" in text for _, text in self.refusals[before:])

    def _loops(self, now: datetime) -> None:
        self._until_done(lambda: Player._loops(self, now))

    def seal_now(self, now: datetime) -> None:
        """The sealer's and the sequencer's rounds fall into the night too."""
        seal(self.system, now=now)
        sequencer.run(now)

    def play(self, until: datetime, on_minute: Callable[[datetime], None] | None = None) -> None:
        """Play; people who look at their work look again when the page did not come."""

        def look(now: datetime) -> None:
            if on_minute is not None:
                self._until_done(lambda: on_minute(now))

        super().play(until, look)

    def _until_done(self, step: Callable[[], None]) -> None:
        while True:
            try:
                return step()
            except Killed:
                self._deaths.restart()
                self.rounds = self._new_rounds()

    def _new_rounds(self) -> Rounds:
        """A judge with an empty memory; it may die while it comes up."""
        while True:
            try:
                return Rounds()
            except Killed:
                self._deaths.restart()
