"""The questions of leadership are answered from the records, and what is not measured is never called kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_service_class, a_site
from waystation.evidence.actions import NewEntry, record
from waystation.incidents import actions as incidents
from waystation.journeys.circuits import _joined, circuit_states
from waystation.journeys.measures import _continuity, by_name
from waystation.journeys.overview import Overview, as_plain, overview
from waystation.journeys.record_quality import as_plain as quality_as_plain
from waystation.journeys.record_quality import record_quality
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotAllowed
from waystation.registry.models import Circuit, ServiceClass, Vendor
from waystation.service_levels import actions as service_levels
from waystation.service_levels import queries as service_level_queries
from waystation.telemetry import stores
from waystation.telemetry.continuity import Continuity
from waystation.telemetry.engine import Engine
from waystation.telemetry.hours import Hours
from waystation.telemetry.models import Calibration

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    yield
    stores._log.cache_clear()


def _opened(system: Authority, at: datetime, code: str = "cordoba") -> None:
    """The log says that the site became active then."""
    site = a_site(code)
    facts = {"from": "commissioning", "to": "active"}
    record([], entry=NewEntry("registry.site_state", site.pk, system, at, site.pk, facts=facts))


def _measured(system: Authority, now: datetime, values: list[float | None]) -> tuple[Overview, datetime]:
    """A fridge that said these values, one a minute; the overview ten minutes or less after the last."""
    space, (probe,) = a_monitored_space(now)
    _opened(system, now)
    end = now + timedelta(minutes=len(values))
    deliver(space, minutes(probe, now, values), end)
    judge(Engine(), end)
    return overview(system, "7d", now=end), end


def test_sla_05_a_critical_site_that_keeps_every_promise_is_counted(system: Authority, now: datetime) -> None:
    """An hour of readings, proven, no alarm: 1 of 1, and the same numbers in the plain form."""
    found, _ = _measured(system, now, [5.0 + 0.1 * (i % 2) for i in range(60)])
    assert found.not_within == []
    plain = as_plain(found)
    assert plain["numbers"]["critical_within"] == "1 of 1"
    assert plain["numbers"] == {n.key: n.value for n in found.numbers}
    assert len(found.numbers) <= 8


def test_sla_05_a_site_that_cannot_prove_its_hours_is_not_within_sla(system: Authority, now: datetime) -> None:
    """Half an hour silent of an hour: continuity 50 %, named with its target, although nothing was out."""
    found, _ = _measured(system, now, [5.0 + 0.1 * (i % 2) for i in range(30)] + [None] * 30)
    (site,) = found.not_within
    continuity = by_name(site.measures)["continuity"]
    assert continuity.kept is False
    assert continuity.measured is not None
    assert 48 <= continuity.measured <= 53
    assert "continuity" in site.words
    assert (site.allowance_used or 0) > 1


def test_sla_05_a_site_that_said_nothing_is_never_within_sla(system: Authority, now: datetime) -> None:
    """No readings at all is all of the allowance, not none of it."""
    a_monitored_space(now)
    _opened(system, now)
    found = overview(system, "7d", now=now + timedelta(hours=2))
    assert [s.kept for s in found.critical] == [False]
    assert dict(as_plain(found)["numbers"])["proven_pct"] == "0.0 %"


def test_sla_05_a_large_network_says_up_to_when_it_counts_and_what_it_does_not_count_yet(
    system: Authority, now: datetime
) -> None:
    """33 spaces, one heard, open for three days: while hours wait nothing is called kept; afterwards nothing waits."""
    space, (probe,) = a_monitored_space(now)
    for number in range(2, 34):
        a_monitored_space(now, code=f"fridge-{number}")
    _opened(system, now - timedelta(days=3))
    deliver(space, minutes(probe, now, [5.0, 5.1] * 90), now + timedelta(hours=3))
    at = now + timedelta(hours=3, minutes=20)
    Hours().keep(system, now - timedelta(days=3))
    early = overview(system, "7d", now=at)
    (site,) = early.waiting
    assert early.end == now + timedelta(hours=3)
    assert early.counted == f"counted to {early.end:%H:%M} UTC, 1 site not counted whole yet"
    assert "not counted yet" in site.words
    assert site.kept is not True
    assert as_plain(early)["not_counted"] == ["cordoba"]
    Hours().keep(system, at)
    late = overview(system, "7d", now=at)
    assert late.waiting == []
    assert late.counted == f"counted to {late.end:%H:%M} UTC"
    held = late.sites[0].continuity
    assert held.total_s == pytest.approx(33 * 75 * 3600)
    assert held.proven_s == pytest.approx(3 * 3600)
    both = site.continuity.total_s + site.continuity.waiting_s
    assert both == pytest.approx(held.total_s)


def test_sla_05_what_waits_leaves_a_promise_open_only_while_it_decides(system: Authority, now: datetime) -> None:
    """Nine hours in ten shown and a target of 99.5 %: one hour that waits decides, an hour that is lost does not."""
    target = a_service_class()
    assert _continuity(Continuity(3600 * 99.0, 0, 0, 3600 * 1.0), target).kept is None
    assert _continuity(Continuity(3600 * 99.8, 0, 0, 3600 * 0.2), target).kept is True
    assert _continuity(Continuity(3600 * 90.0, 0, 3600 * 9.0, 3600 * 1.0), target).kept is False
    assert _continuity(Continuity(), target, is_new=True).kept is None
    assert _continuity(Continuity(waiting_s=60.0), target).kept is None


def test_sla_06_repeated_excursions_are_ranked_with_counts_and_minutes(system: Authority, now: datetime) -> None:
    """Two stretches out are two excursions, their minutes are measured, and a site with none is not listed."""
    a_site("faro")
    calm, out = [5.0, 5.1] * 10, [9.1, 9.4, 9.2, 9.3]
    found, _ = _measured(system, now, [*calm, *out, *calm, *out, *calm])
    (node,) = found.repeated
    assert (node.code, node.count) == ("cordoba", 2)
    assert 7 <= node.minutes <= 9
    assert node.common_cause == "no cause is recorded"


def test_sla_06_two_probes_out_together_are_one_excursion(system: Authority, now: datetime) -> None:
    """A space is counted, not its probes; the cause is that of the incident beside it."""
    space, probes = a_monitored_space(now, probes=2)
    _opened(system, now)
    values: list[float | None] = [*[5.0, 5.1] * 10, *[9.1, 9.4] * 5]
    end = now + timedelta(minutes=len(values))
    deliver(space, [r for p in probes for r in minutes(p, now, values)], end)
    judge(Engine(), end)
    incidents.open(
        system, "compressor_fault", space.site_id, title="Compressor", priority="P2", now=now, space_id=space.pk
    )
    (node,) = overview(system, "7d", now=end).nodes
    assert (node.count, node.common_cause, node.sharing_cause) == (1, "compressor fault", 1)
    assert node.episodes[0].end is None
    assert 9 <= node.minutes <= 11


def _circuit(code: str, path: str = "primary", **changes: Any) -> Circuit:
    vendor = Vendor.objects.get_or_create(code="iberlink", defaults={"name": "Iberlink", "kind": "circuit"})[0]
    values = {"site": a_site("cordoba"), "vendor": vendor, "path": path, "medium": "fibre"} | changes
    return Circuit.objects.create(code=code, **values)


def test_sla_07_a_circuit_is_at_risk_with_what_shows_it(system: Authority, now: datetime) -> None:
    """The only path of a critical site, and a contract that ends; a second path takes the first reason away."""
    _circuit("c-1", contract_until=(now + timedelta(days=10)).date())
    site = a_site("cordoba")
    (alone,) = circuit_states([site], now - timedelta(days=7), now)
    assert alone.is_at_risk
    assert alone.evidence == ("the only path of a critical site", f"contract ends {now + timedelta(days=10):%d %b %Y}")
    assert not alone.is_known
    other = Vendor.objects.create(code="nevasur", name="Nevasur", kind="circuit")
    _circuit("c-2", "backup", vendor=other, medium="lte", contract_until=(now + timedelta(days=400)).date())
    found = {c.circuit: c for c in circuit_states([site], now - timedelta(days=7), now)}
    assert not found["c-2"].is_at_risk
    assert found["c-1"].evidence == alone.evidence[1:]


@given(st.lists(st.tuples(st.integers(0, 500), st.integers(0, 60)), max_size=20))
def test_sla_07_time_without_a_circuit_is_counted_once(spans: list[tuple[int, int]]) -> None:
    """Overlapping stretches add up to the minutes that any of them covers."""
    zero = datetime.fromisoformat("2026-11-17T00:00:00+00:00")
    found = _joined([(zero + timedelta(minutes=a), zero + timedelta(minutes=a + n)) for a, n in spans])
    total = sum((b - a).total_seconds() for a, b in found) / 60
    assert total == len({m for a, n in spans for m in range(a, a + n)})
    assert list(found) == sorted(found)


def test_sla_08_vendors_that_miss_windows_are_counted(system: Authority, acting: Acting, now: datetime) -> None:
    """One missed of one, with the site that was let down."""
    vendor, site = Vendor.objects.create(code="friotec", name="FrioTec", kind="refrigeration"), a_site("cordoba")
    start = now - timedelta(days=2)
    service_levels.plan_window(
        acting("service_manager"),
        vendor.pk,
        site.pk,
        what="service",
        start=start,
        end=start + timedelta(hours=2),
        now=start,
    )
    found = overview(system, "7d", now=now)
    assert [(v.vendor, v.failed, v.sites) for v in found.failing] == [("FrioTec", 1, (site.name,))]
    assert as_plain(found)["numbers"]["windows_failed"] == "1"


def test_sla_09_the_three_outcome_questions_are_measured_with_their_inputs(system: Authority, now: datetime) -> None:
    """Detected in seconds, continuity in percent, remote management in hours; each with how much it rests on."""
    found, end = _measured(system, now, [*[5.0, 5.1] * 30, *[9.1, 9.3] * 10])
    measures = by_name(found.sites[0].measures)
    detection = measures["detection"]
    assert (detection.inputs, detection.expected, detection.unit) == (1, 1, "s")
    assert detection.measured is not None
    assert measures["continuity"].completeness >= 0.9
    assert measures["remote management"].words == "nothing happened to measure"
    assert found.sites[0].last_evidence_at is not None
    incidents.open(
        system, "site_unreachable", a_site("cordoba").pk, title="Dark", priority="P2", now=end, detected_at=end
    )
    soon = overview(system, "7d", now=end + timedelta(minutes=20)).sites[0]
    assert by_name(soon.measures)["remote management"].kept is None
    late = overview(system, "7d", now=end + timedelta(hours=2)).sites[0]
    assert by_name(late.measures)["remote management"].kept is False


def test_jnt_01_one_preview_shows_alarm_recovery_and_stock_rules(acting: Acting, now: datetime) -> None:
    """What the preview says is what the site has afterwards, number by number."""
    site = a_site(
        "cordoba", service_class=a_service_class("B", page_delay_s=1800, recovery_h=24.0, cover_probability=0.85)
    )
    then: ServiceClass = a_service_class("A")
    preview = service_level_queries.preview(site, then)
    assert {c.kind for c in preview.changes} >= {"alarm", "recovery", "stock"}
    moved = service_levels.set_class(
        acting("service_manager"), site.pk, "A", inputs={"criticality": "vaccine"}, reason="vaccines", now=now
    )
    targets = service_level_queries.targets_of(moved.service_class)
    assert all(targets[c.name] == c.then for c in preview.changes)


def test_a_period_that_is_none_is_refused_and_so_is_who_may_not_see(
    system: Authority, acting: Acting, now: datetime
) -> None:
    """Named with what can be used; a vendor sees no overview."""
    with pytest.raises(BadInput, match="no period"):
        overview(system, "decade", now=now)
    with pytest.raises(NotAllowed):
        overview(acting("vendor"), "7d", now=now)


def test_met_02_count_time_adherence_and_completeness_by_site_and_class(system: Authority, now: datetime) -> None:
    """Two stretches out in two hours with a quarter silent, and a certificate that ended half way: all four figures."""
    calm, out = [5.0, 5.1] * 15, [9.1, 9.4] * 5
    values: list[float | None] = [*calm, *out, *calm, *out, *[None] * 30, *[5.0, 5.1] * 5]
    _, end = _measured(system, now, values)
    Calibration.objects.update(valid_until=now + (end - now) / 2)
    found = record_quality(system, "7d", now=end)
    (site,) = found.sites
    (whole,) = found.classes
    assert (site.code, site.excursions, whole.sites) == ("cordoba", 2, 1)
    assert 19 <= site.out_min <= 21
    assert site.adherence_pct == pytest.approx(50.0)
    assert site.complete_pct is not None
    assert site.complete_pct < 70
    assert (whole.out_min, whole.complete_pct, whole.adherence_pct) == (
        site.out_min,
        site.complete_pct,
        site.adherence_pct,
    )
    plain = quality_as_plain(found)
    assert plain["sites"][0]["calibration_adherence_pct"] == site.adherence_pct


def test_met_02_a_class_adds_up_its_sites(system: Authority, now: datetime) -> None:
    """A site that said nothing lowers the class by its whole time; a class without judged space has no percent."""
    space, (probe,) = a_monitored_space(now)
    _opened(system, now)
    a_monitored_space(now, site="faro", code="fridge-2")
    _opened(system, now, "faro")
    end = now + timedelta(hours=2)
    deliver(space, minutes(probe, now, [5.0 + 0.1 * (n % 5) for n in range(121)]), end)
    judge(Engine(), end)
    found = record_quality(system, "7d", now=end)
    assert [s.code for s in found.sites] == ["faro", "cordoba"]
    assert found.sites[0].complete_pct == 0.0
    (whole,) = found.classes
    assert whole.complete_pct == pytest.approx((found.sites[1].complete_pct or 0) / 2, abs=0.5)
    assert whole.adherence_pct == pytest.approx(100.0)
