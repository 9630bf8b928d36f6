"""Proofs as text (C2SP tlog-proof): one entry's place in a log, with the checkpoint that vouches for it."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass

from waystation.evidence.rules import notes
from waystation.evidence.rules.checkpoints import Opened, Policy, open_checkpoint
from waystation.evidence.rules.merkle import leaf_hash, verify_inclusion
from waystation.kernel.refusals import BadInput

HEADER = "c2sp.org/tlog-proof@v1"
MAX_HASHES = 63


@dataclass(frozen=True, slots=True)
class TlogProof:
    """A proof as parsed: the entry's index, the path up to the root, the checkpoint verbatim, opaque extra data."""

    index: int
    path: tuple[bytes, ...]
    checkpoint: bytes
    extra: bytes | None = None

    def text(self) -> str:
        """The `.tlog-proof` text."""
        lines = [HEADER]
        if self.extra is not None:
            lines.append(f"extra {b64encode(self.extra).decode()}")
        lines.append(f"index {self.index}")
        lines += [b64encode(node).decode() for node in self.path]
        return "\n".join(lines) + "\n\n" + self.checkpoint.decode()


def parse_proof(text: str) -> TlogProof:
    """The proof that a text says, strictly; the checkpoint inside is not opened."""
    head, gap, checkpoint = text.partition("\n\n")
    lines = head.split("\n")
    if lines.pop(0) != HEADER or not gap or not checkpoint:
        raise BadInput("evidence.proof", f"A proof starts with {HEADER} and holds a checkpoint.")
    extra = notes.base64_bytes(lines.pop(0)[6:], "extra") if lines and lines[0].startswith("extra ") else None
    if not lines or not lines[0].startswith("index "):
        raise BadInput("evidence.proof", "The proof does not say its index.")
    index = notes.number(lines.pop(0)[6:], "index")
    if len(lines) > MAX_HASHES:
        raise BadInput("evidence.proof", f"The proof has {len(lines)} hashes; no tree needs more than {MAX_HASHES}.")
    return TlogProof(index, tuple(notes.hash_of(line, "hash") for line in lines), checkpoint.encode(), extra)


def verify_proof(text: str, entry: bytes, policy: Policy) -> tuple[TlogProof, Opened]:
    """The proof and its opened checkpoint, when `entry` stands at its index under this policy; else a refusal."""
    proof = parse_proof(text)
    opened = open_checkpoint(proof.checkpoint, policy)
    head = opened.checkpoint.head
    if not verify_inclusion(proof.index, head.size, leaf_hash(entry), proof.path, head.root):
        raise BadInput(
            "evidence.not_included",
            f"This entry is not the one at index {proof.index} of the log of {head.size} entries.",
            "Compare the entry with the log's own copy: one of the two was changed.",
        )
    return proof, opened
