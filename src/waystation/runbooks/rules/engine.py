"""What a run does next, from its journal and the approvals alone. Decides; does nothing.

pre → act → post for each step in order; a failed act or post undoes that step and those before it, last first. A
failed pre stops before anything of the step is done. A phase that was recorded is never done again. One that began and
has no result: a check is asked again, for it changes nothing; an effect only where the step says that it is safe, else
a person decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from waystation.runbooks.rules.definition import Runbook, Step

OK, FAILED, WAITING, BEGUN, SKIPPED = "ok", "failed", "waiting", "begun", "skipped"
Journal = Mapping[tuple[str, str], str]  # (step, phase) → outcome


@dataclass(frozen=True, slots=True)
class Consent:
    """An approval that was asked for, and what came of it."""

    step: str
    digest: str
    asked_by: str
    asked_at: datetime
    expires_at: datetime
    decided_by: str = ""
    decision: str = ""  # "" waits | approved | denied | expired
    decided_at: datetime | None = None

    def allows(self, digest: str, proposer: str, now: datetime) -> bool:
        """True for a live approval of this very digest by somebody who neither asked nor proposed."""
        another = bool(self.decided_by) and self.decided_by not in (self.asked_by, proposer)
        return self.decision == "approved" and self.digest == digest and another and self._live(now)

    def waits(self, digest: str, now: datetime) -> bool:
        """True while a decision on this digest may still be given."""
        return self.decision == "" and self.digest == digest and self._live(now)

    def _live(self, now: datetime) -> bool:
        in_order = self.decided_at is None or self.asked_at <= self.decided_at < self.expires_at
        return in_order and self.asked_at <= now < self.expires_at


@dataclass(frozen=True, slots=True)
class Move:
    """What to do next: `do` a phase, `ask` for approval, `wait`, or `finish` in a state."""

    kind: str
    step: str = ""
    phase: str = ""
    state: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands."""

    runbook: Runbook
    journal: Journal
    consents: Sequence[Consent]
    digests: Mapping[str, str]  # step → what its approval must bind to
    proposer: str
    now: datetime
    cancel: bool = False


def next_move(s: Standing) -> Move:
    """The one next move. It is `do` an `act` of a gated step only under a live approval of its digest by another."""
    failed = next((step for step in s.runbook.steps if _went_wrong(step, s.journal)), None)
    if failed is not None or s.cancel:
        return _undo(s, "canceled" if s.cancel and failed is None else "rolled_back", failed)
    for step in s.runbook.steps:
        move = _of_step(step, s)
        if move is not None:
            return move
    return Move("finish", state="succeeded", reason="every step is done")


def _went_wrong(step: Step, journal: Journal) -> bool:
    return any(journal.get((step.key, phase)) == FAILED for phase in ("pre", "act", "post"))


def _of_step(step: Step, s: Standing) -> Move | None:
    for phase in ("pre", "act", "post"):
        if step.call(phase) is None:
            continue
        outcome = s.journal.get((step.key, phase))
        if outcome in (OK, SKIPPED):
            continue
        if outcome == WAITING:
            return Move("wait", step.key, phase, reason="a person answers")
        if outcome == BEGUN and phase == "act" and not _harmless(step):
            return Move("finish", step.key, phase, "stuck", "it began and its result is not known: look before acting")
        if phase == "act" and step.gated:
            return _gate(step, s)
        return Move("do", step.key, phase)
    return None


def _harmless(step: Step) -> bool:
    """True when its act may happen twice: the step says so, or the act is itself a check."""
    return step.safe_to_repeat or (step.act is not None and step.act.kind.startswith("check."))


def _gate(step: Step, s: Standing) -> Move:
    wanted = s.digests[step.key]
    mine = [c for c in s.consents if c.step == step.key and c.digest == wanted]
    if any(c.decision == "denied" for c in mine):
        return Move("finish", step.key, "act", "canceled", "denied")
    if any(c.allows(wanted, s.proposer, s.now) for c in mine):
        return Move("do", step.key, "act")
    if any(c.waits(wanted, s.now) for c in mine):
        return Move("wait", step.key, "act", reason="approval by another person")
    if mine:
        return Move("finish", step.key, "act", "failed", "the approval expired: nothing was done")
    return Move("ask", step.key, "act")


def _undo(s: Standing, ending: str, failed: Step | None) -> Move:
    for step in reversed(s.runbook.steps):
        acted = s.journal.get((step.key, "act"))
        undone = s.journal.get((step.key, "undo"))
        if acted in (None, SKIPPED):
            continue
        if acted == WAITING and failed is None:
            return Move("wait", step.key, "act", reason="a person answers")
        if undone == FAILED:
            return Move("finish", step.key, "undo", "stuck", "the undo failed")
        if undone == WAITING:
            return Move("wait", step.key, "undo", reason="a person answers")
        if undone == BEGUN and not step.safe_to_repeat:
            return Move("finish", step.key, "undo", "stuck", "the undo began and its result is not known")
        if step.undo is not None and undone in (None, BEGUN):
            return Move("do", step.key, "undo")
    if ending == "rolled_back" and failed is not None and s.journal.get((failed.key, "act")) is None:
        ending = "rolled_back" if _anything_undone(s.journal) else "failed"
    reason = f"{failed.key} went wrong" if failed is not None else "canceled"
    return Move("finish", state=ending, reason=reason)


def _anything_undone(journal: Journal) -> bool:
    return any(phase == "undo" for _, phase in journal)
