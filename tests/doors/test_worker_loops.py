"""The worker's loops: a round that fails ends no loop, and is told where people look."""

from __future__ import annotations

import logging
import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from tests.conftest import START
from tests.samples import a_site
from waystation.cli.health import last_gasp, silence
from waystation.evidence import beats
from waystation.journeys import doctor
from waystation.kernel.clock import FastClock
from waystation.worker.loops import AGAIN_S, Loop, run_once, turn
from waystation.worker.work import all_loops

HOLDER = "test"


class Steps(threading.Event):
    """A stop that lets the fast clock go on by a second at each wait, and comes after some of them."""

    def __init__(self, clock: FastClock, most: int) -> None:
        super().__init__()
        self._clock, self._left = clock, most

    def wait(self, timeout: float | None = None) -> bool:
        """Time goes on."""
        self._clock.advance(1)
        self._left -= 1
        if not self._left:
            self.set()
        return self.is_set()


class Work:
    """Rounds, of which the first ones fail."""

    def __init__(self, failing: int) -> None:
        self.failing, self.at = failing, list[datetime]()

    def __call__(self, now: datetime) -> int:
        """One round."""
        self.at.append(now)
        if len(self.at) <= self.failing:
            raise KeyError("nobody thought of this")
        return 1


@pytest.mark.django_db(transaction=True)  # a turn lets go of a connection that is too old
def test_qal_11_a_round_that_fails_is_logged_and_ends_neither_its_loop_nor_the_others(
    clock: FastClock, caplog: pytest.LogCaptureFixture
) -> None:
    """The failing one waits a little longer before it tries again; mended, it goes on as it did."""
    bad, good = Work(failing=2), Work(failing=0)
    with caplog.at_level(logging.ERROR, logger="waystation.worker"):
        turn([Loop("bad", 1.0, bad), Loop("good", 1.0, good)], clock, HOLDER, Steps(clock, 14))
    assert [(at - START).total_seconds() for at in bad.at] == [0, AGAIN_S, 2 * AGAIN_S, 11, 12, 13]
    assert len(good.at) == 14
    assert [r.getMessage() for r in caplog.records] == ["bad: the round failed; it is tried again"] * 2
    assert "nobody thought of this" in caplog.text


@pytest.mark.django_db
def test_qal_11_a_judge_that_fails_is_told_though_every_other_loop_is_alive(clock: FastClock, signed_in: Any) -> None:
    """By /beat to whoever watches from outside, by doctor, and on the page where the operator looks."""
    a_site("cordoba")
    loops = [Loop("judge", 0.2, Work(failing=10**6)), Loop("stream", 0.5, Work(failing=0))]
    for minute in range(8):
        for loop in loops:
            run_once(loop, START + timedelta(minutes=minute), HOLDER)
    clock.advance_to(START + timedelta(minutes=7))
    assert Client().get("/beat").json()["worker_s"] == 7 * 60
    assert "The loop judge has been silent for 420 s." in [f.words for f in doctor.findings(clock.now())]
    page = signed_in("operator").get("/").content.decode()
    assert 'Nothing has judged readings since <time datetime="2026-11-17T06:00:00+00:00"' in page


def test_qal_11_a_vital_loop_is_late_when_it_missed_its_turn() -> None:
    """The rounds come every half minute: their beat of then is no silence, an older one is; nothing at all is."""
    last = {"judge": START, "rounds": START - timedelta(seconds=30), "sealer": START - timedelta(hours=1)}
    assert beats.alive_at(last) == START
    assert beats.alive_at(last | {"rounds": START - timedelta(minutes=5)}) == START - timedelta(seconds=270)
    assert beats.alive_at({"live": START}) == START
    assert beats.alive_at({}) is None


def test_qal_11_what_looks_on_for_the_owner_is_started_again_when_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    """After a thread that ended another one looks, and it is said; one that lives stays."""
    over, looked = threading.Event(), threading.Event()

    def look() -> list[str]:
        looked.set()
        return []

    guard = last_gasp.Guard(look, lambda _: True, silence.Silence(60), every_s=0.01)
    ended = threading.Thread(target=int)
    ended.start()
    ended.join()
    looking = guard.watched(over, ended)
    assert guard.watched(over, looking) is looking
    assert looked.wait(10)
    over.set()
    looking.join()
    assert capsys.readouterr().err.count("it is started again") == 1


@pytest.mark.django_db
def test_qal_11_each_vital_loop_may_take_as_long_as_it_waits_between_rounds() -> None:
    """What the worker runs and what its silence is measured by say the same."""
    every = {loop.name: timedelta(seconds=int(loop.every_s)) for loop in all_loops()}
    assert {name: every[name] for name in beats.VITAL} == beats.VITAL
