"""Chooses the parts: the rooms by name, the clock, one adapter for each port.

Settings read this module, so rooms stand here as strings and adapters are imported inside functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from waystation.kernel.clock import Clock, SystemClock

if TYPE_CHECKING:
    from waystation.telemetry.ports import LoggerFormat

ROOMS: tuple[str, ...] = ("telemetry", "product", "spares")

_clock: Clock = SystemClock()


def clock() -> Clock:
    """The clock that the doors read."""
    return _clock


def use_clock(clock: Clock) -> Clock:
    """Put another clock in place (a scripted day, a test); returns the one that stood before."""
    global _clock
    before, _clock = _clock, clock
    return before


def logger_formats() -> tuple[LoggerFormat, ...]:
    """The formats of logger files, in the order in which they are asked; CSV, the least particular, is last."""
    from waystation.adapters.ingest.berlinger.reader import BerlingerFormat
    from waystation.adapters.ingest.csv.reader import CsvFormat
    from waystation.adapters.ingest.line_protocol.reader import LineProtocolFormat
    from waystation.adapters.ingest.parquet.reader import ParquetFormat

    return (ParquetFormat(), BerlingerFormat(), LineProtocolFormat(), CsvFormat())
