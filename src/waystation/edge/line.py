"""The line to the centre over HTTP: one request at a time on a thread of its own, so that nothing else waits for it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from waystation.edge.paths import Uplink
from waystation.edge.ports import Answer, Request

TIMEOUT_S = 10.0


class HttpLine:
    """A client per uplink, each bound to its uplink's own address where one is given."""

    def __init__(self, uplinks: Sequence[Uplink], timeout_s: float = TIMEOUT_S) -> None:
        self._clients = {uplink.name: client_of(uplink, timeout_s) for uplink in uplinks}
        self._asked: queue.SimpleQueue[Request] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Answer] = queue.SimpleQueue()
        self.came = threading.Event()
        threading.Thread(target=self._carry, name="line", daemon=True).start()

    def begin(self, request: Request) -> None:
        """Hand a request to the thread."""
        self.came.clear()
        self._asked.put(request)

    def answer(self) -> Answer | None:
        """The answer, if it came."""
        try:
            return self._answers.get_nowait()
        except queue.Empty:
            return None

    def _carry(self) -> None:
        while True:
            request = self._asked.get()
            self._answers.put(post(self._clients[request.uplink], request))
            self.came.set()


def client_of(uplink: Uplink, timeout_s: float) -> httpx.Client:
    """A client of one uplink, bound to its own address; the environment names no proxy for it."""
    transport = httpx.HTTPTransport(local_address=uplink.source or None)
    return httpx.Client(base_url=uplink.url, transport=transport, timeout=timeout_s, trust_env=False)


def post(client: httpx.Client, request: Request) -> Answer:
    """Send one request; whatever a network or a server does becomes an answer."""
    try:
        reply = client.post(request.path, content=request.body, headers=dict(request.headers))
        return answer_of(reply)
    except (httpx.HTTPError, httpx.InvalidURL):
        return Answer(0)


def answer_of(reply: httpx.Response) -> Answer:
    """An HTTP reply as the agent reads it."""
    try:
        said: Any = reply.json()
    except ValueError:
        said = {}
    wait, date = reply.headers.get("Retry-After", ""), reply.headers.get("Date", "")
    return Answer(
        reply.status_code,
        said if isinstance(said, dict) else {},
        min(int(wait), 86_400) if wait.isascii() and wait.isdigit() and len(wait) < 9 else 0,
        _unix_us(date),
    )


def _unix_us(date: str) -> int | None:
    try:
        return round(parsedate_to_datetime(date).timestamp() * 1e6)
    except (ValueError, TypeError):
        return None
