"""Backup spaces: fitting, roomy and proven themselves, ranked by when the product stands in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.product.rules import moving as mv

NOW = datetime(2026, 11, 18, 2, 12, tzinfo=UTC)
LIMIT = NOW + timedelta(minutes=86)
LOAD = mv.Load(31.0, frozenset({"vaccines 2-8"}))


def backup(space: str, minutes: float, **more: object) -> mv.Backup:
    legs = (
        mv.Leg("pack", minutes * 15, minutes * 20, "measured", "4 earlier moves"),
        mv.Leg("travel", minutes * 10, minutes * 20, "reported"),
        mv.Leg("unpack", minutes * 15, minutes * 20, "assumed"),
    )
    base = mv.Backup(space, True, "vaccines 2-8", 38.0, "in_range_proven", "since 9 Nov", legs)
    return replace(base, **more)  # type: ignore[arg-type]


backups = st.builds(
    lambda name, minutes, profile, free, verdict, risk, wait: backup(
        name,
        minutes,
        profile=profile,
        free_litres=free,
        verdict=verdict,
        at_risk=risk,
        open_from=NOW + timedelta(minutes=wait),
    ),
    st.sampled_from(["Fridge 4", "Reina Sofía", "Clínica Sur"]),
    st.integers(1, 120),
    st.sampled_from(["vaccines 2-8", "vaccines 2-8", "frozen"]),
    st.none() | st.floats(0, 90),
    st.sampled_from(["in_range_proven", "in_range_proven", "not_proven", "out_of_range"]),
    st.booleans(),
    st.integers(-30, 60),
)


@settings(max_examples=200, deadline=None)
@given(st.lists(backups, max_size=6), st.none() | st.integers(1, 200))
def test_qal_03_no_backup_is_dropped_and_none_in_doubt_is_used(found: list[mv.Backup], limit: int | None) -> None:
    """Usable ones are proven, fitting and roomy, ordered by their worst instant; the rest give reasons."""
    limit_at = None if limit is None else NOW + timedelta(minutes=limit)
    moves = mv.rank(LOAD, found, NOW, limit_at)
    assert len(moves) == len(found)
    assert all(m.reason for m in moves)
    usable = [m for m in moves if m.outcome != "refused"]
    assert [m.outcome for m in moves].count("chosen") == bool(usable)
    assert [m.worst_at for m in usable] == sorted(m.worst_at for m in usable if m.worst_at)
    fit = [b for b in found if mv.refusal(LOAD, b) == ""]
    assert len(fit) == len(usable)
    for b in fit:
        assert b.verdict == "in_range_proven"
        assert not b.at_risk
        assert (b.free_litres or 0) >= 31
        assert b.profile == "vaccines 2-8"
    for move in usable:
        assert move.worst_at
        assert move.likely_at
        assert move.likely_at <= move.worst_at
        assert move.bars[0].start == NOW
        assert move.bars[-1].end == move.worst_at
        assert move.in_time == (limit_at is not None and move.worst_at < limit_at)


def test_qal_03_the_page_names_the_space_the_room_and_the_latest_start() -> None:
    """Fridge 4 takes all by 03:32; the hospital is slower; the dark clinic is refused."""
    dark = backup("Clínica Sur backup", 5, verdict="not_proven", state_words="no readings since 01:50")
    moves = mv.rank(LOAD, [dark, backup("Reina Sofía backup", 63, same_site=False), backup("Fridge 4", 20)], NOW, LIMIT)
    assert [(m.space, m.outcome) for m in moves] == [
        ("Fridge 4", "chosen"),
        ("Reina Sofía backup", "possible"),
        ("Clínica Sur backup", "refused"),
    ]
    assert moves[0].reason == ("Chosen: profile vaccines 2-8, room for 38 litres, 31 needed. In time by 1 h 06 min.")
    assert moves[0].start_by == LIMIT - timedelta(minutes=20)
    assert "Slower by 43 min. In time by 23 min." in moves[1].reason
    assert moves[2].reason == "Not proven itself: no readings since 01:50."
    assert [(f.name, f.source) for f in moves[0].figures] == [
        ("pack", "measured"),
        ("travel", "reported"),
        ("unpack", "assumed"),
    ]


@pytest.mark.parametrize(
    ("space", "words"),
    [
        (backup("x", 5, verdict="out_of_range", state_words="9.1 °C"), "Out of range itself: 9.1 °C."),
        (backup("x", 5, at_risk=True, state_words="limit within 2 h"), "At risk itself: limit within 2 h."),
        (backup("x", 5, profile="frozen"), "Profile frozen does not fit; accepted: vaccines 2-8."),
        (backup("x", 5, free_litres=20.0), "Room for 20 litres, 31 needed."),
        (backup("x", 5, free_litres=None), "Its free room is unknown; 31 litres needed."),
        (backup("x", 5, legs=()), "No time for the move is known."),
    ],
)
def test_qal_03_each_refusal_says_why(space: mv.Backup, words: str) -> None:
    """Its own state first, then profile, room and time."""
    move = mv.rank(LOAD, [space], NOW, LIMIT)[0]
    assert (move.outcome, move.reason, move.worst_at) == ("refused", words, None)


def test_qal_03_unknown_volume_or_limit_is_never_called_in_time() -> None:
    """Doubt is shown on both sides."""
    assert (
        mv.rank(mv.Load(None, LOAD.profiles), [backup("x", 5)], NOW, LIMIT)[0].reason
        == "The volume to move is unknown."
    )
    move = mv.rank(LOAD, [backup("x", 5)], NOW, None)[0]
    assert (move.in_time, move.start_by) == (False, None)
    assert move.reason.endswith("The limit is unknown.")
    late = mv.rank(LOAD, [backup("x", 90)], NOW, LIMIT)[0]
    assert late.reason.endswith("4 min too late.")


def test_qal_03_a_space_that_opens_later_waits_in_its_bar() -> None:
    """The bar starts with the wait."""
    move = mv.rank(LOAD, [backup("x", 10, open_from=NOW + timedelta(minutes=30))], NOW, LIMIT)[0]
    assert move.bars[0] == mv.Bar("wait", NOW, NOW + timedelta(minutes=30))
    assert move.worst_at == NOW + timedelta(minutes=40)
