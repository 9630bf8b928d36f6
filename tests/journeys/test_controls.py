"""Why each control exists: none is left out, no reason, approval or proof is made up."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.apps import apps
from django.test import Client

from tests.conftest import START
from tests.rooms.spares.network import system
from tests.samples import a_device, a_model, a_profile, a_service_class, a_site, a_space, a_template
from waystation.access import queries as access
from waystation.access.rules import SEPARATED
from waystation.alarms import actions as alarms
from waystation.alarms import policy
from waystation.alarms.models import Alarm, RouteTest
from waystation.alarms.rules.conditions import Condition
from waystation.alarms.situation import matrix_in_force
from waystation.evidence.models import Cosignature, LogEntry
from waystation.fleet import actions as fleet
from waystation.journeys import controls, keeping
from waystation.journeys.control_kinds.control import NO_REASON
from waystation.journeys.control_kinds.kinds import KINDS
from waystation.journeys.controls import COLUMNS, NEVER, NOBODY, Explained
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput, NotAllowed
from waystation.registry import actions as registry
from waystation.registry.models import MappingRule, ServiceClass, Template
from waystation.runbooks import actions as runbooks
from waystation.runbooks import queries as running
from waystation.service_levels import sessions
from waystation.spares.actions import setup
from waystation.spares.models import SourcingRule
from waystation.telemetry.actions import retain

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
Acting = Callable[..., Authority]
HOUR = timedelta(hours=1)

# every table of the product: the kind of control that its rows are, or "" for what is none
TABLES = {
    "registry.ProductProfile": "profile_limit",
    "registry.Template": "site_gate",
    "registry.ServiceClass": "class_target",
    "registry.DeviceModel": "device_model",
    "registry.MappingRule": "ignored_series",
    "alarms.MatrixVersion": "matrix_row",
    "alarms.EscalationPolicy": "escalation",
    "alarms.Suppression": "suppression",
    "runbooks.Definition": "gated_step",
    "telemetry.RetentionPolicy": "retention_policy",
    "evidence.Hold": "record_hold",
    "fleet.Drift": "waiver",
    "spares.SourcingRule": "sourcing_chain",
    "evidence.WitnessState": "witness_policy",
    "service_levels.VendorSession": "session_limit",
    "planning.Plan": "guard_rail",
    "access.Grant": "separation",
}
# tables that state things, and rules for them that other pages explain: points by *Points*, rotations by on-call
NO_CONTROL = {
    "evidence": "LogEntry EntryRows Waiting LogPosition Checkpoint Cosignature TimeStamp StampState LogOfSite Event"
    " AuditReview Subscription SubscriptionProgress OutboxMessage OutboxAttempt LoopBeat",
    "access": "Person Machine Enrolment WelcomeLink Reply",
    "registry": "Network Vendor Site Space Part Device Sensor SensorAlias Circuit Owner ExternalReference Import",
    "telemetry": "Progress SiteState DeviceHead Gateway UplinkTest Excursion Doubt Calibration ProbeCheck HandReading"
    " BackupFile HandDuty Segment Removal RetentionReport Series Uplink KeptUpTo KeptDay",
    "product": "Consignment Presence ProductHold Deviation Move BackupSpace LotValue",
    "alarms": "Alarm Page Escalation Rotation Override RouteTest",
    "incidents": "Feedback Incident IncidentLink Note HandOver Review ReviewAction",
    "runbooks": "Run StepJournal Approval",
    "fleet": "BaselineCheck Onboarding Check Drill SignOff MaintenanceOrder",
    "spares": "Hub Lane Replacement Offer StockTarget Unit Custody Reservation Dispatch CourierEvent Return Round Order"
    " Release Scan",
    "planning": "HistoryFile Failure Expectation PlanLine PolicyPoint PolicyChange",
    "service_levels": "VendorWindow SessionStep MonthEdition MonthFile",
}


@pytest.fixture
def auditor(acting: Acting) -> Authority:
    """Who asks."""
    return acting("auditor")


def of_kind(by: Authority, kind: str, now: Any = START) -> list[Explained]:
    """The controls of a kind."""
    return controls.controls(by, now=now, kind=kind)


def test_evd_14_every_table_is_a_control_of_a_known_kind_or_named_as_none() -> None:
    """A new table is a decision, made here too; every kind that lists itself comes from one."""
    known = set(TABLES) | {f"{label}.{name}" for label, names in NO_CONTROL.items() for name in names.split()}
    there = {m._meta.label for m in apps.get_models() if m.__module__.startswith("waystation.")}
    assert there <= known, there - known
    assert set(TABLES.values()) == set(KINDS)


def one_of_each(acting: Acting) -> None:
    """Records such that every kind has at least one control."""
    ana, quim, sup = acting("service_manager"), acting("quality"), acting("supervisor")
    space = a_space()
    registry.approve_profile(quim, a_profile().pk, now=START, reason="As the label says")
    Template.objects.filter(pk=a_template().pk).update(
        checklist=[{"key": "probe", "words": "Probes bound", "fail_action": "order one"}, {"key": "x", "words": "Sign",
        "mandatory": False}], published_at=START,
    )  # fmt: skip
    policy.set_policy(sup, [{"roles": ["operator"], "wait_s": 300}], now=START, site_id=space.site_id)
    quiet: dict[str, Any] = {"reason": "Defrost", "ends_at": START + 2 * HOUR}
    alarms.suppress(sup, space.site_id, "window", rules=["excursion"], now=START, **quiet)
    runbooks.publish_shipped(system(), now=START)
    terms: dict[str, Any] = {"covers": "other", "source": "company", "clause": "SOP 7", "full_days": 90}
    kept = retain.propose(ana, name="signals", keep_years=2, now=START, **terms)
    retain.approve(quim, kept.pk, fresh_proof=True, now=START)
    keeping.hold(quim, subject="site", name="cordoba", reason="Inquiry 12", now=START)
    Template.objects.filter(pk=space.site.template_id).update(components=[{"class": "ups"}])
    space.site.refresh_from_db()
    fleet.waive_component(ana, space.site_id, "ups", reason="On order", until=START + 9 * HOUR, now=START)
    rule = setup.set_up(system(), "sourcing_rule", {"service_class": "A", "chain": [{"channels": ["hub"]}]}, now=START)
    setup.approve_chain(ana, rule.pk, now=START, reason="As agreed")
    a_device(model=a_model("UPS-9", standing="banned"))
    MappingRule.objects.create(site=space.site, measurement="cpu", reason="Not of the cold chain")


def test_evd_14_every_kind_lists_its_controls_with_reason_and_owner(auditor: Authority, acting: Acting) -> None:
    """None without words; each key is told once within its kind."""
    one_of_each(acting)
    found = controls.controls(auditor, now=START)
    assert {row.control.kind for row in found} == set(KINDS)
    for row in found:
        one = row.control
        assert all((one.name, one.what, one.why, row.owner, row.approved_by, row.last_test)), one
    assert len({(r.control.kind, r.control.name) for r in found}) == len(found)


def test_evd_14_an_approval_leads_to_the_entry_that_made_it(auditor: Authority, acting: Acting) -> None:
    """The person's name, the instant, and an entry of that very object by that very person."""
    one_of_each(acting)
    approved = {
        *("profile_limit", "suppression", "retention_policy", "record_hold", "waiver", "sourcing_chain"),
        *("gated_step", "escalation"),
    }
    for row in controls.controls(auditor, now=START):
        if row.control.kind not in approved or row.control.key == "default escalation":
            continue
        entry = LogEntry.objects.get(seq=row.entry)
        assert entry.object_id == row.control.key
        assert row.approved_at == START
        assert row.approved_by == (access.names({_actor(entry)})[_actor(entry)])


