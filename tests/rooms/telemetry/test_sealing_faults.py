"""Sealing on a disk that refuses: whichever operation fails, the next round mends it; each reading is there once."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from waystation.access.queries import system_authority
from waystation.kernel.refusals import Refusal
from waystation.registry.models import Sensor, Space
from waystation.telemetry import reader, stores
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.engine import Engine
from waystation.telemetry.models import Segment

OPERATIONS = ("fsync", "fdatasync", "rename", "replace", "unlink", "mkdir", "open")


@contextmanager
def failing(number: int, cause: int) -> Iterator[list[str]]:
    """The disk's `number`-th operation from here on fails; the names of those that were asked for are in the list."""
    asked: list[str] = []
    kept = {name: getattr(os, name) for name in OPERATIONS}

    def counted(name: str) -> Callable[..., Any]:
        def operation(*args: Any, **more: Any) -> Any:
            asked.append(name)
            if len(asked) == number:
                raise OSError(cause, os.strerror(cause))
            return kept[name](*args, **more)

        return operation

    try:
        for name in OPERATIONS:
            setattr(os, name, counted(name))
        yield asked
    finally:
        for name, operation in kept.items():
            setattr(os, name, operation)


def written(folder: Path, settings: Any, now: datetime) -> list[tuple[Space, Sensor]]:
    """Two sites with readings in two files of the log, judged."""
    settings.DATA = folder
    stores._log.cache_clear()
    found = []
    for site in ("cordoba", "malaga"):
        space, (probe,) = a_monitored_space(now, site=site)
        found.append((space, probe))
    for part in range(2):
        for space, probe in found:
            begin = now + timedelta(minutes=10 * part)
            deliver(space, minutes(probe, begin, [4.0 + n / 10 for n in range(5)]), begin)
        stores.log().rotate()
    judge(Engine(), now + timedelta(minutes=30))
    return found


@pytest.mark.django_db
@pytest.mark.parametrize("cause", [errno.EIO, errno.ENOSPC])
def test_evd_08_whichever_operation_of_sealing_fails_nothing_is_lost_or_doubled(
    cause: int, tmp_path: Path, settings: Any, now: datetime
) -> None:
    """The first, the second ... until a round passes without reaching the fault; each time the next round mends it."""
    number, reached = 0, True
    while reached:
        number += 1
        with transaction.atomic():
            reached = _one(number, cause, tmp_path / f"{number}", settings, now)
            transaction.set_rollback(True)
    assert number > 15, "sealing two files of two sites is many operations"
    stores._log.cache_clear()


def _one(number: int, cause: int, folder: Path, settings: Any, now: datetime) -> bool:
    """One round with a fault, and one without; whether the fault was reached."""
    places, by, later = written(folder, settings, now), system_authority("test"), now + timedelta(hours=1)
    wanted = {probe.code: _values(space, probe) for space, probe in places}
    assert all(len(values) == 10 for values in wanted.values())
    with failing(number, cause) as asked, suppress(OSError, Refusal):
        seal(by, now=later)
    assert {probe.code: _values(space, probe) for space, probe in places} == wanted, asked
    stores._log.cache_clear()  # the process is another one
    seal(by, now=later + timedelta(hours=1))
    assert {probe.code: _values(space, probe) for space, probe in places} == wanted, asked
    rows = list(Segment.objects.all())
    assert sorted((r.site_id, r.log_file) for r in rows) == sorted((s.site_id, n) for s, _ in places for n in (1, 2))
    for row in rows:
        path = stores.segment_path(row.path)
        assert hashlib.sha256(path.read_bytes()).hexdigest() == row.sha256, asked
    assert [n for n in stores.log().files() if n <= 2] == []
    return len(asked) >= number


def _values(space: Space, probe: Sensor) -> list[float | None]:
    return [r.value for r in reader.readings(space.site_id, [probe.code], 0, 2**62)]
