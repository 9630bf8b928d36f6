"""Records read into rules: hours, pick-ups, laws and compatibility terms; what cannot be read names its field."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.spares.rules import hours as h
from waystation.spares.rules import timetable as t
from waystation.spares.rules.compatibility import Range, Requirement

clock_minutes = st.integers(0, 1439)


def _text(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


@given(st.sampled_from(t.DAYS), clock_minutes, clock_minutes)
def test_hub_01_written_hours_are_the_hours_that_are_judged(day: str, opens: int, closes: int) -> None:
    """Any pair of times is one span; a closing at or before the opening is on the next day."""
    read = t.weekly({"week": {day: [[_text(opens), _text(closes)]]}}, "Europe/Madrid")
    assert read is not None
    assert [(s.weekday, s.opens_min) for s in read.spans] == [(t.DAYS.index(day), opens)]
    length = read.spans[0].closes_min - opens
    assert 0 < length <= h.DAY_MIN
    assert (opens + length - closes) % h.DAY_MIN == 0


def test_hub_01_nothing_written_is_unknown_and_always_is_always() -> None:
    """Silence is not an opening."""
    assert t.weekly({}, "UTC") is None
    assert t.weekly({"always": True}, "UTC") == h.always("UTC")
    dated = t.weekly(
        {"zone": "Europe/Madrid", "week": {"mon": [["08:00", "24:00"]]}, "except": {"2026-12-25": []}}, "UTC"
    )
    assert dated is not None
    assert (dated.zone, dated.spans[0].closes_min, dated.exceptions[0].on) == (
        "Europe/Madrid",
        1440,
        date(2026, 12, 25),
    )


@pytest.mark.parametrize(
    ("record", "field"),
    [
        ({"week": {"monday": []}}, "weekday"),
        ({"week": {"mon": [["8", "9"]]}}, "time"),
        ({"week": {"mon": [["08:00"]]}}, "hours"),
        ({"week": {"mon": 8}}, "hours"),
        ({"week": [1]}, "week"),
        ({"except": {"25 Dec": []}}, "date"),
        ({"week": {"mon": [["25:00", "26:00"]]}}, "time"),
        ({"zone": "Mars/Olympus", "always": True}, "zone"),
    ],
)
def test_hub_01_hours_that_cannot_be_read_name_their_field(record: dict[str, Any], field: str) -> None:
    """Never a traceback, never a silent default."""
    with pytest.raises(BadInput) as refused:
        t.weekly(record, "Europe/Madrid")
    assert refused.value.field == field


def test_hub_03_only_the_pickups_of_the_lanes_courier_count() -> None:
    """Another courier's van does not take the parcel."""
    moments = [
        {"courier": "seur", "weekday": "tue", "at": "17:30"},
        {"courier": "dhl", "weekday": "mon", "at": "09:00"},
        {"courier": "seur", "weekday": "mon", "at": "12:00"},
    ]
    read = t.pickups(moments, "seur", "Europe/Madrid")
    assert read.moments == ((0, 720), (1, 1050))
    assert h.next_pickup(read, datetime(2026, 11, 17, 10, tzinfo=UTC)) == datetime(2026, 11, 17, 16, 30, tzinfo=UTC)


def test_hub_03_a_law_is_read_or_refused() -> None:
    """Rising probabilities with seconds; words and holes are refused."""
    assert t.law([[0.5, 60], [0.9, 90]], "measured", "41 trips").at(0.9) == 90
    for quantiles in ([], [[0.5]], [["a", 1]], None, [[0.9, 1], [0.5, 2]]):
        with pytest.raises(BadInput):
            t.law(quantiles, "measured")  # type: ignore[arg-type]


def test_siz_14_terms_of_a_replacement_are_read_whole() -> None:
    """Everything that the rule can demand may stand in the record; what is left out is not demanded."""
    terms = {
        "revisions": ["B", "C"],
        "firmware": "4.2",
        "loadable": ["4.3"],
        "requires": {"gateway": ["4.2", ""]},
        "adapter": "M12-RJ45",
        "kit_lines": ["cable"],
        "condition": "two people lift it",
    }
    rule = t.rule("A", "B", terms)
    assert (rule.revisions, rule.firmware, rule.loadable) == (Range("B", "C"), Range("4.2"), Range("4.3"))
    assert rule.requires == (Requirement("gateway", Range("4.2")),)
    assert (rule.adapter, rule.kit_lines, rule.condition) == ("M12-RJ45", ("cable",), "two people lift it")
    assert t.rule("A", "B", {}) == t.group_rule("A", "B", {})


def test_siz_14_a_part_of_a_group_says_what_it_needs() -> None:
    """`firmware_min` bounds its own firmware, every other `_min` what the site runs."""
    rule = t.group_rule("A", "B", {"firmware_min": "2.0", "gateway_min": "4.2", "connector": "M12"})
    assert rule.firmware == Range("2.0")
    assert rule.requires == (Requirement("gateway", Range("4.2")),)
