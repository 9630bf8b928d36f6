"""Batches as the centre takes them: canonical to the byte once signed, each naming the digest of the one before."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from typing import Any

from waystation.edge.thin import Row, Window
from waystation.telemetry.rules.agents import MOST_TEXT

SCHEMA = "waystation.batch/1"
TOO_LARGE = 2.0**62  # a number that the centre takes as a reading and not in a note


def body_of(boot: int, previous: str, readings: Sequence[Sequence[Any]], **members: Any) -> bytes:
    """The bytes of a batch; members that are empty are left out."""
    document: dict[str, Any] = {"schema": SCHEMA, "boot": boot, "previous": previous, "readings": readings}
    document |= {name: value for name, value in members.items() if value}
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def digest_of(body: bytes) -> str:
    """The name by which the next batch and the centre's answer speak of this one."""
    return hashlib.sha256(body).hexdigest()


def reading(row: Row) -> list[Any]:
    """`[sensor, Unix microseconds, value or null, number]`."""
    return [row.sensor, row.at_us, row.value, row.seq]


def told(note: Mapping[str, Any]) -> dict[str, Any]:
    """A note as the centre takes it: a text that is too long would hold up everything in the same batch."""
    return {name: value[:MOST_TEXT] if isinstance(value, str) else value for name, value in note.items()}


def thinned_note(window: Window) -> Mapping[str, Any]:
    """What a window says of readings that went."""
    return {
        "kind": "thinned",
        "sensor": window.sensor,
        "from_us": window.from_us,
        "until_us": window.until_us,
        "count": window.count,
        "low": window.low,
        "high": window.high,
        "mean": window.mean,
    }
