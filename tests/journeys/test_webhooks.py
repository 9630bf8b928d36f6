"""Every event leaves as a signed webhook: in order, none lost, duplicates under the same id, and pauses are loud."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from tests.conftest import START
from tests.receiver import Receiver
from tests.samples import a_site
from waystation import wiring
from waystation.access import actions as access
from waystation.access import queries as principals
from waystation.access.models import Grant, Person
from waystation.evidence import outbox, queries, stream, subscriptions
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import LogEntry, OutboxAttempt, OutboxMessage, Subscription
from waystation.journeys import webhooks
from waystation.kernel.authority import Authority

pytestmark = pytest.mark.django_db
Acting = Callable[..., Authority]
DAYS = timedelta(days=3)


@pytest.fixture
def receiver(settings: Any) -> Iterator[Receiver]:
    """A receiver whose address the installation lists."""
    settings.WEBHOOK_HOSTS = ["127.0.0.1"]
    one = Receiver()
    yield one
    one.kill()


def tell(kind: str, site_id: UUID | None = None) -> None:
    """Something happens."""
    record([], entry=NewEntry(kind, kind, principals.system_authority("test"), START, site_id))


def go(now: datetime, sends: int = 10_000) -> int:
    """One round of the worker that may send so often."""
    left = iter([False] * (sends + 1))
    return webhooks.send_out(now, wiring.webhook, DAYS, lambda: next(left, True))


def hears(receiver: Receiver, by: Authority, *kinds: str, **more: Any) -> Subscription:
    """Somebody subscribes the receiver, which gets the secret."""
    stream.order()
    row, receiver.secret = subscriptions.subscribe(by, url=receiver.url, kinds=kinds or ("*",), now=START, **more)
    return row


def test_int_09_every_event_leaves_signed_once_and_in_order(receiver: Receiver, acting: Acting) -> None:
    """The receiver gets what the stream replays, member by member, and each message says which event it is."""
    hears(receiver, acting("administrator"))
    for number in range(5):
        tell(f"test.event{number}")
    go(START)
    go(START + timedelta(seconds=5))
    told = [queries.as_told(e) for e in queries.events_after(receiver.positions[0] - 1, None)]
    assert [event for _, event in receiver.got] == told
    assert [k for k in receiver.kinds if k.startswith("test.")] == [f"test.event{n}" for n in range(5)]
    assert receiver.forged == 0
    assert len({key for key, _ in receiver.got}) == len(receiver.got)


def test_int_09_a_receiver_that_dies_loses_nothing(receiver: Receiver, acting: Acting) -> None:
    """Killed in the middle and back after an hour: everything, in order; what came twice came under the same id."""
    row = hears(receiver, acting("administrator"), "test.*")
    for number in range(3):
        tell(f"test.early{number}")
    go(START)
    receiver.kill()
    for number in range(4):
        tell(f"test.late{number}")
    for minutes in range(60):
        go(START + timedelta(minutes=minutes))
    assert len(receiver.got) == 3
    receiver.start()
    for minutes in range(60, 90):
        go(START + timedelta(minutes=minutes))
    assert receiver.kinds == [f"test.early{n}" for n in range(3)] + [f"test.late{n}" for n in range(4)]
    assert receiver.positions == sorted(receiver.positions)
    failed = OutboxAttempt.objects.filter(ok=False)
    assert {a.message.subject for a in failed} == {"test.late0"}
    assert 4 <= failed.count() <= 20
    assert subscriptions.subscription(acting("administrator"), row.pk).failing_since is None


def test_a_later_event_does_not_overtake_a_failed_one(receiver: Receiver, acting: Acting) -> None:
    """While the first is refused nothing behind it leaves."""
    row = hears(receiver, acting("administrator"), "test.*")
    receiver.status = 500
    tell("test.first")
    go(START)
    receiver.status = 204
    tell("test.second")
    go(START + timedelta(seconds=1))
    assert receiver.kinds == ["test.first"]
    assert subscriptions.subscription(acting("administrator"), row.pk).waiting == 2
    go(START + timedelta(seconds=10))
    assert receiver.kinds == ["test.first", "test.first", "test.second"]
    assert receiver.got[0][0] == receiver.got[1][0]


def test_a_dead_receiver_does_not_hold_up_another(receiver: Receiver, acting: Acting) -> None:
    """Each subscription has turns of its own."""
    by = acting("administrator")
    subscriptions.subscribe(by, url="http://127.0.0.1:9/dead", kinds=["*"], now=START)
    hears(receiver, by, "test.*")
    tell("test.event")
    go(START)
    assert receiver.kinds == ["test.event"]


def test_a_worker_that_dies_after_sending_sends_again_under_the_same_id(receiver: Receiver, acting: Acting) -> None:
    """The attempt is lost with the process, its lease ends, the message goes out again."""
    row = hears(receiver, acting("administrator"), "test.*")
    tell("test.event")
    go(START, sends=2)
    message = OutboxMessage.objects.get(subscription=row)
    OutboxAttempt.objects.filter(message=message).delete()
    OutboxMessage.objects.filter(pk=message.pk).update(sent_at=None, leased_until=START + outbox.LEASE)
    assert go(START + timedelta(seconds=30)) == 0
    assert go(START + timedelta(seconds=61)) == 1
    assert [key for key, _ in receiver.got] == [message.idempotency_key] * 2


def test_only_what_was_asked_for_is_sent(receiver: Receiver, acting: Acting) -> None:
    """By exact name, by room, and by site."""
    here, there = a_site("cordoba"), a_site("badajoz")
    hears(receiver, acting("administrator"), "one.exact", "two.*", site_id=here.pk)
    for kind in ("one.exact", "one.exactly", "two.this", "twofold.that", "three.exact"):
        tell(kind, here.pk)
        tell(kind, there.pk)
        tell(kind)
    go(START)
    assert receiver.kinds == ["one.exact", "two.this"]
    assert {event["site_id"] for _, event in receiver.got} == {str(here.pk)}


def test_replay_sends_everything_behind_a_position_again(receiver: Receiver, acting: Acting) -> None:
    """Events from before the subscription too; those sent before keep their ids."""
    by = acting("administrator")
    for number in range(3):
        tell(f"test.old{number}")
    row = hears(receiver, by, "test.*")
    tell("test.new")
    go(START)
    before = dict(receiver.got)
    assert receiver.kinds == ["test.new"]
    assert subscriptions.replay(by, row.pk, after=0, now=START) == 1
    go(START)
    assert receiver.kinds == ["test.new", "test.old0", "test.old1", "test.old2", "test.new"]
    assert dict(receiver.got[1:]).items() >= before.items()


def test_a_subscription_may_begin_in_the_past(receiver: Receiver, acting: Acting) -> None:
    """From behind a position that it names."""
    by = acting("administrator")
    for number in range(3):
        tell(f"test.old{number}")
    stream.order()
    hears(receiver, by, "test.*", after=stream.last() - 2)
    go(START)
    assert receiver.kinds == ["test.old1", "test.old2"]


def test_after_days_of_failing_it_is_paused_and_people_are_told(receiver: Receiver, acting: Acting) -> None:
    """Entry, event, mail to owner and administrators; nothing is given up, and resuming sends it all."""
    by = acting("administrator")
    row = hears(receiver, by, "test.*")
    receiver.status = 503
    tell("test.first")
    tell("test.second")
    for hours in range(0, 73, 3):
        go(START + timedelta(hours=hours))
        if hours < 72:
            assert subscriptions.subscription(by, row.pk).state == "active"
    paused = subscriptions.subscription(by, row.pk)
    assert (paused.state, paused.waiting) == ("paused", 2)
    assert "2026-11-17 06:00 UTC" in paused.reason
    entry = LogEntry.objects.get(kind="evidence.subscription_paused")
    mails = OutboxMessage.objects.filter(channel="email", entry=entry)
    assert [m.recipient for m in mails] == ["administrator@example.org"]
    stream.order()
    assert "evidence.subscription_paused" in [e.kind for e in queries.events_after(0, None)]
    receiver.status, receiver.got = 204, []
    later = START + timedelta(days=9)
    assert go(later) == 0
    subscriptions.resume(by, row.pk, now=later)
    go(later)
    assert receiver.kinds == ["test.first", "test.second"]


def test_sec_06_a_subscription_ends_its_hearing_with_its_owners_role(receiver: Receiver, acting: Acting) -> None:
    """The owner's authority is asked afresh: without it nothing leaves any more, and the pause says why."""
    owner = acting("administrator")
    row = hears(receiver, owner, "test.*")
    system = principals.system_authority("test")
    access.end_grant(system, Grant.objects.get(person_id=owner.principal_id).pk, reason="left", now=START)
    tell("test.secret")
    assert go(START) == 0
    assert receiver.got == []
    paused = Subscription.objects.get(pk=row.pk)
    assert paused.state == "paused"
    assert "make, pause and end webhooks" in paused.reason


