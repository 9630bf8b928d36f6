"""Reading what is sent: JSON without numbers that are none, and text that every database keeps."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from django.http import HttpRequest
from ninja import Schema
from ninja.parser import Parser
from pydantic import ConfigDict

from waystation.kernel.refusals import BadInput


class Body(Schema):
    """A shape that comes in: a figure is a number, so neither NaN nor infinity, in whatever spelling."""

    model_config = ConfigDict(allow_inf_nan=False)


class StrictJson(Parser):
    """JSON as RFC 8259 has it. BadInput `api.value` for NaN, Infinity, numbers past a double, and broken text."""

    def parse_body(self, request: HttpRequest) -> dict[str, Any]:
        """The value of a body."""
        value = json.loads(request.body, parse_constant=_no_number, parse_float=_number)
        _demand_text(value, "body")
        return value  # type: ignore[no-any-return]


def demand_readable(request: HttpRequest) -> None:
    """Refuse an address whose parts are no text that could be kept or looked up."""
    _demand_text(request.path, "path")
    for name, values in request.GET.lists():
        _demand_text([name, *values], name.replace("\x00", ""))


def _number(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def _no_number(text: str) -> NoReturn:
    raise BadInput(
        "api.value", f"{text[:40]} is no number.", "Send a number, or leave it out.", field="body", value=text
    )


def _demand_text(value: Any, field: str) -> None:
    if isinstance(value, str):
        if "\x00" in value or any("\ud800" <= c <= "\udfff" for c in value):
            shown = value[:40].encode("unicode_escape").decode()
            raise BadInput(
                "api.text",
                f"{field}: {shown} holds a character that is none.",
                "Take it out.",
                field=field,
                value=shown,
            )
    elif isinstance(value, dict):
        for name, member in value.items():
            _demand_text(name, field)
            _demand_text(member, name)
    elif isinstance(value, list):
        for member in value:
            _demand_text(member, field)
