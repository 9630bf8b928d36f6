"""The tables of a PostgreSQL database that name people: beside its dump, with people's own fields sealed.

One exported snapshot serves the dump and these rows. They come back between the dump's rows and its constraints, so
that what refers to them holds.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from pathlib import Path
from typing import IO, Any
from uuid import UUID

from django.db import connection, transaction

from waystation.access.rules import ERASED_AT, PERSONAL
from waystation.cli.keeping import databases
from waystation.cli.keeping.people import ADDRESSED, PLACEHOLDER
from waystation.evidence.personal import PeopleKeys

PEOPLE, ADDRESSES, OUTBOX = "access_person", "account_emailaddress", "evidence_outboxmessage"
ROWS = "people.rows"
TABLES = (PEOPLE, ADDRESSES, *(table for table, _ in ADDRESSED))
AT_ONCE = 1_000
Row = dict[str, Any]


def dump(folder: Path, keys: PeopleKeys) -> dict[str, str]:
    """Dump the database, these tables beside it; returns people's own fields by person, each sealed under their key."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        cursor.execute("SELECT pg_export_snapshot()")
        databases.dump(connection.settings_dict, folder, cursor.fetchone()[0], TABLES)
        with (folder / ROWS).open("w", encoding="utf-8") as out:
            return _write(out, keys)


def _write(out: IO[str], keys: PeopleKeys) -> dict[str, str]:
    addresses: dict[str, list[list[Any]]] = {}
    for row in _rows(ADDRESSES):
        addresses.setdefault(row["user_id"], []).append([row["email"], row["verified"], row["primary"]])
    found, stands_for = {}, {}
    for row in _rows(PEOPLE):
        person = UUID(row["id"])
        key = keys.find_or_make(person)
        if key is not None and not row["email"].endswith(f"@{ERASED_AT}"):
            fields = {"columns": {name: row[name] for name in PERSONAL}, "addresses": addresses.get(row["id"], [])}
            found[str(person)] = key.seal(person, fields)
            stands_for[row["email"].lower()] = f"person:{person}"
            row |= dict(zip(PERSONAL, (f"{person}@{PLACEHOLDER}", "Sealed", "", "", [], []), strict=True))
        _put(out, PEOPLE, row)
    for table, column in ADDRESSED:
        for row in _rows(table):
            _put(out, table, row | {column: stands_for.get(row[column].lower(), row[column])})
    return found


def put_back(folder: Path, sealed: Mapping[str, str], keys: PeopleKeys) -> list[UUID]:
    """Fill these tables again; returns the people whose key is not there: nothing of their own comes back."""
    gone: list[UUID] = []
    named: dict[str, str] = {}
    columns = dict(ADDRESSED)
    with transaction.atomic(), (folder / ROWS).open(encoding="utf-8") as lines:
        for table, rows in _batches(lines):
            if table == PEOPLE:
                _fill(ADDRESSES, [a for row in rows for a in _open(row, sealed, keys, named, gone)])
            closed = {f"person:{one}": f"{one}@{ERASED_AT}" for one in gone} if table == OUTBOX else {}
            for row in rows if table in columns else ():
                said = row[columns[table]]
                row[columns[table]] = named.get(said, closed.get(said, said))
            _fill(table, rows)
    return gone


def _open(
    row: Row, sealed: Mapping[str, str], keys: PeopleKeys, named: dict[str, str], gone: list[UUID]
) -> Iterator[Row]:
    """Put a person's own fields back into the row; their addresses. Who has no key any more is `gone`."""
    person = UUID(row["id"])
    if str(person) not in sealed:
        return
    key = keys.find(person)
    fields = key.open(person, sealed[str(person)]) if key is not None else None
    if fields is None:
        gone.append(person)
        return
    row |= fields["columns"]
    named[f"person:{person}"] = row["email"]
    for email, verified, primary in fields["addresses"]:
        yield {"email": email, "verified": verified, "primary": primary, "user_id": row["id"]}


def _rows(table: str) -> Iterator[Row]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(f"SELECT to_jsonb(t)::text FROM {table} t ORDER BY id")
        for (text,) in cursor:
            yield json.loads(text)


def _put(out: IO[str], table: str, row: Row) -> None:
    out.write(f"{json.dumps([table, row])}\n")


def _batches(lines: Iterable[str]) -> Iterator[tuple[str, list[Row]]]:
    for table, found in groupby(map(json.loads, lines), lambda one: str(one[0])):
        rows: list[Row] = []
        for _, row in found:
            rows.append(row)
            if len(rows) == AT_ONCE:
                yield table, rows
                rows = []
        if rows:
            yield table, rows


def _fill(table: str, rows: list[Row]) -> None:
    """Insert rows as they are; a column that they do not have is the database's to give."""
    if not rows:
        return
    names = ", ".join(connection.ops.quote_name(name) for name in rows[0])
    with connection.cursor() as cursor:
        query = f"INSERT INTO {table} ({names}) SELECT {names} FROM jsonb_populate_recordset(NULL::{table}, %s::jsonb)"
        cursor.execute(query, [json.dumps(rows)])
