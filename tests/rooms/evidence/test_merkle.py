"""Properties of the tree: what it holds can be proved, and what was altered cannot."""

from __future__ import annotations

import random

import pymerkle  # type: ignore[import-untyped]
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.evidence.rules import merkle, tiles
from waystation.evidence.verifier.log import tree_roots
from waystation.kernel.refusals import BadInput

MOST = 70


def leaves(count: int) -> list[bytes]:
    return [merkle.leaf_hash(f"entry {i}".encode()) for i in range(count)]


def reader(hashes: list[bytes]) -> merkle.HashAt:
    nodes = {(level, index): node for level, index, node in merkle.Frontier().grow(hashes)[1]}
    return lambda level, index: nodes[level, index]


LEAVES = leaves(MOST)
NODES = reader(LEAVES)
sizes = st.integers(1, MOST)


def test_every_leaf_is_provable_at_every_size() -> None:
    """All (index, size) pairs up to 40 entries; the verifier's own code agrees."""
    for size in range(1, 41):
        root = merkle.root(size, NODES)
        for index in range(size):
            path = merkle.inclusion_proof(index, size, NODES)
            assert merkle.verify_inclusion(index, size, LEAVES[index], path, root)
            assert tree_roots(index, size - 1, LEAVES[index], path)[1] == root


def test_evd_08_every_size_continues_every_smaller_one() -> None:
    """Consistency holds between any two sizes, and only the equal or larger can be the newer."""
    for new in range(41):
        for old in range(new + 1):
            proof = merkle.consistency_proof(old, new, NODES)
            old_root, new_root = merkle.root(old, NODES), merkle.root(new, NODES)
            assert merkle.verify_consistency(old, new, old_root, new_root, proof)
            assert old == new or not merkle.verify_consistency(new, old, new_root, old_root, proof)


@given(st.data())
def test_evd_08_an_altered_inclusion_proof_is_refused(data: st.DataObject) -> None:
    """A flipped bit, a dropped or doubled hash, another index, size or leaf: none leads to the root."""
    size = data.draw(sizes)
    index = data.draw(st.integers(0, size - 1))
    path, root, leaf = merkle.inclusion_proof(index, size, NODES), merkle.root(size, NODES), LEAVES[index]
    for place in range(len(path)):
        flipped = bytes([path[place][0] ^ 1 << data.draw(st.integers(0, 7))]) + path[place][1:]
        assert not merkle.verify_inclusion(index, size, leaf, [*path[:place], flipped, *path[place + 1 :]], root)
        assert not merkle.verify_inclusion(index, size, leaf, path[:place] + path[place + 1 :], root)
    assert not merkle.verify_inclusion(index, size, leaf, [*path, leaf], root)
    assert not merkle.verify_inclusion(index, size, merkle.leaf_hash(b"other"), path, root)
    assert not merkle.verify_inclusion(index, size, leaf[:-1], path, root)
    for other in (index - 1, index + 1, size):
        assert not merkle.verify_inclusion(other, size, leaf, path, root)


@given(st.data())
def test_evd_08_an_altered_consistency_proof_is_refused(data: st.DataObject) -> None:
    """A flipped bit, a dropped or added hash, or another old root is refused."""
    new = data.draw(st.integers(2, MOST))
    old = data.draw(st.integers(1, new - 1))
    proof = merkle.consistency_proof(old, new, NODES)
    roots = merkle.root(old, NODES), merkle.root(new, NODES)
    for place in range(len(proof)):
        flipped = bytes([proof[place][0] ^ 1]) + proof[place][1:]
        assert not merkle.verify_consistency(old, new, *roots, [*proof[:place], flipped, *proof[place + 1 :]])
        assert not merkle.verify_consistency(old, new, *roots, proof[:place] + proof[place + 1 :])
    assert not merkle.verify_consistency(old, new, *roots, [*proof, roots[0]])
    assert not merkle.verify_consistency(old, new, merkle.leaf_hash(b""), roots[1], proof)
    assert not merkle.verify_consistency(old, new, roots[0], merkle.leaf_hash(b""), proof)


@given(st.lists(st.integers(0, 40), max_size=6))
def test_growing_in_any_steps_gives_one_tree(steps: list[int]) -> None:
    """The root and the nodes that became complete do not depend on how the leaves came in batches."""
    frontier, made, done = merkle.Frontier(), [], 0
    hashes = leaves(sum(steps))
    for step in steps:
        frontier, nodes = frontier.grow(hashes[done : done + step])
        made += nodes
        done += step
    whole, all_nodes = merkle.Frontier().grow(hashes)
    assert (frontier, made) == (whole, all_nodes)
    assert frontier == merkle.frontier(done, reader(hashes))


