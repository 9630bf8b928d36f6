"""Evidence as pages: heads, entries, proofs that check without this system, and the story of a site."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from tests.rooms.telemetry.samples import a_monitored_space, deliver, judge, minutes
from tests.samples import a_sensor, a_site
from waystation.evidence import queries, sequencer
from waystation.evidence.actions import NewEntry, NewMessage, record
from waystation.evidence.models import OutboxAttempt, OutboxMessage
from waystation.journeys.story import story
from waystation.kernel.authority import Authority
from waystation.kernel.clock import FastClock
from waystation.kernel.refusals import BadInput
from waystation.telemetry.engine import Engine

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("folder")]
SignedIn = Callable[..., Client]


def _write(by: Authority, clock: FastClock, count: int = 5) -> None:
    """Entries about Córdoba, under a checkpoint."""
    site = a_site("cordoba")
    for number in range(count):
        facts = {"number": number}
        record([], entry=NewEntry("test.made", str(number), by, clock.now(), site.pk, "because", facts))
    sequencer.run(clock.now())


def test_evd_08_an_entry_checks_without_this_system(
    signed_in: SignedIn, system: Authority, clock: FastClock, folder: Path
) -> None:
    """The page's own commands, run on the page's own files, accept the entry; a changed byte is refused."""
    _write(system, clock)
    client = signed_in("auditor")
    page = client.get("/evidence/iberia/3/")
    for name, address in (
        ("3.json", "/evidence/iberia/3/leaf/"),
        ("3.tlog-proof", "/evidence/iberia/3/proof/"),
        ("trust.json", "/evidence/iberia/trust.json"),
        ("verify.py", "/evidence/verify.py"),
    ):
        (folder / name).write_bytes(client.get(address).content)
    commands = page.context["commands"].split("\n", 1)[1].rsplit("\n", 1)[0]

    def check() -> subprocess.CompletedProcess[str]:
        return subprocess.run([sys.executable, "-c", commands], cwd=folder, capture_output=True, text=True)

    good = check()
    assert good.stdout.strip() == "test.made stands at 3 of 5", good.stderr
    (folder / "3.json").write_bytes((folder / "3.json").read_bytes().replace(b"because", b"becausf"))
    assert check().returncode != 0


def test_an_unwitnessed_log_says_so(signed_in: SignedIn, system: Authority, clock: FastClock) -> None:
    """Plainly, on the overview and on the entry; what waits for a checkpoint is counted."""
    _write(system, clock)
    record([], entry=NewEntry("test.late", "9", system, clock.now(), a_site("cordoba").pk))
    client = signed_in("auditor")
    page = client.get("/evidence/").content.decode()
    assert "Unwitnessed" in page
    assert "1 wait for the next" in page
    assert "Unwitnessed" in client.get("/evidence/iberia/0/").content.decode()
    late = queries.entries(system, kind="test.late")[0]
    waiting = client.get(f"/evidence/entry/{late.seq}/").content.decode()
    assert "Waits for a checkpoint" in waiting
    sequencer.run(clock.now())
    assert client.get(f"/evidence/entry/{late.seq}/")["Location"] == "/evidence/iberia/5/"


def test_entries_are_found_by_what_is_asked(signed_in: SignedIn, system: Authority, clock: FastClock) -> None:
    """By kind, object and site; nothing that fits has its own words."""
    _write(system, clock)
    client = signed_in("auditor")
    assert client.get("/evidence/?kind=test.&object_id=2").content.decode().count("test.made") == 1
    assert "No entry fits" in client.get("/evidence/?kind=nothing.").content.decode()
    assert client.get("/evidence/?site=cordoba").content.decode().count("test.made") == 5


def test_only_who_may_read_evidence_sees_any_of_it(signed_in: SignedIn, system: Authority, clock: FastClock) -> None:
    """An operator sees no entry, no file, no story."""
    _write(system, clock)
    client = signed_in("operator")
    for address in (
        "/evidence/",
        "/evidence/iberia/0/",
        "/evidence/iberia/0/leaf/",
        "/evidence/iberia/0/proof/",
        "/evidence/iberia/trust.json",
        "/evidence/verify.py",
        "/evidence/story/?site=cordoba",
        "/evidence/entry/1/",
        "/evidence/entry/999999/",
    ):
        assert client.get(address).status_code == 403, address
    assert signed_in("auditor").get("/evidence/iberia/99/").status_code == 404


def test_evd_01_a_story_is_ordered_and_every_line_names_its_record(
    signed_in: SignedIn, system: Authority, clock: FastClock
) -> None:
    """Readings, a door, an excursion, a send: one order, each with an entry or the batch of its device."""
    begin = clock.now()
    space, (probe,) = a_monitored_space(begin)
    door = a_sensor(space, "door", quantity="door", unit="open", role="", resolution=1.0)
    rows = minutes(probe, begin, [5.0, 5.1] * 5 + [9.2, 9.4] * 3) + minutes(door, begin, [0, 0, 1, 1, 0])
    end = begin + timedelta(minutes=20)
    deliver(space, rows, end)
    judge(Engine(), end)
    message = NewMessage("page", "ana@example.org", "key-1", "Fridge")
    record([], messages=[message], entry=NewEntry("alarms.paged", "x", system, end, space.site_id))
    OutboxAttempt.objects.create(message=OutboxMessage.objects.get(), at=end, ok=True, receipt="250 ok")
    lines = story(system, space.site, begin, end + timedelta(minutes=1))
    assert [line.at for line in lines] == sorted(line.at for line in lines)
    assert {line.source for line in lines} == {"entry", "sent", "signal", "reading"}
    assert all(line.seq or line.batch for line in lines)
    said = [line.words for line in lines]
    assert "Fridge-1, door: open" in said
    assert any("highest 9.4" in words for words in said)
    clock.advance_to(end + timedelta(minutes=1))
    page = signed_in("auditor").get("/evidence/story/?site=cordoba").content.decode()
    assert "page to ana@example.org sent" in page.lower()
    assert page.count('class="stamp"') == len(story(system, space.site, clock.now() - timedelta(hours=6), clock.now()))


def test_a_story_that_cannot_be_told_is_refused(signed_in: SignedIn, system: Authority, clock: FastClock) -> None:
    """The end before the start, more than a week, an instant that is none; without a site the form stands alone."""
    a_site("cordoba")
    client = signed_in("auditor")
    assert client.get("/evidence/story/?site=cordoba&from=2026-11-17T05:00&to=2026-11-01T05:00").status_code == 422
    assert client.get("/evidence/story/?site=cordoba&from=yesterday").status_code == 422
    with pytest.raises(BadInput):
        story(system, a_site("cordoba"), clock.now() - timedelta(days=30), clock.now())
    assert "one ordered story" in client.get("/evidence/story/").content.decode()
    assert "Nothing is recorded" in client.get("/evidence/story/?site=cordoba").content.decode()
