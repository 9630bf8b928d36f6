"""Where the installation keeps its log and segments."""

from __future__ import annotations

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
