"""The stock of all hubs at once on the live network: placed, proposed, live, recomputed as a whole."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from tests.conftest import START
from tests.rooms.planning.scenes import on_shelf, take, tickets, two_hubs
from tests.rooms.spares.network import a_hub, a_lane, a_part, a_unit, an_offer, system
from tests.samples import a_device, a_model
from waystation.incidents import actions as incidents
from waystation.journeys import plan, studio
from waystation.journeys.placing import TRANSIT_DAYS, place
from waystation.journeys.playing import certificate
from waystation.journeys.shelves import NETWORK, look
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotAllowed, NotReady
from waystation.planning import models as m
from waystation.planning import queries
from waystation.planning.actions import plans
from waystation.planning.rules.living.placing import PLACED, UNLENT
from waystation.planning.rules.living.playing import OTHER, OWN
from waystation.registry.models import Device
from waystation.spares.actions import hold, setup
from waystation.spares.actions.sourcing import Need, source
from waystation.spares.models import Hub, StockTarget, Unit

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
WEEKLY = [7.0 * n + 1 for n in range(104)]


@pytest.fixture
def hubs() -> tuple[Hub, Hub]:
    """Sevilla that serves ten controllers, and the central Madrid; two years of weekly needs, a price."""
    made = two_hubs()
    part = a_part()
    part.unit_cost = 500
    part.save()
    take(tickets(WEEKLY))
    return made


def _live(acting: Acting, budget: float | None = None) -> m.Plan:
    made = plan.propose_network(acting("planner"), budget=budget, reason="all hubs at once", now=START)
    plans.approve(acting("service_manager"), made.pk, shown=made.digest, reason="seen", now=START)
    return plan.apply(acting("planner"), made.pk, now=START)


def test_siz_12_the_live_network_is_placed_at_once_beside_what_is_live_and_what_lies_there(
    hubs: tuple[Hub, Hub],
) -> None:
    """The class is kept, the bound holds, and three other stocks are judged by the same model."""
    on_shelf(hubs[0], 2)
    found = place(system(), now=START)
    told = found.placing
    assert (found.centre.code, found.tree.days_to, found.assumed) == ("madrid", {"sevilla": TRANSIT_DAYS}, ("sevilla",))
    assert told.status == "optimal_within_gap"
    assert told.bound <= told.value == told.judged[0].capital
    assert all(c.reached >= c.asked - 1e-9 for c in told.classes)
    assert [j.name for j in told.judged] == ["Whole network", "Each shelf by itself", "On the shelves today"]
    assert told.judged[2].capital == 1000.0
    assert told.judged[0].waiting <= told.judged[2].waiting


def test_siz_12_more_money_never_makes_the_network_wait_longer(hubs: tuple[Hub, Hub]) -> None:
    """From the least that keeps the class upwards."""
    least = place(system(), now=START).placing.value
    waits = [place(system(), now=START, budget=least + more).placing.value for more in (0.0, 500.0, 1000.0, 3000.0)]
    assert waits == sorted(waits, reverse=True)
    assert waits[-1] < waits[0]


def test_siz_07_a_plan_of_the_whole_network_sets_the_centre_too(acting: Acting, hubs: tuple[Hub, Hub]) -> None:
    """The centre, of which no site asks anything, gets its point and its bounds; why says what stands behind what."""
    found = place(system(), now=START)
    units = {(p.hub, p.group): p.units for p in found.placing.shelves}
    _live(acting)
    live = next(j for j in place(system(), now=START).placing.judged if j.name == "Live policy")
    assert live.capital == found.placing.value
    points = {p.hub: p for p in queries.points(system())}
    for code in ("madrid", "sevilla"):
        assert points[code].reorder_point + 1 == units[code, "controller"] > 0
        target = StockTarget.objects.get(hub__code=code, group="controller", break_glass=False)
        assert target.minimum == units[code, "controller"]
        assert points[code].figures["set_by"] == NETWORK
    assert any("stands behind every hub" in step for step in points["madrid"].figures["steps"])


def test_siz_08_what_the_centre_gives_runs_it_out_as_surely_as_a_failure(acting: Acting, hubs: tuple[Hub, Hub]) -> None:
    """Once it feeds Sevilla, its forecast is what Sevilla asks for; the studio does not count the needs twice."""
    needs = studio.studio(system(), now=START).curve.needs
    alone = {s.hub.code: s for s in look(system(), now=START)[0]}
    _live(acting)
    after = {s.hub.code: s for s in look(system(), now=START)[0]}
    assert after["madrid"].only_feeds
    asked = after["madrid"].as_stock().use.per_day
    assert asked == pytest.approx(after["sevilla"].as_stock().use.per_day)
    assert after["sevilla"].rate == alone["sevilla"].rate
    assert studio.studio(system(), now=START).curve.needs == pytest.approx(needs)
    assert {t.hub for t in studio.studio(system(), now=START).targets} == {"sevilla"}


def test_siz_09_a_night_recomputes_the_network_as_a_whole(acting: Acting, hubs: tuple[Hub, Hub]) -> None:
    """Nothing has changed, so no point moves, though each shelf by itself would ask for another stock."""
    _live(acting)
    before = {p.hub: (p.reorder_point, p.order_up_to) for p in queries.points(system())}
    night = plan.recompute(system(), now=START + timedelta(days=1))
    assert (night.looked, night.changed, night.asked) == (len(before), 0, 0)
    assert {p.hub: (p.reorder_point, p.order_up_to) for p in queries.points(system())} == before


def test_siz_09_a_wave_lifts_the_network_within_the_rails_and_asks_beyond_them(
    acting: Acting, hubs: tuple[Hub, Hub]
) -> None:
    """Forty needs in a fortnight: the points rise together, the large steps wait for a person, none falls."""
    _live(acting)
    before = {p.hub: p.reorder_point for p in queries.points(system())}
    take(tickets([0.3 * n for n in range(1, 41)], first=1000))
    night = plan.recompute(system(), now=START + timedelta(days=1))
    assert night.changed + night.asked >= 1
    after = {p.hub: p.reorder_point for p in queries.points(system())}
    assert all(after[hub] >= point for hub, point in before.items())


def test_siz_09_where_no_stock_keeps_the_limits_any_more_the_points_stay_and_say_so(
    acting: Acting, hubs: tuple[Hub, Hub]
) -> None:
    """The budget held when it was approved; since a wave it does not, and nothing is lowered in silence."""
    least = place(system(), now=START).placing.value
    _live(acting, budget=least)
    before = {p.hub: p.reorder_point for p in queries.points(system())}
    take(tickets([0.3 * n for n in range(1, 121)], first=1000))
    night = plan.recompute(system(), now=START + timedelta(days=1))
    assert (night.changed, night.asked) == (0, 0)
    points = {p.hub: p for p in queries.points(system())}
    assert {hub: p.reorder_point for hub, p in points.items()} == before
    assert all("no stock keeps the limits" in p.figures["decision"] for p in points.values())
    assert all(p.figures["set_by"] == NETWORK for p in points.values())
    assert all(p.figures["budget"] == least for p in points.values())


def test_siz_12_what_clashes_is_refused_in_words_and_without_a_centre_nothing_feeds_anything(
    acting: Acting, hubs: tuple[Hub, Hub]
) -> None:
    """One unit's money; then a network without a central hub."""
    with pytest.raises(NotReady, match="budget of 500"):
        plan.propose_network(acting("planner"), budget=500.0, reason="cheap", now=START)
    with pytest.raises(NotAllowed):
        plan.propose_network(acting("operator"), reason="mine", now=START)
    Hub.objects.filter(code="madrid").update(tier="regional")
    with pytest.raises(NotReady, match="No hub is central"):
        place(system(), now=START)


