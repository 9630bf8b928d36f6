"""The dead-man outside and the last gasp inside: silence is said once, hourly, and when it is over."""

from __future__ import annotations

import http.server
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT, START
from waystation.adapters.notify.folder.transport import FolderTransport
from waystation.cli.health import last_gasp, silence
from waystation.cli.main import main
from waystation.evidence import beats
from waystation.kernel.clock import FastClock

WAYSTATION = [sys.executable, "-m", "waystation.cli.main"]


def free_port() -> int:
    """A port that nobody has."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Box:
    """An SMTP server that keeps the subjects it gets."""

    def __init__(self) -> None:
        self.subjects: list[str] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Keep the mail."""
        self.subjects.append(str(message_from_bytes(envelope.content)["Subject"]))
        return "250 kept"


@pytest.fixture
def smtp() -> Iterator[tuple[Box, int]]:
    """A real SMTP server on a free port."""
    box, port = Box(), free_port()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


def until(what: Callable[[], Any], within_s: float = 40) -> None:
    """Wait until something is true; fails when it never is."""
    limit = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < limit, "it did not happen"
        time.sleep(0.1)


@given(st.lists(st.tuples(st.booleans(), st.floats(1, 1000)), max_size=60))
def test_silence_is_said_once_then_hourly_then_over(looks: list[tuple[bool, float]]) -> None:
    """Never before its time, never twice within the hour, always when it is due, back only after it was said."""
    state, now_s = silence.Silence(180), 0.0
    began, said = None, None
    for bad, step_s in looks:
        now_s += step_s
        got = state.look(["x"] if bad else [], now_s)
        if not bad:
            assert (got is not None and got.subject == silence.BACK) == (said is not None)
            began = said = None
            continue
        began = now_s if began is None else began
        due = now_s - began >= 180 and (said is None or now_s - said >= silence.REPEAT_S)
        assert (got is not None) == due
        said = now_s if due else said


def test_a_message_that_nobody_took_is_due_again() -> None:
    """Until somebody was told, the hour does not begin."""
    state = silence.Silence(0)
    assert state.look(["x"], 0) is not None
    state.unsaid()
    assert state.look(["x"], 1) is not None
    assert state.look(["x"], 2) is None


@pytest.mark.django_db
def test_beat_tells_strangers_two_ages_and_nothing_else(clock: FastClock) -> None:
    """Open, and no name, no count, no site in it."""
    assert Client().get("/beat").json() == {"worker_s": None, "entry_s": None}
    beats.lease("judge", "w", START, timedelta(minutes=1))
    clock.advance(90)
    assert Client().get("/beat").json() == {"worker_s": 90, "entry_s": None}


