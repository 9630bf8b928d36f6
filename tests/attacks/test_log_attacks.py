"""Somebody with the database, the files and the log's key bends the log itself: found, and found where."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import override_settings

from tests.attacks.installation import (
    HOUR,
    Installation,
    bend,
    leaf_hash,
    member,
    repacked,
    resign,
    standing,
    system,
    unguarded,
)
from tests.rooms.evidence.witnessing import Process
from waystation import wiring
from waystation.evidence import keys, placed, sequencer, witnesses
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.audit import Flaw
from waystation.evidence.models import Checkpoint, Cosignature, LogEntry, LogPosition
from waystation.evidence.rules import tiles
from waystation.evidence.rules.merkle import Frontier
from waystation.evidence.rules.tiles import Tile
from waystation.journeys import doctor

pytestmark = pytest.mark.django_db
LOG = "coast"


def codes(found: list[Flaw]) -> set[str]:
    return {flaw.code for flaw in found}


def where(found: list[Flaw], code: str) -> str:
    return " ".join(f"{flaw.where} {flaw.words}" for flaw in found if flaw.code == code)


def entry(index: int) -> LogEntry:
    return LogEntry.objects.get(position__log=LOG, position__tree_index=index)


def another(leaf: bytes) -> bytes:
    """The same entry with another actor."""
    said = json.loads(leaf)
    return json.dumps(said | {"actor": "0" * 32}, separators=(",", ":"), sort_keys=True).encode()


def put(index: int, leaf: bytes) -> None:
    """Other bytes in an entry's place, with their hash."""
    words = leaf, leaf_hash(leaf), entry(index).seq
    bend("UPDATE evidence_logentry SET leaf = %s, leaf_hash = %s WHERE seq = %s", *words)


def rewrite(index: int) -> None:
    """Change an entry, its hash, every tile above it, and sign every head again with the stolen key."""
    leaf = another(bytes(entry(index).leaf))
    bend(
        "UPDATE evidence_logentry SET leaf = %s, leaf_hash = %s WHERE seq = %s", leaf, leaf_hash(leaf), entry(index).seq
    )
    leaves = [bytes(one) for _, one, _ in placed.leaves(LOG)]
    hashes = [leaf_hash(one) for one in leaves]
    for head in list(Checkpoint.objects.filter(log=LOG)):
        note = resign(LOG, hashes[: head.size], head.at)
        root = tree_root(hashes[: head.size])
        bend("UPDATE evidence_checkpoint SET root = %s, note = %s WHERE id = %s", root, note.decode(), head.pk)
    store(leaves)


def tree_root(hashes: list[bytes]) -> bytes:
    return Frontier().grow(hashes)[0].root()


def store(leaves: list[bytes]) -> None:
    """Both tiles of a small tree, written again."""
    size = len(leaves)
    for tile, content in (
        (Tile(0, 0, size), b"".join(leaf_hash(leaf) for leaf in leaves)),
        (Tile(None, 0, size), tiles.encode_bundle(leaves)),
    ):
        (sequencer.folder() / LOG / tile.path()).write_bytes(content)


def test_an_untouched_installation_agrees_with_everything(here: Installation) -> None:
    """Nothing is found where nothing was bent, also with the auditor's head; the pack verifies."""
    assert here.found(here.trust) == []
    assert here.verified(here.pack()).ok


def test_an_entry_is_edited(here: Installation) -> None:
    """Its bytes no longer have the hash: the entry is named."""
    bend("UPDATE evidence_logentry SET leaf = %s WHERE seq = %s", another(bytes(entry(7).leaf)), entry(7).seq)
    found = here.found()
    assert f"log {LOG}, entry 7 (number" in where(found, "log.entry")


def test_an_entry_and_its_hash_are_edited(here: Installation) -> None:
    """The stored tiles still have the old hash, and no signed head fits: the stretch between two heads is named."""
    leaf = another(bytes(entry(7).leaf))
    put(7, leaf)
    found = here.found()
    assert {"log.history", "log.tile"} <= codes(found)
    assert f"log {LOG}, entries 0 to" in where(found, "log.history")
    assert "tile/entries/000" in where(found, "log.tile")


