"""Judging gives others a turn: long transactions become short ones, and what is judged is the same."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from tests.rooms.telemetry.samples import a_monitored_space, deliver, minutes
from waystation.journeys.reading import LONGEST_S, Rounds
from waystation.telemetry.engine import MOST_AT_ONCE
from waystation.telemetry.models import Excursion

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]


class Slow:
    """A stopwatch by which each transaction takes so many seconds for each frame that was taken at once."""

    def __init__(self, per_frame_s: float) -> None:
        self.at_s, self.per_frame_s, self.rounds = 0.0, per_frame_s, Rounds(stopwatch=self)
        self._is_begin = False

    def __call__(self) -> float:
        """At the begin and at the end of a transaction in turn."""
        self._is_begin = not self._is_begin
        if not self._is_begin:
            self.at_s += self.per_frame_s * self.rounds._at_once
        return self.at_s


def frames(now: datetime, count: int) -> None:
    """So many batches of one probe, warm in the middle, each a minute."""
    space, (probe,) = a_monitored_space(now)
    for n in range(count):
        value = 9.0 if count // 3 <= n < 2 * count // 3 else 5.0
        deliver(space, minutes(probe, now + timedelta(minutes=n), [value]), now + timedelta(minutes=n))


def test_alr_14_a_long_transaction_ends_the_turn_and_the_next_is_short(now: datetime) -> None:
    """At a second for each frame a turn is one transaction, and soon of one frame; all frames are judged once."""
    frames(now, 90)
    slow, turns, end = Slow(1.0), [], now + timedelta(hours=3)
    while done := slow.rounds.judge_waiting(end):
        turns.append(done)
    assert turns[0] == MOST_AT_ONCE
    assert turns[1:] == [1] * (90 - MOST_AT_ONCE)
    calm = Excursion.objects.get()
    assert (calm.ended_at is not None, calm.direction) == (True, "high")


def test_alr_14_quick_transactions_grow_again_and_a_turn_has_many(now: datetime) -> None:
    """After a slow time the size doubles while all is quick; without a stopwatch it never changes."""
    frames(now, 120)
    slow, end = Slow(LONGEST_S / MOST_AT_ONCE * 8), now + timedelta(hours=3)
    assert slow.rounds.judge_waiting(end) == MOST_AT_ONCE
    assert slow.rounds._at_once == MOST_AT_ONCE // 8
    slow.per_frame_s = 0.0
    assert slow.rounds.judge_waiting(end) == 120 - MOST_AT_ONCE
    assert slow.rounds._at_once == MOST_AT_ONCE
    assert Rounds().judge_waiting(end) == 0
