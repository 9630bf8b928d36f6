"""Driving a run: one move after another, each written down before and after, under a lease with a fence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.db import transaction

from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.evidence.rows import Row
from waystation.kernel import states
from waystation.kernel.authority import Authority
from waystation.kernel.canonical import digest
from waystation.kernel.refusals import BadInput, Conflict, NotAllowed
from waystation.registry.queries import one
from waystation.runbooks import leases, ports
from waystation.runbooks.leases import Pulse, locked
from waystation.runbooks.models import Approval, Run, StepJournal
from waystation.runbooks.rules import engine
from waystation.runbooks.rules.definition import PHASES, Call, Runbook, consent_digest, filled, parse

APPROVAL_FOR = timedelta(minutes=30)
MAX_MOVES = 300
_OUTCOMES = {ports.DONE: engine.OK, ports.FAILED: engine.FAILED, ports.WAITING: engine.WAITING}


def advance(by: Authority, run_id: UUID, actuator: ports.Actuator, *, now: datetime, pulse: Pulse | None = None) -> Run:
    """Do all that can be done now: to the end, to an answer or to an approval. Safe to call again at any time.

    `pulse` gives the present instant while it drives, for calls that take their time; without it no time passes.
    """
    by.require("runbooks.propose", one(Run, run_id).site_id)
    present = pulse or (lambda: now)
    fence = leases.claim(run_id, now)
    for _ in range(MAX_MOVES):
        call = _begin(by, run_id, fence, present())
        if call is None:
            break
        key = f"run:{run_id}:{call.step}:{call.phase}"
        with leases.kept(run_id, fence, present, call.at_most):
            result = actuator.perform(call.exact.kind, call.exact.target, call.exact.parameters, key=key)
        _finish(by, run_id, fence, call, result, present())
    return leases.release(run_id, fence)


def answer(by: Authority, run_id: UUID, step: str, phase: str, *, ok: bool, detail: str, now: datetime) -> StepJournal:
    """What came of an instruction that a person followed. The first answer stands; repeating it changes nothing."""
    by.require("runbooks.propose" if by.may("runbooks.propose") else "incidents.work", one(Run, run_id).site_id)
    if by.is_machine:
        raise NotAllowed("runbooks.person_answers", f"{by.name} is no person.", "Whoever followed it answers.")
    with transaction.atomic():
        run = locked(run_id)
        row = StepJournal.objects.select_for_update().filter(run=run, step=step, phase=phase).first()
        if row is None or row.outcome == engine.BEGUN:
            raise Conflict("runbooks.not_waiting", f"{step} ({phase}) asks nothing now.", "Read the run again.")
        wanted = engine.OK if ok else engine.FAILED
        if row.outcome != engine.WAITING:
            if row.answered_by is not None and row.outcome == wanted:
                return row
            raise Conflict("runbooks.answered", f"{step} ({phase}) is already {row.outcome}.", "Read the run again.")
        row.outcome, row.detail, row.answered_by, row.finished_at = wanted, detail, by.principal_id, now
        facts = {"step": step, "phase": phase, "outcome": wanted, "detail_digest": digest(detail)}
        tell(by, run, "runbooks.answered", now, facts, [row])
    return row


def standing_of(run: Run, now: datetime) -> engine.Standing:
    """Where a run stands, for the rules and for showing."""
    runbook = parse(run.definition.data)
    journal = {(j.step, j.phase): j.outcome for j in StepJournal.objects.filter(run=run)}
    consents = [consent_of(a) for a in Approval.objects.filter(run=run).order_by("asked_at", "pk")]
    exact = {s.key: consent_digest(str(run.pk), run.definition_digest, s, run.names) for s in runbook.steps}
    cancel = run.cancel_asked_at is not None
    return engine.Standing(runbook, journal, consents, exact, str(run.proposed_by), now, cancel)


def consent_of(row: Approval) -> engine.Consent:
    """An approval as the rules take it."""
    decider = str(row.decided_by) if row.decided_by else ""
    return engine.Consent(
        row.step, row.digest, str(row.asked_by), row.asked_at, row.expires_at, decider, row.decision, row.decided_at
    )


def content_of(runbook: Runbook, run: Run, key: str) -> list[dict[str, object]]:
    """Exactly what an approver sees: each phase with its target and parameters, the back-out included."""
    step = runbook.step(key)
    shown: list[dict[str, object]] = []
    for phase in PHASES:
        if (call := step.call(phase)) is not None:
            exact = filled(call, run.names)
            shown.append(
                {"phase": phase, "kind": exact.kind, "target": exact.target, "parameters": dict(exact.parameters)}
            )
    return shown


def enter(run: Run, target: str, now: datetime) -> None:
    """Move a run to a state, through `running` or `undoing` where the machine asks for it."""
    if run.state == target:
        return
    for between in ("", "running", "undoing"):
        if not between and target in states.RUN[run.state]:
            break
        if between in states.RUN[run.state] and target in states.RUN[between]:
            run.state = states.step("run", run.state, between)
            break
    run.state = states.step("run", run.state, target)
    if not states.RUN[target]:
        run.ended_at = now


@dataclass(frozen=True, slots=True)
class _Begun:
    """A phase of a step that is written down and now to be done."""

    step: str
    phase: str
    exact: Call
    at_most: timedelta


def _begin(by: Authority, run_id: UUID, fence: int, now: datetime) -> _Begun | None:
    """Decide the next move and write it down; the call to make, or None when there is nothing to do now."""
    with transaction.atomic():
        run = leases.held(run_id, fence, now)
        if not states.RUN[run.state] or run.state == "stuck":
            return None
        standing = standing_of(run, now)
        move = engine.next_move(standing)
        if move.kind == "finish":
            _end(by, run, move, now)
        elif move.kind == "ask":
            _ask(by, run, standing, move, now)
        elif move.kind == "do":
            return _write_down(by, run, standing, move, fence, now)
    return None


def _end(by: Authority, run: Run, move: engine.Move, now: datetime) -> None:
    target = move.state
    if target == "canceled" and run.state == "undoing":
        target = "rolled_back"
    enter(run, target, now)
    run.reason = f"{move.step}: {move.reason}".removeprefix(": ")[:400]
    tell(by, run, f"runbooks.{target}", now, {"reason": run.reason})


def _ask(by: Authority, run: Run, standing: engine.Standing, move: engine.Move, now: datetime) -> None:
    enter(run, "awaiting_approval", now)
    row = Approval(
        run=run,
        step=move.step,
        digest=standing.digests[move.step],
        content=content_of(standing.runbook, run, move.step),
        asked_by=by.principal_id if not by.is_machine else run.proposed_by,
        asked_at=now,
        expires_at=now + APPROVAL_FOR,
    )
    facts = {"step": move.step, "digest": row.digest, "expires_at": row.expires_at}
    tell(by, run, "runbooks.approval_asked", now, facts, [row])


def _write_down(
    by: Authority, run: Run, standing: engine.Standing, move: engine.Move, fence: int, now: datetime
) -> _Begun:
    enter(run, "undoing" if move.phase == "undo" else "running", now)
    row = StepJournal.objects.filter(run=run, step=move.step, phase=move.phase).first()
    if row is None:
        row = StepJournal(run=run, step=move.step, phase=move.phase, started_at=now, fence=fence)
    else:
        row.attempts, row.fence = row.attempts + 1, fence
    step = standing.runbook.step(move.step)
    call = step.call(move.phase)
    assert call is not None
    exact = filled(call, run.names)
    facts = {"step": move.step, "phase": move.phase, "kind": exact.kind, "target": exact.target}
    tell(by, run, "runbooks.begun", now, facts, [row])
    return _Begun(move.step, move.phase, exact, timedelta(seconds=step.timeout_s))


def _finish(by: Authority, run_id: UUID, fence: int, call: _Begun, result: ports.Result, now: datetime) -> None:
    if result.status not in _OUTCOMES:
        raise BadInput("runbooks.result", f"{result.status!r} is no result.", "Correct the actuator.", field="status")
    with transaction.atomic():
        run = leases.held(run_id, fence, now)
        row = StepJournal.objects.get(run=run, step=call.step, phase=call.phase)
        row.outcome, row.detail = _OUTCOMES[result.status], result.detail
        row.instruction, row.receipt = result.instruction, result.receipt[:200]
        row.finished_at = None if row.outcome == engine.WAITING else now
        facts = {"step": call.step, "phase": call.phase, "outcome": row.outcome}
        facts |= {"detail_digest": digest(result.detail)}
        tell(by, run, "runbooks.did", now, facts, [row])


def tell(
    by: Authority,
    run: Run,
    kind: str,
    now: datetime,
    facts: Mapping[str, object],
    also: Sequence[Row] = (),
) -> None:
    """Record a change of a run with the rows that belong to it."""
    event = NewEvent(data=facts, incident_id=run.incident_id)
    record([run, *also], [event], entry=NewEntry(kind, run.pk, by, now, run.site_id, facts=facts))