def test_roots_agree_with_an_outside_peer() -> None:
    """pymerkle, written by others, builds the same roots."""
    tree = pymerkle.InmemoryTree(algorithm="sha256")
    for size in range(1, 65):
        tree.append_entry(f"entry {size - 1}".encode())
        assert tree.get_root() == merkle.root(size, NODES)


def test_questions_outside_the_tree_are_refused() -> None:
    """No proof is made for an entry or a size that is not there, and a broken frontier does not grow."""
    for index in (-1, 5, 6):
        with pytest.raises(BadInput):
            merkle.inclusion_proof(index, 5, NODES)
    for old, new in ((-1, 5), (6, 5)):
        with pytest.raises(BadInput):
            merkle.consistency_proof(old, new, NODES)
    for size in (3, -1):
        with pytest.raises(BadInput):
            merkle.Frontier(size, (b"",))
    assert not merkle.verify_consistency(0, 0, LEAVES[0], LEAVES[0], [])
    assert not merkle.verify_consistency(0, 3, LEAVES[0], merkle.root(3, NODES), [])
    assert merkle.verify_consistency(0, 3, merkle.EMPTY_ROOT, merkle.root(3, NODES), [])
    assert not merkle.verify_consistency(1, 3, LEAVES[0], merkle.root(3, NODES), [])
    assert not merkle.verify_consistency(4, 6, merkle.root(4, NODES), merkle.root(6, NODES), [])


@settings(max_examples=40)
@given(st.integers(0, 700), st.integers(0, 700))
def test_stored_tiles_give_back_the_whole_tree(old: int, more: int) -> None:
    """Tiles written as a log grows are enough for every root and proof, at the new size."""
    hashes = leaves(old + more)
    nodes, stored = reader(hashes), dict[tiles.Tile, bytes]()
    for a, b in ((0, old), (old, old + more)):
        stored.update({tile: tiles.encode_tile(tile, nodes) for tile in tiles.grown(a, b)})
    size = old + more
    hash_at = tiles.tile_reader(size, stored.__getitem__)
    assert merkle.root(size, hash_at) == merkle.root(size, nodes)
    if old:
        assert merkle.consistency_proof(old, size, hash_at) == merkle.consistency_proof(old, size, nodes)
        assert merkle.inclusion_proof(old - 1, size, hash_at) == merkle.inclusion_proof(old - 1, size, nodes)


@given(st.lists(st.binary(max_size=300), max_size=40))
def test_entry_bundles_read_back_what_was_written(entries: list[bytes]) -> None:
    """Entries come back as they were; a bundle cut anywhere, or with something behind it, is refused."""
    data = tiles.encode_bundle(entries)
    assert tiles.decode_bundle(data, len(entries)) == entries
    with pytest.raises(BadInput):
        tiles.decode_bundle(data + b"\x00", len(entries))
    if data:
        with pytest.raises(BadInput):
            tiles.decode_bundle(data[: random.Random(len(data)).randrange(len(data))], len(entries))


@given(st.none() | st.integers(0, 63), st.integers(0, 10**10), st.integers(1, 256))
def test_a_tiles_path_names_that_tile_only(level: int | None, index: int, width: int) -> None:
    """Paths are read back to the tile that wrote them."""
    tile = tiles.Tile(level, index, width)
    assert tiles.parse_path(tile.path()) == tile


def test_paths_that_no_tile_writes_are_refused() -> None:
    """Leading zeros, missing groups, full partials and strange levels."""
    assert tiles.Tile(0, 1_234_067).path() == "tile/0/x001/x234/067"
    wrong = (
        "tile/0/1",
        "tile/00/001",
        "tile/64/000",
        "tile/0/x000/001",
        "tile/0/000.p/256",
        "tile/0/000.p/0",
        "tile/-1/000",
    )
    for path in (*wrong, "tile/0/000\n", "tile/0/٠٠٠", "tile/entries/000.p/05", "entries/000", "tile/x/000"):
        with pytest.raises(BadInput):
            tiles.parse_path(path)


def test_tiles_that_do_not_fit_are_refused() -> None:
    """A node outside the tree, a tile of the wrong length, an entry too long for two bytes of length."""
    with pytest.raises(BadInput):
        tiles.tile_reader(5, lambda tile: b"")(0, 5)
    with pytest.raises(BadInput):
        tiles.decode_tile(b"x" * 33, 1)
    with pytest.raises(BadInput):
        tiles.encode_bundle([b"x" * 65_536])
    with pytest.raises(BadInput):
        tiles.encode_tile(tiles.Tile(None, 0), NODES)
    assert tiles.decode_bundle(tiles.encode_bundle([b"x" * 65_535]), 1) == [b"x" * 65_535]
    assert (tiles.width_of(0, 1, 256), tiles.width_of(1, 0, 517), tiles.width_of(None, 2, 517)) == (0, 2, 5)
