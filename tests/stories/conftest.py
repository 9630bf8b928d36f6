"""The scripted day, played once for all stories through the command that a stranger types."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.plugins.cluster import Cluster
from tests.plugins.once import once
from tests.stories.serving import Served


@pytest.fixture(scope="session")
def day(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The summary of `waystation demo`, with what it printed under `printed`."""
    found: dict[str, Any] = once(tmp_path_factory, "day", lambda: _played(tmp_path_factory.mktemp("day")))
    return found


def _played(folder: Path) -> dict[str, Any]:
    file = folder / "day.json"
    command = [sys.executable, "-m", "waystation.cli.main", "demo", "--no-serve", "--json", str(file)]
    command += ["--data", str(folder / "installation")]
    env = {k: v for k, v in os.environ.items() if not k.startswith(("WAYSTATION_", "DJANGO_"))}
    env |= {"PYTHONPATH": str(ROOT / "src"), "HOME": str(folder), "TMPDIR": str(folder)}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    found: dict[str, Any] = json.loads(Path(file).read_text())
    check = [sys.executable, "-m", "waystation.cli.main", "evidence", "check", "--json", "--days", "2"]
    env |= {"WAYSTATION_DATA": str(folder / "installation")}
    checked = subprocess.run(check, cwd=ROOT, env=env, capture_output=True, text=True)
    return found | {"printed": done.stdout, "audit": json.loads(checked.stdout or "{}")}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """A PostgreSQL of the module's own, to be stopped and started as its stories want."""
    made = Cluster()
    yield made
    made.remove()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """An installation with two sites, served by its real processes on SQLite."""
    from tests.stories.test_crashes import serving

    running = serving(tmp_path / "data")
    try:
        running.start()
        yield running
    finally:
        running.end()
