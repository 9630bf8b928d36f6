"""The stream: dense positions in the order of commits, whatever transactions do, and none passed over."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from django.db import DatabaseError, connection, connections, transaction
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from tests.conftest import START
from waystation.access.queries import system_authority
from waystation.evidence import queries, stream
from waystation.evidence.actions import NewEntry, NewEvent, record
from waystation.evidence.models import Event
from waystation.kernel.authority import Authority


def _tell(name: str, count: int = 1, by: Authority | None = None) -> None:
    events = [NewEvent(kind=f"test.{name}_{n}") for n in range(count)]
    record([], events, entry=NewEntry(f"test.{name}", name, by or system_authority("test"), START))


def _kinds(after: int = 0) -> list[str]:
    return [e.kind for e in queries.events_after(after, None, most=10_000)]


@pytest.mark.django_db
def test_an_event_is_heard_once_it_has_a_position(system: Authority) -> None:
    """Nobody hears what could still be overtaken."""
    _tell("a", 2)
    assert _kinds() == []
    assert stream.order() == 2
    assert _kinds() == ["test.a_0", "test.a_1"]
    assert stream.order() == 0


class Rounds(TestCase):
    """Property over histories of changes and rounds."""

    @given(steps=st.lists(st.tuples(st.integers(1, 4), st.booleans(), st.integers(1, 5)), max_size=12))
    def test_positions_are_dense_whatever_is_rolled_back_between(self, steps: list[tuple[int, bool, int]]) -> None:
        """From 1 without a hole, in the order written, however small the rounds are."""
        with transaction.atomic():
            kept = []
            for number, (count, fails, most) in enumerate(steps):
                with transaction.atomic():
                    _tell(f"s{number}", count)
                    transaction.set_rollback(fails)
                kept += [] if fails else [f"test.s{number}_{n}" for n in range(count)]
                stream.order(most)
            while stream.order(2):
                pass
            found = queries.events_after(0, None, most=10_000)
            assert [e.position for e in found] == list(range(1, len(kept) + 1))
            assert [e.kind for e in found] == kept
            transaction.set_rollback(True)


@pytest.mark.django_db
def test_an_event_with_a_position_never_changes(system: Authority) -> None:
    """The database refuses to move it or to rewrite it."""
    _tell("a")
    stream.order()
    for change in ({"position": 9}, {"position": None}, {"kind": "test.other"}):
        with pytest.raises(DatabaseError, match="never changes"), transaction.atomic():
            Event.objects.update(**change)


@pytest.mark.django_db
def test_a_round_that_dies_gives_no_position_and_the_next_gives_the_same(system: Authority) -> None:
    """One statement in one transaction: all of the round or nothing of it."""
    _tell("a", 3)
    with transaction.atomic():
        stream.order()
        first = [(e.position, e.kind) for e in queries.events_after(0, None)]
        transaction.set_rollback(True)
    assert _kinds() == []
    stream.order()
    assert [(e.position, e.kind) for e in queries.events_after(0, None)] == first


class Apart:
    """Work in a thread, and so on a database connection, of its own; it waits where it is told to."""

    def __init__(self, work: Callable[[Apart], Any]) -> None:
        self.reached, self.go_on = threading.Event(), threading.Event()
        self._pool = ThreadPoolExecutor(1)
        self._done = self._pool.submit(self._run, work)

    def _run(self, work: Callable[[Apart], Any]) -> None:
        try:
            work(self)
        finally:
            self.reached.set()
            connections.close_all()

    def wait_here(self) -> None:
        """Say that this point is reached and wait to be let on."""
        self.reached.set()
        assert self.go_on.wait(20)

    def end(self) -> None:
        """Let it go on, and wait for it; what it raised is raised here."""
        self.go_on.set()
        self._done.result(30)
        self._pool.shutdown()


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("real_file")
@pytest.mark.parametrize("fails", [False, True])
def test_int_09_a_transaction_that_commits_late_is_not_passed_over(fails: bool) -> None:
    """A reader that went on behind later events still gets those of the long transaction, once; none if it fails.

    SQLite lets one transaction write at a time: there the long one is played before the others, which proves less.
    """
    _tell("before")

    def late(mine: Apart) -> None:
        with transaction.atomic():
            _tell("late", 3)
            mine.wait_here()
            transaction.set_rollback(fails)

    long = Apart(late)
    assert long.reached.wait(20)
    if connection.vendor != "postgresql":
        long.end()
    heard: list[queries.Heard] = []
    for number in range(4):
        _tell(f"quick{number}")
        stream.order()
        heard += queries.events_after(heard[-1].position if heard else 0, None, most=2)
    if connection.vendor == "postgresql":
        assert not any(e.kind.startswith("test.late") for e in heard)
        assert Event.objects.order_by("-seq").first().seq > Event.objects.count()  # type: ignore[union-attr]
        long.end()
    while stream.order() or queries.events_after(heard[-1].position, None, most=1):
        heard += queries.events_after(heard[-1].position, None, most=2)
    wanted = {"test.before_0", *(f"test.quick{n}_0" for n in range(4))}
    wanted |= set() if fails else {f"test.late_{n}" for n in range(3)}
    kinds = [e.kind for e in heard]
    assert sorted(kinds) == sorted(wanted)
    assert [e.position for e in heard] == list(range(1, len(wanted) + 1))
    assert [k for k in kinds if "quick" in k] == [f"test.quick{n}_0" for n in range(4)]


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("real_file")
def test_two_sequencers_at_once_give_each_position_once() -> None:
    """Writers and two sequencers on connections of their own: dense, each event once, each writer in its own order."""
    done = threading.Event()

    def write(name: str) -> Callable[[Apart], None]:
        return lambda mine: [_tell(f"{name}{n}") for n in range(15)] and None

    def sequence(mine: Apart) -> None:
        while not done.is_set():
            stream.order(3)

    writers, sequencers = [Apart(write(name)) for name in "ab"], [Apart(sequence) for _ in range(2)]
    for one in writers:
        one.end()
    done.set()
    for one in sequencers:
        one.end()
    stream.order()
    found = queries.events_after(0, None)
    assert [e.position for e in found] == list(range(1, 31))
    for name in "ab":
        mine = [e.kind for e in found if e.kind.startswith(f"test.{name}")]
        assert mine == [f"test.{name}{n}_0" for n in range(15)]


@pytest.mark.django_db
def test_the_loop_of_the_worker_gives_positions(now: datetime) -> None:
    """The worker has a loop for it, and it does the work."""
    from waystation.worker.loops import run_once
    from waystation.worker.work import all_loops

    _tell("a")
    loop = next(one for one in all_loops() if one.name == "stream")
    assert loop.every_s <= 1
    assert run_once(loop, now, "test") == 1
    assert _kinds() == ["test.a_0"]
