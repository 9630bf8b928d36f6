"""A monitored fridge, a gateway's token, and the doors through which agents write line protocol."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.test import Client

from tests.conftest import START
from tests.rooms.telemetry.samples import a_monitored_space
from waystation.access import actions as access
from waystation.access.queries import system_authority
from waystation.journeys.reading import Rounds
from waystation.registry.models import Sensor, Space
from waystation.telemetry import reader, stores
from waystation.telemetry.store.log import Position

AT_S = int(START.timestamp()) - 600
AGENT = {"content_type": "text/plain; charset=utf-8"}


@dataclass
class Agent:
    """Telegraf at a site, with its token."""

    token: str
    machine_id: UUID
    path: str = "/api/v2/write"
    words: str = "precision=s"

    def write(self, body: str | bytes, **headers: str) -> Any:
        """Send lines; the reply."""
        data = body.encode() if isinstance(body, str) else body
        sent = {"Authorization": f"Token {self.token}"} | headers
        return Client(headers=sent).generic("POST", f"{self.path}?{self.words}", data, **AGENT)  # type: ignore[arg-type]


def an_agent(site: Any = None, name: str = "telegraf", role: str = "gateway") -> Agent:
    """An agent with a new token for a site, or for every site."""
    site_id = None if site is None else site.pk
    machine, token = access.create_machine(system_authority("test"), name=name, role=role, site_id=site_id, now=START)
    return Agent(token, machine.pk)


def a_fridge(site: str = "cordoba", **changes: Any) -> tuple[Space, Sensor]:
    """A fridge with one product probe that proves."""
    if changes.get("site"):
        raise AssertionError("say the site first")
    space, (probe,) = a_monitored_space(START, **changes) if site == "cordoba" else _elsewhere(site)
    return space, probe


def _elsewhere(site: str) -> tuple[Space, list[Sensor]]:
    from tests.samples import a_sensor, a_space

    space = a_space(site, "fridge-9")
    return space, [a_sensor(space, "probe-9")]


def stored(site_id: UUID, *codes: str) -> list[tuple[str, int, float | None]]:
    """What the store holds of some codes: code, Unix seconds, value."""
    rows = reader.readings(site_id, codes, 0, 2**62)
    return [(r.sensor, r.observed_us // 1_000_000, r.value) for r in rows]


def frames() -> Iterator[Any]:
    """Every frame of the log."""
    return (frame for frame, _ in stores.log().read(Position(1, 0)))


def judged(now: Any = START) -> None:
    """Everything that was written is judged."""
    Rounds().judge_waiting(now)
