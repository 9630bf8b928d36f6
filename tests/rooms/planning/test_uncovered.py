"""JNT-04, SLA-04: what is restored too late, what limits it, and the cheapest fix, on hand-made sources."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waystation.planning.rules.living.uncovered import (
    Risk,
    Source,
    continuity_promise,
    fastest,
    limit_of,
    restore_promise,
    uncovered,
)


def a_risk(*sources: Source, tolerable_h: float = 4.0, **changes: object) -> Risk:
    """A controller at Córdoba whose class tolerates four hours."""
    values: dict[str, object] = {"unit_cost": 410.0, "units": 2} | changes
    return Risk("cordoba", "Córdoba", "A", "controller", tolerable_h=tolerable_h, sources=sources, **values)  # type: ignore[arg-type]


def hub(hours: float | None, ready: int = 0, name: str = "Sevilla") -> Source:
    """A hub at that distance in time."""
    return Source("hub", name, hours, ready, 60.0)


CABINET = Source("cabinet", "a cabinet at Córdoba", 1.2, 0, 0.0)
VENDOR = Source("vendor", "Friotec", 30.0, 0, 640.0)

sources = st.lists(
    st.builds(
        Source,
        st.sampled_from(["hub", "cabinet", "vendor"]),
        st.sampled_from(["a", "b", "c"]),
        st.none() | st.floats(0.5, 48.0),
        st.integers(0, 2),
        st.just(0.0),
    ),
    max_size=5,
)


@given(st.lists(sources, min_size=1, max_size=4), st.floats(1.0, 24.0))
def test_jnt_04_a_risk_is_listed_exactly_when_nobody_with_a_unit_restores_in_time(
    sets: list[list[Source]], tolerable_h: float
) -> None:
    """Against a plain search; each listed one has a fix, and every fix but the last ones comes in time."""
    risks = [a_risk(*some, tolerable_h=tolerable_h) for some in sets]
    covered = [
        any(
            s.p90_h is not None and s.p90_h <= tolerable_h and (s.kind == "vendor" or (s.kind == "hub" and s.ready > 0))
            for s in some
        )
        for some in sets
    ]
    found = uncovered(risks)
    assert len(found) == covered.count(False)
    assert [f.over_h for f in found] == sorted((f.over_h for f in found), reverse=True)
    for one in found:
        assert one.fixes[-1].kind == "waiver"
        assert all(f.p90_h is not None and f.p90_h <= tolerable_h for f in one.fixes if f.kind == "spare")
        prices = [f.price for f in one.fixes if f.price is not None]
        assert prices == sorted(prices)


def test_jnt_04_the_cheapest_fix_is_a_spare_where_it_comes_in_time() -> None:
    """An empty hub three hours away and a cabinet cost one unit each; the quicker one stands first."""
    (found,) = uncovered([a_risk(hub(3.0), hub(19.0, 4, "Madrid"), CABINET, VENDOR)])
    assert (found.fastest_h, found.fastest_from, found.limit) == (19.0, "Madrid", "stock")
    assert [(f.kind, f.price) for f in found.fixes] == [
        ("spare", 410.0),
        ("spare", 410.0),
        ("vendor", None),
        ("waiver", None),
    ]
    assert found.fixes[0].words == "One controller in a cabinet at Córdoba"


def test_jnt_04_an_unknown_price_is_unknown_and_never_the_cheapest() -> None:
    """A fix that nobody priced stands behind a priced one."""
    (found,) = uncovered([a_risk(hub(9.0), VENDOR, unit_cost=None, carries=True, circuits=1)])
    assert [(f.kind, f.price) for f in found.fixes] == [("circuit", None), ("vendor", None), ("waiver", None)]
    assert math.isfinite(found.over_h)


def test_jnt_04_a_second_circuit_is_a_fix_only_for_what_carries_and_only_where_there_is_one() -> None:
    """A controller has no circuit; a site with two has its second already."""
    kinds = {
        (carries, circuits): [
            f.kind for f in uncovered([a_risk(hub(9.0), carries=carries, circuits=circuits)])[0].fixes
        ]
        for carries in (True, False)
        for circuits in (1, 2)
    }
    assert [key for key, some in kinds.items() if "circuit" in some] == [(True, 1)]


def test_jnt_04_nobody_at_all_stands_before_somebody_late() -> None:
    """A site that nobody can restore is the first of the list."""
    alone, late = a_risk(hub(None)), a_risk(hub(40.0, 1))
    assert [u.fastest_h for u in uncovered([late, alone])] == [None, 40.0]
    assert fastest(alone) is None


def test_sla_04_the_factor_that_limits_is_named() -> None:
    """Stock when a hub would come in time, travel when only a cabinet would, people when not even that."""
    assert limit_of(a_risk(hub(3.0))) == "stock"
    assert limit_of(a_risk(hub(9.0, 1), CABINET)) == "travel"
    assert limit_of(a_risk(hub(9.0, 1), Source("cabinet", "c", 6.0, 0, 0.0))) == "contacts and access"
    assert limit_of(a_risk(hub(3.0, 1))) == "none"


def test_sla_04_a_promise_is_held_against_what_is_there() -> None:
    """Kept by the slowest group; not kept by one that is late; not shown without any device."""
    kept = restore_promise("cordoba", 4.0, [a_risk(hub(3.0, 1)), a_risk(hub(2.0, 1))])
    assert (kept.is_achievable, kept.words) == (True, "the slowest of 2 groups takes 3.0 h")
    broken = restore_promise("cordoba", 4.0, [a_risk(hub(3.0, 1)), a_risk(hub(9.0, 1), CABINET)])
    assert (broken.is_achievable, broken.limit) == (False, "travel")
    assert restore_promise("cordoba", 4.0, []).is_achievable is False


@pytest.mark.parametrize(
    ("asked", "circuits", "kept"),
    [
        (99.5, [99.5], True),
        (99.9, [99.5], False),
        (99.99, [99.5, 99.0], True),
        (99.999, [99.5, 99.0], False),
        (90, [], False),
    ],
)
def test_sla_04_circuits_promise_together_what_they_promise_alone(
    asked: float, circuits: list[float], kept: bool
) -> None:
    """1 - (0.005 x 0.01) is 99.995 %; without a circuit nothing is promised."""
    found = continuity_promise("cordoba", asked, circuits)
    assert found.is_achievable is kept
    assert found.limit == ("none" if kept else "circuits")
