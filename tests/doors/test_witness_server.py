"""The witness's own door: what it takes, what it refuses, many at once, and a death at any moment."""

from __future__ import annotations

import http.client
import os
import random
import signal
import socket
import threading
import time
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.rooms.evidence.witnessing import Process, command
from waystation import wiring
from waystation.adapters.witness.http.line import LARGEST_BYTES, HttpLine
from waystation.cli.witnessing.server import server
from waystation.cli.witnessing.state import Witness, make
from waystation.evidence.ports import NoAnswer
from waystation.evidence.rules import checkpoints, merkle, notes, signing, witness
from waystation.evidence.rules.notes import VerifierKey

SEED = bytes([7] * 32)
LOG = VerifierKey("log.example/north", notes.ED25519, signing.public_of(SEED))


def request(size: int, old: int, seed: str = "x") -> bytes:
    """A signed head of `size` leaves of a history called `seed`, with the proof from `old`."""
    grown, nodes = merkle.Frontier().grow(merkle.leaf_hash(f"{seed}{n}".encode()) for n in range(size))
    known = {(level, index): node for level, index, node in nodes}
    proof = merkle.consistency_proof(old, size, lambda level, index: known[(level, index)])
    head = checkpoints.Checkpoint(LOG.name, checkpoints.Head(size, grown.root()))
    return witness.format_request(old, proof, checkpoints.sign_checkpoint(head, LOG, signing.signer(SEED)))


@pytest.fixture
def door(tmp_path: Path) -> Iterator[int]:
    """The port of a witness that watches one log, served from this process."""
    make(tmp_path / "w", "w.example")
    opened = Witness(tmp_path / "w")
    opened.watch(LOG.vkey())
    served = server(opened, "127.0.0.1", 0, lambda: 1_800_000_000.0)
    thread = threading.Thread(target=served.serve_forever, daemon=True)
    thread.start()
    yield served.server_address[1]
    served.shutdown()
    served.server_close()
    opened.close()


def ask(port: int, verb: str, path: str, body: bytes | None = None, **headers: str) -> tuple[int, str, str]:
    """Status, body and type of one answer."""
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        line.request(verb, path, body, headers)
        reply = line.getresponse()
        return reply.status, reply.read().decode(), reply.getheader("content-type", "")
    finally:
        line.close()


def test_evd_08_the_witness_answers_as_the_protocol_says(door: int) -> None:
    """A line for growth, the held size for an old one, refusals for rewriting, noise and other paths."""
    status, body, _ = ask(door, "POST", "/add-checkpoint", request(3, 0))
    assert (status, body.startswith("\u2014 w.example ")) == (200, True)
    assert ask(door, "POST", "/add-checkpoint", request(3, 0)) == (409, "3\n", witness.SIZE_TYPE)
    assert ask(door, "POST", "/add-checkpoint", request(5, 3, seed="y"))[0] == 422
    assert ask(door, "POST", "/add-checkpoint", b"nonsense")[0] == 400
    assert ask(door, "POST", "/add-checkpoint", request(5, 3).replace(b"north", b"south"))[0] == 404
    assert ask(door, "POST", "/other", request(5, 3))[0] == 404
    assert ask(door, "GET", "/add-checkpoint")[0] == 404
    held = ask(door, "GET", "/heads")[1]
    origin, size, root = held.strip().split(" ")
    assert (origin, size, len(b64decode(root))) == (LOG.name, "3", 32)


def test_a_request_without_a_length_or_too_long_is_not_read(door: int) -> None:
    """Answered before a byte of it is taken."""
    assert ask(door, "POST", "/add-checkpoint", **{"content-length": str(10**9)})[0] == 400
    assert ask(door, "POST", "/add-checkpoint", **{"content-length": "many"})[0] == 400
    with socket.create_connection(("127.0.0.1", door), timeout=10) as line:
        line.sendall(b"POST /add-checkpoint HTTP/1.1\r\nHost: w\r\n\r\n")
        assert b" 400 " in line.recv(200)


