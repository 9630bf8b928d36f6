"""The self-test: a boot in a throw-away folder, with every part but the outside world."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from waystation.edge import heads, parts
from waystation.edge.agent import Agent, Outside
from waystation.edge.judge import Watch
from waystation.edge.keys import Keys
from waystation.edge.paths import Uplink
from waystation.edge.ports import Answer, Request, Sample, Sounding
from waystation.edge.settings import Settings
from waystation.edge.spool import Spool
from waystation.evidence.rules.signing import verifies
from waystation.telemetry.rules.profile import Profile

START_US = 1_800_000_000_000_000
HOT_FROM, MINUTES = 5, 30


class _Time:
    def __init__(self) -> None:
        self.minute = 0

    def wall_us(self) -> int:
        return START_US + self.minute * 60_000_000

    def running_s(self) -> float:
        return self.minute * 60.0


class _Nobody:
    """A line on which nothing comes back."""

    def begin(self, request: Request) -> None:
        pass

    def answer(self) -> Answer | None:
        return Answer(0)


class _Fridge:
    def __init__(self, time: _Time) -> None:
        self._time = time

    def poll(self, now_us: int) -> Sequence[Sample]:
        return (Sample("probe", now_us, 12.0 if self._time.minute >= HOT_FROM else 5.0),)


class _Ear:
    def __init__(self) -> None:
        self.heard_us: list[int] = []

    def sound(self, soundings: Sequence[Sounding], now_us: int) -> None:
        if soundings:
            self.heard_us.append(now_us)


def run(say: Callable[[str], None]) -> int:
    """0 when everything held, 1 and a line for what did not."""
    say(f"drivers: {', '.join(parts.kinds('driver'))}; sounders: {', '.join(parts.kinds('sounder'))}")
    with tempfile.TemporaryDirectory() as folder:
        failed = _lived(Path(folder))
    for what in failed:
        say(f"FAILED: {what}")
    if not failed:
        say("recorded, signed, judged and sounded without a centre: all as it should be")
    return 1 if failed else 0


def _lived(folder: Path) -> list[str]:
    keys = Keys(folder, lambda count: hashlib.sha256(b"selftest").digest()[:count])
    keys.make()
    keys.enrolled("selftest", "selftest")
    time, ear, spool = _Time(), _Ear(), Spool(folder, bound_bytes=64 * 1024 * 1024)
    watch = Watch("probe", Profile("probe", 2.0, 8.0), 600.0, 900.0)
    settings = Settings("selftest", folder, (Uplink("none", "https://none.invalid"),), (watch,))
    agent = Agent(settings, spool, keys, Outside(time, _Nobody(), [_Fridge(time)], [ear]))
    for time.minute in range(MINUTES):
        agent.step()
    agent.stop("selftest")
    failed = (
        [] if ear.heard_us[:1] == [START_US + (HOT_FROM + 10) * 60_000_000] else ["the alarm did not sound in time"]
    )
    failed += _unsigned(spool, keys)
    spool.close()
    return failed


def _unsigned(spool: Spool, keys: Keys) -> list[str]:
    """What is wrong with the signed batches: all thirty readings have to be there, each batch by this key."""
    now_us, found, failed = START_US + 10**12, 0, []
    while (batch := spool.next_of(("data", "alarm", "heartbeat"), now_us)) is not None:
        if not verifies(bytes.fromhex(keys.public), batch.body, batch.signature):
            failed.append(f"batch {batch.n} is not signed")
        if heads.digest_of(batch.body) != batch.digest:
            failed.append(f"batch {batch.n} has another digest")
        found += batch.body.count(b'["probe",')
        spool.acked(batch.n, now_us)
    return failed if found == MINUTES else [*failed, f"{found} of {MINUTES} readings are there"]
