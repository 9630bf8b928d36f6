"""A broker that gives numbers anew after it was away: nothing is acknowledged to it that was not taken."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from waystation.adapters.broker.mqtt.client import MqttBroker

CONNECT, PUBACK, SUBSCRIBE = 0x10, 0x40, 0x82
WAIT_S = 30.0


class Peer:
    """A broker's side of MQTT 3.1.1, a step at a time."""

    def __init__(self) -> None:
        self._listening = socket.create_server(("127.0.0.1", 0))
        self._listening.settimeout(WAIT_S)
        self.url = f"mqtt://127.0.0.1:{self._listening.getsockname()[1]}"
        self._with: socket.socket | None = None

    def accept(self) -> None:
        """Somebody connects, and has said so, but is not yet answered."""
        self._with, _ = self._listening.accept()
        self._with.settimeout(WAIT_S)
        assert self.read()[0] == CONNECT

    def welcome(self) -> None:
        """They are connected, their session is kept, and they subscribe."""
        self._send(b"\x20\x02\x01\x00")
        kind, body = self.read()
        assert kind == SUBSCRIBE
        self._send(b"\x90\x03" + body[:2] + b"\x01")

    def publish(self, number: int, payload: bytes) -> None:
        """A message of QoS 1 under a number of this connection."""
        body = b"\x00\x01t" + number.to_bytes(2, "big") + payload
        self._send(bytes((0x32, len(body))) + body)

    def read(self, within_s: float = WAIT_S) -> tuple[int, bytes]:
        """The next packet: its first byte and its body."""
        assert self._with is not None
        self._with.settimeout(within_s)
        kind, length = self._take(1)[0], self._take(1)[0]
        return kind, self._take(length)

    def _take(self, count: int) -> bytes:
        assert self._with is not None
        found = b""
        while len(found) < count:
            more = self._with.recv(count - len(found))
            assert more, "the other side is gone"
            found += more
        return found

    def _send(self, packet: bytes) -> None:
        assert self._with is not None
        self._with.sendall(packet)

    def cut(self) -> None:
        """The connection breaks."""
        if self._with is not None:
            self._with.close()
            self._with = None

    def end(self) -> None:
        """Nobody listens any more."""
        self.cut()
        self._listening.close()


@pytest.fixture
def peer() -> Iterator[Peer]:
    """A broker to be."""
    made = Peer()
    yield made
    made.end()


def test_int_05_what_came_over_a_broken_connection_is_not_acknowledged_over_the_next(peer: Peer) -> None:
    """Taken while the next connection is being made, message `a` was number 1; number 1 is `b` now, and is untaken."""
    over, taking, may_take = threading.Event(), threading.Event(), threading.Event()
    taken: list[bytes] = []

    def take(group: list[tuple[str, bytes]]) -> list[tuple[str, bytes]]:
        taking.set()
        assert may_take.wait(WAIT_S)
        taken.extend(payload for _, payload in group)
        return []

    follower = MqttBroker(peer.url, "follower", ("t",))
    thread = threading.Thread(target=follower.follow, args=(take, over.is_set))
    thread.start()
    try:
        peer.accept()
        peer.welcome()
        peer.publish(1, b"a")
        assert taking.wait(WAIT_S)
        peer.cut()
        peer.accept()
        may_take.set()
        while taken != [b"a"]:
            assert thread.is_alive()
            time.sleep(0.01)
        may_take.clear()
        peer.welcome()
        peer.publish(1, b"b")
        with pytest.raises(TimeoutError):
            peer.read(1.0)
        may_take.set()
        assert peer.read() == (PUBACK, b"\x00\x01")
        assert taken == [b"a", b"b"]
    finally:
        may_take.set()
        over.set()
        peer.end()
        thread.join(WAIT_S)
    assert not thread.is_alive()
