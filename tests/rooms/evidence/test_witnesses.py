"""Witnesses: a real one in its own process, what it refuses, and what the log says while it does not answer."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import override_settings

from tests.rooms.evidence.witnessing import Process, command, grow
from waystation import wiring
from waystation.cli.witnessing.state import Witness, make
from waystation.evidence import keys, placed, queries, sequencer, witnesses
from waystation.evidence.models import Checkpoint, Cosignature, WitnessState
from waystation.evidence.ports import NoAnswer
from waystation.evidence.rules import checkpoints, merkle, notes, signing, witness
from waystation.evidence.rules.checkpoints import Policy
from waystation.evidence.rules.notes import VerifierKey
from waystation.evidence.verifier.trust import Key
from waystation.kernel.refusals import BadInput, Conflict, NotReady

LOG = "iberia"
pytestmark = pytest.mark.usefixtures("folder")

LATER = timedelta(minutes=2)


@pytest.fixture
def outside(folder: Path) -> Iterator[Process]:
    """A witness of the log, in a process of its own."""
    process = Process(folder / "witness", "witness.example/qa", LOG)
    with override_settings(WITNESSES=process.setting):
        yield process
    process.end()


def _ask(now: datetime, **how: Any) -> int:
    return witnesses.ask(LOG, now, wiring.witness_line, **how)


@pytest.mark.django_db
def test_evd_08_a_growing_log_is_cosigned_and_the_note_opens_under_the_policy(outside: Process, now: datetime) -> None:
    """Head after head; the note then holds for whoever demands this witness, and nothing is asked twice."""
    for count in (1, 5, 300):
        head = grow(LOG, now, count)
        assert _ask(now) == 1
        assert _ask(now) == 0
        note, lines = witnesses.with_lines(head)
        opened = checkpoints.open_checkpoint(
            note, Policy(keys.verifier_key(LOG), (notes.parse_vkey(outside.vkey),), quorum=1)
        )
        assert (lines, opened.checkpoint.head.size) == (1, head.size)
    stands = witnesses.standing(LOG)
    assert (stands.since, stands.by, stands.covered) == (None, ("witness.example/qa",), 306)
    assert command(outside.folder, "heads").returncode == 1  # the process that serves holds the folder
    assert Key.read(outside.vkey, 4).name == "witness.example/qa"


@pytest.mark.django_db
def test_evd_08_a_killed_witness_goes_on_where_it_was_and_the_log_says_since_when(
    outside: Process, now: datetime
) -> None:
    """kill -9: entries go on, the time without a quorum is said; back again it cosigns the growth."""
    grow(LOG, now)
    _ask(now)
    outside.end(signal.SIGKILL)
    grow(LOG, now + LATER)
    grow(LOG, now + 2 * LATER)
    assert _ask(now + 2 * LATER) == 0
    stands = witnesses.standing(LOG)
    assert (stands.covered, stands.size, stands.since) == (3, 9, now + LATER)
    assert "does not answer" in stands.trouble[0]
    assert stands.is_late(now + 3 * LATER)
    outside.start()
    assert _ask(now + 2 * LATER + timedelta(seconds=1)) == 0  # one that failed is left alone a while
    assert _ask(now + 3 * LATER) == 1
    assert witnesses.standing(LOG).since is None
    assert WitnessState.objects.get().failing_since is None


@pytest.mark.django_db
def test_evd_08_a_log_brought_back_from_an_old_backup_is_refused(outside: Process, now: datetime) -> None:
    """Fewer entries than the witness saw, then other ones in their place: both are told as what they are."""
    grow(LOG, now)
    _ask(now)
    held = sequencer.folder() / LOG
    grow(LOG, now, 4)
    _ask(now)
    _roll_back(3, held)
    grow(LOG, now, 1)
    assert _ask(now, patient=False) == 0
    stands = witnesses.standing(LOG)
    assert stands.refused
    assert "holds a head of 7 entries, this log has 4" in stands.trouble[0]
    assert stands.is_late(now)
    grow(LOG, now, 9)
    assert _ask(now, patient=False) == 0
    assert "does not continue" in WitnessState.objects.get().trouble
    assert WitnessState.objects.get().refuses


def _roll_back(size: int, held: Path) -> None:
    """The tables and tiles as they were at `size`: what a restored backup leaves."""
    from django.db import connection

    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        tables = ("evidence_logposition", "evidence_checkpoint", "evidence_cosignature")
        for trigger in tables:
            if connection.vendor == "postgresql":
                cursor.execute(f"ALTER TABLE {trigger} DISABLE TRIGGER USER")
            else:
                cursor.execute(f"DROP TRIGGER IF EXISTS {trigger}_no_delete")
        cursor.execute("DELETE FROM evidence_cosignature WHERE size > %s", [size])
        cursor.execute("DELETE FROM evidence_checkpoint WHERE size > %s", [size])
        cursor.execute("DELETE FROM evidence_logposition WHERE tree_index >= %s", [size])
        cursor.execute("UPDATE evidence_witnessstate SET known_size = %s", [size])
        if connection.vendor == "postgresql":
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} ENABLE TRIGGER USER")
    shutil.rmtree(held)
    head = Checkpoint.objects.get(size=size)
    frontier, nodes = merkle.Frontier().grow(digest for _, _, digest in placed.leaves(LOG))
    assert frontier.root() == bytes(head.root)
    known = {(level, index): node for level, index, node in nodes}
    from waystation.evidence.rules import tiles

    for tile in tiles.grown(0, size):
        sequencer._write(LOG, tile, tiles.encode_tile(tile, lambda level, index: known[(level, index)]))


@pytest.mark.django_db
def test_evd_08_a_quorum_counts_different_witnesses_and_waits_for_the_slowest(
    outside: Process, folder: Path, now: datetime
) -> None:
    """Two of two: one alone covers nothing, both cover what both cosigned, and the note carries both lines."""
    other = Process(folder / "other", "auditor.example/w", LOG)
    try:
        with override_settings(WITNESSES=f"{outside.setting}, {other.setting}"):
            grow(LOG, now)
            assert _ask(now) == 2
            other.end()
            head = grow(LOG, now + LATER)
            assert _ask(now + LATER) == 1
            stands = witnesses.standing(LOG)
            assert (stands.covered, stands.since, stands.quorum) == (3, now + LATER, 2)
            assert witnesses.with_lines(head)[1] == 1
            assert witnesses.best_head(LOG, 2).size == 3
            assert witnesses.best_head(LOG, 5).size == head.size
            assert placed.trust(LOG)["quorum"] == 2
        with override_settings(WITNESSES=f"{outside.setting}, {other.setting}", WITNESS_QUORUM="1"):
            assert witnesses.standing(LOG).since is None
    finally:
        other.end()


@pytest.mark.django_db
def test_evd_08_lines_of_a_witness_are_never_changed_or_taken_away(outside: Process, now: datetime) -> None:
    """The database itself refuses."""
    from django.db import DatabaseError, transaction

    grow(LOG, now)
    _ask(now)
    for change in (Cosignature.objects.all().delete, lambda: Cosignature.objects.update(time_s=1)):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()
    assert Cosignature.objects.count() == 1


@pytest.mark.django_db
def test_without_a_witness_a_log_is_unwitnessed_since_its_first_head(now: datetime) -> None:
    """No key, no claim; a log of nothing is not late."""
    assert witnesses.worst() is None
    grow(LOG, now)
    grow(LOG, now + LATER)
    worst = witnesses.worst()
    assert worst is not None
    assert (worst.since, worst.by, worst.covered) == (now, (), 0)
    assert witnesses.ask_all(now, wiring.witness_line) == 0


@pytest.mark.parametrize(
    ("text", "quorum", "regulated", "code"),
    [
        ("", "", True, "evidence.regulated_alone"),
        ("KEY http://127.0.0.1:1", "0", True, "evidence.regulated_alone"),
        ("KEY", "", False, "evidence.witness_url"),
        ("KEY ftp://127.0.0.1", "", False, "evidence.witness_url"),
        ("witness+00000000+AAAA http://127.0.0.1:1", "", False, "evidence.vkey_algorithm"),
        ("LOG http://127.0.0.1:1", "", False, "evidence.policy_keys"),
        ("KEY http://127.0.0.1:1", "2", False, "evidence.quorum"),
        ("KEY http://127.0.0.1:1", "many", False, "evidence.quorum"),
    ],
)
def test_settings_that_cannot_stand_are_refused(text: str, quorum: str, regulated: bool, code: str) -> None:
    """Regulated mode without a witness, a key without an address, a log's key, a quorum that nobody can meet."""
    own = VerifierKey("witness.example/qa", notes.COSIGNATURE_V1, signing.public_of(bytes(32)))
    given = text.replace("KEY", own.vkey()).replace("LOG", keys.verifier_key(LOG).vkey())
    with (
        override_settings(WITNESSES=given, WITNESS_QUORUM=quorum, REGULATED=regulated),
        pytest.raises((BadInput, NotReady)) as refused,
    ):
        witnesses.configured()
    assert refused.value.code == code


