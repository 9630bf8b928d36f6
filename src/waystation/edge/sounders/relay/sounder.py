"""A relay with a buzzer or a light: a file of the kernel (GPIO) that takes `1` and `0`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from waystation.edge.parts import text
from waystation.edge.ports import Sounding


def make(options: Mapping[str, Any]) -> Relay:
    """`path`: the file; `on` and `off`: what is written."""
    return Relay(Path(text(options, "path")), text(options, "on", "1"), text(options, "off", "0"))


class Relay:
    """Closed while anything sounds. It is written again every ten seconds, in case something else opened it."""

    AGAIN_US = 10 * 1_000_000

    def __init__(self, path: Path, on: str, off: str) -> None:
        self._path, self._on, self._off = path, on, off
        self._held: tuple[str, int] | None = None

    def sound(self, soundings: Sequence[Sounding], now_us: int) -> None:
        """Close or open it; OSError when it cannot be written."""
        wanted = self._on if soundings else self._off
        if self._held is not None and self._held[0] == wanted and now_us - self._held[1] < self.AGAIN_US:
            return
        self._held = None
        with self._path.open("r+" if self._path.exists() else "w") as file:
            file.write(wanted)
        self._held = (wanted, now_us)
