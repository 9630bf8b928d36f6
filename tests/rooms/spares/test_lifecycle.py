"""One unit from receipt to disposal: nobody skips a state, nothing is counted twice, nothing a carrier says is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from itertools import pairwise
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.conftest import START
from tests.rooms.spares.network import a_hub, a_lane, a_part, a_unit, held_unit, system, the_site
from tests.samples import a_device, a_site
from waystation.access import actions as access
from waystation.access import queries as who
from waystation.evidence.models import Event, LogEntry
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotReady, Refusal
from waystation.spares import models as m
from waystation.spares import queries
from waystation.spares.actions import hold, returns, setup, stock, travel
from waystation.spares.actions.sourcing import source

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
HOUR = timedelta(hours=1)


def a_dispatch() -> m.Dispatch:
    """A unit at Sevilla sourced for Córdoba."""
    from tests.rooms.spares.network import a_need

    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub())
    sent = source(system(), a_need(), now=START).dispatch
    assert sent is not None
    return sent


def test_arc_07_one_serial_has_one_unbroken_life(acting: Acting) -> None:
    """From received to disposed in one timeline; each giver is the taker before."""
    sent = a_dispatch()
    by, unit_id = system(), sent.unit_id
    travel.pick(by, sent.pk, now=START + HOUR)
    travel.ship(by, sent.pk, now=START + 2 * HOUR)
    travel.deliver(by, sent.pk, now=START + 3 * HOUR)
    travel.install(by, unit_id, now=START + 4 * HOUR, device_name="ctl-1")
    returns.mark_failed(by, unit_id, reason="Fan stuck", now=START + 5 * HOUR)
    returns.start_return(by, unit_id, now=START + 6 * HOUR)
    returns.receive_return(by, unit_id, sent.from_hub_id, now=START + 7 * HOUR)
    returns.wipe(acting("wiper"), unit_id, certificate="W-1", now=START + 8 * HOUR)
    returns.dispose(acting("stock_controller"), unit_id, reason="Beyond repair", now=START + 9 * HOUR)
    life = queries.timeline(by, unit_id)
    lived = [row.state for row in life]
    assert list(dict.fromkeys(lived)) == [
        *("received", "stocked", "reserved", "in_transit", "installed"),
        *("failed", "returning", "quarantined", "wiped", "disposed"),
    ]
    assert all(after.giver == before.taker[:120] for before, after in pairwise(life))
    assert [row.at for row in life] == sorted(row.at for row in life)


def test_rev_03_no_unit_skips_a_state() -> None:
    """Every verb from every state either follows the drawn arrows or is refused, and then writes nothing."""
    unit, _ = held_unit()
    by = system()
    verbs = {
        "wiped": lambda: returns.wipe(by, unit.pk, certificate="W", now=START),
        "repaired": lambda: returns.repair(by, unit.pk, note="fine", now=START),
        "disposed": lambda: returns.dispose(by, unit.pk, reason="old", now=START),
        "quarantined": lambda: stock.found(by, unit.pk, a_hub().pk, now=START),
        "failed": lambda: returns.mark_failed(by, unit.pk, reason="x", now=START),
        "returning": lambda: returns.start_return(by, unit.pk, now=START),
        "lost": lambda: stock.mark_lost(by, unit.pk, reason="x", now=START),
    }
    for state, arrows in states.UNIT.items():
        for target, verb in verbs.items():
            if target in arrows or target == state:
                continue
            m.Unit.objects.filter(pk=unit.pk).update(state=state)
            before = LogEntry.objects.count()
            with pytest.raises(Refusal):
                verb()
            assert LogEntry.objects.count() == before, (state, target)


def test_rev_04_who_wipes_does_not_release(acting: Acting) -> None:
    """Neither the role nor the person: the wiper lacks the permission, and a person who once held both is refused."""
    unit = _quarantined()
    wiper, keeper = acting("wiper"), acting("stock_controller")
    for verb in (returns.release_to_stock, returns.dispose):
        with pytest.raises(NotAllowed):
            verb(wiper, unit.pk, reason="done", now=START)
    with pytest.raises(NotAllowed):
        returns.wipe(keeper, unit.pk, certificate="W", now=START)
    with pytest.raises(Conflict, match="not wiped"):
        returns.release_to_stock(keeper, unit.pk, reason="x", now=START)
    returns.wipe(wiper, unit.pk, certificate="W", now=START)
    returns.repair(acting("hub_technician"), unit.pk, note="examined, good", now=START)
    both = Authority(wiper.principal_id, wiper.name, ("stock_controller",), keeper.grants)
    with pytest.raises(NotAllowed, match="wiped"):
        returns.release_to_stock(both, unit.pk, reason="x", now=START)
    done = returns.release_to_stock(keeper, unit.pk, reason="As new", now=START)
    assert (done.state, done.checked_at) == ("stocked", None)


def _quarantined(serial: str = "Q-1") -> m.Unit:
    unit = a_unit(serial, a_hub())
    return stock.check(system(), unit.pk, False, now=START)


def test_rev_10_taking_a_return_in_revokes_its_machine(acting: Acting) -> None:
    """Nothing that the device sends is trusted from that instant; the intake says which machine."""
    unit, held = held_unit()
    machine, token = access.create_machine(system(), name="gw", role="gateway", now=START, site_id=held.site_id)
    a_device("cordoba", "gw-1", serial=unit.serial, machine_id=machine.pk)
    _to_site(unit)
    returns.start_return(system(), unit.pk, now=START)
    technician = acting("hub_technician")
    back = returns.receive_return(technician, unit.pk, a_hub().pk, now=START + HOUR)
    assert back.intake["machines"] == [str(machine.pk)]
    with pytest.raises(Refusal, match="revoked"):
        who.authority_of_token(token, START + HOUR)
    assert returns.receive_return(technician, unit.pk, a_hub().pk, now=START + 2 * HOUR).pk == back.pk


def _to_site(unit: m.Unit) -> None:
    sent = m.Dispatch.objects.filter(unit=unit, ended_at=None).first()
    if sent is None:
        m.Unit.objects.filter(pk=unit.pk).update(state="in_transit", hub=None)
    else:
        travel.ship(system(), sent.pk, now=START)
    travel.install(system(), unit.pk, now=START)


def test_ful_05_d4_an_rma_takes_nothing_off_twice() -> None:
    """D4: the reserved unit leaves the shelf once, as it ships; the return reviews shelves, names the closest hub."""
    a_lane(a_hub("madrid", "central"), 240)
    sent = a_dispatch()
    spare = a_unit("S-2", a_hub())
    setup.set_up(system(), "target", {"hub": a_hub(), "group": "controller", "minimum": 2}, now=START)
    old = _installed("OLD-1")
    assert queries.on_hand("controller", a_hub().pk) == {"reserved": 1, "stocked": 1}
    travel.ship(system(), sent.pk, now=START)
    assert queries.on_hand("controller", a_hub().pk) == {"stocked": 1}
    travel.install(system(), sent.unit_id, now=START)
    back = returns.start_return(system(), old.pk, now=START, incident_id=sent.incident_id)
    assert queries.on_hand("controller", a_hub().pk) == {"stocked": 1}
    assert back.review["closest_hub"] == "sevilla"
    assert back.review["short"] == ["Sevilla: 1 of controller ready, at least 2; 1 short."]
    assert returns.start_return(system(), old.pk, now=START).pk == back.pk
    returns.receive_return(system(), old.pk, a_hub().pk, now=START)
    assert queries.on_hand("controller", a_hub().pk) == {"quarantined": 1, "stocked": 1}
    assert [s.ready for s in queries.stock(system(), hub_id=a_hub().pk)] == [1]
    assert spare.state == "stocked"


def _installed(serial: str) -> m.Unit:
    unit = a_unit(serial, a_hub())
    hold.reserve(system(), unit.pk, uuid4(), now=START, site_id=the_site().pk)
    _to_site(unit)
    return m.Unit.objects.get(pk=unit.pk)


def test_stk_13_an_expired_probe_is_not_installed() -> None:
    """The certificate ran out on the way: refused with the date; with a live one it goes in."""
    part = a_part("PRB-1", group="probe", calibrated=True)
    unit = a_unit("P-1", a_hub(), part, certificate="C-1", certificate_until=START + HOUR)
    hold.reserve(system(), unit.pk, uuid4(), now=START, site_id=the_site().pk)
    m.Unit.objects.filter(pk=unit.pk).update(state="in_transit", hub=None)
    with pytest.raises(NotReady, match="17 Nov 2026"):
        travel.install(system(), unit.pk, now=START + HOUR)
    assert travel.install(system(), unit.pk, now=START + HOUR / 2).state == "installed"


def test_stk_01_no_unit_is_in_two_places() -> None:
    """At a hub, at a site, or on the way; the database refuses both at once."""
    from django.db import IntegrityError, transaction

    unit = a_unit("S-1", a_hub())
    with pytest.raises(IntegrityError), transaction.atomic():
        m.Unit.objects.filter(pk=unit.pk).update(site=the_site())
    assert stock.receive(system(), unit.part_id, "S-1", a_hub("other").pk, now=START).hub_id == a_hub().pk
    with pytest.raises(Conflict, match="another part"):
        stock.receive(system(), a_part("OTHER").pk, "S-1", a_hub().pk, now=START)
    with pytest.raises(BadInput):
        stock.receive(system(), unit.part_id, "  ", a_hub().pk, now=START)
    with pytest.raises(BadInput):
        stock.receive(system(), unit.part_id, "S-9", a_hub().pk, now=START, values={"state": "stocked"})


def test_stk_09_a_reserved_unit_is_taken_only_with_a_recorded_override() -> None:
    """A second reservation is refused with the name of the first; the override tells both incidents."""
    unit, held = held_unit()
    other = uuid4()
    with pytest.raises(Conflict, match="INC-1"):
        hold.reserve(system(), unit.pk, other, now=START, site_id=the_site().pk)
    with pytest.raises(BadInput):
        hold.take_over(system(), held.pk, other, reason=" ", now=START, site_id=the_site().pk)
    taken = hold.take_over(
        system(), held.pk, other, reason="Vaccines first", now=START, site_id=the_site().pk, name="INC-2"
    )
    held.refresh_from_db()
    assert (held.state, taken.state) == ("released", "held")
    assert "Vaccines first" in held.reason
    heard = set(
        Event.objects.filter(kind__in=["spares.released", "spares.reserved"]).values_list("incident_id", flat=True)
    )
    assert heard == {held.incident_id, other}


def test_stk_09_expiry_gives_the_unit_back_unless_somebody_has_it_in_hand() -> None:
    """Due ones end once; a picked unit is no longer on the shelf and stays held."""
    sent = a_dispatch()
    late = START + 13 * HOUR
    assert hold.expire_due(system(), now=START + HOUR) == []
    assert [r.state for r in hold.expire_due(system(), now=late)] == ["expired"]
    assert hold.expire_due(system(), now=late) == []
    assert m.Unit.objects.get(pk=sent.unit_id).state == "stocked"
    assert m.Dispatch.objects.get(pk=sent.pk).state == "canceled"


def test_stk_09_what_was_picked_does_not_expire() -> None:
    """And after it shipped it cannot be released either."""
    sent = a_dispatch()
    travel.pick(system(), sent.pk, now=START)
    assert hold.expire_due(system(), now=START + 24 * HOUR) == []
    travel.ship(system(), sent.pk, now=START)
    with pytest.raises(Conflict, match="no longer at the hub"):
        hold.release(system(), sent.reservation_id, reason="x", now=START)  # type: ignore[arg-type]


def test_stk_10_a_transfer_counts_once_on_its_way() -> None:
    """Neither hub holds it while it travels; on arrival it is on the other shelf."""
    unit = a_unit("S-1", a_hub())
    sent = stock.transfer(system(), unit.pk, a_hub("madrid", "central").pk, now=START)
    assert queries.on_hand("controller") == {"in_transit": 1}
    assert queries.on_hand("controller", a_hub().pk) == queries.on_hand("controller", a_hub("madrid").pk) == {}
    with pytest.raises(Conflict):
        stock.transfer(system(), unit.pk, a_hub().pk, now=START)
    travel.courier_event(system(), "seur", "e1", sent.label, "delivered", observed_at=START + HOUR, now=START + HOUR)
    assert queries.on_hand("controller", a_hub("madrid").pk) == {"stocked": 1}


EVENTS = [("e1", "picked_up", 1), ("e2", "out_for_delivery", 2), ("e3", "delivered", 3), ("e4", "exception", 2)]


class CourierHistories(TestCase):
    """Whatever order and however often a carrier's events come."""

    @given(st.permutations([*EVENTS, *EVENTS[:3]]))
    def test_ful_06_late_and_repeated_events_do_no_harm(self, told: list[tuple[str, str, int]]) -> None:
        """The dispatch ends delivered, every event is kept once with its repeats counted, and each outcome is said."""
        sent = a_dispatch()
        for n, (event_id, kind, hour) in enumerate(told):
            at, now = START + hour * HOUR, START + (9 + n) * HOUR
            travel.courier_event(system(), "seur", event_id, sent.label, kind, observed_at=at, now=now)
        sent.refresh_from_db()
        kept = list(m.CourierEvent.objects.order_by("event_id"))
        assert (sent.state, sent.delivered_at) == ("delivered", START + 3 * HOUR)
        assert [(e.event_id, e.repeats) for e in kept] == [("e1", 1), ("e2", 1), ("e3", 1), ("e4", 0)]
        assert all(e.outcome for e in kept)
        assert m.Unit.objects.get(pk=sent.unit_id).site_id == sent.to_site_id


