"""Erasing a person: refused while their acts are kept; then every proof stands as before, and no backup knows them."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.test import Client
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import ROOT, START
from tests.plugins.cluster import Cluster
from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_service_class, a_space
from waystation.access import actions as access
from waystation.access.models import Person
from waystation.alarms.models import Alarm, Page
from waystation.cli.keeping import databases, people
from waystation.evidence import placed, reviews, sequencer
from waystation.evidence.actions import NewEntry, record
from waystation.evidence.models import LogEntry, LogPosition
from waystation.evidence.personal import PeopleKeys, people_keys
from waystation.evidence.row_audit import check_rows
from waystation.evidence.rules import merkle
from waystation.evidence.verifier.verify import verify_pack
from waystation.journeys import erasing, evidence_pack
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import Conflict, NotAllowed, NotFound
from waystation.telemetry.engine import Engine

Acting = Callable[..., Authority]
DAY, HOUR = timedelta(days=1), timedelta(hours=1)
COMMAND = (sys.executable, "-m", "waystation.cli.main")


def _prove_all() -> int:
    """Every entry against its log's newest head; returns how many."""
    count = 0
    for position in LogPosition.objects.select_related("entry"):
        head = sequencer.newest_checkpoint(position.log)
        assert head is not None
        proof = merkle.inclusion_proof(position.tree_index, head.size, sequencer.hashes(position.log, head.size))
        leaf = bytes(position.entry.leaf_hash)
        assert merkle.verify_inclusion(position.tree_index, head.size, leaf, proof, bytes(head.root))
        count += 1
    return count


@pytest.mark.django_db
def test_evd_10_every_proof_and_every_old_pack_verifies_after_the_keys_are_gone(
    folder: Path, system: Authority, acting: Acting, django_capture_on_commit_callbacks: Any
) -> None:
    """The same bytes of every leaf, the same verdict of a pack made before; a pack made afterwards verifies too."""
    eva = acting("operator", name="EvaQuill")
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START, [5.0 + 0.1 * (i % 2) for i in range(125)]), START + 2 * HOUR)
    judge(Engine(), START + 2 * HOUR)

    def pack() -> bytes:
        now = START + 12 * HOUR
        return evidence_pack.make(system, "cordoba", START, START + 2 * HOUR, now=now, wait=lambda: None)

    before, trust = pack(), placed.trust("iberia") | {"quorum": 0}
    sequencer.run(START + 12 * HOUR)
    leaves = {e.seq: bytes(e.leaf) for e in LogEntry.objects.all()}
    proved = _prove_all()
    later = START + 6 * 366 * DAY
    with django_capture_on_commit_callbacks(execute=True):
        erasing.erase(system, eva.principal_id, reason="asked by the person", now=later)
    assert people_keys().find(eva.principal_id) is None
    sequencer.run(later)
    assert {e.seq: bytes(e.leaf) for e in LogEntry.objects.filter(seq__in=leaves)} == leaves
    assert _prove_all() > proved
    assert verify_pack(before, trust).ok
    assert verify_pack(pack(), trust).ok
    assert not any(b"Eva" in bytes(e.leaf) for e in LogEntry.objects.all())


@pytest.mark.django_db
def test_evd_10_who_acted_is_kept_until_retention_ends_and_the_refusal_is_logged(
    system: Authority, acting: Acting
) -> None:
    """To the day of the longest class; one's own settings bind nothing; refused anew, entered anew."""
    a_service_class("A", retention_days=100)
    a_service_class("B", retention_days=400)
    eva = acting("quality", name="Eva")
    access.set_preferences(eva, hours="12", now=START)
    assert erasing.kept_until(eva.principal_id) is None
    boss = acting("administrator", name="Boss")
    access.grant_role(boss, eva.principal_id, "operator", now=START)
    assert erasing.kept_until(eva.principal_id) is None
    from waystation.evidence import holds

    holds.place(eva, subject="site", subject_id=uuid4(), name="x", site_id=None, reason="claim", now=START)
    assert erasing.kept_until(eva.principal_id) == START + 400 * DAY
    for number, at in enumerate((START, START + 400 * DAY - HOUR), start=1):
        with pytest.raises(Conflict) as refused:
            erasing.erase(boss, eva.principal_id, reason="asked by the person", now=at)
        assert refused.value.code == "access.erasure_kept"
        assert Person.objects.get(pk=eva.principal_id).name == "Eva"
        assert people_keys().find(eva.principal_id) is not None
        assert LogEntry.objects.filter(kind="access.erasure_refused").count() == number
    assert erasing.erase(boss, eva.principal_id, reason="asked", now=START + 400 * DAY).is_erased