def _actor(entry: LogEntry) -> UUID:
    return UUID(json.loads(bytes(entry.leaf))["actor"])


def test_evd_14_what_ships_or_lost_its_approval_names_nobody(auditor: Authority, acting: Acting) -> None:
    """An approval that a change took away is not read from the old entry."""
    one_of_each(acting)
    (chain,) = of_kind(auditor, "sourcing_chain")
    assert chain.approved_by == "service_manager"
    setup.change(
        system(),
        "sourcing_rule",
        SourcingRule.objects.get().pk,
        {"chain": [{"channels": ["central"]}]},
        now=START,
        reason="Costs",
    )
    (chain,) = of_kind(auditor, "sourcing_chain")
    assert (chain.approved_by, chain.approved_at, chain.entry) == (NOBODY, None, None)
    for kind in ("matrix_row", "guard_rail", "witness_policy", "separation", "session_limit"):
        assert {row.approved_by for row in of_kind(auditor, kind)} == {NOBODY}, kind


def test_evd_14_a_profile_that_judges_without_approval_is_listed_all_the_same(auditor: Authority) -> None:
    """And one that judges nothing and was never approved is none."""
    a_space()
    a_profile("unused")
    (row,) = of_kind(auditor, "profile_limit")
    assert (row.control.name, row.approved_by) == ("Vaccine 2 to 8, edition 1", NOBODY)
    assert "written from memory" in row.control.why


