"""Segments: sealed, immutable Parquet files, one site's readings sorted by sensor and time, never written again."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import numpy as np

from waystation.kernel.refusals import Unavailable
from waystation.telemetry.rules.clocks import RECEIPT_TIME

_STARTS = threading.Lock()
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
    ahead_us: int = 0  # how far the device's clock was ahead of `observed_us`; not 0 only by source class receipt_time

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
    if any(r.ahead_us for r in rows):
        table["ahead_us"] = np.array([r.ahead_us for r in rows], dtype=np.int64)
    return write_table(path, table)


def write_table(path: Path, table: dict[str, Any]) -> str:
    """Write columns as a Parquet file that appears whole or not at all; returns its SHA-256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with asking() as connection:
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
    if not paths or not sensors:
        return []
    inside = "WHERE sensor IN (SELECT unnest($sensors)) AND observed_us >= $from_us AND observed_us < $to_us"
    with reading(paths) as connection:
        return _rows(connection, paths, inside, {"sensors": list(sensors), "from_us": from_us, "to_us": to_us})


def read_file(path: Path) -> list[Stored]:
    """Every reading of one file, in order."""
    with asking() as connection:
        return _rows(connection, [path], "", {})


def _rows(
    connection: duckdb.DuckDBPyConnection, paths: Sequence[Path], inside: str, words: dict[str, Any]
) -> list[Stored]:
    """Ordered rows. Only files with readings of a clock that nobody believes have the column of how far it is ahead."""
    files = ", ".join(quoted(path) for path in paths)
    order = "ORDER BY sensor, observed_us, isnan(value), value, received_us, seq"
    query = f"SELECT {', '.join(COLUMNS)} FROM read_parquet([{files}]) {inside} {order}"
    rows = connection.execute(query, words).fetchall()
    if any(row[3] == RECEIPT_TIME for row in rows):
        whole = f"SELECT {', '.join(COLUMNS)}, coalesce(ahead_us, 0) FROM read_parquet([{files}], union_by_name = true)"
        rows = connection.execute(f"{whole} {inside} {order}", words).fetchall()
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


@lru_cache(maxsize=1)
def _engine(process: int) -> duckdb.DuckDBPyConnection:
    """The query engine of a process, kept: starting one takes eight times as long as asking it for a sensor's day.

    It remembers nothing of files: what was changed or taken away between two questions is seen by the second.
    """
    return duckdb.connect(config={"enable_external_file_cache": "false"})


def asking() -> duckdb.DuckDBPyConnection:
    """A connection of one's own to the engine of this process; to be closed."""
    with _STARTS:
        return _engine(os.getpid()).cursor()


@contextmanager
def reading(paths: Sequence[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to ask sealed files with; one that is missing or cannot be read is a refusal, never a gap."""
    try:
        with asking() as connection:
            yield connection
    except duckdb.Error as error:
        bad = next((path for path in paths if path.name in str(error)), paths[0] if len(paths) == 1 else None)
        raise Unavailable(
            "telemetry.segment_unreadable",
            f"The sealed readings{f' in {bad.name}' if bad else ''} cannot be read.",
            "Ask who runs the platform: waystation evidence check names the file; restore it from a backup.",
            retry_after_s=3600,
        ) from error


def count(path: Path, from_us: int, to_us: int) -> int:
    """How many readings of a file have from <= instant < to."""
    query = f"SELECT count(*) FROM read_parquet({quoted(path)}) WHERE observed_us >= $a AND observed_us < $b"
    with reading([path]) as connection:
        row = connection.execute(query, {"a": from_us, "b": to_us}).fetchone()
    return int(row[0]) if row else 0


def count_by_sensor(paths: Sequence[Path]) -> dict[str, int]:
    """How many readings of each sensor files hold together."""
    present = [path for path in paths if path.exists()]
    if not present:
        return {}
    files = ", ".join(quoted(path) for path in present)
    with asking() as connection:
        rows = connection.execute(f"SELECT sensor, count(*) FROM read_parquet([{files}]) GROUP BY sensor").fetchall()
    return dict(rows)