def test_ful_06_a_courier_event_moves_the_incident_and_a_strange_one_is_kept() -> None:
    """The incident's stream hears each move; an unknown label waits for a person; a changed repeat is told."""
    sent = a_dispatch()
    travel.ship(system(), sent.pk, now=START, carrier="seur", number="SR123")
    by = system()
    stray = travel.courier_event(by, "seur", "x1", "NOPE", "delivered", observed_at=START, now=START)
    assert (stray.dispatch, stray.outcome) == (None, "kept: no dispatch has the label NOPE")
    other = travel.courier_event(by, "dhl", "x1", "SR123", "delivered", observed_at=START, now=START)
    assert other.dispatch is None, "another carrier's number is not ours"
    first = travel.courier_event(by, "seur", "x2", "SR123", "delivered", observed_at=START + HOUR, now=START + 2 * HOUR)
    assert first.outcome == "moved to delivered"
    changed = travel.courier_event(by, "seur", "x2", "SR123", "returned", observed_at=START, now=START + 3 * HOUR)
    assert "ask the carrier" in changed.outcome
    moved = Event.objects.filter(incident_id=sent.incident_id, kind="spares.delivered")
    assert moved.count() == 1


def test_ful_06_a_unit_that_the_carrier_brings_back_is_free_again() -> None:
    """On the shelf, its reservation released: the incident has to source anew and its stream says so."""
    sent = a_dispatch()
    travel.ship(system(), sent.pk, now=START)
    travel.courier_event(system(), "seur", "r1", sent.label, "returned", observed_at=START + HOUR, now=START + HOUR)
    assert m.Unit.objects.get(pk=sent.unit_id).state == "stocked"
    assert m.Reservation.objects.get(pk=sent.reservation_id).state == "released"


