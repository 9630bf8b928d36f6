"""What the platform stands on fails under it: it says so loudly, loses nothing acknowledged, and goes on by itself."""

from __future__ import annotations

import os
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from tests.plugins.cluster import Cluster
from tests.stories.mailbox import Mailbox
from tests.stories.serving import Served
from tests.stories.test_crashes import _env, _told
from waystation.cli.health import silence

pytestmark = pytest.mark.processes
OWNER = "owner@example.org"


def serving(folder: Path, log: Path, mailbox: Mailbox, database: str = "") -> Served:
    """An installation of two sites whose owner is told by mail after three seconds."""
    words = (f"platform_owner={OWNER}", f"smtp_port={mailbox.port}", "notify=smtp")
    setup = _told(folder, "enrol", *words, database=database)
    return Served(folder, setup, _env(database) | {"WAYSTATION_LAST_GASP_AFTER_S": "3"}, log)


def until(what: Callable[[], object], why: Callable[[], str], within_s: float = 300) -> None:
    """Wait until something is true."""
    limit = time.monotonic() + within_s
    while not what():
        assert time.monotonic() < limit, why()
        time.sleep(0.2)


def page(url: str) -> tuple[int, str, str]:
    """Status, Retry-After and text of a page, asked for with a session."""
    asked = urllib.request.Request(url, headers={"Cookie": "sessionid=0123456789abcdef0123456789abcdef"})
    try:
        with urllib.request.urlopen(asked, timeout=30) as reply:
            return reply.status, "", reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Retry-After", ""), error.read().decode()


def the_story(served: Served, mailbox: Mailbox, fail: Callable[[], None], mend: Callable[[], None]) -> None:
    """A probe warms up, then what the platform stands on fails; the probe cools while nothing is recorded.

    Whatever failed: every batch is refused with a time to come back, the owner is told, then all is taken in by itself
    and the excursion is the one that happened, to the second.
    """
    warm = served.probes[0]
    served.send_for(0.5)
    served.heat(warm)
    served.send_for(0.5)
    fail()
    for _ in range(3):
        answers = served.refused_round()
        assert [a.status for a in answers] == [503] * len(answers)
        assert all(a.retry_after_s > 0 for a in answers)
    served.cool(warm)
    until(lambda: silence.SUBJECT in mailbox.subjects, lambda: served.said[-3000:])
    assert all(a.status == 503 for a in served.refused_round())
    mend()
    served.send_until_accepted(within_s=400)
    until(lambda: silence.BACK in mailbox.subjects, lambda: served.said[-3000:])
    served.send_for(0.5)
    found = served.wait_until_judged(within_s=400)
    assert (found["lost"], found["twice"], found["waiting"]) == (0, 0, 0)
    happened = [warm, "high", float(served.hot_from_s[warm]), float(served.hot_until_s[warm])]
    assert [e for e in found["excursions"] if e[0] == warm] == [happened]


def test_tel_a_stopped_database_is_told_and_survived(tmp_path: Path, cluster: Cluster) -> None:
    """PostgreSQL is stopped at once under readings: 503s, the last gasp, the page; after its start all goes on."""
    mailbox = Mailbox()
    served = serving(tmp_path / "data", tmp_path / "served.log", mailbox, cluster.database("stopped"))

    def stop() -> None:
        cluster.stop()
        status, wait, text = page(f"{served.url}/")
        assert (status, int(wait) > 0) == (503, True)
        assert "Treat all sites as unmonitored" in text
        assert "<title>Cannot record" in text
        status, wait, text = page(f"{served.url}/api/v1/incidents/")
        assert (status, int(wait) > 0, "platform.cannot_record" in text) == (503, True, True)

    try:
        served.start()
        the_story(served, mailbox, stop, cluster.start)
        assert page(f"{served.url}/account/login/")[0] == 200
    finally:
        served.end()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 40 MB."""
    if os.geteuid() != 0:
        pytest.fail("This test mounts a small file system: run it as root, in a container that may mount.")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


class Filler:
    """Takes all the room there is, to the last byte, and again whatever becomes free, until it is taken away.

    It writes through one open file, so that it can never reach another file system than the one it was opened on.
    """

    def __init__(self, disk: Path) -> None:
        self._path, self._over = disk / "filler", threading.Event()
        self._file: BinaryIO | None = None
        self._thread = threading.Thread(target=self._keep, daemon=True)

    def start(self) -> None:
        """The disk is full when this returns."""
        self._file = self._path.open("wb", buffering=0)
        self._fill()
        self._thread.start()

    def stop(self) -> None:
        """All the room is back; harmless when it was never taken."""
        if self._file is None or self._over.is_set():
            return
        self._over.set()
        self._thread.join()
        self._file.close()
        self._path.unlink()

    def _keep(self) -> None:
        while not self._over.wait(0.02):
            self._fill()

    def _fill(self) -> None:
        assert self._file is not None
        for size in (1 << 20, 4096, 1):
            try:
                while self._file.write(b"\0" * size):
                    pass
            except OSError:
                continue


def test_tel_a_full_disk_is_told_and_survived(tmp_path: Path, small_disk: Path) -> None:
    """No byte is free under database, log and tiles: 503s and the last gasp; with room again all goes on."""
    mailbox = Mailbox()
    served, filler = serving(small_disk / "data", tmp_path / "served.log", mailbox), Filler(small_disk)

    def fail() -> None:
        filler.start()
        served.send_until_refused()  # what is left of the page that a file ends in may still take a batch

    try:
        served.start()
        the_story(served, mailbox, fail, filler.stop)
    finally:
        filler.stop()
        served.end()


def test_tel_a_read_only_folder_is_told_and_survived(tmp_path: Path, small_disk: Path, cluster: Cluster) -> None:
    """The data folder comes up read-only after a restart, the database is well: told, refused, then taken in."""
    mailbox = Mailbox()
    served = serving(small_disk / "data", tmp_path / "served.log", mailbox, cluster.database("read_only"))

    def fail() -> None:
        served.end()
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        served.launch()
        until(lambda: silence.ask(served.url, 60)[:1] != [f"{served.url} does not answer"], lambda: served.said[-3000:])

    try:
        served.start()
        the_story(
            served, mailbox, fail, lambda: [subprocess.run(["mount", "-o", "remount,rw", str(small_disk)])].clear()
        )
    finally:
        served.end()
