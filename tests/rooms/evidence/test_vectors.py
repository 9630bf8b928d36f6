"""The rules against published and generated known answers for transparency logs."""

from __future__ import annotations

import hashlib
import json
import sys
from base64 import b64decode, b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

from waystation.evidence.rules import checkpoints, merkle, notes, proofs, tiles, witness
from waystation.kernel.refusals import Refusal

FOLDER = Path(__file__).resolve().parents[4] / "shared" / "data" / "tlog-vectors"
Case = dict[str, Any]


def cases(family: str) -> list[Case]:
    """Every scored case of a family; says so in one line when the vectors are not on this machine."""
    if not FOLDER.is_dir():
        sys.stdout.write(f"did not run: no vectors at {FOLDER}\n")
        return []
    found: list[Case] = []
    for name in ("generated.json", "published.json"):
        found += json.loads((FOLDER / name).read_text()).get(family, [])
    return [case for case in found if case.get("scored", True)]


def verdict(check: Callable[[], object]) -> str:
    """`accept` unless the check refuses or says False."""
    try:
        return "reject" if check() is False else "accept"
    except Refusal:
        return "reject"


def wrong(family: str, check: Callable[[Case], Callable[[], object]], at_least: int) -> list[str]:
    """The ids of the cases answered otherwise than expected; demands that there are enough of them."""
    found = cases(family)
    assert not found or len(found) >= at_least
    return [case["id"] for case in found if verdict(check(case)) != case["expect"]]


def hashes(case: Case) -> list[bytes]:
    return [b64decode(item) for item in case["proof"]]


def leaf(i: int) -> bytes:
    return f"alpha leaf {i}".encode() + bytes([i % 251]) * (i % 7)


def reader(count: int) -> merkle.HashAt:
    """A hash_at over the vectors' own leaves."""
    made = merkle.Frontier().grow(merkle.leaf_hash(leaf(i)) for i in range(count))[1]
    nodes = {(level, index): node for level, index, node in made}
    return lambda level, index: nodes[level, index]


def policy(case: Case) -> checkpoints.Policy:
    return checkpoints.Policy(
        notes.parse_vkey(case["log_vkey"]),
        tuple(notes.parse_vkey(key) for key in case["witness_vkeys"]),
        case["policy"]["witness_quorum"],
    )


def test_inclusion_cases_are_answered_as_published() -> None:
    """Every inclusion proof is accepted or refused as the vectors say."""

    def check(case: Case) -> Callable[[], object]:
        return lambda: merkle.verify_inclusion(
            case["leaf_index"], case["tree_size"], b64decode(case["leaf_hash"]), hashes(case), b64decode(case["root"])
        )

    assert wrong("inclusion", check, 100) == []


def test_evd_08_consistency_cases_with_rewrite_deletion_and_rollback_are_answered_as_published() -> None:
    """Every consistency proof is accepted or refused as the vectors say."""

    def check(case: Case) -> Callable[[], object]:
        return lambda: merkle.verify_consistency(
            case["size1"], case["size2"], b64decode(case["root1"]), b64decode(case["root2"]), hashes(case)
        )

    assert wrong("consistency", check, 70) == []


def test_notes_are_answered_as_published() -> None:
    """A note is opened only when a known key signed it well, and names exactly those keys."""

    def opened(case: Case) -> bool:
        data = b64decode(case["note_b64"]) if "note_b64" in case else case["note"].encode()
        by = notes.open_note(data, [notes.parse_vkey(key) for key in case["vkeys"]])[1]
        return [f"{s.key.name}+{s.key.key_id.hex()}" for s in by] == case.get("verified")

    assert wrong("note", lambda case: lambda: opened(case), 10) == []


