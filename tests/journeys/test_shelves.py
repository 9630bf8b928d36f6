"""What a shelf's forecast is made of: lead times, places and parts by many names, the base in time, what is ahead."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import pytest

from tests.conftest import START
from tests.rooms.planning.scenes import controller, csv_of, on_shelf, take, tickets, two_hubs
from tests.rooms.spares.network import ALWAYS, a_hub, a_lane, a_part, a_unit, an_offer, system, the_site
from tests.samples import a_model, a_service_class, a_site
from waystation.fleet.models import Onboarding
from waystation.incidents import actions as incidents
from waystation.journeys import demand, model_findings, stock_outlook
from waystation.journeys.shelves import Shelf, look, sized
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotAllowed
from waystation.planning.actions import ahead
from waystation.planning.rules.demand.needs import together
from waystation.registry.models import Device, Part
from waystation.spares.actions import hold, setup, stock
from waystation.spares.actions.sourcing import Need, source
from waystation.spares.models import Dispatch, Reservation

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
WEEKLY = [7.0 * n + 1 for n in range(104)]


def shelf(hub: str = "sevilla", group: str = "controller", at: Any = START) -> Shelf:
    """One shelf as it is seen at an instant."""
    return {(s.hub.code, s.group): s for s in look(system(), now=at)[0]}[hub, group]


def expect(**values: Any) -> None:
    """Something known ahead for controllers."""
    ahead.expect(system(), {"name": "n", "reason": "r", "family": "controller"} | values, now=START)


def test_dem_04_without_any_record_the_lead_time_is_assumed_and_called_that() -> None:
    """Fourteen days, twenty-one in nine of ten."""
    two_hubs()
    told = shelf()
    assert told.lead_source == "assumed"
    assert told.lead_p90_days == pytest.approx(21.0, abs=1.0)


def test_dem_04_a_vendors_offer_gives_the_lead_time_where_nothing_was_measured() -> None:
    """Of the same group, whatever the hub."""
    two_hubs()
    an_offer(hours=240.0)
    told = shelf()
    assert told.lead_source == "reported, offer of a vendor"
    assert told.lead_p90_days == pytest.approx(240.0 * 4000 / 3600 / 24, rel=0.05)


def test_dem_04_five_transfers_to_a_hub_are_its_measured_lead_time() -> None:
    """Four are not; the offer stands until then. Another hub keeps its own."""
    near, far = two_hubs()
    on_shelf(far, 1)
    an_offer(hours=240.0)
    for n, days in enumerate((1, 2, 3, 4)):
        _transferred(far, near, f"U-{n}", days)
    assert "offer" in shelf(at=START + timedelta(days=30)).lead_source
    _transferred(far, near, "U-9", 9)
    told = shelf(at=START + timedelta(days=30))
    assert told.lead_source == "measured, 5 transfers"
    assert set(told.law.lead_time_days) <= {1.0, 2.0, 3.0, 4.0, 9.0}
    assert "offer" in shelf("madrid", at=START + timedelta(days=30)).lead_source


def _transferred(far: Any, near: Any, serial: str, days: int) -> None:
    """A unit that took so many days from hub to hub."""
    unit = a_unit(serial, far)
    sent = stock.transfer(system(), unit.pk, near.pk, now=START)
    Dispatch.objects.filter(pk=sent.pk).update(state="delivered", delivered_at=START + timedelta(days=days))


def test_dem_04_an_unreliable_lane_needs_more_stock_than_a_steady_one() -> None:
    """The same demand and mean: transfers of 1, 1, 1, 1 and 46 days against five of 10."""
    near, far = two_hubs()
    take(tickets(WEEKLY))
    for n, days in enumerate((1, 1, 1, 1, 46)):
        _transferred(far, near, f"U-{n}", days)
    uneven = sized(shelf(at=START + timedelta(days=50))).point
    Dispatch.objects.update(delivered_at=START + timedelta(days=10))
    even = sized(shelf(at=START + timedelta(days=50))).point
    assert uneven.least > even.least


@pytest.mark.parametrize("word", ["cordoba", "Cordoba", "Córdoba", "sevilla", "Sevilla"])
def test_dem_06_a_place_by_any_of_its_names_is_the_hub_that_serves_it(word: str) -> None:
    """Site, city, hub by code or name."""
    two_hubs()
    take(tickets([3.0], region=word))
    told = demand.gather(system(), demand.served(system()), now=START)
    expected = "sevilla" if word != "Córdoba" else told.needs[0].region
    assert [n.region for n in told.needs] == [expected]
    assert told.without_hub == (0 if expected == "sevilla" else 1)


@pytest.mark.parametrize("word", ["controller", "CTL-220", "ctl 220", "Controller"])
def test_dem_06_a_part_by_any_of_its_names_is_its_group(word: str) -> None:
    """Group, code, model, name."""
    two_hubs()
    take(tickets([3.0], family=word))
    told = demand.gather(system(), demand.served(system()), now=START)
    assert [n.family for n in told.needs] == ["controller"]


def test_dem_06_a_word_that_means_two_hubs_means_none() -> None:
    """A city with two sites of two hubs is not guessed: its demand is told as without a hub."""
    two_hubs()
    a_site("ecija", city="Écija", access_hours=ALWAYS)
    a_site("ecija-2", city="Écija", access_hours=ALWAYS)
    a_lane(a_hub(), 40, site="ecija")
    a_lane(a_hub("madrid", "central"), 40, site="ecija-2")
    take(tickets([3.0], region="Écija"))
    told = demand.gather(system(), demand.served(system()), now=START)
    assert told.without_hub == 1


def test_jnt_02_an_incident_filled_by_its_own_shelf_is_served() -> None:
    """Demand all the same, and no stock-out."""
    near, _ = two_hubs()
    a_unit("S-1", near)
    _failed("ctl-0")
    told = demand.gather(system(), demand.served(system()), now=START + timedelta(days=1))
    assert [(n.region, n.unserved) for n in told.needs] == [("sevilla", False)]


def test_jnt_02_a_unit_that_was_given_back_filled_nothing() -> None:
    """Reserved from the own shelf and released again: the need stands as one that its shelf did not fill."""
    near, _ = two_hubs()
    a_unit("S-1", near)
    _failed("ctl-0")
    held = Reservation.objects.get()
    hold.release(system(), held.pk, reason="wrong revision", now=START + timedelta(hours=1))
    told = demand.gather(system(), demand.served(system()), now=START + timedelta(days=1))
    assert [(n.region, n.unserved) for n in told.needs] == [("sevilla", True)]


def test_jnt_02_a_failure_that_nothing_could_fill_is_demand_and_a_stock_out() -> None:
    """What was borrowed from nobody still counts: the shelf that was empty is not forgiven its demand."""
    two_hubs()
    _failed("ctl-0")
    told = demand.gather(system(), demand.served(system()), now=START + timedelta(days=1))
    assert [(n.region, n.family, n.unserved) for n in told.needs] == [("sevilla", "controller", True)]


def test_jnt_02_every_unit_that_an_incident_took_is_demand_and_together_they_are_a_kit() -> None:
    """A controller and a probe for one failure: two needs of two shelves, and one failure that needed both."""
    near, _ = two_hubs()
    probe = a_part("PRB-1", group="probe", name="Probe", asset_class="probe")
    a_unit("S-1", near), a_unit("S-2", near), a_unit("P-1", near, probe)
    _failed("ctl-0")
    first = Reservation.objects.get()
    more = a_unit("P-2", near, probe)
    hold.reserve(system(), more.pk, first.incident_id, now=START, site_id=the_site().pk, incident_name="INC-1")
    _failed("ctl-1")
    told = demand.gather(system(), demand.served(system()), now=START + timedelta(days=1))
    assert sorted(n.family for n in told.needs) == ["controller", "controller", "probe"]
    assert together(told.needs) == {("sevilla", frozenset(("controller", "probe"))): 1}


def _failed(name: str) -> None:
    """An incident of a controller for which a part is sourced."""
    device = Device.objects.get(name=name)
    opened = incidents.open(
        system(), "device_unreachable", device.site_id, title="Silent", priority="P1", now=START, device_id=device.pk
    )
    source(system(), Need(opened.pk, device.site_id, a_part().pk, incident_name=opened.name), now=START)


def test_dem_11_a_site_counts_from_the_day_on_which_it_opened() -> None:
    """Ten units all along, ten more since three months: the base in time says both."""
    two_hubs()
    late = a_site("jaen", access_hours=ALWAYS)
    a_lane(a_hub(), 60, site="jaen")
    for n in range(10):
        controller(f"late-{n}", "jaen")
    opened = START - timedelta(days=91)
    Onboarding(
        site=late, template=late.template, started_at=opened, started_by=system().principal_id, opened_at=opened
    ).save()
    held = demand.installed(demand.served(system()))["sevilla", "controller"]
    assert held.now == 20
    units = demand.ages_by_month(held, START, 6).units.tolist()
    assert units == [10.0, 10.0, 10.0, 20.0, 20.0, 20.0]


def test_dem_02_units_that_wear_out_ask_for_more_where_they_are_old() -> None:
    """Córdoba's controllers are nine years old, Toledo's new: each failure of six years came at old ones, and the age
    stands among the inputs, which still add up to the mean.
    """
    _, far = two_hubs()
    a_site("toledo", access_hours=ALWAYS)
    a_lane(far, 60, site="toledo")
    for n in range(10):
        controller(f"new-{n}", "toledo")
    Device.objects.filter(site__code="cordoba").update(installed_on=date(2017, 11, 1))
    Device.objects.filter(site__code="toledo").update(installed_on=date(2026, 9, 1))
    take(tickets([25.0 * n + 1 for n in range(40)]))
    worn, young = shelf(), shelf("madrid")
    assert "five years fail" in worn.ageing.words
    by_age = {s.hub.code: [c for c in s.law.contributions if c.name == "age of the units"] for s in (worn, young)}
    assert by_age["sevilla"][0].units > 0.0 > by_age["madrid"][0].units
    for told in (worn, young):
        assert sum(c.units for c in told.law.contributions) == pytest.approx(told.law.mean)
    Device.objects.update(installed_on=None)
    assert "no unit says" in shelf().ageing.words
    assert not [c for c in shelf().law.contributions if c.name == "age of the units"]


def test_dem_02_before_its_day_something_of_unknown_age_stood_there() -> None:
    """A unit put in two months ago at a site that was open all along: known for two months, unknown before."""
    two_hubs()
    Device.objects.filter(name="ctl-0").update(installed_on=(START - timedelta(days=61)).date())
    ages = demand.ages_by_month(demand.installed(demand.served(system()))["sevilla", "controller"], START, 4)
    assert ages.undated.tolist() == [10.0, 10.0, 9.0, 9.0]
    assert ages.dated.sum(axis=1).tolist() == [0.0, 0.0, 1.0, 1.0]
    assert (ages.dated[2, 0], ages.dated[3, 1]) == (1.0, 1.0)


def test_dem_11_a_retired_or_planned_site_is_not_in_use() -> None:
    """Retired units are gone, planned ones are coming."""
    two_hubs()
    for code, state in (("old", "retired"), ("next", "planned")):
        a_site(code, state=state, access_hours=ALWAYS)
        a_lane(a_hub(), 50, site=code)
        controller(f"at-{code}", code)
    held = demand.installed(demand.served(system()))["sevilla", "controller"]
    assert (held.now, held.coming) == (10, 1)


def test_dem_11_the_first_sites_of_a_hub_are_forecast_by_their_family() -> None:
    """Granada has only units that are coming: its forecast is theirs at the family's rate."""
    two_hubs()
    take(tickets(WEEKLY))
    a_site("motril", state="commissioning", access_hours=ALWAYS)
    a_lane(a_hub("granada"), 50, site="motril")
    for n in range(10):
        controller(f"m-{n}", "motril")
    told = shelf("granada")
    assert 0.3 * shelf().law.mean < told.law.mean < 1.5 * shelf().law.mean


