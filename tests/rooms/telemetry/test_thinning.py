"""What retention may take, against an oracle that asks each reading by itself."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from typing import NamedTuple

from hypothesis import given
from hypothesis import strategies as st

from waystation.evidence.rules.retention import Policy, later
from waystation.telemetry.rules.thinning import (
    BUCKET_US,
    Bucket,
    Due,
    Rule,
    Span,
    due,
    merged,
    old_buckets,
    split,
    together,
)

MINUTE_US = 60_000_000
TODAY = date(2031, 3, 1)


class Read(NamedTuple):
    """A reading as the rule sees it."""

    sensor: str
    observed_us: int
    value: float | None


KEEPS = st.one_of(st.none(), st.builds(Policy, st.just("p"), years=st.integers(0, 6), days=st.integers(0, 400)))
RULES = st.lists(
    st.builds(
        Rule,
        st.sampled_from(["a", "b", "c"]),
        st.sampled_from(["judging", "other"]),
        KEEPS,
        st.one_of(st.none(), st.integers(0, 2000)),
    ),
    max_size=5,
)
DAYS = st.dates(date(2022, 1, 1), date(2031, 3, 5))
ALLOWED = st.builds(Due, st.sampled_from(["", "j"]), st.sampled_from(["", "o"]), st.sampled_from(["", "r"]))
SPANS = st.lists(
    st.builds(
        lambda start, length, why: Span(start * MINUTE_US, (start + length) * MINUTE_US, why),
        st.integers(-20, 120),
        st.integers(0, 40),
        st.sampled_from(["hold", "excursion"]),
    ),
    max_size=5,
)
VALUES = st.one_of(st.none(), st.floats(-80, 80))


@st.composite
def _readings(draw: st.DrawFn) -> list[Read]:
    found = [
        Read(sensor, draw(st.integers(0, 100)) * MINUTE_US + 1, draw(VALUES))
        for sensor in ("door", "fan", "probe")
        for _ in range(draw(st.integers(0, 25)))
    ]
    return sorted(found, key=lambda r: (r.sensor, r.observed_us))


def _judges(code: str) -> bool:
    return code == "probe"


def _in(span: Span, at_us: int) -> bool:
    return span.start_us <= at_us < span.end_us


@given(DAYS, RULES)
def test_evd_06_of_several_rules_the_longest_decides(last: date, rules: list[Rule]) -> None:
    """Walked rule by rule: readings go only once every rule of their class lets them, and never without one."""
    allowed = due(last, rules, TODAY)
    for covers, goes in (("judging", allowed.judging_goes), ("other", allowed.other_goes)):
        some = [r for r in rules if r.covers == covers]
        ends = [None if r.keep is None else later(last, r.keep.years, 0) + timedelta(r.keep.days) for r in some]
        assert bool(goes) == (bool(some) and all(end is not None and end < TODAY for end in ends))


@given(DAYS, RULES)
def test_evd_06_a_rule_that_names_no_days_keeps_the_full_rate(last: date, rules: list[Rule]) -> None:
    """Signals are reduced only when each rule of theirs has run out its own days at full rate, or altogether."""
    others = [r for r in rules if r.covers == "other"]
    if due(last, rules, TODAY).other_is_reduced:
        for rule in others:
            full = rule.full_days is not None and last + timedelta(rule.full_days) < TODAY
            kept = rule.keep is not None and later(last, rule.keep.years, 0) + timedelta(rule.keep.days) < TODAY
            assert full or kept


@given(_readings(), ALLOWED, SPANS)
def test_evd_06_what_a_span_keeps_is_never_touched(rows: list[Read], allowed: Due, spans: list[Span]) -> None:
    """Held or around an excursion: each reading stays as it is, whatever the rules allow."""
    made = split(rows, _judges, allowed, spans)
    for row in rows:
        if any(_in(s, row.observed_us) for s in spans):
            assert row in made.kept


@given(_readings(), ALLOWED, SPANS)
def test_evd_06_judging_readings_are_kept_whole_or_go_and_are_never_reduced(
    rows: list[Read], allowed: Due, spans: list[Span]
) -> None:
    """No bucket is ever of a probe; without a rule that lets them go all of its readings stay."""
    made = split(rows, _judges, allowed, spans)
    assert all(b.sensor != "probe" for b in made.buckets)
    if not allowed.judging_goes:
        assert [r for r in made.kept if r.sensor == "probe"] == [r for r in rows if r.sensor == "probe"]


@given(_readings(), ALLOWED, SPANS)
def test_evd_06_each_reading_is_kept_or_accounted_for(rows: list[Read], allowed: Due, spans: list[Span]) -> None:
    """Kept, or in exactly one run of what went; the reduced ones are all in the buckets, with their extremes."""
    made = split(rows, _judges, allowed, spans)
    runs = [(code, run) for code, some in made.taken.items() for run in some]
    assert len(made.kept) + sum(run.readings for _, run in runs) == len(rows)
    went = [row for row in rows if _went(row, allowed, spans)]
    assert len(went) == sum(run.readings for _, run in runs)
    for row in went:
        assert any(code == row.sensor and run.first_us <= row.observed_us <= run.last_us for code, run in runs)
    for row in made.kept:
        inside = [run for code, run in runs if code == row.sensor and run.first_us < row.observed_us < run.last_us]
        assert not inside
    _same_buckets(made.buckets, [row for row in went if not allowed.other_goes and row.sensor != "probe"])


def _went(row: Read, allowed: Due, spans: list[Span]) -> bool:
    lets_go = allowed.judging_goes if _judges(row.sensor) else (allowed.other_goes or allowed.other_is_reduced)
    return bool(lets_go) and not any(_in(s, row.observed_us) for s in spans)


def _same_buckets(buckets: list[Bucket], rows: list[Read]) -> None:
    groups: dict[tuple[str, int], list[float | None]] = {}
    for row in rows:
        groups.setdefault((row.sensor, row.observed_us // BUCKET_US * BUCKET_US), []).append(row.value)
    assert {(b.sensor, b.start_us) for b in buckets} == groups.keys()
    for one in buckets:
        values = [v for v in groups[one.sensor, one.start_us] if v is not None]
        assert (one.measured, one.missing) == (len(values), len(groups[one.sensor, one.start_us]) - len(values))
        assert (one.low, one.high) == ((min(values), max(values)) if values else (None, None))
        if values and one.mean is not None:
            assert abs(one.mean - sum(values) / len(values)) < 1e-9


@given(_readings(), SPANS)
def test_evd_06_reducing_in_two_steps_says_what_one_step_says(rows: list[Read], spans: list[Span]) -> None:
    """What a hold kept back is reduced after it is lifted, into the same five minutes."""
    allowed, reduces = Due(other_is_reduced="r"), _only_others
    at_once = split(rows, reduces(), allowed, ())
    first = split(rows, reduces(), allowed, spans)
    then = split(first.kept, reduces(), allowed, ())
    both = merged([*first.buckets, *then.buckets])
    assert [b[:4] + b[5:] for b in both] == [b[:4] + b[5:] for b in merged(at_once.buckets)]


def _only_others() -> Callable[[str], bool]:
    return lambda code: False


@given(_readings(), ALLOWED, SPANS)
def test_evd_06_reduced_signals_leave_when_their_time_is_over_and_nothing_keeps_them(
    rows: list[Read], allowed: Due, spans: list[Span]
) -> None:
    """While they are kept all stay; then only the five minutes that a span touches."""
    held = split(rows, lambda code: False, Due(other_is_reduced="r"), ()).buckets
    left = old_buckets(held, allowed, spans)
    for one in held:
        touched = any(s.start_us < one.start_us + BUCKET_US and s.end_us > max(one.start_us, s.start_us) for s in spans)
        assert (one in left) == (not allowed.other_goes or touched)


def test_evd_06_no_rule_takes_nothing() -> None:
    """The default of an installation: whatever its age, everything stays."""
    assert due(date(1990, 1, 1), [], TODAY).is_nothing
    assert due(date(1990, 1, 1), [Rule("for ever", "judging", None), Rule("f", "other", None)], TODAY).is_nothing


def test_two_empty_halves_make_an_empty_whole() -> None:
    """Five minutes in which nothing was measured say so, and give no mean."""
    empty = Bucket("door", 0, None, None, None, 0, 3)
    assert together(empty, empty) == Bucket("door", 0, None, None, None, 0, 6)
