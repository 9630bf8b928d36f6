"""Random histories of drivers of one run, for the properties of the lease: on the rules alone, and on real rows."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.conftest import START
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Conflict
from waystation.runbooks import actions
from waystation.runbooks.models import Run, StepJournal
from waystation.runbooks.ports import DONE, FAILED, Result
from waystation.runbooks.rules.lease import Lease


@dataclass
class Book:
    """What the rows of one run would hold: the lease, and under which fence each step was written down."""

    lease: Lease = field(default_factory=Lease)
    written: dict[int, int] = field(default_factory=dict)  # step → fence of its driver


class Driver:
    """A driver that may fall silent at any point and wake up later, believing that it still drives."""

    def __init__(self, book: Book) -> None:
        self.book, self.fence, self.last_beat = book, 0, START

    def claim(self, now: datetime) -> None:
        taken = self.book.lease.claimed(now)
        if taken is not None:
            self.book.lease, self.fence, self.last_beat = taken, taken.fence, now

    def beat(self, now: datetime) -> None:
        kept = self.book.lease.beaten(self.fence, now)
        if kept is not None:
            self.book.lease, self.last_beat = kept, now

    def commit(self, step: int, now: datetime) -> None:
        """Write a step down, as each commit of a driver does: under the newest fence, when it is not there."""
        kept = self.book.lease.beaten(self.fence, now)
        if kept is None or step in self.book.written:
            return
        self.book.lease, self.last_beat = kept, now
        self.book.written[step] = self.fence

    def release(self) -> None:
        self.book.lease = self.book.lease.released(self.fence)


def lease_history(seed: int) -> None:
    """Claims, beats, deaths, late commits: one drives, alive ones are not overtaken, dead ones are followed."""
    chance = random.Random(seed)
    book, now = Book(), START
    drivers = [Driver(book) for _ in range(3)]
    newest = 0
    for _ in range(40):
        now += timedelta(seconds=chance.choice([0, 1, 14, 15, 30, 45, 59, 60, 61, 300]))
        driver = chance.choice(drivers)
        before, deed = book.lease, chance.choice(["claim", "claim", "beat", "commit", "commit", "release"])
        written = dict(book.written)
        owner = next((d for d in drivers if d.fence and d.fence == before.fence), None)
        silent = owner is None or now - owner.last_beat >= timedelta(seconds=60)
        if deed == "commit":
            driver.commit(len(book.written) if chance.random() < 0.7 else chance.randrange(8), now)
        elif deed == "claim":
            driver.claim(now)
        elif deed == "beat":
            driver.beat(now)
        else:
            driver.release()
        assert book.lease.fence >= before.fence, "a fence goes up"
        newest = max(newest, book.lease.fence)
        if book.lease.fence > before.fence:
            assert silent or before.until is None, "a driver that beat within the minute was overtaken"
        if deed == "claim" and driver.fence != book.lease.fence:
            assert not silent, "a dead driver was not followed within the minute"
        for step, fence in book.written.items():
            assert written.get(step, fence) == fence, "a recorded step was written again"
            assert step in written or fence == newest, "an overtaken driver wrote"
        holders = [d for d in drivers if d.fence == book.lease.fence and d.fence]
        assert len(holders) <= 1, "two drivers under one fence"


class _Dead(BaseException):
    """The driver is gone in the middle of its call."""


class World:
    """An actuator whose calls succeed, fail, kill their driver, or take so long that another one drives meanwhile."""

    def __init__(self, by: Authority, run_id: UUID, chance: random.Random) -> None:
        self.by, self.run_id, self.chance, self.now = by, run_id, chance, START
        self.effects: Counter[tuple[str, str]] = Counter()
        self.depth = 0
        self.fenced = 0

    def perform(self, kind: str, target: str, parameters: Mapping[str, str], *, key: str) -> Result:
        """Act, and let the world go on around it."""
        _, _, step, phase = key.split(":")
        self.effects[step, phase] += 1
        what = self.chance.random()
        if what < 0.08:
            raise _Dead
        if what < 0.25 and self.depth < 3:
            self.now += timedelta(seconds=self.chance.choice([1, 59, 60, 90]))
            self.drive()
        return Result(FAILED if self.chance.random() < 0.1 else DONE, receipt=key)

    def drive(self) -> None:
        """Somebody drives: they are refused, die, are overtaken, or get as far as the run goes."""
        self.depth += 1
        begun_at = self.now
        try:
            actions.advance(self.by, self.run_id, self, now=begun_at, pulse=lambda: self.now)
        except Conflict as refused:
            assert refused.code in ("runbooks.driven", "runbooks.fenced"), refused.code
            self.fenced += refused.code == "runbooks.fenced"
        except _Dead:
            pass
        finally:
            self.depth -= 1


def run_history(seed: int, by: Authority, approver: Authority, run: Run) -> World:
    """One run through real rows: what is recorded is never done again, nor changed by a driver that was overtaken."""
    chance = random.Random(seed)
    world = World(by, run.pk, chance)
    recorded: dict[tuple[str, str], Any] = {}
    for _ in range(8):
        world.drive()
        before = Counter(world.effects)
        for row in StepJournal.objects.filter(run=run).order_by("pk"):
            told = (row.outcome, row.receipt, row.finished_at)
            if (row.step, row.phase) in recorded:
                assert recorded[row.step, row.phase] == told, "a recorded phase was recorded again"
            if row.outcome in ("ok", "failed"):
                recorded[row.step, row.phase] = told
        world.now += timedelta(seconds=chance.choice([5, 61, 61, 400]))
        for asked in run.approvals.filter(decision="", expires_at__gt=world.now):
            if chance.random() < 0.8:
                actions.approve(approver, asked.pk, digest_seen=asked.digest, now=world.now)
        world.drive()
        again = [at for at in recorded if world.effects[at] > before[at]]
        assert not again, f"done again although recorded: {again}"
    for (step, phase), count in world.effects.items():
        told = next(s for s in run.definition.data["steps"] if s["key"] == step)
        safe = told.get("safe_to_repeat", False) or (phase == "act" and told["act"]["kind"].startswith("check."))
        if phase in ("act", "undo") and not safe:
            assert count == 1, f"{step} ({phase}) was done {count} times"
    return world
