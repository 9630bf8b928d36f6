"""Time to restored service: every wait named, every figure sourced, never a quicker answer than the law allows."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.kernel.refusals import BadInput
from waystation.spares.rules import durations as d
from waystation.spares.rules import gates as g
from waystation.spares.rules import hours as h
from waystation.spares.rules import restore as r

MADRID = "Europe/Madrid"
NOW = datetime(2026, 11, 18, 2, 12, tzinfo=UTC)
MARTA = g.Person("Marta Ruiz", h.weekdays(MADRID, 0, 840, days=tuple(range(7))))
IVAN = g.Person("Iván Gil", h.weekdays(MADRID, 840, 1440))
ACCESS = g.OpenGate("access window", h.weekdays(MADRID, 330, 1320, days=tuple(range(7))))
COURIER = g.PickupGate("courier", h.Pickups(MADRID, tuple((day, 450) for day in range(5))))
minutes = st.integers(0, 600)
laws = st.builds(lambda a, b: d.likely_worst(a * 60.0, (a + b) * 60.0, "reported"), minutes, minutes)


def sevilla(gates: tuple[g.Gate, ...] = ()) -> r.Path:
    """A hub reached by car: 15 min to pick, 82 to drive, 40 to install, 20 to re-check."""
    return r.Path(
        "Sevilla hub",
        (
            r.Step("prepare", d.likely_worst(600, 900, "reported")),
            r.Step("travel", d.measured([4500 + 30 * n for n in range(41)], "41 trips")),
            r.Step("install", d.likely_worst(2100, 2700, "reported"), gates),
            r.Step("recheck", d.fixed(1200, "assumed", "house rule")),
        ),
    )


def madrid() -> r.Path:
    return r.Path(
        "Madrid",
        (
            r.Step("prepare", d.fixed(600, "reported")),
            r.Step("travel", d.likely_worst(14_400, 18_000, "measured"), (COURIER,)),
            r.Step("install", d.fixed(2400, "reported"), (ACCESS, g.PeopleGate("refrigeration technician", (MARTA,)))),
            r.Step("recheck", d.fixed(1200, "assumed")),
        ),
        r.Lane("courier", "road"),
    )


@settings(max_examples=25, deadline=None)
@given(st.lists(laws, min_size=1, max_size=4), st.booleans(), st.integers(0, 10_000))
def test_hub_03_segments_are_seamless_and_end_at_the_ready_instant(
    laws_: list[d.Duration], gated: bool, late: int
) -> None:
    """Bars start at the start, leave no hole, and the 9-of-10 case is never before the likely one."""
    gates: tuple[g.Gate, ...] = (ACCESS,) if gated else ()
    path = r.Path("x", tuple(r.Step("install", law, gates) for law in laws_))
    start = NOW + timedelta(minutes=late)
    found = r.restore(path, start)
    for bar, end in ((found.likely, found.likely_at), (found.p90, found.p90_at)):
        if end is None:
            assert found.refusals
            continue
        assert bar[0].start == start
        assert bar[-1].end == end
        assert all(a.end == b.start for a, b in pairwise(bar))
        assert all(s.reason for s in bar if s.kind == "wait")
    if found.likely_at and found.p90_at:
        assert found.likely_at <= found.p90_at


@settings(max_examples=25, deadline=None)
@given(st.lists(laws, min_size=1, max_size=3), st.integers(0, 10_000), st.integers(0, 3000))
def test_a_later_start_never_restores_earlier(laws_: list[d.Duration], first: int, later: int) -> None:
    """First in, first out: waiting to begin gains nothing."""
    path = r.Path("x", tuple(r.Step("install", law, (ACCESS,)) for law in laws_))
    a = r.restore(path, NOW + timedelta(minutes=first))
    b = r.restore(path, NOW + timedelta(minutes=first + later))
    if a.p90_at and b.p90_at:
        assert a.p90_at <= b.p90_at + timedelta(seconds=r.EVEN_S)
    assert r.restore(path, NOW) == r.restore(path, NOW)


def one_by_one(path: r.Path, start: datetime, step_points: int, path_points: int) -> list[tuple[float, list[float]]]:
    """Every case for itself, each step by `opening` with its words; then ranked and thinned as `arrivals` says."""
    state: list[tuple[datetime | None, list[float]]] = [(start, [])]
    for step in path.steps:
        found = []
        for now, before in state:
            for level in d.levels(step_points if len(step.duration.points) > 1 else 1):
                need_s = step.duration.at(level)
                at = None if now is None else g.opening(step.gates, now, need_s).at
                found.append((None if at is None else at + timedelta(seconds=need_s), [*before, level]))
        found.sort(key=lambda case: (case[0] is None, case[0] or start, case[1]))
        few = len(found) <= path_points
        state = found if few else [found[d.rank(len(found), p)] for p in d.levels(path_points)]
    return [(r.NEVER if at is None else (at - start).total_seconds(), own) for at, own in state]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(laws, st.sampled_from(["none", "access", "courier", "people", "brief", "nobody"])), max_size=3),
    st.lists(st.integers(0, 60 * 24 * 9), min_size=1, max_size=4),
)
def test_hub_10_all_starts_of_a_week_at_once_are_each_start_by_itself(
    steps: list[tuple[d.Duration, str]], minutes: list[int]
) -> None:
    """Whatever the gates: the same cases with the same levels, to a thousandth of a second."""
    brief = g.OpenGate("hub", h.weekdays(MADRID, 480, 500), whole=False)
    people = g.PeopleGate("technician", (MARTA, IVAN))
    gates: dict[str, tuple[g.Gate, ...]] = {
        "none": (),
        "access": (ACCESS,),
        "courier": (COURIER,),
        "people": (ACCESS, people),
        "brief": (brief, people),
        "nobody": (g.PeopleGate("welder", ()),),
    }
    path = r.Path("x", tuple(r.Step("install", law, gates[name]) for law, name in steps))
    starts = [NOW + timedelta(minutes=m) for m in minutes]
    seconds, own = r.arrivals(path, starts, step_points=4, path_points=10)
    for n, start in enumerate(starts):
        alone = one_by_one(path, start, 4, 10)
        assert seconds[n].tolist() == pytest.approx([s for s, _ in alone], abs=1e-3)
        if len({round(s, 2) for s, _ in alone}) == len(alone):  # else equal cases may change places
            assert own[n].tolist() == [levels for _, levels in alone]


def test_combined_quantile_agrees_with_the_closed_form() -> None:
    """The sum of two uniform hours: median 1 h, 9 of 10 within 2 - sqrt(0.2) h, to two minutes."""
    uniform = d.Duration(((0.0, 0.0), (1.0, 3600.0)), "measured")
    path = r.Path("x", (r.Step("travel", uniform), r.Step("travel", uniform)))
    ranked = r.arrivals(path, [NOW])[0][0].tolist()
    assert abs(d.quantile(ranked, 0.5) - 3600) < 120
    assert abs(d.quantile(ranked, 0.9) - 3600 * (2 - 0.2**0.5)) < 120
    both_late = r.trace(path, NOW, (0.9, 0.9))[0][-1].end
    assert both_late > NOW + timedelta(seconds=d.quantile(ranked, 0.9)), "late twice at once is rarer than one in ten"


def test_hub_10_the_install_waits_for_window_and_qualified_person_and_says_who() -> None:
    """03:12 CET at Córdoba: the window opens 05:30 and Marta Ruiz is on shift."""
    found = r.restore(sevilla((ACCESS, g.PeopleGate("refrigeration technician", (MARTA, IVAN)))), NOW)
    assert [s.kind for s in found.p90] == ["prepare", "travel", "wait", "install", "recheck"]
    assert found.waits[0].reason == "access window closed or too short; opens 05:30"
    assert found.p90[3].reason == "Marta Ruiz"
    assert found.p90[3].start == datetime(2026, 11, 18, 4, 30, tzinfo=UTC)
    assert [(f.name, f.source) for f in found.figures] == [
        ("prepare", "reported"),
        ("travel", "measured"),
        ("install", "reported"),
        ("recheck", "assumed"),
    ]
    assert "41 trips" in found.figures[1].words()


def test_hub_03_a_courier_after_its_cut_off_waits_for_the_first_pickup_and_loses_to_a_drive() -> None:
    """The nearer label loses when its pick-up is at 07:30."""
    courier, car = r.restore(madrid(), NOW), r.restore(sevilla((ACCESS,)), NOW)
    assert courier.waits[0].reason == "courier cut-off passed; first pick-up 07:30"
    assert courier.p90_at is not None
    assert car.p90_at is not None
    assert car.p90_at < courier.p90_at
    assert (car.seconds() or 0) > 3 * 3600 - 60


def test_hub_10_a_job_that_fits_no_shift_is_refused_with_the_gate() -> None:
    """Nobody qualified, or nobody long enough: refused, in words, never a time."""
    alone = r.restore(sevilla((g.PeopleGate("F-gas technician", ()),)), NOW)
    assert (alone.likely_at, alone.p90_at) == (None, None)
    assert alone.refusals == ("Sevilla hub refused: nobody is a F-gas technician.",)
    short = g.PeopleGate("technician", (g.Person("Ana", h.weekdays(MADRID, 480, 500)),))
    assert "shift long enough" in r.restore(sevilla((short,)), NOW).refusals[0]
    shut = g.OpenGate("access window", h.WeeklyHours(MADRID, ()))
    assert "no opening long enough" in r.restore(sevilla((shut,)), NOW).refusals[0]
    none = g.PickupGate("courier", h.Pickups(MADRID, ()))
    assert "no pick-up" in r.restore(sevilla((none,)), NOW).refusals[0]


def test_gates_that_never_meet_are_refused() -> None:
    """Monday's window and Tuesday's shift."""
    monday = g.OpenGate("access window", h.weekdays(MADRID, 480, 600, days=(0,)))
    tuesday = g.PeopleGate("technician", (g.Person("Ana", h.weekdays(MADRID, 480, 600, days=(1,))),))
    begun = g.opening((monday, tuesday), NOW, 60.0)
    assert begun.at is None
    assert "never meet" in begun.refusal


@pytest.mark.parametrize(
    ("lane", "goods", "mass_kg", "words"),
    [
        (r.Lane("air express", "air"), ("lithium_ion",), 1.0, "lithium batteries do not fly"),
        (r.Lane("air express", "air"), ("lead_acid",), 1.0, "lead batteries do not fly"),
        (r.Lane("van", "road", (("refrigerant", "no gas licence"),)), ("refrigerant",), 1.0, "no gas licence"),
        (r.Lane("bike", "road", max_mass_kg=8), (), 12.0, "12 kg is more than the 8 kg"),
        (r.Lane("bike", "road", max_mass_kg=8), (), None, "mass is unknown"),
    ],
)
def test_a_lane_refuses_what_it_may_not_carry(
    lane: r.Lane, goods: tuple[str, ...], mass_kg: float | None, words: str
) -> None:
    """The refusal names source, lane and reason, and no time is given."""
    path = r.Path("Madrid", sevilla().steps, lane, goods, mass_kg)
    found = r.restore(path, NOW)
    assert found.p90_at is None
    assert words in found.refusals[0]
    assert r.over_week(path, NOW).refusals == found.refusals
    assert r.restore(r.Path("Madrid", sevilla().steps, r.Lane("van", "road"), ("lithium_ion",)), NOW).p90_at


def test_hub_05_policy_reads_the_percentile_over_the_week_not_one_good_hour() -> None:
    """A source that is quick by day and shut by night promises its nights too."""
    office = g.OpenGate("hub", h.weekdays(MADRID, 480, 1080))
    path = r.Path(
        "hub", (r.Step("prepare", d.fixed(900, "reported"), (office,)), r.Step("travel", d.fixed(3600, "measured")))
    )
    view = r.over_week(path, datetime(2026, 11, 16, tzinfo=UTC))
    by_day = r.restore(path, datetime(2026, 11, 18, 9, tzinfo=UTC)).seconds()
    assert by_day == 4500
    assert view.p90_s is not None
    assert view.p90_s > 24 * 3600
    assert view.worst_start == datetime(2026, 11, 20, 17, tzinfo=UTC), "Friday at the closing of the hub"
    assert view.unreachable_hours == 0


def test_hub_03_reach_answers_from_anywhere_with_the_share_of_the_week() -> None:
    """The best source first; a refused one stays in the list with its reason."""
    shut = r.Path("València", sevilla().steps, r.Lane("air", "air"), ("lithium_ion",))
    found = r.reach((madrid(), shut, sevilla()), datetime(2026, 11, 16, tzinfo=UTC), 4 * 3600.0)
    assert [f.source for f in found] == ["Sevilla hub", "Madrid", "València"]
    assert found[0].share > 0.99
    assert found[1].share < 0.2
    assert found[2].p90_s is None
    assert "lithium" in found[2].reason


@given(laws, st.floats(0, 1), st.floats(0, 1))
def test_a_law_never_falls(law: d.Duration, a: float, b: float) -> None:
    """More certainty takes no less time."""
    low, high = sorted((a, b))
    assert law.at(low) <= law.at(high) + 1e-6


@pytest.mark.parametrize("points", [(), ((0.5, 10.0), (0.4, 20.0)), ((0.1, 20.0), (0.9, 10.0)), ((0.5, -1.0),)])
def test_what_is_no_law_is_refused(points: tuple[tuple[float, float], ...]) -> None:
    """No points, falling ones, negative time; two samples are no measurement."""
    with pytest.raises(BadInput):
        d.Duration(points, "assumed")
    with pytest.raises(BadInput):
        d.measured([1.0, 2.0])


def _random_path(rng: random.Random, path: r.Path, start: datetime) -> float:
    """One drawn case of the path, in seconds; infinite when it never gets there."""
    segments, stopped = r.trace(path, start, tuple(rng.random() for _ in path.steps))
    return r.NEVER if stopped else (segments[-1].end - start).total_seconds()


@pytest.mark.parametrize("hour", [0, 3, 9, 16])
def test_hub_03_the_combined_law_agrees_with_four_thousand_drawn_cases(hour: int) -> None:
    """Through windows and shifts: the 9-of-10 instant lies where at least 88 and at most 94 of 100 draws end."""
    technician = g.PeopleGate("technician", (MARTA, IVAN))
    path = r.Path(
        "Sevilla hub", (*sevilla((ACCESS, technician)).steps[:3], r.Step("recheck", d.fixed(1200, "assumed")))
    )
    start = NOW + timedelta(hours=hour)
    found = r.restore(path, start)
    rng = random.Random(hour)
    drawn = sorted(_random_path(rng, path, start) for _ in range(4000))
    seconds = found.seconds()
    assert seconds is not None
    before = sum(s < seconds - r.EVEN_S for s in drawn) / len(drawn)
    until = sum(s <= seconds + 1 for s in drawn) / len(drawn)
    assert until >= 0.88
    assert before <= 0.94


@settings(max_examples=15, deadline=None)
@given(st.lists(laws, min_size=1, max_size=3), st.integers(0, 5000), st.booleans())
def test_the_bar_ends_where_the_combined_case_ends(laws_: list[d.Duration], late: int, courier: bool) -> None:
    """At most two minutes after it and never before, whichever gates stand in the way."""
    gates: tuple[g.Gate, ...] = (COURIER,) if courier else (ACCESS, g.PeopleGate("technician", (MARTA, IVAN)))
    path = r.Path("x", tuple(r.Step("travel", law, gates if n else ()) for n, law in enumerate(laws_)))
    start = NOW + timedelta(minutes=late)
    found = r.restore(path, start)
    ranked = r.arrivals(path, [start])[0][0].tolist()
    for end, level in ((found.likely_at, 0.5), (found.p90_at, 0.9)):
        case = d.quantile(ranked, level)
        assert (end is None) == (case == r.NEVER)
        if end is not None:
            assert -0.01 <= (end - start).total_seconds() - case <= r.EVEN_S + 0.01


def test_a_case_that_just_makes_the_pickup_is_not_shown_as_a_day_late() -> None:
    """Where even bars would miss the courier, the case's own bars are shown, and they make it."""
    uniform = d.Duration(((0.0, 0.0), (1.0, 3600.0)), "measured")
    gate = g.PickupGate("courier", h.Pickups("UTC", tuple((day, 96) for day in range(7))))
    steps = (r.Step("prepare", uniform), r.Step("prepare", uniform), r.Step("travel", uniform, (gate,)))
    found = r.restore(r.Path("hub", steps), datetime(2026, 11, 18, tzinfo=UTC))
    assert found.p90_at is not None
    assert found.p90_at < datetime(2026, 11, 18, 3, tzinfo=UTC)
    assert found.p90[-1].start == datetime(2026, 11, 18, 1, 36, tzinfo=UTC)


