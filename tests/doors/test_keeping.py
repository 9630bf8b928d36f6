"""Backup, restore and doctor: what is copied can be brought back, and nothing broken passes for whole."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.conftest import ROOT, START
from tests.rooms.telemetry.samples import a_monitored_space, deliver, minutes
from waystation.access.queries import system_authority
from waystation.cli import doctor as doctor_door
from waystation.cli.keeping import apart, databases, files, sealed
from waystation.evidence import beats, keys, sequencer
from waystation.evidence.actions import NewEntry, NewMessage, record
from waystation.evidence.models import LogEntry
from waystation.evidence.personal import PeopleKeys
from waystation.evidence.rules.trees import check_tree
from waystation.incidents.models import IncidentLink
from waystation.journeys import doctor
from waystation.kernel.authority import Authority
from waystation.kernel.refusals import BadInput, NotReady
from waystation.telemetry import stores
from waystation.telemetry.models import HandDuty, Segment

COMMAND = [sys.executable, "-m", "waystation.cli.main"]
# makes entries, a head, readings and a sealed segment in the installation of the environment
FILL = """
import os
from pathlib import Path
from waystation.cli import start
start.load(Path(os.environ["WAYSTATION_DATA"]), None)
from datetime import timedelta
from tests.conftest import START
from tests.rooms.telemetry.samples import a_monitored_space, deliver, minutes
from waystation.access.queries import system_authority
from waystation.evidence import sequencer
from waystation.evidence.actions import NewEntry, record
from waystation.telemetry import stores
from waystation.telemetry.actions.seal import seal
from waystation.telemetry.models import Progress
space, (probe,) = a_monitored_space(START)
deliver(space, minutes(probe, START, [5.0] * 60), START)
stores.log().rotate()
end = stores.log().end()
for row in Progress.objects.all() or [Progress(partition="all")]:
    row.file, row.offset = end.file, end.offset
    row.save()
by = system_authority("test")
assert seal(by, now=START) == 1
deliver(space, minutes(probe, START + timedelta(hours=1), [5.0] * 60), START)
for number in range(300):
    record([], entry=NewEntry("test.made", str(number), by, START, log="iberia"))
sequencer.run(START)
"""


def _run(data: Path, *words: str, code: str = "") -> subprocess.CompletedProcess[str]:
    env = {k: v for k, v in os.environ.items() if not k.startswith("WAYSTATION_")}
    env |= {"WAYSTATION_DATA": str(data), "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-c", code] if code else [*COMMAND, *words]
    return subprocess.run(command, cwd=data.parent, env=env, capture_output=True, text=True, timeout=120)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an installation `data`, its backup `bk` and a passphrase file."""
    base = tmp_path_factory.mktemp("keeping")
    data = base / "data"
    assert _run(data, "init").returncode == 0
    with (data / "waystation.toml").open("a") as file:
        file.write('smtp_password = "hidden"\nplatform_owner = "owner@example.org"\n')
    filled = _run(data, code=FILL)
    assert filled.returncode == 0, filled.stderr
    (base / "pass").write_text("correct horse battery\n")
    done = _run(data, "backup", str(base / "bk"), "--with-keys", "--passphrase-file", str(base / "pass"))
    assert done.returncode == 0, done.stderr
    return base


def test_qal_11_a_backup_comes_back_on_another_machine_and_agrees_with_the_auditors_head(made: Path) -> None:
    """Database, readings, tiles, settings and keys: the restored log goes on under the same key."""
    trust = made / "trust.json"
    assert _run(made / "data", "evidence", "trust", "--log", "iberia", "--with-head", "-o", str(trust)).returncode == 0
    new = made / "new"
    done = _run(
        made / "other",
        *("restore", str(made / "bk"), "--data", str(new), "--known-head", str(trust)),
        *("--passphrase-file", str(made / "pass")),
    )
    assert done.returncode == 0, done.stderr
    assert "agrees with the head that you know" in done.stdout
    assert (new / "secrets" / "log_key").read_text() == (made / "data" / "secrets" / "log_key").read_text()
    assert (new / "secrets" / "log_key").stat().st_mode & 0o777 == 0o600
    assert 'smtp_password = "hidden"' in (new / "waystation.toml").read_text()
    code = FILL.partition("space, (probe,)")[0] + (
        "from waystation.telemetry import reader\nfrom waystation.registry.models import Site\n"
        "rows = reader.readings(Site.objects.get().pk, ['cordoba.fridge-1.probe-1'], 0, 2**62)\n"
        "assert len(rows) == 120, len(rows)\n"
        "record([], entry=NewEntry('test.made', 'x', system_authority('t'), START, log='iberia'))\n"
        "assert sequencer.run(START) == 1\n"
    )
    gone_on = _run(new, code=code)
    assert gone_on.returncode == 0, gone_on.stderr
    said = json.loads(_run(new, "doctor", "--json").stdout)
    assert [f["code"] for f in said["findings"]] == ["loops.never"]


