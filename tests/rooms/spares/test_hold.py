"""Reservations one rule at a time: who holds, until when, how it ends, and what both sides are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import uuid4

import pytest

from tests.conftest import START
from tests.rooms.spares.network import a_hub, a_lane, a_need, a_unit, held_unit, system, the_site
from tests.samples import a_site
from waystation.access import actions as access
from waystation.access.models import Person
from waystation.access.queries import SYSTEM_ID, authority_of_person
from waystation.evidence.models import Event, LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.spares import models as m
from waystation.spares.actions import hold, stock, travel
from waystation.spares.actions.sourcing import source

pytestmark = pytest.mark.django_db
HOURS = timedelta(hours=1)


def test_stk_09_a_reservation_says_who_for_what_and_until_when() -> None:
    """Twelve hours unless another end is given; need, name, site, custody and evidence in one go."""
    unit, incident = a_unit("S-1", a_hub()), uuid4()
    made = hold.reserve(
        system(), unit.pk, incident, now=START, site_id=the_site().pk, incident_name="INC-7", need={"part": "CTL"}
    )
    made.refresh_from_db()
    assert (made.state, made.incident_id, made.incident_name, made.need) == ("held", incident, "INC-7", {"part": "CTL"})
    assert (made.reserved_at, made.expires_at) == (START, START + timedelta(hours=12))
    assert made.site == the_site()
    unit.refresh_from_db()
    assert (unit.state, unit.hub) == ("reserved", a_hub())
    row = m.Custody.objects.filter(unit=unit).order_by("-at", "-id").first()
    assert row is not None
    assert (row.state, row.note, row.incident_id) == ("reserved", "reserved for INC-7", incident)
    event = Event.objects.get(kind="spares.reserved")
    assert event.incident_id == incident
    assert event.data == {"serial": "S-1", "expires_at": "2026-11-17T18:00:00Z", "incident": "INC-7"}
    entry = LogEntry.objects.get(kind="spares.reserved")
    assert (entry.object_id, entry.site_id) == (str(made.pk), the_site().pk)


def test_stk_09_an_end_may_be_given_and_a_name_may_be_missing() -> None:
    """The note then names the incident by its id."""
    unit, incident = a_unit("S-1", a_hub()), uuid4()
    made = hold.reserve(
        system(), unit.pk, incident, now=START, site_id=the_site().pk, expires_at=START + timedelta(hours=2)
    )
    made.refresh_from_db()
    assert made.expires_at == START + timedelta(hours=2)
    assert made.need == {}
    assert m.Custody.objects.filter(unit=unit, note=f"reserved for {incident}").count() == 1


def test_stk_09_the_same_incident_gets_the_same_reservation() -> None:
    """Repeating changes nothing, writes nothing, and does not move the end."""
    unit, held = held_unit()
    before = LogEntry.objects.count()
    again = hold.reserve(system(), unit.pk, held.incident_id, now=START + 3 * HOURS, site_id=the_site().pk)
    assert (again.pk, again.expires_at) == (held.pk, held.expires_at)
    assert LogEntry.objects.count() == before


def test_ful_10_another_incident_is_told_who_has_it_and_where() -> None:
    """State, holder, place and the next step; nothing is written."""
    unit, held = held_unit()
    with pytest.raises(Conflict) as refused:
        hold.reserve(system(), unit.pk, uuid4(), now=START, site_id=the_site().pk)
    assert refused.value.code == "spares.taken"
    assert refused.value.message == "S-1 is reserved for INC-1 at Sevilla."
    assert "next candidate" in refused.value.next_step
    assert list(m.Reservation.objects.all()) == [held]


@pytest.mark.parametrize("state", ["received", "quarantined", "in_transit", "lost"])
def test_stk_09_only_a_stocked_unit_is_held(state: str) -> None:
    """The refusal names the state that it has, and no holder."""
    unit = a_unit("S-1", a_hub())
    m.Unit.objects.filter(pk=unit.pk).update(state=state)
    with pytest.raises(Conflict, match=f"S-1 is {state.replace('_', ' ')} at Sevilla"):
        hold.reserve(system(), unit.pk, uuid4(), now=START, site_id=the_site().pk)
    assert not m.Reservation.objects.exists()


def test_stk_09_break_glass_stock_is_held_only_for_an_incident_that_it_was_released_for() -> None:
    """Not before, not for another one; then like any unit."""
    unit, incident = a_unit("S-1", a_hub(), break_glass=True), uuid4()
    with pytest.raises(NotAllowed) as refused:
        hold.reserve(system(), unit.pk, incident, now=START, site_id=the_site().pk)
    assert refused.value.code == "spares.break_glass"
    stock.release_break_glass(system(), incident, reason="power gone at two sites", now=START, site_id=the_site().pk)
    with pytest.raises(NotAllowed):
        hold.reserve(system(), unit.pk, uuid4(), now=START, site_id=the_site().pk)
    assert hold.reserve(system(), unit.pk, incident, now=START, site_id=the_site().pk).state == "held"


def test_stk_09_who_may_not_reserve_is_refused(acting: Callable[..., Authority]) -> None:
    """Holding, releasing, taking over and expiring each ask for the permission."""
    unit, held = held_unit()
    nobody, site = acting("auditor"), the_site().pk
    tries: list[Callable[[], object]] = [
        lambda: hold.reserve(nobody, unit.pk, uuid4(), now=START, site_id=site),
        lambda: hold.release(nobody, held.pk, reason="not needed", now=START),
        lambda: hold.take_over(nobody, held.pk, uuid4(), reason="worse", now=START, site_id=site),
        lambda: hold.expire_due(nobody, now=START),
    ]
    for attempt in tries:
        with pytest.raises(NotAllowed):
            attempt()
    held.refresh_from_db()
    assert held.state == "held"


def test_stk_09_taking_over_asks_for_both_sites_before_it_looks(
    person: Callable[..., Person], acting: Callable[..., Authority]
) -> None:
    """Who may reserve for one site takes nothing from another; who may not at all learns nothing."""
    _, held = held_unit()
    elsewhere = a_site("malaga")
    local = person("Lola")
    access.grant_role(system(), local.pk, "operator", site_id=elsewhere.pk, now=START)
    lola = authority_of_person(local, START)
    assert lola.may("spares.reserve", elsewhere.pk)
    with pytest.raises(NotAllowed):
        hold.take_over(lola, held.pk, uuid4(), reason="worse here", now=START, site_id=elsewhere.pk)
    with pytest.raises(NotAllowed):
        hold.take_over(acting("auditor"), uuid4(), uuid4(), reason="x", now=START, site_id=elsewhere.pk)
    held.refresh_from_db()
    assert held.state == "held"


def test_stk_09_a_long_reason_is_kept_as_far_as_there_is_room() -> None:
    """Three hundred characters of it."""
    _, held = held_unit()
    assert hold.release(system(), held.pk, reason="a" * 299 + "bcd", now=START).reason == "a" * 299 + "b"


def test_stk_09_a_release_needs_a_reason_and_frees_the_unit() -> None:
    """The reason stays with the reservation, the custody and the event of its incident."""
    unit, held = held_unit()
    with pytest.raises(BadInput):
        hold.release(system(), held.pk, reason="  ", now=START)
    ended = hold.release(system(), held.pk, reason="repaired on site", now=START + HOURS)
    ended.refresh_from_db()
    assert (ended.state, ended.ended_at, ended.reason) == ("released", START + HOURS, "repaired on site")
    unit.refresh_from_db()
    assert (unit.state, unit.hub, unit.custodian) == ("stocked", a_hub(), "Sevilla")
    event = Event.objects.get(kind="spares.released")
    assert (event.incident_id, event.data) == (held.incident_id, {"serial": "S-1", "reason": "repaired on site"})
    assert hold.reserve(system(), unit.pk, uuid4(), now=START + HOURS, site_id=the_site().pk).state == "held"


def test_stk_09_releasing_again_changes_nothing() -> None:
    """Not the instant, not the reason, no second event."""
    _, held = held_unit()
    hold.release(system(), held.pk, reason="repaired on site", now=START)
    again = hold.release(system(), held.pk, reason="another word", now=START + HOURS)
    assert (again.reason, again.ended_at) == ("repaired on site", START)
    assert Event.objects.filter(kind="spares.released").count() == 1


def test_stk_09_a_unit_on_its_way_is_not_released() -> None:
    """It left the hub: the refusal says where it is and that it is to be returned."""
    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub())
    made = source(system(), a_need(), now=START)
    assert made.dispatch is not None
    assert made.reservation is not None
    travel.ship(system(), made.dispatch.pk, now=START + HOURS)
    with pytest.raises(Conflict) as refused:
        hold.release(system(), made.reservation.pk, reason="too late", now=START + 2 * HOURS)
    assert refused.value.code == "spares.on_its_way"
    assert "S-1 is in transit" in refused.value.message
    made.reservation.refresh_from_db()
    assert (made.reservation.state, made.reservation.ended_at) == ("held", None)


def test_stk_09_a_release_cancels_the_dispatch_that_was_planned() -> None:
    """Nobody drives for a unit that is back on the shelf."""
    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub())
    made = source(system(), a_need(), now=START)
    assert made.dispatch is not None
    assert made.reservation is not None
    hold.release(system(), made.reservation.pk, reason="repaired", now=START + HOURS)
    made.dispatch.refresh_from_db()
    assert (made.dispatch.state, made.dispatch.ended_at) == ("canceled", START + HOURS)


def test_stk_09_a_reservation_ends_at_its_instant_and_not_before() -> None:
    """Half-open: at twelve hours it is over; once, with its reason."""
    unit, held = held_unit()
    assert hold.expire_due(system(), now=START + timedelta(hours=12, seconds=-1)) == []
    ended = hold.expire_due(system(), now=START + 12 * HOURS)
    assert [(e.pk, e.state, e.reason) for e in ended] == [(held.pk, "expired", "its time was over")]
    assert hold.expire_due(system(), now=START + 13 * HOURS) == []
    unit.refresh_from_db()
    assert unit.state == "stocked"
    assert Event.objects.get(kind="spares.expired").incident_id == held.incident_id


def test_stk_09_what_was_picked_or_shipped_does_not_expire() -> None:
    """A unit in somebody's hands is not given away."""
    a_lane(a_hub(), 90)
    for serial, verb in (("S-1", travel.pick), ("S-2", travel.ship)):
        a_unit(serial, a_hub())
        made = source(system(), a_need(name=serial), now=START)
        assert made.dispatch is not None
        verb(system(), made.dispatch.pk, now=START + HOURS)
    assert hold.expire_due(system(), now=START + 99 * HOURS) == []
    assert m.Reservation.objects.filter(state="held").count() == 2


