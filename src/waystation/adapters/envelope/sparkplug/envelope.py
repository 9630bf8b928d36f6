"""Sparkplug B: `spBv1.0/<group>/<message>/<edge>[/<device>]`, its protobuf read by the specification's field numbers.

A birth gives metrics their names; data may carry aliases alone. Where a name is missing or a number was skipped, the
edge is asked to be born again, at most once a minute; until then the reading waits under its alias, and nothing of it
is lost.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any, Literal

from waystation.telemetry.rules.messages import written
from waystation.telemetry.rules.points import Point

BIRTHS, DATA, DEATHS = ("NBIRTH", "DBIRTH"), ("NDATA", "DDATA"), ("NDEATH", "DDEATH")
NUMBERS = 256  # an edge counts its messages round and round
ASK_AGAIN_US = 60_000_000
_SIGNED = {1: 8, 2: 16, 3: 32, 4: 64}  # data types Int8 to Int64, by their bits
_NAME, _ALIAS, _STAMP, _TYPE, _IS_NULL = 1, 2, 3, 4, 7
_INT, _LONG, _FLOAT, _DOUBLE, _BOOLEAN = 10, 11, 12, 13, 14
MOST_NAMES = 10_000
UNNAMED = "alias "  # leads the field of a metric whose name is not known


class SparkplugEnvelope:
    """Keeps the names of the metrics of every edge and device that was born, and how far each edge has counted."""

    name = "Sparkplug B"
    filters = ("spBv1.0/+/+/#",)
    clock: Literal["device", "network"] = "device"

    def __init__(self) -> None:
        self._names: dict[tuple[str, ...], dict[int, str]] = {}
        self._counted: dict[tuple[str, str], int] = {}
        self._asked_us: dict[tuple[str, str], int] = {}
        self._replies: list[tuple[str, bytes]] = []

    def replies(self) -> list[tuple[str, bytes]]:
        """What is to be sent to edges by now: requests to be born again."""
        found, self._replies = self._replies, []
        return found

    def read(self, topic: str, payload: bytes, now_us: int) -> list[Point]:
        """The metrics of a birth or of data that are numbers or truths; other messages bring none."""
        _, group, kind, *place = topic.split("/")
        if kind not in (*BIRTHS, *DATA, *DEATHS) or not place:
            return []
        if kind in DEATHS:
            self._follow((group, place[0]), kind, dict(_members(payload)).get(3), now_us)
            return []
        names = self._names.setdefault((group, *place), {})
        if kind in BIRTHS:
            names.clear()
        body = dict[int, Any]()
        points = []
        tags = {"site": group, "group": group, "edge": place[0]} | ({"device": place[1]} if place[1:] else {})
        metrics = []
        for number, value in _members(payload):
            if number == 2:
                metrics.append(dict(_members(_bytes(value))))
            else:
                body[number] = value
        for metric in metrics:
            field = self._field(metric, names)
            value = _value(metric)
            if value is not None:
                at_us = int(metric.get(_STAMP) or body.get(1) or now_us // 1000) * 1000
                points.append(Point(0, "sparkplug", tags, {field: value}, at_us))
        self._follow((group, place[0]), kind, body.get(3), now_us)
        if any(field.startswith(UNNAMED) for point in points for field in point.fields):
            self._ask((group, place[0]), now_us)
        return points

    def _follow(self, edge: tuple[str, str], kind: str, number: object, now_us: int) -> None:
        """Follow the numbers of an edge; one that was skipped, or an edge never seen born, is asked for a birth."""
        if kind == "NDEATH":
            self._counted.pop(edge, None)  # its next word is a birth
            return
        if not isinstance(number, int):
            return
        expected = self._counted.get(edge)
        self._counted[edge] = (number + 1) % NUMBERS
        if kind != "NBIRTH" and number != expected:
            self._ask(edge, now_us)

    def _ask(self, edge: tuple[str, str], now_us: int) -> None:
        if now_us - self._asked_us.get(edge, -ASK_AGAIN_US) >= ASK_AGAIN_US:
            self._asked_us[edge] = now_us
            self._replies.append((f"spBv1.0/{edge[0]}/NCMD/{edge[1]}", rebirth(now_us // 1000)))

    def _field(self, metric: dict[int, Any], names: dict[int, str]) -> str:
        alias = metric.get(_ALIAS)
        if _NAME in metric:
            name = _bytes(metric[_NAME]).decode()
            if alias is not None and len(names) < MOST_NAMES:
                names[int(alias)] = name
            return name
        return names.get(int(alias or 0), f"{UNNAMED}{alias}")


def rebirth(at_ms: int) -> bytes:
    """The command that asks an edge to be born again, as the specification has it."""
    name, stamp = b"Node Control/Rebirth", _written_varint(at_ms)
    metric = b"\x0a" + bytes([len(name)]) + name + b"\x18" + stamp + b"\x20\x0b\x70\x01"
    return b"\x08" + stamp + b"\x12" + bytes([len(metric)]) + metric


def _written_varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def _value(metric: dict[int, Any]) -> str | None:
    """The value as written; None for what is no reading (texts, data sets, templates)."""
    if metric.get(_IS_NULL):
        return written(None)
    if _FLOAT in metric:
        return written(round(struct.unpack("<f", struct.pack("<I", metric[_FLOAT]))[0], 6))
    if _DOUBLE in metric:
        return written(struct.unpack("<d", struct.pack("<Q", metric[_DOUBLE]))[0])
    if _BOOLEAN in metric:
        return written(bool(metric[_BOOLEAN]))
    for number in (_INT, _LONG):
        if number in metric:
            bits = _SIGNED.get(int(metric.get(_TYPE, 0)), 0)
            value = int(metric[number])
            if bits:
                value &= (1 << bits) - 1
                value -= (value >> (bits - 1)) << bits
            return written(value)
    return None


def _members(data: bytes) -> Iterator[tuple[int, Any]]:
    """(field number, value) of a protobuf message: integers, or bytes. ValueError when it is none."""
    place = 0
    while place < len(data):
        key, place = _varint(data, place)
        number, kind = key >> 3, key & 7
        if kind == 0:
            value, place = _varint(data, place)
            yield number, value
            continue
        if kind == 2:
            size, place = _varint(data, place)
        else:
            size = {1: 8, 5: 4}.get(kind, -1)
        if size < 0 or place + size > len(data):
            raise ValueError("the payload is no protobuf message")
        found = data[place : place + size]
        place += size
        yield number, found if kind == 2 else int.from_bytes(found, "little")


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    while place < len(data) and shift < 70:
        byte = data[place]
        value |= (byte & 127) << shift
        place, shift = place + 1, shift + 7
        if byte < 128:
            return value & (2**64 - 1), place
    raise ValueError("the payload is no protobuf message")


def _bytes(value: object) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("the payload is no Sparkplug B message")
    return value
