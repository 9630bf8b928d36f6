"""Sourcing over rows: one commit holds unit, dispatch, label, task and every candidate; races have one winner."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.conftest import START
from tests.rooms.spares.network import WEEK, a_hub, a_lane, a_need, a_part, a_unit, an_offer, system, the_site
from waystation.access.actions import set_schedule
from waystation.evidence.models import Event
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed
from waystation.spares import models as m
from waystation.spares import queries
from waystation.spares.actions import hold, setup, stock
from waystation.spares.actions.orders import answer_order
from waystation.spares.actions.sourcing import source

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]


def test_ful_01_the_quickest_unit_is_held_with_every_candidate_and_its_reason() -> None:
    """Sevilla by car before Madrid by a courier who comes in the morning; the empty hub is named too."""
    sevilla, madrid, jaen = a_hub("sevilla"), a_hub("madrid", "central"), a_hub("jaen")
    moments = [{"courier": "seur", "weekday": "wed", "at": "07:30"}]
    setup.change(system(), "hub", madrid.pk, {"pickups": moments}, now=START)
    a_lane(sevilla, 90), a_lane(madrid, 240, "courier", courier="seur"), a_lane(jaen, 30)
    a_unit("S-1", sevilla), a_unit("M-1", madrid)
    need = a_need()
    found = source(system(), need, now=START)
    assert found.reservation is not None
    assert found.reservation.unit.serial == "S-1"
    assert [(a.source, a.outcome) for a in found.candidates] == [
        ("Sevilla", "chosen"),
        ("Madrid", "possible"),
        ("Jaen", "refused"),
    ]
    assert "none on the shelf" in found.candidates[2].reason
    late = found.candidates[1].basis["bars"]
    assert any("first pick-up" in bar["reason"] for bar in late)
    assert not found.move_first
    assert queries.candidates(system(), need.incident_id) == list(found.candidates)


def test_ful_02_label_and_pickup_task_stand_without_a_typed_field(person: Callable[..., object]) -> None:
    """Both are linked to the incident; the qualified person who drives gets the task; the label is the hub's own."""
    marta = person("Marta")
    shifts: list[dict[str, object]] = [{"zone": "Europe/Madrid", "always": True}]
    set_schedule(system(), marta.pk, shifts=shifts, qualifications=["refrigeration"], now=START)  # type: ignore[attr-defined]
    part = a_part("CTL-9", qualification="refrigeration", group="cooling")
    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub(), part)
    need = a_need(part_id=part.pk)
    sent = source(system(), need, now=START).dispatch
    assert sent is not None
    assert (sent.incident_id, sent.label_kind, sent.state) == (need.incident_id, "hub label", "planned")
    assert sent.label.startswith("HL-")
    assert sent.task == "Pick up S-1 (Controller) at Sevilla and take it along to Cordoba."
    assert sent.task_person_id == marta.pk  # type: ignore[attr-defined]
    assert sent.promised_at is not None
    assert sent.promised_at > START + timedelta(minutes=120)
    assert Event.objects.filter(kind="spares.sourced", incident_id=need.incident_id).count() == 1


def test_ful_01_asking_again_changes_nothing() -> None:
    """The incident keeps its unit and its candidates; no second one is taken off the shelf."""
    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub()), a_unit("S-2", a_hub())
    need = a_need()
    first, second = source(system(), need, now=START), source(system(), need, now=START + timedelta(minutes=1))
    assert first.reservation == second.reservation
    assert first.dispatch == second.dispatch
    assert [a.reason for a in first.candidates] == [a.reason for a in second.candidates]
    assert second.move_first == first.move_first
    assert m.Reservation.objects.count() == 1


def test_ful_10_the_second_incident_gets_the_next_path_and_reads_who_was_first() -> None:
    """One unit left: the second goes to the vendor, with the name and time of the first in the reason."""
    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub())
    an_offer()
    source(system(), a_need(name="INC-1"), now=START)
    second = source(system(), a_need(name="INC-2"), now=START)
    assert second.reservation is None
    assert second.order is not None
    assert second.candidates[0].reason.endswith("Next path: S-1 was taken by INC-1 at 07:00.")
    assert second.candidates[1].reason == "Sevilla refused: serial S-1 was taken by INC-1 at 07:00."