def test_dem_02_a_rollout_and_a_refresh_move_the_base_from_their_day() -> None:
    """Ten more units from today on are twice the demand; ten that go leave none."""
    two_hubs()
    take(tickets(WEEKLY))
    before = shelf().law.mean
    expect(kind="rollout", units=10, region="sevilla", from_at=START)
    assert shelf().law.mean == pytest.approx(2.0 * before)
    expect(kind="rollout", units=-10, region="sevilla", from_at=START)
    told = shelf().law
    assert told.mean == pytest.approx(before)
    assert [c.kind for c in told.contributions] == ["installed base", "rollout", "refresh"]


def test_dem_02_dated_work_is_added_where_the_lead_time_reaches_it() -> None:
    """Six probes to exchange tomorrow are six units; next year they are none yet."""
    _, far = two_hubs()
    on_shelf(far, 1)
    take(tickets(WEEKLY))
    before = shelf().law.mean
    expect(kind="dated_work", units=6, from_at=START + timedelta(days=1))
    expect(kind="dated_work", units=90, from_at=START + timedelta(days=300))
    assert shelf().law.mean == pytest.approx(before + 6.0)
    other = {s.hub.code: s for s in look(system(), now=START)[0]}["madrid"]
    assert other.law.contributions[1].units == pytest.approx(6.0)


