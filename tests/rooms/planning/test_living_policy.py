"""Points, rails, dates, excess, stress, look-back and findings against their definitions."""

from __future__ import annotations

import dataclasses
import math
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.planning.rules.counts import no_stock_out, poisson
from waystation.planning.rules.demand.field import Suspect
from waystation.planning.rules.demand.leadtime import LeadTimeDemand, lead_time_demand
from waystation.planning.rules.living import findings as learn
from waystation.planning.rules.living.guard import Rails, decide, within
from waystation.planning.rules.living.lookback import EARLY, Held, judged
from waystation.planning.rules.living.outlook import Stock, Use, excess, misplaced, run_out
from waystation.planning.rules.living.points import (
    Point,
    Scenario,
    Setting,
    Sized,
    buffer_of,
    one_at_a_time,
    size,
    target_in,
)
from waystation.planning.rules.living.stress import Stress, stressed

NOW = datetime(2026, 11, 17, 6, 0, tzinfo=UTC)
Rates = st.floats(0.001, 0.4)
Covers = st.floats(0.5, 0.995)


def a_law(rate: float = 0.1, days: float = 20.0) -> LeadTimeDemand:
    """Poisson demand of one lead time."""
    return lead_time_demand(rate, 1.0, [days])


def a_sized(least: int) -> Sized:
    """A sized point that covers with `least` units."""
    return Sized(Point(least - 1, max(least, 1) if least else 0), 0.0, 0.0, 0, 0.99, "cover of the lead time", ())


def a_stock(hub: str = "sevilla", ready: int = 3, **changes: object) -> Stock:
    """A shelf with its level and use."""
    values: dict[str, object] = {"group": "controller", "least": 2, "order_up_to": 3, "unit_cost": 100.0}
    values |= {"use": Use(0.05), "lead_time_days": 20.0}
    return Stock(hub=hub, ready=ready, **(values | changes))  # type: ignore[arg-type]


@given(Rates, Covers, st.integers(0, 6), st.integers(1, 5))
def test_siz_01_a_point_covers_the_lead_time_with_the_fewest_units(
    rate: float, cover: float, floor: int, batch: int
) -> None:
    """One unit less misses the cover or the floor; the terms add up; an order lifts it by its size."""
    told = size(a_law(rate), cover, floor=floor, batch=batch)
    law, least = poisson(rate * 20.0), told.point.least
    assert no_stock_out(law, least) >= cover - 1e-9
    assert least >= floor
    if least > floor:
        assert least == 0 or no_stock_out(law, least - 1) < cover
    assert told.point.order_up_to == (least + batch - 1 if least else 0)
    if least > floor:
        assert told.base + told.safety + told.buffer >= least - 1e-9


@given(Rates, Covers, st.integers(0, 12), st.floats(0.0, 1.0), st.integers(0, 4))
def test_siz_03_the_buffer_is_what_the_scenario_asks_for_at_the_cover(
    rate: float, cover: float, sites: int, chance: float, saved: int
) -> None:
    """By the binomial tail; on top of what the lead time needs; named in the steps."""
    scenario = Scenario("bad patch", sites, 1, chance, saved)
    units, words = buffer_of(scenario, cover)

    def at_most(k: int) -> float:
        return sum(math.comb(sites, n) * chance**n * (1.0 - chance) ** (sites - n) for n in range(k + 1))

    needed = next(k for k in range(sites + 1) if at_most(k) >= cover - 1e-9)
    assert units == max(0, needed - saved)
    assert "bad patch" in words
    plain, told = size(a_law(rate), cover), size(a_law(rate), cover, scenario=scenario)
    assert told.point.least == plain.point.least + units
    assert told.buffer == units


def test_siz_03_a_large_scenario_is_reckoned_and_an_absurd_one_refused() -> None:
    """Three hundred sites at one in ten: around 30 and some; ten thousand are no buffer."""
    units, _ = buffer_of(Scenario("storm", 300, 1, 0.1), 0.95)
    sd = math.sqrt(300 * 0.1 * 0.9)
    assert 30 + sd < units < 30 + 2 * sd
    with pytest.raises(BadInput):
        buffer_of(Scenario("all", 10_000), 0.95)


@pytest.mark.parametrize(("point", "level"), [(-2, 0), (3, 2), (2, 2), (0, 5_001)])
def test_siz_13_a_point_that_cannot_hold_is_refused(point: int, level: int) -> None:
    """Below nothing, above its level, without an order size, or beyond any shelf."""
    with pytest.raises(BadInput):
        Point(point, level)


