"""The engine's decisions: gated steps only under a live approval by another, steps once, undo backwards."""

from __future__ import annotations

import random
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from waystation.kernel.refusals import BadInput
from waystation.runbooks.rules import engine
from waystation.runbooks.rules.definition import as_lines, consent_digest, filled, parse
from waystation.runbooks.rules.engine import Consent, Move, Standing, next_move

HISTORIES = 10_000
PROPOSER, PEOPLE = "ana", ("ana", "bo", "carla")


def call(kind: str = "do", **parameters: str) -> dict[str, Any]:
    return {"kind": kind, "target": "{device}", "parameters": parameters}


def step(key: str, **changes: Any) -> dict[str, Any]:
    return {"key": key, "act": call(f"act.{key}")} | changes


def gated(key: str, **changes: Any) -> dict[str, Any]:
    whole = {"pre": call("check.before"), "post": call("check.after"), "undo": call("undo"), "risk": "it may break"}
    return step(key, gated=True, **whole) | changes


BOOK = parse({"slug": "s", "name": "S", "steps": [step("a", undo=call("undo.a")), gated("b"), step("c"), gated("d")]})
DIGESTS = {s.key: f"digest-{s.key}" for s in BOOK.steps}


def standing(journal: dict[tuple[str, str], str], consents: list[Consent] | None = None, **more: Any) -> Standing:
    values: dict[str, Any] = {"digests": DIGESTS, "proposer": PROPOSER, "now": START} | more
    return Standing(BOOK, journal, consents or [], **values)


def consent(**changes: Any) -> Consent:
    values: dict[str, Any] = {
        "step": "b",
        "digest": DIGESTS["b"],
        "asked_by": PROPOSER,
        "asked_at": START,
        "expires_at": START + timedelta(minutes=30),
        "decided_by": "bo",
        "decision": "approved",
        "decided_at": START,
    }
    return Consent(**values | changes)


BEFORE_B = {("a", "act"): engine.OK, ("b", "pre"): engine.OK}


class _History:
    """A run that lives through chance: questions, answers by anybody, edits, expiry, failures, crashes."""

    def __init__(self, chance: random.Random) -> None:
        self.chance, self.now = chance, START
        self.journal: dict[tuple[str, str], str] = {}
        self.consents: list[Consent] = []
        self.digests = dict(DIGESTS)
        self.acted: list[tuple[str, str]] = []

    def live(self) -> Standing:
        return Standing(
            BOOK, self.journal, self.consents, self.digests, PROPOSER, self.now, self.chance.random() < 0.02
        )

    def advance(self) -> Move:
        move = next_move(self.live())
        if move.kind == "ask":
            asked = self.chance.choice(PEOPLE)
            ends = self.now + timedelta(minutes=30)
            self.consents.append(Consent(move.step, self.digests[move.step], asked, self.now, ends))
        if move.kind == "do":
            self.do(move)
        return move

    def do(self, move: Move) -> None:
        if move.phase == "act" and BOOK.step(move.step).gated:
            assert self.permitted(move.step), f"{move.step} ran without a live approval"
        is_effect = move.phase in ("act", "undo")
        assert not is_effect or (move.step, move.phase) not in self.acted, "an effect is never had twice"
        self.acted.append((move.step, move.phase))
        results = [engine.OK] * 8 + [engine.FAILED, engine.WAITING, engine.BEGUN]
        self.journal[move.step, move.phase] = self.chance.choice(results)

    def permitted(self, key: str) -> bool:
        """Told independently: somebody else said yes to this very content, in time, and it has not ended."""
        for c in self.consents:
            said_yes = c.step == key and c.decision == "approved" and c.digest == self.digests[key]
            other = c.decided_by not in ("", PROPOSER, c.asked_by)
            if (
                said_yes
                and other
                and c.decided_at
                and c.asked_at <= c.decided_at < c.expires_at
                and self.now < c.expires_at
            ):
                return True
        return False

    def somebody(self) -> None:
        """One chance event: a decision by anybody on anything, an edit, an answer, or time."""
        what = self.chance.randrange(5)
        if what == 0 and self.consents:
            i = self.chance.randrange(len(self.consents))
            old = self.consents[i]
            word = self.chance.choice(["approved", "approved", "approved", "denied", "expired"])
            seen = self.chance.choice([old.digest, old.digest, old.digest, "another"])
            self.consents[i] = Consent(
                old.step, seen, old.asked_by, old.asked_at, old.expires_at, self.chance.choice(PEOPLE), word, self.now
            )
        elif what == 1 and self.chance.random() < 0.2:
            key = self.chance.choice("bd")
            self.digests[key] = f"edited-{self.chance.randrange(3)}-{key}"
        elif what == 2:
            for at, outcome in self.journal.items():
                if outcome == engine.WAITING:
                    self.journal[at] = self.chance.choice([engine.OK, engine.FAILED])
        else:
            self.now += timedelta(minutes=self.chance.choice([0, 1, 10, 40]))