def test_cls_03_the_strictest_class_served_sets_the_cover_and_the_highest_rank_the_floor() -> None:
    """Class A asks for 97 %, a lower class at the same hub for less; without a rank-1 site there is no floor."""
    two_hubs()
    a_site("jaen", service_class=a_service_class("C", rank=3, cover_probability=0.8), access_hours=ALWAYS)
    a_lane(a_hub("granada"), 30, site="jaen")
    a_lane(a_hub(), 90, site="jaen")
    controller("j-1", "jaen")
    assert (shelf().cover, shelf().floor) == (0.97, 1)
    assert (shelf("granada").cover, shelf("granada").floor) == (0.8, 0)


def test_siz_08_only_what_is_promised_ahead_counts_as_arriving() -> None:
    """Undated and overdue units do not put the day of stock-out off."""
    at = START + timedelta(days=3)
    assert demand.arrivals([(at, 2), (at, 1), (None, 5), (START - timedelta(days=1), 7)], START) == {4: 3}


def test_siz_08_a_unit_on_its_way_to_the_hub_puts_the_day_off() -> None:
    """A transfer with a promise, from the other hub."""
    near, far = two_hubs()
    take(tickets(WEEKLY))
    on_shelf(near, 3)
    before = _runs_out()
    unit = a_unit("M-1", far)
    stock.transfer(system(), unit.pk, near.pk, now=START, promised_at=START + timedelta(hours=6))
    assert _runs_out() > before


