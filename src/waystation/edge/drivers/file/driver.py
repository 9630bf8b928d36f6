"""A file per sensor that another program writes: one number; the file's time of writing is when it was measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from pathlib import Path
from typing import Any

from waystation.edge.parts import texts
from waystation.edge.ports import Sample


def make(options: Mapping[str, Any]) -> Files:
    """`sensors`: code to path."""
    return Files({code: Path(path) for code, path in texts(options, "sensors").items()})


class Files:
    """Each writing is one reading: a file that is not written again is read once, and then the sensor is silent."""

    def __init__(self, sensors: Mapping[str, Path]) -> None:
        self._sensors = sensors
        self._seen_ns: dict[str, int] = {}
        self._newest_us: dict[str, int] = {}

    def read(self, now_us: int) -> Sequence[Sample]:
        """What was written since the last time. A writer that replaces the file whole is never read by half.

        A time of writing that cannot be, ahead of now or before the last one, is that of a clock that was set: then it
        is now.
        """
        found = []
        for code, path in self._sensors.items():
            try:
                written_ns, said = path.stat().st_mtime_ns, path.read_text(errors="replace")
            except OSError:
                found.append(Sample(code, now_us, None, "no_file"))
                continue
            if self._seen_ns.get(code) != written_ns:
                self._seen_ns[code] = written_ns
                at_us = written_ns // 1000
                if not self._newest_us.get(code, 0) <= at_us <= now_us:
                    at_us = now_us
                self._newest_us[code] = at_us
                found.append(_sample(code, at_us, said))
        return found


def _sample(code: str, at_us: int, said: str) -> Sample:
    try:
        value = float(said.strip())
    except ValueError:
        return Sample(code, at_us, None, "unreadable")
    return Sample(code, at_us, value) if isfinite(value) else Sample(code, at_us, None, "no_number")
