"""Tiles: the log as small files that never change (C2SP tlog-tiles).

A tile of level L holds up to 256 node hashes of tree level 8 * L; an entry bundle holds up to 256 entries,
each behind its length in two bytes. A tile that is not yet full is *partial* and says its width in its path.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from waystation.evidence.rules.merkle import HASH_BYTES, HashAt, node_hash
from waystation.kernel.refusals import BadInput

TILE_HEIGHT = 8
TILE_WIDTH = 256
MAX_ENTRY_BYTES = 65_535
MAX_LEVEL = 63
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?")


@dataclass(frozen=True, slots=True)
class Tile:
    """One tile: its level (None for an entry bundle), its index in the level, how many hashes or entries it holds."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def path(self) -> str:
        """Its path in the log's folder: `tile/0/x001/x234/067`, `tile/1/000.p/2`, `tile/entries/002.p/5`."""
        groups = [f"{self.index % 1000:03d}"]
        rest = self.index // 1000
        while rest:
            groups.insert(0, f"x{rest % 1000:03d}")
            rest //= 1000
        kind = "entries" if self.level is None else str(self.level)
        partial = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{kind}/{'/'.join(groups)}{partial}"


def parse_path(path: str) -> Tile:
    """The tile that a path names; a path that `Tile.path` would not write is refused."""
    found = _PATH.fullmatch(path)
    if found:
        kind, groups, partial = found.groups()
        index = int(groups.replace("x", "").replace("/", ""))
        tile = Tile(None if kind == "entries" else int(kind), index, int(partial) if partial else TILE_WIDTH)
        if tile.path() == path and (tile.level or 0) <= MAX_LEVEL:
            return tile
    raise BadInput("evidence.tile_path", f"{path!r} is not the path of a tile.", field="path", value=path)


def width_of(level: int | None, index: int, size: int) -> int:
    """How many hashes (or entries) the tile holds in a tree of `size` entries; 0 when it is not there."""
    count = size >> (TILE_HEIGHT * (level or 0))
    return max(0, min(TILE_WIDTH, count - index * TILE_WIDTH))


def grown(old_size: int, new_size: int) -> Iterator[Tile]:
    """The hash tiles to write when a tree grows, level by level; each in the width it then has."""
    level = 0
    while (old := old_size >> (TILE_HEIGHT * level)) < (new := new_size >> (TILE_HEIGHT * level)):
        for index in range(old // TILE_WIDTH, (new - 1) // TILE_WIDTH + 1):
            yield Tile(level, index, width_of(level, index, new_size))
        level += 1


def bundles_grown(old_size: int, new_size: int) -> Iterator[Tile]:
    """The entry bundles to write when a tree grows."""
    for tile in grown(old_size, new_size):
        if tile.level == 0:
            yield Tile(None, tile.index, tile.width)


def encode_tile(tile: Tile, hash_at: HashAt) -> bytes:
    """The bytes of a hash tile, from the tree's nodes."""
    if tile.level is None:
        raise BadInput("evidence.tile_level", "An entry bundle has entries, not hashes.")
    first = tile.index * TILE_WIDTH
    return b"".join(hash_at(tile.level * TILE_HEIGHT, first + i) for i in range(tile.width))


def decode_tile(data: bytes, width: int) -> list[bytes]:
    """The hashes in a tile of that width; bytes of another length are refused."""
    if len(data) != width * HASH_BYTES:
        raise BadInput(
            "evidence.tile_bytes", f"A tile of width {width} has {width * HASH_BYTES} bytes, not {len(data)}."
        )
    return [data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)]


def encode_bundle(entries: Sequence[bytes]) -> bytes:
    """The bytes of an entry bundle: each entry behind its length as a big-endian uint16."""
    for entry in entries:
        if len(entry) > MAX_ENTRY_BYTES:
            raise BadInput(
                "evidence.entry_too_long",
                f"An entry of {len(entry)} bytes does not fit in a tile; the limit is {MAX_ENTRY_BYTES}.",
                "Log a digest of the payload.",
            )
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def decode_bundle(data: bytes, width: int) -> list[bytes]:
    """The entries in a bundle of that width; missing, cut or left-over bytes are refused."""
    entries: list[bytes] = []
    at = 0
    for _ in range(width):
        length = int.from_bytes(data[at : at + 2], "big")
        if at + 2 + length > len(data):
            raise BadInput("evidence.bundle_bytes", f"The bundle ends inside entry {len(entries)} of {width}.")
        entries.append(data[at + 2 : at + 2 + length])
        at += 2 + length
    if at != len(data):
        raise BadInput("evidence.bundle_bytes", f"{len(data) - at} bytes follow the {width} entries of the bundle.")
    return entries


def tile_reader(size: int, read: Callable[[Tile], bytes]) -> HashAt:
    """A `hash_at` over the stored tiles of a tree of `size` entries; `read` returns a tile's bytes."""
    kept: dict[Tile, list[bytes]] = {}

    def hash_at(level: int, index: int) -> bytes:
        """The node at a level and index, from the one tile that holds what is below it."""
        tile_level, inner = divmod(level, TILE_HEIGHT)
        tile_index, offset = divmod(index << inner, TILE_WIDTH)
        width = width_of(tile_level, tile_index, size)
        if offset + (1 << inner) > width:
            raise BadInput("evidence.no_such_node", f"Node {index} of level {level} is not in a tree of {size}.")
        tile = Tile(tile_level, tile_index, width)
        if tile not in kept:
            kept[tile] = decode_tile(read(tile), width)
        return complete_root(kept[tile][offset : offset + (1 << inner)])

    return hash_at


def complete_root(nodes: list[bytes]) -> bytes:
    """The root over a power of two of sibling nodes."""
    while len(nodes) > 1:
        nodes = [node_hash(nodes[i], nodes[i + 1]) for i in range(0, len(nodes), 2)]
    return nodes[0]
