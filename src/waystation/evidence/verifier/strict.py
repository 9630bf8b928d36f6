"""Strict reading: what can be read in two ways is refused."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from collections.abc import Mapping
from datetime import datetime, timedelta
from hashlib import sha256
from typing import Any

TIME = r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{6})?Z"
DECIMAL = re.compile(r"-?[0-9]{1,9}(?:\.[0-9]{1,20})?")
NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")


class Members(dict[str, memoryview]):
    """The members of a pack by name; the digest of each is worked out once."""

    def __init__(self, members: Mapping[str, Any] | None = None) -> None:
        super().__init__(members or {})
        self._digests: dict[str, str] = {}

    def digest(self, name: str) -> str:
        """SHA-256 of a member in hexadecimal."""
        if name not in self._digests:
            self._digests[name] = sha256(self[name]).hexdigest()
        return self._digests[name]


class Refused(Exception):
    """Something in the pack does not hold; names the member."""

    def __init__(self, member: str, reason: str) -> None:
        super().__init__(f"{member}: {reason}")
        self.member, self.reason = member, reason


class TrustError(ValueError):
    """The trust file cannot be used."""


def read_json(members: Members, name: str, kind: type) -> Any:
    """The JSON value of a member; a name twice in one object, NaN or another type than `kind` is refused."""
    try:
        value = json.loads(bytes(members[name]), object_pairs_hook=_object, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise Refused(name, f"is not strict JSON ({error})") from error
    if not isinstance(value, kind):
        raise Refused(name, f"does not hold a JSON {'object' if kind is dict else 'list'}")
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice in one object")
    return dict(pairs)


def _no_constant(text: str) -> None:
    raise ValueError(f"{text} is no JSON number")


def number(text: str) -> int:
    """A decimal of ASCII digits without sign, space or leading zero."""
    if not NUMBER.fullmatch(text):
        raise ValueError(f"{text[:40]!r} is not a plain number")
    return int(text)


def base64_bytes(text: str, size: int = 0) -> bytes:
    """The bytes of canonical base64, `size` of them unless 0."""
    data = b64decode(text.encode("ascii"), validate=True)
    if b64encode(data).decode() != text or (size and len(data) != size):
        raise ValueError(f"{text[:60]!r} is not canonical base64 of the right length")
    return data


def instant(text: Any) -> int:
    """Microseconds since 1970 of RFC 3339 UTC with 0 or 6 decimals."""
    if not isinstance(text, str) or not re.fullmatch(TIME, text):
        raise ValueError(f"{text!r} is not an instant in UTC")
    since = datetime.fromisoformat(text[:-1] + "+00:00") - datetime.fromisoformat("1970-01-01T00:00:00+00:00")
    return since // timedelta(microseconds=1)


def real(value: Any) -> float:
    """A finite number, given as a number or as decimal text."""
    text = isinstance(value, str) and DECIMAL.fullmatch(value)
    if isinstance(value, bool) or not (text or isinstance(value, (int, float))) or not -1e9 < float(value) < 1e9:
        raise ValueError(f"{value!r} is not a usable number")
    return float(value)
