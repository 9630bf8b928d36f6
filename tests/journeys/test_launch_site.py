"""A site is opened through its gate: every condition alone keeps it shut, and the last one opens it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.rooms.spares.network import a_hub, a_lane, a_part, a_unit
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_device, a_model, a_site, two_paths
from waystation.alarms.models import RouteTest
from waystation.fleet import actions as fleet
from waystation.fleet.models import Drift, Onboarding
from waystation.journeys import launch_site
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotAllowed, NotFound, NotReady
from waystation.registry.models import Owner, Site, Template
from waystation.telemetry import stores
from waystation.telemetry.engine import Engine

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
SEVEN = (
    "wan_test",
    "device_registration",
    "monitoring_enrolment",
    "backup_verification",
    "firmware_compliance",
    "access_control_tests",
    "alarm_routing",
)


@pytest.fixture(autouse=True)
def telemetry_folder(tmp_path: Path, settings: Any) -> Iterator[None]:
    """Log and segments of the test's own."""
    settings.DATA = tmp_path
    yield
    stores._log.cache_clear()


def _template(**changes: Any) -> Template:
    checklist = [{"key": k, "words": k.replace("_", " "), "fail_action": "keep product out"} for k in SEVEN]
    checklist += [{"key": launch_site.SIGNED, "words": "three names"}]
    values: dict[str, Any] = {
        "components": [{"class": "controller", "models": ["CTL-220"], "critical": True}],
        "checklist": checklist,
        "dependencies": ["backup_power"],
    } | changes
    return Template.objects.create(kind="node-launch", version=1, name="Node", **values)


def _site(now: datetime, **changes: Any) -> Site:
    """A planned site with hardware, a fridge whose probe is heard, an owner, and a spare an hour and a half away."""
    site = a_site("cordoba", state="planned", template=_template(**changes), access_hours={"always": True})
    a_device("cordoba", "ctl-1", component_class="controller", model=a_model("CTL-220", "controller"), part=a_part())
    two_paths(site)
    space, (probe,) = a_monitored_space(now)
    deliver(space, minutes(probe, now - timedelta(minutes=5), [5.0, 5.1, 5.0, 5.1, 5.0, 5.1]), now)
    judge(Engine(), now)
    hub = a_hub("sevilla")
    a_lane(hub, 90)
    a_unit("S-1", hub)
    return site


def _prove_route(site: Site, now: datetime) -> None:
    RouteTest.objects.create(site=site, at=now, due_at=now, people=["x"], passed_at=now)


def _ready(acting: Acting, now: datetime, **changes: Any) -> tuple[Site, Authority]:
    """Everything that the gate asks for, but the signatures."""
    site, by = _site(now, **changes), acting("supervisor", "it")
    launch_site.start(by, site.pk, now=now)
    for key in SEVEN:
        launch_site.record(by, site.pk, key, passed=True, evidence="seen", now=now)
    Owner.objects.create(site=site, dependency="backup_power", person_id=by.principal_id)
    _prove_route(site, now)
    return site, by


def test_onb_02_a_site_goes_from_planned_to_active_through_the_gate(acting: Acting, now: datetime) -> None:
    """Started, checked, signed by three on one state, opened; starting twice changes nothing."""
    site, by = _ready(acting, now)
    assert launch_site.start(by, site.pk, now=now).pk == Onboarding.objects.get().pk
    held = launch_site.gate(by, site.pk, now)
    assert [o.words for o in held.obstacles] == []
    with pytest.raises(NotReady, match="not signed off"):
        launch_site.open_site(by, site.pk, now=now)
    site.refresh_from_db()
    assert site.state == "commissioning"
    for function in ("facilities", "operations", "it"):
        launch_site.sign(by, site.pk, function, now=now)
    assert launch_site.open_site(by, site.pk, now=now).state == "active"
    with pytest.raises(NotFound, match="not being onboarded"):
        launch_site.gate(by, site.pk, now)


