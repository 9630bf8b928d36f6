"""Instants as people write them: an offset, a zone, or a refusal; never a guess."""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.kernel.instants import instants_of, read_instant
from waystation.kernel.refusals import BadInput

MADRID = ZoneInfo("Europe/Madrid")


@pytest.mark.parametrize("text", ["2026-11-18T02:12:00Z", " 2026-11-18t02:12:00z ", "2026-11-18T03:12+01:00"])
def test_an_offset_in_the_text_is_obeyed(text: str) -> None:
    assert read_instant(text, "from") == datetime(2026, 11, 18, 2, 12, tzinfo=UTC)


def test_an_offset_in_the_text_beats_the_zone() -> None:
    assert read_instant("2026-11-18T02:12Z", "from", zone=MADRID) == datetime(2026, 11, 18, 2, 12, tzinfo=UTC)


def test_wall_clock_time_is_read_in_the_zone() -> None:
    assert read_instant("2026-11-18T03:12", "from", zone=MADRID) == datetime(2026, 11, 18, 2, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("2026-10-25T02:30", "occurs twice"),
        ("2026-03-29T02:30", "does not exist"),
        ("yesterday", "is no time"),
        ("", "is no time"),
        ("2026-02-30T00:00Z", "is no time"),
    ],
)
def test_what_names_no_single_instant_is_refused_with_field_value_and_reason(text: str, why: str) -> None:
    with pytest.raises(BadInput, match=why) as refused:
        read_instant(text, "observed_at", zone=MADRID)
    assert (refused.value.field, refused.value.value) == ("observed_at", text)


def test_without_a_zone_an_offset_is_demanded() -> None:
    with pytest.raises(BadInput, match="names no offset"):
        read_instant("2026-11-18T02:12", "to")


@given(
    st.integers(631152000, 2840140800), st.sampled_from(["Europe/Madrid", "UTC", "Asia/Kolkata", "Australia/Lord_Howe"])
)
def test_an_instant_is_among_those_that_its_wall_clock_time_names(unix_s: int, name: str) -> None:
    wall = datetime.fromtimestamp(unix_s, ZoneInfo(name)).replace(tzinfo=None, fold=0)
    assert unix_s in instants_of(wall, ZoneInfo(name))