def test_evd_08_of_many_histories_shown_at_once_one_is_cosigned(door: int) -> None:
    """Two dozen forks of one size in two dozen threads: exactly one line leaves the house."""
    assert ask(door, "POST", "/add-checkpoint", request(2, 0))[0] == 200
    forks = [request(7, 2)] + [request(7, 2, seed=f"fork{n}-") for n in range(11)]
    with ThreadPoolExecutor(12) as threads:
        found = [status for status, _, _ in threads.map(lambda b: ask(door, "POST", "/add-checkpoint", b), forks * 2)]
    assert found.count(200) == 1
    assert set(found) <= {200, 409, 422}
    assert ask(door, "GET", "/heads")[1].split(" ")[1] == "7"


@pytest.mark.processes
def test_evd_08_a_witness_killed_at_any_moment_never_forgets_what_it_cosigned(tmp_path: Path) -> None:
    """Heads are shown while the process dies again and again: none that was cosigned is lost, no fork gets a line."""
    process, chance = Process(tmp_path / "w", "w.example"), random.Random(11)
    process.end()
    assert command(tmp_path / "w", "watch", LOG.vkey()).returncode == 0
    cosigned = 0
    for number in range(6):
        process.start()
        stop = threading.Timer(chance.uniform(0.0, 0.6), process.end, [signal.SIGKILL])
        stop.start()
        line, size = wiring.witness_line(process.url), cosigned
        try:
            while True:
                status, body = line.add_checkpoint(request(size + 1, size))
                if status == 409:  # the answer was lost, the head was not
                    assert int(body) in (size, size + 1)
                    size = int(body)
                else:
                    assert status == 200
                    size += 1
                cosigned = max(cosigned, size)
        except NoAnswer:
            stop.join()
        process.end()
        held = int(command(tmp_path / "w", "heads").stdout.split(" ")[1])
        assert held in (cosigned, cosigned + 1), number
        opened = Witness(tmp_path / "w")
        if held:
            assert opened.answer(request(held + 1, held, seed="other"), int(time.time())).status == 422
            assert opened.answer(request(held, held), int(time.time())).status == 200
        else:
            assert opened.heads().split(" ")[1] == "0"
        assert os.stat(tmp_path / "w" / "key").st_mode & 0o077 == 0
        opened.close()
        cosigned = held
    assert cosigned > 0


class _Says(BaseHTTPRequestHandler):
    """A server that answers what a test wants."""

    status, body, where = 200, b"", ""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(self.status)
        if self.where:
            self.send_header("Location", self.where)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, format: str, *words: Any) -> None:
        """Nothing is printed."""


@pytest.fixture
def other() -> Iterator[Any]:
    """Makes a server that answers with a status, a body and perhaps another place; returns its address."""
    served = []

    def make_one(status: int, body: bytes, where: str = "") -> str:
        kind = type("Says", (_Says,), {"status": status, "body": body, "where": where})
        one = ThreadingHTTPServer(("127.0.0.1", 0), kind)
        threading.Thread(target=one.serve_forever, daemon=True).start()
        served.append(one)
        return f"http://127.0.0.1:{one.server_address[1]}"

    yield make_one
    for one in served:
        one.shutdown()
        one.server_close()


def test_the_line_to_a_witness_brings_back_what_was_said(other: Any) -> None:
    """Status and text; a redirect is an answer and is not followed; bytes that are no text are shown as such."""
    assert HttpLine(other(200, "\u2014 w line\n".encode())).add_checkpoint(b"x") == (200, "\u2014 w line\n")
    assert HttpLine(other(409, b"7\n") + "/").add_checkpoint(b"x") == (409, "7\n")
    assert HttpLine(other(307, b"", other(200, b"elsewhere"))).add_checkpoint(b"x") == (307, "")
    assert HttpLine(other(200, b"\xff")).add_checkpoint(b"x") == (200, "\ufffd")


def test_silence_nonsense_and_too_much_are_no_answer(other: Any) -> None:
    """Each is told by its address; nothing else is raised."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen()
        for url, words in (
            (f"http://127.0.0.1:{deaf.getsockname()[1]}", "does not answer"),
            ("http://127.0.0.1:1", "does not answer"),
            ("http://[", "does not answer"),
            (other(200, b"x" * (LARGEST_BYTES + 1)), "answered with"),
        ):
            with pytest.raises(NoAnswer, match=words):
                HttpLine(url, timeout_s=0.5).add_checkpoint(b"x")
