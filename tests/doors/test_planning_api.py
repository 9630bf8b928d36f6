"""Planning by API and at the terminal: the whole way of a plan, and what each reading answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from tests.conftest import START
from tests.rooms.planning.scenes import csv_of, on_shelf, take, tickets, two_hubs
from tests.rooms.spares.network import a_part
from waystation.cli.main import main
from waystation.kernel.clock import FastClock
from waystation.planning import models as m
from waystation.spares.models import StockTarget

pytestmark = pytest.mark.django_db
API = "/api/v1/planning"
WEEKLY = [7.0 * n + 1 for n in range(104)]
HISTORY = csv_of("id,opened_at,region,family", ["T1,2026-10-01,sevilla,controller", "T2,,sevilla,controller"]).decode()


@pytest.fixture
def people(signed_in: Callable[..., Client], clock: FastClock) -> dict[str, Client]:
    """One signed-in client per role."""
    return {role: signed_in(role) for role in ("planner", "service_manager", "operator", "vendor")}


def post(client: Client, path: str, body: Any = None, status: int = 200) -> Any:
    """The answer of an operation that has to end with that status."""
    reply = client.post(f"{API}{path}", body if body is not None else {}, content_type="application/json")
    assert reply.status_code == status, (path, reply.content)
    return reply.json()


def get(client: Client, path: str) -> Any:
    """The answer of a reading."""
    reply = client.get(f"{API}{path}")
    assert reply.status_code == 200, (path, reply.content)
    return reply.json()


def live(people: dict[str, Client]) -> dict[str, Any]:
    """A plan that is applied, through the doors."""
    plan = post(people["planner"], "/plans", {"reason": "two years of tickets"}, 201)
    post(people["service_manager"], f"/plans/{plan['id']}/approve", {"digest": plan["digest"]})
    applied: dict[str, Any] = post(people["planner"], f"/plans/{plan['id']}/apply")
    return applied


def test_dem_06_a_file_is_looked_at_taken_and_undone(people: dict[str, Client]) -> None:
    """The report first; taking it needs the number of rejected rows; undone, its groups are gone."""
    planner = people["planner"]
    seen = post(planner, "/history", {"kind": "ticket", "content": HISTORY})
    assert (seen["fresh"], seen["file_id"]) == (1, None)
    assert [(r["line"], r["fault"]) for r in seen["rejected"]] == [(3, "missing")]
    refused = post(planner, "/history", {"kind": "ticket", "content": HISTORY, "take": True}, 409)
    assert refused["code"] == "planning.import_rejected"
    made = post(planner, "/history", {"kind": "ticket", "content": HISTORY, "take": True, "rejected": 1})
    assert [g["units"] for g in get(planner, "/groups")] == [1]
    assert get(planner, "/history")[0]["id"] == made["file_id"]
    undone = post(planner, f"/history/{made['file_id']}/undo", {"reason": "wrong year"})
    assert undone["undone_at"]
    assert get(planner, "/groups") == []


def test_siz_07_a_plan_goes_its_whole_way_through_the_doors(people: dict[str, Client]) -> None:
    """Proposed, approved on its digest by somebody else, applied; spares judge by it; rolled back by a new one."""
    two_hubs()
    take(tickets(WEEKLY))
    applied = live(people)
    assert (applied["state"], applied["number"]) == ("applied", 1)
    lines = get(people["operator"], f"/plans/{applied['number']}/lines")
    points = get(people["operator"], "/points")
    assert {(p["hub"], p["reorder_point"], p["plan"]) for p in points} == {
        (line["hub"], line["reorder_point"], 1) for line in lines
    }
    assert StockTarget.objects.filter(break_glass=False).count() == len(points)
    assert lines[0]["figures"]["contributions"]
    back = post(people["planner"], f"/plans/{applied['id']}/roll-back", {"reason": "too early"}, 201)
    assert (back["source"], back["state"]) == ("rollback", "proposed")
    gone = post(people["service_manager"], f"/plans/{back['id']}/withdraw", {"reason": "it stays"})
    assert gone["state"] == "superseded"
    assert [p["number"] for p in get(people["planner"], "/plans")] == [2, 1]
    assert get(people["planner"], f"/plans/{applied['id']}")["digest"] == applied["digest"]


def test_siz_09_the_doors_refuse_who_may_not(people: dict[str, Client]) -> None:
    """The proposer approves nothing, an operator proposes nothing, a vendor reads nothing."""
    two_hubs()
    take(tickets(WEEKLY))
    plan = post(people["planner"], "/plans", {"reason": "x"}, 201)
    post(people["planner"], f"/plans/{plan['id']}/approve", {"digest": plan["digest"]}, 403)
    post(people["operator"], "/plans", {"reason": "x"}, 403)
    for path in ("/plans", "/points", "/history", "/expectations", "/groups", "/run-out", "/excess", "/accuracy"):
        assert people["vendor"].get(f"{API}{path}").status_code == 403, path
    wrong = post(people["service_manager"], f"/plans/{plan['id']}/approve", {"digest": "0" * 64}, 409)
    assert wrong["code"] == "planning.digest"


def test_siz_03_a_scenario_is_proposed_by_name(people: dict[str, Client]) -> None:
    """Its buffer stands in the figures of every line."""
    two_hubs()
    take(tickets(WEEKLY))
    body = {"reason": "storm season", "hubs": ["sevilla"], "scenario": {"name": "storm", "sites": 4, "chance": 0.5}}
    plan = post(people["planner"], "/plans", body, 201)
    (line,) = get(people["planner"], f"/plans/{plan['id']}/lines")
    assert line["figures"]["buffer"] == 4
    assert plan["inputs"]["scenario"] == "storm"


def test_dem_10_expectations_come_and_end_by_api(people: dict[str, Client]) -> None:
    """A defect window with model and revision; ended with a reason it is no more in the list."""
    body = {
        "kind": "defect_window",
        "name": "batch 7",
        "reason": "bulletin 12",
        "model": "CTL-220",
        "revision": "B",
        "factor": 3.0,
        "part": 0.2,
        "from_at": START.isoformat(),
        "until": "2027-11-17T06:00:00Z",
    }
    made = post(people["planner"], "/expectations", body, 201)
    assert [e["id"] for e in get(people["operator"], "/expectations")] == [made["id"]]
    post(people["planner"], f"/expectations/{made['id']}/end", {"reason": "withdrawn"})
    assert get(people["operator"], "/expectations") == []
    post(people["planner"], f"/expectations/{made['id']}/end", {"reason": "again"}, 409)


def test_siz_08_every_reading_of_the_living_policy_answers(people: dict[str, Client]) -> None:
    """Run-out, excess, stress, accuracy, cohorts, look-back, pilot and models of a live policy."""
    near, _ = two_hubs()
    take(tickets(WEEKLY))
    applied = live(people)
    level = next(p for p in get(people["planner"], "/points") if p["hub"] == "sevilla")
    on_shelf(near, level["order_up_to"] + 2)
    reader = people["operator"]
    assert {line["hub"] for line in get(reader, "/run-out")} >= {"sevilla"}
    assert [e["units"] for e in get(reader, "/excess")["excess"]] == [2]
    slow = post(reader, "/stress", {"name": "slow", "lead_time_factor": 20.0})
    assert slow[0]["cover_after"] < slow[0]["cover_before"]
    assert {a["family"] for a in get(reader, "/accuracy")} == {"controller"}
    assert get(reader, "/points/" + level["id"] + "/look-back")[0]["verdict"] == "too early to say"
    assert {d["hub"] for d in get(reader, f"/plans/{applied['id']}/pilot")} >= {"sevilla"}
    assert [f["suspect"]["model"] for f in get(reader, "/models/controller")] == ["CTL-220"]
    assert get(reader, "/models/controller/fewer")["keep"] == ["CTL-220"]
    way = post(reader, "/models/controller/way-out", {"model": "CTL-220", "leaving": [[6, 10]]})
    assert way["last_site_month"] == 6
    assert post(reader, "/models/controller/way-out", {"model": "none", "leaving": []}) is None
    assert reader.get(f"{API}/cohorts/controller").status_code == 422  # one region compares with nothing


def test_siz_06_factors_are_tabled_one_at_a_time(people: dict[str, Client]) -> None:
    """Six rows, each with its promised direction kept."""
    body = {"sites": 40, "failures_per_site_month": 0.05, "lead_time_days": 14.0, "models": 3}
    rows = post(people["operator"], "/factors", body)
    assert len(rows) == 6
    assert all(row["holds"] for row in rows)
    post(people["vendor"], "/factors", body, 403)


@pytest.fixture
def said(data: Path, clock: FastClock, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Runs `waystation planning` and gives the exit code and everything that it printed."""

    def run(*words: str) -> tuple[int, str]:
        code = main(["planning", *words, "--data", str(data)])
        out = capsys.readouterr()
        return code, out.out + out.err

    return run


