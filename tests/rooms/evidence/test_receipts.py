"""Receipts: what was committed is signed for at once; what is gone later, though signed for, is named."""

from __future__ import annotations

from base64 import b64encode
from datetime import datetime, timedelta

import pytest
from django.db import connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import START
from tests.rooms.spares.network import system
from waystation.evidence import keys, receipts, sequencer
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import LogEntry
from waystation.evidence.rules import receipts as rules
from waystation.evidence.rules.checkpoints import Policy, open_checkpoint
from waystation.evidence.rules.notes import ED25519, VerifierKey
from waystation.evidence.rules.receipts import Promise
from waystation.evidence.rules.signing import public_of, signer
from waystation.journeys.receipting import MOST_NOTES, look_up, notes_of
from waystation.kernel.refusals import BadInput, Refusal

SEED, OTHER = b"\x07" * 32, b"\x08" * 32
KEY = VerifierKey("w/iberia", ED25519, public_of(SEED))
leaves = st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=5).map(tuple)
instants = st.integers(0, 10**9).map(lambda s: START + timedelta(seconds=s))


@given(leaves, instants)
def test_evd_08_a_receipt_says_what_was_signed(named: tuple[bytes, ...], at: datetime) -> None:
    """There and back; another key, another name and a checkpoint's reader refuse it."""
    promise = Promise("w/iberia", at, named)
    note = rules.signed(promise, KEY, signer(SEED))
    assert rules.opened(note, [KEY]) == promise
    strangers = [VerifierKey("w/iberia", ED25519, public_of(OTHER)), VerifierKey("w/other", ED25519, KEY.public)]
    for stranger in strangers:
        with pytest.raises(Refusal):
            rules.opened(note, [stranger])
    with pytest.raises(Refusal):
        open_checkpoint(note, Policy(KEY))
    elsewhere = rules.signed(Promise("w/other", at, named), KEY, signer(SEED))
    with pytest.raises(Refusal):
        rules.opened(elsewhere, [KEY])


@given(leaves, st.data())
def test_evd_08_no_byte_of_a_receipt_can_be_another(named: tuple[bytes, ...], data: st.DataObject) -> None:
    """Each change of one byte is refused, whatever the byte."""
    note = rules.signed(Promise("w/iberia", START, named), KEY, signer(SEED))
    place, value = data.draw(st.integers(0, len(note) - 1)), data.draw(st.integers(0, 255))
    if note[place] == value:
        return
    with pytest.raises((Refusal, UnicodeDecodeError)):
        rules.opened(note[:place] + bytes([value]) + note[place + 1 :], [KEY])


@pytest.mark.parametrize(
    "text",
    ["", "a", "waystation.receipt/1\n", "waystation.receipt/1\nw\n2026-01-01T00:00:00Z\n", "????", "YQ==, "],
)
def test_evd_08_what_is_no_receipt_is_refused_in_words(text: str) -> None:
    """Empty, cut, no base64: never a traceback."""
    with pytest.raises(Refusal, match=r"\w"):
        _read(text)


@pytest.mark.django_db
def test_evd_08_more_receipts_than_a_reply_holds_are_refused_before_any_is_read(folder: None) -> None:
    """Each costs a look at the log: so many notes, or so many keys to try, are asked about in parts."""
    with receipts.collected() as seqs:
        record([], entry=NewEntry("test.made", "a", system(), START))
    text = b64encode(receipts.give(seqs, START)[0]).decode()
    assert len(look_up(system(), ", ".join([text] * MOST_NOTES))) == MOST_NOTES
    for many, vkeys in (([text] * (MOST_NOTES + 1), []), ([text], ["x"] * (MOST_NOTES + 1))):
        with pytest.raises(BadInput, match=r"More than 50 receipts|51 keys"):
            look_up(system(), ", ".join(many), vkeys)


@pytest.mark.django_db
def test_evd_08_the_entries_of_a_receipt_are_found_by_an_index() -> None:
    """However long the log is: no walk over all of its entries."""
    if connection.vendor == "postgresql":  # it reads all of a table this small, unless it may not
        with connection.cursor() as cursor:
            cursor.execute("SET LOCAL enable_seqscan = off")
    assert "entries_by_leaf_hash" in LogEntry.objects.filter(leaf_hash__in=[b"\x00" * 32]).explain()


def _read(text: str) -> list[Promise]:
    return [rules.opened(note, [KEY]) for note in notes_of(text)]


@pytest.mark.django_db
def test_evd_08_only_what_was_committed_is_signed_for(folder: None) -> None:
    """Three entries are made and one of them is rolled back; outside of a request nobody collects."""
    by = system()
    with receipts.collected() as seqs:
        kept = [record([], entry=NewEntry("test.made", n, by, START)) for n in "ab"]
        try:
            with transaction.atomic():
                record([], entry=NewEntry("test.made", "c", by, START))
                raise RuntimeError
        except RuntimeError:
            pass
    record([], entry=NewEntry("test.made", "d", by, START))
    assert len(seqs) == 3
    (note,) = receipts.give(seqs, START)
    promise, found = receipts.look_up(by, note, [keys.verifier_key("installation")])
    assert [leaf.hex() for leaf in promise.leaves] == [k.leaf_hash for k in kept]
    assert [(f.is_missing, f.index) for f in found] == [(False, None)] * 2
    sequencer.run(START + timedelta(seconds=1))
    ((_, found),) = look_up(by, note.decode())
    assert [(f.index, f.kind) for f in found] == [(0, "test.made"), (1, "test.made")]
    assert receipts.give([], START) == []


@pytest.mark.django_db
def test_evd_08_an_entry_that_was_taken_away_before_anybody_saw_a_head_is_named(folder: None) -> None:
    """No checkpoint and no witness covered it: the receipt alone shows that it is gone."""
    by = system()
    with receipts.collected() as seqs:
        record([], entry=NewEntry("test.made", "a", by, START))
        record([], entry=NewEntry("test.made", "b", by, START))
    (note,) = receipts.give(seqs, START)
    _without_guard(seqs[1][0])
    ((_, found),) = look_up(by, note.decode())
    assert [f.is_missing for f in found] == [False, True]


def _without_guard(seq: int) -> None:
    """What an administrator of the database can do: the triggers off, the entry and what hangs on it gone."""
    tables = {
        "event": "entry_id",
        "entryrows": "entry_id",
        "waiting": "seq",
        "logposition": "entry_id",
        "logentry": "seq",
    }
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        for name, column in tables.items():
            if connection.vendor == "postgresql":
                cursor.execute(f"ALTER TABLE evidence_{name} DISABLE TRIGGER USER")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS evidence_{name}_no_delete")
            cursor.execute(f"DELETE FROM evidence_{name} WHERE {column} = %s", [seq])
            if connection.vendor == "postgresql":
                cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
                cursor.execute(f"ALTER TABLE evidence_{name} ENABLE TRIGGER USER")
