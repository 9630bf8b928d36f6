"""Keys in a backup: sealed with a passphrase (scrypt, AES-256-GCM), or not there at all."""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Mapping
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from waystation.kernel.refusals import BadInput

SCHEMA = "waystation.keys/1"
COST, BLOCK, LANES = 2**15, 8, 1
SHORTEST = 12


def passphrase_of(path: Path) -> bytes:
    """The first line of a file; refused when it is shorter than 12 characters."""
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise BadInput(
            "platform.passphrase", f"{path}: {error.strerror}.", "Name a readable file.", field="passphrase-file"
        ) from None
    if not lines or len(lines[0]) < SHORTEST:
        raise BadInput(
            "platform.passphrase",
            f"The passphrase in {path} has fewer than {SHORTEST} characters.",
            "Use several words.",
            field="passphrase-file",
        )
    return lines[0].encode()


def seal(files: Mapping[str, bytes], passphrase: bytes) -> bytes:
    """The files as one sealed document."""
    salt, nonce = os.urandom(16), os.urandom(12)
    plain = json.dumps({name: b64encode(data).decode() for name, data in sorted(files.items())}).encode()
    secret = AESGCM(_key(passphrase, salt)).encrypt(nonce, plain, SCHEMA.encode())
    parts = {"salt": salt, "nonce": nonce, "sealed": secret}
    return json.dumps({"schema": SCHEMA} | {k: b64encode(v).decode() for k, v in parts.items()}).encode()


def unseal(document: bytes, passphrase: bytes) -> dict[str, bytes]:
    """The files of a sealed document; BadInput for a wrong passphrase or a changed document."""
    try:
        value = json.loads(document)
        salt, nonce, secret = (b64decode(value[k], validate=True) for k in ("salt", "nonce", "sealed"))
        plain = AESGCM(_key(passphrase, salt)).decrypt(nonce, secret, SCHEMA.encode())
        return {name: b64decode(data) for name, data in json.loads(plain).items()}
    except (InvalidTag, ValueError, KeyError, TypeError):
        raise BadInput(
            "platform.keys_sealed",
            "The keys cannot be opened: another passphrase, or the file was changed.",
            "Use the passphrase that the backup was made with.",
            field="passphrase-file",
        ) from None


def _key(passphrase: bytes, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=COST, r=BLOCK, p=LANES).derive(passphrase)
