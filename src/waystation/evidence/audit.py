"""A log against itself: entries, heads, tiles, instants and the database's own guards, each flaw with its place.

Whoever can write everything can make all of these agree again, but not with a head that somebody else holds: those are
`known`. What the tables of the product hold is compared with the entries by `row_audit`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from django.db import DatabaseError, connection, transaction

from waystation.evidence import keys, sequencer, stamps, witnesses
from waystation.evidence.models import Checkpoint, Cosignature, LogEntry, LogPosition, TimeStamp, Waiting
from waystation.evidence.rules import checkpoints, merkle, notes, tiles
from waystation.evidence.rules.checkpoints import Policy
from waystation.evidence.rules.tiles import TILE_WIDTH, Tile
from waystation.evidence.verifier.stamp import UNUSABLE, Stamp
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import Refusal

DOUBT = timedelta(minutes=5)  # what clocks and long transactions may differ by
# an entry, its position, a head, a list of rows: the database lets none of them be changed or removed
GUARDED = {
    "evidence_logentry": "seq",
    "evidence_logposition": "entry_id",
    "evidence_checkpoint": "id",
    "evidence_entryrows": "entry_id",
}


@dataclass(frozen=True, slots=True)
class Flaw:
    """Something that does not agree: what kind, where exactly, and in which way."""

    code: str
    where: str
    words: str


@dataclass
class _Tree:
    """A tree as it grows from the leaves, beside what is stored of it."""

    log: str
    heads: Mapping[int, bytes]
    tree: merkle.Frontier = field(default_factory=merkle.Frontier)
    hashes: list[bytes] = field(default_factory=list)
    sound: int = 0  # the newest head that holds
    fork: int = 0  # the first that does not

    def add(self, found: bytes) -> None:
        self.tree, _ = self.tree.grow([found])
        self.hashes.append(found)
        size = len(self.hashes)
        if size in self.heads and not self.fork:
            if self.tree.root() == self.heads[size]:
                self.sound = size
            else:
                self.fork = size


def check_logs(known: Mapping[str, Mapping[int, bytes]] | None = None) -> list[Flaw]:
    """What is wrong in any log of this installation; `known` are heads that others hold, by log, size and root."""
    known = known or {}
    names = sorted({*sequencer.logs(), *Checkpoint.objects.values_list("log", flat=True).distinct(), *known})
    found = [*check_guards(), *_unplaced()]
    for log in names:
        found += check_log(log, known.get(log, {}))
    return found


def check_log(log: str, known: Mapping[int, bytes]) -> list[Flaw]:
    """What is wrong in one log."""
    heads = list(Checkpoint.objects.filter(log=log).order_by("size"))
    tree = _Tree(log, {h.size: bytes(h.root) for h in heads} | dict(known))
    found = [*_entries(tree, heads), *_heads(log, heads), *_history(tree, known)]
    size = max((h.size for h in heads), default=0)
    return found + (list(_tiles(tree, size)) if size <= len(tree.hashes) else [])


def _entries(tree: _Tree, heads: Sequence[Checkpoint]) -> Iterator[Flaw]:
    """Each entry in the order of the log: there, as it was hashed, as its columns say, and not back-dated."""
    of_entry = ("seq", "log", "leaf", "leaf_hash", "kind", "object_id", "site_id", "at")
    columns = ("tree_index", *(f"entry__{name}" for name in of_entry))
    rows = LogPosition.objects.filter(log=tree.log).order_by("tree_index").values_list(*columns)
    floors, bundle = _Floors(heads), list[bytes]()
    read_bundle = _bundles(tree.log, max((h.size for h in heads), default=0))
    for index, seq, log, leaf, stored, kind, object_id, site_id, at in rows.iterator():
        where = f"log {tree.log}, entry {index} (number {seq})"
        if index != len(tree.hashes):
            size = len(tree.hashes)
            yield Flaw("log.missing", f"log {tree.log}, entry {size}", f"is missing; the next one there is {index}.")
            return
        content = bytes(leaf)
        tree.add(sha256(b"\x00" + content).digest())
        if tree.hashes[-1] != bytes(stored):
            yield Flaw("log.entry", where, "was changed: its bytes are not those that were hashed.")
        if said := _contradicted(content, {"kind": kind, "object": object_id, "site": str(site_id or "")}, at):
            yield Flaw("log.columns", where, f"says another {said} than the row that holds it.")
        if log != tree.log:
            yield Flaw("log.columns", where, f"stands in the log {log}.")
        if words := floors.passed(index, at):
            yield Flaw("log.back_dated", where, words)
        bundle.append(content)
        if wrong := read_bundle(index, bundle):
            yield Flaw("log.tile", f"log {tree.log}, {wrong[0]}", wrong[1])


def _contradicted(leaf: bytes, columns: Mapping[str, str], at: datetime) -> str:
    try:
        said: dict[str, Any] = json.loads(leaf)
    except ValueError:
        return "content"
    held = dict(columns) | {"at": instant(at)}
    return ", ".join(name for name, value in held.items() if str(said.get(name, "")) != value)


class _Floors:
    """No entry is written before the head that stood before it: by the platform's clock and by each witness's."""

    def __init__(self, heads: Sequence[Checkpoint]) -> None:
        self._next = sorted(self._instants(heads), key=lambda one: one[0])
        self._floor: tuple[datetime, str] | None = None

    def _instants(self, heads: Sequence[Checkpoint]) -> Iterator[tuple[int, datetime, str]]:
        for head in heads:
            yield head.size, head.at, f"the head of {head.size} entries, which stood before it, was signed"
        log = heads[0].log if heads else ""
        for size, witness, time_s in Cosignature.objects.filter(log=log).values_list("size", "witness", "time_s"):
            name = witness.partition("+")[0]
            yield size, datetime.fromtimestamp(time_s, UTC), f"{name} cosigned the head of {size}, which is before it,"

        rows = TimeStamp.objects.filter(log=log).values_list("size", "authority", "stamped_at")
        for size, authority, stamped_at in rows:
            yield size, stamped_at, f"{authority} stamped the head of {size}, which is before it,"

    def passed(self, index: int, at: datetime) -> str:
        """In which way an entry at an index is back-dated; empty when it is not."""
        while self._next and self._next[0][0] <= index:
            _, moment, words = self._next.pop(0)
            if self._floor is None or moment > self._floor[0]:
                self._floor = moment, words
        if self._floor is None or self._floor[0] - at <= DOUBT:
            return ""
        return f"says {instant(at)}, and {self._floor[1]} at {instant(self._floor[0])}: it is back-dated."


def _bundles(log: str, size: int) -> Callable[[int, list[bytes]], tuple[str, str] | None]:
    """A check of the stored entry bundles while entries pass: the tile that is not what its entries say, and why."""

    def check(index: int, bundle: list[bytes]) -> tuple[str, str] | None:
        """Compare when the entry completes a bundle, or is the last that a head covers."""
        if index >= size or (index + 1 != size and (index + 1) % TILE_WIDTH):
            return None
        tile = Tile(None, index // TILE_WIDTH, index % TILE_WIDTH + 1)
        wrong = _stored(log, tile, tiles.encode_bundle(bundle))
        bundle.clear()
        return (tile.path(), wrong) if wrong else None

    return check


def _tiles(tree: _Tree, size: int) -> Iterator[Flaw]:
    """Each hash tile of the newest head, worked out again from the leaves."""
    nodes, level = tree.hashes[:size], 0
    while nodes:
        for index in range((len(nodes) + TILE_WIDTH - 1) // TILE_WIDTH):
            part = nodes[index * TILE_WIDTH : (index + 1) * TILE_WIDTH]
            tile = Tile(level, index, len(part))
            if wrong := _stored(tree.log, tile, b"".join(part)):
                yield Flaw("log.tile", f"log {tree.log}, {tile.path()}", wrong)
        full = range(len(nodes) // TILE_WIDTH)
        nodes = [tiles.complete_root(nodes[i * TILE_WIDTH : (i + 1) * TILE_WIDTH]) for i in full]
        level += 1


def _stored(log: str, tile: Tile, right: bytes) -> str:
    try:
        held = (sequencer.folder() / log / tile.path()).read_bytes()
    except OSError as error:
        return f"cannot be read: {error.strerror}."
    return "" if held == right else "is not what the entries say."


def _heads(log: str, heads: Sequence[Checkpoint]) -> Iterator[Flaw]:
    """Each head as signed by this log's key, with the cosignatures that were kept, and in the order of time."""
    own, newest = keys.verifier_key(log), None
    lines = _lines(log)
    for head in heads:
        where = f"log {log}, head of {head.size} entries"
        try:
            note = checkpoints.add_signatures(head.note.encode(), [])
            opened = checkpoints.open_checkpoint(note, Policy(own))
            if opened.checkpoint.head != checkpoints.Head(head.size, bytes(head.root)):
                yield Flaw("log.head", where, "says another size or root than the note that was signed.")
        except Refusal as refusal:
            yield Flaw("log.head", where, f"is not signed by the key {own.vkey()}: {refusal.message}")
            continue
        for witness, line in lines.get(head.pk, ()):
            if wrong := _bad_line(note, witness, line):
                yield Flaw("log.cosignature", f"{where}, {witness.partition('+')[0]}", wrong)
        if (answer := stamps.answer_for(head)) and (wrong := _bad_stamp(answer, stamps.signed_text(head))):
            yield Flaw("log.stamp", where, wrong)
        if newest is not None and newest.at - head.at > DOUBT:
            words = f"was signed {instant(head.at)}, and the shorter one {instant(newest.at)}: the clock was set back."
            yield Flaw("log.head_time", where, words)
        newest = head


