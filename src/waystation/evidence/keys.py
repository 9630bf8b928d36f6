"""The log's key: a 32-byte seed in the installation's secrets, made at `init`, mode 0600."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from waystation.evidence.rules import signing
from waystation.evidence.rules.notes import ED25519, VerifierKey
from waystation.kernel.refusals import NotReady


def seed() -> bytes:
    """The private seed; NotReady when the installation has none."""
    return _read(Path(settings.DATA) / "secrets" / "log_key")


@lru_cache(maxsize=4)
def _read(path: Path) -> bytes:
    if not path.is_file():
        raise NotReady("evidence.no_key", f"There is no log key in {path}.", "Make the installation: waystation init.")
    return bytes.fromhex(path.read_text().strip())


def origin(log: str) -> str:
    """The name of a log in its checkpoints: the installation's name and the log's."""
    return f"{settings.INSTALLATION}/{log}"


def verifier_key(log: str) -> VerifierKey:
    """The public key of a log, as auditors hold it."""
    return VerifierKey(origin(log), ED25519, signing.public_of(seed()))
