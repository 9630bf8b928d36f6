"""The loops: each bounded, leased and heart-beating. A loop that fails says so and tries again; the others go on."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import FrameType

from django.db import DatabaseError, close_old_connections

from waystation.evidence import beats
from waystation.kernel.clock import Clock

log = logging.getLogger("waystation.worker")
LEASE = timedelta(seconds=60)
STOP_WITHIN_S = 15.0
AGAIN_S = 5.0  # after a round that failed, at the earliest


@dataclass(frozen=True, slots=True)
class Loop:
    """One kind of work: its name, how often, and the function that does one bounded round and says how much it did."""

    name: str
    every_s: float
    work: Callable[[datetime], int]


def run_forever(loops: Sequence[Loop], clock: Clock, holder: str, beside: Sequence[Loop] = ()) -> None:
    """Run the loops in turn until SIGTERM or SIGINT; each of `beside` has a thread of its own and holds up no other."""
    stop = threading.Event()

    def ask_to_stop(number: int, frame: FrameType | None) -> None:
        stop.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, ask_to_stop)
    threads = [threading.Thread(target=turn, args=([loop], clock, holder, stop), daemon=True) for loop in beside]
    for thread in threads:
        thread.start()
    turn(loops, clock, holder, stop)
    for thread in threads:
        thread.join(STOP_WITHIN_S)


def turn(loops: Sequence[Loop], clock: Clock, holder: str, stop: threading.Event) -> None:
    """Run loops, each when it is due, until told to stop."""
    due = {loop.name: clock.now() for loop in loops}
    while not stop.is_set():
        for loop in loops:
            now = clock.now()
            if now >= due[loop.name]:
                done = run_once(loop, now, holder)
                wait_s = loop.every_s if done is not None else max(loop.every_s, AGAIN_S)
                due[loop.name] = now + timedelta(seconds=wait_s)
        with suppress(DatabaseError):  # the next round says it
            close_old_connections()
        stop.wait(0.2)


def run_once(loop: Loop, now: datetime, holder: str) -> int | None:
    """One round of a loop under its lease; returns how much was done, 0 when another worker holds the lease.

    None when the round failed. It is logged and has no beat, by which doctor, /beat and the front page tell of it.
    """
    try:
        if not beats.lease(loop.name, holder, now, LEASE):
            return 0
        done = loop.work(now)
        beats.beat(loop.name, holder, now, LEASE)
    except DatabaseError as error:
        log.error("%s: the database does not answer: %s", loop.name, error)
        return None
    except Exception:  # because one loop's mistake must end neither it nor the others
        log.exception("%s: the round failed; it is tried again", loop.name)
        return None
    return done
