"""Sourcing: the quickest into service, every other candidate with its reason, doubt never in the unit's favour."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from waystation.spares.rules import sourcing as s

NOW = datetime(2026, 11, 18, 2, 12, tzinfo=UTC)
LIMIT = NOW + timedelta(minutes=86)
NEED = s.Need("CTL-220", "Córdoba", "Europe/Madrid", NOW, LIMIT)
CHAIN = (
    s.ChainStep(("local", "hub")),
    s.ChainStep(("central",)),
    s.ChainStep(("vendor",), 500.0),
    s.ChainStep(("purchase",), 300.0),
)


def unit(serial: str, state: str = "stocked", **more: object) -> s.UnitView:
    return s.UnitView(f"id-{serial}", serial, state, **more)  # type: ignore[arg-type]


def at(
    place: str, minutes: float | None, channel: s.Channel = "hub", stock: s.UnitView | None = None, cost: float = 0.0
) -> s.Candidate:
    ready = None if minutes is None else NOW + timedelta(minutes=minutes)
    held = stock or (unit(place[:3]) if channel in s.STOCK else None)
    return s.Candidate(place, channel, "allowed", "same model", ready, ready, held, cost)


def chosen(found: s.Sourcing) -> str:
    return found.chosen.place if found.chosen else "none"


minutes = st.none() | st.integers(1, 400)
units = st.builds(
    lambda n, state, glass, left, age, taken: s.UnitView(
        f"id-{n}", f"{n}", state, glass, NOW + timedelta(minutes=left), NOW - timedelta(minutes=age), taken
    ),
    st.integers(0, 6),
    st.sampled_from(["stocked", "stocked", "stocked", "reserved", "quarantined", "in_transit"]),
    st.booleans(),
    st.integers(-10, 500),
    st.integers(0, 500),
    st.sampled_from(["", "", "", "INC-9"]),
)
candidates = st.builds(
    lambda place, channel, fit, m, stock, cost: replace(
        at(place, m, channel, stock if channel in s.STOCK else None, cost), fit=fit, fit_words=f"fit {fit}"
    ),
    st.sampled_from(["Sevilla", "Madrid", "Cádiz", "FrioTec"]),
    st.sampled_from(["local", "hub", "central", "vendor", "purchase"]),
    st.sampled_from(["allowed", "allowed", "conditional", "refused"]),
    minutes,
    units,
    st.floats(0, 900),
)
needs = st.builds(
    lambda limit, stake, cert, age, glass: s.Need(
        "G",
        "Córdoba",
        "Europe/Madrid",
        NOW,
        None if limit is None else NOW + timedelta(minutes=limit),
        stake,
        cert,
        None if age is None else age * 60.0,
        s.Release("Ana", "duty manager", "outage") if glass else None,
    ),
    minutes,
    st.booleans(),
    st.booleans(),
    minutes,
    st.booleans(),
)


@settings(max_examples=80, deadline=None)
@given(needs, st.lists(candidates, max_size=8), st.randoms())
def test_ful_01_every_candidate_keeps_a_reason_and_order_of_input_does_not_matter(
    need: s.Need, found: list[s.Candidate], rng: object
) -> None:
    """None dropped, one chosen if any is possible, the same answer however the list came."""
    first = s.source(need, found, CHAIN)
    assert len(first.judged) == len(found)
    assert all(j.reason for j in first.judged)
    assert [j.outcome for j in first.judged].count("chosen") == (first.chosen is not None)
    if first.chosen is None:
        assert all(j.outcome == "refused" for j in first.judged)
    mixed = list(found)
    rng.shuffle(mixed)  # type: ignore[attr-defined]
    again = s.source(need, mixed, CHAIN)
    assert again.judged == first.judged


@settings(max_examples=80, deadline=None)
@given(needs, st.lists(candidates, max_size=8))
def test_stk_13_the_chosen_unit_is_whole_in_every_respect(need: s.Need, found: list[s.Candidate]) -> None:
    """Stocked, not taken, certified past the install, checked, released, pre-approved: or it is not chosen."""
    pick = s.source(need, found, CHAIN).chosen
    if pick is None:
        return
    origin = [c for c in found if c.place == pick.place and c.channel == pick.channel and c.p90_at == pick.p90_at]
    assert pick.p90_at is not None
    if pick.unit_id is None:
        assert any(c.cost <= (500.0 if c.channel == "vendor" else 300.0) for c in origin)
        return
    held = next(
        c.unit for c in origin if c.unit and c.unit.unit_id == pick.unit_id and s._refusal(need, c, CHAIN) == ""
    )
    assert held.state == "stocked"
    assert not held.taken
    assert need.release or not held.break_glass
    if need.certificate:
        assert held.certificate_expires_at
        assert held.certificate_expires_at > pick.p90_at
    if need.max_check_age_s is not None:
        assert held.checked_at
        assert (NOW - held.checked_at).total_seconds() <= need.max_check_age_s


@settings(max_examples=80, deadline=None)
@given(needs, st.lists(candidates, max_size=8))
def test_jnt_03_move_first_whenever_nothing_is_proven_to_be_in_time(need: s.Need, found: list[s.Candidate]) -> None:
    """The product is moved unless a usable source stands before the known worst-case limit."""
    answer = s.source(need, found, CHAIN)
    in_time = any(j.in_time and j.outcome != "refused" for j in answer.judged)
    assert answer.move_first == (need.product_at_stake and not in_time)
    if in_time and answer.chosen:
        assert answer.chosen.in_time, "a late source is never chosen while one is in time"


def gone_to(c: s.Candidate, unit_id: str, who: str) -> s.Candidate:
    """The candidate, taken by `who` where it is that unit."""
    if c.unit is None or c.unit.unit_id != unit_id:
        return c
    return replace(c, unit=replace(c.unit, taken=who))


@settings(max_examples=80, deadline=None)
@given(needs, st.lists(candidates, max_size=8, unique_by=lambda c: c.unit.unit_id if c.unit else c.place))
def test_ful_10_the_loser_of_a_race_gets_the_next_path_and_is_told_why(need: s.Need, found: list[s.Candidate]) -> None:
    """Called again with the unit gone: the runner-up is chosen, the lost unit stays listed with its taker."""
    first = s.source(need, found, CHAIN)
    if first.chosen is None or first.chosen.unit_id is None:
        return
    gone_now = [gone_to(c, first.chosen.unit_id, "INC-2042 at 03:09") for c in found]
    second = s.source(need, gone_now, CHAIN)
    gone = [j for j in second.judged if j.unit_id == first.chosen.unit_id]
    assert [j.outcome for j in gone] == ["refused"]
    assert "was taken by INC-2042 at 03:09" in gone[0].reason
    runner_up = next((j for j in first.judged if j.outcome == "possible"), None)
    if runner_up is None:
        assert second.chosen is None
        return
    assert second.chosen is not None
    assert (second.chosen.place, second.chosen.unit_id) == (runner_up.place, runner_up.unit_id)
    assert f"Next path: {first.chosen.serial} was taken by INC-2042" in second.chosen.reason.replace(
        "; ", " Next path: "
    )


def test_d3_nearest_means_time_to_restored_service_not_distance() -> None:
    """D3: a hub far off that is quick beats the cabinet next door whose installer comes at six."""
    found = s.source(NEED, [at("Cabinet on site", 240, "local"), at("Sevilla hub", 185)], CHAIN)
    assert chosen(found) == "Sevilla hub"
    assert found.judged[0].reason == "Chosen: restored 06:17 in 9 of 10 cases, 1 h 39 min too late."
    assert found.judged[1].reason == "Slower by 55 min, 2 h 34 min too late."


def test_jnt_03_no_part_before_the_limit_moves_the_product_first() -> None:
    """Córdoba at 03:12: limit 04:38, Sevilla 06:17. With a source at 04:00 the part is enough."""
    late = s.source(NEED, [at("Sevilla hub", 185)], CHAIN)
    assert (late.move_first, chosen(late)) == (True, "Sevilla hub")
    assert late.reason == "No part arrives before the worst-case limit: move the product first."
    assert not s.source(NEED, [at("Sevilla hub", 48)], CHAIN).move_first
    assert s.source(NEED, [at("Sevilla hub", 86)], CHAIN).move_first, "at the very limit is too late"
    unknown = s.source(replace(NEED, limit_at=None), [at("Sevilla hub", 10)], CHAIN)
    assert unknown.move_first
    assert "unknown" in unknown.reason
    assert s.source(NEED, [], CHAIN).reason.startswith("No source can be used")


def test_ful_04_the_chain_runs_in_order_with_each_refusal_and_its_spend_limit() -> None:
    """Hub, then central, then vendor, then purchase; what costs too much is refused with both sums."""
    need = replace(NEED, limit_at=NOW + timedelta(hours=30))
    rows = [
        at("Sevilla hub", 185),
        at("Madrid", 120, "central"),
        at("FrioTec", 100, "vendor", cost=450),
        at("Shop", 60, "purchase", cost=290),
    ]
    order = []
    while rows:
        found = s.source(need, rows, CHAIN)
        order.append(chosen(found))
        rows = [c for c in rows if c.place != chosen(found)]
    assert order == ["Sevilla hub", "Madrid", "FrioTec", "Shop"]
    dear = s.source(need, [at("Shop", 60, "purchase", cost=1_290)], CHAIN)
    assert dear.chosen is None
    assert dear.judged[0].reason == "Shop refused: costs 1,290.00, above the pre-approved 300.00."
    closed = (s.ChainStep(("hub",)), s.ChainStep(("vendor",), approved=False))
    for channel in ("vendor", "purchase"):
        assert "not pre-approved" in s.source(need, [at("X", 5, channel)], closed).judged[0].reason  # type: ignore[arg-type]


def test_ful_04_a_later_step_of_the_chain_is_taken_when_only_it_is_in_time() -> None:
    """The product counts more than the order; the reason of the quicker refused by chain is said."""
    assert chosen(s.source(NEED, [at("Sevilla hub", 185), at("FrioTec", 60, "vendor", cost=100)], CHAIN)) == "FrioTec"
    both = s.source(NEED, [at("Sevilla hub", 80), at("FrioTec", 60, "vendor", cost=100)], CHAIN)
    assert chosen(both) == "Sevilla hub"
    assert both.judged[1].reason.startswith("Quicker, but hub comes before vendor in the chain")
    late = s.source(NEED, [at("Sevilla hub", 185), at("Shop", 150, "purchase", cost=100)], CHAIN)
    assert chosen(late) == "Sevilla hub", "nothing is bought while stock can serve no later than too late"


def test_red_03_normal_sourcing_cannot_see_the_break_glass_lane() -> None:
    """No serial, no identifier, no time: only that something is held. A release shows it and is named."""
    glass = at("Sevilla hub", 40, stock=unit("4471-0001", break_glass=True))
    blind = s.source(NEED, [glass], CHAIN)
    assert blind.chosen is None
    assert "4471" not in repr(blind)
    assert blind.judged[0].reason == "Refused: held for major incidents; release needs the named role."
    need = replace(NEED, release=s.Release("Ana Prieto", "duty manager", "three sites dark"))
    opened = s.source(need, [glass], CHAIN)
    assert "released by Ana Prieto (duty manager): three sites dark" in opened.judged[0].reason
    assert chosen(s.source(need, [glass, at("Jaén hub", 80)], CHAIN)) == "Jaén hub", "kept while other stock is in time"
    kept = s.source(need, [glass, at("Jaén hub", 80)], CHAIN).judged[1].reason
    assert kept.startswith("Break-glass stock is kept")


@pytest.mark.parametrize(
    ("left_min", "words"),
    [(-60, "has expired"), (0, "has expired"), (100, "before the install"), (185, "before the install"), (186, "")],
)
def test_stk_13_a_probe_whose_certificate_ends_before_or_at_the_install_cannot_fill(left_min: int, words: str) -> None:
    """Judged at the instant at which it would serve, not at the instant of asking."""
    need = replace(NEED, certificate=True)
    probe = unit("P-7", certificate_expires_at=NOW + timedelta(minutes=left_min))
    found = s.source(need, [at("Sevilla hub", 185, stock=probe)], CHAIN)
    assert (found.chosen is None) == bool(words)
    assert words in found.judged[0].reason
    bare = s.source(need, [at("Sevilla hub", 185)], CHAIN)
    assert "no calibration certificate" in bare.judged[0].reason


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (at("Sevilla hub", 60, stock=unit("1", "in_transit")), "serial 1 is in transit"),
        (at("Sevilla hub", 60, stock=unit("1", "quarantined")), "serial 1 is quarantined"),
        (at("Sevilla hub", 60, stock=unit("1")), "no health check; one within 30 d is needed"),
        (at("Sevilla hub", 60, stock=unit("1", checked_at=NOW - timedelta(days=40))), "40 d ago; 30 d allowed"),
        (at("Sevilla hub", 60, stock=unit("1", checked_at=NOW + timedelta(days=1))), "no health check"),
        (s.Candidate("Sevilla hub", "hub", "allowed", "", NOW, NOW), "none on the shelf"),
        (replace(at("V", 60), fit="refused", fit_words="V refused: wrong plug."), "V refused: wrong plug."),
        (at("V", None, "vendor"), "no time to restored service"),
        (replace(at("V", None, "vendor"), refusals=("V refused: shut.",)), "V refused: shut."),
    ],
)
def test_ful_04_each_refusal_says_why(row: s.Candidate, words: str) -> None:
    """State, health check, shelf, fit, lane and time."""
    found = s.source(replace(NEED, max_check_age_s=30 * 86400.0), [row], CHAIN)
    assert found.chosen is None
    assert words in found.judged[0].reason


def test_ties_are_settled_by_fit_cost_and_name() -> None:
    """The same choice on every machine."""
    rows = [at("B hub", 60), at("A hub", 60), replace(at("0 hub", 60), fit="conditional", fit_words="check it")]
    found = s.source(NEED, rows, CHAIN)
    assert [j.place for j in found.judged] == ["A hub", "B hub", "0 hub"]
    assert found.judged[1].reason.startswith("As quick")
    assert found.judged[2].conditions == "check it"
