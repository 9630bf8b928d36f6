"""Columns of tables: which one is the time, which one the value and in what unit, which ones tell series apart."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waystation.kernel.refusals import BadInput
from waystation.kernel.units import TemperatureUnit

TIME_NAMES = ("timestamp", "timestamp_local", "date", "datetime", "time", "observed_at")
VALUE_NAMES = ("temp_c", "temperature", "temperature_c", "value")
_VALUE_BASES = ("temp", "temperature", "value")
_UNIT_NAMES = ("unit", "units", "temp_unit", "temperature_unit")
_UNIT_PATTERNS = (
    re.compile(r"(?P<base>.+?)\s*[\(\[]\W*(?:deg\w*[\s_.]*)?(?P<unit>celsius|fahrenheit|kelvin|c|f|k)\W*"),
    re.compile(r"(?P<base>.+?)[\s_]+\W*(?:deg(?:rees)?[\s_.]*)?(?P<unit>celsius|fahrenheit|kelvin|c|f|k)"),
    re.compile(r"(?P<base>.+?)\W*[°º∘]\s*(?P<unit>c|f|k)"),
)
_SERIES_WORDS = frozenset(
    """
    sensor device probe channel ch serial sn name series location room fridge freezer site space tag
    metric measurement field quantity parameter logger asset item id uid uuid eui topic host unitid
    node point source
    """.split()  # noqa: SIM905
)
_MARK_WORDS = frozenset(
    """
    status alarm alarms flag flags quality out limits limit event events comment comments note notes
    remark mark state ok valid error errors message operator user
    """.split()  # noqa: SIM905
)
_MOST_INSTANTS = 20_000
_MOST_VALUES = 1_000


@dataclass(frozen=True, slots=True)
class Columns:
    """Positions in the header. `clock` is a second time column beside a date column."""

    time: int
    value: int
    unit: TemperatureUnit
    unit_named: bool
    clock: int | None = None
    unit_column: int | None = None


def header_unit(name: str) -> tuple[str, TemperatureUnit | None]:
    """A header cell as (base name, unit that it names): `Temperature (°F)` is ("temperature", "f")."""
    text = name.strip().lstrip("\ufeff").strip().lower()
    for pattern in _UNIT_PATTERNS:
        found = pattern.fullmatch(text)
        if found:
            unit: TemperatureUnit = "f" if found["unit"][0] == "f" else "k" if found["unit"][0] == "k" else "c"
            return re.sub(r"\s+", "_", found["base"].strip()), unit
    return re.sub(r"\s+", "_", text), None


def choose_columns(
    header: Sequence[str], wanted: Mapping[str, str], unit: TemperatureUnit, first_row: Sequence[str] = ()
) -> Columns:
    """Find time and value; BadInput when there is none, or more than one and nobody said which."""
    time, clock = _time_column(header, wanted.get("time"), first_row)
    value = _value_column(header, wanted.get("value"), (time, clock))
    named = header_unit(header[value])[1]
    bases = [header_unit(name)[0] for name in header]
    unit_column = next((i for i, base in enumerate(bases) if base in _UNIT_NAMES and i not in (time, value)), None)
    return Columns(time, value, named or unit, named is not None, clock, unit_column)


def _wanted_column(header: Sequence[str], name: str, role: str) -> int:
    same = [i for i, cell in enumerate(header) if cell.strip().lstrip("\ufeff").lower() == name.strip().lower()]
    exact = [i for i in same if header[i].strip().lstrip("\ufeff") == name.strip()]
    found = exact or same
    if len(found) != 1:
        how = "no column" if not found else f"{len(found)} columns"
        raise BadInput(
            "telemetry.column", f"The file has {how} {name!r} for the {role}.", _say(header), field="column", value=name
        )
    return found[0]


def _time_column(header: Sequence[str], name: str | None, first_row: Sequence[str]) -> tuple[int, int | None]:
    if name is not None:
        return _wanted_column(header, name, "time"), None
    bases = [cell.strip().lstrip("\ufeff").strip().lower().replace(" ", "_") for cell in header]
    found = [i for i, base in enumerate(bases) if base in TIME_NAMES]
    if sorted(bases[i] for i in found) == ["date", "time"]:
        day, clock = bases.index("date"), bases.index("time")
        if len(first_row) > max(day, clock) and ":" not in first_row[day] and ":" in first_row[clock]:
            return day, clock
    if len(found) != 1:
        raise _column_refusal("time", [header[i] for i in found], header)
    return found[0], None


def _value_column(header: Sequence[str], name: str | None, taken: tuple[int | None, ...]) -> int:
    if name is not None:
        return _wanted_column(header, name, "value")
    found = []
    for i, cell in enumerate(header):
        base, unit = header_unit(cell)
        plain = cell.strip().lstrip("\ufeff").strip().lower() in VALUE_NAMES or base in VALUE_NAMES
        if i not in taken and (plain or (unit is not None and base in _VALUE_BASES)):
            found.append(i)
    if len(found) != 1:
        raise _column_refusal("value", [header[i] for i in found], header)
    return found[0]


def _column_refusal(role: str, found: list[str], header: Sequence[str]) -> BadInput:
    if found:
        message = f"The file has {len(found)} columns that could be the {role}: {', '.join(found)}."
    else:
        message = f"The file has no column that is known as the {role}."
    step = f"Say --column {role}=NAME. {_say(header)}"
    return BadInput("telemetry.column", message, step, field="column", value=", ".join(found))


def _say(header: Sequence[str]) -> str:
    cells = [cell.strip() if len(cell) <= 40 else cell[:40] + "..." for cell in header[:20]]
    return "Its columns: " + ", ".join(cells) + (", ..." if len(header) > 20 else "") + "."


class SeriesWatch:
    """Looks for columns that tell several series apart: by name, or by differing at one instant again and again."""

    def __init__(self, header: Sequence[str], columns: Columns) -> None:
        used = {columns.time, columns.value, columns.clock, columns.unit_column}
        self._named: dict[int, dict[str, None]] = {}
        self._other: dict[int, tuple[dict[float, str], set[float], set[str]]] = {}
        self._numbers: dict[int, int | None] = {}
        self._header = list(header)
        for i, cell in enumerate(header):
            words = set(re.split(r"[^a-z0-9]+", cell.strip().lower()))
            if i in used:
                continue
            if words & _SERIES_WORDS:
                self._named[i], self._numbers[i] = {}, -1
            elif not words & _MARK_WORDS:
                self._other[i] = ({}, set(), set())

    def see(self, cells: Sequence[str], at_s: float) -> None:
        """Count a row that was read."""
        for i, values in self._named.items():
            cell = cells[i].strip()
            if len(values) < _MOST_VALUES:
                values[cell] = None
            last = self._numbers[i]
            if last is not None:
                number = int(cell) if cell.isascii() and cell.isdigit() and len(cell) < 19 else -1
                self._numbers[i] = number if number > last else None
        for i, (first, differing, seen) in self._other.items():
            if len(seen) <= _MOST_VALUES and len(first) < _MOST_INSTANTS:
                cell = cells[i].strip()
                seen.add(cell)
                if first.setdefault(at_s, cell) != cell:
                    differing.add(at_s)

    def apart(self) -> dict[str, list[str]]:
        """Column name → its first values, for every column that tells series apart."""
        found = {}
        for i, values in self._named.items():
            if len(values) > 1 and self._numbers[i] is None:
                found[self._header[i].strip()] = list(values)[:6]
        for i, (first, differing, seen) in self._other.items():
            if len(differing) >= max(2, len(first) / 5) and not all(_is_decimal(cell) for cell in seen):
                found[self._header[i].strip()] = sorted(seen)[:6]
        return found

    def refuse_several(self) -> None:
        """BadInput that names the columns when the rows hold several series."""
        several_series(self.apart())


def several_series(apart: Mapping[str, Sequence[str]]) -> None:
    """BadInput when `apart` (column → values) is not empty: a merged stream lets one sensor hide another's silence."""
    if not apart:
        return
    names = "; ".join(f"{name} ({', '.join(v or 'empty' for v in values)})" for name, values in apart.items())
    column, values = next(iter(apart.items()))
    value = next((v for v in values if v), "")
    raise BadInput(
        "telemetry.several_series",
        f"The file holds several series, told apart by {names}.",
        f'Pick one, for example --where "{column}={value}", and judge each.',
        field="where",
        value=", ".join(apart),
    )


def _is_decimal(cell: str) -> bool:
    return not cell or bool(re.fullmatch(r"[+-]?[0-9]*[.,][0-9]+|[+-]?[0-9]{3,}", cell))


def columns_note(header: Sequence[str], columns: Columns, where: Sequence[tuple[int, str]]) -> list[str]:
    """One line that names the columns which played no part; none when all did."""
    used = {columns.time, columns.value, columns.clock, columns.unit_column, *(i for i, _ in where)}
    names = [name.strip() or "(no name)" for i, name in enumerate(header) if i not in used]
    more = f" and {len(names) - 12} more" if len(names) > 12 else ""
    return [f"Columns not read: {', '.join(names[:12])}{more}."] if names else []


def where_columns(header: Sequence[str], where: Sequence[tuple[str, str]]) -> list[tuple[int, str]]:
    """The positions of `--where` columns; BadInput for one that the file does not have."""
    return [(_wanted_column(header, name, "--where choice"), value.strip()) for name, value in where]
