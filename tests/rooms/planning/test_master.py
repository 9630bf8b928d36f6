"""The master problem on instances small enough to solve by hand: mixes, duals, whole columns, what is missed."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.planning.rules.master import Master


def _filled(costs: list[list[float]], uses: list[list[float]], most: float) -> Master:
    """Each part's columns with a cost and a use of one limit."""
    master = Master(len(costs), [most])
    for part, (row, used) in enumerate(zip(costs, uses, strict=True)):
        master.add(np.full(len(row), part), np.array(row), np.array([used]))
    return master


def test_the_mix_is_the_chord_between_two_columns() -> None:
    """Free but using 4, or 10 and using 0, under a limit of 1: three quarters of the dear one."""
    master = _filled([[0.0, 10.0]], [[4.0, 0.0]], 1.0)
    duals, wages = master.solve()
    assert master.value() == pytest.approx(7.5)
    assert duals[0] == pytest.approx(2.5)
    assert wages[0] == pytest.approx(10.0)
    assert master.slack() == 0.0


def test_a_limit_that_does_not_bind_costs_nothing() -> None:
    """Its dual is zero."""
    duals, _ = _filled([[3.0, 5.0]], [[1.0, 0.0]], 50.0).solve()
    assert duals[0] == 0.0


def test_a_limit_that_no_column_holds_is_missed_and_said_so() -> None:
    """By the share of the limit that is missing; and no whole columns are given."""
    master = _filled([[3.0]], [[6.0]], 2.0)
    master.solve()
    assert master.slack() == pytest.approx(2.0)
    assert master.whole() is None


@settings(max_examples=40)
@given(
    st.lists(
        st.lists(st.tuples(st.integers(0, 40), st.integers(0, 12)), min_size=1, max_size=3), min_size=1, max_size=3
    ),
    st.integers(0, 30),
)
def test_whole_columns_are_the_cheapest_combination_and_never_cheaper_than_the_mix(
    parts: list[list[tuple[int, int]]], most: int
) -> None:
    """Every combination is tried; where none holds, none is given."""
    costs = [[float(c) for c, _ in part] for part in parts]
    uses = [[float(u) for _, u in part] for part in parts]
    master = _filled(costs, uses, float(most))
    master.solve()
    fits = [c for c in itertools.product(*parts) if sum(u for _, u in c) <= most]
    mix = master.value()
    missed = master.slack() > 1e-9
    chosen = master.whole()
    if not fits:
        assert chosen is None
        return
    assert not missed
    assert chosen is not None
    flat = [pair for part in parts for pair in part]
    cost = sum(flat[n][0] for n in chosen)
    assert sum(flat[n][1] for n in chosen) <= most
    assert cost >= mix - 1e-6
    best = min(sum(c for c, _ in combination) for combination in fits)
    assert best <= cost <= max(best * 1.01, mix * 1.01, best + 1e-6) or cost <= mix * 1.005 + 1e-6


def test_columns_are_numbered_in_the_order_in_which_they_were_added() -> None:
    """A later and cheaper column is found by its number."""
    master = _filled([[9.0], [9.0]], [[0.0], [0.0]], 1.0)
    master.add(np.array([1]), np.array([2.0]), np.array([[0.0]]))
    master.solve()
    chosen = master.whole()
    assert chosen is not None
    assert chosen.tolist() == [0, 2]


def test_nothing_is_printed(capfd: pytest.CaptureFixture[str]) -> None:
    """The solver does not greet where plans are printed."""
    master = _filled([[0.0, 10.0]], [[4.0, 0.0]], 1.0)
    master.solve()
    master.whole()
    told = capfd.readouterr()
    assert (told.out, told.err) == ("", "")