def approval_history(seed: int) -> int:
    """One history of 30 rounds; how many gated steps ran in it, each of them permitted."""
    history = _History(random.Random(seed))
    for _ in range(30):
        history.advance()
        history.somebody()
    return sum(at in history.acted for at in (("b", "act"), ("d", "act")))


def test_run_04_no_gated_step_runs_without_a_live_approval_by_another() -> None:
    """10 000 random histories: every gated act was permitted, and many of them really ran."""
    assert sum(approval_history(seed) for seed in range(HISTORIES)) > HISTORIES // 50


@given(st.lists(st.sampled_from([engine.OK, engine.FAILED]), min_size=20, max_size=20), st.booleans())
def test_every_run_that_is_answered_ends(outcomes: list[str], approve: bool) -> None:
    """Driven with answers and decisions it reaches an end in a bounded number of moves."""
    journal: dict[tuple[str, str], str] = {}
    consents: list[Consent] = []
    for outcome in outcomes * 2:
        move = next_move(standing(journal, consents))
        if move.kind == "finish":
            assert move.state in ("succeeded", "rolled_back", "failed", "canceled", "stuck")
            return
        if move.kind == "ask":
            word = "approved" if approve else "denied"
            consents.append(consent(step=move.step, digest=DIGESTS[move.step], decision=word))
        else:
            assert move.kind == "do"
            journal[move.step, move.phase] = outcome
    pytest.fail("it did not end")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "do"),
        ({"decided_by": PROPOSER}, "finish"),
        ({"asked_by": "bo"}, "finish"),
        ({"decided_by": "", "decision": "", "decided_at": None}, "wait"),
        ({"digest": "another"}, "ask"),
        ({"decision": "denied"}, "finish"),
        ({"expires_at": START}, "finish"),
        ({"decided_at": START + timedelta(hours=1)}, "finish"),
        ({"step": "d", "digest": DIGESTS["d"]}, "ask"),
    ],
)
def test_run_04_an_approval_counts_only_as_it_was_given(changes: dict[str, Any], expected: str) -> None:
    """Another person, this content, in time; everything else asks, waits or ends."""
    move = next_move(standing(BEFORE_B, [consent(**changes)]))
    assert (move.kind, move.step) == (expected, "b")


def test_a_failed_post_undoes_backwards() -> None:
    """First the step itself, then those before it that know how; then it is rolled back."""
    journal = BEFORE_B | {("b", "act"): engine.OK, ("b", "post"): engine.FAILED}
    done = []
    while (move := next_move(standing(journal, [consent()]))).kind == "do":
        done.append((move.step, move.phase))
        journal[move.step, move.phase] = engine.OK
    assert done == [("b", "undo"), ("a", "undo")]
    assert move.state == "rolled_back"


def test_a_failed_pre_does_nothing_of_its_step() -> None:
    """What came before is undone."""
    move = next_move(standing(BEFORE_B | {("b", "pre"): engine.FAILED}))
    assert (move.kind, move.step, move.phase) == ("do", "a", "undo")
    alone = next_move(standing({("a", "act"): engine.FAILED, ("a", "undo"): engine.FAILED}))
    assert alone.state == "stuck"


