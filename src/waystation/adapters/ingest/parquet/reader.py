"""Parquet files, read through DuckDB."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from waystation.kernel.refusals import BadInput
from waystation.telemetry.ports import LoggerFile, Progress, ReadOptions, RowError, TimeBasis
from waystation.telemetry.rules.cells import TimeReader, ValueReader
from waystation.telemetry.rules.columns import Columns, SeriesWatch, choose_columns, columns_note, where_columns
from waystation.telemetry.rules.series import Reading

MOST_ROWS = 10_000_000
_CHUNK = 20_000
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001  wall-clock times have no zone yet
_MICROSECONDS = 1e6


class ParquetFormat:
    """Parquet with a time column and a value column."""

    name = "Parquet"

    def recognises(self, head: bytes, name: str) -> bool:
        """True for Parquet's magic bytes."""
        return head[:4] == b"PAR1"

    def read(self, data: bytes, options: ReadOptions, on_progress: Progress | None = None) -> LoggerFile:
        """Read the one series of the table; row numbers stand for lines."""
        import duckdb  # heavy: loaded only for a Parquet file

        with tempfile.NamedTemporaryFile(suffix=".parquet") as held:
            held.write(data)
            held.flush()
            with duckdb.connect(":memory:") as database:
                try:
                    return _read(database, Path(held.name), options, on_progress)
                except duckdb.Error as error:
                    raise BadInput(
                        "telemetry.parquet",
                        f"The Parquet file cannot be read: {str(error).splitlines()[0][:200]}.",
                        "Copy it again, or export it as CSV.",
                    ) from None


def _read(database: Any, path: Path, options: ReadOptions, on_progress: Progress | None) -> LoggerFile:
    table = database.execute("SELECT * FROM read_parquet(?) LIMIT 0", [str(path)])
    header = [str(column[0]) for column in table.description]
    kinds = [str(column[1]) for column in table.description]
    total = database.execute("SELECT count(*) FROM read_parquet(?)", [str(path)]).fetchone()[0]
    if total > MOST_ROWS:
        raise BadInput(
            "telemetry.too_many_rows", f"The file has {total:,} rows.", f"Split it below {MOST_ROWS:,} rows."
        )
    columns = choose_columns(header, options.columns, options.unit)
    rows = _Rows(header, columns, kinds[columns.time], options)
    select = ", ".join(_expression(i, name, kinds[i], columns) for i, name in enumerate(header))
    result = database.execute(f"SELECT {select} FROM read_parquet(?)", [str(path)])
    for number, row in enumerate(_fetched(result), start=1):
        rows.take(number, row)
        if on_progress is not None and number % _CHUNK == 0:
            on_progress(number / total)
    return rows.file()


def _fetched(result: Any) -> Iterator[tuple[Any, ...]]:
    while chunk := result.fetchmany(_CHUNK):
        yield from chunk


def _expression(index: int, name: str, kind: str, columns: Columns) -> str:
    quoted = '"' + name.replace('"', '""') + '"'
    if index == columns.time and kind.startswith(("TIMESTAMP", "DATE")):
        return f"epoch_us({quoted})"
    if index == columns.time and kind in ("FLOAT", "DOUBLE"):
        return f"CAST(TRY_CAST({quoted} AS DECIMAL(20, 6)) AS VARCHAR)"
    if index == columns.value and kind in ("FLOAT", "DOUBLE"):
        return quoted
    return f"CAST({quoted} AS VARCHAR)"


class _Rows:
    """One pass over the rows."""

    def __init__(self, header: list[str], columns: Columns, time_kind: str, options: ReadOptions) -> None:
        self.header, self.columns, self.time_kind = header, columns, time_kind
        self.where = where_columns(header, options.where)
        self.times = TimeReader(options.zone)
        self.values = ValueReader(columns.unit, options.sensor_codes)
        self.watch = SeriesWatch(header, columns)
        self.readings: list[Reading] = []
        self.errors: list[RowError] = []
        self.rows = self.left_out = 0

    def take(self, number: int, row: tuple[Any, ...]) -> None:
        self.rows += 1
        cells = ["" if cell is None else cell if isinstance(cell, str) else repr(cell) for cell in row]
        if any(cells[i].strip() != value for i, value in self.where):
            self.left_out += 1
            return
        value: float | None = None
        try:
            value = self.values.read(cells[self.columns.value])
            instant = self._instant(row[self.columns.time])
        except ValueError as error:
            self.errors.append(RowError(number, str(error), value))
            return
        self.watch.see(cells, instant)
        self.readings.append(Reading(instant, value))

    def _instant(self, cell: Any) -> float:
        if cell is None:
            raise ValueError("time is empty")
        if isinstance(cell, str):
            return self.times.read(cell)
        if "TIME ZONE" in self.time_kind or self.time_kind == "TIMESTAMPTZ":
            self.times.with_offset += 1
            return self.times.seen(cell / _MICROSECONDS)
        return self.times.seen(self.times.wall(_EPOCH + timedelta(microseconds=cell)))

    def file(self) -> LoggerFile:
        self.watch.refuse_several()
        times, corrections = self.times, list[str]()
        notes = columns_note(self.header, self.columns, self.where)
        if self.columns.unit != "c":
            source = "as its column says" if self.columns.unit_named else "as asked"
            corrections.append(f"Values converted from {'°F' if self.columns.unit == 'f' else 'K'} ({source}).")
        if times.without_offset:
            corrections.append(f"{times.without_offset} times without offset read as {times.zone or UTC}.")
        if times.repeated:
            notes.append(
                f"{times.repeated} wall-clock times occur twice in {times.zone}; each was placed by its row order."
            )
        basis: TimeBasis = "offset" if not times.without_offset else "zone" if times.zone else "utc_assumed"
        return LoggerFile(
            format=ParquetFormat.name,
            readings=self.readings,
            rows=self.rows,
            row_errors=tuple(self.errors),
            rows_left_out=self.left_out,
            time_basis=basis,
            corrections=tuple(corrections),
            notes=tuple(notes),
            not_checked=("time zone: times without offset were taken as UTC",) if basis == "utc_assumed" else (),
        )
