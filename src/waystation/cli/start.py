"""Making an installation usable from the command line: its folder, its keys, Django."""

from __future__ import annotations

import argparse
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from waystation.kernel.refusals import Conflict, NotReady

EMPTY = "The database is empty: nothing that was recorded is in it."
EMPTY_STEP = "Check database_url, or bring a backup back: waystation restore. A new one: waystation migrate."
DEFAULT = Path("~/.local/share/waystation")


def installation_options(parser: argparse.ArgumentParser, *verbs: argparse.ArgumentParser) -> None:
    """The options that every command on an installation takes; with `verbs` they may stand before or after the verb."""
    for one in (parser, *verbs):
        held = None if one is parser else argparse.SUPPRESS  # a verb without the option keeps what stood before it
        one.add_argument(
            "--data",
            metavar="FOLDER",
            default=held,
            help=f"the installation's folder (default: $WAYSTATION_DATA, else {DEFAULT})",
        )
        one.add_argument(
            "--database-url",
            metavar="URL",
            default=held,
            help="postgresql://... ; default: SQLite inside the folder",
        )


def folder_of(args: argparse.Namespace) -> Path:
    """The installation's folder that the words name."""
    return Path(args.data or os.environ.get("WAYSTATION_DATA") or DEFAULT).expanduser().resolve()


def use(args: argparse.Namespace, *, migrated: bool = True) -> Path:
    """Load Django on the installation; refuses a missing or unmigrated one and names the command that helps."""
    data = folder_of(args)
    if not (data / "secrets" / "secret_key").is_file():
        raise NotReady("platform.no_installation", f"There is no installation in {data}.", "Make one: waystation init.")
    load(data, args.database_url)
    if migrated and is_empty():
        raise NotReady("platform.database_empty", EMPTY, EMPTY_STEP)
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


def is_empty() -> bool:
    """True when nothing of any version was ever put into the database that is reached, or all of it is gone."""
    from django.db import connection
    from django.db.migrations.recorder import MigrationRecorder

    return not MigrationRecorder(connection).applied_migrations()


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


@contextmanager
def made_whole(data: Path, settings: dict[str, str]) -> Iterator[None]:
    """A new installation's folder, which goes again when what follows fails: half an installation is none."""
    before = set(data.iterdir()) if data.is_dir() else None
    make_folder(data, settings)
    try:
        yield
    except BaseException:  # because half an installation is none, whatever stopped it
        for path in [data] if before is None else [p for p in data.iterdir() if p not in before]:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
        raise


def write_secret(path: Path, content: bytes) -> None:
    """A file that only its owner reads, never written over."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)


def _quoted(value: str) -> str:
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
