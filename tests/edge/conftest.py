"""Log and segments of the centre go to the test's own folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from waystation.telemetry import stores


@pytest.fixture
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[Path]:
    """The centre's data of one test."""
    settings.DATA = tmp_path / "centre"
    (tmp_path / "centre").mkdir()
    yield tmp_path / "centre"
    stores._log.cache_clear()
