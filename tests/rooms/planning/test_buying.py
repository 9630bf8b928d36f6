"""SIZ-12, HUB-07: what money buys on the shelves, against enumeration; the network drawn otherwise."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.counts import poisson
from waystation.planning.rules.living.buying import Want, budget_for, buy, ladder
from waystation.planning.rules.living.redesign import Design, Stream, Terms, side_by_side


def a_want(mean: float = 1.0, cost: float = 100.0, **changes: object) -> Want:
    """A shelf with Poisson demand of that mean over its lead time, twelve lead times a year."""
    values: dict[str, object] = {"hub": "sevilla", "group": "controller", "floor": 0, "wanted": 3, "in_time": 1.0}
    return Want(per_year=12.0 * mean, law=poisson(mean), unit_cost=cost, **(values | changes))  # type: ignore[arg-type]


@st.composite
def shelves(draw: st.DrawFn) -> list[Want]:
    """From one to three small shelves with prices, floors and a share that is reached in time."""
    return [
        a_want(
            draw(st.floats(0.05, 2.5)),
            float(draw(st.integers(50, 400))),
            group=f"g{n}",
            floor=draw(st.integers(0, 1)),
            in_time=draw(st.floats(0.2, 1.0)),
        )
        for n in range(draw(st.integers(1, 3)))
    ]


def met_by_hand(want: Want, units: int) -> float:
    """Needs a year met at once, summed term by term."""
    return want.per_year * want.in_time * sum(float(want.law[k]) for k in range(min(units, len(want.law))))


@given(shelves(), st.floats(0.0, 1500.0))
def test_siz_12_no_buy_of_the_budget_beats_the_bound_and_the_choice_stays_within_it(
    wants: list[Want], over: float
) -> None:
    """Every combination of up to five units a shelf that the budget pays for stays at or below the bound."""
    curve = ladder(wants)
    budget = curve.capital[0] + over
    found = buy(curve, budget)
    assert found.capital <= budget + 0.01
    assert all(count >= want.floor for count, want in zip(found.counts, wants, strict=True))
    needs = sum(w.per_year for w in wants)
    for counts in product(range(6), repeat=len(wants)):
        spent = sum(c * w.unit_cost for c, w in zip(counts, wants, strict=True))
        if spent <= budget and all(c >= w.floor for c, w in zip(counts, wants, strict=True)):
            reached = sum(met_by_hand(w, c) for w, c in zip(wants, counts, strict=True)) / needs
            assert reached <= found.bound + 1e-9
    assert found.share == pytest.approx(sum(map(met_by_hand, wants, found.counts)) / needs)


@given(shelves())
def test_siz_12_every_corner_of_the_curve_is_the_best_buy_of_its_capital(wants: list[Want]) -> None:
    """At a corner the choice reaches the bound, and more money never restores less."""
    curve = ladder(wants)
    gains = [step.per_money for step in curve.steps]
    assert gains == sorted(gains, reverse=True)
    for n, capital in enumerate(curve.capital[:8]):
        found = buy(curve, capital)
        assert found.share == pytest.approx(curve.share_of(curve.met[n]), abs=1e-9)
        assert found.share == pytest.approx(found.bound, abs=1e-9)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf"), -1.0])
def test_siz_12_a_budget_that_is_no_amount_buys_nothing_and_is_refused(wrong: float) -> None:
    """Not a number is not less than anything, so it would have lowered every shelf to its floor."""
    with pytest.raises(BadInput) as told:
        buy(ladder([a_want(floor=1)]), wrong)
    assert told.value.code == "planning.budget"


def test_siz_12_a_budget_below_the_floors_of_the_classes_is_refused() -> None:
    """With what they cost."""
    curve = ladder([a_want(floor=2)])
    with pytest.raises(BadInput, match=r"they cost 200.00") as told:
        buy(curve, 150.0)
    assert told.value.code == "planning.budget"
    assert buy(curve, 200.0).counts == (2,)


def test_siz_12_a_shelf_without_a_price_takes_its_cover_and_is_never_bought_for_nothing() -> None:
    """Its units stand at what the class asks for at any budget."""
    curve = ladder([a_want(cost=0.0, wanted=4), a_want(cost=100.0)])
    assert [buy(curve, budget).counts[0] for budget in (0.0, 100.0, 10_000.0)] == [4, 4, 4]
    assert all(step.shelf == 1 for step in curve.steps)


def test_siz_12_the_least_capital_for_a_share_is_on_the_curve_or_there_is_none() -> None:
    """A shelf that reaches half of its needs in time never restores more than half."""
    curve = ladder([a_want(in_time=0.5)])
    assert budget_for(curve, 0.45) == pytest.approx(300.0)
    assert budget_for(curve, 0.6) is None


LEAD = tuple([14.0] * 4)
STREAMS = (
    Stream("cordoba", "controller", 120.0, (("sevilla", 1.0), ("madrid", 0.3)), "sevilla"),
    Stream("jaen", "controller", 60.0, (("sevilla", 0.4), ("madrid", 0.9)), "sevilla"),
    Stream("toledo", "controller", 60.0, (("madrid", 1.0),), "madrid"),
)
TERMS = (Terms("controller", 500.0, LEAD, 1.0, 0.0, 0.95),)
HELD = (("sevilla", "controller", 3), ("madrid", "controller", 2))
AS_IT_IS = Design("As it is")


def outcome(*designs: Design) -> list[float]:
    """The share restored in time with shelves sized for their cover, design by design."""
    return [o.share for o in side_by_side(STREAMS, TERMS, HELD, designs)]


def test_hub_07_each_design_moves_cost_and_attainment_in_its_own_direction() -> None:
    """Slower lead times cost more; a wave costs more; one central shelf costs less and is late more often."""
    designs = (
        AS_IT_IS,
        Design("Lead times double", "slow lead times", factor=2.0),
        Design("Wave", "wave", group="controller", factor=3.0),
        Design("Central", "central", hub="madrid", group="controller"),
        Design("Cabinet at Jaén", "hub added", hub="jaen-cabinet", site="jaen", group="controller", in_time=1.0),
        Design("Vendor", "vendor sends", group="controller", in_time=0.25),
    )
    base, slow, wave, central, added, vendor = side_by_side(STREAMS, TERMS, HELD, designs)
    assert slow.capital > base.capital
    assert wave.capital > base.capital
    assert (central.capital < base.capital, central.share < base.share) == (True, True)
    assert (added.capital > base.capital, added.share > base.share) == (True, True)
    assert (vendor.capital, vendor.share) == (0.0, pytest.approx(0.25))


def test_siz_10_a_lost_hub_sends_its_needs_to_the_next_and_loses_its_stock() -> None:
    """With the stock of today less is restored than before; what no other hub reaches stays unserved and is said."""
    base, lost, alone = side_by_side(
        STREAMS,
        TERMS,
        HELD,
        (AS_IT_IS, Design("lost", "hub lost", hub="sevilla"), Design("m", "hub lost", hub="madrid")),
    )
    assert lost.share_today < base.share_today
    assert lost.unserved == 0.0
    assert alone.unserved == 60.0
    assert alone.first == "60.0 needs a year have no hub and no vendor"


def test_hub_07_a_share_is_of_all_needs_whoever_serves_them() -> None:
    """The same network, sized: the share by hand, from the Poisson law of each shelf."""
    (found,) = side_by_side(STREAMS, TERMS, HELD, (AS_IT_IS,))
    law = {hub: poisson(rate * 14.0 / 365.25) for hub, rate in (("sevilla", 180.0), ("madrid", 60.0))}
    units = {hub: int(np.searchsorted(np.cumsum(one), 0.95 - 1e-12)) for hub, one in law.items()}
    met = 180.0 * (12 * 1.0 + 6 * 0.4) / 18 * law["sevilla"][: units["sevilla"]].sum()
    met += 60.0 * law["madrid"][: units["madrid"]].sum()
    assert found.units == sum(units.values())
    assert found.share == pytest.approx(met / 240.0, rel=1e-9)