def test_evd_14_the_matrix_in_force_is_told_row_by_row_and_a_real_alarm_is_its_proof(
    auditor: Authority, acting: Acting
) -> None:
    """As it ships, then as it was edited with that reason."""
    number, rows = matrix_in_force()
    assert {r.control.name for r in of_kind(auditor, "matrix_row")} == {r.slug.replace("_", " ") for r in rows}
    space = a_space()
    condition = Condition("excursion", space.site_id, "space", space.pk, START, {"value_c": 11.0})
    (raised,) = alarms.update(system(), space.site_id, [condition], now=START).raised
    slug = Alarm.objects.get(pk=raised.pk).row_slug.replace("_", " ")
    for row in of_kind(auditor, "matrix_row"):
        worked = "raised an alarm at Cordoba" if row.control.name == slug else NEVER
        assert row.last_test == worked, row.control.name
    first = rows[0].as_dict()
    policy.edit_matrix(acting("supervisor"), [first], base_number=number, reason="Fewer pages", now=START)
    (row,) = of_kind(auditor, "matrix_row")
    assert row.control.why.endswith("Fewer pages")
    assert (row.approved_by, row.entry is not None) == ("supervisor", True)


@pytest.mark.parametrize(
    ("ended", "words"),
    [
        ({"passed_at": START}, "route test at Cordoba passed"),
        ({"failed_at": START, "failure": "no answer"}, "route test at Cordoba FAILED: no answer"),
        ({}, NEVER),
    ],
)
def test_evd_14_the_last_route_test_proves_an_escalation_or_says_that_it_failed(
    ended: dict[str, Any], words: str, auditor: Authority, acting: Acting
) -> None:
    """One that is still running proves nothing; another site's does not prove this one's."""
    here, there = a_site(), a_site("jaen")
    for site in (here, there):
        policy.set_policy(acting("supervisor"), [{"roles": ["operator"]}], now=START, site_id=site.pk)
    RouteTest.objects.create(site=here, at=START, due_at=START + HOUR, **ended)
    found = {row.control.name: row.last_test for row in of_kind(auditor, "escalation")}
    assert found == {
        "Default escalation": words,
        "Escalation of all alarms at Cordoba": words,
        "Escalation of all alarms at Jaen": NEVER,
    }


def test_evd_14_what_has_ended_is_no_control_any_more(auditor: Authority, acting: Acting) -> None:
    """Suppressions and waivers with their end, half-open; a lifted hold; an ended policy."""
    one_of_each(acting)
    assert len(of_kind(auditor, "suppression", START + 2 * HOUR - timedelta(seconds=1))) == 1
    assert of_kind(auditor, "suppression", START + 2 * HOUR) == []
    assert of_kind(auditor, "waiver", START + 9 * HOUR) == []