Said = Callable[..., tuple[int, str]]


def test_dem_06_the_terminal_reports_before_it_takes(said: Said, tmp_path: Path) -> None:
    """Exit code 1 while rows are rejected, the number to say, then the file and how to undo it."""
    file = tmp_path / "tickets.csv"
    file.write_text(HISTORY)
    code, text = said("import", str(file), "--kind", "ticket")
    assert code == 1
    assert "rejected, missing: 1" in text
    assert "--take 1" in text
    code, text = said("import", str(file), "--kind", "ticket", "--take", "1")
    assert code == 0
    made = m.HistoryFile.objects.get()
    assert f"undo {made.pk}" in text
    code, text = said("import", str(file), "--kind", "ticket", "--take", "1")
    assert (code, "All of it is on record." in text) == (0, True)
    code, text = said("undo", str(made.pk), "--reason", "wrong year")
    assert (code, "count no more" in text) == (0, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("import", "nowhere.csv", "--kind", "ticket"), "Name a file"),
        (("import", "nowhere.csv", "--kind", "ticket", "--map", "mode"), "nowhere.csv"),
        (("undo", "seven", "--reason", "x"), "Copy it whole"),
        (("undo", str(uuid4()), "--reason", "x"), "There is no"),
        (("history", "sevilla", "controller"), "has no point"),
        (("propose", "--reason", "x"), "as they should be"),
    ],
)
def test_dem_06_the_terminal_refuses_in_words_with_the_next_step(said: Said, words: tuple[str, ...], told: str) -> None:
    """Exit code 1 and what to do."""
    code, text = said(*words)
    assert code == 1
    assert told in text


