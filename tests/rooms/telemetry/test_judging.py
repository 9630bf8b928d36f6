"""Judging files as sensors of one space: period, clocks, doubts, days."""

from __future__ import annotations

from datetime import date
from zoneinfo import ZoneInfo

import pytest

from waystation.kernel.refusals import BadInput
from waystation.telemetry.judging import Source, judge_files
from waystation.telemetry.ports import DeviceDay, LoggerFile, RowError, TimeBasis
from waystation.telemetry.rules.profile import Profile
from waystation.telemetry.rules.series import Reading

VACCINE = Profile("vaccine", 2.0, 8.0)
DAY = 86400.0


def source(
    name: str,
    readings: list[tuple[float, float | None]],
    basis: TimeBasis = "offset",
    errors: tuple[RowError, ...] = (),
    days: tuple[DeviceDay, ...] = (),
) -> Source:
    """A file that holds these readings."""
    rows = [Reading(*r) for r in readings]
    file = LoggerFile("test", rows, len(rows) + len(errors), errors, time_basis=basis, device_days=days)
    return Source(name, name * 64, file)


def test_the_period_runs_from_the_first_to_the_last_reading_of_all_files() -> None:
    """A sensor that starts later leaves the space unproven until then."""
    judged = judge_files([source("a", [(0, 5.0), (600, 5.0)]), source("b", [(300, 5.0), (600, 5.0)])], VACCINE)
    assert (judged.space.from_s, judged.space.to_s) == (0, 600)
    assert (judged.verdict, judged.space.in_range_s, judged.space.not_proven_s) == ("not_proven", 300, 300)
    assert judged.is_conditional


def test_a_refused_row_with_an_excursion_keeps_a_period_from_being_proven() -> None:
    """Its time is unknown, its value is not forgotten."""
    rows = [(0.0, 5.0), (600.0, 5.0)]
    harmless = judge_files([source("a", rows, errors=(RowError(3, "time is empty", 5.0),))], VACCINE)
    assert harmless.verdict == "in_range_proven"
    judged = judge_files([source("a", rows, errors=(RowError(3, "time is empty", 12.0),))], VACCINE)
    assert judged.verdict == "not_proven"
    assert "12\u00a0°C" in judged.notes[0]
    assert "line 3" in judged.notes[0]


def test_a_devices_own_record_of_an_excursion_is_never_hidden() -> None:
    """The device samples between its readings; its daily maximum counts as doubt."""
    rows = [(0.0, 5.0), (600.0, 5.0)]
    days = (DeviceDay(date(1970, 1, 1), 4.0, 20.8),)
    judged = judge_files([source("a", rows, "device_local", days=days)], VACCINE)
    assert judged.verdict == "not_proven"
    assert "20.8" in judged.notes[0]


def test_a_file_without_usable_readings_is_refused_unless_a_period_is_given() -> None:
    """With a period it is one gap."""
    silent = source("a", [(0, None), (600, float("nan"))])
    with pytest.raises(BadInput, match="no usable reading"):
        judge_files([silent], VACCINE)
    judged = judge_files([silent], VACCINE, 0.0, DAY)
    assert judged.verdict == "not_proven"
    assert [(g.start_s, g.end_s) for g in judged.space.sensors[0].gaps] == [(0, DAY)]
    empty = source("d", [], "device_local", days=(DeviceDay(date(2023, 4, 17), 2.3, 20.8),))
    with pytest.raises(BadInput, match="daily records"):
        judge_files([empty], VACCINE)


def test_clocks_that_do_not_compare_are_refused() -> None:
    """Device local time beside UTC."""
    with pytest.raises(BadInput, match="device local time"):
        judge_files([source("a", [(0, 5.0)], "device_local"), source("b", [(0, 5.0)])], VACCINE)


def test_a_period_without_length_is_refused() -> None:
    """Both ends are shown."""
    with pytest.raises(BadInput, match="period would run"):
        judge_files([source("a", [(0, 5.0), (600, 5.0)])], VACCINE, 900.0)


def test_days_are_cut_at_local_midnight() -> None:
    """Minutes go to the day they lie in, extremes to the day of the reading."""
    rows = [(DAY - 600.0, 9.0), (DAY + 600.0, 1.0), (DAY + 1200.0, 5.0)]
    first, second = judge_files([source("a", rows)], Profile("p", 2.0, 8.0, max_hold_s=1200.0)).days
    assert (first.above_s, first.below_s, first.min_c, first.max_c, first.readings) == (600, 0, 9.0, 9.0, 1)
    assert (second.above_s, second.below_s, second.min_c, second.max_c) == (600, 600, 1.0, 5.0)
    assert second.mean_c == pytest.approx((9.0 * 600 + 1.0 * 600) / 1200)


def test_a_day_without_readings_still_has_its_row() -> None:
    """Silence is shown, in the zone that was asked for."""
    judged = judge_files([source("a", [(0, 5.0), (3 * DAY, 5.0)])], VACCINE, zone=ZoneInfo("Europe/Madrid"))
    assert [(d.date.day, d.min_c) for d in judged.days] == [(1, 5.0), (2, None), (3, None), (4, 5.0)]


def test_the_same_bytes_twice_are_told() -> None:
    """Two names for one sensor are not two sensors."""
    one = source("a", [(0, 5.0), (600, 5.0)])
    judged = judge_files([one, Source("b", one.sha256, one.file)], VACCINE)
    assert any("same bytes" in note for note in judged.notes)
