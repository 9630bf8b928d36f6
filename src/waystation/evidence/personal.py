"""The keys of people: for each person a key and a salt, in a file of their own that no backup of the platform holds.

An entry never holds a personal field, nor a digest that somebody could guess it by: it holds SHA-256 over the salt and
the value. In a backup the fields stand under the person's key. Destroying key and salt takes both away everywhere.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.conf import settings

from waystation.kernel.canonical import canonical

ERASED = "erased"
SCHEMA = b"waystation.person/1"
NONCE = 12


@dataclass(frozen=True, slots=True)
class PersonKey:
    """An AES-256-GCM key and a salt, 32 random bytes each."""

    key: bytes
    salt: bytes

    def seal(self, person_id: UUID, fields: Mapping[str, Any]) -> str:
        """The fields under the key, bound to the person, as hexadecimal text; each time another text."""
        nonce = os.urandom(NONCE)
        bound = SCHEMA + person_id.bytes
        return (nonce + AESGCM(self.key).encrypt(nonce, json.dumps(dict(fields)).encode(), bound)).hex()

    def open(self, person_id: UUID, sealed: str) -> dict[str, Any] | None:
        """The fields again; None where they were sealed under another key, for another person, or changed."""
        try:
            data = bytes.fromhex(sealed)
            text = AESGCM(self.key).decrypt(data[:NONCE], data[NONCE:], SCHEMA + person_id.bytes)
        except (InvalidTag, ValueError):
            return None
        fields: dict[str, Any] = json.loads(text)
        return fields


class PeopleKeys:
    """The file of keys. A destroyed one is overwritten in it, and its person stays listed as erased."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, person_id: UUID) -> PersonKey | None:
        """The key of a person; None for one that was destroyed, or never made."""
        with self._open() as held:
            row = held.execute("SELECT key, salt FROM person WHERE id = ?", (str(person_id),)).fetchone()
        return PersonKey(row[0], row[1]) if row is not None and row[0] is not None else None

    def find_or_make(self, person_id: UUID) -> PersonKey | None:
        """The key of a person, made at first need and never again once it was destroyed."""
        with self._open() as held:
            fresh = (str(person_id), os.urandom(32), os.urandom(32))
            held.execute("INSERT OR IGNORE INTO person (id, key, salt) VALUES (?, ?, ?)", fresh)
            held.commit()
            key, salt = held.execute("SELECT key, salt FROM person WHERE id = ?", (str(person_id),)).fetchone()
        return PersonKey(key, salt) if key is not None else None

    def destroy(self, person_id: UUID) -> None:
        """Overwrite key and salt of a person for good. Repeating it changes nothing."""
        with self._open() as held:
            held.execute("INSERT OR IGNORE INTO person (id) VALUES (?)", (str(person_id),))
            held.execute("UPDATE person SET key = NULL, salt = NULL WHERE id = ?", (str(person_id),))
            held.commit()

    def erased(self) -> set[UUID]:
        """Whose keys were destroyed."""
        with self._open() as held:
            return {UUID(row[0]) for row in held.execute("SELECT id FROM person WHERE key IS NULL")}

    def content(self) -> bytes:
        """The whole file, for a copy of its own."""
        with self._open() as held:
            return held.serialize()

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not self.path.exists():
            os.close(os.open(self.path, os.O_WRONLY | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(self.path, timeout=30)) as held:
            held.execute("PRAGMA secure_delete = ON")  # what is removed is overwritten with zeros
            held.execute("PRAGMA synchronous = FULL")
            held.execute("CREATE TABLE IF NOT EXISTS person (id TEXT PRIMARY KEY, key BLOB, salt BLOB)")
            yield held


def people_keys() -> PeopleKeys:
    """The keys of this installation's people."""
    return PeopleKeys(Path(settings.DATA) / "people" / "keys.sqlite3")


def commitment(person_id: UUID, column: str, value: Any) -> str:
    """What an entry holds in the place of a personal field: SHA-256 over salt, column and value, in hexadecimal.

    `erased` once the person's salt is destroyed: the values before it can then be neither shown nor guessed.
    """
    key = people_keys().find_or_make(person_id)
    return ERASED if key is None else sha256(key.salt + canonical([column, value])).hexdigest()