def test_arc_08_the_gate_answers_no_with_the_failing_conditions(acting: Acting, now: datetime) -> None:
    """A site of which nothing was done fails all three conditions by name."""
    site, by = a_site("cordoba", state="planned", template=_template()), acting("supervisor", "it")
    launch_site.start(by, site.pk, now=now)
    held = launch_site.gate(by, site.pk, now)
    assert {o.condition for o in held.obstacles} == {"inventoried", "monitored", "restorable"}
    assert not held.ready


def test_onb_01_the_platform_shows_by_itself_what_it_can(acting: Acting, now: datetime) -> None:
    """Measured checks carry their evidence; those that a person must see stay open."""
    site, by = _site(now), acting("supervisor", "it")
    launch_site.start(by, site.pk, now=now)
    _prove_route(site, now)
    done = {c.key: c.evidence for c in launch_site.measure(by, site.pk, now=now)}
    assert done["monitoring_enrolment"] == "1 of 1 judging probes heard"
    assert set(done) >= {"device_registration", "alarm_routing"}
    assert "wan_test" not in done
    assert launch_site.measure(by, site.pk, now=now) == []


def test_onb_02_nobody_signs_while_a_mandatory_item_lacks_evidence(acting: Acting, now: datetime) -> None:
    """One check without evidence keeps every signature away."""
    site, by = _ready(acting, now)
    launch_site.record(by, site.pk, "wan_test", passed=False, evidence="no backup path", now=now)
    with pytest.raises(NotReady, match="wan test: failed"):
        launch_site.sign(by, site.pk, "it", now=now)
    with pytest.raises(BadInput):
        launch_site.record(by, site.pk, "wan_test", passed=True, evidence=" ", now=now)


def test_onb_03_three_names_stand_on_the_same_state(acting: Acting, now: datetime) -> None:
    """A check that changes after a signature asks for it again: the site stays shut."""
    site, by = _ready(acting, now)
    launch_site.sign(by, site.pk, "it", now=now)
    launch_site.record(by, site.pk, "wan_test", passed=True, evidence="measured again", now=now)
    for function in ("facilities", "operations"):
        launch_site.sign(by, site.pk, function, now=now)
    with pytest.raises(NotReady, match="same version"):
        launch_site.open_site(by, site.pk, now=now)


def test_onb_04_a_failed_check_says_what_follows(acting: Acting, now: datetime) -> None:
    """Its fail action stands in the obstacle."""
    site, by = _ready(acting, now)
    launch_site.record(by, site.pk, "backup_verification", passed=False, evidence="restore broke", now=now)
    (only,) = launch_site.gate(by, site.pk, now).obstacles
    assert "keep product out" in only.words


def test_onb_05_a_dependency_without_an_owner_keeps_the_gate_shut(acting: Acting, now: datetime) -> None:
    """Named by the gate."""
    site, by = _ready(acting, now)
    Owner.objects.all().delete()
    (only,) = launch_site.gate(by, site.pk, now).obstacles
    assert (only.condition, only.words) == ("inventoried", "backup power has no owner")


@pytest.mark.parametrize("minutes_away", [90, 600])
def test_onb_08_a_spare_must_be_there_within_the_tolerable_outage(
    acting: Acting, now: datetime, minutes_away: int
) -> None:
    """A ready unit an hour and a half away covers; one ten hours away does not, and says how far it is."""
    site, by = _ready(acting, now)
    lane = a_hub("sevilla").lanes.get()
    lane.quantiles = [[0.5, minutes_away * 60], [0.9, minutes_away * 66]]
    lane.save()
    held = launch_site.gate(by, site.pk, now)
    (cover,) = held.cover
    assert cover.covered is (minutes_away == 90)
    assert "Sevilla" in cover.words
    assert [o.words for o in held.obstacles] == ([] if cover.covered else ["no spare controller can be there in time"])


