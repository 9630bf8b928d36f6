"""A sensor failed: the space lives on hand readings, and one that is missed is an alarm of its own."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.conftest import START
from tests.rooms.telemetry.samples import a_monitored_space, deliver, minutes
from waystation.alarms import queries as alarms
from waystation.journeys import failed_sensor
from waystation.journeys.reading import Rounds
from waystation.kernel.authority import Authority
from waystation.registry.models import Site, Space
from waystation.telemetry.actions import hand
from waystation.telemetry.models import Doubt, HandDuty
from waystation.telemetry.proving import prove
from waystation.telemetry.queries import site_view

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
HOUR = timedelta(hours=1)


def a_failed_probe(acting: Callable[..., Authority]) -> tuple[Space, Authority]:
    """Two hours flat, a hand reading, and the operator's word that the sensor failed."""
    space, (probe,) = a_monitored_space(START)
    Site.objects.filter(pk=space.site_id).update(state="active")
    deliver(space, minutes(probe, START, [5.0, *[4.6] * 120]), START + 2 * HOUR)
    rounds = Rounds()
    rounds.judge_waiting(START + 2 * HOUR)
    operator, at = acting("operator"), START + 2 * HOUR
    hand.hand_reading(operator, space.pk, value_c=5.3, observed_at=at, instrument="HT-7", now=at)
    failed_sensor.declare(operator, Doubt.objects.get().pk, reason="flat, hand reading 5.3", now=at)
    return space, operator


def test_alr_13_a_missed_hand_reading_of_an_unmonitored_space_raises_an_alarm(acting: Callable[..., Authority]) -> None:
    """Due in half an hour; kept in time it is quiet, missed it is an alarm, and a reading ends it."""
    space, operator = a_failed_probe(acting)
    assert HandDuty.objects.get().due_at == START + 2.5 * HOUR
    view = next(s for s in site_view(space.site_id, START + 2.1 * HOUR).spaces if s.id == space.pk)
    assert (view.is_unmonitored, view.state) == (True, "not_proven")
    rounds = Rounds()
    rounds.tick(START + 2.4 * HOUR)
    assert "hand_reading_missed" not in {a.rule for a in alarms.active(operator, space.site_id)}
    rounds.tick(START + 2.55 * HOUR)
    missed = [a for a in alarms.active(operator, space.site_id) if a.rule == "hand_reading_missed"]
    assert [a.severity for a in missed] == ["operator_actionable"]
    at = START + 2.6 * HOUR
    hand.hand_reading(operator, space.pk, value_c=5.1, observed_at=at, instrument="HT-7", now=at)
    rounds.tick(at + timedelta(minutes=2))
    rounds.tick(at + timedelta(minutes=4))
    missed = [a for a in alarms.active(operator, space.site_id) if a.rule == "hand_reading_missed"]
    assert [a for a in missed if a.cleared_at is None] == []


def test_alr_13_the_time_of_a_failed_sensor_stays_not_proven(acting: Callable[..., Authority]) -> None:
    """Also while hand readings are taken that the profile would accept for a silence."""
    space, _ = a_failed_probe(acting)
    assert space.profile is not None
    space.profile.source_classes = ["signed_batch", "hand_reading"]
    space.profile.save()
    row = Space.objects.select_related("profile", "site").get(pk=space.pk)
    proof = prove(row, START + HOUR, START + 2 * HOUR)
    assert proof is not None
    assert proof.minutes["not_proven"] == pytest.approx(60)