@pytest.mark.django_db
def test_evd_10_only_an_administrator_learns_whether_somebody_can_be_erased(system: Authority, acting: Acting) -> None:
    """Who may not ask leaves no entry; nobody unknown is erased."""
    eva, others = acting("operator", name="Eva"), (acting("operator"), acting("quality"))
    count = LogEntry.objects.count()
    for by in others:
        with pytest.raises(NotAllowed):
            erasing.erase(by, eva.principal_id, reason="asked", now=START)
    with pytest.raises(NotFound):
        erasing.erase(system, uuid4(), reason="asked", now=START)
    assert LogEntry.objects.count() == count


@pytest.mark.django_db
def test_evd_10_a_signature_s_entry_names_the_signer_by_number(acting: Acting, system: Authority) -> None:
    """The printed name stands in the review, not in the leaf."""
    qa = acting("quality", name="Zenobia")
    access.create_person(system, email="x@example.org", name="Xavi", now=START)
    start, end = START - DAY, START + DAY
    seen = reviews.trail(qa, start, end).list_digest
    reviews.sign(qa, start, end, seen_digest=seen, zone="UTC", fresh_proof=True, now=end)
    assert [e for e in LogEntry.objects.all() if b"Zenobia" in bytes(e.leaf)] == []


@pytest.mark.django_db
def test_evd_10_the_api_refuses_with_the_day(
    signed_in: Callable[..., Client], clock: FastClock, acting: Acting
) -> None:
    """409 and the next step; the entry stands although nothing was erased."""
    client, eva = signed_in("administrator"), acting("administrator", name="Eva")
    access.create_person(eva, email="y@example.org", name="Yago", now=START)
    path = f"/api/v1/access/people/{eva.principal_id}/erase"
    answer = client.post(path, {"reason": "asked"}, content_type="application/json")
    assert (answer.status_code, answer.json()["code"]) == (409, "access.erasure_kept")
    assert LogEntry.objects.filter(kind="access.erasure_refused").count() == 1


@pytest.mark.django_db
def test_evd_10_a_crash_between_the_commit_and_the_keys_is_made_good(system: Authority, acting: Acting) -> None:
    """Erased in the rows with the key still there: the next round destroys it, and no other one."""
    eva, yago = acting("operator", name="Eva").principal_id, acting("operator", name="Yago").principal_id
    access.erase_person(system, eva, reason="asked", now=START)  # no commit here, so the key stays, as after a kill
    assert people_keys().find(eva) is not None
    assert [access.destroy_left_keys(system) for _ in range(2)] == [1, 0]
    assert people_keys().find(eva) is None
    assert people_keys().find(yago) is not None


@pytest.mark.django_db
def test_evd_10_the_address_of_every_page_goes_with_the_person(
    folder: Path, system: Authority, acting: Acting, django_capture_on_commit_callbacks: Any
) -> None:
    """Of theirs alone, with an entry; the tables agree with the log; one that cannot be shown is counted."""
    eva, yago = acting("operator", name="Eva").principal_id, acting("operator", name="Yago").principal_id
    space = a_space()
    alarm = Alarm(rule="rising", site=space.site, object_kind="space", object_id=space.pk, severity="x", row_slug="x")
    alarm.started_at = alarm.raised_at = alarm.facts_at = START
    pages = [
        Page(
            alarm=alarm,
            person_id=person,
            channel="page",
            address=address,
            rank=1,
            level=1,
            message_key=address,
            at=START,
        )
        for person, address in ((eva, "eva@example.org"), (yago, "yago@example.org"))
    ]
    record([alarm, *pages], entry=NewEntry("alarms.paged", alarm.pk, system, START, space.site_id))
    with django_capture_on_commit_callbacks(execute=True):
        for _ in range(2):
            erasing.erase(system, eva, reason="asked by the person", now=START)
    assert sorted(Page.objects.values_list("address", flat=True)) == sorted(
        [f"{eva}@erased.invalid", "yago@example.org"]
    )
    assert LogEntry.objects.filter(kind="alarms.addresses_forgotten").count() == 1
    assert not _flaws()
    Page.objects.filter(person_id=yago).update(address=f"person:{yago}")
    with django_capture_on_commit_callbacks(execute=True):
        erasing.take_away(system, yago, reason="no key", now=START, is_sealed=True)
    made = check_rows()
    assert not _flaws()
    assert made.not_compared["rows that an entry says cannot be shown as they were"] == 1


