"""Limits from the centre count in place of the file's, also without the centre; what cannot be used changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.edge.stage import HOT_C, PROBE, SECOND, Site, a_watch
from waystation.edge.judge import Judge, SensorJudge
from waystation.edge.limits import NAME, Limits
from waystation.edge.ports import Sample
from waystation.telemetry.rules.limits import digest_of
from waystation.telemetry.rules.profile import Profile


def told(*rows: dict[str, Any]) -> dict[str, Any]:
    """Limits as the centre tells them."""
    return {"digest": digest_of(rows), "sensors": list(rows)}


def a_row(code: str = PROBE, low: float = -25.0, high: float = -15.0, **more: Any) -> dict[str, Any]:
    """A freezer's."""
    return {"code": code, "name": "F", "low": low, "high": high, "delay_s": 60.0, "hold_s": 900.0, "rules": []} | more


def rules_of(site: Site) -> set[tuple[str, str]]:
    """What sounds or stands at the site, by sensor and rule."""
    return set(site.agent.alarm.standing)


def test_tel_03_a_new_edition_is_judged_at_the_site_within_a_heartbeat(tmp_path: Path) -> None:
    """5 degC is in range by the file and warm by the centre's edition; the note and the heartbeat say by what."""
    site = Site(tmp_path)
    site.live(20)
    assert not rules_of(site)
    site.centre.limits = told(a_row(edition="frozen, edition 3"))
    site.live(10)
    assert rules_of(site) == {(PROBE, "excursion")}
    (note,) = site.centre.notes("limits_taken")
    assert (note["digest"], note["sensors"]) == (site.centre.limits["digest"], 1)
    state = [d["state"] for _, d in site.centre.got if "state" in d][-1]
    assert (state["limits"], state["judged"]) == (site.centre.limits["digest"], "frozen, edition 3")
    assert site.agent.judge.sensors[SECOND].watch == a_watch(SECOND), "the file counts where the centre says nothing"


def test_tel_12_without_the_centre_the_next_boot_judges_by_what_it_last_told(tmp_path: Path) -> None:
    """Also after a power cut; the file's limits count again once what was kept is lost."""
    site = Site(tmp_path)
    site.centre.limits = told(a_row())
    site.live(5)
    site.cut()
    site.crash()
    site.boot()
    assert site.agent.judge.sensors[PROBE].watch.profile.high_c == -15.0
    site.live(20)
    assert (PROBE, "excursion") in rules_of(site)
    site.crash()
    for spoilt in ("", '{"digest": "x", "sensors": []}', '{"sensors": 3}', "[]"):
        (tmp_path / NAME).write_text(spoilt)
        site.boot()
        assert site.agent.judge.sensors[PROBE].watch == a_watch()
        site.crash()
    site.boot()


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({"digest": "0" * 64, "sensors": [a_row()]}, "not those that their digest names"),
        (told(a_row(low=9.0, high=2.0)), "is above high"),
        (told(a_row(hold_s=0)), "is not above 0"),
        (told(a_row(colour="red")), "is not known"),
        ({"digest": "1" * 64, "sensors": "all"}, "no list of sensors"),
    ],
)
def test_tel_03_limits_that_cannot_be_used_are_refused_once_and_change_nothing(
    tmp_path: Path, limits: dict[str, Any], words: str
) -> None:
    """The centre is told why; a right edition after it is taken."""
    site = Site(tmp_path)
    site.centre.limits = limits
    site.live(30)
    (note,) = site.centre.notes("limits_refused")
    assert words in note["cause"]
    assert site.agent.judge.sensors[PROBE].watch == a_watch()
    assert not (tmp_path / NAME).exists()
    site.centre.limits = told(a_row(low=0.0, high=9.0))
    site.live(5)
    assert site.agent.judge.sensors[PROBE].watch.profile.high_c == 9.0


def test_tel_03_a_folder_that_takes_nothing_stops_no_judging(tmp_path: Path) -> None:
    """The limits count from memory, and the note says that they are not kept."""
    (tmp_path / "gone").write_text("a file in the place of the folder")
    limits = Limits(tmp_path / "gone", (a_watch(),))
    note = limits.take(told(a_row()), 1)
    assert note is not None
    assert "not kept" in note["cause"]
    assert limits.watches[0].profile.high_c == -15.0
    assert limits.take(told(a_row()), 2) is None


@given(
    st.lists(st.tuples(st.integers(1, 300), st.none() | st.floats(-30, 30)), min_size=1, max_size=12),
    st.floats(-20, 5),
    st.floats(6, 25),
)
def test_tel_03_after_a_change_it_is_as_if_the_newest_reading_came_then(
    given_: list[tuple[int, float | None]], low: float, high: float
) -> None:
    """By limits that did not change nothing changes; by others an excursion that still is one keeps its begin, one that
    is none is gone, and silence goes on from the last reading.
    """
    judge, at_s = Judge((a_watch(),), 0.0), 0.0
    newest: tuple[float, float] | None = None
    for gap, value in given_:
        at_s += gap
        judge.take(Sample(PROBE, round(at_s * 1e6), value), at_s)
        newest = (at_s, value) if value is not None else newest
    before = judge.sensors[PROBE]
    run = before.open_run
    judge.replace((a_watch(),), at_s)
    assert judge.sensors[PROBE] is before
    judge.replace((a_watch(profile=Profile(PROBE, low, high)),), at_s)
    after: SensorJudge = judge.sensors[PROBE]
    assert after.value == before.value
    if newest is None:
        assert after.open_run is None
        return
    side = "high" if newest[1] > high else "low" if newest[1] < low else None
    same = run is not None and side == run[0]
    expected = None if side is None else (side, run[1] if same and run is not None else newest[0])
    assert after.open_run == expected
    silent = [f.since_s for f in after.findings(at_s + 5000.0) if f.rule == "silent"]
    assert silent == [newest[0]]


def test_tel_03_what_is_kept_is_what_was_told(tmp_path: Path) -> None:
    """Byte for byte the same rows, so that the digest holds in the next boot."""
    site = Site(tmp_path)
    site.centre.limits = told(
        a_row(rules=[{"id": "r", "op": ">", "limit_c": 8.0, "duration_s": 600, "mode": "single_event"}])
    )
    site.live(5)
    kept = json.loads((tmp_path / NAME).read_text())
    assert kept == site.centre.limits
    assert site.agent.judge.sensors[PROBE].watch.profile.rules[0].limit_c == 8.0
    site.probes.values[PROBE] = HOT_C
    site.live(5)
    assert (PROBE, "excursion") in rules_of(site)
