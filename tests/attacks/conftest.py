"""A fresh small installation for each attack."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from tests.attacks.installation import HOUR, Installation
from tests.rooms.evidence.witnessing import Process
from waystation.evidence import keys
from waystation.telemetry import stores


@pytest.fixture
def place(tmp_path: Path, settings: Any, db: None) -> Iterator[Path]:
    """A folder with keys, for tiles and readings of the test's own."""
    settings.DATA = tmp_path
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "log_key").write_text("11" * 32)
    yield tmp_path
    keys._read.cache_clear()
    stores._log.cache_clear()


@pytest.fixture
def here(place: Path) -> Installation:
    """The installation after its morning; nothing is wrong with it."""
    begin = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) - 6 * HOUR
    return Installation(place, begin).build()


@pytest.fixture
def outside(place: Path) -> Iterator[Process]:
    """A witness of both logs on somebody else's machine: a process of its own."""
    process = Process(place / "witness", "witness.example/qa", "coast", "installation")
    with override_settings(WITNESSES=process.setting):
        yield process
    process.end()
