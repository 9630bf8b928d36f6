"""The starting formula, the break-even, the placement table and the shelf minimum, as the arithmetic stands."""

from __future__ import annotations

import math
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.planning.rules import classification as c
from waystation.planning.rules import sample_policy as sp
from waystation.planning.rules import sizing as sz
from waystation.spares.rules import minimum as mn

usage = st.floats(0, 500)
weeks = st.floats(0, 52)
factors = st.floats(1, 4)
rules = st.sampled_from(["52/12", "4"])


@pytest.mark.parametrize(("rule", "base", "total"), [("52/12", 3.69, 5.54), ("4", 4.0, 6.0)])
def test_d1_the_battery_example_gives_four_to_six_under_both_month_rules(
    rule: sz.MonthRule, base: float, total: float
) -> None:
    """D1: 8 a month, 2 weeks, factor 1.5 as a multiplier on the base, no buffer."""
    found = sz.target(8, 2, 1.5, month_rule=rule)
    assert (round(found.base, 2), round(found.total, 2)) == (base, total)
    assert (found.low, found.units) == (4, 6)
    assert found.month_rule == rule


@given(usage, weeks, factors, st.floats(0, 20), rules)
def test_siz_01_the_target_is_the_sum_of_its_three_terms(
    per_month: float, lead: float, factor: float, buffer: float, rule: sz.MonthRule
) -> None:
    """Base, safety and buffer add up; the units are the next whole number; no term is hidden or negative."""
    found = sz.target(per_month, lead, factor, buffer, rule)
    assert found.total == pytest.approx(found.base + found.safety + found.buffer)
    assert min(found.base, found.safety, found.buffer) >= 0
    assert found.units - 1 < found.total <= found.units + 1e-6
    assert found.safety + found.base == pytest.approx(factor * found.base)
    assert found.low <= found.units


@given(usage, weeks, factors, st.floats(0, 20), rules)
def test_siz_01_more_of_anything_never_lowers_the_target(
    per_month: float, lead: float, factor: float, buffer: float, rule: sz.MonthRule
) -> None:
    """Usage, lead time, factor and buffer each push one way."""
    units = sz.target(per_month, lead, factor, buffer, rule).units
    assert sz.target(per_month + 1, lead, factor, buffer, rule).units >= units
    assert sz.target(per_month, lead + 1, factor, buffer, rule).units >= units
    assert sz.target(per_month, lead, factor + 1, buffer, rule).units >= units
    assert sz.target(per_month, lead, factor, buffer + 1, rule).units > units


def test_siz_02_the_month_rule_is_stated_in_the_arithmetic() -> None:
    """The steps can be read aloud."""
    assert sz.target(8, 2, 1.5, 1).steps == (
        "weekly usage = 8 a month / 52/12 weeks = 1.846",
        "base demand = 1.846 x 2 weeks = 3.69",
        "safety stock = (1.5 - 1) x 3.69 = 1.85",
        "emergency buffer = 1",
        "target = 3.69 + 1.85 + 1 = 6.54, rounded up to 7",
    )
    assert "/ 4 weeks = 2.000" in sz.target(8, 2, month_rule="4").steps[0]


@given(st.floats(0, 60), st.floats(0.01, 0.999))
def test_cls_03_the_smallest_stock_reaches_the_cover_and_one_less_does_not(mean: float, cover: float) -> None:
    """Against the Poisson law summed directly."""

    def reached(units: int) -> float:
        term, total = math.exp(-mean), 0.0
        for k in range(units + 1):
            total += term
            term *= mean / (k + 1)
        return total

    units = sz.smallest_stock(mean, cover)
    assert reached(units) >= cover - 1e-9
    if units:
        assert reached(units - 1) < cover + 1e-9


def test_d5_a_cover_is_a_probability_of_no_stock_out_and_says_so() -> None:
    """D5: the words stand beside the number in the target and in the band."""
    found = sz.target_for_cover(8, 2, 0.95)
    assert found.units == sz.smallest_stock(found.base, 0.95) == 7
    assert "target probability of no stock-out over lead time 95%" in found.steps[2]
    assert "variance" not in " ".join(found.steps)
    assert (
        c.BANDS[1].words() == "band 1: target probability of no stock-out over lead time 95% to 99%, stocked to cover"
    )


