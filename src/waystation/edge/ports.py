"""What the agent's core is given from outside: time, drivers, a line to the centre, sounders. Fakes go in here too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Protocol


class Clock(Protocol):
    """The machine's two clocks: one that people set, one that only runs."""

    def wall_us(self) -> int:
        """Unix microseconds, as right as the machine's clock is."""
        ...

    def running_s(self) -> float:
        """Seconds since some instant of this boot; never steps."""
        ...


@dataclass(frozen=True, slots=True)
class Sample:
    """What a driver read: sensor code, Unix microseconds, value in the sensor's unit, or None and the cause."""

    sensor: str
    observed_us: int
    value: float | None
    cause: str = ""

    def usable(self) -> Sample:
        """Itself; a value that is no finite number is none, with the cause."""
        if self.value is None or isfinite(self.value):
            return self
        return replace(self, value=None, cause=self.cause or "no_number")


class Driver(Protocol):
    """One kind of instrument. A folder of `drivers/` holds one kind; it has a `driver.py` with `make(options)`.

    `read` may take its time and may raise OSError: it runs on a thread of its own, and a sensor that is not heard is
    alarmed as silent.
    """

    def read(self, now_us: int) -> Sequence[Sample]:
        """Every sensor once. One that cannot be read is a sample without a value and with a cause."""
        ...


class Source(Protocol):
    """Samples as they become available."""

    def poll(self, now_us: int) -> Sequence[Sample]:
        """What came since the last call; never waits."""
        ...


@dataclass(frozen=True, slots=True)
class Request:
    """One POST to the centre, over the uplink of that name."""

    uplink: str
    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back: HTTP status (0: nothing), the JSON object, seconds to wait, and the centre's clock if it said."""

    status: int
    said: Mapping[str, Any] = field(default_factory=dict)
    retry_after_s: int = 0
    centre_us: int | None = None

    @property
    def is_accepted(self) -> bool:
        """True when the centre did what was asked."""
        return 200 <= self.status < 300


class Line(Protocol):
    """Carries one request at a time to the centre and never makes the caller wait."""

    def begin(self, request: Request) -> None:
        """Start sending; the answer is fetched with `answer`."""
        ...

    def answer(self) -> Answer | None:
        """The answer to what was begun, or None while it is under way."""
        ...


@dataclass(frozen=True, slots=True)
class Sounding:
    """One alarm that has to be heard at the site: which, since when (Unix microseconds), and one line of text."""

    sensor: str
    rule: str
    since_us: int
    text: str


class Sounder(Protocol):
    """Something that people at the site hear or see: a relay, a modem that sends texts."""

    def sound(self, soundings: Sequence[Sounding], now_us: int) -> None:
        """Called at every step with all that sounds; empty means quiet. May raise OSError, and is called again."""
        ...
