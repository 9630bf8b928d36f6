"""The log's key: a 32-byte seed in the installation's secrets (mode 0600), or one in hardware behind `LogKey`."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from waystation.evidence.ports import LogKey
from waystation.evidence.rules import signing
from waystation.evidence.rules.notes import ED25519, VerifierKey
from waystation.kernel.refusals import NotReady


class FileKey:
    """A seed in a file."""

    def __init__(self, seed: bytes) -> None:
        self._public, self._sign = signing.public_of(seed), signing.signer(seed)

    def public(self) -> bytes:
        """The 32 bytes of the public half."""
        return self._public

    def sign(self, message: bytes) -> bytes:
        """64 bytes over the message."""
        return self._sign(message)


def log_key() -> LogKey:
    """The key that the settings name; NotReady when the installation has none."""
    if settings.LOG_KEY:
        return _named(settings.LOG_KEY_CLASS, settings.LOG_KEY)
    return FileKey(seed())


def seed() -> bytes:
    """The private seed of a key in a file; NotReady when the installation has none."""
    return _read(Path(settings.DATA) / "secrets" / "log_key")


@lru_cache(maxsize=4)
def _read(path: Path) -> bytes:
    if not path.is_file():
        raise NotReady("evidence.no_key", f"There is no log key in {path}.", "Make the installation: waystation init.")
    return bytes.fromhex(path.read_text().strip())


@lru_cache(maxsize=4)
def _named(dotted: str, uri: str) -> LogKey:
    made: LogKey = import_string(dotted)(uri)
    return made


def origin(log: str) -> str:
    """The name of a log in its checkpoints: the installation's name and the log's."""
    return f"{settings.INSTALLATION}/{log}"


def verifier_key(log: str) -> VerifierKey:
    """The public key of a log, as auditors hold it."""
    return VerifierKey(origin(log), ED25519, log_key().public())
