"""Every write of the door suites goes past the witness."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture(autouse=True)
def _witnessed(settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "tests.doors.witness.Witness"]
