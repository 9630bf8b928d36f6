"""The ingest process as it runs: the same answers on both ports; `kill -9` loses nothing that was acknowledged."""

from __future__ import annotations

import gzip
import http.client
import itertools
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.plugins.cluster import Cluster
from tests.stories.serving import Served
from tests.stories.test_crashes import _env, serving
from waystation.telemetry.rules.batch import MOST_BYTES
from waystation.telemetry.store.log import Log, Position

pytestmark = pytest.mark.processes
VICTIMS = ("ingest", "ingest", "web", "ingest", "all")
WRITERS, LINES = 4, 20


def _token(served: Served, database: str = "") -> str:
    words = ["access", "token", "create", "--name", "telegraf", "--role", "gateway", "--site", "cordoba"]
    command = [sys.executable, "-m", "waystation.cli.main", *words, "--data", str(served.folder)]
    done = subprocess.run(command, cwd=ROOT, env=_env(database), capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return next(word for word in done.stdout.split() if word.startswith("wst_"))


def _post(
    address: str, token: str, body: bytes, path: str = "/write?precision=us", **headers: str
) -> tuple[int, bytes]:
    line = http.client.HTTPConnection(address, timeout=20)
    try:
        line.request("POST", path, body, {"Authorization": f"Token {token}"} | headers)
        reply = line.getresponse()
        return reply.status, reply.read()
    finally:
        line.close()


class Writer(threading.Thread):
    """Writes numbered readings until told to stop; keeps the numbers of those that were acknowledged."""

    numbers = itertools.count(1)

    def __init__(self, address: str, token: str, sensor: str) -> None:
        super().__init__(daemon=True)
        self._address, self._token, self._sensor = address, token, sensor
        self.acknowledged: set[int] = set()
        self.stopped = threading.Event()

    def run(self) -> None:
        """One batch after the other; what is not acknowledged is not counted."""
        base = (int(time.time()) - 600) * 1_000_000
        while not self.stopped.is_set():
            mine = [base + next(self.numbers) for _ in range(LINES)]
            body = "\n".join(f"t,sensor={self._sensor} value=5 {at_us}" for at_us in mine)
            try:
                status, _ = _post(self._address, self._token, body.encode())
            except (OSError, http.client.HTTPException):
                time.sleep(0.05)
                continue
            if status == 204:
                self.acknowledged |= set(mine)
            time.sleep(0.25)  # the judge reads every frame of this


def _in_log(folder: Path, sensor: str) -> list[int]:
    found = []
    for frame, _ in Log(folder / "telemetry" / "log").read(Position(1, 0)):
        codes = frame.head["sensors"]
        found += [at for number, at in zip(frame.sensor, frame.at_us, strict=True) if codes[number] == sensor]
    return found


def test_int_05_both_ports_give_the_same_answers_and_the_web_goes_on_alone(served: Served) -> None:
    """Status and body alike, whatever is sent; with the ingest process dead the web takes writes itself."""
    token, probe = _token(served), served.probes[0]
    now_us = int(time.time()) * 1_000_000
    good = f"t,sensor={probe} value=5 {now_us}".encode()
    cases = [
        (token, good, {}),
        (token, gzip.compress(good), {"Content-Encoding": "gzip"}),
        (token, good + b"\nt v=\n", {}),
        (token, b"t,sensor=" + served.probes[-1].encode() + b" value=5", {}),
        ("wst_wrong", good, {}),
        (token, b"x" * (MOST_BYTES + 1), {}),
        (token, b"no gzip", {"Content-Encoding": "gzip"}),
    ]
    seen = []
    for said, body, headers in cases:
        answers = [_post(address, said, body, **headers) for address in (served.ingest_bind, served.bind)]
        assert answers[0] == answers[1]
        seen.append(answers[0][0])
    assert seen == [204, 204, 400, 400, 401, 413, 400]
    served.kill("ingest", signal.SIGKILL)
    assert _post(served.bind, token, good)[0] == 204
    until = time.monotonic() + 400
    while True:
        try:
            assert _post(served.ingest_bind, token, good)[0] == 204
            return
        except OSError:
            assert time.monotonic() < until, served.said[-2000:]
            time.sleep(0.1)


def _more(served: Served, writers: Sequence[Writer], count: int) -> None:
    """Wait until so many more readings are acknowledged, however slow the machine is."""
    before, until = sum(len(w.acknowledged) for w in writers), time.monotonic() + 400
    while sum(len(w.acknowledged) for w in writers) < before + count:
        assert time.monotonic() < until, served.said[-3000:]
        time.sleep(0.1)


def _killed(served: Served, token: str, victims: tuple[str, ...]) -> None:
    chance = random.Random(7)
    probes = [code for code in served.probes if code.startswith("cordoba")][:WRITERS]
    writers = [Writer(served.ingest_bind if n else served.bind, token, probe) for n, probe in enumerate(probes)]
    for writer in writers:
        writer.start()
    for victim in victims:
        _more(served, writers, 25 * LINES)
        time.sleep(chance.uniform(0.0, 1.0))
        served.kill(victim, signal.SIGKILL)
        _more(served, writers, 5 * LINES)
    for writer in writers:
        writer.stopped.set()
    for writer in writers:
        writer.join(30)
    acknowledged = set().union(*(w.acknowledged for w in writers))
    stored = {at for probe in probes for at in _in_log(served.folder, probe)}
    print(f"{len(acknowledged)} readings acknowledged through {len(victims)} kills, {len(acknowledged - stored)} lost")
    assert len(acknowledged) > 50 * LINES
    assert acknowledged <= stored
    assert served.wait_until_judged(within_s=400)["waiting"] == 0


def test_int_05_kills_lose_nothing_that_was_acknowledged(served: Served) -> None:
    """Of the ingest process, the web and everything, while agents write on both ports; then all of it is judged."""
    _killed(served, _token(served), VICTIMS)


def test_int_05_kills_on_postgresql_lose_nothing_that_was_acknowledged(tmp_path: Path, cluster: Cluster) -> None:
    """The same with the rows on PostgreSQL."""
    database = cluster.database("ingest")
    running = serving(tmp_path / "data", database)
    try:
        running.start()
        _killed(running, _token(running, database), ("ingest", "ingest"))
    finally:
        running.end()


def test_int_05_two_processes_share_the_port_and_lose_nothing(tmp_path: Path) -> None:
    """Either is killed while agents write: the other goes on with its connections, and all is judged once."""
    running = serving(tmp_path / "data", ingest_processes=2)
    try:
        running.start()
        _killed(running, _token(running), ("ingest", "ingest 2", "ingest"))
    finally:
        running.end()


@pytest.mark.parametrize("count", ["0", "17", "-1"])
def test_int_05_no_processes_and_too_many_are_refused_before_anything_starts(count: str, tmp_path: Path) -> None:
    """In one line, with what to write."""
    words = ["serve", "--data", str(tmp_path), "--ingest-processes", count]
    command = [sys.executable, "-m", "waystation.cli.main", *words]
    done = subprocess.run(command, cwd=ROOT, env=_env(), capture_output=True, text=True, timeout=120)
    assert done.returncode == 1
    assert f"{count} ingest processes cannot be run." in done.stderr
    assert "Write 1 to 16" in done.stderr


def test_int_05_series_that_nobody_mapped_outlive_kills(served: Served) -> None:
    """Acknowledged with 204, killed at once: they stand in the discovery list of the API after the restart."""
    token = _token(served)
    body = "\n".join(f"w1,id={n} temp=5" for n in range(30)).encode()
    assert _post(served.ingest_bind, token, body)[0] == 204
    served.kill("all", signal.SIGKILL)
    assert served.wait_until_judged(within_s=400)["waiting"] == 0
    code = (
        "from waystation.cli import start; from pathlib import Path; import sys;"
        "start.load(Path(sys.argv[1]), None);"
        "from waystation.telemetry.models import Series; print(Series.objects.count())"
    )
    told = subprocess.run(
        [sys.executable, "-c", code, str(served.folder)], env=_env(), capture_output=True, text=True, cwd=ROOT
    )
    assert told.stdout.strip() == "30", told.stderr
    assert os.path.isdir(served.folder)
