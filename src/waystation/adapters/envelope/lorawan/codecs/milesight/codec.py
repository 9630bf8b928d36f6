"""Milesight EM300 and WS301: a row of (channel, type, value), so that one codec reads many devices."""

from __future__ import annotations

from collections.abc import Callable, Mapping

NO_TEMPERATURE, NO_HUMIDITY = 0x7FFF, 0xFF


def _temperature(data: bytes) -> float | None:
    raw = int.from_bytes(data, "little", signed=True)
    return None if raw == NO_TEMPERATURE else raw / 10


def _humidity(data: bytes) -> float | None:
    return None if data[0] == NO_HUMIDITY else data[0] / 2


def _byte(data: bytes) -> float | None:
    return float(data[0])


def _installed(data: bytes) -> float | None:
    return 1.0 - float(data[0] & 1)


# (channel, type) → name, bytes, how it is read; battery is a percentage, whatever others call it
ITEMS: Mapping[tuple[int, int], tuple[str, int, Callable[[bytes], float | None]]] = {
    (0x01, 0x75): ("battery", 1, _byte),
    (0x03, 0x67): ("temperature", 2, _temperature),
    (0x04, 0x68): ("humidity", 1, _humidity),
    (0x03, 0x00): ("door", 1, _byte),
    (0x04, 0x00): ("install", 1, _installed),
}


def decode(port: int, data: bytes) -> dict[str, float | None]:
    """Every item in turn. An unknown one ends the reading, because nothing says how long it is: nothing is guessed."""
    found: dict[str, float | None] = {}
    at = 0
    while at < len(data):
        item = ITEMS.get((data[at], data[at + 1])) if at + 1 < len(data) else None
        if item is None or at + 2 + item[1] > len(data):
            raise ValueError(f"byte {at} begins no item that is known")
        name, length, read = item
        found[name] = read(data[at + 2 : at + 2 + length])
        at += 2 + length
    return found
