"""Making an installation usable from the command line: its folder, its keys, Django."""

from __future__ import annotations

import argparse
import os
import secrets
from pathlib import Path

from waystation.kernel.refusals import Conflict, NotReady

DEFAULT = Path("~/.local/share/waystation")


def installation_options(parser: argparse.ArgumentParser) -> None:
    """The options that every command on an installation takes."""
    parser.add_argument(
        "--data", metavar="FOLDER", help=f"the installation's folder (default: $WAYSTATION_DATA, else {DEFAULT})"
    )
    parser.add_argument("--database-url", metavar="URL", help="postgresql://... ; default: SQLite inside the folder")


def folder_of(args: argparse.Namespace) -> Path:
    """The installation's folder that the words name."""
    return Path(args.data or os.environ.get("WAYSTATION_DATA") or DEFAULT).expanduser().resolve()


def use(args: argparse.Namespace, *, migrated: bool = True) -> Path:
    """Load Django on the installation; refuses a missing or unmigrated one and names the command that helps."""
    data = folder_of(args)
    if not (data / "secrets" / "secret_key").is_file():
        raise NotReady("platform.no_installation", f"There is no installation in {data}.", "Make one: waystation init.")
    load(data, args.database_url)
    if migrated and (waiting := unapplied()):
        raise NotReady(
            "platform.unmigrated",
            f"The database is {len(waiting)} steps behind this version.",
            "Run: waystation migrate.",
        )
    return data


def load(data: Path, database_url: str | None) -> None:
    """Point Django at a folder and a database, and start it."""
    os.environ["WAYSTATION_DATA"] = str(data)
    if database_url:
        os.environ["WAYSTATION_DATABASE_URL"] = database_url
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "waystation.settings")
    import django

    django.setup()


def unapplied() -> list[str]:
    """The migrations that the database still needs."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    return [f"{step.app_label}.{step.name}" for step, _ in plan]


def migrate() -> None:
    """Bring the database to this version."""
    from django.core.management import call_command

    call_command("migrate", verbosity=0, interactive=False)


def make_folder(data: Path, settings: dict[str, str] | None = None) -> None:
    """The folder with its secrets (mode 0600) and settings file; refuses one that is there."""
    if (data / "secrets").exists():
        raise Conflict(
            "platform.installation_exists", f"{data} holds an installation.", "Serve it, or choose another --data."
        )
    (data / "secrets").mkdir(parents=True, mode=0o700)
    write_secret(data / "secrets" / "secret_key", secrets.token_urlsafe(50).encode())
    write_secret(data / "secrets" / "log_key", secrets.token_hex(32).encode())
    lines = [f"{key} = {_quoted(value)}" for key, value in (settings or {}).items()]
    (data / "waystation.toml").write_text(
        "# Settings of this installation; the environment overrides them.\n" + "\n".join(lines) + "\n"
    )


def write_secret(path: Path, content: bytes) -> None:
    """A file that only its owner reads, never written over."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
