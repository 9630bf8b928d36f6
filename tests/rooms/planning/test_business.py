"""ROI-01 to ROI-07: buckets of named incidents, break-even, old against new, refusals where too little is known."""

from __future__ import annotations

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel.refusals import NotReady
from waystation.planning.rules.business import (
    Case,
    Change,
    Rates,
    against_old,
    break_even,
    buckets,
    compared,
    progress,
    repeats,
)

FULL = Rates(penalty=500.0, outage_hour=100.0, technician_hour=60.0, carrying=0.25)


def a_case(name: str = "INC-1", hours: float | None = 3.0, **changes: object) -> Case:
    """Restored in three hours of four, by a trip for 60; the old path took twenty for 90."""
    values: dict[str, object] = {"region": "sevilla", "at_day": 1.0, "promised_h": 4.0, "freight": 60.0}
    values |= {"is_emergency": False, "old_h": 20.0, "old_freight": 90.0, "cause": "power", "site": "cordoba"}
    return Case(name, restored_h=hours, **(values | changes))  # type: ignore[arg-type]


cases = st.lists(
    st.builds(
        a_case,
        st.sampled_from(["INC-1", "INC-2", "INC-3"]),
        st.none() | st.floats(0.1, 100.0),
        freight=st.floats(0.0, 500.0),
        old_h=st.none() | st.floats(0.1, 100.0),
    ),
    max_size=6,
)


@given(cases)
def test_roi_01_each_bucket_is_the_sum_of_the_incidents_that_it_names(some: list[Case]) -> None:
    """Against sums written out; every line names an incident of the list."""
    penalties, travel, lost = buckets(some, FULL)
    ended = [c.restored_h for c in some if c.restored_h is not None]
    assert penalties.money == pytest.approx(500.0 * sum(h > 4.0 for h in ended))
    assert travel.money == pytest.approx(sum(c.freight + 2.0 * 60.0 for c in some))
    assert lost.money == pytest.approx(100.0 * sum(ended))
    for bucket in (penalties, travel, lost):
        assert {line.incident for line in bucket.lines} <= {c.name for c in some}
        assert bucket.money == pytest.approx(sum(line.money or 0.0 for line in bucket.lines))


def test_roi_01_what_nobody_priced_has_no_money_and_says_what_is_missing() -> None:
    """Hours and counts stand; the money is unknown, not nothing."""
    found = buckets([a_case(hours=9.0)], Rates())
    assert [(b.money, b.amount, b.missing) for b in found] == [
        (None, 1.0, "a penalty"),
        (None, 2.0, "a technician's hour"),
        (None, 9.0, "an hour of outage"),
    ]


def test_roi_02_break_even_by_hand_and_its_sensitivity() -> None:
    """17 h at 100, a penalty of 500 and 30 less freight avoided: 2 230; 10 000 at 25 % meet it at 1.12 a year."""
    found = break_even([a_case(), a_case("INC-2")], FULL, 10_000.0, 365.25)
    assert found.avoided == pytest.approx(17.0 * 100.0 + 500.0 + 30.0)
    assert found.break_even == pytest.approx(2_500.0 / 2_230.0)
    assert (found.incidents, found.pays) == (pytest.approx(2.0), True)
    told = {words: (half, more) for words, half, more in found.sensitivity}
    assert told["a carrying rate"] == (pytest.approx(1_250.0 / 2_230.0), pytest.approx(3_750.0 / 2_230.0))
    half, more = told["a price of an hour down"]
    assert half is not None
    assert more is not None
    assert half > found.break_even > more


def test_roi_02_without_a_rate_or_an_incident_there_is_no_break_even() -> None:
    """What lacks is named; a stock that saves nothing never meets its cost."""
    with pytest.raises(NotReady, match="a carrying rate, a penalty"):
        break_even([a_case()], Rates(outage_hour=100.0), 1.0, 30.0)
    with pytest.raises(NotReady, match="has an old path"):
        break_even([a_case(old_h=None)], FULL, 1.0, 30.0)
    assert break_even([a_case(hours=30.0)], FULL, 1_000.0, 30.0).break_even is None


def test_roi_03_every_incident_stands_beside_its_old_path_also_where_it_got_worse() -> None:
    """A slower restore is a loss with its sign; one without an old path is not compared."""
    better, worse, open_one, unknown = against_old(
        [a_case(), a_case(hours=25.0), a_case(hours=None), a_case(old_h=None)], FULL
    )
    assert (better.hours_saved, better.money_saved) == (17.0, 2_230.0)
    assert worse.hours_saved == -5.0
    assert worse.money_saved == pytest.approx(-500.0 + 30.0)
    assert open_one.hours_saved is unknown.hours_saved is None
    assert against_old([a_case()], Rates(outage_hour=1.0))[0].money_saved is None


def region(rng: Random, before: float, after: float, count: int = 40) -> list[Case]:
    """So many incidents on each side of day 200, with log-normal times around a typical one."""
    return [
        a_case(
            f"INC-{n}",
            rng.lognormvariate(math.log(before if n < count else after), 0.5),
            at_day=float(5 * n),
            is_emergency=n % 2 == 0 if n < count else n % 10 == 0,
            cause="power" if n < count else "battery",
            site=f"s{n % 7}",
        )
        for n in range(2 * count)
    ]


def test_roi_04_a_true_difference_is_inside_its_interval_about_nine_times_in_ten() -> None:
    """200 simulated regions whose time halved: the interval holds one half in 84 to 96 % of them."""
    rng = Random(11)
    held = 0
    for _ in range(200):
        change = compared("sevilla", region(rng, 8.0, 4.0), 200.0, 200.0, 200.0).changes[0]
        held += change.low <= 0.5 <= change.high
    assert 168 <= held <= 192


def test_roi_04_no_difference_is_not_told_as_one_and_confounders_are_named() -> None:
    """Equal times: nothing is shown; causes that changed are named."""
    found = compared("sevilla", region(Random(3), 6.0, 6.0), 200.0, 200.0, 200.0)
    assert found.changes[0].words.startswith("no difference is shown")
    assert any("battery was 0% of incidents, then 100%" in c for c in found.confounders)
    assert found.changes[1].before == pytest.approx(20 / (200.0 / 30.4375))


def test_roi_04_a_thin_baseline_is_refused() -> None:
    """Eleven restored incidents before are too few, however many come after."""
    some = region(Random(5), 8.0, 4.0)
    few = [c for c in some if c.at_day >= 200.0 or c.at_day < 55.0]
    with pytest.raises(NotReady, match="11 restored incidents before and 40 after; 12 are needed") as told:
        compared("sevilla", few, 200.0, 200.0, 200.0)
    assert told.value.code == "planning.thin"


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.4, 0.55, "reached"), (0.4, 0.8, "not shown yet"), (0.7, 1.2, "not reached")],
)
def test_roi_06_a_target_is_reached_only_when_the_whole_interval_is(low: float, high: float, verdict: str) -> None:
    """40 % fewer: a ratio that may be 0.8 shows nothing yet."""
    change = Change("emergency shipments a month", 4.0, 2.0, 0.5, low, high, "")
    assert progress(change, 0.4).verdict == verdict


def test_roi_07_the_same_trouble_again_within_two_weeks_counts_as_a_repeat() -> None:
    """By site and cause; a third within two weeks of the second counts again."""
    some = [a_case(f"INC-{n}", at_day=d) for n, d in enumerate((0.0, 10.0, 20.0, 40.0))]
    assert repeats([*some, a_case("INC-9", at_day=11.0, site="jaen")]) == 2
