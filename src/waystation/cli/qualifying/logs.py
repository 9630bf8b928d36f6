"""Cases of transparency logs, answered by the rules that write, witness and verify the product's own log."""

from __future__ import annotations

import hashlib
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from typing import Any

from waystation.evidence.rules import checkpoints, merkle, notes, proofs, tiles, witness
from waystation.kernel.refusals import BadInput, Refusal

Given = Mapping[str, Any]
Context = Mapping[str, Any]
LARGEST = 1 << 20  # leaves of a generated tree


def _word(check: Callable[[], object]) -> str:
    """accept, unless the rules refuse or say no."""
    try:
        return "reject" if check() is False else "accept"
    except Refusal:
        return "reject"


def _hashes(given: Given) -> list[bytes]:
    return [b64decode(item) for item in given["proof"]]


def _policy(given: Given) -> checkpoints.Policy:
    return checkpoints.Policy(
        notes.parse_vkey(given["log_vkey"]),
        tuple(notes.parse_vkey(key) for key in given["witness_vkeys"]),
        given["policy"]["witness_quorum"],
    )


def inclusion(given: Given, context: Context) -> str:
    """Whether a leaf stands in a tree."""
    leaf, root = b64decode(given["leaf_hash"]), b64decode(given["root"])
    return _word(lambda: merkle.verify_inclusion(given["leaf_index"], given["tree_size"], leaf, _hashes(given), root))


def consistency(given: Given, context: Context) -> str:
    """Whether a tree continues another."""
    roots = b64decode(given["root1"]), b64decode(given["root2"])
    return _word(lambda: merkle.verify_consistency(given["size1"], given["size2"], *roots, _hashes(given)))


def note(given: Given, context: Context) -> str:
    """Whether a known key signed a note well."""
    data = b64decode(given["note_b64"]) if "note_b64" in given else given["note"].encode()
    return _word(lambda: notes.open_note(data, [notes.parse_vkey(key) for key in given["vkeys"]]) and None)


def vkey(given: Given, context: Context) -> str:
    """Whether a verifier key can be read and written back as it was."""
    return _word(lambda: notes.parse_vkey(given["vkey"]).vkey() == given["vkey"])


def checkpoint_text(given: Given, context: Context) -> str:
    """Whether a checkpoint's text can be read and written back as it was."""
    return _word(lambda: checkpoints.parse_checkpoint(given["text"]).text() == given["text"])


def proof_text(given: Given, context: Context) -> str:
    """Whether a proof's text can be read and written back as it was."""
    return _word(lambda: proofs.parse_proof(given["text"]).text() == given["text"])


def signed_checkpoint(given: Given, context: Context) -> str:
    """Whether a checkpoint meets its policy of log and witnesses."""
    return _word(lambda: checkpoints.open_checkpoint(given["checkpoint"].encode(), _policy(given)) and None)


def proof_of_entry(given: Given, context: Context) -> str:
    """Whether a proof stands for this entry under its policy."""
    entry = b64decode(given["leaf_b64"])
    return _word(lambda: proofs.verify_proof(given["proof_text"], entry, _policy(given)) and None)


def root(given: Given, context: Context) -> str:
    """The root of a tree over the set's own leaves."""
    size, nodes = _tree(given, context)
    return b64encode(merkle.root(size, nodes)).decode()


def tile_files(given: Given, context: Context) -> dict[str, Any]:
    """Path, digest and length of every tile and entry bundle of such a tree."""
    size, nodes = _tree(given, context)
    made = [(t.path(), tiles.encode_tile(t, nodes)) for t in tiles.grown(0, size)]
    bundles = [(t.path(), _bundle(t, str(context["tag"]))) for t in tiles.bundles_grown(0, size)]
    return {"tiles": [_facts(*one) for one in made], "entry_bundles": [_facts(*one) for one in bundles]}


def witness_script(given: Given, context: Context) -> list[int]:
    """The statuses with which a witness answers a script of requests, in order."""
    key = notes.parse_vkey(given["known_log_vkey"])
    known = {key.name: witness.KnownLog((key,))}
    statuses = []
    for step in given["steps"]:
        answer = witness.add_checkpoint(step["request_body"].encode(), known)
        statuses.append(answer.status)
        if answer.accepted:
            known[key.name] = witness.KnownLog((key,), answer.accepted.head)
    return statuses


def _leaf(tag: str, number: int) -> bytes:
    return f"{tag} leaf {number}".encode() + bytes([number % 251]) * (number % 7)


def _tree(given: Given, context: Context) -> tuple[int, merkle.HashAt]:
    tag, size = context.get("tag"), given["size"]
    if not isinstance(tag, str):
        raise BadInput(
            "qualify.case", "The set names no tag for its leaves.", "Add `tag` beside the cases.", field="tag"
        )
    if not isinstance(size, int) or not 0 <= size <= LARGEST:
        raise BadInput("qualify.case", f"{size!r} is no size.", f"Write 0 to {LARGEST}.", field="size", value=size)
    made = merkle.Frontier().grow(merkle.leaf_hash(_leaf(tag, i)) for i in range(size))[1]
    nodes = {(level, index): node for level, index, node in made}
    return size, lambda level, index: nodes[level, index]


def _bundle(tile: tiles.Tile, tag: str) -> bytes:
    first = tile.index * tiles.TILE_WIDTH
    return tiles.encode_bundle([_leaf(tag, i) for i in range(first, first + tile.width)])


def _facts(path: str, data: bytes) -> dict[str, Any]:
    return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


FAMILIES: Mapping[str, Callable[[Given, Context], Any]] = {
    "inclusion": inclusion,
    "consistency": consistency,
    "note": note,
    "vkey": vkey,
    "checkpoint_text": checkpoint_text,
    "tlog_proof_text": proof_text,
    "checkpoints": signed_checkpoint,
    "tlog_proofs": proof_of_entry,
    "roots": root,
    "tiles": tile_files,
    "witness_protocol": witness_script,
}
