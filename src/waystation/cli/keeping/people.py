"""People in a backup: their own fields leave the snapshot sealed, each under the person's key, which is not in it.

Here for SQLite, in the snapshot itself; `apart` does it beside a dump of PostgreSQL.

So an older backup says nothing of whoever was erased since: the key that would open their fields is destroyed.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

from waystation.access.rules import ERASED_AT, PERSONAL
from waystation.cli import start
from waystation.cli.keeping import sealed
from waystation.evidence.personal import PeopleKeys

SEALED = "people.sealed"
KEYS = "keys.sqlite3"
SCHEMA = "waystation.people/1"
PLACEHOLDER = "sealed.invalid"
# where else a person's address stands: what was sent to it
ADDRESSED = (("evidence_outboxmessage", "recipient"), ("alarms_page", "address"))


def seal(database: Path, keys: PeopleKeys) -> dict[str, str]:
    """Take people's own fields out of a SQLite snapshot; returns them by person, each sealed under their key."""
    found = {}
    with closing(sqlite3.connect(database)) as held:
        held.execute("PRAGMA secure_delete = ON")
        rows = held.execute(f"SELECT id, {', '.join(PERSONAL)} FROM access_person").fetchall()
        for number, *values in rows:
            person = UUID(number)
            key = keys.find_or_make(person)
            if key is None or values[0].endswith(f"@{ERASED_AT}"):
                continue
            fields: dict[str, Any] = {"columns": dict(zip(PERSONAL, values, strict=True))}
            own = 'SELECT email, verified, "primary" FROM account_emailaddress WHERE user_id = ? ORDER BY id'
            fields["addresses"] = [list(row) for row in held.execute(own, (number,))]
            found[str(person)] = key.seal(person, fields)
            blank = (f"{person}@{PLACEHOLDER}", "Sealed", "", "", "[]", "[]", number)
            held.execute(f"UPDATE access_person SET {' = ?, '.join(PERSONAL)} = ? WHERE id = ?", blank)
            _readdress(held, values[0], f"person:{person}")
        held.execute("DELETE FROM account_emailaddress")
        held.commit()
        held.execute("VACUUM")
    return found


def bring_back(database: Path, sealed: Mapping[str, str], keys: PeopleKeys) -> list[UUID]:
    """Put the fields back whose key is there; returns whose is not: they stay closed, with nothing of their own."""
    gone = []
    with closing(sqlite3.connect(database)) as held:
        for name, text in sealed.items():
            person = UUID(name)
            key = keys.find(person)
            fields = key.open(person, text) if key is not None else None
            if fields is None:
                gone.append(person)  # their pages are readdressed with an entry, once the platform is there
                change = "UPDATE evidence_outboxmessage SET recipient = ? WHERE recipient = ?"
                held.execute(change, (f"{person}@{ERASED_AT}", f"person:{person}"))
                continue
            values = [fields["columns"][column] for column in PERSONAL]
            held.execute(f"UPDATE access_person SET {' = ?, '.join(PERSONAL)} = ? WHERE id = ?", (*values, person.hex))
            add = 'INSERT INTO account_emailaddress (email, verified, "primary", user_id) VALUES (?, ?, ?, ?)'
            held.executemany(add, [(*row, person.hex) for row in fields["addresses"]])
            _readdress(held, f"person:{person}", values[0])
        held.commit()
    return gone


def _readdress(held: sqlite3.Connection, before: str, after: str) -> None:
    for table, column in ADDRESSED:
        held.execute(f"UPDATE {table} SET {column} = ? WHERE lower({column}) = lower(?)", (after, before))


def write(folder: Path, found: Mapping[str, str]) -> None:
    """The sealed fields as a file of the backup."""
    (folder / SEALED).write_text(json.dumps({"schema": SCHEMA, "people": dict(sorted(found.items()))}, indent=1) + "\n")


def read(folder: Path) -> dict[str, str]:
    """The sealed fields of a backup; none in one of an older version."""
    path = folder / SEALED
    found: dict[str, str] = json.loads(path.read_text())["people"] if path.is_file() else {}
    return found


def copy_keys(keys: PeopleKeys, target: Path, passphrase: bytes) -> int:
    """Write the keys sealed to a file, over the copy before it, so that no destroyed key stays; returns its bytes."""
    document = sealed.seal({KEYS: keys.content()}, passphrase)
    partial = target.with_name(target.name + ".partial")
    partial.unlink(missing_ok=True)
    start.write_secret(partial, document)
    partial.replace(target)
    return len(document)
