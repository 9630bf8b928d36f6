"""Runs as rows: journalled, driven by one at a time, gated by another person, ended within a limit."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from tests.conftest import START
from tests.samples import a_device, a_site, a_space
from waystation.adapters.actuate.advisory.actuator import Advisory
from waystation.evidence.models import Event
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed, NotFound
from waystation.runbooks import actions, queries
from waystation.runbooks.models import Approval, Definition, Run, StepJournal
from waystation.runbooks.ports import DONE, FAILED, ByKind, Result

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]


@dataclass
class Hands:
    """An actuator that remembers what it was asked and fails where told to."""

    failing: set[str] = field(default_factory=set)
    breaking: set[str] = field(default_factory=set)
    done: list[str] = field(default_factory=list)

    def perform(self, kind: str, target: str, parameters: Mapping[str, str], *, key: str) -> Result:
        self.done.append(kind)
        if kind in self.breaking:
            raise ConnectionError("the line broke")
        return Result(FAILED if kind in self.failing else DONE, "told", receipt=key)


@pytest.fixture
def ana(acting: Acting) -> Authority:
    """An operator, who proposes."""
    return acting("operator", name="Ana")


@pytest.fixture
def carla(acting: Acting) -> Authority:
    """A supervisor, who approves."""
    return acting("supervisor", name="Carla")


def proposed(by: Authority, system: Authority, slug: str = "refrigerator-alarm", **changes: UUID) -> Run:
    actions.publish_shipped(system, now=START)
    values = {"space_id": a_space("cordoba", "fridge-1").pk, "device_id": a_device("cordoba", "gw-1").pk} | changes
    return actions.propose(by, slug, a_site("cordoba").pk, now=START, **values)


def to_first_gate(by: Authority, system: Authority, hands: Hands) -> tuple[Run, Approval]:
    run = actions.advance(by, proposed(by, system).pk, hands, now=START)
    return run, Approval.objects.get(run=run)


def test_run_01_the_three_runbooks_ship_for_their_triggers(system: Authority) -> None:
    """Power loss, refrigerator alarm, WAN outage; publishing again changes nothing."""
    actions.publish_shipped(system, now=START)
    actions.publish_shipped(system, now=START)
    assert Definition.objects.count() == 3
    for trigger, slug in (
        ("power_lost", "power-loss"),
        ("compressor_fault", "refrigerator-alarm"),
        ("site_unreachable", "wan-outage"),
    ):
        found = queries.for_trigger(trigger)
        assert found is not None
        assert found.slug == slug
    assert queries.for_trigger("martian_dust") is None


@pytest.mark.parametrize("slug", ["power-loss", "refrigerator-alarm", "wan-outage"])
def test_run_02_ticket_on_call_readings_and_impact_need_nobody(slug: str, ana: Authority, system: Authority) -> None:
    """The four automatic actions come first, in the run's log, before any gate."""
    hands = Hands()
    run = actions.advance(ana, proposed(ana, system, slug).pk, hands, now=START)
    assert hands.done[:4] == ["incident.ticket", "notify.on_call", "telemetry.pull", "impact.tag"]
    assert [j.outcome for j in queries.journal(run.pk)][:4] == ["ok"] * 4
    assert run.state == "awaiting_approval"


def test_run_04_a_gated_step_waits_for_another_person(ana: Authority, carla: Authority, system: Authority) -> None:
    """Nothing of it happens before; then all of it once, to the next gate and the end."""
    hands = Hands()
    run, asked = to_first_gate(ana, system, hands)
    assert "product.move" not in hands.done
    assert [c["phase"] for c in asked.content] == ["pre", "act", "post", "undo"]
    actions.advance(ana, run.pk, hands, now=START)
    assert "product.move" not in hands.done
    actions.approve(carla, asked.pk, digest_seen=asked.digest, now=START)
    actions.advance(ana, run.pk, hands, now=START)
    second = Approval.objects.get(run=run, decision="")
    actions.approve(carla, second.pk, digest_seen=second.digest, now=START)
    ended = actions.advance(ana, run.pk, hands, now=START)
    assert ended.state == "succeeded"
    assert hands.done.count("product.move") == hands.done.count("refrigeration.restart_controller") == 1
    assert "undo" not in set(StepJournal.objects.filter(run=run).values_list("phase", flat=True))


def test_run_04_self_approval_is_refused(acting: Acting, system: Authority) -> None:
    """Whoever proposed or asked cannot decide, whatever their roles; nor may an operator or a program."""
    both = acting("operator", "supervisor", name="Ana")
    _, asked = to_first_gate(both, system, Hands())
    for who in (both, system):
        with pytest.raises(NotAllowed) as refused:
            actions.approve(who, asked.pk, digest_seen=asked.digest, now=START)
        assert refused.value.code == "runbooks.self_approval"
    with pytest.raises(NotAllowed, match="may not approve somebody else's step"):
        actions.approve(acting("operator", name="Dora"), asked.pk, digest_seen=asked.digest, now=START)


