"""What messages of brokers have in common: instants and values in the words of line protocol."""

from __future__ import annotations

from datetime import datetime
from math import isfinite

from waystation.telemetry.rules.cells import shown
from waystation.telemetry.rules.points import LATEST_US, Point

NOTHING_MEASURED = '""'


def written(value: object) -> str:
    """A value as a field is written; None and what is not finite are nothing measured. ValueError for texts."""
    if value is None:
        return NOTHING_MEASURED
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(float(value)) if isfinite(value) else NOTHING_MEASURED
    raise ValueError(f"value {shown(str(value))} is no number")


def instant_us(text: object) -> int:
    """Unix microseconds of an RFC 3339 instant with its offset; ValueError for another."""
    try:
        read = datetime.fromisoformat(_to_microseconds(str(text)))
    except ValueError:
        raise ValueError(f"time {shown(str(text))} is not RFC 3339") from None
    if read.tzinfo is None:
        raise ValueError(f"time {shown(str(text))} has no offset")
    return round(read.timestamp() * 1e6)


def _to_microseconds(text: str) -> str:
    """RFC 3339 may have any number of decimals; six are kept."""
    lead, dot, rest = text.partition(".")
    digits = len(rest) - len(rest.lstrip("0123456789"))
    return f"{lead}.{rest[:digits][:6]:0<6}{rest[digits:]}" if dot and digits else text


def demand_instant(point: Point) -> None:
    """ValueError for an instant outside the years 1970 to 9999."""
    if not 0 < point.at_us <= LATEST_US:
        raise ValueError("the time is outside the years 1970 to 9999")
