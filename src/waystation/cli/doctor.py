"""`waystation doctor`: what is wrong with this installation, and the next step for each finding."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import stat
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from waystation import wiring
from waystation.cli import start
from waystation.cli.health.last_gasp import can_write

if TYPE_CHECKING:
    from waystation.journeys.doctor import Finding

HELP = "say what is wrong with this installation, and the next step for each finding"
LEAST_BYTES, LEAST_SHARE = 2**30, 0.05


def configure(parser: argparse.ArgumentParser) -> None:
    """Words of the command."""
    start.installation_options(parser)
    parser.add_argument("--json", action="store_true", help="print waystation.doctor/1")


def run(args: argparse.Namespace) -> int:
    """Look and say; 1 when something is wrong."""
    data = start.use(args, migrated=False)
    found = [*_folder(data), *_keys(data), *_disk(data), *_open_bind(data), *_database()]
    if args.json:
        rows = [{"code": f.code, "words": f.words, "next_step": f.next_step} for f in found]
        print(json.dumps({"schema": "waystation.doctor/1", "well": not found, "findings": rows}, indent=1))
    else:
        for one in found:
            print(f"{one.code}: {one.words}\n  next: {one.next_step}")
        print(f"{len(found)} finding{'s' if len(found) > 1 else ''}" if found else "All is well.")
    return 1 if found else 0


def _database() -> Iterator[Finding]:
    """What the records say; one finding when they cannot be asked."""
    from django.db import DatabaseError

    from waystation.journeys.doctor import Finding, findings

    try:
        if start.is_empty():
            yield Finding("database.empty", start.EMPTY, start.EMPTY_STEP)
            return
        if waiting := start.unapplied():
            words = f"The database is {len(waiting)} steps behind this version."
            yield Finding("database.unmigrated", words, "Run: waystation migrate.")
            return
        yield from findings(wiring.clock().now())
    except DatabaseError as error:
        words = f"The database does not answer: {str(error).strip()}."
        yield Finding("database.silent", words, "Start it, and check database_url in waystation.toml.")


def _folder(data: Path) -> Iterator[Finding]:
    from waystation.journeys.doctor import Finding

    for words in can_write(data):
        yield Finding("folder.read_only", words, "Give this user the right to write there, or free the disk.")


def _keys(data: Path) -> Iterator[Finding]:
    from waystation.journeys.doctor import Finding

    for name, needed in (("secret_key", "sessions"), ("log_key", "signing the log")):
        path = data / "secrets" / name
        if not path.is_file():
            words = f"{path} is missing: {needed} needs it."
            yield Finding("keys.missing", words, "Put it back from where the keys are kept; do not make a new one.")
        elif (mode := stat.S_IMODE(path.stat().st_mode)) & 0o077:
            yield Finding("keys.mode", f"{path} has mode {mode:04o}: others may read it.", f"Run: chmod 600 {path}")


def _disk(data: Path) -> Iterator[Finding]:
    from waystation.journeys.doctor import Finding

    use = shutil.disk_usage(data)
    if use.free < LEAST_BYTES or use.free < use.total * LEAST_SHARE:
        words = f"{use.free / 2**20:.0f} MiB are free on the disk of {data}, {100 * use.free / use.total:.1f} %."
        yield Finding("disk.full", words, "Free or add space: when it is full nothing can be recorded.")


def _open_bind(data: Path) -> Iterator[Finding]:
    from waystation.journeys.doctor import Finding

    path = data / "waystation.toml"
    held = tomllib.loads(path.read_text()) if path.is_file() else {}
    hosts = os.environ.get("WAYSTATION_ALLOWED_HOSTS") or held.get("allowed_hosts", "")
    covered = any(os.environ.get(f"WAYSTATION_{k.upper()}") or held.get(k) for k in ("tls", "behind_proxy"))
    if hosts and not covered:
        words = f"The hosts {hosts} are allowed without TLS and without a proxy that ends it."
        yield Finding("bind.open", words, "Serve with --tls-cert and --tls-key, or with --behind-proxy.")
    if hosts and str(held.get("demo", "")) == "1":
        yield Finding("bind.demo", "A demo is open to other hosts.", "Serve a demo on 127.0.0.1 only.")
    named = os.environ.get("WAYSTATION_PLATFORM_OWNER") or held.get("platform_owner")
    if not named and str(held.get("demo", "")) != "1":
        words = "Nobody is named who is told when the platform cannot record."
        yield Finding("owner.missing", words, 'Set platform_owner = "ADDRESS" in waystation.toml.')
