"""Trees by METRIC, VARI-METRIC and the exact law, splits and budgets, against brute force."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.planning.oracles import exact_bases, short, vari_metric
from waystation.kernel.refusals import BadInput
from waystation.planning.rules import counts, echelons, splits

rates = st.lists(st.floats(0.05, 1.5), min_size=1, max_size=3)


@settings(max_examples=30)
@given(rates, st.floats(0.2, 2.0), st.data())
def test_the_exact_law_of_two_tiers_counts_who_each_backorder_is_for(
    demand: list[float], resupply: float, data: st.DataObject
) -> None:
    """The depot's backorders fall to the bases one by one, in proportion to their demand."""
    transit = [0.1 * (n + 1) for n in range(len(demand))]
    stock = data.draw(st.lists(st.integers(0, 3), min_size=len(demand) + 1, max_size=len(demand) + 1))
    found = echelons.evaluate(echelons.two_echelons(demand, resupply, transit), stock)
    oracle = exact_bases(demand, sum(demand) * resupply, transit, stock)
    assert [n.ebo for n in found[1:]] == pytest.approx(oracle, abs=1e-8)


@settings(max_examples=40)
@given(rates, st.floats(0.2, 2.0), st.data())
def test_vari_metric_is_the_recursion_on_two_moments(demand: list[float], resupply: float, data: st.DataObject) -> None:
    """Mean and variance of outstanding units, negative binomial at every node."""
    transit = [0.2] * len(demand)
    stock = data.draw(st.lists(st.integers(0, 3), min_size=len(demand) + 1, max_size=len(demand) + 1))
    tree = echelons.two_echelons(demand, resupply, transit)
    found = echelons.evaluate(tree, stock, "varimetric")
    share = [0.0, *(d / sum(demand) for d in demand)]
    oracle = vari_metric(tree.parent, tree.pipeline, share, stock)
    assert [n.ebo for n in found] == pytest.approx(oracle, abs=1e-7)


@settings(max_examples=40)
@given(rates, st.floats(0.2, 2.0), st.sampled_from(echelons.METHODS), st.data())
def test_more_stock_anywhere_never_makes_customers_wait_more(
    demand: list[float], resupply: float, method: echelons.Method, data: st.DataObject
) -> None:
    """One unit more at any node, by any of the three methods."""
    tree = echelons.two_echelons(demand, resupply, [0.1] * len(demand))
    stock = data.draw(st.lists(st.integers(0, 3), min_size=len(demand) + 1, max_size=len(demand) + 1))
    node = data.draw(st.integers(0, len(demand)))
    more = [s + (n == node) for n, s in enumerate(stock)]
    before = echelons.customers_wait(tree, echelons.evaluate(tree, stock, method))
    after = echelons.customers_wait(tree, echelons.evaluate(tree, more, method))
    assert after <= before + 1e-9


def test_metric_is_too_hopeful_for_slow_movers_and_the_other_two_agree() -> None:
    """The reason why plain METRIC never plans: it misses a third of the waiting on this tree of three tiers."""
    tree = echelons.tree(
        {
            "C": {"parent": None, "time": 30.0},
            "R": {"parent": "C", "time": 3.0},
            "L": {"parent": "R", "time": 0.25, "rate": 0.05},
            "M": {"parent": "R", "time": 0.25, "rate": 0.03},
        }
    )
    metric, vari, exact = (
        echelons.customers_wait(tree, echelons.evaluate(tree, [2, 1, 1, 0], method)) for method in echelons.METHODS
    )
    assert metric < 0.7 * exact
    assert vari == pytest.approx(exact, rel=0.06)


@given(st.lists(st.floats(0.1, 1.2), min_size=2, max_size=3), st.floats(0.3, 1.5))
@settings(max_examples=8)
def test_the_best_split_is_the_best_of_all_vectors(demand: list[float], resupply: float) -> None:
    """Greedy bases under every depot stock against every vector there is."""
    tree = echelons.two_echelons(demand, resupply, [0.1, 0.2, 0.3][: len(demand)])
    quick = splits.splits(tree, range(5), "exact")
    slow = splits.enumerated(tree, 4)
    assert [s.ebo for s in quick] == pytest.approx([s.ebo for s in slow], abs=1e-9)
    assert all(sum(s.stock) == s.total for s in quick)


