"""Where the installation keeps its log and segments."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from django.conf import settings

from waystation.telemetry.store.log import Log


def folder() -> Path:
    """The telemetry folder of this installation."""
    return Path(settings.DATA) / "telemetry"


@lru_cache(maxsize=4)
def _log(path: Path) -> Log:
    return Log(path)


def log() -> Log:
    """The one log of this process for this installation."""
    return _log(folder() / "log")


def rollup_path(name: str) -> Path:
    """The file of buckets of a segment, from the segment's stored name. It may not be there."""
    return folder() / "rollups" / name


def segment_path(name: str) -> Path:
    """A segment's file from its stored name."""
    return folder() / "segments" / name


def size_of(name: str) -> int:
    """The bytes of a sealed file, from its stored name; 0 for no name and for no file."""
    path = segment_path(name)
    return path.stat().st_size if name and path.exists() else 0


def digest_of(name: str) -> str:
    """The SHA-256 of a sealed file as it is now, from its stored name; empty for no name and for no file."""
    path = segment_path(name)
    if not name or not path.exists():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