def test_ful_06_an_event_that_the_records_forbid_is_kept_with_what_they_say() -> None:
    """The unit was lost meanwhile: the carrier's word stays, and moves nothing."""
    sent = a_dispatch()
    travel.ship(system(), sent.pk, now=START)
    stock.mark_lost(system(), sent.unit_id, reason="Van burnt out", now=START + HOUR)
    told = travel.courier_event(
        system(), "seur", "d1", sent.label, "delivered", observed_at=START, now=START + 2 * HOUR
    )
    assert told.outcome.startswith("late: the dispatch was lost already")
    assert stock.found(system(), sent.unit_id, a_hub().pk, now=START + 3 * HOUR).state == "quarantined"


def test_ful_08_delivery_is_not_restoration() -> None:
    """A delivered unit is still in transit for the books, and its reservation is held until it works."""
    sent = a_dispatch()
    with pytest.raises(NotReady, match="still lies at Sevilla"):
        travel.install(system(), sent.unit_id, now=START)
    travel.deliver(system(), sent.pk, now=START)
    assert m.Unit.objects.get(pk=sent.unit_id).state == "in_transit"
    assert m.Reservation.objects.get(pk=sent.reservation_id).state == "held"
    travel.install(system(), sent.unit_id, now=START)
    assert m.Reservation.objects.get(pk=sent.reservation_id).state == "consumed"
    travel.install(system(), sent.unit_id, now=START)
    with pytest.raises(Conflict):
        travel.pick(system(), sent.pk, now=START)


