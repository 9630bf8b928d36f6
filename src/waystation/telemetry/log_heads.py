"""Readings that are not sealed yet, by digest in the evidence log: a file of readings is only ever continued.

Each minute in which readings came, an entry holds the SHA-256 of the newest file up to where it then ended. A file
that no longer begins with those bytes was changed or cut.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import LogEntry
from waystation.kernel.authority import Authority
from waystation.telemetry import stores
from waystation.telemetry.models import Progress
from waystation.telemetry.store.log import Position

KIND = "telemetry.log_head"
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class LogHead:
    """What an entry says of a file of readings: its number, how many of its bytes, and their SHA-256."""

    file: int
    offset: int
    sha256: str


def note(by: Authority, *, now: datetime) -> int:
    """Enter a head for every file that was judged further since its last one; returns how many.

    Judged readings end between two frames, so that the torn tail of a crash, which is cut off later, is in no head.
    """
    by.require("platform.operate")
    log, made = stores.log(), 0
    judged = min((Position(p.file, p.offset) for p in Progress.objects.all()), default=Position(0, 0))
    for number in log.files():
        last = max((head.offset for head in heads(number)), default=0)
        end = log.size(number) if number < judged.file else judged.offset if number == judged.file else 0
        if end > last:
            offset, digest = next(_digests(_path(number), [end]))
            facts = {"file": number, "offset": offset, "sha256": digest}
            record([], entry=NewEntry(KIND, f"readings {number}", by, now, facts=facts))
            made += 1
    return made


def heads(number: int) -> list[LogHead]:
    """The heads of a file that were entered, shortest first."""
    rows = LogEntry.objects.filter(kind=KIND, object_id=f"readings {number}").order_by("seq")
    said = (json.loads(bytes(leaf))["facts"] for leaf in rows.values_list("leaf", flat=True))
    return sorted((LogHead(f["file"], f["offset"], f["sha256"]) for f in said), key=lambda h: h.offset)


def changed(number: int) -> list[str]:
    """In which way a file is not what was logged of it; empty when it still begins with all of that."""
    known = heads(number)
    found = dict(_digests(_path(number), [head.offset for head in known]))
    sound = 0
    for head in known:
        if found.get(head.offset) != head.sha256:
            words = "was changed" if head.offset in found else "was cut"
            return [f"The file {_path(number).name} of readings {words} between bytes {sound} and {head.offset}"]
        sound = head.offset
    return []


def _digests(path: Path, offsets: list[int]) -> Iterator[tuple[int, str]]:
    """SHA-256 of the file up to each offset, in rising order; offsets behind its end give nothing."""
    running, at = hashlib.sha256(), 0
    with path.open("rb") as file:
        for offset in sorted(set(offsets)):
            while at < offset:
                block = file.read(min(_BLOCK, offset - at))
                if not block:
                    return
                running.update(block)
                at += len(block)
            yield offset, running.hexdigest()


def _path(number: int) -> Path:
    return stores.log().path(number)