def test_ful_04_the_chain_runs_in_order_and_the_spend_limit_holds(acting: Acting) -> None:
    """Vendor after stock, purchase last and only up to the approved sum; before approval the shipped chain counts."""
    an_offer("friotec", "vendor", 640.0), an_offer("tienda", "purchase", 900.0, 2.0)
    chain = [
        {"channels": ["local", "hub"]},
        {"channels": ["central"]},
        {"channels": ["vendor"], "spend_limit": 700},
        {"channels": ["purchase"], "spend_limit": 500},
    ]
    rule = setup.set_up(acting("planner"), "sourcing_rule", {"service_class": "A", "chain": chain}, now=START)
    with pytest.raises(NotAllowed):
        setup.approve_chain(acting("planner"), rule.pk, now=START, reason="x")
    setup.approve_chain(acting("service_manager"), rule.pk, now=START, reason="Agreed in October")
    found = source(system(), a_need(), now=START)
    assert found.order is not None
    assert found.order.offer.channel == "vendor"
    outcomes = {a.source: (a.outcome, a.reason) for a in found.candidates}
    assert outcomes["Tienda"][0] == "refused"
    assert "above the pre-approved 500.00" in outcomes["Tienda"][1]
    changed = setup.change(acting("planner"), "sourcing_rule", rule.pk, {"chain": chain[:1]}, now=START)
    assert isinstance(changed, m.SourcingRule)
    assert changed.approved_at is None


def test_red_03_normal_sourcing_cannot_see_break_glass_stock(acting: Acting) -> None:
    """Neither serial nor hub is told; with the named role's release it serves, and the reason names who."""
    a_lane(a_hub(), 90)
    unit = a_unit("GLASS-1", a_hub(), break_glass=True)
    need = a_need()
    found = source(system(), need, now=START)
    assert found.reservation is None
    assert [a.source for a in found.candidates] == ["break-glass lane"]
    assert "GLASS-1" not in str([(a.reason, a.serial, a.basis) for a in found.candidates])
    assert queries.units(acting("operator")) == []
    with pytest.raises(NotAllowed, match="major incidents"):
        hold.reserve(system(), unit.pk, need.incident_id, now=START, site_id=need.site_id)
    with pytest.raises(NotAllowed):
        stock.release_break_glass(acting("supervisor"), need.incident_id, reason="x", now=START, site_id=need.site_id)
    officer = acting("break_glass_officer", name="Olga")
    stock.release_break_glass(officer, need.incident_id, reason="Regional outage", now=START, site_id=need.site_id)
    again = source(system(), need, now=START)
    assert again.reservation is not None
    assert "released by Olga" in again.candidates[0].reason


def test_qal_03_when_nothing_is_in_time_the_product_moves_first() -> None:
    """A late unit is still held, and the decision says to move; so it does when the limit is unknown."""
    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub()), a_unit("S-2", a_hub())
    late = source(system(), a_need(minutes=40), now=START)
    assert (late.reservation is not None, late.move_first) == (True, True)
    assert source(system(), a_need(minutes=None), now=START).move_first
    a_unit("S-3", a_hub())
    assert not source(system(), a_need(minutes=None, product_at_stake=False), now=START).move_first


def test_stk_13_a_probe_that_ends_before_the_swap_is_refused() -> None:
    """Its certificate is judged at the instant at which it would serve."""
    probe = a_part("PRB-1", group="probe", calibrated=True)
    a_lane(a_hub(), 90)
    a_unit("P-1", a_hub(), probe, certificate="C-1", certificate_until=START + timedelta(hours=1))
    a_unit("P-2", a_hub(), probe)
    found = source(system(), a_need(part_id=probe.pk), now=START)
    assert found.reservation is None
    reasons = {a.serial: a.reason for a in found.candidates}
    assert "before the install is done" in reasons["P-1"]
    assert "no calibration certificate" in reasons["P-2"]


def test_hub_03_a_place_is_judged_by_time_to_restored_service() -> None:
    """The far hub that is open beats the near one that opens in the morning; unknown hours are said."""
    near, far = a_hub("near", staffing={"week": WEEK}), a_hub("far")
    a_lane(near, 20), a_lane(far, 100)
    a_unit("N-1", near), a_unit("F-1", far)
    at = START.replace(hour=19)
    found = source(system(), a_need(minutes=None), now=at)
    assert [(a.source, a.outcome) for a in found.candidates] == [("Far", "chosen"), ("Near", "possible")]
    blind = a_hub("blind", staffing={})
    a_lane(blind, 200)
    a_unit("B-1", blind)
    told = source(system(), a_need(minutes=None), now=at)
    assert any("staffing is unknown" in a.conditions for a in told.candidates)


