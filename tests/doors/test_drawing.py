"""Small drawings: gaps are gaps, the verdict's height repeats its word, labels never cover each other."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.console.drawing.day_bar import row_bar, shares
from waystation.console.drawing.marks import DOTS, WIDTH, allowance_bar, event_line, outcome_dots, span_line
from waystation.console.drawing.scale import Scale, degrees, hours
from waystation.console.drawing.spark import spark
from waystation.console.drawing.verdict_bar import verdict_bar
from waystation.console.told import told
from waystation.incidents.queries import Moment
from waystation.telemetry.last_day import Day
from waystation.telemetry.rules.hours import HOUR_US, Sums

NOW = datetime(2026, 11, 18, 2, 12, tzinfo=UTC)
HOUR = 3600.0
steps = st.lists(st.floats(30, 4000), min_size=1, max_size=40)


@given(steps, st.floats(60, 1800))
def test_a_small_line_breaks_wherever_a_reading_no_longer_holds(gaps: list[float], hold_s: float) -> None:
    """As many pieces as there are silences and one more; each silence is hatched, the last one too."""
    points, at = [(0.0, 5.0)], 0.0
    for n, gap in enumerate(gaps):
        at += gap
        points.append((at, 5.0 + n % 3))
    drawn = spark(points, 0.0, at + hold_s * 2, (2.0, 8.0), "unp", hold_s)
    silences = sum(b[0] - a[0] > hold_s for a, b in pairwise(points))
    assert drawn.count('class="p1"') == silences + 1
    assert drawn.count("url(#hatch)") == silences + 1


def test_a_line_without_a_reading_is_hatched_and_has_no_end() -> None:
    """Nothing is drawn where nothing was heard."""
    drawn = spark((), 0, HOUR, (2.0, 8.0), "unp", 600)
    assert "url(#hatch)" in drawn
    assert "circle" not in drawn
    assert "p1" not in drawn


def test_the_height_of_a_verdict_repeats_its_word() -> None:
    """Proven lies thin at the foot, not proven is hatched and half, out is full and solid."""
    x = Scale(0, 5, 0, 500)
    for kind, hatched, share in ((0, False, 0.2), (1, True, 0.62), (2, True, 0.62), (3, False, 1.0), (4, False, 1.0)):
        drawn = verdict_bar([(1, 2, kind)], x, 0, 100)
        height = re.search(r' height="([\d.]+)"', drawn)
        assert height is not None
        assert float(height[1]) == 100 * share
        assert ("url(#hatch)" in drawn) == hatched
        assert ('class="f-out"' in drawn) == (kind in (3, 4))


@given(st.floats(0, 5) | st.none())
def test_an_allowance_that_is_not_known_is_hatched_and_none_leaves_its_bar(used: float | None) -> None:
    """What is used beyond all of it is ink; the bar never grows out of the picture."""
    drawn = allowance_bar(used)
    assert ("url(#hatch)" in drawn) == (used is None)
    ends = [float(x) + float(w) for x, w in re.findall(r'x="([\d.]+)" y="4" width="([\d.]+)"', drawn)]
    assert all(end <= WIDTH + 0.1 for end in ends)
    if used is not None:
        over = re.search(r'class="f-ink" x="[\d.]+" y="4" width="([\d.]+)"', drawn)
        assert over is not None
        assert (float(over[1]) > 0) == (used > 1.0005 or (used > 1 and float(over[1]) > 0))


@given(st.lists(st.integers(-100, 2000), max_size=20), st.lists(st.tuples(st.integers(0, 900), st.integers(0, 900))))
def test_every_event_and_every_silence_is_drawn_inside_the_line(at: list[int], spans: list[tuple[int, int]]) -> None:
    """One bar each, however short, and none outside."""
    start, end = NOW, NOW + timedelta(minutes=1000)
    events = event_line([NOW + timedelta(minutes=n) for n in at], start, end)
    assert events.count('class="f-out"') == len(at)
    silent = span_line([(NOW + timedelta(minutes=a), NOW + timedelta(minutes=a + b)) for a, b in spans], start, end)
    widths = [float(w) for w in re.findall(r'y="4" width="([\d.]+)"', silent)]
    assert len(widths) == len(spans)
    assert all(w >= 1.5 for w in widths)
    assert all(0 <= float(x) <= WIDTH for x in re.findall(r' x="([\d.-]+)"', events + silent))


@given(st.lists(st.sampled_from(["complete", "late", "missed", "due"]), max_size=30))
def test_the_newest_outcomes_keep_their_mark(outcomes: list[str]) -> None:
    """Late and missed are crosses, complete is a dot, what has not come is a ring; the newest twelve."""
    drawn, newest = outcome_dots(outcomes), outcomes[-DOTS:]
    assert drawn.count("<path") == sum(o in ("late", "missed") for o in newest)
    assert drawn.count('class="f-3"') == newest.count("complete")
    assert drawn.count('fill="none"') == newest.count("due")


@given(st.floats(-40, 40), st.floats(0, 60))
def test_an_axis_of_degrees_holds_what_it_must_and_has_few_ticks(low: float, span: float) -> None:
    """Round ends around lowest and highest."""
    first, last, ticks = degrees(low, low + span)
    assert first <= low
    assert last >= low + span - 1e-9
    assert (ticks[0], ticks[-1]) == (first, last)
    assert 2 <= len(ticks) <= 9


def test_hours_are_those_of_the_site_over_a_change_of_clocks() -> None:
    """The night of 25 October: 02:00 comes twice in Madrid, midnight is marked once."""
    zone, begin = ZoneInfo("Europe/Madrid"), datetime(2026, 10, 24, 21, tzinfo=UTC)
    ticks = list(hours(begin.timestamp(), begin.timestamp() + 7 * HOUR, zone))
    labels = [label for _, label, _ in ticks]
    assert labels == ["23:00", "00:00", "01:00", "02:00", "02:00", "03:00", "04:00", "05:00"]
    assert [label for _, label, is_midnight in ticks if is_midnight] == ["00:00"]


def test_a_step_and_a_page_that_was_not_sent_are_told_in_words() -> None:
    """Which step, what came of it, and why nobody was paged; never a slug."""

    def line(kind: str, **data: object) -> str:
        said = told(Moment(NOW, kind, "x", data, 7))
        return f"{said.strong} {said.words}".strip()

    assert line("runbooks.did", step="look", phase="act", outcome="waiting") == "Look: asked of a person"
    assert line("runbooks.did", step="swap", phase="undo", outcome="failed") == "Swap (undo): failed"
    decided = {"stage": "lifecycle", "outcome": "drop", "reason": "informational_is_logged"}
    assert line("alarms.not_paged", decided=decided) == "Nobody more paged: informational is logged"
    assert line("alarms.not_paged") == "Nobody more paged: no reason was kept"


HOURS = st.sampled_from(["in_range_proven", "not_proven", "out_of_range", "waits", ""])
SUMS = st.integers(0, 500).flatmap(
    lambda n: st.integers(0, n * HOUR_US).flatmap(
        lambda p: st.integers(0, n * HOUR_US - p).map(lambda o: Sums(n, p, o)),
    )
)


@given(st.lists(HOURS, min_size=24, max_size=24), SUMS, st.integers(0, 24))
def test_tel_05_a_day_bar_draws_every_hour_once_and_its_shares_add_up(
    hours: list[str], sums: Sums, waiting: int
) -> None:
    """Nothing that is not whole looks whole, nothing that happened looks like none, and what waits is in the words."""
    day = Day(datetime(2026, 11, 17, tzinfo=UTC), tuple(hours), sums, waiting)
    drawn = str(row_bar(day, ZoneInfo("UTC")))
    widths = [float(w) for w in re.findall(r'class="f-(?:ok|out)" x="[^"]*" y="[^"]*" width="([^"]*)"', drawn)]
    widths += [float(w) for w in re.findall(r'width="([^"]*)" height="[^"]*" fill="url', drawn)]
    widths += [float(w) for w in re.findall(r'class="waits" d="M[^h]*h([^"]*)"', drawn)]
    assert sum(widths) == pytest.approx(5 * sum(h != "" for h in hours), abs=0.5)
    assert ("not counted yet" in drawn) == (waiting > 0)
    said = [words for _, words in shares(day)]
    if not sums.space_hours:
        assert said == ["unknown"] * 3
        return
    proven, unproven, out = (round(100 * float(words.split("\u00a0")[0])) for words in said)
    assert proven + unproven + out == 10_000
    assert (proven == 10_000) == (sums.proven_us == sums.space_hours * HOUR_US)
    assert (unproven > 0) >= (sums.unproven_us > 0)
    assert (out > 0) == (sums.out_us > 0)
