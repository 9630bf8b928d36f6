"""Parquet files made on the spot, with every kind of time column."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb
import pytest

from waystation.adapters.ingest.parquet.reader import ParquetFormat
from waystation.kernel.refusals import BadInput
from waystation.telemetry.ports import LoggerFile, ReadOptions

T0 = 1767225600.0
ROWS = "SELECT {time} AS time, CAST(v AS {kind}) AS {name} FROM (VALUES (0, 4.5), (600, 9.0), (1200, NULL)) AS t(s, v)"


def read(folder: Path, query: str, **options: object) -> LoggerFile:
    """What a query writes as Parquet, read with these options."""
    path = folder / "a.parquet"
    with duckdb.connect(":memory:") as database:
        database.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet)")
    return ParquetFormat().read(path.read_bytes(), ReadOptions(**options))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("time", "basis"),
    [
        ("TIMESTAMP '2026-01-01' + INTERVAL (s) SECOND", "utc_assumed"),
        ("CAST(TIMESTAMP '2026-01-01' + INTERVAL (s) SECOND AS TIMESTAMP_MS)", "utc_assumed"),
        ("CAST(TIMESTAMP '2026-01-01' + INTERVAL (s) SECOND AS TIMESTAMP_NS)", "utc_assumed"),
        ("to_timestamp(1767225600 + s)", "offset"),
        ("1767225600 + s", "offset"),
        ("(1767225600 + s)::BIGINT * 1000", "offset"),
        ("(1767225600 + s)::DOUBLE", "offset"),
        ("strftime(TIMESTAMP '2026-01-01' + INTERVAL (s) SECOND, '%Y-%m-%dT%H:%M:%SZ')", "offset"),
    ],
)
def test_every_kind_of_time_column_gives_the_same_instants(tmp_path: Path, time: str, basis: str) -> None:
    """Timestamps with and without zone, numbers, text."""
    file = read(tmp_path, ROWS.format(time=time, kind="DOUBLE", name="temp_c"))
    assert [tuple(r) for r in file.readings] == [(T0, 4.5), (T0 + 600, 9.0), (T0 + 1200, None)]
    assert file.time_basis == basis


def test_wall_clock_columns_take_the_zone(tmp_path: Path) -> None:
    """Madrid is an hour ahead in January."""
    query = ROWS.format(time="TIMESTAMP '2026-01-01' + INTERVAL (s) SECOND", kind="FLOAT", name="value")
    file = read(tmp_path, query, zone=ZoneInfo("Europe/Madrid"))
    assert file.readings[0].at_s == T0 - 3600
    assert file.time_basis == "zone"


def test_decimals_and_units_are_exact(tmp_path: Path) -> None:
    """A decimal column in Fahrenheit."""
    query = "SELECT 1767225600 AS time, CAST(46.4 AS DECIMAL(5,1)) AS temperature_f"
    assert read(tmp_path, query).readings[0].value_c == 8.0


def test_several_series_missing_columns_and_damage_are_refused(tmp_path: Path) -> None:
    """By name, with the next step."""
    query = "SELECT 1767225600 + i AS time, 5.0 AS value, 's' || (i % 2) AS sensor FROM range(4) t(i)"
    with pytest.raises(BadInput, match="sensor"):
        read(tmp_path, query)
    assert len(read(tmp_path, query, where=(("sensor", "s1"),)).readings) == 2
    with pytest.raises(BadInput, match="known as the value"):
        read(tmp_path, "SELECT 1 AS time, 2 AS pressure")
    with pytest.raises(BadInput, match="cannot be read"):
        ParquetFormat().read(b"PAR1 nothing PAR1", ReadOptions())


def test_rows_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    """A text that is no number, a time that is missing."""
    query = "SELECT * FROM (VALUES ('1767225600', 'warm'), (NULL, '9.5'), ('1767225660', '5')) t(time, value)"
    file = read(tmp_path, query)
    assert [(e.line, e.value_c) for e in file.row_errors] == [(1, None), (2, 9.5)]
    assert len(file.readings) == 1


def test_only_parquet_is_recognised() -> None:
    """By its magic bytes."""
    assert ParquetFormat().recognises(b"PAR1\x15", "x")
    assert not ParquetFormat().recognises(b"time,value", "a.parquet")