def test_stk_09_the_oldest_end_comes_first() -> None:
    """Several at once, in the order of their ends."""
    for n, hours in enumerate((5, 3, 4)):
        unit = a_unit(f"S-{n}", a_hub())
        hold.reserve(
            system(), unit.pk, uuid4(), now=START, site_id=the_site().pk, expires_at=START + timedelta(hours=hours)
        )
    ended = hold.expire_due(system(), now=START + 6 * HOURS)
    assert [e.unit.serial for e in ended] == ["S-1", "S-2", "S-0"]


def test_stk_09_taking_over_is_a_recorded_override_that_both_incidents_hear_of() -> None:
    """The first is told by whom, for whom and why; the second holds it and says that it was taken over."""
    unit, held = held_unit()
    other = uuid4()
    with pytest.raises(BadInput):
        hold.take_over(system(), held.pk, other, reason="", now=START, site_id=the_site().pk)
    made = hold.take_over(
        system(), held.pk, other, reason="vaccine at risk", now=START + HOURS, site_id=the_site().pk, name="INC-9"
    )
    held.refresh_from_db()
    assert held.state == "released"
    assert held.reason == f"taken over for INC-9 by {SYSTEM_ID}: vaccine at risk"
    assert (made.state, made.incident_id, made.incident_name) == ("held", other, "INC-9")
    assert made.need == {"taken_over": "vaccine at risk"}
    assert made.expires_at == START + 13 * HOURS
    told = {e.incident_id: e.kind for e in Event.objects.filter(incident_id__in=[held.incident_id, other])}
    assert told == {held.incident_id: "spares.released", other: "spares.reserved"}
    unit.refresh_from_db()
    assert unit.state == "reserved"


