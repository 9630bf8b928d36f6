"""The Merkle tree of RFC 6962: hashes, growth, roots, inclusion and consistency proofs.

A node is named by (level, index): the root of the complete subtree over the leaves
`index << level` up to `(index + 1) << level`. Every function that needs stored nodes takes a reader
`hash_at(level, index)`, so that the same code runs over a list in memory and over stored tiles.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256

from waystation.kernel.refusals import BadInput

HASH_BYTES = 32
EMPTY_ROOT = sha256(b"").digest()
HashAt = Callable[[int, int], bytes]
Node = tuple[int, int, bytes]


def leaf_hash(entry: bytes) -> bytes:
    """SHA-256 over 0x00 and the entry (RFC 6962 section 2.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 over 0x01 and the two children (RFC 6962 section 2.1)."""
    return sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Frontier:
    """All that must be kept to go on appending: the size and the roots of its complete subtrees, largest first."""

    size: int = 0
    nodes: tuple[bytes, ...] = ()

    def __post_init__(self) -> None:
        if self.size < 0 or len(self.nodes) != self.size.bit_count():
            raise BadInput(
                "evidence.frontier",
                f"A tree of {self.size} entries has {max(self.size, 0).bit_count()} complete subtrees, "
                f"not {len(self.nodes)}.",
                "Rebuild the frontier from the stored tiles.",
            )

    def root(self) -> bytes:
        """The tree's root; SHA-256 of nothing for the empty tree."""
        return _fold(self.nodes)

    def grow(self, leaf_hashes: Iterable[bytes]) -> tuple[Frontier, list[Node]]:
        """The frontier after appending, and every node that became complete on the way, leaves included."""
        size, stack, made = self.size, list(self.nodes), list[Node]()
        for node in leaf_hashes:
            level, index = 0, size
            made.append((level, index, node))
            while index & 1:
                node = node_hash(stack.pop(), node)
                level, index = level + 1, index >> 1
                made.append((level, index, node))
            stack.append(node)
            size += 1
        return Frontier(size, tuple(stack)), made


def _fold(subtrees: Sequence[bytes]) -> bytes:
    if not subtrees:
        return EMPTY_ROOT
    node = subtrees[-1]
    for left in reversed(subtrees[:-1]):
        node = node_hash(left, node)
    return node


def frontier(size: int, hash_at: HashAt) -> Frontier:
    """The frontier of the first `size` leaves, from stored nodes."""
    return Frontier(size, tuple(hash_at(level, index) for level, index in _complete(0, size)))


def root(size: int, hash_at: HashAt) -> bytes:
    """The root over the first `size` leaves (RFC 6962 section 2.1, MTH)."""
    return _range_hash(0, size, hash_at)


def inclusion_proof(index: int, size: int, hash_at: HashAt) -> list[bytes]:
    """PATH(index, D[size]) of RFC 6962 section 2.1.1, from the leaf's sibling upwards."""
    if not 0 <= index < size:
        raise BadInput(
            "evidence.no_such_entry",
            f"Entry {index} is not in a tree of {size} entries.",
            "Ask for an index below the size of the tree.",
            field="index",
            value=index,
        )
    path: list[bytes] = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range_hash(middle, end, hash_at))
            end = middle
        else:
            path.append(_range_hash(start, middle, hash_at))
            start = middle
    return path[::-1]


def consistency_proof(old_size: int, new_size: int, hash_at: HashAt) -> list[bytes]:
    """PROOF(old, D[new]) of RFC 6962 section 2.1.2; empty when old is 0 or equals new."""
    if not 0 <= old_size <= new_size:
        raise BadInput(
            "evidence.no_consistency",
            f"A tree of {new_size} entries does not continue one of {old_size}.",
            "Ask from the smaller tree to the larger.",
            field="old_size",
            value=old_size,
        )
    if old_size in (0, new_size):
        return []
    proof: list[bytes] = []
    start, end, whole = 0, new_size, True
    while end != old_size:
        middle = start + _split(end - start)
        if old_size <= middle:
            proof.append(_range_hash(middle, end, hash_at))
            end = middle
        else:
            proof.append(_range_hash(start, middle, hash_at))
            start, whole = middle, False
    if not whole:
        proof.append(_range_hash(start, end, hash_at))
    return proof[::-1]


def root_from_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes | None:
    """The root that an inclusion proof leads to, or None where it has the wrong shape (RFC 9162 section 2.1.3.2)."""
    if not 0 <= index < size or not _hashes((leaf, *proof)):
        return None
    fn, sn, node = index, size - 1, leaf
    for sibling in proof:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            node = node_hash(sibling, node)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            node = node_hash(node, sibling)
        fn, sn = fn >> 1, sn >> 1
    return node if sn == 0 else None


def verify_inclusion(index: int, size: int, leaf: bytes, proof: Sequence[bytes], tree_root: bytes) -> bool:
    """True when the leaf hash stands at `index` of the tree with this size and root."""
    return root_from_inclusion(index, size, leaf, proof) == tree_root


def verify_consistency(old_size: int, new_size: int, old_root: bytes, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """True when the new tree continues the old one (RFC 9162 section 2.1.4.2).

    From the empty tree, and between equal sizes, the proof is empty and the old root must be the right one.
    """
    if not 0 <= old_size <= new_size or not _hashes((old_root, new_root, *proof)):
        return False
    if old_size == new_size:
        return not proof and old_root == new_root and (old_size > 0 or old_root == EMPTY_ROOT)
    if old_size == 0:
        return not proof and old_root == EMPTY_ROOT
    path = list(proof) if old_size & (old_size - 1) else [old_root, *proof]
    return _consistent(old_size - 1, new_size - 1, path) == (old_root, new_root)


def _consistent(fn: int, sn: int, path: list[bytes]) -> tuple[bytes, bytes] | None:
    """Both roots that a consistency path leads to; None where it has the wrong length."""
    if not path:
        return None
    while fn & 1:
        fn, sn = fn >> 1, sn >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if sn == 0:
            return None
        if fn & 1 or fn == sn:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not fn & 1 and fn:
                fn, sn = fn >> 1, sn >> 1
        else:
            new = node_hash(new, sibling)
        fn, sn = fn >> 1, sn >> 1
    return (old, new) if sn == 0 else None


def _hashes(values: Iterable[bytes]) -> bool:
    return all(len(value) == HASH_BYTES for value in values)


def _split(count: int) -> int:
    """The largest power of two smaller than `count`."""
    return 1 << ((count - 1).bit_length() - 1)


def _complete(start: int, end: int) -> Iterable[tuple[int, int]]:
    """The complete subtrees that make up [start, end), where start is a multiple of each one's width."""
    while start < end:
        level = (end - start).bit_length() - 1
        yield level, start >> level
        start += 1 << level


def _range_hash(start: int, end: int, hash_at: HashAt) -> bytes:
    return _fold([hash_at(level, index) for level, index in _complete(start, end)])