def test_verifier_keys_are_answered_as_published() -> None:
    """A vkey is read back with its name, id and type, and written as it was; a wrong one is refused."""

    def read(case: Case) -> bool:
        key = notes.parse_vkey(case["vkey"])
        facts = (key.name, key.key_id.hex(), key.algorithm, key.vkey())
        return facts == (case.get("name"), case.get("key_id"), case.get("type"), case["vkey"])

    assert wrong("vkey", lambda case: lambda: read(case), 8) == []


def test_checkpoint_texts_are_answered_as_published() -> None:
    """Signs, spaces, foreign digits, leading zeros and loose base64 are refused; what is read writes the same text."""

    def read(case: Case) -> bool:
        found = checkpoints.parse_checkpoint(case["text"])
        return found.text() == case["text"] and (found.origin, found.head.size) == (case["origin"], case["size"])

    assert wrong("checkpoint_text", lambda case: lambda: read(case), 13) == []


def test_proof_texts_are_answered_as_published() -> None:
    """Index, path and extra data are read strictly, and the proof writes the same text again."""

    def read(case: Case) -> bool:
        found = proofs.parse_proof(case["text"])
        extra = b64encode(found.extra).decode() if found.extra is not None else None
        path = [b64encode(node).decode() for node in found.path]
        same = (found.index, path, extra) == (case["index"], case["hashes"], case["extra"])
        return same and found.text() == case["text"]

    assert wrong("tlog_proof_text", lambda case: lambda: read(case), 7) == []


def test_evd_08_signed_checkpoints_are_answered_under_their_policies() -> None:
    """Missing log signature, edited time, one witness twice, too small a quorum: refused."""
    assert (
        wrong("checkpoints", lambda c: lambda: checkpoints.open_checkpoint(c["checkpoint"].encode(), policy(c)), 38)
        == []
    )


def test_proofs_with_their_entries_are_answered_under_their_policies() -> None:
    """A proof stands for its own entry only."""

    def check(case: Case) -> Callable[[], object]:
        return lambda: proofs.verify_proof(case["proof_text"], b64decode(case["leaf_b64"]), policy(case))

    assert wrong("tlog_proofs", check, 23) == []


def test_roots_are_those_of_the_vectors() -> None:
    """The root from stored nodes and the root of the frontier agree with the vectors."""
    found = cases("roots")
    nodes = reader(517)
    for case in found:
        size, expected = case["size"], b64decode(case["root"])
        assert merkle.root(size, nodes) == expected
        assert merkle.frontier(size, nodes).root() == expected


def test_tiles_and_entry_bundles_have_the_bytes_of_the_vectors() -> None:
    """Paths, lengths and digests of every tile and bundle, full and partial."""
    nodes = reader(517)
    for case in cases("tiles"):
        size = case["size"]
        made = [(t.path(), tiles.encode_tile(t, nodes)) for t in tiles.grown(0, size)]
        assert [facts(path, data) for path, data in made] == case["tiles"]
        bundles = [(t.path(), bundle(t)) for t in tiles.bundles_grown(0, size)]
        assert [facts(path, data) for path, data in bundles] == case["entry_bundles"]


def bundle(tile: tiles.Tile) -> bytes:
    first = tile.index * tiles.TILE_WIDTH
    return tiles.encode_bundle([leaf(i) for i in range(first, first + tile.width)])


def facts(path: str, data: bytes) -> Case:
    return {"path": path, "sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def test_evd_08_the_witness_answers_every_step_of_the_script() -> None:
    """Rewrites, rollbacks, split views and strangers are refused with the statuses of the protocol."""
    for script in cases("witness_protocol"):
        key = notes.parse_vkey(script["known_log_vkey"])
        known = {key.name: witness.KnownLog((key,))}
        for step in script["steps"]:
            answer = witness.add_checkpoint(step["request_body"].encode(), known)
            assert answer.status == step["status"], step["name"]
            if "response_body" in step:
                assert (answer.body, answer.content_type) == (step["response_body"], witness.SIZE_TYPE)
            if answer.accepted:
                known[key.name] = witness.KnownLog((key,), answer.accepted.head)
