"""A stretch of the scenario, played twice in fresh databases, leaves the same bytes."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.plugins.once import once

MINUTES = 40


def _played(folder: Path, seed: str) -> dict[str, Any]:
    """In a process of its own, with another order of sets and hashes."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WAYSTATION_", "DJANGO_"))}
    env = kept | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}", "PYTHONHASHSEED": seed}
    command = [sys.executable, "-m", "tests.house.replayed", str(folder), str(MINUTES)]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The same stretch under two seeds of Python's hashes."""
    folder = tmp_path_factory.mktemp("replay")
    played: list[dict[str, Any]] = once(
        tmp_path_factory, "replay", lambda: [_played(folder / seed, seed) for seed in ("1", "2")]
    )
    return played


def test_a_scenario_replays_to_identical_bytes(twice: list[dict[str, Any]]) -> None:
    """Every leaf of the log in its order, every event with its position, every message's key."""
    one, other = twice
    differ = [n for n, pair in enumerate(zip(one["leaves"], other["leaves"], strict=False)) if pair[0] != pair[1]]
    assert not differ, f"the first of {len(differ)} other leaves is number {differ[0]}"
    assert one == other


def test_the_stretch_is_worth_replaying(twice: list[dict[str, Any]]) -> None:
    """Alarms and messages fall into it, and it is not the setting up alone."""
    assert "alarms.raised" in twice[0]["kinds"]
    assert len(twice[0]["leaves"]) > 50
    assert twice[0]["messages"]


def test_every_kind_that_the_stretch_wrote_is_documented(twice: list[dict[str, Any]]) -> None:
    """What is seen in the stream stands in the reference."""
    listed = re.findall(r"^- `(.+)`$", (ROOT / "docs/reference/events.md").read_text(), re.M)
    assert [kind for kind in twice[0]["kinds"] if not any(fnmatchcase(kind, one) for one in listed)] == []