def test_d2_siz_04_the_break_even_is_twelve_percent_written_off_and_three_carried() -> None:
    """D2: 300 and 1 200 an hour against a part of 180."""
    written_off = sz.break_even(300, 1200, 1, 180, None)
    assert (written_off.saved_per_event, written_off.holding_cost) == (1500, 180)
    assert written_off.probability == pytest.approx(0.12)
    carried = sz.break_even(300, 1200, 1, 180, 0.25, chance_of_need=0.05)
    assert carried.probability == pytest.approx(0.03)
    assert carried.hold_one_more is True
    assert carried.steps[2] == "break-even = 45 / 1500: holding pays when the chance of need in the period exceeds 3.0%"


def test_siz_04_hold_one_more_is_returned_for_the_worked_example() -> None:
    """At a chance above the break-even yes, at it or below no, without a chance no answer at all."""
    assert sz.break_even(300, 1200, 1, 180, None, chance_of_need=0.2).hold_one_more is True
    assert sz.break_even(300, 1200, 1, 180, None, chance_of_need=0.12).hold_one_more is False
    assert sz.break_even(300, 1200, 1, 180, None).hold_one_more is None
    assert sz.break_even(0, 0, 0, 180, None, chance_of_need=1.0).hold_one_more is False
    assert sz.break_even(10, 0, 0, 180, None).steps[2] == "one event does not pay for the unit"


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf])
def test_siz_01_numbers_that_are_none_are_refused(bad: float) -> None:
    """Negative, infinite and undefined inputs never become a target."""
    calls = [
        lambda: sz.target(bad, 2),
        lambda: sz.target(8, bad),
        lambda: sz.target(8, 2, bad),
        lambda: sz.target(8, 2, 1, bad),
        lambda: sz.break_even(bad, 1, 1, 1, None),
        lambda: sz.target_for_cover(8, 2, bad),
    ]
    for call in calls:
        with pytest.raises(BadInput):
            call()
    with pytest.raises(BadInput):
        sz.smallest_stock(1e9, 0.5)


@pytest.mark.parametrize(
    ("impact", "complexity", "placement", "band"),
    [("high", "low", "hub", 1), ("high", "high", "bench_or_vendor_advance", 1), ("low", "low", "central", 3)],
)
def test_cls_02_the_three_examples_are_classified_as_stated(
    impact: c.Impact, complexity: c.Complexity, placement: str, band: int
) -> None:
    """High impact and simple to the hub, complex to bench or vendor, low impact to the centre; however often."""
    frequencies: tuple[c.Frequency, ...] = ("high", "medium", "low")
    for frequency in frequencies:
        found = c.classify(impact, complexity, frequency)
        assert (found.placement, found.band) == (placement, band)
        assert found.reason.startswith(found.rule.reason)


def test_cls_01_every_combination_has_one_answer_and_every_rule_is_reached() -> None:
    """No class falls through the table; no row of it is dead."""
    used = set()
    for impact, complexity, frequency in product(("high", "medium", "low"), ("high", "low"), ("high", "medium", "low")):
        found = c.classify(impact, complexity, frequency)  # type: ignore[arg-type]
        used.add(found.rule)
        assert found.cover.band == found.band
    assert used == set(c.RULES)
    with pytest.raises(LookupError):
        c.classify("high", "low", "low", rules=c.RULES[:1])


def test_cls_03_the_bands_carry_their_covers() -> None:
    """95 to 99, 80 to 90 with expediting, central."""
    assert [(b.low, b.high) for b in c.BANDS.values()] == [(0.95, 0.99), (0.80, 0.90), (None, None)]
    assert "vendor expediting" in c.BANDS[2].words()
    assert c.BANDS[3].words() == "band 3: held centrally"


def test_cls_04_what_the_centre_restores_in_time_does_not_belong_in_a_region() -> None:
    """With the reason."""
    belongs, reason = c.belongs_in_region(20, 24, 1)
    assert not belongs
    assert reason.startswith("does not belong here: the centre restores in 20 h")
    assert c.belongs_in_region(20, 4, 1)[0]
    assert c.belongs_in_region(None, 400, 0)[0]


TRIO = {"FW-1": "firewall", "FW-2": "firewall", "FW-3": "firewall"}
states = st.sampled_from(["stocked", "received", "quarantined", "reserved", "disposed", "in_transit", "lost"])
held = st.lists(
    st.builds(mn.Held, st.sampled_from("AB"), st.sampled_from([*TRIO, "X"]), states, st.integers(0, 4), st.booleans()),
    max_size=12,
)
bounds = st.lists(
    st.builds(
        lambda place, group, low, more, glass: mn.Bounds(place, group, low, low + more, 1, glass),
        st.sampled_from("AB"),
        st.sampled_from(["firewall", "X"]),
        st.integers(0, 6),
        st.integers(0, 6),
        st.booleans(),
    ),
    max_size=4,
)