def test_r4_other_content_than_was_seen_is_not_approved(ana: Authority, carla: Authority, system: Authority) -> None:
    """The digest says what was read."""
    _, asked = to_first_gate(ana, system, Hands())
    with pytest.raises(BadInput):
        actions.approve(carla, asked.pk, digest_seen="0" * 64, now=START)


def test_run_04_a_denied_step_never_runs(ana: Authority, carla: Authority, system: Authority) -> None:
    """The run is canceled; nobody can turn the word round."""
    hands = Hands()
    run, asked = to_first_gate(ana, system, hands)
    actions.deny(carla, asked.pk, digest_seen=asked.digest, reason="backup is warm", now=START)
    assert actions.deny(carla, asked.pk, digest_seen=asked.digest, reason="again", now=START).reason == "backup is warm"
    with pytest.raises(Conflict):
        actions.approve(carla, asked.pk, digest_seen=asked.digest, now=START)
    assert actions.advance(ana, run.pk, hands, now=START).state == "canceled"
    assert "product.move" not in hands.done


def test_run_04_no_answer_is_a_no(ana: Authority, carla: Authority, system: Authority) -> None:
    """After thirty minutes the question is closed, the run ended, and a late yes refused."""
    hands = Hands()
    run, asked = to_first_gate(ana, system, hands)
    late = START + timedelta(minutes=30)
    with pytest.raises(Conflict, match="could be decided"):
        actions.approve(carla, asked.pk, digest_seen=asked.digest, now=late)
    assert [a.pk for a in actions.expire_due(system, now=late)] == [asked.pk]
    assert actions.expire_due(system, now=late) == []
    run.refresh_from_db()
    assert (run.state, run.ended_at) == ("failed", late)
    actions.advance(ana, run.pk, hands, now=late)
    assert "product.move" not in hands.done


def test_an_approval_that_was_given_and_not_used_ends_too(ana: Authority, carla: Authority, system: Authority) -> None:
    """Live means live when the step runs."""
    hands = Hands()
    run, asked = to_first_gate(ana, system, hands)
    actions.approve(carla, asked.pk, digest_seen=asked.digest, now=START)
    ended = actions.advance(ana, run.pk, hands, now=START + timedelta(minutes=31))
    assert ended.state == "failed"
    assert "product.move" not in hands.done


def test_run_06_a_failed_post_check_undoes(ana: Authority, carla: Authority, system: Authority) -> None:
    """The step's own undo runs, once, and the run says rolled back."""
    hands = Hands(failing={"check.product_in_profile"})
    run, asked = to_first_gate(ana, system, hands)
    actions.approve(carla, asked.pk, digest_seen=asked.digest, now=START)
    ended = actions.advance(ana, run.pk, hands, now=START)
    assert (ended.state, hands.done[-1]) == ("rolled_back", "product.move_back")
    actions.advance(ana, run.pk, hands, now=START)
    assert hands.done.count("product.move_back") == 1


def test_r3_a_crash_in_a_step_never_repeats_it(ana: Authority, carla: Authority, system: Authority) -> None:
    """It began and nobody knows how it ended: the run is stuck until a person has looked."""
    hands = Hands(breaking={"product.move"})
    run, asked = to_first_gate(ana, system, hands)
    actions.approve(carla, asked.pk, digest_seen=asked.digest, now=START)
    with pytest.raises(ConnectionError):
        actions.advance(ana, run.pk, hands, now=START)
    with pytest.raises(Conflict, match="drives this run"):
        actions.advance(ana, run.pk, hands, now=START + timedelta(seconds=59))
    assert run.pk not in queries.to_advance(START + timedelta(seconds=59))
    later = START + timedelta(seconds=60)
    assert run.pk in queries.to_advance(later)
    assert actions.advance(ana, run.pk, Hands(), now=later).state == "stuck"
    assert hands.done.count("product.move") == 1
    settled = actions.settle_stuck(carla, run.pk, ended=True, now=later, reason="the product stands where it stood")
    assert (settled.state, settled.ended_at) == ("failed", later)


def test_a_step_that_may_be_repeated_goes_on_after_a_crash(ana: Authority, system: Authority) -> None:
    """Pulling readings twice harms nobody; the journal counts the attempts."""
    hands = Hands(breaking={"telemetry.pull"})
    run = proposed(ana, system)
    with pytest.raises(ConnectionError):
        actions.advance(ana, run.pk, hands, now=START)
    again = Hands()
    actions.advance(ana, run.pk, again, now=START + timedelta(minutes=1))
    assert again.done[0] == "telemetry.pull"
    assert StepJournal.objects.get(run=run, step="readings").attempts == 2


