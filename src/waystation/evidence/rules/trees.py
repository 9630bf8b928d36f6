"""Whether a log's entries still make the tree that was signed: worked out from the leaves alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import sha256

from waystation.evidence.rules.merkle import EMPTY_ROOT, Frontier


def check_tree(leaves: Iterable[tuple[int, bytes, bytes]], heads: Mapping[int, bytes]) -> list[str]:
    """What is wrong with a log, in words; empty when every head holds.

    `leaves` are (index, leaf, stored hash) in order; `heads` are sizes with the roots that they must have: the log's
    own checkpoints and those that an auditor holds.
    """
    wrong: list[str] = []
    tree, size = Frontier(), 0
    if heads.get(0, EMPTY_ROOT) != EMPTY_ROOT:
        wrong.append("the root of the empty log is not the empty root")
    for index, leaf, stored in leaves:
        if index != size:
            return [*wrong, f"entry {size} is missing: the next one that is there is {index}"]
        found = sha256(b"\x00" + leaf).digest()
        if found != stored:
            return [*wrong, f"entry {index} was changed: its bytes are not those that were hashed"]
        tree, _ = tree.grow([found])
        size += 1
        if size in heads and tree.root() != heads[size]:
            return [*wrong, f"ANOTHER HISTORY: the {size} entries do not make the root that was signed or is known"]
    lost = sorted(known for known in heads if known > size)
    if lost:
        wrong.append(f"ROLLED BACK: a head of {lost[-1]} entries is known, and {size} entries are here")
    return wrong
