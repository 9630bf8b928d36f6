"""Signed notes and verifier keys (C2SP signed-note), with witnesses' cosignatures (C2SP tlog-cosignature).

Parsing is strict: one text has one meaning. Numbers are ASCII digits without sign or leading zero, base64 is
the canonical form only, and a known key whose signature fails refuses the whole note.
"""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from waystation.evidence.rules.signing import PUBLIC_BYTES, SIGNATURE_BYTES, Sign, verifies
from waystation.kernel.refusals import BadInput, NotReady

ED25519 = 1
COSIGNATURE_V1 = 4
ALGORITHMS = {ED25519: "Ed25519", COSIGNATURE_V1: "cosignature/v1"}
MAX_NOTE_BYTES = 1_000_000
MAX_SIGNATURES = 100
MAX_COUNT = 2**63 - 1
_DASH = "\u2014 "
_NUMBER = re.compile(r"0|[1-9][0-9]{0,18}")
_KEY_ID = re.compile(r"[0-9a-f]{8}")


@dataclass(frozen=True, slots=True)
class VerifierKey:
    """A public key under a name: what a `vkey` text says."""

    name: str
    algorithm: int
    public: bytes

    @property
    def key_id(self) -> bytes:
        """The first four bytes of SHA-256 over name, newline, algorithm and key (signed-note, Signatures)."""
        return sha256(self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public).digest()[:4]

    def vkey(self) -> str:
        """`name+id+key`, as it stands in a trust file."""
        material = b64encode(bytes([self.algorithm]) + self.public).decode()
        return f"{self.name}+{self.key_id.hex()}+{material}"


@dataclass(frozen=True, slots=True)
class NoteSignature:
    """One signature line: the name and key id it claims, and the bytes behind them."""

    name: str
    key_id: bytes
    value: bytes

    def line(self) -> str:
        """The line as it stands in a note, with its newline."""
        return f"{_DASH}{self.name} {b64encode(self.key_id + self.value).decode()}\n"


@dataclass(frozen=True, slots=True)
class Note:
    """A note as parsed: its text (with the final newline) is worth nothing before `signers` has run."""

    text: str
    signatures: tuple[NoteSignature, ...]


@dataclass(frozen=True, slots=True)
class Signer:
    """A known key whose signature on a note is good; `time_s` (POSIX) only for a cosignature."""

    key: VerifierKey
    time_s: int | None = None


def number(text: str, what: str) -> int:
    """A decimal of ASCII digits with no sign, space or leading zero, at most 2^63 - 1."""
    if not _NUMBER.fullmatch(text) or int(text) > MAX_COUNT:
        raise BadInput("evidence.number", f"{what} is {text[:40]!r}, not a plain decimal number.", field=what)
    return int(text)


def base64_bytes(text: str, what: str) -> bytes:
    """The bytes of canonical, padded base64; noise and non-canonical trailing bits are refused."""
    try:
        data = b64decode(text.encode("ascii"), validate=True)
    except ValueError:
        data = b""
    if not data or b64encode(data).decode() != text:
        raise BadInput("evidence.base64", f"{what} is {text[:60]!r}, not canonical base64.", field=what)
    return data


def hash_of(text: str, what: str) -> bytes:
    """The 32 bytes of a base64 SHA-256."""
    data = base64_bytes(text, what)
    if len(data) != 32:
        raise BadInput("evidence.hash", f"{what} has {len(data)} bytes, not 32.", field=what)
    return data


def is_name(name: str) -> bool:
    """True for a key name: not empty, no Unicode space, no plus sign, no control character."""
    return bool(name) and "+" not in name and not any(c.isspace() or ord(c) < 32 for c in name)


def parse_vkey(text: str) -> VerifierKey:
    """The key of a `name+id+key` text; a wrong key id, an unknown algorithm or a bad length is refused."""
    name, _, rest = text.partition("+")
    key_id, _, material = rest.partition("+")
    if not is_name(name) or not _KEY_ID.fullmatch(key_id):
        raise BadInput("evidence.vkey", f"{text[:80]!r} is not a verifier key (name+id+key).", field="vkey", value=text)
    data = base64_bytes(material, "key")
    key = VerifierKey(name, data[0], data[1:])
    if key.algorithm not in ALGORITHMS or len(key.public) != PUBLIC_BYTES:
        raise BadInput(
            "evidence.vkey_algorithm",
            f"The key of {name} is of type {data[0]} with {len(data) - 1} bytes; types 1 and 4 with 32 are known.",
            field="vkey",
        )
    if key.key_id.hex() != key_id:
        raise BadInput("evidence.vkey_id", f"The key of {name} has id {key.key_id.hex()}, not {key_id}.", field="vkey")
    return key


