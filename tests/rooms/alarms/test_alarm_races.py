"""Races of people and worker over real connections: one page, one acknowledge, one edition, whoever is first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connection

from tests.conftest import START
from tests.plugins.at_once import at_once
from tests.rooms.alarms.scenes import TEXT, Scene, condition
from tests.samples import a_space
from waystation.access.models import Person
from waystation.access.queries import authority_of_person
from waystation.alarms import actions, queries
from waystation.alarms.models import Alarm, Escalation, MatrixVersion, Page, RouteTest
from waystation.alarms.rules.shipped_matrix import SHIPPED_MATRIX
from waystation.evidence.models import LogEntry, OutboxMessage
from waystation.kernel.refusals import Conflict

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("real_file")]
ROUNDS = 5


@pytest.fixture
def scene(real_file: None, person: Callable[..., Person]) -> Scene:
    """Córdoba with an operator and a site contact."""
    made = Scene(person)
    made.staff(Ana="operator", Bo="site_contact")
    return made


def an_excursion(scene: Scene, number: int) -> Alarm:
    """An alarm of a fridge of its own that nobody paged yet."""
    wrong = condition("excursion", scene.site.pk, a_space("cordoba", f"fridge-{number}").pk)
    scene.wrong.append(wrong)
    done = actions.update(scene.by, scene.site.pk, scene.wrong, now=START)
    return done.raised[0]


def test_a5_two_workers_page_an_alarm_once(scene: Scene) -> None:
    """The round and the deadlines reach for it at the same moment: each person gets one message, one deadline waits."""
    for number in range(ROUNDS):
        alarm = an_excursion(scene, number)
        later = START + timedelta(minutes=1)
        at_once(
            lambda: actions.page(scene.by, alarm.pk, TEXT, now=later),  # noqa: B023
            lambda: actions.due(scene.by, now=later),  # noqa: B023
        )
        assert Page.objects.filter(alarm=alarm).count() == 2
        assert OutboxMessage.objects.filter(idempotency_key__startswith=f"page:{alarm.pk}").count() == 2
        assert Escalation.objects.filter(alarm=alarm, done_at=None).count() == 1
    assert connection.vendor in ("sqlite", "postgresql")


def test_a6_two_people_acknowledge_and_one_has_it_while_the_next_level_is_due(scene: Scene) -> None:
    """One name stands with one entry; what escalates in the same moment does so before the acknowledge, never after."""
    ana, bo = (authority_of_person(Person.objects.get(name=name), START) for name in ("Ana", "Bo"))
    for number in range(ROUNDS):
        alarm = an_excursion(scene, number)
        actions.page(scene.by, alarm.pk, TEXT, now=START)
        now = START + timedelta(minutes=15)
        at_once(
            lambda: actions.acknowledge(ana, alarm.pk, now=now),  # noqa: B023
            lambda: actions.acknowledge(bo, alarm.pk, now=now),  # noqa: B023
            lambda: actions.due(scene.by, now=now),  # noqa: B023
        )
        alarm.refresh_from_db()
        assert alarm.acked_by in (ana.principal_id, bo.principal_id)
        assert LogEntry.objects.filter(kind="alarms.acknowledged", object_id=str(alarm.pk)).count() == 1
        assert not Escalation.objects.filter(alarm=alarm, done_at=None).exists()
        assert alarm.outcome == "drop"


def test_alr_01_two_editors_of_one_edition_make_one_new_edition(scene: Scene) -> None:
    """The other is told that it moved on, and nothing of his change is in force."""
    for number in range(ROUNDS):
        rows = [[{**r, "owner": f"{who} {number}"} for r in SHIPPED_MATRIX] for who in ("ana", "bo")]
        edit = lambda mine: actions.edit_matrix(scene.by, mine, base_number=number, reason="", now=START)  # noqa: B023, E731
        found = at_once(lambda: edit(rows[0]), lambda: edit(rows[1]))  # noqa: B023
        made = [f for f in found if isinstance(f, MatrixVersion)]
        refused = [f for f in found if isinstance(f, Conflict)]
        assert (len(made), [r.code for r in refused]) == (1, ["alarms.matrix_moved_on"])
        assert queries.matrix() == (number + 1, made[0].rows)


def test_alr_10_a_route_tested_twice_at_once_is_one_test(scene: Scene) -> None:
    """Nobody gets two test pages."""
    found = at_once(*[lambda: actions.test_route(scene.by, scene.site.pk, now=START)] * 2)
    assert len({test.pk for test in found if isinstance(test, RouteTest)}) == 1
    assert OutboxMessage.objects.filter(idempotency_key__startswith="route:").count() == 2


def test_one_site_judged_twice_at_once_raises_each_alarm_once(scene: Scene) -> None:
    """Two rounds of the same conditions: one has raised, the other found it standing."""
    wrong = [condition("excursion", scene.site.pk, a_space("cordoba", f"fridge-{n}").pk) for n in range(3)]
    done = at_once(*[lambda: actions.update(scene.by, scene.site.pk, wrong, now=START)] * 2)
    raised = [len(d.raised) for d in done if isinstance(d, actions.Update)]
    assert sorted(raised) == [0, 3]
    assert LogEntry.objects.filter(kind="alarms.raised").count() == Alarm.objects.count() == 3
