"""The planning studio as pages: quality first, the curve moves by links, people propose, approve and apply."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable

import pytest
from django.test import Client

from tests.rooms.planning.scenes import csv_of, on_shelf, take, tickets, two_hubs
from tests.rooms.spares.network import a_hub, a_lane, a_part, an_offer
from waystation.kernel.clock import FastClock
from waystation.planning import models as m
from waystation.spares.models import StockTarget

pytestmark = pytest.mark.django_db
WEEKLY = [7.0 * n + 1 for n in range(104)]


@pytest.fixture
def people(signed_in: Callable[..., Client], clock: FastClock) -> dict[str, Client]:
    """One signed-in client per role, on a network with two years of tickets and a priced controller."""
    two_hubs()
    part = a_part()
    part.unit_cost = 500
    part.save()
    take(tickets(WEEKLY))
    return {role: signed_in(role) for role in ("planner", "service_manager", "operator", "vendor")}


def text(client: Client, address: str) -> str:
    """A page that has to open."""
    reply = client.get(address)
    assert reply.status_code == 200, (address, reply.content[:400])
    return str(reply.content.decode())


def test_dem_12_the_report_on_the_data_stands_before_every_figure(people: dict[str, Client]) -> None:
    """Rows set aside by fault, needs at no hub, assumed lead times: above the curve and above the targets."""
    take(csv_of("id,opened_at,region,family", ["X1,,sevilla,controller", "X2,2026-10-01,atlantis,controller"]))
    page = text(people["operator"], "/planning/")
    assert page.index('id="quality"') < page.index("Needs restored within") < page.index("Targets that change")
    assert "missing 1" in page
    assert re.search(r"Needs at no known hub</span><b class=\"n\">1</b>", page)
    assert "controller: 14 days in the middle" in page


def test_siz_12_the_budget_moves_by_links_of_the_curve_without_any_script(people: dict[str, Client]) -> None:
    """Each stop of the curve is a link to a budget; a smaller one restores less for less."""
    page = text(people["operator"], "/planning/")
    stops = [int(n) for n in re.findall(r'class="stop" href="\?budget=(\d+)"', page)]
    assert len(stops) > 10
    assert stops == sorted(stops)
    shares = [
        float(re.search(r"Chosen: ([\d.]+)%", text(people["operator"], f"/planning/?budget={b}"))[1])  # type: ignore[index]
        for b in (stops[2], stops[-1])
    ]
    assert shares[0] < shares[1]
    assert "style=" not in page


def test_siz_12_a_budget_that_cannot_be_used_is_refused_by_name(people: dict[str, Client]) -> None:
    """A word is no budget."""
    for wrong in ("much", "-5", "nan"):
        reply = people["operator"].get("/planning/", {"budget": wrong})
        assert reply.status_code == 422
        assert "is no budget" in reply.content.decode()


def test_siz_12_a_budget_that_may_be_two_amounts_is_not_guessed(people: dict[str, Client]) -> None:
    """A comma before three digits parts thousands for one and decimals for another; before two it is read."""
    for page in ("/planning/", "/planning/network/"):
        reply = people["operator"].get(page, {"budget": "12,500"})
        assert reply.status_code == 422
        assert "may be 12.500 or 12500" in reply.content.decode()
        assert people["operator"].get(page, {"budget": "40000,50"}).status_code == 200
    sent = {"network": "1", "budget": "12,500", "reason": "x"}
    assert people["planner"].post("/planning/propose/", sent).status_code == 422
    assert not m.Plan.objects.exists()


def test_siz_07_a_point_of_the_curve_is_proposed_approved_by_another_and_made_live(people: dict[str, Client]) -> None:
    """The planner proposes and may not approve; the manager approves what was shown; then the shelves have it."""
    planner, manager = people["planner"], people["service_manager"]
    made = planner.post("/planning/propose/", {"budget": "1500", "reason": "what we have"})
    assert made.headers["Location"] == "/planning/plans/1/"
    plan = m.Plan.objects.get()
    bought = sum(line.reorder_point + 1 for line in plan.lines.all())
    assert 0 < bought * 500 <= 1500
    assert "best for 1500" in plan.lines.all()[0].reason
    assert "You proposed it, so another person approves." in text(planner, "/planning/plans/1/")
    assert planner.post(f"/planning/plans/{plan.pk}/approve/", {"digest": plan.digest}).status_code == 403
    assert manager.post(f"/planning/plans/{plan.pk}/approve/", {"digest": "0" * 64}).status_code == 409
    manager.post(f"/planning/plans/{plan.pk}/approve/", {"digest": plan.digest, "reason": "seen"})
    planner.post(f"/planning/plans/{plan.pk}/apply/")
    assert m.Plan.objects.get().state == "applied"
    held = {t.hub.code: t.minimum for t in StockTarget.objects.filter(break_glass=False)}
    assert sum(held.values()) == bought
    assert "is live" in text(planner, "/planning/plans/1/")


def test_siz_12_who_lends_to_whom_is_shown_and_told_by_the_api(people: dict[str, Client]) -> None:
    """A third hub as near as the own one: the page names it, says what lending saves, and the API lists the sites."""
    lender = a_hub("malaga")
    a_lane(lender, 95)
    page = text(people["operator"], "/planning/network/")
    assert "malaga lends to sevilla" in page
    assert "The same, nothing lent" in page
    told = people["operator"].get("/api/v1/planning/network").json()
    assert told["lends"] == [{"hub": "malaga", "to": "sevilla", "sites": ["cordoba"]}]
    assert told["bound"] <= told["value"]


def test_siz_12_what_is_left_to_vendors_is_shown_with_its_fees_and_proposed_so(people: dict[str, Client]) -> None:
    """Not before it is asked for; then on the page, in the API, and in the points that come of it."""
    an_offer(hours=0.5, cost=100.0)
    assert "Left to vendors" not in text(people["operator"], "/planning/network/")
    page = text(people["operator"], "/planning/network/?vendors=1")
    assert "a year by their offers; asked of no shelf: cordoba" in page
    assert '<input type="hidden" name="vendors" value="1">' in text(people["planner"], "/planning/network/?vendors=1")
    assert "left to vendors, so nothing is played" in text(people["operator"], "/planning/certificate/?vendors=1")
    told = people["operator"].get("/api/v1/planning/network?vendors=true").json()
    assert told["left_to_vendors"]["sites"] == ["cordoba"]
    assert people["operator"].get("/api/v1/planning/network").json()["left_to_vendors"] is None
    people["planner"].post("/planning/propose/", {"network": "1", "vendors": "1", "reason": "by contract"})
    assert all(line.figures["vendors"] for line in m.Plan.objects.get().lines.all())
    sent = {"network": True, "vendors": True, "reason": "the same"}
    reply = people["planner"].post("/api/v1/planning/plans", sent, content_type="application/json")
    assert reply.status_code == 201


def test_siz_12_the_whole_network_is_shown_with_its_bound_and_proposed_as_one(people: dict[str, Client]) -> None:
    """What it costs, what no stock can beat, which ways are assumed; a budget that cannot hold is told, not hidden."""
    page = text(people["operator"], "/planning/network/")
    assert "no stock that keeps the classes costs less than" in page
    assert "assumed, said by nobody" in page
    assert "Each shelf by itself" in page
    assert "A planner may propose this stock." in page
    tight = text(people["operator"], "/planning/network/?budget=500")
    assert "No stock keeps all of this." in tight
    assert "budget of 500" in tight
    assert people["operator"].get("/planning/network/?budget=much").status_code == 422
    rich = text(people["operator"], "/planning/network/?budget=20000")
    assert "no stock of this price leaves fewer than" in rich
    for wrong in ("nan", "inf", "1e999"):
        for network in ("1", ""):
            asked = {"network": network, "budget": wrong, "reason": "x"}
            assert people["planner"].post("/planning/propose/", asked).status_code == 422, (wrong, network)
    assert not m.Plan.objects.exists()
    refused = people["planner"].post("/planning/propose/", {"network": "1", "budget": "500", "reason": "cheap"})
    assert refused.status_code == 409
    assert "budget of 500" in refused.content.decode()
    made = people["planner"].post("/planning/propose/", {"network": "1", "budget": "", "reason": "at once"})
    assert made.headers["Location"] == "/planning/plans/1/"
    assert {line.hub for line in m.Plan.objects.get().lines.all()} == {"madrid", "sevilla"}
    told = text(people["operator"], "/planning/certificate/")
    assert told.index("Failures one by one") < told.index("With days on which many fail at once")
    assert "All at the centre" in told
    assert "it is assumed" in told
    assert "none is certified" in text(people["operator"], "/planning/certificate/?budget=500")
    assert "stands behind every hub" in text(people["planner"], "/planning/plans/1/")


def test_siz_07_a_plan_is_withdrawn_with_a_reason_and_without_one_it_stays(people: dict[str, Client]) -> None:
    """By cover, without a budget."""
    people["planner"].post("/planning/propose/", {"budget": "", "reason": "two years"})
    plan = m.Plan.objects.get()
    assert people["service_manager"].post(f"/planning/plans/{plan.pk}/withdraw/", {}).status_code == 422
    people["service_manager"].post(f"/planning/plans/{plan.pk}/withdraw/", {"reason": "it stays"})
    assert m.Plan.objects.get().state == "superseded"
    assert "Plan 1" in text(people["operator"], "/planning/plans/")


def test_planning_pages_are_for_those_who_may(people: dict[str, Client]) -> None:
    """A vendor sees none; an operator reads and proposes nothing."""
    for path in (
        "",
        "plans/",
        "forecast/",
        "network/",
        "certificate/",
        "what-if/",
        "uncovered/",
        "hubs/sevilla/",
        "hubs/sevilla/list.csv",
    ):
        assert people["vendor"].get(f"/planning/{path}").status_code == 403, path
    assert people["operator"].post("/planning/propose/", {"reason": "x"}).status_code == 403
    assert "A planner may propose" in text(people["operator"], "/planning/")


def test_dem_01_the_forecast_shows_its_doubt_what_adds_to_it_and_its_skill(people: dict[str, Client]) -> None:
    """Mean and band of each shelf, each input's share, the failures' modes, the verdict beside a naive forecast."""
    page = text(people["operator"], "/planning/forecast/")
    mean = re.search(
        r'<td class="r n" data-l="Mean">([\d.]+)</td><td class="r n" data-l="Nine of ten">(\d+) to (\d+)', page
    )
    assert mean is not None
    assert float(mean[2]) < float(mean[1]) < float(mean[3])
    assert "installed base: " in page
    assert "compressor " in page
    told = people["operator"].get("/api/v1/planning/accuracy").json()
    assert told
    for one in told:
        assert one["skill"]["verdict"] in page


def test_siz_10_what_if_stands_side_by_side_and_names_what_breaks_first(people: dict[str, Client]) -> None:
    """The usual designs with cost and attainment; one's own by the address; an unknown hub is refused."""
    an_offer(hours=30.0)
    page = text(people["operator"], "/planning/what-if/")
    for words in ("As it is", "Lead times double", "Defect wave", "sevilla is lost", "A vendor sends controller"):
        assert words in page, words
    assert "controller at sevilla: 0 ready of" in page
    own = text(people["operator"], "/planning/what-if/?kind=wave&group=controller&factor=5")
    assert "A defect wave: needs times a factor controller 5" in own
    assert people["operator"].get("/planning/what-if/?kind=hub+lost&hub=atlantis").status_code == 422


