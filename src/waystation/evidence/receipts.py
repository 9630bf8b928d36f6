"""Giving receipts for the entries of one request, and saying what became of the entries of a receipt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime

from waystation.evidence import keys, sequencer
from waystation.evidence.append import INSTALLATION
from waystation.evidence.models import LogEntry, LogOfSite
from waystation.evidence.rules import receipts as rules
from waystation.evidence.rules.notes import VerifierKey
from waystation.kernel.authority import Authority

Made = tuple[int, bytes]  # an entry's number, which another one gets after a rollback, and its leaf's hash
_made: ContextVar[list[Made] | None] = ContextVar("entries_of_a_request", default=None)


@dataclass(frozen=True, slots=True)
class Found:
    """An entry that a receipt names: its number and place in the log now; a missing one was taken away."""

    leaf: bytes
    seq: int | None
    index: int | None
    kind: str = ""

    @property
    def is_missing(self) -> bool:
        """True where the log does not hold it."""
        return self.seq is None


@contextmanager
def collected() -> Iterator[list[Made]]:
    """The entries that are made inside, whether their transactions stand or not."""
    entries: list[Made] = []
    token = _made.set(entries)
    try:
        yield entries
    finally:
        _made.reset(token)


def made(seq: int, leaf_hash: bytes) -> None:
    """An entry was made: told to whoever collects."""
    entries = _made.get()
    if entries is not None:
        entries.append((seq, leaf_hash))


def give(entries: Sequence[Made], now: datetime) -> list[bytes]:
    """Receipts for those of the entries that stand, one note for each log and hundred; NotReady without a key."""
    by_log: dict[str, list[bytes]] = {}
    mine = set(entries)
    rows = LogEntry.objects.filter(seq__in={seq for seq, _ in mine}).order_by("seq")
    for seq, log, leaf_hash in rows.values_list("seq", "log", "leaf_hash"):
        if (seq, bytes(leaf_hash)) in mine:
            by_log.setdefault(log, []).append(bytes(leaf_hash))
    found = []
    for log, leaves in sorted(by_log.items()):
        key, sign = keys.verifier_key(log), keys.log_key().sign
        found += [rules.signed(rules.Promise(key.name, now, tuple(run)), key, sign) for run in rules.parts(leaves)]
    return found


def own_keys() -> list[VerifierKey]:
    """The keys of this installation's logs, also of those that have no head yet."""
    named = LogOfSite.objects.values_list("log", flat=True).distinct()
    return [keys.verifier_key(log) for log in sorted({INSTALLATION, *named, *sequencer.logs()})]


def look_up(by: Authority, note: bytes, trusted: Iterable[VerifierKey]) -> tuple[rules.Promise, list[Found]]:
    """What became of each entry that a receipt names. The receipt has to be signed by one of the trusted keys.

    Needs evidence.read; says of entries no more than that they are there.
    """
    by.require("evidence.read")
    promise = rules.opened(note, trusted)
    columns = ("leaf_hash", "seq", "position__tree_index", "kind")
    rows = LogEntry.objects.filter(leaf_hash__in=promise.leaves).values_list(*columns)
    held = {bytes(leaf): (seq, index, kind) for leaf, seq, index, kind in rows}
    return promise, [Found(leaf, *held.get(leaf, (None, None, ""))) for leaf in promise.leaves]