def test_what_began_without_a_result_is_for_a_person() -> None:
    """Never guessed, unless the step says that it may be repeated."""
    assert next_move(standing({("a", "act"): engine.BEGUN})).state == "stuck"
    book = parse({"slug": "s", "name": "S", "steps": [step("a", safe_to_repeat=True)]})
    again = next_move(Standing(book, {("a", "act"): engine.BEGUN}, [], {"a": "x"}, PROPOSER, START))
    assert (again.kind, again.phase) == ("do", "act")


def test_a_check_that_began_without_a_result_is_asked_again_wherever_it_stands() -> None:
    """Looking twice changes nothing, so nobody has to settle a run for it."""
    looking = parse({"slug": "s", "name": "S", "steps": [step("a", act=call("check.unit"))]})
    again = next_move(Standing(looking, {("a", "act"): engine.BEGUN}, [], {"a": "x"}, PROPOSER, START))
    assert (again.kind, again.step, again.phase) == ("do", "a", "act")
    named_like_one = parse({"slug": "s", "name": "S", "steps": [step("a", act=call("checkout.unit"))]})
    stuck = next_move(Standing(named_like_one, {("a", "act"): engine.BEGUN}, [], {"a": "x"}, PROPOSER, START))
    assert stuck.state == "stuck"


def test_canceling_waits_for_the_person_at_work_and_undoes_what_was_done() -> None:
    """Nothing further is begun."""
    waiting = next_move(standing({("a", "act"): engine.WAITING}, cancel=True))
    assert waiting.kind == "wait"
    undo = next_move(standing({("a", "act"): engine.OK}, cancel=True))
    assert (undo.kind, undo.phase) == ("do", "undo")
    assert next_move(standing({}, cancel=True)).state == "canceled"


@pytest.mark.parametrize("part", ["run", "definition", "target", "parameter", "undo", "risk"])
def test_the_digest_binds_everything_that_is_approved(part: str) -> None:
    """Changing any of it is another question."""
    names = {"device": "gw-1"}
    one = parse({"slug": "s", "name": "S", "steps": [gated("b")]}).step("b")
    was = consent_digest("r1", "d1", one, names)
    changed = {
        "parameter": gated("b", act=call("act.b", speed="fast")),
        "undo": gated("b", undo=call("other")),
        "risk": gated("b", risk="worse"),
    }
    other = parse({"slug": "s", "name": "S", "steps": [changed.get(part, gated("b"))]}).step("b")
    run, definition = ("r2" if part == "run" else "r1"), ("d2" if part == "definition" else "d1")
    target = {"device": "gw-2"} if part == "target" else names
    assert consent_digest(run, definition, other, target) != was
    assert consent_digest("r1", "d1", one, dict(names)) == was


@pytest.mark.parametrize(
    "steps",
    [
        [],
        [{"key": ""}],
        [{"key": "a"}],
        [step("a"), step("a")],
        [step("a", colour="red")],
        [step("a", timeout_s=0)],
        [step("a", gated="yes")],
        [step("a", act={"kind": ""})],
        [step("a", act={"kind": "x", "parameters": {"n": 1}})],
        [gated("a", risk="")],
        [gated("a", undo=None)],
        [gated("a", post=None)],
        ["a"],
    ],
)
def test_a_runbook_that_cannot_be_run_is_refused(steps: list[Any]) -> None:
    """A gated step has its risk, its check and its way back."""
    with pytest.raises(BadInput):
        parse({"slug": "s", "name": "S", "steps": steps})


def test_run_07_the_same_source_prints() -> None:
    """Each step with its target, its checks and its gate; an unknown name stays visible."""
    lines = as_lines(BOOK, {"device": "gw-1"})
    assert "2. b [needs approval by another person: it may break]" in lines
    assert any("act.b on gw-1" in line for line in lines)
    assert filled(BOOK.step("a").act, {}).target == "{device}"
