"""Checkpoints (C2SP tlog-checkpoint): the signed head of a log, and who must have signed it."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass

from waystation.evidence.rules import notes
from waystation.evidence.rules.merkle import EMPTY_ROOT
from waystation.evidence.rules.notes import COSIGNATURE_V1, ED25519, NoteSignature, Signer, VerifierKey
from waystation.evidence.rules.signing import Sign
from waystation.kernel.refusals import BadInput, NotReady


@dataclass(frozen=True, slots=True)
class Head:
    """How large a log is and what its root is."""

    size: int
    root: bytes

    def line(self) -> str:
        """Size and root on one line, for the site binder."""
        return f"{self.size} {b64encode(self.root).decode()}"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The text of a checkpoint: the log's origin, its head, and extension lines."""

    origin: str
    head: Head
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note text that the log and its witnesses sign."""
        lines = (self.origin, str(self.head.size), b64encode(self.head.root).decode(), *self.extensions)
        return "".join(f"{line}\n" for line in lines)


@dataclass(frozen=True, slots=True)
class Policy:
    """Whom to believe: the log's key, the witnesses' keys, and how many witnesses must have cosigned."""

    log: VerifierKey
    witnesses: tuple[VerifierKey, ...] = ()
    quorum: int = 0
    origin: str = ""

    def __post_init__(self) -> None:
        people = {key.public for key in self.witnesses}
        if self.log.algorithm != ED25519 or any(key.algorithm != COSIGNATURE_V1 for key in self.witnesses):
            raise BadInput("evidence.policy_keys", "A log key is of type 1 and a witness key of type 4.")
        if self.log.public in people:
            raise BadInput("evidence.policy_keys", f"The log {self.log.name} cannot be its own witness.")
        if not 0 <= self.quorum <= len(people):
            raise BadInput(
                "evidence.quorum",
                f"A quorum of {self.quorum} cannot be met by {len(people)} witnesses.",
                "Set a quorum between 0 and the number of witnesses.",
                field="quorum",
                value=self.quorum,
            )


@dataclass(frozen=True, slots=True)
class Opened:
    """A checkpoint whose signatures were verified, with the cosignatures of the policy's witnesses."""

    checkpoint: Checkpoint
    witnesses: tuple[Signer, ...]


def parse_checkpoint(text: str) -> Checkpoint:
    """The checkpoint that a note text says, strictly; the text ends in a newline and has no empty line."""
    lines = text.split("\n")
    if len(lines) < 4 or lines[-1] or not all(lines[:-1]):
        raise BadInput("evidence.checkpoint", "A checkpoint has an origin, a size and a root, each on its line.")
    size = notes.number(lines[1], "size")
    root = notes.hash_of(lines[2], "root")
    if size == 0 and root != EMPTY_ROOT:
        raise BadInput("evidence.checkpoint_root", "An empty log has one root only, and this is another.", field="root")
    return Checkpoint(lines[0], Head(size, root), tuple(lines[3:-1]))


def sign_checkpoint(checkpoint: Checkpoint, key: VerifierKey, sign: Sign) -> bytes:
    """The checkpoint as a note signed by the log."""
    text = checkpoint.text()
    return (text + "\n" + notes.sign_note(text, key, sign).line()).encode()


def add_signatures(note: bytes, signatures: Iterable[NoteSignature]) -> bytes:
    """The note with more signature lines below; a line that it already has is not repeated."""
    whole = note.decode()
    for signature in signatures:
        if signature.line() not in whole:
            whole += signature.line()
    return whole.encode()


def open_checkpoint(note: bytes, policy: Policy) -> Opened:
    """The checkpoint that the log signed and a quorum of different witnesses cosigned, under this policy."""
    parsed = notes.parse_note(note)
    by = notes.signers(parsed, (policy.log, *policy.witnesses))
    if all(signer.key != policy.log for signer in by):
        raise NotReady("evidence.not_by_log", f"The log {policy.log.name} did not sign this checkpoint.")
    checkpoint = parse_checkpoint(parsed.text)
    if checkpoint.origin != (policy.origin or policy.log.name):
        raise BadInput("evidence.origin", f"The checkpoint is of {checkpoint.origin}, not of {policy.origin}.")
    witnesses = tuple(signer for signer in by if signer.time_s is not None)
    if len(witnesses) < policy.quorum:
        raise NotReady(
            "evidence.unwitnessed",
            f"{len(witnesses)} of {policy.quorum} needed witnesses cosigned the head of size {checkpoint.head.size}.",
            "Ask the missing witnesses, or wait for them.",
        )
    return Opened(checkpoint, witnesses)
