"""From a problem to a plan: how demand is laid on nodes, what limits mean, and whether every reason can be checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput, Refusal
from waystation.planning.rules.explain import at_nodes, at_sites, held, of_all
from waystation.planning.rules.fleet import seen, waiting
from waystation.planning.rules.planner import Plan, lay, limits_of, plan, reached, target_limit
from waystation.planning.rules.problem import HOURS_PER_YEAR, MEASURES, Problem, TargetGiven, read


def _document(**more: Any) -> dict[str, Any]:
    """A centre with two hubs; gold and silver sites share one of them."""
    return {
        "nodes": [
            {"id": "centre", "parent": None, "lead_time_h": 480},
            {"id": "north", "parent": "centre", "lead_time_h": 24},
            {"id": "south", "parent": "centre", "lead_time_h": 48},
        ],
        "parts": [
            {"id": "fan", "unit_cost": 40, "holding_rate_per_year": 0.2},
            {"id": "board", "unit_cost": 700, "holding_rate_per_year": 0.3},
        ],
        "demand": [
            {"part": "fan", "node": "clinic", "per_year": 6},
            {"part": "fan", "node": "school", "per_year": 2},
            {"part": "board", "node": "clinic", "per_year": 1.5},
            {"part": "board", "node": "south", "per_year": 2.5},
        ],
        "sites": [
            {"id": "clinic", "max_restore_h": 4, "service_class": "gold"},
            {"id": "school", "max_restore_h": 24, "service_class": "silver"},
        ],
        "travel_h": {"north": {"clinic": 1, "school": 2}, "south": {"clinic": 3}},
        "budget": 4_000,
    } | more


def _problem(**more: Any) -> Problem:
    return read(_document(**more))


def _only(targets: list[dict[str, Any]] | dict[str, float], **more: Any) -> Problem:
    """Targets without a budget."""
    document = _document(service_targets=targets, **more)
    document.pop("budget")
    return read(document)


def test_demand_at_a_site_stands_at_its_nearest_node_and_keeps_its_class() -> None:
    """Clinic and school are nearest to north; south has its own demand and no class."""
    laid = lay(_problem())
    assert laid.site_node == (1, 1)
    assert laid.fleet.rate.tolist() == [[0, 8, 0], [0, 1.5, 2.5]]
    assert laid.by_class["gold"].tolist() == [[0, 6, 0], [0, 1.5, 0]]
    assert laid.by_class["silver"].tolist() == [[0, 2, 0], [0, 0, 0]]
    assert laid.site_rate == {0: {0: 6, 1: 1.5}, 1: {0: 2}}


def test_pipelines_are_rate_times_hours_and_shares_add_up_to_one() -> None:
    """480 h of all demand at the centre, 24 h at north."""
    given_ = lay(_problem()).fleet
    assert given_.pipeline[0].tolist() == pytest.approx([8 * 480 / 8760, 8 * 24 / 8760, 0])
    assert given_.pipeline[1, 0] == pytest.approx(4 * 480 / 8760)
    assert given_.share[:, 1:].sum(axis=1).tolist() == pytest.approx([1, 1])


def test_variance_to_mean_of_a_part_is_weighted_by_its_demand() -> None:
    """6 a year at 3 and 2 a year at 1 give 2.5."""
    document = _document()
    document["demand"][0]["variance_to_mean"] = 3
    laid = lay(read(document))
    assert laid.fleet.ratio.tolist() == pytest.approx([2.5, 1.0])


def test_customers_of_a_node_with_children_wait_at_a_leaf_of_their_own_and_are_met_from_its_shelf() -> None:
    """Demand at the centre itself: one leaf more, which holds nothing; its fill is the centre's."""
    document = _document()
    document["demand"].append({"part": "fan", "node": "centre", "per_year": 4})
    found = plan(read(document))
    given_ = found.laid.fleet
    assert (given_.of[-1], given_.holds[-1]) == (0, False)
    assert found.stock is not None
    assert found.stock.shape == (2, 3)
    assert found.seen is not None
    assert found.seen.fill[0, -1] == found.seen.fill[0, 0]
    assert at_nodes(found, read(document))[0].fill == pytest.approx(found.seen.fill[0, 0])


def test_a_site_without_a_road_and_with_demand_is_refused_and_without_demand_is_told() -> None:
    """Nobody can serve it: the refusal names it, the plan says that it has no source."""
    document = _document()
    document["sites"].append({"id": "island", "max_restore_h": 4})
    told = at_sites(plan(read(document)), read(document))[2]
    assert (told.source, told.within_limit, told.in_time) == (None, False, None)
    document["demand"].append({"part": "fan", "node": "island", "per_year": 1})
    with pytest.raises(BadInput, match="no node has a travel time") as said:
        lay(read(document))
    assert said.value.code == "planning.no_source"


def _removed(found: Plan, part: int, node: int) -> float:
    """Waiting of all with one unit less."""
    assert found.full is not None
    less = found.full.copy()
    less[part, node] -= 1
    given_ = found.laid.fleet
    return float(waiting(given_, seen(given_, np.arange(given_.parts), less).ebo).sum())


