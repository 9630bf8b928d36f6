"""Units. Stored in degrees Celsius and seconds; other units are converted where they come in or go out."""

from __future__ import annotations

import re
from typing import Literal

TemperatureUnit = Literal["c", "f", "k"]
ZERO_C_IN_K = 273.15


def to_celsius(value: float, unit: TemperatureUnit) -> float:
    """`value` in Celsius, Fahrenheit or kelvin as degrees Celsius."""
    if unit == "c":
        return value
    if unit == "f":
        return (value - 32.0) * 5.0 / 9.0
    if unit == "k":
        return value - ZERO_C_IN_K
    raise ValueError(f"unknown temperature unit {unit!r}; use c, f or k")


def from_celsius(value_c: float, unit: TemperatureUnit) -> float:
    """Degrees Celsius as `unit`."""
    if unit == "c":
        return value_c
    if unit == "f":
        return value_c * 9.0 / 5.0 + 32.0
    if unit == "k":
        return value_c + ZERO_C_IN_K
    raise ValueError(f"unknown temperature unit {unit!r}; use c, f or k")


def two_readings(text: str) -> tuple[str, str] | None:
    """What a number as written may be, where that is two: `1,234` is 1.234 to one reader and 1234 to another."""
    if not re.fullmatch(r"[1-9]\d{0,2},\d{3}", text.strip()):
        return None
    return text.strip().replace(",", "."), text.strip().replace(",", "")


def duration_text(seconds: float) -> str:
    """A length of time in words a person reads at a glance: `1 h 26 min`, `40 s`, `2 d 3 h`."""
    total = int(seconds)
    if total < 60:
        return f"{total} s"
    minutes, hours, days = total // 60 % 60, total // 3600 % 24, total // 86400
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes:02d} min" if minutes else f"{hours} h"
    return f"{minutes} min"


def counted(count: int, noun: str) -> str:
    """A number with its noun: `1 row`, `0 rows`, `2 rows`."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
