"""What people write into forms: a text, a day, a number; each refused by its own name when it cannot be used."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, time
from uuid import UUID

from django.http import HttpRequest

from waystation.kernel.refusals import BadInput
from waystation.kernel.units import two_readings


def words(request: HttpRequest, name: str) -> str:
    """A text that must be there."""
    found = request.POST.get(name, "").strip()
    if not found:
        said = name.replace("_", " ")
        raise BadInput("registry.value", f"The {said} is missing.", "Write it, then send again.", field=name, value="")
    return found


def day(request: HttpRequest, name: str) -> datetime:
    """A day as its first instant in UTC."""
    return midnight(words(request, name), name)


def midnight(text: str, name: str) -> datetime:
    """The first instant, in UTC, of a day as written in a form or an address."""
    return datetime.combine(read_day(text, name), time.min, UTC)


def read_day(text: str, name: str) -> date:
    """A day as written in a form or an address."""
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise BadInput("page.day", f"{text!r} is no date.", "Write it as 2027-06-30.", field=name, value=text) from None


def number(request: HttpRequest, name: str) -> float:
    """A number, with a point or a comma before its decimals."""
    text = words(request, name)
    found = _read(text, name)
    if not math.isfinite(found):
        raise BadInput("registry.value", f"{text!r} is no number.", "Write 0.2.", field=name, value=text)
    return found


def _read(text: str, name: str) -> float:
    """The number, or NaN; one that may be two numbers is refused."""
    if unclear := two_readings(text):
        raise BadInput(
            "page.number_unclear",
            f"{text!r} may be {' or '.join(unclear)}.",
            "Write a point before decimals and nothing between thousands.",
            field=name,
            value=text,
        )
    try:
        return float(text.replace(",", "."))
    except ValueError:
        return math.nan


def read_uuid(text: str, name: str) -> UUID:
    """An id out of an address."""
    try:
        return UUID(text)
    except ValueError:
        raise BadInput("page.id", f"{text!r} is no id.", "Follow a link of a page.", field=name, value=text) from None


def amount(text: str, name: str) -> float:
    """A number of an address, 0 or more, with a point or a comma."""
    found = _read(text, name)
    if not 0.0 <= found < 1e15:
        raise BadInput(
            "page.amount", f"{text!r} is no {name}.", "Write 0 or more, such as 40000.", field=name, value=text
        )
    return found


def read_whole(request: HttpRequest, name: str) -> int | None:
    """A whole number from 0, or None where nothing is written."""
    text = request.POST.get(name, "").strip()
    return whole(text, name) if text else None


def whole(text: str, name: str) -> int:
    """A whole number from 0. Refuses other words."""
    if not (text.isascii() and text.isdigit() and len(text) < 7):
        step = "Write a whole number from 0."
        raise BadInput("registry.value", f"{text!r} is no such number.", step, field=name, value=text)
    return int(text)
