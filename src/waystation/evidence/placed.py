"""Entries with their places: what a pack takes from the log, and the keys an auditor holds."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.db.models import Max
from django.db.models.functions import TruncDate

from waystation.evidence import keys, sequencer, witnesses
from waystation.evidence.models import Checkpoint, LogEntry, LogPosition, Waiting
from waystation.evidence.rules import merkle, pack, proofs
from waystation.kernel.canonical import canonical
from waystation.kernel.refusals import NotFound

MOST_HEADS = 300
_OF_THE_ENTRY = ("kind", "object", "at", "actor", "reason")


@dataclass(frozen=True, slots=True)
class Placed:
    """An entry at its index of a log, as it was logged."""

    log: str
    index: int
    leaf: bytes

    @property
    def said(self) -> dict[str, Any]:
        """The entry as a value."""
        value: dict[str, Any] = json.loads(self.leaf)
        return value

    def record(self) -> dict[str, Any]:
        """What a record of a pack repeats from its entry, word for word, with the entry's index."""
        said = self.said
        return {"entry": self.index} | {k: said[k] for k in _OF_THE_ENTRY if k in said}


def of_site(log: str, site_id: UUID, start: datetime, end: datetime) -> list[Placed]:
    """The entries about a site in [start, end), in the order of the log."""
    return _placed(LogEntry.objects.filter(log=log, site_id=site_id, at__gte=start, at__lt=end))


def of_objects(ids: Collection[UUID | str]) -> list[Placed]:
    """The entries about these objects, of any log."""
    return _placed(LogEntry.objects.filter(object_id__in=[str(i) for i in ids]))


def at_instants(instants: Collection[datetime]) -> list[Placed]:
    """The entries written at these instants, of any log."""
    return _placed(LogEntry.objects.filter(at__in=list(instants)))


def by_seq(seqs: Collection[int]) -> list[Placed]:
    """The entries of these sequence numbers; those that the sequencer has not placed yet are not there."""
    return _placed(LogEntry.objects.filter(seq__in=list(seqs)))


def waiting() -> list[int]:
    """The sequence numbers of entries that wait for a place."""
    return list(Waiting.objects.values_list("seq", flat=True))


def are_placed(seqs: Collection[int], log: str | None = None) -> bool:
    """True when these entries have places and, where a log is named, its newest head covers them."""
    found = by_seq(seqs)
    head = sequencer.newest_checkpoint(log) if log else None
    covers = log is None or (head is not None and all(one.index < head.size for one in found))
    return len(found) == len(seqs) and covers


def makers(found: Iterable[Placed], rows: Collection[str]) -> dict[str, Placed]:
    """For each of these rows the entry that made it, as far as one of `found` did."""
    made: dict[str, Placed] = {}
    for one in found:
        for row in one.said.get("rows", ()):
            if row["id"] in rows and not row["before"]:
                made.setdefault(row["id"], one)
    return made


def _placed(rows: Any) -> list[Placed]:
    values = rows.filter(position__isnull=False).order_by("position__tree_index")
    return [
        Placed(log, index, bytes(leaf))
        for log, index, leaf in values.values_list("log", "position__tree_index", "leaf")
    ]


def newest(log: str) -> Checkpoint:
    """The newest head of a log; NotFound when it has none."""
    found = sequencer.newest_checkpoint(log)
    if found is None:
        raise NotFound("evidence.no_checkpoint", f"The log {log} has no checkpoint yet.", "Start the worker and wait.")
    return found


def logs() -> list[str]:
    """The names of the logs that have entries."""
    return sequencer.logs()


def proven(log: str, head: Checkpoint, indices: Iterable[int]) -> dict[str, bytes]:
    """Members `checkpoint`, `entries/...` and `proofs/...` for these indices under a head, with its cosignatures."""
    wanted = sorted(set(indices))
    hash_at = sequencer.hashes(log, head.size)
    note, _ = witnesses.with_lines(head)
    members: dict[str, bytes] = {pack.CHECKPOINT: note}
    for begin in range(0, len(wanted), 500):
        part = wanted[begin : begin + 500]
        rows = LogPosition.objects.filter(log=log, tree_index__in=part).values_list("tree_index", "entry__leaf")
        for index, leaf in rows:
            path = merkle.inclusion_proof(index, head.size, hash_at)
            members[pack.entry_path(index)] = bytes(leaf)
            members[pack.proof_path(index)] = proofs.TlogProof(index, tuple(path), note).text().encode()
    return members


def continued(log: str, head: Checkpoint, known: Sequence[int] = (), most: int = MOST_HEADS) -> bytes | None:
    """`consistency.json`: proofs from the heads asked for, the newest ones, and the last of each day before; or None.

    Raises NotFound for a head that this log never had.
    """
    before = Checkpoint.objects.filter(log=log, size__lt=head.size, size__gt=0)  # one every few seconds, for years
    asked = set(before.filter(size__in=[size for size in known if size < head.size]).values_list("size", flat=True))
    for size in known:
        if size not in asked and size not in (0, head.size):
            raise NotFound(
                "evidence.unknown_head",
                f"The log {log} has no head of {size} entries.",
                "Compare the auditor's head with the checkpoints of this log.",
            )
    days = before.annotate(day=TruncDate("at", tzinfo=UTC)).values("day").annotate(last=Max("size"))
    asked |= set(days.values_list("last", flat=True))
    asked |= set(before.order_by("-size").values_list("size", flat=True)[:most])
    if not asked:
        return None
    hash_at = sequencer.hashes(log, head.size)
    items = [
        {
            "size": size,
            "root": b64encode(bytes(root)).decode(),
            "hashes": [b64encode(node).decode() for node in merkle.consistency_proof(size, head.size, hash_at)],
        }
        for size, root in before.filter(size__in=asked).order_by("size").values_list("size", "root")
    ]
    return canonical({"schema": pack.CONSISTENCY_SCHEMA, "proofs": items})


def policy(log: str) -> bytes:
    """`policy.json` of a log's packs."""
    key = keys.verifier_key(log)
    own = witnesses.configured()
    return pack.policy_member(key.name, key.vkey(), own.vkeys, own.quorum)


def trust(log: str, *, with_head: bool = False) -> dict[str, Any]:
    """The trust file that an auditor keeps (waystation.trust/1); `with_head` pins the newest head too."""
    key = keys.verifier_key(log)
    own: dict[str, Any] = {"schema": "waystation.trust/1", "log": {"origin": key.name, "vkey": key.vkey()}}
    asked = witnesses.configured()
    own |= {"witnesses": asked.vkeys, "quorum": asked.quorum}
    if with_head:
        head = newest(log)
        own["known_head"] = {"size": head.size, "root": b64encode(bytes(head.root)).decode()}
    return own


def leaves(log: str) -> Iterator[tuple[int, bytes, bytes]]:
    """(index, leaf, stored hash) of every placed entry of a log, in order."""
    rows = LogPosition.objects.filter(log=log).order_by("tree_index")
    for index, leaf, stored in rows.values_list("tree_index", "entry__leaf", "entry__leaf_hash").iterator():
        yield index, bytes(leaf), bytes(stored)


def heads(log: str) -> dict[int, bytes]:
    """The signed heads of a log: size and root."""
    return {size: bytes(root) for size, root in Checkpoint.objects.filter(log=log).values_list("size", "root")}
