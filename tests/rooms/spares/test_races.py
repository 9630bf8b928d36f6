"""Races over real connections: whatever the interleaving, one unit goes to one incident."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from django.db import connection

from tests.conftest import START
from tests.plugins.at_once import at_once
from tests.rooms.spares.network import a_hub, a_lane, a_need, a_unit, an_offer, system, the_site
from waystation.kernel.refusals import Conflict
from waystation.spares import models as m
from waystation.spares.actions import hold
from waystation.spares.actions.sourcing import Sourced, source

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("real_file")]
ROUNDS = 140


def race_for(unit: UUID, site: UUID) -> None:
    """Two incidents reach for one unit at the same moment: one row, one winner, and the loser is told."""
    first, second = uuid4(), uuid4()
    found = at_once(
        lambda: hold.reserve(system(), unit, first, now=START, site_id=site),
        lambda: hold.reserve(system(), unit, second, now=START, site_id=site),
    )
    winners = [r for r in found if isinstance(r, m.Reservation)]
    losers = [r for r in found if isinstance(r, Conflict)]
    assert (len(winners), len(losers)) == (1, 1), found
    assert losers[0].code == "spares.taken"
    holders = list(m.Reservation.objects.filter(unit_id=unit).values_list("incident_id", flat=True))
    assert holders == [winners[0].incident_id]


def test_ful_10_two_reservations_of_one_unit_have_one_winner() -> None:
    """Over and over: one holds it, the other is told who does; never two, never none."""
    site = the_site().pk
    units = [a_unit(f"S-{n}", a_hub()).pk for n in range(ROUNDS)]
    for unit in units:
        race_for(unit, site)
    assert connection.vendor in ("sqlite", "postgresql")


def test_ful_10_two_incidents_racing_for_the_last_unit_get_unit_and_next_path() -> None:
    """Both are served: one by the unit, one by the vendor with the reason that names the other."""
    a_lane(a_hub(), 90)
    an_offer()
    for n in range(ROUNDS // 4):
        unit = a_unit(f"S-{n}", a_hub())
        needs = [a_need(name=f"INC-{n}-a"), a_need(name=f"INC-{n}-b")]
        found = at_once(*(lambda need=need: source(system(), need, now=START) for need in needs))
        answers = [f for f in found if isinstance(f, Sourced)]
        assert len(answers) == 2, found
        held = [a for a in answers if a.reservation is not None]
        assert [a.reservation.unit_id for a in held if a.reservation] == [unit.pk]
        next_path = next(a for a in answers if a.reservation is None)
        assert next_path.order is not None
        assert held[0].reservation is not None
        assert f"was taken by {held[0].reservation.incident_name} at" in next_path.candidates[0].reason
        assert m.Reservation.objects.filter(state="held", unit=unit).count() == 1


def test_ful_10_one_incident_asked_twice_at_once_holds_one_unit() -> None:
    """Two loops source the same incident: one unit leaves the shelf."""
    a_lane(a_hub(), 90)
    for n in range(ROUNDS // 10):
        for serial in (f"S-{2 * n}", f"S-{2 * n + 1}"):
            a_unit(serial, a_hub())
        need = a_need(name=f"INC-{n}")
        found = at_once(*(lambda need=need: source(system(), need, now=START) for _ in range(2)))
        assert all(isinstance(f, Sourced) for f in found), found
        assert m.Reservation.objects.filter(incident_id=need.incident_id, state="held").count() == 1


def test_ful_10_one_incident_asked_twice_at_once_orders_once() -> None:
    """With no unit anywhere both askers get the same order."""
    an_offer()
    for n in range(ROUNDS // 10):
        need = a_need(name=f"INC-{n}")
        found = at_once(*(lambda need=need: source(system(), need, now=START) for _ in range(2)))
        assert all(isinstance(f, Sourced) for f in found), found
        assert m.Order.objects.filter(incident_id=need.incident_id).count() == 1