@settings(max_examples=40)
@given(
    st.integers(1, 60),
    st.floats(0.001, 0.1),
    st.floats(2.0, 40.0),
    st.floats(0.0, 0.5),
    st.integers(1, 4),
    st.floats(0.8, 0.99),
)
def test_siz_06_each_factor_moves_the_target_in_the_direction_stated(
    sites: int, failures: float, days: float, late: float, models: int, cover: float
) -> None:
    """All six, one at a time, whatever the setting."""
    setting = Setting(sites, failures, days, late_share=late, models=models)
    told = one_at_a_time(setting, cover)
    assert [m.factor for m in told] == [
        "site count",
        "complexity",
        "shipping reliability",
        "geography",
        "vendor speed",
        "standardisation",
    ]
    assert all(m.holds for m in told), told
    assert {m.before for m in told} == {target_in(setting, cover)}


@given(
    st.integers(-2, 10**6),
    st.floats(-1.0, 1e6) | st.just(math.nan),
    st.floats(-1.0, 1e6),
    st.floats(-1.0, 2.0),
    st.integers(-1, 5),
    st.floats(-1.0, 2.0) | st.just(math.nan),
)
@example(1, 0.05, 14.0, 0.1, 3, -0.5)
def test_siz_06_a_setting_that_cannot_be_is_refused_in_words(
    sites: int, failures: float, days: float, late: float, models: int, cover: float
) -> None:
    """A cover below nothing has no real root: it is refused by its name, as every other impossible term is."""
    setting = Setting(sites, failures, days, late_share=late, models=models)
    try:
        told = one_at_a_time(setting, cover)
    except BadInput as refused:
        assert refused.code.startswith("planning.")
    else:
        assert 0.0 <= cover <= 1.0
        assert len(told) == 6


def test_siz_06_the_factors_do_move_it() -> None:
    """On a busy hub each step is seen, none is decoration."""
    setting = Setting(200, 0.12, 21.0, late_share=0.2, late_days=20.0, distance_days=1.0, models=4)
    assert [m.factor for m in one_at_a_time(setting, 0.95) if m.before == m.after] == []


@given(st.integers(0, 20), st.integers(0, 20), st.floats(0.5, 0.99), st.floats(0.0, 1.0), st.integers(0, 5))
def test_siz_09_whatever_is_decided_keeps_the_rails(
    held: int, wanted: int, cover: float, covered: float, floor: int
) -> None:
    """A change by itself is within the step limit and at or above the floor; everything else keeps or asks."""
    rails = Rails(floor=floor)
    before = Point(held - 1, max(held, 1) if held else 0)
    told = decide(before, a_sized(wanted), cover, covered, rails, now=NOW, lower_since=NOW - timedelta(days=60))
    assert told.reason
    if told.verb == "change":
        assert within(before.reorder_point, told.point.reorder_point, floor, rails)
    if told.verb == "keep":
        assert told.point == before
    if told.verb == "ask":
        assert told.point.least >= floor
    if held >= floor:
        assert told.point.least >= min(held, floor)


@given(st.integers(1, 20), st.integers(1, 20), st.integers(0, 27))
def test_siz_09_a_point_falls_only_after_four_weeks_of_being_too_high(held: int, less: int, days: int) -> None:
    """Until then it is kept and remembers since when."""
    assume(less <= held)
    since = NOW - timedelta(days=days)
    before = Point(held - 1, held)
    told = decide(before, a_sized(held - less), 0.95, 0.999, Rails(), now=NOW, lower_since=since)
    assert (told.verb, told.lower_since) == ("keep", since)
    later = decide(before, a_sized(held - less), 0.95, 0.999, Rails(), now=since + Rails().patience, lower_since=since)
    assert later.verb in ("change", "ask")
    assert later.point.least == held - less


def test_siz_09_a_little_missing_cover_moves_nothing_and_more_does() -> None:
    """Hysteresis: half a point of cover is slack; below it the point rises at once."""
    before = Point(1, 2)
    small = decide(before, a_sized(3), 0.95, 0.947, Rails(), now=NOW)
    large = decide(before, a_sized(3), 0.95, 0.93, Rails(), now=NOW)
    assert (small.verb, large.verb) == ("keep", "change")
    assert "slack" in small.reason
    assert "93.0%" in large.reason