def test_the_columns_of_an_entry_are_edited(here: Installation) -> None:
    """What a list shows of an entry is compared with what was hashed."""
    bend("UPDATE evidence_logentry SET kind = 'alarms.cleared' WHERE seq = %s", entry(5).seq)
    assert "entry 5 (number" in where(here.found(), "log.columns")


def test_an_entry_is_deleted(here: Installation) -> None:
    """With its position and its events: the index that is missing is named."""
    seq = entry(6).seq
    for table, column in (("evidence_event", "entry_id"), ("evidence_logposition", "entry_id")):
        bend(f"DELETE FROM {table} WHERE {column} = %s", seq)
    bend("DELETE FROM evidence_logentry WHERE seq = %s", seq)
    assert f"log {LOG}, entry 6 is missing" in where(here.found(), "log.missing")


def test_two_entries_are_reordered(here: Installation) -> None:
    """Each is whole, the order is not the one that was signed."""
    one, other = entry(4).seq, entry(9).seq
    for seq, index in ((one, 999), (other, 4), (one, 9)):
        bend("UPDATE evidence_logposition SET tree_index = %s WHERE entry_id = %s", index, seq)
    found = here.found()
    assert {"log.history", "log.tile"} <= codes(found)
    assert f"log {LOG}" in where(found, "log.history")


def test_the_log_is_rewritten_and_signed_again_with_the_stolen_key(here: Installation) -> None:
    """Everything inside agrees again; the head that the auditor holds does not, and the pack is refused."""
    rewrite(7)
    found = here.found(here.trust)
    assert "ANOTHER HISTORY" in where(found, "log.history")
    assert "that somebody else holds" in where(found, "log.history")
    assert "log.history" not in codes(here.found())
    report = here.verified(here.pack())
    assert not report.ok
    assert [r.member for r in report.refusals] == ["checkpoint"]
    assert "ANOTHER HISTORY" in report.sentence()


def test_the_newest_entries_are_rolled_back(here: Installation) -> None:
    """Entries, positions and heads are gone; the head that the auditor holds is longer."""
    size = Checkpoint.objects.filter(log=LOG).order_by("size")[0].size
    lost = list(LogPosition.objects.filter(log=LOG, tree_index__gte=size).values_list("entry_id", flat=True))
    for seq in lost:
        with unguarded() as cursor:
            for table in ("evidence_event", "evidence_logposition", "evidence_outboxmessage"):
                cursor.execute(f"DELETE FROM {table} WHERE entry_id = %s", [seq])
            cursor.execute("DELETE FROM evidence_logentry WHERE seq = %s", [seq])
    bend("DELETE FROM evidence_checkpoint WHERE log = %s AND size > %s", LOG, size)
    held = here.trust["known_head"]["size"]
    found = here.found(here.trust)
    assert f"entries {size} to {held - 1} ROLLED BACK" in where(found, "log.rolled_back")


def test_an_old_backup_is_restored(here: Installation, outside: Process) -> None:
    """The witness saw a longer log: it refuses, doctor says so, and the auditor's head says the same."""
    old = here.folder / "old"
    shutil.copytree(sequencer.folder(), old)
    with transaction.atomic():
        record([], entry=NewEntry("test.made", "1", system(), here.now, log=LOG))
        sequencer.run(here.now)
        assert witnesses.ask_all(here.now, wiring.witness_line) == 2
        trust = placed.trust(LOG, with_head=True)
        transaction.set_rollback(True)
    shutil.rmtree(sequencer.folder())
    shutil.copytree(old, sequencer.folder())
    witnesses.ask_all(here.now, wiring.witness_line)
    assert standing(LOG).refused
    assert "entries were lost or taken back" in where(here.found(), "witness.refuses")
    assert "witness.refuses" in {f.code for f in doctor.findings(here.now)}
    assert "log.rolled_back" in codes(here.found(trust))


