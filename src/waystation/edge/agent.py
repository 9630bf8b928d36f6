"""The agent of a site: judge, record, sound, send. One step after the other on one thread, with everything injected."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from waystation.edge import heads
from waystation.edge.clock import SteadyClock
from waystation.edge.failover import FailoverTest
from waystation.edge.judge import Finding, Judge
from waystation.edge.keys import Keys
from waystation.edge.limits import Limits
from waystation.edge.local_alarm import Change, LocalAlarm, asked_for
from waystation.edge.paths import Paths
from waystation.edge.ports import Clock, Line, Sample, Sounder, Source
from waystation.edge.recorder import Recorder
from waystation.edge.settings import Settings
from waystation.edge.shutdown import Shutdown, Taken
from waystation.edge.spool import Batch, Spool
from waystation.edge.uplink import Sender
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import BadInput
from waystation.kernel.version import VERSION
from waystation.telemetry.rules.agents import MOST_NOTES

HEARTBEATS_OFFLINE_S = 600.0
DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Outside:
    """What an agent is given. `take_stock` says what the devices are; `run` starts a command and does not wait."""

    clock: Clock
    line: Line
    sources: Sequence[Source]
    sounders: Sequence[Sounder] = ()
    take_stock: Callable[[], Sequence[Mapping[str, str]]] = tuple
    run: Callable[[Sequence[str]], None] = lambda _words: None


class Agent:
    """Made once per boot. `step` is called about once a second, and at once while there is something to send."""

    def __init__(self, settings: Settings, spool: Spool, keys: Keys, outside: Outside) -> None:
        self.settings, self._spool, self._keys, self._outside = settings, spool, keys, outside
        self._clock = SteadyClock(outside.clock, 0)
        now_s = outside.clock.running_s()
        self.limits = Limits(settings.folder, settings.watches)
        self.judge = Judge(self.limits.watches, now_s)
        self.alarm = LocalAlarm(settings.times, now_s)
        self._shutdown = Shutdown(settings.shutdown)
        self.recorder = Recorder(spool, keys, self.judge)
        clocks = (outside.clock, self._clock)
        paths = Paths(list(settings.uplinks))
        self.sender = Sender(spool, outside.line, paths, keys, clocks, round(settings.live_s * 1e6))
        self.failover = FailoverTest(self.sender)
        self._tests: set[str] = set()
        self._values: dict[str, float] = {}
        self._faults: dict[str, str] = {}
        self._untold: list[Change] = []
        self._stopped_s: float | None = None
        self._beat_s: float | None = None
        self._stock_s: float | None = None
        self._key_s = now_s
        self._steps_of_clock = 0
        self._begin()

    def _begin(self) -> None:
        """Count this boot and go on where the last one stopped; without a disk the agent lives all the same."""
        started = self.recorder.begin(self._clock.now_us())
        if started is None:
            return
        self._clock.not_before(started.last_us)
        now_us, now_s = self._clock.now_us(), self._outside.clock.running_s()
        runs = started.runs.items()
        self.judge.resume({code: (side, now_s - (now_us - since_us) / 1e6) for code, (side, since_us) in runs})
        self.sender.resume()
        self.recorder.say(
            {"kind": "started", "at_us": now_us, "boot": started.boot, "ended": started.ended, "version": VERSION}
            | {"last_boot": started.last_boot, "last_seq": started.last_seq, "last_us": started.last_us}
            | ({"set_aside": started.set_aside} if started.set_aside else {})
        )

    def step(self) -> bool:
        """One round of everything. Judging and sounding come first and need no disk; True while a request is sent."""
        now_us, now_s = self._clock.now_us(), self._outside.clock.running_s()
        samples = [s.usable() for source in self._outside.sources for s in source.poll(now_us)]
        for sample in samples:
            self.judge.take(sample, min(now_s - (now_us - sample.observed_us) / 1e6, now_s))
        self._notice(samples)
        reached_s = self._reached_s(now_us, now_s)
        found = self.judge.findings(now_s) | self._own_findings(now_s)
        changes = self.alarm.step(found, now_s, reached_s=reached_s, answered=self.sender.answered)
        self._sound(now_us, now_s)
        is_reachable = self.alarm.is_reachable(now_s, reached_s)
        self.recorder.step(samples, now_us, self._runs(now_us, now_s), is_reachable=is_reachable)
        self._tell(changes, now_us, now_s)
        self._die_in_order(now_us, now_s)
        self._beat(now_us, now_s, is_reachable)
        self._check_in(now_us, now_s)
        self._test_as_asked(now_us)
        told = self.failover.step(now_us)
        if told is not None:
            self.recorder.say(told)
        self.sender.step(now_us)
        self._judge_as_told(now_us, now_s)
        if not self.recorder.boot:
            self._begin()
        return self.sender.is_busy

    def quiet(self, who: str) -> int:
        """Somebody at the site heard the alarm; how many alarms went quiet. It is told to the centre."""
        now_us, now_s = self._clock.now_us(), self._outside.clock.running_s()
        changes = self.alarm.quiet(who, now_s)
        self._tell(changes, now_us, now_s)
        self._sound(now_us, now_s)
        return len(changes)

    def test_failover(self, uplink: str) -> None:
        """Begin the test of one uplink; BadInput when there is none of that name."""
        now_us = self._clock.now_us()
        self._beside("alarm", now_us, notes=[self.failover.begin(uplink, now_us)])
        self._beat_s = None

    def _judge_as_told(self, now_us: int, now_s: float) -> None:
        """Judge by the limits that the centre told, when they are other ones."""
        note = self.limits.take(self.sender.told_limits, now_us)
        if note is not None:
            self.recorder.say(note)
            self.judge.replace(self.limits.watches, now_s)

    def _test_as_asked(self, now_us: int) -> None:
        """Begin the test that the centre asks for, each once in this boot."""
        test, uplink = self.sender.asked_test
        if not test or test in self._tests or self.failover.is_running:
            return
        self._tests.add(test)
        try:
            note = self.failover.begin(uplink, now_us, test)
        except BadInput as refusal:
            self.recorder.say(self.failover.refuse(uplink, now_us, test, refusal.message[:200]))
            return
        self._beside("alarm", now_us, notes=[note])
        self._beat_s = None

    def stop(self, cause: str) -> None:
        """End this boot in order: sign what is recorded and keep the cause for the next start."""
        if not self.recorder.boot:
            return
        try:
            self.recorder.seal(self._clock.now_us())
            self._spool.ended(cause)
        except sqlite3.Error:
            return

    @property
    def is_halting(self) -> bool:
        """True once the declared order ends here."""
        return self._shutdown.is_halting

    def state(self, now_us: int, now_s: float) -> dict[str, Any]:
        """What a heartbeat says, and the local page and `status` show."""
        recorder = self.recorder
        boot = recorder.boot or self._spool.counted()  # the centre listens to no state of an older boot
        told: dict[str, Any] = {"at_us": now_us, "boot": boot, "last": recorder.seq, "version": VERSION}
        told |= {"running_s": round(now_s, 3), "clock": self._clock.health(), "spool": recorder.level}
        told |= {"used_pct": round(100 * recorder.share, 1), "trouble": recorder.trouble, "key": self._keys.public[:16]}
        told |= {"sounding": sum(s.sounds_since_s is not None for s in self.alarm.standing.values())}
        told |= {"limits": self.limits.digest or "file", "judged": self.limits.edition}
        told |= {"asks": asked_for(self.alarm.standing.values()), "problem": self.sender.problem}
        return told | {"paths": [path.told(now_us) for path in self.sender.paths.all]}

    def status(self) -> dict[str, Any]:
        """The state with what waits, what stands and what was last read: for people at the site."""
        now_us, now_s = self._clock.now_us(), self._outside.clock.running_s()
        to_us = now_us - now_s * 1e6
        try:
            waiting, refused = self._spool.waiting(), self._spool.refusals()
        except sqlite3.Error:
            waiting, refused = {}, []
        standing = [
            {
                "sensor": s.finding.sensor,
                "rule": s.finding.rule,
                "since_us": round(to_us + s.finding.since_s * 1e6),
                "sounds": s.sounds_since_s is not None,
                "quiet_by": s.quiet_by,
            }
            for s in self.alarm.standing.values()
        ]
        told = {"schema": "waystation.edge/1", "site": self.settings.site, **self.state(now_us, now_s)}
        told |= {"waiting": waiting, "refused": refused, "alarms": standing, "values": dict(self._values)}
        return told | {"faults": dict(self._faults), "unknown": sorted(self.sender.unknown)} | self.failover.told()

    def _notice(self, samples: Iterable[Sample]) -> None:
        """Keep the newest values, and say when a sensor begins or ends to fail."""
        for sample in samples:
            cause = "" if sample.value is not None else sample.cause or "no value"
            if sample.value is not None:
                self._values[sample.sensor] = sample.value
            if cause != self._faults.get(sample.sensor, ""):
                self.recorder.say(
                    {"kind": "sensor_fault", "sensor": sample.sensor, "at_us": sample.observed_us, "cause": cause}
                )
            if cause:
                self._faults[sample.sensor] = cause
            else:
                self._faults.pop(sample.sensor, None)

    def _own_findings(self, now_s: float) -> dict[tuple[str, str], Finding]:
        if self.recorder.level not in ("stopped", "outside_only"):
            self._stopped_s = None
            return {}
        self._stopped_s = now_s if self._stopped_s is None else self._stopped_s
        finding = Finding("", "recording", self._stopped_s, None)
        return {finding.key: finding}

    def _reached_s(self, now_us: int, now_s: float) -> float | None:
        accepted_us = self.sender.paths.accepted_us()
        return None if not accepted_us else now_s - (now_us - accepted_us) / 1e6

    def _runs(self, now_us: int, now_s: float) -> str:
        """The open excursions, their begins to the second so that they stay the same text."""
        runs = self.judge.open_runs()
        told = {
            code: [side, round(now_us / 1e6 - (now_s - since_s)) * 1_000_000] for code, (side, since_s) in runs.items()
        }
        return json.dumps(told, sort_keys=True)

    def _sound(self, now_us: int, now_s: float) -> None:
        soundings = self.alarm.soundings({"": self.settings.site, **self.settings.words}, now_us - now_s * 1e6)
        for sounder in self._outside.sounders:
            try:
                sounder.sound(soundings, now_us)
            except OSError as error:
                self._fault(f"sounder {type(sounder).__name__}", str(error)[:80], now_us)
            else:
                self._fault(f"sounder {type(sounder).__name__}", "", now_us)

    def fault(self, what: str, cause: str) -> None:
        """What tells people at the site fails with that cause, or with an empty one works; a change is told once."""
        self._fault(what, cause, self._clock.now_us())

    def _fault(self, what: str, cause: str, now_us: int) -> None:
        if cause != self._faults.get(what, ""):
            self.recorder.say({"kind": "sounder_fault", "sounder": what, "at_us": now_us, "cause": cause})
        if cause:
            self._faults[what] = cause
        else:
            self._faults.pop(what, None)

    def _tell(self, changes: Iterable[Change], now_us: int, now_s: float) -> None:
        """Alarms leave in a batch of their own, before everything else; what happened to them stands beside."""
        told, to_us = list(changes), now_us - now_s * 1e6
        for first in range(0, len(told), MOST_NOTES):
            some = told[first : first + MOST_NOTES]
            alarms = [_alarm(c, to_us, now_us) for c in some if c.kind == "raised"]
            notes = [heads.told(_note(c, now_us)) for c in some if c.kind != "raised"]
            self._beside("alarm", now_us, alarms=alarms, notes=notes)

    def _beside(self, kind: str, now_us: int, **members: Any) -> None:
        """A batch of an urgent kind; where nothing can be written it is sent from memory."""
        if not self._is_sealed_beside(kind, now_us, members):
            body = heads.body_of(self.recorder.boot, "", members.pop("readings", []), **members)
            signature, key = self._keys.sign(body), self._keys.public
            self.sender.keep_loose(Batch(0, kind, now_us, heads.digest_of(body), signature, key, body))

    def _is_sealed_beside(self, kind: str, now_us: int, members: Mapping[str, Any]) -> bool:
        if not self.recorder.boot:
            return False
        try:
            self._spool.seal_beside(kind, self.recorder.boot, now_us, self._keys.public, self._keys.sign, **members)
        except sqlite3.Error:
            return False
        return True

    def _beat(self, now_us: int, now_s: float, is_reachable: bool) -> None:
        """Say that the agent lives, also when there is nothing to say; far from the centre its batches say it."""
        every_s = self.settings.heartbeat_s if is_reachable else max(self.settings.heartbeat_s, HEARTBEATS_OFFLINE_S)
        if self._beat_s is not None and now_s - self._beat_s < every_s:
            return
        self._beat_s = now_s
        health = self._clock.health()
        if health["steps"] != self._steps_of_clock:
            self._steps_of_clock = health["steps"]
            self.recorder.say({"kind": "clock_stepped", "at_us": now_us, "steps": health["steps"]})
        sensor = self.settings.heartbeat_sensor
        readings = [[sensor, now_us, 1.0, 0]] if sensor else []
        self._beside("heartbeat", now_us, readings=readings, state=self.state(now_us, now_s))

    def _check_in(self, now_us: int, now_s: float) -> None:
        """What the devices are, at start and every so often; a new key when the present one is old enough."""
        if self._stock_s is None or now_s - self._stock_s >= self.settings.inventory_s:
            self._stock_s = now_s
            if stock := list(self._outside.take_stock()):
                self._beside("inventory", now_us, check_ins=stock)
        if self.settings.key_days and now_s - self._key_s >= self.settings.key_days * DAY_S:
            with suppress(OSError):  # a disk that takes no key now is asked again
                self._keys.begin_rotation()
                self._key_s = now_s

    def _die_in_order(self, now_us: int, now_s: float) -> None:
        ups = self.settings.ups
        mains = self._values.get(ups.mains)
        taken = self._shutdown.step(
            now_s,
            mains=None if mains is None else mains > 0,
            charge_pct=self._values.get(ups.charge),
            is_low=self._values.get(ups.low, 0.0) > 0,
        )
        for one in taken:
            self._take(one, now_us)

    def _take(self, taken: Taken, now_us: int) -> None:
        step = taken.step
        self.recorder.say(
            {"kind": "shutdown_step", "step": step.what, "number": taken.number, "at_us": now_us, "why": taken.why}
            | ({"is_undone": True} if taken.is_undone else {})
        )
        if step.what in ("inventory", "backlog", "live"):
            (self.sender.held.discard if taken.is_undone else self.sender.held.add)(step.what)
        elif step.what == "command" and not taken.is_undone:
            self._outside.run(step.command)


def _alarm(change: Change, to_us: float, now_us: int) -> dict[str, Any]:
    finding = change.standing.finding
    return {
        "rule": finding.rule,
        "sensor": finding.sensor,
        "started_at": _instant(to_us + finding.since_s * 1e6),
        "raised_at": _instant(now_us),
        "value": "" if finding.value is None else repr(finding.value),
    }


def _instant(at_us: float) -> str:
    return instant(datetime.fromtimestamp(at_us // 1e6, UTC))


def _note(change: Change, now_us: int) -> dict[str, Any]:
    finding = change.standing.finding
    told: dict[str, Any] = {"kind": change.kind, "sensor": finding.sensor, "rule": finding.rule, "at_us": now_us}
    return told | ({"who": change.standing.quiet_by} if change.kind == "quieted" else {})
