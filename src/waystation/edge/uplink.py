"""Sending: alarms, then heartbeats, then live telemetry, then what waited, then inventory; one request at a time."""

from __future__ import annotations

import base64
import sqlite3
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from waystation.edge.clock import SteadyClock
from waystation.edge.keys import Keys
from waystation.edge.local_alarm import Answered, answers
from waystation.edge.paths import Path, Paths
from waystation.edge.ports import Answer, Clock, Line, Request
from waystation.edge.spool import Batch, Spool

BATCHES = "/api/v1/telemetry/batches"
KEY = "/api/v1/gateways/key"
MOST_AT_ONCE = 50
MOST_LOOSE = 100  # alarms and heartbeats that go out though nothing can be kept
URGENT_WAIT_US = 15 * 1_000_000
LIVE_RUN = 3  # after so many live batches in a row one that waited goes
REFUSED_US = 3600 * 1_000_000
DISTRUSTED_US = 60 * 1_000_000


@dataclass(frozen=True, slots=True)
class _Sent:
    kind: str
    batch: Batch | None
    path: Path
    at_s: float


class Sender:
    """Sends what waits in the spool, in order of class, over the first path that is up."""

    def __init__(
        self, spool: Spool, line: Line, paths: Paths, keys: Keys, clocks: tuple[Clock, SteadyClock], live_us: int
    ) -> None:
        self._spool, self._line, self.paths, self._keys = spool, line, paths, keys
        self._clock, self._steady = clocks
        self._live_us = live_us
        self._sent: _Sent | None = None
        self._wait_until_us = 0
        self._live_run = 0
        self._urgent_until_us = 0
        self.loose: deque[Batch] = deque(maxlen=MOST_LOOSE)
        self.held: set[str] = set()
        self.unknown: set[str] = set()
        self.answered: Answered = ()
        self.asked_test = ("", "")  # the centre's name of a test of one uplink, and which uplink
        self.told_limits: Mapping[str, Any] = {}
        self.problem = ""

    @property
    def is_busy(self) -> bool:
        """True while a request is under way."""
        return self._sent is not None

    def resume(self) -> None:
        """Go on with the uplinks' accounts where the last boot stopped; what cannot be read counts as nothing."""
        for path in self.paths.all:
            with suppress(sqlite3.Error):
                path.resume(self._spool.spent(path.account))

    def step(self, now_us: int) -> None:
        """Take an answer that came, begin the next request; never waits."""
        for _ in range(MOST_AT_ONCE):
            if self._sent is not None:
                answer = self._line.answer()
                if answer is None:
                    return
                sent, self._sent = self._sent, None
                self._heard(sent, answer, now_us)
            if not self._begin(now_us):
                return

    def keep_loose(self, batch: Batch) -> None:
        """Send it from memory, because nothing can be written; of heartbeats the newest is enough."""
        if batch.kind == "heartbeat":
            for older in [held for held in self.loose if held.kind == "heartbeat"]:
                self._drop(older)
        self.loose.append(batch)

    def _drop(self, batch: Batch) -> None:
        """Out of memory, unless newer ones drove it out while it was under way."""
        if batch in self.loose:
            self.loose.remove(batch)

    def _begin(self, now_us: int) -> bool:
        path = self.paths.next(now_us)
        if path is None:
            return False
        if now_us >= self._wait_until_us and self._keys.next_public():
            self._post_key(path, now_us)
            return True
        chosen = self._choose(path, now_us)
        if chosen is None:
            return False
        self._post(*chosen, path, now_us)
        return True

    def _choose(self, path: Path, now_us: int) -> tuple[str, Batch] | None:
        """What goes next over a path. Alarms and heartbeats wait a quarter of a minute at most when asked to wait."""
        if now_us < min(self._wait_until_us, self._urgent_until_us):
            return None
        if self.loose:
            return self.loose[0].kind, self.loose[0]
        try:
            urgent = self._urgent(now_us)
            if urgent is not None or now_us < self._wait_until_us:
                return urgent
            return self._telemetry(path, now_us)
        except sqlite3.Error:  # the spool says so itself, and is opened again by the recorder
            return None

    def _urgent(self, now_us: int) -> tuple[str, Batch] | None:
        alarm = self._spool.next_of(("alarm",), now_us)
        if alarm is not None:
            return "alarm", alarm
        beat = self._spool.next_of(("heartbeat",), now_us, newest=True, since_us=now_us - self._live_us)
        return None if beat is None else ("heartbeat", beat)

    def _telemetry(self, path: Path, now_us: int) -> tuple[str, Batch] | None:
        held = self._spool
        live = held.next_of(("data",), now_us, since_us=now_us - self._live_us)
        waited = held.next_of(("data", "heartbeat"), now_us)
        if waited is not None and live is not None and waited.n == live.n:
            waited = None
        order = [("live", live), ("backlog", waited), ("inventory", held.next_of(("inventory",), now_us))]
        if self._live_run >= LIVE_RUN:
            order[0], order[1] = order[1], order[0]
        for kind, batch in order:
            if batch is not None and kind not in self.held and path.may_carry(kind, len(batch.body), now_us):
                return kind, batch
        return None

    def _post(self, kind: str, batch: Batch, path: Path, now_us: int) -> None:
        signature = batch.signature
        if batch.key != self._keys.public:
            signature = self._keys.sign(batch.body)
            with suppress(sqlite3.Error):  # what is not kept is signed anew the next time
                self._spool.signed_again(batch.n, signature, self._keys.public)
        headers = {
            "Content-Type": "application/json",
            "X-Waystation-Machine": self._keys.machine,
            "X-Waystation-Signature": base64.b64encode(signature).decode(),
        }
        self._live_run = self._live_run + 1 if kind == "live" else 0
        self._go(_Sent(kind, batch, path, self._clock.running_s()), BATCHES, batch.body, headers, now_us)

    def _post_key(self, path: Path, now_us: int) -> None:
        wanted = self._keys.next_public()
        body = f"{self._keys.machine} {wanted}".encode()
        headers = {
            "Content-Type": "text/plain",
            "X-Waystation-Machine": self._keys.machine,
            "X-Waystation-Signature": base64.b64encode(self._keys.sign(body)).decode(),
            "X-Waystation-Next-Signature": base64.b64encode(self._keys.sign_with_next(body)).decode(),
        }
        self._go(_Sent("key", None, path, self._clock.running_s()), KEY, body, headers, now_us)

    def _go(self, sent: _Sent, where: str, body: bytes, headers: Mapping[str, str], now_us: int) -> None:
        sent.path.tried_us = now_us
        sent.path.carried(sent.kind, len(body), now_us)
        self._sent = sent
        self._line.begin(Request(sent.path.uplink.name, where, body, headers))

    def _heard(self, sent: _Sent, answer: Answer, now_us: int) -> None:
        path = sent.path
        if answer.status == 0 or answer.status in (408, 500, 502, 504):
            path.failed += 1
            self.problem = f"nothing comes back over {path.uplink.name}"
            return
        path.failed = 0
        if answer.centre_us is not None:
            self._steady.compare(answer.centre_us, self._clock.running_s() - sent.at_s)
        if answer.is_accepted and self._is_ours(sent, answer):
            self._accepted(sent, answer, now_us)
        elif answer.status in (429, 503):
            self._wait_until_us = now_us + max(answer.retry_after_s, 5) * 1_000_000
            self._urgent_until_us = now_us + min(max(answer.retry_after_s, 5) * 1_000_000, URGENT_WAIT_US)
            self.problem = f"the centre asks to come again in {max(answer.retry_after_s, 5)} s"
        elif answer.status in (401, 403):
            self._wait_until_us = self._urgent_until_us = now_us + DISTRUSTED_US
            self.problem = f"the centre does not trust this agent: {_message(answer.said)}"
        else:
            self._not_taken(sent, answer, now_us)

    def _is_ours(self, sent: _Sent, answer: Answer) -> bool:
        """An answer that does not name what was sent comes from something in between, and releases nothing."""
        if sent.batch is None:
            return answer.said.get("public_key") == self._keys.next_public()
        return answer.said.get("digest") == sent.batch.digest

    def _accepted(self, sent: _Sent, answer: Answer, now_us: int) -> None:
        sent.path.accepted_us = sent.path.last_us[sent.kind] = now_us
        self.problem = ""
        if sent.batch is None:
            try:
                self._keys.finish_rotation()
            except OSError:  # the centre knows the next key already, and says so again
                self._wait_until_us = now_us + 5_000_000
            return
        self.unknown |= set(answer.said.get("unknown", ()))
        if sent.kind == "heartbeat":
            asked = answer.said.get("test")
            said = asked if isinstance(asked, Mapping) else {}
            self.asked_test = (str(said.get("id", "")), str(said.get("uplink", "")))
            limits = answer.said.get("limits")
            self.told_limits = limits if isinstance(limits, Mapping) else {}
            self.answered = answers(answer.said.get("alarms", ()))
        if not sent.batch.n:
            self._drop(sent.batch)
            return
        try:
            self._spool.acked(sent.batch.n, now_us, sent.path.carried(sent.kind, 0, now_us))
        except sqlite3.Error:  # it is sent once more, and stored once
            self._wait_until_us = self._urgent_until_us = now_us + 5_000_000

    def _not_taken(self, sent: _Sent, answer: Answer, now_us: int) -> None:
        why = f"{answer.status} {_message(answer.said)}"
        self.problem = f"the centre refused a batch: {why}"
        if sent.batch is None:
            self._wait_until_us = now_us + DISTRUSTED_US
            return
        if not sent.batch.n:
            self._drop(sent.batch)
            return
        try:
            self._spool.refused(sent.batch.n, why, now_us + REFUSED_US)
        except sqlite3.Error:
            self._wait_until_us = self._urgent_until_us = now_us + 5_000_000


def _message(said: Mapping[str, Any]) -> str:
    return str(said.get("message", "it gives no reason"))[:120]