def test_jnt_04_uncovered_sites_stand_with_the_cheapest_fix_and_go_when_it_is_done(people: dict[str, Client]) -> None:
    """No hub has a unit: one at Sevilla for 500 is the fix; with it on the shelf the site is covered."""
    from waystation.spares.models import Hub

    page = text(people["operator"], "/planning/uncovered/")
    assert "nobody has one" in page
    assert "One controller at Sevilla" in page or "One controller in a cabinet" in page
    assert ">500<" in page
    on_shelf(Hub.objects.get(code="sevilla"), 1)
    assert "Every site with devices on record is restored in time" in text(people["operator"], "/planning/uncovered/")


def test_hub_03_any_site_is_asked_for_any_time_from_anywhere(people: dict[str, Client]) -> None:
    """The nearer hub is surer within three hours; a site nobody knows is not found."""
    page = text(people["operator"], "/planning/reach/?site=cordoba&within_h=4")
    assert page.index("Sevilla") < page.index("Madrid")
    assert people["operator"].get("/planning/reach/?site=atlantis&within_h=3").status_code == 404


def test_jrn_02_the_stock_list_of_a_hub_is_one_page_and_says_the_same_as_csv(people: dict[str, Client]) -> None:
    """Page, CSV and PDF of one list: part, have, position, order, by when, why, what it protects."""
    client = people["operator"]
    page = text(client, "/planning/hubs/sevilla/")
    rows = list(csv.DictReader(io.StringIO(client.get("/planning/hubs/sevilla/list.csv").content.decode())))
    assert [r["part group"] for r in rows] == ["controller"]
    (row,) = rows
    assert int(row["order now"]) == int(row["target"]) - int(row["position"]) > 0
    assert row["protects"] == "1 site, class A"
    assert f'data-l="Target">{row["target"]}<' in page
    paper = client.get("/planning/hubs/sevilla/list.pdf")
    assert paper.content.startswith(b"%PDF")
    assert paper.content == client.get("/planning/hubs/sevilla/list.pdf").content
    assert client.get("/planning/hubs/atlantis/").status_code == 404