class Platform:
    """An HTTP server that answers as a platform would, well or not."""

    def __init__(self) -> None:
        self.ready, self.age = 200, 1
        outer = self

        class Answer(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                body = json.dumps({"worker_s": outer.age, "entry_s": 1}).encode()
                self.send_response(outer.ready if self.path == "/readyz" else 200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Nobody answers any more."""
        self.server.shutdown()
        self.server.server_close()


def test_what_is_wrong_is_told_apart() -> None:
    """Not there, not ready, a silent worker, and well."""
    platform = Platform()
    assert silence.ask(platform.url, 60) == []
    platform.age = 61
    assert silence.ask(platform.url, 60) == ["the worker has been silent for 61 s"]
    platform.ready = 503
    assert len(silence.ask(platform.url, 60)) == 2
    platform.close()
    assert silence.ask(platform.url, 60) == [f"{platform.url} does not answer"]


def test_watch_needs_somebody_to_tell(capsys: pytest.CaptureFixture[str]) -> None:
    """Refused before it looks."""
    assert main(["watch", "--url", "http://127.0.0.1:1"]) == 1
    assert "Nobody would be told" in capsys.readouterr().err


def test_the_last_gasp_goes_out_without_database_and_outbox(tmp_path: Path) -> None:
    """A folder that cannot be written: after its patience one message as a file elsewhere, and none within the hour."""
    broken: list[str] = []
    box = FolderTransport(tmp_path / "outbox")
    guard = last_gasp.Guard(lambda: broken, lambda s: last_gasp.send(s, "owner@x", box), silence.Silence(60))
    assert guard.step(0) is None
    broken += last_gasp.can_write(tmp_path / "not there")
    assert "cannot be written" in broken[0]
    assert [guard.step(t) is not None for t in (10, 60, 70, 80)] == [False, False, True, False]
    (mail,) = (tmp_path / "outbox").glob("*.eml")
    assert "treat all sites as unmonitored" in mail.read_text()
    assert last_gasp.can_write(tmp_path) == []


@pytest.mark.processes
def test_qal_11_a_killed_worker_and_a_dead_platform_are_told_from_outside(
    tmp_path: Path, smtp: tuple[Box, int]
) -> None:
    """Real processes: the worker is killed, comes back, then the web ends; each time one mail."""
    box, mail_port = smtp
    port = free_port()
    env = {k: v for k, v in os.environ.items() if not k.startswith("WAYSTATION_")}
    env |= {"PYTHONPATH": str(ROOT / "src"), "WAYSTATION_DATA": str(tmp_path / "data")}
    subprocess.run([*WAYSTATION, "init"], env=env, check=True, capture_output=True)
    web = [
        sys.executable,
        "-m",
        "uvicorn",
        "waystation.asgi:application",
        "--port",
        str(port),
        "--log-level",
        "warning",
    ]
    running = {"web": subprocess.Popen(web, env=env | {"DJANGO_SETTINGS_MODULE": "waystation.settings"})}
    running["worker"] = subprocess.Popen([*WAYSTATION, "worker"], env=env)
    url = f"http://127.0.0.1:{port}"
    try:
        until(lambda: silence.ask(url, 5) == [])
        words = ["watch", "--url", url, "--smtp", f"127.0.0.1:{mail_port}", "--to", "owner@example.org"]
        running["watch"] = subprocess.Popen([*WAYSTATION, *words, "--every", "0.3", "--silent-after", "3"], env=env)
        time.sleep(1.5)
        assert box.subjects == []
        running["worker"].send_signal(signal.SIGKILL)
        until(lambda: box.subjects == [silence.SUBJECT])
        running["worker"].wait()
        running["worker"] = subprocess.Popen([*WAYSTATION, "worker"], env=env)
        until(lambda: box.subjects == [silence.SUBJECT, silence.BACK], 90)
        running["web"].send_signal(signal.SIGKILL)
        until(lambda: box.subjects[2:] == [silence.SUBJECT])
        time.sleep(1)
        assert len(box.subjects) == 3
    finally:
        for one in running.values():
            one.kill()
            one.wait()


@pytest.mark.processes
def test_qal_11_serve_tells_the_owner_itself_when_its_database_is_gone(tmp_path: Path, smtp: tuple[Box, int]) -> None:
    """The database file is put out of reach under a running platform: the supervisor's own mail arrives."""
    box, mail_port = smtp
    data = tmp_path / "data"
    env = {k: v for k, v in os.environ.items() if not k.startswith("WAYSTATION_")}
    env |= {"PYTHONPATH": str(ROOT / "src"), "WAYSTATION_DATA": str(data), "WAYSTATION_LAST_GASP_AFTER_S": "4"}
    subprocess.run([*WAYSTATION, "init"], env=env, check=True, capture_output=True)
    with (data / "waystation.toml").open("a") as file:
        file.write(f'smtp_port = "{mail_port}"\nplatform_owner = "owner@example.org"\n')
    port = free_port()
    served = subprocess.Popen(
        [*WAYSTATION, "serve", "--bind", f"127.0.0.1:{port}", "--ingest-bind", "127.0.0.1:0"],
        env=env,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until(lambda: silence.ask(f"http://127.0.0.1:{port}", 5) == [])
        for path in data.glob("waystation.sqlite3*"):
            path.rename(path.with_name("gone-" + path.name))
        (data / "waystation.sqlite3").mkdir()
        until(lambda: silence.SUBJECT in box.subjects)
    finally:
        served.terminate()
        served.wait(timeout=30)
