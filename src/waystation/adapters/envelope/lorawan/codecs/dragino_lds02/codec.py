"""Dragino LDS02: a door contact. Port 10, up to ten bytes; a frame that was cut keeps what it still carries."""

from __future__ import annotations

PORT, DOOR = 10, 1


def decode(port: int, data: bytes) -> dict[str, float | None]:
    """Fields as the maker names them; one whose bytes did not arrive is left out, not read from nothing."""
    if port != PORT:
        raise ValueError(f"port {port} carries no measurement of an LDS02")
    if len(data) < 6 or data[2] != DOOR:
        raise ValueError("the frame carries no state of a door")
    found: dict[str, float | None] = {
        "BAT_V": (int.from_bytes(data[:2], "big") & 0x3FFF) / 1000,
        "DOOR_OPEN_STATUS": float(data[0] >> 7),
        "DOOR_OPEN_TIMES": float(int.from_bytes(data[3:6], "big")),
        "MOD": float(data[2]),
    }
    if len(data) >= 9:
        found["LAST_DOOR_OPEN_DURATION"] = float(int.from_bytes(data[6:9], "big"))
    if len(data) >= 10:
        found["ALARM"] = float(data[9] & 1)
    return found
