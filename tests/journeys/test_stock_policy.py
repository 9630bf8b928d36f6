"""A plan's whole way: history taken in, proposed, approved by somebody else, live in spares, alive by night."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.conftest import START
from tests.rooms.planning.scenes import controller, on_shelf, take, tickets, two_hubs
from tests.rooms.spares.network import a_hub, a_need, a_part, a_unit, system
from waystation.evidence.models import LogEntry
from waystation.incidents import actions as incidents
from waystation.journeys import demand, plan, stock_outlook
from waystation.journeys.shelves import look, sized
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotAllowed, NotReady
from waystation.planning import models as m
from waystation.planning import queries
from waystation.planning.actions import ahead, plans
from waystation.planning.rules.living.guard import Rails
from waystation.planning.rules.living.points import Scenario
from waystation.planning.rules.living.stress import Stress
from waystation.registry.models import Device
from waystation.spares import queries as spares
from waystation.spares.actions import stock
from waystation.spares.actions.sourcing import Need, source
from waystation.spares.models import StockTarget

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
WEEKLY = [7.0 * n + 1 for n in range(104)]


def _live(acting: Acting, **changes: object) -> m.Plan:
    """Weekly tickets for two years, proposed by a planner, approved by a service manager, applied by the planner."""
    planner, manager = acting("planner"), acting("service_manager")
    made = plan.propose(planner, now=START, reason="two years of tickets", **changes)  # type: ignore[arg-type]
    plans.approve(manager, made.pk, shown=made.digest, reason="seen line by line", now=START)
    return plan.apply(planner, made.pk, now=START)


def test_siz_07_all_points_of_a_plan_are_approved_at_once_and_become_the_bounds_of_their_shelves(
    acting: Acting,
) -> None:
    """One approval; every shelf of the plan then has its minimum and maximum in spares, and is judged by them."""
    two_hubs()
    take(tickets(WEEKLY), by=acting("planner"))
    made = _live(acting)
    lines = {line.hub: line for line in queries.lines(system(), made.pk)}
    assert set(lines) >= {"sevilla"}
    for code, line in lines.items():
        target = StockTarget.objects.get(hub__code=code, group="controller", break_glass=False)
        assert (target.minimum, target.maximum) == (line.reorder_point + 1, line.order_up_to)
    assert [s.place for s in spares.alerts(system(), "controller")] == sorted(
        code.capitalize() for code, line in lines.items() if line.reorder_point >= 0
    )
    assert m.Plan.objects.get().state == "applied"


def test_siz_07_every_step_of_a_plan_is_in_the_log_with_who_did_it(acting: Acting) -> None:
    """Proposed, approved and applied are entries of three moments and two people."""
    two_hubs()
    take(tickets(WEEKLY))
    made = _live(acting)
    kinds = list(LogEntry.objects.filter(object_id=str(made.pk)).order_by("seq").values_list("kind", flat=True))
    assert kinds == ["planning.proposed", "planning.approved", "planning.applied"]
    assert made.proposed_by != made.approved_by


def test_jnt_02_a_failure_that_the_product_handled_is_demand_of_the_hub_that_serves_the_site(acting: Acting) -> None:
    """An incident for which a part was sourced counts once, at the serving hub, whoever gave the unit."""
    _, far = two_hubs()
    a_unit("M-1", far)
    device = Device.objects.get(name="ctl-0")
    incident = incidents.open(
        system(), "device_unreachable", device.site_id, title="Silent", priority="P1", now=START, device_id=device.pk
    )
    source(system(), Need(incident.pk, device.site_id, a_part().pk, incident_name=incident.name), now=START)
    told = demand.gather(system(), demand.served(system()), now=START + timedelta(days=1))
    assert [(n.kind, n.region, n.family, n.unserved) for n in told.needs] == [("own", "sevilla", "controller", True)]
    assert told.without_hub == told.without_part == 0


def test_dem_11_sites_being_onboarded_raise_the_forecast_before_any_failure(acting: Acting) -> None:
    """Ten more controllers at a site that is commissioning add their share; the rate of a unit stays."""
    two_hubs()
    take(tickets([30.0 * n + 5 for n in range(20)]))
    before = {s.hub.code: s for s in look(system(), now=START)[0]}["sevilla"]
    from tests.rooms.spares.network import a_lane
    from tests.samples import a_site

    a_site("jaen", state="commissioning", access_hours={"always": True})
    a_lane(a_hub(), 60, site="jaen")
    for n in range(10):
        controller(f"new-{n}", "jaen")
    after = {s.hub.code: s for s in look(system(), now=START)[0]}["sevilla"]
    assert after.law.mean == pytest.approx(2.0 * before.law.mean, rel=1e-9)
    added = [c for c in after.law.contributions if c.kind == "rollout"]
    assert [c.name for c in added] == ["sites being onboarded"]
    assert added[0].units == pytest.approx(before.law.mean, rel=1e-9)
    assert after.rate == before.rate


def test_dem_05_business_context_moves_the_forecast_while_it_lasts_and_is_shown(acting: Acting) -> None:
    """A factor of 2 doubles the base demand; after its end nothing of it is left."""
    two_hubs()
    take(tickets(WEEKLY))
    plain = {s.hub.code: s.law.mean for s in look(system(), now=START)[0]}["sevilla"]
    values = {"kind": "context", "name": "growing", "reason": "new contracts", "region": "sevilla", "factor": 2.0}
    until = START + timedelta(days=90)
    ahead.expect(acting("planner"), values | {"from_at": START, "until": until}, now=START)
    shelf = {s.hub.code: s for s in look(system(), now=START)[0]}["sevilla"]
    assert shelf.law.mean == pytest.approx(2.0 * plain, rel=1e-9)
    assert [(c.kind, c.name) for c in shelf.law.contributions][1:] == [("context", "growing")]
    later = {s.hub.code: s for s in look(system(), now=until)[0]}["sevilla"]
    assert [c.kind for c in later.law.contributions] == ["installed base"]


def test_dem_10_a_defect_window_lifts_demand_by_the_affected_part_of_the_base_only(acting: Acting) -> None:
    """Three times the failures of a fifth of the units is 1.4 times the demand."""
    two_hubs()
    take(tickets(WEEKLY))
    plain = {s.hub.code: s.law.mean for s in look(system(), now=START)[0]}
    values = {"kind": "defect_window", "name": "batch 7", "reason": "bulletin 12", "family": "controller"}
    values |= {"model": "CTL-220", "revision": "B"}
    window = {"from_at": START, "until": START + timedelta(days=365), "factor": 3.0, "part": 0.2}
    ahead.expect(acting("planner"), values | window, now=START)
    after = {s.hub.code: s.law.mean for s in look(system(), now=START)[0]}
    assert after["sevilla"] == pytest.approx(1.4 * plain["sevilla"], rel=1e-9)


def test_siz_03_a_named_scenario_adds_its_buffer_to_every_shelf_of_the_plan(acting: Acting) -> None:
    """Three sites that fail together: three units more than the lead time alone needs, and the plan names why."""
    two_hubs()
    take(tickets(WEEKLY))
    alone = plan.propose(acting("planner"), now=START, reason="without", hubs=["sevilla"])
    with_it = plan.propose(
        acting("planner"), now=START, reason="with", hubs=["sevilla"], scenario=Scenario("bad patch", 3)
    )
    one, other = (queries.lines(system(), p.pk)[0] for p in (alone, with_it))
    assert other.reorder_point == one.reorder_point + 3
    assert "bad patch" in str(other.figures["steps"])
    assert with_it.inputs["scenario"] == "bad patch"


def test_siz_08_the_trigger_names_the_day_of_stock_out_and_the_day_to_order_by(acting: Acting) -> None:
    """The shelf with least time left comes first; an empty one has run out today and its order is late."""
    near, far = two_hubs()
    take(tickets(WEEKLY))
    on_shelf(near, 6)
    lines = {line.hub: line for line in stock_outlook.run_outs(system(), now=START)}
    told = lines["sevilla"]
    assert told.runs_out_at is not None
    assert told.order_by is not None
    assert told.expected_out_at is not None
    assert START < told.runs_out_at < told.expected_out_at
    assert told.order_by < told.runs_out_at
    assert "order" in told.words
    for unit in list(near.units.all()):
        stock.transfer(system(), unit.pk, far.pk, now=START)
    empty = {line.hub: line for line in stock_outlook.run_outs(system(), now=START)}["sevilla"]
    assert empty.runs_out_at == START
    assert empty.is_late


def test_siz_09_a_night_changes_what_the_rails_allow_and_asks_about_the_rest(acting: Acting) -> None:
    """A surge after the plan: a small step is made with its reason, a large one waits for a person."""
    two_hubs()
    take(tickets([60.0 * n + 5 for n in range(12)]))
    _live(acting)
    before = m.PolicyPoint.objects.get(hub="sevilla")
    take(tickets([0.5 * n + 0.2 for n in range(60)], first=1000))
    asked = plan.recompute(system(), now=START + timedelta(days=1), rails=Rails(step_units=0, step_share=0.0))
    assert asked.asked == 1
    assert asked.changed == 0
    point = m.PolicyPoint.objects.get(hub="sevilla")
    assert (point.reorder_point, point.order_up_to) == (before.reorder_point, before.order_up_to)
    waiting = m.Plan.objects.get(source="question")
    assert waiting.state == "proposed"
    assert "above the limit" in waiting.lines.get().reason
    done = plan.recompute(system(), now=START + timedelta(days=2), rails=Rails(step_units=1000))
    assert done.changed == 1
    assert done.asked == 0
    point.refresh_from_db()
    assert point.reorder_point > before.reorder_point
    assert "cover fell" in queries.changes(system(), point.pk)[-1].reason
    assert m.Plan.objects.get(pk=waiting.pk).state == "superseded"
    target = StockTarget.objects.get(hub__code="sevilla", group="controller", break_glass=False)
    assert target.minimum == point.reorder_point + 1


def test_siz_09_the_same_question_is_put_once(acting: Acting) -> None:
    """Night after night with the same finding leaves one open plan."""
    two_hubs()
    take(tickets([60.0 * n + 5 for n in range(12)]))
    _live(acting)
    take(tickets([0.5 * n + 0.2 for n in range(60)], first=1000))
    tight = Rails(step_units=0, step_share=0.0)
    for hour in range(3):
        plan.recompute(system(), now=START + timedelta(hours=hour), rails=tight)
    assert m.Plan.objects.filter(source="question").count() == 1


def test_siz_09_a_quiet_month_lowers_nothing_before_four_weeks_of_it(acting: Acting) -> None:
    """Demand that ended keeps its stock for 28 days of recomputations that would lower it, then falls."""
    two_hubs()
    take(tickets(WEEKLY))
    _live(acting)
    before = m.PolicyPoint.objects.get(hub="sevilla").reorder_point
    loose = Rails(step_units=1000)
    then = START + timedelta(days=200)
    first = plan.recompute(system(), now=then, rails=loose)
    assert first.changed == 0
    held = m.PolicyPoint.objects.get(hub="sevilla")
    assert held.reorder_point == before
    assert held.lower_since == then
    plan.recompute(system(), now=then + timedelta(days=27), rails=loose)
    assert m.PolicyPoint.objects.get(hub="sevilla").reorder_point == before
    plan.recompute(system(), now=then + timedelta(days=28), rails=loose)
    assert m.PolicyPoint.objects.get(hub="sevilla").reorder_point < before


def test_siz_09_no_decay_goes_below_the_floor_of_the_class(acting: Acting) -> None:
    """A site of the highest class keeps a unit within reach, whatever the silence."""
    two_hubs()
    take(tickets(WEEKLY))
    _live(acting)
    for days in range(400, 1200, 29):
        plan.recompute(system(), now=START + timedelta(days=days), rails=Rails(step_units=1000))
    point = m.PolicyPoint.objects.get(hub="sevilla")
    assert point.reorder_point + 1 == point.floor == 1


def test_siz_09_a_change_is_rolled_back_by_a_plan_of_its_own(acting: Acting) -> None:
    """Back to the point before, through proposal and approval; the history keeps all three."""
    near, _ = two_hubs()
    take(tickets(WEEKLY))
    first = _live(acting, hubs=["sevilla"])
    planner, manager = acting("planner"), acting("service_manager")
    back = plans.roll_back(planner, first.pk, reason="the hub moves", now=START)
    plans.approve(manager, back.pk, shown=back.digest, reason="yes", now=START)
    plan.apply(planner, back.pk, now=START)
    point = m.PolicyPoint.objects.get(hub_id=near.pk)
    assert (point.reorder_point, point.order_up_to) == (-1, 0)
    assert [c.plan.number for c in queries.changes(planner, point.pk)] == [first.number, back.number]
    assert m.Plan.objects.get(pk=first.pk).state == "superseded"
    assert StockTarget.objects.get(hub=near, group="controller").minimum == 0


def test_siz_10_a_lost_hub_breaks_the_one_that_takes_over(acting: Acting) -> None:
    """Sevilla is lost: Madrid serves its sites too and is named with the cover that falls."""
    near, far = two_hubs()
    take(tickets(WEEKLY))
    on_shelf(near, 8), on_shelf(far, 1)
    broken = stock_outlook.stress(system(), Stress("Sevilla lost", hub="sevilla"), now=START)
    assert [b.hub for b in broken] == ["madrid"]
    assert broken[0].cover_after < broken[0].cover_before


def test_siz_10_a_doubled_lead_time_names_what_breaks_first(acting: Acting) -> None:
    """Stock that just covers a lead time does not cover two."""
    near, _ = two_hubs()
    take(tickets(WEEKLY))
    shelf = {s.hub.code: s for s in look(system(), now=START)[0]}["sevilla"]
    on_shelf(near, sized(shelf).point.least)
    calm = [b for b in stock_outlook.stress(system(), Stress("as it is"), now=START) if b.hub == "sevilla"]
    hard = list(stock_outlook.stress(system(), Stress("slow", lead_time_factor=2.0), now=START))
    assert not calm
    assert "sevilla" in {b.hub for b in hard}


def test_siz_11_stock_above_its_level_is_told_with_capital_and_risk(acting: Acting) -> None:
    """Sevilla holds far more than its level, Madrid less than its least: a list of both, and the move."""
    near, _far = two_hubs()
    part = a_part()
    part.unit_cost = 250
    part.save()
    take(tickets(WEEKLY))
    take(tickets(WEEKLY, region="madrid", first=5000))
    _live(acting)
    level = m.PolicyPoint.objects.get(hub="sevilla").order_up_to
    on_shelf(near, level + 3)
    over, moves = stock_outlook.excess(system(), now=START)
    assert [(e.hub, e.units, e.capital_freed) for e in over] == [("sevilla", 3, 750.0)]
    assert 0.0 <= over[0].risk_added < 0.05
    assert [(v.from_hub, v.to_hub) for v in moves] == [("sevilla", "madrid")]
    assert moves[0].units == min(3, m.PolicyPoint.objects.get(hub="madrid").reorder_point + 1)


def test_lrn_05_each_change_says_why_and_whether_it_was_right(acting: Acting) -> None:
    """Nothing came in a year where fifty were forecast: too high. A day later nobody can say."""
    near, _ = two_hubs()
    take(tickets(WEEKLY))
    _live(acting)
    point = m.PolicyPoint.objects.get(hub_id=near.pk)
    early = stock_outlook.was_it_right(system(), point.pk, now=START + timedelta(days=1))
    late = stock_outlook.was_it_right(system(), point.pk, now=START + timedelta(days=365))
    assert [t.verdict.verdict for t in early] == ["too early to say"]
    assert [t.verdict.verdict for t in late] == ["too high"]
    assert late[0].change.reason == queries.lines(system(), late[0].change.plan_id)[0].reason
    assert stock_outlook.was_it_right(system(), a_need().incident_id, now=START) == []


def test_lrn_06_a_pilot_feeds_a_proposed_difference(acting: Acting) -> None:
    """Half a year without a failure: the planned rate is left out by the interval, a lower one is proposed."""
    two_hubs()
    take(tickets(WEEKLY))
    made = _live(acting, hubs=["sevilla"])
    ((hub, told),) = stock_outlook.pilot(system(), made.pk, now=START + timedelta(days=182))
    assert hub == "sevilla"
    assert told.came_per_month == 0.0
    assert told.proposed_per_month is not None
    assert told.proposed_per_month < told.planned_per_month
    waiting = plans.roll_back(acting("planner"), made.pk, reason="the pilot is over", now=START)
    assert stock_outlook.pilot(system(), waiting.pk, now=START + timedelta(days=182)) == []


def test_dem_08_accuracy_is_told_by_region_and_family_and_no_skill_is_said_plainly(acting: Acting) -> None:
    """Steady demand for three years: a row for the family and for each region, each beside the naive forecast."""
    two_hubs()
    take(tickets([9.0 * n + 1 for n in range(120)]))
    told = {(a.region, a.family): a for a in stock_outlook.accuracy(system(), now=START)}
    assert set(told) == {("", "controller"), ("sevilla", "controller")}
    row = told["sevilla", "controller"]
    assert row.units == 120
    assert row.skill.forecasts == 8
    assert row.skill.verdict.startswith("not judged")
    assert row.told["notes"] == 0.0
    assert row.skill_of_full_tickets.forecasts == 8


def test_dem_12_regions_of_a_family_stand_beside_each_other_with_intervals(acting: Acting) -> None:
    """Ten units in Sevilla fail weekly, ten in Jaén never: the difference is said, with its interval."""
    two_hubs()
    from tests.rooms.spares.network import a_lane
    from tests.samples import a_site

    a_site("jaen", access_hours={"always": True})
    a_lane(a_hub("granada"), 30, site="jaen")
    for n in range(10):
        controller(f"j-{n}", "jaen")
    take(tickets(WEEKLY))
    told = stock_outlook.cohorts(system(), "controller", now=START)
    assert [(c.name, c.verdict) for c in told] == [("sevilla", "differs"), ("granada", "differs")]
    assert told[0].low < told[0].rate < told[0].high


def test_siz_07_who_may_not_is_refused_and_nothing_to_propose_is_said(acting: Acting) -> None:
    """An operator proposes nothing, a planner approves nothing; shelves that are right make no plan."""
    two_hubs()
    take(tickets(WEEKLY))
    with pytest.raises(NotAllowed):
        plan.propose(acting("operator"), now=START, reason="I would")
    made = _live(acting)
    with pytest.raises(NotAllowed):
        plan.apply(acting("service_manager"), made.pk, now=START)
    with pytest.raises(NotReady, match="as they should be"):
        plan.propose(acting("planner"), now=START, reason="again")


def test_siz_09_the_worker_recomputes_once_a_day(acting: Acting) -> None:
    """Twice in an hour is once; without a live point there is nothing to do."""
    from waystation.worker.work import recompute_points

    two_hubs()
    take(tickets(WEEKLY))
    assert recompute_points(START) == 0
    _live(acting)
    assert recompute_points(START + timedelta(hours=1)) == 0
    live = m.PolicyPoint.objects.count()
    assert recompute_points(START + timedelta(hours=21)) == live > 0
    assert recompute_points(START + timedelta(hours=22)) == 0
