"""Drift ends in three ways; a device is measured by what it says; the gate names what keeps it shut."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.samples import a_device, a_model, a_site, two_paths
from waystation.fleet import actions, queries
from waystation.fleet.models import Drift, Onboarding
from waystation.fleet.rules.drift import Intended, Observed, components, differences, older
from waystation.fleet.rules.gate import CheckState, Facts, obstacles
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotAllowed, NotFound, NotReady
from waystation.registry import actions as registry
from waystation.registry.models import Owner, Template

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
GOOD = Intended("gw-1", "S1", "GW-100", "approved", "4.2", "4.0", ("3.9",), "aa" * 32, "telemetry")
SEVEN = ("wan_test", "registration", "monitoring", "backup", "firmware", "access_control", "alarm_routing")


def test_drf_02_each_kind_of_difference_is_seen() -> None:
    """Serial, model, firmware below, blocked, configuration, missing, unzoned, unapproved."""
    same = Observed("S1", "GW-100", "4.2", "aa" * 32)
    assert differences(GOOD, same) == []
    assert [d.kind for d in differences(GOOD, None)] == ["missing_device"]
    seen = {
        "serial": Observed("S2", "GW-100", "4.2"),
        "model": Observed("S1", "GW-1", "4.2"),
        "firmware": Observed("S1", "GW-100", "4.1"),
        "firmware_blocked": Observed("S1", "GW-100", "3.9"),
        "configuration": Observed("S1", "GW-100", "4.2", "bb" * 32),
    }
    for kind, observed in seen.items():
        found = differences(GOOD, observed)
        assert [d.kind for d in found] == [kind]
        assert found[0].expected != found[0].actual


@given(st.lists(st.integers(0, 30), min_size=1, max_size=4), st.lists(st.integers(0, 30), min_size=1, max_size=4))
def test_versions_are_compared_as_numbers(one: list[int], other: list[int]) -> None:
    """4.10 is later than 4.9."""
    assert older(".".join(map(str, one)), ".".join(map(str, other))) == (one < other)


def test_arc_01_components_are_present_waived_or_absent() -> None:
    """Every class of the template gets one of the three words."""
    assert components(["wan", "ups", "cctv"], ["wan", "extra"], ["cctv"]) == {
        "wan": "present",
        "ups": "absent",
        "cctv": "waived",
    }


def test_arc_01_a_site_is_measured_against_its_template_version(now: datetime) -> None:
    """What stands there counts; circuits bring the WAN."""
    site = a_site("cordoba")
    site.template.components = [{"class": "gateway"}, {"class": "ups"}]
    site.template.save()
    a_device("cordoba", "gw-1")
    assert queries.components_of(site, now) == {"gateway": "present", "ups": "absent"}


def test_drf_04_drift_ends_in_three_ways_only(system: Authority, acting: Acting, now: datetime) -> None:
    """Seen gone, accepted with a reason, or waived with an end that lies ahead."""
    device = a_device("cordoba", "gw-1", firmware="4.2", zone="telemetry", model=a_model(firmware_target="4.2"))
    registry.check_in(system, device, {"serial": device.serial, "firmware": "4.1"}, now=now)
    (drift,) = actions.look_for_drift(system, device, now=now)
    assert (drift.kind, drift.expected, drift.actual) == ("firmware", "4.2", "4.1")
    assert actions.look_for_drift(system, device, now=now) == []
    it = acting("it")
    for resolution, reason, until in (
        ("remediated", "done", None),
        ("accepted", " ", None),
        ("waived", "later", None),
        ("waived", "x", now),
    ):
        with pytest.raises(BadInput):
            actions.resolve_drift(it, drift.pk, resolution, reason=reason, until=until, now=now)
    with pytest.raises(NotAllowed):
        actions.resolve_drift(acting("operator"), drift.pk, "accepted", reason="x", now=now)
    registry.check_in(system, device, {"serial": device.serial, "firmware": "4.2"}, now=now + timedelta(hours=1))
    actions.look_for_drift(system, device, now=now + timedelta(hours=1))
    assert Drift.objects.get().resolution == "remediated"
    with pytest.raises(NotFound):
        actions.resolve_drift(it, drift.pk, "accepted", reason="late", now=now)


def test_drf_04_a_waiver_ends_and_the_drift_comes_back(system: Authority, acting: Acting, now: datetime) -> None:
    """Nothing is waived without an end."""
    device = a_device("cordoba", "gw-1", firmware="4.2", zone="telemetry", model=a_model(firmware_target="4.2"))
    registry.check_in(system, device, {"firmware": "4.1"}, now=now)
    (drift,) = actions.look_for_drift(system, device, now=now)
    until = now + timedelta(days=7)
    actions.resolve_drift(acting("it"), drift.pk, "waived", reason="window on Monday", until=until, now=now)
    assert actions.look_for_drift(system, device, now=now + timedelta(days=1)) == []
    assert len(actions.look_for_drift(system, device, now=until)) == 1


def test_drf_04_accepting_makes_it_the_baseline(system: Authority, acting: Acting, now: datetime) -> None:
    """What was observed becomes what is intended, by review."""
    device = a_device("cordoba", "gw-1", firmware="4.2", config_digest="aa" * 32, zone="telemetry")
    registry.check_in(system, device, {"config_digest": "bb" * 32}, now=now)
    (drift,) = actions.look_for_drift(system, device, now=now)
    actions.resolve_drift(acting("it"), drift.pk, "accepted", reason="change 7", now=now)
    device.refresh_from_db()
    assert device.config_digest == "bb" * 32
    assert actions.look_for_drift(system, device, now=now) == []


def test_a_swapped_device_is_measured_by_what_it_says_after_the_swap(system: Authority, now: datetime) -> None:
    """Silence is not measured; a wrong firmware fails with its finding; a right one passes once."""
    device = a_device("cordoba", "gw-1", firmware="4.2", zone="telemetry", model=a_model(firmware_target="4.2"))
    registry.check_in(system, device, {"serial": device.serial, "firmware": "4.2"}, now=now)
    since = now + timedelta(minutes=5)
    with pytest.raises(NotReady, match="checked in"):
        actions.check_baseline(system, device.pk, since=since, incident_id=None, now=since)
    registry.check_in(system, device, {"serial": device.serial, "firmware": "4.1"}, now=since)
    failed = actions.check_baseline(system, device.pk, since=since, incident_id=None, now=since)
    assert (failed.passed, failed.findings) == (False, ["firmware: 4.1 instead of 4.2"])
    registry.check_in(system, device, {"serial": device.serial, "firmware": "4.2"}, now=since + timedelta(minutes=1))
    passed = actions.check_baseline(system, device.pk, since=since, incident_id=None, now=since + timedelta(minutes=1))
    assert passed.passed
    assert (
        actions.check_baseline(system, device.pk, since=since, incident_id=None, now=since + timedelta(hours=1)).pk
        == passed.pk
    )


def _facts(**changes: Any) -> Facts:
    checks = [CheckState("wan_test", "WAN test", True, "passed", "ping 3 ms", "call the provider")]
    base: dict[str, Any] = {
        "checks": checks,
        "dependencies": {"backup_power": "Jorge Sáez"},
        "components": {"gateway": "present", "cctv": "waived"},
        "route_proven": True,
        "cover": {"compressor_controller": True},
        "monitored": True,
    }
    return Facts(**base | changes)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dependencies": {"backup_power": ""}}, "backup power has no owner"),
        ({"components": {"ups": "absent"}}, "ups is absent"),
        ({"route_proven": False}, "alarm route"),
        ({"cover": {"firewall": False}}, "no spare firewall"),
        ({"monitored": False}, "not every judging probe"),
        ({"checks": [CheckState("a", "Backup restore", True, "open", "", "")]}, "Backup restore: open"),
        ({"checks": [CheckState("a", "Backup restore", True, "passed", "", "")]}, "no evidence"),
        ({"checks": [CheckState("a", "WAN test", True, "failed", "", "Return the line.")]}, "failed. Return the line."),
    ],
)
def test_arc_08_the_gate_names_the_condition_that_fails(changes: dict[str, Any], words: str) -> None:
    """ONB-05, ONB-08 and the seven checks: each alone keeps the gate shut, and only its own words are said."""
    assert obstacles(_facts()) == []
    found = obstacles(_facts(**changes))
    assert len(found) == 1
    assert words in found[0].words


def _onboarding(acting: Acting, now: datetime) -> tuple[Onboarding, Authority]:
    site = a_site("huelva", state="commissioning")
    two_paths(site)
    items = [{"key": k, "words": k.replace("_", " "), "mandatory": True, "fail_action": "stop"} for k in SEVEN]
    Template.objects.filter(pk=site.template_id).update(checklist=items, dependencies=["backup_power"])
    supervisor = acting("supervisor")
    return actions.start_onboarding(supervisor, site.pk, now=now), supervisor


def _gate(row: Onboarding, now: datetime, **changes: Any) -> Facts:
    fresh = Onboarding.objects.select_related("site__template", "template").get(pk=row.pk)
    return queries.gate_facts(fresh, **{"route_proven": True, "cover": {}, "monitored": True, "now": now} | changes)


def test_onb_01_the_seven_checks_are_tracked_with_evidence(acting: Acting, now: datetime) -> None:
    """A pass without evidence is refused; a failed one says what follows (ONB-04)."""
    row, supervisor = _onboarding(acting, now)
    assert sorted(c.key for c in row.checks.all()) == sorted(SEVEN)
    with pytest.raises(BadInput, match="nothing shows it"):
        actions.record_check(supervisor, row.pk, "backup", passed=True, evidence=" ", now=now)
    actions.record_check(supervisor, row.pk, "backup", passed=False, evidence="restore broke", now=now)
    assert any("failed. stop" in o.words for o in obstacles(_gate(row, now)))
    with pytest.raises(NotFound):
        actions.record_check(supervisor, row.pk, "nonsense", passed=True, evidence="x", now=now)


def test_onb_05_no_sign_off_and_no_opening_before_the_last_dependency_is_owned(acting: Acting, now: datetime) -> None:
    """Refused naming it; then signed by three and opened."""
    row, supervisor = _onboarding(acting, now)
    for key in SEVEN:
        actions.record_check(supervisor, row.pk, key, passed=True, evidence="seen", now=now)
    with pytest.raises(NotReady, match="backup power has no owner"):
        actions.sign_off(supervisor, row.pk, "it", _gate(row, now), now=now)
    Owner.objects.create(site=row.site, dependency="backup_power", person_id=supervisor.principal_id)
    for function in actions.FUNCTIONS:
        with pytest.raises(NotReady, match="not signed off"):
            actions.open_site(supervisor, row.pk, _gate(row, now), now=now)
        actions.sign_off(supervisor, row.pk, function, _gate(row, now), now=now)
    assert actions.open_site(supervisor, row.pk, _gate(row, now), now=now).opened_at == now


def test_onb_03_signatures_on_different_states_do_not_open_a_site(acting: Acting, now: datetime) -> None:
    """Three named sign-offs on the same version, or none."""
    row, supervisor = _onboarding(acting, now)
    Owner.objects.create(site=row.site, dependency="backup_power", person_id=supervisor.principal_id)
    for key in SEVEN:
        actions.record_check(supervisor, row.pk, key, passed=True, evidence="seen", now=now)
    actions.sign_off(supervisor, row.pk, "it", _gate(row, now), now=now)
    actions.record_check(supervisor, row.pk, "backup", passed=True, evidence="another restore", now=now)
    for function in ("facilities", "operations"):
        actions.sign_off(supervisor, row.pk, function, _gate(row, now), now=now)
    with pytest.raises(NotReady, match="same version"):
        actions.open_site(supervisor, row.pk, _gate(row, now), now=now)
