"""Every write of the door suites goes past the witness; and a data folder for those that run commands."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from waystation.cli import start
from waystation.evidence import keys


@pytest.fixture(autouse=True)
def _witnessed(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.doors.witness.Witness"]


@pytest.fixture
def data(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """A folder with the secrets of an installation; keys and tiles are read from there."""
    before = {k: v for k, v in os.environ.items() if k.startswith("WAYSTATION_")}
    folder = tmp_path / "data"
    start.make_folder(folder, {"public_url": "http://127.0.0.1:8000"})
    settings.DATA = folder
    keys._read.cache_clear()
    yield folder
    keys._read.cache_clear()
    for name in [k for k in os.environ if k.startswith("WAYSTATION_")]:
        del os.environ[name]
    os.environ.update(before)
