"""The gateway of a site: samples, keeps, signs, sends. Nothing leaves its spool before the product said it has it.

Readings are numbered within a boot. When it is time to send, the spool becomes batches of `waystation.batch/1`; each
names the digest of the batch of readings before it. A batch that was refused or not answered is sent again as the
same bytes under the same signature, before anything newer. What the site's own siren told goes out first, in a batch
without readings that stands beside the chain.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from waystation.kernel.refusals import BadInput
from waystation.simulator.local_alarms import LocalJudge

SCHEMA = "waystation.batch/1"
PATH = "/api/v1/telemetry/batches"
MOST_READINGS = 20_000
MOST_CHECK_INS = 1000


@dataclass(frozen=True, slots=True)
class Pace:
    """How often a gateway sends, in seconds: in ordinary life, while something is abnormal, and after a refusal."""

    quiet_s: int = 300
    busy_s: int = 60
    retry_s: int = 60
    retry_most_s: int = 900
    check_in_s: int = 3600
    spool_rows: int = 2_000_000

    def __post_init__(self) -> None:
        if not 0 < self.busy_s <= self.quiet_s or not 0 < self.retry_s <= self.retry_most_s or self.spool_rows < 1:
            raise BadInput("simulator.pace", "These intervals cannot be.", "busy <= quiet, retry <= retry_most.")


@dataclass(frozen=True, slots=True)
class Batch:
    """Signed bytes that wait for the product's answer; `digest` is their SHA-256, `readings` how many they hold."""

    body: bytes
    signature: bytes
    digest: str
    readings: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: an HTTP status (0: nothing came back) and how long to wait if the product said so."""

    status: int
    retry_after_s: int = 0

    @property
    def is_accepted(self) -> bool:
        """True when the product has it."""
        return 200 <= self.status < 300


class Uplink(Protocol):
    """A way to the product."""

    def post(self, machine: str, batch: Batch) -> Answer:
        """Send one batch under the name of a machine; never raises for what a network or a server does."""
        ...


class HttpUplink:
    """Speaks HTTP to the product: to a WSGI callable in this process, or to a server at `base_url`."""

    def __init__(self, *, app: Any = None, base_url: str = "http://localhost", timeout_s: float = 10.0) -> None:
        transport = httpx.WSGITransport(app=app) if app is not None else None
        if app is not None:  # one process: its connection to the database is not the request's to close
            request_started.disconnect(close_old_connections)
            request_finished.disconnect(close_old_connections)
        self._client = httpx.Client(transport=transport, base_url=base_url, timeout=timeout_s)

    def post(self, machine: str, batch: Batch) -> Answer:
        """Send one batch; an answer that does not come is status 0."""
        headers = {
            "Content-Type": "application/json",
            "X-Waystation-Machine": machine,
            "X-Waystation-Signature": base64.b64encode(batch.signature).decode(),
        }
        try:
            reply = self._client.post(PATH, content=batch.body, headers=headers)
        except httpx.TransportError:
            return Answer(0)
        wait = reply.headers.get("Retry-After", "")
        return Answer(reply.status_code, int(wait) if wait.isdigit() else 0)

    def close(self) -> None:
        """End the connection."""
        self._client.close()


def device_key(seed: int, site: str) -> Ed25519PrivateKey:
    """The key of a simulated gateway. It follows from the seed, so it protects nothing: never enrol it for real."""
    return Ed25519PrivateKey.from_private_bytes(hashlib.sha256(f"waystation simulator {seed} {site}".encode()).digest())


class Gateway:
    """One gateway and its spool. All instants are Unix seconds."""

    def __init__(self, site: str, key: Ed25519PrivateKey, judge: LocalJudge, pace: Pace, boot: int = 0) -> None:
        self.site, self.machine, self.pace, self.judge = site, "", pace, judge
        self._key = key
        self.boot, self.seq, self.lost = boot, 0, 0
        self._spool: deque[tuple[int, list[Any]]] = deque()  # (boot, [code, microseconds, value, seq])
        self._check_ins: list[Mapping[str, str]] = []
        self._waiting: deque[Batch] = deque()
        self._urgent: deque[Batch] = deque()
        self._last_digest = ""
        self._last_sent_s = self._try_again_s = 0
        self._refusals = 0
        self.is_running = False
        self._wants_out = False

    @property
    def public_key(self) -> str:
        """The public half of its key, in hexadecimal."""
        return self._key.public_key().public_bytes_raw().hex()

    @property
    def unsent_readings(self) -> int:
        """How many readings the product has not acknowledged."""
        return len(self._spool) + sum(b.readings for b in self._waiting)

    def start(self) -> None:
        """It boots: the count begins again, what was spooled is still there."""
        self.boot, self.seq, self.is_running = self.boot + 1, 0, True

    def stop(self) -> None:
        """It loses power or dies."""
        self.is_running = False

    def check_in(self, said: Sequence[Mapping[str, str]]) -> None:
        """What the devices say of themselves goes out with the next batch; only the newest round is kept."""
        self._check_ins = list(said)[:MOST_CHECK_INS]

    def sample(self, at_s: int, rows: Sequence[tuple[str, float]], *, is_cut: bool) -> None:
        """Keep the readings of an instant. A full spool drops the oldest, which the missing numbers then show."""
        if not self.is_running:
            return
        at_us, boot, spool = at_s * 1_000_000, self.boot, self._spool
        for code, value in rows:
            self.seq += 1
            spool.append((boot, [code, at_us, value, self.seq]))
        while len(spool) > self.pace.spool_rows:
            spool.popleft()
            self.lost += 1
        if self.judge.take(at_s, rows, is_cut=is_cut):
            self._wants_out = True

    def is_due(self, now_s: int) -> bool:
        """True when it is time to send: an interval is over, something changed, or a refused batch may try again."""
        if not self.is_running or not (self._spool or self._waiting or self._urgent or self._check_ins):
            return False
        if self._refusals:
            return now_s >= self._try_again_s
        interval_s = self.pace.busy_s if self.judge.is_abnormal else self.pace.quiet_s
        return self._wants_out or now_s - self._last_sent_s >= interval_s

    def send(self, uplink: Uplink, now_s: int) -> Answer:
        """Seal what is spooled and send everything that waits, oldest first, until the first that is not accepted."""
        self._seal()
        self._last_sent_s, self._wants_out = now_s, False
        answer = Answer(204)
        for queue in (self._urgent, self._waiting):
            while queue:
                answer = uplink.post(self.machine, queue[0])
                if not answer.is_accepted:
                    self._refused(answer, now_s)
                    return answer
                queue.popleft()
        self._refusals = 0
        return answer

    def _refused(self, answer: Answer, now_s: int) -> None:
        self._refusals += 1
        backoff_s = min(self.pace.retry_most_s, self.pace.retry_s * 2 ** min(self._refusals - 1, 16))
        self._try_again_s = now_s + max(backoff_s, answer.retry_after_s)

    def _seal(self) -> None:
        if self.judge.raised:
            told, self.judge.raised = self.judge.raised, []
            self._urgent.append(self._sign(self.boot, [], self._last_digest, alarms=told))
        while self._spool or self._check_ins:
            boot = self._spool[0][0] if self._spool else self.boot
            rows: list[list[Any]] = []
            while self._spool and self._spool[0][0] == boot and len(rows) < MOST_READINGS:
                rows.append(self._spool.popleft()[1])
            batch = self._sign(boot, rows, self._last_digest, check_ins=self._check_ins)
            self._check_ins, self._last_digest = [], batch.digest
            self._waiting.append(batch)

    def _sign(self, boot: int, rows: list[list[Any]], previous: str, **members: Sequence[Mapping[str, str]]) -> Batch:
        document = {"schema": SCHEMA, "boot": boot, "previous": previous, "readings": rows}
        document |= {name: list(value) for name, value in members.items() if value}
        body = json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()
        return Batch(body, self._key.sign(body), hashlib.sha256(body).hexdigest(), len(rows))
