"""Small scenes for the alarm tests: a staffed site, conditions, and the round that a journey would run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from tests.conftest import START
from tests.samples import a_site
from waystation.access.models import Person
from waystation.access.queries import system_authority
from waystation.alarms import actions
from waystation.alarms.models import Page
from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.text import PageText
from waystation.evidence.models import OutboxMessage

TEXT = PageText("Fridge 1 warms", "Fridge 1 at Córdoba is 9.1 °C. Move the product.", "Fridge 1, Córdoba: 9.1 °C")


def condition(rule: str, site_id: UUID, object_id: UUID, **changes: Any) -> Condition:
    """A condition of a space that began at START."""
    values: dict[str, Any] = {"object_kind": "space", "started_at": START, "facts": {}} | changes
    return Condition(rule, site_id, object_id=object_id, **values)


@dataclass
class Scene:
    """A site with people, a clock and what is wrong now."""

    person: Callable[..., Person]
    site_code: str = "cordoba"
    now: datetime = START
    wrong: list[Condition] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.by = system_authority("test")
        self.site = a_site(self.site_code)

    def staff(self, **roles: str) -> dict[str, Person]:
        """People by name with their roles."""
        return {name: self.person(name, role) for name, role in roles.items()}

    def at(self, minutes: float) -> Scene:
        """Move to so many minutes after START."""
        self.now = START + timedelta(minutes=minutes)
        return self

    def round(self, conditions: Sequence[Condition] | None = None) -> actions.Update:
        """What the journey does: update, page what is new, then the deadlines."""
        self.wrong = list(conditions) if conditions is not None else self.wrong
        done = actions.update(self.by, self.site.pk, self.wrong, now=self.now)
        for alarm in (*done.raised, *done.changed):
            actions.page(self.by, alarm.pk, TEXT, now=self.now)
        actions.due(self.by, now=self.now)
        return done

    def due(self) -> actions.Due:
        """Only the deadlines, as after a silent sensor or a restart."""
        return actions.due(self.by, now=self.now)

    def paged(self) -> list[tuple[str, int]]:
        """(name, level) of each page in order of sending."""
        names = dict(Person.objects.values_list("pk", "name"))
        pages = Page.objects.filter(kind="page").order_by("at", "level", "pk")
        return [(names[p.person_id], p.level) for p in pages]


def messages() -> int:
    """How many messages stand in the outbox."""
    return OutboxMessage.objects.count()
