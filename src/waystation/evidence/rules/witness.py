"""The witness's side and the log's side of `add-checkpoint` (C2SP tlog-witness), without any transport.

Who serves it must decide and store the new head in one transaction: two requests at once must not both pass.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waystation.evidence.rules import notes
from waystation.evidence.rules.checkpoints import Checkpoint, Head, parse_checkpoint
from waystation.evidence.rules.merkle import EMPTY_ROOT, verify_consistency
from waystation.evidence.rules.notes import Note, NoteSignature, VerifierKey
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound, Refusal, Unavailable

MAX_PROOF_LINES = 63
MAX_REQUEST_BYTES = 64 * 1024
SIZE_TYPE = "text/x.tlog.size"
TEXT_TYPE = "text/plain; charset=utf-8"
NOTHING_SEEN = Head(0, EMPTY_ROOT)


@dataclass(frozen=True, slots=True)
class KnownLog:
    """What a witness knows of a log: its keys and the last head that it cosigned."""

    keys: tuple[VerifierKey, ...]
    head: Head = NOTHING_SEEN


@dataclass(frozen=True, slots=True)
class Answer:
    """What a witness answers. With status 200, `accepted` is to be stored and then cosigned; the body is the line."""

    status: int
    body: str = ""
    content_type: str = TEXT_TYPE
    accepted: Checkpoint | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """An add-checkpoint request as parsed."""

    old_size: int
    proof: tuple[bytes, ...]
    note: Note
    checkpoint: Checkpoint


def format_request(old_size: int, proof: Sequence[bytes], checkpoint_note: bytes) -> bytes:
    """The body that a log sends: old size, consistency proof, empty line, checkpoint."""
    lines = [f"old {old_size}", *(b64encode(node).decode() for node in proof), "", ""]
    return "\n".join(lines).encode() + checkpoint_note


def parse_request(body: bytes) -> Request:
    """The request that a body says, strictly; signatures are not verified yet."""
    if len(body) > MAX_REQUEST_BYTES:
        raise BadInput("evidence.request", f"The request has {len(body)} bytes; the limit is {MAX_REQUEST_BYTES}.")
    head, gap, note = body.partition(b"\n\n")
    try:
        lines = head.decode("ascii").split("\n")
    except UnicodeDecodeError as error:
        raise BadInput("evidence.request", "The old size and proof lines are ASCII.") from error
    if not gap or not lines[0].startswith("old ") or len(lines) - 1 > MAX_PROOF_LINES:
        raise BadInput("evidence.request", "The request starts with `old SIZE` and at most 63 proof lines.")
    parsed = notes.parse_note(note)
    proof = tuple(notes.hash_of(line, "proof line") for line in lines[1:])
    return Request(notes.number(lines[0][4:], "old size"), proof, parsed, parse_checkpoint(parsed.text))


def add_checkpoint(body: bytes, known: Mapping[str, KnownLog]) -> Answer:
    """Decide an add-checkpoint request; `known` maps a log's origin to what the witness knows of it."""
    try:
        request = parse_request(body)
    except BadInput as refusal:
        return Answer(400, f"{refusal.message}\n")
    log = known.get(request.checkpoint.origin)
    if log is None:
        return Answer(404, "This witness does not know the log.\n")
    if not _signed_by(request.note, log.keys):
        return Answer(403, "No key that this witness trusts for the log signed the checkpoint.\n")
    return _decide(request, log.head)


def _signed_by(note: Note, keys: Sequence[VerifierKey]) -> bool:
    try:
        return bool(notes.signers(note, keys))
    except Refusal:
        return False


def _decide(request: Request, last: Head) -> Answer:
    new = request.checkpoint.head
    if request.old_size > new.size:
        return Answer(400, "The old size is larger than the checkpoint's.\n")
    if request.old_size != last.size:
        return Answer(409, f"{last.size}\n", SIZE_TYPE)
    if not verify_consistency(last.size, new.size, last.root, new.root, request.proof):
        return Answer(422, "The checkpoint does not continue the log that this witness has seen.\n")
    return Answer(200, accepted=request.checkpoint)


def read_answer(status: int, body: str, text: str, witness: VerifierKey) -> NoteSignature:
    """The cosignature in a witness's answer to the checkpoint `text`; every other answer becomes its refusal.

    A Conflict's code is `evidence.witness_ahead`; `witness_size` reads the size that the witness holds.
    """
    if status == 409:
        raise Conflict("evidence.witness_ahead", f"{witness.name} holds a head of {witness_size(body)} entries.")
    if status == 422:
        raise Conflict(
            "evidence.witness_refused",
            f"{witness.name} says that this head does not continue what it has seen.",
            "Treat this as tampering until it is explained: keep both heads and tell the auditor.",
        )
    if status == 404:
        raise NotFound("evidence.witness_unknown_log", f"{witness.name} does not know this log.")
    if status == 403:
        raise NotAllowed("evidence.witness_key", f"{witness.name} does not trust the log's key.")
    if status != 200:
        raise Unavailable("evidence.witness_down", f"{witness.name} answered {status}.")
    note = notes.parse_note((text + "\n" + body).encode())
    if not notes.signers(note, [witness]):
        raise BadInput("evidence.witness_answer", f"The answer holds no cosignature by {witness.name}.")
    return next(s for s in note.signatures if (s.name, s.key_id) == (witness.name, witness.key_id))


def witness_size(body: str) -> int:
    """The size in the body of a 409 answer."""
    return notes.number(body.removesuffix("\n"), "size")