def test_siz_12_a_hub_is_never_planned_beyond_the_slots_that_break_glass_leaves(hubs: tuple[Hub, Hub]) -> None:
    """Two units are for break-glass: with room for its own stock beside them the plan stands; with less it is named."""
    near, _ = hubs
    setup.set_up(system(), "target", {"hub": near, "group": "controller", "minimum": 2, "break_glass": True}, now=START)
    free = place(system(), now=START)
    units = next(p.units for p in free.placing.shelves if p.hub == "sevilla")
    setup.change(system(), "hub", near.pk, {"slots": 2 + units}, now=START)
    enough = place(system(), now=START)
    assert enough.tree.slots == {"sevilla": units}
    assert enough.placing.value == free.placing.value
    setup.change(system(), "hub", near.pk, {"slots": 3}, now=START)
    tight = place(system(), now=START).placing
    assert tight.shelves == ()
    assert "shelf of 1 unit at sevilla" in tight.conflict


def test_siz_12_what_incidents_took_together_is_planned_and_played_as_kits(hubs: tuple[Hub, Hub]) -> None:
    """Each of four failures took a controller and a probe: half of the probes' needs came so, and both are told."""
    probe = a_part("PRB-1", group="probe", name="Probe", asset_class="probe", unit_cost=90)
    for n in range(4):
        a_device(
            "cordoba",
            f"prb-{n}",
            component_class="probe",
            model=a_model("PRB-1", "probe"),
            part=probe,
            serial=f"prb-{n}",
        )
        a_unit(f"P-{n}", hubs[0], probe), a_unit(f"C-{n}", hubs[0])
        device = Device.objects.get(name=f"ctl-{n}")
        opened = incidents.open(
            system(),
            "device_unreachable",
            device.site_id,
            title="Silent",
            priority="P1",
            now=START,
            device_id=device.pk,
        )
        source(system(), Need(opened.pk, device.site_id, a_part().pk, incident_name=opened.name), now=START)
        unit = Unit.objects.get(serial=f"P-{n}")
        hold.reserve(system(), unit.pk, opened.pk, now=START, site_id=device.site_id, incident_name=opened.name)
    now = START + timedelta(days=1)
    found = place(system(), now=now)
    [(hub, groups, per_year)] = found.together()
    assert (hub, groups) == ("sevilla", ("controller", "probe"))
    probes = sum(s.per_year for s in found.drawn.streams if s.group == "probe")
    assert 0.0 < per_year <= probes + 1e-9
    assert all(c.reached >= c.asked - 1e-9 for c in found.placing.classes)
    played = certificate(system(), now=now)
    assert played.needs == pytest.approx(sum(s.per_year for s in found.drawn.streams) - per_year)
    assert played.left_out == pytest.approx(0.0, abs=1e-9)


