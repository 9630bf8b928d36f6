"""Tiers with their reasons, previews of a class change, measures that never round doubt up, vendor windows."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.samples import a_service_class, a_site
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed
from waystation.registry.models import Vendor
from waystation.service_levels import actions, queries
from waystation.service_levels.rules.measures import at_least, at_most, window_outcome
from waystation.service_levels.rules.tier import COMMITMENTS, CRITICALITY, tier_of

pytestmark = pytest.mark.django_db


@given(st.sampled_from(CRITICALITY), st.sampled_from(COMMITMENTS), st.integers(0, 10_000))
def test_sla_01_the_strictest_input_decides_and_says_so(criticality: str, commitments: str, volume: int) -> None:
    """Never laxer than any input alone; the reasons name only inputs that decide."""
    tier = tier_of({"criticality": criticality, "commitments": commitments, "volume_per_month": volume})
    alone = [
        tier_of({"criticality": criticality}),
        tier_of({"commitments": commitments}),
        tier_of({"volume_per_month": volume}),
    ]
    assert tier.rank == min(t.rank for t in alone)
    assert tier.reasons


@pytest.mark.parametrize(
    "inputs", [{"criticality": "best effort"}, {"volume_per_month": -1}, {"volume_per_month": "many"}]
)
def test_sla_01_an_input_that_cannot_be_used_is_named(inputs: dict[str, object]) -> None:
    """Refused with the field."""
    with pytest.raises(BadInput) as refused:
        tier_of(inputs)
    assert refused.value.field in inputs


def test_jnt_01_raising_a_class_shows_alarm_recovery_and_stock_in_one_preview() -> None:
    """All three kinds change together, before anything is applied."""
    site = a_site(
        "cordoba", service_class=a_service_class("B", page_delay_s=1800, recovery_h=24.0, cover_probability=0.85)
    )
    preview = queries.preview(site, a_service_class("A"))
    assert {c.kind for c in preview.changes} >= {"alarm", "recovery", "stock"}
    assert {c.name: (c.today, c.then) for c in preview.changes}["page_delay_s"] == (1800.0, 600.0)
    site.refresh_from_db()
    assert site.service_class.code == "B"


def test_sla_03_only_a_service_manager_moves_a_site(acting: Callable[..., Authority], now: datetime) -> None:
    """And the inputs stay with the site."""
    site = a_site("cordoba", service_class=a_service_class("B"))
    a_service_class("A")
    inputs: dict[str, object] = {"criticality": "vaccine"}
    with pytest.raises(NotAllowed):
        actions.set_class(acting("operator"), site.pk, "A", inputs=inputs, reason="x", now=now)
    moved = actions.set_class(
        acting("service_manager"), site.pk, "A", inputs=inputs, reason="vaccines since May", now=now
    )
    assert (moved.service_class.code, moved.tier_inputs) == ("A", inputs)


@given(st.floats(0, 100), st.floats(0, 100), st.integers(0, 20), st.integers(0, 20))
def test_sla_09_a_measure_without_inputs_is_never_kept(value: float, target: float, inputs: int, expected: int) -> None:
    """Unknown is unknown; with inputs the comparison decides."""
    assert at_most("detect", None, target, "s", 0, max(expected, 1)).kept is None
    assert at_least("availability", value, target, "%", 0, expected).kept is None
    assert at_most("detect", value, target, "s", inputs + 1, expected).kept == (value <= target)


@pytest.mark.parametrize(
    ("started", "ended", "now", "outcome"),
    [
        (None, None, 5, "planned"),
        (None, None, 11, "missed"),
        (4, None, 5, "running"),
        (4, None, 11, "late"),
        (4, 9, 20, "complete"),
        (4, 11, 20, "late"),
    ],
)
def test_ven_07_what_came_of_a_window_follows_from_instants(
    started: float | None, ended: float | None, now: float, outcome: str
) -> None:
    """Nobody has to say that a window was missed."""
    assert window_outcome(10, started, ended, now) == outcome


def test_sla_08_vendors_are_ranked_by_missed_and_late_windows(acting: Callable[..., Authority], now: datetime) -> None:
    """With counts and the sites they let down; a recorded window is not recorded twice."""
    manager, site, hour = acting("service_manager"), a_site("cordoba"), timedelta(hours=1)
    good, bad = (Vendor.objects.create(code=c, name=c, kind="refrigeration") for c in ("good", "bad"))
    for number, vendor in enumerate((good, bad, bad)):
        start = now - timedelta(days=number + 2)
        row = actions.plan_window(manager, vendor.pk, site.pk, what="service", start=start, end=start + hour, now=start)
        if vendor is good:
            actions.record_visit(
                manager, row.pk, started_at=start, ended_at=start + hour, person="M. Gil", evidence="sheet 4", now=now
            )
            with pytest.raises(Conflict):
                actions.record_visit(
                    manager, row.pk, started_at=start, ended_at=start, person="x", evidence="y", now=now
                )
    records = queries.vendor_records(now - timedelta(days=30), now)
    assert [(r.vendor, r.failed, r.sites) for r in records] == [("bad", 2, (site.name,)), ("good", 0, ())]
    with pytest.raises(BadInput):
        actions.plan_window(manager, bad.pk, site.pk, what="x", start=now, end=now, now=now)
