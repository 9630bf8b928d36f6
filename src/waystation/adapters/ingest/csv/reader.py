"""Logger files as tables of text: CSV with comma, semicolon or tab."""

from __future__ import annotations

import csv
from collections.abc import Iterator

from waystation.kernel.refusals import BadInput
from waystation.telemetry.ports import LoggerFile, Progress, ReadOptions, RowError, TimeBasis
from waystation.telemetry.rules.cells import TimeReader, ValueReader, shown, unit_of
from waystation.telemetry.rules.columns import Columns, SeriesWatch, choose_columns, columns_note, where_columns
from waystation.telemetry.rules.series import Reading

DELIMITERS = (",", ";", "\t")
LONGEST_LINE = 100_000
MOST_ROWS = 10_000_000
_MOST_QUOTED_LINES = 20
_PROGRESS_EVERY = 20_000
_UTF_16 = (b"\xff\xfe", b"\xfe\xff")


class CsvFormat:
    """Comma, semicolon or tab separated text with one header line."""

    name = "CSV"

    def recognises(self, head: bytes, name: str) -> bool:
        """True for text: no NUL bytes and hardly any control characters."""
        if head[:2] in _UTF_16:
            return True
        odd = sum(1 for byte in head if byte < 32 and byte not in (9, 10, 12, 13))
        return bool(head.strip()) and b"\x00" not in head and odd * 50 <= len(head)

    def read(self, data: bytes, options: ReadOptions, on_progress: Progress | None = None) -> LoggerFile:
        """Read the one series of the table."""
        lines = _text(data).replace("\r\n", "\n").replace("\r", "\n").split("\n")
        top = next((i for i, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
        if top is None:
            raise BadInput("telemetry.empty_file", "The file has no lines.", "Export it again from the logger.")
        delimiter = max(DELIMITERS, key=lambda mark: (lines[top].count(mark), -DELIMITERS.index(mark)))
        header = _cells(lines[top], delimiter)
        if header is None:
            raise BadInput(
                "telemetry.csv_header", f"The header {shown(lines[top])} cannot be read.", "Mend its quotes."
            )
        table = _Table(header, delimiter, lines, top, options)
        table.read(on_progress)
        return table.file()


def _text(data: bytes) -> str:
    if data[:2] in _UTF_16:
        return data.decode("utf-16", errors="replace")
    return data.decode("utf-8-sig", errors="replace")


def _cells(line: str, delimiter: str) -> list[str] | None:
    if '"' not in line:
        return line.split(delimiter)
    try:
        rows = list(csv.reader(line.split("\n"), delimiter=delimiter, strict=True, skipinitialspace=True))
    except csv.Error:
        return None
    return rows[0] if len(rows) == 1 else None


class _Table:
    """One pass over the rows."""

    def __init__(self, header: list[str], delimiter: str, lines: list[str], top: int, options: ReadOptions) -> None:
        self.header, self.delimiter, self.lines, self.top, self.options = header, delimiter, lines, top, options
        first = next((line for line in lines[top + 1 :] if line.strip()), "")
        self.columns: Columns = choose_columns(header, options.columns, options.unit, _cells(first, delimiter) or ())
        self.where = where_columns(header, options.where)
        self.times = TimeReader(options.zone)
        self.values = ValueReader(self.columns.unit, options.sensor_codes, decimal_comma=delimiter != ",")
        self.watch = SeriesWatch(header, self.columns)
        self.readings: list[Reading] = []
        self.errors: list[RowError] = []
        self.rows = self.left_out = 0

    def read(self, on_progress: Progress | None) -> None:
        total = max(len(self.lines), 1)
        for number, row in self._rows():
            self.rows += 1
            if self.rows > MOST_ROWS:
                raise BadInput(
                    "telemetry.too_many_rows", f"The file has more than {MOST_ROWS:,} rows.", "Split it by month."
                )
            self._row(number, row)
            if on_progress is not None and self.rows % _PROGRESS_EVERY == 0:
                on_progress(number / total)
        self.watch.refuse_several()

    def _rows(self) -> Iterator[tuple[int, list[str] | str]]:
        """(line number, cells or why there are none) of each row that is not blank."""
        index = self.top + 1
        while index < len(self.lines):
            line = self.lines[index]
            index += 1
            if not line.strip():
                continue
            if len(line) > LONGEST_LINE:
                yield index, f"the line has {len(line):,} characters"
            elif '"' not in line:
                yield index, line.split(self.delimiter)
            else:
                cells, used = self._quoted(index - 1)
                yield index, cells
                index += used - 1

    def _quoted(self, index: int) -> tuple[list[str] | str, int]:
        """A row with quotes; a quoted cell may hold line ends, but an open quote may not swallow the file."""
        for used in range(1, _MOST_QUOTED_LINES + 1):
            cells = _cells("\n".join(self.lines[index : index + used]), self.delimiter)
            if cells is not None and (used == 1 or len(cells) == len(self.header)):
                return cells, used
        return "its quotes do not close", 1

    def _row(self, number: int, row: list[str] | str) -> None:
        if isinstance(row, str):
            self.errors.append(RowError(number, row))
            return
        width = len(self.header)
        if len(row) != width and (len(row) < width or any(cell.strip() for cell in row[width:])):
            self.errors.append(RowError(number, f"the row has {len(row)} cells, the header {width}"))
            return
        if any(row[i].strip() != value for i, value in self.where):
            self.left_out += 1
            return
        self._reading(number, row)

    def _reading(self, number: int, row: list[str]) -> None:
        at = self.columns
        value: float | None = None
        try:
            own = unit_of(row[at.unit_column]) if at.unit_column is not None and not at.unit_named else None
            value = self.values.read(row[at.value], own)
            when = row[at.time] if at.clock is None else f"{row[at.time].strip()} {row[at.clock].strip()}"
            instant = self.times.read(when)
        except ValueError as error:
            self.errors.append(RowError(number, str(error), value))
            return
        self.watch.see(row, instant)
        self.readings.append(Reading(instant, value))

    def file(self) -> LoggerFile:
        times, corrections = self.times, list[str]()
        notes = columns_note(self.header, self.columns, self.where)
        unit = {"c": "°C", "f": "°F", "k": "K"}[self.columns.unit]
        if self.columns.unit != "c":
            source = "as its header says" if self.columns.unit_named else "as asked"
            corrections.append(f"Values converted from {unit} ({source}).")
        if self.columns.unit_named and self.columns.unit != self.options.unit:
            notes.append(f"The header says {unit}; that was used.")
        if times.epoch:
            corrections.append(f"{times.epoch} times read as Unix time.")
        if times.repeated:
            notes.append(
                f"{times.repeated} wall-clock times occur twice in {times.zone}; each was placed by its row order."
            )
        if times.without_offset:
            zone = str(times.zone) if times.zone else "UTC"
            corrections.append(f"{times.without_offset} times without offset read as {zone}.")
        basis: TimeBasis = "offset" if not times.without_offset else "zone" if times.zone else "utc_assumed"
        return LoggerFile(
            format=CsvFormat.name,
            readings=self.readings,
            rows=self.rows,
            row_errors=tuple(self.errors),
            rows_left_out=self.left_out,
            time_basis=basis,
            corrections=tuple(corrections),
            notes=tuple(notes),
            not_checked=("time zone: times without offset were taken as UTC",) if basis == "utc_assumed" else (),
        )