def test_siz_13_alerts_are_by_hub_and_status_is_never_cover() -> None:
    """Ten elsewhere do not help Sevilla; neither do its own pending, quarantined and reserved units."""
    sevilla, madrid = a_hub(), a_hub("madrid", "central")
    setup.set_up(system(), "target", {"hub": sevilla, "group": "controller", "minimum": 1}, now=START)
    for n in range(3):
        a_unit(f"M-{n}", madrid)
    stock.receive(system(), a_part().pk, "pending", sevilla.pk, now=START)
    _quarantined()
    held_unit("R-1")
    short = queries.alerts(system())
    assert [(s.place, s.short) for s in short] == [("Sevilla", 1)]
    assert dict(short[0].uncounted) == {"quarantined": 1, "received": 1, "reserved": 1}
    a_unit("SIS-1", sevilla, a_part("CTL-300"))
    assert queries.alerts(system()) == (), "a sister of the group is no shortage"


def test_hub_01_set_up_reads_hours_laws_and_chains_before_it_keeps_them(acting: Acting) -> None:
    """What cannot be read is refused with its field; who may not is refused."""
    hub = a_hub()
    for kind, values, field in (
        ("hub", {"code": "x", "name": "X", "tier": "regional", "zone": "Nowhere"}, "zone"),
        ("hub", {"code": "x", "name": "X", "tier": "huge", "zone": "UTC"}, "tier"),
        (
            "hub",
            {"code": "x", "name": "X", "tier": "local", "zone": "UTC", "staffing": {"week": {"mon": ["8"]}}},
            "hours",
        ),
        ("lane", {"hub": hub, "site": the_site(), "mode": "drive", "quantiles": [[0.9, 5], [0.5, 9]]}, "points"),
        ("target", {"hub": hub, "group": "g", "minimum": 3, "maximum": 1}, "maximum"),
        ("sourcing_rule", {"service_class": "A", "chain": [{"channels": ["pigeon"]}]}, "chain"),
        ("hub", {"colour": "red"}, "colour"),
        ("kiosk", {}, "kind"),
    ):
        with pytest.raises(BadInput) as refused:
            setup.set_up(system(), kind, values, now=START)
        assert refused.value.field == field
    with pytest.raises(Conflict):
        setup.set_up(system(), "hub", {"code": "sevilla", "name": "S", "tier": "local", "zone": "UTC"}, now=START)
    with pytest.raises(NotAllowed):
        setup.set_up(acting("operator"), "hub", {}, now=START)


def test_hub_01_each_place_has_its_tier_and_its_service_area(acting: Acting) -> None:
    """The quickest lane to a site counts, nearest first; a cabinet serves its own site at once; no lane is no area."""
    by = acting("planner")
    near, far = a_site("cordoba"), a_site("sevilla")
    hub, empty = a_hub("malaga"), a_hub("central", tier="central")
    cabinet = a_hub("cabinet", tier="local", site=near)
    for site, mode, seconds in ((near, "drive", 5400), (near, "courier", 3600), (far, "drive", 9000)):
        values = {
            "hub_id": hub.pk,
            "site_id": site.pk,
            "mode": mode,
            "quantiles": [[0.5, seconds - 600], [0.9, seconds]],
        }
        setup.set_up(by, "lane", values | {"source": "reported"}, now=START)
    areas = queries.service_areas(by)
    assert [(r.site, r.mode, r.p90_s) for r in areas[hub.pk]] == [
        ("cordoba", "courier", 3600.0),
        ("sevilla", "drive", 9000.0),
    ]
    assert [(r.site, r.p90_s) for r in areas[cabinet.pk]] == [("cordoba", 0.0)]
    assert empty.pk not in areas
    assert {h.tier for h in queries.hubs(by)} == {"regional", "central", "local"}
