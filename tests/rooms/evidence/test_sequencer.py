"""The sequencer: dense positions, tiles that never change, checkpoints that plain verifiers accept."""

from __future__ import annotations

import base64
import json
import re
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

import pytest
from django.db import DatabaseError, connection, transaction
from django.db.models.signals import post_init
from django.test.utils import CaptureQueriesContext
from pymerkle import InmemoryTree

from tests.rooms.evidence.sequencing import sequencer_history
from waystation.evidence import keys, placed, sequencer
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import Checkpoint, LogEntry, LogPosition, Waiting
from waystation.evidence.queries import first_said_of_each
from waystation.evidence.rules import checkpoints, merkle
from waystation.evidence.rules.checkpoints import Policy
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import NotFound

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]


def _write(by: Authority, now: datetime, count: int, log: str = "iberia") -> None:
    for number in range(count):
        record([], entry=NewEntry("test.made", str(number), by, now, log=log))


def test_evd_09_the_heads_that_a_pack_continues_are_found_without_reading_all_of_them(
    system: Authority, now: datetime
) -> None:
    """The newest, the last of each day, and those that the auditor holds; a head that cannot be is refused."""
    for number in range(12):
        _write(system, now, 1)
        sequencer.run(now + timedelta(days=number // 4, minutes=number))
    head, read = placed.newest("iberia"), list[object]()

    def count(sender: object, **more: object) -> None:
        read.append(sender)

    post_init.connect(count, sender=Checkpoint)
    made = placed.continued("iberia", head, [2], most=2)
    post_init.disconnect(count, sender=Checkpoint)
    assert made is not None
    assert [proof["size"] for proof in json.loads(made)["proofs"]] == [2, 4, 8, 10, 11]
    assert read == []
    for size in (-1, 999, 2**70):
        with pytest.raises(NotFound, match="has no head of"):
            placed.continued("iberia", head, [size])


def test_the_first_word_of_each_is_of_those_that_are_named(system: Authority, now: datetime) -> None:
    """Of every object, or of the named ones alone."""
    ids = [uuid4() for _ in range(3)]
    for key in ids:
        record([], entry=NewEntry("test.state", key, system, now, facts={"to": "active"}))
    assert set(first_said_of_each("test.state", "to", "active")) == {str(key) for key in ids}
    assert set(first_said_of_each("test.state", "to", "active", ids[:2])) == {str(key) for key in ids[:2]}


def test_positions_are_dense_and_every_entry_has_one(system: Authority, now: datetime) -> None:
    """From 0 without holes, per log, however often it runs."""
    _write(system, now, 7)
    _write(system, now, 3, log="other")
    assert sequencer.run(now) == 10
    assert sequencer.run(now) == 0
    for log, size in (("iberia", 7), ("other", 3)):
        indexes = LogPosition.objects.filter(log=log).order_by("tree_index").values_list("tree_index", flat=True)
        assert list(indexes) == list(range(size))


def test_the_root_is_the_one_that_another_program_computes(system: Authority, now: datetime) -> None:
    """pymerkle over the same leaves, at sizes around a full tile."""
    for step in (1, 2, 250, 10, 300):
        _write(system, now, step)
        sequencer.run(now)
        peer = InmemoryTree(algorithm="sha256")
        for leaf in LogEntry.objects.order_by("position__tree_index").values_list("leaf", flat=True):
            peer.append_entry(bytes(leaf))
        newest = sequencer.newest_checkpoint("iberia")
        assert newest is not None
        assert bytes(newest.root) == peer.get_root()


def test_each_checkpoint_is_signed_and_consistent_with_the_one_before(system: Authority, now: datetime) -> None:
    """What a witness would check."""
    for step in (3, 5, 260):
        _write(system, now, step)
        sequencer.run(now + timedelta(minutes=step))
    policy = Policy(keys.verifier_key("iberia"), (), 0, keys.origin("iberia"))
    heads = list(Checkpoint.objects.order_by("size"))
    for one in heads:
        assert checkpoints.open_checkpoint(one.note.encode(), policy).checkpoint.head.size == one.size
    for old, new in pairwise(heads):
        proof = merkle.consistency_proof(old.size, new.size, sequencer.hashes("iberia", new.size))
        assert merkle.verify_consistency(old.size, new.size, bytes(old.root), bytes(new.root), proof)


def test_every_entry_is_proved_from_the_tiles_alone(system: Authority, now: datetime) -> None:
    """Inclusion from the stored files."""
    _write(system, now, 300)
    sequencer.run(now)
    head = sequencer.newest_checkpoint("iberia")
    assert head is not None
    for position in LogPosition.objects.select_related("entry").filter(tree_index__in=(0, 1, 255, 256, 299)):
        proof = merkle.inclusion_proof(position.tree_index, 300, sequencer.hashes("iberia", 300))
        leaf = bytes(position.entry.leaf_hash)
        assert merkle.verify_inclusion(position.tree_index, 300, leaf, proof, bytes(head.root))


def test_a_crash_between_tiles_and_checkpoint_changes_nothing(system: Authority, now: datetime, folder: Path) -> None:
    """The next run writes the same bytes and signs the same root."""
    _write(system, now, 9)
    with transaction.atomic():
        sequencer.sequence()
        first = sequencer.publish("iberia", now)
        assert first is not None
        tiles = {p: p.read_bytes() for p in folder.rglob("tile/**/*") if p.is_file()}
        transaction.set_rollback(True)
    sequencer.run(now)
    again = sequencer.newest_checkpoint("iberia")
    assert again is not None
    assert bytes(again.root) == bytes(first.root)
    assert {p: p.read_bytes() for p in tiles} == tiles


def test_a_checkpoint_is_never_changed(system: Authority, now: datetime) -> None:
    """The database refuses."""
    _write(system, now, 1)
    sequencer.run(now)
    with pytest.raises(DatabaseError, match="append-only"), transaction.atomic():
        Checkpoint.objects.update(size=2)


def test_the_note_names_log_size_and_root(system: Authority, now: datetime) -> None:
    """Three lines that a person can read and print."""
    _write(system, now, 2)
    sequencer.run(now)
    head = sequencer.newest_checkpoint("iberia")
    assert head is not None
    assert head.note.split("\n")[:3] == ["waystation.local/iberia", "2", base64.b64encode(bytes(head.root)).decode()]


def test_evd_08_a_sequencer_that_dies_at_any_statement_goes_on_as_if_it_had_not(db: None) -> None:
    """Random entries, rounds and deaths: dense positions, roots of the very entries, full tiles that never change."""
    assert sum(sequencer_history(seed) for seed in range(5)) >= 5


def test_a_log_that_holds_nothing_new_gets_no_checkpoint(system: Authority, now: datetime) -> None:
    """One signature per growth, and none for an unknown log."""
    _write(system, now, 2)
    sequencer.run(now)
    assert sequencer.publish("iberia", now) is None
    assert sequencer.publish("no such log", now) is None
    assert sequencer.newest_checkpoint("no such log") is None
    assert sequencer.size_of("no such log") == 0
    assert Checkpoint.objects.count() == 1


def test_a_round_takes_the_oldest_entries_first_and_no_more_than_it_may(system: Authority, now: datetime) -> None:
    """In the order in which they were written."""
    _write(system, now, 5)
    assert [sequencer.sequence(2) for _ in range(4)] == [2, 2, 1, 0]
    in_order = LogEntry.objects.order_by("seq").values_list("position__tree_index", flat=True)
    assert list(in_order) == [0, 1, 2, 3, 4]


def test_tiles_and_entries_stand_in_files_as_the_format_says(system: Authority, now: datetime, folder: Path) -> None:
    """A full tile of 256 hashes, the partial one beside it, bundles of the leaves themselves; nothing half written."""
    _write(system, now, 258)
    sequencer.run(now)
    files = {str(p.relative_to(folder / "tiles" / "iberia")) for p in (folder / "tiles").rglob("*") if p.is_file()}
    assert files == {
        "tile/0/000",
        "tile/0/001.p/2",
        "tile/1/000.p/1",
        "tile/entries/000",
        "tile/entries/001.p/2",
    }
    leaf = bytes(LogEntry.objects.get(position__tree_index=257).leaf)
    assert (folder / "tiles/iberia/tile/entries/001.p/2").read_bytes().endswith(len(leaf).to_bytes(2, "big") + leaf)
    assert len((folder / "tiles/iberia/tile/0/000").read_bytes()) == 256 * 32


def _without_position() -> set[int]:
    """The oracle: the whole log against all positions."""
    placed = set(LogPosition.objects.values_list("entry_id", flat=True))
    return {seq for seq in LogEntry.objects.values_list("seq", flat=True) if seq not in placed}


def test_evd_08_what_waits_is_exactly_what_has_no_position(system: Authority, now: datetime) -> None:
    """After writes, rollbacks, rounds that stop half way and entries that no function of ours wrote."""
    for size in (3, 1, 8):
        _write(system, now, size)
        with transaction.atomic():
            _write(system, now, 2, log="undone")
            transaction.set_rollback(True)
        LogEntry.objects.bulk_create(
            LogEntry(log="strange", leaf=b"x", leaf_hash=b"y" * 32, kind="k", object_id="o", at=now) for _ in range(2)
        )
        assert set(Waiting.objects.values_list("seq", flat=True)) == _without_position()
        sequencer.sequence(4)
        assert set(Waiting.objects.values_list("seq", flat=True)) == _without_position()
    while sequencer.sequence(5):
        pass
    assert _without_position() == set()
    assert not Waiting.objects.exists()


def test_evd_08_an_entry_cannot_be_made_to_be_forgotten(system: Authority, now: datetime) -> None:
    """The database refuses to take out, or to rename, what has no position yet."""
    _write(system, now, 2)
    for act in (lambda: Waiting.objects.all().delete(), lambda: Waiting.objects.update(log="elsewhere")):
        with pytest.raises(DatabaseError, match="until it has its position"), transaction.atomic():
            act()
    assert sequencer.sequence() == 2


def test_evd_08_a_late_entry_with_a_low_number_still_gets_its_position(system: Authority, now: datetime) -> None:
    """A long transaction commits a number that the sequencer has passed: nothing is lost behind it."""
    _write(system, now, 2)
    highest = LogEntry.objects.latest("seq").seq
    late = LogEntry(log="iberia", leaf=b"late", leaf_hash=b"l" * 32, kind="k", object_id="o", at=now)
    ahead = LogEntry(log="iberia", leaf=b"first", leaf_hash=b"f" * 32, kind="k", object_id="o", at=now)
    late.seq, ahead.seq = highest + 1, highest + 2
    ahead.save(force_insert=True)
    assert sequencer.sequence() == 3
    late.save(force_insert=True)
    assert sequencer.sequence() == 1
    assert list(LogPosition.objects.order_by("tree_index").values_list("entry_id", flat=True))[-2:] == [
        ahead.seq,
        late.seq,
    ]


def test_a_round_reads_neither_the_whole_log_nor_all_positions(system: Authority, now: datetime) -> None:
    """The statements of an idle round, as the database plans them, are searches in an index or in what waits."""
    for log in ("iberia", "other"):
        _write(system, now, 30, log=log)
    sequencer.run(now)
    with CaptureQueriesContext(connection) as seen:
        assert sequencer.run(now) == 0
    asked = [q["sql"] for q in seen.captured_queries if q["sql"].startswith("SELECT")]
    assert not any("evidence_logentry" in sql for sql in asked)
    assert len(asked) < 16
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            for sql in asked:
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
                plan = " ".join(row[3] for row in cursor.fetchall())
                assert not re.search(r"TEMP B-TREE", plan), (sql, plan)
                assert "evidence_waiting" in plan or "INDEX" in plan or "SEARCH" in plan, (sql, plan)


def test_logs_are_named_once_each_in_order(system: Authority, now: datetime) -> None:
    """However many entries each has; none while nothing has a position."""
    for log in ("other", "iberia", "Z", "iberia"):
        _write(system, now, 2, log=log)
    assert sequencer.logs() == []
    sequencer.run(now)
    assert sorted(sequencer.logs()) == sorted({"other", "iberia", "Z"})