def test_siz_12_a_hub_that_reaches_the_sites_of_another_lends_to_them_and_is_played(hubs: tuple[Hub, Hub]) -> None:
    """Málaga is as near to Córdoba as Sevilla is: it is told who lends, less is bought, and playing it agrees."""
    alone = place(system(), now=START)
    assert alone.lent() == []
    lender = a_hub("malaga")
    a_lane(lender, 95)
    found = place(system(), now=START)
    assert found.lent() == [("malaga", "sevilla", ("cordoba",))]
    assert [j.name for j in found.placing.judged[:2]] == [PLACED, UNLENT]
    assert found.placing.value <= found.placing.judged[1].capital
    assert found.placing.bound <= found.placing.value
    [kept] = found.placing.classes
    played = certificate(system(), now=START).lone[0]
    at_once = played.how[OWN] + played.how[OTHER]
    assert at_once == pytest.approx(kept.reached, abs=0.03)  # lead times are laws there, and rates are drawn


def test_siz_12_what_a_vendor_brings_in_time_is_left_to_it_when_asked_also_by_night(
    acting: Acting, hubs: tuple[Hub, Hub]
) -> None:
    """An offer within the tolerable outage: the plan buys less and says what is paid; nights go on leaving it."""
    an_offer(hours=0.5, cost=100.0)
    whole, less = (place(system(), now=START, vendors=vendors) for vendors in (False, True))
    assert whole.by_vendors is None
    assert less.by_vendors is not None
    assert less.by_vendors.needs == pytest.approx(sum(s.per_year for s in whole.drawn.streams))
    assert less.by_vendors.fees == pytest.approx(100.0 * less.by_vendors.needs)
    assert less.by_vendors.sites == ("cordoba",)
    assert less.placing.value == 500.0  # the floor of the class alone
    assert less.placing.judged[0].share == pytest.approx(less.by_vendors.in_time / less.by_vendors.needs)
    made = plan.propose_network(acting("planner"), vendors=True, reason="by contract", now=START)
    plans.approve(acting("service_manager"), made.pk, shown=made.digest, reason="seen", now=START)
    plan.apply(acting("planner"), made.pk, now=START)
    points = {p.hub: p for p in queries.points(system())}
    assert points["sevilla"].figures["vendors"] is True
    night = plan.recompute(system(), now=START + timedelta(days=1))
    assert (night.changed, night.asked) == (0, 0)
    with pytest.raises(NotReady, match="left to vendors"):
        certificate(system(), now=START, vendors=True)