def test_dem_06_a_pair_without_a_value_is_refused(said: Said, tmp_path: Path) -> None:
    """With an example."""
    file = tmp_path / "tickets.csv"
    file.write_text(HISTORY)
    code, text = said("import", str(file), "--kind", "ticket", "--map", "mode")
    assert code == 1
    assert "--map mode=Symptom" in text


def test_siz_08_the_terminal_forecasts_proposes_and_tells_the_past(said: Said, people: dict[str, Client]) -> None:
    """Every shelf with its dates; a plan that waits for a person; afterwards why the point is what it is."""
    two_hubs()
    take(tickets(WEEKLY))
    code, text = said("forecast")
    assert code == 0
    assert "sevilla controller:" in text
    code, text = said("forecast", "--json")
    told = json.loads(text)
    assert told["schema"] == "waystation.forecast/1"
    assert told["needs"] == len(WEEKLY)
    code, text = said("propose", "--reason", "two years", "--hub", "sevilla")
    assert code == 0
    assert "waits for approval" in text
    plan = m.Plan.objects.get()
    post(people["service_manager"], f"/plans/{plan.pk}/approve", {"digest": plan.digest})
    post(people["planner"], f"/plans/{plan.pk}/apply")
    code, text = said("history", "sevilla", "controller")
    assert code == 0
    assert "plan 1:" in text
    assert "too early to say" in text


def test_siz_12_the_studio_answers_a_budget_by_api_and_a_plan_of_it_is_proposed(people: dict[str, Client]) -> None:
    """The chosen point within its bound and its budget; the same budget proposed makes the same targets."""
    two_hubs()
    part = a_part()
    part.unit_cost = 400
    part.save()
    take(tickets(WEEKLY))
    told = get(people["operator"], "/studio?budget=1200")
    assert told["chosen"]["capital"] <= 1200.0
    assert told["chosen"]["share"] <= told["chosen"]["bound"] <= told["ceiling"] + 1e-9
    assert [c for c, _ in told["curve"]] == sorted(c for c, _ in told["curve"])
    plan = post(people["planner"], "/plans", {"reason": "a cap", "budget": 1200.0}, 201)
    lines = {
        (x["hub"], x["group"]): x["reorder_point"] + 1 for x in get(people["planner"], f"/plans/{plan['id']}/lines")
    }
    assert lines == {(t["hub"], t["group"]): t["chosen"] for t in told["targets"] if t["chosen"]}
    low = people["operator"].get(f"{API}/studio?budget=-1")
    assert (low.status_code, low.json()["code"]) == (422, "planning.budget")


