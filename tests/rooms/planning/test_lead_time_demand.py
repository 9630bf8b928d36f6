"""Demand over a lead time as a law: mixtures, dated work and changes against simulation and by hand."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.counts import negative_binomial, no_stock_out, poisson, smallest_cover
from waystation.planning.rules.demand import forecast, needs
from waystation.planning.rules.demand.leadtime import Change, Dated, lead_time_demand, lead_times, measured
from waystation.planning.rules.demand.seasons import Season

NOW = datetime(2026, 11, 17, 6, 0, tzinfo=UTC)
Days = st.lists(st.floats(0.5, 60.0), min_size=1, max_size=8)


def mean_of(law: np.ndarray) -> float:
    """The mean of a law."""
    return float(np.arange(len(law)) @ law)


@settings(max_examples=40)
@given(st.floats(0.001, 0.5), st.floats(1.0, 3.0), Days, st.floats(0.0, 0.5))
def test_dem_04_the_law_is_the_even_mixture_over_lead_times(
    rate: float, spread: float, days: list[float], doubt: float
) -> None:
    """Each k by adding the laws of the single lead times; the mean is rate x mean lead time."""
    told = lead_time_demand(rate, spread, days, doubt=doubt)
    for k in range(6):
        parts = [negative_binomial(rate * d, spread + doubt * rate * d) for d in days]
        expected = sum(float(law[k]) if k < len(law) else 0.0 for law in parts) / len(days)
        assert (told.law[k] if k < len(told.law) else 0.0) == pytest.approx(expected, abs=1e-9)
    assert told.mean == pytest.approx(rate * sum(days) / len(days))
    assert mean_of(told.law) == pytest.approx(told.mean, rel=1e-6, abs=1e-9)


@given(st.floats(0.05, 1.0), st.floats(5.0, 20.0), st.floats(0.1, 0.9))
def test_dem_04_an_unreliable_courier_needs_more_than_a_steady_one_of_the_same_mean(
    rate: float, days: float, swing: float
) -> None:
    """Same mean lead time, more spread: never less stock at 95 %."""
    steady = lead_time_demand(rate, 1.0, [days] * 2).law
    unsteady = lead_time_demand(rate, 1.0, [days * (1.0 - swing), days * (1.0 + swing)]).law
    assert mean_of(steady) == pytest.approx(mean_of(unsteady), rel=1e-6)
    assert smallest_cover(unsteady, 0.97) >= smallest_cover(steady, 0.97)


@given(
    st.floats(0.01, 0.4),
    Days,
    st.lists(
        st.tuples(st.floats(-5.0, 40.0), st.floats(0.5, 40.0), st.floats(0.2, 4.0), st.floats(0.0, 1.0)), max_size=3
    ),
    st.lists(st.tuples(st.floats(0.0, 50.0), st.integers(0, 6), st.floats(0.0, 1.0)), max_size=3),
)
@settings(max_examples=40)
def test_dem_02_contributions_add_up_to_the_mean_of_the_law(
    rate: float,
    days: list[float],
    changed: list[tuple[float, float, float, float]],
    dated: list[tuple[float, int, float]],
) -> None:
    """What each input adds is no story beside the forecast: it is the forecast."""
    changes = [Change("context", "c", a, a + b, f, p) for a, b, f, p in changed if f >= 1.0]
    work = [Dated("w", d, n, p) for d, n, p in dated]
    told = lead_time_demand(rate, 1.3, days, changes=changes, dated=work)
    assert sum(c.units for c in told.contributions) == pytest.approx(told.mean)
    assert mean_of(told.law) == pytest.approx(told.mean, rel=1e-6, abs=1e-8)
    assert len(told.contributions) == 1 + len(changes) + len(work)


def test_dem_02_dated_work_against_simulation() -> None:
    """Ten batteries in twelve days with a chance of 0.4 each, beside failures, over lead times of 10 and 20 days."""
    told = lead_time_demand(0.1, 1.0, [10.0, 20.0], dated=[Dated("batteries", 12.0, 10, 0.4)])
    chance = np.random.default_rng(11)
    runs = 200_000
    long = chance.integers(0, 2, runs).astype(bool)
    came = chance.poisson(np.where(long, 2.0, 1.0)) + np.where(long, chance.binomial(10, 0.4, runs), 0)
    for units in range(8):
        assert no_stock_out(told.law, units) == pytest.approx(float((came <= units).mean()), abs=0.005)


def test_dem_02_work_that_is_certain_moves_the_whole_law() -> None:
    """Three calibrations within the lead time are three units more at every cover; after it none."""
    alone = lead_time_demand(0.05, 1.0, [30.0]).law
    within = lead_time_demand(0.05, 1.0, [30.0], dated=[Dated("calibration", 10.0, 3)]).law
    after = lead_time_demand(0.05, 1.0, [30.0], dated=[Dated("calibration", 30.0, 3)]).law
    assert within[:3].tolist() == [0.0, 0.0, 0.0]
    assert within[3 : 3 + len(alone)] == pytest.approx(alone)
    assert after == pytest.approx(alone)


@given(st.floats(0.01, 0.5), st.floats(1.0, 10.0), st.floats(0.0, 1.0))
def test_dem_10_a_defect_lifts_the_share_that_it_affects(rate: float, factor: float, part: float) -> None:
    """The whole base at factor f for a share p is 1 + p (f - 1) times the demand."""
    told = lead_time_demand(rate, 1.0, [20.0], changes=[Change("defect window", "d", 0.0, 99.0, factor, part)])
    assert told.mean == pytest.approx(rate * 20.0 * (1.0 + part * (factor - 1.0)))


def test_dem_05_a_change_counts_for_the_days_that_it_lasts() -> None:
    """Five of twenty days at twice the rate is a quarter more; one that is over adds nothing."""
    half = lead_time_demand(0.1, 1.0, [20.0], changes=[Change("context", "c", 15.0, 40.0, 2.0)])
    over = lead_time_demand(0.1, 1.0, [20.0], changes=[Change("context", "c", -40.0, -1.0, 2.0)])
    assert half.mean == pytest.approx(2.5)
    assert over.mean == pytest.approx(2.0)


@given(st.lists(st.floats(0.1, 90.0), min_size=1, max_size=30))
def test_dem_04_measured_lead_times_are_used_as_they_were(days: list[float]) -> None:
    """Every point is one that was measured, in order, and the median stays."""
    told = measured(days)
    assert set(told) <= set(days)
    assert list(told) == sorted(told)
    assert min(days) <= told[0]
    assert told[-1] <= max(days)


def test_dem_04_reported_quantiles_become_equally_likely_durations() -> None:
    """Half of them up to the median; beyond the ends the ends hold."""
    told = lead_times(((0.5, 10.0), (0.9, 20.0)))
    assert sum(d <= 10.0 for d in told) == 8
    assert max(told) == 20.0
    assert sorted(told) == list(told)


@pytest.mark.parametrize(
    "quantiles", [(), ((0.9, 5.0), (0.5, 6.0)), ((0.5, 9.0), (0.9, 6.0)), ((1.5, 1.0),), ((0.5, -1.0),)]
)
def test_dem_04_a_lead_time_that_is_none_is_refused(quantiles: tuple[tuple[float, float], ...]) -> None:
    """Nothing, falling, or outside of what a probability or a duration can be."""
    with pytest.raises(BadInput):
        lead_times(quantiles)


def test_dem_04_nothing_measured_or_no_lead_time_is_refused() -> None:
    """So is a lead time of no length, a project of dated units, and a negative factor."""
    for wrong in ([], [0.0], [-1.0]):
        with pytest.raises(BadInput):
            measured(wrong)
    with pytest.raises(BadInput):
        lead_time_demand(0.1, 1.0, [])
    with pytest.raises(BadInput, match="dated"):
        lead_time_demand(0.1, 1.0, [5.0], dated=[Dated("project", 1.0, 201)])
    with pytest.raises(BadInput):
        lead_time_demand(0.1, 1.0, [5.0], changes=[Change("context", "c", 0.0, 9.0, -1.0)])
    with pytest.raises(BadInput):
        lead_time_demand(0.1, 1.0, [5.0], dated=[Dated("w", 1.0, 1, 1.5)])


def a_need(kind: str, name: str, days: float, ticket: str = "", quantity: int = 1, **more: object) -> needs.Need:
    """A need at Sevilla for a controller."""
    at = NOW - timedelta(days=days)
    return needs.Need(kind, name, at, "sevilla", "controller", "", quantity, ticket, **more)  # type: ignore[arg-type]


def test_dem_06_one_failure_told_three_times_counts_once() -> None:
    """The ticket stands; RMA and shipment that name it fall to it, those that name another stay."""
    told = [
        a_need("ticket", "T1", 3),
        a_need("rma", "R1", 2, "T1"),
        a_need("emergency", "E1", 3, "T1"),
        a_need("rma", "R2", 2, "T9"),
        a_need("emergency", "E2", 1),
    ]
    assert [n.external_id for n in needs.counted(told)] == ["T1", "R2", "E2"]


@given(st.lists(st.tuples(st.floats(0.0, 1500.0), st.integers(1, 4)), max_size=30), st.integers(1, 40))
def test_dem_06_every_unit_within_the_months_is_in_exactly_one_of_them(
    came: list[tuple[float, int]], months: int
) -> None:
    """None is lost at an edge, none counted twice; what is older is left out."""
    told = needs.monthly([a_need("ticket", str(n), d, quantity=q) for n, (d, q) in enumerate(came)], NOW, months)
    within = sum(q for d, q in came if timedelta(days=d) < months * needs.MONTH)
    assert sum(float(c.sum()) for c in told.values()) == pytest.approx(within)


def test_dem_06_modes_and_calendar_months_are_counted() -> None:
    """What nobody named is unknown; a calendar begins with the first need and leaves the running month out."""
    told = [a_need("ticket", "1", 3), a_need("ticket", "2", 40), a_need("ticket", "3", 75)]
    assert needs.by_mode(told, "sevilla", "controller") == {"unknown": 3}
    counts, first = needs.calendar(told, "controller", NOW)
    assert first == 9
    assert counts.tolist() == [1.0, 1.0]
    assert needs.calendar([], "controller", NOW)[0].tolist() == []
    assert needs.months_on_record(told, NOW, 36) == 3
    assert needs.months_on_record([], NOW, 36) == 0


def test_dem_07_what_a_ticket_says_is_told_as_a_share() -> None:
    """Half of the failures have notes; units looked at make the flow of good ones."""
    told = [
        a_need("ticket", "1", 3, told=frozenset({"notes"})),
        a_need("rma", "2", 3, no_fault_found=True),
        a_need("rma", "3", 3, no_fault_found=False),
    ]
    assert needs.share_told(told[:2], ("notes", "solved")) == {"notes": 0.5, "solved": 0.0}
    assert needs.share_told([], ("notes",)) == {"notes": 0.0}
    assert (needs.flow(told).swaps, needs.flow(told).no_fault_found) == (2, 1)


def test_dem_11_a_place_without_failures_has_its_familys_rate_for_its_units() -> None:
    """Two hubs with the same base: the silent one is forecast, lower than the other, above zero."""
    units = np.full(24, 10.0)
    loud = forecast.Place(np.ones(24), units, 10.0)
    silent = forecast.Place(np.zeros(24), units, 10.0)
    told = forecast.family_rates({"loud": loud, "silent": silent})
    assert 0.0 < told["silent"].per_day < told["loud"].per_day
    grown = forecast.family_rates({"loud": loud, "silent": forecast.Place(np.zeros(24), units, 20.0)})
    assert grown["silent"].per_day == pytest.approx(2.0 * told["silent"].per_day)
    assert forecast.family_rates({}) == {}


def test_dem_11_without_a_known_base_every_place_counts_as_one() -> None:
    """Demand at a hub whose base nobody knows is not divided by nothing."""
    told = forecast.family_rates(
        {"a": forecast.Place(np.ones(24), None, None), "b": forecast.Place(np.zeros(24), np.ones(24), 1.0)}
    )
    assert told["a"].per == "place"
    assert told["a"].per_day > told["b"].per_day > 0.0


def test_dem_03_a_believed_season_moves_the_law_by_its_calendar_months() -> None:
    """November twice, December as ever: 14 days of November and 16 of December from the 17th on."""
    factors = tuple(2.0 if month == 11 else 1.0 for month in range(1, 13))
    moved = forecast.changes([], Season(factors, True, ""), NOW, 30.0)
    told = lead_time_demand(1.0, 1.0, [30.0], changes=moved)
    assert told.mean == pytest.approx(30.0 + (13.0 + 18.0 / 24.0))
    assert forecast.changes([], Season(factors, False, ""), NOW, 30.0) == ()


def test_dem_08_forecasts_are_judged_from_what_was_known_then() -> None:
    """Forty series that fade: the discounted forecast beats sums of the past; a short record is not judged."""
    fading = np.random.default_rng(4).poisson(np.linspace(6.0, 1.0, 48), (40, 48)).astype(float)
    told = forecast.judged(fading)
    assert told.share is not None
    assert told.share > 0.1
    assert forecast.judged(fading[:, :13]).share is None


def test_siz_02_a_poisson_law_comes_back_where_nothing_widens_it() -> None:
    """One lead time, ratio 1, no doubt: the law of the formula's base demand."""
    told = lead_time_demand(0.1, 1.0, [14.0])
    assert told.law == pytest.approx(poisson(1.4), abs=1e-12)