def test_stk_09_without_a_name_the_override_names_the_incident_by_its_id() -> None:
    """Somebody can always be found."""
    _, held = held_unit()
    other = uuid4()
    hold.take_over(system(), held.pk, other, reason="worse there", now=START, site_id=the_site().pk)
    held.refresh_from_db()
    assert f"taken over for {other} by" in held.reason


def test_stk_09_a_take_over_that_is_refused_leaves_the_first_as_it_was() -> None:
    """One transaction: the unit on its way stays with whom it goes to."""
    unit, held = held_unit()
    m.Unit.objects.filter(pk=unit.pk).update(state="in_transit", hub=None)
    with pytest.raises(Conflict):
        hold.take_over(system(), held.pk, uuid4(), reason="worse there", now=START, site_id=the_site().pk)
    held.refresh_from_db()
    assert (held.state, held.reason) == ("held", "")


def test_stk_09_a_reservation_that_ended_otherwise_is_not_released() -> None:
    """An expired one stays expired, an unknown one is not found; expiry passes over what was released meanwhile."""
    _, held = held_unit()
    hold.expire_due(system(), now=START + 12 * HOURS)
    with pytest.raises(Conflict):
        hold.release(system(), held.pk, reason="late", now=START + 13 * HOURS)
    with pytest.raises(NotFound):
        hold.release(system(), uuid4(), reason="what?", now=START)
    held.refresh_from_db()
    assert held.state == "expired"
    assert hold._end(system(), held.pk, "expired", "again", START + 14 * HOURS).ended_at == START + 12 * HOURS


def test_ful_10_the_database_itself_refuses_a_second_live_reservation() -> None:
    """Where two reach the write at once the constraint decides, and the loser is told who was first."""
    unit, held = held_unit()
    m.Unit.objects.filter(pk=unit.pk).update(state="stocked")
    seen_free = m.Unit.objects.select_related("part", "hub", "site").get(pk=unit.pk)
    rows, second = hold.held_rows(system(), seen_free, uuid4(), now=START, site=the_site(), name="INC-2", need={})
    m.Unit.objects.filter(pk=unit.pk).update(state="in_transit")
    with pytest.raises(Conflict, match="S-1 is in transit for INC-1 at Sevilla"):
        hold.write(system(), rows, second, [], now=START)
    assert list(m.Reservation.objects.filter(state="held")) == [held]
