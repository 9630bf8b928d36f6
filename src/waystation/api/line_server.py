"""The ingest process: takes writes on a port of its own and makes many of them durable with one append.

While one group is written, those that come wait and are the next group. The queue is bounded in requests and bytes;
what does not fit is asked to come again. Nobody is answered before what they sent is durable.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from waystation.api import line_door
from waystation.api.line_door import Asked, Reply, refused
from waystation.kernel.refusals import NotFound, Refusal, TooMuch, Unavailable
from waystation.telemetry.actions.lines import too_large
from waystation.telemetry.rules.batch import MOST_BYTES

log = logging.getLogger("waystation.ingest")
Answer = Callable[[Sequence[Asked]], list[Reply]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
BODY_WITHIN_S = 30.0


@dataclass(frozen=True, slots=True)
class Bounds:
    """How much may wait: requests, bytes of their bodies, and requests in one append."""

    requests: int = 512
    bytes: int = 64 * 1024 * 1024
    in_a_group: int = 128


@dataclass(slots=True)
class _Waiting:
    asked: Asked
    reply: asyncio.Future[Reply]


class LineServer:
    """An ASGI application. `answer` makes durable and answers a group of writes; one group at a time, on one thread."""

    def __init__(self, answer: Answer, bounds: Bounds | None = None) -> None:
        self._answer, self.bounds = answer, bounds or Bounds()
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="writes")
        self._queue: deque[_Waiting] = deque()
        self._requests = self._bytes = 0
        self._worker: asyncio.Task[None] | None = None

    async def __call__(self, scope: Mapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            return
        reply = await self._reply(scope, receive)
        headers = [(k.lower().encode(), v.encode()) for k, v in reply.headers.items()]
        headers.append((b"content-length", str(len(reply.body)).encode()))
        if reply.status == 204:
            headers.pop()
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body})

    async def _reply(self, scope: Mapping[str, Any], receive: Receive) -> Reply:
        path, method = scope["path"], scope["method"]
        if method in ("GET", "HEAD") and path == "/ping":
            return line_door.PONG
        if method in ("GET", "HEAD") and path == "/health":
            return line_door.health()
        if method != "POST" or path not in line_door.WRITES:
            return refused(NotFound("telemetry.no_such_door", f"There is no {method} {path[:80]} here.", "See /ping."))
        if self._requests >= self.bounds.requests or self._bytes >= self.bounds.bytes:
            return refused(full())
        self._requests += 1
        taken = 0
        try:
            async with asyncio.timeout(BODY_WITHIN_S):
                body = await self._body(receive)
            taken = len(body)
            self._bytes += taken
            return await self._queued(_asked(scope, body))
        except Refusal as refusal:
            return refused(refusal)
        except TimeoutError:
            return refused(
                Refusal("telemetry.body_slow", f"The body did not come within {BODY_WITHIN_S:g} s.", "Send it again.")
            )
        finally:
            self._requests -= 1
            self._bytes -= taken

    async def _body(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        size, more = 0, True
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise Refusal("telemetry.body_cut", "The connection ended before the body did.", "Send it again.")
            parts.append(message.get("body", b""))
            size, more = size + len(parts[-1]), message.get("more_body", False)
            if size > MOST_BYTES:
                raise too_large(size)
        return b"".join(parts)

    async def _queued(self, asked: Asked) -> Reply:
        waiting = _Waiting(asked, asyncio.get_running_loop().create_future())
        self._queue.append(waiting)
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._drain())
        return await waiting.reply

    async def _drain(self) -> None:
        loop = asyncio.get_running_loop()
        while self._queue:
            group = [self._queue.popleft() for _ in range(min(len(self._queue), self.bounds.in_a_group))]
            work = loop.run_in_executor(self._pool, self._answer, [one.asked for one in group])
            (done,) = await asyncio.gather(work, return_exceptions=True)
            if isinstance(done, BaseException):
                log.error("a group of %d writes was not taken", len(group), exc_info=done)
                done = [refused(failed())] * len(group)
            for one, reply in zip(group, done, strict=True):
                if not one.reply.done():
                    one.reply.set_result(reply)


def full() -> TooMuch:
    """What is said while too much waits."""
    return TooMuch(
        "telemetry.queue_full", "Too many writes wait to be stored.", "Send it again in a second.", retry_after_s=1
    )


def failed() -> Unavailable:
    """What is said of a write whose fate is unclear: it is not acknowledged, and sending it again is safe."""
    return Unavailable("telemetry.not_taken", "The write was not taken.", "Keep it and send it again.", retry_after_s=5)


def _asked(scope: Mapping[str, Any], body: bytes) -> Asked:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True))
    return Asked(scope["path"], query, headers, body)
