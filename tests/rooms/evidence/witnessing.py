"""A real witness in a process of its own, that a test may kill, and a log that grows."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from waystation.access.queries import system_authority
from waystation.evidence import keys, sequencer
from waystation.evidence.actions import NewEntry, record


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`waystation witness` with these words, to its end."""
    whole = [sys.executable, "-m", "waystation.cli.main", "witness", "--state", str(folder), *words]
    return subprocess.run(whole, capture_output=True, text=True, env=_env(), timeout=60)


def _env() -> dict[str, str]:
    src = str(Path(sequencer.__file__).resolve().parents[2])
    return {**{k: v for k, v in os.environ.items() if not k.startswith("WAYSTATION_")}, "PYTHONPATH": src}


class Process:
    """`waystation witness serve` on a free port, the same one after a death."""

    def __init__(self, folder: Path, name: str, *logs: str) -> None:
        self.folder, self._port = folder, 0
        self.vkey = command(folder, "make", "--name", name).stdout.strip()
        for log in logs:
            self.watch(log)
        self.start()

    def watch(self, log: str) -> None:
        """Have it cosign a log."""
        done = command(self.folder, "watch", keys.verifier_key(log).vkey())
        assert done.returncode == 0, done.stderr

    def start(self) -> None:
        """Serve, and wait until it is bound."""
        words = ["--state", str(self.folder), "serve", "--bind", f"127.0.0.1:{self._port}"]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "waystation.cli.main", "witness", *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=_env(),
        )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert self.vkey in said, said
        self._port = int(said.strip().rpartition(":")[2])

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def setting(self) -> str:
        """As it stands in waystation.toml."""
        return f"{self.vkey} {self.url}"

    def end(self, number: int = signal.SIGKILL) -> None:
        """Kill it."""
        if self._process.poll() is None:
            self._process.send_signal(number)
        self._process.communicate(timeout=30)


def grow(log: str, now: datetime, count: int = 3) -> Any:
    """The log's newest head after `count` more entries."""
    for number in range(count):
        record([], entry=NewEntry("test.made", str(number), system_authority("test"), now, log=log))
    sequencer.run(now)
    return sequencer.newest_checkpoint(log)