@given(st.lists(st.tuples(st.floats(0.1, 3), st.integers(1, 9)), min_size=1, max_size=3), st.integers(0, 40))
@settings(max_examples=30)
def test_siz_12_the_table_over_money_finds_the_best_of_all_combinations(
    items: list[tuple[float, int]], budget: int
) -> None:
    """Every combination within the budget is tried."""
    laws = [counts.poisson(mean) for mean, _ in items]
    options = [[(s * cost, short(law, s)[0]) for s in range(6)] for law, (_, cost) in zip(laws, items, strict=True)]
    options = [[(float(c), e) for c, e in item] for item in options]
    found = splits.best_for_budgets(options, [float(budget)])[0]
    best = min(sum(e for _, e in c) for c in itertools.product(*options) if sum(m for m, _ in c) <= budget)
    assert found.ebo == pytest.approx(best, abs=1e-9)
    assert found.spent == sum(item[t][0] for item, t in zip(options, found.taken, strict=True)) <= budget


def test_the_greedy_path_buys_the_best_gain_per_money_and_ends_when_told() -> None:
    """Two items by hand; and a table that is full ends the path."""
    laws, costs = [counts.poisson(1.0), counts.poisson(4.0)], [5.0, 1.0]
    path = list(splits.greedy_path(laws, costs, lambda steps, ebo: steps >= 6))
    assert [stock for _, _, stock in path][:3] == [(0, 0), (0, 1), (0, 2)]
    assert len(path) == 7
    full = list(splits.greedy_path(laws, costs, lambda steps, ebo: False, most_each=2))
    assert full[-1][2] == (2, 2)


def test_steps_of_money_hit_every_cost_and_every_round_hundred() -> None:
    """180, 1500 and 420 with hundreds: steps of 20."""
    assert splits.common_step([180, 1500, 420, 100]) == 20
    ladder = splits.asked_budgets([180.0, 1500.0, 420.0], 5_000.0)
    assert {1500.0, 5000.0, 180.0} <= set(ladder)


def test_a_node_with_children_and_customers_of_its_own_shares_its_backorders() -> None:
    """Half the demand is its own: half of its backorders are its customers'."""
    tree = echelons.tree(
        {"C": {"parent": None, "time": 1.0, "rate": 1.0}, "L": {"parent": "C", "time": 0.5, "rate": 1.0}}
    )
    found = echelons.evaluate(tree, [1, 9])
    assert tree.share(1) == 0.5
    assert echelons.customers_wait(tree, found) == pytest.approx(found[0].ebo / 2 + found[1].ebo)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda: echelons.two_echelons([], 1.0, []), "planning.bases"),
        (lambda: echelons.two_echelons([1.0], 1.0, [1.0], 1.2), "planning.share"),
        (
            lambda: echelons.tree({"a": {"parent": None, "time": 1}, "b": {"parent": None, "time": 1}}),
            "planning.root",
        ),
        (lambda: echelons.tree({"a": {"parent": None, "time": 1}, "b": {"parent": "b", "time": 1}}), "planning.tree"),
        (lambda: echelons.tree({"a": {"parent": None, "time": "soon"}}), "planning.number"),
        (lambda: echelons.evaluate(echelons.two_echelons([1.0], 1.0, [1.0]), [1]), "planning.stock"),
        (lambda: echelons.evaluate(echelons.two_echelons([1.0], 1.0, [1.0]), [1, -1]), "planning.stock"),
        (lambda: splits.enumerated(echelons.two_echelons([1.0] * 9, 1.0, [1.0] * 9), 30), "planning.too_many_states"),
        (lambda: splits.asked_budgets([0.001], 100.0), "planning.budget_rows"),
    ],
)
def test_a_tree_that_is_none_is_refused(ask: object, code: str) -> None:
    """By code, with a field."""
    assert callable(ask)
    with pytest.raises(BadInput) as said:
        ask()
    assert said.value.code == code


def test_splits_are_of_two_tiers_only() -> None:
    """A third tier is refused, not ignored."""
    tree = echelons.Tree(("a", "b", "c"), (-1, 0, 1), (1.0, 1.0, 1.0), (1.0, 1.0, 1.0), (0.0, 0.0, 1.0))
    with pytest.raises(BadInput, match="depot and its bases"):
        splits.splits(tree, [1], "exact")


def test_thinning_and_binomials_at_their_ends() -> None:
    """All of it, none of it."""
    law = counts.poisson(2.0)
    assert np.allclose(counts.thinned(law, 1.0), law)
    assert counts.thinned(law, 0.0).tolist() == pytest.approx([1.0])
