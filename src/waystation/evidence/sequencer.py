"""The sequencer: gives entries dense positions, writes tiles, signs checkpoints. One runs at a time, under a lease.

Entries come with identity values that have holes and commit out of order, so those cannot be positions. Tiles are
written and synced before the checkpoint that covers them is committed; writing them again writes the same bytes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from django.conf import settings

from waystation.evidence import keys, stream
from waystation.evidence.models import Checkpoint, LogPosition, Waiting
from waystation.evidence.rules import checkpoints, merkle, tiles
from waystation.evidence.rules.tiles import Tile

MOST_AT_ONCE = 5_000


def run(now: datetime) -> int:
    """Sequence what waits and sign a checkpoint for every log that grew; returns how many entries got a position."""
    stream.order()
    done = sequence()
    for log in logs():
        publish(log, now)
    return done


def logs() -> list[str]:
    """The names of the logs that have positions, sorted: one look into the index for each, however long they are."""
    names = LogPosition.objects.order_by("log").values_list("log", flat=True)
    found: list[str] = []
    name = names.first()
    while name is not None:
        found.append(name)
        name = names.filter(log__gt=name).first()
    return sorted(found)


def sequence(most: int = MOST_AT_ONCE) -> int:
    """Give the oldest waiting entries the next positions of their logs."""
    with stream.alone("log"):
        waiting = list(Waiting.objects.order_by("seq").values_list("seq", "log")[:most])
        sizes: dict[str, int] = {}
        made = []
        for seq, log in waiting:
            if log not in sizes:
                sizes[log] = size_of(log)
            made.append(LogPosition(entry_id=seq, log=log, tree_index=sizes[log]))
            sizes[log] += 1
        LogPosition.objects.bulk_create(made)
    return len(made)


def size_of(log: str) -> int:
    """How many entries of a log have a position."""
    last = LogPosition.objects.filter(log=log).order_by("-tree_index").values_list("tree_index", flat=True).first()
    return 0 if last is None else last + 1


def publish(log: str, now: datetime) -> Checkpoint | None:
    """Write the tiles of what grew and sign its checkpoint; None when nothing did."""
    newest = newest_checkpoint(log)
    old, new = newest.size if newest else 0, size_of(log)
    if new == old:
        return None
    leaves = LogPosition.objects.filter(log=log, tree_index__gte=old).order_by("tree_index")
    before = merkle.frontier(old, hashes(log, old)) if old else merkle.frontier(0, hashes(log, 0))
    grown, nodes = before.grow(bytes(h) for h in leaves.values_list("entry__leaf_hash", flat=True))
    fresh = {(level, index): value for level, index, value in nodes}
    stored = hashes(log, old)

    def hash_at(level: int, index: int) -> bytes:
        return fresh.get((level, index)) or stored(level, index)

    for tile in tiles.grown(old, new):
        _write(log, tile, tiles.encode_tile(tile, hash_at))
    for tile in tiles.bundles_grown(old, new):
        _write(log, tile, tiles.encode_bundle(_entries(log, tile)))
    head = checkpoints.Head(new, grown.root())
    key = keys.verifier_key(log)
    note = checkpoints.sign_checkpoint(checkpoints.Checkpoint(key.name, head), key, keys.log_key().sign)
    return Checkpoint.objects.create(log=log, size=new, root=head.root, note=note.decode(), at=now)


def newest_checkpoint(log: str) -> Checkpoint | None:
    """The newest signed head of a log."""
    return Checkpoint.objects.filter(log=log).order_by("-size").first()


def hashes(log: str, size: int) -> Callable[[int, int], bytes]:
    """A reader of tree nodes over the stored tiles of a tree of `size` entries."""
    return tiles.tile_reader(size, lambda tile: _path(log, tile).read_bytes())


def folder() -> Path:
    """Where the tiles of this installation stand."""
    return Path(settings.DATA) / "tiles"


def _entries(log: str, tile: Tile) -> list[bytes]:
    first = tile.index * tiles.TILE_WIDTH
    found = LogPosition.objects.filter(log=log, tree_index__gte=first, tree_index__lt=first + tile.width)
    return [bytes(leaf) for leaf in found.order_by("tree_index").values_list("entry__leaf", flat=True)]


def _path(log: str, tile: Tile) -> Path:
    return folder() / log / tile.path()


def _write(log: str, tile: Tile, data: bytes) -> None:
    path = _path(log, tile)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".partial")
    with partial.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
