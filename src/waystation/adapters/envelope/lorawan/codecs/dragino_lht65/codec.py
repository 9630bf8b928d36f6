"""Dragino LHT65: temperature and humidity inside, and a probe on a cable. Port 2, eleven bytes."""

from __future__ import annotations

PORT, LENGTH = 2, 11
PROBE = 1  # what hangs on the cable: a DS18B20
NO_PROBE = 0x7FFF


def decode(port: int, data: bytes) -> dict[str, float | None]:
    """Fields as the maker names them. A probe that is not there is no measurement, never 327.67 °C."""
    if port != PORT:
        raise ValueError(f"port {port} carries no measurement of an LHT65")
    if len(data) < LENGTH:
        raise ValueError(f"{len(data)} bytes are less than the {LENGTH} of an LHT65")
    battery = int.from_bytes(data[:2], "big")
    found: dict[str, float | None] = {
        "BatV": (battery & 0x3FFF) / 1000,
        "Bat_status": float(battery >> 14),
        "TempC_SHT": _celsius(data[2:4]),
        "Hum_SHT": int.from_bytes(data[4:6], "big") / 10,
    }
    if data[6] & 0x7F == PROBE:
        found["TempC_DS"] = _celsius(data[7:9])
    return found


def _celsius(two: bytes) -> float | None:
    raw = int.from_bytes(two, "big", signed=True)
    return None if raw == NO_PROBE else raw / 100
