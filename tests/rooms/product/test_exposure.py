"""A lot's time out of range: measured and worst case, over every space it stood in; and when it is safe again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.product.rules import exposure as e
from waystation.product.rules import settling as s

T0 = datetime(2026, 11, 18, tzinfo=UTC)
OUT, IN, DARK = "out_of_range", "in_range_proven", "not_proven"
VERDICTS = st.sampled_from([OUT, IN, DARK])


def m(minute: float) -> datetime:
    return T0 + timedelta(minutes=minute)


def line(*pieces: tuple[float, float, str]) -> list[e.Judged]:
    return [e.Judged(m(a), m(b), v) for a, b, v in pieces]  # type: ignore[arg-type]


def minutes(found: e.Exposure) -> tuple[float, float, float, float]:
    return tuple(x / 60 for x in (found.measured_out_s, found.worst_out_s, found.unproven_s, found.proven_s))  # type: ignore[return-value]


spans = st.tuples(st.integers(0, 60), st.integers(1, 30), VERDICTS).map(lambda t: (t[0], t[0] + t[1], t[2]))
lines = st.lists(spans, max_size=6).map(lambda found: line(*found))
stays = st.lists(
    st.tuples(st.sampled_from("AB"), st.integers(0, 60), st.integers(1, 40)).map(
        lambda t: e.Presence(t[0], m(t[1]), m(t[1] + t[2]))
    ),
    max_size=4,
)


def brute(presences: list[e.Presence], judged: dict[str, list[e.Judged]], until: int) -> tuple[int, int, int, int]:
    """Minute by minute: state, then unproven runs that touch an out, per space and along the way."""

    def state(space: str, minute: int) -> str:
        seen = {j.verdict for j in judged[space] if j.start <= m(minute) < j.end}
        return OUT if OUT in seen else DARK if DARK in seen or not seen else IN

    def spread(states: dict[int, str]) -> set[int]:
        bad = {k for k, v in states.items() if v == OUT}
        for order in (sorted(states), sorted(states, reverse=True)):
            for k in order:
                if states[k] != IN and {k - 1, k + 1} & bad:
                    bad.add(k)
        return bad

    wide = {space: spread({k: state(space, k) for k in range(101)}) for space in "AB"}
    here = {k: [p.space for p in presences if p.start <= m(k) and (p.end or m(until)) > m(k)] for k in range(until)}
    stood = [k for k, found in here.items() if found]
    if not stood:
        return 0, 0, 0, 0
    way: dict[int, str] = {}
    tainted: set[int] = set()
    for k in range(min(stood), max(stood) + 1):
        states = [state(space, k) for space in here[k]] or [DARK]
        way[k] = OUT if OUT in states else DARK if DARK in states else IN
        if way[k] != IN and any(k in wide[space] for space in here[k]):
            tainted.add(k)
    seeded = {k: OUT if k in tainted else v for k, v in way.items()}
    worst = spread(seeded)
    count = [sum(v == verdict for v in way.values()) for verdict in (OUT, DARK, IN)]
    return count[0], len(worst), count[1], count[2]


@settings(max_examples=300, deadline=None)
@given(stays, lines, lines, st.integers(1, 100))
def test_qal_01_time_out_of_range_agrees_with_counting_minute_by_minute(
    presences: list[e.Presence], a: list[e.Judged], b: list[e.Judged], until: int
) -> None:
    """Whatever overlaps, gaps and conflicts the intervals hold."""
    judged = {"A": a, "B": b}
    found = e.exposure(presences, judged, m(until))
    assert minutes(found) == brute(presences, judged, until)


@settings(max_examples=100, deadline=None)
@given(stays, lines, lines)
def test_qal_02_measured_is_never_above_worst_and_the_parts_add_up(
    presences: list[e.Presence], a: list[e.Judged], b: list[e.Judged]
) -> None:
    """Sum over spaces is the whole; worst lies between measured and measured with all that is unproven."""
    found = e.exposure(presences, {"A": a, "B": b}, m(100))
    assert found.measured_out_s <= found.worst_out_s <= found.measured_out_s + found.unproven_s
    assert found.worst_out_s == sum(p.worst_out_s for p in found.parts)
    worse = e.exposure(presences, {"A": [*a, *line((10, 20, OUT))], "B": b}, m(100))
    assert worse.worst_out_s >= found.worst_out_s


def test_qal_02_unproven_time_beside_an_excursion_counts_in_the_worst_case_only() -> None:
    """20 min out, 30 min gap after it: 20 measured, 50 worst; a gap inside proof counts for nothing."""
    judged = {"F2": line((0, 60, IN), (60, 80, OUT), (80, 110, DARK), (110, 150, IN), (150, 160, DARK), (160, 200, IN))}
    found = e.exposure([e.Presence("F2", m(0))], judged, m(200))
    assert minutes(found) == (20, 50, 40, 140)


def test_qal_01_the_sum_runs_over_fridge_van_and_fridge() -> None:
    """Out in the van, and the unjudged handover beside it is doubted."""
    stays = [e.Presence("F2", m(0), m(60)), e.Presence("van", m(70), m(100)), e.Presence("F4", m(100))]
    judged = {"F2": line((0, 60, IN)), "van": line((70, 85, OUT), (85, 100, IN)), "F4": line((100, 160, IN))}
    found = e.exposure(stays, judged, m(160))
    assert minutes(found) == (15, 25, 10, 135)
    assert [(p.space, p.worst_out_s / 60) for p in found.parts] == [("F2", 0), (e.BETWEEN, 10), ("van", 15), ("F4", 0)]


def test_qal_02_a_lot_that_enters_the_gap_after_an_excursion_is_counted() -> None:
    """The space was out before it came and nobody has proved anything since."""
    judged = {"F2": line((0, 30, OUT), (50, 100, IN))}
    assert minutes(e.exposure([e.Presence("F2", m(40))], judged, m(100))) == (0, 10, 10, 50)
    assert minutes(e.exposure([e.Presence("F9", m(40))], {}, m(100))) == (0, 0, 60, 0)
    assert e.exposure([], {}, m(100)).parts == ()


@settings(max_examples=200, deadline=None)
@given(lines, st.integers(0, 40), st.integers(1, 30), st.integers(41, 95))
def test_qal_10_product_is_safe_only_after_unbroken_proof(
    judged: list[e.Judged], since: int, settling: int, now: int
) -> None:
    """The settling time before the answer is proven minute by minute, and nothing was out after it."""
    found = s.settle(judged, m(since), settling * 60.0, m(now))

    def proven(minute: int) -> bool:
        seen = {j.verdict for j in judged if j.start <= m(minute) < j.end}
        return seen == {IN}

    runs = [all(proven(k) for k in range(end - settling, end)) for end in range(since + settling, now + 1)]
    if found.safe_at is None:
        last_out = max(
            (k for k in range(since, now) if any(j.verdict == OUT and j.start <= m(k) < j.end for j in judged)),
            default=-1,
        )
        tail = [ok for end, ok in enumerate(runs, since + settling) if end - settling > last_out]
        assert not any(tail)
        assert found.reason
        return
    end = int((found.safe_at - T0).total_seconds() // 60)
    assert since + settling <= end <= now
    assert all(proven(k) for k in range(end - settling, end))
    assert not any(j.verdict == OUT and j.start < m(now) and j.end > found.safe_at for j in judged)


def test_qal_10_a_new_controller_on_a_warm_room_does_not_make_product_safe() -> None:
    """Service restored at 06:17 while the room is still out: the incident stays until both clocks stand."""
    restored = m(377)
    warm = line((0, 300, IN), (300, 400, OUT), (400, 430, IN))
    waiting = s.settle(warm, m(300), 3600.0, m(430))
    assert (waiting.safe_at, waiting.counted_s, waiting.earliest_at) == (None, 1800.0, m(460))
    at, waits = s.may_resolve(restored, waiting)
    assert at is None
    assert waits == ("product safe: inside the profile; the settling time is not over",)
    cool = s.settle(line((300, 400, OUT), (400, 500, IN)), m(300), 3600.0, m(500))
    assert s.may_resolve(restored, cool) == (m(460), ())
    assert s.may_resolve(None, cool)[1] == ("service restored: the unit is not yet trusted again",)


def test_qal_10_unproven_time_starts_the_settling_anew() -> None:
    """Half an hour, a gap, half an hour: not safe after the sum of both."""
    split = line((0, 10, OUT), (10, 40, IN), (40, 45, DARK), (45, 75, IN))
    found = s.settle(split, m(0), 3600.0, m(75))
    assert found.safe_at is None
    assert found.counted_s == 1800.0
    gone = s.settle(split, m(0), 3600.0, m(80))
    assert (gone.counted_s, gone.earliest_at, gone.reason) == (0.0, None, "not proven since then")
    assert "not yet inside" in s.settle([], m(0), 3600.0, m(80)).reason


def test_qal_10_a_new_excursion_after_settling_takes_safety_back() -> None:
    """Safe is no state that outlives its proof."""
    again = line((0, 10, OUT), (10, 80, IN), (80, 90, OUT), (90, 100, IN))
    assert s.settle(again, m(0), 3600.0, m(79)).safe_at == m(70)
    assert s.settle(again, m(0), 3600.0, m(100)).safe_at is None
