"""A site's life under a seed: a disk that keeps what was synced, a network that loses and doubles, a real centre.

The clock is the simulation's; the centre is the product's own door with its own log. `Life.run` plays hours,
`Life.check` holds what the centre stored against what the probes gave.

What the disk shows: a power cut at any statement, in or beside a commit. The write-ahead log keeps its synced part,
then some of what was being written, or none of it; the database file may hold a part of a checkpoint whose log was
synced. Errors ("disk full") come at any statement. What it does not show: writes that the disk had said were synced and
lost, and flipped bits in what was.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

from django.test import Client

from tests.edge.stage import HOT_C, PROBE, SECOND, Ear, Probes, Time, keys_in, some_settings
from waystation.edge.agent import Agent, Outside
from waystation.edge.keys import Keys
from waystation.edge.ports import Answer, Request, Sample
from waystation.edge.spool import Spool, connect
from waystation.evidence.models import Event
from waystation.kernel.clock import FastClock
from waystation.telemetry import stores
from waystation.telemetry.store.log import Position

STEP_S = 30


class PowerCut(Exception):
    """The machine is dead at this statement."""


class Disk:
    """Opens connections that may fail; `plan(kind, n)` makes the n-th statement from now fail."""

    def __init__(self, chance: Random) -> None:
        self._chance = chance
        self._left, self._kind = -1, ""
        self.is_dead = False
        self.met = False
        self.survivors: dict[str, bytes] = {}
        self.path = Path()

    def plan(self, kind: str, after: int) -> None:
        """`cut` or `full`, at the statement so many from now."""
        self._left, self._kind, self.met = after, kind, False

    def open(self, path: Path) -> sqlite3.Connection:
        """As the spool opens, through this disk."""
        self.path = path
        held = connect(path)
        held.close()
        db = sqlite3.connect(path, isolation_level=None, factory=_Watched)
        db.disk = self
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=64"):
            sqlite3.Connection.execute(db, f"PRAGMA {pragma}")
        return db

    def before(self, words: str, go: Callable[[], Any]) -> Any:
        """Run a statement, or fail at it."""
        if self.is_dead:
            raise PowerCut
        self._left -= 1
        if self._left != 0:
            return go()
        self.met = True
        if self._kind == "full":
            if words == "COMMIT" and self._chance.random() < 0.5:
                go()  # written, and still an error came back
            raise sqlite3.OperationalError("database or disk is full")
        self._die(words, go)
        raise PowerCut

    def _die(self, words: str, go: Callable[[], Any]) -> None:
        """Keep what survives: all that was there, and of a commit that was under way a part or all of its bytes."""
        before = self._bytes()
        if words == "COMMIT":
            go()
        after = self._bytes()
        log = f"{self.path.name}-wal"
        was, will = before.get(log, b""), after.get(log, b"")
        if before[self.path.name] == after[self.path.name]:
            after[log] = _torn(was, will, self._chance)
        else:  # a checkpoint ran: the log was synced before it, the database may be half way
            after[self.path.name] = _torn(before[self.path.name], after[self.path.name], self._chance)
        self.survivors, self.is_dead = after, True

    def _bytes(self) -> dict[str, bytes]:
        names = (self.path.name, f"{self.path.name}-wal")
        return {name: (self.path.parent / name).read_bytes() for name in names if (self.path.parent / name).exists()}

    def wake(self, folder: Path) -> None:
        """Put the survivors into a folder, and live again."""
        folder.mkdir()
        for name, content in self.survivors.items():
            (folder / name).write_bytes(content)
        self.is_dead = False
        self.plan("", -1)


def _torn(was: bytes, will: bytes, chance: Random) -> bytes:
    """Writes that go through in order up to some byte."""
    first = next((i for i, (a, b) in enumerate(zip(was, will, strict=False)) if a != b), min(len(was), len(will)))
    cut = chance.choice([first, len(will), chance.randint(first, max(first, len(will)))])
    return will[:cut] + was[cut:]


class _Watched(sqlite3.Connection):
    disk: Disk

    def execute(self, sql: str, *rest: Any) -> sqlite3.Cursor:
        if sql.startswith(("SELECT", "PRAGMA")):
            return super().execute(sql, *rest)
        go = super().execute
        return self.disk.before(sql, lambda: go(sql, *rest))  # type: ignore[no-any-return]

    def executemany(self, sql: str, rows: Any) -> sqlite3.Cursor:
        go = super().executemany
        return self.disk.before(sql, lambda: go(sql, rows))  # type: ignore[no-any-return]


class Network:
    """The line to the real door: loses requests and answers, doubles and delays them, and is cut for a while."""

    def __init__(self, chance: Random, time: Time, post: Callable[[Request], Answer]) -> None:
        self._chance, self._time, self._post = chance, time, post
        self.cut_until_s = 0.0
        self.is_calm = False
        self._answer: tuple[float, Answer] | None = None
        self.acknowledged: list[bytes] = []
        self.faults = 0

    def begin(self, request: Request) -> None:
        """What becomes of a request is drawn."""
        drawn = 1.0 if self.is_calm else self._chance.random()
        if self._time.true_s < self.cut_until_s or drawn < 0.03:
            self.faults += 1
            self._answer = (self._time.true_s, Answer(0))
            return
        answer = self._post(request)
        if drawn < 0.06:
            self.faults += 1
            answer = self._post(request)
        if drawn < 0.09:
            self.faults += 1
            answer = Answer(0)
        delay_s = self._chance.choice([0, 0, 0, STEP_S]) if drawn < 0.3 else 0
        self._answer = (self._time.true_s + delay_s, answer)
        self._asked = request

    def answer(self) -> Answer | None:
        """The answer once its time has come."""
        if self._answer is None or self._time.true_s < self._answer[0]:
            return None
        answer, self._answer = self._answer[1], None
        if answer.is_accepted:
            self.acknowledged.append(self._asked.body)
        return answer

    def forget(self) -> None:
        """The process that asked is gone."""
        self._answer = None


@dataclass
class Life:
    """A site and its agent under a seed."""

    seed: int
    folder: Path
    clock: FastClock
    machine: str
    keys: Keys
    faults: dict[str, int] = field(default_factory=lambda: {"cut": 0, "full": 0, "network": 0})
    steps: int = 0

    def __post_init__(self) -> None:
        self.chance = Random(self.seed)
        self.time = Time(self.clock.now().timestamp())
        self.disk = Disk(self.chance)
        self.door = Client()
        self.network = Network(self.chance, self.time, self._post)
        self.ear = Ear()
        self.probes = Probes(self.time, {PROBE: 5.0, SECOND: 5.0})
        self.doubtful: set[tuple[str, int]] = set()  # samples of steps in which the disk failed or the power went
        self.hot_since_s: float | None = None
        self.late_alarms: list[str] = []
        self._boots = 0
        self._boot()

    def _boot(self) -> None:
        self._boots += 1
        folder = self.folder / f"boot{self._boots}"
        if self.disk.survivors:
            self.disk.wake(folder)
            shutil.rmtree(self.folder / f"boot{self._boots - 1}")
        self.network.forget()
        self.time.booted_s = self.time.true_s
        self.spool = Spool(folder, bound_bytes=32 * 1024 * 1024, open_with=self.disk.open)
        outside = Outside(self.time, self.network, [self.probes], [self.ear])
        self.agent = Agent(some_settings(folder), self.spool, self.keys, outside)
        self.ear.now = ()
        self._given_in_boot = 0

    def _post(self, request: Request) -> Answer:
        headers = {name: value for name, value in request.headers.items() if name != "Content-Type"}
        self.clock.advance_to(max(self.clock.now(), datetime.fromtimestamp(self.time.true_s, UTC)))
        reply = self.door.post(request.path, request.body, content_type="application/json", headers=headers)
        return Answer(reply.status_code, json.loads(reply.content or b"{}"))

    def run(self, hours: float, *, fault_rate: float) -> None:
        """Play; in each step a fault of the disk is planned with that chance, and the network is cut now and then."""
        until_s = self.time.true_s + hours * 3600
        while self.time.true_s < until_s:
            self._draw(fault_rate)
            self.step()

    def _draw(self, rate: float) -> None:
        if self.chance.random() < rate:
            self.disk.plan(self.chance.choice(["cut", "full"]), self.chance.randint(1, 14))
        if self.chance.random() < rate / 4:
            self.network.cut_until_s = self.time.true_s + self.chance.choice([300, 3600, 14400])
        if self.chance.random() < 0.01:
            self.probes.values[PROBE] = HOT_C if self.probes.values[PROBE] == 5.0 else 5.0
            self.hot_since_s = self.time.true_s if self.probes.values[PROBE] == HOT_C else None

    def step(self) -> None:
        """One step of the agent; a death in it is a new boot."""
        given = len(self.probes.given)
        try:
            self.agent.step()
        except PowerCut:
            self._die(given)
            given = len(self.probes.given)
        self._given_in_boot += len(self.probes.given) - given
        assert self.agent.recorder.seq == self._given_in_boot, "a sample without a number"
        if self.disk.met:
            self.disk.met = False
            self.faults["full"] += 1
            self._doubt(given)
        elif self.agent.recorder.level == "stopped":
            self._doubt(given)
        self._listen()
        self.steps += 1
        self.time.true_s += STEP_S

    def _die(self, given: int) -> None:
        self.faults["cut"] += 1
        self.disk.met = False
        self._doubt(given)
        self.spool.close()
        self.time.true_s += self.chance.choice([5, 60, 900])
        while True:
            try:
                return self._boot()
            except PowerCut:
                self.faults["cut"] += 1

    def _doubt(self, given: int) -> None:
        self.doubtful |= {(s.sensor, s.observed_us) for s in self.probes.given[given:]}

    def _listen(self) -> None:
        """With the centre out of reach, an excursion of more than its delay and a boot has to sound."""
        reach = self.agent.sender.paths.accepted_us()
        running_s = self.time.running_s()
        is_cut = running_s > 300 and self.time.true_s - max(reach / 1e6, self.time.booted_s) > 300
        is_due = self.hot_since_s is not None and self.time.true_s - self.hot_since_s > 600 + 60 + STEP_S + 900
        if is_cut and is_due and not any("out of range" in text for text in self.ear.now):
            self.late_alarms.append(f"{self.time.true_s}: hot since {self.hot_since_s}, {self.ear.now}")

    def drain(self) -> None:
        """No more faults: everything that waits goes out."""
        self.network.is_calm, self.network.cut_until_s = True, 0.0
        self.disk.plan("", -1)
        for _ in range(4000):
            self.step()
            is_empty = not any(self.spool.waiting().values()) and self.spool.oldest_raw_us() is None
            if is_empty and self.agent.recorder.level == "recording":
                break
        self.faults["network"] = self.network.faults

    def check(self) -> dict[str, int]:
        """The oracle. Counts of what was given, stored, and stated or known to be missing."""
        given = {(s.sensor, s.observed_us): s.value for s in self.probes.given}
        stored = self.stored()
        by_number = {(boot, seq): (sensor, at_us, value) for boot, seq, sensor, at_us, value in stored}
        assert len(set(stored)) == len(by_number), "one number, two contents"
        invented = [row for row in by_number.values() if row[:2] not in given or given[row[:2]] != row[2]]
        assert invented == []
        has = {row[:2] for row in by_number.values()}
        lost = set(given) - has
        assert lost <= self.doubtful, sorted(lost - self.doubtful)[:5]
        for body in self.network.acknowledged:
            document = json.loads(body) if body.startswith(b"{") else {}
            for sensor, at_us, _, seq in document.get("readings", []):
                assert not seq or (sensor, at_us) in has, "acknowledged and not stored"
        explained = self._explain(by_number)
        assert self.late_alarms == []
        return {"given": len(given), "stored": len(has), "lost": len(lost), "explained": explained}

    def _explain(self, by_number: dict[tuple[int, int], Any]) -> int:
        """Every hole in the numbers of a boot is stated; what is stated is a hole; every boot says that it began."""
        gaps: dict[int, set[int]] = {}
        for gap in Event.objects.filter(kind="telemetry.gap_stated").values_list("data", flat=True):
            named = set(range(gap["first"], gap["last"] + 1))
            gaps.setdefault(gap["boot"], set()).update(named)
            there = sum((gap["boot"], seq) in by_number for seq in named)
            assert len(named) - there == gap["count"], gap
        boots: dict[int, int] = {}
        for boot, seq in by_number:
            boots[boot] = max(boots.get(boot, 0), seq)
        for boot, last in boots.items():
            holes = {seq for seq in range(1, last + 1) if (boot, seq) not in by_number}
            assert holes <= gaps.get(boot, set()), (boot, sorted(holes - gaps.get(boot, set()))[:5])
        started = Event.objects.filter(kind="telemetry.agent_started").values_list("data", flat=True)
        assert set(boots) <= {note["boot"] for note in started}
        for note in started:
            assert note["last_seq"] >= boots.get(note["last_boot"], 0)
        return sum(map(len, gaps.values()))

    def stored(self) -> list[tuple[int, int, str, int, float | None]]:
        """Every numbered reading in the centre's log: boot, number, sensor, instant, value."""
        found = []
        for frame, _ in stores.log().read(Position(1, 0)):
            if frame.head["machine"] != self.machine:
                continue
            codes, boot = frame.head["sensors"], frame.head["boot"]
            for number, at_us, value, seq in zip(frame.sensor, frame.at_us, frame.value, frame.seq, strict=True):
                if seq:
                    found.append((boot, seq, codes[number], at_us, None if value != value else value))
        return found


def samples_of(life: Life) -> Sequence[Sample]:
    """What the probes gave."""
    return life.probes.given


def begin(seed: int, folder: Path, clock: FastClock, enrol: Callable[[Keys], str]) -> Life:
    """A site whose agent is enrolled."""
    keys = keys_in(folder / "keys", seed)
    (folder / "keys" / "machine.json").unlink()
    machine = enrol(keys)
    keys.enrolled(machine, "cordoba")
    return Life(seed, folder, clock, machine, keys)
