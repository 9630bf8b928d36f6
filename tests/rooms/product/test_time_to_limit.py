"""The bound on product loss is never optimistic, never a number without a basis, and shows every input."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.product.rules import time_to_limit as t

NOW = datetime(2026, 11, 18, 2, 12, tzinfo=UTC)
AMBIENT = t.Band(22.0, 24.1, 26.0, "measured", "room probe")
TAU = t.Band(5 * 3600.0, 8 * 3600.0, 12 * 3600.0, "assumed", "load 60 % of full")
FRIDGE = t.Basis(2.0, 8.0, AMBIENT, TAU, accuracy_c=0.2, cooling="failed")


def at(minutes_ago: float, value_c: float, probe: str = "P1", proven: bool = True) -> t.Reading:
    return t.Reading(probe, NOW - timedelta(minutes=minutes_ago), value_c, proven)


def worst(found: t.TimeToLimit) -> float:
    return math.inf if found.worst.seconds is None else found.worst.seconds


def warm_up(start_c: float, drive_c: list[float], tau_s: float, low_c: float, high_c: float) -> float:
    """Seconds until a first-order body leaves (low, high); the drive changes every half hour, the last stays."""
    value, passed = start_c, 0.0
    for number, drive in enumerate(drive_c):
        last = number == len(drive_c) - 1
        for limit in (high_c, low_c):
            ahead = (drive - value) / (drive - limit) if drive != limit else 0.0
            if (limit - value) * (drive - limit) > 0 and ahead > 0:
                hit = tau_s * math.log(ahead)
                if last or hit <= 1800.0:
                    return passed + hit
        value = drive + (value - drive) * math.exp(-1800.0 / tau_s)
        passed += 1800.0
    return math.inf


@settings(max_examples=300, deadline=None)
@given(
    st.floats(2.3, 7.7),
    st.floats(-1, 1),
    st.lists(st.floats(0, 1), min_size=1, max_size=6),
    st.floats(0, 1),
    st.floats(-30, 40),
    st.floats(0, 15),
    st.floats(600, 90_000),
    st.floats(1, 5),
    st.floats(0, 300),
    st.lists(st.floats(-2, 2), max_size=6),
)
def test_jnt_03_the_worst_case_is_never_later_than_any_warm_up_inside_the_stated_uncertainty(
    value_c: float,
    error: float,
    drive: list[float],
    where_tau: float,
    ambient_low: float,
    ambient_width: float,
    tau_low: float,
    tau_ratio: float,
    silent_min: float,
    history: list[float],
) -> None:
    """Any true start, surroundings (also changing) and time constant within the bands, in light or dark."""
    ambient = t.Band(ambient_low, ambient_low + ambient_width / 2, ambient_low + ambient_width, "assumed")
    tau = t.Band(tau_low, tau_low * (1 + tau_ratio) / 2, tau_low * tau_ratio, "assumed")
    basis = t.Basis(2.0, 8.0, ambient, tau, accuracy_c=0.2)
    readings = [at(silent_min + 10 * (n + 1), value_c + h) for n, h in enumerate(history)] + [at(silent_min, value_c)]
    found = t.time_to_limit(readings, basis, NOW)
    drives = [ambient.low + d * ambient_width for d in drive]
    true_s = warm_up(value_c + 0.2 * error, drives, tau.low + where_tau * (tau.high - tau.low), 2.0, 8.0)
    assert worst(found) <= max(0.0, true_s - silent_min * 60) + 1e-3
    likely = math.inf if found.likely.seconds is None else found.likely.seconds
    assert worst(found) <= likely


@settings(deadline=None)
@given(st.floats(2.5, 7.5), st.floats(0, 600), st.floats(0, 600))
def test_jnt_03_silence_never_moves_the_worst_instant(value_c: float, first: float, later: float) -> None:
    """In the dark the bound stays at the same instant and the time left runs down to nothing."""
    reading = [t.Reading("P1", NOW, value_c)]
    a = t.time_to_limit(reading, FRIDGE, NOW + timedelta(minutes=first))
    b = t.time_to_limit(reading, FRIDGE, NOW + timedelta(minutes=first + later))
    assert abs(worst(b) - max(0.0, worst(a) - later * 60)) < 1e-3
    if first + later > 15:
        assert b.dark_since == NOW


@settings(deadline=None)
@given(st.floats(2.5, 7.5), st.floats(0, 3), st.floats(0, 0.9))
def test_jnt_03_more_doubt_never_gives_more_time(value_c: float, warmer: float, faster: float) -> None:
    """A wider band of surroundings or time constants is never more optimistic; nor is one more probe."""
    narrow = t.time_to_limit([at(1, value_c)], FRIDGE, NOW)
    wide = replace(
        FRIDGE,
        ambient_c=t.Band(22.0, 24.1, 26.0 + warmer, "assumed"),
        time_constant_s=t.Band(TAU.low * (1 - faster), TAU.likely, TAU.high, "assumed"),
    )
    assert worst(t.time_to_limit([at(1, value_c)], wide, NOW)) <= worst(narrow)
    assert worst(t.time_to_limit([at(1, value_c), at(1, 5.0, "P2")], FRIDGE, NOW)) <= worst(narrow)


def test_jnt_03_the_incident_page_shows_worst_before_likely_with_every_source() -> None:
    """6.4 °C rising 0.9 °C/h: a worst case near an hour and a half, a likely one later, inputs named."""
    readings = [at(m, 6.4 - 0.9 * m / 60) for m in range(0, 90, 5)]
    found = t.time_to_limit(readings, FRIDGE, NOW)
    assert found.worst.seconds is not None
    assert found.likely.seconds is not None
    assert 20 * 60 < found.worst.seconds < found.likely.seconds < 3 * 3600
    assert found.worst.at == NOW + timedelta(seconds=found.worst.seconds)
    assert (found.probe, found.side) == ("P1", "high")
    assert [(f.name, f.source) for f in found.figures] == [
        ("P1 reading", "measured"),
        ("P1 trend", "measured"),
        ("ambient", "measured"),
        ("time constant", "assumed"),
        ("probe accuracy", "assumed"),
    ]
    assert found.figures[1].value == 0.9
    assert "load 60 %" in found.figures[3].words()


def test_a_measured_slope_steeper_than_the_model_rules() -> None:
    """Something warms the space faster than its surroundings could: the slope counts."""
    cool = replace(FRIDGE, ambient_c=t.Band(5.0, 6.0, 7.0, "assumed"))
    flat = t.time_to_limit([at(30, 5.0), at(15, 5.0), at(0, 5.0)], cool, NOW)
    assert flat.worst.state == "not_reached"
    rising = t.time_to_limit([at(30, 4.0), at(15, 4.5), at(0, 5.0)], cool, NOW)
    assert rising.worst.seconds == pytest.approx(2.8 / 2.0 * 3600)


def test_both_sides_are_bounded() -> None:
    """A circuit stuck on freezes the product; frost outside does too."""
    stuck = replace(FRIDGE, ambient_c=t.Band(5.0, 6.0, 7.0, "assumed"), cold_source_c=t.Band(-15, -12, -10, "assumed"))
    found = t.time_to_limit([at(0, 3.0)], stuck, NOW)
    assert found.side == "low"
    assert found.worst.seconds == pytest.approx(TAU.low * math.log(17.8 / 17.0))
    frost = replace(FRIDGE, ambient_c=t.Band(-20.0, -10.0, 0.0, "reported"))
    assert t.time_to_limit([at(0, 5.0)], frost, NOW).side == "low"


@pytest.mark.parametrize(
    ("readings", "basis", "words"),
    [
        ([], FRIDGE, "no proven reading"),
        ([at(5, 5.0, proven=False)], FRIDGE, "no proven reading"),
        ([at(-5, 5.0)], FRIDGE, "no proven reading"),
        ([at(5, float("nan"))], FRIDGE, "no proven reading"),
        ([at(5, 5.0)], replace(FRIDGE, ambient_c=None), "no temperature of the surroundings"),
        ([at(5, 5.0)], replace(FRIDGE, time_constant_s=None), "no thermal time constant"),
        ([at(5, 5.0)], replace(FRIDGE, low_c=None, high_c=None), "no limit"),
    ],
)
def test_jnt_03_without_a_basis_the_answer_is_unknown_with_the_reason(
    readings: list[t.Reading], basis: t.Basis, words: str
) -> None:
    """Never a number."""
    found = t.time_to_limit(readings, basis, NOW)
    assert (found.worst.state, found.likely.state) == ("unknown", "unknown")
    assert (found.worst.seconds, found.worst.at) == (None, None)
    assert words in found.worst.reason


def test_already_out_is_zero_even_without_a_basis() -> None:
    """A reading outside the profile needs no model; which side is said."""
    bare = replace(FRIDGE, ambient_c=None, time_constant_s=None)
    hot = t.time_to_limit([at(1, 9.1), at(1, 5.0, "P0")], bare, NOW)
    assert (hot.worst.seconds, hot.likely.seconds, hot.side, hot.probe) == (0.0, 0.0, "high", "P1")
    assert t.time_to_limit([at(1, 1.9)], bare, NOW).side == "low"
    assert "9.1 °C" in hot.worst.reason


def test_a_doubtful_reading_outside_makes_the_worst_case_now_and_leaves_the_likely_case() -> None:
    """Doubt is shown; a later proven reading inside takes it back."""
    found = t.time_to_limit([at(10, 5.0), at(5, 12.0, proven=False)], FRIDGE, NOW)
    assert found.worst.seconds == 0.0
    assert found.worst.reason.startswith("in doubt")
    assert (found.likely.seconds or 0) > 3600
    assert worst(t.time_to_limit([at(10, 5.0), at(5, 12.0, proven=False), at(1, 5.0)], FRIDGE, NOW)) > 0
    blind = t.time_to_limit([at(5, 12.0, proven=False)], FRIDGE, NOW)
    assert (blind.worst.seconds, blind.likely.state) == (0.0, "unknown")


def test_a_space_dark_for_long_may_already_be_out_and_says_so() -> None:
    """The last value is not the present value."""
    found = t.time_to_limit([at(600, 5.0)], FRIDGE, NOW)
    assert found.worst.seconds == 0.0
    assert found.worst.reason == "P1 may already be past the high limit; no proven reading for 10 h"


def test_working_cooling_changes_the_likely_case_only() -> None:
    """In the worst case it stops at the last reading."""
    on = t.time_to_limit([at(0, 5.0)], replace(FRIDGE, cooling="working"), NOW)
    off = t.time_to_limit([at(0, 5.0)], FRIDGE, NOW)
    assert on.likely.state == "not_reached"
    assert on.worst == off.worst
    assert off.likely.state == "known"


@pytest.mark.parametrize("band", [(3.0, 2.0, 4.0), (1.0, 5.0, 4.0), (float("-inf"), 0.0, 1.0)])
def test_a_band_out_of_order_is_refused(band: tuple[float, float, float]) -> None:
    """Lowest, likely, highest."""
    with pytest.raises(BadInput):
        t.Band(*band, "assumed")


@given(
    st.lists(
        st.builds(
            t.Reading,
            st.sampled_from(["P1", "P2"]),
            st.integers(-60, 600).map(lambda m: NOW - timedelta(minutes=m)),
            st.floats(-5, 15),
            st.booleans(),
        ),
        max_size=12,
    ),
    st.sampled_from(
        [FRIDGE, replace(FRIDGE, ambient_c=None), replace(FRIDGE, low_c=None), replace(FRIDGE, cooling="working")]
    ),
    st.randoms(),
)
def test_jnt_03_the_answer_is_whole_whatever_was_read(readings: list[t.Reading], basis: t.Basis, rng: object) -> None:
    """Numbers and instants together or not at all, worst before likely, the same in any order of arrival."""
    found = t.time_to_limit(readings, basis, NOW)
    for estimate in (found.worst, found.likely):
        assert (estimate.seconds is None) == (estimate.at is None) == (estimate.state != "known")
        assert estimate.reason
        if estimate.seconds is not None:
            assert estimate.seconds >= 0
            assert estimate.at == NOW + timedelta(seconds=estimate.seconds)
    if found.likely.state == "known" and found.worst.state != "unknown":
        assert worst(found) <= (found.likely.seconds or 0)
    mixed = sorted(readings, key=lambda r: (r.at, r.probe))
    keys = [(r.at, r.probe) for r in readings]
    if len(set(keys)) == len(keys):
        rng.shuffle(mixed)  # type: ignore[attr-defined]
        assert t.time_to_limit(mixed, basis, NOW) == found


@given(st.lists(st.tuples(st.integers(0, 300), st.floats(2.0, 8.0)), min_size=1, max_size=10), st.floats(8.1, 20))
def test_qal_04_any_judging_probe_out_makes_the_space_out(inside: list[tuple[int, float]], out_c: float) -> None:
    """No averaging: nine probes inside do not hide the tenth."""
    readings = [at(minutes, value, f"P{n}") for n, (minutes, value) in enumerate(inside)]
    found = t.time_to_limit([*readings, at(1, out_c, "P99")], FRIDGE, NOW)
    assert (found.worst.seconds, found.likely.seconds, found.probe) == (0.0, 0.0, "P99")


def test_a_freezer_has_one_limit_and_the_low_side_is_free() -> None:
    """Colder than needed is no excursion where the profile has no lower limit."""
    freezer = replace(FRIDGE, low_c=None, high_c=-15.0)
    found = t.time_to_limit([at(0, -40.0)], freezer, NOW)
    assert found.side == "high"
    assert found.worst.seconds == pytest.approx(TAU.low * math.log((26.0 + 39.8) / 41.0))
    assert t.time_to_limit([at(0, -90.0)], freezer, NOW).worst.state == "known"


def test_every_input_of_the_bound_is_listed_with_its_source() -> None:
    """Also the cold source; a probe's age is said."""
    basis = replace(FRIDGE, cold_source_c=t.Band(-15, -12, -10, "reported", "data sheet"))
    found = t.time_to_limit([at(51, 5.9, "P2"), at(3, 5.0)], basis, NOW)
    words = [f.words() for f in found.figures]
    assert words[0] == "P1 reading 5 °C, measured (3 min ago)"
    assert words[1] == "P2 reading 5.9 °C, measured (51 min ago)"
    assert words[2] == "ambient 24.1 °C, measured (22 to 26 °C, room probe)"
    assert words[4] == "cold source -12 °C, reported (-15 to -10 °C, data sheet)"
