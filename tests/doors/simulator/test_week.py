"""Hours as the product keeps them mean what the network's document says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.conftest import ROOT
from waystation.simulator import stock
from waystation.simulator.network import load
from waystation.simulator.people import people_of
from waystation.simulator.week import DAYS, clock_text, hours_record, record_of, spans_of

IBERIA = load(ROOT / "scenarios" / "iberia" / "network.json")


def test_a_week_becomes_a_record_of_days_and_times() -> None:
    """Days by name; a night shift closes on the next day; the whole week is `always`."""
    assert hours_record("Europe/Madrid", ((0, 480, 1080), (4, 1080, 1800))) == {
        "zone": "Europe/Madrid",
        "week": {"mon": [["08:00", "18:00"]], "fri": [["18:00", "06:00"]]},
    }
    assert hours_record("Europe/Lisbon", tuple((d, 0, 1440) for d in range(7))) == {
        "zone": "Europe/Lisbon",
        "always": True,
    }
    assert record_of({}) == {}


@pytest.mark.parametrize(("minute", "text"), [(0, "00:00"), (450, "07:30"), (1440, "24:00")])
def test_times_of_the_day_are_written_in_full(minute: int, text: str) -> None:
    """Two digits each."""
    assert clock_text(minute) == text


def test_records_of_shifts_hold_when_the_person_is_on_shift() -> None:
    """At every half hour of a week the record and the simulated person agree."""
    monday = datetime(2026, 11, 16, tzinfo=UTC)
    for raw in IBERIA.raw["people"]:
        person = people_of([raw])[raw["code"]]
        record = hours_record(raw["zone"], spans_of(raw["shifts"]))
        offset_h = 0 if raw["zone"] == "Europe/Lisbon" else 1  # winter time
        for step in range(336):
            local = monday + timedelta(minutes=30 * step)
            assert person.is_on_shift(local - timedelta(hours=offset_h)) is _is_open(record, local), raw["code"]


def _is_open(record: dict[str, object], local: datetime) -> bool:
    """Told from the record's words alone."""
    if record.get("always"):
        return True
    week = record["week"]
    assert isinstance(week, dict)
    now, today, yesterday = f"{local:%H:%M}", DAYS[local.weekday()], DAYS[local.weekday() - 1]
    by_day = any(a <= now < b or (b <= a and now >= a) for a, b in week.get(today, []))
    return by_day or any(b <= a and now < b for a, b in week.get(yesterday, []))


def test_hubs_say_staffing_and_pickups_as_records() -> None:
    """Sevilla is always staffed; its courier comes twice a day from Monday to Saturday."""
    sevilla = next(h for h in stock.hubs(IBERIA.raw) if h.code == "sevilla")
    assert sevilla.staffing == {"zone": "Europe/Madrid", "always": True}
    assert len(sevilla.pickups) == 12
    assert sevilla.pickups[0] == {"courier": "correvia", "weekday": "mon", "at": "07:30"}


def test_lanes_and_rules_are_told_as_they_are_recorded() -> None:
    """Quantiles in seconds, rising; terms name what the site must run."""
    for lane in stock.lanes(IBERIA.raw):
        seconds = [value for _, value in lane.quantiles]
        assert seconds == sorted(seconds)
        assert [p for p, _ in lane.quantiles] == [0.1, 0.5, 0.9]
    rule = stock.interchangeable(IBERIA.raw)[0]
    assert rule.terms["requires"] == {"gateway": ["4.2", ""]}
    assert rule.terms["kit_lines"] == ["HRN-12"]
