"""Berlinger Fridge-tag and Q-tag exports: an indented tree, daily records, and readings in device local time."""

from __future__ import annotations

import re
from datetime import date, datetime

from waystation.kernel.refusals import BadInput
from waystation.kernel.units import TemperatureUnit
from waystation.telemetry.ports import DeviceDay, LoggerFile, Progress, ReadOptions, RowError, TimeBasis
from waystation.telemetry.rules.cells import TimeReader, ValueReader, unit_of
from waystation.telemetry.rules.series import Reading

_DEVICE = re.compile(rb"(?:\xef\xbb\xbf)?Device:[ \t]*[QF][^\r\n]*tag", re.IGNORECASE)
_ROW_START = re.compile(r"\t\s*\S")
_PAIR = re.compile(r"\s*([^:]+):\s?(.*)")
_DAY_VALUE = re.compile(r"(Min|Max) T:\s*([^,]+)")
_PROGRESS_EVERY = 20_000


class BerlingerFormat:
    """Text exports of Fridge-tag 2, Fridge-tag 2 L and Q-tag CLm loggers."""

    name = "Berlinger text"

    def recognises(self, head: bytes, name: str) -> bool:
        """True for a file whose first line names such a device."""
        return _DEVICE.match(head) is not None

    def read(self, data: bytes, options: ReadOptions, on_progress: Progress | None = None) -> LoggerFile:
        """Read the device's one series of readings and its own daily records."""
        if options.columns or options.where:
            raise BadInput(
                "telemetry.no_columns",
                "A Berlinger export has one series and no columns to choose.",
                "Leave out --column and --where for it.",
                field="column",
            )
        lines = data.decode("utf-8-sig", errors="replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        export = _Export(lines, options)
        export.read(on_progress)
        return export.file()


class _Export:
    """One pass over the lines; the tree's heading lines stand at column 0."""

    def __init__(self, lines: list[str], options: ReadOptions) -> None:
        self.lines, self.options = lines, options
        self.facts = _facts(lines)
        self.unit: TemperatureUnit = _named_unit(self.facts) or options.unit
        self.times = TimeReader(options.zone)
        self.values = ValueReader(self.unit, options.sensor_codes)
        self.readings: list[Reading] = []
        self.errors: list[RowError] = []
        self.rows = 0
        self.columns: list[str] = []

    def read(self, on_progress: Progress | None) -> None:
        section = ""
        for number, line in enumerate(self.lines, start=1):
            if line[:1].strip():
                section = line.split(":")[0].strip()
            elif section == "Data" and line.strip():
                self._data_line(number, line)
            if on_progress is not None and number % _PROGRESS_EVERY == 0:
                on_progress(number / len(self.lines))

    def _data_line(self, number: int, line: str) -> None:
        cells = [cell.strip() for cell in line.strip("\n").lstrip(" \t").split("\t")]
        if cells[0].lower().startswith("yyyy"):
            self.columns = cells
            if sum(1 for cell in cells if cell.split(" ")[0] == "T") > 1:
                raise BadInput(
                    "telemetry.several_series",
                    f"The export holds several temperatures side by side: {', '.join(cells[1:])}.",
                    "Export each sensor by itself and judge both files.",
                )
            return
        self.rows += 1
        value: float | None = None
        try:
            if len(cells) < 2:
                raise ValueError("the row has no temperature")
            if self.columns and len(cells) > len(self.columns):
                raise ValueError(f"the row has {len(cells)} cells, the heading {len(self.columns)}")
            value = self.values.read(cells[1])
            instant = self.times.read(cells[0])
        except ValueError as error:
            self.errors.append(RowError(number, str(error), value))
            return
        self.readings.append(Reading(instant, value))

    def file(self) -> LoggerFile:
        times, notes, corrections = self.times, [], []
        days = _days(self.lines, self.unit)
        if not self.rows and days:
            notes.append(f"The export holds {len(days)} daily records and no readings.")
        for name in ("Zone", "MKT", "Avrg T", "Min T", "Max T"):
            if name in self.facts:
                what = "shown, not applied" if name == "Zone" else "the device's own, shown beside the verdict"
                notes.append(f"{name}: {self.facts[name]} ({what}).")
        if self.unit != "c":
            corrections.append(f"Values converted from {'°F' if self.unit == 'f' else 'K'}.")
        if times.repeated:
            notes.append(
                f"{times.repeated} wall-clock times occur twice in {times.zone}; each was placed by its row order."
            )
        unzoned = times.without_offset or not times.with_offset
        basis: TimeBasis = "offset" if not unzoned else "zone" if times.zone else "device_local"
        not_checked = ["time zone: times are device local time"] if basis == "device_local" else []
        if basis == "zone":
            corrections.append(f"{times.without_offset} times of the device's clock read as {times.zone}.")
        signed = any(line.startswith("Sig:") for line in self.lines)
        not_checked.append(f"device signature: {'present, not verified' if signed else 'missing; the file may be cut'}")
        return LoggerFile(
            format=BerlingerFormat.name,
            readings=self.readings,
            rows=self.rows,
            row_errors=tuple(self.errors),
            time_basis=basis,
            corrections=tuple(corrections),
            notes=tuple(notes),
            not_checked=tuple(not_checked),
            device=f"{self.facts.get('Device', '')} {self.facts.get('Serial', '')}".strip(),
            device_days=tuple(days),
        )


def _facts(lines: list[str]) -> dict[str, str]:
    """The first `Name: value` of each name that matters, outside daily records."""
    wanted = {"Device", "Serial", "Zone", "Temp unit", "MKT", "Avrg T"}
    found: dict[str, str] = {}
    inside_history = False
    for line in lines:
        if line[:1].strip():
            inside_history = line.startswith("Hist")
            if line.startswith(("Data", "Cert")):
                break
        pair = _PAIR.fullmatch(line)
        if pair and not inside_history and pair[1].strip() in wanted:
            found.setdefault(pair[1].strip(), pair[2].strip())
        elif pair and line.startswith(" Min T:") and not inside_history:
            found["Min T"] = pair[2].strip()
        elif pair and line.startswith(" Max T:") and not inside_history:
            found["Max T"] = pair[2].strip()
    return {name: value for name, value in found.items() if value}


def _named_unit(facts: dict[str, str]) -> TemperatureUnit | None:
    try:
        return unit_of(facts["Temp unit"]) if "Temp unit" in facts else None
    except ValueError as error:
        raise BadInput(
            "telemetry.unit", f"The device's Temp unit: {error}.", "Ask for an export in °C or °F.", field="unit"
        ) from None


def _days(lines: list[str], unit: TemperatureUnit) -> list[DeviceDay]:
    reader, found = ValueReader(unit), []
    day: date | None = None
    extremes: dict[str, float | None] = {}

    def close() -> None:
        if day is not None:
            found.append(DeviceDay(day, extremes.get("Min"), extremes.get("Max")))

    for line in lines:
        if line.startswith("Data"):
            break
        if line.strip().startswith("Date:"):
            close()
            day, extremes = _date(line.split(":", 1)[1].strip()), {}
        marked = _DAY_VALUE.match(line.strip())
        if marked and day is not None:
            try:
                extremes[marked[1]] = reader.read(marked[2])
            except ValueError:
                extremes[marked[1]] = None
    close()
    return found


def _date(text: str) -> date | None:
    try:
        return datetime.fromisoformat(text).date()
    except ValueError:
        return None