def _flaws() -> list[str]:
    """What the log says otherwise of people and pages; the samples around them were never entered."""
    return [str(flaw) for flaw in check_rows().flaws if flaw.where.startswith(("access.", "alarms."))]


MAKE = (
    "CREATE TABLE access_person (id TEXT PRIMARY KEY, email TEXT, name TEXT, phone TEXT, employer TEXT, shifts TEXT,"
    " qualifications TEXT)",
    'CREATE TABLE account_emailaddress (id INTEGER PRIMARY KEY, email TEXT, verified INTEGER, "primary" INTEGER,'
    " user_id TEXT)",
    "CREATE TABLE evidence_outboxmessage (id INTEGER PRIMARY KEY, recipient TEXT)",
    "CREATE TABLE alarms_page (id INTEGER PRIMARY KEY, address TEXT)",
)


def a_snapshot(path: Path, names: list[str]) -> dict[UUID, str]:
    """A database with these people, what was sent to them, and a message to somebody else."""
    made = {uuid4(): name for name in names}
    with closing(sqlite3.connect(path)) as held:
        for statement in MAKE:
            held.execute(statement)
        for number, (person, name) in enumerate(made.items()):
            row = (person.hex, f"p{number}@example.org", name, "+34 1", "Frio", '[{"day": 1}]', '["fridges"]')
            held.execute("INSERT INTO access_person VALUES (?, ?, ?, ?, ?, ?, ?)", row)
            address = (f"p{number}@example.org", 1, 1, person.hex)
            add = 'INSERT INTO account_emailaddress (email, verified, "primary", user_id) VALUES (?, ?, ?, ?)'
            held.execute(add, address)
            held.execute("INSERT INTO evidence_outboxmessage (recipient) VALUES (?)", (f"P{number}@example.org",))
            held.execute("INSERT INTO alarms_page (address) VALUES (?)", (f"p{number}@example.org",))
        held.execute("INSERT INTO evidence_outboxmessage (recipient) VALUES ('carrier@example.org')")
        held.commit()
    return made


def rows(path: Path) -> list[Any]:
    with closing(sqlite3.connect(path)) as held:
        tables = ("access_person", "evidence_outboxmessage", "alarms_page")
        found = [sorted(held.execute(f"SELECT * FROM {table}").fetchall()) for table in tables]
        return [*found, sorted(held.execute('SELECT email, verified, "primary", user_id FROM account_emailaddress'))]


words = st.text("abcdefghijklmnop", min_size=9, max_size=12).map(lambda text: f"Name {text}")


@given(st.lists(words, max_size=4, unique=True), st.sets(st.integers(0, 3)))
def test_evd_10_a_snapshot_comes_back_but_for_those_whose_keys_are_destroyed(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], erased: set[int]
) -> None:
    """Sealed, no byte of the file names anybody; who keeps a key is as before, who lost it is nowhere."""
    base = tmp_path_factory.mktemp("people")
    path, keys_ = base / "db.sqlite3", PeopleKeys(base / "keys.sqlite3")
    made = a_snapshot(path, names)
    before = rows(path)
    found = people.seal(path, keys_)
    content = path.read_bytes()
    assert set(found) == {str(person) for person in made}
    assert not any(name.encode() in content for name in names)
    assert b"p0@" not in content.lower()
    gone = [person for number, person in enumerate(made) if number in erased]
    for person in gone:
        keys_.destroy(person)
    assert sorted(people.bring_back(path, found, keys_)) == sorted(gone)
    after = rows(path)
    if not gone:
        assert after == [
            before[0],
            sorted((n, a.lower()) for n, a in before[1]),
            *before[2:],
        ]
    for person in gone:
        assert made[person].encode() not in path.read_bytes()
        assert f"{person}@erased.invalid" in str(after[1])
        assert f"person:{person}" in str(after[2])
        assert person.hex not in str(after[3])


