"""Why does this control exist? Every rule, gate and policy that counts, with reason, owner, approval and last test.

Nothing is said that no record holds: without an approval it says nobody, without a proof it says never tested.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from waystation.access import queries as access
from waystation.evidence import queries as evidence
from waystation.evidence.queries import Newest
from waystation.journeys.control_kinds.control import NO_REASON, Control
from waystation.journeys.control_kinds.kinds import KINDS
from waystation.kernel.authority import Authority
from waystation.kernel.cells import csv_text
from waystation.kernel.refusals import BadInput

SCHEMA = "waystation.controls/1"
NOBODY, NEVER = "nobody", "never tested"
COLUMNS = (
    *("schema", "kind", "name", "what", "why", "owner", "approved_by", "approved_at", "entry"),
    *("last_test_at", "last_test", "key"),
)


@dataclass(frozen=True, slots=True)
class Explained:
    """A control with the names of people, and the number of the entry that put it in force where there is one."""

    control: Control
    owner: str
    approved_by: str
    approved_at: datetime | None
    entry: int | None

    @property
    def last_test(self) -> str:
        """What shows that it works, in words."""
        return self.control.proof.words if self.control.proof else NEVER

    @property
    def tested_at(self) -> datetime | None:
        """When that was."""
        return self.control.proof.at if self.control.proof else None


def controls(by: Authority, *, now: datetime, kind: str = "", untested: bool = False) -> list[Explained]:
    """Every control that counts at `now`, of one kind or of all, kind by kind; `untested` leaves those never tested."""
    by.require("evidence.read")
    if kind and kind not in KINDS:
        raise BadInput(
            "controls.kind", f"No control is a {kind}.", f"Use {', '.join(KINDS)}.", field="kind", value=kind
        )
    found = [one for name, (_, listed) in KINDS.items() if kind in ("", name) for one in listed(now)]
    said = evidence.newest_about({one.key: one.entries for one in found})
    people = access.names({p for one in found if (p := _approver(one, said)) is not None})
    explained = [_explained(one, said, people) for one in found]
    return [one for one in explained if one.control.proof is None] if untested else explained


def _approver(one: Control, said: Mapping[str, Newest]) -> UUID | None:
    if one.approved_by is not None:
        return one.approved_by
    return UUID(said[one.key].actor) if one.key in said else None


def _explained(one: Control, said: Mapping[str, Newest], people: Mapping[UUID, str]) -> Explained:
    whom, entry = _approver(one, said), said.get(one.key)
    name = people.get(whom, "somebody unknown") if whom else NOBODY
    at = one.approved_at or (entry.at if entry else None)
    if one.why == NO_REASON and entry is not None and entry.reason:
        one = replace(one, why=entry.reason)
    return Explained(one, one.owner or name, name, at, entry.seq if entry else None)


def as_csv(rows: Iterable[Explained]) -> str:
    """The controls as CSV, schema `waystation.controls/1`, instants in UTC."""
    return csv_text(COLUMNS, map(_cells, rows))


def _cells(row: Explained) -> tuple[object, ...]:
    one = row.control
    begins = (SCHEMA, one.kind, one.name, one.what, one.why, row.owner, row.approved_by, row.approved_at)
    return (*begins, row.entry, row.tested_at, row.last_test, one.key)
