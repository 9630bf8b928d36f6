"""`waystation plan`: problems in, plans out, every bad field refused by name, and the schema that says both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from waystation.cli.main import main
from waystation.cli.plan import schema_text
from waystation.cli.qualifying.cases import KNOWN, answer

Change = Callable[[dict[str, Any]], Any]


def _problem() -> dict[str, Any]:
    """A centre, two regions, a local; two parts; two sites, one of which is out of reach."""
    return {
        "schema": "waystation.problem/1",
        "nodes": [
            {"id": "L1", "parent": "R1", "lead_time_h": 12},
            {"id": "C", "parent": None, "lead_time_h": 720},
            {"id": "R1", "parent": "C", "lead_time_h": 48},
            {"id": "R2", "parent": "C", "lead_time_h": 72},
        ],
        "parts": [
            {"id": "controller", "unit_cost": 180, "holding_rate_per_year": 0.25},
            {"id": "compressor", "unit_cost": 2400, "holding_rate_per_year": 0.25},
        ],
        "demand": [
            {"part": "controller", "node": "L1", "per_year": 6},
            {"part": "controller", "node": "sevilla", "per_year": 3},
            {"part": "compressor", "node": "sevilla", "per_year": 0.5},
            {"part": "compressor", "node": "L1", "per_year": 0.4},
        ],
        "sites": [
            {"id": "sevilla", "max_restore_h": 4, "service_class": "gold"},
            {"id": "huelva", "max_restore_h": 2, "service_class": "gold"},
        ],
        "travel_h": {"R1": {"sevilla": 3, "huelva": 5}, "L1": {"sevilla": 6}},
        "budget": 6000,
    }


def _with_targets(**more: Any) -> dict[str, Any]:
    found = _problem() | {
        "service_targets": [
            {"measure": "fill_rate", "value": 0.95, "service_class": "gold"},
            {"measure": "mean_wait_h", "value": 5},
            {"measure": "units", "value": 1, "part": "compressor", "node": "R1"},
        ]
    }
    found.pop("budget")
    return found | more


def _ask(tmp_path: Path, problem: Any) -> tuple[int, dict[str, Any]]:
    path, out = tmp_path / "problem.json", tmp_path / "plan.json"
    path.write_text(json.dumps(problem))
    out.unlink(missing_ok=True)
    code = main(["plan", str(path), "--json", str(out)])
    return code, json.loads(out.read_text()) if out.exists() else {}


def test_siz_12_a_budget_buys_a_plan_with_bound_reasons_sites_and_certificate(tmp_path: Path) -> None:
    """Every member of the document is there and says what the stock does."""
    code, told = _ask(tmp_path, _problem())
    assert code == 0
    assert told["schema"] == "waystation.plan/1"
    assert told["capital"] == sum(
        {"controller": 180, "compressor": 2400}[row["part"]] * row["units"] for row in told["stock"]
    )
    assert told["capital"] <= 6000
    assert told["holding_per_year"] == pytest.approx(told["capital"] * 0.25)
    assert told["lower_bound"] <= told["backorders"]
    assert told["gap"] == pytest.approx(told["backorders"] / told["lower_bound"] - 1)
    assert told["certificate"]["parts"] == 2
    assert abs(told["certificate"]["difference_of_model"]) < 0.06
    assert all(row["reason"] and row["removed_by"] and row["gain_of_last_unit"] > 0 for row in told["stock"])
    assert [point["capital"] for point in told["curve"]] == sorted(point["capital"] for point in told["curve"])


def test_hub_03_each_site_is_served_by_the_nearest_node_and_what_is_out_of_reach_is_said(
    tmp_path: Path, capsys: Any
) -> None:
    """A site beyond its limit has no service in time, however much stock there is."""
    code, told = _ask(tmp_path, _problem())
    near, far = told["sites"]
    assert code == 0
    assert (near["source"], near["travel_h"], near["within_limit"]) == ("R1", 3, True)
    assert 0.9 < near["served_in_time"] <= 1.0
    assert (far["source"], far["within_limit"], far["served_in_time"]) == ("R1", False, None)
    assert "site huelva is out of reach: 5 h from R1, 2 h tolerable" in capsys.readouterr().out


def test_jnt_04_demand_at_a_site_that_cannot_be_reached_in_time_is_never_counted_as_served(tmp_path: Path) -> None:
    """With 2 h tolerable and 3 h on the road nothing is in time."""
    problem = _problem()
    problem["sites"][0]["max_restore_h"] = 2
    _, told = _ask(tmp_path, problem)
    assert told["sites"][0]["served_in_time"] == 0.0


def test_hub_05_targets_of_a_class_are_met_at_least_money(tmp_path: Path) -> None:
    """All three hold, the floor of one compressor too; more service costs no less."""
    code, told = _ask(tmp_path, _with_targets())
    assert code == 0
    assert [row["met"] for row in told["targets"]] == [True, True, True]
    assert told["objective"] == "capital"
    assert told["lower_bound"] <= told["capital"]
    sharper = _with_targets()
    sharper["service_targets"][1]["value"] = 1
    assert _ask(tmp_path, sharper)[1]["capital"] >= told["capital"]


def test_siz_12_laterals_are_asked_for_by_a_word_and_said_by_site_and_by_play(tmp_path: Path, capsys: Any) -> None:
    """Two hubs of one centre within four hours of the site: the second lends, and the plan is played."""
    asked = _with_targets(laterals=True, service_targets={"gold": 0.97})
    asked["nodes"] = [node for node in asked["nodes"] if node["id"] != "L1"]
    asked["demand"] = [row | {"node": "sevilla"} for row in asked["demand"][:3]]
    asked["travel_h"] = {"R1": {"sevilla": 3, "huelva": 5}, "R2": {"sevilla": 3.5}}
    code, told = _ask(tmp_path, asked)
    text = capsys.readouterr().out
    near = told["sites"][0]
    assert code == 0
    assert near["lenders"] == ["R2"]
    assert near["served_by_own_node"] <= near["served_in_time"]
    assert told["played"]["met_at_once"] == pytest.approx(near["served_in_time"], abs=0.01)
    assert "played: " in text
    assert "exact law over 2 parts, nothing lent" in text
    alone = _ask(tmp_path, asked | {"laterals": False})[1]
    assert told["capital"] <= alone["capital"]
    assert alone["played"] is None
    schema = json.loads(schema_text())
    assert _holds({"$ref": "#/$defs/problem"}, asked, schema)
    assert _holds({"$ref": "#/$defs/plan"}, told, schema)


def test_service_targets_by_class_may_be_a_table_of_fill_rates(tmp_path: Path) -> None:
    """`{"gold": 0.9}`."""
    code, told = _ask(tmp_path, _with_targets(service_targets={"gold": 0.9}))
    assert (code, told["targets"][0]["met"]) == (0, True)
    assert told["targets"][0]["target"] == "fill rate of at least 0.9 for class gold"


def test_a_sharp_target_is_met_by_units_that_are_hardly_ever_needed(tmp_path: Path) -> None:
    """A fill rate of 0.999999 is no clash, only dear."""
    code, told = _ask(tmp_path, _with_targets(service_targets={"gold": 0.999999}))
    assert code == 0
    assert told["targets"][0]["met"]


def test_what_cannot_all_hold_is_named_and_the_exit_code_says_so(tmp_path: Path, capsys: Any) -> None:
    """A budget of 2 000 and a wait of 5 h clash; the fill rate is not blamed."""
    code, told = _ask(tmp_path, _with_targets(budget=2000, service_targets=_with_targets()["service_targets"][:2]))
    assert code == 1
    assert told["status"] == "infeasible"
    assert told["conflict"] == ["budget of 2000", "mean wait of at most 5 h for everything"]
    assert told["capital"] is None
    assert "without any one of them" in capsys.readouterr().out


def test_a_shelf_is_never_filled_beyond_its_places(tmp_path: Path) -> None:
    """Two places at R1: two units at most, and a plan all the same."""
    problem = _problem()
    problem["nodes"][2]["capacity_units"] = 2
    code, told = _ask(tmp_path, problem)
    assert code == 0
    assert sum(row["units"] for row in told["stock"] if row["node"] == "R1") <= 2


def test_erratic_demand_is_planned_and_said_not_to_be_certified(tmp_path: Path, capsys: Any) -> None:
    """Variance to mean of 3: more stock waits more; the exact law is not claimed."""
    problem = _problem()
    for row in problem["demand"]:
        row["variance_to_mean"] = 3
    _, told = _ask(tmp_path, problem)
    assert told["certificate"]["not_covered"] == ["controller", "compressor"]
    assert "not certified: 2 parts" in capsys.readouterr().out
    assert told["backorders"] > _ask(tmp_path, _problem())[1]["backorders"]


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.update(demand=[]),
        lambda p: p.update(nodes=[{"id": "C", "lead_time_h": 24}], sites=[], travel_h={}, demand=[]),
        lambda p: p.update(budget=0),
        lambda p: p.update(parts=p["parts"][:1], demand=p["demand"][:1], sites=[], travel_h={}),
        lambda p: p.update(travel_h=[[6, 6], [9, 9], [3, 5], [9, 9]]),
    ],
    ids=["no demand", "one node", "no money", "one part", "rows of hours"],
)
def test_the_smallest_problems_have_plans(tmp_path: Path, change: Change) -> None:
    """Exit code 0 and figures, no division by nothing."""
    problem = _problem()
    change(problem)
    code, told = _ask(tmp_path, problem)
    assert code == 0
    assert told["capital"] is not None


def test_the_same_problem_gives_the_same_bytes(tmp_path: Path) -> None:
    """Twice, with targets and without."""
    for problem in (_problem(), _with_targets()):
        assert _ask(tmp_path, problem)[1] == _ask(tmp_path, problem)[1]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (lambda p: p.pop("nodes"), "nodes"),
        (lambda p: p.update(nodes=[]), "nodes"),
        (lambda p: p.update(parts=[3]), "parts[0]"),
        (lambda p: p.update(colour="red"), "problem.colour"),
        (lambda p: p.update(schema="waystation.problem/9"), "schema"),
        (lambda p: p["nodes"][0].update(parent=None), "nodes"),
        (lambda p: p["nodes"][0].update(parent="nowhere"), "nodes.parent"),
        (lambda p: p["nodes"][0].update(id="C"), "nodes.id"),
        (lambda p: p["nodes"][0].update(lead_time_h=-1), "nodes[0].lead_time_h"),
        (lambda p: p["nodes"][0].update(lead_time_h="soon"), "nodes[0].lead_time_h"),
        (lambda p: p["parts"][0].update(unit_cost=0), "parts[0].unit_cost"),
        (lambda p: p["parts"][0].update(id=""), "parts[0].id"),
        (lambda p: p["demand"][0].update(part="ghost"), "demand[0].part"),
        (lambda p: p["demand"][0].update(node="ghost"), "demand[0].node"),
        (lambda p: p["demand"][0].update(variance_to_mean=0.5), "demand[0].variance_to_mean"),
        (lambda p: p["demand"][0].update(per_year=True), "demand[0].per_year"),
        (lambda p: p["demand"][0].update(per_year=9e9), "demand"),
        (lambda p: p["sites"][1].update(id="C"), "sites.id"),
        (lambda p: p["travel_h"].update(ghost={}), "travel_h.ghost"),
        (lambda p: p["travel_h"]["R1"].update(ghost=1), "travel_h.R1.ghost"),
        (lambda p: p.update(travel_h={}), "travel_h"),
        (lambda p: p.update(travel_h=[[1]]), "travel_h"),
        (lambda p: p.pop("budget"), "budget"),
        (lambda p: p.update(service_targets={"silver": 0.9}), "service_targets[0].service_class"),
        (lambda p: p.update(service_targets={"gold": 1.0}), "service_targets[0].value"),
        (lambda p: p.update(service_targets=[{"measure": "luck", "value": 1}]), "service_targets[0].measure"),
    ],
)
def test_a_bad_field_is_refused_with_its_name_and_a_next_step(
    tmp_path: Path, capsys: Any, change: Change, field: str
) -> None:
    """One line says which field and what it holds, one line says what to do; nothing is written."""
    problem = _problem()
    change(problem)
    code, told = _ask(tmp_path, problem)
    said = capsys.readouterr().err
    assert (code, told) == (1, {})
    assert "  next: " in said
    assert field.split("[")[0].split(".")[0] in said
    if "." in field and not field.startswith(("travel", "problem", "nodes.parent")):
        assert field in said


@pytest.mark.parametrize("case", json.loads((KNOWN / "planning.json").read_text())["cases"], ids=lambda c: c["id"])
def test_a_known_kind_is_answered_as_qualify_answers_it(tmp_path: Path, case: Mapping[str, Any]) -> None:
    """`{"kind", "inputs"}`: the same functions, the same numbers."""
    code, told = _ask(tmp_path, {"kind": case["kind"], "inputs": case["inputs"]})
    one = tmp_path / "one.json"
    one.write_text(json.dumps({"cases": [{"id": "x", "kind": case["kind"], "inputs": case["inputs"]}]}))
    assert code == 0
    assert told["answer"] == json.loads(json.dumps(answer([one]).answers["x"]))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('{"kind": "dance", "inputs": {}}', "no kind 'dance'"),
        ('{"kind": "availability"}', "inputs is no object"),
        ('{"kind": "availability", "inputs": {}}', "lacks 'items'"),
        ('{"kind": "availability", "inputs": {"systems": "x", "items": []}}', "cannot be used"),
        ('{"kind": "sQ_poisson", "inputs": {"rate": 1, "lead_time": 1, "s": 1, "Q": 0}}', "Q is 0"),
        ("[1]", "holds no object"),
        ("{", "is no JSON"),
    ],
)
def test_a_question_that_cannot_be_asked_is_refused(tmp_path: Path, capsys: Any, text: str, words: str) -> None:
    """No traceback, exit code 1."""
    path = tmp_path / "asked.json"
    path.write_text(text)
    assert main(["plan", str(path)]) == 1
    assert words in capsys.readouterr().err


def test_files_that_are_not_there_and_places_that_cannot_be_written_are_told(tmp_path: Path, capsys: Any) -> None:
    """And a command without a problem."""
    assert main(["plan"]) == 1
    assert main(["plan", str(tmp_path / "absent.json")]) == 1
    path = tmp_path / "problem.json"
    path.write_text(json.dumps(_problem()))
    assert main(["plan", str(path), "--json", str(tmp_path / "no" / "place")]) == 1
    assert "Name another file" in capsys.readouterr().err


def _holds(schema: Mapping[str, Any], value: Any, root: Mapping[str, Any]) -> bool:
    """Enough of JSON Schema for ours: types, members, required, closed objects, items, enum, anyOf, bounds."""
    if "$ref" in schema:
        return _holds(root["$defs"][schema["$ref"].rsplit("/", 1)[1]], value, root)
    if "const" in schema or "enum" in schema:
        return value in schema.get("enum", [schema.get("const")])
    if "anyOf" in schema:
        return any(_holds(s, value, root) for s in schema["anyOf"])
    kinds = {"object": dict, "array": list, "string": str, "number": (int, float), "integer": int, "boolean": bool}
    kinds["null"] = type(None)
    named = schema.get("type", [])
    wanted = [named] if isinstance(named, str) else named
    if wanted and not any(isinstance(value, kinds[k]) and (k == "boolean" or value is not True) for k in wanted):
        return False
    if isinstance(value, dict):
        rest = set(value) - set(schema.get("properties", {}))
        extra = schema.get("additionalProperties", True)
        if not set(schema.get("required", [])) <= set(value) or (rest and extra is False):
            return False
        inner = [_holds(s, value[k], root) for k, s in schema.get("properties", {}).items() if k in value]
        return all(inner) and (isinstance(extra, bool) or all(_holds(extra, value[k], root) for k in rest))
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(_holds(schema["items"], v, root) for v in value)
    return not isinstance(value, int | float) or value >= schema.get("minimum", value)


def test_the_schema_describes_what_is_read_and_what_is_written(tmp_path: Path, capsys: Any) -> None:
    """Problems and plans hold to it, what the reader refuses does not, and `--schema` prints the reference."""
    assert main(["plan", "--schema"]) == 0
    assert capsys.readouterr().out == schema_text() == (ROOT / "docs/reference/plan.schema.json").read_text()
    schema = json.loads(schema_text())
    problem, plan, told = ({"$ref": f"#/$defs/{name}"} for name in ("problem", "plan", "answer"))
    for asked in (_problem(), _with_targets(), _with_targets(budget=2000)):
        assert _holds(problem, asked, schema)
        assert _holds(plan, _ask(tmp_path, asked)[1], schema)
    assert not _holds(problem, _problem() | {"colour": "red"}, schema)
    assert not _holds(problem, _problem() | {"nodes": []}, schema)
    case = json.loads((KNOWN / "planning.json").read_text())["cases"][0]
    assert _holds({"$ref": "#/$defs/known"}, case, schema)
    assert _holds(told, _ask(tmp_path, case)[1], schema)
