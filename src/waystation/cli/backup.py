"""`waystation backup DIR`: database, telemetry, tiles and settings, while everything runs.

The order makes the copy whole: the sealer is held off, so that no log file is dropped; then the database, then the
log that it refers to, then segments and tiles, which never change once they are referred to.
"""

from __future__ import annotations

import argparse
import json
import os
import tomllib
from datetime import datetime, timedelta
from pathlib import Path
from time import sleep
from typing import Any

from waystation import wiring
from waystation.cli import start
from waystation.cli.keeping import databases, files, people, sealed
from waystation.evidence.personal import PeopleKeys
from waystation.kernel.canonical import instant
from waystation.kernel.refusals import BadInput, Unavailable
from waystation.kernel.version import VERSION

HELP = "copy database, readings, log and settings into a folder, while the platform runs"
SECRETS = ("smtp_password", "webhook_secret", "database_url")
HOLD = timedelta(minutes=30)
TRIES = 120


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("folder", metavar="DIR", type=Path, help="a new or empty folder")
    parser.add_argument("--with-keys", action="store_true", help="also the keys, sealed with a passphrase")
    parser.add_argument("--passphrase-file", metavar="FILE", type=Path)


def run(args: argparse.Namespace) -> int:
    """Copy and say what there is."""
    if args.with_keys and args.passphrase_file is None:
        raise BadInput(
            "platform.passphrase", "Keys are only kept sealed.", "Add --passphrase-file FILE.", field="passphrase-file"
        )
    passphrase = sealed.passphrase_of(args.passphrase_file) if args.with_keys else None
    data = start.use(args)
    files.demand_empty(args.folder, "backup")
    args.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    count = make(data, args.folder, passphrase, wiring.clock().now())
    print(f"{args.folder}: {count} files. Try it: waystation restore {args.folder} --verify")
    if passphrase is None:
        print("The keys are not in it: keep secrets/ elsewhere, or use --with-keys.")
    return 0


def make(data: Path, folder: Path, passphrase: bytes | None, now: datetime) -> int:
    """Fill the folder; returns how many files it lists."""
    from django.conf import settings

    from waystation.evidence.personal import people_keys

    _hold_the_sealer(now)
    try:
        database = _snapshot(settings.DATABASES["default"], folder, people_keys())
        files.copy_tree(data / "telemetry" / "log", folder / "telemetry" / "log")
    finally:
        _release_the_sealer(now)
    files.copy_tree(data / "telemetry" / "segments", folder / "telemetry" / "segments")
    files.copy_tree(data / "tiles", folder / "tiles")
    (folder / "waystation.toml").write_text(_open_settings(data))
    if passphrase is not None:
        kept = {f"secrets/{p.name}": p.read_bytes() for p in sorted((data / "secrets").iterdir()) if p.is_file()}
        if (data / "waystation.toml").is_file():
            kept["waystation.toml"] = (data / "waystation.toml").read_bytes()
        (folder / "keys.sealed").write_bytes(sealed.seal(kept, passphrase))
    about: dict[str, Any] = {"schema": "waystation.backup/1", "version": VERSION, "at": instant(now)}
    about |= {"database": database, "installation": settings.INSTALLATION, "keys": passphrase is not None}
    (folder / "BACKUP.json").write_text(json.dumps(about, indent=1) + "\n")
    return files.write_manifest(folder)


def _snapshot(entry: dict[str, Any], folder: Path, keys: PeopleKeys) -> str:
    """The database in a file, people's own fields sealed beside it; returns the file's name."""
    if entry["ENGINE"].endswith("sqlite3"):
        made = databases.copy(entry, folder)
        people.write(folder, people.seal(made, keys))
        return made.name
    from waystation.cli.keeping import apart

    people.write(folder, apart.dump(folder, keys))
    return databases.POSTGRESQL


def _holder() -> str:
    return f"backup:{os.getpid()}"


def _hold_the_sealer(now: datetime) -> None:
    from waystation.evidence import beats

    for _ in range(TRIES):
        if beats.lease("sealer", _holder(), now, HOLD):
            return
        sleep(1)
        now += timedelta(seconds=1)
    raise Unavailable("platform.sealer_busy", "The sealer has worked for two minutes.", "Try again later.")


def _release_the_sealer(now: datetime) -> None:
    from waystation.evidence import beats

    beats.release("sealer", _holder(), now)


def _open_settings(data: Path) -> str:
    """The settings file without its secrets; those are only in the sealed keys."""
    path = data / "waystation.toml"
    if not path.is_file():
        return ""
    held = tomllib.loads(path.read_text())
    hidden = [key for key in SECRETS if key in held]
    lines = [line for line in path.read_text().splitlines() if line.partition("=")[0].strip() not in hidden]
    return "\n".join([*lines, *(f"# {key} is in the sealed keys only" for key in hidden)]) + "\n"
