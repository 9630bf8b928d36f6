"""Cells of logger files: values and times as text, read exactly or refused with a reason."""

from __future__ import annotations

import re
from datetime import UTC, datetime, tzinfo
from decimal import Decimal

from waystation.kernel.instants import instants_of
from waystation.kernel.units import TemperatureUnit
from waystation.telemetry.rules.local_time import choose_instant

_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_WITH_UNIT = re.compile(r"(?P<number>[+-]?[0-9.,]+)\s*(?:°|º|deg\s*)?\s*(?P<unit>[CFKcfk])")
_DECIMAL_COMMA = re.compile(r"[+-]?[0-9]+,[0-9]+")
_UNUSABLE = re.compile(r"[-.–—]*[-–—][-.–—]*|#[#.]*|[+-]?nan|null|none|n/?a|", re.IGNORECASE)
_DAY_FIRST = re.compile(r"[0-9]{1,2}[/.-][0-9]{1,2}[/.-][0-9]{2,4}\b.*")
_OFFSET_APART = re.compile(r"\s+(?=[+-][0-9]{2})")
_EPOCH = re.compile(r"[0-9]+(?:\.[0-9]+)?")
MILLISECONDS_FROM = 10**11
LATEST_S = 253402300799.0  # the end of the year 9999
_ABSOLUTE_ZERO = Decimal("273.15")


def number_to_celsius(text: str, unit: TemperatureUnit) -> float:
    """A plain number as degrees Celsius, converted in decimals so that 46.4 °F is 8.0 °C exactly."""
    if unit == "c":
        return float(text) + 0.0
    exact = Decimal(text)
    return float((exact - 32) * 5 / 9) + 0.0 if unit == "f" else float(exact - _ABSOLUTE_ZERO) + 0.0


class ValueReader:
    """Reads value cells of one file. Unusable cells are None; what is no value raises ValueError with the reason."""

    def __init__(self, unit: TemperatureUnit, codes: tuple[str, ...] = (), decimal_comma: bool = False) -> None:
        self.unit: TemperatureUnit = unit
        self._codes = frozenset(code.strip().lower() for code in codes)
        self._numeric_codes = frozenset(float(code) for code in codes if _NUMBER.fullmatch(code.strip()))
        self._decimal_comma = decimal_comma

    def read(self, text: str, unit: TemperatureUnit | None = None) -> float | None:
        """Degrees Celsius, or None where the sensor measured nothing."""
        cell = text.strip()
        own = unit or self.unit
        if _NUMBER.fullmatch(cell):
            return self._number(cell, own)
        if _UNUSABLE.fullmatch(cell) or cell.lower() in self._codes:
            return None
        marked = _WITH_UNIT.fullmatch(cell)
        if marked:
            cell, own = marked["number"], _unit(marked["unit"])
        if _DECIMAL_COMMA.fullmatch(cell):
            if not self._decimal_comma:
                raise ValueError(f"value {shown(text)} has a decimal comma")
            cell = cell.replace(",", ".")
        if _NUMBER.fullmatch(cell):
            return self._number(cell, own)
        raise ValueError(f"value {shown(text)} is not a number")

    def _number(self, cell: str, unit: TemperatureUnit) -> float | None:
        if self._numeric_codes and float(cell) in self._numeric_codes:
            return None
        value = number_to_celsius(cell, unit)
        if value in (float("inf"), float("-inf")):
            raise ValueError(f"value {shown(cell)} is not finite")
        return value


def _unit(letter: str) -> TemperatureUnit:
    return "f" if letter in "fF" else "k" if letter in "kK" else "c"


def unit_of(text: str) -> TemperatureUnit:
    """The unit that a unit cell names (`C`, `°F`, `kelvin`); ValueError for another."""
    word = text.strip().lower().lstrip("°º ").removeprefix("deg").strip(" ._")
    units: dict[str, TemperatureUnit] = {"c": "c", "celsius": "c", "f": "f", "fahrenheit": "f", "k": "k", "kelvin": "k"}
    if word not in units:
        raise ValueError(f"unit {shown(text)} is not C, F or K")
    return units[word]


class NoSuchTime(ValueError):
    """A wall-clock time that the zone's clocks skip."""


class TimeReader:
    """Reads time cells of one file in the order of its rows, and remembers what it had to decide."""

    def __init__(self, zone: tzinfo | None) -> None:
        self.zone = zone
        self.with_offset = self.without_offset = self.epoch = self.repeated = 0
        self._before: float | None = None

    def read(self, text: str) -> float:
        """Unix seconds; ValueError with the reason for what is no instant."""
        cell = text.strip()
        if cell[:1].isdigit() and cell.isascii() and _EPOCH.fullmatch(cell):
            return self._seen(self._epoch(cell))
        moment = _iso(cell)
        if moment is None:
            raise ValueError(_why_not(cell, text))
        if moment.tzinfo is not None:
            self.with_offset += 1
            return self._seen(moment.timestamp())
        return self._seen(self.wall(moment))

    def wall(self, moment: datetime) -> float:
        """The instant of a wall-clock time without offset."""
        self.without_offset += 1
        if self.zone is None:
            return moment.replace(tzinfo=UTC).timestamp()
        candidates = instants_of(moment, self.zone)
        if not candidates:
            raise NoSuchTime(f"time {moment.isoformat(' ')} does not exist in {self.zone}: clocks went forward")
        if len(candidates) > 1:
            self.repeated += 1
        return choose_instant(candidates, self._before)

    def seen(self, at_s: float) -> float:
        """Remember an instant that was read elsewhere as the row before."""
        return self._seen(at_s)

    def _seen(self, at_s: float) -> float:
        if not 0.0 <= at_s <= LATEST_S:
            raise ValueError("time is outside the years 1970 to 9999")
        self._before = at_s
        return at_s

    def _epoch(self, cell: str) -> float:
        number = float(cell)
        seconds = number / 1000 if number >= MILLISECONDS_FROM else number
        if seconds > LATEST_S:
            raise ValueError(f"time {cell} is neither Unix seconds nor milliseconds")
        self.epoch += 1
        return seconds


def _iso(cell: str) -> datetime | None:
    try:
        return datetime.fromisoformat(cell)
    except ValueError:
        pass
    try:
        return datetime.fromisoformat(_tidied(cell))
    except ValueError:
        return None


def _tidied(cell: str) -> str:
    text = _OFFSET_APART.sub("", cell)
    if text[4:5] == "/":
        text = text.replace("/", "-")
    for ending in (" UTC", " GMT", "UTC", " Z", "z"):
        if text.endswith(ending):
            return text.removesuffix(ending) + "Z"
    return text


def _why_not(cell: str, text: str) -> str:
    if not cell:
        return "time is empty"
    if _DAY_FIRST.fullmatch(cell):
        return f"time {shown(text)} could be day first or month first; ISO 8601 is needed"
    return f"time {shown(text)} is not ISO 8601 or Unix time"


def shown(text: str, most: int = 40) -> str:
    """A cell as it may be printed: quoted, escaped, cut."""
    return repr(text if len(text) <= most else text[:most] + "...")