class _Odd:
    """A witness that answers what the test says."""

    def __init__(self, *answers: tuple[int, str]) -> None:
        self.answers = list(answers)
        self.asked: list[bytes] = []

    def add_checkpoint(self, body: bytes) -> tuple[int, str]:
        """The next answer; nothing more is no answer."""
        self.asked.append(body)
        if not self.answers:
            raise NoAnswer("silence")
        return self.answers.pop(0)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("answers", "said", "refuses"),
    [
        ([(500, "")], "answered 500", False),
        ([(404, "")], "does not know", False),
        ([(403, "")], "does not trust", False),
        ([(422, "")], "does not continue", True),
        ([(409, "99\n")], "holds a head of 99", True),
        ([(409, "x")], "not a plain decimal", False),
        ([(409, "1\n"), (409, "2\n")], "holds a head of 2", True),
        ([(200, "nonsense\n")], "not a signed note", False),
        ([], "silence", False),
    ],
)
def test_evd_08_whatever_a_witness_answers_is_kept_and_stops_nothing(
    answers: list[tuple[int, str]], said: str, refuses: bool, now: datetime
) -> None:
    """No answer, an error, a foreign line: no cosignature, the words are there, nothing is raised."""
    key = VerifierKey("witness.example/qa", notes.COSIGNATURE_V1, signing.public_of(bytes(32)))
    grow(LOG, now)
    with override_settings(WITNESSES=f"{key.vkey()} http://127.0.0.1:1"):
        odd = _Odd(*answers)
        assert witnesses.ask(LOG, now, lambda url: odd) == 0
        state = WitnessState.objects.get()
        assert (said in state.trouble, state.refuses, state.failing_since) == (True, refuses, now)
        assert witnesses.standing(LOG).since == now
    assert not Cosignature.objects.exists()


