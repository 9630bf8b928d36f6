"""What the room asks of the outside: formats of logger files, envelopes of messages, a broker."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date, tzinfo
from typing import Literal, Protocol, runtime_checkable

from waystation.kernel.units import TemperatureUnit
from waystation.telemetry.rules.points import Point
from waystation.telemetry.rules.series import Reading

TimeBasis = Literal["offset", "zone", "utc_assumed", "device_local"]
Progress = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a person says a file is to be read. `zone` is for times without offset; an offset in the data beats it."""

    unit: TemperatureUnit = "c"
    zone: tzinfo | None = None
    columns: Mapping[str, str] = field(default_factory=dict)
    where: tuple[tuple[str, str], ...] = ()
    sensor_codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RowError:
    """A row that could not be read. `value_c` is its value when that much could be read."""

    line: int
    reason: str
    value_c: float | None = None


@dataclass(frozen=True, slots=True)
class DeviceDay:
    """What the device itself recorded about one of its days."""

    day: date
    min_c: float | None
    max_c: float | None


@dataclass(frozen=True, slots=True)
class LoggerFile:
    """One series read from a file, in the order of its rows.

    `rows` counts all data rows, `rows_left_out` those that a `where` did not pick. `corrections` say what was
    converted (unit, clock); `notes` what a reader of the verdict should know; `not_checked` what nobody checked.
    """

    format: str
    readings: list[Reading]
    rows: int
    row_errors: tuple[RowError, ...] = ()
    rows_left_out: int = 0
    time_basis: TimeBasis = "utc_assumed"
    corrections: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    not_checked: tuple[str, ...] = ()
    device: str = ""
    device_days: tuple[DeviceDay, ...] = ()


class LoggerFormat(Protocol):
    """One format of logger file. Bytes come unpacked."""

    @property
    def name(self) -> str:
        """The format's name for people."""
        ...

    def recognises(self, head: bytes, name: str) -> bool:
        """True when a file that begins with `head` is of this format."""
        ...

    def read(self, data: bytes, options: ReadOptions, on_progress: Progress | None = None) -> LoggerFile:
        """Read one series. Rows that cannot be read are counted with their lines; BadInput when the file cannot."""
        ...


class Envelope(Protocol):
    """One way in which devices write messages to a broker."""

    @property
    def name(self) -> str:
        """The envelope's name for people."""
        ...

    @property
    def filters(self) -> tuple[str, ...]:
        """The topics that it reads, as a subscription names them."""
        ...

    @property
    def clock(self) -> Literal["device", "network"]:
        """Whose clock its times are."""
        ...

    def read(self, topic: str, payload: bytes, now_us: int) -> list[Point]:
        """The points of a message, fields as line protocol writes them; ValueError with the reason when it is none."""
        ...


@runtime_checkable
class Answering(Protocol):
    """An envelope that also has something to say to devices."""

    def replies(self) -> list[tuple[str, bytes]]:
        """Topics with payloads that are to be sent by now; each is given once."""
        ...


class Broker(Protocol):
    """A broker that keeps what is not acknowledged."""

    def follow(
        self, take: Callable[[list[tuple[str, bytes]]], list[tuple[str, bytes]]], until: Callable[[], bool]
    ) -> None:
        """Hand groups of (topic, payload) on until told to stop; acknowledge a group once `take` returned.

        What `take` gives back is sent, at most once: a device that misses it is asked again.
        """
        ...
