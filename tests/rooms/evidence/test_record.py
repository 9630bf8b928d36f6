"""`record`: a change, its events, its messages and its entry, or none of them."""

from __future__ import annotations

import hashlib
import json
from datetime import datetime
from typing import Any
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction

from tests.samples import a_site, a_space
from waystation.access.models import Person
from waystation.evidence.actions import NewEntry, NewEvent, NewMessage, record
from waystation.evidence.models import Event, LogEntry, OutboxMessage
from waystation.kernel.authority import Authority

pytestmark = pytest.mark.django_db


def _person(name: str) -> Person:
    return Person(email=f"{name}@example.org", name=name)


def test_all_four_are_written_together(system: Authority, now: datetime) -> None:
    """Row, event, message and entry stand after one call, and the receipt names the entry."""
    ana = _person("ana")
    message = NewMessage("email", "ana@example.org", key="hello-ana", subject="Hello")
    receipt = record([ana], [NewEvent(data={"x": "1"})], [message], entry=NewEntry("test.made", ana.pk, system, now))
    entry = LogEntry.objects.get(seq=receipt.seq)
    assert Person.objects.filter(pk=ana.pk).exists()
    assert Event.objects.get(entry=entry).data == {"x": "1"}
    assert OutboxMessage.objects.get(entry=entry).recipient == "ana@example.org"
    assert receipt.leaf_hash == hashlib.sha256(b"\x00" + bytes(entry.leaf)).hexdigest()


def test_none_of_them_stands_when_one_fails(system: Authority, now: datetime) -> None:
    """A change that the database refuses leaves no event, message or entry behind."""
    record([_person("ana")], entry=NewEntry("test.made", "1", system, now))
    before = LogEntry.objects.count(), Event.objects.count()
    with pytest.raises(DatabaseError):
        record(
            [_person("ana")],
            messages=[NewMessage("email", "a", key="k")],
            entry=NewEntry("test.made", "2", system, now),
        )
    assert (LogEntry.objects.count(), Event.objects.count(), OutboxMessage.objects.count()) == (*before, 0)


def test_evd_08_the_database_refuses_to_change_or_remove_an_entry(system: Authority, now: datetime) -> None:
    """UPDATE and DELETE on the log abort, whoever asks."""
    record([_person("ana")], entry=NewEntry("test.made", "1", system, now))
    for statement in ("UPDATE evidence_logentry SET kind = 'x'", "DELETE FROM evidence_logentry"):
        with pytest.raises(DatabaseError, match="append-only"), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert LogEntry.objects.get(kind="test.made")


def test_the_leaf_names_what_each_row_held_before_and_holds_now(system: Authority, now: datetime) -> None:
    """A later change starts from the digest that the earlier one ended with."""
    ana = _person("ana")
    record([ana], entry=NewEntry("test.made", ana.pk, system, now))
    again = Person.objects.get(pk=ana.pk)
    again.name = "Ana Prieto"
    record([again], entry=NewEntry("test.renamed", ana.pk, system, now, reason="married"))
    first, second = (json.loads(bytes(e.leaf)) for e in LogEntry.objects.order_by("seq"))
    assert first["rows"][0]["before"] == ""
    assert second["rows"][0]["before"] == first["rows"][0]["after"] != second["rows"][0]["after"]
    assert second["reason"] == "married"


def test_a_message_with_the_same_key_is_written_once(system: Authority, now: datetime) -> None:
    """Repeating an action after a crash pages nobody twice."""
    for _ in range(2):
        record([], messages=[NewMessage("email", "a", key="page-1")], entry=NewEntry("test.paged", "1", system, now))
    assert OutboxMessage.objects.count() == 1


def test_an_entry_that_outgrows_its_leaf_is_refused(system: Authority, now: datetime) -> None:
    """16 KiB is the limit; larger facts go in as a digest."""
    with pytest.raises(ValueError, match="over"):
        record([], entry=NewEntry("test.big", "1", system, now, facts={"x": "y" * 20000}))


def test_one_row_and_its_entry_cost_few_statements(
    system: Authority, now: datetime, django_assert_num_queries: Any
) -> None:
    """The savepoint of the test, the row, the entry with its log and events: the path of every change stays short."""
    site = a_site()
    statements = 4 if connection.vendor == "postgresql" else 5
    events = [NewEvent(kind=f"test.made_{n}") for n in range(3)]
    with django_assert_num_queries(statements):
        record([_person("ana")], events, entry=NewEntry("test.made", "1", system, now, site.pk))
    entry = LogEntry.objects.get(kind="test.made")
    assert entry.log == site.network.slug
    found = Event.objects.filter(entry=entry).order_by("seq")
    assert [(e.kind, e.site_id, e.at) for e in found] == [(f"test.made_{n}", site.pk, now) for n in range(3)]


def test_an_entry_enters_the_log_that_is_named_else_its_sites_else_the_installations(
    system: Authority, now: datetime
) -> None:
    """Said by the receipt and kept in the row."""
    for named, site_id, expected in (
        ("other", a_site().pk, "other"),
        ("", a_site().pk, "iberia"),
        ("", None, "installation"),
        ("", uuid4(), "installation"),
    ):
        receipt = record([], entry=NewEntry("test.made", "1", system, now, site_id, log=named))
        assert receipt.log == LogEntry.objects.get(seq=receipt.seq).log == expected


def test_the_digest_after_is_that_of_the_row_as_the_database_gives_it_back(system: Authority, now: datetime) -> None:
    """A whole number in a column of fractions, an id given as text: one digest, so that the next change ties on."""
    space = a_space()
    space.capacity_l, space.site_id = 90, str(space.site_id)
    record([space], entry=NewEntry("test.changed", space.pk, system, now))
    again = type(space).objects.get(pk=space.pk)
    assert again.digest_before() == space.digest_after()