def test_siz_09_the_first_point_and_a_large_step_wait_for_somebody() -> None:
    """And a shelf below its floor rises to it."""
    assert decide(None, a_sized(2), 0.95, 0.0, Rails(), now=NOW).verb == "ask"
    assert decide(Point(1, 2), a_sized(9), 0.95, 0.2, Rails(), now=NOW).verb == "ask"
    raised = decide(Point(-1, 0), a_sized(0), 0.95, 0.99, Rails(floor=1), now=NOW)
    assert (raised.verb, raised.point) == ("change", Point(0, 1))
    stays = decide(Point(0, 1), a_sized(0), 0.95, 0.99, Rails(floor=1), now=NOW)
    assert stays.verb == "keep"
    assert "floor" in stays.reason


@given(st.integers(0, 12), Rates, st.floats(0.7, 0.99), st.floats(0.0, 60.0))
@settings(max_examples=60)
def test_siz_08_the_cautious_day_is_the_first_on_which_the_cover_is_lost(
    units: int, rate: float, cover: float, lead: float
) -> None:
    """By the Poisson law of each day; the order is due a lead time before it, and late when that is past."""
    told = run_out(units, Use(rate), cover, lead, {})
    if told.cautious_day is None:
        assert no_stock_out(poisson(rate * 730), units) >= cover - 1e-9
        return
    day = told.cautious_day
    assert units == 0 or no_stock_out(poisson(rate * day), units) < cover
    assert day == 0 or no_stock_out(poisson(rate * (day - 1)), units) >= cover - 1e-9
    assert told.order_by_day == pytest.approx(day - lead)
    assert told.late_days == pytest.approx(max(0.0, lead - day))
    if told.expected_day is not None:
        assert told.expected_day == pytest.approx(units / rate)


@given(st.integers(1, 6), st.floats(0.02, 0.4), st.integers(1, 30), st.integers(1, 5))
@settings(max_examples=40)
def test_siz_08_what_arrives_in_time_puts_the_day_off(units: int, rate: float, day: int, more: int) -> None:
    """Never brings it nearer; what comes after the shelf is empty does not save it."""
    alone = run_out(units, Use(rate), 0.95, 10.0, {})
    helped = run_out(units, Use(rate), 0.95, 10.0, {day: more})
    never = 10_000
    assert (helped.cautious_day or never) >= (alone.cautious_day or never)
    if alone.cautious_day is not None and day > alone.cautious_day:
        assert helped.cautious_day == alone.cautious_day
    if alone.expected_day is not None and helped.expected_day is not None:
        late = day >= alone.expected_day
        assert helped.expected_day == pytest.approx(alone.expected_day + (0.0 if late else more / rate))


@given(st.integers(0, 5), st.floats(0.005, 0.3), st.dictionaries(st.integers(0, 200), st.integers(1, 3), max_size=3))
@settings(max_examples=25)
def test_siz_08_the_day_is_found_as_if_each_day_were_looked_at(
    units: int, rate: float, arrivals: dict[int, int]
) -> None:
    """The search by halves between arrivals against every day in turn."""
    told = run_out(units, Use(rate), 0.9, 5.0, arrivals).cautious_day

    def short(day: int) -> bool:
        held = units + sum(more for when, more in arrivals.items() if when <= day)
        return held <= 0 or no_stock_out(poisson(rate * day), held) < 0.9

    assert told == next((day for day in range(731) if short(day)), None)


def test_siz_08_a_shelf_that_nothing_is_asked_of_does_not_run_out() -> None:
    """And one beyond any slow mover surely does."""
    assert run_out(1, Use(0.0), 0.95, 10.0, {}).cautious_day is None
    assert Use(10.0).chance_of_more(9, 365.0) == 1.0
    assert Use(0.1).chance_of_more(-1, 1.0) == 1.0


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 5)), min_size=1, max_size=6))
def test_siz_11_excess_and_moves_add_up(shelves: list[tuple[int, int]]) -> None:
    """Each unit over is told once with its capital; no move takes what a hub has not over or gives what none misses."""
    held = [a_stock(f"hub-{n}", ready, least=least, order_up_to=least + 1) for n, (ready, least) in enumerate(shelves)]
    over = {e.hub: e.units for e in excess(held)}
    assert over == {s.hub: s.ready - s.order_up_to for s in held if s.ready > s.order_up_to}
    assert sum(e.capital_freed for e in excess(held)) == pytest.approx(100.0 * sum(over.values()))
    assert all(e.risk_added >= 0.0 for e in excess(held))
    given_up: dict[str, int] = {}
    got: dict[str, int] = {}
    for move in misplaced(held):
        given_up[move.from_hub] = given_up.get(move.from_hub, 0) + move.units
        got[move.to_hub] = got.get(move.to_hub, 0) + move.units
    assert all(units <= over[hub] for hub, units in given_up.items())
    missing = {s.hub: s.least - s.ready for s in held if s.ready < s.least}
    assert all(units <= missing[hub] for hub, units in got.items())
    assert sum(got.values()) == min(sum(over.values()), sum(missing.values()))


