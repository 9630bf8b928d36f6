"""Receipts: the log's signed word, given at once, that entries are in it. A signed note (C2SP signed-note) of its own.

Text of the note: `waystation.receipt/1`, the log's origin, the instant (RFC 3339), then the hash of each leaf in
base64. The first line is no origin, so that no receipt can pass for a checkpoint. An entry that the log does not hold
later, though somebody holds its receipt, was taken away.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from waystation.evidence.rules import notes
from waystation.evidence.rules.notes import VerifierKey
from waystation.evidence.rules.signing import Sign
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import BadInput

SCHEMA = "waystation.receipt/1"
MOST = 100


@dataclass(frozen=True, slots=True)
class Promise:
    """What a receipt says: of which log, when, and the hashes of the leaves (32 bytes each)."""

    origin: str
    at: datetime
    leaves: tuple[bytes, ...]

    def text(self) -> str:
        """The text that is signed."""
        hashes = (b64encode(leaf).decode() for leaf in self.leaves)
        return "".join(f"{line}\n" for line in (SCHEMA, self.origin, instant(self.at), *hashes))


def signed(promise: Promise, key: VerifierKey, sign: Sign) -> bytes:
    """The receipt as a note signed by the log."""
    text = promise.text()
    return (text + "\n" + notes.sign_note(text, key, sign).line()).encode()


def opened(note: bytes, keys: Iterable[VerifierKey]) -> Promise:
    """What a receipt says that one of these keys signed under the name of its log; refused otherwise."""
    text, by = notes.open_note(note, keys)
    promise = parsed(text)
    if all(signer.key.name != promise.origin for signer in by):
        raise BadInput("evidence.receipt", f"The log {promise.origin} did not sign this receipt.", field="receipt")
    return promise


def parsed(text: str) -> Promise:
    """The meaning of a receipt's text, strictly: another spelling of the same is refused."""
    lines = text.split("\n")[:-1]
    if len(lines) < 4 or lines[0] != SCHEMA or len(lines) > MOST + 3:
        raise BadInput(
            "evidence.receipt", "This is no receipt of entries.", "Give it as the reply had it.", field="receipt"
        )
    try:
        at = datetime.fromisoformat(lines[2])
    except ValueError:
        raise BadInput("evidence.receipt", f"{lines[2][:40]!r} is no instant.", field="receipt") from None
    promise = Promise(lines[1], at, tuple(notes.hash_of(line, "leaf") for line in lines[3:]))
    if at.tzinfo is None or promise.text() != text:
        raise BadInput("evidence.receipt", "The receipt is not spelt as receipts are.", field="receipt")
    return promise


def parts(leaves: Sequence[bytes]) -> list[Sequence[bytes]]:
    """The leaves in runs of as many as one receipt holds."""
    return [leaves[first : first + MOST] for first in range(0, len(leaves), MOST)]