def _request(size: int, old: int, seed: str = "x") -> tuple[bytes, VerifierKey]:
    """A signed head of `size` leaves of a history called `seed`, with the proof from `old`."""
    key = VerifierKey("log.example/north", notes.ED25519, signing.public_of(bytes([7] * 32)))
    grown, nodes = merkle.Frontier().grow(merkle.leaf_hash(f"{seed}{n}".encode()) for n in range(size))
    known = {(level, index): node for level, index, node in nodes}
    proof = merkle.consistency_proof(old, size, lambda level, index: known[(level, index)])
    head = checkpoints.Checkpoint(key.name, checkpoints.Head(size, grown.root()))
    note = checkpoints.sign_checkpoint(head, key, signing.signer(bytes([7] * 32)))
    return witness.format_request(old, proof, note), key


def test_evd_08_a_head_is_on_the_disk_before_its_line_leaves(tmp_path: Path) -> None:
    """Whoever opens the folder after any answer finds the head that was cosigned; a split view is refused then."""
    vkey = make(tmp_path / "w", "w.example")
    opened = Witness(tmp_path / "w")
    body, key = _request(3, 0)
    opened.watch(key.vkey())
    assert opened.answer(body, 1000).status == 200
    held = json.loads((tmp_path / "w" / "witness.json").read_text())
    assert held["logs"][key.name]["size"] == 3
    opened.close()
    again = Witness(tmp_path / "w")
    answer = again.answer(_request(5, 3)[0], 1001)
    assert answer.status == 200
    assert notes.signers(notes.parse_note(f"{_text(5)}\n{answer.body}".encode()), [vkey])[0].time_s == 1001
    assert again.answer(_request(6, 5, seed="y")[0], 1002).status == 422
    assert again.answer(_request(4, 3)[0], 1002).status == 409
    assert again.answer(_request(5, 5)[0], 1003).status == 200  # the same head again, for who lost the answer
    again.close()


