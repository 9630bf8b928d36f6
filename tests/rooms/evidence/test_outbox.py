"""The outbox: at least once, each attempt a row, none forgotten and none sent by two."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from waystation.evidence import outbox
from waystation.evidence.actions import NewEntry, NewMessage, record
from waystation.evidence.models import OutboxAttempt, OutboxMessage
from waystation.evidence.ports import NotSent, Outgoing
from waystation.kernel.authority import Authority

pytestmark = pytest.mark.django_db


class Wire:
    """A transport that fails as often as it is told and keeps what it took."""

    def __init__(self, failures: int = 0) -> None:
        self.failures = failures
        self.taken: list[str] = []

    def send(self, message: Outgoing) -> str:
        """Refuse or take."""
        if self.failures:
            self.failures -= 1
            raise NotSent("line busy")
        self.taken.append(message.key)
        return "ok"


def _post(by: Authority, now: datetime, key: str = "k1", channel: str = "email") -> None:
    message = NewMessage(channel, "ana@example.org", key=key, subject="Hello", body="There.")
    record([], messages=[message], entry=NewEntry("test.paged", "1", by, now))


def test_a_message_is_handed_over_once(system: Authority, now: datetime) -> None:
    """Sent once, with its receipt."""
    _post(system, now)
    wire = Wire()
    assert outbox.deliver(now, lambda channel: wire) == 1
    assert outbox.deliver(now + timedelta(hours=1), lambda channel: wire) == 0
    assert wire.taken == ["k1"]
    assert OutboxAttempt.objects.get().receipt == "ok"


def test_a_failing_transport_is_tried_again_and_every_try_is_a_row(system: Authority, now: datetime) -> None:
    """Later and later, until it goes through."""
    _post(system, now)
    wire = Wire(failures=3)
    for seconds in (0, 1, 5, 20, 80, 400):
        outbox.deliver(now + timedelta(seconds=seconds), lambda channel: wire)
    assert wire.taken == ["k1"]
    assert list(OutboxAttempt.objects.order_by("at").values_list("ok", flat=True)) == [False, False, False, True]


def test_a_channel_without_a_transport_is_said_not_hidden(system: Authority, now: datetime) -> None:
    """The attempt names what is missing, and the message waits."""
    _post(system, now, channel="pigeon")
    outbox.deliver(now, lambda channel: None)
    assert "pigeon" in OutboxAttempt.objects.get().detail
    assert OutboxMessage.objects.get().sent_at is None


def test_a_worker_that_dies_while_sending_leaves_the_message_to_the_next(system: Authority, now: datetime) -> None:
    """Its lease ends and the message goes out, with the same key."""
    _post(system, now)
    outbox._claim(now, 10)
    wire = Wire()
    assert outbox.deliver(now + timedelta(seconds=30), lambda channel: wire) == 0
    assert outbox.deliver(now + timedelta(seconds=61), lambda channel: wire) == 1
    assert wire.taken == ["k1"]


def test_after_three_days_it_is_given_up_and_says_so(system: Authority, now: datetime) -> None:
    """Never silently."""
    _post(system, now)
    outbox.deliver(now + timedelta(days=4), lambda channel: Wire(failures=9))
    assert OutboxMessage.objects.get().gave_up_at is not None