def test_siz_12_the_whole_network_answers_by_api_and_its_plan_has_the_same_units(
    people: dict[str, Client], said: Said
) -> None:
    """Units by shelf with floor and cover; proposed by API they are the plan's lines; the terminal does the same."""
    two_hubs()
    part = a_part()
    part.unit_cost = 400
    part.save()
    take(tickets(WEEKLY))
    told = get(people["operator"], "/network")
    assert people["vendor"].get(f"{API}/network").status_code == 403
    assert told["centre"] == "madrid"
    assert told["assumed_ways"] == ["sevilla"]
    assert told["bound"] <= told["value"] == 400.0 * sum(s["units"] for s in told["shelves"])
    assert all(c["reached"] >= c["asked"] - 1e-9 for c in told["classes"])
    plan = post(people["planner"], "/plans", {"reason": "at once", "network": True}, 201)
    lines = {x["hub"]: x["reorder_point"] + 1 for x in get(people["planner"], f"/plans/{plan['id']}/lines")}
    assert lines == {s["hub"]: s["units"] for s in told["shelves"] if s["units"]}
    tight = get(people["operator"], "/network?budget=400")
    assert (tight["shelves"], tight["value"]) == ([], None)
    assert "budget of 400" in tight["conflict"]
    refused = post(people["planner"], "/plans", {"reason": "cheap", "network": True, "budget": 400.0}, 409)
    assert refused["code"] == "planning.conflict"
    played = get(people["operator"], "/network/certificate")
    assert [p["name"] for p in played["lone"]] == [p["name"] for p in played["stormy"]]
    assert played["lone"][0]["name"] == "Whole network"
    assert played["lone"][0]["better"] == {"mean": 0.0, "error": 0.0}
    for wrong in ("-1", "nan", "inf"):
        assert people["operator"].get(f"{API}/network?budget={wrong}").status_code == 422, wrong
    code, text = said("propose", "--network", "--budget", "nan", "--reason", "x")
    assert (code, "budget is nan" in text) == (1, True)
    code, text = said("propose", "--network", "--reason", "at once")
    assert (code, "madrid controller: none to" in text) == (0, True)
    code, text = said("propose", "--network", "--hub", "madrid", "--reason", "half")
    assert (code, "takes no hub and no group" in text) == (1, True)
    code, text = said("propose", "--budget", "5000", "--reason", "half")
    assert (code, "Add --network" in text) == (1, True)
    code, text = said("propose", "--vendors", "--reason", "half")
    assert (code, "leave --vendors out" in text) == (1, True)


def test_siz_07_a_plan_that_is_no_number_and_a_budget_that_is_none_are_refused(people: dict[str, Client]) -> None:
    """A superscript two is a digit to some, and no number; "nan" in quotes is a text."""
    assert people["planner"].get(f"{API}/plans/²").status_code == 404
    for wrong in ("nan", "Infinity"):
        post(people["planner"], "/plans", {"reason": "x", "budget": wrong}, 422)
    assert not m.Plan.objects.exists()


def test_siz_12_a_network_with_nothing_to_place_answers_why(people: dict[str, Client]) -> None:
    """No centre at first, then a centre and no need: a reading says so, it does not fail."""
    for path in ("/network", "/network/certificate"):
        told = get(people["operator"], path)
        assert (told["status"], told["why"]["code"]) == ("nothing to place", "planning.network")


def test_hub_07_designs_uncovered_and_reach_answer_by_api(people: dict[str, Client]) -> None:
    """Asked designs stand behind the usual ones; what is uncovered has a fix; every promise has a verdict."""
    two_hubs()
    take(tickets(WEEKLY))
    asked = [{"name": "half speed", "kind": "slow lead times", "factor": 2.0}]
    told = post(people["operator"], "/designs", asked)
    assert (told[0]["name"], told[-1]["name"]) == ("As it is", "half speed")
    late = get(people["operator"], "/uncovered")
    assert [(u["risk"]["site"], u["over_h"], u["limit"]) for u in late] == [("cordoba", None, "stock")]
    assert late[0]["fixes"][-1]["kind"] == "waiver"
    promises = get(people["operator"], "/achievable")
    assert {(a["site"], a["is_achievable"]) for a in promises} == {("cordoba", False)}
    assert {a["limit"] for a in promises} == {"stock", "circuits"}
    best = get(people["operator"], "/reach/cordoba?within_h=4")
    assert [a["share"] for a in best] == sorted((a["share"] for a in best), reverse=True)
    listed = people["operator"].get(f"{API}/hubs/sevilla/stock-list")
    assert listed.content.decode().startswith("part group,have,position")