def test_siz_11_a_slow_mover_says_how_long_all_of_it_lasts() -> None:
    """Nine units at one a month and a half: half a year; without use no end is named."""
    (slow,) = excess([a_stock(ready=9, use=Use(1.5 / 30.4375))])
    (dead,) = excess([a_stock(ready=9, use=Use(0.0))])
    assert slow.months_held == pytest.approx(6.0)
    assert dead.months_held is None
    assert "nothing is used" in dead.words


@given(st.floats(1.0, 4.0), st.floats(1.0, 4.0), st.integers(0, 6))
def test_siz_10_stress_never_helps_and_the_first_to_break_stands_first(lead: float, demand: float, ready: int) -> None:
    """Covers fall, days rise down the list."""
    held = [a_stock("a", ready), a_stock("b", ready + 2), a_stock("c", ready + 1, group="probe")]
    told = stressed(held, Stress("hard", lead, demand), 0.95, {})
    assert all(b.cover_after <= b.cover_before + 1e-12 for b in told)
    days = [math.inf if b.run_out_day is None else b.run_out_day for b in told]
    assert days == sorted(days)
    assert stressed(held, Stress("as it is"), 0.95, {}) == ()


def test_siz_10_a_lost_hub_gives_its_demand_to_the_next_or_to_nobody() -> None:
    """With the next hub the next one breaks; without, the lost shelf stands first with no cover."""
    held = [a_stock("sevilla", 5, use=Use(0.2)), a_stock("madrid", 2, use=Use(0.02))]
    lost = Stress("Sevilla lost", hub="sevilla")
    (broken,) = stressed(held, lost, 0.95, {"sevilla": "madrid"})
    assert (broken.hub, broken.cover_after < 0.95) == ("madrid", True)
    alone = stressed(held, lost, 0.95, {})
    assert (alone[0].hub, alone[0].cover_after, alone[0].run_out_day) == ("sevilla", 0.0, 0)
    assert "no other stands in" in alone[0].words
    elsewhere = [held[0], dataclasses.replace(held[1], group="probe")]
    assert stressed(elsewhere, lost, 0.95, {"sevilla": "madrid"})[0].hub == "sevilla"
    with pytest.raises(BadInput):
        stressed(held, Stress("x", hub="granada"), 0.95, {})


def test_siz_10_a_defect_wave_breaks_its_own_group_only() -> None:
    """The other group at the same hub is left as it was."""
    held = [a_stock("a", 2), a_stock("a", 2, group="probe")]
    told = stressed(held, Stress("wave", demand_factor=6.0, group="probe"), 0.9, {})
    assert [b.group for b in told] == ["probe"]


@given(st.floats(30.0, 720.0), st.floats(0.01, 0.3), st.floats(0.85, 0.99))
def test_lrn_05_what_chance_explains_is_right(days: float, rate: float, cover: float) -> None:
    """The mean itself is always within the range; far above and far below are not."""
    asked = Held(days, 20.0, cover, rate, 1.0)
    mean = rate * days
    assume(mean >= 8.0)
    assert judged(asked, round(mean), 0).verdict == "held"
    assert judged(asked, int(3.0 * mean) + 3, 0).verdict == "too low"
    assert judged(asked, 0, 0).verdict == "too high"
    told = judged(asked, round(mean), 0)
    assert told.low <= mean <= told.high


def test_lrn_05_stock_outs_beyond_chance_say_too_low_and_a_single_one_does_not() -> None:
    """Eighteen lead times at 95 %: one stock-out is the promise, four are not."""
    asked = Held(360.0, 20.0, 0.95, 0.05, 1.0)
    assert judged(asked, 18, 1).verdict == "held"
    assert judged(asked, 18, 4).verdict == "too low"
    assert judged(Held(5.0, 20.0, 0.95, 0.05, 1.0), 0, 0).verdict == EARLY
    busy = judged(Held(5000.0, 20.0, 0.95, 1.0, 2.0), 5000, 0)
    assert busy.low < 5000 < busy.high
    assert judged(Held(100.0, 20.0, 0.95, 0.0, 1.0), 0, 0).verdict == "held"


