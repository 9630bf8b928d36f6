"""The files of a backup: copied whole, listed with their digests, checked before anything is restored."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from waystation.kernel.refusals import BadInput, Conflict

MANIFEST = "MANIFEST"


def demand_empty(folder: Path, what: str, next_step: str = "Name a new folder.") -> None:
    """Refuse a folder that holds anything."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Conflict(f"platform.{what}_not_empty", f"{folder} is not empty.", next_step)


def copy_tree(source: Path, target: Path) -> int:
    """Copy the finished files of a folder; returns how many. A file that is dropped meanwhile is left out."""
    count = 0
    for path in _files(source):
        name = path.relative_to(source)
        if path.name.endswith(".partial") or path.name == "lock":
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        try:
            shutil.copyfile(path, target / name)
        except FileNotFoundError:
            continue
        count += 1
    return count


def write_manifest(folder: Path) -> int:
    """List every file with its SHA-256 and make all of them durable; returns how many."""
    names = [name for path in _files(folder) if (name := path.relative_to(folder).as_posix()) != MANIFEST]
    lines = [f"{digest_of(folder / name)}  {name}\n" for name in sorted(names)]
    (folder / MANIFEST).write_text("".join(lines))
    for path in _files(folder):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return len(lines)


def check_manifest(folder: Path) -> list[str]:
    """What is missing, changed or not listed, in words."""
    path = folder / MANIFEST
    if not path.is_file():
        raise BadInput(
            "platform.no_backup",
            f"{folder} holds no {MANIFEST}: it is no whole backup.",
            "Name another one.",
            field="folder",
        )
    listed = {line[66:]: line[:64] for line in path.read_text().splitlines() if line[64:66] == "  "}
    present = {p.relative_to(folder).as_posix() for p in _files(folder)} - {MANIFEST}
    wrong = [f"{name} is listed and missing" for name in sorted(listed.keys() - present)]
    wrong += [f"{name} is not listed" for name in sorted(present - listed.keys())]
    changed = (name for name in sorted(present & listed.keys()) if digest_of(folder / name) != listed[name])
    return wrong + [f"{name} was changed" for name in changed]


def digest_of(path: Path) -> str:
    """SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _files(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*")) if path.is_file())
