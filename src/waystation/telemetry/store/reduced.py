"""Reduced signals: sealed Parquet files of five-minute buckets beside the segments they came from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from waystation.telemetry.rules.thinning import Bucket
from waystation.telemetry.store.segments import asking, quoted, write_table

COLUMNS = ("sensor", "start_us", "low", "high", "mean", "measured", "missing")


def write(path: Path, buckets: Sequence[Bucket]) -> str:
    """Write buckets as a file that appears whole or not at all; returns its SHA-256."""
    table = {
        "sensor": np.array([b.sensor for b in buckets], dtype=object),
        "start_us": np.array([b.start_us for b in buckets], dtype=np.int64),
        "low": np.array([np.nan if b.low is None else b.low for b in buckets], dtype=np.float64),
        "high": np.array([np.nan if b.high is None else b.high for b in buckets], dtype=np.float64),
        "mean": np.array([np.nan if b.mean is None else b.mean for b in buckets], dtype=np.float64),
        "measured": np.array([b.measured for b in buckets], dtype=np.int64),
        "missing": np.array([b.missing for b in buckets], dtype=np.int64),
    }
    return write_table(path, table)


def read(paths: Sequence[Path], from_us: int = -(2**62), to_us: int = 2**62) -> list[Bucket]:
    """The buckets of files that begin in [from, to), by sensor and time."""
    if not paths:
        return []
    files = ", ".join(quoted(path) for path in paths)
    query = (
        f"SELECT {', '.join(COLUMNS)} FROM read_parquet([{files}]) WHERE start_us >= $a AND start_us < $b "
        "ORDER BY sensor, start_us"
    )
    with asking() as connection:
        rows = connection.execute(query, {"a": from_us, "b": to_us}).fetchall()
    return [Bucket(r[0], r[1], _number(r[2]), _number(r[3]), _number(r[4]), r[5], r[6]) for r in rows]


def _number(value: float) -> float | None:
    return None if value != value else value
