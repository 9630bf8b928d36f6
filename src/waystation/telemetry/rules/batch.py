"""A batch of readings as a gateway sends it: `waystation.batch/1`, bounded and checked before anything is stored."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import isfinite
from typing import Any

from waystation.telemetry.rules.agents import Told, bad, flat_list, span_of, told_of

SCHEMA = "waystation.batch/1"
MOST_READINGS = 50_000
MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class BatchReading:
    """One reading: sensor code, Unix microseconds, value or None where nothing was measured, number within the boot."""

    sensor: str
    at_us: int
    value: float | None
    seq: int


@dataclass(frozen=True, slots=True)
class Batch:
    """What a gateway sent. `previous` is the digest of its batch before; `check_ins` what devices say of themselves."""

    boot: int
    previous: str
    readings: tuple[BatchReading, ...]
    check_ins: tuple[Mapping[str, str], ...]
    alarms: tuple[Mapping[str, Any], ...]
    span: tuple[int, int] | None = None  # the numbers that the batch answers for, first and last
    told: Told = field(default_factory=Told)


def parse_batch(body: bytes) -> Batch:
    """The batch in `body`; BadInput names the member that cannot be used."""
    if len(body) > MOST_BYTES:
        raise bad("body", len(body), f"has {len(body)} bytes", f"Send at most {MOST_BYTES} bytes at once.")
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise bad("body", "", "is not JSON", "Send a JSON object in UTF-8.") from None
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        raise bad("schema", document.get("schema") if isinstance(document, dict) else "", f"is not {SCHEMA}", "Set it.")
    rows = document.get("readings", [])
    if not isinstance(rows, list) or len(rows) > MOST_READINGS:
        raise bad("readings", "", f"is not a list of at most {MOST_READINGS}", "Split the batch.")
    readings = tuple(_reading(number, row) for number, row in enumerate(rows))
    return Batch(
        boot=_count(document, "boot"),
        previous=_text(document, "previous"),
        readings=readings,
        check_ins=tuple(_members(document, "check_ins")),
        alarms=flat_list(document, "alarms"),
        span=span_of(document),
        told=told_of(document),
    )


def _reading(number: int, row: object) -> BatchReading:
    where = f"readings[{number}]"
    if not isinstance(row, list) or len(row) != 4:
        raise bad(where, row, "is not [sensor, instant, value, seq]", "Send four members.")
    sensor, instant, value, seq = row
    if not isinstance(sensor, str) or not 0 < len(sensor) <= 80 or not sensor.isprintable():
        raise bad(f"{where}[0]", sensor, "is no sensor code", "Send the sensor's code.")
    if not isinstance(seq, int) or isinstance(seq, bool) or not 0 <= seq < 2**63:
        raise bad(f"{where}[3]", seq, "is no sequence number", "Count from 1 in each boot.")
    return BatchReading(sensor, _instant_us(where, instant), _value(where, value), seq)


def _instant_us(where: str, instant: object) -> int:
    if isinstance(instant, int) and not isinstance(instant, bool) and 0 < instant < 2**62:
        return instant
    if isinstance(instant, str):
        try:
            read = datetime.fromisoformat(instant)
        except ValueError:
            return _refuse_instant(where, instant)
        if read.tzinfo is not None:
            return round(read.timestamp() * 1e6)
    return _refuse_instant(where, instant)


def _refuse_instant(where: str, instant: object) -> int:
    raise bad(f"{where}[1]", instant, "is no instant", "Send Unix microseconds, or RFC 3339 with an offset.")


def _value(where: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) if isfinite(value) else None
    raise bad(f"{where}[2]", value, "is no number", "Send a number, or null where nothing was measured.")


def _count(document: Mapping[str, Any], name: str) -> int:
    value = document.get(name, 0)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < 2**31:
        raise bad(name, value, "is no count", "Send a whole number from 0.")
    return value


def _text(document: Mapping[str, Any], name: str) -> str:
    value = document.get(name, "")
    if not isinstance(value, str) or len(value) > 64:
        raise bad(name, value, "is not text of at most 64 characters", "Send the digest in hexadecimal.")
    return value


def _members(document: Mapping[str, Any], name: str) -> list[Mapping[str, Any]]:
    value = document.get(name, [])
    if not isinstance(value, list) or len(value) > 1000 or not all(isinstance(v, dict) for v in value):
        raise bad(name, "", "is not a list of at most 1000 objects", "See the reference.")
    return value
