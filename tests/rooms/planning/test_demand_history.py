"""Rates from history: the update against its own definition, censoring, drift, and the bars on real series."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.rooms.planning.field_data import carparts
from waystation.kernel.refusals import BadInput
from waystation.planning.rules.counts import negative_binomial
from waystation.planning.rules.demand import accuracy
from waystation.planning.rules.demand.history import SERIES, Memory, ahead, quantiles, rates

Counts = st.lists(st.lists(st.integers(0, 6), min_size=14, max_size=14), min_size=1, max_size=5)
NO_DRIFT = Memory(drift_months=0)


def by_hand(counts: Sequence[Sequence[int]], discount: float, strength: float) -> list[float]:
    """Posterior means written from the sentence: old months count less, the group's rate weighs `strength` months."""
    months = len(counts[0])
    weight = [discount ** (months - 1 - m) for m in range(months)]
    group = sum(w * sum(row[m] for row in counts) for m, w in enumerate(weight)) / (sum(weight) * len(counts))
    return [
        (strength * group + sum(w * row[m] for m, w in enumerate(weight))) / (strength + sum(weight)) for row in counts
    ]


@given(Counts, st.floats(0.5, 1.0), st.floats(0.1, 10.0))
def test_dem_01_a_rate_is_the_discounted_mean_drawn_towards_its_group(
    counts: list[list[int]], discount: float, strength: float
) -> None:
    """Against the same sentence in plain Python."""
    told = rates(np.array(counts, dtype=float), memory=Memory(discount, strength, drift_months=0))
    assert told.rate.tolist() == pytest.approx(by_hand(counts, discount, strength), rel=1e-9, abs=1e-12)
    assert told.drift == 1.0


@given(Counts, st.integers(1, 13))
def test_dem_09_a_month_in_which_nothing_could_be_seen_pulls_no_rate_down(counts: list[list[int]], hidden: int) -> None:
    """With months hidden (no exposure, no demand) the rate is that of the months that were seen."""
    seen = np.array(counts, dtype=float)
    seen[:, :hidden] = 0.0
    exposure = np.ones_like(seen)
    exposure[:, :hidden] = 0.0
    told = rates(seen, exposure, NO_DRIFT)
    alone = rates(seen[:, hidden:], None, NO_DRIFT)
    assert told.rate.tolist() == pytest.approx(alone.rate.tolist(), rel=1e-9, abs=1e-12)
    counted_as_zero = rates(seen, None, NO_DRIFT)
    assert (told.rate >= counted_as_zero.rate - 1e-12).all()


@given(Counts, st.floats(0.1, 50.0))
def test_dem_11_a_rate_for_each_unit_goes_with_the_units(counts: list[list[int]], units: float) -> None:
    """Ten times the units with the same failures is a tenth of the rate and the same demand of the base."""
    seen = np.array(counts, dtype=float)
    one = rates(seen, None, NO_DRIFT)
    many = rates(seen, np.full_like(seen, units), Memory(strength=units, drift_months=0))
    assert (many.rate * units).tolist() == pytest.approx(one.rate.tolist(), rel=1e-9, abs=1e-12)
    assert ahead(many, units).mean.tolist() == pytest.approx(ahead(one, 1.0).mean.tolist(), rel=1e-9, abs=1e-12)


@given(Counts, st.floats(0.5, 6.0))
def test_dem_09_the_law_is_never_narrower_than_poisson_and_widens_with_time(
    counts: list[list[int]], reach: float
) -> None:
    """Doubt about the rate widens a long time ahead more than a short one."""
    told = rates(np.array(counts, dtype=float), memory=NO_DRIFT)
    short, long = ahead(told, reach), ahead(told, 2.0 * reach)
    assert (short.dispersion >= 1.0).all()
    assert (long.dispersion > short.dispersion).all()
    assert (long.mean >= short.mean).all()


@settings(max_examples=30)
@given(st.floats(0.01, 12.0), st.floats(1.0, 4.0))
def test_dem_09_quantiles_are_the_fewest_units_that_are_enough(mean: float, spread: float) -> None:
    """By adding up the law by hand."""
    from waystation.planning.rules.demand.history import Ahead

    (told,) = quantiles(Ahead(np.array([mean]), np.array([spread])), accuracy.SHARES)
    law = negative_binomial(mean, spread)
    for units, share in zip(told.tolist(), accuracy.SHARES, strict=True):
        assert law[: int(units) + 1].sum() >= share - 1e-9
        assert units == 0 or law[: int(units)].sum() < share