def test_d11_the_shipped_actuator_advises_and_records_the_answer(ana: Authority, system: Authority) -> None:
    """D11: a person is told what to do; the run goes on with their answer, the first of which stands."""
    run = actions.advance(ana, proposed(ana, system).pk, Advisory(), now=START)
    told = queries.instructions(ana)[0]
    assert (run.state, told.step, told.outcome) == ("running", "ticket", "waiting")
    assert "Do it, then answer" in told.instruction
    with pytest.raises(NotAllowed):
        actions.answer(system, run.pk, "ticket", "act", ok=True, detail="", now=START)
    actions.answer(ana, run.pk, "ticket", "act", ok=True, detail="ticket 7", now=START)
    actions.answer(ana, run.pk, "ticket", "act", ok=True, detail="again", now=START)
    with pytest.raises(Conflict):
        actions.answer(ana, run.pk, "ticket", "act", ok=False, detail="", now=START)
    with pytest.raises(Conflict):
        actions.answer(ana, run.pk, "move", "act", ok=True, detail="", now=START)
    actions.advance(ana, run.pk, Advisory(), now=START)
    assert queries.instructions(ana)[0].step == "notify"
    assert StepJournal.objects.get(run=run, step="ticket").detail == "ticket 7"


def test_a_run_takes_each_call_to_the_one_that_knows_its_kind(ana: Authority, system: Authority) -> None:
    """What the platform can do it does; the rest asks a person."""
    hands = Hands()
    known = dict.fromkeys(("incident.ticket", "notify.on_call", "telemetry.pull", "impact.tag"), hands)
    run = actions.advance(ana, proposed(ana, system).pk, ByKind(known, Advisory()), now=START)
    assert len(hands.done) == 4
    assert [j.step for j in queries.instructions(ana)] == ["look"]
    assert run.state == "running"


def test_a_run_keeps_the_version_that_it_began_with(ana: Authority, system: Authority) -> None:
    """A new edition is for the next run."""
    run = proposed(ana, system)
    data = Definition.objects.get(slug="refrigerator-alarm").data
    newer = actions.publish(system, data | {"name": "Refrigerator alarm, revised"}, now=START)
    assert (newer.version, Run.objects.get().definition.version) == (2, 1)
    assert queries.printed(run.pk)[0].startswith("Refrigerator alarm (compressor fault)")
    assert next(d for d in queries.newest() if d.slug == newer.slug).version == 2


def test_one_live_run_per_incident(ana: Authority, system: Authority) -> None:
    """Proposing again gives the one that stands; an unknown runbook is refused."""
    incident = uuid4()
    assert proposed(ana, system, incident_id=incident).pk == proposed(ana, system, incident_id=incident).pk
    assert len(queries.runs(ana, incident_id=incident, live=True)) == 1
    with pytest.raises(NotFound):
        proposed(ana, system, "no-such-runbook")


def test_an_approval_that_waits_while_product_is_at_risk_is_a_condition(ana: Authority, system: Authority) -> None:
    """It names step and end; without risk, or once decided, there is none. Escalating is noted once."""
    run, asked = to_first_gate(ana, system, Hands())
    space, site = a_space("cordoba", "fridge-1").pk, a_site("cordoba").pk
    found = queries.waiting_conditions(site, {space}, START)
    assert [(c.rule, c.object_kind, c.object_id, c.started_at) for c in found] == [
        ("approval_waits", "run", run.pk, START)
    ]
    assert queries.waiting_conditions(site, set(), START) == []
    first = actions.escalate_waiting(system, asked.pk, now=START)
    assert (
        actions.escalate_waiting(system, asked.pk, now=START + timedelta(minutes=1)).escalated_at == first.escalated_at
    )
    actions.expire_due(system, now=START + timedelta(minutes=30))
    assert queries.waiting_conditions(site, {space}, START) == []


def test_r2_every_run_ends_within_its_limit(ana: Authority, system: Authority) -> None:
    """Over the limit it is parked: stuck when something was done, failed when nothing was."""
    begun = actions.advance(ana, proposed(ana, system).pk, Advisory(), now=START)
    untouched = proposed(ana, system)
    late = START + timedelta(days=2)
    assert actions.park_overdue(system, now=late - timedelta(seconds=1)) == []
    states = {r.pk: r.state for r in actions.park_overdue(system, now=late)}
    assert states == {begun.pk: "stuck", untouched.pk: "failed"}
    assert actions.park_overdue(system, now=late) == []


def test_canceling_undoes_what_was_done(ana: Authority, carla: Authority, system: Authority) -> None:
    """Between two gates: the product goes back."""
    hands = Hands()
    run, asked = to_first_gate(ana, system, hands)
    actions.approve(carla, asked.pk, digest_seen=asked.digest, now=START)
    actions.advance(ana, run.pk, hands, now=START)
    actions.cancel(ana, run.pk, now=START, reason="power is back")
    assert actions.advance(ana, run.pk, hands, now=START).state == "rolled_back"
    assert hands.done[-1] == "product.move_back"


def test_every_step_is_in_the_timeline_of_its_incident(ana: Authority, system: Authority) -> None:
    """Proposed, begun, done, asked: each an event with the incident's id."""
    incident = uuid4()
    run = proposed(ana, system, incident_id=incident)
    actions.advance(ana, run.pk, Hands(), now=START)
    kinds = set(Event.objects.filter(incident_id=incident).values_list("kind", flat=True))
    assert kinds == {"runbooks.proposed", "runbooks.begun", "runbooks.did", "runbooks.approval_asked"}
