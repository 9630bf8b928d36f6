"""Modbus instruments over TCP, framed as Modbus TCP or as RTU through a serial gateway. Reads only.

Each sensor is written as table, address, type and conversion: `"holding 100 int16 / 10 unless 32767"`. Addresses count
from 0, as they travel on the wire.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from pymodbus import FramerType
from pymodbus.client import ModbusTcpClient
from pymodbus.client.mixin import ModbusClientMixin
from pymodbus.exceptions import ModbusException

from waystation.edge.parts import text, texts
from waystation.edge.ports import Sample
from waystation.edge.raw import Conversion, parse
from waystation.kernel.refusals import BadInput

TIMEOUT_S = 3.0
RETRIES = 1
BITS = ("coil", "discrete")
REGISTERS = ("holding", "input")
TYPES = {
    kind.name.lower(): kind
    for kind in ModbusClientMixin.DATATYPE
    if kind.value[1] and kind is not ModbusClientMixin.DATATYPE.BITS
}
FRAMERS = {"tcp": FramerType.SOCKET, "rtu": FramerType.RTU}
_WORDS = re.compile(r"\s*([a-z]+)\s+(\d{1,5})(?:\s+([a-z]+\d+))?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a device: which table, where, of what type (None for a bit), and what is done with it."""

    table: str
    address: int
    kind: ModbusClientMixin.DATATYPE | None
    conversion: Conversion


def make(options: Mapping[str, Any]) -> Modbus:
    """`address`: host:port; `framing`: tcp or rtu; `device`: its number; `word_order`: big or little; `sensors`."""
    host, _, port = text(options, "address").rpartition(":")
    framing, order = text(options, "framing", "tcp"), text(options, "word_order", "big")
    device = options.get("device", 1)
    if framing not in FRAMERS or order not in ("big", "little"):
        raise BadInput(
            "edge.option",
            f"{framing!r}, {order!r} are not known.",
            "framing: tcp or rtu; word_order: big or little.",
        )
    if not host or not port.isdigit() or not isinstance(device, int) or not 0 <= device <= 255:
        raise BadInput("edge.option", "Address or device cannot be used.", "address: host:port; device: 0 to 255.")
    points = {code: point(words) for code, words in texts(options, "sensors").items()}
    client = ModbusTcpClient(host, port=int(port), framer=FRAMERS[framing], timeout=TIMEOUT_S, retries=RETRIES)
    return Modbus(client, device, "little" if order == "little" else "big", points)


def point(words: str) -> Point:
    """A sensor as written in the configuration; BadInput says what is wrong with it."""
    found = _WORDS.fullmatch(words)
    table, address = (found[1], int(found[2])) if found else ("", 0)
    kind = TYPES.get(found[3] or "") if found else None
    is_bit = table in BITS
    if found is None or table not in (*BITS, *REGISTERS) or address > 65535 or (kind is None) != is_bit:
        raise BadInput(
            "edge.option",
            f"{words!r} is no Modbus point.",
            f'Write "holding 100 int16 / 10": {", ".join((*REGISTERS, *BITS))}; address; {", ".join(TYPES)}.',
            field="sensors",
            value=words,
        )
    return Point(table, address, kind, parse(found[4], "sensors"))


class Modbus:
    """One device. Each value is asked for by itself, so that one wrong address silences one sensor only."""

    def __init__(
        self, client: ModbusTcpClient, device: int, word_order: Literal["big", "little"], points: Mapping[str, Point]
    ) -> None:
        self._client, self._device, self._order, self._points = client, device, word_order, points

    def read(self, now_us: int) -> Sequence[Sample]:
        """Every point once. A device that does not answer is asked no further in this round."""
        found, cause = [], ""
        try:
            if not self._client.connect():  # type: ignore[no-untyped-call]
                cause = "no_connection"
            for code, one in self._points.items():
                value, why = (None, cause) if cause else self._one(one)
                cause = why if why in ("no_answer", "no_connection") else ""
                found.append(Sample(code, now_us, value, why))
        finally:
            self._client.close()  # type: ignore[no-untyped-call]
        return found

    def _one(self, one: Point) -> tuple[float | None, str]:
        try:
            raw = self._bit(one) if one.kind is None else self._number(one, one.kind)
        except (ModbusException, OSError):
            return None, "no_answer"
        return (None, raw) if isinstance(raw, str) else one.conversion.of(raw)

    def _bit(self, one: Point) -> int | str:
        ask = self._client.read_coils if one.table == "coil" else self._client.read_discrete_inputs
        said = ask(one.address, count=1, device_id=self._device)
        return f"exception_{said.exception_code}" if said.isError() else int(said.bits[0])

    def _number(self, one: Point, kind: ModbusClientMixin.DATATYPE) -> int | float | str:
        ask = self._client.read_holding_registers if one.table == "holding" else self._client.read_input_registers
        count = kind.value[1]
        said = ask(one.address, count=count, device_id=self._device)
        if said.isError():
            return f"exception_{said.exception_code}"
        if len(said.registers) != count:
            return "unreadable"
        number = self._client.convert_from_registers(said.registers, kind, word_order=self._order)
        return number if isinstance(number, int | float) else "unreadable"