@given(held, bounds)
def test_siz_14_only_ready_units_of_the_group_at_the_place_are_cover(
    stock: list[mn.Held], asked: list[mn.Bounds]
) -> None:
    """Recounted by hand; what does not count is listed with its state."""
    found = mn.shelves(stock, asked, TRIO)
    assert len(found) == len(asked)
    for bound in asked:
        here = [
            h
            for h in stock
            if (h.place, TRIO.get(h.model, h.model), h.break_glass) == (bound.place, bound.group, bound.break_glass)
        ]
        ready = sum(h.count for h in here if h.state == "stocked")
        total = sum(h.count for h in here)
        match = [
            s
            for s in found
            if (s.place, s.group, s.minimum, s.maximum) == (bound.place, bound.group, bound.minimum, bound.maximum)
        ]
        assert any(s.cover == ready and s.cover + sum(n for _, n in s.uncounted) == total for s in match)
    for s in found:
        assert s.short == max(0, s.minimum - s.cover)
        assert s.excess == max(0, s.cover - (s.maximum or 0))
    for h in mn.unbounded(stock, asked, TRIO):
        assert not any(
            b.place == h.place and b.group == TRIO.get(h.model, h.model) and b.break_glass == h.break_glass
            for b in asked
        )


@given(held, bounds, held)
def test_siz_13_a_hub_alerts_whatever_lies_elsewhere(
    stock: list[mn.Held], asked: list[mn.Bounds], more: list[mn.Held]
) -> None:
    """Stock added at other places never silences a shelf."""
    elsewhere = [mn.Held("elsewhere", h.model, h.state, h.count) for h in more]
    assert mn.alerts(mn.shelves(stock + elsewhere, asked, TRIO)) == mn.alerts(mn.shelves(stock, asked, TRIO))


def test_siz_14_a_sister_model_in_stock_is_no_shortage_and_quarantine_is_no_cover() -> None:
    """Three firewall models share one target; two in quarantine do not count and are named."""
    stock = [mn.Held("Sevilla", "FW-2", "stocked", 2), mn.Held("Sevilla", "FW-1", "quarantined", 2)]
    enough = mn.shelves(stock, [mn.Bounds("Sevilla", "firewall", 2, 4)], TRIO)
    assert mn.alerts(enough) == ()
    assert enough[0].by_model == (("FW-2", 2),)
    short = mn.shelves(stock, [mn.Bounds("Sevilla", "firewall", 3)], TRIO)[0]
    assert short.reason == "Sevilla: 2 of firewall ready, at least 3; 1 short; not counted: 2 quarantined."
    over = mn.shelves(stock, [mn.Bounds("Sevilla", "firewall", 0, 1)], TRIO)[0]
    assert (over.outcome, over.excess) == ("excess", 1)


def test_siz_13_bounds_that_cannot_both_hold_are_refused() -> None:
    """A maximum below the minimum is a slip of the pen."""
    with pytest.raises(BadInput):
        mn.Bounds("Sevilla", "firewall", 3, 2)
    with pytest.raises(BadInput):
        mn.Bounds("Sevilla", "firewall", -1)


@pytest.mark.parametrize(
    ("row", "fleet", "low", "high"),
    [
        (0, sp.Fleet(weekly_usage=3), 3, 6),
        (1, sp.Fleet(weekly_usage=7), 14, 30),
        (2, sp.Fleet(models=4), 4, 12),
        (3, sp.Fleet(weekly_usage=2, lead_time_weeks=3, buffer=1), 7, 7),
        (4, sp.Fleet(critical_clusters=5), 5, 5),
    ],
)
def test_siz_05_each_row_of_the_starting_policy_gives_a_target(row: int, fleet: sp.Fleet, low: int, high: int) -> None:
    """Five classes, five kinds of arithmetic, each a minimum and a maximum that a shelf can be judged by."""
    found = sp.bounds(sp.POLICY[row], fleet)
    assert found[:2] == (low, high)
    assert found[2].endswith(f"= {low} to {high}")
    assert mn.Bounds("Sevilla", "g", low, high).maximum == high
    policy = sp.POLICY[row]
    assert c.classify(policy.impact, policy.complexity, policy.frequency).placement == "hub"


@given(usage, weeks, st.floats(0.5, 0.99), st.floats(0.001, 0.009))
def test_cls_03_more_cover_never_holds_less(per_month: float, lead: float, cover: float, more: float) -> None:
    """And the terms of a target from cover add up like any other."""
    low, high = sz.target_for_cover(per_month, lead, cover), sz.target_for_cover(per_month, lead, cover + more)
    assert low.units <= high.units
    assert low.total == pytest.approx(low.base + low.safety + low.buffer)
    assert low.units >= low.low


