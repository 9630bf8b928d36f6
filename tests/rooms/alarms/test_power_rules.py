"""Power by rule: where it was lost, how the generator stands, and what a failed start means for a warming space."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from waystation.alarms.rules.conditions import Condition
from waystation.alarms.rules.matrix import classify, parse
from waystation.alarms.rules.power import GeneratorFacts, Supply, generator_state, localise
from waystation.alarms.rules.shipped_matrix import SHIPPED_MATRIX

MIN = timedelta(minutes=1)
SITE, SPACE = UUID(int=1), UUID(int=2)


def lost(name: str, at: datetime = START) -> Supply:
    """A meter that says off since then."""
    return Supply(name, False, at)


def on(name: str) -> Supply:
    """A meter that says on."""
    return Supply(name, True, START - timedelta(days=1))


def silent(name: str) -> Supply:
    """A meter of which nothing is known."""
    return Supply(name, None)


@pytest.mark.parametrize(
    ("own", "around", "verdict", "because"),
    [
        ([lost("Rack outlet"), on("Mains")], [lost("Sevilla")], "local_outlet", "Mains of the same site is on"),
        ([lost("Mains")], [on("Lucena"), on("Montilla")], "facility_event", "Lucena has power"),
        ([lost("Mains")], [lost("Lucena", START + 4 * MIN), on("Montilla")], "utility", "Lucena lost power at 06:04"),
    ],
)
def test_pwr_03_each_of_three_losses_gets_its_verdict(
    own: list[Supply], around: list[Supply], verdict: str, because: str
) -> None:
    """One outlet, the facility, the utility; each with what was lost and what shows it."""
    found = localise(own, around)
    assert found.verdict == verdict
    assert any("lost" in r for r in found.reasons)
    assert any(because in r for r in found.reasons)


@pytest.mark.parametrize(
    ("own", "around"),
    [
        ([lost("Mains")], []),
        ([lost("Mains")], [silent("Lucena")]),
        ([lost("Mains")], [lost("Lucena", START - timedelta(hours=3))]),
        ([lost("Rack outlet"), silent("Mains")], [on("Lucena")]),
        ([silent("Mains")], []),
    ],
)
def test_pwr_03_what_nobody_can_tell_is_unknown(own: list[Supply], around: list[Supply]) -> None:
    """No neighbour heard, one that lost power hours ago, a meter of the site that is silent."""
    found = localise(own, around)
    assert found.verdict == "unknown"
    assert found.reasons


supplies = st.lists(
    st.builds(
        Supply, st.sampled_from("abc"), st.sampled_from([True, False, None]), st.sampled_from([START, START + 9 * MIN])
    ),
    max_size=4,
)


@given(supplies, supplies)
def test_pwr_03_a_loss_is_never_called_none_and_neighbours_never_make_an_outlet(
    own: list[Supply], around: list[Supply]
) -> None:
    """Counted by hand: lost, on and neither."""
    verdict = localise(own, around).verdict
    has_lost, has_on = any(s.is_on is False for s in own), any(s.is_on for s in own)
    assert (verdict == "none") is (not has_lost and has_on)
    assert (verdict == "local_outlet") is (has_lost and has_on)
    if verdict == "utility":
        assert any(n.is_on is False for n in around)
    if verdict == "facility_event":
        assert all(s.is_on is False for s in own)
        assert not any(n.is_on is False for n in around)


def said(**changes: object) -> GeneratorFacts:
    """A generator that stands still, heard now, with mains."""
    values: dict[str, object] = {"is_running": False, "heard_at": START, "has_fault": None}
    values |= {"mains": True, "mains_since": START - timedelta(days=1)}
    return GeneratorFacts(**(values | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("facts", "state"),
    [
        (said(), "stopped"),
        (said(is_running=True, mains=False), "running"),
        (said(mains=False, mains_since=START - MIN), "starting"),
        (said(mains=False, mains_since=START - 2 * MIN), "failed_to_start"),
        (said(has_fault=True), "failed_to_start"),
        (said(is_running=None, has_fault=True), "failed_to_start"),
        (said(is_running=None), "unknown"),
        (said(mains=None), "unknown"),
        (said(is_running=None, mains=False, mains_since=START - timedelta(hours=1)), "unknown"),
        (said(mains=False, mains_since=START - 9 * MIN, heard_at=START - 8 * MIN), "starting"),
    ],
)
def test_pwr_04_the_generator_is_said_as_it_was_heard(facts: GeneratorFacts, state: str) -> None:
    """A failed start rests on its own word, or on what it said two minutes after the mains; never on silence."""
    assert generator_state(facts) == state


@pytest.mark.parametrize("rule", ["generator_failed", "power_lost"])
def test_pwr_04_what_fails_for_a_whole_site_raises_severity_only_while_a_temperature_rises_there(rule: str) -> None:
    """Alone it needs the operator; beside a space that rises at its own site both are immediate."""
    matrix = parse(SHIPPED_MATRIX)
    failed = Condition(rule, SITE, "site", SITE, START)
    rising = Condition("rising", SITE, "space", SPACE, START, space_id=SPACE)
    elsewhere = Condition("rising", SPACE, "space", SITE, START, space_id=SITE)
    assert classify(failed, [failed, elsewhere], matrix, START).severity == "operator_actionable"
    assert classify(rising, [rising], matrix, START).severity == "informational"
    for one in (failed, rising):
        assert classify(one, [failed, rising], matrix, START).slug == f"{rule}_and_rising"
