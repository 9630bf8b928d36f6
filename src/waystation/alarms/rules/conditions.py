"""A condition: something that is wrong now, as the alarms see it, with the facts that a message needs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

Identity = tuple[str, UUID, datetime]
OBJECT_KINDS = ("space", "device", "sensor", "site", "circuit", "run")


@dataclass(frozen=True, slots=True)
class Condition:
    """One thing that is wrong with one object since one instant.

    `facts` holds plain values for messages (asset, location, value_c, limit_c, trend_c_per_h, side ...).
    `from_missing_data` is True only when its sole cause is that data are missing. `worst_case_at` is the
    earliest instant at which product may be lost.
    """

    rule: str
    site_id: UUID
    object_kind: str
    object_id: UUID
    started_at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)
    from_missing_data: bool = False
    worst_case_at: datetime | None = None
    space_id: UUID | None = None

    @property
    def identity(self) -> Identity:
        """What makes it the same condition when it is reported again."""
        return (self.rule, self.object_id, self.started_at)

    @property
    def place(self) -> UUID:
        """The space that it concerns; its own object where no space is known."""
        return self.space_id or self.object_id

    def age_s(self, now: datetime) -> float:
        """Seconds since it began; never negative."""
        return max((now - self.started_at).total_seconds(), 0.0)

    def number(self, name: str) -> float | None:
        """A fact as a number, None when it is absent or is none."""
        value = self.facts.get(name)
        if isinstance(value, bool) or value is None:
            return None
        try:
            return float(value)
        except (TypeError, ValueError):
            return None


def around(conditions: Iterable[Condition], one: Condition) -> list[Condition]:
    """What stands beside a condition: all of its place and of its whole site; beside one of a whole site all there."""
    if one.object_kind == "site":
        return of_site(conditions, one.site_id)
    return [c for c in conditions if c.place == one.place or (c.object_kind == "site" and c.site_id == one.site_id)]


def of_site(conditions: Iterable[Condition], site_id: UUID) -> list[Condition]:
    """The conditions of one site."""
    return [c for c in conditions if c.site_id == site_id]