def test_qal_11_secrets_leave_only_sealed(made: Path) -> None:
    """No key and no password stands in clear anywhere in the backup; another passphrase opens nothing."""
    secrets = [(made / "data" / "secrets" / name).read_bytes().strip() for name in ("log_key", "secret_key")]
    for path in (p for p in (made / "bk").rglob("*") if p.is_file()):
        content = path.read_bytes()
        assert b"hidden" not in content, path
        assert not any(secret in content for secret in secrets), path
    document = (made / "bk" / "keys.sealed").read_bytes()
    with pytest.raises(BadInput, match="cannot be opened"):
        sealed.unseal(document, b"another passphrase")
    with pytest.raises(BadInput, match="cannot be opened"):
        sealed.unseal(document[:-9] + b'AAAAAAA"}', b"correct horse battery")


def test_qal_11_restore_refuses_a_target_that_holds_anything(made: Path) -> None:
    """Nothing is written over."""
    done = _run(made / "data", "restore", str(made / "bk"))
    assert done.returncode == 1
    assert "is not empty" in done.stderr
    again = _run(made / "data", "backup", str(made / "bk"))
    assert (again.returncode, "is not empty" in again.stderr) == (1, True)


def _broken(made: Path, name: str, change: Any) -> str:
    """What `restore --verify` says of a copy that was changed and listed anew."""
    copy = made / f"broken-{name}"
    shutil.copytree(made / "bk", copy)
    change(copy)
    done = _run(made / "data", "restore", str(copy), "--verify")
    shutil.rmtree(copy)
    assert done.returncode == 1, done.stdout
    return done.stderr


def _sql(folder: Path, *statements: str) -> None:
    with closing(sqlite3.connect(folder / "database.sqlite3")) as held:
        for name, kind in held.execute("SELECT name, type FROM sqlite_master WHERE type = 'trigger'").fetchall():
            held.execute(f"DROP {kind} {name}")
        for statement in statements:
            held.execute(statement)
        held.commit()
    files.write_manifest(folder)


def test_qal_11_what_was_changed_in_a_backup_is_named(made: Path) -> None:
    """A changed, missing or added file; an entry changed or dropped; a tile or segment lost: each refused in words."""
    segment = next((made / "bk" / "telemetry" / "segments").rglob("*.parquet")).relative_to(made / "bk")
    toml = "waystation.toml"
    assert f"{toml} was changed" in _broken(made, "a", lambda f: (f / toml).write_text("x"))
    assert f"{segment} is listed and missing" in _broken(made, "b", lambda f: (f / segment).unlink())
    assert "more.txt is not listed" in _broken(made, "c", lambda f: (f / "more.txt").write_text("x"))
    leaf = "UPDATE evidence_logentry SET leaf = x'7b7d' WHERE seq = (SELECT max(seq) FROM evidence_logentry) - 7"
    assert "was changed: its bytes" in _broken(made, "d", lambda f: _sql(f, leaf))
    gone = "DELETE FROM evidence_logposition WHERE tree_index = 100"
    assert "entry 100 is missing" in _broken(made, "e", lambda f: _sql(f, gone))
    cut = "DELETE FROM evidence_logposition WHERE tree_index > 200"
    assert "ROLLED BACK" in _broken(made, "f", lambda f: _sql(f, cut))

    def lose_tiles(folder: Path) -> None:
        shutil.rmtree(folder / "tiles")
        files.write_manifest(folder)

    assert "tiles cannot be read" in _broken(made, "g", lose_tiles)

    def lose_segment(folder: Path) -> None:
        (folder / segment).unlink()
        files.write_manifest(folder)

    assert "is missing" in _broken(made, "h", lose_segment)


def test_qal_11_a_backup_of_another_history_does_not_agree(made: Path) -> None:
    """A head that the auditor holds and the log never had."""
    head = made / "head"
    head.write_text(f"waystation.local/iberia\n200\n{'A' * 43}=\n")
    done = _run(made / "data", "restore", str(made / "bk"), "--verify", "--known-head", str(head))
    assert (done.returncode, "ANOTHER HISTORY" in done.stderr) == (1, True)


@settings(max_examples=20)  # scrypt is slow on purpose
@given(st.dictionaries(st.text(min_size=1, max_size=20), st.binary(max_size=50), max_size=1))
def test_sealed_keys_open_to_what_was_sealed(held: dict[str, bytes]) -> None:
    """With the right passphrase exactly the same files."""
    assert sealed.unseal(sealed.seal(held, b"correct horse"), b"correct horse") == held


def test_an_empty_log_has_the_empty_tree() -> None:
    """No entry, no head: nothing is wrong; a head that is larger is."""
    assert check_tree([], {}) == []
    assert "ROLLED BACK" in check_tree([], {4: b"\0" * 32})[0]


@pytest.fixture
def installed(db: None, tmp_path: Path, settings: Any) -> Iterator[Path]:
    """Keys, tiles and telemetry of the test's own."""
    settings.DATA = tmp_path
    (tmp_path / "secrets").mkdir()
    for name in ("log_key", "secret_key"):
        (tmp_path / "secrets" / name).write_text("11" * 32)
        (tmp_path / "secrets" / name).chmod(0o600)
    yield tmp_path
    keys._read.cache_clear()
    stores._log.cache_clear()


