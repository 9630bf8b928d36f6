"""Segments: sealed, immutable Parquet files, one site's readings sorted by sensor and time, never written again."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np

COLUMNS = ("sensor", "observed_us", "value", "source_class", "machine", "boot", "seq", "received_us")


class Stored(NamedTuple):
    """One stored reading. `value` None is no measurement; instants in microseconds since 1970."""

    sensor: str
    observed_us: int
    value: float | None
    source_class: str
    machine: str
    boot: int
    seq: int
    received_us: int

    @property
    def key(self) -> tuple[str, int, float | None]:
        """What makes two stored readings one: sensor, instant and value."""
        return (self.sensor, self.observed_us, self.value)


def in_order(rows: Iterable[Stored]) -> list[Stored]:
    """Sorted by sensor and instant, each (sensor, instant, value) once: the earliest received stays."""
    best: dict[tuple[str, int, float | None], Stored] = {}
    for row in rows:
        held = best.get(row.key)
        if held is None or (row.received_us, row.seq) < (held.received_us, held.seq):
            best[row.key] = row
    return sorted(best.values(), key=lambda r: (r.sensor, r.observed_us, r.value is None, r.value or 0.0))


def write(path: Path, rows: Sequence[Stored]) -> str:
    """Write rows as a Parquet file that appears whole or not at all; returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    table = {
        "sensor": np.array([r.sensor for r in rows], dtype=object),
        "observed_us": np.array([r.observed_us for r in rows], dtype=np.int64),
        "value": np.array([np.nan if r.value is None else r.value for r in rows], dtype=np.float64),
        "source_class": np.array([r.source_class for r in rows], dtype=object),
        "machine": np.array([r.machine for r in rows], dtype=object),
        "boot": np.array([r.boot for r in rows], dtype=np.int64),
        "seq": np.array([r.seq for r in rows], dtype=np.int64),
        "received_us": np.array([r.received_us for r in rows], dtype=np.int64),
    }
    with duckdb.connect() as connection:
        connection.register("batch", table)
        connection.execute(f"COPY (SELECT * FROM batch) TO {quoted(partial)} (FORMAT parquet, COMPRESSION zstd)")
    with partial.open("rb+") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
    partial.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
    return digest


def read(paths: Sequence[Path], sensors: Sequence[str], from_us: int, to_us: int) -> list[Stored]:
    """The readings of those sensors with from <= instant < to, in order, duplicates over files removed."""
    present = [path for path in paths if path.exists()]
    if not present or not sensors:
        return []
    files = ", ".join(quoted(path) for path in present)
    query = (
        f"SELECT {', '.join(COLUMNS)} FROM read_parquet([{files}]) "
        "WHERE sensor IN (SELECT unnest($sensors)) AND observed_us >= $from_us AND observed_us < $to_us "
        "ORDER BY sensor, observed_us, isnan(value), value, received_us, seq"
    )
    with duckdb.connect() as connection:
        words = {"sensors": list(sensors), "from_us": from_us, "to_us": to_us}
        rows = connection.execute(query, words).fetchall()
    return list(_each_once(rows))


def _each_once(rows: Iterable[tuple[Any, ...]]) -> Iterator[Stored]:
    """Ordered rows as stored readings; of several with one (sensor, instant, value) the first, earliest received."""
    sensor: str | None = None
    at_us, value = 0, None
    for row in rows:
        found = None if row[2] != row[2] else row[2]
        if row[1] == at_us and row[0] == sensor and found == value:
            continue
        sensor, at_us, value = row[0], row[1], found
        yield Stored(sensor, at_us, value, *row[3:])


def quoted(path: Path) -> str:
    """A path as a literal of SQL."""
    return "'" + str(path).replace("'", "''") + "'"


def count(path: Path, from_us: int, to_us: int) -> int:
    """How many readings of a file have from <= instant < to."""
    query = f"SELECT count(*) FROM read_parquet({quoted(path)}) WHERE observed_us >= $a AND observed_us < $b"
    with duckdb.connect() as connection:
        row = connection.execute(query, {"a": from_us, "b": to_us}).fetchone()
    return int(row[0]) if row else 0