def test_each_reason_can_be_checked_by_taking_the_unit_away() -> None:
    """The gain is what more would wait, per money it is divided by the price, and the words carry the number."""
    problem = _problem()
    found = plan(problem)
    assert found.seen is not None
    base = float(waiting(found.laid.fleet, found.seen.ebo).sum())
    rows = held(found, problem)
    assert rows
    names, nodes = [p.id for p in problem.parts], [n.id for n in problem.nodes]
    for row in rows:
        part = names.index(row.part)
        gain = _removed(found, part, nodes.index(row.node)) - base
        assert row.gain == pytest.approx(gain, abs=1e-12)
        assert row.per_money == pytest.approx(gain / problem.parts[part].unit_cost)
        assert f"{gain:.3g} units waiting" in row.reason
    assert sum(row.units for row in rows) == found.stock.sum()  # type: ignore[union-attr]


def test_what_removes_a_unit_is_a_budget_at_which_the_plan_does_without_it() -> None:
    """Below the budget that a reason names, the curve has fewer units of that part."""
    problem = _problem()
    found = plan(problem)
    assert found.curve is not None
    assert found.stock is not None
    bought = [float(c) for c in found.curve.capital]
    for row in held(found, problem):
        if row.removed_by.startswith("a budget below "):
            at = float(row.removed_by.split()[3].rstrip(","))
            assert min(abs(at - c) for c in bought) <= 0.5
            poorer = plan(_problem(budget=at - 1))
            assert poorer.value >= found.value


def test_targets_tell_what_removes_a_unit_in_their_own_words() -> None:
    """No budget, no talk of one."""
    problem = _only({"gold": 0.9})
    assert all("targets that allow more" in row.removed_by for row in held(plan(problem), problem))


def test_nodes_add_up_to_the_plan() -> None:
    """Units, capital and waiting of all nodes are those of the whole."""
    problem = _problem()
    found = plan(problem)
    rows = at_nodes(found, problem)
    assert found.stock is not None
    assert sum(row.units for row in rows) == int(found.stock.sum())
    assert sum(row.waiting for row in rows) == pytest.approx(found.value)
    assert sum(row.capital for row in rows) <= 4_000
    assert rows[0].fill is None


def test_hours_waited_are_backorders_over_demand() -> None:
    """Little's law over all twelve failures a year."""
    problem = _problem()
    assert of_all(plan(problem), problem, "mean_wait_h") == pytest.approx(plan(problem).value / 12 * HOURS_PER_YEAR)
    bare = _problem(demand=[])
    assert of_all(plan(bare), bare, "mean_wait_h") is None


def test_hub_03_service_in_time_is_the_fill_of_the_node_weighted_by_the_sites_demand() -> None:
    """Clinic: six fans and one and a half boards a year from north."""
    problem = _problem()
    found = plan(problem)
    assert found.seen is not None
    fill = found.seen.fill[:, 1]
    clinic, school = at_sites(found, problem)
    assert clinic.in_time == pytest.approx((6 * fill[0] + 1.5 * fill[1]) / 7.5)
    assert school.in_time == pytest.approx(fill[0])
    assert clinic.others in ((), ("south",))


@pytest.mark.parametrize("measure", MEASURES)
def test_a_target_of_everything_is_the_sum_over_its_nodes(measure: str) -> None:
    """What is reached for all is what is reached node by node, put together by demand."""
    problem = _problem()
    found = plan(problem)
    whole = reached(found, problem, TargetGiven(measure, 0.0, None, None, None))  # type: ignore[arg-type]
    nodes = [reached(found, problem, TargetGiven(measure, 0.0, None, n.id, None)) for n in problem.nodes]  # type: ignore[arg-type]
    if measure in ("units", "backorders"):
        assert whole == pytest.approx(sum(nodes))
    else:
        assert whole == pytest.approx((9.5 * nodes[1] + 2.5 * nodes[2]) / 12)


def test_a_class_has_its_share_of_what_waits_at_a_node() -> None:
    """First come, first served: gold and silver fans at north wait in proportion to their demand."""
    problem = _problem()
    found = plan(problem)
    gold, silver, north = (
        reached(found, problem, TargetGiven("backorders", 0.0, c, n, "fan"))
        for c, n in (("gold", None), ("silver", None), (None, "north"))
    )
    assert gold == pytest.approx(3 * silver)
    assert gold + silver == pytest.approx(north)


def test_limits_are_budget_shelves_and_targets_in_the_words_of_the_problem() -> None:
    """One each, in that order."""
    document = _document(service_targets=[{"measure": "backorders", "value": 0.1, "node": "south", "part": "board"}])
    document["nodes"][1]["capacity_units"] = 3
    problem = read(document)
    assert [limit.name for limit in limits_of(problem, lay(problem))] == [
        "budget of 4000",
        "shelf of 3 units at north",
        "backorders of at most 0.1 for node south, part board",
    ]


