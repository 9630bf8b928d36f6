"""The lease of a run as a row: claimed, kept by beats while a call takes its time, checked in each commit, released."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from uuid import UUID

from django.db import DatabaseError, connection, connections, transaction

from waystation.kernel.refusals import Conflict
from waystation.registry.queries import one
from waystation.runbooks.models import Run
from waystation.runbooks.rules.lease import BEAT_EVERY, Lease

log = logging.getLogger("waystation.runbooks")
Pulse = Callable[[], datetime]  # the present instant, as the door that drives knows it


def locked(run_id: UUID) -> Run:
    """The run with its definition, locked."""
    rows = Run.objects.select_for_update(of=("self",)).select_related("definition")
    return one(Run, run_id, among=rows)


def claim(run_id: UUID, now: datetime) -> int:
    """Become the driver; the fence to write under. Refused while another driver's lease lasts."""
    with transaction.atomic():
        run = locked(run_id)
        taken = _of(run).claimed(now)
        if taken is None:
            raise Conflict(
                "runbooks.driven", f"Somebody drives this run until {run.lease_until:%H:%M:%S} UTC.", "Wait, then look."
            )
        _write(run, taken)
    return taken.fence


def held(run_id: UUID, fence: int, now: datetime) -> Run:
    """The run, locked and with its lease kept from now on, for a driver that was not overtaken. Save it to keep it."""
    run = locked(run_id)
    kept_on = _of(run).beaten(fence, now)
    if kept_on is None:
        raise Conflict("runbooks.fenced", "Another driver took this run over.", "Leave it to that one.")
    run.lease_until = kept_on.until
    return run


def beat(run_id: UUID, fence: int, now: datetime) -> bool:
    """Keep the lease; False when another driver took the run over."""
    with transaction.atomic():
        run = locked(run_id)
        kept_on = _of(run).beaten(fence, now)
        if kept_on is not None:
            _write(run, kept_on)
    return kept_on is not None


def release(run_id: UUID, fence: int) -> Run:
    """Let others drive."""
    with transaction.atomic():
        run = locked(run_id)
        _write(run, _of(run).released(fence))
    return run


@contextmanager
def kept(run_id: UUID, fence: int, pulse: Pulse, at_most: timedelta, every: timedelta = BEAT_EVERY) -> Iterator[None]:
    """Beat from a thread while the body waits for a call, for at most so long: a call that hangs is given up then.

    Inside a transaction of the caller no beat is needed: it holds the run's row, so nobody else can claim it.
    """
    if connection.in_atomic_block:
        yield
        return
    over = threading.Event()
    thread = threading.Thread(
        target=_beats, args=(run_id, fence, pulse, at_most, every, over), daemon=True, name=f"beat of run {run_id}"
    )
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _beats(run_id: UUID, fence: int, pulse: Pulse, at_most: timedelta, every: timedelta, over: threading.Event) -> None:
    left = at_most
    try:
        while left > timedelta(0) and not over.wait(every.total_seconds()):
            left -= every
            try:
                if not beat(run_id, fence, pulse()):
                    return
            except DatabaseError as error:
                log.error("run %s: the database takes no beat: %s", run_id, error)
    finally:
        connections.close_all()


def _of(run: Run) -> Lease:
    return Lease(run.lease_until, run.fence)


def _write(run: Run, lease: Lease) -> None:
    run.lease_until, run.fence = lease.until, lease.fence
    run.save(update_fields=["lease_until", "fence"])  # a lease is no record