def _lines(log: str) -> dict[Any, list[tuple[str, str]]]:
    found: dict[Any, list[tuple[str, str]]] = {}
    for head, witness, line in Cosignature.objects.filter(log=log).values_list("checkpoint_id", "witness", "line"):
        found.setdefault(head, []).append((witness, line))
    return found


def _bad_line(note: bytes, witness: str, line: str) -> str:
    try:
        signature = notes.parse_signature_line(line.removesuffix("\n"))
        whole = notes.parse_note(checkpoints.add_signatures(note, [signature]))
        signed = notes.signers(whole, [notes.parse_vkey(witness)])
    except Refusal as refusal:
        return f"the kept cosignature does not hold: {refusal.message}"
    return "" if signed else "the kept cosignature is by another key."


def _bad_stamp(answer: bytes, text: bytes) -> str:
    try:
        return "" if Stamp.read(answer).imprint == sha256(text).digest() else "the kept time-stamp is of another head."
    except UNUSABLE as error:
        return f"the kept time-stamp cannot be read: {error}"


def _history(tree: _Tree, known: Mapping[int, bytes]) -> Iterator[Flaw]:
    size = len(tree.hashes)
    if tree.fork:
        held = " that somebody else holds" if tree.fork in known else ""
        words = f"ANOTHER HISTORY: these entries do not make the root of the head of {tree.fork}{held}."
        yield Flaw("log.history", f"log {tree.log}, entries {tree.sound} to {tree.fork - 1}", words)
    if lost := max((n for n in tree.heads if n > size), default=0):
        words = f"ROLLED BACK: a head of {lost} entries is known, and {size} are here."
        yield Flaw("log.rolled_back", f"log {tree.log}, entries {size} to {lost - 1}", words)
    stands = witnesses.standing(tree.log)
    if stands.refused:
        yield Flaw("witness.refuses", f"log {tree.log}", " ".join(stands.trouble))


def _unplaced() -> Iterator[Flaw]:
    """An entry without a place that does not wait for one was put by hand past the sequencer."""
    lost = LogEntry.objects.filter(position=None).exclude(pk__in=Waiting.objects.values("seq"))
    for seq, log in lost.order_by("seq").values_list("seq", "log"):
        yield Flaw("log.unplaced", f"log {log}, number {seq}", "has no place in the log and does not wait for one.")


def check_guards() -> list[Flaw]:
    """Tables of the log that the database would let be changed: each is tried on one row, and undone."""
    found = []
    for table, key in GUARDED.items():
        one = f"{key} = (SELECT MIN({key}) FROM {table})"
        for verb, statement in (
            ("changed", f"UPDATE {table} SET {key} = {key} WHERE {one}"),
            ("removed", f"DELETE FROM {table} WHERE {one}"),
        ):
            if _lets(statement):
                found.append(Flaw("log.guard", f"table {table}", f"its rows can be {verb}: its trigger is gone."))
    return found


def _lets(statement: str) -> bool:
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
            done: bool = cursor.rowcount > 0
            transaction.set_rollback(True)
            return done
    except DatabaseError as error:
        return "append-only" not in str(error) and "read-only" not in str(error) and "foreign key" not in str(error)