def _runs_out() -> Any:
    told = {line.hub: line for line in stock_outlook.run_outs(system(), now=START)}["sevilla"]
    assert told.runs_out_at is not None
    return told.runs_out_at


def two_models() -> None:
    """Eleven controllers, and ten of another model that may be replaced by them."""
    two_hubs()
    controller("ctl-10")
    other = a_model("CTL-300", "controller")
    part = a_part("CTL-300", model=other, needs={"connector": "RJ50"})
    for n in range(10):
        made = controller(f"o-{n}")
        made.model, made.part = other, part
        made.warranty_until = date(2027, 6, 1)
        made.save()
    values = {"installed": other, "offered": Part.objects.get(code="CTL-220").model}
    setup.set_up(system(), "replacement", values, now=START)


def test_lrn_02_a_model_that_fails_more_proposes_stock_claim_and_ban() -> None:
    """Eight of ten units of one model failed, none of the other ten."""
    two_models()
    for n in range(8):
        _failed(f"o-{n}")
    found = {f.suspect.model: f for f in model_findings.findings(system(), "controller", now=START)}
    assert found["CTL-300"].suspect.failures == 8.0
    assert not found["CTL-220"].proposals
    assert model_findings.findings(system(), "nothing", now=START) == []


def test_lrn_03_the_family_on_fewer_models_names_what_stands_in_the_way() -> None:
    """A model whose part needs a connector of its own stays until that is solved."""
    two_models()
    told = model_findings.fewer_models(system(), "controller", now=START)
    assert dict(told.blocked) == {"CTL-300": ("needs connector RJ50",)}
    assert set(told.keep) == {"CTL-220", "CTL-300"}
    Part.objects.filter(code="CTL-300").update(needs={})
    free = model_findings.fewer_models(system(), "controller", now=START)
    assert len(free.retire) == 1


def test_lrn_04_a_model_leaves_with_its_last_site() -> None:
    """Ten units go in half a year; a model that the group has not has no way out."""
    two_models()
    told = model_findings.way_out(system(), "controller", "CTL-300", [(3, 5), (6, 5)], now=START)
    assert told is not None
    assert told.last_site_month == 6
    assert model_findings.way_out(system(), "controller", "none", [], now=START) is None


def test_lrn_02_who_sees_no_planning_sees_no_findings(acting: Acting) -> None:
    """Refused, not an empty list."""
    two_models()
    for reading in (model_findings.findings, model_findings.fewer_models):
        with pytest.raises(NotAllowed):
            reading(acting("vendor"), "controller", now=START)


def test_dem_07_accuracy_is_told_with_and_without_full_tickets() -> None:
    """Tickets that say all six things stand beside all tickets; here half of them do."""
    two_hubs()
    head = "id,opened_at,region,family,age_months,notes,downtime,solved"
    full, bare = "12,worn,2 h,yes", ",,,"
    rows = [
        f"T{n},{(START - timedelta(days=9 * n + 1)).isoformat()},sevilla,controller,{full if n % 2 else bare}"
        for n in range(120)
    ]
    take(csv_of(head, rows))
    told = {a.region: a for a in stock_outlook.accuracy(system(), now=START)}["sevilla"]
    assert told.told == {
        "family": 1.0,
        "age_months": 0.5,
        "region": 1.0,
        "notes": 0.5,
        "downtime_h": 0.5,
        "solved": 0.5,
    }
    assert told.skill.forecasts == told.skill_of_full_tickets.forecasts
    assert told.skill.loss != told.skill_of_full_tickets.loss


def test_dem_08_without_any_history_there_is_nothing_to_judge() -> None:
    """An empty list, and shelves that are forecast all the same."""
    two_hubs()
    assert stock_outlook.accuracy(system(), now=START) == []
    assert shelf().rate.seen == 0.0
    assert the_site().code == "cordoba"
