"""Runs, percentiles, and figures kept as JSON under `var/bench/`, each with the machine that they were seen on."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
KEPT = ROOT / "var" / "bench"


@dataclass
class Report:
    """The figures of one benchmark by name; `print` says them, `keep` writes them."""

    name: str
    database: str = "sqlite"
    figures: dict[str, float] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def add(self, name: str, value: float) -> None:
        """A figure; its name ends in its unit."""
        self.figures[name] = round(value, 4)
        print(f"{self.name}: {name} {value:,.4g}", flush=True)

    def judge(self, goal: str, met: bool) -> None:
        """A goal met or missed, said plainly."""
        self.notes.append(f"{'met' if met else 'MISSED'}: {goal}")
        print(f"{self.name}: {self.notes[-1]}", flush=True)

    def keep(self) -> Path:
        """One JSON file per run; nothing is written over."""
        KEPT.mkdir(parents=True, exist_ok=True)
        at = datetime.now(UTC)
        path = KEPT / f"{self.name}-{at:%Y%m%dT%H%M%S%f}.json"
        told = {"benchmark": self.name, "at": at.isoformat(), "machine": machine(self.database)}
        path.write_text(json.dumps(told | {"figures": self.figures, "goals": self.notes}, indent=1) + "\n")
        return path


def machine(database: str) -> str:
    """The machine class: cores, architecture, Python, database, and how busy it was with other things."""
    cores = len(os.sched_getaffinity(0))
    return (
        f"{cores} cores {platform.machine()}, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, {platform.system()}, {database}"
    )


def seconds(step: Callable[[], object]) -> float:
    """How long a call takes by the monotonic clock."""
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def median_of(step: Callable[[], object], runs: int = 5) -> float:
    """The median duration of several runs, in seconds."""
    return statistics.median(seconds(step) for _ in range(runs))


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least this share of all values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, -(-round(share * len(ordered) * 1000) // 1000) - 1))]


@contextmanager
def installation(database_url: str | None = None) -> Iterator[Path]:
    """A throw-away installation on SQLite (or the database named), loaded and migrated. One per process."""
    from waystation.cli import start

    folder = Path(tempfile.mkdtemp(prefix="waystation-bench-"))
    try:
        start.make_folder(folder / "data", {"notify": "folder"})
        start.load(folder / "data", database_url)
        start.migrate()
        yield folder / "data"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def vendor() -> str:
    """The database in use with its version."""
    from django.db import connection

    connection.ensure_connection()
    if connection.vendor == "sqlite":
        import sqlite3

        return f"SQLite {sqlite3.sqlite_version}, WAL, synchronous=FULL"
    inner: Any = connection.connection
    return f"PostgreSQL {inner.info.server_version // 10000}"