def test_onb_08_a_unit_that_is_not_ready_is_no_cover(acting: Acting, now: datetime) -> None:
    """The only unit fails its check: quarantined is not cover, and the site does not open."""
    from waystation.spares.actions import stock
    from waystation.spares.queries import unit

    site, by = _ready(acting, now)
    stock.check(acting("stock_controller"), unit(by, "S-1").pk, False, now=now)
    (cover,) = launch_site.gate(by, site.pk, now).cover
    assert (cover.covered, cover.words) == (False, "no Controller is ready at any hub")
    with pytest.raises(NotReady, match="no spare controller"):
        launch_site.sign(by, site.pk, "it", now=now)


def test_arc_08_a_probe_that_falls_silent_shuts_the_gate_again(acting: Acting, now: datetime) -> None:
    """Ready at noon, silent for an hour: not monitored."""
    site, by = _ready(acting, now)
    later = now + timedelta(hours=1)
    held = launch_site.gate(by, site.pk, later)
    assert held.probes == (0, 1)
    assert [o.words for o in held.obstacles] == ["not every judging probe is heard"]


def test_only_who_may_onboard_starts_and_only_a_supervisor_signs(acting: Acting, now: datetime) -> None:
    """An operator does neither; IT starts and does not sign."""
    site, by = _ready(acting, now)
    with pytest.raises(NotAllowed):
        launch_site.start(acting("operator"), site.pk, now=now)
    with pytest.raises(NotAllowed):
        launch_site.sign(acting("it"), site.pk, "it", now=now)
    assert by.may("fleet.sign_off")


def test_wan_02_a_critical_site_without_backup_passes_only_with_an_open_waiver(acting: Acting, now: datetime) -> None:
    """The gate names it; a waiver opens the gate until its end; afterwards it is shut again."""
    site, by = _ready(acting, now)
    site.circuits.filter(path="backup").delete()
    (only,) = launch_site.gate(by, site.pk, now).obstacles
    assert (only.condition, only.words) == ("inventoried", "backup path is absent")
    with pytest.raises(NotReady, match="backup path is absent"):
        launch_site.sign(by, site.pk, "it", now=now)
    until = now + timedelta(days=30)
    fleet.waive_component(by, site.pk, "backup_path", reason="the mast comes in May", until=until, now=now)
    assert launch_site.gate(by, site.pk, now).obstacles == ()
    assert "backup path is absent" in [o.words for o in launch_site.gate(by, site.pk, until).obstacles]


def test_wan_02_a_backup_that_falls_with_the_primary_is_none(acting: Acting, now: datetime) -> None:
    """One provider over one medium is one path; a site that is not critical needs none."""
    site, by = _ready(acting, now)
    primary = site.circuits.get(path="primary")
    site.circuits.filter(path="backup").update(vendor=primary.vendor, medium=primary.medium)
    assert [o.words for o in launch_site.gate(by, site.pk, now).obstacles] == ["backup path is absent"]
    site.service_class.rank = 2
    site.service_class.save()
    assert launch_site.gate(by, site.pk, now).obstacles == ()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"component": "controller"}, "fleet.waiver_component"),
        ({"reason": " "}, "fleet.waiver_reason"),
        ({"until": None}, "fleet.waiver_end"),
    ],
)
def test_wan_02_a_waiver_needs_something_absent_a_reason_and_an_end(
    acting: Acting, now: datetime, changes: dict[str, Any], code: str
) -> None:
    """Each is refused by name, and nothing is kept."""
    site, by = _ready(acting, now)
    site.circuits.all().delete()
    words = {"component": "backup_path", "reason": "waits", "until": now + timedelta(days=1)} | changes
    words["until"] = words["until"] or now
    with pytest.raises(BadInput) as refused:
        fleet.waive_component(by, site.pk, words.pop("component"), **words, now=now)
    assert refused.value.code == code
    assert Drift.objects.count() == 0


def test_wan_02_a_waiver_is_not_for_everybody(acting: Acting, now: datetime) -> None:
    """Facilities may onboard and not waive."""
    site, _ = _ready(acting, now)
    site.circuits.all().delete()
    with pytest.raises(NotAllowed):
        fleet.waive_component(
            acting("facilities"), site.pk, "backup_path", reason="x", until=now + timedelta(days=1), now=now
        )
