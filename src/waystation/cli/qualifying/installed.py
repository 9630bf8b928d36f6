"""Installation qualification: which program runs here, bit by bit, on which database, with which settings."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
import tomllib
from pathlib import Path

import waystation
from waystation.kernel.version import VERSION

SECRETS = ("smtp_password", "webhook_secret", "database_url")
Facts = list[tuple[str, str]]


def program() -> Facts:
    """Version, digest of every file of the package, interpreter and machine."""
    folder = Path(waystation.__file__).parent
    files = sorted(p for p in folder.rglob("*") if p.is_file() and "__pycache__" not in p.parts)
    lines = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(folder).as_posix()}\n" for p in files]
    return [
        ("Program", f"Waystation {VERSION}"),
        (f"SHA-256 over its {len(files)} files", hashlib.sha256("".join(lines).encode()).hexdigest()),
        ("Python", f"{sys.version.split()[0]} on {platform.system()} {platform.machine()}"),
    ]


def installation(data: Path) -> Facts:
    """Database with its state of migration, and the digest of the settings without their secrets; Django is loaded."""
    from django.conf import settings
    from django.db import connection

    from waystation.cli import start

    path = data / "waystation.toml"
    held = tomllib.loads(path.read_text()) if path.is_file() else {}
    open_ = {k: v for k, v in held.items() if k not in SECRETS}
    digest = hashlib.sha256(json.dumps(open_, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
    waiting = start.unapplied()
    with connection.cursor() as cursor:
        query = "SELECT sqlite_version()" if connection.vendor == "sqlite" else "SHOW server_version"
        cursor.execute(query)
        version = cursor.fetchone()[0]
    return [
        ("Installation", str(settings.INSTALLATION)),
        ("Database", f"{connection.vendor} {version}, {f'{len(waiting)} steps behind' if waiting else 'migrated'}"),
        (f"SHA-256 of {len(open_)} settings", digest),
    ]