@given(st.floats(0, 5000), st.floats(0, 5000), st.floats(0, 48), st.floats(0, 9000), st.floats(0, 1), st.floats(0, 1))
def test_siz_04_a_unit_is_held_exactly_when_what_it_saves_exceeds_what_it_costs(
    shipment: float, downtime: float, hours: float, price: float, rate: float, chance: float
) -> None:
    """Expected saving against holding cost, recounted."""
    found = sz.break_even(shipment, downtime, hours, price, rate, chance_of_need=chance)
    saved, cost = chance * (shipment + downtime * hours), price * rate
    if abs(saved - cost) > 1e-6 * (1 + cost):
        assert found.hold_one_more is (saved > cost)
    longer = sz.break_even(shipment, downtime, hours + 1, price, rate)
    assert longer.probability <= found.probability


def test_siz_04_a_longer_period_costs_more_to_hold() -> None:
    """The period is named in the arithmetic."""
    two_years = sz.break_even(300, 1200, 1, 180, 0.25, period_years=2)
    assert two_years.holding_cost == 90
    assert two_years.steps[1] == "cost of holding one = 90 (25% a year for 2 year)"
    assert (
        sz.break_even(300, 1200, 1, 180, None).steps[1] == "cost of holding one = 180 (the whole price is written off)"
    )


@given(st.floats(0, 200) | st.none(), st.floats(0, 200), st.floats(0, 50))
def test_cls_04_the_regional_test_turns_on_the_tolerable_outage_alone(
    overnight: float | None, tolerable: float, need: float
) -> None:
    """In time from the centre means no shelf here; anything else means a shelf here."""
    belongs, reason = c.belongs_in_region(overnight, tolerable, need)
    assert belongs == (overnight is None or overnight > tolerable)
    assert reason.startswith("belongs here" if belongs else "does not belong here")


def test_siz_13_the_most_critical_band_stands_first() -> None:
    """Short before excess before enough; inside, by band and by how much is missing."""
    asked = [
        mn.Bounds("A", "enough", 0),
        mn.Bounds("A", "excess", 0, 1, band=1),
        mn.Bounds("A", "two", 3, band=2),
        mn.Bounds("A", "one", 1, band=1),
        mn.Bounds("B", "one", 2, band=1),
    ]
    found = mn.shelves([mn.Held("A", "excess", "stocked", 5)], asked, {})
    assert [(s.place, s.group) for s in found] == [
        ("B", "one"),
        ("A", "one"),
        ("A", "two"),
        ("A", "excess"),
        ("A", "enough"),
    ]


def test_siz_14_break_glass_stock_is_no_cover_for_the_normal_shelf() -> None:
    """Each lane has its own minimum."""
    stock = [mn.Held("Sevilla", "FW-1", "stocked", 2, break_glass=True)]
    normal, glass = mn.Bounds("Sevilla", "firewall", 1), mn.Bounds("Sevilla", "firewall", 2, break_glass=True)
    assert [s.outcome for s in mn.shelves(stock, [normal], TRIO)] == ["short"]
    assert [s.outcome for s in mn.shelves(stock, [glass], TRIO)] == ["enough"]
    assert mn.unbounded(stock, [normal], TRIO) == tuple(stock)
    assert mn.unbounded(stock, [normal, glass], TRIO) == ()


@given(
    st.sampled_from(sp.POLICY),
    st.floats(0, 50),
    st.floats(0, 20),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 9),
)
def test_siz_05_a_larger_fleet_never_asks_for_less(
    row: sp.ClassPolicy, weekly: float, lead: float, buffer: int, models: int, clusters: int
) -> None:
    """Every row grows with its own driver, and its minimum never passes its maximum."""
    low, high, words = sp.bounds(row, sp.Fleet(weekly, lead, buffer, models, clusters))
    more_low, more_high, _ = sp.bounds(row, sp.Fleet(weekly + 1, lead, buffer, models + 1, clusters + 1))
    assert 0 <= low <= high
    assert (low, high) <= (more_low, more_high)
    assert words


def test_siz_05_the_policy_has_the_five_classes_of_the_playbook() -> None:
    """Names, tiers and automation priority as they ship."""
    assert [(p.name, p.tiers[0], p.automation) for p in sp.POLICY] == [
        ("Laptops and endpoints", "regional", "high"),
        ("Docks and chargers", "regional", "high"),
        ("Switches and firewalls", "regional", "very_high"),
        ("SSDs, RAM and optics", "regional", "medium"),
        ("Edge appliances", "local", "very_high"),
    ]
