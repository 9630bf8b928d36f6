"""What is costly is made once, however many workers want it: the first makes it, the others wait and read it."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Callable
from typing import Any

import pytest


def once(factory: pytest.TempPathFactory, name: str, make: Callable[[], Any]) -> Any:
    """What `make` gave, as JSON keeps it. One that raises has made nothing, so the next worker tries again."""
    base = factory.getbasetemp()
    folder = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    file = folder / f"once-{name}.json"
    with (folder / f"once-{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not file.exists():
            made = json.dumps(make())
            file.write_text(made)
    return json.loads(file.read_text())
