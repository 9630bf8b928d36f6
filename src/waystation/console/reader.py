"""How the person of this request reads: degrees Celsius or Fahrenheit, a 24- or a 12-hour clock.

Pages, drawings and sentences ask here, so that nothing on a page speaks in another unit than its neighbour. Stored
values, entries of the log and what was sent to people stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from django.http import HttpRequest, HttpResponse

from waystation.kernel.units import TemperatureUnit, from_celsius

NO_BREAK = "\u00a0"
_TEMPERATURE = re.compile(r"(-?\d+(?:\.\d+)?)( to (-?\d+(?:\.\d+)?))?([ \u00a0])°C(/h)?(?![A-Za-z])")


@dataclass(frozen=True, slots=True)
class Taste:
    """A person's own way to read."""

    unit: TemperatureUnit = "c"
    hours: str = "24"


_USUAL = Taste()
_taste: ContextVar[Taste] = ContextVar("taste", default=_USUAL)


class ReadersTaste:
    """Middleware: for the time of a request its person's taste is the one that pages ask for."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        """Answer in the person's own units."""
        user = request.user
        unit: TemperatureUnit = getattr(user, "temperature_unit", "c")
        held = _taste.set(Taste(unit, getattr(user, "hours", "24")))
        try:
            return self.get_response(request)
        finally:
            _taste.reset(held)


def taste() -> Taste:
    """The present reader's taste; Celsius and 24 hours where nobody reads."""
    return _taste.get()


def of_day(local: datetime) -> str:
    """A time of day: `15:30`, or `3:30 pm` for who reads so."""
    if taste().hours == "24":
        return f"{local:%H:%M}"
    return f"{local.hour % 12 or 12}:{local:%M}{NO_BREAK}{'am' if local.hour < 12 else 'pm'}"


def hour_of_day(local: datetime) -> str:
    """A whole hour on an axis: `15:00`, or `3 pm`."""
    if taste().hours == "24":
        return f"{local:%H:%M}"
    return f"{local.hour % 12 or 12}{NO_BREAK}{'am' if local.hour < 12 else 'pm'}"


def degrees(value_c: float, decimals: int = 1) -> str:
    """A temperature in the reader's unit, with the unit."""
    unit = taste().unit
    return f"{from_celsius(value_c, unit):.{decimals}f}{NO_BREAK}°{unit.upper()}"


def degrees_between(span_c: float, decimals: int = 1) -> str:
    """A difference of temperatures in the reader's unit, with the unit."""
    unit = taste().unit
    return f"{span_c * (1.8 if unit == 'f' else 1.0):.{decimals}f}{NO_BREAK}°{unit.upper()}"


def in_own_unit(text: str) -> str:
    """A sentence with its degrees Celsius in the reader's unit; slopes per hour convert as differences."""
    if taste().unit == "c":
        return text
    return _TEMPERATURE.sub(_fahrenheit, text)


def _fahrenheit(found: re.Match[str]) -> str:
    first, _, second, space, slope = found.groups()

    def shown(number: str) -> str:
        value = float(number) * 9 / 5 if slope else from_celsius(float(number), "f")
        return f"{value:.{len(number.partition('.')[2]) or 0}f}"

    both = f"{shown(first)} to {shown(second)}" if second else shown(first)
    return f"{both}{space}°F{slope or ''}"