def _run(data: Path, *told: str, code: str = "", database: str = "") -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("WAYSTATION_")}
    env |= {"WAYSTATION_DATA": str(data), "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    env |= {"WAYSTATION_DATABASE_URL": database} if database else {}
    command = [sys.executable, "-c", code] if code else [*COMMAND, *told]
    return subprocess.run(command, cwd=data.parent, env=env, capture_output=True, text=True, timeout=240)


def _done(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr + done.stdout
    return done.stdout


PEOPLE = "access", "person"


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest) -> Iterator[Callable[[str], str]]:
    """Makes an empty database; its address, which is empty where a file in the folder is the database."""
    if request.param == "sqlite":
        yield lambda name: ""
        return
    cluster = Cluster()
    yield cluster.database
    cluster.remove()


def test_evd_10_an_older_backup_does_not_bring_back_who_was_erased(tmp_path: Path, place: Callable[[str], str]) -> None:
    """Made before the erasure, restored after it with the newest copy of the keys: one is there as before, the other
    stays erased with an entry that says so; without the keys nobody is guessed; log and rows agree."""
    data, backup, copy, secret = (tmp_path / name for name in ("data", "bk", "people.sealed", "pass"))
    secret.write_text("correct horse battery\n")
    first, second = place("first"), place("second")

    def told(*words: str) -> str:
        return _done(_run(data, *words, database=first))

    told("init")
    for name in ("Zenobia", "Yago"):
        told(*PEOPLE, "invite", "--email", f"{name}@example.org", "--name", name, "--role", "operator")
    keys_copy = ("access", "keys", str(copy), "--passphrase-file", str(secret))
    told(*keys_copy)
    _done(_run(data, code=SEND, database=first))
    told("backup", str(backup))
    held = b"".join(_opened(p) for p in sorted(backup.rglob("*")) if p.is_file())
    assert b"evidence_outboxmessage" in held
    assert b"enobia" not in held
    assert b"Yago" not in held
    told(*PEOPLE, "erase", "--email", "zenobia@example.org", "--reason", "asked by the person")
    told(*keys_copy)
    refused = _run(data, "restore", str(backup), "--data", str(tmp_path / "no"), database=second)
    assert refused.returncode == 1
    assert "--people FILE" in refused.stderr
    assert not (tmp_path / "no").exists()
    new = tmp_path / "new"
    back = ("restore", str(backup), "--data", str(new), "--people", str(copy), "--passphrase-file", str(secret))
    where = ("--database-url", second) if second else ()
    assert "1 people have no key" in _done(_run(data, *back, *where, database=second))
    listed = _done(_run(new, *PEOPLE, "list", database=second))
    assert "Yago: yago@example.org" in listed
    assert "Zenobia" not in listed
    assert "Erased person" in listed
    everything = b"".join(p.read_bytes() for p in sorted(new.rglob("*")) if p.is_file())
    assert b"enobia" not in everything
    _done(_run(new, code=CHECK, database=second))
    invite = ("invite", "--email", "rui@example.org", "--name", "Rui", "--role", "operator")
    _done(_run(new, *PEOPLE, *invite, database=second))


def _opened(path: Path) -> bytes:
    """A file of a backup as anybody can read it: a dump is compressed, so its own tool writes it out."""
    if path.name != databases.POSTGRESQL:
        return path.read_bytes()
    return subprocess.run(["pg_restore", "-f", "-", str(path)], capture_output=True, check=True).stdout


DJANGO = """
import django, os
os.environ["DJANGO_SETTINGS_MODULE"] = "waystation.settings"
django.setup()
"""
SEND = f"""{DJANGO}
from waystation import wiring
from waystation.access.queries import system_authority
from waystation.evidence.actions import NewEntry, NewMessage, record
now, by = wiring.clock().now(), system_authority("test")
for number, to in enumerate(("Yago@example.org", "zenobia@example.org", "vendor@example.com")):
    record([], messages=[NewMessage("mail", to, f"k{{number}}")], entry=NewEntry("t.said", to[0], by, now))
"""
CHECK = f"""{DJANGO}
from waystation.evidence.models import LogEntry
from waystation.evidence.row_audit import check_rows
from waystation.evidence.models import OutboxMessage
assert LogEntry.objects.filter(kind="access.person_erased").count() == 1
sent = sorted(OutboxMessage.objects.filter(entry__kind="t.said").values_list("recipient", flat=True))
assert [one.partition("@")[2] for one in sent] == ["erased.invalid", "example.com", "example.org"], sent
assert check_rows().flaws == [], check_rows().flaws
"""
