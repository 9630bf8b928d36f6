"""The ingest process's front: groups, bounds and what is said when something fails, by its ASGI surface."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from tests.looped import run
from waystation.api.line_door import WRITTEN, Asked, Reply
from waystation.api.line_server import Bounds, LineServer
from waystation.telemetry.rules.batch import MOST_BYTES


class Store:
    """Stands where the log stands: takes groups when it is let, and remembers them."""

    def __init__(self) -> None:
        self.groups: list[list[bytes]] = []
        self.go = threading.Event()
        self.go.set()
        self.breaks = False

    def __call__(self, asked: Sequence[Asked]) -> list[Reply]:
        """One group."""
        self.go.wait(20)
        if self.breaks:
            raise OSError("the disk is gone")
        self.groups.append([one.body for one in asked])
        return [WRITTEN] * len(asked)


async def _send(
    server: LineServer, body: bytes = b"t v=1", path: str = "/write", method: str = "POST", parts: int = 1
) -> tuple[int, dict[str, str], bytes]:
    size = max(1, -(-len(body) // parts))
    messages = [
        {"type": "http.request", "body": body[n : n + size], "more_body": n + size < len(body)}
        for n in range(0, max(1, len(body)), size)
    ]
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "path": path, "method": method, "headers": [(b"X-Own", b"1")], "query_string": b"a=b"}
    await server(scope, receive, send)
    headers = {k.decode(): v.decode() for k, v in sent[0]["headers"]}
    return sent[0]["status"], headers, sent[1]["body"]


def test_int_05_what_comes_while_one_group_is_stored_is_the_next_group() -> None:
    """Sixty writes behind one slow append become one append more, each answered with its own reply."""
    store = Store()

    async def story() -> list[int]:
        server = LineServer(store)
        store.go.clear()
        first = asyncio.create_task(_send(server, b"first"))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(_send(server, f"{n}".encode())) for n in range(60)]
        await asyncio.sleep(0.05)
        store.go.set()
        return [(await one)[0] for one in (first, *others)]

    assert run(story()) == [204] * 61
    assert [len(group) for group in store.groups] == [1, 60]
    assert store.groups[1] == [f"{n}".encode() for n in range(60)]


def test_int_05_a_group_has_a_bound() -> None:
    """No more in one append than is allowed; none is forgotten."""
    store = Store()

    async def story() -> None:
        server = LineServer(store, Bounds(in_a_group=7))
        await asyncio.gather(*(_send(server, f"{n}".encode()) for n in range(40)))

    run(story())
    assert max(len(group) for group in store.groups) <= 7
    assert sorted(int(body) for group in store.groups for body in group) == list(range(40))


@pytest.mark.parametrize("bounds", [Bounds(requests=5), Bounds(bytes=5 * 5)])
def test_int_05_past_the_bound_it_is_429_with_a_time_to_come_again(bounds: Bounds) -> None:
    """By requests and by bytes; those that were let in are stored, and afterwards there is room again."""
    store = Store()

    async def story() -> list[tuple[int, dict[str, str], bytes]]:
        server = LineServer(store, bounds)
        store.go.clear()
        held = [asyncio.create_task(_send(server, b"t v=1")) for _ in range(5)]
        await asyncio.sleep(0.05)
        refused = await _send(server)
        store.go.set()
        return [refused, *[await one for one in held], await _send(server)]

    refused, *others = run(story())
    assert (refused[0], refused[1]["retry-after"]) == (429, "1")
    assert json.loads(refused[2])["code"] == "telemetry.queue_full"
    assert [status for status, _, _ in others] == [204] * 6
    assert sum(map(len, store.groups)) == 6


def test_int_05_a_group_that_fails_is_acknowledged_to_nobody_and_the_next_one_is_taken() -> None:
    """503 with a time to come again for each of them; the process goes on."""
    store = Store()

    async def story() -> tuple[list[tuple[int, dict[str, str], bytes]], int]:
        server = LineServer(store)
        store.breaks = True
        failed = await asyncio.gather(*(_send(server) for _ in range(4)))
        store.breaks = False
        return list(failed), (await _send(server))[0]

    failed, after = run(story())
    assert {status for status, _, _ in failed} == {503}
    assert all("retry-after" in headers for _, headers, _ in failed)
    assert after == 204
    assert len(store.groups) == 1


def test_int_05_a_body_comes_in_any_pieces_and_never_past_the_limit() -> None:
    """As it was sent; a byte too many is 413 and nothing of it reaches the store."""
    store = Store()

    async def story() -> list[int]:
        server = LineServer(store)
        whole = await _send(server, b"x" * 1000, parts=7)
        large = await _send(server, b"x" * (MOST_BYTES + 1), parts=3)
        return [whole[0], large[0]]

    assert run(story()) == [204, 413]
    assert store.groups == [[b"x" * 1000]]


def test_int_05_half_a_body_is_nothing() -> None:
    """The line went away before the body was whole: nothing of it is stored."""
    store = Store()

    async def story() -> None:
        server = LineServer(store)
        pieces = [{"type": "http.request", "body": b"t v=", "more_body": True}, {"type": "http.disconnect"}]

        async def receive() -> dict[str, Any]:
            return pieces.pop(0)

        async def send(message: dict[str, Any]) -> None:
            return None

        scope = {"type": "http", "path": "/write", "method": "POST", "headers": [], "query_string": b""}
        await server(scope, receive, send)
        assert (await _send(server))[0] == 204

    run(story())
    assert store.groups == [[b"t v=1"]]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/ping", 204),
        ("HEAD", "/ping", 204),
        ("GET", "/health", 200),
        ("POST", "/api/v2/write", 204),
        ("GET", "/write", 404),
        ("POST", "/query", 404),
        ("GET", "/", 404),
    ],
)
def test_int_05_the_ingest_port_has_the_write_paths_and_no_other(method: str, path: str, status: int) -> None:
    """Each by its method; everything else is not there, in the one shape."""

    async def story() -> tuple[int, dict[str, str], bytes]:
        return await _send(LineServer(Store()), path=path, method=method)

    found, _, body = run(story())
    assert found == status
    if status == 404:
        assert set(json.loads(body)) >= {"code", "message", "next_step"}