def parse_note(data: bytes) -> Note:
    """Text and signature lines of a signed note; nothing is verified yet."""
    if len(data) > MAX_NOTE_BYTES:
        raise _malformed(f"it has {len(data)} bytes")
    try:
        whole = data.decode()
    except UnicodeDecodeError as error:
        raise _malformed("it is not UTF-8") from error
    if any(ord(c) < 32 and c != "\n" for c in whole):
        raise _malformed("it holds a control character")
    at = whole.rfind("\n\n")
    if at < 0 or not whole.endswith("\n") or at + 2 == len(whole):
        raise _malformed("it has no signature lines")
    lines = whole[at + 2 : -1].split("\n")
    if len(lines) > MAX_SIGNATURES:
        raise _malformed(f"it has {len(lines)} signatures")
    return Note(whole[: at + 1], tuple(parse_signature_line(line) for line in lines))


def parse_signature_line(line: str) -> NoteSignature:
    """One `— name base64` line, without its newline."""
    name, space, encoded = line.removeprefix(_DASH).partition(" ")
    if not line.startswith(_DASH) or not space or not is_name(name):
        raise _malformed(f"{line[:60]!r} is not a signature line")
    data = base64_bytes(encoded, "signature")
    if len(data) < 5:
        raise _malformed(f"the signature of {name} is too short")
    return NoteSignature(name, data[:4], data[4:])


def signers(note: Note, keys: Iterable[VerifierKey]) -> list[Signer]:
    """The known keys that signed, in the order of the lines, each public key once; unknown keys are passed over.

    A known key whose signature fails refuses the note. An empty list means that nobody known signed.
    """
    known = {(key.name, key.key_id): key for key in keys}
    found: dict[bytes, Signer] = {}
    for signature in note.signatures:
        key = known.get((signature.name, signature.key_id))
        if key is None:
            continue
        time_s = _checked(note.text, signature, key)
        found.setdefault(bytes([key.algorithm]) + key.public, Signer(key, time_s))
    return list(found.values())


def open_note(data: bytes, keys: Iterable[VerifierKey]) -> tuple[str, list[Signer]]:
    """The text of a note that at least one known key signed, with those keys."""
    note = parse_note(data)
    by = signers(note, keys)
    if not by:
        raise NotReady(
            "evidence.unsigned", "No known key signed this note.", "Check that the trust file is the right one."
        )
    return note.text, by


def sign_note(text: str, key: VerifierKey, sign: Sign) -> NoteSignature:
    """A plain Ed25519 signature on a note's text."""
    return NoteSignature(key.name, key.key_id, sign(text.encode()))


def cosign_note(text: str, key: VerifierKey, sign: Sign, time_s: int) -> NoteSignature:
    """A witness's cosignature/v1 on a checkpoint's text, made at `time_s` (POSIX seconds)."""
    return NoteSignature(key.name, key.key_id, time_s.to_bytes(8, "big") + sign(_cosigned(text, time_s)))


def _cosigned(text: str, time_s: int) -> bytes:
    return f"cosignature/v1\ntime {time_s}\n{text}".encode()


def _checked(text: str, signature: NoteSignature, key: VerifierKey) -> int | None:
    """The time of a good cosignature, None for a good plain signature; anything else is refused."""
    value, message, time_s = signature.value, text.encode(), None
    if key.algorithm == COSIGNATURE_V1:
        time_s, value = int.from_bytes(value[:8], "big"), value[8:]
        message = _cosigned(text, time_s)
    if len(value) != SIGNATURE_BYTES or (time_s or 0) > MAX_COUNT or not verifies(key.public, message, value):
        raise BadInput("evidence.bad_signature", f"The signature by {key.name} does not fit this text.", field="note")
    return time_s


def _malformed(why: str) -> BadInput:
    return BadInput("evidence.note", f"This is not a signed note: {why}.", field="note")
