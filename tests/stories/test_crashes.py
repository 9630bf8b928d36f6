"""Nothing that dies takes anything with it: 201 deaths in the middle of a write, and real processes killed for good.

The counts here: three nights of 67 deaths each, two on SQLite and one on PostgreSQL, beside one undisturbed night (two
at a time); ten kills of real processes on SQLite and four on PostgreSQL: of the web, of the worker, of everything at
once; and the supervisor alone. A death here stands between two statements; one inside the database's own commit is the
database's to survive.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.plugins.cluster import Cluster
from tests.plugins.once import once
from tests.stories.serving import Served

DEATHS, STATEMENTS = 67, 2300
FIRST_SEED = int(os.environ.get("WAYSTATION_NIGHT_SEED") or 0)
DISTURBED = ("sqlite", "sqlite", "postgresql")
KILLS_ON_POSTGRESQL = ("web", "worker", "all", "worker")
KILLS = ("web", "worker", "web", "worker", "all", "worker", "web", "worker", "web", "all")
SAME = ("excursions", "alarms", "incidents", "reservations", "pages")
Night = dict[str, Any]


def _env(database: str = "") -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("WAYSTATION_", "DJANGO_"))}
    kept |= {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    return kept | ({"WAYSTATION_DATABASE_URL": database} if database else {})


def _told(*words: object, database: str = "") -> Any:
    """What `tests.stories.night` prints, in a process of its own."""
    command = [sys.executable, "-m", "tests.stories.night", *map(str, words)]
    env = _env(database)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory, cluster: Cluster) -> list[Night]:
    """One night without a death, then those with them."""
    found: list[Night] = once(tmp_path_factory, "nights", lambda: _lived(tmp_path_factory.mktemp("nights"), cluster))
    return found


def _lived(folder: Path, cluster: Cluster) -> list[Night]:
    with ThreadPoolExecutor(2) as two:
        jobs = []
        for n, vendor in enumerate(("sqlite", *DISTURBED)):
            database = cluster.database(f"night_{n}") if vendor == "postgresql" else ""
            words = (folder / str(n), FIRST_SEED + n, DEATHS if n else 0, STATEMENTS)
            jobs.append(two.submit(_told, *words, database=database))
        return [job.result() for job in jobs]


def test_alr_14_the_night_is_worth_the_trouble(nights: list[Night]) -> None:
    """The undisturbed night has an excursion, a cut, a reserved part and pages; every death fell into it."""
    calm, *disturbed = nights
    assert calm["excursions"]
    assert sum(calm["pages"].values()) >= 10
    assert len(calm["incidents"]) >= 3
    assert [len(n["killed_at"]) for n in disturbed] == [DEATHS] * len(DISTURBED)
    assert [n["vendor"] for n in nights] == ["sqlite", *DISTURBED]
    killed = {words for n in disturbed for words in n["killed_at"]}
    for table in ("evidence_logentry", "alarms_", "runbooks_"):
        assert any(table in words for words in killed), sorted(killed)


def test_alr_14_the_same_story_ends_the_same_way(nights: list[Night]) -> None:
    """Excursions to the second and the tenth of a degree, alarms, incidents by cause and site, reservations, pages."""
    calm, *disturbed = nights
    for seed, night in enumerate(disturbed, 1):
        for part in SAME:
            assert night[part] == calm[part], (seed, part)


def test_alr_14_no_page_is_missed_and_a_death_repeats_one_at_most(nights: list[Night]) -> None:
    """What the mail server got: every page at least once, and no more copies than there were deaths."""
    for night in nights:
        mails = night["mail"]
        copies = [mails.get(sha256(key.encode()).hexdigest()[:40], 0) for key in night["page_keys"]]
        assert min(copies) >= 1
        assert sum(n - 1 for n in copies) <= len(night["killed_at"])


def test_ful_10_no_unit_is_held_twice_and_each_incident_holds_one(nights: list[Night]) -> None:
    """One reservation per incident that needs a part; no unit in two."""
    for night in nights:
        assert set(night["reservations"].values()) == {1}
        assert night["most_per_unit"] == 1


def test_tel_nothing_acknowledged_is_lost_nor_read_twice(nights: list[Night]) -> None:
    """Every reading answered with 202 is in the store once, though batches came twice; all frames are judged."""
    for night in nights:
        assert night["acknowledged"] > 4000
        assert (night["lost"], night["twice"], night["waiting"]) == (0, 0, 0)


def serving(folder: Path, database: str = "", ingest_processes: int = 1) -> Served:
    """An installation with two sites, to be served by its real processes."""
    setup = _told(folder, "enrol", database=database)
    return Served(folder, setup, _env(database), ingest_processes=ingest_processes)


def _killed(served: Served, victims: tuple[str, ...]) -> None:
    """`kill -9` of each while gateways send; nothing that was acknowledged is lost."""
    chance = random.Random(14)
    for victim in victims:
        served.send_for(chance.uniform(0.4, 1.4))
        served.kill(victim, signal.SIGKILL)
        served.send_until_accepted(within_s=400)
    begin = time.monotonic()
    found = served.wait_until_judged(within_s=400)
    after_s = time.monotonic() - begin
    print(f"{served.acknowledged_count} readings acknowledged; judged {after_s:.1f} s after the last kill")
    assert (found["lost"], found["twice"], found["waiting"]) == (0, 0, 0)


@pytest.mark.processes
def test_alr_14_ten_kills_lose_no_acknowledged_reading(served: Served) -> None:
    """`kill -9` of web, worker or everything while gateways send: what was acknowledged is there once, and judged."""
    _killed(served, KILLS)
    assert served.acknowledged_count > 1000


@pytest.mark.processes
def test_alr_14_kills_on_postgresql_lose_no_acknowledged_reading(tmp_path: Path, cluster: Cluster) -> None:
    """The same on PostgreSQL."""
    running = serving(tmp_path / "data", cluster.database("killed"))
    try:
        running.start()
        _killed(running, KILLS_ON_POSTGRESQL)
        assert running.acknowledged_count > 400
    finally:
        running.end()


@pytest.mark.processes
def test_alr_14_a_killed_supervisor_takes_its_parts_with_it(served: Served) -> None:
    """`kill -9` of the supervisor alone: no part lives on with the port or the leases, and a new one serves."""
    parts = served.kill_supervisor(signal.SIGKILL)
    until = time.monotonic() + 400
    while left := [pid for pid in parts if Path(f"/proc/{pid}/cmdline").exists()]:
        assert time.monotonic() < until, f"{left} live on"
        time.sleep(0.1)
    served.start()
    found = served.wait_until_judged(within_s=400)
    assert (found["lost"], found["twice"], found["waiting"]) == (0, 0, 0)
