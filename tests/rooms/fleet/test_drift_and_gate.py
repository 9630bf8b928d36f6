"""Drift and the readiness gate, rule by rule: what is seen, what excuses it, what keeps the gate shut."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.samples import a_device, a_model, a_site
from waystation.evidence.models import Event, LogEntry
from waystation.fleet import actions, queries
from waystation.fleet.models import BaselineCheck, Drift
from waystation.fleet.rules.drift import Intended, Observed, components, differences, older
from waystation.fleet.rules.gate import CheckState, Facts, obstacles
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotAllowed, NotFound, NotReady
from waystation.registry import actions as registry
from waystation.registry.models import Device

Acting = Callable[..., Authority]
PLAIN = Intended("gw-1", "S1", "GW", "approved", "4.2", "4.0", ("3.9", "4.1"), "aa" * 32, "telemetry")
SAME = Observed("S1", "GW", "4.2", "aa" * 32)
versions = st.lists(st.integers(0, 20) | st.sampled_from(["rc1", "beta"]), min_size=1, max_size=4).map(
    lambda parts: ".".join(map(str, parts))
)


def drifting(system: Authority, at: datetime = START) -> tuple[Device, Drift]:
    """A gateway whose firmware is not the one that is meant."""
    device = a_device("cordoba", "gw-1", firmware="4.2", zone="telemetry", model=a_model(firmware_target="4.2"))
    registry.check_in(system, device, {"serial": device.serial, "firmware": "4.1"}, now=at)
    (drift,) = actions.look_for_drift(system, device, now=at)
    return device, drift


@given(versions, versions, versions)
def test_versions_are_in_one_order(one: str, two: str, three: str) -> None:
    """Nothing is older than itself, never both ways round, and older than older is older."""
    assert not older(one, one)
    assert not (older(one, two) and older(two, one))
    if older(one, two) and older(two, three):
        assert older(one, three)


@pytest.mark.parametrize(
    ("one", "than"), [("4.9", "4.10"), ("4.2", "4.2.1"), ("4-1", "4.2"), ("4.2", "4.rc1"), ("9", "10")]
)
def test_an_older_version_is_told_from_a_newer_one(one: str, than: str) -> None:
    """Numbers as numbers, dashes as dots, a longer one after its beginning."""
    assert older(one, than)
    assert not older(than, one)


@pytest.mark.parametrize(
    ("firmware", "expected", "kind"),
    [
        ("4.2", "", ""),
        ("", "", ""),
        ("4.1", "4.2", "firmware_blocked"),
        ("3.9", "4.2", "firmware_blocked"),
        ("3.8", "4.0 or later", "firmware"),
        ("4.0", "4.2", "firmware"),
        ("4.3", "4.2", "firmware"),
    ],
)
def test_drf_02_firmware_is_blocked_too_old_or_not_the_one_meant(firmware: str, expected: str, kind: str) -> None:
    """One difference at most, the gravest; what was not said is no difference."""
    found = differences(PLAIN, replace(SAME, firmware=firmware))
    assert [(d.kind, d.expected, d.actual) for d in found] == ([(kind, expected, firmware)] if kind else [])


def test_drf_02_without_a_target_only_blocked_and_too_old_count() -> None:
    """And the blocked one then asks for another version."""
    free = replace(PLAIN, firmware_target="")
    assert differences(free, replace(SAME, firmware="4.7")) == []
    assert differences(free, replace(SAME, firmware="4.1"))[0].expected == "another version"
    assert differences(replace(free, firmware_minimum=""), replace(SAME, firmware="1.0")) == []


@pytest.mark.parametrize("standing", ["banned", "unreviewed", "deprecated"])
def test_drf_02_a_model_that_is_not_approved_and_a_missing_zone_are_seen(standing: str) -> None:
    """Whatever the device says, in a fixed order."""
    found = differences(replace(PLAIN, standing=standing, zone=""), Observed())
    assert [(d.kind, d.actual) for d in found] == [("model_standing", f"GW is {standing}"), ("segmentation", "none")]


@given(
    st.builds(
        Observed,
        st.sampled_from(["", "S1", "S2"]),
        st.sampled_from(["", "GW", "XX"]),
        st.sampled_from(["", "3.9", "4.0", "4.2"]),
        st.sampled_from(["", "aa" * 32, "bb" * 32]),
    )
)
def test_drf_02_each_kind_is_seen_once_and_never_without_a_difference(observed: Observed) -> None:
    """Expected and actual always differ; a device that says nothing is not blamed for it."""
    found = differences(PLAIN, observed)
    assert len({d.kind for d in found}) == len(found)
    assert all(d.expected != d.actual for d in found)
    assert differences(PLAIN, Observed()) == []


@given(st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")), st.sets(st.sampled_from("abcdef")))
def test_arc_01_presence_counts_before_a_waiver(wanted: set[str], present: set[str], waived: set[str]) -> None:
    """Each wanted class has one word; nothing else is named."""
    found = components(sorted(wanted), sorted(present), sorted(waived))
    assert set(found) == wanted
    for name, word in found.items():
        assert word == ("present" if name in present else "waived" if name in waived else "absent")


checks = st.builds(
    CheckState,
    st.sampled_from("abc"),
    st.just("the WAN test"),
    st.booleans(),
    st.sampled_from(["open", "passed", "failed", "waived"]),
    st.sampled_from(["", "sheet 4"]),
    st.just("Call the carrier."),
)
facts = st.builds(
    Facts,
    st.lists(checks, max_size=4),
    st.dictionaries(st.sampled_from(["power", "wan"]), st.sampled_from(["", "Ana"])),
    st.dictionaries(st.sampled_from(["ups", "gateway"]), st.sampled_from(["present", "waived", "absent"])),
    st.booleans(),
    st.dictionaries(st.sampled_from(["controller", "probe"]), st.booleans()),
    st.booleans(),
)


@given(facts)
def test_onb_04_the_gate_is_open_only_when_nothing_is_wrong(given_facts: Facts) -> None:
    """Told apart by counting: each wrong thing is one obstacle, and no obstacle stands for nothing."""
    wrong = sum(state == "absent" for state in given_facts.components.values())
    wrong += sum(not owner for owner in given_facts.dependencies.values())
    wrong += sum(not covered for covered in given_facts.cover.values())
    wrong += (not given_facts.monitored) + (not given_facts.route_proven)
    for check in given_facts.checks:
        is_good = check.state in ("passed", "waived") and check.evidence
        wrong += check.mandatory and not is_good
    found = obstacles(given_facts)
    assert len(found) == wrong
    assert all(o.condition in ("inventoried", "monitored", "restorable") and o.words for o in found)


@pytest.mark.parametrize(
    ("state", "evidence", "words"),
    [
        ("failed", "", "the WAN test: failed. Call the carrier."),
        ("open", "", "the WAN test: open"),
        ("passed", "", "the WAN test: no evidence"),
        ("waived", "", "the WAN test: open"),
    ],
)
def test_onb_04_a_check_says_what_is_missing(state: str, evidence: str, words: str) -> None:
    """A pass without evidence is no pass; a failure says what follows."""
    check = CheckState("wan", "the WAN test", True, state, evidence, "Call the carrier.")
    (found,) = obstacles(Facts([check], {}, {}, True, {}, True))
    assert (found.condition, found.words) == ("monitored", words)


@pytest.mark.django_db
def test_drf_04_drift_is_told_once_with_both_sides(system: Authority) -> None:
    """Looking again writes nothing; the event names device, kind, expected and actual."""
    device, drift = drifting(system)
    before = LogEntry.objects.count()
    assert actions.look_for_drift(system, device, now=START + timedelta(hours=1)) == []
    assert LogEntry.objects.count() == before
    event = Event.objects.get(kind="fleet.drift_seen")
    assert event.data == {"device": device.name, "kind": "firmware", "expected": "4.2", "actual": "4.1"}
    assert (drift.seen_at, drift.ended_at) == (START, None)


@pytest.mark.django_db
def test_drf_04_what_is_gone_ends_and_what_is_new_opens_in_one_look(system: Authority) -> None:
    """Firmware put right, another serial: one ends as remediated, one opens."""
    device, drift = drifting(system)
    later = START + timedelta(hours=1)
    registry.check_in(system, device, {"serial": "OTHER", "firmware": "4.2"}, now=later)
    (fresh,) = actions.look_for_drift(system, device, now=later)
    drift.refresh_from_db()
    assert (drift.resolution, drift.ended_at, fresh.kind) == ("remediated", later, "serial")


@pytest.mark.django_db
def test_drf_04_a_waived_drift_that_was_put_right_and_comes_back_stays_excused(
    system: Authority, acting: Acting
) -> None:
    """Until its end; who may not decide about the baseline is refused."""
    device, drift = drifting(system)
    until = START + timedelta(days=7)
    with pytest.raises(NotAllowed):
        actions.resolve_drift(acting("auditor"), drift.pk, "waived", reason="window", until=until, now=START)
    waived = actions.resolve_drift(acting("it"), drift.pk, "waived", reason="window", until=until, now=START)
    assert (waived.waived_until, waived.resolution, waived.reason) == (until, "waived", "window")
    with pytest.raises(NotFound):
        actions.resolve_drift(acting("it"), drift.pk, "accepted", reason="again", now=START)
    assert actions.look_for_drift(system, device, now=until - timedelta(seconds=1)) == []
    assert [d.kind for d in actions.look_for_drift(system, device, now=until)] == ["firmware"]


@pytest.mark.django_db
def test_a_device_is_measured_after_the_instant_and_a_pass_counts_once(system: Authority) -> None:
    """Silence since then is not measured; a failure may be measured again, a pass for an incident stands."""
    device, _ = drifting(system)
    incident = uuid4()
    with pytest.raises(NotReady) as refused:
        actions.check_baseline(system, device.pk, since=START + timedelta(minutes=1), incident_id=incident, now=START)
    assert refused.value.code == "fleet.not_measured"
    bad = actions.check_baseline(system, device.pk, since=START, incident_id=incident, now=START)
    assert (bad.passed, bad.findings) == (False, ["firmware: 4.1 instead of 4.2"])
    entries = LogEntry.objects.filter(kind="fleet.baseline_checked")
    for minute in range(1, 4):
        now = START + timedelta(minutes=minute)
        same = actions.check_baseline(system, device.pk, since=START, incident_id=incident, now=now)
        assert (same.pk, entries.count()) == (bad.pk, 1), "the same finding is recorded once"
    registry.check_in(system, device, {"serial": device.serial, "firmware": "4.0"}, now=now)
    worse = actions.check_baseline(system, device.pk, since=START, incident_id=incident, now=now)
    assert (worse.findings, entries.count()) == (["firmware: 4.0 instead of 4.2"], 2)
    later = START + timedelta(hours=1)
    registry.check_in(system, device, {"serial": device.serial, "firmware": "4.2"}, now=later)
    good = actions.check_baseline(system, device.pk, since=START, incident_id=incident, now=later)
    again = actions.check_baseline(system, device.pk, since=START, incident_id=incident, now=later)
    assert (good.passed, good.findings, again.pk) == (True, [], good.pk)
    assert BaselineCheck.objects.filter(device=device).count() == 3
    assert queries.observed_of(Device.objects.get(pk=device.pk)) is not None


@pytest.mark.django_db
def test_onb_01_a_check_of_another_onboarding_is_not_found(acting: Acting) -> None:
    """Nothing is written for it."""
    by = acting("it", "service_manager", "operator")
    assert a_site("cordoba").code == "cordoba"
    with pytest.raises(NotFound) as refused:
        actions.record_check(by, uuid4(), "wan_test", passed=True, evidence="x", now=START)
    assert refused.value.code == "fleet.check_unknown"