def _text(size: int) -> str:
    grown, _ = merkle.Frontier().grow(merkle.leaf_hash(f"x{n}".encode()) for n in range(size))
    return checkpoints.Checkpoint("log.example/north", checkpoints.Head(size, grown.root())).text()


def test_a_witness_folder_is_opened_once_and_never_from_a_part(tmp_path: Path) -> None:
    """A second process, a lost memory, a damaged one, another key for a known log: each is refused."""
    with pytest.raises(BadInput):
        make(tmp_path / "w", "a name")
    make(tmp_path / "w", "w.example")
    with pytest.raises(Conflict, match="holds a witness"):
        make(tmp_path / "w", "w.example")
    opened = Witness(tmp_path / "w")
    with pytest.raises(Conflict, match="Another process"):
        Witness(tmp_path / "w")
    opened.watch(_request(1, 0)[1].vkey())
    other = VerifierKey("log.example/north", notes.ED25519, signing.public_of(bytes([8] * 32)))
    with pytest.raises(Conflict, match="another key"):
        opened.watch(other.vkey())
    with pytest.raises(BadInput):
        opened.watch(VerifierKey("w", notes.COSIGNATURE_V1, bytes(32)).vkey())
    opened.close()
    whole = (tmp_path / "w" / "witness.json").read_text()
    for text in ("", "{}", whole.replace('"size": 0', '"size": -1'), whole.replace("witness/1", "witness/2")):
        (tmp_path / "w" / "witness.json").write_text(text)
        with pytest.raises(NotReady, match="must not cosign"):
            Witness(tmp_path / "w")
    (tmp_path / "w" / "witness.json").unlink()
    with pytest.raises(NotReady):
        Witness(tmp_path / "w")


def test_the_witness_command_says_what_it_cannot_do(tmp_path: Path) -> None:
    """Its own words, exit code 1, one next step."""
    for words, said in (
        (("serve",), "cannot be opened"),
        (("watch", "nonsense"), "cannot be opened"),
        (("make", "--name", ""), "cannot be a witness's name"),
    ):
        done = command(tmp_path / "none", *words)
        assert (done.returncode, said in done.stderr, "next:" in done.stderr) == (1, True, True), done.stderr
    assert command(tmp_path / "w", "make", "--name", "w.example").returncode == 0
    for bind, said in (("0.0.0.0:0", "reached from elsewhere"), ("nowhere", "is not HOST:PORT")):
        done = command(tmp_path / "w", "serve", "--bind", bind)
        assert (done.returncode, said in done.stderr) == (1, True)
    assert command(tmp_path / "w", "key").stdout.startswith("w.example+")


@pytest.mark.django_db
def test_evd_08_the_daily_head_is_one_line_that_the_checkpoint_bears_out(outside: Process, now: datetime) -> None:
    """When, whose, size and root as the signed checkpoint has them, and by how many witnessed."""
    head = grow(LOG, now)
    (one,) = queries.logs()
    assert one.line().endswith(" unwitnessed")
    _ask(now)
    (one,) = queries.logs()
    when, origin, size, root, *by = one.line().split(" ")
    assert [origin, size, root] == head.note.split("\n")[:3]
    assert (when, " ".join(by)) == ("2026-11-17T06:00:00Z", "witnessed by 1")
    assert "\n" not in one.line()
