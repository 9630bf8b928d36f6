"""A control as it is shown, whatever its kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from django.db.models import Model, QuerySet

NO_REASON = "no reason is recorded"


@dataclass(frozen=True, slots=True)
class Proof:
    """A record that shows a control at work: when, and in words."""

    at: datetime
    words: str


@dataclass(frozen=True, slots=True)
class Control:
    """A rule, gate or policy that counts now. `entries` begin the kinds of the log entries that put it in force.

    An empty `owner` is whoever approved it.
    """

    kind: str
    key: str
    name: str
    what: str
    why: str
    owner: str
    proof: Proof | None = None
    approved_by: UUID | None = None
    approved_at: datetime | None = None
    entries: tuple[str, ...] = ()
    link: str = ""


Some = TypeVar("Some", bound=Model)
Found = Iterator[Control]


def newest(rows: QuerySet[Some], at: str) -> Some | None:
    """The row with the latest instant in column `at`, of those that have one."""
    return rows.exclude(**{at: None}).order_by(f"-{at}", "-pk").first()