def test_dem_03_a_group_that_fades_is_forecast_lower_than_its_past() -> None:
    """Demand that halved in the last year: the drift says so, and the forecast is of what comes."""
    fading = np.tile(np.array([4.0] * 24 + [2.0] * 12), (20, 1))
    steady = np.full((20, 36), 4.0)
    assert rates(fading).drift < 0.9
    assert rates(steady).drift == pytest.approx(1.0)
    assert rates(np.zeros((3, 36))).drift == 1.0


@pytest.mark.parametrize(
    ("counts", "exposure", "code"),
    [
        (np.ones((2, 3)), np.zeros((2, 3)), "planning.history_hidden"),
        (np.ones((2, 3)), np.ones((2, 4)), "planning.history"),
        (-np.ones((1, 3)), np.ones((1, 3)), "planning.history"),
        (np.full((1, 3), np.nan), np.ones((1, 3)), "planning.history"),
        (np.ones((0, 0)), np.ones((0, 0)), "planning.history"),
    ],
)
def test_dem_06_a_history_that_cannot_be_is_refused(counts: np.ndarray, exposure: np.ndarray, code: str) -> None:
    """Negative, missing, of another shape, or demand where none could be seen."""
    with pytest.raises(BadInput) as refusal:
        rates(counts, exposure)
    assert refusal.value.code == code


def test_dem_09_the_carparts_bars_hold_on_the_series_given() -> None:
    """Lead-time law and point forecast of 1,759 real series of slow movers."""
    series = carparts()
    losses = []
    for origin in (36, 39, 42, 45, 48):
        seen, came = series[:, :origin], series[:, origin : origin + 3].sum(axis=1)
        told = quantiles(ahead(rates(seen), 3.0), accuracy.SHARES)
        losses.append(accuracy.scaled_pinball(told, came, seen))
    assert len(series) == 1759
    assert float(np.mean(losses)) <= 0.316
    point = np.repeat(ahead(rates(series[:, :39]), 1.0).mean[:, None], 12, axis=1)
    error, bias = accuracy.rmsse(point, series[:, 39:], series[:, :39])
    assert error <= 0.714
    assert abs(bias) <= 0.05


@given(st.lists(st.floats(0.0, 9.0), min_size=12, max_size=40), st.floats(0.1, 5.0))
def test_dem_08_no_better_than_naive_is_called_no_skill(losses: list[float], more: float) -> None:
    """The same losses, or higher ones, have no skill; clearly lower ones have, by their share."""
    worse = [loss + more for loss in losses]
    if sum(losses) > 0.0:
        assert accuracy.skill(losses, losses).verdict == accuracy.NO_SKILL
        assert accuracy.skill(worse, losses).verdict == accuracy.NO_SKILL
    told = accuracy.skill(losses, worse)
    assert told.verdict.endswith("less loss than the naive forecast")
    assert told.share == pytest.approx(more * len(losses) / sum(worse), rel=1e-6)


def test_met_05_too_few_forecasts_are_not_judged() -> None:
    """Eleven say nothing; nor does a naive forecast without an error."""
    assert accuracy.skill([0.0] * 11, [1.0] * 11).share is None
    assert accuracy.skill([0.0] * 20, [0.0] * 20).verdict.startswith("not judged")


@given(st.lists(st.integers(0, 9), min_size=1, max_size=6), st.lists(st.integers(0, 9), min_size=6, max_size=6))
def test_dem_08_pinball_charges_what_is_missing_and_what_lies_over(came: list[int], told: list[int]) -> None:
    """Each unit short costs its share, each unit over the rest of one."""
    loss = accuracy.pinball(np.tile(np.array(told, dtype=float), (len(came), 1)), np.array(came, dtype=float))
    for i, c in enumerate(came):
        for j, share in enumerate(accuracy.SHARES):
            expected = share * (c - told[j]) if c >= told[j] else (1.0 - share) * (told[j] - c)
            assert loss[i, j] == pytest.approx(expected)


def test_dem_08_the_naive_law_is_what_was_seen() -> None:
    """Of sums of three following months each quantile is one that occurred."""
    history = np.array([[0.0, 1, 0, 2, 0, 0, 3, 0, 1, 0, 0, 0, 4, 0, 0]])
    sums = {float(history[0, n : n + 3].sum()) for n in range(13)}
    told = accuracy.naive_quantiles(history, 3)
    assert set(told[0].tolist()) <= sums
    assert told[0, -1] == max(sums)


def test_dem_08_the_default_memory_is_what_the_bars_were_measured_with() -> None:
    """The figures in the reference are of these values."""
    assert (SERIES.discount, SERIES.strength, SERIES.slow_discount, SERIES.slow_strength) == (0.88, 1.0, 0.97, 10.0)
