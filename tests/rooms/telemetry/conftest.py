"""A telemetry folder of its own for every test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from waystation.telemetry import stores


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Log and segments go to the test's own folder."""
    settings.DATA = tmp_path
    yield tmp_path
    stores._log.cache_clear()
