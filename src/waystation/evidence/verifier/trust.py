"""Whose word counts: the auditor's keys, and the checkpoint that they signed (C2SP signed-note, tlog-checkpoint)."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from waystation.evidence.verifier.ed25519 import ed25519_verifies
from waystation.evidence.verifier.strict import Members, Refused, TrustError, base64_bytes, number, read_json


@dataclass(frozen=True)
class Key:
    """A C2SP verifier key: type 1 signs as a log, type 4 cosigns as a witness."""

    name: str
    key_id: bytes
    kind: int
    public: bytes

    @staticmethod
    def read(text: Any, kind: int) -> Key:
        """The key of a `name+id+key` text; ValueError when it is not one of this type."""
        name, key_id, material = text.split("+", 2) if isinstance(text, str) and text.count("+") >= 2 else ("", "", "")
        data = base64_bytes(material, 33)
        right = sha256(name.encode() + b"\n" + data).digest()[:4]
        if not name or any(c.isspace() for c in name) or data[0] != kind or key_id != right.hex():
            raise ValueError(f"{text!r} is not a verifier key of type {kind}")
        return Key(name, right, kind, data[1:])

    def verifies(self, text: str, value: bytes) -> bool:
        """True when `value` is this key's signature, or witness's cosignature, on the note's text."""
        if self.kind == 1:
            return ed25519_verifies(self.public, text.encode(), value)
        time_s = int.from_bytes(value[:8], "big")
        return ed25519_verifies(self.public, f"cosignature/v1\ntime {time_s}\n{text}".encode(), value[8:])


@dataclass(frozen=True)
class Trust:
    """The auditor's own word: whose log, which witnesses, how many of them, and a head seen before."""

    origin: str
    log: Key
    witnesses: tuple[Key, ...]
    quorum: int
    known: tuple[int, bytes] | None = None
    stampers: tuple[str, ...] = ()  # certificates of time-stamping authorities, base64 of DER


def read_trust(value: Any, schema: str = "waystation.trust/1") -> Trust:
    """The trust file's meaning; TrustError says what is wrong with it."""
    try:
        if value["schema"] != schema:
            raise ValueError(f"its schema is {value['schema']!r}, not {schema}")
        origin, log = value["log"]["origin"], Key.read(value["log"]["vkey"], 1)
        witnesses = tuple(Key.read(text, 4) for text in value["witnesses"])
        quorum, people, head = value["quorum"], {key.public for key in witnesses}, value.get("known_head")
        stampers = tuple(value.get("time_stampers", ()))
        if not all(isinstance(text, str) and base64_bytes(text) for text in stampers):
            raise ValueError("time_stampers are certificates in base64")
        known = (number(str(head["size"])), base64_bytes(head["root"], 32)) if head else None
        if type(quorum) is not int or not 0 <= quorum <= len(people) or log.public in people or not origin:
            raise ValueError(
                f"{len(people)} different witnesses, none of them the log, cannot make a quorum of {quorum!r}"
            )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise TrustError(f"the keys cannot be used: {type(error).__name__} {error}") from error
    return Trust(origin, log, witnesses, quorum, known, stampers)


@dataclass(frozen=True)
class Head:
    """A checkpoint whose signatures hold: size, root, and the trusted witnesses who cosigned it."""

    size: int
    root: bytes
    cosigned: tuple[str, ...]
    text: bytes = b""


def check_policy(members: Members, trust: Trust) -> Trust:
    """The pack's own keys; the log must be the auditor's, and no witness of the auditor may be left out."""
    value = read_json(members, "policy.json", dict)
    try:
        stated = read_trust(value, "waystation.policy/1")
    except TrustError as error:
        raise Refused("policy.json", str(error)) from error
    if (stated.origin, stated.log) != (trust.origin, trust.log):
        raise Refused(
            "policy.json", f"the pack is from log {stated.log.name}, not with the key you trust for {trust.origin}"
        )
    for key in trust.witnesses:
        if key not in stated.witnesses:
            raise Refused("policy.json", f"it does not state {key.name}, a witness that you trust, with your key")
    return stated


def check_checkpoint(members: Members, trust: Trust, stated: Trust) -> Head:
    """The signed head. Every signature line must be by a key that policy.json states, once, and must hold."""
    try:
        text, _, block = bytes(members["checkpoint"]).decode().partition("\n\n")
        origin, size, root = (text := text + "\n").split("\n")[:3]
        head = number(size), base64_bytes(root, 32)
        lines = block.split("\n")
        if lines.pop() or not all(text.split("\n")[:-1]):
            raise ValueError("it does not end in a newline, or has an empty line")
        signed = [_signer(line, text, (stated.log, *stated.witnesses)) for line in lines]
    except ValueError as error:
        raise Refused("checkpoint", f"it is not a checkpoint with good signatures: {error}") from error
    if origin != trust.origin or len(set(signed)) != len(signed) or trust.log not in signed:
        raise Refused("checkpoint", f"it is not signed, once, by the log {trust.origin}")
    cosigned = {key.public: key.name for key in signed if key in trust.witnesses}
    if len(cosigned) < trust.quorum:
        raise Refused("checkpoint", f"{len(cosigned)} of the {trust.quorum} witnesses that you demand cosigned it")
    return Head(*head, tuple(sorted(cosigned.values())), text.encode())


def _signer(line: str, text: str, keys: tuple[Key, ...]) -> Key:
    """The key that made a signature line on the text."""
    dash, _, rest = line.partition(" ")
    name, _, encoded = rest.partition(" ")
    data = base64_bytes(encoded)
    key = next((k for k in keys if (k.name, k.key_id) == (name, data[:4])), None)
    if dash != "\u2014" or key is None or not key.verifies(text, data[4:]):
        raise ValueError(f"the line by {name!r} is not a good signature by a stated key")
    return key