def test_siz_01_without_any_history_a_list_of_devices_gives_a_stock_list(
    signed_in: Callable[..., Client], clock: FastClock
) -> None:
    """Ten controllers and no failure on record: the class floor stands on the list and it says on what."""
    two_hubs()
    client = signed_in("planner")
    page = text(client, "/planning/hubs/sevilla/")
    assert "no history" in page
    rows = list(csv.DictReader(io.StringIO(client.get("/planning/hubs/sevilla/list.csv").content.decode())))
    assert int(rows[0]["target"]) >= 1


def test_an_empty_network_has_a_studio_with_one_next_step(signed_in: Callable[..., Client], clock: FastClock) -> None:
    """Every page opens and says what is true."""
    client = signed_in("planner")
    assert "Nothing is installed, held or needed yet." in text(client, "/planning/")
    for path in ("plans/", "forecast/", "network/", "certificate/", "what-if/", "uncovered/", "reach/"):
        text(client, f"/planning/{path}")


def test_lrn_02_models_stand_with_their_probability_and_nothing_is_proposed_without_a_finding(
    people: dict[str, Client],
) -> None:
    """One model alone fails as it does: no proposal; its way out says what is missing; a strange one is not known."""
    client = people["operator"]
    page = text(client, "/planning/models/")
    assert "CTL-220" in page
    assert "nothing: not shown to fail more than the rest" in page
    out = text(client, "/planning/models/?group=controller&model=CTL-220&units=10&month=6")
    told = client.post(
        "/api/v1/planning/models/controller/way-out",
        {"model": "CTL-220", "leaving": [[6, 10]]},
        content_type="application/json",
    ).json()
    assert told["words"] in out
    assert "has no model XX-1" in text(client, "/planning/models/?group=controller&model=XX-1&units=1&month=6")
    assert people["vendor"].get("/planning/models/").status_code == 403


def test_lrn_05_each_change_of_a_point_says_why_and_whether_it_was_right(people: dict[str, Client]) -> None:
    """A new point is too early to judge, and says so."""
    planner, manager = people["planner"], people["service_manager"]
    assert "No point is live yet." in text(planner, "/planning/points/")
    planner.post("/planning/propose/", {"reason": "two years"})
    plan = m.Plan.objects.get()
    manager.post(f"/planning/plans/{plan.pk}/approve/", {"digest": plan.digest, "reason": "seen"})
    planner.post(f"/planning/plans/{plan.pk}/apply/")
    point = m.PolicyPoint.objects.get(hub="sevilla")
    assert f"/planning/points/{point.pk}/" in text(planner, "/planning/points/")
    page = text(planner, f"/planning/points/{point.pk}/")
    assert "Too early to say" in page
    assert "cover of the lead time" in page
