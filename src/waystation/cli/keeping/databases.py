"""A database's snapshot and its return: SQLite by its online backup, PostgreSQL by its own tools."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from waystation.kernel.refusals import NotReady, Unavailable

LEASES = "evidence_loopbeat"
SQLITE, POSTGRESQL = "database.sqlite3", "database.dump"


def copy(entry: dict[str, Any], folder: Path) -> Path:
    """Write a consistent snapshot of a SQLite entry of Django; returns the file.

    The loops' leases and beats stay behind: they are of this machine.
    """
    made = folder / SQLITE
    with closing(sqlite3.connect(entry["NAME"])) as source, closing(sqlite3.connect(made)) as target:
        source.backup(target)
        target.execute(f"DELETE FROM {LEASES}")
        target.commit()
        target.execute("PRAGMA journal_mode=DELETE")
    return made


def dump(entry: dict[str, Any], folder: Path, snapshot: str, apart: Sequence[str]) -> None:
    """Dump a PostgreSQL entry as an exported snapshot sees it, without the rows of some tables and the leases."""
    left = [f"--exclude-table-data={table}" for table in (LEASES, *apart)]
    words = [_tool("pg_dump"), "-Fc", f"--snapshot={snapshot}", *left, "--no-owner", "--no-privileges"]
    _call([*words, "-f", str(folder / POSTGRESQL), *_where(entry)], entry)


def bring_back(entry: dict[str, Any], made: Path, fill: Callable[[], None]) -> None:
    """Restore a PostgreSQL dump into the database of this entry, which must hold no tables.

    `fill` writes the rows of the tables that stand apart: after the dump's rows, before constraints and indexes.
    """
    psql, tool = _tool("psql"), _tool("pg_restore")
    count = _call(
        [psql, "-At", "-c", "SELECT count(*) FROM pg_tables WHERE schemaname='public'", *_where(entry)], entry
    )
    if count.strip() != "0":
        raise NotReady(
            "platform.database_not_empty",
            f"The database {entry['NAME']} holds {count.strip()} tables.",
            "Make an empty database and name it with --database-url.",
        )
    *where, name = _where(entry)
    words = [tool, "--no-owner", "--no-privileges", "--exit-on-error", "-d", name, *where, str(made)]
    _call([*words, "--section=pre-data", "--section=data"], entry)
    fill()
    _call([*words, "--section=post-data"], entry)


def integrity(path: Path) -> list[str]:
    """What SQLite itself says is wrong with a snapshot."""
    with closing(_reader(path)) as held:
        found = [str(row[0]) for row in held.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else [f"the database is damaged: {text}" for text in found[:3]]


def leaves(path: Path, log: str) -> Iterator[tuple[int, bytes, bytes]]:
    """(index, leaf, hash) of a log's entries in a SQLite snapshot, in order."""
    with closing(_reader(path)) as held:
        yield from held.execute(
            "SELECT p.tree_index, e.leaf, e.leaf_hash FROM evidence_logposition p JOIN evidence_logentry e "
            "ON e.seq = p.entry_id WHERE p.log = ? ORDER BY p.tree_index",
            (log,),
        )


def heads(path: Path) -> dict[str, dict[int, bytes]]:
    """The signed heads of each log in a SQLite snapshot."""
    found: dict[str, dict[int, bytes]] = {}
    with closing(_reader(path)) as held:
        for log, size, root in held.execute("SELECT log, size, root FROM evidence_checkpoint"):
            found.setdefault(log, {})[size] = root
    return found


def segments(path: Path) -> dict[str, str]:
    """Path and digest of every file of sealed readings that a SQLite snapshot refers to, of an older version too."""
    with closing(_reader(path)) as held:
        found = dict(held.execute("SELECT path, sha256 FROM telemetry_segment"))
        columns = {row[1] for row in held.execute("PRAGMA table_info(telemetry_segment)")}
        if "reduced_path" in columns:
            found |= dict(held.execute("SELECT reduced_path, reduced_sha256 FROM telemetry_segment"))
    return {name: digest for name, digest in found.items() if name}


def _reader(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)


def _where(entry: dict[str, Any]) -> list[str]:
    words = [("-h", entry.get("HOST")), ("-p", entry.get("PORT")), ("-U", entry.get("USER"))]
    return [part for flag, value in words if value for part in (flag, str(value))] + [str(entry["NAME"])]


def _tool(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise NotReady(
            "platform.no_tool",
            f"{name} is not installed, and PostgreSQL's snapshot needs it.",
            "Install the PostgreSQL client of the server's version, or back the database up by its own means.",
        )
    return path


def _call(words: list[str], entry: dict[str, Any]) -> str:
    env = os.environ | ({"PGPASSWORD": str(entry["PASSWORD"])} if entry.get("PASSWORD") else {})
    done = subprocess.run(words, capture_output=True, text=True, env=env, check=False)
    if done.returncode:
        raise Unavailable(
            "platform.database_tool",
            f"{Path(words[0]).name} ended with {done.returncode}: {done.stderr.strip()[-300:]}",
            "Correct what it says and try again.",
        )
    return done.stdout