def test_hub_03_can_the_site_be_reached_in_time_from_anywhere() -> None:
    """Best source first with its share of the week."""
    a_lane(a_hub("sevilla"), 90), a_lane(a_hub("madrid", "central", staffing={"week": WEEK}), 240)
    found = queries.can_be_reached(system(), the_site().pk, a_part(), 4 * 3600.0, START)
    assert [f.source for f in found] == ["Sevilla", "Madrid"]
    assert found[0].share == 1.0
    assert found[1].share < 0.5


def test_hub_08_one_cabinet_and_one_kit_are_enough() -> None:
    """A cabinet at the site needs no lane and no courier."""
    cabinet = a_hub("cabinet", "local", site=the_site())
    a_unit("L-1", cabinet)
    found = source(system(), a_need(), now=START)
    assert found.candidates[0].channel == "local"
    assert [bar["kind"] for bar in found.candidates[0].basis["bars"]] == ["prepare", "install", "recheck"]


def test_siz_14_a_sister_of_the_group_serves_and_needs_what_it_says() -> None:
    """Interchangeable parts share one group; a gateway too old refuses with both versions."""
    a_lane(a_hub(), 90)
    a_unit("SIS-1", a_hub(), a_part("CTL-300", needs={"gateway_min": "4.2"}))
    refused = source(system(), a_need(runs=(("gateway", "4.1"),)), now=START)
    assert refused.candidates[0].reason.endswith("CTL-300 needs gateway 4.2; this site runs 4.1.")
    served = source(system(), a_need(runs=(("gateway", "4.3"),)), now=START)
    assert served.reservation is not None


def test_ful_01_unreadable_hours_refuse_one_way_and_never_the_decision() -> None:
    """A record that was spoilt by hand is a reason beside one candidate."""
    spoilt = a_hub("spoilt")
    m.Hub.objects.filter(pk=spoilt.pk).update(staffing={"week": {"someday": [["08:00", "18:00"]]}})
    a_lane(spoilt, 10), a_lane(a_hub(), 90)
    a_unit("X-1", spoilt), a_unit("S-1", a_hub())
    found = source(system(), a_need(), now=START)
    assert found.reservation is not None
    assert found.reservation.unit.serial == "S-1"
    assert "someday" in next(a.reason for a in found.candidates if a.source == "Spoilt")


def test_ful_01_who_may_not_reserve_is_refused(acting: Acting) -> None:
    """Leadership sees, and does not source."""
    with pytest.raises(NotAllowed):
        source(acting("leadership"), a_need(), now=START)
    assert not m.Round.objects.exists()


def test_ful_04_a_canceled_order_lets_the_incident_find_the_next_way(acting: Acting) -> None:
    """Confirmed with the vendor's reference, canceled with a reason; then sourcing takes the next offer or stock."""
    an_offer()
    need = a_need()
    order = source(system(), need, now=START).order
    assert order is not None
    assert source(system(), need, now=START).order == order, "asked again, it orders nothing twice"
    by = acting("supervisor")
    for target, words in (("lost", {}), ("confirmed", {}), ("canceled", {})):
        with pytest.raises(BadInput):
            answer_order(by, order.pk, target, now=START, **words)
    done = answer_order(by, order.pk, "confirmed", now=START, reference="F-77", promised_at=START + timedelta(hours=4))
    assert (done.reference, done.promised_at) == ("F-77", START + timedelta(hours=4))
    assert answer_order(by, order.pk, "canceled", now=START, reason="None left").state == "canceled"
    with pytest.raises(Conflict):
        answer_order(by, order.pk, "received", now=START)
    a_lane(a_hub(), 90)
    a_unit("S-1", a_hub())
    again = source(system(), need, now=START + timedelta(minutes=5))
    assert again.reservation is not None
    assert again.reservation.unit.serial == "S-1"
    with pytest.raises(NotAllowed):
        answer_order(acting("operator"), order.pk, "received", now=START)
