"""Linux one-wire thermometers (DS18B20 and kin): `sensors` names each by the id of its folder under /sys."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from waystation.edge.parts import text, texts
from waystation.edge.ports import Sample

FOLDER = "/sys/bus/w1/devices"
POWER_ON_C = 85.0  # what the chip holds before its first conversion


def make(options: Mapping[str, Any]) -> OneWire:
    """`sensors`: code to id; `folder`: where the kernel shows them."""
    return OneWire(texts(options, "sensors"), Path(text(options, "folder", FOLDER)))


class OneWire:
    """Reads `w1_slave`, whose checksum the kernel has compared."""

    def __init__(self, sensors: Mapping[str, str], folder: Path) -> None:
        self._sensors, self._folder = sensors, folder

    def read(self, now_us: int) -> Sequence[Sample]:
        """Every thermometer once, in degrees Celsius."""
        return [self._one(code, identity, now_us) for code, identity in self._sensors.items()]

    def _one(self, code: str, identity: str, now_us: int) -> Sample:
        try:
            said = (self._folder / identity / "w1_slave").read_text(errors="replace")
        except OSError:
            return Sample(code, now_us, None, "not_connected")
        return Sample(code, now_us, *parse(said))


def parse(said: str) -> tuple[float | None, str]:
    """The degrees in a `w1_slave`, or None and the cause. 85 °C with the power-on register is no measurement."""
    lines = said.split("\n")
    if not lines[0].rstrip().endswith("YES"):
        return None, "checksum"
    _, _, milli = lines[1].partition("t=") if len(lines) > 1 else ("", "", "")
    digits = milli.strip()
    if not digits.removeprefix("-").isascii() or not digits.removeprefix("-").isdigit():
        return None, "unreadable"
    value = int(digits) / 1000
    if value == POWER_ON_C and lines[0].split()[:2] == ["50", "05"] and lines[0].split()[6:7] == ["0c"]:
        return None, "power_on_value"
    return value, ""