def test_evd_14_gates_of_runbooks_and_sites_are_told_step_by_step(auditor: Authority, acting: Acting) -> None:
    """Every gated step of every runbook in force, no other; of a site's checklist what is mandatory."""
    one_of_each(acting)
    gated = {
        f"{d.data['name']}, {s['title']}" for d in running.newest() for s in d.data["steps"] if s.get("gated", False)
    }
    assert gated
    assert {row.control.name for row in of_kind(auditor, "gated_step")} == gated
    (gate,) = of_kind(auditor, "site_gate")
    assert gate.control.name == "Node 1, Probes bound"
    assert gate.last_test == NEVER


def test_evd_14_each_pair_each_rail_and_the_limits_that_ship_are_told(auditor: Authority) -> None:
    """As many as there are, with the values that count."""
    assert len(of_kind(auditor, "separation")) == len(SEPARATED)
    rails = {row.control.name: row.control.what for row in of_kind(auditor, "guard_rail")}
    assert rails["Planning, patience"] == "28 d"
    (limit,) = of_kind(auditor, "session_limit")
    assert limit.control.what.startswith("at most 12 h")
    assert sessions.LONGEST == 12 * HOUR
    (witnesses,) = of_kind(auditor, "witness_policy")
    assert witnesses.last_test == NEVER
    assert not Cosignature.objects.exists()


def test_evd_14_a_drill_at_a_site_of_the_class_is_its_last_test_even_when_it_failed(
    auditor: Authority, acting: Acting
) -> None:
    """A class without a drill says never tested."""
    a_service_class("B")
    failure, function = next(iter(fleet.FAILURES)), next(iter(fleet.SURVIVORS))
    fleet.record_drill(
        acting("supervisor"), a_site().pk, failure, function, survived=False, evidence="It was dark", now=START
    )
    found = {row.control.name: row.last_test for row in of_kind(auditor, "class_target")}
    assert found["Service class B, Class B"] == NEVER
    assert found["Service class A, Class A"].endswith("did not survive")
    assert ServiceClass.objects.count() == 2


def test_evd_14_only_who_reads_evidence_asks_and_only_for_kinds_that_there_are(
    auditor: Authority, acting: Acting
) -> None:
    """Refused in words, with the kinds that may be asked for."""
    with pytest.raises(NotAllowed, match="may not"):
        controls.controls(acting("operator"), now=START)
    with pytest.raises(BadInput) as refused:
        controls.controls(auditor, now=START, kind="wish")
    assert (refused.value.code, refused.value.field) == ("controls.kind", "kind")
    assert all(kind in refused.value.next_step for kind in KINDS)


def test_evd_14_a_control_without_a_reason_says_so(auditor: Authority, acting: Acting) -> None:
    """A class has targets and nobody's reason for them; a suppression has the one that was given."""
    one_of_each(acting)
    assert {row.control.why for row in of_kind(auditor, "class_target")} == {NO_REASON}
    assert NO_REASON not in {row.control.why for row in of_kind(auditor, "suppression")}


def test_evd_14_the_page_the_api_and_the_csv_tell_the_same(
    signed_in: Callable[..., Client], auditor: Authority, acting: Acting, clock: FastClock
) -> None:
    """Every control on each; "never tested" in plain words; the filter is an address."""
    one_of_each(acting)
    client = signed_in("auditor")
    found = controls.controls(auditor, now=START)
    told = client.get("/api/v1/controls/").json()
    assert [(t["kind"], t["name"]) for t in told] == [(r.control.kind, r.control.name) for r in found]
    page = client.get("/controls/").content.decode()
    for row in found:
        assert row.control.name.replace("'", "&#x27;") in page, row.control.name
    assert "never tested" in page
    assert f"{len(found)} controls" in page
    for address in ("/controls/controls.csv", "/api/v1/controls/controls.csv"):
        lines = list(csv.DictReader(io.StringIO(client.get(address).content.decode())))
        assert tuple(lines[0]) == COLUMNS
        assert [x["key"] for x in lines] == [r.control.key for r in found]
    untested = client.get("/api/v1/controls/?untested=true&kind=record_hold").json()
    assert [t["last_test"] for t in untested] == [NEVER]
    only = client.get("/controls/?kind=record_hold").content.decode()
    assert "Inquiry 12" in only
    assert "Default escalation" not in only
    assert signed_in("operator").get("/controls/").status_code == 403
