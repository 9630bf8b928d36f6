"""The agent as it runs: with the base packages alone, and killed while it sends to a served installation."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.stories.serving import Served, free_address
from tests.stories.test_crashes import _env, serving
from waystation.edge.spool import connect
from waystation.telemetry.store.log import Log, Position

pytestmark = pytest.mark.processes
KILLS = 6


def base_packages(folder: Path) -> Path:
    """A folder with what `requirements/edge.txt` pins, and nothing else."""
    folder.mkdir()
    for name in re.findall(r"^([a-z0-9_-]+)==", (ROOT / "requirements" / "edge.txt").read_text(), re.M):
        tops = {Path(str(file)).parts[0] for file in distribution(name).files or () if ".." not in str(file)}
        for top in tops - {"__pycache__"}:
            link = folder / top
            if not link.exists():
                link.symlink_to(Path(str(distribution(name).locate_file(top))))
    return folder


def test_the_self_test_passes_with_the_base_packages_alone(tmp_path: Path) -> None:
    """No site-packages but those; neither Django nor NumPy can be imported there; every kind of part can."""
    packages = base_packages(tmp_path / "packages")
    code = (
        f"import sys; sys.path[:0] = [{str(packages)!r}, {str(ROOT / 'src')!r}]\n"
        "import importlib.util as u\n"
        "assert u.find_spec('django') is None and u.find_spec('numpy') is None\n"
        "from waystation.edge.main import main\n"
        "from waystation.edge import parts, line\n"
        "import importlib\n"
        "[importlib.import_module(f'waystation.edge.drivers.{k}.driver') for k in parts.kinds('driver')]\n"
        "[importlib.import_module(f'waystation.edge.sounders.{k}.sounder') for k in parts.kinds('sounder')]\n"
        "sys.exit(main(['--selftest']))"
    )
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=env, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "all as it should be" in done.stdout


def edge(*words: str) -> subprocess.CompletedProcess[str]:
    """One call of the command."""
    command = [sys.executable, "-m", "waystation.edge.main", *words]
    return subprocess.run(command, cwd=ROOT, env=_env(), capture_output=True, text=True, timeout=60)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["status", "--config", "none.toml"], 1, "There is no none.toml"),
        (["fly"], 2, "invalid choice"),
        ([], 2, ""),
        (["--version"], 0, ""),
    ],
)
def test_the_command_says_what_is_wrong_in_one_line(words: list[str], code: int, said: str) -> None:
    """1 refused, 2 wrong usage."""
    done = edge(*words)
    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr


class Running:
    """The agent's real process, with files that somebody writes as its probes."""

    def __init__(self, folder: Path, served: Served) -> None:
        self.folder, self.codes = folder, [code for code in served.probes if code.startswith("cordoba")][:4]
        folder.mkdir()
        self.config = folder / "edge.toml"
        page = free_address()
        sensors = "\n".join(f'"{code}" = "{folder / code}"' for code in self.codes)
        watches = "\n".join(f'[[sensor]]\ncode = "{code}"\nlow = 2.0\nhigh = 8.0\n' for code in self.codes)
        self.config.write_text(
            f'site = "cordoba"\nfolder = "{folder / "state"}"\npage = "{page}"\nheartbeat_s = 1\n'
            f'[[uplink]]\nname = "lan"\nurl = "{served.url}"\n{watches}'
            f'[[driver]]\nkind = "file"\nevery_s = 0.2\n[driver.sensors]\n{sensors}\n'
            f'[[sounder]]\nkind = "relay"\npath = "{folder / "relay"}"\n'
        )
        self._process: subprocess.Popen[bytes] | None = None
        self.written = 0

    def command(self, *words: str) -> list[str]:
        """A call of the agent's command."""
        return [sys.executable, "-m", "waystation.edge.main", *words]

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """What a call of the command says."""
        return subprocess.run(self.command(*words), cwd=ROOT, env=_env(), capture_output=True, text=True, timeout=60)

    def start(self) -> None:
        """A boot."""
        log = (self.folder / "log").open("ab")
        command = self.command("run", "--config", str(self.config))
        self._process = subprocess.Popen(command, cwd=ROOT, env=_env(), stdout=log, stderr=log)

    def wait_for(self, words: str) -> None:
        """Wait until it says so."""
        until = time.monotonic() + 60
        while words not in (self.folder / "log").read_text():
            assert time.monotonic() < until, (self.folder / "log").read_text()[-3000:]
            time.sleep(0.05)

    def write_for(self, seconds: float) -> None:
        """Somebody writes a number into each file, whole, a few times a second."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.written += 1
            for number, code in enumerate(self.codes):
                fresh = self.folder / f"{code}.new"
                fresh.write_text(f"{4 + number / 10 + self.written % 7 / 100:.3f}\n")
                os.replace(fresh, self.folder / code)
            time.sleep(0.25)

    def end(self, number: signal.Signals) -> int:
        """Kill, or stop in order."""
        if self._process is None or self._process.poll() is not None:
            return 0
        self._process.send_signal(number)
        return self._process.wait(timeout=30)

    def waiting_before(self, boot: int) -> int:
        """Readings and batches of earlier boots that the centre has not; of this boot the newest may always wait."""
        db = connect(self.folder / "state" / "spool.sqlite3")
        try:
            unsent = "SELECT count(*) FROM batch WHERE acked_us IS NULL AND kind IN ('data', 'alarm') AND boot < ?"
            counts = [db.execute(q, (boot,)).fetchone()[0] for q in (unsent, "SELECT count(*) FROM raw WHERE boot < ?")]
        finally:
            db.close()
        return int(sum(counts))

    def status(self) -> dict[str, Any]:
        """What `waystation-edge status` prints."""
        done = self.call("status", "--config", str(self.config))
        return json.loads(done.stdout) if done.returncode == 0 else {}


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """Served on SQLite."""
    running = serving(tmp_path / "data")
    try:
        running.start()
        yield running
    finally:
        running.end()


def test_tel_12_the_agent_s_process_is_killed_and_loses_nothing_that_it_recorded(
    served: Served, tmp_path: Path
) -> None:
    """Enrolled by the command, killed six times and the centre once: every number of every boot arrives, once."""
    words = ["access", "token", "enrol", "--name", "agent", "--site", "cordoba", "--data", str(served.folder)]
    command = [sys.executable, "-m", "waystation.cli.main", *words]
    token = subprocess.run(command, cwd=ROOT, env=_env(), capture_output=True, text=True, timeout=120).stdout.strip()
    agent = Running(tmp_path / "agent", served)
    assert edge("run", "--config", str(agent.config)).returncode == 1
    done = edge("enrol", "--config", str(agent.config), "--token", token)
    assert done.returncode == 0, done.stderr
    try:
        for kill in range(KILLS):
            agent.start()
            agent.wait_for(f"boot {kill + 1} of")
            agent.write_for(2.0 + kill % 3 * 0.4)
            if kill == 2:
                served.kill("web", signal.SIGKILL)
            assert agent.end(signal.SIGKILL) == -signal.SIGKILL
        agent.start()
        until = time.monotonic() + 120
        while not (told := agent.status()) or agent.waiting_before(KILLS + 1):
            assert time.monotonic() < until, (agent.folder / "log").read_text()[-3000:] + json.dumps(told)
            agent.write_for(0.5)
        assert told["boot"] == KILLS + 1
        assert (agent.folder / "relay").read_text() == "0"
        assert agent.end(signal.SIGTERM) == 0
    finally:
        agent.end(signal.SIGKILL)
    hold_against(agent, served, KILLS)


def hold_against(agent: Running, served: Served, boots: int) -> None:
    """The centre's log against the spool: what was acknowledged is there, each number once, none missing."""
    machine = json.loads((agent.folder / "state" / "machine.json").read_text())["machine"]
    found: dict[tuple[int, int], tuple[str, int, float]] = {}
    digests = set()
    for frame, _ in Log(served.folder / "telemetry" / "log").read(Position(1, 0)):
        if frame.head["machine"] != machine:
            continue
        digests.add(frame.head["digest"])
        codes, boot = frame.head["sensors"], frame.head["boot"]
        for number, at_us, value, seq in zip(frame.sensor, frame.at_us, frame.value, frame.seq, strict=True):
            assert found.setdefault((boot, seq), (codes[number], at_us, value)) == (codes[number], at_us, value)
    db = connect(agent.folder / "state" / "spool.sqlite3")
    acked = db.execute("SELECT digest FROM batch WHERE acked_us IS NOT NULL AND first IS NOT NULL").fetchall()
    waiting = db.execute("SELECT boot, seq FROM raw").fetchall()
    unsent = db.execute("SELECT boot, first, last FROM batch WHERE acked_us IS NULL AND first IS NOT NULL").fetchall()
    db.close()
    assert {digest for (digest,) in acked} <= digests
    late = set(waiting) | {(boot, seq) for boot, first, last in unsent for seq in range(first, last + 1)}
    known = set(found) | late
    assert {boot for boot, _ in found} >= set(range(1, boots + 1))
    for boot in {boot for boot, _ in found}:
        numbers = sorted(seq for b, seq in known if b == boot)
        assert numbers == list(range(1, len(numbers) + 1)), boot
    assert len(found) > boots * len(agent.codes)
