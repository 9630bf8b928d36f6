"""Reading the log, the events and the outbox."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256

from waystation.evidence.models import LogEntry, LogPosition


def last_entry_at() -> datetime | None:
    """When the newest entry was written."""
    return LogEntry.objects.order_by("-seq").values_list("at", flat=True).first()


def heads() -> dict[str, dict[str, object]]:
    """Per log the newest checkpoint: size, root, and whether the root follows from the stored leaves."""
    from waystation.evidence import sequencer
    from waystation.evidence.rules.merkle import Frontier

    found: dict[str, dict[str, object]] = {}
    for log in sorted(set(LogPosition.objects.values_list("log", flat=True))):
        newest = sequencer.newest_checkpoint(log)
        if newest is None:
            continue
        rows = LogPosition.objects.filter(log=log, tree_index__lt=newest.size).order_by("tree_index")
        leaves = (sha256(b"\x00" + bytes(leaf)).digest() for leaf in rows.values_list("entry__leaf", flat=True))
        root = Frontier(0, ()).grow(leaves)[0].root()
        verified = root == bytes(newest.root)
        found[log] = {"tree_size": newest.size, "root": bytes(newest.root).hex(), "verified": verified}
    return found