def test_a_limit_counts_only_what_is_in_its_scope() -> None:
    """One part at one node: one coefficient."""
    problem = _problem()
    laid = lay(problem)
    limit = target_limit(problem, laid, TargetGiven("backorders", 0.1, None, "south", "board"))
    assert np.argwhere(limit.charge).tolist() == [[1, 2]]
    floor = target_limit(problem, laid, TargetGiven("units", 2, None, "south", "board"))
    assert np.argwhere(floor.unit).tolist() == [[1, 2]]
    assert floor.most == -2


@settings(max_examples=10)
@given(st.floats(0.5, 0.995), st.floats(0.5, 0.995))
def test_a_sharper_target_never_costs_less_in_the_bound(one: float, other: float) -> None:
    """The proven bound rises with the fill rate asked; the plan meets it and lies above the bound."""
    low, high = (plan(_only({"gold": share})) for share in sorted((one, other)))
    assert low.bound <= high.bound + 1e-6
    for found, share in ((low, min(one, other)), (high, max(one, other))):
        assert found.value >= found.bound - 1e-9
        told = reached(found, _only({"gold": share}), TargetGiven("fill_rate", share, "gold", None, None))
        assert told >= share - 1e-7


@settings(max_examples=10)
@given(st.integers(0, 9_000), st.integers(0, 9_000))
def test_more_budget_never_waits_more(one: int, other: int) -> None:
    """Bound and plan."""
    poor, rich = (plan(_problem(budget=b)) for b in sorted((one, other)))
    assert rich.value <= poor.value + 1e-9
    assert rich.bound <= poor.bound + 1e-9


def test_floors_of_units_hold_under_a_budget_and_clash_with_one_that_is_too_small() -> None:
    """Two boards at south are kept however little they save."""
    floor = [{"measure": "units", "value": 2, "node": "south", "part": "board"}]
    kept = plan(_problem(service_targets=floor))
    assert kept.stock is not None
    assert kept.stock[1, 2] >= 2
    clash = plan(_problem(service_targets=floor, budget=1_000))
    assert clash.status == "infeasible"
    assert clash.conflict == ("budget of 1000", "at least 2 units for node south, part board")
    assert held(clash, _problem()) == []
    assert at_nodes(clash, _problem()) == []
    assert np.isnan(reached(clash, _problem(), TargetGiven("units", 2, None, None, None)))


def test_the_certificate_is_the_exact_law_of_the_same_stock() -> None:
    """Over the parts that it covers; erratic ones are left out by name, not by silence."""
    found = plan(_problem())
    assert found.certified is not None
    assert found.certified.parts.tolist() == [0, 1]
    assert found.certified.model_waiting == pytest.approx(found.value)
    assert abs(found.certified.difference) < 0.06
    document = _document()
    document["demand"][2]["variance_to_mean"] = 4
    odd = plan(read(document)).certified
    assert odd is not None
    assert (odd.parts.tolist(), odd.left_out.tolist()) == ([0], [1])


def test_capacity_is_kept_where_money_would_buy_more() -> None:
    """A shelf of one at north: one unit there, more at the centre."""
    document = _document(budget=9_000)
    free = plan(read(document))
    document["nodes"][1]["capacity_units"] = 1
    tight = plan(read(document))
    assert free.stock is not None
    assert tight.stock is not None
    assert free.stock[:, 1].sum() > 1
    assert tight.stock[:, 1].sum() <= 1
    assert tight.value >= free.bound


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 9) | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=150)
@given(st.data())
def test_whatever_stands_in_a_field_the_problem_is_read_or_refused(data: st.DataObject) -> None:
    """One member replaced by anything, one row's member too: a value type or a refusal with field and next step."""
    document = _document(service_targets=[{"measure": "backorders", "value": 1}])
    name = data.draw(st.sampled_from(sorted(document)))
    inner = document[name]
    if isinstance(inner, list) and data.draw(st.booleans()):
        row = data.draw(st.sampled_from(inner))
        row[data.draw(st.sampled_from(sorted(row)))] = data.draw(JSON)
    else:
        document[name] = data.draw(JSON)
    try:
        assert isinstance(read(document), Problem)
    except BadInput as said:
        assert said.field
        assert said.next_step
        assert said.message


@settings(max_examples=60)
@given(st.dictionaries(st.text(max_size=6), JSON, max_size=5))
def test_any_object_at_all_is_refused_in_words(document: dict[str, Any]) -> None:
    """Never a traceback."""
    with pytest.raises(Refusal):
        read(document)


def test_nodes_may_stand_in_any_order_and_the_plan_is_the_same() -> None:
    """Children before parents: the same stock by name."""
    document = _document()
    document["nodes"].reverse()
    told = [
        {(row.part, row.node): row.units for row in held(plan(problem), problem)}
        for problem in (_problem(), read(document))
    ]
    assert told[0] == told[1]


def test_rows_of_hours_are_read_in_the_order_in_which_nodes_were_given() -> None:
    """Not in the order in which the tree is walked."""
    document = _document()
    document["nodes"].reverse()
    document["travel_h"] = [[3, 9], [1, 2], [8, 8]]
    problem = read(document)
    assert problem.travel_h["south"] == {"clinic": 3, "school": 9}
    assert problem.travel_h["north"] == {"clinic": 1, "school": 2}
    assert problem.nodes[0].id == "centre"