def test_sec_06_a_revoked_machine_hears_nothing(receiver: Receiver, system: Authority) -> None:
    """Its token ended, and its webhooks with it."""
    machine, token = access.create_machine(system, name="erp", role="integrator", now=START)
    row = hears(receiver, principals.authority_of_token(token, START), "test.*")
    tell("test.one")
    go(START)
    access.revoke_machine(system, machine.pk, reason="lost", now=START)
    tell("test.two")
    go(START)
    assert receiver.kinds == ["test.one"]
    assert Subscription.objects.get(pk=row.pk).state == "paused"


def test_a_secret_sealed_under_another_key_pauses_and_says_so(
    receiver: Receiver, acting: Acting, settings: Any
) -> None:
    """Nothing is sent unsigned or under a wrong signature."""
    row = hears(receiver, acting("administrator"), "test.*")
    tell("test.one")
    settings.SECRET_KEY = "another installation's"
    assert go(START) == 0
    assert (receiver.got, receiver.forged) == ([], 0)
    assert "secret_key" in Subscription.objects.get(pk=row.pk).reason


def test_an_ended_subscription_sends_nothing_and_says_what_it_left(receiver: Receiver, acting: Acting) -> None:
    """What waited is given up in the same entry."""
    by = acting("administrator")
    row = hears(receiver, by, "test.*")
    receiver.status = 500
    tell("test.one")
    go(START)
    subscriptions.end(by, row.pk, reason="moved", now=START)
    receiver.status, receiver.got = 204, []
    assert go(START + timedelta(hours=1)) == 0
    assert OutboxMessage.objects.get(subscription=row).gave_up_at == START
    assert b'"waiting":1' in bytes(LogEntry.objects.get(kind="evidence.subscription_ended").leaf)