def test_a_rewritten_log_is_shown_to_the_witness(here: Installation, outside: Process) -> None:
    """It cosigned another history of that size: it refuses the next head within one round."""
    assert witnesses.ask_all(here.now, wiring.witness_line) == 2
    rewrite(7)
    record([], entry=NewEntry("test.made", "1", system(), here.now, log=LOG))
    sequencer.run(here.now)
    witnesses.ask_all(here.now, wiring.witness_line)
    assert standing(LOG).refused
    assert f"log {LOG}" in where(here.found(), "witness.refuses")


def test_a_cosignature_is_forged(here: Installation, outside: Process) -> None:
    """A line moved under another head does not hold: head and witness are named."""
    witnesses.ask_all(here.now, wiring.witness_line)
    line = Cosignature.objects.get(log=LOG)
    other = Checkpoint.objects.filter(log=LOG).exclude(pk=line.checkpoint_id).order_by("size")[0]
    bend("UPDATE evidence_cosignature SET checkpoint_id = %s WHERE id = %s", other.pk, line.pk)
    assert f"head of {other.size} entries, witness.example/qa" in where(here.found(), "log.cosignature")


def test_two_auditors_are_shown_two_histories(here: Installation) -> None:
    """When they bring what they hold together, the size at which it splits is named."""
    first = here.trust
    rewrite(7)
    second = placed.trust(LOG, with_head=True)
    assert first["known_head"]["size"] == second["known_head"]["size"]
    found = here.found(first, second)
    assert f"head of {first['known_head']['size']} entries TWO HISTORIES" in where(found, "log.split")


def test_a_head_is_edited(here: Installation) -> None:
    """Its row says another root than the note that was signed."""
    head = Checkpoint.objects.filter(log=LOG).order_by("-size")[0]
    bend("UPDATE evidence_checkpoint SET root = %s WHERE id = %s", hashlib.sha256(b"x").digest(), head.pk)
    assert f"log {LOG}, head of {head.size} entries" in where(here.found(), "log.head")


def test_an_entry_is_back_dated(here: Installation) -> None:
    """It stands behind a head that was signed after the instant it claims."""
    record([], entry=NewEntry("alarms.acknowledged", "1", system(), here.begin - HOUR, log=LOG))
    sequencer.run(here.now)
    index = sequencer.size_of(LOG) - 1
    found = here.found()
    assert f"entry {index} (number" in where(found, "log.back_dated")
    assert "is back-dated" in where(found, "log.back_dated")


def test_an_entry_is_back_dated_past_what_the_witness_saw(here: Installation, outside: Process) -> None:
    """With the heads' own times bent too, the witness's clock still tells."""
    witnesses.ask_all(here.now, wiring.witness_line)
    bend("UPDATE evidence_checkpoint SET at = %s", here.begin - 48 * HOUR)
    record([], entry=NewEntry("alarms.acknowledged", "1", system(), here.begin - HOUR, log=LOG))
    sequencer.run(here.begin - HOUR)
    assert "witness.example/qa cosigned" in where(here.found(), "log.back_dated")


def test_the_clock_is_set_back(here: Installation) -> None:
    """A longer head that was signed earlier than a shorter one is named; doctor says that the clock is behind."""
    record([], entry=NewEntry("test.made", "1", system(), here.now, log=LOG))
    sequencer.run(here.begin - HOUR)
    found = here.found()
    assert f"head of {sequencer.size_of(LOG)} entries" in where(found, "log.head_time")
    assert "clock.behind" in {f.code for f in doctor.findings(here.now - HOUR)}


@pytest.mark.parametrize("level", [0, None])
def test_a_tile_is_dropped(here: Installation, level: int | None) -> None:
    """The tile that cannot be read is named by its path; so says doctor of the hashes."""
    tile = Tile(level, 0, sequencer.size_of(LOG))
    (sequencer.folder() / LOG / tile.path()).unlink()
    assert f"log {LOG}, {tile.path()} cannot be read" in where(here.found(), "log.tile")
    assert level is None or "log.tiles" in {f.code for f in doctor.findings(here.now)}


