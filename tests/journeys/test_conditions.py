"""What is wrong at a site, read from its view alone: nothing is invented, and silence ends nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from waystation.alarms.rules.conditions import Condition
from waystation.console.candidates import clocks
from waystation.journeys.conditions import HUMID_PCT, Place, conditions, dark_since
from waystation.journeys.limits import limit_of
from waystation.journeys.outlook import Outlook
from waystation.telemetry.views import OpenExcursion, SensorView, SiteView, SpaceView

SITE, SPACE, PROBE = (UUID(int=n) for n in (1, 2, 3))
PLACE = Place("Córdoba, Levante", "Europe/Madrid", {SPACE: 9})
MIN = timedelta(minutes=1)
MADRID = ZoneInfo("Europe/Madrid")


def sensor(quantity: str = "temperature", value: float | None = 5.0, **changes: Any) -> SensorView:
    """A probe that judges, heard a minute ago; another quantity judges nothing."""
    is_probe = quantity == "temperature"
    one = SensorView(
        PROBE if is_probe else UUID(bytes=quantity.ljust(16)[:16].encode()), f"c.{quantity}", quantity, quantity,
        "product" if is_probe else "", "degC", SPACE, None, 900.0, is_probe, "", START - MIN, value,
        START - 5 * MIN, 0.0 if is_probe else None, 0.0, False, "", None, START + timedelta(days=90),
    )  # fmt: skip
    return replace(one, **changes)


def a_space(*sensors: SensorView, **changes: Any) -> SpaceView:
    """A fridge from 2 to 8 °C."""
    held = sensors or (sensor(),)
    one = SpaceView(SPACE, "fridge-2", "Fridge 2", "fridge", SITE, 2.0, 8.0, 3600, {}, held, (), False, None)
    return replace(one, **changes)


def a_view(*spaces: SpaceView, sensors: Sequence[SensorView] = (), **changes: Any) -> SiteView:
    """A site that was heard a minute ago."""
    return replace(SiteView(SITE, START, START - MIN, False, 900.0, spaces, tuple(sensors)), **changes)


def found(view: SiteView, standing: dict[tuple[str, UUID], datetime] | None = None) -> dict[str, Condition]:
    """The conditions by rule; `recent` repeats the newest value of the probe."""
    said = {s.code: s for space in view.spaces for s in space.sensors}
    now = START.timestamp()

    def recent(code: str) -> list[tuple[float, float]]:
        value = said[code].value
        return [] if value is None else [(now - 60.0 * n, value) for n in range(30, 0, -1)]

    return {c.rule: c for c in conditions(view, PLACE, recent, standing or {}, START)}


def out(direction: str = "high", minutes: int = 14) -> OpenExcursion:
    """An excursion that still runs."""
    limit, peak = (8.0, 9.1) if direction == "high" else (2.0, 0.4)
    return OpenExcursion(UUID(int=9), PROBE, direction, limit, START - minutes * MIN, peak, minutes * 60.0, 0.0, "")


def test_a_good_day_has_no_condition() -> None:
    """In range, steady, heard."""
    assert found(a_view(a_space(sensor(), sensor("door", 0.0), sensor("compressor_fault", 0.0)))) == {}


@given(st.sampled_from(["high", "low"]), st.booleans(), st.booleans(), st.sampled_from(["", "frozen", "implausible"]))
def test_an_open_excursion_is_always_told(direction: str, silent: bool, dark: bool, doubt: str) -> None:
    """Whatever is silent, dark or in doubt beside it, with the side and the instant at which it began."""
    probe = sensor(value=9.0 if direction == "high" else 0.5, is_silent=silent, doubt=doubt, doubt_since=START - MIN)
    told = found(a_view(a_space(probe, excursions=(out(direction),)), is_dark=dark))
    assert told["excursion"].started_at == START - 14 * MIN
    assert told["excursion"].facts["side"] == direction
    assert told["excursion"].facts["lots"] == 9
    if doubt:
        assert "measurement_in_doubt" in told


def test_a_dark_site_is_one_condition_from_when_it_should_have_been_heard() -> None:
    """Silent probes of a dark site are its consequence; a space that was in danger keeps its own alarm."""
    quiet = a_view(a_space(sensor(is_silent=True)), is_dark=True, newest_at=START - 30 * MIN)
    assert set(found(quiet)) == {"site_unreachable"}
    assert found(quiet)["site_unreachable"].started_at == dark_since(quiet) == START - 15 * MIN
    assert found(quiet)["site_unreachable"].from_missing_data
    warm = sensor(is_silent=True, trend_per_h=1.2, beyond_usual_c=0.6, value=6.3)
    assert "worst_case_limit" in found(replace(quiet, spaces=(a_space(warm),)))
    failed = a_space(sensor(is_silent=True), sensor("compressor_fault", 1.0))
    assert "worst_case_limit" in found(replace(quiet, spaces=(failed,)))
    unpowered = sensor("power", 0.0, is_silent=True)
    assert {"worst_case_limit", "power_lost"} <= set(found(replace(quiet, sensors=(unpowered,))))


def test_a_probe_that_is_silent_at_a_site_that_speaks_is_told_apart() -> None:
    """From the end of its hold; its site said something since."""
    lost = sensor(is_silent=True, last_at=START - 40 * MIN)
    told = found(a_view(a_space(lost)))
    assert set(told) == {"sensor_silent"}
    assert told["sensor_silent"].started_at == START - 25 * MIN
    assert told["sensor_silent"].object_id == PROBE


def test_a_rise_begins_with_a_trend_and_stays_while_it_is_silent() -> None:
    """Fast and unusual begins it; silence keeps it with its first instant; steady again ends it."""
    fast = sensor(value=6.4, trend_per_h=0.9, beyond_usual_c=0.4)
    began = found(a_view(a_space(fast)))["rising"]
    assert began.worst_case_at is not None
    was = {("rising", SPACE): START - 20 * MIN}
    silent = replace(fast, is_silent=True, last_at=START - 40 * MIN)
    assert found(a_view(a_space(silent)), was)["rising"].started_at == START - 20 * MIN
    assert "rising" not in found(a_view(a_space(sensor(trend_per_h=0.1))), was)
    assert "rising" not in found(a_view(a_space(replace(fast, beyond_usual_c=0.1)))), "a usual cycle"


@given(st.floats(0, 100), st.booleans())
def test_humidity_has_a_deadband(percent: float, stands: bool) -> None:
    """Above 75 % it begins; once it stands it lasts down to 70 %."""
    was = {("humidity", SPACE): START - 60 * MIN} if stands else {}
    told = found(a_view(a_space(sensor(), sensor("humidity", percent))), was)
    assert ("humidity" in told) == (percent > (70.0 if stands else HUMID_PCT))


@pytest.mark.parametrize(("minutes", "is_told"), [(9, False), (10, True), (45, True)])
def test_a_door_is_told_when_it_stands_open_for_ten_minutes(minutes: int, is_told: bool) -> None:
    """Not before."""
    door = sensor("door", 1.0, since=START - minutes * MIN)
    assert ("door_open" in found(a_view(a_space(sensor(), door)))) == is_told


def test_a_hand_reading_that_is_due_is_told_when_it_is_late() -> None:
    """To the minute."""
    for due, is_late in ((START + MIN, False), (START, True)):
        told = found(a_view(a_space(is_unmonitored=True, hand_due_at=due)))
        assert ("hand_reading_missed" in told) == is_late


@given(st.floats(2.0, 8.0), st.floats(-2, 2))
def test_the_facts_name_the_nearer_limit_and_the_newest_value(value: float, trend: float) -> None:
    """What a message needs to be acted on alone."""
    view = a_view(a_space(sensor(value=value, trend_per_h=trend), sensor("compressor_fault", 1.0)))
    facts = found(view)["compressor_fault"].facts
    assert (facts["asset"], facts["location"], facts["value_c"]) == ("Fridge 2", "Córdoba, Levante", value)
    assert facts["limit_c"] in (2.0, 8.0)
    assert facts["trend_c_per_h"] == trend


def test_what_is_not_measured_is_assumed_and_says_so() -> None:
    """No ambient probe, no warm-up test: typical values under the word assumed, never under measured."""
    readings = [(START.timestamp() - 60.0 * n, 5.0) for n in range(30, 0, -1)]
    bare = limit_of(a_space(), lambda code: readings, START)
    said = {f.name: f.source for f in bare.figures}
    assert said["ambient"] == "assumed"
    assert said["time constant"] == "assumed"
    room = sensor("temperature", 24.0, role="ambient", judges=False, code="c.room")
    measured = limit_of(a_space(sensor(), room), lambda code: readings, START)
    assert {f.name: f.source for f in measured.figures}["ambient"] == "measured"
    silent = limit_of(a_space(sensor(), replace(room, is_silent=True)), lambda code: readings, START)
    assert {f.name: f.source for f in silent.figures}["ambient"] == "assumed", "a silent room is not measured"


def _first_clock(space: SpaceView) -> Any:
    value = space.sensors[0].value or 0.0
    readings = [(START.timestamp() - 60.0 * n, value) for n in range(30, 0, -1)]
    look = Outlook(space, limit_of(space, lambda code: readings, START), (), (), {})
    return clocks(look, None, None, MADRID, START)[0]


def test_a_limit_that_is_passed_is_said_with_what_is_measured() -> None:
    """How far beyond which limit for how long, and the value now; of a silent or doubtful probe no present value."""
    shown = _first_clock(a_space(sensor(value=9.1), excursions=(out(),)))
    assert (shown.length, shown.at, shown.late) == ("passed", None, True)
    assert shown.verdict.replace("\u00a0", " ") == "above 8.0 °C for 14 min, now 9.1 °C"
    cold = _first_clock(a_space(sensor(value=0.5), excursions=(out("low"),)))
    assert cold.verdict.replace("\u00a0", " ") == "below 2.0 °C for 14 min, now 0.5 °C"
    silent = _first_clock(a_space(sensor(value=9.1, is_silent=True), excursions=(out(),)))
    assert silent.verdict.replace("\u00a0", " ") == "above 8.0 °C for 14 min, last 9.1 °C 1 min ago"
    doubted = _first_clock(a_space(sensor(value=9.1, doubt="frozen"), excursions=(out(),)))
    assert doubted.verdict.endswith("now unknown")


def cabinet(humidity_pct: float, air_c: float = 20.0, **changes: Any) -> SpaceView:
    """An edge cabinet: no product, no limits."""
    air = sensor(value=air_c, role="cabinet", judges=False)
    held = (air, sensor("humidity", humidity_pct, **changes))
    return a_space(*held, kind="cabinet", low_c=None, high_c=None)


def test_pwr_05_condensation_in_an_edge_cabinet_is_raised_from_temperature_and_humidity() -> None:
    """Near the dew point; it stays until it is clearly drier, through silence too; a fridge for product has none."""
    assert "condensation" in found(a_view(cabinet(92.0)))
    assert found(a_view(cabinet(92.0)))["condensation"].facts["margin_k"] < 2
    assert "condensation" not in found(a_view(cabinet(60.0)))
    was = {("condensation", SPACE): START - 30 * MIN}
    assert found(a_view(cabinet(85.0)), was)["condensation"].started_at == START - 30 * MIN
    assert "condensation" not in found(a_view(cabinet(85.0)))
    assert "condensation" in found(a_view(cabinet(50.0, is_silent=True)), was)
    assert "condensation" not in found(a_view(cabinet(50.0)), was)
    humid = a_space(sensor(), sensor("humidity", 99.0))
    assert "condensation" not in found(a_view(humid))


def without_mains(minutes: int, **generator: Any) -> list[SensorView]:
    """Mains lost so long ago, and what the generator says."""
    mains = sensor("power", 0.0, since=START - minutes * MIN)
    return [mains, sensor("generator", **{"value": 0.0, "last_at": START - MIN, **generator})]


def test_pwr_04_a_generator_that_does_not_start_is_a_condition_of_the_site_beside_a_space_that_rises() -> None:
    """Two minutes after the mains; not while it may still start, runs, or is silent."""
    warm = a_space(sensor(value=6.4, trend_per_h=1.5, beyond_usual_c=0.6))
    told = conditions(a_view(a_space(), sensors=without_mains(10)), PLACE, lambda _: [], {}, START)
    failed = [c for c in told if c.rule == "generator_failed"]
    assert [(c.object_kind, c.started_at) for c in failed] == [("site", START - 8 * MIN)]
    told = conditions(a_view(warm, sensors=without_mains(10)), PLACE, lambda _: [], {}, START)
    assert [c.object_kind for c in told if c.rule in ("generator_failed", "rising")] == ["site", "space"]
    for quiet in (without_mains(1), without_mains(10, value=1.0), without_mains(10, is_silent=True)):
        assert "generator_failed" not in found(a_view(warm, sensors=quiet))
    alone = [sensor("generator_fault", 1.0, since=START - 3 * MIN)]
    assert found(a_view(a_space(), sensors=alone))["generator_failed"].started_at == START - 3 * MIN
