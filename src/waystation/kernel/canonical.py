"""Canonical bytes: one value, one byte string (RFC 8785, restricted).

Only strings, integers, booleans, lists and string-keyed objects; no floats (RFC 8785 number text is
not Python's) and no null (leave the member out). Decimals travel as strings, instants as RFC 3339 UTC.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

MAX_SAFE_INT = 2**53 - 1
_ORDERED = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False)
_SORTING = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False, check_circular=False, sort_keys=True, default=dict
)
_ITSELF = (str, int, bool)


def canonical(value: Any) -> bytes:
    """UTF-8 bytes of `value`; raises TypeError or ValueError for what has no canonical form."""
    _check(value)
    if type(value) is dict and (text := _SORTING.encode(value)).isascii():
        return text.encode()  # code points of ASCII sort as UTF-16 does
    return _ORDERED.encode(_sorted(value)).encode()


def digest(value: Any) -> str:
    """SHA-256 over the canonical bytes, lower-case hexadecimal."""
    return hashlib.sha256(canonical(value)).hexdigest()


def instant(at: datetime) -> str:
    """RFC 3339 UTC with microseconds only when there are any: `2026-11-18T02:12:04Z`."""
    if at.tzinfo is None:
        raise ValueError("an instant needs a time zone")
    there = at if at.tzinfo is UTC else at.astimezone(UTC)
    return there.isoformat().removesuffix("+00:00") + "Z"


def plain(value: Any) -> Any:
    """A value of rows turned into what `canonical` takes; None members are left out."""
    if type(value) in _ITSELF:
        return value
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date | UUID):
        return str(value)
    if isinstance(value, bool | int | str):
        return value
    if isinstance(value, float | Decimal):
        return repr(float(value)) if isinstance(value, float) else format(value, "f")
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items() if v is not None}
    if isinstance(value, Sequence | set | frozenset):
        items = sorted(value, key=str) if isinstance(value, set | frozenset) else value
        return [plain(v) for v in items if v is not None]
    if value is None:
        return ""
    raise TypeError(f"{type(value).__name__} has no plain form")


def _check(value: Any) -> None:
    kind = type(value)
    if kind is str or kind is bool:
        return
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INT:
            raise ValueError(f"integer {value} is outside the range that every JSON reader keeps exactly")
    elif isinstance(value, Mapping):
        for key, member in value.items():
            if not isinstance(key, str):
                raise TypeError(f"object keys are strings, not {type(key).__name__}")
            _check(member)
    elif isinstance(value, list | tuple):
        for member in value:
            _check(member)
    elif not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} has no canonical form; use a string")


def _sorted(value: Any) -> Any:
    """RFC 8785 sorts member names by UTF-16 code units."""
    if isinstance(value, Mapping):
        return {k: _sorted(value[k]) for k in sorted(value, key=lambda k: k.encode("utf-16-be", "surrogatepass"))}
    if isinstance(value, list | tuple):
        return [_sorted(v) for v in value]
    return value