def test_hub_05_hours_that_never_restore_are_never_averaged_away() -> None:
    """Nobody qualified: no percentile at all; a shift that fits three jobs of four: likely yes, 9 of 10 no."""
    nobody = sevilla((g.PeopleGate("F-gas technician", ()),))
    view = r.over_week(nobody, NOW)
    assert (view.likely_s, view.p90_s, view.unreachable_hours) == (None, None, r.WEEK_HOURS)
    assert r.reach((nobody,), NOW, 1e9)[0].share == 0.0
    tight = g.PeopleGate("technician", (g.Person("Ana", h.weekdays("UTC", 480, 540)),))
    mostly = r.Path("hub", (r.Step("install", d.Duration(((0.0, 1800.0), (1.0, 4200.0)), "measured"), (tight,)),))
    found = r.restore(mostly, NOW)
    assert found.likely_at is not None
    assert found.p90_at is None
    assert "shift long enough" in found.refusals[0]
    assert r.over_week(mostly, NOW).p90_s is None


def test_figures_speak_with_their_source() -> None:
    """The number, the unit, where it comes from and what it rests on."""
    assert d.measured([60.0, 120.0, 180.0]).figure("drive").words() == "drive 192 s, measured (3 times)"
    assert d.fixed(1200, "assumed").figure("recheck").words() == "recheck 1200 s, assumed"


