"""Drivers of a run: one at a time, a dead one followed within a minute, an overtaken one unable to write."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from uuid import UUID

import pytest

from tests.conftest import START
from tests.rooms.runbooks.driving import lease_history, run_history
from tests.samples import a_device, a_site, a_space
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import Conflict
from waystation.runbooks import actions, leases, queries
from waystation.runbooks.models import Approval, Run, StepJournal
from waystation.runbooks.ports import DONE, Result

HISTORIES, ROW_HISTORIES = 10_000, 25
Acting = Callable[..., Authority]


def a_run(by: Authority, system: Authority) -> Run:
    """A run with gated steps, proposed by an operator."""
    actions.publish_shipped(system, now=START)
    space, device = a_space("cordoba", "fridge-1").pk, a_device("cordoba", "gw-1").pk
    return actions.propose(by, "refrigerator-alarm", a_site("cordoba").pk, now=START, space_id=space, device_id=device)


def test_run_04_never_two_drivers_in_any_history_of_claims_beats_and_deaths() -> None:
    """10 000 histories: who beats is not overtaken, who died is followed within 60 s, late ones write nothing."""
    for seed in range(HISTORIES):
        lease_history(seed)


@pytest.mark.django_db
def test_r3_a_recorded_step_is_never_repeated_whoever_dies_or_wakes_late(acting: Acting, system: Authority) -> None:
    """Real rows: drivers die in calls, are overtaken in calls and come back; an unsafe effect happens once."""
    ana, carla = acting("operator", name="Ana"), acting("supervisor", name="Carla")
    fenced = ended = 0
    for seed in range(ROW_HISTORIES):
        run = a_run(ana, system)
        fenced += run_history(seed, ana, carla, run).fenced
        run.refresh_from_db()
        ended += run.ended_at is not None
    assert fenced > 0
    assert ended > 0


class _Watched:
    """An actuator that lets the test look while it performs."""

    def __init__(self, look: Callable[[], None]) -> None:
        self._look, self.calls = look, 0

    def perform(self, kind: str, target: str, parameters: Mapping[str, str], *, key: str) -> Result:
        self.calls += 1
        if self.calls == 1:
            self._look()
        return Result(DONE, receipt=key)


@pytest.mark.django_db
def test_r3_a_driver_that_was_overtaken_writes_nothing(acting: Acting, system: Authority) -> None:
    """It wakes in the middle of its call after 61 s; the other driver's record stands, and the refusal says so."""
    ana = acting("operator", name="Ana")
    run = a_run(ana, system)
    other = _Watched(lambda: None)
    late = START + timedelta(seconds=61)
    slow = _Watched(lambda: [actions.advance(ana, run.pk, other, now=late), None][1])
    with pytest.raises(Conflict) as refused:
        actions.advance(ana, run.pk, slow, now=START)
    assert refused.value.code == "runbooks.fenced"
    assert slow.calls == 1
    assert {j.fence for j in StepJournal.objects.filter(run=run)} == {2}


@pytest.mark.django_db
def test_each_commit_of_a_driver_keeps_its_lease(acting: Acting, system: Authority) -> None:
    """Four calls of 40 s each: at no moment of them is the run free, though the first minute is long over."""
    ana = acting("operator", name="Ana")
    run = a_run(ana, system)
    seconds, free = [0], []

    class Slow:
        def perform(self, kind: str, target: str, parameters: Mapping[str, str], *, key: str) -> Result:
            seconds[0] += 40
            free.extend(queries.to_advance(START + timedelta(seconds=seconds[0])))
            return Result(DONE, receipt=key)

    actions.advance(ana, run.pk, Slow(), now=START, pulse=lambda: START + timedelta(seconds=seconds[0]))
    assert seconds[0] >= 160
    assert free == []
    assert Run.objects.get(pk=run.pk).lease_until is None


@pytest.mark.django_db
def test_run_04_a_run_that_waits_for_a_word_is_left_alone_until_it_comes_or_expires(
    acting: Acting, system: Authority
) -> None:
    """Asked, then silent: nobody drives it. Approved, expired or canceled: the next round does."""
    ana, carla = acting("operator", name="Ana"), acting("supervisor", name="Carla")
    run = a_run(ana, system)
    actions.advance(ana, run.pk, _Watched(lambda: None), now=START)
    asked = Approval.objects.get(run=run)
    assert queries.to_advance(START) == []
    assert queries.to_advance(asked.expires_at) == [run.pk]
    actions.approve(carla, asked.pk, digest_seen=asked.digest, now=START)
    assert queries.to_advance(START) == [run.pk]


@pytest.mark.django_db
def test_run_03_a_canceled_run_is_driven_although_somebody_was_asked(acting: Acting, system: Authority) -> None:
    """What was done must be undone, whatever answer is outstanding."""
    ana = acting("operator", name="Ana")
    run = a_run(ana, system)
    actions.advance(ana, run.pk, _Watched(lambda: None), now=START)
    actions.cancel(ana, run.pk, now=START, reason="a false alarm")
    assert queries.to_advance(START) == [run.pk]


def _until_beaten(run_id: UUID, before: object, event: threading.Event) -> None:
    while not event.wait(0.01):
        if Run.objects.get(pk=run_id).lease_until != before:
            event.set()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("real_file")
def test_a_driver_beats_while_its_call_takes_its_time(acting: Acting, system: Authority) -> None:
    """Beats come from beside the call, move the lease on, and end with it; an overtaken driver's beat is refused."""
    run = a_run(acting("operator", name="Ana"), system)
    fence = leases.claim(run.pk, START)
    later = START + timedelta(seconds=30)
    beaten = threading.Event()
    with leases.kept(run.pk, fence, lambda: later, timedelta(seconds=20), every=timedelta(milliseconds=20)):
        _until_beaten(run.pk, START + timedelta(seconds=60), beaten)
    assert beaten.is_set()
    assert Run.objects.get().lease_until == later + timedelta(seconds=60)
    leases.claim(run.pk, later + timedelta(seconds=60))
    assert not leases.beat(run.pk, fence, later + timedelta(seconds=61))
    assert leases.beat(run.pk, fence + 1, later + timedelta(seconds=61))


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("real_file")
def test_a_call_that_hangs_is_given_up_after_the_steps_time(acting: Acting, system: Authority) -> None:
    """Beats stop after `timeout_s`, so the run is free a minute later although its driver still waits."""
    run = a_run(acting("operator", name="Ana"), system)
    fence = leases.claim(run.pk, START)
    instants = [START + timedelta(seconds=n) for n in range(1000)]
    given = iter(instants)
    with leases.kept(run.pk, fence, lambda: next(given), timedelta(milliseconds=60), every=timedelta(milliseconds=20)):
        for thread in threading.enumerate():
            if thread.name.startswith("beat of run"):
                thread.join(30)
                assert not thread.is_alive()
        until = Run.objects.get().lease_until
    assert until == instants[2] + timedelta(seconds=60)


@pytest.mark.django_db
def test_a_release_by_an_overtaken_driver_frees_nothing(acting: Acting, system: Authority) -> None:
    """Only who drives lets go."""
    run = a_run(acting("operator", name="Ana"), system)
    first = leases.claim(run.pk, START)
    with pytest.raises(Conflict, match="drives this run until 06:01:00 UTC"):
        leases.claim(run.pk, START + timedelta(seconds=59))
    second = leases.claim(run.pk, START + timedelta(seconds=60))
    leases.release(run.pk, first)
    assert queries.to_advance(START + timedelta(seconds=61)) == []
    leases.release(run.pk, second)
    assert queries.to_advance(START + timedelta(seconds=61)) == [run.pk]