def test_a_round_that_dies_between_outbox_and_progress_doubles_nothing(receiver: Receiver, acting: Acting) -> None:
    """Message and progress are one transaction; a second putting of the same events writes no second message."""
    from waystation.evidence import webhooks as turns
    from waystation.evidence.models import SubscriptionProgress

    row = hears(receiver, acting("administrator"), "test.*")
    begin = SubscriptionProgress.objects.get(pk=row.pk).position
    for number in range(3):
        tell(f"test.e{number}")
    stream.order()
    turns.put_out(row, None, START)
    SubscriptionProgress.objects.filter(pk=row.pk).update(position=begin)
    go(START)
    assert receiver.kinds == ["test.e0", "test.e1", "test.e2"]


def test_the_secret_is_in_no_row_entry_or_event(receiver: Receiver, acting: Acting) -> None:
    """It is sealed where it is kept, and one function reads it."""
    row = hears(receiver, acting("administrator"))
    tell("test.one")
    go(START)
    bare = receiver.secret.removeprefix("whsec_")
    assert subscriptions.secret_of(Subscription.objects.get(pk=row.pk)) == receiver.secret
    kept = [repr(Subscription.objects.values().get()), *(bytes(e.leaf).decode() for e in LogEntry.objects.all())]
    kept += [repr(v) for v in OutboxMessage.objects.values()] + [repr(v) for v in OutboxAttempt.objects.values()]
    kept += [repr(queries.as_told(e)) for e in queries.events_after(0, None)]
    assert not [text for text in kept if bare in text]


def test_the_worker_sends_in_a_thread_of_its_own(receiver: Receiver, acting: Acting, clock: Any) -> None:
    """The loop stands beside the others, so that a slow receiver holds up no page."""
    from waystation.worker.loops import run_once
    from waystation.worker.work import all_loops, loops_beside

    hears(receiver, acting("administrator"), "test.*")
    tell("test.one")
    assert "webhooks" not in [one.name for one in all_loops()]
    (loop,) = (one for one in loops_beside() if one.name == "webhooks")
    assert run_once(loop, START, "test") == 1
    assert receiver.kinds == ["test.one"]
    assert Person.objects.count() == 1