def a_suspect(failures: float = 30.0, expected: float = 9.0, flagged: bool = True) -> Suspect:
    """A model that fails more than three times as often."""
    return Suspect("GW-9", failures, expected, failures / expected, 0.98, flagged)


def test_lrn_02_a_finding_proposes_stock_claim_refresh_and_ban() -> None:
    """Each with its number and why; what has no ground is not proposed."""
    facts = learn.Facts(40, 12, 5, True)
    told = {p.verb: p for p in learn.proposals(a_suspect(), facts, 36.0, 21.0, 0.95)}
    assert set(told) == {"stock", "vendor claim", "refresh", "ban"}
    assert (told["vendor claim"].units, told["refresh"].units) == (12, 5)
    assert told["stock"].units >= 1
    bare = learn.proposals(a_suspect(), learn.Facts(40, 0, 5, False), 36.0, 21.0, 0.95)
    assert [p.verb for p in bare] == ["stock"]
    assert learn.proposals(a_suspect(flagged=False), facts, 36.0, 21.0, 0.95) == ()


def test_lrn_03_fewer_models_tell_what_is_saved_and_what_stands_in_the_way() -> None:
    """Pooled demand needs less than the models apart; a model with a blocker stays."""
    family = [
        learn.ModelStock("A", 80, 1.0, 3, 100.0, 2, 1),
        learn.ModelStock("B", 20, 0.3, 2, 120.0, 1, 1),
        learn.ModelStock("C", 5, 0.1, 1, 90.0, 1, 1, ("needs connector RJ50",)),
    ]
    told = learn.rationalised(family, 21.0, 0.95)
    assert (told.keep, told.retire) == (("A", "C"), ("B",))
    assert told.units_saved >= 0
    assert (told.kits_saved, told.labels_saved) == (1, 1)
    assert told.blocked == {"C": ("needs connector RJ50",)}
    assert learn.rationalised([], 21.0, 0.95).retire == ()


@given(st.integers(1, 60), st.floats(0.0, 3.0), st.integers(0, 20), st.integers(1, 24))
def test_lrn_04_a_model_runs_out_or_is_left_over(units: int, per_month: float, held: int, last: int) -> None:
    """Never both missing and left over; the last site is the last that leaves."""
    model = learn.ModelStock("A", units, per_month, held, 10.0)
    told = learn.retirement(model, [(last, units)], 0.95)
    assert told.last_site_month == last
    assert told.missing == 0 or told.left_over == 0
    assert told.run_out_month is None or 0 <= told.run_out_month <= last
    assert "no date" not in told.words
    assert "no date" in learn.retirement(model, [(last, units - 1)], 0.95).words


@given(st.floats(0.1, 10.0), st.floats(1.0, 24.0))
def test_lrn_06_a_pilot_that_went_as_planned_changes_nothing(planned: float, months: float) -> None:
    """The planned number of failures is inside its own interval; none at all where many were planned is not."""
    came = round(planned * months)
    assume(came >= 1 and abs(came - planned * months) < 0.5)
    assert learn.pilot_difference("controller", planned, months, came).proposed_per_month is None
    if planned * months >= 5.0:
        lower = learn.pilot_difference("controller", planned, months, 0).proposed_per_month
        assert lower is not None
        assert lower == pytest.approx(planned / 2.0)


def test_siz_09_a_law_of_its_own_is_not_changed_by_being_sized() -> None:
    """Sizing reads."""
    law = a_law()
    before = law.law.copy()
    size(law, 0.95)
    assert np.array_equal(before, law.law)


@pytest.mark.parametrize("leaving", [[(601, 1)], [(-1, 1)], [(3, -2)], [(1, 1)] * 601])
def test_lrn_04_a_way_out_beyond_all_bounds_is_refused_at_once(leaving: list[tuple[int, int]]) -> None:
    """A month that an address may name is no reason to count for hours."""
    with pytest.raises(BadInput) as told:
        learn.retirement(learn.ModelStock("M", 10, 0.1, 3, 10.0), leaving, 0.95)
    assert told.value.code == "planning.leaving"
