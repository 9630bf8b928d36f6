"""What a witness remembers: its key, the logs it watches, and the last head of each that it cosigned.

A head is on the disk before its cosignature leaves the house, so whenever the process dies, a witness that was started
again never cosigns a head that does not continue one it cosigned. One process at a time holds the folder.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import threading
from base64 import b64decode, b64encode
from contextlib import suppress
from pathlib import Path
from typing import Any

from waystation.evidence.rules import notes, signing, witness
from waystation.evidence.rules.checkpoints import Head
from waystation.evidence.rules.notes import COSIGNATURE_V1, ED25519, VerifierKey
from waystation.evidence.rules.witness import Answer, KnownLog
from waystation.kernel.refusals import BadInput, Conflict, NotReady

SCHEMA = "waystation.witness/1"
KEY_FILE, STATE_FILE, LOCK_FILE = "key", "witness.json", "lock"


def make(folder: Path, name: str) -> VerifierKey:
    """A new witness: its key (mode 0600) and an empty memory. Conflict when the folder holds one."""
    if not notes.is_name(name):
        raise BadInput(
            "witness.name",
            f"{name!r} cannot be a witness's name: it has a space, a plus sign or nothing.",
            "Write a name like witness.example.org/qa.",
            field="name",
            value=name,
        )
    if (folder / KEY_FILE).exists() or (folder / STATE_FILE).exists():
        raise Conflict("witness.exists", f"{folder} holds a witness.", "Serve it, or choose another --state.")
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    seed = secrets.token_bytes(signing.SEED_BYTES)
    _write(folder, STATE_FILE, json.dumps({"schema": SCHEMA, "name": name, "logs": {}}, indent=1).encode())
    _write(folder, KEY_FILE, seed.hex().encode())
    return VerifierKey(name, COSIGNATURE_V1, signing.public_of(seed))


class Witness:
    """An opened witness. `answer` may be called from several threads."""

    def __init__(self, folder: Path) -> None:
        """NotReady when there is none or its memory cannot be read; Conflict while another process holds it."""
        self._folder, self._turn = folder, threading.Lock()
        try:
            self._lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise Conflict("witness.held", f"Another process serves {folder}.", "Stop it first.") from None
        except OSError as error:
            raise _unreadable(folder, str(error)) from None
        try:
            self._read()
        except (OSError, KeyError, TypeError, AttributeError, ValueError, BadInput) as error:
            self.close()
            raise _unreadable(folder, f"{type(error).__name__} {error}") from None

    def _read(self) -> None:
        held = json.loads((self._folder / STATE_FILE).read_bytes())
        if held["schema"] != SCHEMA:
            raise ValueError(f"its schema is {held['schema']!r}")
        seed = bytes.fromhex((self._folder / KEY_FILE).read_text().strip())
        self.key = VerifierKey(held["name"], COSIGNATURE_V1, signing.public_of(seed))
        self._sign = signing.signer(seed)
        self.logs = {origin: _known(one) for origin, one in held["logs"].items()}

    def watch(self, vkey: str) -> str:
        """From now on cosign the log with this key; returns its origin. Conflict for another key of a known log."""
        key = notes.parse_vkey(vkey)
        if key.algorithm != ED25519:
            raise BadInput(
                "witness.log_key", f"{key.name} is no log's key: it is of type {key.algorithm}.", field="log"
            )
        with self._turn:
            known = self.logs.get(key.name)
            if known is not None and key not in known.keys:
                raise Conflict(
                    "witness.other_key",
                    f"{key.name} is watched under another key, up to {known.head.size} entries.",
                    "A new key needs a new log name. Ask the platform's owner why the key changed.",
                )
            if known is None:
                self._keep(key.name, KnownLog((key,)))
        return key.name

    def answer(self, body: bytes, time_s: int) -> Answer:
        """The answer to an add-checkpoint request, cosigned at `time_s` (POSIX) where the head continues the last."""
        with self._turn:
            found = witness.add_checkpoint(body, self.logs)
            if found.accepted is None:
                return found
            checkpoint = found.accepted
            if checkpoint.head != self.logs[checkpoint.origin].head:
                self._keep(checkpoint.origin, KnownLog(self.logs[checkpoint.origin].keys, checkpoint.head))
        line = notes.cosign_note(checkpoint.text(), self.key, self._sign, time_s).line()
        return Answer(200, line, found.content_type, checkpoint)

    def heads(self) -> str:
        """One line for each log: its origin, size and root, to print or to send around."""
        with self._turn:
            return "".join(f"{origin} {known.head.line()}\n" for origin, known in sorted(self.logs.items()))

    def close(self) -> None:
        """Let another process have the folder."""
        with suppress(OSError):
            os.close(self._lock)

    def _keep(self, origin: str, known: KnownLog) -> None:
        logs = {**self.logs, origin: known}
        told = {name: _told(one) for name, one in logs.items()}
        text = json.dumps({"schema": SCHEMA, "name": self.key.name, "logs": told}, indent=1, ensure_ascii=False)
        _write(self._folder, STATE_FILE, text.encode())
        self.logs = logs


def _told(known: KnownLog) -> dict[str, Any]:
    root = b64encode(known.head.root).decode()
    return {"vkeys": [key.vkey() for key in known.keys], "size": known.head.size, "root": root}


def _known(held: Any) -> KnownLog:
    root = b64decode(held["root"], validate=True)
    if type(held["size"]) is not int or held["size"] < 0 or len(root) != 32:
        raise ValueError("a head has a size and a root of 32 bytes")
    return KnownLog(tuple(notes.parse_vkey(text) for text in held["vkeys"]), Head(held["size"], root))


def _write(folder: Path, name: str, content: bytes) -> None:
    """A file that appears whole or not at all, and is on the disk when this returns."""
    partial = folder / f"{name}.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(folder / name)
    around = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(around)
    finally:
        os.close(around)


def _unreadable(folder: Path, why: str) -> NotReady:
    return NotReady(
        "witness.no_state",
        f"The witness in {folder} cannot be opened: {why}.",
        "Make one (waystation witness make), or bring its folder back whole: one that forgot must not cosign.",
    )