@given(st.lists(st.floats(0, 1e6), min_size=3, max_size=60))
def test_measured_quantiles_stand_on_the_samples(samples: list[float]) -> None:
    """The law passes through the sorted samples and never goes below the quickest."""
    law = d.measured(samples)
    for place, seconds in enumerate(sorted(samples)):
        assert law.at((place + 0.5) / len(samples)) == pytest.approx(seconds)
    assert law.at(0.0) == min(samples)
    assert law.at(1.0) >= max(samples)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 20_000), st.integers(0, 20_000), st.integers(0, 500), st.integers(0, 500))
def test_hub_10_gates_together_never_open_earlier_for_more(at: int, later: int, need: int, more: int) -> None:
    """A longer job or a later instant never begins earlier, and every gate allows what is begun."""
    gates: tuple[g.Gate, ...] = (ACCESS, g.PeopleGate("technician", (MARTA, IVAN)))
    first = g.opening(gates, NOW + timedelta(minutes=at), need * 60.0)
    second = g.opening(gates, NOW + timedelta(minutes=at + later), (need + more) * 60.0)
    if first.at is None:
        assert second.at is None
        return
    if second.at is not None:
        assert first.at <= second.at
    person = MARTA if first.who == MARTA.name else IVAN
    for hours in (ACCESS.hours, person.hours):
        assert h.next_open(hours, first.at, need * 60.0) == first.at
    assert all(a.end == b.start for a, b in pairwise(first.waits))


