"""Whether a family ages: found where units wear out, not where they fail by chance, and never guessed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.counts import Array
from waystation.planning.rules.demand.ages import OLDEST, Ages, ageing

MONTHS = 36
COHORTS = ((2, 300), (30, 200), (70, 300))  # months old at the start, units


def base(cohorts: tuple[tuple[int, int], ...] = COHORTS, undated: float = 0.0) -> Ages:
    """Units that all stay for three years."""
    dated = np.zeros((MONTHS, OLDEST))
    for old, units in cohorts:
        for month in range(MONTHS):
            dated[month, old + month] += units
    return Ages(dated, np.full(MONTHS, undated))


def failures(ages: Ages, shape: float, size: float, seed: int) -> Array:
    """Failures by month of units whose hazard is the Weibull's, written out unit by unit of age."""
    chance = np.random.default_rng(seed)
    means = [
        sum(n * size * ((a + 1.0) ** shape - float(a) ** shape) for a, n in enumerate(row) if n) for row in ages.dated
    ]
    return chance.poisson(means).astype(float)


@pytest.mark.parametrize(("shape", "size"), [(3.0, 4e-7), (2.2, 1.2e-5), (0.4, 0.01)])
def test_dem_02_wear_and_early_failures_are_found(shape: float, size: float) -> None:
    """The shape that made the failures is near the one that is found, and old units are told beside young ones."""
    places = [base(), base(((1, 500), (100, 400)))]
    told = ageing([failures(a, shape, size, n) for n, a in enumerate(places)], places)
    assert told.believed
    assert (told.shape > 1.0) == (shape > 1.0)
    assert shape / 1.7 < told.shape < shape * 1.7
    young, old = told.factor([3.0] * 10, 0.0, 0.0), told.factor([90.0] * 10, 0.0, 0.0)
    assert (old > young) == (shape > 1.0)


def test_dem_02_chance_is_not_called_ageing() -> None:
    """Two hundred families that fail by chance alone: hardly any is believed to age (the criterion's own rate)."""
    places = [base(), base(((1, 500), (100, 400)))]
    believed = sum(
        ageing([failures(a, 1.0, 0.004, 1000 * seed + n) for n, a in enumerate(places)], places).believed
        for seed in range(200)
    )
    assert believed <= 8


@settings(max_examples=40)
@given(
    st.integers(0, 10**6),
    st.sampled_from([0.4, 1.0, 3.0]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(1, 300)), min_size=1, max_size=4),
    st.floats(0.0, 500.0),
)
def test_dem_02_the_units_on_record_are_worth_one_on_average(
    seed: int, shape: float, cohorts: list[tuple[int, int]], undated: float
) -> None:
    """Whatever is found, the ages move failures between units and months and add none; an unknown age is worth 1."""
    ages = base(tuple(cohorts), undated)
    told = ageing([failures(ages, shape, 0.05 / 40.0**shape, seed)], [ages])
    assert told.worth(ages).sum() == pytest.approx(ages.units.sum())
    assert told.worth(Ages(np.zeros((MONTHS, 5)), ages.undated)) == pytest.approx(ages.undated)
    assert told.factor([], undated, 3.0) == 1.0
    assert (told.scale > 0.0).all()
    assert told.believed or (told.scale == 1.0).all()


def test_dem_02_what_cannot_be_judged_says_why() -> None:
    """No day of installation, hardly a failure, a short record: no ageing, and the words name what is missing."""
    ages = base()
    none = ageing([np.ones(MONTHS)], [Ages(np.zeros((MONTHS, 1)), np.full(MONTHS, 10.0))])
    few = ageing([np.zeros(MONTHS)], [ages])
    short = ageing([np.full(6, 9.0)], [Ages(ages.dated[:6], ages.undated[:6])])
    assert "no unit says" in none.words
    assert "0 failures in 36 months" in few.words
    assert "in 6 months" in short.words
    assert not any(one.believed for one in (none, few, short, ageing([], [])))


def test_dem_02_failures_and_ages_of_other_months_are_refused() -> None:
    """As many months and places of one as of the other."""
    for counts, ages in (([np.ones(5)], [base()]), ([], [base()])):
        with pytest.raises(BadInput, match="month by month"):
            ageing(counts, ages)
