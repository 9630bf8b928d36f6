"""A stage for the agent: clocks that the test moves, probes that read what it says, a centre that answers as told."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from waystation.edge.agent import Agent, Outside
from waystation.edge.judge import Watch
from waystation.edge.keys import Keys
from waystation.edge.paths import Uplink
from waystation.edge.ports import Answer, Request, Sample, Sounding
from waystation.edge.settings import Settings
from waystation.edge.spool import Spool, connect
from waystation.evidence.rules.signing import verifies
from waystation.telemetry.rules.agents import NOT_UNDERSTOOD
from waystation.telemetry.rules.batch import parse_batch
from waystation.telemetry.rules.profile import Profile

START_S = 1_794_900_000
MINUTE_S = 60
MACHINE = "6f0f3a52-95a1-4d0b-9d2c-2b6b6a1b0f11"
PROBE, SECOND, BEAT = "cordoba.fridge-1.probe-1", "cordoba.fridge-1.probe-2", "cordoba.gw-1.heartbeat"
GOOD_C, HOT_C = 5.0, 12.0
PRIMARY = Uplink("primary", "https://centre.invalid")
BACKUP = Uplink("backup", "https://backup.invalid", bytes_per_day=20_000, sheds=frozenset({"backlog"}))


class Time:
    """Both clocks of a machine; `skew_s` is what the wall clock is wrong by."""

    def __init__(self, start_s: float = START_S) -> None:
        self.true_s, self.skew_s, self.booted_s = float(start_s), 0.0, float(start_s)

    def wall_us(self) -> int:
        """Unix microseconds, wrong by the skew."""
        return round((self.true_s + self.skew_s) * 1e6)

    def running_s(self) -> float:
        """Seconds since boot."""
        return self.true_s - self.booted_s


class Probes:
    """Reads every sensor once a period; `values` may be changed, a missing one is a fault with its cause."""

    def __init__(self, time: Time, values: Mapping[str, float | None], every_s: float = MINUTE_S) -> None:
        self._time, self._every_s = time, every_s
        self.values: dict[str, float | None] = dict(values)
        self.causes: dict[str, str] = {}
        self._next_s = time.true_s
        self.given: list[Sample] = []

    def poll(self, now_us: int) -> Sequence[Sample]:
        """The samples of a period, at most once in it."""
        if self._time.true_s < self._next_s:
            return ()
        self._next_s = self._time.true_s + self._every_s
        found = [Sample(code, now_us, value, self.causes.get(code, "")) for code, value in self.values.items()]
        self.given += found
        return found


@dataclass
class Centre:
    """The other end of the line. Accepts what is signed, and reads it as the real one does, of which no word may be
    unknown; `rule` may answer a request otherwise first.
    """

    public: Callable[[], str]
    rule: Callable[[Request], Answer | None] = lambda _request: None
    answered: dict[str, bool] = field(default_factory=dict)
    silent_answered: dict[str, bool] = field(default_factory=dict)
    test: dict[str, str] | None = None  # what it asks the agent to test
    limits: dict[str, Any] | None = None  # what it tells the agent to judge by
    now_us: Callable[[], int | None] = lambda: None
    got: list[tuple[Request, dict[str, Any]]] = field(default_factory=list)
    asked: list[Request] = field(default_factory=list)
    _answer: Answer | None = None

    def begin(self, request: Request) -> None:
        """A request arrives, or does not."""
        self.asked.append(request)
        self._answer = self.rule(request) or self._accept(request)

    def answer(self) -> Answer | None:
        """Answers come at once here."""
        found, self._answer = self._answer, None
        return found

    def _accept(self, request: Request) -> Answer:
        signature = base64.b64decode(request.headers["X-Waystation-Signature"])
        if not verifies(bytes.fromhex(self.public()), request.body, signature):
            return Answer(401, {"message": "The signature does not fit."})
        if request.path.endswith("/key"):
            return Answer(200, {"public_key": request.body.decode().split()[1]}, 0, self.now_us())
        document = json.loads(request.body)
        assert NOT_UNDERSTOOD not in repr(parse_batch(request.body).told), request.body[:2000]
        self.got.append((request, document))
        asks = document.get("state", {}).get("asks", [])
        told = [
            {"sensor": code}
            | {"answered": self.answered.get(code, False), "silent_answered": self.silent_answered.get(code, False)}
            for code in asks
        ]
        digest = hashlib.sha256(request.body).hexdigest()
        said = {"digest": digest, "unknown": [], "alarms": told, "test": self.test, "limits": self.limits}
        return Answer(202, said, 0, self.now_us())

    def readings(self) -> list[tuple[int, str, int, float | None, int]]:
        """Every numbered reading that it has: boot, sensor, instant, value, number; in order of arrival."""
        return [(document["boot"], *row) for _, document in self.got for row in document["readings"] if row[3] > 0]

    def notes(self, kind: str) -> list[dict[str, Any]]:
        """Every note of a kind."""
        return [n for _, document in self.got for n in document.get("notes", []) if n["kind"] == kind]

    def gaps(self) -> list[dict[str, Any]]:
        """Every stated gap."""
        return [gap for _, document in self.got for gap in document.get("gaps", [])]

    def kinds(self) -> list[str]:
        """What arrived, as one word each: alarm, heartbeat, inventory or data."""
        return [kind_of(document) for _, document in self.got]


def kind_of(document: Mapping[str, Any]) -> str:
    """The class of a batch by what it holds."""
    if document.get("check_ins"):
        return "inventory"
    if "state" in document:
        return "heartbeat"
    is_urgent = any(
        n["kind"] in ("sounding", "quieted", "cleared", "failover_begun") for n in document.get("notes", [])
    )
    return "alarm" if document.get("alarms") or is_urgent else "data"


def nothing(_request: Request) -> Answer:
    """The rule of a cut line."""
    return Answer(0)


class Ear:
    """Somebody at the site: what sounded when, by step."""

    def __init__(self) -> None:
        self.heard: list[tuple[int, tuple[str, ...]]] = []
        self.now: tuple[str, ...] = ()
        self.is_broken = False

    def sound(self, soundings: Sequence[Sounding], now_us: int) -> None:
        """Hear what sounds; a change is written down."""
        if self.is_broken:
            raise OSError("no such file")
        words = tuple(sorted(s.text for s in soundings))
        if words != self.now:
            self.heard.append((now_us // 1_000_000, words))
        self.now = words


def keys_in(folder: Path, seed: int = 1) -> Keys:
    """An enrolled key whose chance is a counter."""
    count = iter(range(seed, seed + 1000))
    keys = Keys(folder, lambda size: hashlib.sha256(str(next(count)).encode()).digest()[:size])
    keys.make()
    keys.enrolled(MACHINE, "cordoba")
    return keys


def a_watch(code: str = PROBE, **changes: Any) -> Watch:
    """2 to 8 degC, told after ten minutes, a value holds for fifteen."""
    return replace(Watch(code, Profile(code, 2.0, 8.0), 600.0, 900.0), **changes)


def some_settings(folder: Path, **changes: Any) -> Settings:
    """One probe and two uplinks."""
    values: dict[str, Any] = {
        "watches": (a_watch(), a_watch(SECOND)),
        "words": {PROBE: "Fridge 1", SECOND: "Fridge 1, lower shelf"},
        "heartbeat_sensor": BEAT,
    }
    return Settings(**{"site": "cordoba", "folder": folder, "uplinks": (PRIMARY, BACKUP)} | values | changes)


class Site:
    """An agent with everything around it."""

    def __init__(self, folder: Path, *, bound_mb: float = 64, open_with: Any = connect, **changes: Any) -> None:
        self.folder, self._open_with, self._bound = folder, open_with, round(bound_mb * 1024 * 1024)
        self.time = Time()
        self.settings = some_settings(folder, **changes)
        self.probes = Probes(self.time, {PROBE: GOOD_C, SECOND: GOOD_C})
        self.ear = Ear()
        self.commands: list[Sequence[str]] = []
        self.stock: list[Mapping[str, str]] = []
        self.keys = keys_in(folder)
        self.centre = Centre(lambda: self.keys.public)
        self.boot()

    def boot(self) -> None:
        """Power on: a new process with what the disk holds."""
        self.time.booted_s = self.time.true_s - 5
        self.spool = Spool(self.folder, bound_bytes=self._bound, open_with=self._open_with)
        outside = Outside(self.time, self.centre, [self.probes], [self.ear], lambda: self.stock, self.commands.append)
        self.agent = Agent(self.settings, self.spool, self.keys, outside)

    def crash(self) -> None:
        """The process is gone; what was committed stays."""
        self.spool.close()
        self.ear.now = ()

    def live(self, minutes: float, step_s: float = 20) -> None:
        """Let time pass, a step of the agent after the other."""
        until_s = self.time.true_s + minutes * MINUTE_S
        while self.time.true_s < until_s:
            self.agent.step()
            self.time.true_s += step_s

    def cut(self) -> None:
        """No request arrives any more, over any uplink."""
        self.centre.rule = nothing

    def mend(self) -> None:
        """Requests arrive again."""
        self.centre.rule = lambda _request: None


def bodies_of(spool: Spool) -> list[dict[str, Any]]:
    """Every batch that waits, as documents in order of number; all are marked as acknowledged."""
    found = []
    while (batch := spool.next_of(("data", "alarm", "heartbeat", "inventory"), 2**62)) is not None:
        found.append(json.loads(batch.body))
        spool.acked(batch.n, 1)
    return found


def count_of(spool: Spool, table: str) -> int:
    """Rows of a table, read beside the spool."""
    with sqlite3.connect(spool.path) as db:
        return int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])
