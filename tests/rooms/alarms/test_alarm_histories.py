"""Random histories of a site: whatever happens in whatever order, nobody is forgotten and nobody is paged in vain."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from tests.conftest import START
from tests.rooms.alarms.scenes import Scene, condition
from tests.samples import a_space
from waystation.access.models import Person
from waystation.access.queries import authority_of_person
from waystation.alarms import actions, queries
from waystation.alarms.models import Alarm, Escalation, Page, Suppression
from waystation.alarms.rules.conditions import Condition
from waystation.evidence.models import OutboxMessage
from waystation.kernel.authority import Authority

pytestmark = pytest.mark.django_db
HISTORIES, EVENTS = 12, 25
RULES = ("excursion", "compressor_fault", "rising", "humidity", "sensor_silent", "site_unreachable", "worst_case_limit")


class _Night:
    """One history, with the checks that hold after each event."""

    def __init__(self, scene: Scene, seed: int) -> None:
        self.scene, self.chance = scene, random.Random(seed)
        self.now: datetime = START
        self.wrong: list[Condition] = []
        self.acked: dict[object, tuple[datetime, int]] = {}
        self.ana: Authority = authority_of_person(Person.objects.get(name="Ana"), START)

    def begin(self) -> None:
        rule = self.chance.choice(RULES)
        site = self.scene.site.pk
        if rule == "site_unreachable":
            made = condition(rule, site, site, object_kind="site", started_at=self.now, from_missing_data=True)
        else:
            space = a_space("cordoba", f"fridge-{self.chance.randrange(2)}").pk
            missing = rule in ("sensor_silent", "worst_case_limit")
            made = condition(rule, site, space, started_at=self.now, from_missing_data=missing)
        if all((c.rule, c.object_id) != (made.rule, made.object_id) for c in self.wrong):
            self.wrong.append(made)
        self.scene.round(self.wrong)

    def end(self) -> None:
        if self.wrong:
            self.wrong.remove(self.chance.choice(self.wrong))
        self.scene.round(self.wrong)

    def acknowledge(self) -> None:
        standing = list(Alarm.objects.order_by("pk"))
        if standing:
            alarm = actions.acknowledge(self.ana, self.chance.choice(standing).pk, now=self.now)
            self.acked[alarm.pk] = (self.now, alarm.acked_rank or 0)

    def quiet(self) -> None:
        kind, rule = self.chance.choice(["shelve", "silence", "window"]), self.chance.choice(RULES)
        ends = self.now + timedelta(minutes=self.chance.choice([10, 60, 240]))
        actions.suppress(self.ana, self.scene.site.pk, kind, reason="works", rules=[rule], ends_at=ends, now=self.now)

    def unquiet(self) -> None:
        live = list(Suppression.objects.filter(ends_at__gt=self.now).order_by("pk"))
        if live:
            actions.end_suppression(self.ana, self.chance.choice(live).pk, now=self.now)

    def live(self) -> None:
        """One event, then time, then the deadlines."""
        self.chance.choice([self.begin, self.begin, self.end, self.acknowledge, self.quiet, self.unquiet])()
        self.now += timedelta(minutes=self.chance.choice([0, 1, 7, 16, 61]))
        self.scene.now = self.now
        self.scene.due()
        self.check()

    def check(self) -> None:
        for alarm in Alarm.objects.filter(cleared_at=None, acked_at=None).exclude(severity="informational"):
            waits = Escalation.objects.filter(alarm=alarm, done_at=None, due_at__gt=self.now).exists()
            assert waits, f"{alarm.rule} stands and nothing will happen: {alarm.reasons}"
        for alarm_id, (at, rank) in self.acked.items():
            assert not Page.objects.filter(alarm_id=alarm_id, kind="page", at__gt=at, rank__lte=rank).exists()
        assert queries.unfounded(self.now) == []
        assert queries.late_deadlines(self.now, 0) == []
        assert not Suppression.objects.filter(ends_at__lte=self.now, announced_at=None).exists()
        keys = list(OutboxMessage.objects.values_list("idempotency_key", flat=True))
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize("seed", range(HISTORIES))
def test_no_history_forgets_an_alarm_or_pages_after_acknowledge(seed: int, person: Callable[..., Person]) -> None:
    """Raise, clear, acknowledge, quiet and time in any order keep every promise at every step."""
    scene = Scene(person)
    scene.staff(Ana="operator", Bo="site_contact", Carla="supervisor")
    night = _Night(scene, seed)
    for _ in range(EVENTS):
        night.live()
    assert Page.objects.exists()
