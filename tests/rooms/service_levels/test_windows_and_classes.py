"""Vendor windows from plan to visit, and class changes: each refusal, each boundary, and what is written."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.samples import a_service_class, a_site
from waystation.evidence.models import Event, LogEntry
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.registry.models import Vendor
from waystation.service_levels import actions, queries
from waystation.service_levels.models import VendorWindow
from waystation.service_levels.rules.measures import Measure, at_least, at_most, said, window_outcome
from waystation.service_levels.rules.tier import TARGETS, changes, tier_of

Acting = Callable[..., Authority]
HOUR = timedelta(hours=1)
classes = st.fixed_dictionaries({name: st.sampled_from([0.0, 1.0, 24.0]) for name in TARGETS})
instants = st.none() | st.integers(0, 200)


def a_vendor(code: str = "friotec") -> Vendor:
    """A vendor of refrigeration."""
    return Vendor.objects.create(code=code, name=code.capitalize(), kind="refrigeration")


def a_window(manager: Authority, start: datetime = START + HOUR, **changed: object) -> VendorWindow:
    """An hour that a vendor promised."""
    vendor = Vendor.objects.filter(code="friotec").first() or a_vendor()
    return actions.plan_window(
        manager, vendor.pk, a_site("cordoba").pk, what="filters", start=start, end=start + HOUR, now=START
    )


@given(classes, classes)
def test_jnt_01_a_preview_lists_each_target_that_differs_and_no_other(
    today: dict[str, float], then: dict[str, float]
) -> None:
    """With both values and the kind, alarm before recovery before stock before records."""
    found = changes(today, then)
    assert {c.name for c in found} == {n for n in TARGETS if today[n] != then[n]}
    assert all((c.today, c.then, c.kind) == (today[c.name], then[c.name], TARGETS[c.name]) for c in found)
    order = ["alarm", "recovery", "stock", "records"]
    assert [order.index(c.kind) for c in found] == sorted(order.index(c.kind) for c in found)


@given(st.integers(0, 100), st.integers(1, 50), instants, instants, st.integers(0, 250))
def test_ven_07_a_window_has_one_outcome_and_never_a_better_one_later(
    start: int, length: int, began: int | None, ended: int | None, now: int
) -> None:
    """Complete only when it ended in time; what is missed or late stays so as time goes by."""
    end = start + length
    outcome = window_outcome(end, began, ended if began is not None else None, now)
    assert outcome in ("planned", "running", "complete", "late", "missed")
    if outcome == "complete":
        assert began is not None
        assert ended is not None
        assert ended <= end
    if outcome in ("late", "missed"):
        assert window_outcome(end, began, ended if began is not None else None, now + 60) == outcome


@pytest.mark.parametrize(("now", "outcome"), [(10, "planned"), (10.001, "missed")])
def test_ven_07_a_window_is_missed_only_after_its_end(now: float, outcome: str) -> None:
    """At the very end the vendor may still come."""
    assert window_outcome(10, None, None, now) == outcome
    assert window_outcome(10, 1, None, now) == {"planned": "running", "missed": "late"}[outcome]
    assert window_outcome(10, 1, now, 99) == {"planned": "complete", "missed": "late"}[outcome]


def test_sla_09_a_measure_shows_its_inputs_and_says_what_it_found() -> None:
    """Completeness is a share of what was expected, at most one; words name value and unit."""
    kept = at_most("page", 31.5, 60, "s", 3, 4)
    assert (kept.kept, kept.completeness, kept.words) == (True, 0.75, "worst 31.5 s")
    assert at_most("page", 60.0, 60, "s", 1, 1).kept is True
    assert at_most("page", 60.1, 60, "s", 1, 1).kept is False
    nothing = at_most("page", None, 60, "s", 0, 0)
    assert (nothing.kept, nothing.completeness, nothing.words) == (True, 1.0, "nothing happened to measure")
    assert at_most("page", None, 60, "s", 0, 2).words == "not measured"
    share = at_least("heard", 99.5, 99.5, "%", 9, 6)
    assert (share.kept, share.completeness, share.words) == (True, 1.0, "99.50 %")
    assert at_least("heard", 99.49, 99.5, "%", 9, 9).kept is False
    assert at_least("heard", None, 99.5, "%", 9, 9) == Measure("heard", None, None, 99.5, "%", 9, 9, "not measured")


@pytest.mark.parametrize(
    ("inputs", "rank", "reasons"),
    [
        ({}, 3, ("product is none", "commitments are none", "0 units a month")),
        ({"volume_per_month": 499}, 3, ("product is none", "commitments are none", "499 units a month")),
        ({"volume_per_month": 500}, 2, ("500 units a month",)),
        ({"volume_per_month": 4999}, 2, ("4999 units a month",)),
        ({"volume_per_month": 5000}, 1, ("5000 units a month",)),
        ({"criticality": "food", "commitments": "agreed"}, 2, ("product is food", "commitments are agreed")),
        (
            {"criticality": "vaccine", "commitments": "contractual"},
            1,
            ("product is vaccine", "commitments are contractual"),
        ),
        ({"criticality": "pharmaceutical"}, 1, ("product is pharmaceutical",)),
    ],
)
def test_sla_01_the_reasons_are_the_inputs_that_decide(
    inputs: dict[str, object], rank: int, reasons: tuple[str, ...]
) -> None:
    """At each boundary of volume, and where several decide together."""
    tier = tier_of(inputs)
    assert (tier.rank, tier.reasons) == (rank, reasons)


@pytest.mark.parametrize(
    ("inputs", "field"),
    [
        ({"criticality": 1}, "criticality"),
        ({"commitments": "verbal"}, "commitments"),
        ({"volume_per_month": True}, "volume_per_month"),
        ({"volume_per_month": 1.5}, "volume_per_month"),
    ],
)
def test_sla_01_each_input_is_refused_by_name_with_its_value(inputs: dict[str, object], field: str) -> None:
    """And says what may be written."""
    with pytest.raises(BadInput) as refused:
        tier_of(inputs)
    assert (refused.value.field, refused.value.value) == (field, inputs[field])
    assert refused.value.next_step


@pytest.mark.django_db
def test_sla_03_a_class_change_is_written_with_both_classes_and_the_reason(acting: Acting) -> None:
    """Entry and event name from, to, the tier and why; an unknown class or an unusable input changes nothing."""
    site = a_site("cordoba", service_class=a_service_class("B"))
    a_service_class("A")
    manager = acting("service_manager")
    with pytest.raises(NotFound):
        actions.set_class(manager, site.pk, "Z", inputs={}, reason="x", now=START)
    with pytest.raises(BadInput):
        actions.set_class(manager, site.pk, "A", inputs={"criticality": "?"}, reason="x", now=START)
    assert not LogEntry.objects.filter(kind="service_levels.class_set").exists()
    actions.set_class(manager, site.pk, "A", inputs={"criticality": "vaccine"}, reason="vaccines", now=START)
    event = Event.objects.get(kind="service_levels.class_set")
    assert event.data == {"from": "B", "to": "A", "tier": 1, "why": ["product is vaccine"]}
    assert (event.site_id, event.at) == (site.pk, START)
    site.refresh_from_db()
    preview = queries.preview(site, queries.service_class("B"))
    assert (preview.today, preview.then, preview.tier and preview.tier.rank) == ("A", "B", 1)


@pytest.mark.django_db
def test_ven_07_a_visit_is_recorded_once_it_ended_and_may_be_begun_before(acting: Acting) -> None:
    """Begun, then ended: two entries; ended is final; an end before its start is refused."""
    manager = acting("service_manager")
    row, begin = a_window(manager), START + HOUR
    visit = {"person": "M. Gil", "evidence": "sheet 4", "now": begin}
    with pytest.raises(BadInput) as refused:
        actions.record_visit(manager, row.pk, started_at=begin, ended_at=begin - HOUR, **visit)  # type: ignore[arg-type]
    assert refused.value.field == "ended_at"
    actions.record_visit(manager, row.pk, started_at=begin, ended_at=None, **visit)  # type: ignore[arg-type]
    row.refresh_from_db()
    assert queries.outcome_of(row, begin) == "running"
    done = actions.record_visit(manager, row.pk, started_at=begin, ended_at=begin, **visit)  # type: ignore[arg-type]
    assert (queries.outcome_of(done, begin), done.person, done.evidence) == ("complete", "M. Gil", "sheet 4")
    with pytest.raises(Conflict, match="recorded already"):
        actions.record_visit(manager, row.pk, started_at=begin, ended_at=begin, **visit)  # type: ignore[arg-type]
    assert LogEntry.objects.filter(kind="service_levels.window_visited").count() == 2


@pytest.mark.django_db
def test_ven_07_only_who_may_write_plans_and_records(acting: Acting) -> None:
    """An operator does neither; unknown windows and vendors are not found."""
    manager, operator, site = acting("service_manager"), acting("operator"), a_site("cordoba")
    row = a_window(manager)
    with pytest.raises(NotAllowed):
        a_window(operator)
    with pytest.raises(NotAllowed):
        actions.record_visit(operator, row.pk, started_at=START, ended_at=None, person="x", evidence="y", now=START)
    with pytest.raises(NotFound):
        actions.record_visit(manager, uuid4(), started_at=START, ended_at=None, person="x", evidence="y", now=START)
    with pytest.raises(NotFound):
        actions.plan_window(manager, uuid4(), site.pk, what="x", start=START, end=START + HOUR, now=START)
    row.refresh_from_db()
    assert row.started_at is None


@pytest.mark.django_db
def test_sla_08_windows_and_records_are_those_of_the_period(acting: Acting) -> None:
    """Both ends belong to it; newest first in the list, oldest first in a record; equal vendors by name."""
    manager = acting("service_manager")
    days = [a_window(manager, START + timedelta(days=n)).planned_start for n in range(4)]
    assert [w.planned_start for w in queries.windows(days[1], days[2])] == [days[2], days[1]]
    (record,) = queries.vendor_records(days[0], days[3])
    assert record.outcomes == ("missed", "missed", "missed", "planned")
    assert (record.failed, record.sites) == (3, (a_site("cordoba").name,))
    assert queries.vendor_records(days[0], START - HOUR) == []


@pytest.mark.django_db
def test_service_classes_are_listed_most_critical_first() -> None:
    """By rank, then code."""
    for code, rank in (("C", 3), ("A", 1), ("B", 1)):
        a_service_class(code, rank=rank)
    assert [c.code for c in queries.service_classes()] == ["A", "B", "C"]
    assert set(queries.targets_of(queries.service_class("A"))) == set(TARGETS)


@pytest.mark.parametrize(
    ("value", "unit", "words"),
    [
        (31.5, "s", "31.5 s"),
        (119, "s", "119 s"),
        (300, "s", "5 min"),
        (301, "s", "5 min 1 s"),
        (3600, "s", "1 h"),
        (3905.5, "s", "1 h 5 min 5.5 s"),
        (4.0, "h", "4 h"),
        (99.5, "%", "99.5 %"),
    ],
)
def test_sla_02_a_measure_is_said_in_peoples_units_and_never_rounded_to_its_target(
    value: float, unit: str, words: str
) -> None:
    """301 s is not the 300 s that were promised."""
    assert said(value, unit) == words