@pytest.mark.parametrize("level", [0, None])
def test_a_tile_is_edited(here: Installation, level: int | None) -> None:
    """The tile that differs from its entries is named by its path."""
    path = sequencer.folder() / LOG / Tile(level, 0, sequencer.size_of(LOG)).path()
    content = bytearray(path.read_bytes())
    content[100] ^= 1
    path.write_bytes(content)
    assert f"{Tile(level, 0, sequencer.size_of(LOG)).path()} is not what" in where(here.found(), "log.tile")


def test_the_guards_are_taken_away(here: Installation) -> None:
    """A trigger that is gone, or does nothing, is named with its table."""
    with unguarded():
        found = here.found()
    for table in ("evidence_logentry", "evidence_logposition", "evidence_checkpoint"):
        assert f"table {table} its rows can be changed" in where(found, "log.guard")
    assert "log.guard" not in codes(here.found())


def test_an_entry_is_kept_out_of_the_log(here: Installation) -> None:
    """It was taken off the list of those that wait for a place: its number is named."""
    seq = record([], entry=NewEntry("alarms.silenced", "1", system(), here.now, log=LOG)).seq
    bend("DELETE FROM evidence_waiting WHERE seq = %s", seq)
    assert f"log {LOG}, number {seq}" in where(here.found(), "log.unplaced")


def test_the_log_is_stopped(here: Installation) -> None:
    """Entries that wait for a place longer than five minutes are counted by doctor."""
    record([], entry=NewEntry("alarms.silenced", "1", system(), here.now, log=LOG))
    assert "log.behind" in {f.code for f in doctor.findings(here.now + timedelta(minutes=10))}


def test_another_log_key_is_put_in(here: Installation) -> None:
    """The auditor's trust file names the key that it was; the heads of before are not by the new one."""
    (here.folder / "secrets" / "log_key").write_text("22" * 32)
    keys._read.cache_clear()
    found = here.found(here.trust)
    assert f"log {LOG} is signed with" in where(found, "trust.key")
    assert "log.head" in codes(found)


def test_the_list_of_witnesses_is_changed(here: Installation, outside: Process) -> None:
    """A witness that the auditor trusts is not asked any more: named by check, and the pack's policy is refused."""
    witnesses.ask_all(here.now, wiring.witness_line)
    trust = placed.trust(LOG)
    with override_settings(WITNESSES=""):
        assert outside.vkey in where(here.found(trust), "trust.witnesses")
        report = here.verified(here.pack(), trust)
    assert [r.member for r in report.refusals] == ["policy.json"]
    assert "witness.example/qa" in report.sentence()


def test_an_old_head_is_replayed_in_a_pack(here: Installation) -> None:
    """A pack under a head that is shorter than the one the auditor knows is refused as rolled back."""
    old = Checkpoint.objects.filter(log=LOG).order_by("size")[0]
    data = here.pack()
    report = here.verified(repacked(data, **{"checkpoint": old.note.encode(), "consistency.json": None}))
    assert [r.member for r in report.refusals] == ["checkpoint"]
    assert "ROLLED BACK" in report.sentence()


def test_the_claim_of_a_pack_is_rewritten(here: Installation) -> None:
    """In range instead of out of range: no entry of the log is about that claim."""
    data = here.pack()
    claim = member(data, "claim.json").replace(b"out_of_range", b"in_range_proven")
    report = here.verified(repacked(data, **{"claim.json": claim}))
    assert [r.member for r in report.refusals] == ["claim.json"]


def test_the_readings_of_a_pack_are_edited(here: Installation) -> None:
    """The member whose readings changed is named."""
    data, name = here.pack(), "readings/harbour-fridge-1.csv"
    report = here.verified(repacked(data, **{name: member(data, name).replace(b",12.0,", b",7.0,")}))
    assert [r.member for r in report.refusals] == [name]
