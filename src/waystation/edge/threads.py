"""What may take its time, on threads of its own: drivers, and sounders that talk to a modem."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

from waystation.edge.ports import Clock, Driver, Sample, Sounder, Sounding

MOST_WAITING = 100_000
PAUSE_S = 0.2


class Polled:
    """A driver that is asked every so often, on the caller's thread: for drivers that never wait."""

    def __init__(self, driver: Driver, every_s: float, clock: Clock) -> None:
        self._driver, self._every_s, self._clock = driver, every_s, clock
        self._next_s = clock.running_s()

    def poll(self, now_us: int) -> Sequence[Sample]:
        """A round of readings when one is due."""
        now_s = self._clock.running_s()
        if now_s < self._next_s:
            return ()
        self._next_s += self._every_s * (1 + (now_s - self._next_s) // self._every_s)
        try:
            return self._driver.read(now_us)
        except OSError:  # its sensors are silent, and alarmed as such
            return ()


class Threaded:
    """A driver that is asked every so often on a thread. One that hangs leaves its own sensors silent, nothing else.

    Its instants follow the agent's time, which each `poll` tells, and between two of them the clock that only runs.
    """

    def __init__(self, driver: Driver, every_s: float, clock: Clock) -> None:
        self._polled, self._clock = Polled(driver, every_s, clock), clock
        self._found: queue.Queue[Sample] = queue.Queue(MOST_WAITING)
        self._told: tuple[int, float] | None = None  # Unix microseconds and running seconds, replaced as one
        self._pause = threading.Event()
        threading.Thread(target=self._read, name="driver", daemon=True).start()

    def poll(self, now_us: int) -> Sequence[Sample]:
        """What the thread has read since the last call."""
        self._told = now_us, self._clock.running_s()
        found = []
        while not self._found.empty():
            found.append(self._found.get_nowait())
        return found

    def _read(self) -> None:
        at_us = 0
        while not self._pause.wait(PAUSE_S):
            if (told := self._told) is None:
                continue
            at_us = max(at_us, told[0] + round((self._clock.running_s() - told[1]) * 1e6))
            for sample in self._polled.poll(at_us):
                self._found.put(sample)


class Apart:
    """A sounder on a thread: always told the newest, never waited for."""

    def __init__(self, sounder: Sounder) -> None:
        self._sounder = sounder
        self._told: queue.SimpleQueue[tuple[Sequence[Sounding], int]] = queue.SimpleQueue()
        self._failed = ""
        threading.Thread(target=self._sound, name="sounder", daemon=True).start()

    def sound(self, soundings: Sequence[Sounding], now_us: int) -> None:
        """Pass it on; OSError tells that the last one failed."""
        self._told.put((soundings, now_us))
        if self._failed:
            raise OSError(self._failed)

    def _sound(self) -> None:
        while True:
            told = self._told.get()
            while not self._told.empty():
                told = self._told.get()
            try:
                self._sounder.sound(*told)
                self._failed = ""
            except OSError as error:
                self._failed = str(error)
