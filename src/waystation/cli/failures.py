"""What went wrong outside the product, in words for the person at the terminal: files, disks, databases, settings."""

from __future__ import annotations

import errno
import sys
import tomllib

from waystation.kernel.refusals import BadInput, Refusal, Unavailable

_STEPS = {
    errno.ENOSPC: "Free or add space, then run it again.",
    errno.EDQUOT: "Free or add space, then run it again.",
    errno.EACCES: "Give this user the right to it, or name another place.",
    errno.EPERM: "Give this user the right to it, or name another place.",
    errno.EROFS: "This place is read-only: name another one.",
    errno.ENOENT: "Check the path.",
    errno.ENOTDIR: "A part of the path is a file: name another place.",
    errno.EISDIR: "This is a folder: name a file.",
}


def in_words(error: Exception) -> Refusal | None:
    """The refusal that stands for a failure outside the product; None for an error of our own."""
    if isinstance(error, tomllib.TOMLDecodeError):
        words = f"waystation.toml cannot be read: {error}."
        return BadInput("platform.settings", words, 'Write each line as key = "value".', field="waystation.toml")
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        words = f"{where}{error.strerror or error}."
        return Unavailable("platform.files", words, _STEPS.get(error.errno or 0, "Check the path and the disk."))
    if _of_the_database(error):
        words = f"The database does not answer: {' '.join(str(error).split())}."
        return Unavailable("platform.database", words, _database_step(words))
    return None


def _database_step(words: str) -> str:
    if "disk is full" in words or "No space left" in words:
        return _STEPS[errno.ENOSPC]
    if "readonly" in words or "read-only" in words:
        return "Give this user the right to write to it."
    return "Start it, and check --database-url or database_url in waystation.toml."


def _of_the_database(error: Exception) -> bool:
    if "django" not in sys.modules:
        return False
    from django.db import DatabaseError

    return isinstance(error, DatabaseError)
