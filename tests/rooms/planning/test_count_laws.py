"""Count laws and base stocks against plain sums, their monotonicity, and every refusal."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.planning.oracles import negbin_law, poisson_law, short
from waystation.kernel.refusals import BadInput
from waystation.planning.rules import counts, newsvendor
from waystation.planning.rules.emergency import Channel, best_stock, erlang_loss, first_unit_pays_from

means = st.floats(0.001, 30)
ratios = st.floats(1.0, 6.0)
stocks = st.integers(0, 25)


@given(means, stocks)
def test_dem_09_poisson_base_stock_is_the_sum_over_its_probabilities(mean: float, stock: int) -> None:
    """Fill, backorders and their variance equal plain sums."""
    law, told = poisson_law(mean), counts.at_base_stock(counts.poisson(mean), stock)
    ebo, vbo = short(law, stock)
    assert told.fill == pytest.approx(sum(law[:stock]), abs=1e-9)
    assert (told.ebo, told.vbo) == (pytest.approx(ebo, abs=1e-9), pytest.approx(vbo, abs=1e-8))


@given(means, st.floats(1.01, 4.0), stocks)
def test_dem_09_negative_binomial_base_stock_is_the_sum_over_its_probabilities(
    mean: float, ratio: float, stock: int
) -> None:
    """The recursion gives what the gamma functions give."""
    law = counts.negative_binomial(mean, ratio)
    oracle = negbin_law(mean, mean * ratio)
    assert np.allclose(law[:60], (oracle + [0.0] * 60)[: min(60, len(law))], atol=1e-9)
    assert float(np.arange(len(law)) @ law) == pytest.approx(mean, rel=1e-8)
    told = counts.at_base_stock(law, stock)
    assert told.eoh - told.ebo == pytest.approx(stock - mean, abs=1e-7)


@given(means, ratios, stocks)
def test_one_more_unit_is_never_worse(mean: float, ratio: float, stock: int) -> None:
    """Fill rises, backorders fall, and by less each time."""
    law = counts.negative_binomial(mean, ratio)
    one, two, three = (counts.at_base_stock(law, stock + n) for n in range(3))
    assert one.fill <= two.fill + 1e-12
    assert one.ebo >= two.ebo - 1e-12
    assert one.ebo - two.ebo >= two.ebo - three.ebo - 1e-9


@given(means, st.floats(1.0, 6.0), st.floats(1.0, 2.0), stocks)
def test_more_spread_at_the_same_mean_is_never_better(mean: float, ratio: float, more: float, stock: int) -> None:
    """Backorders do not fall when demand gets more erratic."""
    calm = counts.at_base_stock(counts.negative_binomial(mean, ratio), stock).ebo
    wild = counts.at_base_stock(counts.negative_binomial(mean, ratio * more), stock).ebo
    assert wild >= calm - 1e-9


@given(means, st.floats(0.01, 0.9999))
def test_the_smallest_stock_reaches_its_target_and_one_less_does_not(mean: float, target: float) -> None:
    """By fill and by cover."""
    law = counts.poisson(mean)
    stock = counts.smallest_base_stock(law, target)
    assert counts.at_base_stock(law, stock).fill >= target - 1e-12
    assert counts.at_base_stock(law, stock - 1).fill < target
    assert counts.smallest_cover(law, target) == stock - 1


@given(st.floats(0.01, 5), st.lists(st.floats(0.05, 1), min_size=1, max_size=4), stocks)
def test_compound_poisson_is_the_sum_over_numbers_of_customers(
    customers: float, weights: list[float], stock: int
) -> None:
    """Convolve batches customer by customer; mean and law agree."""
    shares = [w / sum(weights) for w in weights]
    law = counts.compound_poisson(customers, {k + 1: p for k, p in enumerate(shares)})
    batch, total, power = np.array([0.0, *shares]), np.zeros(400), np.ones(1)
    for n in range(40):
        chance = math.exp(-customers + n * math.log(customers) - math.lgamma(n + 1))
        total[: len(power)] += chance * power
        power = np.convolve(power, batch)
    assert np.allclose(law, total[: len(law)], atol=1e-9)
    assert counts.no_stock_out(law, stock) == pytest.approx(float(total[: stock + 1].sum()), abs=1e-9)


@given(st.floats(0.1, 6), st.floats(1.2, 4), st.integers(0, 12))
def test_unit_fill_is_the_share_of_units_filled_when_batches_are_counted_one_by_one(
    mean: float, ratio: float, stock: int
) -> None:
    """Every batch size and every level before it, summed; one unit more never fills fewer."""
    b = 1 - 1 / ratio
    sizes = [-(b**k) / (k * math.log1p(-b)) for k in range(1, 400)]
    before = counts.negative_binomial(mean, ratio)
    filled = sum(
        p * q * min(k, max(0, stock - n)) for k, p in enumerate(sizes, 1) for n, q in enumerate(before[: stock + 1])
    )
    expected = filled / sum(k * p for k, p in enumerate(sizes, 1))
    assert counts.unit_fill(mean, ratio, stock) == pytest.approx(expected, abs=1e-6)
    assert counts.unit_fill(mean, ratio, stock + 1) >= counts.unit_fill(mean, ratio, stock) - 1e-12


def test_a_large_mean_does_not_underflow() -> None:
    """500 units in lead time: the law adds up to one."""
    assert counts.poisson(500.0).sum() == pytest.approx(1.0, abs=1e-9)
    assert counts.negative_binomial(500.0, 3.0).sum() == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda: counts.poisson(-1.0), "planning.negative"),
        (lambda: counts.poisson(math.nan), "planning.negative"),
        (lambda: counts.poisson(501.0), "planning.mean"),
        (lambda: counts.negative_binomial(1.0, 0.9), "planning.variance_to_mean"),
        (lambda: counts.compound_poisson(1.0, {0: 1.0}), "planning.batch_sizes"),
        (lambda: counts.compound_poisson(1.0, {1: 0.7}), "planning.batch_sizes"),
        (lambda: counts.smallest_cover(counts.poisson(1.0), 1.0), "planning.cover"),
        (lambda: counts.smallest_base_stock(counts.poisson(1.0), 1.5), "planning.share"),
        (lambda: counts.lead_time_demand(1.0, 0.0), "planning.not_positive"),
        (lambda: newsvendor.normal(1.0, 0.0, 5.0, 1.0), "planning.not_positive"),
        (lambda: erlang_loss(-1, 1.0), "planning.stock"),
    ],
)
def test_what_a_law_cannot_carry_is_refused_with_field_and_next_step(ask: object, code: str) -> None:
    """One code each, never a wrong number."""
    assert callable(ask)
    with pytest.raises(BadInput) as said:
        ask()
    assert said.value.code == code
    assert said.value.field
    assert said.value.next_step


@given(st.floats(0.01, 20), st.integers(1, 15))
def test_erlang_loss_is_the_last_state_of_the_birth_death_chain(offered: float, stock: int) -> None:
    """Weights a^k / k!, normalised; and one unit more never loses more."""
    weights = [offered**k / math.factorial(k) for k in range(stock + 1)]
    assert erlang_loss(stock, offered) == pytest.approx(weights[-1] / sum(weights), rel=1e-9)
    assert erlang_loss(stock + 1, offered) <= erlang_loss(stock, offered)


@given(st.floats(0.01, 20), st.floats(0.005, 0.5), st.floats(10, 5_000), st.floats(50, 9_000))
def test_siz_04_the_stock_of_least_cost_beats_every_other_and_the_break_even_is_where_one_starts_to_pay(
    rate: float, lead: float, price: float, event: float
) -> None:
    """All stocks to 60 are tried; below the break-even rate none pays, above it one does."""
    channel = Channel(rate, lead, price, 0.25, event)
    assert best_stock(channel).cost <= min(channel.cost(s) for s in range(60)) + 1e-9
    pays = first_unit_pays_from(channel)
    if pays is not None:
        above, below = (Channel(pays * f, lead, price, 0.25, event) for f in (1.001, 0.999))
        assert above.cost(1) < above.cost(0)
        assert below.cost(1) > below.cost(0)


@given(st.floats(0.1, 9), st.floats(0.1, 9), st.floats(0.5, 40))
def test_the_newsvendor_beats_its_neighbours(holding: float, stockout: float, mean: float) -> None:
    """No other whole order costs less."""
    found = newsvendor.discrete(holding, stockout, mean)
    law = counts.poisson(mean)
    for other in range(int(mean + 8 * math.sqrt(mean)) + 3):
        seen = counts.at_base_stock(law, other)
        assert found.cost <= holding * seen.eoh + stockout * seen.ebo + 1e-7
