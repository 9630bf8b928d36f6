"""The name of a worker: the same after a kill, another beside a living one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.conftest import ROOT

ASK = "import sys; from pathlib import Path; from waystation.cli.worker import holder; "
ASK += "print(holder(Path(sys.argv[1])), flush=True); sys.stdin.read()"


def _worker(data: Path) -> tuple[subprocess.Popen[str], str]:
    """A process that holds the folder, and the name that it goes by."""
    command = [sys.executable, "-c", ASK, str(data)]
    env = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    made = subprocess.Popen(command, env=env, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert made.stdout is not None
    return made, made.stdout.readline().strip()


def test_alr_14_a_worker_started_after_a_kill_goes_on_under_the_same_name(tmp_path: Path) -> None:
    """Its leases are its own again at once; while it lives a second worker has another name."""
    first, name = _worker(tmp_path)
    beside, other = _worker(tmp_path)
    first.send_signal(signal.SIGKILL)
    first.wait()
    after, again = _worker(tmp_path)
    for process in (beside, after):
        process.communicate("")
    assert name
    assert other != name
    assert again == name


def test_workers_of_two_folders_have_two_names(tmp_path: Path) -> None:
    """On one database they lease apart."""
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder in folders:
        folder.mkdir()
    found = [_worker(folder) for folder in folders]
    for process, _ in found:
        process.communicate("")
    assert len({name for _, name in found}) == 2
