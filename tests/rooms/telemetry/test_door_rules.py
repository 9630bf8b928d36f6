"""Doors and dew by rule: openings, rises, what an opening explains and what it never does, and the dew point."""

from __future__ import annotations

from itertools import pairwise
from math import exp
from statistics import mean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.telemetry.rules.dew import MAGNUS_A, MAGNUS_B_C, RISK_K, SAFE_K, dew_point_c, is_condensing
from waystation.telemetry.rules.doors import Effect, Opening, coupling, effects, explains, openings

DOOR = Opening(600.0, 1200.0)
WARM = [(0.0, 5.0), (300.0, 5.0), (590.0, 5.1), (900.0, 6.5), (1100.0, 8.4), (1300.0, 8.9)]
states = st.lists(st.booleans(), min_size=1, max_size=40)


@given(states, st.integers(60, 200))
def test_tel_10_a_door_is_open_exactly_while_readings_say_so(said: list[bool], hold_s: int) -> None:
    """Minute by minute against the readings; the openings never overlap and stay inside the period."""
    points = [(60.0 * n, float(v)) for n, v in enumerate(said)]
    end_s = 60.0 * len(said)
    found = openings(points, hold_s, 0.0, end_s)
    assert sum(o.open_s for o in found) == 60.0 * sum(said)
    assert all(a.end_s < b.start_s for a, b in pairwise(found))
    assert [o.is_open for o in found[:-1]] == [False] * (len(found) - 1) if found else True
    assert (bool(found) and found[-1].is_open) is said[-1]


def test_tel_10_a_door_that_fell_silent_is_not_open_for_ever() -> None:
    """Its last word stands for its hold, and what ended before the period is left out."""
    assert openings([(0.0, 1.0)], 300.0, 0.0, 7200.0) == [Opening(0.0, 300.0)]
    assert openings([(0.0, 1.0)], 300.0, 600.0, 7200.0) == []


def test_tel_10_the_rise_is_from_before_the_opening_to_the_peak_of_the_quarter_after() -> None:
    """Of the probe that rose most; without a reading before or after it is not known, never nothing."""
    late = [*WARM, (1200.0 + 901, 99.0)]
    (found,) = effects([DOOR], [late, [(500.0, 4.0), (1000.0, 4.2)]])
    assert found.rise_c == pytest.approx(8.9 - 5.1)
    (unknown,) = effects([DOOR], [[(1000.0, 9.0)], []])
    assert unknown.rise_c is None
    assert effects([DOOR], [])[0].rise_c is None


@given(st.lists(st.tuples(st.integers(1, 900), st.integers(-20, 60)), min_size=3, max_size=20))
def test_tel_10_the_correlation_is_pearsons(rows: list[tuple[int, int]]) -> None:
    """By its definition over sums; none where all are alike."""
    found = [Effect(Opening(0.0, float(s)), 0.0, c / 10) for s, c in rows]
    xs, ys = [float(s) for s, _ in rows], [c / 10 for _, c in rows]
    if len(set(xs)) < 2 or len(set(ys)) < 2:
        assert coupling(found) is None
        return
    mx, my = mean(xs), mean(ys)
    wanted = sum((x - mx) * (y - my) for x, y in zip(xs, ys, strict=True)) / ((len(xs) - 1) * stdev(xs) * stdev(ys))
    assert coupling(found) == pytest.approx(wanted, abs=1e-6)


def test_tel_10_two_measured_openings_say_nothing() -> None:
    """Nor do openings whose rise nobody measured."""
    two = [Effect(Opening(0.0, 60.0), 5.0, 6.0), Effect(Opening(0.0, 90.0), 5.0, 7.0)]
    assert coupling([*two, Effect(Opening(0.0, 900.0), None, 9.0)]) is None


def test_tel_10_a_door_that_opened_before_the_rise_explains_it() -> None:
    """Open, or closed less than a quarter of an hour before; openings before it in one busy stretch count too."""
    assert explains(1100.0, 8.0, WARM, [DOOR], []) == [DOOR]
    later = [*WARM[:4], (1200.0 + 900, 8.4)]
    assert explains(2100.0, 8.0, later, [DOOR], []) == [DOOR]
    earlier = Opening(60.0, 120.0)
    calm = [(0.0, 5.0), *WARM[1:]]
    assert explains(1100.0, 8.0, calm, [DOOR, earlier], []) == [earlier, DOOR]


@pytest.mark.parametrize(
    ("points", "doors", "other"),
    [
        (WARM, [], []),
        (WARM, [Opening(1101.0, 1400.0)], []),
        (WARM, [Opening(1060.0, 1090.0)], []),
        (WARM, [Opening(0.0, 199.0)], []),
        (WARM, [DOOR], [(0.0, 5000.0)]),
        (WARM, [DOOR], [(100.0, 200.0)]),
        (WARM[3:], [DOOR], []),
        ([(0.0, 8.2), (590.0, 8.1), (1100.0, 8.4)], [DOOR], []),
        ([(0.0, 4.0), (590.0, 7.5), (1100.0, 8.4)], [DOOR], []),
        (WARM[:4], [DOOR], []),
    ],
    ids=["no door", "after", "too short", "long ago", "fault", "mains before", "no reading before", "was out",
         "was rising", "no reading outside"],
)  # fmt: skip
def test_tel_10_what_may_have_another_cause_is_not_called_door_caused(
    points: list[tuple[float, float]], doors: list[Opening], other: list[tuple[float, float]]
) -> None:
    """A door that opened later, for seconds, or long before; a fault or lost mains; a probe already on its way out."""
    assert explains(1100.0, 8.0, points, doors, other) == []


@given(st.floats(-40, 55), st.floats(1, 100))
def test_pwr_05_at_its_dew_point_air_would_be_saturated(air_c: float, humidity_pct: float) -> None:
    """The vapour pressure at the dew point is that of the air: found by the formula run the other way."""

    def pressure(t: float) -> float:
        return 6.112 * exp(MAGNUS_A * t / (MAGNUS_B_C + t))

    dew = dew_point_c(air_c, humidity_pct)
    assert dew is not None
    assert dew <= air_c + 1e-9
    assert pressure(dew) == pytest.approx(pressure(air_c) * humidity_pct / 100, rel=1e-9)


@pytest.mark.parametrize(
    ("air_c", "humidity_pct", "dew_c"), [(20, 50, 9.3), (25, 60, 16.7), (10, 90, 8.4), (30, 80, 26.2)]
)
def test_pwr_05_the_dew_point_is_that_of_the_tables(air_c: float, humidity_pct: float, dew_c: float) -> None:
    """To a tenth of a degree."""
    assert dew_point_c(air_c, humidity_pct) == pytest.approx(dew_c, abs=0.1)


@pytest.mark.parametrize(
    ("air_c", "humidity_pct"), [(20, 0), (20, 101), (-46, 50), (61, 50), (float("nan"), 50), (20, float("nan"))]
)
def test_pwr_05_what_cannot_be_is_not_reckoned(air_c: float, humidity_pct: float) -> None:
    """No dew point is made up."""
    assert dew_point_c(air_c, humidity_pct) is None


@given(st.floats(0, 20), st.booleans())
def test_pwr_05_the_risk_begins_near_and_ends_clearly_apart(margin_k: float, was: bool) -> None:
    """Below 2 K always, above 3 K never, between as before."""
    wanted = True if margin_k < RISK_K else False if margin_k >= SAFE_K else was
    assert is_condensing(margin_k, was=was) is wanted