def _codes(now: datetime = START) -> list[str]:
    found = doctor.findings(now)
    assert all(f.words and f.next_step for f in found)
    return [f.code for f in found]


def test_doctor_finds_silent_loops_waiting_messages_and_a_log_behind(installed: Path, system: Authority) -> None:
    """All is well with a live worker; each thing that is wrong is one finding with its next step."""
    assert _codes() == ["loops.never"]
    beats.lease("judge", "w", START, timedelta(minutes=1))
    assert _codes() == []
    record([], messages=[NewMessage("email", "ana@example.org", "k")], entry=NewEntry("t.made", "1", system, START))
    sequencer.run(START)
    later = START + timedelta(minutes=11)
    beats.beat("judge", "w", later, timedelta(minutes=1))
    assert _codes(later) == ["outbox.waits"]
    record([], entry=NewEntry("t.made", "2", system, START))
    assert _codes(later + timedelta(minutes=6)) == ["loops.silent", "outbox.waits", "log.behind"]
    assert "clock.behind" in _codes(START - timedelta(hours=1))


def test_doctor_finds_lost_tiles_and_strange_segments(installed: Path, system: Authority) -> None:
    """Files and records that do not belong together."""
    beats.lease("judge", "w", START, timedelta(minutes=1))
    record([], entry=NewEntry("t.made", "1", system, START))
    sequencer.run(START)
    space, (probe,) = a_monitored_space(START)
    deliver(space, minutes(probe, START, [5.0]), START)
    sequencer.run(START)
    stray = installed / "telemetry" / "segments" / "x" / "1.parquet"
    stray.parent.mkdir(parents=True)
    stray.write_bytes(b"")
    Segment.objects.create(
        site=space.site, kind="segment", first_us=0, last_us=1, rows=1, sha256="0", path="lost.parquet", log_file=1
    )
    assert _codes() == ["segments.missing", "segments.orphan"]
    shutil.rmtree(installed / "tiles")
    assert "log.tiles" in _codes()


def test_doctor_lists_ids_that_lead_nowhere(installed: Path) -> None:
    """A hand duty of an incident that is not there."""
    beats.lease("judge", "w", START, timedelta(minutes=1))
    space, (probe,) = a_monitored_space(START)
    sequencer.run(START)
    lost = uuid4()
    HandDuty.objects.create(
        space=space, sensor=probe, every_s=600, due_at=START, started_at=START, reason="x", incident_id=lost
    )
    (found,) = doctor.findings(START)
    assert found.code == "ids.dangling"
    assert str(lost) in found.words


def test_every_plain_id_of_a_room_is_declared(db: None) -> None:
    """A new column that names another room's row says what it leads to."""
    assert [f"{model._meta.label}.{name}" for model, name in doctor.plain_ids() if name not in doctor.TARGETS] == []
    assert (IncidentLink, "object_id") in set(doctor.plain_ids())


def test_doctor_finds_readable_keys_and_open_hosts(installed: Path) -> None:
    """Modes, missing keys, hosts without TLS, nobody to tell."""
    (installed / "secrets" / "log_key").chmod(0o644)
    (installed / "secrets" / "secret_key").unlink()
    assert {f.code for f in doctor_door._keys(installed)} == {"keys.mode", "keys.missing"}
    (installed / "waystation.toml").write_text('allowed_hosts = "w.example.org"\ndemo = "1"\n')
    assert {f.code for f in doctor_door._open_bind(installed)} == {"bind.open", "bind.demo"}
    (installed / "waystation.toml").write_text("")
    assert {f.code for f in doctor_door._open_bind(installed)} == {"owner.missing"}


@pytest.mark.django_db(transaction=True)
def test_qal_11_a_postgresql_database_is_dumped_and_comes_back(tmp_path: Path, settings: Any, now: datetime) -> None:
    """Into an empty database only, with entries and people that were there, without this machine's leases."""
    if connection.vendor != "postgresql":
        print("did not run: this run is on SQLite")
        return
    system = system_authority("test")
    record([], entry=NewEntry("t.made", "1", system, now))
    beats.lease("judge", "w", now, timedelta(minutes=1))
    entry = dict(connection.settings_dict)
    apart.dump(tmp_path, PeopleKeys(tmp_path / "keys.sqlite3"))
    other = entry | {"NAME": f"{entry['NAME']}_back"}
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE IF EXISTS "{other["NAME"]}"')
        cursor.execute(f'CREATE DATABASE "{other["NAME"]}" TEMPLATE template0')
    databases.bring_back(other, tmp_path / databases.POSTGRESQL, lambda: None)
    counts = [
        databases._call(["psql", "-At", "-c", f"SELECT count(*) FROM {table}", *databases._where(other)], other).strip()
        for table in ("evidence_logentry", databases.LEASES)
    ]
    assert counts == [str(LogEntry.objects.count()), "0"]
    with pytest.raises(NotReady, match="holds"):
        databases.bring_back(other, tmp_path / databases.POSTGRESQL, lambda: None)
    with connection.cursor() as cursor:
        cursor.execute(f'DROP DATABASE "{other["NAME"]}"')