def test_gate_words_name_the_other_day() -> None:
    """A wait past midnight says which day; a person's wait says who comes."""
    late = datetime(2026, 11, 18, 20, tzinfo=UTC)
    shop = g.OpenGate("Sevilla hub", h.weekdays(MADRID, 480, 1080))
    assert g.opening((shop,), late, 60.0).waits[0].reason == "Sevilla hub closed or too short; opens Thu 08:00"
    people = g.PeopleGate("technician", (g.Person("Ana Prieto", h.weekdays(MADRID, 480, 1080)),))
    begun = g.opening((people,), late, 60.0)
    assert begun.waits[0].reason == "no technician on shift for the whole step; first Ana Prieto Thu 08:00"
    assert begun.who == "Ana Prieto"
    brief = g.OpenGate("hub", h.weekdays(MADRID, 480, 1080), whole=False)
    at_close = datetime(2026, 11, 18, 16, 59, tzinfo=UTC)
    assert g.opening((brief,), at_close, 7200.0).at == at_close, "handed over before closing"


def test_hub_10_each_case_meets_its_own_window() -> None:
    """Of jobs of 30 to 70 minutes in a window of an hour three of four fit; the others never do."""
    window = g.OpenGate("access window", h.weekdays("UTC", 480, 540))
    law = d.Duration(((0.0, 1800.0), (1.0, 4200.0)), "measured")
    ranked = r.arrivals(r.Path("hub", (r.Step("install", law, (window,)),)), [NOW])[0][0].tolist()
    assert sum(seconds == r.NEVER for seconds in ranked) == r.STEP_POINTS // 4
    fitting = [seconds for seconds in ranked if seconds < r.NEVER]
    opens_s = (datetime(2026, 11, 18, 8, tzinfo=UTC) - NOW).total_seconds()
    assert all(1800 <= seconds - opens_s <= 3600 for seconds in fitting)


def test_hub_10_a_job_that_would_outlast_the_window_waits_for_the_next() -> None:
    """Half an hour before closing an hour's work does not begin."""
    window = g.OpenGate("access window", h.weekdays("UTC", 480, 1080))
    late = datetime(2026, 11, 18, 17, 30, tzinfo=UTC)
    begun = g.opening((window,), late, 3600.0)
    assert begun.at == datetime(2026, 11, 19, 8, tzinfo=UTC)
    assert g.opening((window,), late, 1800.0).at == late
