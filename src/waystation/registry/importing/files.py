"""Taking a file in: look first, then apply in chunks, undo while nothing else has changed the rows."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.apps import apps
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError

from waystation.evidence.actions import NewEntry, name_log, record
from waystation.evidence.rows import Row
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest
from waystation.kernel.refusals import Conflict
from waystation.registry import models as m
from waystation.registry.importing.matching import Matcher, Plan
from waystation.registry.queries import one
from waystation.registry.rules.tables import Table, read_table

CHUNK = 200  # lines; with the rows that each may need, well under 1,000 rows
SHOWN = 5


@dataclass(frozen=True, slots=True)
class Preview:
    """What a file would do, line by line."""

    kind: str
    sha256: str
    table: Table
    plans: tuple[Plan, ...]

    def count(self, verb: str) -> int:
        """How many lines create, update, are the same, or are errors."""
        return sum(plan.verb == verb for plan in self.plans)

    @property
    def errors(self) -> list[Plan]:
        """The lines that cannot be used."""
        return [plan for plan in self.plans if plan.verb == "error"]


def preview(
    by: Authority,
    kind: str,
    content: bytes,
    *,
    form: str = "csv",
    mapping: Mapping[str, str] | None = None,
    fixed: Mapping[str, str] | None = None,
    system: str = "",
) -> Preview:
    """Read a file (form csv or netbox) and say what it would do; nothing is changed."""
    by.require("registry.write")
    table = read_table(content, kind, form, mapping or {}, fixed)
    plans = Matcher(kind, system or ("netbox" if form == "netbox" else "file")).plan(table)
    return Preview(kind, hashlib.sha256(content).hexdigest(), table, tuple(plans))


def apply(by: Authority, seen: Preview, file_name: str, *, now: datetime) -> m.Import | None:
    """Do what a preview of this moment says; None when every line is the same already. Refused while lines are wrong.

    Chunks are committed one by one; after a break the same file goes on where it stopped.
    """
    by.require("registry.write")
    if seen.errors:
        first = "; ".join(f"line {p.line}: {p.error}" for p in seen.errors[:SHOWN])
        raise Conflict(
            "registry.import_errors",
            f"{len(seen.errors)} lines cannot be used: {first}.",
            "Correct them, then try again.",
        )
    todo = [p for p in seen.plans if p.verb != "same" or p.also]
    if not todo:
        return None
    made = m.Import(kind=seen.kind, file_name=file_name[:200], sha256=seen.sha256, by_id=by.principal_id, at=now)
    for begin in range(0, len(todo), CHUNK):
        _chunk(by, made, todo[begin : begin + CHUNK], now)
    return made


def _chunk(by: Authority, made: m.Import, plans: Sequence[Plan], now: datetime) -> None:
    rows = [row for plan in plans for row in _in_order(plan)]
    created, updated = list(made.created), list(made.updated)
    for plan in plans:
        if plan.verb == "update" and plan.row is not None:
            held = plan.row._read or {}
            names = {f.attname for f in plan.row._meta.concrete_fields}
            before = {k: _json(v) for k, v in held.items() if k in names and v != getattr(plan.row, k)}
            updated.append(_item(plan.row) | {"before": before})
    created += [_item(row) for row in rows if row._state.adding]
    made.created, made.updated = created, updated
    facts = {"kind": made.kind, "file": made.file_name, "sha256": made.sha256, "first_line": plans[0].line}
    facts |= {"last_line": plans[-1].line, "rows": len(rows), "digest": digest([_item(row) for row in rows])}
    try:
        with transaction.atomic():
            for row in rows:
                if isinstance(row, m.Site):
                    name_log(row.pk, row.network.slug)
            record([*rows, made], entry=NewEntry("registry.imported", made.pk, by, now, facts=facts))
    except IntegrityError as error:
        raise Conflict(
            "registry.import_clash",
            f"Lines {plans[0].line} to {plans[-1].line} clash with what is there: {error}.",
            "Look at the preview again: a serial or a code is used by another record.",
        ) from None


def _in_order(plan: Plan) -> list[Row]:
    """What a row needs, the row, then what refers to it."""
    needed = [row for row in plan.also if not isinstance(row, m.ExternalReference)]
    refers = [row for row in plan.also if isinstance(row, m.ExternalReference)]
    own = [plan.row] if plan.row is not None and plan.verb != "same" else []
    return [*needed, *own, *refers]


def undo(by: Authority, import_id: UUID, *, now: datetime, reason: str = "") -> m.Import:
    """Take an import back: made rows go, changed columns return. Refused when anything else touched one of the rows."""
    by.require("registry.write")
    with transaction.atomic():
        made = one(m.Import, import_id, among=m.Import.objects.select_for_update())
        if made.undone_at is not None:
            return made
        created = [_unchanged(item) for item in made.created]
        updated = [(_unchanged(item), item["before"]) for item in made.updated]
        for row, before in updated:
            columns = {field.attname: field for field in row._meta.concrete_fields}
            for name, value in before.items():
                setattr(row, name, columns[name].to_python(value))
        made.undone_at = now
        facts = {"file": made.file_name, "removed": len(created), "restored": len(updated)}
        facts |= {"digest": digest([made.created, [_item(row) for row, _ in updated]])}
        entry = NewEntry("registry.import_undone", made.pk, by, now, reason=reason, facts=facts)
        try:
            record([*(row for row, _ in updated), made], entry=entry, removed=created[::-1])
        except ProtectedError as error:
            some = ", ".join(sorted({str(o._meta.verbose_name) for o in error.protected_objects}))
            raise Conflict(
                "registry.import_used", f"What the import made is used by: {some}.", "Remove these first, or keep it."
            ) from None
    return made


def _unchanged(item: Mapping[str, Any]) -> Row:
    model = apps.get_model(item["model"])
    row = model._default_manager.filter(pk=item["id"]).first()
    if not isinstance(row, Row) or row.digest_after() != item["digest"]:
        raise Conflict(
            "registry.import_changed",
            f"{model._meta.verbose_name} {item['id']} was changed since it was imported.",
            "Correct it by hand: undoing would take that change away too.",
        )
    return row


def _item(row: Row) -> dict[str, Any]:
    return {"model": row._meta.label, "id": str(row.pk), "digest": row.digest_after()}


def _json(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)
