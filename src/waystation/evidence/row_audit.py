"""The tables against the log: each row as its newest entry says, each event as its entry tells it.

A row is compared by its digest. A column that a later version added is left out where it holds its default, so that
an upgrade is no flaw.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from django.apps import apps
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import AddField

from waystation.evidence.audit import Flaw
from waystation.evidence.models import EntryRows, Event, LogEntry
from waystation.evidence.rows import Row
from waystation.kernel.canonical import digest, plain

AT_ONCE = 2_000


@dataclass
class Compared:
    """What was found, how many rows and events agreed, and what could not be compared, by the reason."""

    flaws: list[Flaw] = field(default_factory=list)
    rows: int = 0
    events: int = 0
    not_compared: dict[str, int] = field(default_factory=dict)

    def pass_over(self, why: str, count: int = 1) -> None:
        """Count what was not compared."""
        if count:
            self.not_compared[why] = self.not_compared.get(why, 0) + count


@dataclass(frozen=True, slots=True)
class _Said:
    """What the newest entry says of a row."""

    after: str
    where: str


def check_rows() -> Compared:
    """Every recorded row and event of this installation, compared with the entries that speak of it."""
    made = Compared()
    said, unlisted = _read(made)
    models = [m for m in apps.get_models() if issubclass(m, Row) and not m.is_derived]
    for model in models:
        _compare(made, model, said, unlisted)
    tables = {m._meta.label for m in models}
    for (table, key), one in said.items():
        if table in tables and one.after:
            made.flaws.append(Flaw("rows.missing", f"{table} {key}", f"is gone; {one.where} says what it held."))
    made.pass_over("rows of entries that hold only the digest of their list", unlisted)
    return made


def _read(made: Compared) -> tuple[dict[tuple[str, str], _Said], int]:
    """What the entries say of rows, newest last, and how many entries do not list theirs. Events on the way."""
    said: dict[tuple[str, str], _Said] = {}
    unlisted, moving = 0, _moving()
    kept = dict(EntryRows.objects.values_list("entry_id", "rows"))
    for seq, log, kind, events, leaf in _with_events():
        where = f"entry number {seq} of log {log} ({kind})"
        try:
            content = json.loads(leaf)
        except ValueError:
            continue  # the log's own check names it
        rows = content.get("rows", [])
        if "rows_digest" in content:
            rows = kept.get(seq, [])
            unlisted += not rows
            if rows and digest(rows) != content["rows_digest"]:
                made.flaws.append(Flaw("rows.list", where, "names other rows than the list that is kept beside it."))
        for row in rows:
            key = row["table"], row["id"]
            last = said.get(key)
            broken = last is not None and last.after != row["before"] and row["table"] not in moving
            if broken and content.get("facts", {}).get("not_shown") == row["table"]:
                made.pass_over("rows that an entry says cannot be shown as they were")
            elif last is not None and broken:
                words = f"was changed between {last.where} and {where}, and no entry says so."
                made.flaws.append(Flaw("rows.between", f"{key[0]} {key[1]}", words))
            said[key] = _Said(row["after"], where)
        _events(made, where, content, events)
    return said, unlisted


def _moving() -> set[str]:
    """Tables with figures that move between entries: there no entry need start from where the last one ended."""
    return {m._meta.label for m in apps.get_models() if issubclass(m, Row) and m.is_moving is not Row.is_moving}


def _with_events() -> Iterator[tuple[int, str, str, list[tuple[str, str]], bytes]]:
    """Every entry in the order of writing with the kinds and digests of its events."""
    last = 0
    while rows := list(LogEntry.objects.filter(seq__gt=last).order_by("seq")[:AT_ONCE]):
        events: dict[int, list[tuple[str, str]]] = {}
        first, last = rows[0].seq, rows[-1].seq
        held = Event.objects.filter(entry_id__gte=first, entry_id__lte=last).order_by("seq")
        for entry, kind, data in held.values_list("entry_id", "kind", "data"):
            events.setdefault(entry, []).append((kind, digest(plain(data))))
        for row in rows:
            yield row.seq, row.log, row.kind, events.get(row.seq, []), bytes(row.leaf)


def _events(made: Compared, where: str, content: dict[str, Any], held: list[tuple[str, str]]) -> None:
    told = [(e["kind"], e["data"]) for e in content.get("events", ())] or [(content.get("kind", ""), digest({}))]
    if held == told:
        made.events += len(held)
        return
    made.flaws.append(
        Flaw("events.changed", where, f"told {len(told)} events; the stream holds others or {len(held)}.")
    )


def _compare(made: Compared, model: type[Row], said: dict[tuple[str, str], _Said], unlisted: int) -> None:
    label = model._meta.label
    for row in model._default_manager.order_by("pk").iterator(chunk_size=AT_ONCE):
        one, where = said.pop((label, str(row.pk)), None), f"{label} {row.pk}"
        if one is None and unlisted:
            made.pass_over("rows that no entry names, while some entries do not list theirs")
        elif one is None:
            made.flaws.append(Flaw("rows.unlogged", where, "was put there, and no entry says so."))
        elif not one.after:
            made.flaws.append(Flaw("rows.unlogged", where, f"is back, and {one.where} says that it was removed."))
        elif row.is_moving:
            made.pass_over("rows whose figures still move")
        elif one.after not in _digests(row):
            made.flaws.append(Flaw("rows.changed", where, f"is not what {one.where} says."))
        else:
            made.rows += 1


def _digests(row: Row) -> Iterator[str]:
    """The row's digest as it stands, and as it was before each of the columns that later versions added."""
    held = row.as_plain()
    yield digest(held)
    for name, default in reversed(_added(row._meta.label)):
        if held.get(name) != default:
            return
        del held[name]
        yield digest(held)


@lru_cache(maxsize=256)
def _added(label: str) -> list[tuple[str, Any]]:
    """The columns that migrations added to a table, oldest first, each with the value that rows of before got."""
    model, found = apps.get_model(label), []
    loader = _loader()
    for leaf in loader.graph.leaf_nodes(model._meta.app_label):
        for key in loader.graph.forwards_plan(leaf):
            for operation in loader.graph.nodes[key].operations if key[0] == model._meta.app_label else ():
                if isinstance(operation, AddField) and operation.model_name_lower == model._meta.model_name:
                    column = model._meta.get_field(operation.name)
                    found.append((column.attname, plain(column.get_default())))
    return found


@lru_cache(maxsize=1)
def _loader() -> MigrationLoader:
    return MigrationLoader(None, ignore_no_migrations=True)
