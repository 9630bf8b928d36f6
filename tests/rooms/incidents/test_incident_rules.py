"""The rules of an incident alone: what belongs together, how urgent it is, and what still keeps it open."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from waystation.incidents.rules import cause, closing, priority

SITE, FRIDGE, GATEWAY = uuid4(), uuid4(), uuid4()
CAUSES = sorted(cause._GROUPS)
DONE = closing.Ending("repaired", True, True, True, START, START, False, False)
ids = st.sampled_from([None, FRIDGE, GATEWAY])


@given(st.sampled_from(CAUSES), st.sampled_from(CAUSES), ids, ids)
def test_one_failure_makes_one_incident_and_two_groups_make_two(
    one: str, other: str, space: UUID | None, device: UUID | None
) -> None:
    """Causes of a group share a key on the same object; causes of two groups never do, nor do two sites."""
    same = cause.live_key(SITE, one, space, device) == cause.live_key(SITE, other, space, device)
    assert same == (cause.group_of(one) == cause.group_of(other))
    assert cause.live_key(SITE, one, space, device) != cause.live_key(uuid4(), one, space, device)


@pytest.mark.parametrize("word", ["power_lost", "site_unreachable", "circuit_down", "wan_outage", "power_loss"])
def test_what_carries_a_site_belongs_to_the_site(word: str) -> None:
    """Whatever object reported it."""
    keys = {cause.live_key(SITE, word, space, device) for space, device in product((None, FRIDGE), (None, GATEWAY))}
    assert len(keys) == 1
    assert keys.pop().endswith(":site")


@pytest.mark.parametrize(
    ("word", "target"),
    [
        ("excursion", FRIDGE),
        ("compressor_fault", FRIDGE),
        ("humidity", FRIDGE),
        ("late_excursion", FRIDGE),
        ("device_unreachable", GATEWAY),
        ("sensor_silent", GATEWAY),
        ("something_new", GATEWAY),
    ],
)
def test_cooling_belongs_to_its_space_and_hardware_to_itself(word: str, target: UUID) -> None:
    """With both named; with one named that one; with none the site."""
    assert cause.live_key(SITE, word, FRIDGE, GATEWAY).endswith(str(target))
    assert cause.live_key(SITE, word, FRIDGE, None).endswith(str(FRIDGE))
    assert cause.live_key(SITE, word, None, GATEWAY).endswith(str(GATEWAY))
    assert cause.live_key(SITE, word, None, None).endswith(":site")


@given(st.sampled_from([*CAUSES, "something_new"]), ids)
def test_every_incident_waits_for_something(word: str, space: UUID | None) -> None:
    """A cause asks for service, product or both; a space that is named always asks for its product."""
    service, safe = cause.needs(word, space)
    assert service or safe
    assert safe or space is None


def test_an_unknown_cause_is_its_own_group_and_asks_for_service() -> None:
    """Doubt asks for more, not for less."""
    assert cause.group_of("something_new") == "something_new"
    assert cause.needs("something_new", None) == (True, False)
    assert cause.needs("late_excursion", None) == (False, True)
    assert cause.needs("power_lost", None) == (True, True)
    assert cause.needs("humidity", None) == (True, False)
    assert cause.needs("humidity", FRIDGE) == (False, True)


@pytest.mark.parametrize(
    ("severity", "rank", "expected"),
    [
        ("immediate_excursion_risk", 3, "P1"),
        ("operator_actionable", 0, "P2"),
        ("operator_actionable", 1, "P2"),
        ("operator_actionable", 2, "P3"),
        ("informational", 1, "P4"),
        ("a word that nobody knows", 1, "P4"),
    ],
)
def test_priority_follows_severity_and_class(severity: str, rank: int, expected: str) -> None:
    """At the boundary of the classes too."""
    assert priority.priority_of(severity, rank) == expected


@given(st.sampled_from(priority.PRIORITIES), st.sampled_from(priority.PRIORITIES))
def test_the_more_urgent_of_two_does_not_depend_on_their_order(one: str, other: str) -> None:
    """And is one of them."""
    assert priority.more_urgent(one, other) == priority.more_urgent(other, one) in (one, other)


def test_an_incident_with_everything_said_may_end() -> None:
    """Nothing is missing."""
    assert closing.missing(DONE) == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"outcome": "it went away"}, "outcome"),
        ({"outcome": ""}, "outcome"),
        ({"has_responder": False}, "responder"),
        ({"service_restored_at": None}, "service"),
        ({"product_safe_at": None}, "product"),
        ({"quality_task_open": True}, "quality"),
        ({"outcome": "false_alarm", "out_of_range": True}, "reading"),
        ({"outcome": "sensor_failed", "out_of_range": None}, "reading"),
        ({"outcome": "no_fault_found", "out_of_range": True}, "reading"),
    ],
)
def test_each_thing_that_is_missing_is_named_alone(changes: dict[str, object], code: str) -> None:
    """With words that a person can act on."""
    ((found, words),) = closing.missing(replace(DONE, **changes))  # type: ignore[arg-type]
    assert found == code
    assert words


@pytest.mark.parametrize(
    "changes",
    [
        {"needs_service": False, "service_restored_at": None},
        {"needs_product": False, "product_safe_at": None},
        {"outcome": "false_alarm", "out_of_range": True, "by_quality": True},
        {"outcome": "false_alarm", "out_of_range": False},
        {"outcome": "repaired", "out_of_range": True},
    ],
)
def test_what_does_not_apply_stands_in_nobodys_way(changes: dict[str, object]) -> None:
    """A fact that was not asked for, and an explanation that QA gives or that explains nothing away."""
    assert closing.missing(replace(DONE, **changes)) == []  # type: ignore[arg-type]


@given(
    st.builds(
        closing.Ending,
        st.sampled_from([*closing.OUTCOMES, "other"]),
        st.booleans(),
        st.booleans(),
        st.booleans(),
        st.sampled_from([None, START]),
        st.sampled_from([None, START]),
        st.sampled_from([None, True, False]),
        st.booleans(),
        st.booleans(),
    )
)
def test_no_reading_is_explained_away_and_no_product_forgotten(ending: closing.Ending) -> None:
    """An ending that nothing stands against has a known outcome, a responder, every fact, and no open doubt."""
    if closing.missing(ending):
        return
    assert ending.outcome in closing.OUTCOMES
    assert ending.has_responder
    assert not ending.needs_service or ending.service_restored_at
    assert not ending.needs_product or ending.product_safe_at
    assert not ending.quality_task_open
    if ending.outcome in ("sensor_failed", "false_alarm", "no_fault_found") and ending.out_of_range is not False:
        assert ending.by_quality
